//! Small pictures of pictures, and sheets of small pictures. Pure.

use std::io::Cursor;

use bytes::Bytes;
use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::{DynamicImage, ImageDecoder as _, Limits, RgbImage, imageops};
use lsv_core::time::Timestamp;

use crate::record::thumbnails::Tile;

/// The small picture of the JPEG `picture`, which is shown at `at`; `None` for what is no JPEG, or too large.
pub fn tile(picture: &[u8], at: Timestamp) -> Option<Tile> {
    let image = decode(picture)?;
    let (width, height) = fit(image.width(), image.height());
    let small = imageops::thumbnail(&image, width, height);
    Some(Tile {
        at,
        width,
        height,
        jpeg: encode(&small)?,
    })
}

/// One JPEG of all `tiles`, `columns` in each row, in cells of the first one's size; `None` without any, or if one is no
/// JPEG.
pub fn compose(tiles: &[Tile], columns: u32) -> Option<Bytes> {
    let first = tiles.first()?;
    let count = u32::try_from(tiles.len()).ok()?;
    let columns = columns.clamp(1, count);
    let rows = count.div_ceil(columns);
    let width = first.width.min(BOX).checked_mul(columns)?;
    let height = first.height.min(BOX).checked_mul(rows)?;
    if width > MAX_SHEET || height > MAX_SHEET {
        return None;
    }
    let mut sheet = RgbImage::new(width, height);
    for (place, tile) in (0..).zip(tiles) {
        let (left, top) = (
            place % columns * first.width,
            place / columns * first.height,
        );
        let image = decode(&tile.jpeg)?;
        imageops::replace(&mut sheet, &image, i64::from(left), i64::from(top));
    }
    encode(&sheet)
}

fn decode(picture: &[u8]) -> Option<RgbImage> {
    let mut decoder = JpegDecoder::new(Cursor::new(picture)).ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    decoder.set_limits(limits).ok()?;
    DynamicImage::from_decoder(decoder)
        .ok()
        .map(DynamicImage::into_rgb8)
}

fn encode(image: &RgbImage) -> Option<Bytes> {
    let mut out = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut out, QUALITY);
    image.write_with_encoder(encoder).ok()?;
    Some(out.into())
}

/// The largest even size of this shape in the box of small pictures.
fn fit(width: u32, height: u32) -> (u32, u32) {
    let longest = u64::from(width.max(height).max(1));
    let scaled = |side: u32| {
        let side = u64::from(side) * u64::from(BOX) / longest;
        u32::try_from(side).unwrap_or(BOX).clamp(2, BOX) & !1
    };
    (scaled(width), scaled(height))
}

/// The longest side of a small picture.
const BOX: u32 = 160;
/// Of JPEG, for small pictures.
const QUALITY: u8 = 75;
/// The longest side of a picture, and what it may need in memory: 8K.
const MAX_SIDE: u32 = 8_192;
const MAX_DECODED_BYTES: u64 = 256 << 20;
/// The longest side of a sheet: every browser shows that.
const MAX_SHEET: u32 = 4_096;

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn picture(width: u32, height: u32, colour: [u8; 3]) -> Bytes {
        encode(&RgbImage::from_pixel(width, height, Rgb(colour))).unwrap()
    }

    #[test]
    fn small_pictures_keep_their_shape() {
        for (size, expected) in [
            ((1_280, 720), (160, 90)),
            ((720, 1_280), (90, 160)),
            ((640, 480), (160, 120)),
            ((100, 100), (160, 160)),
            ((4_096, 2), (160, 2)),
        ] {
            let tile = tile(&picture(size.0, size.1, [9, 9, 9]), Timestamp::ZERO).unwrap();
            assert_eq!((tile.width, tile.height), expected, "{size:?}");
            let decoded = decode(&tile.jpeg).unwrap();
            assert_eq!(decoded.dimensions(), expected);
        }
    }

    #[test]
    fn each_picture_lies_in_its_cell() {
        let colours = [[250, 0, 0], [0, 250, 0], [0, 0, 250], [250, 250, 250]];
        let tiles: Vec<Tile> = colours
            .iter()
            .map(|colour| tile(&picture(320, 180, *colour), Timestamp::ZERO).unwrap())
            .collect();
        let sheet = decode(&compose(&tiles, 3).unwrap()).unwrap();
        assert_eq!(sheet.dimensions(), (480, 180));
        for (colour, (x, y)) in colours
            .iter()
            .zip([(80, 45), (240, 45), (400, 45), (80, 135)])
        {
            let found = sheet.get_pixel(x, y).0;
            let is_near = found.iter().zip(colour).all(|(a, b)| a.abs_diff(*b) < 12);
            assert!(is_near, "{found:?} for {colour:?}");
        }
        assert_eq!(compose(&[], 10), None);
    }

    #[test]
    fn what_is_no_picture_makes_none() {
        let whole = picture(64, 64, [1, 2, 3]);
        let mut large = whole.to_vec();
        // The frame header's height and width.
        let frame = large
            .windows(2)
            .position(|two| two == [0xFF, 0xC0])
            .unwrap();
        large[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF]);
        for bytes in [&b""[..], b"GIF89a", &whole[..20], &large] {
            assert_eq!(tile(bytes, Timestamp::ZERO), None);
        }
    }
}
