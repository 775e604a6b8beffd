//! Publishers that end and return at once: renditions end with each session, and begin with the next.

use std::time::SystemTime;

use lsv_tests::hls::MediaPlaylist;
use lsv_tests::{Picture, Server, Signal, Viewer, eventually, signal, stream_key};
use serde_json::json;

#[tokio::test]
async fn renditions_end_and_begin_with_each_session() {
    // What is lost is waited for longer than this test waits for anything.
    let mut server = Server::start(&["--reconnect-window", "120s"]).await;
    let channel = json!({
        "id": "cam", "isFlv": true, "isHls": true, "hls_time": 2, "isCodec": true, "ld": true,
    });
    let url = server.rtmp(&stream_key(&server.api().create(&channel).await));
    let source = Picture {
        size: "640x360",
        rate: 15,
        gop: 15,
        ..Picture::default()
    };
    let mut viewers = Vec::new();
    for round in 0..4 {
        let since = now();
        let mut push = source.push(&url);
        begins(&server, "", since).await;
        let seen = now();
        let begun = begins(&server, "360p/", since).await;
        let late = now() - seen;
        println!("round {round}: the rendition is seen {late} ms after its source");
        // One that goes on from the session before begins where that ended.
        assert!(late < SESSION_MS, "{late}");
        viewers.push(Viewer::open(&server.http("/cam/360p/live.flv")).await);
        lasts(&server, begun + SESSION_MS).await;
        if round == 2 {
            // Its encoder does not end with it, and is waited for while the next begins.
            let encoders = server.process().children("ffmpeg");
            let hung = encoders.into_iter().map(|it| signal(it, Signal::STOP));
            assert_eq!(hung.count(), 1);
        }
        push.signal(Signal::TERM);
        push.ended().await;
        let over = now();
        // The next one follows at once, or when all has its end.
        if round % 2 == 1 {
            ends(&server, &viewers).await;
            println!("  all has its end after {} ms", now() - over);
        }
    }
}

/// When the first segment of a session begins that began after `since`, in milliseconds of Unix time.
async fn begins(server: &Server, folder: &str, since: i64) -> i64 {
    eventually("the first segment", async || {
        let playlist = playlist(server, folder).await?;
        let mut dates = playlist.segments.iter().filter_map(|segment| segment.date);
        dates.find(|date| *date >= since)
    })
    .await
}

/// Waits until the rendition has a segment that begins after `until`.
async fn lasts(server: &Server, until: i64) {
    eventually("the session lasts", async || {
        let playlist = playlist(server, "360p/").await?;
        (playlist.segments.last()?.date? > until).then_some(())
    })
    .await;
}

/// Source and rendition have their end, for players and for who watches a response without one.
async fn ends(server: &Server, viewers: &[Viewer]) {
    for folder in ["", "360p/"] {
        eventually("the end of a playlist", async || {
            let playlist = playlist(server, folder).await?;
            playlist.ended.then_some(())
        })
        .await;
    }
    eventually("the end of each response", async || {
        let mut ended = viewers.iter().map(|viewer| viewer.got().ended);
        ended.all(|ended| ended == Some(Ok(()))).then_some(())
    })
    .await;
}

async fn playlist(server: &Server, folder: &str) -> Option<MediaPlaylist> {
    let url = server.http(&format!("/cam/{folder}live.m3u8"));
    let answer = reqwest::get(url).await.ok()?.error_for_status().ok()?;
    let text = answer.text().await.ok()?;
    Some(MediaPlaylist::parse(&text).unwrap_or_else(|why| panic!("{folder}: {why} in {text}")))
}

/// In milliseconds of Unix time.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(now.expect("after 1970").as_millis()).expect("before the year 292,278,994")
}

/// How long the rendition of a session lasts at least.
const SESSION_MS: i64 = 10_000;
