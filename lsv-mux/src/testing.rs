//! Tracks and frames that the tests of several modules share.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use lsv_core::codec::FourCc;
use lsv_core::media::{Codec, Kind, MediaFrame, Track, TrackName, Tracks};
use lsv_core::time::Timestamp;

use crate::fuzzing;
pub(crate) use crate::fuzzing::AVC_RECORD;

pub(crate) fn video() -> Arc<Track> {
    fuzzing::tracks().video.unwrap()
}

/// AAC LC, 44.1 kHz, stereo.
pub(crate) fn audio() -> Arc<Track> {
    fuzzing::tracks().audio.unwrap()
}

/// A codec that no muxer here carries.
pub(crate) fn other() -> Arc<Track> {
    let codec = Codec::Other {
        fourcc: FourCc::AV01,
        config: Bytes::new(),
    };
    Arc::new(Track::new(Kind::Video, codec))
}

pub(crate) fn tracks(video: Option<&Arc<Track>>, audio: Option<&Arc<Track>>) -> Tracks {
    let mut tracks = Tracks::default();
    (tracks.video, tracks.audio) = (video.cloned(), audio.cloned());
    tracks
}

pub(crate) fn frame(track: &Arc<Track>, millis: i64, key: bool, payload: Bytes) -> MediaFrame {
    let mut frame = MediaFrame::new(track, Timestamp::from_millis(millis), payload);
    frame.key = key;
    frame
}

/// NAL units with four-byte lengths.
pub(crate) fn access_unit(units: &[&[u8]]) -> Bytes {
    let mut out = BytesMut::new();
    for unit in units {
        out.extend_from_slice(&(unit.len() as u32).to_be_bytes());
        out.extend_from_slice(unit);
    }
    out.freeze()
}

pub(crate) const VIDEO: TrackName = TrackName {
    kind: Kind::Video,
    id: 0,
};
pub(crate) const AUDIO: TrackName = TrackName {
    kind: Kind::Audio,
    id: 0,
};

/// The track of that name.
pub(crate) fn name(text: &str) -> TrackName {
    let (kind, number) = match text.strip_prefix("video") {
        Some(number) => (Kind::Video, number),
        None => (Kind::Audio, text.strip_prefix("audio").unwrap()),
    };
    let id = number.parse().unwrap_or(0);
    TrackName { kind, id }
}
