//! What was recorded, asked for as players, caches and attackers do.

use lsv_core::ports::{ObjectName, ObjectStore};

use super::*;
use crate::record::tests::Store;

async fn put(store: &Store, name: &str, bytes: impl Into<Bytes>) {
    let name = ObjectName::parse(name).unwrap();
    store.put(&name, bytes.into()).await.unwrap();
}

fn router_over(store: &Store) -> axum::Router {
    let state = state(&Hub::default()).with_recordings(Arc::new(store.clone()));
    router(state)
}

const FILE: &str = "/cam/vod/mp4/2026/11/22/capture-1.mp4";

async fn with_file() -> (Store, axum::Router, Bytes) {
    let store = Store::default();
    let media: Bytes = (0..1_000_u32).map(|number| number as u8).collect();
    put(
        &store,
        "record/cam/mp4/2026/11/22/capture-1.mp4",
        media.clone(),
    )
    .await;
    let router = router_over(&store);
    (store, router, media)
}

#[tokio::test]
async fn a_file_is_sent_once_and_then_known() {
    let (_, router, media) = with_file().await;
    let whole = get(&router, FILE, &[]).await;
    assert_eq!(whole.status(), 200);
    assert_eq!(field(&whole, "content-type"), "video/mp4");
    assert_eq!(field(&whole, "content-length"), "1000");
    assert_eq!(field(&whole, "accept-ranges"), "bytes");
    assert_eq!(field(&whole, "cache-control"), "no-cache");
    assert_eq!(field(&whole, "access-control-allow-origin"), "*");
    let etag = field(&whole, "etag").to_owned();
    assert_eq!(body(whole).await, media);

    for known in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
        for request in [Request::get(FILE), Request::head(FILE)] {
            let request = request.header("if-none-match", &known);
            let request = request.header("range", "bytes=0-9");
            let same = ask(&router, request.body(Body::empty()).unwrap()).await;
            assert_eq!(same.status(), 304, "{known}");
            assert_eq!(field(&same, "etag"), etag);
            assert!(body(same).await.is_empty());
        }
    }
    for other in ["\"x\"", "x", ""] {
        let sent = get(&router, FILE, &[("if-none-match", other)]).await;
        assert_eq!(sent.status(), 200, "{other}");
    }
}

#[tokio::test]
async fn parts_of_a_file_are_what_was_asked_for() {
    let (_, router, media) = with_file().await;
    for (asked, given) in [
        ("bytes=0-0", 0..1),
        ("bytes=0-9", 0..10),
        ("bytes=990-", 990..1_000),
        ("bytes=990-99999999999999999999", 990..1_000),
        ("bytes=-10", 990..1_000),
        ("bytes=-5000", 0..1_000),
    ] {
        let part = get(&router, FILE, &[("range", asked)]).await;
        assert_eq!(part.status(), 206, "{asked}");
        let said = format!("bytes {}-{}/1000", given.start, given.end - 1);
        assert_eq!(field(&part, "content-range"), said, "{asked}");
        assert_eq!(field(&part, "content-length"), given.len().to_string());
        assert_eq!(body(part).await, media.slice(given), "{asked}");
    }
    for asked in [
        "bytes=1000-",
        "bytes=1000-1001",
        "bytes=-0",
        "bytes=99999999999999999999-",
    ] {
        let none = get(&router, FILE, &[("range", asked)]).await;
        assert_eq!(none.status(), 416, "{asked}");
        assert_eq!(field(&none, "content-range"), "bytes */1000");
        problem(none).await;
    }
    // What is no single range that can be read is left out of account (RFC 9110 §14.2).
    for asked in [
        "bytes=9-5",
        "bytes=0-1,3-4",
        "bytes=a-b",
        "bytes=-",
        "items=0-9",
        "bytes",
        "",
    ] {
        let whole = get(&router, FILE, &[("range", asked)]).await;
        assert_eq!(whole.status(), 200, "{asked}");
        assert_eq!(body(whole).await, media, "{asked}");
    }
    let etag = field(&get(&router, FILE, &[]).await, "etag").to_owned();
    for (version, status) in [(&*etag, 206), ("\"x\"", 200), (&*format!("W/{etag}"), 200)] {
        let fields = [("range", "bytes=0-9"), ("if-range", version)];
        assert_eq!(
            get(&router, FILE, &fields).await.status(),
            status,
            "{version}"
        );
    }
}

