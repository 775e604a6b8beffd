//! H.264: the `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1) and of the sequence parameter set what
//! playlists and sample entries need (ISO/IEC 14496-10 §7.3.2.1.1).

use bytes::{BufMut, Bytes, BytesMut};

use super::nal::{in_front, numbered, put_units, read_units, read_vui, replaced, unescape, window};
use super::{InvalidConfig, MAX_RECORD_BYTES, Picture, picture};
use crate::wire::{BitReader, Reader};

/// A parsed `AVCDecoderConfigurationRecord`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The record as it came.
    pub record: Bytes,
    /// `profile_idc`.
    pub profile: u8,
    /// The constraint flags byte.
    pub compatibility: u8,
    /// `level_idc`, ten times the level.
    pub level: u8,
    /// Bytes of the length in front of each NAL unit: 1, 2 or 4.
    pub length_size: u8,
    /// Sequence parameter sets, each a NAL unit without length or start code.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, likewise.
    pub pps: Vec<Bytes>,
    /// What the first sequence parameter set says of the pictures.
    pub picture: Picture,
}

impl Config {
    /// Parses `record`; parameter sets share its memory.
    pub fn parse(record: Bytes) -> Result<Self, InvalidConfig> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(InvalidConfig::TooLong(record.len()));
        }
        let mut reader = Reader::new(&record);
        if reader.u8()? != 1 {
            return Err(InvalidConfig::Field("version"));
        }
        let (profile, compatibility, level) = (reader.u8()?, reader.u8()?, reader.u8()?);
        let length_size = (reader.u8()? & 3) + 1;
        if length_size == 3 {
            return Err(InvalidConfig::Field("NAL unit length size"));
        }
        let sps_count = reader.u8()? & 0x1F;
        let sps = read_units(&record, &mut reader, u16::from(sps_count))?;
        let pps_count = reader.u8()?;
        let pps = read_units(&record, &mut reader, u16::from(pps_count))?;
        let first = sps.first().ok_or(InvalidConfig::Field("number of SPS"))?;
        let picture = Sps::parse(first)?.picture;
        Ok(Self {
            profile,
            compatibility,
            level,
            length_size,
            picture,
            sps,
            pps,
            record,
        })
    }

    /// The codec string of RFC 6381, such as `avc1.64001F`.
    pub fn rfc6381(&self) -> String {
        format!(
            "avc1.{:02X}{:02X}{:02X}",
            self.profile, self.compatibility, self.level
        )
    }

    /// How many pictures a decoder may hold back at most before it shows one (`max_num_reorder_frames`), where the first
    /// sequence parameter set says so.
    pub fn reordered_frames(&self) -> Option<u32> {
        Sps::parse(self.sps.first()?).ok()?.reordered_frames
    }

    /// The supplemental enhancement information of an access unit, without the headers of its NAL units; also what comes
    /// behind the picture, where FFmpeg puts some of it.
    pub(crate) fn messages<'a>(
        &self,
        access_unit: &'a [u8],
    ) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        in_front(access_unit, self.length_size, |_| false)
            .filter(|unit| nal::unit_type(unit) == nal::SEI)
            .filter_map(|unit| unit.get(1..))
    }

    /// The configuration that the access unit `key_frame` brings with it, where its parameter sets are others.
    ///
    /// Under `avc1` a decoder looks for none in the access units (ISO/IEC 14496-15 §5.4.2.1). A picture parameter set
    /// takes the place of the one with its number; those that the access unit leaves out stay.
    pub(crate) fn brought_by(&self, key_frame: &[u8]) -> Option<Self> {
        let (mut sps, mut pps) = (Vec::new(), Vec::new());
        let is_slice = |unit: &[u8]| (1..=nal::IDR).contains(&nal::unit_type(unit));
        for unit in in_front(key_frame, self.length_size, is_slice) {
            match nal::unit_type(unit) {
                nal::SPS => sps.push(Bytes::copy_from_slice(unit)),
                nal::PPS if pps_id(unit).is_some() => pps.push(Bytes::copy_from_slice(unit)),
                _ => {}
            }
        }
        let same_sps = sps.iter().all(|unit| self.sps.contains(unit));
        let known = match same_sps || pps.is_empty() {
            true => &self.pps[..],
            false => &[],
        };
        let pps = replaced(known, pps, pps_id);
        if same_sps && pps == self.pps {
            return None;
        }
        let sps = if same_sps { &self.sps } else { &sps };
        let record = record(self.length_size, sps, &pps).ok()?;
        Self::parse(record).ok()
    }
}

