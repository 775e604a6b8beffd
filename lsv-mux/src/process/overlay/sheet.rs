//! What is drawn of a watermark, until it is a PNG with a place.

use bytes::Bytes;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, RgbaImage, imageops};
use lsv_core::hub::{Watermark, WatermarkPicture};

use super::area::Area;
use super::text::{self, Written};
use super::{Error, Overlay, picture};

/// What is drawn so far.
pub(super) struct Sheet {
    /// The source's picture.
    pub(super) room: Area,
    /// The top left corner of text and picture.
    pub(super) at: (i32, i32),
    picture: Option<RgbaImage>,
    text: Option<Written>,
    pub(super) warnings: Vec<String>,
    pub(super) failed: Option<Error>,
}

impl Sheet {
    pub(super) fn new(watermark: &Watermark, (width, height): (u32, u32)) -> Self {
        let pixel = |place: u32| i32::try_from(place).unwrap_or(i32::MAX);
        Self {
            room: Area::new(0, 0, width, height),
            at: (pixel(watermark.left), pixel(watermark.top)),
            picture: None,
            text: None,
            warnings: Vec::new(),
            failed: None,
        }
    }

    /// Draws the picture, or notes why not.
    pub(super) fn place(&mut self, about: &WatermarkPicture, bytes: &[u8]) {
        let size = (about.width, about.height);
        let whole = Area::new(self.at.0, self.at.1, size.0, size.1);
        let seen = whole.within(self.room);
        if whole.overruns(self.room) {
            self.warnings.push(CUT_PICTURE.to_owned());
        }
        let fit = |seen: Area| {
            bounded(seen)?;
            let picture = picture::decode(bytes)?;
            Ok(picture::fit(&picture, size, (seen.width, seen.height))?)
        };
        match seen.map(fit).transpose() {
            Ok(fitted) => self.picture = fitted,
            Err(error) => self.failed = Some(error),
        }
    }

    /// Takes the text, which is drawn at the end.
    pub(super) fn write(&mut self, written: Written) {
        self.warnings
            .extend(text::warning_of_missing(&written.missing));
        if written.is_cut {
            self.warnings.push(CUT_TEXT.to_owned());
        }
        self.text = Some(written);
    }

    /// The watermark as a whole; the error if there is nothing but that.
    pub(super) fn finish(self) -> Result<Overlay, Error> {
        let of_picture = self.picture.as_ref().map(|picture| {
            let (width, height) = picture.dimensions();
            Area::new(self.at.0, self.at.1, width, height)
        });
        let of_text = self.text.as_ref().and_then(Written::area);
        let covered = of_picture.into_iter().chain(of_text).reduce(Area::with);
        let area = covered.and_then(|area| area.within(self.room));
        let failed = match (area, self.failed) {
            (None, Some(error)) => return Err(error),
            (_, failed) => failed,
        };
        let is_blank = area.is_none();
        let area = area.unwrap_or(NOTHING).even();
        bounded(area)?;
        let mut canvas = RgbaImage::new(area.width, area.height);
        if let Some(picture) = &self.picture {
            let offset = (self.at.0 - area.left, self.at.1 - area.top);
            imageops::replace(&mut canvas, picture, offset.0.into(), offset.1.into());
        }
        if let Some(text) = &self.text {
            text.draw(&mut canvas, area);
        }
        Ok(Overlay {
            png: png(&canvas)?,
            is_blank,
            left: u32::try_from(area.left).unwrap_or_default(),
            top: u32::try_from(area.top).unwrap_or_default(),
            width: area.width,
            height: area.height,
            warnings: self.warnings,
            failed,
        })
    }
}

fn bounded(area: Area) -> Result<(), Error> {
    let Area { width, height, .. } = area;
    match u64::from(width) * u64::from(height) {
        0..=MAX_PIXELS => Ok(()),
        _ => Err(Error::Size {
            width,
            height,
            most: MAX_PIXELS,
        }),
    }
}

fn png(canvas: &RgbaImage) -> Result<Bytes, Error> {
    let mut png = Vec::new();
    let (width, height) = canvas.dimensions();
    PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Up)
        .write_image(canvas.as_raw(), width, height, ExtendedColorType::Rgba8)
        .map_err(|error| Error::Drawing(error.to_string()))?;
    Ok(png.into())
}

/// Where all of a watermark lies beside the picture, two transparent pixels are drawn.
const NOTHING: Area = Area::new(0, 0, 2, 2);
pub(super) const CUT_PICTURE: &str =
    "the picture of the watermark reaches beyond the source's picture and is cut there";
pub(super) const CUT_TEXT: &str =
    "the text of the watermark reaches beyond the source's picture and is cut there";
/// Most pixels of an overlay: a picture in 8K.
const MAX_PIXELS: u64 = 7_680 * 4_320;
