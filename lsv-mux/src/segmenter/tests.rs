use std::time::Duration;

use bytes::Bytes;
use lsv_core::codec::{aac, avc};
use lsv_core::media::{Codec, Kind, MediaFrame, Track, TrackName};
use lsv_core::time::Timestamp;
use proptest::prelude::*;

use super::synthetic::{Rig, Source, base};
use super::*;
use crate::testing::{self, VIDEO};

fn millis(segment: &Segment) -> u128 {
    segment.duration.as_millis()
}

fn ticks(segments: &[Arc<Segment>], track: TrackName) -> u64 {
    segments
        .iter()
        .filter_map(|segment| segment.rendition(track))
        .map(|rendition| rendition.duration)
        .sum()
}

#[test]
fn one_second_groups_make_two_second_segments() {
    let mut rig = Rig::new();
    rig.push(&Source::default().frames(20_500));
    assert_eq!(rig.closed.len(), 10);
    for (n, segment) in rig.closed.iter().enumerate() {
        assert_eq!(segment.sequence, 1000 + n as u64);
        assert_eq!(millis(segment), 2000);
        assert!(!segment.discontinuity);
        let video = segment.video().unwrap();
        assert_eq!(
            (video.duration, video.samples, video.independent),
            (180_000, 60, true)
        );
        assert!(segment.ts.as_ref().unwrap().independent);
        let audio = segment.audio().unwrap();
        assert!((audio.seconds() - 2.0).abs() < 0.03, "{}", audio.seconds());
    }
}

#[test]
fn the_first_segment_and_parts_come_at_once() {
    let mut rig = Rig::new();
    rig.push(&Source::default().frames(300));
    let open = rig.snapshot.open.as_ref().unwrap();
    assert_eq!(open.video().unwrap().parts.len(), 1);
    rig.push(&Source::default().frames(2_040)[22..]);
    assert_eq!(rig.closed.len(), 1);
}

#[test]
fn groups_longer_than_the_target_make_longer_segments() {
    let mut rig = Rig::new();
    rig.push(
        &Source {
            gop: 150,
            ..Source::default()
        }
        .frames(16_000),
    );
    assert_eq!(
        rig.closed
            .iter()
            .map(|segment| millis(segment))
            .collect::<Vec<_>>(),
        [5000, 5000, 5000]
    );
}

#[test]
fn regular_groups_are_not_cut_in_between_however_their_length_rounds() {
    for gop in 60..=90 {
        let source = Source {
            gop,
            ..Source::default()
        };
        let mut rig = Rig::new();
        assert_target_duration_holds(&mut rig, &source.frames(20_000));
        for segment in &rig.closed {
            let video = segment.video().unwrap();
            assert_eq!((video.samples, video.independent), (gop, true));
            assert!(!segment.discontinuity);
        }
    }
}

#[test]
fn a_key_frame_right_behind_a_cut_makes_no_discontinuity() {
    let mut frames = Source {
        fps_millis: 60_000,
        gop: 120,
        ..Source::default()
    }
    .frames(10_000);
    // Longer by some milliseconds than the target duration allows.
    let later = Source {
        fps_millis: 60_000,
        gop: 139,
        start: 10_000,
        ..Source::default()
    };
    frames.extend(later.frames(60_000));
    let pictures = frames.iter().filter(|frame| frame.kind() == Kind::Video);
    let pictures = pictures.count() as u32;
    let mut rig = Rig::new();
    assert_target_duration_holds(&mut rig, &frames);
    rig.end();
    assert!(rig.closed.iter().all(|segment| !segment.discontinuity));
    let packaged = rig.closed.iter().filter_map(|segment| segment.video());
    assert_eq!(packaged.map(|video| video.samples).sum::<u32>(), pictures);
}

#[test]
fn without_key_frames_segments_are_cut_by_time_and_say_so() {
    let mut rig = Rig::new();
    rig.push(
        &Source {
            gop: 100_000,
            ..Source::default()
        }
        .frames(40_000),
    );
    assert_eq!(rig.closed.len(), 3);
    let independent: Vec<bool> = rig
        .closed
        .iter()
        .map(|segment| segment.ts.as_ref().unwrap().independent)
        .collect();
    assert_eq!(independent, [true, false, false]);
    assert!(
        rig.closed
            .iter()
            .all(|segment| !segment.discontinuity && millis(segment) <= 12_040)
    );
    assert_eq!(ticks(&rig.closed, VIDEO), 36_000 * 90);
}

