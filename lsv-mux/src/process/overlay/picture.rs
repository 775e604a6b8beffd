//! Pictures that come from outside: what they are, by their bytes; how large they would be; their pixels.
//!
//! What a picture says of its size is looked at before anything is decoded, so that a small file never becomes a large
//! picture.

use std::io::Cursor;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, ResizeOptions, Resizer};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbaImage};

use super::PictureError;

/// Makes sure, from its header, that `bytes` are a picture that can be decoded in bounded memory.
pub(super) fn check(bytes: &[u8]) -> Result<(), PictureError> {
    decoder(bytes).map(drop)
}

/// The pixels of a picture, turned as it says.
pub(super) fn decode(bytes: &[u8]) -> Result<RgbaImage, PictureError> {
    let mut decoder = decoder(bytes)?;
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgba8())
}

/// The part of `picture` that is seen when it is drawn `size.0` wide and `size.1` high, and only `seen` of that from the
/// top left.
pub(super) fn fit(
    picture: &RgbaImage,
    size: (u32, u32),
    seen: (u32, u32),
) -> Result<RgbaImage, PictureError> {
    let seen = (seen.0.min(size.0), seen.1.min(size.1));
    let (width, height) = picture.dimensions();
    let share = |length: u32, seen: u32, size: u32| {
        (f64::from(length) * f64::from(seen) / f64::from(size.max(1))).min(f64::from(length))
    };
    let crop = (share(width, seen.0, size.0), share(height, seen.1, size.1));
    let options = ResizeOptions::new().crop(0.0, 0.0, crop.0, crop.1);
    let from = ImageRef::new(width, height, picture.as_raw(), PixelType::U8x4);
    let from = from.map_err(|error| PictureError::Damaged(error.to_string()))?;
    let mut to = Image::new(seen.0, seen.1, PixelType::U8x4);
    let resized = Resizer::new().resize(&from, &mut to, &options);
    resized.map_err(|error| PictureError::Damaged(error.to_string()))?;
    let pixels = RgbaImage::from_raw(seen.0, seen.1, to.into_vec());
    pixels.ok_or(PictureError::Unchecked)
}

/// A decoder of `bytes` that has read their header and nothing more.
fn decoder(bytes: &[u8]) -> Result<impl ImageDecoder + '_, PictureError> {
    let format = image::guess_format(bytes).ok();
    let Some(format) = format.filter(|format| FORMATS.contains(format)) else {
        return Err(PictureError::Format(looks_like(bytes)));
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS {
        return Err(PictureError::Pixels {
            width,
            height,
            side: MAX_SIDE,
            most: MAX_PIXELS,
        });
    }
    Ok(decoder)
}

/// What is there instead of a picture, in words that go on after "what is there".
fn looks_like(bytes: &[u8]) -> &'static str {
    let head: Vec<u8> = bytes
        .iter()
        .take(HEAD_BYTES)
        .map(u8::to_ascii_lowercase)
        .collect();
    let holds = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
    match () {
        () if bytes.is_empty() => "is empty",
        () if holds(b"<svg") => "is an SVG drawing",
        () if holds(b"<html") || holds(b"<!doctype html") => "is a page in HTML",
        () => "is none of these by its bytes",
    }
}

fn damaged(error: ImageError) -> PictureError {
    let text = error.to_string();
    PictureError::Damaged(text.chars().take(MAX_SHOWN_CHARS).collect())
}

/// What is drawn. No SVG: it is a program that can fetch and never end.
const FORMATS: [ImageFormat; 4] = [
    ImageFormat::Png,
    ImageFormat::Jpeg,
    ImageFormat::WebP,
    ImageFormat::Gif,
];
/// Longest side of a picture.
const MAX_SIDE: u32 = 8_192;
/// Most pixels of a picture: 64 MiB of memory, twice the pixels of a picture in 4K.
const MAX_PIXELS: u64 = 16 << 20;
/// What a decoder may take: the pixels in 16 bits a channel, and its own tables.
const MAX_DECODER_BYTES: u64 = 192 << 20;
/// How much is looked at to name what is no picture.
const HEAD_BYTES: usize = 1_024;
/// How much of a decoder's words goes into a message.
const MAX_SHOWN_CHARS: usize = 200;

#[cfg(test)]
mod tests;
