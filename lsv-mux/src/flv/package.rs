//! Frames as FLV tags, made once for all viewers of a stream.

use bytes::{BufMut, Bytes, BytesMut};
use lsv_core::hub::Package;
use lsv_core::media::{Kind, MediaFrame, Tracks};
use lsv_core::tag::{self, Features};
use lsv_core::time::Timestamp;

use super::put_tag;

/// Packages the default tracks of a stream as FLV tags. A viewer cannot say what it understands, so what only new ones
/// do is left out: nanoseconds, side data. The file header is not part of it: each response opens with [`super::header`].
#[derive(Debug)]
pub struct FlvPackage;

impl Package for FlvPackage {
    fn new() -> Self {
        Self
    }

    /// The publisher's `onMetaData`, then the sequence headers.
    ///
    /// Metadata is about the whole stream, and at time 0 wherever a viewer starts: players take a script tag with
    /// another time for timed text.
    fn prelude(&mut self, tracks: &Tracks, at: Timestamp) -> Bytes {
        let mut out = BytesMut::new();
        if let Some(metadata) = &tracks.metadata {
            put_tag(&mut out, Kind::Data, Timestamp::ZERO, |out| {
                out.put_slice(metadata);
            });
        }
        for track in tracks.defaults() {
            put_tag(&mut out, track.kind, at, |out| {
                tag::put_config(out, track, Features::default())
            });
        }
        out.freeze()
    }

    fn push(&mut self, frame: &MediaFrame, out: &mut BytesMut) {
        if frame.payload.is_empty() {
            return;
        }
        put_tag(out, frame.kind(), frame.dts, |out| {
            tag::put_frame_header(out, frame, Features::default());
            out.put_slice(&frame.payload);
        });
    }
}
