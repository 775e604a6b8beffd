//! Watermarks from the record to pixels.

use std::io::Cursor;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use image::{ImageFormat, Rgba, RgbaImage};
use lsv_core::channel::Color;
use lsv_core::hub::{WatermarkPicture, WatermarkText};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::sheet::{CUT_PICTURE, CUT_TEXT};
use super::*;

const SIZE: (u32, u32) = (640, 360);
const BLUE: Rgba<u8> = Rgba([0, 0, 255, 255]);

fn overlays() -> Overlays {
    Overlays::new(Config {
        reach: Reach::anywhere(),
        ..Config::default()
    })
}

fn text(words: &str, size: u32) -> Option<WatermarkText> {
    Some(WatermarkText {
        text: words.to_owned(),
        size,
        color: Color::red(),
    })
}

fn picture(url: &str, width: u32, height: u32) -> Option<WatermarkPicture> {
    Some(WatermarkPicture {
        url: url.to_owned(),
        width,
        height,
    })
}

fn blue_png() -> Vec<u8> {
    let mut png = Cursor::new(Vec::new());
    RgbaImage::from_pixel(10, 10, BLUE)
        .write_to(&mut png, ImageFormat::Png)
        .unwrap();
    png.into_inner()
}

/// A server of one body, until it is dropped, that counts how often it was asked.
async fn server(body: Vec<u8>) -> (String, Arc<AtomicUsize>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/logo", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let task = tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            count.fetch_add(1, SeqCst);
            drop(tcp.read(&mut [0; 4_096]).await);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            tcp.write_all(&[head.as_bytes(), &body].concat())
                .await
                .unwrap();
        }
    });
    (url, asked, task)
}

fn pixels(overlay: &Overlay) -> RgbaImage {
    let decoded = image::load_from_memory_with_format(&overlay.png, ImageFormat::Png).unwrap();
    assert_eq!(
        (decoded.width(), decoded.height()),
        (overlay.width, overlay.height)
    );
    for length in [overlay.left, overlay.top, overlay.width, overlay.height] {
        assert_eq!(length % 2, 0, "{overlay:?}");
    }
    decoded.into_rgba8()
}

#[tokio::test]
async fn a_text_alone() {
    let watermark = Watermark::new(text("words", 20), None, 31, 57);
    let overlay = overlays().render(&watermark, SIZE).await.unwrap();
    assert!(
        (30..36).contains(&overlay.left) && (56..70).contains(&overlay.top),
        "{overlay:?}"
    );
    assert!(
        (40..80).contains(&overlay.width) && (10..24).contains(&overlay.height),
        "{overlay:?}"
    );
    assert!(
        overlay.warnings.is_empty() && overlay.failed.is_none(),
        "{overlay:?}"
    );
    let inked: Vec<_> = pixels(&overlay)
        .pixels()
        .filter(|pixel| pixel[3] > 0)
        .copied()
        .collect();
    assert!(inked.len() > 100);
    assert!(
        inked.iter().all(|pixel| pixel.0[..3] == [255, 0, 0]),
        "the alpha is not multiplied in"
    );
}

#[tokio::test]
async fn a_picture_alone_and_kept_once_it_was_there() {
    let (url, asked, server) = server(blue_png()).await;
    let overlays = overlays();
    let watermark = Watermark::new(None, picture(&url, 100, 50), 20, 40);
    for _ in 0..3 {
        let overlay = overlays.render(&watermark, SIZE).await.unwrap();
        let place = (overlay.left, overlay.top, overlay.width, overlay.height);
        assert_eq!(place, (20, 40, 100, 50));
        assert!(pixels(&overlay).pixels().all(|pixel| *pixel == BLUE));
        server.abort();
    }
    assert_eq!(asked.load(SeqCst), 1);
}

#[tokio::test]
async fn the_text_lies_over_the_picture() {
    let (url, _, _server) = server(blue_png()).await;
    let watermark = Watermark::new(text("over", 30), picture(&url, 200, 100), 10, 10);
    let overlay = overlays().render(&watermark, SIZE).await.unwrap();
    assert_eq!(
        (overlay.left, overlay.top, overlay.width, overlay.height),
        (10, 10, 200, 100)
    );
    let pixels = pixels(&overlay);
    let count = |color: Rgba<u8>| pixels.pixels().filter(|pixel| **pixel == color).count();
    assert!(count(Rgba([255, 0, 0, 255])) > 50 && count(BLUE) > 10_000);
    assert!(pixels.pixels().all(|pixel| pixel[3] == 255));
}

