//! Packaging: a stream encoded for the wire once, however many viewers read it.

use std::any::Any;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Limits;
use super::feed::{Feed, Item, Subscriber};
use crate::media::{MediaFrame, Track, Tracks};
use crate::time::Timestamp;

/// A wire format that is a plain sequence of bytes, such as FLV or RTMP's chunks.
pub trait Package: Send + 'static {
    /// Whether it carries all tracks; else it gets the frames of the default ones only.
    const ALL_TRACKS: bool = false;

    /// A packager at the start of a stream.
    fn new() -> Self
    where
        Self: Sized;

    /// The headers that a player needs before a frame at `at`: metadata and codec configurations. In mid-stream `tracks`
    /// are those alone that are new or have changed.
    fn prelude(&mut self, tracks: &Tracks, at: Timestamp) -> Bytes;

    /// Appends `frame` to `out`.
    fn push(&mut self, frame: &MediaFrame, out: &mut BytesMut);
}

/// A piece of a packaged stream, ready for the wire.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The bytes.
    pub bytes: Bytes,
    /// Whether a viewer may start here.
    pub key: bool,
    /// Where it lies on the timeline.
    pub at: Timestamp,
    /// The epoch that it belongs to, as [`MediaFrame::epoch`].
    pub epoch: u32,
    /// What a viewer that starts here needs first; empty where `key` is not set.
    pub prelude: Bytes,
}

impl Item for Chunk {
    fn size(&self) -> usize {
        self.bytes.len() + self.prelude.len() + size_of::<Self>()
    }

    fn is_key(&self) -> bool {
        self.key
    }

    fn at(&self) -> Timestamp {
        self.at
    }
}

/// Which tracks of a stream are new, or have a new configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Changed {
    #[default]
    Nothing,
    /// Only such as are not the default of their kind.
    Others,
    /// One that is the default, or has just become it.
    Default,
}

impl Changed {
    /// What readers of `old` have to learn of `new`; that something is gone says no frame.
    pub(super) fn between(old: &Tracks, new: &Tracks) -> Self {
        let is_new = |track: &Arc<Track>| old.find(track.kind, track.id) != Some(track);
        let is_default_anew = |track: &Arc<Track>| old.default_of(track.kind) != Some(track);
        if new.defaults().any(is_default_anew) {
            Self::Default
        } else if new.others.iter().any(is_new) {
            Self::Others
        } else {
            Self::Nothing
        }
    }
}

/// A packager at work on a stream, with the feed that it fills.
pub(super) trait Derived: Send {
    fn push(&mut self, frame: &MediaFrame, tracks: &Tracks, changed: Changed);
    fn end(&self);
    fn in_use(&self) -> bool;
    fn as_any(&self) -> &dyn Any;
}

pub(super) struct Packaged<P> {
    package: P,
    /// What those know who are in the middle of the stream.
    told: Option<Tracks>,
    feed: Feed<Chunk>,
}

impl<P: Package> Packaged<P> {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            package: P::new(),
            told: None,
            feed: Feed::new(limits.feed_bytes, limits.feed_span),
        }
    }

    pub(super) fn subscribe(&self) -> Subscriber<Chunk> {
        self.feed.subscribe()
    }
}

impl<P: Package> Derived for Packaged<P> {
    fn push(&mut self, frame: &MediaFrame, tracks: &Tracks, changed: Changed) {
        let concerns = match P::ALL_TRACKS {
            true => Changed::Others,
            false => Changed::Default,
        };
        let (changed, key) = (changed >= concerns, frame.is_key());
        if changed {
            // For those who are in the middle of the stream. A decoder may start over at a header that it has already.
            let news = match &self.told {
                Some(told) => news(tracks, told),
                None => tracks.clone(),
            };
            let bytes = self.package.prelude(&news, frame.dts);
            if !bytes.is_empty() {
                self.feed.push(Chunk {
                    bytes,
                    key: false,
                    at: frame.dts,
                    epoch: frame.epoch,
                    prelude: Bytes::new(),
                });
            }
        }
        if changed || self.told.is_none() {
            self.told = Some(tracks.clone());
        }
        let prelude = match key {
            true => self.package.prelude(tracks, frame.dts),
            false => Bytes::new(),
        };
        if !P::ALL_TRACKS && !frame.is_default {
            return;
        }
        let mut out = BytesMut::with_capacity(frame.payload.len() + FRAMING_BYTES);
        self.package.push(frame, &mut out);
        if !out.is_empty() {
            self.feed.push(Chunk {
                bytes: out.freeze(),
                key,
                at: frame.dts,
                epoch: frame.epoch,
                prelude,
            });
        }
    }

    fn end(&self) {
        self.feed.end();
    }

    fn in_use(&self) -> bool {
        self.feed.has_readers()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What somebody has not heard yet who knows `known`: tracks that are new or have changed, and other metadata.
fn news(tracks: &Tracks, known: &Tracks) -> Tracks {
    let is_new = |track: &&Arc<Track>| known.find(track.kind, track.id) != Some(*track);
    let metadata = tracks.metadata.clone();
    Tracks {
        video: tracks.video.clone().filter(|_| tracks.video != known.video),
        audio: tracks.audio.clone().filter(|_| tracks.audio != known.audio),
        others: tracks.others.iter().filter(is_new).cloned().collect(),
        metadata: metadata.filter(|_| tracks.metadata != known.metadata),
    }
}

/// Room for what the formats put around a payload, so that a frame is packaged with a single allocation: FLV needs
/// 20 bytes, RTMP one byte per chunk besides.
const FRAMING_BYTES: usize = 64;
