//! The console in Chromium, used as an operator uses it, against the real binary and encoders that really push:
//! `tests/browser/operator.mjs`, one scenario after another.

use std::time::Duration;

use lsv_tests::{Picture, Process, Server, TOKEN, Viewer, stream_key};
use serde_json::{Value, json};

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
    let seen = operate(&server, screenshots.as_deref()).await;
    println!("{}", seen["facts"]);
    for (name, scenario) in seen["scenarios"].as_object().expect("scenarios") {
        println!("{name}: {}", scenario["seconds"]);
        assert!(
            scenario["ok"] == true,
            "{name}: {}",
            scenario["failure"].as_str().unwrap_or_default()
        );
    }
    assert_eq!(seen["faults"], json!([]));
    assert_eq!(seen["requests_to_other_hosts"], json!([]));
    // The last scenario disconnected it.
    publisher.ended().await;
}

/// What `operator.mjs` reports.
async fn operate(server: &Server, screenshots: Option<&str>) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/browser/operator.mjs");
    let url = server.http("/console/");
    let mut arguments = vec![script, "--url", &url, "--token", TOKEN, "--live", "cam"];
    arguments.extend(
        screenshots
            .iter()
            .flat_map(|folder| ["--screenshots", folder]),
    );
    let mut node = Process::start("node", arguments);
    node.ended_after(LONGEST).await;
    let said = node.stdout();
    let line = said.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| {
        panic!(
            "{error} in {said:?}; is `npm ci` done in tests/browser?\n{}",
            node.stderr()
        )
    })
}

/// All scenarios together take about two minutes.
const LONGEST: Duration = Duration::from_secs(600);
