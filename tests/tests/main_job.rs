//! The main job: a channel made with the JSON of the older product's scripts, a publisher, and every kind of player at once.

use lsv_tests::{
    Answer, Api, Packets, Picture, Server, Signal, eventually, probe, seconds, stream_key, watch,
};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

#[tokio::test]
async fn every_output_carries_the_packets_that_were_pushed() {
    let server = Server::start(&[]).await;
    let api = server.api();
    let channel = api.create(&seed()).await;
    let id = channel["id"].as_str().unwrap();
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("sent.flv");
    let picture = Picture {
        preset: "veryfast",
        copy: Some(copy.clone()),
        ..Picture::default()
    };
    let mut publisher = picture.push(&server.rtmp(&stream_key(&channel)));
    for file in ["live.m3u8", "master.m3u8", "manifest.mpd"] {
        playable(&api, &format!("/{id}/{file}")).await;
    }

    let http = |file: &str| server.http(&format!("/{id}/{file}"));
    let [flv, hls, cmaf, dash] = ["live.flv", "live.m3u8", "master.m3u8", "manifest.mpd"].map(http);
    let rtmp = server.rtmp(id);
    let time = seconds(10);
    let (rtmp, flv, hls, cmaf, dash) = tokio::join!(
        watch("RTMP", &rtmp, time),
        watch("HTTP-FLV", &flv, time),
        watch("HLS", &hls, time),
        watch("CMAF as HLS", &cmaf, time),
        watch("DASH", &dash, time),
    );
    assert!(publisher.runs(), "{}", publisher.stderr());
    publisher.signal(Signal::INT);
    publisher.ended().await;

    let sent = Packets::of(&copy).await;
    // The first and the last second may be cut wherever a player joins or leaves.
    let enough = usize::try_from(time.saturating_sub(2)).unwrap() * 25;
    for (label, watched) in [
        ("RTMP", rtmp),
        ("HTTP-FLV", flv),
        ("HLS", hls),
        ("CMAF as HLS", cmaf),
        ("DASH", dash),
    ] {
        assert_eq!(watched.complaints, "", "{label}");
        println!(
            "{label}: {} video and {} audio packets as sent",
            watched.packets.video.len(),
            watched.packets.audio.len()
        );
        watched.packets.assert_part_of(&sent, enough, label);
    }
}

#[tokio::test]
async fn the_older_products_json_makes_a_channel() {
    let server = Server::start(&[]).await;
    let api = server.api();
    let channel = api.create(&seed()).await;
    for (field, value) in [
        ("isFlv", json!(true)),
        ("isHls", json!(true)),
        ("isCMAF", json!(true)),
        ("isVideo", json!(false)),
        ("video_time", json!(60)),
        ("image_time", json!(30)),
        ("hls_time", json!(2)),
        ("hls_list_size", json!(6)),
        ("WaterMarkFontSize", json!(20)),
        ("codec", json!("libx264")),
    ] {
        assert_eq!(channel[field], value, "{field}");
    }
    assert!(
        channel["outdate"]
            .as_str()
            .unwrap()
            .starts_with("2032-12-09"),
        "{channel}"
    );
    let expiry = channel["key"].as_str().unwrap().split_once('-').unwrap().0;
    // The end of 9 December 2032, UTC.
    assert!(["1986249599", "1986249600"].contains(&expiry), "{expiry}");
}

#[tokio::test]
async fn ffprobe_sees_what_was_encoded() {
    let server = Server::start(&[]).await;
    let key = server.api().channel("probed").await;
    let _publisher = Picture::default().push(&server.rtmp(&key));
    playable(&server.api(), "/probed/live.m3u8").await;
    playable(&server.api(), "/probed/manifest.mpd").await;
    for address in [
        server.rtmp("probed"),
        server.http("/probed/live.flv"),
        server.http("/probed/live.m3u8"),
        server.http("/probed/master.m3u8"),
        server.http("/probed/manifest.mpd"),
    ] {
        let streams = probe(&address).await;
        let of = |kind: &str| streams.iter().find(|stream| stream["codec_type"] == kind);
        let video = of("video").unwrap_or_else(|| panic!("{address}: no video"));
        let audio = of("audio").unwrap_or_else(|| panic!("{address}: no audio"));
        assert_eq!(video["codec_name"], "h264", "{address}");
        assert_eq!(
            (&video["width"], &video["height"]),
            (&json!(320), &json!(180)),
            "{address}"
        );
        assert_eq!(audio["codec_name"], "aac", "{address}");
        assert_eq!(audio["sample_rate"], "48000", "{address}");
    }
}

#[tokio::test]
async fn outputs_that_are_off_are_not_there() {
    let server = Server::start(&[]).await;
    let api = server.api();
    let channel = json!({ "id": "plain", "isFlv": true, "isHls": "false", "isCMAF": false });
    let key = stream_key(&api.create(&channel).await);
    let _publisher = Picture::default().push(&server.rtmp(&key));
    eventually("the channel is live", async || {
        let online = api.read("/videostream/online").await;
        online.text.contains("plain").then_some(())
    })
    .await;
    for file in ["live.m3u8", "master.m3u8", "manifest.mpd"] {
        let answer = api.read(&format!("/plain/{file}")).await;
        assert_eq!(answer.status.as_u16(), 404, "{file}");
    }
    let on = r#"{"isHls":"true"}"#;
    let changed = api.send(Method::PATCH, "/videostream/plain", on).await;
    assert_eq!(changed.json()["isHls"], true);
    playable(&api, "/plain/live.m3u8").await;
}

/// What the older product's script posts.
fn seed() -> serde_json::Value {
    json!({
        "videoname": "Front gate",
        "description": "Camera at the front gate",
        "outdate": "2032-12-09",
        "isFlv": "true", "isHls": "true", "isCMAF": "true",
        "isVideo": "false", "video_time": "60",
        "isImage": "false", "image_time": "30",
        "hls_time": "2", "hls_list_size": "6",
        "isOnDemand": "false", "ondemand_time": "60", "ondemand_list_size": "0",
        "isMotion": "false", "motion_percent": "30", "motion_diff": "10",
        "isCodec": "false", "codec": "libx264",
        "isWaterMark": "false", "WaterMarkText": "", "WaterMarkFontSize": "20", "WaterMarkFontColor": "red",
        "isRelay": "false", "relayURL": "", "isCluster": "false", "isRtmps": "false"
    })
}

/// Waits until an address answers and, where that is a playlist, until it has segments.
async fn playable(api: &Api, path: &str) -> Answer {
    eventually(path, async || {
        let answer = api.read(path).await;
        let ready = !path.ends_with("live.m3u8") || answer.text.contains("#EXTINF");
        (answer.status.is_success() && ready).then_some(answer)
    })
    .await
}
