//! Video metadata: the `colorInfo` of HDR video (E-RTMP v2 "Metadata Frame").

use bytes::{Bytes, BytesMut};

use crate::Limits;
use crate::amf0::{Object, Value, decode_all, encode_all};
use crate::error::Error;

/// The colours of a video track as the publisher gives them beside the bit stream.
///
/// [`Default`] says nothing: the colours are back to what the bit stream says. What a publisher leaves out, or gives as
/// something else than the number that it is to be, is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct ColorInfo {
    /// `colorConfig`.
    pub config: ColorConfig,
    /// `hdrCll`.
    pub light_level: LightLevel,
    /// `hdrMdcv`.
    pub mastering_display: MasteringDisplay,
}

/// How samples mean colours; the numbers are those of ITU-T H.273.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct ColorConfig {
    /// Bits per colour channel of a pixel: 8, 10 or 12.
    pub bit_depth: Option<f64>,
    /// Colour primaries; 9 is BT.2020.
    pub color_primaries: Option<f64>,
    /// Transfer characteristics; 16 is PQ, 18 HLG.
    pub transfer_characteristics: Option<f64>,
    /// Matrix coefficients; 9 is BT.2020 with non-constant luminance.
    pub matrix_coefficients: Option<f64>,
}

/// Content light level, in cd/m².
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct LightLevel {
    /// The highest average of a frame.
    pub max_fall: Option<f64>,
    /// The highest of any pixel.
    pub max_cll: Option<f64>,
}

/// Colour volume of the mastering display (SMPTE ST 2086): chromaticities in CIE 1931, luminances in cd/m².
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct MasteringDisplay {
    /// Red primary, x.
    pub red_x: Option<f64>,
    /// Red primary, y.
    pub red_y: Option<f64>,
    /// Green primary, x.
    pub green_x: Option<f64>,
    /// Green primary, y.
    pub green_y: Option<f64>,
    /// Blue primary, x.
    pub blue_x: Option<f64>,
    /// Blue primary, y.
    pub blue_y: Option<f64>,
    /// White point, x.
    pub white_point_x: Option<f64>,
    /// White point, y.
    pub white_point_y: Option<f64>,
    /// The brightest that it shows.
    pub max_luminance: Option<f64>,
    /// The darkest that it shows.
    pub min_luminance: Option<f64>,
}

impl ColorInfo {
    /// Reads the metadata of a [`Track`](lsv_core::media::Track::metadata): names and values in turn. `None` where it says
    /// nothing of colours; the default where it says that they are reset.
    ///
    /// # Errors
    /// What is wrong with the AMF0.
    pub fn parse(metadata: &[u8], limits: &Limits) -> Result<Option<Self>, Error> {
        let values = decode_all(metadata, limits)?;
        let named = values.chunks(2).filter_map(|pair| match pair {
            [Value::String(name), value] if name == COLOR_INFO => Some(value),
            _ => None,
        });
        // Each replaces the one before.
        Ok(named.last().map(|value| {
            let mut info = Self::default();
            for (group, name, field) in info.fields() {
                let value = value.property(group).and_then(|group| group.property(name));
                *field = value.and_then(Value::as_number);
            }
            info
        }))
    }

    /// The metadata that says this, for [`Track::with_metadata`](lsv_core::media::Track::with_metadata).
    pub fn encode(mut self) -> Bytes {
        let mut groups: Vec<(String, Value)> = Vec::new();
        for (group, name, field) in self.fields() {
            let Some(number) = *field else {
                continue;
            };
            let property = (name.to_owned(), Value::Number(number));
            match groups.last_mut() {
                Some((last, Value::Object(object))) if last == group => object.0.push(property),
                _ => groups.push((group.to_owned(), Value::Object(Object(vec![property])))),
            }
        }
        let value = match groups.is_empty() {
            // The recommended way to reset.
            true => Value::Undefined,
            false => Value::Object(Object(groups)),
        };
        let mut out = BytesMut::new();
        encode_all(&[COLOR_INFO.into(), value], &mut out);
        out.freeze()
    }

    /// Every field with its names on the wire.
    fn fields(&mut self) -> [(&'static str, &'static str, &mut Option<f64>); 16] {
        const CONFIG: &str = "colorConfig";
        const LIGHT: &str = "hdrCll";
        const DISPLAY: &str = "hdrMdcv";
        let Self {
            config,
            light_level,
            mastering_display: display,
        } = self;
        [
            (CONFIG, "bitDepth", &mut config.bit_depth),
            (CONFIG, "colorPrimaries", &mut config.color_primaries),
            (
                CONFIG,
                "transferCharacteristics",
                &mut config.transfer_characteristics,
            ),
            (
                CONFIG,
                "matrixCoefficients",
                &mut config.matrix_coefficients,
            ),
            (LIGHT, "maxFall", &mut light_level.max_fall),
            (LIGHT, "maxCLL", &mut light_level.max_cll),
            (DISPLAY, "redX", &mut display.red_x),
            (DISPLAY, "redY", &mut display.red_y),
            (DISPLAY, "greenX", &mut display.green_x),
            (DISPLAY, "greenY", &mut display.green_y),
            (DISPLAY, "blueX", &mut display.blue_x),
            (DISPLAY, "blueY", &mut display.blue_y),
            (DISPLAY, "whitePointX", &mut display.white_point_x),
            (DISPLAY, "whitePointY", &mut display.white_point_y),
            (DISPLAY, "maxLuminance", &mut display.max_luminance),
            (DISPLAY, "minLuminance", &mut display.min_luminance),
        ]
    }
}

const COLOR_INFO: &str = "colorInfo";
