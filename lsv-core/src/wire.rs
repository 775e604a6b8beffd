//! The one byte toolbox of the workspace: fallible reads, infallible writes, bits.
//!
//! Reads never panic and never allocate; a read past the end is [`Truncated`], which callers turn into
//! the error of the thing they were parsing.

use bytes::{BufMut, Bytes, BytesMut};

/// The input ended before the value did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("input ended {missing} bytes early")]
pub struct Truncated {
    /// How many more bytes the value needed, at least.
    pub missing: usize,
}

/// A cursor over borrowed bytes, big-endian as every format here is.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Truncated> {
        match self.rest.split_at_checked(n) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => Err(Truncated {
                missing: n.saturating_sub(self.rest.len()),
            }),
        }
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// The next two bytes as an unsigned integer.
    pub fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_be_bytes)
    }

    /// The next three bytes as an unsigned integer.
    pub fn u24(&mut self) -> Result<u32, Truncated> {
        self.array::<3>()
            .map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// The next three bytes as a two's complement integer (FLV composition times).
    pub fn i24(&mut self) -> Result<i32, Truncated> {
        self.u24().map(|value| ((value << 8) as i32) >> 8)
    }

    /// The next four bytes as an unsigned integer.
    pub fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next eight bytes as an unsigned integer.
    pub fn u64(&mut self) -> Result<u64, Truncated> {
        self.array().map(u64::from_be_bytes)
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes have not been read yet.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// True when everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| Truncated { missing: N })
    }
}

/// Appends the low 24 bits of `value`, big-endian.
pub fn put_u24(out: &mut BytesMut, value: u32) {
    let [_, a, b, c] = value.to_be_bytes();
    out.put_slice(&[a, b, c]);
}

/// Appends `value` as a 24-bit two's complement integer.
pub fn put_i24(out: &mut BytesMut, value: i32) {
    put_u24(out, value as u32);
}

/// The part of `whole` that `part`, a slice of it, covers; shares the memory.
///
/// A `part` from elsewhere gives empty bytes.
pub fn subslice(whole: &Bytes, part: &[u8]) -> Bytes {
    let start = offset(whole, part);
    start.map_or_else(Bytes::new, |start| whole.slice(start..start + part.len()))
}

/// Where in `whole` a slice of it begins; none of what is empty or from elsewhere.
pub(crate) fn offset(whole: &[u8], part: &[u8]) -> Option<usize> {
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    let end = start.checked_add(part.len())?;
    (end <= whole.len() && !part.is_empty()).then_some(start)
}

/// A cursor over single bits, most significant first (ISO/IEC 14496 syntax).
#[derive(Debug, Clone)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    /// A reader at the first bit of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// The next bit.
    pub fn bit(&mut self) -> Result<bool, Truncated> {
        let byte = self
            .bytes
            .get(self.position / 8)
            .ok_or(Truncated { missing: 1 })?;
        let bit = (byte >> (7 - self.position % 8)) & 1;
        self.position += 1;
        Ok(bit == 1)
    }

    /// The next `n` bits (at most 32) as an unsigned integer.
    pub fn bits(&mut self, n: u32) -> Result<u32, Truncated> {
        let mut value = 0u32;
        for _ in 0..n.min(32) {
            value = (value << 1) | u32::from(self.bit()?);
        }
        Ok(value)
    }

    /// Skips `n` bits.
    pub fn skip(&mut self, n: usize) -> Result<(), Truncated> {
        let position = self.position.saturating_add(n);
        if position > self.bytes.len().saturating_mul(8) {
            return Err(Truncated { missing: 1 });
        }
        self.position = position;
        Ok(())
    }

    /// Skips to the next byte, if it is inside one.
    pub fn align(&mut self) {
        self.position = self.position.next_multiple_of(8);
    }

    /// An unsigned Exp-Golomb code, `ue(v)` (ISO/IEC 14496-10 §9.1).
    pub fn ue(&mut self) -> Result<u32, Truncated> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return Err(Truncated { missing: 1 });
            }
        }
        let tail = self.bits(zeros)?;
        Ok(((1u64 << zeros) - 1 + u64::from(tail)) as u32)
    }

    /// A signed Exp-Golomb code, `se(v)` (ISO/IEC 14496-10 §9.1.1).
    pub fn se(&mut self) -> Result<i32, Truncated> {
        let code = i64::from(self.ue()?);
        let magnitude = (code + 1) / 2;
        Ok(if code % 2 == 1 { magnitude } else { -magnitude } as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_stop_at_the_end() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16(), Ok(0x0102));
        assert_eq!(reader.u16(), Err(Truncated { missing: 1 }));
        assert_eq!(reader.u8(), Ok(3));
        assert!(reader.is_empty());
    }

    #[test]
    fn exp_golomb_codes() {
        // 1 | 010 | 011 | 00100 | padding
        let bits = [0b1010_0110, 0b0100_0000];
        let mut reader = BitReader::new(&bits);
        assert_eq!(
            [reader.ue(), reader.ue(), reader.ue(), reader.ue()],
            [Ok(0), Ok(1), Ok(2), Ok(3)]
        );
        assert!(BitReader::new(&[0; 3]).ue().is_err());
        assert!(BitReader::new(&[0; 64]).ue().is_err());
    }

    #[test]
    fn subslices_share_memory() {
        let whole = Bytes::from_static(b"0123456789");
        let part = subslice(&whole, &whole[3..6]);
        assert_eq!(&part[..], b"345");
        assert_eq!(part.as_ptr(), whole[3..].as_ptr());
        assert!(subslice(&whole, b"elsewhere").is_empty());
    }

    proptest! {
        #[test]
        fn i24_round_trips(value in -(1i32 << 23)..(1 << 23)) {
            let mut out = BytesMut::new();
            put_i24(&mut out, value);
            prop_assert_eq!(Reader::new(&out).i24(), Ok(value));
        }
    }
}
