//! How fast frames become FLV, MPEG-TS and CMAF, in bytes of payload a second, on ten seconds of a stream; what the
//! segmenter makes of them, in one format and in both; and how many allocations each frame takes.

use std::alloc::System;
use std::hint::black_box;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{BufMut, Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lsv_core::hub::{Package, Settings};
use lsv_core::media::{Kind, MediaFrame, Track};
use lsv_core::time::Timestamp;
use lsv_mux::flv::FlvPackage;
use lsv_mux::segmenter::{Options, Segmenter};
use lsv_mux::{fuzzing, mp4, ts};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SECONDS: i64 = 10;
const FRAME_RATE: i64 = 30;
const GROUP: i64 = 60;
/// AAC at 128 kbit/s: 371 bytes every 23 ms.
const AUDIO_FRAME_BYTES: usize = 371;
const AUDIO_STEP_MS: i64 = 23;

/// Video at `bits` a second with a key frame every two seconds ten times as large as the others, and audio.
fn stream(bits: usize) -> Vec<MediaFrame> {
    let tracks = fuzzing::tracks();
    let (Some(video), Some(audio)) = (tracks.video, tracks.audio) else {
        return Vec::new();
    };
    let inter = bits / 8 * GROUP as usize / FRAME_RATE as usize / (GROUP as usize + 9);
    let mut frames: Vec<_> = (0..SECONDS * FRAME_RATE)
        .map(|n| {
            let key = n % GROUP == 0;
            let size = if key { inter * 10 } else { inter };
            frame(&video, n * 1000 / FRAME_RATE, key, access_unit(size, key))
        })
        .collect();
    frames.extend((0..SECONDS * 1000 / AUDIO_STEP_MS).map(|n| {
        let payload = Bytes::from(vec![0x21; AUDIO_FRAME_BYTES]);
        frame(&audio, n * AUDIO_STEP_MS, false, payload)
    }));
    frames.sort_by_key(|frame| frame.dts);
    frames
}

fn frame(track: &Arc<Track>, millis: i64, key: bool, payload: Bytes) -> MediaFrame {
    let mut frame = MediaFrame::new(track, Timestamp::from_millis(millis), payload);
    frame.key = key;
    frame
}

fn access_unit(size: usize, key: bool) -> Bytes {
    let mut out = BytesMut::with_capacity(size + 4);
    out.put_u32(size as u32);
    out.put_u8(if key { 0x65 } else { 0x41 });
    out.put_bytes(0xA5, size - 1);
    out.freeze()
}

fn formats(criterion: &mut Criterion) {
    for (name, bits) in [("1 Mbit/s", 1_000_000), ("20 Mbit/s", 20_000_000)] {
        let frames = stream(bits);
        let payload: usize = frames.iter().map(|frame| frame.payload.len()).sum();
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(payload as u64));
        group.bench_function("FLV", |bench| bench.iter(|| flv(black_box(&frames))));
        group.bench_function("MPEG-TS", |bench| bench.iter(|| ts(black_box(&frames))));
        group.bench_function("CMAF", |bench| bench.iter(|| cmaf(black_box(&frames))));
        for (label, hls, cmaf) in SEGMENTED {
            group.bench_function(label, |bench| {
                bench.iter(|| segments(black_box(&frames), hls, cmaf))
            });
        }
        group.finish();
        let per_frame = |work: &dyn Fn()| {
            let region = Region::new(ALLOCATOR);
            work();
            let change = region.change();
            (change.allocations + change.reallocations) as f64 / frames.len() as f64
        };
        println!("{name}, allocations for each frame:");
        println!("  FLV {:.2}", per_frame(&|| flv(&frames)));
        println!("  MPEG-TS {:.2}", per_frame(&|| ts(&frames)));
        println!("  CMAF {:.2}", per_frame(&|| cmaf(&frames)));
        for (label, hls, cmaf) in SEGMENTED {
            println!(
                "  {label} {:.2}",
                per_frame(&|| segments(&frames, hls, cmaf))
            );
        }
    }
}

/// A chunk of its own for each frame, as the hub makes them.
fn flv(frames: &[MediaFrame]) {
    let mut package = FlvPackage::new();
    for frame in frames {
        let mut out = BytesMut::with_capacity(frame.payload.len() + 64);
        package.push(frame, &mut out);
        black_box(out.freeze());
    }
}

/// Segments of one group of pictures.
fn ts(frames: &[MediaFrame]) {
    let tracks = fuzzing::tracks();
    let mut muxer = ts::Muxer::new();
    let mut out = BytesMut::new();
    for frame in frames {
        if frame.key {
            black_box(out.split().freeze());
            muxer.start_segment(&tracks, &mut out);
        }
        let result = muxer.push(frame, &mut out);
        debug_assert!(result.is_ok());
    }
    black_box(out.freeze());
}

/// Fragments of half a second, the parts of a low-latency playlist.
fn cmaf(frames: &[MediaFrame]) {
    for kind in [Kind::Video, Kind::Audio] {
        let samples: Vec<mp4::Sample> = frames
            .iter()
            .filter(|frame| frame.kind() == kind)
            .map(|frame| mp4::Sample {
                duration: 3000,
                composition: 0,
                key: frame.key || kind == Kind::Audio,
                payload: frame.payload.clone(),
            })
            .collect();
        for (part, samples) in samples.chunks(FRAME_RATE as usize / 2).enumerate() {
            black_box(mp4::fragment(part as u32, part as u64 * 45_000, samples));
        }
    }
}

/// Segments of two seconds with parts of 200 ms, as the packager of a live stream has them made.
fn segments(frames: &[MediaFrame], hls: bool, cmaf: bool) {
    let mut settings = Settings::default();
    (settings.hls, settings.cmaf) = (hls, cmaf);
    let mut segmenter = Segmenter::new(Options::default(), &settings);
    for frame in frames {
        if segmenter.push(frame, SystemTime::UNIX_EPOCH) {
            black_box(segmenter.open());
            black_box(segmenter.take_closed());
        }
    }
    segmenter.interrupt();
    black_box(segmenter.take_closed());
}

/// What is on: MPEG-TS, CMAF.
const SEGMENTED: [(&str, bool, bool); 3] = [
    ("segments, MPEG-TS", true, false),
    ("segments, CMAF", false, true),
    ("segments, both", true, true),
];

criterion_group!(benches, formats);
criterion_main!(benches);
