//! Sample entries of pictures.

use bytes::{BufMut, BytesMut};
use lsv_core::codec::avc;

use super::super::boxes::plain;

/// ISO/IEC 14496-15 §5.4.2.1.
pub(super) fn avc1(out: &mut BytesMut, config: &avc::Config) {
    visual(out, b"avc1", (config.width, config.height), |out| {
        plain(out, b"avcC", |out| out.put_slice(&config.record));
    });
}

/// A `VisualSampleEntry` (ISO/IEC 14496-12 §12.1.3) with the boxes that `boxes` appends.
fn visual(
    out: &mut BytesMut,
    kind: &[u8; 4],
    (width, height): (u32, u32),
    boxes: impl FnOnce(&mut BytesMut),
) {
    super::put(out, kind, |out| {
        out.put_bytes(0, 16);
        out.put_u16(width as u16);
        out.put_u16(height as u16);
        out.put_u32(DPI_72);
        out.put_u32(DPI_72);
        out.put_u32(0);
        out.put_u16(1);
        out.put_bytes(0, 32);
        out.put_u16(24);
        out.put_u16(0xFFFF);
        boxes(out);
    });
}

/// 72 dots an inch, 16.16: what the standard prescribes.
const DPI_72: u32 = 0x0048_0000;
