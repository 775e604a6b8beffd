//! Other people's players on a protected channel, through playlists and segments to the end of what they are to see.

use lsv_auth::playback;
use lsv_tests::{Viewer, eventually, play, seconds, watch};
use serde_json::json;

use crate::Live;
use crate::kinds::{playback_secret, soon};

#[tokio::test]
async fn players_keep_the_token() {
    let (live, token) = protected().await;
    let http = |name: &str| live.server.http(&format!("/cam/{name}?{token}"));
    for (label, url) in [
        ("FLV", http("live.flv")),
        ("RTMP", live.server.rtmp(&format!("cam?{token}"))),
        ("HLS", http("live.m3u8")),
        ("LL-HLS", http("master.m3u8")),
        ("DASH", http("manifest.mpd")),
    ] {
        let watched = watch(label, &url, seconds(4)).await;
        assert_eq!(watched.complaints, "", "{label}");
        println!("ffmpeg plays {label}");
    }
    for page in [
        "hls.html?",
        "hls.html?src=cmaf&",
        "flv.html?",
        "flv.html?via=ws&",
        "dash.html?",
        "?",
    ] {
        let page = live.server.http(&format!("/cam/{page}{token}"));
        let seen = play(&page, seconds(5), None).await;
        println!(
            "{:?}: started after {:?} s, {} stalls",
            seen.source, seen.startup, seen.stalls
        );
        assert!(seen.ok, "{seen:?}");
    }
}

/// What is under way ends, the next request is refused, a connection goes on.
#[tokio::test]
async fn a_token_that_runs_out_ends_the_next_request() {
    let (live, _) = protected().await;
    let api = live.server.api();
    let short = playback::mint(&playback_secret(), "/cam", soon() - 3_600 + 12, None);
    let connected = Viewer::open(&live.server.http(&format!("/cam/live.flv?{short}"))).await;
    let playlist = format!("/cam/live.m3u8?{short}");
    assert_eq!(api.status(&playlist).await, 200);
    eventually("the token has run out", async || {
        (api.status(&playlist).await == 403).then_some(())
    })
    .await;
    let flv = format!("/cam/live.flv?{short}");
    assert_eq!(api.status(&flv).await, 403);
    connected.goes_on(1).await;
}

/// A channel that is live and wants tokens, and one that lasts.
async fn protected() -> (Live, String) {
    let live = Live::start().await;
    let api = live.server.api();
    api.change("cam", &json!({ "playToken": "on" })).await;
    let token = playback::mint(&playback_secret(), "/cam", soon(), None);
    eventually("a protected channel that is live", async || {
        let is_protected = api.status("/cam/time").await == 403;
        let is_live = api.status(&format!("/cam/master.m3u8?{token}")).await == 200;
        (is_protected && is_live).then_some(())
    })
    .await;
    (live, token)
}