/// `pic_parameter_set_id`, of which there are 256.
fn pps_id(unit: &[u8]) -> Option<u32> {
    numbered(unit.get(1..)?, 256)
}

/// The record that says these parameter sets (ISO/IEC 14496-15 §5.3.3.1.2).
fn record(length_size: u8, sps: &[Bytes], pps: &[Bytes]) -> Result<Bytes, InvalidConfig> {
    let first = sps.first().ok_or(InvalidConfig::Field("number of SPS"))?;
    let said = Sps::parse(first)?;
    let mut out = BytesMut::with_capacity(64);
    out.put_u8(1);
    out.put_slice(first.get(1..4).ok_or(InvalidConfig::Truncated)?);
    out.put_u8(0xFC | (length_size - 1));
    out.put_u8(0xE0 | count(sps, 31)?);
    put_units(&mut out, sps)?;
    out.put_u8(count(pps, 255)?);
    put_units(&mut out, pps)?;
    if matches!(said.profile, 100 | 110 | 122 | 144) {
        out.put_slice(&[
            0xFC | said.chroma_format,
            0xF8 | said.luma_depth_minus8,
            0xF8 | said.chroma_depth_minus8,
            0,
        ]);
    }
    Ok(out.freeze())
}

fn count(units: &[Bytes], most: u8) -> Result<u8, InvalidConfig> {
    u8::try_from(units.len())
        .ok()
        .filter(|count| *count <= most)
        .ok_or(InvalidConfig::Field("number of parameter sets"))
}

/// NAL unit types that outputs look at (ISO/IEC 14496-10 table 7-1).
pub mod nal {
    /// Coded slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;

    /// The type in the first byte of a NAL unit.
    pub fn unit_type(nal: &[u8]) -> u8 {
        nal.first().map_or(0, |byte| byte & 0x1F)
    }
}

/// What a sequence parameter set says.
struct Sps {
    profile: u32,
    chroma_format: u8,
    luma_depth_minus8: u8,
    chroma_depth_minus8: u8,
    picture: Picture,
    reordered_frames: Option<u32>,
}

impl Sps {
    fn parse(sps: &[u8]) -> Result<Self, InvalidConfig> {
        let rbsp = unescape(sps.get(1..).unwrap_or_default());
        let mut bits = BitReader::new(&rbsp);
        let profile = bits.bits(8)?;
        bits.skip(16)?;
        bits.ue()?;
        let (mut chroma_format, mut luma_depth_minus8, mut chroma_depth_minus8) = (1, 0, 0);
        if HIGH_PROFILES.contains(&profile) {
            chroma_format = at_most(bits.ue()?, 3, "chroma format")?;
            if chroma_format == 3 {
                bits.skip(1)?;
            }
            luma_depth_minus8 = at_most(bits.ue()?, 6, "bit depth")?;
            chroma_depth_minus8 = at_most(bits.ue()?, 6, "bit depth")?;
            bits.skip(1)?;
            if bits.bit()? {
                skip_scaling_matrix(&mut bits, if chroma_format == 3 { 12 } else { 8 })?;
            }
        }
        bits.ue()?;
        skip_order_count(&mut bits)?;
        bits.ue()?;
        bits.skip(1)?;
        let width_mbs = u64::from(bits.ue()?) + 1;
        let height_units = u64::from(bits.ue()?) + 1;
        let frames_only = bits.bit()?;
        if !frames_only {
            bits.skip(1)?;
        }
        bits.skip(1)?;
        let [left, right, top, bottom] = window(&mut bits)?;
        let field_factor = if frames_only { 1 } else { 2 };
        let crop_x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
        let crop_y = field_factor * if chroma_format == 1 { 2 } else { 1 };
        let mut picture = Picture::new(
            (width_mbs * 16).saturating_sub((left + right) * crop_x),
            (height_units * 16 * field_factor).saturating_sub((top + bottom) * crop_y),
        )?;
        picture.may_be_interlaced = !frames_only;
        // Players do without the rest.
        let reordered_frames = read_usability(&mut bits, &mut picture).unwrap_or_default();
        Ok(Self {
            profile,
            chroma_format,
            luma_depth_minus8,
            chroma_depth_minus8,
            picture,
            reordered_frames,
        })
    }
}

