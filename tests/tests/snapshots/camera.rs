//! What stands in for a publisher: pictures that ffmpeg encodes, pushed into a hub at their own pace.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lsv_core::hub::{Hub, Offer, Publisher, Settings};
use lsv_core::media::MediaFrame;
use lsv_core::path::{ChannelId, StreamPath};
use lsv_core::time::Timestamp;
use lsv_mux::flv;
use lsv_tests::{Process, peers};
use tokio::time::{Instant, sleep_until};

/// The frames of an FLV file.
pub(crate) fn frames(file: &Path) -> Vec<MediaFrame> {
    let mut reader = flv::Frames::default();
    reader.push(&fs::read(file).expect("a file to read"));
    let mut frames = Vec::new();
    while let Some(frame) = reader.next().expect("an FLV file") {
        frames.push(frame);
    }
    frames
}

/// Encodes `video`, sources and filters of ffmpeg that end in `[v]`, with a tone, by these encoder options.
pub(crate) async fn encode(video: &str, seconds: u64, encoder: &[&str], file: &Path) {
    let seconds = seconds.to_string();
    let mut line = vec!["-hide_banner", "-nostdin", "-loglevel", "error", "-y"];
    line.extend(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
    line.extend(["-filter_complex", video, "-map", "[v]", "-map", "0:a"]);
    line.extend(["-t", &seconds, "-pix_fmt", "yuv420p"]);
    line.extend(encoder);
    line.extend(["-c:a", "aac", "-b:a", "64k", "-f", "flv"]);
    line.push(file.to_str().expect("a path in UTF-8"));
    let mut ffmpeg = Process::start(peers::newest_ffmpeg(), line);
    let status = ffmpeg.ended().await;
    assert!(status.success(), "{}", ffmpeg.stderr());
}

/// H.264 of 25 frames a second with a key frame each second.
pub(crate) const H264: [&str; 10] = [
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-g",
    "25",
    "-keyint_min",
    "25",
    "-sc_threshold",
    "0",
];

pub(crate) fn path() -> StreamPath {
    StreamPath::source(ChannelId::parse("cam").expect("an id"))
}

/// A publisher of `cam` with these settings.
pub(crate) fn publish(hub: &Hub, settings: Settings) -> Publisher {
    let mut offer = Offer::new("a camera");
    offer.settings = settings;
    hub.publish(&path(), offer, std::time::Instant::now())
        .expect("the channel is free")
}

/// Pushes `frames` so many times as fast as they were made, or as often faster. Answers the length of what was pushed.
pub(crate) async fn push(
    publisher: &Publisher,
    frames: &[MediaFrame],
    times: u32,
    speed: f64,
) -> Duration {
    let first = frames.first().map_or(Timestamp::ZERO, |frame| frame.dts);
    let length = frames.iter().map(|frame| frame.dts.since(first)).max();
    // One frame more, so that the next round does not begin in the last.
    let length = length.unwrap_or_default() + Duration::from_millis(40);
    let start = Instant::now();
    for round in 0..times {
        for frame in frames {
            let at = length * round + frame.dts.since(first);
            sleep_until(start + at.div_f64(speed)).await;
            let mut frame = frame.clone();
            frame.dts = frame.dts + length * round;
            publisher.push(frame).expect("the stream is live");
        }
    }
    length * times
}
