//! What recording takes, and what snapshots and motion take: processor time of the server, and of the ffmpegs that it
//! started, as a share of one core.
//!
//! `cargo bench -p lsv-tests --bench processing` runs it and prints a table. Processor time is fair on a machine that
//! does other things too, though rather too high. `LSV_BENCH_CHANNELS` and `LSV_BENCH_SECONDS` change how many channels are
//! recorded and how long each row is watched.

use std::path::Path;
use std::time::Duration;

use lsv_tests::{Picture, Process, Server, eventually, processor_time, push_file, stream_key};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

#[tokio::main]
async fn main() {
    // `cargo test --benches` only wants to know that this starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let watched = Duration::from_secs(variable("LSV_BENCH_SECONDS", 60));
    println!(
        "{:52}{:>12}{:>12}{:>8}",
        "share of a core", "lsv", "its ffmpegs", "aim"
    );
    recording(variable("LSV_BENCH_CHANNELS", 20), watched).await;
    pictures(watched).await;
}

/// Channels of 1 Mbit/s with no other output, which are recorded in one way after the other.
async fn recording(channels: u64, watched: Duration) {
    let folder = TempDir::new().expect("a temporary folder");
    let clip = folder.path().join("clip.flv");
    let picture = Picture {
        size: "640x360",
        bit_rate: Some("900k"),
        gop: 50,
        ..Picture::default()
    };
    picture.encode(20, &clip).await;
    let mut server = Server::start(&[]).await;
    let ids: Vec<String> = (0..channels).map(|number| format!("cam{number}")).collect();
    let mut encoders = Vec::new();
    for id in &ids {
        encoders.push(live(&server, id, &clip).await);
    }
    let off = json!({ "isVideo": false, "isOnDemand": false });
    for (label, settings, aim) in [
        ("no recording", off.clone(), ""),
        ("MP4 files of 60 s", json!({ "isVideo": true }), "15 %"),
        (
            "HLS on demand, segments of 60 s",
            json!({ "isOnDemand": true }),
            "15 %",
        ),
        ("both", json!({ "isVideo": true, "isOnDemand": true }), ""),
    ] {
        for id in &ids {
            change(&server, id, &off).await;
            change(&server, id, &settings).await;
        }
        let label = format!("{channels} channels of 1 Mbit/s: {label}");
        row(&label, &mut server, watched, aim).await;
    }
}

/// One channel of 720p30 with key frames every two seconds.
async fn pictures(watched: Duration) {
    let folder = TempDir::new().expect("a temporary folder");
    let clip = folder.path().join("clip.flv");
    let picture = Picture {
        size: "1280x720",
        rate: 30,
        gop: 60,
        bit_rate: Some("2500k"),
        preset: "veryfast",
        ..Picture::default()
    };
    picture.encode(20, &clip).await;
    for (label, settings, aim) in [
        ("nothing", json!({}), ""),
        (
            "a snapshot every 2 s",
            json!({ "isImage": true, "image_time": 2 }),
            "3 %",
        ),
        ("a snapshot every 30 s", json!({ "isImage": true }), "3 %"),
        (
            "motion, clips all the time",
            json!({ "isMotion": true, "motion_percent": 1 }),
            "",
        ),
    ] {
        let mut server = Server::start(&[]).await;
        let _encoder = live(&server, "cam", &clip).await;
        change(&server, "cam", &settings).await;
        row(&format!("720p30: {label}"), &mut server, watched, aim).await;
    }
}

/// A live channel with no output.
async fn live(server: &Server, id: &str, clip: &Path) -> Process {
    let channel = json!({ "id": id, "isFlv": false, "isHls": false });
    let channel = server.api().create(&channel).await;
    let encoder = push_file(clip, &server.rtmp(&stream_key(&channel)));
    let session = format!("/videostream/{id}/session");
    eventually("the channel is live", async || {
        server
            .api()
            .read(&session)
            .await
            .status
            .is_success()
            .then_some(())
    })
    .await;
    encoder
}

async fn change(server: &Server, id: &str, settings: &Value) {
    let path = format!("/videostream/{id}");
    let api = server.api();
    let answer = api.send(Method::PATCH, &path, settings.to_string()).await;
    assert!(answer.status.is_success(), "{}", answer.text);
}

/// Watches the server and its children, once what was changed goes its way.
async fn row(label: &str, server: &mut Server, watched: Duration, aim: &str) {
    sleep(SETTLING).await;
    let (since, own, theirs) = (Instant::now(), server.processor_time(), children(server));
    sleep(watched).await;
    let share = |used: Duration| 100.0 * used.as_secs_f64() / since.elapsed().as_secs_f64();
    let own = share(server.processor_time() - own);
    let theirs = share(children(server).saturating_sub(theirs));
    println!("{label:52}{own:>10.1} %{theirs:>10.1} %{aim:>8}");
}

fn children(server: &mut Server) -> Duration {
    let ffmpegs = server.process().children("ffmpeg");
    ffmpegs.into_iter().map(processor_time).sum()
}

fn variable(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}

/// What tasks get to start or to end, before the watch begins.
const SETTLING: Duration = Duration::from_secs(5);
