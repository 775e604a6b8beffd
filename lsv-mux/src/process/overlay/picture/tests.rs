//! Pictures as they should be, and as they should not.

use image::{RgbImage, Rgba};
use proptest::prelude::*;

use super::*;

fn encoded(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 200]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A PNG that says it is of that size, and has no pixels at all.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend([width.to_be_bytes(), height.to_be_bytes()].concat());
    header.extend([8, 6, 0, 0, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&header);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend(header);
    png.extend(crc.sum().to_be_bytes());
    // A chunk of pixels that is cut off: headers are read up to it.
    png.extend(b"\0\0\x10\0IDAT\x78\x9c");
    png
}

#[test]
fn what_is_drawn() {
    for format in FORMATS {
        let bytes = encoded(format, 64, 48);
        check(&bytes).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        assert_eq!(decode(&bytes).unwrap().dimensions(), (64, 48), "{format:?}");
    }
}

#[test]
fn what_says_it_is_huge_is_not_decoded() {
    let mut gif = encoded(ImageFormat::Gif, 8, 8);
    gif[6..10].copy_from_slice(&[0x30, 0x75, 0x30, 0x75]);
    let mut jpeg = encoded(ImageFormat::Jpeg, 8, 8);
    let frame = jpeg
        .windows(2)
        .position(|marker| marker == [0xFF, 0xC0])
        .unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
    for bytes in [png_header(30_000, 30_000), gif, jpeg] {
        let refused = check(&bytes).unwrap_err();
        assert!(
            matches!(
                refused,
                PictureError::Pixels {
                    width: 30_000,
                    height: 30_000,
                    ..
                }
            ),
            "{refused}"
        );
        assert!(refused.to_string().contains("30000 x 30000"), "{refused}");
        assert!(decode(&bytes).is_err());
    }
}

#[test]
fn sides_and_pixels_have_limits() {
    for (width, height, accepted) in [
        (8_192, 2_048, true),
        (4_096, 4_096, true),
        (8_193, 1, false),
        (1, 8_193, false),
        (4_097, 4_096, false),
        (u32::MAX >> 1, 1, false),
        (u32::MAX >> 1, u32::MAX >> 1, false),
        (0, 1, false),
    ] {
        let checked = check(&png_header(width, height));
        assert_eq!(checked.is_ok(), accepted, "{width} x {height}: {checked:?}");
    }
}

#[test]
fn what_is_no_picture_is_named() {
    let bmp = b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0".to_vec();
    for (bytes, named) in [
        (
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(),
            "SVG",
        ),
        (
            b"<?xml version=\"1.0\"?>\n<!-- x -->\n<SVG>".to_vec(),
            "SVG",
        ),
        (b"<!DOCTYPE html><html><body>".to_vec(), "HTML"),
        (b"  <HTML>".to_vec(), "HTML"),
        (b"{\"Code\": \"Success\"}".to_vec(), "by its bytes"),
        (bmp, "by its bytes"),
        (b"II*\0tiff".to_vec(), "by its bytes"),
        (vec![0; 5_000], "by its bytes"),
        (Vec::new(), "empty"),
    ] {
        let refused = check(&bytes).unwrap_err();
        assert!(matches!(refused, PictureError::Format(_)), "{refused}");
        let text = refused.to_string();
        assert!(
            text.contains(named) && text.contains("PNG, JPEG, WebP or GIF"),
            "{text}"
        );
    }
}

#[test]
fn what_is_cut_off_is_damaged() {
    for format in FORMATS {
        let mut bytes = encoded(format, 64, 64);
        bytes.truncate(bytes.len() / 2);
        // JPEG may show the part that is there.
        if format != ImageFormat::Jpeg {
            let refused = decode(&bytes).unwrap_err();
            assert!(
                matches!(refused, PictureError::Damaged(_)),
                "{format:?}: {refused}"
            );
        }
        bytes.truncate(9);
        assert!(check(&bytes).is_err(), "{format:?}");
    }
}

#[test]
fn transparency_stays_and_leaves_no_dark_edge() {
    let half = RgbaImage::from_fn(100, 100, |x, _| match x {
        0..50 => Rgba([255, 0, 0, 255]),
        _ => Rgba([0, 0, 0, 0]),
    });
    let fitted = fit(&half, (31, 20), (31, 20)).unwrap();
    assert_eq!(fitted.dimensions(), (31, 20));
    assert_eq!(fitted.get_pixel(0, 10), &Rgba([255, 0, 0, 255]));
    assert_eq!(fitted.get_pixel(30, 10)[3], 0);
    let edge = fitted.get_pixel(15, 10);
    assert!(edge[0] > 250 && (1..255).contains(&edge[3]), "{edge:?}");
}

#[test]
fn only_what_is_seen_is_made() {
    let ramp = RgbaImage::from_fn(200, 100, |x, y| Rgba([x as u8, 2 * y as u8, 0, 255]));
    let (whole, seen) = (
        fit(&ramp, (400, 200), (400, 200)),
        fit(&ramp, (400, 200), (123, 45)),
    );
    let (whole, seen) = (whole.unwrap(), seen.unwrap());
    assert_eq!(seen.dimensions(), (123, 45));
    for (x, y) in [(0, 0), (60, 20), (110, 40)] {
        let (a, b) = (whole.get_pixel(x, y), seen.get_pixel(x, y));
        assert!(
            a[0].abs_diff(b[0]) <= 2 && a[1].abs_diff(b[1]) <= 2,
            "{x} {y}: {a:?} {b:?}"
        );
    }
    let dot = RgbaImage::from_pixel(1, 1, Rgba([9, 8, 7, 6]));
    let one = fit(&dot, (7_680, 7_680), (1, 1)).unwrap();
    assert_eq!(one.dimensions(), (1, 1));
    assert_eq!(
        fit(&dot, (7_680, 1), (7_680, 1)).unwrap().dimensions(),
        (7_680, 1)
    );
}

proptest! {
    #[test]
    fn any_header_is_judged(format in 0..FORMATS.len(), at in 0_usize..200, bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let mut picture = encoded(FORMATS[format], 9, 7);
        let at = at.min(picture.len());
        let end = (at + bytes.len()).min(picture.len());
        picture.splice(at..end, bytes);
        if let Ok(()) = check(&picture) {
            prop_assert!(decode(&picture).map_or(true, |picture| u64::from(picture.width()) * u64::from(picture.height()) <= MAX_PIXELS));
        }
    }
}
