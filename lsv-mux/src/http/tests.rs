//! The router against a hub in memory: headers, refusals, and FLV as a response and as a WebSocket.

use std::collections::HashMap;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use http::Request;
use lsv_core::channel::Channel;
use lsv_core::hub::{Offer, Protocol, Publisher, Times};
use lsv_core::path::{ChannelId, Rendition, StreamPath};
use lsv_core::ports::{Access, AccessRequest, Denied, Grant, Reason};
use metrics::{KeyName, Metadata, SharedString, Unit};
use time::OffsetDateTime;
use tower::ServiceExt;

use super::audience::Audience;
use super::*;
use crate::packager;
use crate::testing::{access_unit, audio, frame, video};

pub(super) mod inherit;
#[cfg(feature = "record")]
mod poster;
#[cfg(feature = "record")]
mod recorded;

/// Lets in whom the query does not call `denied=<reason>`.
#[derive(Debug)]
struct Doorkeeper;

#[async_trait]
impl Authorizer for Doorkeeper {
    async fn authorize(&self, request: AccessRequest<'_>) -> Result<Grant, Denied> {
        assert_eq!(request.access, Access::Play);
        match request.query {
            Some("denied=mismatch") => Err(Denied::new(Reason::Mismatch, "not for you")),
            Some("denied=unknown") => Err(Denied::new(Reason::UnknownChannel, "none")),
            Some("denied=unavailable") => Err(Denied::new(Reason::Unavailable, "later")),
            _ => {
                let channel = Channel::new(request.path.channel.clone(), request.now);
                Ok(Grant::new(Arc::new(channel), None))
            }
        }
    }
}

pub(super) fn state(hub: &Hub) -> State {
    let packagers = packagers(hub);
    let mut state = State::new(hub.clone(), packagers, Arc::new(Doorkeeper));
    state.limits.wait = Duration::from_millis(150);
    state.limits.first_wait = Duration::from_millis(150);
    state
}

fn cam() -> StreamPath {
    StreamPath::source(ChannelId::parse("cam").unwrap())
}

fn publish(hub: &Hub) -> Publisher {
    hub.publish(&cam(), Offer::new("test"), Instant::now())
        .unwrap()
}

/// Frames from `first` to `last`, 40 ms each, of which each 25th is a key frame, with audio beside them.
fn push(publisher: &Publisher, video: &Arc<lsv_core::media::Track>, first: i64, last: i64) {
    let audio = audio();
    publisher.announce(video);
    publisher.announce(&audio);
    for number in first..last {
        let picture = access_unit(&[&[0x65, number as u8, 1, 2, 3]]);
        let key = number % 25 == 0;
        publisher
            .push(frame(video, number * 40, key, picture))
            .unwrap();
        let sound = Bytes::from(vec![number as u8; 9]);
        publisher
            .push(frame(&audio, number * 40, false, sound))
            .unwrap();
    }
}

pub(super) async fn ask(router: &axum::Router, request: Request<Body>) -> Response {
    router.clone().oneshot(request).await.unwrap()
}

