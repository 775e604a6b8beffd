//! What the release binary takes: start, idle memory, time to the first picture, and 200 viewers at once.
//!
//! `cargo bench -p lsv-tests` runs it and prints a table; give the machine nothing else to do meanwhile. ffmpeg pushes what
//! it has encoded before, and the viewers are tasks of this program: their processor time comes on top of the server's.
//! `LSV_BENCH_VIEWERS` and `LSV_BENCH_SECONDS` change the last part.

use std::time::Duration;

use futures::future::join_all;
use lsv_tests::{Picture, Server, Viewer, push_file};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

#[tokio::main]
async fn main() {
    // `cargo test --benches` only wants to know that this starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    // The first start builds the binary.
    drop(Server::start(&[]).await);
    println!("{:44}{:>14}{:>14}", "", "measured", "aim");
    start().await;
    first_picture().await;
    many_viewers().await;
}

async fn start() {
    let mut starts = Vec::new();
    let mut server = None;
    for _ in 0..5 {
        let since = Instant::now();
        server = Some(Server::start(&[]).await);
        starts.push(since.elapsed());
    }
    row(
        "start to ready, slowest of 5",
        millis(max(&starts)),
        "1,000 ms",
    );
    let server = server.expect("one was started");
    sleep(Duration::from_secs(5)).await;
    row(
        "resident memory, idle",
        mib(server.resident_bytes()),
        "30 MiB",
    );
    let before = server.processor_time();
    sleep(Duration::from_secs(10)).await;
    let used = server.processor_time() - before;
    row("processor time in 10 s, idle", millis(used), "");
}

/// A player that waits before anybody publishes, and players that join later, at a GOP of 1 s.
async fn first_picture() {
    let mut waited = Vec::new();
    let mut joined = Vec::new();
    let folder = TempDir::new().expect("a temporary folder");
    let clip = folder.path().join("clip.flv");
    Picture::default().encode(20, &clip).await;
    for _ in 0..5 {
        let server = Server::start(&[]).await;
        let key = server.api().channel("cam").await;
        let url = server.http("/cam/live.flv");
        let publisher = push_file(&clip, &server.rtmp(&key));
        let (pictured, published) = tokio::join!(waiting_player(&url), published(&server));
        waited.push(pictured.saturating_duration_since(published));
        for pause in [310, 470, 730] {
            sleep(Duration::from_millis(pause)).await;
            let since = Instant::now();
            joined.push(waiting_player(&url).await - since);
        }
        drop(publisher);
    }
    row(
        "publish to first key frame, median of 5",
        millis(median(&waited)),
        "300 ms",
    );
    row(
        "publish to first key frame, slowest",
        millis(max(&waited)),
        "300 ms",
    );
    row(
        "late join to first key frame, median of 15",
        millis(median(&joined)),
        "at once",
    );
    row(
        "late join to first key frame, slowest",
        millis(max(&joined)),
        "",
    );
}

async fn many_viewers() {
    let viewers: usize = variable("LSV_BENCH_VIEWERS", 200);
    let watched = Duration::from_secs(variable("LSV_BENCH_SECONDS", 30) as u64);
    let server = Server::start(&[]).await;
    let key = server.api().channel("cam").await;
    let picture = Picture {
        bit_rate: Some("900k"),
        gop: 50,
        ..Picture::default()
    };
    let folder = TempDir::new().expect("a temporary folder");
    let clip = folder.path().join("clip.flv");
    picture.encode(20, &clip).await;
    let _publisher = push_file(&clip, &server.rtmp(&key));
    let url = server.http("/cam/live.flv");
    Viewer::open(&url).await.goes_on(1).await;
    let before = server.resident_bytes();
    let opened = join_all((0..viewers).map(|_| async {
        let since = Instant::now();
        let response = reqwest::get(&url).await.expect("a viewer gets in");
        Viewer::reading(response, since, false)
    }))
    .await;
    sleep(Duration::from_secs(2)).await;
    let bytes = |viewers: &[Viewer]| viewers.iter().map(|viewer| viewer.got().bytes).sum::<u64>();
    let (sent, used) = (bytes(&opened), server.processor_time());
    sleep(watched).await;
    let (sent, used) = (bytes(&opened) - sent, server.processor_time() - used);
    let grown = server.resident_bytes().saturating_sub(before);

    let mut stalls = 0;
    let mut longest = Duration::ZERO;
    for viewer in &opened {
        let got = viewer.got();
        assert_eq!(got.ended, None, "a viewer was dropped");
        let gaps = got.arrivals.windows(2).map(|pair| pair[1] - pair[0]);
        longest = gaps.clone().fold(longest, Duration::max);
        stalls += gaps.filter(|gap| *gap > STALL).count();
    }
    let megabits = sent as f64 * 8.0 / 1e6 / watched.as_secs_f64() / viewers as f64;
    row("viewers", viewers.to_string(), "200");
    row("rate of each", format!("{megabits:.2} Mbit/s"), "1 Mbit/s");
    row("gaps above 1 s, all viewers", stalls.to_string(), "0");
    row("longest gap", millis(longest), "1,000 ms");
    row("processor time of the server", millis(used), "");
    let per_gigabyte = used.as_secs_f64() / (sent as f64 / 1e9);
    row(
        "processor seconds per GB sent",
        format!("{per_gigabyte:.2}"),
        "",
    );
    row(
        "memory for a viewer",
        format!("{} KiB", grown / 1024 / viewers as u64),
        "16 KiB",
    );
    row("resident memory with all", mib(server.resident_bytes()), "");
}

/// Asks until the channel is live, then reads up to the first key frame.
async fn waiting_player(url: &str) -> Instant {
    let viewer = Viewer::open(url).await;
    loop {
        if has_key_frame(&viewer.got().body) {
            return Instant::now();
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// When the server let the publisher begin.
async fn published(server: &Server) -> Instant {
    let api = server.api();
    loop {
        let online = api.read("/videostream/online").await;
        if online.text.contains("cam") {
            return Instant::now();
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// Whether an FLV file (FLV 10.1 §E.4) holds a whole AVC key frame.
fn has_key_frame(body: &[u8]) -> bool {
    let mut rest = body.get(13..).unwrap_or_default();
    while let Some((head, after)) = rest.split_first_chunk::<11>() {
        let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        let Some(tag) = after.get(..length) else {
            return false;
        };
        // Video, key frame of AVC, not its sequence header.
        if head[0] == 9 && tag.starts_with(&[0x17, 1]) {
            return true;
        }
        rest = after.get(length + 4..).unwrap_or_default();
    }
    false
}

fn row(what: &str, measured: String, aim: &str) {
    println!("{what:44}{measured:>14}{aim:>14}");
}

fn millis(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1000.0)
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn max(times: &[Duration]) -> Duration {
    times.iter().copied().max().unwrap_or_default()
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

fn variable(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

const STALL: Duration = Duration::from_secs(1);
