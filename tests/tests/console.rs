//! The console in Chromium, used as an operator uses it, against the real binary and encoders that really push:
//! `tests/browser/operator.mjs`, one scenario after another.

use lsv_tests::{Picture, Server, TOKEN, Viewer, operate, stream_key};
use serde_json::json;

/// With `LSV_SCREENSHOTS` every page is kept in that folder as a picture.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_does_everything_in_the_console() {
    // What is relayed goes to this machine.
    let server = Server::start(&["--allow-private-targets"]).await;
    let settings = json!({
        "id": "cam", "videoname": "Stage", "isCMAF": true, "isCodec": true, "ld": true, "isImage": true, "image_time": 1,
        "isVideo": true, "video_time": 5, "isOnDemand": true, "ondemand_time": 2,
    });
    let made = server.api().create(&settings).await;
    let key = stream_key(&made);
    let picture = Picture {
        size: "640x360",
        ..Picture::default()
    };
    let mut publisher = picture.push(&server.rtmp(&key));
    for file in ["live.flv", "master.m3u8"] {
        Viewer::open(&server.http(&format!("/cam/{file}"))).await;
    }
    let screenshots = std::env::var("LSV_SCREENSHOTS").ok();
    let url = server.http("/console/");
    let seen = operate(&url, TOKEN, "cam", screenshots.as_deref()).await;
    println!("{}", seen.facts);
    for (name, scenario) in &seen.scenarios {
        println!("{name}: {} s", scenario.seconds);
        assert_eq!(scenario.failure, None, "{name}");
    }
    assert!(seen.faults.is_empty(), "{:?}", seen.faults);
    let foreign = &seen.requests_to_other_hosts;
    assert!(foreign.is_empty(), "{foreign:?}");
    // The last scenario disconnected it.
    publisher.ended().await;
}
