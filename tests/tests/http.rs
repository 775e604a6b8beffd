//! Playback over HTTP as players and caches see it: types, lifetimes, ranges, compression, waiting for what is next.

use std::time::Duration;

use futures::StreamExt as _;
use lsv_tests::{Picture, Process, SECRET, Server, TOKEN, Viewer, eventually};
use reqwest::{Client, Response, StatusCode};

/// A live channel whose playlists have segments.
struct Live {
    server: Server,
    client: Client,
    credential: String,
    _publisher: Process,
}

#[tokio::test]
async fn every_file_has_its_type_and_may_be_read_by_any_page() {
    let live = Live::set().await;
    for (path, kind) in [
        ("/cam/live.flv", "video/x-flv"),
        ("/cam/live.m3u8", "application/vnd.apple.mpegurl"),
        ("/cam/master.m3u8", "application/vnd.apple.mpegurl"),
        ("/cam/cmaf/video.m3u8", "application/vnd.apple.mpegurl"),
        ("/cam/manifest.mpd", "application/dash+xml"),
        ("/cam/", "text/html"),
        ("/cam/flv.html", "text/html"),
        ("/cam/hls.html", "text/html"),
        ("/cam/dash.html", "text/html"),
        (&live.newest("/cam/live.m3u8").await, "video/mp2t"),
        (&live.newest("/cam/cmaf/video.m3u8").await, "video/mp4"),
        (&live.newest("/cam/cmaf/audio.m3u8").await, "audio/mp4"),
    ] {
        let answer = live.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert!(
            header(&answer, "content-type").starts_with(kind),
            "{path}: {answer:?}"
        );
        assert_eq!(
            header(&answer, "access-control-allow-origin"),
            "*",
            "{path}"
        );

        let head = live
            .client
            .head(live.server.http(path))
            .send()
            .await
            .unwrap();
        assert_eq!(head.status(), StatusCode::OK, "{path}");
        assert_eq!(
            header(&head, "content-type"),
            header(&answer, "content-type"),
            "{path}"
        );
        assert_eq!(head.text().await.unwrap(), "", "{path}");
    }
}

#[tokio::test]
async fn segments_are_for_ever_and_come_in_ranges() {
    let live = Live::set().await;
    for playlist in ["/cam/live.m3u8", "/cam/cmaf/video.m3u8"] {
        let path = live.newest(playlist).await;
        let whole = live.get(&path).await;
        assert!(
            header(&whole, "cache-control").contains("immutable"),
            "{whole:?}"
        );
        let tag = header(&whole, "etag").to_owned();
        let whole = whole.bytes().await.unwrap();
        let url = live.server.http(&path);
        let part = live
            .client
            .get(&url)
            .header("range", "bytes=10-19")
            .send()
            .await
            .unwrap();
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        let range = format!("bytes 10-19/{}", whole.len());
        assert_eq!(header(&part, "content-range"), range);
        assert_eq!(part.bytes().await.unwrap(), whole.slice(10..20));
        let beyond = live
            .client
            .get(&url)
            .header("range", "bytes=99999999-")
            .send()
            .await
            .unwrap();
        assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        let known = live
            .client
            .get(&url)
            .header("if-none-match", tag)
            .send()
            .await
            .unwrap();
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    }
}

