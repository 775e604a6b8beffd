use std::sync::Arc;

use bytes::Bytes;
use lsv_core::codec::aac;
use lsv_core::media::{Codec, Kind, MediaFrame, Track};
use lsv_core::time::Timestamp;
use mpeg2ts::pes::{PesPacketReader, ReadPesPacket};
use mpeg2ts::ts::TsPacketReader;

use super::super::synthetic::{Rig, Source};
use crate::segmenter::Segment;
use crate::testing::{self, AUDIO, VIDEO, access_unit};

/// AAC LC of another rate, in mono.
fn other_sound() -> Arc<Track> {
    let config = aac::Config::parse(Bytes::from_static(&[0x11, 0x88])).unwrap();
    Arc::new(Track::new(Kind::Audio, Codec::Aac(config)))
}

/// A group of ten seconds whose sound changes at `at`, each frame with its number in it.
fn changing(at: i64, source: &Source) -> Vec<MediaFrame> {
    let mut frames = source.frames(14_000);
    let other = other_sound();
    for (number, frame) in frames.iter_mut().enumerate() {
        if frame.kind() == Kind::Audio && frame.dts >= Timestamp::from_millis(at) {
            frame.track = Arc::clone(&other);
        }
        frame.payload = numbered(frame, number);
    }
    frames
}

fn numbered(frame: &MediaFrame, number: usize) -> Bytes {
    let number = format!("<{number}>");
    match frame.kind() {
        Kind::Video => {
            let header = if frame.key { 0x65 } else { 0x41 };
            access_unit(&[&[&[header], number.as_bytes()].concat()])
        }
        _ => Bytes::from(number),
    }
}

/// The numbers in `bytes`, in their order.
fn numbers(bytes: &[u8]) -> Vec<usize> {
    let parts = bytes.split(|byte| *byte == b'<').skip(1);
    let number = |part: &[u8]| {
        let end = part.iter().position(|byte| *byte == b'>')?;
        str::from_utf8(&part[..end]).ok()?.parse().ok()
    };
    parts.filter_map(number).collect()
}

fn of_kind(frames: &[MediaFrame], kind: Kind) -> Vec<usize> {
    let numbered = frames.iter().enumerate();
    let of_kind = numbered.filter(|(_, frame)| frame.kind() == kind);
    of_kind.map(|(number, _)| number).collect()
}

/// What the CMAF renditions and the transport streams of `segments` have of a kind.
fn carried(segments: &[Arc<Segment>], kind: Kind) -> [Vec<usize>; 2] {
    let track = if kind == Kind::Video { VIDEO } else { AUDIO };
    let (mut cmaf, mut ts) = (Vec::new(), Vec::new());
    for segment in segments {
        cmaf.extend(
            segment
                .rendition(track)
                .map_or(vec![], |it| numbers(&it.bytes)),
        );
        let mut reader =
            PesPacketReader::new(TsPacketReader::new(&segment.ts.as_ref().unwrap().bytes[..]));
        while let Some(packet) = reader.read_pes_packet().unwrap() {
            if packet.header.stream_id.is_video() == (kind == Kind::Video) {
                ts.extend(numbers(&packet.data));
            }
        }
    }
    [cmaf, ts]
}

#[test]
fn a_change_of_sound_in_mid_group_loses_neither_sound_nor_pictures() {
    let long = Source {
        gop: 300,
        ..Source::default()
    };
    let shuffled = Source {
        b_frames: true,
        ..long.clone()
    };
    for source in [long, shuffled] {
        // In mid-group, right behind a key frame that opens a segment, and so late that pictures stand in several of them.
        for at in [3_300, 10_010, 9_800] {
            // How much later than its pictures the sound comes.
            for lag in [0, 300, -1_500] {
                check(at, lag, &source);
            }
        }
    }
}

