//! H.264: the `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1) and of the sequence parameter set what
//! playlists and sample entries need (ISO/IEC 14496-10 §7.3.2.1.1).

use bytes::Bytes;

use super::{InvalidConfig, MAX_RECORD_BYTES};
use crate::wire::{BitReader, Reader, subslice};

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
    /// Picture width in pixels after cropping.
    pub width: u32,
    /// Picture height in pixels after cropping.
    pub height: u32,
    /// Frames a second in thousandths as the VUI gives it, where it does.
    pub frame_rate_millis: Option<u32>,
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
        let sps = parameter_sets(&record, &mut reader, sps_count)?;
        let pps_count = reader.u8()?;
        let pps = parameter_sets(&record, &mut reader, pps_count)?;
        let first = sps.first().ok_or(InvalidConfig::Field("number of SPS"))?;
        let picture = Picture::parse(first)?;
        Ok(Self {
            profile,
            compatibility,
            level,
            length_size,
            width: picture.width,
            height: picture.height,
            frame_rate_millis: picture.frame_rate_millis,
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
}

/// NAL unit types that outputs look at (ISO/IEC 14496-10 table 7-1).
pub mod nal {
    /// Coded slice of an IDR picture.
    pub const IDR: u8 = 5;
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

fn parameter_sets(
    record: &Bytes,
    reader: &mut Reader<'_>,
    count: u8,
) -> Result<Vec<Bytes>, InvalidConfig> {
    (0..count)
        .map(|_| {
            let length = reader.u16()?;
            let unit = reader.take(usize::from(length))?;
            Ok(subslice(record, unit))
        })
        .collect()
}

struct Picture {
    width: u32,
    height: u32,
    frame_rate_millis: Option<u32>,
}

impl Picture {
    fn parse(sps: &[u8]) -> Result<Self, InvalidConfig> {
        let rbsp = unescape(sps.get(1..).unwrap_or_default());
        let mut bits = BitReader::new(&rbsp);
        let profile = bits.bits(8)?;
        bits.skip(16)?;
        bits.ue()?;
        let mut chroma_format = 1;
        if HIGH_PROFILES.contains(&profile) {
            chroma_format = bits.ue()?;
            if chroma_format > 3 {
                return Err(InvalidConfig::Field("chroma format"));
            }
            if chroma_format == 3 {
                bits.skip(1)?;
            }
            bits.ue()?;
            bits.ue()?;
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
        let mut crop = [0u64; 4];
        if bits.bit()? {
            for edge in &mut crop {
                *edge = u64::from(bits.ue()?);
            }
        }
        let field_factor = if frames_only { 1 } else { 2 };
        let crop_x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
        let crop_y = field_factor * if chroma_format == 1 { 2 } else { 1 };
        let [left, right, top, bottom] = crop;
        let width = (width_mbs * 16).saturating_sub((left + right) * crop_x);
        let height = (height_units * 16 * field_factor).saturating_sub((top + bottom) * crop_y);
        Ok(Self {
            width: side(width)?,
            height: side(height)?,
            frame_rate_millis: frame_rate(&mut bits).ok().flatten(),
        })
    }
}

fn side(pixels: u64) -> Result<u32, InvalidConfig> {
    match u32::try_from(pixels) {
        Ok(n) if (1..=MAX_SIDE).contains(&n) => Ok(n),
        _ => Err(InvalidConfig::Field("picture size")),
    }
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

/// The rate in the VUI (ISO/IEC 14496-10 §E.1.1), which most encoders fill in.
fn frame_rate(bits: &mut BitReader<'_>) -> Result<Option<u32>, InvalidConfig> {
    if !bits.bit()? {
        return Ok(None);
    }
    if bits.bit()? && bits.bits(8)? == EXTENDED_SAR {
        bits.skip(32)?;
    }
    if bits.bit()? {
        bits.skip(1)?;
    }
    if bits.bit()? {
        bits.skip(4)?;
        if bits.bit()? {
            bits.skip(24)?;
        }
    }
    if bits.bit()? {
        bits.ue()?;
        bits.ue()?;
    }
    if !bits.bit()? {
        return Ok(None);
    }
    let units = u64::from(bits.bits(32)?);
    let scale = u64::from(bits.bits(32)?);
    // Two ticks a frame: the clock counts fields.
    let millis = (scale * 1000).checked_div(units * 2);
    Ok(millis
        .and_then(|n| u32::try_from(n).ok())
        .filter(|n| (1..=MAX_FRAME_RATE_MILLIS).contains(n)))
}

/// Takes the emulation prevention bytes out (ISO/IEC 14496-10 §7.4.1).
fn unescape(nal: &[u8]) -> Vec<u8> {
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

/// Profiles whose SPS carries chroma format and scaling matrices.
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

const EXTENDED_SAR: u32 = 255;

/// Level 6.2 ends at 16,384 pixels a side.
const MAX_SIDE: u32 = 16_384;

const MAX_FRAME_RATE_MILLIS: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// libx264, High profile, 640x360, 30 frames a second.
    const X264_360P30: &[u8] = &[
        0x01, 0x64, 0x00, 0x1e, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40,
        0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c,
        0x0f, 0x16, 0x2d, 0x96, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0, 0xfd, 0xf8,
        0xf8, 0x00,
    ];

    #[test]
    fn high_profile_from_x264() {
        let config = Config::parse(Bytes::from_static(X264_360P30)).unwrap();
        assert_eq!((config.width, config.height), (640, 360));
        assert_eq!(config.frame_rate_millis, Some(30_000));
        assert_eq!(config.rfc6381(), "avc1.64001E");
        assert_eq!((config.sps.len(), config.pps.len()), (1, 1));
        assert_eq!(config.length_size, 4);
    }

    #[test]
    fn every_cut_is_an_error_or_the_same() {
        for end in 0..X264_360P30.len() {
            if let Ok(config) = Config::parse(Bytes::from_static(&X264_360P30[..end])) {
                assert_eq!((config.width, config.height), (640, 360));
            }
        }
    }

    #[test]
    fn nal_units_stop_at_a_lying_length() {
        let payload = [0, 0, 0, 2, 0x65, 1, 0, 0, 0, 9, 0x41];
        let units: Vec<_> = nal_units(&payload, 4).collect();
        assert_eq!(units, [Ok(&[0x65, 1][..]), Err(InvalidConfig::Truncated)]);
    }
}
