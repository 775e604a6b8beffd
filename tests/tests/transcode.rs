//! A clip through a real ffmpeg and back: as Matroska in, as renditions in fragmented MP4 out.

use std::{collections::BTreeSet, sync::Arc};

use lsv_core::{
    channel::{LogLevel, TaskSize},
    media::{Kind, MediaFrame, Track},
    time::Timestamp,
};
use lsv_mux::{
    flv::Frames,
    mkv::Muxer,
    mp4::demux::{Demuxer, Event},
    process::{Child, Ffmpeg, Options, arguments::Arguments},
};
use lsv_tests::{PATIENCE, Process, peers};
use tempfile::TempDir;

/// B-frames, key frames at odd distances, times that are those of a stream that has been live for a day.
#[tokio::test]
async fn renditions_have_the_times_and_key_frames_of_their_source() {
    let frames = source().await;
    for ffmpeg in ffmpegs().await {
        let (tracks, read) = transcode(&ffmpeg, &frames).await;
        let sizes: Vec<_> = tracks
            .iter()
            .filter_map(|track| track.codec.picture())
            .map(|picture| (picture.width, picture.height))
            .collect();
        assert_eq!(sizes, [(160, 90), (96, 54)]);
        assert_eq!(tracks.len(), 3);
        let source = times(frames.iter().filter(|frame| frame.kind() == Kind::Video));
        let keys = |(_, key): &&(i64, bool)| *key;
        assert_eq!(source.iter().filter(keys).count(), 4);
        for rendition in 0..2 {
            let rendition = read
                .iter()
                .filter(|(track, _)| *track == rendition)
                .map(|(_, frame)| frame);
            assert_eq!(times(rendition), source, "{}", ffmpeg.version());
        }
        let sounds = |frames: &[&MediaFrame]| {
            let at = |frame: Option<&&MediaFrame>| frame.map_or(0, |frame| frame.pts().as_millis());
            (at(frames.first()), at(frames.last()))
        };
        let sent: Vec<_> = frames
            .iter()
            .filter(|frame| frame.kind() == Kind::Audio)
            .collect();
        let got: Vec<_> = read
            .iter()
            .filter(|(track, _)| *track == 2)
            .map(|(_, frame)| frame)
            .collect();
        let (sent, got) = (sounds(&sent), sounds(&got));
        // An encoder of AAC gives a frame ahead of the first one, and ends within one of the last.
        assert!(
            (got.0 - sent.0).abs() <= 45 && (got.1 - sent.1).abs() <= 45,
            "{got:?} for {sent:?}"
        );
    }
}

/// Presentation times of pictures in microseconds, in their order, and which are key frames.
fn times<'a>(frames: impl Iterator<Item = &'a MediaFrame>) -> Vec<(i64, bool)> {
    let times: BTreeSet<_> = frames
        .map(|frame| (frame.pts().to_scale(90_000), frame.key))
        .collect();
    times.into_iter().collect()
}

async fn ffmpegs() -> Vec<Ffmpeg> {
    let mut found = vec![Ffmpeg::find(None).await.expect("ffmpeg")];
    if let Some(new) = peers::new_ffmpeg() {
        found.push(Ffmpeg::find(Some(new)).await.expect("ffmpeg"));
    }
    found
}

async fn source() -> Vec<MediaFrame> {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("source.flv");
    let name = file.to_str().expect("a path in UTF-8");
    let picture = "testsrc2=size=320x180:rate=30000/1001:duration=4";
    let tone = "sine=frequency=440:sample_rate=44100:duration=4";
    let line = [
        "-v", "error", "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone,
    ];
    let encoder = [
        "-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "300", "-c:a", "aac",
    ];
    let keys = ["-force_key_frames", "0,0.7,1.9,3.3", name];
    let line = [&line[..], &encoder, &keys].concat();
    assert!(Process::start("ffmpeg", line).ended().await.success());
    let mut reader = Frames::default();
    reader.push(&std::fs::read(&file).expect("a clip"));
    let mut frames = Vec::new();
    while let Some(mut frame) = reader.next().expect("FLV") {
        if frame.kind() != Kind::Data {
            frame.dts = frame.dts + A_DAY;
            frames.push(frame);
        }
    }
    frames
}

async fn transcode(
    ffmpeg: &Ffmpeg,
    frames: &[MediaFrame],
) -> (Vec<Arc<Track>>, Vec<(usize, MediaFrame)>) {
    let first = |kind| {
        frames
            .iter()
            .find(|frame| frame.kind() == kind)
            .map(|frame| Arc::clone(&frame.track))
    };
    let tracks: Vec<_> = [first(Kind::Video), first(Kind::Audio)]
        .into_iter()
        .flatten()
        .collect();
    let muxer = Muxer::new(&tracks, Default::default()).expect("H.264 and AAC");
    let mut pieces = vec![muxer.header()];
    for frame in frames {
        pieces.extend(muxer.frame(frame).expect("a frame of the tracks"));
    }
    let options = Options::new("encoder", TaskSize::Large);
    let mut child = Child::spawn_with(ffmpeg, 3, arguments, options).expect("ffmpeg");
    let (mut input, mut outputs) = (
        child.take_input().expect("input"),
        child.take_outputs().expect("outputs"),
    );
    let feeding = tokio::spawn(async move { input.send(pieces).await });
    let mut demuxers = [(); 3].map(|()| Demuxer::default());
    let (mut known, mut read) = (vec![None; 3], Vec::new());
    while let Some((output, bytes)) = outputs.read().await.expect("outputs") {
        demuxers[output].push(bytes);
        while let Some(event) = demuxers[output].next().expect("MP4") {
            match event {
                Event::Tracks(tracks) => known[output] = tracks.into_iter().next(),
                Event::Frame { frame, .. } => read.push((output, frame)),
                _ => {}
            }
        }
    }
    let said = child.said();
    child.finish(PATIENCE).await.expect("a good end");
    feeding.await.expect("no panic").expect("all was read");
    assert_eq!(said.last_lines(), [""; 0], "{}", ffmpeg.version());
    (known.into_iter().flatten().collect(), read)
}

fn arguments(addresses: &[String]) -> Vec<std::ffi::OsString> {
    let mut line = Arguments::new(LogLevel::Warning);
    line.feed();
    let filter = "[0:v]split[a][b];[a]scale=160:90[big];[b]scale=96:54[small]";
    line.option("-filter_complex", filter);
    for (rendition, address) in ["[big]", "[small]"].into_iter().zip(addresses) {
        line.option("-map", rendition).option("-c:v", "libx264");
        line.option("-preset", "veryfast").option("-g", "9999");
        line.option("-sc_threshold", "0");
        line.option("-force_key_frames", "source");
        line.option("-fps_mode", "passthrough");
        line.option("-enc_time_base:v", "1:90000");
        line.threads(TaskSize::Large).fragments_to(address);
    }
    line.option("-map", "0:a").option("-c:a", "aac");
    line.fragments_to(&addresses[2]);
    line.into_vec()
}

const A_DAY: Timestamp = Timestamp::from_millis(86_400_000);