pub(super) async fn get(router: &axum::Router, path: &str, fields: &[(&str, &str)]) -> Response {
    let mut request = Request::get(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    ask(router, request.body(Body::empty()).unwrap()).await
}

pub(super) fn field<'a>(response: &'a Response, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

pub(super) async fn body(response: Response) -> Bytes {
    axum::body::to_bytes(response.into_body(), 16 << 20)
        .await
        .unwrap()
}

async fn problem(response: Response) -> serde_json::Value {
    assert_eq!(field(&response, "content-type"), "application/problem+json");
    assert_eq!(field(&response, "access-control-allow-origin"), "*");
    let status = response.status().as_u16();
    let document: serde_json::Value = serde_json::from_slice(&body(response).await).unwrap();
    assert_eq!(document["status"], status);
    assert!(
        document["type"]
            .as_str()
            .unwrap()
            .starts_with("urn:lsv:problem:")
    );
    document
}

#[tokio::test]
async fn pages_and_what_they_load() {
    let router = router(state(&Hub::default()));
    for name in [
        "",
        "index.html",
        "flv.html",
        "hls.html",
        "dash.html",
        "360p/flv.html",
    ] {
        let response = get(&router, &format!("/cam/{name}"), &[]).await;
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(field(&response, "content-type"), "text/html; charset=utf-8");
        assert!(field(&response, "content-security-policy").starts_with("default-src 'self'"));
        let text = String::from_utf8(body(response).await.to_vec()).unwrap();
        let script = text
            .split('"')
            .find(|word| word.ends_with("main.js"))
            .unwrap();
        let up = if name.starts_with("360p") {
            "../../"
        } else {
            "../"
        };
        let asset = script.strip_prefix(up).unwrap();
        let response = get(&router, &format!("/{asset}"), &[]).await;
        assert_eq!(response.status(), 200, "{asset}");
        assert_eq!(
            field(&response, "content-type"),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(
            field(&response, "cache-control"),
            "public, max-age=31536000, immutable"
        );
    }
    let other = get(&router, "/players/another/vendor/hls.min.js", &[]).await;
    assert_eq!(field(&other, "cache-control"), "no-cache");
    let none = get(&router, "/players/another/vendor/README.md", &[]).await;
    assert_eq!(none.status(), 404);
}

#[tokio::test]
async fn validators_ranges_and_compression() {
    let router = router(state(&Hub::default()));
    let path = "/players/v/player.js";
    let plain = get(&router, path, &[]).await;
    let etag = field(&plain, "etag").to_owned();
    assert_eq!(field(&plain, "vary"), "Accept-Encoding");
    assert_eq!(field(&plain, "accept-ranges"), "bytes");
    let plain = body(plain).await;

    let packed = get(&router, path, &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(field(&packed, "content-encoding"), "gzip");
    assert_ne!(field(&packed, "etag"), etag);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&*body(packed).await)
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, plain);

    for list in [etag.clone(), format!("\"x\", W/{etag}"), "*".into()] {
        let same = get(&router, path, &[("if-none-match", &list)]).await;
        assert_eq!(same.status(), 304, "{list}");
        assert_eq!(field(&same, "etag"), etag);
        assert!(body(same).await.is_empty());
    }
    assert_eq!(
        get(&router, path, &[("if-none-match", "\"x\"")])
            .await
            .status(),
        200
    );

    let part = get(
        &router,
        path,
        &[("range", "bytes=3-9"), ("accept-encoding", "gzip")],
    )
    .await;
    assert_eq!(part.status(), 206);
    let range = format!("bytes 3-9/{}", plain.len());
    assert_eq!(field(&part, "content-range"), range);
    assert_eq!(field(&part, "content-length"), "7");
    assert_eq!(body(part).await, plain.slice(3..10));
    let several = get(&router, path, &[("range", "bytes=0-1,3-4")]).await;
    assert_eq!(several.status(), 200);
    let stale = get(
        &router,
        path,
        &[("range", "bytes=0-1"), ("if-range", "\"x\"")],
    )
    .await;
    assert_eq!(stale.status(), 200);
    let beyond = get(&router, path, &[("range", "bytes=9999999-")]).await;
    assert_eq!(beyond.status(), 416);
    assert_eq!(
        field(&beyond, "content-range"),
        format!("bytes */{}", plain.len())
    );

    let head = Request::head(path).header("range", "bytes=0-1");
    let head = ask(&router, head.body(Body::empty()).unwrap()).await;
    assert_eq!(head.status(), 200);
    assert_eq!(field(&head, "content-length"), plain.len().to_string());
    assert!(body(head).await.is_empty());
}

#[tokio::test]
async fn refusals_are_problem_documents() {
    let hub = Hub::default();
    let router = router(state(&hub));
    let _publisher = publish(&hub);
    for (path, status) in [
        ("/nobody/live.flv", 404),
        ("/nobody/live.m3u8", 404),
        ("/cam/%2e%2e/x", 404),
        ("/cam//live.flv", 404),
        ("/cam/../live.flv", 404),
        ("/cam/poster.jpg%00", 404),
        ("/metrics/live.flv", 404),
        ("/cam/live.flv?denied=mismatch", 403),
        ("/cam/live.flv?denied=unknown", 404),
        ("/cam/live.flv?denied=unavailable", 503),
        ("/cam/live.m3u8?_HLS_msn=x", 400),
        ("/cam/live.m3u8?_HLS_msn=+1", 400),
        ("/cam/live.m3u8?_HLS_msn=1&_HLS_msn=1", 400),
        ("/cam/live.m3u8?_HLS_part=1", 400),
        ("/cam/live.m3u8?_HLS_msn=99999999999999999999999", 400),
        ("/cam/live.m3u8?start=yesterday", 400),
        ("/cam/master.m3u8?start=2&end=1", 400),
        ("/cam/index.m3u8?start=1&start=1", 400),
        ("/cam/cmaf/video.m3u8?end=", 400),
        ("/cam/manifest.mpd?end=2026-02-30T00:00:00Z", 400),
    ] {
        let response = get(&router, path, &[]).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(field(&response, "cache-control"), "no-store");
        problem(response).await;
    }
    let long = format!("/cam/live.flv?{}", "a".repeat(9000));
    assert_eq!(get(&router, &long, &[]).await.status(), 400);
    let post = ask(
        &router,
        Request::post("/cam/live.flv").body(Body::empty()).unwrap(),
    )
    .await;
    assert_eq!(post.status(), 405);
    assert_eq!(field(&post, "allow"), "GET, HEAD, OPTIONS");
    problem(post).await;
}

#[tokio::test]
async fn people_get_refusals_as_pages() {
    let router = router(state(&Hub::default()));
    let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    for (path, status, up) in [
        ("/nobody/?denied=unknown", 404, "../"),
        ("/cam/360p/?denied=mismatch", 403, "../../"),
        ("/nobody/live.flv", 404, "../"),
        ("/cam/a/b/c", 404, "../../../"),
    ] {
        let response = get(&router, path, &browser).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(field(&response, "content-type"), "text/html; charset=utf-8");
        assert_eq!(field(&response, "cache-control"), "no-store");
        assert!(field(&response, "content-security-policy").starts_with("default-src 'self'"));
        let text = String::from_utf8(body(response).await.to_vec()).unwrap();
        assert!(
            text.contains(&format!("href=\"{up}players/")),
            "{path}: {text}"
        );
        assert!(!text.contains('@'), "{path}: {text}");
    }
    for other in [&[][..], &[("accept", "*/*")]] {
        problem(get(&router, "/nobody/?denied=unknown", other).await).await;
    }
}

/// Keeps the counters that come into being, by name with labels.
#[derive(Default)]
pub(super) struct Counters(Mutex<HashMap<String, Arc<AtomicU64>>>);

impl Counters {
    /// Where the counter of that name with labels stands.
    #[cfg(feature = "edge")]
    pub(super) fn of(&self, name: &str) -> u64 {
        let counters = self.0.lock().unwrap();
        counters
            .get(name)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

impl metrics::Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &Metadata<'_>) -> metrics::Counter {
        let labels = key
            .labels()
            .map(|label| format!(" {}={}", label.key(), label.value()));
        let name = key.name().to_owned() + &labels.collect::<String>();
        let value = Arc::clone(self.0.lock().unwrap().entry(name).or_default());
        metrics::Counter::from_arc(value)
    }

    fn register_gauge(&self, _: &metrics::Key, _: &Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::noop()
    }

    fn register_histogram(&self, _: &metrics::Key, _: &Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}

#[tokio::test]
async fn refusals_are_counted_by_reason() {
    let hub = Hub::default();
    let router = router(state(&hub));
    let _publisher = publish(&hub);
    let counters = Counters::default();
    let guard = metrics::set_default_local_recorder(&counters);
    for path in [
        "/cam/live.flv?denied=mismatch",
        "/cam/live.m3u8?denied=unknown",
        "/nobody/live.flv",
        "/nobody/live.m3u8",
        // Neither is a refusal.
        "/cam",
        "/nobody/",
    ] {
        get(&router, path, &[]).await;
    }
    drop(guard);
    let counted = counters.0.into_inner().unwrap();
    let refused = |reason: &str| {
        let value = counted.get(&format!("lsv_refused_total protocol=http reason={reason}"));
        value.map_or(0, |value| value.load(Ordering::Relaxed))
    };
    assert_eq!((refused("mismatch"), refused("unknown-channel")), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn first_playlists_are_waited_for_as_long_as_the_first_segment_may_take() {
    let hub = Hub::default();
    let mut state = state(&hub);
    state.limits = Limits::default();
    let router = router(state);
    let publisher = publish(&hub);
    let asked = get(&router, "/cam/live.m3u8", &[]);
    let later = async {
        // As from an encoder with a key frame every ten seconds.
        tokio::time::sleep(Duration::from_secs(20)).await;
        push(&publisher, &video(), 0, 60);
    };
    let (response, ()) = tokio::join!(asked, later);
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn files_not_there_yet_are_waited_for_and_then_refused() {
    let hub = Hub::default();
    let router = router(state(&hub));
    let _publisher = publish(&hub);
    let response = get(&router, "/cam/live.m3u8", &[]).await;
    assert_eq!(response.status(), 503);
    assert_eq!(field(&response, "retry-after"), "1");
    problem(response).await;
}

#[tokio::test]
async fn live_files_with_all_that_caches_and_players_ask_for() {
    let hub = Hub::default();
    let mut state = state(&hub);
    state.limits.wait = PATIENCE;
    let router = router(state);
    let publisher = publish(&hub);
    let mut settings = publisher.stream().settings().borrow().clone();
    settings.cmaf = true;
    publisher.stream().set_settings(settings);
    let track = video();
    for second in 0..7 {
        push(&publisher, &track, second * 25, (second + 1) * 25);
        // The packager reads on the same thread.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    let playlist = get(&router, "/cam/live.m3u8", &[]).await;
    assert_eq!(playlist.status(), 200);
    assert_eq!(
        field(&playlist, "content-type"),
        "application/vnd.apple.mpegurl"
    );
    assert_eq!(field(&playlist, "vary"), "Accept-Encoding");
    assert!(!field(&playlist, "cache-control").contains("immutable"));
    let etag = field(&playlist, "etag").to_owned();
    let text = String::from_utf8(body(playlist).await.to_vec()).unwrap();
    let same = get(&router, "/cam/live.m3u8", &[("if-none-match", &etag)]).await;
    assert_eq!(same.status(), 304);
    let packed = get(&router, "/cam/live.m3u8", &[("accept-encoding", "gzip")]).await;
    assert_eq!(field(&packed, "content-encoding"), "gzip");

    let clip = get(&router, "/cam/live.m3u8?start=0", &[]).await;
    let clip = String::from_utf8(body(clip).await.to_vec()).unwrap();
    assert_eq!(
        clip.matches("#EXTINF").count(),
        text.matches("#EXTINF").count()
    );
    for path in [
        "live.m3u8",
        "master.m3u8",
        "cmaf/video.m3u8",
        "manifest.mpd",
    ] {
        let nothing = get(&router, &format!("/cam/{path}?start=1&end=2"), &[]).await;
        assert_eq!(nothing.status(), 404, "{path}");
        assert!(
            problem(nothing).await["detail"]
                .as_str()
                .unwrap()
                .contains("dvr_window")
        );
    }

    let name = text.lines().find(|line| line.starts_with("ts/")).unwrap();
    let segment = get(
        &router,
        &format!("/cam/{name}"),
        &[("accept-encoding", "gzip")],
    )
    .await;
    assert_eq!(field(&segment, "content-type"), "video/mp2t");
    assert_eq!(field(&segment, "content-encoding"), "");
    assert_eq!(
        field(&segment, "cache-control"),
        "public, max-age=3600, immutable"
    );
    let segment = body(segment).await;
    assert_eq!(segment.len() % 188, 0);
    let packet = get(
        &router,
        &format!("/cam/{name}"),
        &[("range", "bytes=188-375")],
    )
    .await;
    assert_eq!(packet.status(), 206);
    assert_eq!(body(packet).await, segment.slice(188..376));

    for (path, content_type) in [
        ("master.m3u8", "application/vnd.apple.mpegurl"),
        ("index.m3u8", "application/vnd.apple.mpegurl"),
        ("cmaf/video.m3u8", "application/vnd.apple.mpegurl"),
        ("manifest.mpd", "application/dash+xml"),
    ] {
        let answer = get(&router, &format!("/cam/{path}"), &[]).await;
        assert_eq!(
            (answer.status().as_u16(), field(&answer, "content-type")),
            (200, content_type),
            "{path}"
        );
    }
    assert_eq!(get(&router, "/cam/ts/1.ts", &[]).await.status(), 404);
    for directives in [
        "_HLS_msn=99999999999",
        "_HLS_msn=1&_HLS_msn=1",
        "_HLS_msn=-1",
        "_HLS_msn=1&_HLS_part=",
        "_HLS_part=0",
    ] {
        for playlist in ["cmaf/video.m3u8", "live.m3u8"] {
            let path = format!("/cam/{playlist}?{directives}");
            assert_eq!(get(&router, &path, &[]).await.status(), 400, "{path}");
        }
    }
    // As often as such answers go stale; those of blocking reloads never do.
    for (query, max_age) in [
        ("", 1),
        ("?_HLS_skip=YES", 1),
        ("?_HLS_msn=1", 12),
        ("?_HLS_msn=1&_HLS_part=0&_HLS_skip=v2", 12),
    ] {
        let answer = get(&router, &format!("/cam/cmaf/video.m3u8{query}"), &[]).await;
        let cached = format!("public, max-age={max_age}");
        assert_eq!(field(&answer, "cache-control"), cached, "{query}");
    }
    let traffic = publisher.stream().traffic();
    assert_eq!(
        (
            traffic[&Protocol::Hls].viewers,
            traffic[&Protocol::Cmaf].viewers
        ),
        (1, 1)
    );
    assert!(traffic[&Protocol::Hls].bytes > segment.len() as u64);
}

#[tokio::test]
async fn masters_are_of_the_renditions_while_there_are_some() {
    let hub = Hub::default();
    let state = state(&hub);
    let packagers = state.packagers.clone();
    let router = router(state);
    let publish = async |rendition, cmaf| {
        let path = StreamPath { rendition, ..cam() };
        let mut offer = Offer::new("test");
        (offer.times, offer.settings.cmaf) = (Times::Given, cmaf);
        let publisher = hub.publish(&path, offer, Instant::now()).unwrap();
        while packagers.find(&path).is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        publisher
    };
    let source = publish(Rendition::Source, false).await;
    let text = async |name: &str| {
        let answer = get(&router, &format!("/cam/{name}"), &[]).await;
        let is_there = answer.status() == 200;
        let text = String::from_utf8(body(answer).await.to_vec()).unwrap();
        if is_there { text } else { String::new() }
    };
    push_slowly(&[&source], 0..6).await;
    let variants = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    // The packagers take a moment.
    let becomes = async |name: &str, expected: &[&str]| {
        let begun = Instant::now();
        while variants(&text(name).await) != expected {
            assert!(begun.elapsed() < PATIENCE, "{}", text(name).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // MPEG-TS alone.
    becomes("index.m3u8", &["live.m3u8"]).await;
    assert_eq!(text("master.m3u8").await, "");
    source.stream().set_settings({
        let mut settings = source.stream().settings().borrow().clone();
        settings.cmaf = true;
        settings
    });
    push_slowly(&[&source], 6..12).await;
    becomes("index.m3u8", &["cmaf/video.m3u8"]).await;
    let renditions = [
        publish(Rendition::P360, true).await,
        publish(Rendition::P720, true).await,
    ];
    push_slowly(&[&source, &renditions[0], &renditions[1]], 12..18).await;
    for (name, expected) in [
        ("index.m3u8", ["360p/live.m3u8", "720p/live.m3u8"]),
        (
            "master.m3u8",
            ["360p/cmaf/video.m3u8", "720p/cmaf/video.m3u8"],
        ),
    ] {
        becomes(name, &expected).await;
        for address in expected {
            assert!(text(address).await.contains("#EXTINF"), "{address}");
        }
    }
    let mpd = text("manifest.mpd").await;
    assert_eq!(mpd.matches("<Representation").count(), 3, "{mpd}");
    // A clip is cut out of the source, which has a time-shift window.
    let clip = text("master.m3u8?start=0").await;
    assert_eq!(variants(&clip), ["cmaf/video.m3u8?start=0"]);
    // Whichever rendition somebody fetches from, it is one viewer of the channel.
    let viewers = |publisher: &Publisher, protocol| {
        let traffic = publisher.stream().traffic();
        traffic.get(&protocol).map_or(0, |traffic| traffic.viewers)
    };
    for protocol in [Protocol::Hls, Protocol::Cmaf] {
        assert_eq!(viewers(&source, protocol), 1);
        assert_eq!(viewers(&renditions[0], protocol), 0);
    }
    for rendition in renditions {
        rendition.finish();
    }
    assert_eq!(variants(&text("index.m3u8").await), ["cmaf/video.m3u8"]);
    assert_eq!(
        text("manifest.mpd")
            .await
            .matches("<Representation")
            .count(),
        2
    );
}

/// Pushes these seconds to all of `publishers`, so that those who read them on the same thread get them all.
async fn push_slowly(publishers: &[&Publisher], seconds: std::ops::Range<i64>) {
    let track = video();
    for second in seconds {
        for publisher in publishers {
            push(publisher, &track, second * 25, (second + 1) * 25);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn preflight_redirect_and_clock() {
    let router = router(state(&Hub::default()));
    let options = Request::options("/cam/live.m3u8")
        .header("origin", "https://example.org")
        .header("access-control-request-method", "GET");
    let options = ask(&router, options.body(Body::empty()).unwrap()).await;
    assert_eq!(options.status(), 204);
    for (name, value) in [
        // For everybody is not for who sends cookies (Fetch standard §4.10).
        ("access-control-allow-origin", "https://example.org"),
        ("access-control-allow-credentials", "true"),
        ("vary", "Origin"),
    ] {
        assert_eq!(field(&options, name), value);
    }
    let allowed = field(&options, "access-control-allow-headers");
    assert!(allowed.contains("Range") && allowed.contains("Authorization"));
    let nobody = Request::options("/cam/live.m3u8").header("origin", "null");
    let nobody = ask(&router, nobody.body(Body::empty()).unwrap()).await;
    assert_eq!(field(&nobody, "access-control-allow-origin"), "*");
    assert_eq!(field(&nobody, "access-control-allow-credentials"), "");

    let bare = get(&router, "/cam?token=1", &[]).await;
    assert_eq!(bare.status(), 308);
    assert_eq!(field(&bare, "location"), "cam/?token=1");
    let bare = get(&router, "/cam/360p", &[]).await;
    assert_eq!(field(&bare, "location"), "360p/");

    let time = get(&router, "/cam/time", &[]).await;
    assert_eq!(field(&time, "cache-control"), "no-store");
    let text = String::from_utf8(body(time).await.to_vec()).unwrap();
    assert!(OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339).is_ok());
    assert_eq!(text.len(), "2025-01-01T00:00:00.000Z".len());
}

#[tokio::test]
async fn flv_opens_with_headers_at_a_key_frame_and_ends_with_the_stream() {
    let hub = Hub::default();
    let router = router(state(&hub));
    let publisher = publish(&hub);
    let track = video();
    push(&publisher, &track, 0, 40);
    let response = get(&router, "/cam/live.flv", &[]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(field(&response, "content-type"), "video/x-flv");
    assert_eq!(field(&response, "cache-control"), "no-store");
    assert_eq!(publisher.stream().traffic()[&Protocol::Flv].viewers, 1);

    let mut data = response.into_body().into_data_stream();
    let mut read = BytesMut::from(&data.next().await.unwrap().unwrap()[..]);
    push(&publisher, &track, 40, 60);
    let stream = Arc::clone(publisher.stream());
    publisher.finish();
    while let Some(chunk) = data.next().await {
        read.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(read.len() as u64, stream.traffic()[&Protocol::Flv].bytes);
    check_flv(&read, 25..60);
    drop(data);
    assert_eq!(stream.traffic()[&Protocol::Flv].viewers, 0);
}

/// The file header, the configurations, then these video frames and no others.
fn check_flv(bytes: &[u8], numbers: std::ops::Range<u8>) {
    assert_eq!(bytes[..13], crate::flv::header(true, true));
    let mut rest = &bytes[13..];
    let mut frames = Vec::new();
    let mut kinds = Vec::new();
    while !rest.is_empty() {
        let size = u32::from_be_bytes([0, rest[1], rest[2], rest[3]]) as usize;
        let (tag, after) = rest.split_at(11 + size);
        kinds.push(tag[0]);
        // A coded AVC picture: packet type 1, after which its number comes as pushed.
        if tag[0] == 9 && tag[12] == 1 {
            frames.push(tag[11 + 5 + 4 + 1]);
        }
        assert_eq!(after[..4], (11 + size as u32).to_be_bytes());
        rest = &after[4..];
    }
    assert_eq!(frames, numbers.collect::<Vec<u8>>());
    assert!(kinds.contains(&8));
}

#[tokio::test(start_paused = true)]
async fn the_flv_header_tells_of_video_that_comes_after_audio() {
    let hub = Hub::default();
    let router = router(state(&hub));
    let publisher = publish(&hub);
    let (audio, video) = (audio(), video());
    publisher.set_metadata(Bytes::from_static(METADATA_OF_BOTH));
    let sound = |number: i64| frame(&audio, number * 20, false, Bytes::from_static(b"aac"));
    publisher.push(sound(0)).unwrap();
    let response = get(&router, "/cam/live.flv", &[]).await;
    let mut data = response.into_body().into_data_stream();
    let early = tokio::time::timeout(Duration::from_secs(3), data.next()).await;
    assert!(early.is_err());
    let picture = access_unit(&[&[0x65, 1, 2, 3]]);
    publisher.push(frame(&video, 3000, true, picture)).unwrap();
    let opening = data.next().await.unwrap().unwrap();
    assert_eq!(opening[..], crate::flv::header(true, true));
}

#[tokio::test(start_paused = true)]
async fn the_flv_header_does_not_wait_long_for_what_never_comes() {
    let only_audio = &METADATA_OF_BOTH[..METADATA_OF_BOTH.len() - 23];
    for (metadata, waited) in [
        (Some(METADATA_OF_BOTH), 4..=5),
        (Some(only_audio), 0..=0),
        (None, 0..=1),
    ] {
        let hub = Hub::default();
        let router = router(state(&hub));
        let publisher = publish(&hub);
        if let Some(metadata) = metadata {
            publisher.set_metadata(Bytes::from_static(metadata));
        }
        let sound = frame(&audio(), 0, false, Bytes::from_static(b"aac"));
        publisher.push(sound).unwrap();
        let response = get(&router, "/cam/live.flv", &[]).await;
        let start = tokio::time::Instant::now();
        let opening = response.into_body().into_data_stream().next().await;
        assert_eq!(
            opening.unwrap().unwrap()[..],
            crate::flv::header(false, true)
        );
        assert!(waited.contains(&start.elapsed().as_secs()), "{metadata:?}");
    }
}

/// `onMetaData` with an audio and a video codec.
const METADATA_OF_BOTH: &[u8] = b"\x02\0\x0AonMetaData\x08\0\0\0\x02\
    \0\x0Caudiocodecid\0\x40\x24\0\0\0\0\0\0\0\x0Cvideocodecid\0\x40\x1C\0\0\0\0\0\0";

#[tokio::test]
async fn flv_waits_for_a_publisher_that_was_lost() {
    let hub = Hub::default();
    let router = router(state(&hub));
    let publisher = publish(&hub);
    let track = video();
    push(&publisher, &track, 0, 3);
    let mut data = get(&router, "/cam/live.flv", &[])
        .await
        .into_body()
        .into_data_stream();
    assert!(data.next().await.is_some());
    drop(publisher);
    let again = publish(&hub);
    push(&again, &track, 0, 3);
    again.finish();
    let mut bytes = 0;
    while let Some(chunk) = data.next().await {
        bytes += chunk.unwrap().len();
    }
    assert!(bytes > 0);
}

#[tokio::test]
async fn flv_that_is_turned_off_is_not_there() {
    let hub = Hub::default();
    let router = router(state(&hub));
    let publisher = publish(&hub);
    push(&publisher, &video(), 0, 3);
    let watching = get(&router, "/cam/live.flv", &[]).await;
    let mut settings = publisher.stream().settings().borrow().clone();
    settings.flv = false;
    publisher.stream().set_settings(settings);
    assert_eq!(get(&router, "/cam/live.flv", &[]).await.status(), 404);
    assert!(body(watching).await.is_empty());
}

#[tokio::test]
async fn head_of_flv_counts_no_viewer() {
    let hub = Hub::default();
    let router = router(state(&hub));
    let publisher = publish(&hub);
    let head = ask(
        &router,
        Request::head("/cam/live.flv").body(Body::empty()).unwrap(),
    )
    .await;
    assert_eq!(head.status(), 200);
    assert_eq!(field(&head, "content-type"), "video/x-flv");
    assert_eq!(field(&head, "content-length"), "");
    assert!(body(head).await.is_empty());
    assert_eq!(publisher.stream().traffic()[&Protocol::Flv].viewers, 0);
}

#[tokio::test]
async fn flv_over_a_web_socket() {
    use tokio_tungstenite::tungstenite::Message;

    let hub = Hub::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router(state(&hub)).into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await });

    let publisher = publish(&hub);
    let track = video();
    push(&publisher, &track, 0, 10);
    let url = format!("ws://{address}/cam/live.flv");
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut read = BytesMut::new();
    read.extend_from_slice(&socket.next().await.unwrap().unwrap().into_data());
    socket
        .send(Message::Ping("still there".into()))
        .await
        .unwrap();
    push(&publisher, &track, 10, 30);
    let mut pong = false;
    let mut publisher = Some(publisher);
    let close = loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => read.extend_from_slice(&bytes),
            Message::Pong(_) => pong = true,
            Message::Close(close) => break close,
            other => panic!("{other:?}"),
        }
        if pong && let Some(publisher) = publisher.take() {
            publisher.finish();
        }
    };
    assert_eq!(u16::from(close.unwrap().code), 1000);
    check_flv(&read, 0..30);
    server.abort();
}

#[tokio::test(start_paused = true)]
async fn flv_lets_go_of_a_viewer_who_never_reads() {
    let hub = Hub::default();
    let state = state(&hub);
    let limit = state.limits.stall;
    let router = router(state);
    let publisher = publish(&hub);
    push(&publisher, &video(), 0, 3);
    let viewers = || publisher.stream().traffic()[&Protocol::Flv].viewers;
    let stall = Stall::default();
    let request = Request::get("/cam/live.flv").extension(stall.clone());
    let response = ask(&router, request.body(Body::empty()).unwrap()).await;
    let mut data = response.into_body().into_data_stream();
    assert!(data.next().await.unwrap().is_ok());
    assert_eq!(viewers(), 1);
    tokio::time::timeout(limit * 2, stall.happened())
        .await
        .unwrap();
    assert_eq!(viewers(), 0);
    assert!(data.next().await.unwrap().is_err());
}

#[tokio::test]
async fn a_web_socket_that_never_reads_is_closed() {
    let hub = Hub::default();
    let mut state = state(&hub);
    state.limits.stall = Duration::from_millis(50);
    let (server, client) = tokio::io::duplex(16 << 10);
    let publisher = publish(&hub);
    let server = tokio::spawn(axum::serve(Pipe(Some(server)), router(state)).into_future());
    let url = "ws://localhost/cam/live.flv";
    let (_socket, _) = tokio_tungstenite::client_async(url, client).await.unwrap();
    let viewers = || publisher.stream().traffic()[&Protocol::Flv].viewers;
    assert_eq!(viewers(), 1);
    // More than the pipe and the socket's own buffers take.
    let track = video();
    publisher.announce(&track);
    publisher.announce(&audio());
    let picture = access_unit(&[&vec![0x65; 1 << 20]]);
    publisher.push(frame(&track, 0, true, picture)).unwrap();
    let gone = async {
        while viewers() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    server.abort();
}

/// Listens for a single connection, without a network whose buffers a system sizes.
struct Pipe(Option<tokio::io::DuplexStream>);

impl axum::serve::Listener for Pipe {
    type Io = tokio::io::DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, ()) {
        match self.0.take() {
            Some(io) => (io, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn viewers_of_segments_are_counted_until_they_stop_fetching() {
    let hub = Hub::default();
    let publisher = publish(&hub);
    let stream = publisher.stream();
    let audience = Arc::new(Audience::default());
    let viewers = || stream.traffic()[&Protocol::Hls].viewers;
    let one: IpAddr = Ipv4Addr::LOCALHOST.into();
    audience.note(stream, Protocol::Hls, (one, "a"), 10);
    audience.note(stream, Protocol::Hls, (one, "a"), 10);
    assert_eq!(viewers(), 1);
    audience.note(stream, Protocol::Hls, (one, "b"), 10);
    assert_eq!(viewers(), 2);
    assert_eq!(stream.traffic()[&Protocol::Hls].bytes, 30);
    tokio::time::sleep(Duration::from_secs(5)).await;
    audience.note(stream, Protocol::Hls, (one, "b"), 10);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(viewers(), 1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(viewers(), 0);
    // The sweeper has ended by itself; a new viewer wakes another.
    audience.note(stream, Protocol::Hls, (one, "a"), 10);
    assert_eq!(viewers(), 1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(viewers(), 0);
}

/// Packagers at work on `hub`, until the test's runtime is gone.
fn packagers(hub: &Hub) -> Packagers {
    let packagers = Packagers::new(packager::Config::default());
    tokio::spawn(packagers.clone().run(hub.clone()));
    packagers
}

/// Longer than anything takes on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);
