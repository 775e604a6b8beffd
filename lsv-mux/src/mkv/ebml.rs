//! EBML elements (RFC 8794): a name, a size, a value.

use bytes::{BufMut, BytesMut};

/// Appends an element with the elements that `content` appends.
pub(super) fn master(out: &mut BytesMut, id: u32, content: impl FnOnce(&mut BytesMut)) {
    put_id(out, id);
    let start = out.len();
    put_size(out, 0);
    content(out);
    let size = (out.len() - start - SIZE_BYTES) as u64 | SIZE_MARKER;
    if let Some(slot) = out.get_mut(start..start + SIZE_BYTES) {
        slot.copy_from_slice(&size.to_be_bytes());
    }
}

/// Appends an element that ends with the stream (§6.2).
pub(super) fn unknown_size(out: &mut BytesMut, id: u32) {
    put_id(out, id);
    out.put_u64(u64::MAX >> 7);
}

/// Appends an unsigned integer (§7.2) in as few bytes as hold it.
pub(super) fn unsigned(out: &mut BytesMut, id: u32, value: u64) {
    let leading = (value.leading_zeros() / 8).min(7) as usize;
    let bytes = value.to_be_bytes();
    binary(out, id, bytes.get(leading..).unwrap_or_default());
}

/// Appends a number with a point (§7.3).
pub(super) fn float(out: &mut BytesMut, id: u32, value: f64) {
    binary(out, id, &value.to_be_bytes());
}

/// Appends a text in ASCII (§7.4).
pub(super) fn text(out: &mut BytesMut, id: u32, value: &str) {
    binary(out, id, value.as_bytes());
}

/// Appends bytes as they are (§7.8).
pub(super) fn binary(out: &mut BytesMut, id: u32, value: &[u8]) {
    put_id(out, id);
    put_size(out, value.len() as u64);
    out.put_slice(value);
}

/// Appends a size in the form of eight bytes, which holds any (§4).
pub(super) fn put_size(out: &mut BytesMut, size: u64) {
    out.put_u64(size | SIZE_MARKER);
}

/// A name has its own length in its leading bits.
fn put_id(out: &mut BytesMut, id: u32) {
    let leading = (id.leading_zeros() / 8).min(3) as usize;
    out.put_slice(id.to_be_bytes().get(leading..).unwrap_or_default());
}

const SIZE_BYTES: usize = 8;
/// One leading bit in eight bytes.
const SIZE_MARKER: u64 = 1 << 56;
