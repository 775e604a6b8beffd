//! Writing an FLV file or pipe, from its header on.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use lsv_core::hub::Package;
use lsv_core::media::{Kind, MediaFrame, Track, Tracks};
use lsv_core::tag::{self, Features};
use lsv_core::time::Timestamp;

use super::{FlvPackage, header, put_tag};

/// Turns the frames of one stream into FLV: one video track and one audio track, the default ones.
///
/// ```
/// # use lsv_core::media::{MediaFrame, Tracks};
/// # fn mux(tracks: &Tracks, frames: &[MediaFrame]) -> bytes::BytesMut {
/// let mut out = bytes::BytesMut::new();
/// let mut muxer = lsv_mux::flv::Muxer::start(tracks, &mut out);
/// for frame in frames {
///     muxer.push(frame, &mut out);
/// }
/// # out
/// # }
/// # mux(&Tracks::default(), &[]);
/// ```
#[derive(Debug)]
pub struct Muxer {
    /// The configurations that the reader has.
    pub(super) told: Tracks,
}

impl Muxer {
    /// Appends the file header, the metadata and the sequence headers of `tracks`. The file header says which kinds
    /// there are; a track that is not known yet may come later, but some players do not look for it then.
    pub fn start(tracks: &Tracks, out: &mut BytesMut) -> Self {
        out.put_slice(&header(tracks.video.is_some(), tracks.audio.is_some()));
        out.put_slice(&FlvPackage.prelude(tracks, Timestamp::ZERO));
        Self {
            told: tracks.clone(),
        }
    }

    /// Appends `frame`, behind the sequence header of its track where that is new or has changed.
    ///
    /// An empty frame, one of more than 16 MiB, and a frame of another track than the default one append nothing.
    pub fn push(&mut self, frame: &MediaFrame, out: &mut BytesMut) {
        if !frame.is_default {
            return;
        }
        let kind = frame.kind();
        let known = self.told.default_of(kind);
        if kind != Kind::Data && known.is_none_or(|known| !same(known, &frame.track)) {
            put_tag(out, kind, frame.dts, |out| {
                tag::put_config(out, &frame.track, Features::default());
            });
            let slot = match kind {
                Kind::Video => &mut self.told.video,
                _ => &mut self.told.audio,
            };
            *slot = Some(Arc::clone(&frame.track));
        }
        FlvPackage.push(frame, out);
    }
}

fn same(known: &Arc<Track>, track: &Arc<Track>) -> bool {
    Arc::ptr_eq(known, track) || known == track
}
