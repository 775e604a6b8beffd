//! How soon HLS begins on a platform that keeps everything in AWS: from the start of an encoder whose channel was never live to its
//! first whole segment at a viewer, of the gateway itself and of an origin.
//!
//! `cargo bench -p lsv-tests --bench cold` runs it and prints a table. moto stands for AWS (`.ci/run` installs it), ffmpeg pushes
//! what it has encoded before, with a key frame each two seconds, which is how long a segment is.

use lsv_tests::{HlsWatcher, Moto, Picture, Server, eventually, push_file, stream_key};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

#[tokio::main]
async fn main() {
    // `cargo test --benches` only wants to know that this starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = TempDir::new().expect("a temporary folder");
    let clip = folder.path().join("clip.flv");
    let picture = Picture {
        size: "1280x720",
        bit_rate: Some("2M"),
        gop: 50,
        ..Picture::default()
    };
    picture.encode(20, &clip).await;
    let moto = Moto::start().await;
    let environment = moto.environment();
    let shared = ["--store", "aws", "--aws-bucket", Moto::BUCKET];
    let start = |name| Server::start_role(name, &environment, &shared);
    let (api, gateway) = (start("lsv-api").await, start("lsv-gateway").await);
    let origin = start("lsv-origin").await;
    println!("{:40}{:>12}{:>12}", "seconds", "first", "aim");
    for number in 0..RUNS {
        for (viewed, name) in [(&gateway, "gateway"), (&origin, "origin")] {
            let id = format!("{name}{number}");
            let channel = json!({ "id": id, "isVideo": true, "outdate": "2090-01-01" });
            let key = stream_key(&api.api().create(&channel).await);
            let viewer = HlsWatcher::open(&viewed.http(&format!("/{id}/live.m3u8")));
            let begun = Instant::now();
            let _encoder = push_file(&clip, &gateway.rtmp(&key));
            let first = first(&viewer).await - begun;
            println!("{name:40}{:>12.2}{:>12}", first.as_secs_f64(), 3);
        }
    }
}

/// When the first segment was there.
async fn first(viewer: &HlsWatcher) -> Instant {
    eventually("a first segment", async || {
        viewer.segments().first().map(|segment| segment.came)
    })
    .await
}

const RUNS: usize = 3;
