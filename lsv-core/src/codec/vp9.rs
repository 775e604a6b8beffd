//! VP9: the `VPCodecConfigurationRecord` (VP codecs in ISO BMFF §2.2) and of a key frame's header what the record lacks
//! (VP9 bit stream §6.2).

use bytes::Bytes;

use super::{Colour, InvalidConfig, MAX_RECORD_BYTES, Picture};
use crate::wire::{BitReader, Reader};

/// A parsed `VPCodecConfigurationRecord`, with the size of the pictures once a key frame has told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The record as it came, with the version and flags of the box `vpcC` in front or without.
    pub record: Bytes,
    /// The profile, 0 to 3.
    pub profile: u8,
    /// Ten times the level; 0 where the encoder does not say.
    pub level: u8,
    /// Bits of a sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// 4:2:0 with chroma between the rows (0) or at the samples of luma (1), 4:2:2 (2) or 4:4:4 (3).
    pub chroma: u8,
    /// How values become colours.
    pub colour: Colour,
    /// Width and height in pixels. Not in the record: `None` until a key frame came.
    pub size: Option<(u16, u16)>,
}

impl Config {
    /// Parses `record`, with the version and flags of `vpcC` in front, as FFmpeg writes it, or without.
    pub fn parse(record: Bytes) -> Result<Self, InvalidConfig> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(InvalidConfig::TooLong(record.len()));
        }
        let mut reader = Reader::new(bare(&record));
        let profile = reader.u8()?;
        let level = reader.u8()?;
        let samples = reader.u8()?;
        let mut code_points = [0; 3];
        code_points.copy_from_slice(reader.take(3)?);
        let (bit_depth, chroma) = (samples >> 4, (samples >> 1) & 7);
        if profile > 3 {
            return Err(InvalidConfig::Field("profile"));
        }
        if !matches!(bit_depth, 8 | 10 | 12) {
            return Err(InvalidConfig::Field("bit depth"));
        }
        if chroma > 3 {
            return Err(InvalidConfig::Field("chroma format"));
        }
        let mut colour = Colour::new(code_points, samples & 1 == 1);
        if colour.matrix == IDENTITY && chroma != CHROMA_444 {
            // RGB without half of its values is none, and players refuse it. FFmpeg 9 says so of any pictures whose encoder
            // was given RGB.
            colour.matrix = Colour::UNSPECIFIED.matrix;
        }
        Ok(Self {
            profile,
            level,
            bit_depth,
            chroma,
            colour,
            size: None,
            record,
        })
    }

    /// The record as the box `vpcC` has it, without version and flags.
    pub fn vpcc(&self) -> [u8; 8] {
        let samples = self.bit_depth << 4 | self.chroma << 1 | u8::from(self.colour.full_range);
        let Colour {
            primaries,
            transfer,
            matrix,
            ..
        } = self.colour;
        // Nothing initializes a decoder of VP9.
        [
            self.profile,
            self.level,
            samples,
            primaries,
            transfer,
            matrix,
            0,
            0,
        ]
    }

    /// What is known of the pictures: nothing before their size is.
    pub fn picture(&self) -> Option<Picture> {
        let (width, height) = self.size?;
        let mut picture = Picture::new(u64::from(width), u64::from(height)).ok()?;
        picture.colour = Some(self.colour).filter(|colour| *colour != Colour::UNSPECIFIED);
        Some(picture)
    }

    /// The codec string (VP codecs in ISO BMFF §3), such as `vp09.00.31.08`; with its optional fields where one of them is
    /// not as readers assume.
    pub fn rfc6381(&self) -> String {
        let short = format!(
            "vp09.{:02}.{:02}.{:02}",
            self.profile, self.level, self.bit_depth
        );
        let assumed = [Colour::BT_709, Colour::UNSPECIFIED].contains(&self.colour);
        if assumed && self.chroma < 2 {
            return short;
        }
        format!(
            "{short}.{:02}.{:02}.{:02}.{:02}.{:02}",
            self.chroma,
            self.colour.primaries,
            self.colour.transfer,
            self.colour.matrix,
            u8::from(self.colour.full_range)
        )
    }

    /// The configuration with the size that `key_frame` tells, where it is another.
    pub(crate) fn brought_by(&self, key_frame: &[u8]) -> Option<Self> {
        let size = key_frame_size(key_frame)?;
        Picture::new(u64::from(size.0), u64::from(size.1)).ok()?;
        (self.size != Some(size)).then(|| Self {
            size: Some(size),
            ..self.clone()
        })
    }
}

/// Version 1 without flags, as `vpcC` has in front, is no profile with level 0 and samples of no bits.
fn bare(record: &[u8]) -> &[u8] {
    record.strip_prefix(&[1, 0, 0, 0]).unwrap_or(record)
}

