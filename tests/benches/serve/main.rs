//! Segments, parts and playlists over HTTP/1.1 keep-alive, from `lsv` and from nginx, the same files and the same clients; then
//! what an origin keeps of a node.
//!
//! `cargo bench -p lsv-tests --bench serve` runs it and prints a table: rounds of both servers in turn, of each the median.
//! Clients are tasks of this program, on the same cores as the servers, so what counts is the processor time that a server
//! takes; nginx has one worker. `LSV_BENCH_SECONDS` changes the length of a round.

use lsv_tests::{Picture, Server, eventually, push_file, stream_key};
use serde_json::json;
use tempfile::TempDir;

use load::{ask, host, median, row};
use nginx::Nginx;

mod kept;
mod load;
mod nginx;

#[tokio::main]
async fn main() {
    // `cargo test --benches` only wants to know that this starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!(
        "{:32}{:>10}{:>14}{:>14}{:>16}{:>16}",
        "", "", "requests/s", "GB/s", "CPU s per GB", "CPU µs/request"
    );
    made().await;
    kept::rows().await;
}

/// What a node makes itself.
async fn made() {
    let folder = TempDir::new().expect("a temporary folder");
    let server = Server::start(&[]).await;
    let channel = json!({ "id": "cam", "isHls": true, "isCMAF": true, "hls_list_size": 100 });
    let key = stream_key(&server.api().create(&channel).await);
    let clip = folder.path().join("clip.flv");
    let picture = Picture {
        bit_rate: Some("4000k"),
        gop: 50,
        size: "640x360",
        ..Picture::default()
    };
    picture.encode(20, &clip).await;
    let _publisher = push_file(&clip, &server.rtmp(&key));
    let segment = eventually("a few segments", async || {
        let playlist = server.api().read("/cam/live.m3u8").await.text;
        let segments: Vec<&str> = playlist
            .lines()
            .filter(|line| line.ends_with(".ts"))
            .collect();
        (segments.len() >= 5).then(|| format!("/cam/{}", segments[2]))
    })
    .await;
    // Parts stay to be fetched for as long as their segment does.
    let part = eventually("a part", async || {
        let playlist = server.api().read("/cam/cmaf/video.m3u8").await.text;
        let name = playlist
            .split('"')
            .find(|word| word.ends_with(".0.m4s"))?
            .to_owned();
        Some(format!("/cam/cmaf/{name}"))
    })
    .await;
    let nginx = Nginx::start(folder.path(), server.http_address()).await;
    for (what, path) in [
        ("segment", segment.as_str()),
        ("part", part.as_str()),
        ("playlist", "/cam/live.m3u8"),
    ] {
        let body = reqwest::get(server.http(path)).await.expect("an answer");
        let body = body.bytes().await.expect("a body");
        nginx.keep(path, &body);
        let label = format!("{what} of {} kB", body.len() / 1000);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let before = server.processor_time();
            let round = ask(&host(&server.http("")), path).await;
            ours.push(round.taking(server.processor_time() - before));
            let before = nginx.processor_time();
            let round = ask(&nginx.address, path).await;
            theirs.push(round.taking(nginx.processor_time() - before));
        }
        row(&label, "lsv", median(ours));
        row("", "nginx", median(theirs));
    }
}

const ROUNDS: usize = 5;