#[tokio::test]
async fn manifests_are_short_lived_and_compressed() {
    let live = Live::set().await;
    for path in ["/cam/live.m3u8", "/cam/master.m3u8", "/cam/manifest.mpd"] {
        let plain = live.get(path).await;
        assert!(
            !header(&plain, "cache-control").contains("immutable"),
            "{plain:?}"
        );
        assert!(
            header(&plain, "vary")
                .to_lowercase()
                .contains("accept-encoding"),
            "{plain:?}"
        );
        let url = live.server.http(path);
        let small = live
            .client
            .get(url)
            .header("accept-encoding", "gzip")
            .send()
            .await
            .unwrap();
        assert_eq!(header(&small, "content-encoding"), "gzip", "{path}");
        assert!(
            small.bytes().await.unwrap().starts_with(&[0x1F, 0x8B]),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_blocking_reload_answers_when_the_part_is_there() {
    let live = Live::set().await;
    let playlist = live.text("/cam/cmaf/video.m3u8").await;
    assert!(playlist.contains("CAN-BLOCK-RELOAD=YES"), "{playlist}");
    let hinted = playlist.lines().find_map(|line| {
        let rest = line.strip_prefix("#EXT-X-PRELOAD-HINT:")?;
        rest.split_once("URI=\"")?.1.split_once('"')
    });
    let hinted = hinted.expect("a preload hint").0;
    // video-<segment>.<part>.m4s
    let numbers = hinted.trim_start_matches("video-").trim_end_matches(".m4s");
    let (segment, part) = numbers.split_once('.').unwrap();
    let next = format!("/cam/cmaf/video.m3u8?_HLS_msn={segment}&_HLS_part={part}");
    let hinted_path = format!("/cam/cmaf/{hinted}");
    let (reloaded, hinted_part) = tokio::join!(live.text(&next), live.get(&hinted_path));
    assert!(
        reloaded.contains(&format!("URI=\"{hinted}\"")),
        "{reloaded}"
    );
    assert_eq!(hinted_part.status(), StatusCode::OK);
    assert!(!hinted_part.bytes().await.unwrap().is_empty());

    let far: u64 = segment.parse::<u64>().unwrap() + 1000;
    let refused = live
        .get(&format!("/cam/cmaf/video.m3u8?_HLS_msn={far}"))
        .await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn flv_over_a_websocket_is_the_same_flv() {
    let live = Live::set().await;
    let url = live
        .server
        .http("/cam/live.flv")
        .replace("http://", "ws://");
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut body = Vec::new();
    while body.len() < 64 * 1024 {
        let message = socket.next().await.expect("more to come").unwrap();
        if message.is_binary() {
            body.extend_from_slice(&message.into_data());
        }
    }
    assert!(body.starts_with(b"FLV\x01\x05"), "{:?}", &body[..13]);
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("seen.flv");
    std::fs::write(&file, body).unwrap();
    assert!(!lsv_tests::Packets::of(&file).await.video.is_empty());
}

#[tokio::test]
async fn what_viewers_get_holds_no_credential() {
    let live = Live::set().await;
    for path in [
        "/cam/",
        "/cam/live.m3u8",
        "/cam/master.m3u8",
        "/cam/cmaf/video.m3u8",
        "/cam/manifest.mpd",
        "/metrics",
        "/openapi.json",
        "/healthz",
    ] {
        let text = live.text(path).await;
        for secret in [SECRET, TOKEN, &live.credential] {
            assert!(!text.contains(secret), "{secret} is in {path}");
        }
    }
    let log = live.server.log();
    for secret in [SECRET, TOKEN, &live.credential] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

impl Live {
    async fn set() -> Self {
        let server = Server::start(&[]).await;
        let key = server.api().channel("cam").await;
        let publisher = Picture::default().push(&server.rtmp(&key));
        Viewer::open(&server.http("/cam/live.flv"))
            .await
            .goes_on(1)
            .await;
        let client = Client::builder().timeout(Duration::from_secs(60)).no_gzip();
        let live = Self {
            client: client.build().expect("a client"),
            credential: key.rsplit_once('-').expect("a signature").1.to_owned(),
            server,
            _publisher: publisher,
        };
        for playlist in [
            "/cam/live.m3u8",
            "/cam/cmaf/video.m3u8",
            "/cam/cmaf/audio.m3u8",
        ] {
            eventually(playlist, async || {
                live.text(playlist).await.contains("#EXTINF").then_some(())
            })
            .await;
        }
        live
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.client.get(self.server.http(path));
        request.send().await.expect("an answer")
    }

    async fn text(&self, path: &str) -> String {
        self.get(path).await.text().await.expect("text")
    }

    /// The path of the newest segment of a playlist.
    async fn newest(&self, playlist: &str) -> String {
        let text = self.text(playlist).await;
        let name = text.lines().rfind(|line| !line.starts_with('#'));
        let folder = playlist.rsplit_once('/').expect("a folder").0;
        format!("{folder}/{}", name.expect("a segment"))
    }
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    let value = answer.headers().get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