/// What playlists promise holds from when it is first told.
fn assert_target_duration_holds(rig: &mut Rig, frames: &[MediaFrame]) {
    let mut told = None;
    rig.push_each(frames, |snapshot| {
        if snapshot.target_known {
            assert_eq!(
                *told.get_or_insert(snapshot.target_duration),
                snapshot.target_duration
            );
        }
    });
    let told = told.unwrap_or_default();
    for segment in &rig.closed {
        let renditions = segment.renditions.iter().map(Rendition::seconds);
        let longest = renditions.fold(segment.duration.as_secs_f64(), f64::max);
        assert!(longest.round() as u64 <= told, "{longest} of {told}");
    }
}

#[test]
fn a_target_duration_once_told_holds_when_key_frames_get_rare() {
    for b_frames in [false, true] {
        let mut frames = Source {
            gop: 60,
            b_frames,
            ..Source::default()
        }
        .frames(10_000);
        let later = Source {
            gop: 240,
            b_frames,
            start: 10_000,
            ..Source::default()
        };
        frames.extend(later.frames(24_000));
        let mut rig = Rig::new();
        assert_target_duration_holds(&mut rig, &frames);
        let video: Vec<&Rendition> = rig
            .closed
            .iter()
            .filter_map(|segment| segment.video())
            .collect();
        assert!(video[..5].iter().all(|video| video.independent));
        // The three key frames after that open a segment each, and nothing else pretends to be one.
        let independent: Vec<i64> = video[5..]
            .iter()
            .filter(|video| video.independent)
            .map(|video| video.base / 90)
            .collect();
        assert_eq!(independent, [10_000, 18_000, 26_000]);
        assert_eq!(
            ticks(&rig.closed, VIDEO) / 90,
            (video.last().unwrap().base / 90) as u64 + video.last().unwrap().duration / 90
        );
        assert!(rig.closed.iter().all(|segment| !segment.discontinuity));
    }
}

#[test]
fn a_target_duration_once_told_holds_for_slide_shows_with_sound() {
    let mut frames = Source::default().frames(6_000);
    let slides = Source {
        start: 6_000,
        ..Source::default()
    }
    .frames(30_000);
    let stands = |frame: &MediaFrame| frame.dts.as_millis() % 5_000 < 30;
    frames.extend(
        slides
            .into_iter()
            .filter(|frame| frame.kind() == Kind::Audio || stands(frame)),
    );
    let mut rig = Rig::new();
    assert_target_duration_holds(&mut rig, &frames);
    assert!(rig.closed.iter().all(|segment| !segment.discontinuity));
    assert!(rig.closed.iter().all(|segment| segment.audio().is_some()));
}

#[test]
fn a_target_duration_once_told_holds_for_pictures_without_sound() {
    let mut frames = Source::video_only().frames(6_000);
    let later = Source {
        start: 6_000,
        gop: 100_000,
        fps_millis: 1_500,
        ..Source::video_only()
    };
    frames.extend(later.frames(30_000));
    let mut rig = Rig::new();
    assert_target_duration_holds(&mut rig, &frames);
    assert!(rig.closed.len() > 12);
}

#[test]
fn sound_that_runs_ahead_does_not_hurry_the_pictures() {
    let mut rig = Rig::new();
    let tracks = testing::tracks(Some(&testing::video()), Some(&testing::audio()));
    rig.segmenter.announce(&tracks);
    let mut frames = Source::default().frames(20_000);
    // As it comes when an encoder holds its pictures back: each sound 1.5 s before the pictures that go with it.
    frames.sort_by_key(|frame| match frame.kind() {
        Kind::Audio => frame.dts,
        _ => frame.dts + Duration::from_millis(1_500),
    });
    assert_target_duration_holds(&mut rig, &frames);
    assert!(rig.closed.len() > 7);
    for segment in &rig.closed {
        assert!(segment.video().unwrap().independent && !segment.discontinuity);
        assert_eq!(millis(segment), 2_000);
    }
}

