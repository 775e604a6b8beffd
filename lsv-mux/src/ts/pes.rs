//! PES headers and the 90 kHz clock (ISO/IEC 13818-1 §2.4.3.6).

use bytes::{BufMut, BytesMut};
use lsv_core::media::MediaFrame;
use lsv_core::time::Timestamp;

/// `stream_id` of the first video stream.
pub(super) const VIDEO: u8 = 0xE0;
/// `stream_id` of the first audio stream.
pub(super) const AUDIO: u8 = 0xC0;

/// Appends the header of a PES packet that carries `frame` in `length` bytes, 0 for any number (video only).
pub(super) fn write_header(out: &mut BytesMut, stream_id: u8, length: usize, frame: &MediaFrame) {
    let pts = ticks(frame.pts(), TIMESTAMP_OFFSET);
    // A decoding time after the presentation would be illegal. The presentation is what viewers see, so it stays.
    let dts = ticks(frame.dts.min(frame.pts()), TIMESTAMP_OFFSET);
    let (flags, stamps): (u8, &[(u8, u64)]) = if dts == pts {
        (0x80, &[(0b0010, pts)])
    } else {
        (0xC0, &[(0b0011, pts), (0b0001, dts)])
    };
    let header_length = stamps.len() * 5;
    let packet_length = match length {
        0 => 0,
        // Audio frames have at most 8 KiB.
        length => u16::try_from(length + header_length + 3).unwrap_or(0),
    };
    out.put_slice(&[0, 0, 1, stream_id]);
    out.put_u16(packet_length);
    out.put_slice(&[MARKER | DATA_ALIGNED, flags, header_length as u8]);
    for &(prefix, value) in stamps {
        write_timestamp(out, prefix, value);
    }
}

/// `program_clock_reference_base` to go with a frame that is decoded at `dts`.
pub(super) fn clock(dts: Timestamp) -> u64 {
    ticks(dts, TIMESTAMP_OFFSET - CLOCK_LEAD)
}

/// `at` in 33 bits, `offset` ticks later.
fn ticks(at: Timestamp, offset: i64) -> u64 {
    at.to_scale(90_000).wrapping_add(offset) as u64 & MASK_33
}

/// 33 bits in three groups, each followed by a marker bit.
fn write_timestamp(out: &mut BytesMut, prefix: u8, value: u64) {
    let group = |shift: u32, mask: u64| (((value >> shift) & mask) << 1 | 1) as u16;
    out.put_u8(prefix << 4 | group(30, 0x07) as u8);
    out.put_u16(group(15, 0x7FFF));
    out.put_u16(group(0, 0x7FFF));
}

/// The fixed bits `10` before the flags.
const MARKER: u8 = 0x80;
/// An access unit starts right after the header.
const DATA_ALIGNED: u8 = 0x04;
const MASK_33: u64 = (1 << 33) - 1;
/// 1.4 s, as FFmpeg has it: the first frame of a stream may have a small negative time, and the clock runs ahead.
const TIMESTAMP_OFFSET: i64 = 126_000;
/// 0.7 s from a byte's arrival to its decoding, which a decoder must buffer (at most 1 s, §2.4.2.6).
const CLOCK_LEAD: i64 = 63_000;
