//! AV1: the `AV1CodecConfigurationRecord` (AV1 in ISO BMFF §2.3.3) and the sequence header in it (AV1 bit stream §5.5).

use bytes::{BufMut, Bytes, BytesMut};

use super::{Colour, InvalidConfig, MAX_RECORD_BYTES, Picture, picture};
use crate::wire::{BitReader, Reader, Truncated, subslice};

/// A parsed `AV1CodecConfigurationRecord`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The record as it came.
    pub record: Bytes,
    /// `seq_profile`: 0 Main, 1 High, 2 Professional.
    pub profile: u8,
    /// `seq_level_idx` of the first operating point: 4 times the major level less 8, plus the minor one.
    pub level: u8,
    /// The first operating point is of the High tier.
    pub high_tier: bool,
    /// Bits of a sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// There is no chroma.
    pub monochrome: bool,
    /// `subsampling_x`, `subsampling_y` and `chroma_sample_position`, the digits of the codec string.
    pub subsampling: [u8; 3],
    /// The sequence header OBU of the record with its own header; empty where the record has none.
    pub sequence_header: Bytes,
    /// What the sequence header says of the pictures. Records do without one; then the first key frame brings it.
    pub picture: Option<Picture>,
}

impl Config {
    /// Parses `record`. Where its first bytes and its sequence header differ, decoders follow the latter, and so does this.
    pub fn parse(record: Bytes) -> Result<Self, InvalidConfig> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(InvalidConfig::TooLong(record.len()));
        }
        let mut reader = Reader::new(&record);
        if reader.u8()? != MARKER_AND_VERSION {
            return Err(InvalidConfig::Field("marker or version"));
        }
        let (profile, flags) = (reader.u8()?, reader.u8()?);
        reader.u8()?;
        let bit = |at: u8| (flags >> at) & 1;
        let said = match sequence_header(reader.rest()) {
            Some((obu, content)) => Some((subslice(&record, obu), Sequence::parse(content)?)),
            None if reader.is_empty() => None,
            None => return Err(InvalidConfig::Field("sequence header")),
        };
        let (sequence_header, said) = said.unzip();
        let fallback = Sequence {
            profile: profile >> 5,
            level: profile & 0x1F,
            high_tier: bit(7) == 1,
            bit_depth: match (bit(6), bit(5)) {
                (0, _) => 8,
                (_, 0) => 10,
                _ => 12,
            },
            monochrome: bit(4) == 1,
            subsampling: [bit(3), bit(2), flags & 3],
            picture: None,
        };
        let said = said.unwrap_or(fallback);
        if said.profile > 2 {
            return Err(InvalidConfig::Field("profile"));
        }
        Ok(Self {
            profile: said.profile,
            level: said.level,
            high_tier: said.high_tier,
            bit_depth: said.bit_depth,
            monochrome: said.monochrome,
            subsampling: said.subsampling,
            sequence_header: sequence_header.unwrap_or_default(),
            picture: said.picture,
            record,
        })
    }

    /// The codec string (AV1 in ISO BMFF §5), such as `av01.0.08M.08`; with its optional fields where one of them is not as
    /// readers assume.
    pub fn rfc6381(&self) -> String {
        let tier = if self.high_tier { 'H' } else { 'M' };
        let short = format!(
            "av01.{}.{:02}{tier}.{:02}",
            self.profile, self.level, self.bit_depth
        );
        let colour = self.picture.and_then(|picture| picture.colour);
        let assumed = |colour: Colour| matches!(colour, Colour::BT_709 | Colour::UNSPECIFIED);
        if colour.is_none_or(assumed) && !self.monochrome && self.subsampling == [1, 1, 0] {
            return short;
        }
        let colour = colour.unwrap_or(Colour::UNSPECIFIED);
        let [x, y, position] = self.subsampling;
        format!(
            "{short}.{}.{x}{y}{position}.{:02}.{:02}.{:02}.{}",
            u8::from(self.monochrome),
            colour.primaries,
            colour.transfer,
            colour.matrix,
            u8::from(colour.full_range)
        )
    }

    /// The configuration that the temporal unit `key_frame` brings with it, where it is another: encoders write sequence
    /// headers ahead of time that differ from those in the stream in nothing that an output tells.
    pub(crate) fn brought_by(&self, key_frame: &[u8]) -> Option<Self> {
        let (obu, content) = sequence_header(key_frame)?;
        if obu == self.sequence_header {
            return None;
        }
        let said = Sequence::parse(content).ok()?;
        let told = Self::parse(said.record(obu)).ok()?;
        let as_before = Self {
            record: self.record.clone(),
            sequence_header: self.sequence_header.clone(),
            ..told.clone()
        };
        (as_before != *self).then_some(told)
    }
}