#[tokio::test]
async fn what_lies_beyond_the_source_is_cut_and_told() {
    let (url, _, _server) = server(blue_png()).await;
    let overlays = overlays();
    let watermark = Watermark::new(text("words", 40), picture(&url, 7_680, 7_680), 600, 340);
    let overlay = overlays.render(&watermark, SIZE).await.unwrap();
    assert_eq!(
        (overlay.left, overlay.top, overlay.width, overlay.height),
        (600, 340, 40, 20)
    );
    assert_eq!(overlay.warnings, [CUT_PICTURE, CUT_TEXT]);
    let outside = Watermark::new(text("words", 40), picture(&url, 100, 50), 7_680, 7_680);
    let overlay = overlays.render(&outside, SIZE).await.unwrap();
    assert_eq!(overlay.warnings, [CUT_PICTURE, CUT_TEXT]);
    assert!(pixels(&overlay).pixels().all(|pixel| pixel[3] == 0));
    for nothing in [
        Watermark::new(None, None, 0, 0),
        Watermark::new(text("", 20), None, 0, 0),
    ] {
        let overlay = overlays.render(&nothing, SIZE).await.unwrap();
        assert!(pixels(&overlay).pixels().all(|pixel| pixel[3] == 0));
        assert!(overlay.warnings.is_empty(), "{overlay:?}");
    }
}

#[tokio::test]
async fn pictures_of_no_size_and_of_any() {
    let (url, _, _server) = server(blue_png()).await;
    let overlays = overlays();
    let watermark = Watermark::new(text("words", 40), picture(&url, 7_680, 7_680), 0, 0);
    for size in [(0, 0), (1, 1), (3, 3), (u32::MAX, 1)] {
        let overlay = overlays.render(&watermark, size).await.unwrap();
        drop(pixels(&overlay));
    }
    let refused = overlays.render(&watermark, (u32::MAX, u32::MAX)).await;
    let text = refused.map_or_else(Some, |overlay| overlay.failed);
    assert!(matches!(text, Some(Error::Size { .. })), "{text:?}");
}

#[tokio::test]
async fn half_of_it_is_better_than_none() {
    let (url, _, server) = server(b"<svg/>".to_vec()).await;
    let overlays = overlays();
    let both = Watermark::new(text("words", 20), picture(&url, 100, 50), 10, 10);
    let overlay = overlays.render(&both, SIZE).await.unwrap();
    assert!(overlay.width < 90, "{overlay:?}");
    let failed = overlay.failed.unwrap();
    assert!(
        !failed.may_pass() && failed.to_string().starts_with("`ImageURL` "),
        "{failed}"
    );
    server.abort();
    drop(server.await);
    let alone = Watermark::new(None, picture(&url, 100, 50), 10, 10);
    let failed = overlays.render(&alone, SIZE).await.unwrap_err();
    assert!(failed.may_pass(), "{failed}");

    let (url, _, _server) = self::server(blue_png()).await;
    let no_fonts = Overlays::new(Config {
        reach: Reach::anywhere(),
        fonts: vec!["/nonexistent".into()],
        ..Config::default()
    });
    let both = Watermark::new(text("words", 20), picture(&url, 100, 50), 10, 10);
    let overlay = no_fonts.render(&both, SIZE).await.unwrap();
    assert!(
        matches!(overlay.failed, Some(Error::NoFonts)) && overlay.width == 100,
        "{overlay:?}"
    );
}

#[tokio::test]
async fn missing_letters_are_told() {
    let watermark = Watermark::new(text("\u{10FFFF}", 20), None, 0, 0);
    let overlay = overlays().render(&watermark, SIZE).await.unwrap();
    assert!(overlay.warnings[0].contains("U+10FFFF"), "{overlay:?}");
}

#[tokio::test]
async fn pictures_are_checked_to_their_last_pixel() {
    let png = blue_png();
    let (url, asked, _server) = server(png.clone()).await;
    let overlays = overlays();
    for _ in 0..2 {
        overlays.check(&url).await.unwrap();
    }
    assert_eq!(asked.load(SeqCst), 2, "each check looks at what is there");
    let (url, _, _server) = server(png[..png.len() - 30].to_vec()).await;
    let refused = overlays.check(&url).await.unwrap_err().to_string();
    assert!(refused.contains("cannot be decoded"), "{refused}");
    let refused = Overlays::new(Config::default())
        .check(&url)
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("allow-private-targets"), "{refused}");
}