fn at_most(value: u32, most: u8, field: &'static str) -> Result<u8, InvalidConfig> {
    u8::try_from(value)
        .ok()
        .filter(|value| *value <= most)
        .ok_or(InvalidConfig::Field(field))
}

fn skip_scaling_matrix(bits: &mut BitReader<'_>, lists: usize) -> Result<(), InvalidConfig> {
    for list in 0..lists {
        if !bits.bit()? {
            continue;
        }
        let (mut last, mut next) = (8i64, 8i64);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + i64::from(bits.se()?)).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
    }
    Ok(())
}

fn skip_order_count(bits: &mut BitReader<'_>) -> Result<(), InvalidConfig> {
    match bits.ue()? {
        0 => {
            bits.ue()?;
        }
        1 => {
            bits.skip(1)?;
            bits.se()?;
            bits.se()?;
            let cycle = bits.ue()?;
            if cycle > 255 {
                return Err(InvalidConfig::Field("picture order count cycle"));
            }
            for _ in 0..cycle {
                bits.se()?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// The VUI (ISO/IEC 14496-10 §E.1.1), which most encoders fill in. Gives `max_num_reorder_frames`.
fn read_usability(
    bits: &mut BitReader<'_>,
    picture: &mut Picture,
) -> Result<Option<u32>, InvalidConfig> {
    if !bits.bit()? {
        return Ok(None);
    }
    read_vui(bits, picture)?;
    if bits.bit()? {
        let units = bits.bits(32)?;
        let scale = bits.bits(32)?;
        // Two ticks a frame: the clock counts fields.
        picture.frame_rate_millis = picture::frame_rate_millis(scale, u64::from(units) * 2);
        // fixed_frame_rate_flag
        bits.skip(1)?;
    }
    let has_decoder_parameters = [skip_decoder(bits)?, skip_decoder(bits)?].contains(&true);
    // low_delay_hrd_flag, pic_struct_present_flag
    bits.skip(1 + usize::from(has_decoder_parameters))?;
    if !bits.bit()? {
        return Ok(None);
    }
    bits.skip(1)?;
    for _ in 0..4 {
        bits.ue()?;
    }
    Ok(Some(bits.ue()?))
}

/// The parameters of the hypothetical reference decoder (ISO/IEC 14496-10 §E.1.2); false where there are none.
fn skip_decoder(bits: &mut BitReader<'_>) -> Result<bool, InvalidConfig> {
    if !bits.bit()? {
        return Ok(false);
    }
    let count = at_most(bits.ue()?, 31, "number of buffers")? + 1;
    bits.skip(8)?;
    for _ in 0..count {
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    bits.skip(20)?;
    Ok(true)
}

/// Profiles whose SPS carries chroma format and scaling matrices.
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Colour;
    use crate::fuzzing::vectors::AVC_RECORD;

    #[test]
    fn high_profile_from_x264() {
        let config = Config::parse(Bytes::from_static(AVC_RECORD)).unwrap();
        assert_eq!((config.picture.width, config.picture.height), (640, 360));
        assert_eq!(config.picture.frame_rate_millis, Some(30_000));
        assert_eq!(config.rfc6381(), "avc1.64001E");
        assert_eq!((config.sps.len(), config.pps.len()), (1, 1));
        assert_eq!(config.length_size, 4);
        assert_eq!(config.reordered_frames(), Some(2));
    }

    /// libx264 at 320x180 with `nal-hrd=cbr` and single B-frames.
    const X264_CBR: &[u8] = &[
        0x01, 0x64, 0x00, 0x0c, 0xff, 0xe1, 0x00, 0x23, 0x67, 0x64, 0x00, 0x0c, 0xac, 0xec, 0x14,
        0x19, 0xf9, 0xf0, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x32, 0x60,
        0x20, 0x01, 0x24, 0xf0, 0x00, 0x49, 0x3f, 0x93, 0x0a, 0x01, 0xe2, 0x85, 0x27, 0x01, 0x00,
        0x04, 0x68, 0xef, 0xbc, 0xb0, 0xfd, 0xf8, 0xf8, 0x00,
    ];

    #[test]
    fn how_many_pictures_are_held_back() {
        let reordered = |record| {
            Config::parse(Bytes::copy_from_slice(record))
                .unwrap()
                .reordered_frames()
        };
        assert_eq!(reordered(X264_CBR), Some(1));
        // Cut short in front of it.
        let (mut short, cut) = (X264_CBR.to_vec(), 0x23 - 2);
        short[7] = cut;
        short.drain(8 + usize::from(cut)..8 + 0x23);
        assert_eq!(reordered(&short), None);
    }

    #[test]
    fn every_cut_is_an_error_or_the_same() {
        for end in 0..AVC_RECORD.len() {
            if let Ok(config) = Config::parse(Bytes::from_static(&AVC_RECORD[..end])) {
                assert_eq!((config.picture.width, config.picture.height), (640, 360));
            }
        }
    }

    /// libx264 at 640x360 in pixels of 4:3, with the matrix of BT.709.
    const X264_WIDE: &[u8] = &[
        0x01, 0x64, 0x00, 0x1e, 0xff, 0xe1, 0x00, 0x1e, 0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40,
        0xa0, 0x2f, 0xf9, 0x70, 0xe6, 0xa0, 0x40, 0x40, 0x28, 0x00, 0x00, 0x03, 0x00, 0x08, 0x00,
        0x00, 0x03, 0x01, 0xe0, 0x78, 0xb1, 0x6c, 0xb0, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb,
        0x22, 0xc0, 0xfd, 0xf8, 0xf8, 0x00,
    ];

    #[test]
    fn shape_and_colours_of_pixels() {
        let picture = Config::parse(Bytes::from_static(X264_WIDE))
            .unwrap()
            .picture;
        assert_eq!((picture.width, picture.height), (640, 360));
        assert_eq!(picture.pixel_aspect, Some((4, 3)));
        assert_eq!(picture.display_width(), 853);
        assert_eq!(picture.colour, Some(Colour::new([2, 2, 1], false)));
        assert_eq!(picture.frame_rate_millis, Some(30_000));
    }

    #[test]
    fn a_key_frame_with_another_sps_brings_a_configuration() {
        let old = Config::parse(Bytes::from_static(AVC_RECORD)).unwrap();
        let new = Config::parse(Bytes::from_static(X264_WIDE)).unwrap();
        let access_unit = |units: &[&[u8]]| {
            let length = |unit: &[u8]| (unit.len() as u32).to_be_bytes();
            let units = units.iter().map(|unit| [&length(unit), *unit].concat());
            units.collect::<Vec<_>>().concat()
        };
        let idr = &[0x65, 0x88][..];
        let key = access_unit(&[&[9, 0x10], &new.sps[0], &new.pps[0], idr]);
        // The record that x264 and FFmpeg wrote themselves.
        assert_eq!(old.brought_by(&key), Some(new.clone()));
        assert_eq!(new.brought_by(&key), None);
        let without_pps = old.brought_by(&access_unit(&[&new.sps[0], idr])).unwrap();
        assert_eq!(without_pps.pps, old.pps);
        // Another picture parameter set, in place of the one with its number and beside it.
        for (pps, all) in [
            (&[0x68, 0xEE][..], &[&[0x68, 0xEE][..]][..]),
            (&[0x68, 0x4E], &[&old.pps[0], &[0x68, 0x4E]]),
        ] {
            let key = access_unit(&[pps, idr]);
            let brought = old.brought_by(&key).unwrap();
            assert_eq!((&brought.sps, &brought.pps[..] == all), (&old.sps, true));
            assert_eq!(brought.brought_by(&key), None);
        }
        for units in [
            &[idr][..],
            &[&old.sps[0], &[0x68, 1], idr],
            &[&old.sps[0], &old.pps[0], idr],
            &[idr, &new.sps[0]],
            &[&[0x67, 1, 2], idr],
        ] {
            assert_eq!(old.brought_by(&access_unit(units)), None, "{units:x?}");
        }
    }
}
