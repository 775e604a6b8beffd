//! What relaying costs: processor time for 20 streams of 1 Mbit/s pushed on to a target each, memory for each target.
//!
//! `cargo bench -p lsv-tests --bench relay` runs it and prints a table. The relay is a process of its own that makes its
//! streams itself; a run without targets says what that takes. So is the server that all targets are, which throws away
//! what it gets. `LSV_BENCH_SECONDS` changes how long is measured.

mod sink;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use lsv_core::{
    codec::{FourCc, aac},
    hub::{Hub, Offer},
    media::{Codec, Kind, MediaFrame, Track},
    path::{ChannelId, StreamPath},
    time::Timestamp,
};
use lsv_rtmp::net::{
    Client,
    relay::{Config, Push},
};
use lsv_tests::{Process, eventually};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let is = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    if is(sink::SERVE) {
        return sink::serve().await;
    }
    if let [_, relay, address, streams, targets] = &arguments[..]
        && relay == RELAY
    {
        let number = |text: &String| text.parse().expect("a number");
        return run(address, number(streams), number(targets)).await;
    }
    // `cargo test --benches` only wants to know that this starts.
    if !is("--bench") {
        return;
    }
    let (_sink, address) = sink::start().await;
    let (idle, _) = measure(&address, STREAMS, 0).await;
    let (busy, _) = measure(&address, STREAMS, 1).await;
    println!(
        "{STREAMS} streams of 1 Mbit/s alone: {:.1} % of a core",
        idle * 100.0
    );
    println!(
        "{STREAMS} streams of 1 Mbit/s to a target each: {:.1} % of a core",
        busy * 100.0
    );
    let (_, none) = measure(&address, 1, 0).await;
    let (_, many) = measure(&address, 1, TARGETS).await;
    let each = many.saturating_sub(none) as f64 / 1024.0 / TARGETS as f64;
    println!("memory of each of {TARGETS} targets of one stream: {each:.1} KiB");
}

/// Makes streams and pushes each to so many targets at `address`, for ever.
async fn run(address: &str, streams: usize, targets: usize) {
    let (hub, client) = (Hub::default(), Client::default());
    for stream in 0..streams {
        let hub = hub.clone();
        tokio::spawn(async move { publish(&hub, stream).await });
    }
    let mut pushes = Vec::new();
    for stream in 0..streams {
        let found = eventually("a stream", async || hub.find(&path(stream))).await;
        let mut push = Push::new(found, client.clone(), Config::default());
        for target in 0..targets {
            let address = format!("rtmp://{address}/live/{stream}-{target}");
            push.add(&address.parse().expect("an address"));
        }
        pushes.push(push);
    }
    std::future::pending::<()>().await;
}

/// Publishes 25 pictures and 50 sounds a second, 1 Mbit in all.
async fn publish(hub: &Hub, stream: usize) {
    let now = || Instant::now().into_std();
    let publisher = hub.publish(&path(stream), Offer::new("the benchmark"), now());
    let publisher = publisher.expect("room in the hub");
    let config = aac::Config::parse(Bytes::from_static(&[0x12, 0x10])).expect("a configuration");
    let sound = Arc::new(Track::new(Kind::Audio, Codec::Aac(config)));
    let codec = Codec::Other {
        fourcc: FourCc::HVC1,
        config: Bytes::from_static(b"hvcC"),
    };
    let picture = Arc::new(Track::new(Kind::Video, codec));
    let mut tick = interval(SOUND);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_u32.. {
        let at = Timestamp::from_millis(i64::from(number) * 20);
        let payload = |bytes| Bytes::from(vec![0xA5; bytes]);
        let mut frames = vec![MediaFrame::new(&sound, at, payload(198))];
        if number % 2 == 0 {
            let mut frame = MediaFrame::new(&picture, at, payload(PICTURE_BYTES));
            frame.key = number % 100 == 0;
            frames.push(frame);
        }
        for frame in frames {
            publisher.push(frame).expect("the only publisher");
        }
        tick.tick().await;
    }
}

/// Share of a core, and bytes, of a relay.
async fn measure(address: &str, streams: usize, targets: usize) -> (f64, u64) {
    let this = std::env::current_exe().expect("the path of this program");
    let relay = Process::start(
        this,
        [RELAY, address, &streams.to_string(), &targets.to_string()],
    );
    sleep(SETTLE).await;
    let used = relay.processor_time();
    sleep(seconds()).await;
    let used = relay.processor_time() - used;
    let share = used.as_secs_f64() / seconds().as_secs_f64();
    (share, relay.resident_bytes())
}

fn path(stream: usize) -> StreamPath {
    let id = ChannelId::parse(&format!("cam{stream}"));
    StreamPath::source(id.expect("a name"))
}

fn seconds() -> Duration {
    let text = std::env::var("LSV_BENCH_SECONDS");
    let seconds = text.map_or(20, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

const STREAMS: usize = 20;

const TARGETS: usize = 200;

/// The argument that makes this program a relay.
const RELAY: &str = "--relay";

/// From one sound to the next; a picture comes with every second one.
const SOUND: Duration = Duration::from_millis(20);

/// What makes 1 Mbit/s together with the sound.
const PICTURE_BYTES: usize = 4_580;

/// Until all targets have connected, and what came before them has left the memory.
const SETTLE: Duration = Duration::from_secs(10);
