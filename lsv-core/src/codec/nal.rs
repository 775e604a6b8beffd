//! NAL units, which H.264 and HEVC share: how they are framed, and what opens the parameter sets.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Colour, InvalidConfig, Picture};
use crate::wire::{BitReader, Reader, Truncated, subslice};

/// The NAL units of a length-prefixed access unit; a length that points past the end ends the iteration with an error.
pub fn nal_units(
    payload: &[u8],
    length_size: u8,
) -> impl Iterator<Item = Result<&[u8], InvalidConfig>> {
    let mut reader = Reader::new(payload);
    let mut broken = false;
    std::iter::from_fn(move || {
        if broken || reader.is_empty() {
            return None;
        }
        let length = match length_size {
            1 => reader.u8().map(usize::from),
            2 => reader.u16().map(usize::from),
            _ => reader.u32().map(|n| n as usize),
        };
        let unit = length.and_then(|n| reader.take(n));
        broken = unit.is_err();
        Some(unit.map_err(InvalidConfig::from))
    })
}

/// What stands in front of the first slice of an access unit, which is where parameter sets are. Units without content
/// are left out, and all that comes after more units than any encoder puts there.
pub(super) fn in_front(
    payload: &[u8],
    length_size: u8,
    is_slice: impl Fn(&[u8]) -> bool,
) -> impl Iterator<Item = &[u8]> {
    nal_units(payload, length_size)
        .take(MAX_UNITS_IN_FRONT)
        .map_while(Result::ok)
        .filter(|unit| !unit.is_empty())
        .take_while(move |unit| !is_slice(unit))
}

/// `count` NAL units of a configuration record, each after its length in 16 bits. They share the memory of `record`.
pub(super) fn read_units(
    record: &Bytes,
    reader: &mut Reader<'_>,
    count: u16,
) -> Result<Vec<Bytes>, InvalidConfig> {
    (0..count)
        .map(|_| {
            let length = reader.u16()?;
            match reader.take(usize::from(length))? {
                [] => Err(InvalidConfig::Field("empty parameter set")),
                unit => Ok(subslice(record, unit)),
            }
        })
        .collect()
}

/// Appends `units` as [`read_units`] reads them.
pub(super) fn put_units(out: &mut BytesMut, units: &[Bytes]) -> Result<(), InvalidConfig> {
    for unit in units {
        let length = u16::try_from(unit.len()).map_err(|_| InvalidConfig::TooLong(unit.len()))?;
        out.put_u16(length);
        out.put_slice(unit);
    }
    Ok(())
}

/// `known` with each of `brought` in place of the one that `id` gives the same number, or behind them all.
pub(super) fn replaced(
    known: &[Bytes],
    brought: Vec<Bytes>,
    id: impl Fn(&[u8]) -> Option<u32>,
) -> Vec<Bytes> {
    let mut units = known.to_vec();
    for unit in brought {
        let number = id(&unit);
        match units.iter_mut().find(|known| id(known) == number) {
            Some(known) => *known = unit,
            None => units.push(unit),
        }
    }
    units
}

/// The number below `count` that `content`, a parameter set behind its header, starts with.
pub(super) fn numbered(content: &[u8], count: u32) -> Option<u32> {
    // No number takes more, escaped as it may be.
    let start = unescape(content.get(..8).unwrap_or(content));
    let number = BitReader::new(&start).ue().ok()?;
    (number < count).then_some(number)
}

/// Takes the emulation prevention bytes out (ISO/IEC 14496-10 §7.4.1, ISO/IEC 23008-2 §7.4.2).
pub(super) fn unescape(nal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// The pixels that a conformance or cropping window takes away, in its own units: left, right, top, bottom.
pub(super) fn window(bits: &mut BitReader<'_>) -> Result<[u64; 4], Truncated> {
    let mut edges = [0; 4];
    if bits.bit()? {
        for edge in &mut edges {
            *edge = u64::from(bits.ue()?);
        }
    }
    Ok(edges)
}

/// The part of the VUI that is the same in both (ISO/IEC 14496-10 §E.1.1, ISO/IEC 23008-2 §E.2.1): shape of the pixels,
/// colours, place of the chroma samples.
pub(super) fn read_vui(
    bits: &mut BitReader<'_>,
    picture: &mut Picture,
) -> Result<(), InvalidConfig> {
    if bits.bit()? {
        let known = bits.bits(8)?;
        let (width, height) = match known {
            EXTENDED_SAR => (bits.bits(16)? as u16, bits.bits(16)? as u16),
            index => PIXEL_ASPECTS
                .get(index as usize)
                .copied()
                .unwrap_or_default(),
        };
        let is_known = width > 0 && height > 0 && width != height;
        picture.pixel_aspect = is_known.then_some((width, height));
    }
    if bits.bit()? {
        bits.skip(1)?;
    }
    if bits.bit()? {
        bits.skip(3)?;
        let full_range = bits.bit()?;
        let mut colour = Colour {
            full_range,
            ..Colour::UNSPECIFIED
        };
        if bits.bit()? {
            colour.primaries = bits.bits(8)? as u8;
            colour.transfer = bits.bits(8)? as u8;
            colour.matrix = bits.bits(8)? as u8;
        }
        picture.colour = Some(colour);
    }
    if bits.bit()? {
        bits.ue()?;
        bits.ue()?;
    }
    Ok(())
}

/// Delimiter, parameter sets and a dozen messages are what is seen.
const MAX_UNITS_IN_FRONT: usize = 256;

const EXTENDED_SAR: u32 = 255;

/// ISO/IEC 14496-10 table E-1.
const PIXEL_ASPECTS: [(u16, u16); 17] = [
    (0, 0),
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nal_units_stop_at_a_lying_length() {
        let payload = [0, 0, 0, 2, 0x65, 1, 0, 0, 0, 9, 0x41];
        let units: Vec<_> = nal_units(&payload, 4).collect();
        assert_eq!(units, [Ok(&[0x65, 1][..]), Err(InvalidConfig::Truncated)]);
    }

    #[test]
    fn what_is_in_front_ends_at_the_first_slice() {
        let payload = [1, 9, 0, 1, 7, 1, 1, 1, 7];
        let found: Vec<_> = in_front(&payload, 1, |unit| unit == [1]).collect();
        assert_eq!(found, [[9], [7]]);
        let many = [1, 9].repeat(1 << 16);
        assert_eq!(in_front(&many, 1, |_| false).count(), MAX_UNITS_IN_FRONT);
    }

    proptest! {
        #[test]
        fn units_end_where_the_payload_ends(payload in prop::collection::vec(any::<u8>(), 0..300), size in 1u8..5) {
            let mut taken = 0;
            for unit in nal_units(&payload, size).map_while(Result::ok) {
                taken += unit.len() + if size == 3 { 4 } else { usize::from(size) };
            }
            prop_assert!(taken <= payload.len());
        }

        #[test]
        fn nothing_is_unescaped_but_what_was_escaped(plain in prop::collection::vec(0u8..5, 0..60)) {
            let mut escaped = Vec::new();
            for &byte in &plain {
                if byte <= 3 && escaped.ends_with(&[0, 0]) {
                    escaped.push(3);
                }
                escaped.push(byte);
            }
            prop_assert_eq!(unescape(&escaped), plain);
        }
    }
}
