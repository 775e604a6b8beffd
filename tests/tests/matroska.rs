//! The Matroska feed of child processes, as ffmpeg reads it from a pipe.

use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use lsv_core::{
    channel::{LogLevel, TaskSize},
    codec::FourCc,
    media::{Codec, Kind, MediaFrame, Track},
    time::Timestamp,
};
use lsv_mux::{
    flv::Frames,
    mkv::Muxer,
    process::{Child, Ffmpeg, Options, arguments::Arguments},
};
use lsv_tests::{
    PATIENCE, Process,
    peers::{self, Audio, Clip, Video},
};
use tempfile::TempDir;

#[tokio::test]
async fn every_codec_arrives_as_it_was_sent() {
    let ffmpegs = ffmpegs().await;
    for (video, audio) in [
        (Video::H264, &[Audio::Aac, Audio::Mp3][..]),
        (Video::Hevc, &[Audio::Opus]),
        (Video::Av1, &[Audio::Flac]),
        (Video::Vp9, &[Audio::Ac3, Audio::AacSurround]),
        (Video::Vp9, &[Audio::Eac3, Audio::OpusSurround]),
    ] {
        if video != Video::H264 && !peers::there("a new ffmpeg", ffmpegs.len() > 1) {
            continue;
        }
        for audio in audio {
            let clip = Clip {
                video: &[video],
                audio: &[*audio],
            };
            let (tracks, frames) = frames_of(clip).await;
            assert_eq!(tracks.len(), 2, "{clip:?}");
            for ffmpeg in &ffmpegs {
                assert_arrives(ffmpeg, &tracks, &frames).await;
            }
        }
    }
}

#[tokio::test]
async fn one_track_alone_arrives() {
    let (tracks, frames) = frames_of(Clip::PLAIN).await;
    for ffmpeg in ffmpegs().await {
        for track in &tracks {
            let frames: Vec<_> = frames
                .iter()
                .filter(|frame| frame.kind() == track.kind)
                .cloned()
                .collect();
            assert_arrives(&ffmpeg, &[Arc::clone(track)], &frames).await;
        }
    }
}

/// Whose size only its frames tell.
#[tokio::test]
async fn vp8_arrives() {
    let (track, frames) = vp8().await;
    for ffmpeg in ffmpegs().await {
        assert_arrives(&ffmpeg, &[Arc::clone(&track)], &frames).await;
    }
}

/// Both what Debian has and what is new.
async fn ffmpegs() -> Vec<Ffmpeg> {
    let mut found = vec![Ffmpeg::find(None).await.expect("ffmpeg")];
    if let Some(new) = peers::new_ffmpeg() {
        found.push(Ffmpeg::find(Some(new)).await.expect("ffmpeg"));
    }
    found
}

/// The tracks of a clip with what their key frames brought, and its frames, whose times do not begin at zero.
async fn frames_of(clip: Clip<'_>) -> (Vec<Arc<Track>>, Vec<MediaFrame>) {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("clip.flv");
    clip.encode(2, &file).await;
    let mut reader = Frames::default();
    reader.push(&std::fs::read(&file).expect("a clip"));
    let mut frames = Vec::new();
    while let Some(mut frame) = reader.next().expect("FLV") {
        if frame.kind() != Kind::Data {
            frame.dts = frame.dts + std::time::Duration::from_secs(100_000);
            frames.push(frame);
        }
    }
    let first = |kind| frames.iter().find(|frame| frame.kind() == kind);
    let firsts = [first(Kind::Video), first(Kind::Audio)];
    let tracks = firsts.into_iter().flatten();
    (
        tracks.map(|frame| Arc::clone(&frame.track)).collect(),
        frames,
    )
}

/// No ffmpeg writes VP8 into FLV; IVF has a header of 32 bytes, and 12 before each frame.
async fn vp8() -> (Arc<Track>, Vec<MediaFrame>) {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("clip.ivf");
    let picture = "testsrc2=size=160x90:rate=25:duration=2";
    let line = ["-v", "error", "-f", "lavfi", "-i", picture];
    let line = [
        &line[..],
        &["-c:v", "libvpx", file.to_str().expect("a path in UTF-8")],
    ]
    .concat();
    assert!(Process::start("ffmpeg", line).ended().await.success());
    let codec = Codec::Other {
        fourcc: FourCc::VP08,
        config: Bytes::new(),
    };
    let track = Arc::new(Track::new(Kind::Video, codec));
    let mut rest = Bytes::from(std::fs::read(&file).expect("a clip")).split_off(32);
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let length = rest.get_u32_le() as usize;
        rest.advance(8);
        let payload = rest.split_to(length);
        let at = Timestamp::from_millis(40 * frames.len() as i64);
        let mut frame = MediaFrame::new(&track, at, payload);
        frame.key = frame.payload[0] & 1 == 0;
        frames.push(frame);
    }
    (track, frames)
}

/// ffmpeg decodes all of it without a word, and passes on what was sent at the times that were sent.
async fn assert_arrives(ffmpeg: &Ffmpeg, tracks: &[Arc<Track>], frames: &[MediaFrame]) {
    let muxer = Muxer::new(tracks, Default::default()).expect("known codecs");
    let mut pieces = vec![muxer.header()];
    for frame in frames {
        pieces.extend(muxer.frame(frame).expect("a frame of the tracks"));
    }
    let mut line = Arguments::new(LogLevel::Warning);
    line.flag("-xerror").feed();
    line.option("-map", "0").option("-c", "copy");
    line.option("-f", "framecrc").flag("pipe:1");
    line.option("-map", "0").option("-f", "null").flag("-");
    let options = Options::new("reader", TaskSize::Medium);
    let mut child = Child::spawn(ffmpeg, line.into_vec(), options).expect("ffmpeg");
    let (mut input, mut output) = (
        child.take_input().expect("input"),
        child.take_output().expect("output"),
    );
    let feeding = tokio::spawn(async move { input.send(pieces).await });
    let mut list = Vec::new();
    while let Some(bytes) = output.read().await.expect("output") {
        list.extend_from_slice(&bytes);
    }
    let version = ffmpeg.version();
    let said = child.said();
    child.finish(PATIENCE).await.expect("a good end");
    feeding.await.expect("no panic").expect("all was read");
    assert_eq!(said.last_lines(), [""; 0], "{version}: {tracks:?}");
    let list = String::from_utf8(list).expect("text");
    for (index, track) in tracks.iter().enumerate() {
        let sent: Vec<_> = frames
            .iter()
            .filter(|frame| frame.kind() == track.kind)
            .map(|frame| (frame.pts().to_scale(1_000_000), frame.payload.len()))
            .collect();
        assert!(sent.len() > 40, "{track:?}");
        assert_eq!(listed(&list, index), sent, "{version}: {track:?}");
    }
}

/// Presentation times and sizes of a stream's packets.
fn listed(list: &str, stream: usize) -> Vec<(i64, usize)> {
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let fields = lines.map(|line| line.split(',').map(str::trim).collect::<Vec<_>>());
    fields
        .filter(|fields| fields[0] == stream.to_string())
        .map(|fields| (number(fields[2]), number(fields[4]) as usize))
        .collect()
}

fn number(text: &str) -> i64 {
    text.parse().expect("a number")
}