/// What a sequence header says.
struct Sequence {
    profile: u8,
    level: u8,
    high_tier: bool,
    bit_depth: u8,
    monochrome: bool,
    subsampling: [u8; 3],
    picture: Option<Picture>,
}

impl Sequence {
    /// Parses the content of a sequence header OBU (§5.5.1).
    fn parse(content: &[u8]) -> Result<Self, InvalidConfig> {
        let mut bits = BitReader::new(content);
        let profile = bits.bits(3)? as u8;
        bits.skip(1)?;
        let reduced = bits.bit()?;
        let mut points = OperatingPoints::default();
        match reduced {
            true => points.level = bits.bits(5)? as u8,
            false => points = OperatingPoints::read(&mut bits)?,
        }
        let width_bits = bits.bits(4)? + 1;
        let height_bits = bits.bits(4)? + 1;
        let width = u64::from(bits.bits(width_bits)?) + 1;
        let height = u64::from(bits.bits(height_bits)?) + 1;
        let mut picture = Picture::new(width, height)?;
        picture.frame_rate_millis = points.frame_rate_millis;
        skip_tools(&mut bits, reduced)?;
        let mut said = Self {
            profile,
            level: points.level,
            high_tier: points.high_tier,
            bit_depth: 8,
            monochrome: false,
            subsampling: [1, 1, 0],
            picture: None,
        };
        picture.colour = said.read_colour(&mut bits)?;
        said.picture = Some(picture);
        Ok(said)
    }

    /// §5.5.2.
    fn read_colour(&mut self, bits: &mut BitReader<'_>) -> Result<Option<Colour>, Truncated> {
        self.bit_depth = match (bits.bit()?, self.profile) {
            (false, _) => 8,
            (true, 2) if bits.bit()? => 12,
            _ => 10,
        };
        self.monochrome = self.profile != 1 && bits.bit()?;
        let described = bits.bit()?;
        let mut colour = Colour::UNSPECIFIED;
        if described {
            colour.primaries = bits.bits(8)? as u8;
            colour.transfer = bits.bits(8)? as u8;
            colour.matrix = bits.bits(8)? as u8;
        }
        if !self.monochrome && colour == Colour::new(SRGB, false) {
            colour.full_range = true;
            self.subsampling = [0, 0, 0];
            return Ok(Some(colour));
        }
        colour.full_range = bits.bit()?;
        let [x, y] = match self.profile {
            _ if self.monochrome => [1, 1],
            0 => [1, 1],
            1 => [0, 0],
            _ if self.bit_depth < 12 => [1, 0],
            _ => match bits.bit()? {
                true => [1, u8::from(bits.bit()?)],
                false => [0, 0],
            },
        };
        let position = match (self.monochrome, x, y) {
            (false, 1, 1) => bits.bits(2)? as u8,
            _ => 0,
        };
        self.subsampling = [x, y, position];
        Ok((described || colour.full_range).then_some(colour))
    }