#[tokio::test]
async fn a_preview_is_what_is_drawn() {
    let (url, asked, _server) = server(blue_png()).await;
    let overlays = overlays();
    let watermark = Watermark::new(text("words", 40), picture(&url, 100, 50), 20, 40);
    let drawn = overlays.render(&watermark, SIZE).await.unwrap();
    for _ in 0..2 {
        let preview = overlays.preview(&watermark, SIZE).await.unwrap().unwrap();
        assert_eq!(preview.png, drawn.png);
        assert_eq!((preview.left, preview.top), (drawn.left, drawn.top));
    }
    assert_eq!(asked.load(SeqCst), 2, "once for it, once for all previews");
    for nothing in [
        Watermark::new(None, None, 0, 0),
        Watermark::new(text(" ", 20), None, 0, 0),
        Watermark::new(text("words", 40), picture(&url, 100, 50), 7_680, 0),
    ] {
        assert_eq!(overlays.preview(&nothing, SIZE).await, Ok(None));
    }
}

#[tokio::test]
async fn a_preview_shows_all_or_says_why_not() {
    let (url, _, _server) = server(b"<svg/>".to_vec()).await;
    let both = Watermark::new(text("words", 20), picture(&url, 100, 50), 10, 10);
    let refused = overlays().preview(&both, SIZE).await;
    assert!(matches!(refused, Err(NoPreview::Picture(_))), "{refused:?}");
    let (url, _, _server) = server(blue_png()).await;
    let large = Watermark::new(None, picture(&url, 7_680, 7_680), 0, 0);
    let refused = overlays().preview(&large, (7_680, 7_680)).await;
    assert!(
        matches!(refused, Err(NoPreview::TooLarge(_))),
        "{refused:?}"
    );
    let no_fonts = Overlays::new(Config {
        fonts: vec!["/nonexistent".into()],
        ..Config::default()
    });
    let words = Watermark::new(text("words", 20), None, 10, 10);
    let refused = no_fonts.preview(&words, SIZE).await;
    assert!(matches!(refused, Err(NoPreview::NoFonts(_))), "{refused:?}");
}

#[tokio::test]
async fn a_flood_of_previews_is_refused_and_keeps_no_real_watermark_waiting() {
    // A host that takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/logo", silent.local_addr().unwrap());
    let overlays = overlays();
    let flood = |number: usize| {
        let (overlays, url) = (overlays.clone(), format!("{url}{number}"));
        tokio::spawn(async move {
            let watermark = Watermark::new(None, picture(&url, 100, 50), 0, 0);
            overlays.preview(&watermark, SIZE).await
        })
    };
    let waiting: Vec<_> = (0..MAX_PREVIEWS).map(flood).collect();
    // Those that work have asked the host; the others wait.
    let mut held = Vec::new();
    for _ in 0..MAX_PREVIEWING {
        held.push(silent.accept().await.unwrap());
    }
    while overlays.shared.previews.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    for number in 0..100 {
        assert_eq!(flood(number).await.unwrap(), Err(NoPreview::Busy));
    }
    let (url, _, _server) = server(blue_png()).await;
    let real = Watermark::new(text("real", 20), picture(&url, 100, 50), 10, 10);
    let overlay = overlays.render(&real, SIZE).await.unwrap();
    assert!(overlay.failed.is_none(), "{overlay:?}");
    // Who goes away takes the place along.
    for preview in waiting {
        assert!(
            !preview.is_finished(),
            "a real watermark overtakes what waits"
        );
        preview.abort();
        drop(preview.await);
    }
    let words = Watermark::new(text("words", 20), None, 10, 10);
    assert!(overlays.preview(&words, SIZE).await.unwrap().is_some());
}

#[tokio::test]
async fn previews_push_out_no_picture_of_a_channel() {
    let (url, _, host) = server(blue_png()).await;
    let (other, _, _other) = server(blue_png()).await;
    let overlays = overlays();
    let real = Watermark::new(None, picture(&url, 100, 50), 0, 0);
    drop(overlays.render(&real, SIZE).await.unwrap());
    host.abort();
    for number in 0..70 {
        let tried = picture(&format!("{other}{number}"), 100, 50);
        let watermark = Watermark::new(None, tried, 0, 0);
        assert!(overlays.preview(&watermark, SIZE).await.unwrap().is_some());
    }
    assert!(overlays.render(&real, SIZE).await.is_ok());
}
