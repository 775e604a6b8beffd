//! PES headers and the 90 kHz clock (ISO/IEC 13818-1 §2.4.3.6).

use bytes::{BufMut, BytesMut};
use lsv_core::media::MediaFrame;
use lsv_core::time::Timestamp;

/// When something is presented and decoded, in ticks of 90 kHz that never wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamps {
    presentation: i64,
    decoding: i64,
}

impl Stamps {
    /// Presented when it is decoded.
    pub(super) fn at(at: Timestamp) -> Self {
        let presentation = at.to_scale(90_000);
        Self {
            presentation,
            decoding: presentation,
        }
    }
}

/// Keeps the decoding times of a video stream in order, and none behind its presentation.
#[derive(Debug, Default)]
pub(super) struct Order {
    last: Option<(u32, i64)>,
}

impl Order {
    /// The times of `frame`. A decoding time after the presentation would be illegal, and so is one that is not after
    /// the frame before: where an encoder wants both, the picture comes later.
    pub(super) fn stamps(&mut self, frame: &MediaFrame) -> Stamps {
        let presentation = frame.pts().to_scale(90_000);
        let mut decoding = frame.dts.to_scale(90_000).min(presentation);
        if let Some((_, last)) = self.last.filter(|(epoch, _)| *epoch == frame.epoch) {
            decoding = decoding.max(last.saturating_add(1));
        }
        self.last = Some((frame.epoch, decoding));
        Stamps {
            presentation: presentation.max(decoding),
            decoding,
        }
    }
}

/// Appends the header of a PES packet that carries `length` bytes, 0 for any number (video only).
pub(super) fn write_header(out: &mut BytesMut, stream_id: u8, length: usize, stamps: Stamps) {
    let pts = wrapped(stamps.presentation, TIMESTAMP_OFFSET);
    let dts = wrapped(stamps.decoding, TIMESTAMP_OFFSET);
    let (flags, stamps): (u8, &[(u8, u64)]) = if dts == pts {
        (0x80, &[(0b0010, pts)])
    } else {
        (0xC0, &[(0b0011, pts), (0b0001, dts)])
    };
    let header_length = stamps.len() * 5;
    let packet_length = match length {
        0 => 0,
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
    wrapped(dts.to_scale(90_000), TIMESTAMP_OFFSET - CLOCK_LEAD)
}

/// `ticks` in 33 bits, `offset` later.
fn wrapped(ticks: i64, offset: i64) -> u64 {
    ticks.wrapping_add(offset) as u64 & MASK_33
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