fn check(at: i64, lag: i64, source: &Source) {
    let mut frames = changing(at, source);
    frames.sort_by_key(|frame| match frame.kind() {
        Kind::Audio => frame.dts + Timestamp::from_millis(lag),
        _ => frame.dts,
    });
    let first = frames.iter().position(|frame| frame.key).unwrap();
    frames.drain(..first);
    for (number, frame) in frames.iter_mut().enumerate() {
        frame.payload = numbered(frame, number);
    }
    let mut rig = Rig::new();
    rig.segmenter.announce(&testing::tracks(
        Some(&testing::video()),
        Some(&testing::audio()),
    ));
    rig.push(&frames);
    rig.end();
    let case = format!("changed at {at}, {lag} ms later");
    for sound in carried(&rig.closed, Kind::Audio) {
        assert_eq!(sound, of_kind(&frames, Kind::Audio), "{case}");
    }
    for mut pictures in carried(&rig.closed, Kind::Video) {
        pictures.sort_unstable();
        pictures.dedup();
        assert_eq!(pictures, of_kind(&frames, Kind::Video), "{case}");
    }
    let runs: Vec<&[Arc<Segment>]> = rig
        .closed
        .chunk_by(|one, other| one.run.number == other.run.number)
        .collect();
    assert_eq!(runs.len(), 2, "{case}");
    assert!(runs[1][0].discontinuity);
    let [before, after] = [0, 1].map(|run| &runs[run][0].run);
    assert_ne!(before.inits[1].bytes, after.inits[1].bytes, "{case}");
    assert_eq!(before.inits[0].number, after.inits[0].number, "{case}");
    for segment in &rig.closed {
        let pictures = segment.video().unwrap();
        assert!(pictures.independent || !segment.discontinuity, "{case}");
        assert_eq!(
            pictures.independent,
            segment.ts.as_ref().unwrap().independent
        );
    }
    // Time goes on where it was: the repeated pictures take none that anybody sees.
    let played: f64 = rig
        .closed
        .iter()
        .map(|segment| segment.duration.as_secs_f64())
        .sum();
    let over = played - 14.0;
    let skew = lag.unsigned_abs() as f64 / 1000.0;
    assert!(
        (-0.05..0.2 + skew).contains(&over),
        "{case}: {over} s too long"
    );
}

#[test]
fn a_change_of_one_sound_loses_nothing_of_another() {
    let commentary = |codec: &Arc<Track>| Arc::new(Track::clone(codec).with_id(1));
    let (sound, other) = (commentary(&testing::audio()), commentary(&other_sound()));
    let mut frames = Vec::new();
    for frame in (Source {
        gop: 300,
        ..Source::default()
    })
    .frames(14_000)
    {
        let mut beside = frame.clone();
        beside.is_default = false;
        let has_changed = frame.dts.as_millis() >= 3_300;
        beside.track = Arc::clone(if has_changed { &other } else { &sound });
        if frame.kind() == Kind::Audio {
            frames.push(beside);
        }
        frames.push(frame);
    }
    for (number, frame) in frames.iter_mut().enumerate() {
        frame.payload = numbered(frame, number);
    }
    let mut rig = Rig::new();
    rig.push(&frames);
    rig.end();
    for (index, track) in [AUDIO, sound.name()].into_iter().enumerate() {
        let renditions = rig
            .closed
            .iter()
            .filter_map(|segment| segment.rendition(track));
        let carried: Vec<usize> = renditions.flat_map(|it| numbers(&it.bytes)).collect();
        let sent = frames.iter().enumerate();
        let sent = sent.filter(|(_, frame)| frame.track.name() == track);
        let sent: Vec<usize> = sent.map(|(number, _)| number).collect();
        assert_eq!(carried, sent, "sound {index}");
    }
}

#[test]
fn changes_of_sound_without_end_repeat_pictures_once_a_second() {
    let source = Source {
        gop: 300,
        ..Source::default()
    };
    let (sound, other) = (testing::audio(), other_sound());
    let mut frames = source.frames(20_000);
    let sounds = frames
        .iter_mut()
        .filter(|frame| frame.kind() == Kind::Audio);
    for (number, frame) in sounds.enumerate() {
        frame.track = Arc::clone([&sound, &other][number % 2]);
    }
    let mut rig = Rig::new();
    rig.push(&frames);
    rig.end();
    let runs = rig.closed.last().unwrap().run.number + 1;
    assert!((15..=22).contains(&runs), "{runs} runs");
    let pictures = rig.closed.iter().filter_map(|segment| segment.video());
    let pictures: u32 = pictures.map(|pictures| pictures.samples).sum();
    assert!(pictures < 600 + 20 * 300, "{pictures} pictures of 600");
}

#[test]
fn a_group_too_large_to_be_repeated_is_waited_for() {
    let options = crate::segmenter::Options {
        segment_bytes: 40_000,
        ..Default::default()
    };
    let mut rig = Rig::with(options, Default::default());
    let mut frames = Source {
        gop: 60,
        ..Source::default()
    }
    .frames(6_000);
    let other = other_sound();
    for frame in frames
        .iter_mut()
        .filter(|frame| frame.dts.as_millis() > 1_900)
    {
        if frame.kind() == Kind::Audio {
            frame.track = Arc::clone(&other);
        }
    }
    rig.push(&frames);
    rig.end();
    let breaks = rig.closed.iter().filter(|segment| segment.discontinuity);
    let breaks: Vec<i64> = breaks.map(|segment| segment.start.as_millis()).collect();
    assert_eq!(breaks, [2_000]);
}