#[test]
fn too_many_bytes_cut_a_segment() {
    let options = Options {
        segment_bytes: 12_000,
        ..Options::default()
    };
    let mut rig = Rig::with(options, Default::default());
    rig.push(
        &Source {
            gop: 100_000,
            ..Source::default()
        }
        .frames(4_000),
    );
    assert!(rig.closed.len() > 3);
    assert!(
        rig.closed
            .iter()
            .all(|segment| segment.video().unwrap().size() < 12_000)
    );
}

#[test]
fn sound_alone_is_cut_by_time() {
    let mut rig = Rig::new();
    rig.push(&Source::audio_only().frames(10_500));
    assert!(rig.closed.len() >= 4);
    for segment in &rig.closed {
        assert!(segment.video().is_none() && segment.audio().is_some());
        assert!(
            (2_000..2_030).contains(&millis(segment)),
            "{}",
            millis(segment)
        );
    }
}

#[test]
fn sound_has_no_gaps_and_never_moves_for_rounding() {
    let mut rig = Rig::new();
    rig.push(&Source::audio_only().frames(60_000));
    let mut next = None;
    assert_eq!(rig.closed[0].audio().unwrap().start, 0);
    for audio in rig.closed.iter().filter_map(|segment| segment.audio()) {
        assert_eq!(audio.duration, u64::from(audio.samples) * 1024);
        assert_eq!(audio.start, next.unwrap_or(audio.start));
        next = Some(audio.start + audio.duration as i64);
    }
}

#[test]
fn a_hole_in_the_sound_stays_where_it_was() {
    let mut rig = Rig::new();
    let mut frames = Source::default().frames(8_000);
    let hole = Timestamp::from_millis(2_500)..Timestamp::from_millis(3_000);
    frames.retain(|frame| frame.kind() == Kind::Video || !hole.contains(&frame.dts));
    rig.push(&frames);
    let audio = rig.closed[2].audio().unwrap();
    assert!(
        (audio.start().as_secs_f64() - 4.0).abs() < 0.04,
        "{:?}",
        audio.start()
    );
}

#[test]
fn too_much_sound_is_squeezed_until_it_is_in_time() {
    let mut rig = Rig::new();
    let mut frames = Source::default().frames(8_000);
    for frame in &mut frames {
        if frame.kind() == Kind::Audio && frame.dts > Timestamp::from_millis(1_000) {
            frame.dts =
                (frame.dts - Timestamp::from_millis(300)).max(Timestamp::from_millis(1_000));
        }
    }
    frames.sort_by_key(|frame| frame.dts);
    rig.push(&frames);
    let audio = rig.closed[2].audio().unwrap();
    assert!(
        (audio.start().as_secs_f64() - 4.0).abs() < 0.05,
        "{:?}",
        audio.start()
    );
}

#[test]
fn sound_at_many_times_its_rate_does_not_run_away_from_the_pictures() {
    let mut rig = Rig::new();
    let frames = Source::default().frames(30_000);
    let sound = frames
        .iter()
        .filter(|frame| frame.kind() == Kind::Audio && frame.dts >= Timestamp::from_millis(2_000));
    // From the third second on eight frames where there is time for one.
    let more = sound.flat_map(|frame| vec![frame.clone(); 7]);
    let mut frames: Vec<MediaFrame> = frames.iter().cloned().chain(more).collect();
    frames.sort_by_key(|frame| frame.dts);
    assert_target_duration_holds(&mut rig, &frames);
    for segment in &rig.closed[1..] {
        let ahead = segment.audio().unwrap().start().as_millis() - segment.start.as_millis();
        assert!((-50..400).contains(&ahead), "{ahead} ms ahead");
    }
}

