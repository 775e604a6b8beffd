//! Boxes and descriptors in general: a size in front that is known only when the content is written.

use bytes::{BufMut, BytesMut};

/// Appends the box `kind` with the content that `content` appends (ISO/IEC 14496-12 §4.2).
pub(super) fn plain(out: &mut BytesMut, kind: &[u8; 4], content: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(0);
    out.put_slice(kind);
    content(out);
    let size = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&size.to_be_bytes());
    }
}

/// Appends a box with `version` and 24 bits of `flags`.
pub(super) fn full(
    out: &mut BytesMut,
    kind: &[u8; 4],
    (version, flags): (u8, u32),
    content: impl FnOnce(&mut BytesMut),
) {
    plain(out, kind, |out| {
        out.put_u32(u32::from(version) << 24 | flags);
        content(out);
    });
}

/// Appends a descriptor of ISO/IEC 14496-1 §8.3.3, its length in the four-byte form that every reader takes.
pub(super) fn descriptor(out: &mut BytesMut, tag: u8, content: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    let start = out.len();
    out.put_u32(0);
    content(out);
    let length = out.len() - start - 4;
    let group = |shift: u32| (length >> shift) as u8 & 0x7F;
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&[
            0x80 | group(21),
            0x80 | group(14),
            0x80 | group(7),
            group(0),
        ]);
    }
}
