//! What configurations say of their pictures, whatever the codec.

use super::InvalidConfig;

/// What a video codec's configuration says of its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Picture {
    /// Width in pixels after cropping.
    pub width: u32,
    /// Height in pixels after cropping.
    pub height: u32,
    /// Frames a second in thousandths, where the configuration gives it.
    pub frame_rate_millis: Option<u32>,
    /// Width and height of a pixel in any unit, where they differ.
    pub pixel_aspect: Option<(u16, u16)>,
    /// How its values become colours, where the configuration says anything of that.
    pub colour: Option<Colour>,
    /// Its pictures may be two fields of different moments each: H.264 that is not `frame_mbs_only`.
    pub may_be_interlaced: bool,
}

impl Picture {
    /// A picture of square pixels, of which no more is known; an error for a size that no decoder takes.
    pub(super) fn new(width: u64, height: u64) -> Result<Self, InvalidConfig> {
        Ok(Self {
            width: side(width)?,
            height: side(height)?,
            frame_rate_millis: None,
            pixel_aspect: None,
            colour: None,
            may_be_interlaced: false,
        })
    }

    /// The width in square pixels of the same height: what a viewer sees.
    pub fn display_width(&self) -> u32 {
        let Some((width, height)) = self.pixel_aspect else {
            return self.width;
        };
        let scaled = u64::from(self.width) * u64::from(width) / u64::from(height.max(1));
        scaled.clamp(1, u64::from(u16::MAX)) as u32
    }
}

/// How coded values become colours, in the code points of ITU-T H.273.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Colour {
    /// `ColourPrimaries`.
    pub primaries: u8,
    /// `TransferCharacteristics`.
    pub transfer: u8,
    /// `MatrixCoefficients`.
    pub matrix: u8,
    /// `VideoFullRangeFlag`: the values use all of their range.
    pub full_range: bool,
}

impl Colour {
    /// "Unspecified", the code point 2 of each.
    pub(super) const UNSPECIFIED: Self = Self::new([2, 2, 2], false);

    /// BT.709 as television has it.
    pub(super) const BT_709: Self = Self::new([1, 1, 1], false);

    pub(super) const fn new([primaries, transfer, matrix]: [u8; 3], full_range: bool) -> Self {
        Self {
            primaries,
            transfer,
            matrix,
            full_range,
        }
    }
}

/// `rate / units` frames a second in thousandths, unless that is absurd.
pub(super) fn frame_rate_millis(rate: u32, units: u64) -> Option<u32> {
    let millis = (u64::from(rate) * 1000).checked_div(units)?;
    u32::try_from(millis)
        .ok()
        .filter(|n| (1..=MAX_FRAME_RATE_MILLIS).contains(n))
}

fn side(pixels: u64) -> Result<u32, InvalidConfig> {
    match u32::try_from(pixels) {
        Ok(n) if (1..=MAX_SIDE).contains(&n) => Ok(n),
        _ => Err(InvalidConfig::Field("picture size")),
    }
}

/// The longest side that level 6.2 of H.264 and HEVC allows; VP9 and AV1 end at 16,384.
const MAX_SIDE: u32 = 16_888;

const MAX_FRAME_RATE_MILLIS: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_that_are_not_square_widen_the_picture() {
        let mut picture = Picture::new(720, 576).unwrap();
        assert_eq!(picture.display_width(), 720);
        picture.pixel_aspect = Some((16, 11));
        assert_eq!(picture.display_width(), 1047);
        picture.pixel_aspect = Some((u16::MAX, 1));
        assert_eq!(picture.display_width(), 65_535);
        picture.pixel_aspect = Some((1, u16::MAX));
        assert_eq!(picture.display_width(), 1);
    }

    #[test]
    fn absurd_sizes_and_rates_are_not_believed() {
        assert!(Picture::new(7680, 4320).is_ok());
        assert!(Picture::new(0, 1080).is_err());
        assert!(Picture::new(16_889, 16).is_err());
        assert!(Picture::new(1 << 36, 16).is_err());
        assert_eq!(frame_rate_millis(60_000, 2002), Some(29_970));
        assert_eq!(frame_rate_millis(30, 0), None);
        assert_eq!(frame_rate_millis(u32::MAX, 1), None);
    }
}