/// Width and height in the uncompressed header of a key frame; `None` for any other frame.
fn key_frame_size(frame: &[u8]) -> Option<(u16, u16)> {
    let mut bits = BitReader::new(frame);
    if bits.bits(2).ok()? != FRAME_MARKER {
        return None;
    }
    let profile = u8::from(bits.bit().ok()?) | u8::from(bits.bit().ok()?) << 1;
    if profile == 3 {
        bits.skip(1).ok()?;
    }
    let (shows_existing, is_inter) = (bits.bit().ok()?, bits.bit().ok()?);
    if shows_existing || is_inter {
        return None;
    }
    bits.skip(2).ok()?;
    if bits.bits(24).ok()? != SYNC_CODE {
        return None;
    }
    if profile >= 2 {
        bits.skip(1).ok()?;
    }
    let has_subsampling = profile == 1 || profile == 3;
    let after_space = match (bits.bits(3).ok()? == SPACE_RGB, has_subsampling) {
        (true, false) => 0,
        (true, true) => 1,
        (false, false) => 1,
        (false, true) => 4,
    };
    bits.skip(after_space).ok()?;
    let mut side = || bits.bits(16).ok()?.checked_add(1);
    let (width, height) = (side()?, side()?);
    Some((width.try_into().ok()?, height.try_into().ok()?))
}

/// `MatrixCoefficients` of RGB (ITU-T H.273 table 4).
const IDENTITY: u8 = 0;
const CHROMA_444: u8 = 3;
const FRAME_MARKER: u32 = 2;
const SYNC_CODE: u32 = 0x49_83_42;
const SPACE_RGB: u32 = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::vectors::{VP9_HDR_KEY_FRAME, VP9_HDR_RECORD, VP9_KEY_FRAME, VP9_RECORD};

    fn config(record: &[u8]) -> Config {
        Config::parse(Bytes::copy_from_slice(record)).unwrap()
    }

    #[test]
    fn a_key_frame_tells_the_size() {
        // The strings are as FFmpeg's DASH muxer has them, but for the colours, which it leaves out.
        for (record, key, string) in [
            (VP9_RECORD, VP9_KEY_FRAME, "vp09.00.21.08"),
            (
                VP9_HDR_RECORD,
                VP9_HDR_KEY_FRAME,
                "vp09.02.21.10.01.02.02.09.00",
            ),
        ] {
            let bare = config(record);
            assert_eq!(bare.picture(), None);
            let told = bare.brought_by(key).unwrap();
            let picture = told.picture().unwrap();
            assert_eq!((picture.width, picture.height), (640, 360));
            assert_eq!(told.rfc6381(), string);
            assert_eq!(told.brought_by(key), None);
            // With version and flags in front or without.
            assert_eq!(told.vpcc(), record[4..]);
            assert_eq!(config(&record[4..]).vpcc(), record[4..]);
            assert_eq!(config(&record[4..]).rfc6381(), string);
        }
    }

    #[test]
    fn rgb_without_all_of_its_chroma_is_not_believed() {
        let config = config(&[0, 10, 0x82, 2, 2, 0, 0, 0]);
        assert_eq!(config.colour, Colour::UNSPECIFIED);
        assert_eq!(config.rfc6381(), "vp09.00.10.08");
        let rgb = Config::parse(Bytes::from_static(&[1, 10, 0x87, 1, 13, 0, 0, 0])).unwrap();
        assert_eq!(rgb.rfc6381(), "vp09.01.10.08.03.01.13.00.01");
    }

    #[test]
    fn other_frames_tell_nothing() {
        let config = config(VP9_RECORD);
        // As libvpx opens a frame that is not a key frame; noise; nothing.
        for frame in [&[0x86, 0, 0x40, 0x92][..], &[0xFF; 20], &[0; 20], &[]] {
            assert_eq!(config.brought_by(frame), None, "{frame:x?}");
        }
        for end in 0..VP9_KEY_FRAME.len() {
            let size = config.brought_by(&VP9_KEY_FRAME[..end]);
            let size = size.and_then(|config| config.size);
            assert!(size.is_none_or(|size| size == (640, 360)));
        }
    }

    #[test]
    fn unusable_records() {
        for record in [
            &VP9_RECORD[..9],
            &[4, 10, 0x82, 2, 2, 2, 0, 0],
            &[0, 10, 0x92, 2, 2, 2, 0, 0],
            &[0, 10, 0x88, 2, 2, 2, 0, 0],
            &[],
        ] {
            assert!(
                Config::parse(Bytes::copy_from_slice(record)).is_err(),
                "{record:x?}"
            );
        }
    }
}
