//! Boxes and descriptors in general: a size in front that is known only when the content is written.

use bytes::{BufMut, BytesMut};
use lsv_core::wire::Reader;

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

/// The head of a box (ISO/IEC 14496-12 §4.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) kind: [u8; 4],
    /// Of the whole box.
    pub(super) size: u64,
    /// Of the head itself.
    pub(super) length: usize,
}

impl Head {
    /// `None` where `bytes` are too few, or the box ends within its own head. One that ends with the file, whose size is
    /// 0, is such a box: nothing that grows ends with the file.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let short = reader.u32().ok()?;
        let kind = reader.take(4).ok()?.try_into().ok()?;
        let (size, length) = match short {
            1 => (reader.u64().ok()?, LONG_HEAD),
            short => (u64::from(short), SHORT_HEAD),
        };
        (size >= length as u64).then_some(Self { kind, size, length })
    }
}

/// The boxes in `content`, up to the first that does not lie within.
pub(super) fn children(content: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = content;
    std::iter::from_fn(move || {
        let head = Head::of(rest)?;
        let size = usize::try_from(head.size).ok()?;
        let content = rest.get(head.length..size)?;
        rest = rest.get(size..)?;
        Some((head.kind, content))
    })
}

/// A box that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing(pub(super) [u8; 4]);

/// The content of the first box at `path`, each in the one before.
pub(super) fn child<'a>(content: &'a [u8], path: &[&[u8; 4]]) -> Result<&'a [u8], Missing> {
    path.iter().try_fold(content, |content, kind| {
        let found = children(content).find(|(name, _)| name == *kind);
        found.map(|(_, content)| content).ok_or(Missing(**kind))
    })
}

/// A head with a size of 32 bits, and one with a size of 64.
pub(super) const SHORT_HEAD: usize = 8;
pub(super) const LONG_HEAD: usize = 16;