    /// The record with these values and `obu`, the sequence header that says them.
    fn record(&self, obu: &[u8]) -> Bytes {
        let [x, y, position] = self.subsampling;
        let mut flags = u8::from(self.high_tier) << 7;
        flags |= u8::from(self.bit_depth > 8) << 6;
        flags |= u8::from(self.bit_depth > 10) << 5;
        flags |= u8::from(self.monochrome) << 4;
        flags |= x << 3 | y << 2 | position;
        let mut out = BytesMut::with_capacity(4 + obu.len());
        out.put_slice(&[MARKER_AND_VERSION, self.profile << 5 | self.level, flags, 0]);
        out.put_slice(obu);
        out.freeze()
    }
}

/// Level and tier of the first operating point, and the timing in front of it.
#[derive(Default)]
struct OperatingPoints {
    level: u8,
    high_tier: bool,
    frame_rate_millis: Option<u32>,
}

impl OperatingPoints {
    fn read(bits: &mut BitReader<'_>) -> Result<Self, Truncated> {
        let mut found = Self::default();
        let mut delay_bits = None;
        if bits.bit()? {
            let units = bits.bits(32)?;
            let scale = bits.bits(32)?;
            if bits.bit()? {
                let ticks = u64::from(bits.ue()?) + 1;
                let units = u64::from(units).saturating_mul(ticks);
                found.frame_rate_millis = picture::frame_rate_millis(scale, units);
            }
            if bits.bit()? {
                delay_bits = Some(bits.bits(5)? as usize + 1);
                bits.skip(32 + 5 + 5)?;
            }
        }
        let delay_present = bits.bit()?;
        for point in 0..=bits.bits(5)? {
            bits.skip(12)?;
            let level = bits.bits(5)? as u8;
            let high_tier = level > 7 && bits.bit()?;
            if point == 0 {
                (found.level, found.high_tier) = (level, high_tier);
            }
            if let Some(delay_bits) = delay_bits
                && bits.bit()?
            {
                bits.skip(2 * delay_bits + 1)?;
            }
            if delay_present && bits.bit()? {
                bits.skip(4)?;
            }
        }
        Ok(found)
    }
}

/// What lies between the size and the colours: which coding tools are in use (§5.5.1).
fn skip_tools(bits: &mut BitReader<'_>, reduced: bool) -> Result<(), Truncated> {
    if !reduced && bits.bit()? {
        bits.skip(4 + 3)?;
    }
    bits.skip(3)?;
    if !reduced {
        bits.skip(4)?;
        let order_hint = bits.bit()?;
        if order_hint {
            bits.skip(2)?;
        }
        let chosen_by_frame = bits.bit()?;
        let screen_content = chosen_by_frame || bits.bit()?;
        if screen_content && !bits.bit()? {
            bits.skip(1)?;
        }
        if order_hint {
            bits.skip(3)?;
        }
    }
    bits.skip(3)
}

/// The first sequence header OBU in front of any frame, whole, and its content.
fn sequence_header(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader::new(bytes);
    for _ in 0..MAX_OBUS_IN_FRONT {
        let whole = reader.rest();
        let header = reader.u8().ok()?;
        if header & OBU_FORBIDDEN != 0 {
            return None;
        }
        if header & OBU_HAS_EXTENSION != 0 {
            reader.u8().ok()?;
        }
        let length = match header & OBU_HAS_SIZE {
            0 => reader.remaining(),
            _ => leb128(&mut reader)?,
        };
        let content = reader.take(length).ok()?;
        match (header >> 3) & 0x0F {
            OBU_SEQUENCE_HEADER => {
                let length = whole.len() - reader.remaining();
                return Some((whole.get(..length)?, content));
            }
            OBU_FRAME_HEADER | OBU_FRAME => return None,
            _ => {}
        }
    }
    None
}

/// A number in groups of seven bits, the lowest first (§4.10.5); none above 32 bits.
fn leb128(reader: &mut Reader<'_>) -> Option<usize> {
    let mut value = 0u64;
    for group in 0..8 {
        let byte = reader.u8().ok()?;
        value |= u64::from(byte & 0x7F) << (7 * group);
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok().map(|value| value as usize);
        }
    }
    None
}

