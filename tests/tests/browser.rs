//! The player pages in Chromium, one after another: every player of the project's own origin, none from elsewhere.

use std::time::Duration;

use lsv_tests::{Certificate, Picture, Seen, Server, Signal, Viewer, play, play_clock, seconds};
use tempfile::TempDir;
use tokio::time::sleep;

#[tokio::test]
async fn every_player_plays_in_chromium() {
    let server = Server::start(&[]).await;
    let key = server.api().channel("cam").await;
    let picture = Picture {
        size: "640x360",
        ..Picture::default()
    };
    let _publisher = picture.push(&server.rtmp(&key));
    for (player, page, behind_live) in [
        ("mpegts.js", "flv.html", 5.0),
        ("mpegts.js over a WebSocket", "flv.html?via=ws", 5.0),
        ("hls.js, MPEG-TS", "hls.html", 20.0),
        ("hls.js, low-latency CMAF", "hls.html?src=cmaf", 6.0),
        ("shaka-player, DASH", "dash.html", 6.0),
        ("the best of them", "", 6.0),
    ] {
        let seen = play(&server.http(&format!("/cam/{page}")), seconds(6), None).await;
        println!(
            "{player}: started after {:?} s, {:?} s behind live, at worst {:?} s, {} stalls",
            seen.startup, seen.latency_p50, seen.latency_max, seen.stalls
        );
        plays(player, &seen);
        assert_eq!(seen.width, 640, "{player}: {seen:?}");
        assert!(
            seen.latency_p50.is_none_or(|behind| behind < behind_live),
            "{player}: {seen:?}"
        );
    }
}

#[tokio::test]
async fn low_latency_is_played_over_http_2() {
    let folder = TempDir::new().unwrap();
    let certificate = Certificate::make(folder.path(), &["localhost"]).await;
    let server = Server::start(&certificate.flags()).await;
    let key = server.api().channel("cam").await;
    let _publisher = Picture::default().push(&server.rtmp(&key));
    for (player, page) in [
        ("hls.js, low-latency CMAF", "hls.html?src=cmaf"),
        ("shaka-player, DASH", "dash.html"),
    ] {
        let seen = play(&server.https(&format!("/cam/{page}")), seconds(6), None).await;
        println!("{player} over HTTPS: {seen:?}");
        plays(player, &seen);
        assert_eq!(seen.protocols, ["h2"], "{player}: {seen:?}");
    }
    // WebSockets have a connection of HTTP/1.1 of their own.
    let page = server.https("/cam/flv.html?via=ws");
    plays("mpegts.js", &play(&page, seconds(6), None).await);
}

/// Prints the figures. What must hold on any machine is little; `LSV_STRICT=1` holds the figures to what they are to be on
/// one that does nothing else.
#[tokio::test]
async fn low_latency_stays_low_for_a_minute() {
    let server = Server::start(&[]).await;
    let key = server.api().channel("cam").await;
    let picture = Picture {
        size: "640x360",
        gop: 50,
        clock: true,
        ..Picture::default()
    };
    let _publisher = picture.push(&server.rtmp(&key));
    let strict = std::env::var_os("LSV_STRICT").is_some();
    for (player, page, behind_live) in [
        ("hls.js, low-latency CMAF", "hls.html?src=cmaf", 2.0),
        ("shaka-player, DASH", "dash.html", 3.0),
        ("dash.js, DASH", "dashjs.html", 3.0),
    ] {
        let seen = play_clock(&server.http(&format!("/cam/{page}")), seconds(60)).await;
        println!("{player}: {seen:?}");
        plays(player, &seen);
        assert!(
            seen.glass_p50.is_some(),
            "{player}: no clock in the picture"
        );
        if strict {
            assert_eq!((seen.stalls, seen.waits), (0, 0), "{player}: {seen:?}");
            for behind in [seen.latency_max, seen.glass_max] {
                assert!(
                    behind.is_some_and(|it| it <= behind_live),
                    "{player}: {seen:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn players_go_on_when_a_publisher_vanishes_and_comes_back() {
    let server = Server::start(&[]).await;
    let key = server.api().channel("cam").await;
    for (player, page) in [
        ("mpegts.js", "flv.html"),
        ("hls.js, MPEG-TS", "hls.html"),
        ("hls.js, low-latency CMAF", "hls.html?src=cmaf"),
        ("shaka-player, DASH", "dash.html"),
    ] {
        let mut publisher = Picture::default().push(&server.rtmp(&key));
        Viewer::open(&server.http("/cam/live.flv"))
            .await
            .goes_on(1)
            .await;
        let page = server.http(&format!("/cam/{page}"));
        let interruption = async {
            // Long enough for the page to have begun to play, and well before its end.
            sleep(Duration::from_secs(7)).await;
            publisher.signal(Signal::KILL);
            publisher.ended().await;
            Picture::default().push(&server.rtmp(&key))
        };
        let (seen, mut publisher) = tokio::join!(play(&page, 20, None), interruption);
        println!(
            "{player}: moved on by {} s of 20, {} stalls: {seen:?}",
            seen.advanced, seen.stalls
        );
        plays(player, &seen);
        publisher.signal(Signal::KILL);
        publisher.ended().await;
    }
}

fn plays(player: &str, seen: &Seen) {
    assert!(
        seen.requests_to_other_hosts.is_empty(),
        "{player}: {seen:?}"
    );
    assert!(seen.ok, "{player}: {seen:?}");
}
