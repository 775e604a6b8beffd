//! The program configuration, which says the channels where no channel configuration does (ISO/IEC 14496-3 §4.4.1.1).

use bytes::{BufMut, Bytes, BytesMut};

use super::InvalidConfig;
use crate::wire::{BitReader, Truncated};

/// A `program_config_element`.
#[derive(Debug)]
pub(super) struct Program {
    /// The channels of all its elements.
    pub(super) channels: u8,
    /// The element as a raw data block has it in front, whole bytes long and without comment.
    pub(super) element: Bytes,
}

impl Program {
    /// Reads it as it stands in a record.
    pub(super) fn read(bits: &mut BitReader<'_>) -> Result<Self, InvalidConfig> {
        let mut copy = Copier {
            from: bits,
            element: Bits::default(),
        };
        copy.element.put(PROGRAM_ELEMENT, 3);
        // Instance, object type, sampling frequency.
        copy.bits(4 + 2 + 4)?;
        let paired = [copy.bits(4)?, copy.bits(4)?, copy.bits(4)?];
        let low_frequency = copy.bits(2)?;
        let (data, coupling) = (copy.bits(3)?, copy.bits(4)?);
        // Mixdowns to mono, to stereo, and by a matrix.
        for length in [4, 4, 3] {
            if copy.bits(1)? == 1 {
                copy.bits(length)?;
            }
        }
        let mut channels = low_frequency;
        for _ in 0..paired.iter().sum() {
            // A pair, or one channel; and the element's number.
            channels += 1 + copy.bits(1)?;
            copy.bits(4)?;
        }
        copy.bits(4 * low_frequency)?;
        for _ in 0..data {
            copy.bits(4)?;
        }
        for _ in 0..coupling {
            copy.bits(5)?;
        }
        let mut element = copy.element;
        bits.align();
        let comment = bits.bits(8)?;
        bits.skip(comment as usize * 8)?;
        element.align();
        element.put(0, 8);
        match u8::try_from(channels) {
            Ok(channels @ 1..) => Ok(Self {
                channels,
                element: element.bytes.freeze(),
            }),
            _ => Err(InvalidConfig::Field("program configuration")),
        }
    }
}

/// Bits that are read, and written again as they are.
struct Copier<'r, 'b> {
    from: &'r mut BitReader<'b>,
    element: Bits,
}

impl Copier<'_, '_> {
    fn bits(&mut self, n: u32) -> Result<u32, Truncated> {
        let value = self.from.bits(n)?;
        self.element.put(value, n);
        Ok(value)
    }
}

#[derive(Default)]
struct Bits {
    bytes: BytesMut,
    /// Bits of the last byte that are taken, 0 where it is full.
    taken: u32,
}

impl Bits {
    fn put(&mut self, value: u32, n: u32) {
        for shift in (0..n).rev() {
            if self.taken == 0 {
                self.bytes.put_u8(0);
            }
            let bit = (value >> shift & 1) as u8;
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << (7 - self.taken);
            }
            self.taken = (self.taken + 1) % 8;
        }
    }

    fn align(&mut self) {
        self.taken = 0;
    }
}

/// `ID_PCE`.
const PROGRAM_ELEMENT: u32 = 5;
