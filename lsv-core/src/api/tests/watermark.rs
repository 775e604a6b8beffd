//! Previews of watermarks.

use super::*;

const PATH: &str = "/videostream/cam/watermark";

#[tokio::test]
async fn a_watermark_is_shown_as_it_would_be_and_nothing_is_stored() {
    let platform = Platform::new();
    let before = platform.channel("cam").await;
    let draw = |query: &str, fields| {
        let path = format!("{PATH}{query}");
        let platform = &platform;
        async move { platform.send_json(Method::POST, &path, fields).await }
    };
    let text = json!({
        "isWaterMark": "true", "WaterMarkText": "hi", "WaterMarkLeft": 30, "WaterMarkTop": "40",
    });
    let drawn = draw("", text.clone()).await;
    assert_eq!(drawn.status, StatusCode::OK);
    assert_eq!(drawn.body, b"Some(\"hi\") 1280x720");
    assert_eq!(drawn.header(header::CONTENT_TYPE), "image/png");
    assert_eq!(drawn.header(header::CACHE_CONTROL), "no-store");
    assert_eq!(drawn.header("x-watermark-left"), "30");
    assert_eq!(drawn.header("x-watermark-top"), "40");
    let drawn = draw("?width=16&height=7680", text).await;
    assert_eq!(drawn.body, b"Some(\"hi\") 16x7680");
    let good = json!({"isImageWaterMark": true, "ImageURL": "https://a.example/logo.png"});
    assert_eq!(draw("", good).await.body, b"None 1280x720");
    for nothing in [
        json!({}),
        json!({"WaterMarkText": "switched off"}),
        json!({"isWaterMark": true, "WaterMarkText": "outside"}),
    ] {
        let drawn = draw("", nothing).await;
        assert_eq!(
            (drawn.status, drawn.body.len()),
            (StatusCode::NO_CONTENT, 0)
        );
    }
    assert_eq!(platform.get("/videostream/cam").await.json(), before);
    let applied = platform.live.applied.lock().unwrap();
    assert!(applied.is_empty(), "what is live stays as it is");
}

#[tokio::test]
async fn a_preview_begins_with_what_the_channel_has() {
    let platform = Platform::new();
    let made = json!({"id": "cam", "isWaterMark": true, "WaterMarkText": "stored"});
    platform.post(made).await;
    let drawn = platform.send_json(Method::POST, PATH, json!({})).await;
    assert_eq!(drawn.body, b"Some(\"stored\") 1280x720");
    let off = json!({"isWaterMark": false});
    let drawn = platform.send_json(Method::POST, PATH, off).await;
    assert_eq!(drawn.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn previews_are_refused_as_what_is_stored_would_be() {
    let platform = Platform::new();
    platform.channel("cam").await;
    let draw = |path: &str, fields| {
        let path = path.to_owned();
        let platform = &platform;
        async move { platform.send_json(Method::POST, &path, fields).await }
    };
    let with_text = |text: &str| json!({"isWaterMark": true, "WaterMarkText": text});
    let with_picture = |url: &str| json!({"isImageWaterMark": true, "ImageURL": url});
    for (fields, kind, field) in [
        (
            json!({"WaterMarkFontSize": "big"}),
            Kind::InvalidValue,
            "WaterMarkFontSize",
        ),
        (json!({"nonsense": 1}), Kind::UnknownField, "nonsense"),
        (json!({"key": "1-a"}), Kind::FixedField, "key"),
        (
            with_picture("https://a.example/logo.svg"),
            Kind::InvalidValue,
            "ImageURL",
        ),
        (
            with_picture("http://127.0.0.1/logo.png"),
            Kind::InvalidValue,
            "ImageURL",
        ),
        (
            json!({"relayURL": "rtmp://127.0.0.1/x"}),
            Kind::InvalidValue,
            "relayURL",
        ),
        (with_text("no fonts"), Kind::NotImplemented, "WaterMarkText"),
    ] {
        let problem = draw(PATH, fields.clone()).await.problem(kind);
        assert_eq!(problem["field"], json!(field), "{fields}");
    }
    let asked = platform.watermarks.0.lock().unwrap().clone();
    assert_eq!(
        asked,
        ["https://a.example/logo.svg"],
        "nothing private is asked"
    );
    for (text, kind) in [("large", Kind::InvalidValue), ("broken", Kind::Internal)] {
        drop(draw(PATH, with_text(text)).await.problem(kind));
    }
    let busy = draw(PATH, with_text("busy")).await;
    assert_eq!(busy.header(header::RETRY_AFTER), "1");
    drop(busy.problem(Kind::Unavailable));

    for side in ["width", "height"] {
        for wrong in ["15", "7681", "4294967295"] {
            let refused = draw(&format!("{PATH}?{side}={wrong}"), json!({})).await;
            assert_eq!(
                refused.problem(Kind::InvalidParameter)["field"],
                json!(side)
            );
        }
        for wrong in ["", "-16", "x", "4294967296"] {
            let refused = draw(&format!("{PATH}?{side}={wrong}"), json!({})).await;
            drop(refused.problem(Kind::InvalidParameter));
        }
    }
    let nowhere = draw("/videostream/none/watermark", json!({})).await;
    drop(nowhere.problem(Kind::NotFound));
}

#[tokio::test]
async fn without_a_drawer_there_are_no_previews() {
    let platform = Platform::without_drawer();
    platform.channel("cam").await;
    let drawn = platform.send_json(Method::POST, PATH, json!({})).await;
    drop(drawn.problem(Kind::NotImplemented));
}
