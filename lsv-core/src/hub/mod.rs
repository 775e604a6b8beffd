//! The hub: streams with one publisher on one side and any number of readers on the other.
//!
//! ```text
//! Hub ── StreamPath ─> Stream ─┬─ Feed<MediaFrame>      what the publisher sent, on one timeline
//!                              └─ derived Feed<Chunk>   the same, packaged once for all viewers of a format
//! Publisher   the exclusive writer of a stream: dropped it is lost, finished it has ended
//! Insert      a processor between publisher and readers, who see what it pushes: dropped, they see the publisher's frames
//! Subscriber  a cursor into a feed: starts at a key frame, never stalls the publisher
//! ```
//!
//! The hub does no I/O and reads no clock. A stream whose publisher is lost stays, with all its readers, until
//! somebody with a clock calls [`Stream::expire`]; [`crate::lifecycle`] does.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use crate::path::{Rendition, StreamPath};
use take_overs::TakeOvers;

mod doctor;
mod feed;
mod flow;
mod insert;
mod intake;
mod lineup;
mod package;
mod processing;
mod publisher;
mod route;
mod stats;
mod stream;
mod take_overs;
mod timeline;
mod warning;

pub use feed::{Batch, Delivery, Item, Subscriber};
pub use insert::Insert;
pub use package::{Chunk, Package};
pub use processing::{Motion, Processing, Watermark, WatermarkPicture, WatermarkText};
pub use publisher::{Closed, Publisher};
pub use route::Stage;
pub use stats::{Ingest, Protocol, Traffic, Viewer};
pub use stream::{Clock, State, Stream};
pub use take_overs::Elsewhere;
pub use warning::Warning;

/// All streams of a node. Clones share them.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    streams: RwLock<HashMap<StreamPath, Arc<Stream>>>,
    events: broadcast::Sender<Event>,
    limits: Limits,
}

impl Hub {
    /// A hub without streams.
    pub fn new(limits: Limits) -> Self {
        let (events, _) = broadcast::channel(EVENT_BACKLOG);
        Self {
            shared: Arc::new(Shared {
                streams: RwLock::default(),
                events,
                limits,
            }),
        }
    }

    /// Starts publishing `path`, taking over from an older publisher where `offer` says so.
    ///
    /// Readers of a stream that was lost and of one that is taken over stay, and go on with what the new publisher sends.
    pub fn publish(
        &self,
        path: &StreamPath,
        offer: Offer,
        now: Instant,
    ) -> Result<Publisher, PublishError> {
        // Measured before anything is locked: streams have locks of their own.
        let bit_rate = match self.shared.limits.ingest_bit_rate {
            Some(_) => self.ingest_bit_rate(),
            None => 0,
        };
        let (stream, started) = {
            let mut streams = self
                .shared
                .streams
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            match streams.get(path) {
                Some(stream) if stream.state() != State::Ended => (Arc::clone(stream), false),
                _ => {
                    let sources = streams.keys().filter(|path| is_source(path)).count();
                    self.shared
                        .limits
                        .admit(path, streams.len(), sources, bit_rate)?;
                    // A stream that nobody may publish is not begun.
                    TakeOvers::default().admit(&offer, false, self.limits(), now)?;
                    let stream = Stream::new(path.clone(), self.clone(), offer.settings.clone());
                    streams.insert(path.clone(), Arc::clone(&stream));
                    (stream, true)
                }
            }
        };
        let publisher = stream.take_over(offer, now)?;
        self.emit(match started {
            true => Event::Started(stream),
            false => Event::Resumed(stream),
        });
        Ok(publisher)
    }

    /// The stream at `path`, live or within its reconnect window.
    pub fn find(&self, path: &StreamPath) -> Option<Arc<Stream>> {
        let streams = self
            .shared
            .streams
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        streams.get(path).cloned()
    }

