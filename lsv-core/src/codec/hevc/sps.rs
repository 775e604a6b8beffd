//! The sequence parameter set, read as far as its VUI (ISO/IEC 23008-2 §7.3.2.2, §E.2.1).

use super::super::nal::{read_vui, unescape, window};
use super::super::picture::{self, Picture};
use crate::codec::InvalidConfig;
use crate::wire::BitReader;

/// What a sequence parameter set says.
pub(super) struct Sps {
    /// The 12 bytes from `general_profile_space` to `general_level_idc`, as records have them too.
    pub(super) profile_tier_level: [u8; 12],
    /// Temporal sub-layers, 1 to 7.
    pub(super) layers: u8,
    pub(super) nested: bool,
    pub(super) chroma_format: u8,
    pub(super) luma_depth_minus8: u8,
    pub(super) chroma_depth_minus8: u8,
    pub(super) picture: Picture,
}

impl Sps {
    /// Parses the NAL unit `sps`. What comes after size and bit depths is left out where it cannot be read.
    pub(super) fn parse(sps: &[u8]) -> Result<Self, InvalidConfig> {
        let rbsp = unescape(sps.get(2..).unwrap_or_default());
        let mut bits = BitReader::new(&rbsp);
        bits.skip(4)?;
        let layers = bits.bits(3)? as u8 + 1;
        let nested = bits.bit()?;
        let mut profile_tier_level = [0; 12];
        for byte in &mut profile_tier_level {
            *byte = bits.bits(8)? as u8;
        }
        skip_sub_layers(&mut bits, layers)?;
        bits.ue()?;
        let chroma_format = at_most(bits.ue()?, 3, "chroma format")?;
        if chroma_format == 3 {
            bits.skip(1)?;
        }
        let (width, height) = (u64::from(bits.ue()?), u64::from(bits.ue()?));
        let [left, right, top, bottom] = window(&mut bits)?;
        let crop_x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
        let crop_y = if chroma_format == 1 { 2 } else { 1 };
        let mut picture = Picture::new(
            width.saturating_sub((left + right) * crop_x),
            height.saturating_sub((top + bottom) * crop_y),
        )?;
        let luma_depth_minus8 = at_most(bits.ue()?, 8, "bit depth")?;
        let chroma_depth_minus8 = at_most(bits.ue()?, 8, "bit depth")?;
        // Players do without the rest.
        let _cut_short = read_usability(&mut bits, layers, &mut picture);
        Ok(Self {
            profile_tier_level,
            layers,
            nested,
            chroma_format,
            luma_depth_minus8,
            chroma_depth_minus8,
            picture,
        })
    }
}

fn at_most(value: u32, most: u8, field: &'static str) -> Result<u8, InvalidConfig> {
    u8::try_from(value)
        .ok()
        .filter(|value| *value <= most)
        .ok_or(InvalidConfig::Field(field))
}

/// Profiles and levels of the sub-layers below the highest (§7.3.3).
fn skip_sub_layers(bits: &mut BitReader<'_>, layers: u8) -> Result<(), InvalidConfig> {
    let below = usize::from(layers) - 1;
    let mut present = [(false, false); 7];
    for flags in present.iter_mut().take(below) {
        *flags = (bits.bit()?, bits.bit()?);
    }
    if below > 0 {
        bits.skip(2 * (8 - below))?;
    }
    for (profile, level) in present.into_iter().take(below) {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Ok(())
}

/// What lies between the bit depths and the VUI, and the VUI with its shape, colours and timing.
fn read_usability(
    bits: &mut BitReader<'_>,
    layers: u8,
    picture: &mut Picture,
) -> Result<(), InvalidConfig> {
    let order_bits = at_most(bits.ue()?, 12, "picture order count")? + 4;
    let ordered = if bits.bit()? { layers } else { 1 };
    for _ in 0..3 * ordered {
        bits.ue()?;
    }
    // Block sizes and depths of the transform tree.
    for _ in 0..6 {
        bits.ue()?;
    }
    if bits.bit()? && bits.bit()? {
        skip_scaling_lists(bits)?;
    }
    bits.skip(2)?;
    if bits.bit()? {
        bits.skip(8)?;
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    skip_reference_sets(bits)?;
    if bits.bit()? {
        let long_term = at_most(bits.ue()?, 32, "number of long-term pictures")?;
        bits.skip(usize::from(long_term) * (usize::from(order_bits) + 1))?;
    }
    bits.skip(2)?;
    if !bits.bit()? {
        return Ok(());
    }
    read_vui(bits, picture)?;
    // Chroma, fields and their places.
    bits.skip(3)?;
    window(bits)?;
    if bits.bit()? {
        let units = bits.bits(32)?;
        let scale = bits.bits(32)?;
        picture.frame_rate_millis = picture::frame_rate_millis(scale, u64::from(units));
    }
    Ok(())
}

/// §7.3.4.
fn skip_scaling_lists(bits: &mut BitReader<'_>) -> Result<(), InvalidConfig> {
    for size in 0..4 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if !bits.bit()? {
                bits.ue()?;
                continue;
            }
            let coefficients = if size == 0 { 16 } else { 64 };
            let direct = if size > 1 { 1 } else { 0 };
            for _ in 0..coefficients + direct {
                bits.se()?;
            }
        }
    }
    Ok(())
}

/// §7.3.7. Each set may be told by its difference to the one before, so the number of pictures in each is kept.
fn skip_reference_sets(bits: &mut BitReader<'_>) -> Result<(), InvalidConfig> {
    let sets = at_most(bits.ue()?, 64, "number of reference picture sets")?;
    let mut pictures = 0;
    for set in 0..sets {
        pictures = match set > 0 && bits.bit()? {
            true => skip_difference(bits, pictures)?,
            false => skip_reference_set(bits)?,
        };
    }
    Ok(())
}

fn skip_reference_set(bits: &mut BitReader<'_>) -> Result<u8, InvalidConfig> {
    let negative = at_most(bits.ue()?, 16, "number of reference pictures")?;
    let positive = at_most(bits.ue()?, 16, "number of reference pictures")?;
    for _ in 0..negative + positive {
        bits.ue()?;
        bits.skip(1)?;
    }
    Ok(negative + positive)
}

/// The set as the one before it with `pictures` pictures, moved and thinned out.
fn skip_difference(bits: &mut BitReader<'_>, pictures: u8) -> Result<u8, InvalidConfig> {
    bits.skip(1)?;
    bits.ue()?;
    let mut kept = 0;
    for _ in 0..=pictures {
        let used = bits.bit()?;
        if used || bits.bit()? {
            kept += 1;
        }
    }
    match kept > 32 {
        true => Err(InvalidConfig::Field("number of reference pictures")),
        false => Ok(kept),
    }
}