#[test]
fn parts_keep_to_their_target() {
    for fps_millis in [
        15_000, 23_976, 24_000, 25_000, 29_970, 30_000, 50_000, 59_940, 60_000, 120_000,
    ] {
        for source in [
            Source::default(),
            Source {
                b_frames: true,
                ..Source::default()
            },
            Source::audio_only(),
        ] {
            let gop = fps_millis / 1000 * 2;
            let mut rig = Rig::new();
            rig.push(
                &Source {
                    fps_millis,
                    gop,
                    ..source
                }
                .frames(20_000),
            );
            let target = rig.segmenter.part_target().unwrap().as_secs_f64();
            assert!((0.15..0.25).contains(&target), "{target}");
            for rendition in rig.closed.iter().flat_map(|segment| &segment.renditions) {
                let (last, parts) = rendition.parts.split_last().unwrap();
                let seconds =
                    |part: &Part| part.duration as f64 / f64::from(rendition.init.timescale);
                assert!(seconds(last) <= target);
                for part in parts {
                    assert!(
                        seconds(part) <= target && seconds(part) >= target * 0.85,
                        "{fps_millis}: {} of {target}",
                        seconds(part)
                    );
                }
            }
        }
    }
}

/// A pair of frame lengths has no common multiple near the configured one: PART-TARGET is where both come near enough.
#[test]
fn parts_of_pictures_and_sound_keep_to_one_target() {
    // AAC LC by its sampling frequency index, from 48 kHz to 8 kHz.
    let sounds = [3u8, 4, 5, 6, 7, 8, 9, 10, 11].map(|index| {
        let record = [0x10 | index >> 1, index << 7 | 0x10];
        let config = aac::Config::parse(Bytes::copy_from_slice(&record)).unwrap();
        Arc::new(Track::new(Kind::Audio, Codec::Aac(config)))
    });
    for sound in &sounds {
        // 1.024 s in 16 pictures among them.
        for (fps_millis, gop) in [(15_625, 16), (30_000, 30), (29_970, 60), (25_000, 50)] {
            let source = Source {
                fps_millis,
                gop,
                ..Source::video_only()
            };
            let mut frames = source.frames(12_000);
            let rate = i64::from(sound.codec.sound().unwrap().sample_rate);
            let times = (0..).map(|n| n * 1024 * 1000 / rate);
            frames.extend(
                times
                    .take_while(|at| *at < 12_000)
                    .map(|at| testing::frame(sound, at, false, Bytes::from_static(&[0x21; 40]))),
            );
            frames.sort_by_key(|frame| frame.dts);
            let mut rig = Rig::new();
            rig.push(&frames);
            let target = rig.segmenter.part_target().unwrap().as_secs_f64();
            assert!((0.15..0.3).contains(&target), "{target}");
            for rendition in rig.closed.iter().flat_map(|segment| &segment.renditions) {
                let (_, parts) = rendition.parts.split_last().unwrap();
                for part in parts {
                    let seconds = part.duration as f64 / f64::from(rendition.init.timescale);
                    assert!(
                        (0.85..=1.0).contains(&(seconds / target)),
                        "{fps_millis}, {rate} Hz: {seconds} of {target}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_new_epoch_is_one_discontinuity_with_the_same_header() {
    let mut rig = Rig::new();
    rig.push(&Source::default().frames(5_000));
    rig.push(
        &Source {
            epoch: 1,
            start: 5_040,
            ..Source::default()
        }
        .frames(5_000),
    );
    rig.end();
    let breaks: Vec<u64> = rig
        .closed
        .iter()
        .filter(|segment| segment.discontinuity)
        .map(|segment| segment.sequence)
        .collect();
    assert_eq!(breaks, [1003]);
    assert!((999..=1_001).contains(&millis(&rig.closed[2])));
    let inits: Vec<u64> = rig
        .closed
        .iter()
        .map(|segment| segment.video().unwrap().init.number)
        .collect();
    assert!(inits.iter().all(|number| *number == 1000));
}

#[test]
fn dates_do_not_go_back_where_pictures_come_to_be_shown_later() {
    let mut rig = Rig::new();
    rig.push(&Source::audio_only().frames(12_121));
    let slow = Source {
        fps_millis: 4_000,
        gop: 2,
        b_frames: true,
        epoch: 1,
        start: 12_161,
        ..Source::default()
    };
    rig.push(&slow.frames(6_000));
    let date = |segment: &Arc<Segment>| {
        let sound = segment.audio().unwrap();
        segment.run.wall(sound.steady_start(&segment.run))
    };
    assert!(rig.closed.iter().any(|segment| segment.discontinuity));
    assert!(rig.closed.is_sorted_by_key(date));
}

#[test]
fn a_publisher_lost_right_after_a_key_frame_leaves_no_gap() {
    let mut rig = Rig::new();
    let mut frames = Source::default().frames(4_100);
    // The key frame at 4 s opens a segment; then the connection is gone, before any sound of that segment.
    let key = frames
        .iter()
        .position(|frame| frame.key && frame.dts == Timestamp::from_millis(4_000));
    frames.truncate(key.unwrap() + 1);
    rig.push(&frames);
    let back = Source {
        epoch: 1,
        start: 4_040,
        ..Source::default()
    };
    rig.push(&back.frames(2_500));
    let sequences: Vec<u64> = rig.closed.iter().map(|segment| segment.sequence).collect();
    assert_eq!(sequences, [1000, 1001, 1002]);
    assert!(rig.closed[2].discontinuity);
    for segment in &rig.closed {
        assert!(segment.video().is_some() && segment.audio().is_some());
    }
}

#[test]
fn other_pictures_and_what_is_said_beside_a_codec_change_nothing() {
    let source = Source::default();
    let mut plain = Rig::new();
    plain.push(&source.frames(8_000));
    plain.end();
    let mut rig = Rig::new();
    for mut frame in source.frames(8_000) {
        let mut beside = frame.clone();
        beside.track = Arc::new(Track::clone(&frame.track).with_id(1));
        beside.is_default = false;
        if frame.dts.as_millis() >= 3_000 {
            let hdr = Some(Bytes::from_static(b"colorInfo"));
            frame.track = Arc::new(Track::clone(&frame.track).with_metadata(hdr));
        }
        if frame.kind() == Kind::Video {
            rig.push(&[beside]);
        }
        rig.push(&[frame]);
    }
    rig.end();
    let shape = |rig: &Rig| -> Vec<_> {
        let segment = |segment: &Arc<Segment>| {
            let ts = segment.ts.as_ref().map(|ts| ts.bytes.clone());
            (segment.duration, segment.discontinuity, ts)
        };
        rig.closed.iter().map(segment).collect()
    };
    assert!(plain.closed.len() > 2);
    assert!(
        shape(&rig) == shape(&plain),
        "not as without them: durations, discontinuities or bytes"
    );
}

#[test]
fn every_sound_has_a_rendition_and_may_be_silent_beside_the_default_one() {
    let commentary = Arc::new(Track::clone(&testing::audio()).with_id(2));
    let mut rig = Rig::new();
    for frame in Source::default().frames(8_000) {
        let mut beside = frame.clone();
        beside.track = Arc::clone(&commentary);
        beside.is_default = false;
        let millis = frame.dts.as_millis();
        let speaks = frame.kind() == Kind::Audio && !(3_000..7_000).contains(&millis);
        if speaks {
            rig.push(&[beside]);
        }
        rig.push(&[frame]);
    }
    rig.end();
    let with_commentary: Vec<bool> = rig
        .closed
        .iter()
        .map(|segment| segment.rendition(commentary.name()).is_some())
        .collect();
    assert_eq!(with_commentary[..4], [true, true, false, true]);
    let run = &rig.closed[0].run;
    let names: Vec<String> = run
        .inits
        .iter()
        .map(|init| init.track.name().to_string())
        .collect();
    assert_eq!(names, ["video", "audio", "audio2"]);
    assert!(
        rig.closed
            .iter()
            .all(|segment| Arc::ptr_eq(&segment.run, run))
    );
}

#[test]
fn an_announced_sound_that_comes_late_and_goes_again_breaks_nothing() {
    let commentary = Arc::new(Track::clone(&testing::audio()).with_id(1));
    let mut tracks = testing::tracks(Some(&testing::video()), Some(&testing::audio()));
    tracks.set(&commentary);
    let mut rig = Rig::new();
    rig.segmenter.announce(&tracks);
    for frame in Source::default().frames(20_000) {
        let mut beside = frame.clone();
        beside.track = Arc::clone(&commentary);
        beside.is_default = false;
        let speaks = [4..8, 14..16].iter().any(|range| {
            let millis = frame.dts.as_millis();
            (range.start * 1000..range.end * 1000).contains(&millis)
        });
        if frame.kind() == Kind::Audio && speaks {
            rig.push(&[beside]);
        }
        rig.push(&[frame]);
    }
    rig.end();
    let speaks: Vec<bool> = rig
        .closed
        .iter()
        .map(|segment| segment.rendition(commentary.name()).is_some())
        .collect();
    let silent = [false; 2];
    let heard = [true; 2];
    let expected = [&silent[..], &heard, &silent, &[false], &[true], &silent].concat();
    assert_eq!(speaks, expected);
    assert!(rig.closed.iter().all(|segment| !segment.discontinuity));
    assert_eq!(rig.closed[0].run.inits.len(), 3);
}

fn message(millis: i64, body: &'static [u8]) -> MediaFrame {
    let track = Arc::new(Track::new(Kind::Data, Codec::Data));
    testing::frame(&track, millis, false, Bytes::from_static(body))
}

#[test]
fn script_data_stays_in_its_segment_with_its_time() {
    let mut rig = Rig::new();
    let mut frames = Source::default().frames(6_100);
    for at in [-100, 100, 3_100, 3_200, 5_000] {
        frames.push(message(at, b"onCuePoint"));
    }
    frames.sort_by_key(|frame| frame.dts);
    rig.push(&frames);
    let events: Vec<Vec<i64>> = rig
        .closed
        .iter()
        .map(|segment| {
            let times = segment.events.iter().map(|event| event.at.as_millis());
            times.collect()
        })
        .collect();
    // What came before the first picture has no place.
    assert_eq!(events, [vec![100], vec![3_100, 3_200], vec![5_000]]);
    assert_eq!(rig.closed[1].events[0].body, &b"onCuePoint"[..]);
    assert!(rig.closed.iter().all(|segment| !segment.discontinuity));
}

#[test]
fn a_flood_of_script_data_is_bounded_and_makes_no_segments() {
    let mut rig = Rig::new();
    for n in 0..10_000 {
        rig.push(&[message(n, &[0; 100])]);
    }
    assert!(rig.closed.is_empty() && rig.segmenter.open().is_none());
    rig.push(&Source::default().frames(1_000));
    for n in 0..10_000 {
        rig.push(&[message(1_000 + n, &[0; 1_000])]);
    }
    rig.end();
    assert_eq!(rig.closed.len(), 1);
    let bytes: usize = rig.closed[0]
        .events
        .iter()
        .map(|event| event.body.len())
        .sum();
    assert!(bytes > 0 && bytes <= 64 << 10, "{bytes}");
}

#[test]
fn frames_without_bytes_are_passed_over() {
    let mut rig = Rig::new();
    let mut frames = Source::default().frames(4_100);
    for index in [5, 40, 41, 90] {
        let mut empty = frames[index].clone();
        empty.payload = Bytes::new();
        frames.insert(index, empty);
    }
    rig.push(&frames);
    assert_eq!(ticks(&rig.closed, VIDEO), 4_000 * 90);
    let samples: u32 = rig
        .closed
        .iter()
        .map(|segment| segment.video().unwrap().samples)
        .sum();
    assert_eq!(samples, 120);
}

#[test]
fn a_changed_configuration_brings_a_new_header() {
    let mut rig = Rig::new();
    rig.push(&Source::default().frames(4_000));
    let mut record = testing::AVC_RECORD.to_vec();
    record[3] = 0x1f;
    let config = avc::Config::parse(record.into()).unwrap();
    let changed = Arc::new(Track::new(Kind::Video, Codec::Avc(config)));
    rig.push(
        &Source {
            video: Some(changed),
            start: 4_000,
            ..Source::default()
        }
        .frames(4_000),
    );
    rig.end();
    let video: Vec<(bool, u64)> = rig
        .closed
        .iter()
        .map(|segment| (segment.discontinuity, segment.video().unwrap().init.number))
        .collect();
    assert_eq!(
        video,
        [(false, 1000), (false, 1000), (true, 1002), (false, 1002)]
    );
    assert_eq!(rig.closed[3].audio().unwrap().init.number, 1000);
}

#[test]
fn a_lost_track_and_its_return_are_new_runs() {
    let mut rig = Rig::new();
    rig.push(&Source::default().frames(4_000));
    rig.push(
        &Source {
            start: 4_000,
            ..Source::audio_only()
        }
        .frames(20_000),
    );
    assert!(rig.closed.last().unwrap().video().is_none());
    rig.push(
        &Source {
            start: 24_000,
            ..Source::default()
        }
        .frames(4_100),
    );
    assert!(rig.closed.last().unwrap().video().is_some());
    assert_eq!(
        rig.closed
            .iter()
            .filter(|segment| segment.discontinuity)
            .count(),
        2
    );
}

#[test]
fn a_track_that_cmaf_does_not_carry_leaves_the_other() {
    let mut rig = Rig::new();
    rig.push(
        &Source {
            video: Some(testing::other()),
            ..Source::default()
        }
        .frames(6_000),
    );
    assert!(rig.closed.len() >= 2);
    assert!(rig.closed.iter().all(|segment| segment.video().is_none()
        && segment.audio().is_some()
        && segment.ts.is_some()));
}

#[test]
fn formats_follow_the_settings() {
    let mut rig = Rig::new();
    rig.configure(|settings| settings.cmaf = false);
    rig.push(&Source::default().frames(4_040));
    assert!(
        rig.closed
            .iter()
            .all(|segment| segment.video().is_none() && segment.ts.is_some())
    );
    rig.configure(|settings| {
        settings.cmaf = true;
        settings.hls = false;
        settings.segment = Duration::from_secs(4);
    });
    rig.push(
        &Source {
            start: 5_000,
            ..Source::default()
        }
        .frames(10_000),
    );
    let last = rig.closed.last().unwrap();
    assert!(last.video().is_some() && last.ts.is_none() && !last.discontinuity);
    assert_eq!(millis(last), 4_000);
}

#[test]
fn sound_alone_after_a_reconnect_goes_on_at_once() {
    let with_pictures = Source::default().frames(30_000);
    let alone = Source {
        epoch: 1,
        start: 31_000,
        ..Source::audio_only()
    };
    let mut rig = Rig::new();
    let (video, audio) = (testing::video(), testing::audio());
    rig.segmenter
        .announce(&testing::tracks(Some(&video), Some(&audio)));
    rig.push(&with_pictures);
    rig.segmenter.announce(&testing::tracks(None, Some(&audio)));
    rig.push(&alone.frames(9_000));
    let mut behind = rig
        .closed
        .iter()
        .skip_while(|segment| !segment.discontinuity);
    let first = behind.next().unwrap();
    assert_eq!(first.start, Timestamp::from_millis(31_000));
    assert_eq!(first.wall(), base() + Duration::from_secs(31));
    assert_eq!(behind.count(), 3);
}

#[test]
fn pictures_after_a_reconnect_are_waited_for_up_to_their_key_frame() {
    let later = Source {
        epoch: 1,
        start: 11_000,
        gop: 300,
        ..Source::default()
    };
    let mut rig = Rig::new();
    rig.push(&Source::default().frames(10_000));
    // The publisher comes in between two key frames.
    rig.push(&later.frames(20_000)[10..]);
    rig.end();
    let mut behind = rig
        .closed
        .iter()
        .skip_while(|segment| !segment.discontinuity);
    let first = behind.next().unwrap();
    assert_eq!(first.wall(), base() + Duration::from_secs(21));
    assert!(first.video().unwrap().independent && behind.all(|segment| !segment.discontinuity));
}

#[test]
fn frames_at_one_time_still_have_length() {
    let mut rig = Rig::new();
    let mut frames = Source::video_only().frames(4_000);
    for frame in &mut frames {
        frame.dts = Timestamp::from_millis(frame.dts.as_millis() / 100 * 100);
    }
    rig.push(&frames);
    rig.end();
    assert_eq!(ticks(&rig.closed, VIDEO).div_ceil(9000), 40);
}

/// `count` frames of a few bytes, all of one moment.
fn flood(track: &Arc<Track>, count: usize) -> Vec<MediaFrame> {
    let picture = |n| testing::frame(track, 0, n == 0, testing::access_unit(&[&[0x41]]));
    (0..count).map(picture).collect()
}

#[test]
fn frames_at_one_time_are_not_held_without_bound() {
    let mut rig = Rig::new();
    rig.push(&flood(&testing::video(), 3_000));
    assert!(rig.segmenter.open().is_some());
}

#[test]
fn what_tiny_frames_grow_to_is_bounded() {
    let options = Options {
        segment_bytes: 100_000,
        ..Options::default()
    };
    let mut rig = Rig::with(options, Default::default());
    rig.push(&flood(&testing::video(), 3_000));
    assert!(rig.closed.len() > 1);
    for segment in &rig.closed {
        assert!(segment.size() < 110_000, "{}", segment.size());
    }
}

#[test]
fn sound_without_time_makes_few_parts() {
    let mut rig = Rig::new();
    rig.push(&flood(&testing::audio(), 20_000));
    rig.end();
    let sound = rig.closed[0].audio().unwrap();
    assert_eq!((rig.closed.len(), sound.samples), (1, 20_000));
    assert!(sound.parts.len() < 10 && sound.seconds() < 1.5);
}

/// A stretch of a stream under one epoch.
fn stretch() -> impl Strategy<Value = (Source, i64)> {
    let tracks = prop_oneof![Just((true, true)), Just((true, false)), Just((false, true))];
    let fps = prop_oneof![Just(30_000u32), Just(29_970), 4_000u32..120_000];
    (tracks, fps, 1u32..400, any::<bool>(), 500i64..30_000).prop_map(
        |((video, audio), fps_millis, gop, b_frames, length)| {
            let source = Source {
                video: video.then(testing::video),
                audio: audio.then(testing::audio),
                fps_millis,
                gop,
                b_frames,
                ..Source::default()
            };
            (source, length)
        },
    )
}

fn stream(stretches: &[(Source, i64)]) -> Vec<MediaFrame> {
    let mut start = 0;
    let mut frames = Vec::new();
    for (epoch, (source, length)) in stretches.iter().enumerate() {
        let source = Source {
            epoch: epoch as u32,
            start,
            ..source.clone()
        };
        frames.extend(source.frames(*length));
        start += length;
    }
    frames
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn segments_hold_together(stretches in prop::collection::vec(stretch(), 1..4), seconds in 1u64..6) {
        let mut rig = Rig::new();
        rig.configure(|settings| settings.segment = Duration::from_secs(seconds));
        rig.push(&stream(&stretches));
        rig.end();
        let mut last: Option<&Arc<Segment>> = None;
        for segment in &rig.closed {
            if let Some(last) = last {
                prop_assert_eq!(segment.sequence, last.sequence + 1);
                prop_assert_eq!(segment.discontinuity, segment.run.number == last.run.number + 1);
                prop_assert!(segment.discontinuity || segment.run.number == last.run.number);
                prop_assert!(segment.wall() + Duration::from_millis(300) >= last.wall());
            }
            for rendition in &segment.renditions {
                let whole: Vec<u8> = rendition.parts.iter().flat_map(|part| part.bytes.to_vec()).collect();
                prop_assert_eq!(&whole, &rendition.bytes);
                prop_assert!(!whole.is_empty());
            }
            last = Some(segment);
        }
        // Every epoch long enough to start is one run, and its segments add up to it.
        for (epoch, run) in rig.closed.chunk_by(|one, other| one.run.number == other.run.number).enumerate() {
            let whole: Duration = run.iter().map(|segment| segment.duration).sum();
            let video = ticks(run, VIDEO) as f64 / 90_000.0;
            if run[0].video().is_some() {
                prop_assert!((video - whole.as_secs_f64()).abs() < 0.002, "run {epoch}: {video} of {whole:?}");
            }
            prop_assert!(run.iter().skip(1).all(|segment| !segment.discontinuity));
        }
        let runs = rig.closed.last().map_or(0, |last| last.run.number + 1);
        prop_assert!(runs <= stretches.len() as u64);
        prop_assert!(rig.closed.first().is_none_or(|first| first.run.start >= base()));
    }
}