    /// All streams, live or within their reconnect window, in no order.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        let streams = self
            .shared
            .streams
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        streams.values().cloned().collect()
    }

    /// What happens to streams from now on. A reader that lags misses events and resynchronises by [`Hub::streams`].
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// Bits a second that come in from all publishers of sources together.
    pub fn ingest_bit_rate(&self) -> u64 {
        let streams = self.streams();
        let sources = streams.iter().filter(|stream| is_source(stream.path()));
        let live = sources.filter(|stream| stream.state() == State::Live);
        live.map(|stream| stream.ingest().bit_rate).sum()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn emit(&self, event: Event) {
        // Nobody listening is fine.
        drop(self.shared.events.send(event));
    }

    fn remove(&self, stream: Arc<Stream>, was_live: bool) {
        let mut streams = self
            .shared
            .streams
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if streams
            .get(stream.path())
            .is_some_and(|known| Arc::ptr_eq(known, &stream))
        {
            streams.remove(stream.path());
        }
        drop(streams);
        self.emit(Event::Ended { stream, was_live });
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

/// Something that happened to a stream.
#[derive(Clone)]
#[non_exhaustive]
pub enum Event {
    /// A first publisher came; the stream is new.
    Started(Arc<Stream>),
    /// A publisher came to a stream that was there: after a loss, or by taking over.
    Resumed(Arc<Stream>),
    /// The publisher was lost without a word; the reconnect window is open.
    Interrupted(Arc<Stream>),
    /// The stream is over and has left the hub.
    Ended {
        /// The stream.
        stream: Arc<Stream>,
        /// It ended with its publisher; else the publisher had been lost before.
        was_live: bool,
    },
}

/// What a publisher brings along.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Where it comes from, for people: an address, or the name of a local source.
    pub peer: String,
    /// Whether it takes over from a publisher that is there.
    pub on_busy: OnBusy,
    /// Where the channel is live on another node.
    pub elsewhere: Option<Elsewhere>,
    /// The channel's output settings at this moment.
    pub settings: Settings,
    /// Whose clock its frames' times are on.
    pub times: Times,
}

impl Offer {
    /// An offer with default settings from `peer`, taking over.
    pub fn new(peer: impl Into<String>) -> Self {
        Self {
            peer: peer.into(),
            on_busy: OnBusy::default(),
            elsewhere: None,
            settings: Settings::default(),
            times: Times::default(),
        }
    }
}

/// Whose clock the times of a publisher's frames are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// The publisher's own, which is not trusted: the hub places them on the stream's timeline.
    #[default]
    Own,
    /// Another stream's timeline, as a rendition's are on its source's: times and epochs stay as they are, so that
    /// streams that are given the same frames have the same times, epochs and breaks, whichever of their tracks came
    /// first.
    ///
    /// For publishers inside the platform alone: what they say is believed. No track runs backwards: a frame up to 40 ms
    /// before the last one of its track gets that one's time. Left out are frames further back, those of an epoch that is
    /// over, what a new publisher sends of the time that an older one has sent, and pictures that need one of these. A
    /// publisher that comes after one was lost opens a new epoch, one that takes over does not. A stream of this kind
    /// is to be ended with the stream whose times it has.
    Given,
}

/// What happens when a second publisher comes to a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBusy {
    /// The newcomer takes over: an encoder that lost its network must not lock itself out.
    #[default]
    TakeOver,
    /// The older one stays.
    Reject,
}

/// The output settings of a channel, followed while it is live.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Offer HTTP-FLV.
    pub flv: bool,
    /// Offer HLS with MPEG-TS segments.
    pub hls: bool,
    /// Offer CMAF: low-latency HLS and DASH.
    pub cmaf: bool,
    /// The target duration of a segment.
    pub segment: Duration,
    /// Segments in a playlist.
    pub list_size: usize,
    /// How far back playlists go beyond that, where there is an object store for it.
    pub dvr_window: Option<Duration>,
    /// Encrypt HLS, under a new key every so many segments; `None` leaves it in the clear. FLV and RTMP, which have no
    /// encryption, go on as they are.
    pub key_rotation: Option<NonZeroU32>,
    /// What is recorded.
    pub recording: Recording,
    /// What is made of the source beyond remuxing.
    pub processing: Processing,
}

/// What is recorded of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recording {
    /// As MP4 files of that length.
    pub files: Option<Duration>,
    /// As HLS for video on demand.
    pub on_demand: Option<OnDemand>,
}

/// How HLS for video on demand is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDemand {
    /// The length of a segment.
    pub segment: Duration,
    /// Segments that are kept; 0 keeps all.
    pub list_size: usize,
}

