//! Publishers that vanish, come back and take over: their viewers stay.

use std::time::Duration;

use lsv_tests::{Api, Client, Picture, Server, Signal, Viewer, eventually, stream_key, watch_file};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

#[tokio::test]
async fn viewers_outlive_a_publisher_that_vanishes() {
    let server = Server::start(&[]).await;
    let api = server.api();
    let channel = json!({ "id": "gate", "isCMAF": true, "hls_time": 1, "hls_list_size": 100 });
    let address = server.rtmp(&stream_key(&api.create(&channel).await));
    let mut publisher = Picture::default().push(&address);
    let viewer = Viewer::open(&server.http("/gate/live.flv")).await;
    for playlist in PLAYLISTS {
        segments(&api, playlist, 2).await;
    }

    publisher.signal(Signal::KILL);
    publisher.ended().await;
    let lost = Instant::now();
    let watched = tokio::spawn(never_absent(api.clone(), lost + Duration::from_secs(4)));
    let _publisher = Picture::default().push(&address);
    viewer.goes_on(64 * 1024).await;
    println!(
        "pictures again {:?} after the publisher was killed",
        lost.elapsed()
    );
    watched.await.unwrap();

    for playlist in PLAYLISTS {
        let after = eventually("segments after the discontinuity", async || {
            let text = api.read(playlist).await.text;
            let (_, after) = text.split_once("#EXT-X-DISCONTINUITY\n")?;
            (after.matches("#EXTINF").count() >= 2).then(|| text.clone())
        })
        .await;
        let count = after
            .lines()
            .filter(|line| *line == "#EXT-X-DISCONTINUITY")
            .count();
        assert_eq!(count, 1, "{playlist}:\n{after}");
    }
    let got = viewer.got();
    assert_eq!(got.ended, None);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("seen.flv");
    std::fs::write(&file, &got.body).unwrap();
    watch_file(&file).await;
}

#[tokio::test]
async fn a_second_publisher_takes_over() {
    let server = Server::start(&[]).await;
    let key = server.api().channel("gate").await;
    let mut first = Picture::default().push(&server.rtmp(&key));
    let viewer = Viewer::open(&server.http("/gate/live.flv")).await;
    viewer.goes_on(1).await;
    let mut second = Picture::default().push(&server.rtmp(&key));
    first.ended().await;
    viewer.goes_on(64 * 1024).await;
    assert!(second.runs());
}

#[tokio::test]
async fn more_than_three_take_overs_in_ten_seconds_are_refused() {
    let server = Server::start(&[]).await;
    let key = server.api().channel("gate").await;
    let mut publishers = Vec::new();
    let since = Instant::now();
    for _ in 0..4 {
        let mut publisher = Client::connect(server.rtmp_address()).await;
        publisher.publish(&key).await.unwrap();
        publishers.push(publisher);
    }
    let mut newcomer = Client::connect(server.rtmp_address()).await;
    let refusal = newcomer.publish(&key).await;
    // Says nothing on a machine so slow that the window has passed.
    if since.elapsed() < Duration::from_secs(10) {
        let refusal = refusal.unwrap_err();
        assert_eq!(refusal.code, "NetStream.Publish.BadName", "{refusal:?}");
        for older in &mut publishers[..3] {
            older.closed().await;
        }
    }
}

#[tokio::test]
async fn viewers_get_a_clean_end_when_nobody_comes_back() {
    let server = Server::start(&[]).await;
    let key = server.api().channel("gate").await;
    let mut publisher = Picture::default().push(&server.rtmp(&key));
    let viewer = Viewer::open(&server.http("/gate/live.flv")).await;
    viewer.goes_on(64 * 1024).await;
    publisher.signal(Signal::KILL);
    publisher.ended().await;
    let end = eventually("the response ends", async || viewer.got().ended).await;
    assert_eq!(end, Ok(()));
}

const PLAYLISTS: [&str; 3] = [
    "/gate/live.m3u8",
    "/gate/cmaf/video.m3u8",
    "/gate/cmaf/audio.m3u8",
];

async fn segments(api: &Api, playlist: &str, count: usize) {
    eventually(playlist, async || {
        let answer = api.read(playlist).await;
        (answer.text.matches("#EXTINF").count() >= count).then_some(())
    })
    .await;
}

/// No playlist, and nothing that one names, is ever missing.
async fn never_absent(api: Api, until: Instant) {
    let manifests = ["/gate/master.m3u8", "/gate/manifest.mpd"];
    while Instant::now() < until {
        for path in PLAYLISTS.iter().chain(&manifests) {
            let answer = api.read(path).await;
            assert_eq!(answer.status.as_u16(), 200, "{path}: {}", answer.text);
            let Some(name) = newest_segment(&answer.text) else {
                continue;
            };
            let folder = path.rsplit_once('/').expect("a folder").0;
            let segment = api.read(&format!("{folder}/{name}")).await;
            assert_eq!(segment.status.as_u16(), 200, "{name} of\n{}", answer.text);
        }
    }
}

/// The last segment of a media playlist that is there to be fetched (RFC 8216bis §4.4.4.7).
fn newest_segment(playlist: &str) -> Option<&str> {
    let segments = playlist
        .split_inclusive(".ts\n")
        .flat_map(|part| part.split_inclusive(".m4s\n"));
    let present = segments.filter(|segment| !segment.contains("#EXT-X-GAP\n"));
    let last = present
        .filter(|segment| segment.contains("#EXTINF"))
        .last()?;
    last.lines().last()
}