#[tokio::test]
async fn head_says_what_get_would() {
    let (store, router, _) = with_file().await;
    put(&store, "record/cam/vod/now/index.m3u8", "#EXTM3U\n").await;
    for path in [FILE, "/cam/vod/now/index.m3u8", "/cam/vod/"] {
        let got = get(&router, path, &[]).await;
        let request = Request::head(path).header("range", "bytes=0-9");
        let told = ask(&router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(told.status(), 200, "{path}");
        for name in ["content-type", "etag", "cache-control", "content-length"] {
            assert_eq!(field(&told, name), field(&got, name), "{path}: {name}");
        }
        assert!(body(told).await.is_empty(), "{path}");
    }
    let wrong = Request::post(FILE).body(Body::empty()).unwrap();
    assert_eq!(ask(&router, wrong).await.status(), 405);
}

/// No address leads to what is not a recording of the channel.
#[tokio::test]
async fn nothing_else_is_to_be_had() {
    let (store, router, _) = with_file().await;
    for name in [
        "record/cam-2/mp4/other.mp4",
        "record/cam-2/vod/now/index.m3u8",
        "record/cam/other/picture.jpg",
        "unfinished/record/cam/mp4/2026/11/22/capture-1.mp4",
        "secret",
    ] {
        put(&store, name, "not for everybody").await;
    }
    for rest in [
        "../../cam-2/mp4/other.mp4",
        "mp4/../../cam-2/mp4/other.mp4",
        "mp4/../../../secret",
        "%2e%2e/%2e%2e/cam-2/mp4/other.mp4",
        "..%2F..%2Fcam-2%2Fmp4%2Fother.mp4",
        "mp4/..%5C..%5Csecret",
        "mp4//2026/11/22/capture-1.mp4",
        "/mp4/2026/11/22/capture-1.mp4",
        "mp4/2026/11/22/capture-1.mp4/",
        "mp4/2026/11/22/./capture-1.mp4",
        "mp4/2026/11/22",
        "mp4/",
        "mp4",
        "other/picture.jpg",
        "../other/picture.jpg",
        "now/index.m3u8",
        "unfinished/record/cam/mp4/2026/11/22/capture-1.mp4",
        ".unfinished/0",
        "mp4/%00",
        "mp4/2026/11/22/capture-1.mp4%00.m3u8",
        &"a/".repeat(2_000),
    ] {
        let path = format!("/cam/vod/{rest}");
        let answer = get(&router, &path, &[]).await;
        let status = answer.status();
        assert_eq!(status, 404, "{path}");
        problem(answer).await;
    }
    let rendition = get(&router, "/cam/360p/vod/mp4/2026/11/22/capture-1.mp4", &[]).await;
    assert_eq!(rendition.status(), 404);
    let elsewhere = get(&router, "/cam-2/vod/mp4/2026/11/22/capture-1.mp4", &[]).await;
    assert_eq!(elsewhere.status(), 404);
    let listing = body(get(&router, "/cam/vod/", &[]).await).await;
    let listing = String::from_utf8(listing.to_vec()).unwrap();
    assert!(
        listing.contains("capture-1.mp4") && !listing.contains("other"),
        "{listing}"
    );
}

/// A refused viewer gets nothing, and learns nothing of what there is.
#[tokio::test]
async fn a_refused_viewer_gets_nothing() {
    let (store, router, _) = with_file().await;
    put(&store, "record/cam/vod/now/index.m3u8", "#EXTM3U\n").await;
    for (reason, status) in [("mismatch", 403), ("unknown", 404), ("unavailable", 503)] {
        for path in [
            FILE,
            "/cam/vod/now/index.m3u8",
            "/cam/vod/",
            "/cam/vod/mp4/none.mp4",
        ] {
            let refused = get(&router, &format!("{path}?denied={reason}"), &[]).await;
            assert_eq!(refused.status(), status, "{path}: {reason}");
            for name in ["etag", "content-range", "accept-ranges"] {
                assert_eq!(field(&refused, name), "", "{path}: {name}");
            }
            problem(refused).await;
        }
    }
}

/// A body whose object is replaced meanwhile breaks off: it is never a mixture.
#[tokio::test]
async fn a_file_that_is_replaced_breaks_off() {
    let store = Store::default();
    let name = "record/cam/mp4/2026/11/22/capture-1.mp4";
    for other in [2_000_000, 900_000] {
        put(&store, name, vec![7; 1_000_000]).await;
        let response = get(&router_over(&store), FILE, &[]).await;
        assert_eq!(response.status(), 200);
        let mut pieces = response.into_body().into_data_stream();
        let first = pieces.next().await.unwrap().unwrap();
        assert!(first.iter().all(|byte| *byte == 7));
        put(&store, name, vec![8; other]).await;
        assert!(pieces.next().await.unwrap().is_err());
    }
    put(&store, name, vec![7; 1_000_000]).await;
    let response = get(&router_over(&store), FILE, &[]).await;
    let mut pieces = response.into_body().into_data_stream();
    pieces.next().await.unwrap().unwrap();
    store
        .delete(&ObjectName::parse(name).unwrap())
        .await
        .unwrap();
    assert!(pieces.next().await.unwrap().is_err());
}

#[tokio::test]
async fn a_store_out_of_reach_and_files_without_bytes() {
    let (store, router, _) = with_file().await;
    put(&store, "record/cam/mp4/empty.mp4", "").await;
    let empty = get(&router, "/cam/vod/mp4/empty.mp4", &[]).await;
    assert_eq!(
        (empty.status().as_u16(), field(&empty, "content-length")),
        (200, "0")
    );
    assert!(body(empty).await.is_empty());
    let none = get(&router, "/cam/vod/mp4/empty.mp4", &[("range", "bytes=0-")]).await;
    assert_eq!(none.status(), 416);
    store.set_away(true);
    for path in [FILE, "/cam/vod/"] {
        let away = get(&router, path, &[]).await;
        assert_eq!(away.status(), 503, "{path}");
        assert!(!field(&away, "retry-after").is_empty(), "{path}");
        problem(away).await;
    }
    let nowhere = get(&super::router(state(&Hub::default())), FILE, &[]).await;
    assert_eq!(nowhere.status(), 404);
}

#[tokio::test]
async fn pictures_clips_and_small_pictures_are_served_and_listed() {
    let store = Store::default();
    let router = router_over(&store);
    for (name, kind, caching) in [
        (
            "images/2026/11/22/capture-1.jpg",
            "image/jpeg",
            "public, max-age=3600, immutable",
        ),
        (
            "motion/images/2026/11/22/capture-1.jpg",
            "image/jpeg",
            "public, max-age=3600, immutable",
        ),
        (
            "motion/mp4/2026/11/22/capture-1.mp4",
            "video/mp4",
            "no-cache",
        ),
        (
            "vod/now/index.m3u8",
            "application/vnd.apple.mpegurl",
            "no-cache",
        ),
        ("vod/now/thumbnails-0.jpg", "image/jpeg", "no-cache"),
        (
            "vod/now/thumbnails.vtt",
            "text/vtt; charset=utf-8",
            "no-cache",
        ),
    ] {
        put(&store, &format!("record/cam/{name}"), "content").await;
        let address = name.strip_prefix("vod/").unwrap_or(name);
        let sent = get(&router, &format!("/cam/vod/{address}"), &[]).await;
        assert_eq!(sent.status(), 200, "{name}");
        let found = (field(&sent, "content-type"), field(&sent, "cache-control"));
        assert_eq!(found, (kind, caching), "{name}");
    }
    let page = get(&router, "/cam/vod/", &[("accept", "text/html,*/*")]).await;
    assert_eq!(field(&page, "content-type"), "text/html; charset=utf-8");
    assert_eq!(field(&page, "vary"), "Accept, Accept-Encoding");
    assert!(!field(&page, "content-security-policy").is_empty());
    let page = String::from_utf8(body(page).await.to_vec()).unwrap();
    let script = page
        .split('"')
        .find(|text| text.ends_with("/vod.js"))
        .unwrap();
    let script = script.replace("../../", "/");
    assert_eq!(get(&router, &script, &[]).await.status(), 200, "{script}");
    let listing = body(get(&router, "/cam/vod/", &[]).await).await;
    let listing: serde_json::Value = serde_json::from_slice(&listing).unwrap();
    let listed: Vec<_> = listing["recordings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|listed| {
            let text = |name: &str| listed[name].as_str().unwrap_or("-").to_owned();
            [text("kind"), text("url"), text("thumbnails")].join(" ")
        })
        .collect();
    assert_eq!(
        listed,
        [
            "snapshot images/2026/11/22/capture-1.jpg -",
            "motion-snapshot motion/images/2026/11/22/capture-1.jpg -",
            "motion-clip motion/mp4/2026/11/22/capture-1.mp4 -",
            "on-demand now/index.m3u8 now/thumbnails.vtt",
        ]
    );
}