impl Default for Settings {
    /// The defaults of a channel record.
    fn default() -> Self {
        Self {
            flv: true,
            hls: true,
            cmaf: false,
            segment: Duration::from_secs(2),
            list_size: 6,
            dvr_window: None,
            key_rotation: None,
            recording: Recording::default(),
            processing: Processing::default(),
        }
    }
}

/// What bounds a hub.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Streams at once, so that credentials in the wrong hands cannot fill the memory. 10,000.
    pub streams: usize,
    /// Bytes that one feed keeps for late joiners and slow readers: over ten seconds at 20 Mbit/s. 32 MiB.
    pub feed_bytes: usize,
    /// Time that one feed keeps, rounded up to whole groups of pictures; a reader that lags by more jumps to the
    /// newest key frame. 6 s.
    pub feed_span: Duration,
    /// Tracks of one kind in a stream; those beyond are left out. Publishers send up to six renditions. 8.
    pub tracks: usize,
    /// Bytes of metadata that are kept for those who join; longer metadata is left out. It is copied at each key frame,
    /// once per output format. 64 KiB.
    pub metadata_bytes: usize,
    /// Take-overs within [`Limits::take_over_window`] before newcomers are refused. 3.
    pub take_overs: usize,
    /// See [`Limits::take_overs`]. 10 s.
    pub take_over_window: Duration,
    /// A step between neighbouring timestamps longer than this breaks the timeline. 10 s.
    pub max_gap: Duration,
    /// Sources at once, those in their reconnect window among them; one more channel is refused, and whoever comes back to
    /// one of these is not. No limit.
    pub publishers: Option<usize>,
    /// Bits a second that all publishers of sources send together; while it is reached, one more channel is refused. No
    /// limit.
    pub ingest_bit_rate: Option<u64>,
    /// Bits a second that a publisher is advised to stay below; one that does not is carried all the same, and its
    /// operator warned. 10 Mbit/s.
    pub advised_bit_rate: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams: 10_000,
            feed_bytes: 32 << 20,
            feed_span: Duration::from_secs(6),
            tracks: 8,
            metadata_bytes: 64 << 10,
            take_overs: 3,
            take_over_window: Duration::from_secs(10),
            max_gap: Duration::from_secs(10),
            publishers: None,
            ingest_bit_rate: None,
            advised_bit_rate: 10_000_000,
        }
    }
}

impl Limits {
    /// Whether one more stream may begin at `path`, where there are so many, so many of them sources.
    fn admit(
        &self,
        path: &StreamPath,
        streams: usize,
        sources: usize,
        bit_rate: u64,
    ) -> Result<(), PublishError> {
        if streams >= self.streams {
            return Err(PublishError::Full(self.streams));
        }
        if !is_source(path) {
            return Ok(());
        }
        match (self.publishers, self.ingest_bit_rate) {
            (Some(most), _) if sources >= most => Err(PublishError::TooManyPublishers(most)),
            (_, Some(most)) if bit_rate >= most => Err(PublishError::BitRate(most)),
            _ => Ok(()),
        }
    }
}

/// Why a publisher was not admitted to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Somebody publishes already, and the newcomer may not take over.
    #[error("the channel is being published already")]
    Busy,
    /// Publishers keep throwing each other out; probably two encoders have the same key.
    #[error(
        "the channel was taken over too often in a short time; are two encoders using the same key?"
    )]
    TooManyTakeOvers,
    /// The node holds as many streams as it may.
    #[error("this node carries {0} streams already")]
    Full(usize),
    /// As many publish on the node as may.
    #[error("no more than {0} channels can be published on this node at once; try another node")]
    TooManyPublishers(usize),
    /// As much comes in on the node as may.
    #[error(
        "this node takes in no more than {0} bits a second, and they come in; try another node"
    )]
    BitRate(u64),
    /// The stream ended at this very moment; trying again makes a new one.
    #[error("the stream is just ending; try again")]
    Ending,
}

fn is_source(path: &StreamPath) -> bool {
    path.rendition == Rendition::Source
}

/// Locks that are never held over code that may panic cannot be poisoned in a harmful way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Events that a listener may lag behind.
const EVENT_BACKLOG: usize = 1024;

#[cfg(test)]
mod tests;