const MARKER_AND_VERSION: u8 = 0x81;

/// BT.709 primaries, the transfer of sRGB, the identity as matrix: RGB, which says its range and chroma by that.
const SRGB: [u8; 3] = [1, 13, 0];

const OBU_FORBIDDEN: u8 = 0x80;
const OBU_HAS_EXTENSION: u8 = 0x04;
const OBU_HAS_SIZE: u8 = 0x02;
const OBU_SEQUENCE_HEADER: u8 = 1;
const OBU_FRAME_HEADER: u8 = 3;
const OBU_FRAME: u8 = 6;

/// A delimiter, the sequence header and some metadata are what is seen.
const MAX_OBUS_IN_FRONT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::vectors::{AV1_HDR_RECORD, AV1_RECORD};

    fn config(record: &[u8]) -> Config {
        Config::parse(Bytes::copy_from_slice(record)).unwrap()
    }

    #[test]
    fn main_profile_from_svt() {
        let config = config(AV1_RECORD);
        let picture = config.picture.unwrap();
        assert_eq!((picture.width, picture.height), (640, 360));
        assert_eq!(picture.colour, None);
        assert_eq!(config.sequence_header, AV1_RECORD[4..]);
        // As FFmpeg's DASH muxer has it.
        assert_eq!(config.rfc6381(), "av01.0.01M.08");
    }

    #[test]
    fn ten_bits_of_bt_2020_from_libaom() {
        let config = config(AV1_HDR_RECORD);
        let picture = config.picture.unwrap();
        assert_eq!((picture.width, picture.height), (640, 360));
        let colour = Colour::new([2, 2, 9], false);
        assert_eq!((config.bit_depth, picture.colour), (10, Some(colour)));
        // As FFmpeg's DASH muxer has it.
        assert_eq!(config.rfc6381(), "av01.0.01M.10.0.110.02.02.09.0");
    }

    #[test]
    fn a_record_without_sequence_header_waits_for_a_key_frame() {
        let bare = config(&AV1_HDR_RECORD[..4]);
        assert_eq!((bare.picture, bare.bit_depth), (None, 10));
        let delimiter = [0x12, 0x00];
        let frame = [0x32, 0x01, 0x10];
        let key = [&delimiter[..], &AV1_HDR_RECORD[4..], &frame].concat();
        let told = bare.brought_by(&key).unwrap();
        assert_eq!(told, config(AV1_HDR_RECORD));
        assert_eq!(told.brought_by(&key), None);
        assert_eq!(told.brought_by(&[&frame[..], &key].concat()), None);
        // The same with another coding tool turned on says nothing new.
        let mut tools = key.to_vec();
        let sequence = tools.iter().position(|byte| *byte == 0x0A).unwrap();
        tools[sequence + 9] ^= 0x10;
        assert_eq!(told.brought_by(&tools), None);
        // Another sequence header is another configuration.
        let other = told.brought_by(&AV1_RECORD[4..]).unwrap();
        assert_eq!(other, config(AV1_RECORD));
    }

    #[test]
    fn every_cut_is_an_error_or_the_same() {
        for record in [AV1_RECORD, AV1_HDR_RECORD] {
            for end in 0..record.len() {
                if let Ok(config) = Config::parse(Bytes::from_static(&record[..end])) {
                    assert_eq!(end, 4, "{config:?}");
                }
            }
        }
        for lying in [
            &[0x01, 0, 12, 0][..],
            &[0x81, 0xE0, 12, 0],
            &[0x81, 0, 12, 0, 0x0A, 0xFF],
        ] {
            assert!(
                Config::parse(Bytes::copy_from_slice(lying)).is_err(),
                "{lying:x?}"
            );
        }
    }
}
