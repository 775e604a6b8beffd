//! Renditions packaged side by side, in every order in which their packagers may run.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lsv_core::media::MediaFrame;
use lsv_core::path::Rendition::{self, P360, P480, P720};
use lsv_core::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::segmenter::Segment;
use crate::segmenter::synthetic::{Rig, Source, base};

/// What has to be the same in all renditions: number, start, run, date, length.
type Seen = (u64, Timestamp, u64, SystemTime, Duration);

fn seen(segment: &Arc<Segment>) -> Seen {
    let Segment {
        sequence,
        start,
        duration,
        ..
    } = **segment;
    let run = segment.run.number;
    (sequence, start, run, segment.wall(), duration)
}

fn all(rig: &Rig) -> Vec<Seen> {
    rig.closed.iter().map(seen).collect()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn rig(lineup: &Arc<Lineup>, rendition: Rendition, delay: u64) -> Rig {
    Rig::in_line(lineup, rendition, ms(delay))
}

/// The frames of `epoch` from `start` on, on one timeline.
fn frames(epoch: u32, start: i64, millis: i64) -> Vec<MediaFrame> {
    let source = Source {
        epoch,
        start,
        ..Source::default()
    };
    source.frames(millis)
}

#[test]
fn renditions_have_the_numbers_and_dates_of_each_other_and_the_dates_of_the_source() {
    let lineup = Arc::new(Lineup::new(0));
    let mut source = rig(&lineup, Rendition::Source, 20);
    source.push(&frames(0, 0, 9_000));
    let (mut low, mut high) = (rig(&lineup, P360, 900), rig(&lineup, P720, 2_100));
    low.push(&frames(0, 0, 5_000));
    high.push(&frames(0, 0, 9_000));
    low.push(&frames(0, 0, 9_000).split_off(low_count(5_000)));
    assert_eq!(all(&low).len(), 4);
    assert_eq!(all(&low), all(&high));
    assert_eq!(all(&low)[0].3, base() + ms(20));
    assert_eq!(low.snapshot.started, high.snapshot.started);
}

/// How many frames there are before `millis`.
fn low_count(millis: i64) -> usize {
    frames(0, 0, millis).len()
}

#[test]
fn a_restart_at_one_frame_is_one_discontinuity_for_all_whoever_comes_first() {
    let lineup = Arc::new(Lineup::new(0));
    let mut source = rig(&lineup, Rendition::Source, 0);
    source.push(&frames(0, 0, 21_000));
    let mut rigs = [
        rig(&lineup, P360, 700),
        rig(&lineup, P480, 800),
        rig(&lineup, P720, 950),
    ];
    for rig in &mut rigs {
        rig.push(&frames(0, 0, 5_500));
    }
    // Two seconds are missing.
    for rig in rigs.iter_mut().rev() {
        rig.push(&frames(1, 7_500, 5_000));
    }
    let expected = all(&rigs[0]);
    assert_eq!(expected.last().unwrap().2, 1);
    for rig in &rigs {
        assert_eq!(all(rig), expected);
        let breaks = rig.closed.iter().filter(|segment| segment.discontinuity);
        assert_eq!(breaks.count(), 1);
    }
    let resumed = expected.iter().find(|segment| segment.2 == 1).unwrap();
    assert_eq!(resumed.3, base() + ms(7_500));
}

#[test]
fn one_that_is_switched_on_begins_where_the_others_begin_a_segment() {
    let lineup = Arc::new(Lineup::new(0));
    let mut low = rig(&lineup, P360, 500);
    low.push(&frames(0, 0, 3_000));
    low.push(&frames(1, 3_040, 12_000));
    // Key frames come each second, segments begin with each second one of them: at 7.04 s.
    let mut high = rig(&lineup, P720, 600);
    high.push(&frames(0, 6_040, 9_000));
    let (low, late) = (all(&low), all(&high));
    assert_eq!(late[0].1, Timestamp::from_millis(7_040));
    assert!(late.len() >= 3);
    let same = low.iter().filter(|segment| segment.1 >= late[0].1);
    assert_eq!(same.copied().collect::<Vec<_>>(), late);
    assert!(!high.closed[0].discontinuity);
}

#[test]
fn one_that_is_switched_on_with_a_restart_begins_with_it() {
    let lineup = Arc::new(Lineup::new(0));
    let mut low = rig(&lineup, P360, 500);
    low.push(&frames(0, 0, 5_500));
    low.push(&frames(1, 5_540, 6_000));
    let mut high = rig(&lineup, P720, 600);
    high.push(&frames(0, 5_540, 6_000));
    let expected: Vec<Seen> = all(&low).into_iter().filter(|seen| seen.2 == 1).collect();
    assert_eq!(all(&high), expected);
}

#[test]
fn a_changed_segment_length_is_followed_from_the_same_segment_on() {
    let lineup = Arc::new(Lineup::new(0));
    let (mut low, mut high) = (rig(&lineup, P360, 0), rig(&lineup, P720, 0));
    let (first, second) = (frames(0, 0, 30_000), low_count(9_990));
    low.push(&first[..second]);
    high.push(&first[..low_count(13_990)]);
    // One learns of it four seconds of media before the other.
    for rig in [&mut low, &mut high] {
        rig.configure(|settings| settings.segment = ms(4_000));
    }
    low.push(&first[second..]);
    high.push(&first[low_count(13_990)..]);
    assert_eq!(all(&low), all(&high));
    assert!(all(&low).iter().any(|segment| segment.4 == ms(4_000)));
    assert_eq!(low.snapshot.target_duration, high.snapshot.target_duration);
}

#[test]
fn nobody_waits_for_ever_for_others_that_begin_nothing() {
    let lineup = Arc::new(Lineup::new(0));
    let mut low = rig(&lineup, P360, 0);
    low.configure(|settings| settings.segment = ms(60_000));
    low.push(&frames(0, 0, 40_000));
    let mut high = rig(&lineup, P720, 0);
    high.push(&frames(0, 1_500, 38_000));
    assert!(!high.closed.is_empty());
    let first = high.closed[0].start.as_millis();
    assert!((1_500..=18_500).contains(&first), "{first}");
}

#[test]
fn times_of_renditions_stay_as_they_are() {
    let lineup = Arc::new(Lineup::new(0));
    let mut low = rig(&lineup, P360, 0);
    let source = Source {
        fps_millis: 29_970,
        ..Source::default()
    };
    let frames = source.frames(9_000);
    low.push(&frames);
    for segment in &low.closed {
        let given = frames
            .iter()
            .any(|frame| frame.key && frame.pts() == segment.start);
        assert!(given, "{:?}", segment.start);
    }
}

#[test]
fn reports_tell_of_the_other_renditions() {
    let lineup = Arc::new(Lineup::new(0));
    let (mut low, mut high) = (rig(&lineup, P360, 0), rig(&lineup, P720, 0));
    lineup.sound(0, &[(P360, 64_000), (P720, 128_000)]);
    for rig in [&mut high, &mut low] {
        rig.push(&frames(0, 0, 9_000));
    }
    let of = |rig: &Rig, track| {
        let skip = crate::window::Skip::Nothing;
        let text = crate::playlist::low_latency::render(&rig.snapshot, track, skip);
        text.unwrap().joined()
    };
    let text = of(&low, crate::testing::VIDEO);
    for report in [
        "URI=\"audio.m3u8\",LAST-MSN=1004,LAST-PART=3",
        "URI=\"../../720p/cmaf/video.m3u8\",LAST-MSN=1004,LAST-PART=3",
        "URI=\"../../720p/cmaf/audio.m3u8\",LAST-MSN=1004,LAST-PART=3",
    ] {
        assert_eq!(text.matches(report).count(), 1, "{report} in\n{text}");
    }
    assert!(!of(&high, crate::testing::VIDEO).contains("360p/cmaf/audio"));
}

#[test]
fn what_an_encoder_takes_is_told_once() {
    let lineup = Arc::new(Lineup::new(0));
    let (source, low) = (lineup.join(Rendition::Source), lineup.join(P360));
    low.note_lag(ms(2_500));
    low.note_lag(ms(700));
    low.note_lag(ms(900));
    assert_eq!(low.siblings().delay(), ms(700));
    low.note_lag(ms(100));
    assert_eq!(low.siblings().delay(), ms(700));
    assert_eq!(source.siblings().delay(), Duration::ZERO);
}

#[test]
fn the_best_sound_is_chosen_once() {
    let lineup = Lineup::new(0);
    let offered = [(P360, 64_000), (P480, 128_500), (P720, 128_000)];
    assert_eq!(lineup.sound(0, &offered), Some(P480));
    assert_eq!(lineup.sound(0, &[(P480, 1), (P720, 2)]), Some(P480));
    assert_eq!(lineup.sound(1, &[(P480, 1), (P720, 2)]), Some(P720));
    assert_eq!(lineup.sound(0, &[(P360, 1)]), Some(P360));
    assert_eq!(lineup.sound(0, &[]), None);
}

proptest! {
    /// Whatever the order in which packagers get their frames, and wherever the encoder is started again.
    #[test]
    fn any_order_gives_the_same(
        order in prop::collection::vec((0..3_usize, 1..40_usize), 1..200),
        gop in 10..70_u32,
        restart in 2_000..9_000_i64,
    ) {
        let source = |epoch, start| Source { gop, epoch, start, ..Source::default() };
        let mut frames = source(0, 0).frames(restart);
        frames.extend(source(1, restart + 500).frames(9_000));
        let lineup = Arc::new(Lineup::new(0));
        let mut dating = rig(&lineup, Rendition::Source, 0);
        dating.push(&frames);
        let mut rigs = [rig(&lineup, P360, 0), rig(&lineup, P480, 300), rig(&lineup, P720, 900)];
        let mut at = [0; 3];
        for (which, count) in order {
            let end = frames.len().min(at[which] + count);
            rigs[which].push(&frames[at[which]..end]);
            at[which] = end;
        }
        for (rig, at) in rigs.iter_mut().zip(at) {
            rig.push(&frames[at..]);
            rig.end();
        }
        let expected = all(&rigs[0]);
        prop_assert!(!expected.is_empty());
        for rig in &rigs[1..] {
            prop_assert_eq!(all(rig), expected.clone());
        }
    }
}
