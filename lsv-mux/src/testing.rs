//! Tracks and frames that the tests of several modules share.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use lsv_core::codec::FourCc;
use lsv_core::media::{Codec, Kind, MediaFrame, Track, Tracks};
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
    Arc::new(Track {
        id: 0,
        kind: Kind::Video,
        codec,
    })
}

pub(crate) fn tracks(video: Option<&Arc<Track>>, audio: Option<&Arc<Track>>) -> Tracks {
    Tracks {
        video: video.cloned(),
        audio: audio.cloned(),
        ..Tracks::default()
    }
}

pub(crate) fn frame(track: &Arc<Track>, millis: i64, key: bool, payload: Bytes) -> MediaFrame {
    MediaFrame {
        track: Arc::clone(track),
        dts: Timestamp::from_millis(millis),
        composition: Timestamp::ZERO,
        key,
        epoch: 0,
        payload,
    }
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
