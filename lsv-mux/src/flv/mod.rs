//! FLV: the stream of HTTP-FLV viewers, and of the pipes that other programs read and write (FLV 10.1 annex E).
//!
//! What is inside a tag is the business of [`lsv_core::tag`]; here is what is around it.

use bytes::{BufMut, BytesMut};
use lsv_core::media::Kind;
use lsv_core::time::Timestamp;
use lsv_core::wire::put_u24;

mod demux;
mod file;
mod frames;
mod muxer;
mod package;
mod script;

#[cfg(test)]
mod tests;

pub use demux::{DemuxError, Demuxer, Limits, Reason, Tag};
pub use file::{Finished, Recording};
pub use frames::{Frames, FramesError};
pub use muxer::Muxer;
pub use package::FlvPackage;

/// The file header with the `PreviousTagSize0` that follows it: what a stream opens with, once (§E.2, §E.3).
pub const fn header(video: bool, audio: bool) -> [u8; 13] {
    let flags = (audio as u8) << 2 | video as u8;
    [b'F', b'L', b'V', VERSION, flags, 0, 0, 0, 9, 0, 0, 0, 0]
}

/// Appends a tag with the body that `body` appends, and its `PreviousTagSize` (§E.4.1).
///
/// A body that does not fit the 24 bits of the format, or is empty, appends nothing.
pub fn put_tag(out: &mut BytesMut, kind: Kind, at: Timestamp, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u8(match kind {
        Kind::Audio => TAG_AUDIO,
        Kind::Video => TAG_VIDEO,
        Kind::Data => TAG_SCRIPT,
    });
    put_u24(out, 0);
    // 32 bits of milliseconds that wrap, the high byte after the low three.
    let millis = at.as_millis() as u32;
    put_u24(out, millis);
    out.put_u8((millis >> 24) as u8);
    put_u24(out, 0);
    body(out);
    let size = out.len() - start - TAG_HEADER_BYTES;
    if size == 0 || size > MAX_BODY_BYTES {
        out.truncate(start);
        return;
    }
    let [_, size_field @ ..] = (size as u32).to_be_bytes();
    if let Some(slot) = out.get_mut(start + 1..start + 4) {
        slot.copy_from_slice(&size_field);
    }
    out.put_u32((size + TAG_HEADER_BYTES) as u32);
}

const VERSION: u8 = 1;
const TAG_AUDIO: u8 = 8;
const TAG_VIDEO: u8 = 9;
const TAG_SCRIPT: u8 = 18;
const TAG_HEADER_BYTES: usize = 11;
/// `DataSize` has 24 bits.
const MAX_BODY_BYTES: usize = (1 << 24) - 1;
