//! The time-shift window: what left memory is played from the object store, from its beginning, packet by packet.

use std::path::PathBuf;
use std::time::Duration;

use lsv_tests::hls::{Judge, MediaPlaylist};
use lsv_tests::{
    Packets, Picture, Process, Server, Signal, eventually, files_below, read, stream_key,
};
use reqwest::{Method, StatusCode, header};
use serde_json::json;
use tempfile::TempDir;

/// A channel with a short playlist and a minute to go back to, and its publisher.
struct Live {
    server: Server,
    publisher: Process,
    /// What was sent.
    copy: PathBuf,
    _folder: TempDir,
}

#[tokio::test]
async fn viewers_go_back_to_the_beginning_in_every_format() {
    let mut live = Live::set(json!({})).await;
    let mut judges = PLAYLISTS.map(Judge::new);
    eventually("twenty segments", async || {
        let mut segments = usize::MAX;
        for (judge, playlist) in judges.iter_mut().zip(PLAYLISTS) {
            judge.see(&live.text(playlist).await);
            let listed = judge.last().map_or(0, |last| last.segments.len());
            segments = segments.min(listed);
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
        (segments >= 20).then_some(())
    })
    .await;
    for judge in &judges {
        assert_eq!(judge.complaints(), [""; 0]);
    }
    // While it is live, from the oldest segment on.
    let mut early = Vec::new();
    for playlist in ["/cam/live.m3u8", "/cam/master.m3u8"] {
        let from_start = ["-live_start_index", "0", "-t", "14"];
        let watched = read(playlist, &from_start, &live.server.http(playlist)).await;
        assert_eq!(watched.complaints, "", "{playlist}");
        early.push(watched.packets);
    }
    live.end().await;
    let sent = Packets::of(&live.copy).await;
    for (packets, playlist) in early.iter().zip(["live.m3u8", "master.m3u8"]) {
        packets.assert_part_of(&sent, 300, playlist);
        assert_eq!(packets.video[0], sent.video[0], "{playlist}");
    }
    // When it is over, all of it.
    for playlist in ["/cam/live.m3u8", "/cam/master.m3u8", "/cam/manifest.mpd"] {
        let watched = read(playlist, &[], &live.server.http(playlist)).await;
        assert_eq!(watched.complaints, "", "{playlist}");
        // A last segment of less than 200 ms is none. And FFmpeg's DASH reader goes on with the track that is behind, and is
        // done when that one ends: here the sound, before the last pictures.
        let count = sent.video.len() - if playlist.ends_with("mpd") { 10 } else { 5 };
        watched.packets.assert_part_of(&sent, count, playlist);
        assert_eq!(watched.packets.video[0], sent.video[0], "{playlist}");
    }
}

/// Five segments by their times as the playlist tells them, as anybody would take them from there.
#[tokio::test]
async fn a_clip_is_what_was_sent_in_its_time() {
    let mut live = Live::set(json!({})).await;
    let playlist = eventually("fifteen segments", async || {
        let text = live.text("/cam/live.m3u8").await;
        (text.matches("#EXTINF").count() >= 15).then_some(text)
    })
    .await;
    let dates: Vec<&str> = playlist
        .lines()
        .filter_map(|line| line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:"))
        .collect();
    let query = format!("start={}&end={}", dates[5], dates[10]);
    let mut clips = Vec::new();
    for name in ["live.m3u8", "master.m3u8", "manifest.mpd"] {
        let url = live.server.http(&format!("/cam/{name}?{query}"));
        let watched = read(name, &[], &url).await;
        assert_eq!(watched.complaints, "", "{name}");
        clips.push((name, watched.packets));
    }
    // One that is still to end: it ends by itself, and the player with it.
    let soon = format!("start={}", dates[12]);
    let last = live.text(&format!("/cam/live.m3u8?{soon}")).await;
    assert!(
        !last.contains("ENDLIST") && !last.contains(dates[11]),
        "{last}"
    );
    live.end().await;
    let sent = Packets::of(&live.copy).await;
    for (name, clip) in clips {
        // A key frame a second, as segments have it.
        let start = sent.video.iter().position(|hash| *hash == clip.video[0]);
        assert_eq!(start, Some(125), "{name}");
        let missing = if name.ends_with("mpd") { 5 } else { 0 };
        clip.assert_part_of(&sent, 125 - missing, name);
        assert!(clip.video.len() <= 125, "{name}: {}", clip.video.len());
    }
    let refused = reqwest::get(live.server.http("/cam/live.m3u8?start=2&end=1")).await;
    assert_eq!(refused.unwrap().status(), StatusCode::BAD_REQUEST);
    let gone = reqwest::get(live.server.http("/cam/manifest.mpd?start=1&end=2")).await;
    assert_eq!(gone.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_left_memory_is_served_as_it_was() {
    let live = Live::set(json!({})).await;
    let client = reqwest::Client::new();
    let first = MediaPlaylist::parse(&live.text("/cam/live.m3u8").await).unwrap();
    let url = live.server.http(&format!("/cam/{}", first.segments[0].uri));
    let before = client.get(&url).send().await.unwrap();
    let (headers, bytes) = (before.headers().clone(), before.bytes().await.unwrap());
    // Long after it has left memory.
    let last = format!("ts/{}.ts", first.segments[0].sequence + 12);
    eventually("a dozen segments more", async || {
        live.text("/cam/live.m3u8")
            .await
            .contains(&last)
            .then_some(())
    })
    .await;
    let after = client.get(&url).send().await.unwrap();
    for name in [
        "etag",
        "content-type",
        "cache-control",
        "content-length",
        "accept-ranges",
        "access-control-allow-origin",
    ] {
        assert_eq!(after.headers().get(name), headers.get(name), "{name}");
    }
    assert_eq!(after.bytes().await.unwrap(), bytes);
    let etag = headers[header::ETAG].clone();
    let known = client.get(&url).header(header::IF_NONE_MATCH, etag);
    assert_eq!(
        known.send().await.unwrap().status(),
        StatusCode::NOT_MODIFIED
    );
    let part = client.get(&url).header(header::RANGE, "bytes=188-375");
    let part = part.send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap(), bytes[188..376]);
    let head = client.head(&url).send().await.unwrap();
    assert_eq!(
        head.headers()[header::CONTENT_LENGTH],
        bytes.len().to_string()
    );

    // Turned off, it is gone within seconds, from the store too, and nobody is cut off.
    let change = json!({ "dvr_window": 0 }).to_string();
    let changed = live
        .server
        .api()
        .send(Method::PATCH, "/videostream/cam", change)
        .await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    eventually("a short playlist and an empty store", async || {
        let playlist = MediaPlaylist::parse(&live.text("/cam/live.m3u8").await).ok()?;
        let windows = live.server.data().join("objects/dvr");
        let kept = files_below(&windows, "").len();
        (playlist.segments.len() == 3 && kept == 0).then_some(())
    })
    .await;
    assert_eq!(
        client.get(&url).send().await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
}

impl Live {
    async fn set(settings: serde_json::Value) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let server = Server::start(&[]).await;
        let mut channel = json!({
            "id": "cam", "isCMAF": true, "hls_time": 1, "hls_list_size": 3, "dvr_window": 60,
        });
        if let (Some(channel), Some(settings)) = (channel.as_object_mut(), settings.as_object()) {
            channel.extend(settings.clone());
        }
        let key = stream_key(&server.api().create(&channel).await);
        let picture = Picture {
            copy: Some(folder.path().join("sent.flv")),
            ..Picture::default()
        };
        let live = Self {
            publisher: picture.push(&server.rtmp(&key)),
            copy: folder.path().join("sent.flv"),
            server,
            _folder: folder,
        };
        for playlist in PLAYLISTS {
            eventually(playlist, async || {
                live.text(playlist).await.contains("#EXTINF").then_some(())
            })
            .await;
        }
        live
    }

    /// Ends the stream as a publisher does that has nothing more to send.
    async fn end(&mut self) {
        self.publisher.signal(Signal::INT);
        self.publisher.ended().await;
        eventually("the end", async || {
            self.text("/cam/live.m3u8")
                .await
                .contains("#EXT-X-ENDLIST")
                .then_some(())
        })
        .await;
    }

    async fn text(&self, path: &str) -> String {
        let answer = reqwest::get(self.server.http(path))
            .await
            .expect("an answer");
        answer.text().await.expect("text")
    }
}

const PLAYLISTS: [&str; 3] = [
    "/cam/live.m3u8",
    "/cam/cmaf/video.m3u8",
    "/cam/cmaf/audio.m3u8",
];
