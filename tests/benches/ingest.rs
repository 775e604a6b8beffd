//! What publishers cost: memory for each of 1,000 that are as good as silent, processor time for 100 of 1 Mbit/s.
//!
//! `cargo bench -p lsv-tests --bench ingest` runs it and prints a table, for the driver alone, which throws away what it
//! gets, and for the release binary with all that happens behind it. Servers are processes of their own; the publishers
//! are tasks of this one. `LSV_BENCH_SECONDS` changes how long is measured.

mod sink;

use std::time::Duration;

use futures::future::join_all;
use lsv_tests::{Client, Process, Server, kind, stream_key};
use serde_json::json;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep},
};

#[tokio::main]
async fn main() {
    let is = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    if is(sink::SERVE) {
        return sink::serve().await;
    }
    // `cargo test --benches` only wants to know that this starts.
    if !is("--bench") {
        return;
    }
    row("", "measured", "aim");
    driver_alone().await;
    whole_server().await;
}

async fn driver_alone() {
    for (count, load) in [(IDLE, Load::Idle), (BUSY, Load::Busy)] {
        let (process, address) = sink::start().await;
        let keys = (0..count).map(|number| format!("cam{number}")).collect();
        measure("the driver alone", &process, &address, keys, load).await;
    }
}

async fn whole_server() {
    for (count, load, outputs) in [
        (IDLE, Load::Idle, "false"),
        (BUSY, Load::Busy, "false"),
        (BUSY, Load::Busy, "true"),
    ] {
        let mut server = Server::start(&["--log-level", "warn"]).await;
        let mut keys = Vec::new();
        for number in 0..count {
            let id = format!("cam{number}");
            let channel = json!({ "id": id, "isFlv": true, "isHls": outputs, "isCMAF": outputs });
            keys.push(stream_key(&server.api().create(&channel).await));
        }
        let label = match outputs {
            "true" => "lsv with HLS and CMAF",
            _ => "lsv with FLV",
        };
        let address = server.rtmp_address().to_owned();
        measure(label, server.process(), &address, keys, load).await;
    }
}

async fn measure(label: &str, server: &Process, address: &str, keys: Vec<String>, load: Load) {
    let count = keys.len();
    // The first connection makes what all share.
    drop(Client::connect(address).await);
    sleep(Duration::from_secs(1)).await;
    let before = server.resident_bytes();
    let mut publishers = Vec::new();
    for some in keys.chunks(50) {
        publishers.extend(join_all(some.iter().map(|key| publish(address, key, load))).await);
    }
    sleep(SETTLE).await;
    let used = server.processor_time();
    sleep(seconds()).await;
    let used = server.processor_time() - used;
    let grown = server.resident_bytes().saturating_sub(before);
    let alive = publishers
        .iter()
        .filter(|publisher| !publisher.is_finished());
    assert_eq!(alive.count(), count, "publishers were dropped");
    let of_a_core = used.as_secs_f64() / seconds().as_secs_f64() * 100.0;
    let each = format!("{:.1} KiB", grown as f64 / 1024.0 / count as f64);
    let (what, memory_aim, time_aim) = match load {
        Load::Idle => ("idle publishers", "24 KiB", ""),
        Load::Busy => ("publishers of 1 Mbit/s", "", "50 %"),
    };
    let what = format!("{label}, {count} {what}");
    row(&format!("{what}: memory of each"), &each, memory_aim);
    let share = format!("{of_a_core:.1} %");
    row(&format!("{what}: of a core"), &share, time_aim);
    for publisher in publishers {
        publisher.abort();
    }
}

/// How much a publisher sends.
#[derive(Clone, Copy)]
enum Load {
    /// A sound now and then, so that it is not taken for dead.
    Idle,
    /// 25 pictures and 50 sounds a second, 1 Mbit in all.
    Busy,
}

/// Publishes until it is aborted, or the server closes.
async fn publish(address: &str, key: &str, load: Load) -> JoinHandle<()> {
    let mut client = Client::connect(address).await;
    client.publish(key).await.expect("a valid credential");
    let chunk_size = u32::try_from(CHUNK_SIZE).expect("a small number");
    let chunk_size = chunk_size.to_be_bytes();
    let announced = client.send(kind::SET_CHUNK_SIZE, 0, &chunk_size).await;
    announced.expect("a server");
    let period = match load {
        Load::Idle => Duration::from_secs(4),
        Load::Busy => SOUND,
    };
    tokio::spawn(async move {
        let mut bytes = message(kind::VIDEO, 0, &[&[0x17, 0, 0, 0, 0], AVC_RECORD].concat());
        bytes.extend(message(kind::AUDIO, 0, &[0xAF, 0, 0x12, 0x10]));
        let mut tick = interval(period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0.. {
            let at = number * u32::try_from(period.as_millis()).expect("a short time");
            bytes.extend(message(
                kind::AUDIO,
                at,
                &[&[0xAF, 1][..], &[0xA5; 198]].concat(),
            ));
            if matches!(load, Load::Busy) && number % 2 == 0 {
                bytes.extend(message(kind::VIDEO, at, &picture(number % 100 == 0)));
            }
            if client.send_bytes(&bytes).await.is_err() {
                return;
            }
            bytes.clear();
            tick.tick().await;
        }
    })
}

/// A tag body (FLV 10.1 §E.4.3) with one slice that no decoder has to understand here.
fn picture(key: bool) -> Vec<u8> {
    let (head, slice): (u8, u8) = if key { (0x17, 0x65) } else { (0x27, 0x41) };
    let mut body = vec![head, 1, 0, 0, 0];
    let length = u32::try_from(PICTURE_BYTES).expect("a short slice");
    body.extend(length.to_be_bytes());
    body.push(slice);
    body.resize(9 + PICTURE_BYTES, 0xAB);
    body
}

/// A message in chunks of [`CHUNK_SIZE`], on message stream 1.
fn message(kind: u8, at: u32, body: &[u8]) -> Vec<u8> {
    let chunk_stream = if kind == kind::VIDEO { 6 } else { 4 };
    let length = u32::try_from(body.len()).expect("a length of 24 bits");
    let mut bytes = vec![chunk_stream];
    bytes.extend(&at.to_be_bytes()[1..]);
    bytes.extend(&length.to_be_bytes()[1..]);
    bytes.push(kind);
    bytes.extend(1_u32.to_le_bytes());
    for (index, chunk) in body.chunks(CHUNK_SIZE).enumerate() {
        if index > 0 {
            bytes.push(0xC0 | chunk_stream);
        }
        bytes.extend(chunk);
    }
    bytes
}

fn row(what: &str, measured: &str, aim: &str) {
    println!("{what:64}{measured:>12}{aim:>12}");
}

fn seconds() -> Duration {
    let text = std::env::var("LSV_BENCH_SECONDS");
    let seconds = text.map_or(20, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

const IDLE: usize = 1_000;

const BUSY: usize = 100;

/// From one sound to the next; a picture comes with every second one.
const SOUND: Duration = Duration::from_millis(20);

/// What makes 1 Mbit/s together with the sound.
const PICTURE_BYTES: usize = 4_580;

/// As OBS has it.
const CHUNK_SIZE: usize = 4_096;

/// After the last one was let in.
const SETTLE: Duration = Duration::from_secs(5);

/// 640x360, High profile.
const AVC_RECORD: &[u8] = &[
    0x01, 0x64, 0x00, 0x1e, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0,
    0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16,
    0x2d, 0x96, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];
