use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::codec::FourCc;
use crate::media::{Codec, Track};

fn track(kind: Kind) -> Arc<Track> {
    let codec = Codec::Other {
        fourcc: FourCc::HVC1,
        config: Bytes::new(),
    };
    Arc::new(Track::new(kind, codec))
}

/// A frame at `nanos`, cut to milliseconds as RTMP does.
fn frame(kind: Kind, nanos: i64) -> MediaFrame {
    let at = Timestamp::from_millis(nanos / 1_000_000);
    MediaFrame::new(&track(kind), at, Bytes::from_static(&[0]))
}

/// What `steps` in nanoseconds leave behind.
fn paced(steps: impl Iterator<Item = i64>) -> Doctor {
    let mut doctor = Doctor::default();
    let mut at = 0;
    for step in steps {
        doctor.push(&frame(Kind::Video, at));
        at += step;
    }
    doctor
}

#[test]
fn common_frame_rates_are_even() {
    for (numerator, denominator) in [
        (240, 1),
        (120_000, 1001),
        (60, 1),
        (60_000, 1001),
        (50, 1),
        (30, 1),
        (30_000, 1001),
        (25, 1),
        (24_000, 1001),
        (15, 1),
        (5, 1),
        (2, 1),
    ] {
        let step = 1_000_000_000 * denominator / numerator;
        let doctor = paced(std::iter::repeat_n(step, 600));
        assert_eq!(doctor.uneven(), None, "{numerator}/{denominator}");
    }
}

#[test]
fn a_camera_that_trembles_or_drops_a_picture_now_and_then_is_even() {
    let trembling = (0..600).map(|n| 33_333_333 + [0, 5, -5, 2, -2][n % 5] * 1_000_000);
    assert_eq!(paced(trembling).uneven(), None);
    let dropping = (0..600).map(|n| if n % 15 == 0 { 66_666_666 } else { 33_333_333 });
    assert_eq!(paced(dropping).uneven(), None);
}

#[test]
fn a_frame_rate_that_varies_is_told_until_it_does_no_longer() {
    let every_third_dropped = |n| if n % 2 == 0 { 66_666_666 } else { 33_333_333 };
    let mut doctor = paced((0..100).map(every_third_dropped));
    let expected = (Duration::from_millis(33), Duration::from_millis(67));
    assert_eq!(doctor.uneven(), Some(expected));
    for n in 0..250 {
        doctor.push(&frame(Kind::Video, (10_000 + n * 40) * 1_000_000));
    }
    assert_eq!(doctor.uneven(), None);
    // What lies between two epochs is no step.
    let mut doctor = Doctor::default();
    for n in 0..100_u32 {
        let at = i64::from(n / 2 * 80 + n % 2 * 40) * 1_000_000;
        let mut frame = frame(Kind::Video, at);
        frame.epoch = n / 2;
        doctor.push(&frame);
    }
    assert_eq!(doctor.uneven(), None);
}

#[test]
fn the_memory_of_steps_is_bounded() {
    let doctor = paced(std::iter::repeat_n(0, 10_000));
    assert_eq!(doctor.rhythm.steps.len(), RHYTHM_STEPS);
    let doctor = paced(std::iter::repeat_n(i64::from(u32::MAX) * 1_000_000, 100));
    assert!(doctor.rhythm.steps.is_empty());
    assert_eq!(doctor.rhythm.span, Duration::ZERO);
}

#[test]
fn reordered_pictures_are_told_until_there_are_no_more() {
    let mut doctor = Doctor::default();
    // A constant offset is no reordering, as with encoders that count from another zero.
    for n in 0..50 {
        let mut frame = frame(Kind::Video, n * 40_000_000);
        frame.composition = Timestamp::from_millis(80);
        doctor.push(&frame);
    }
    assert_eq!(doctor.reordering(), None);
    // I P B B in decoding order.
    for n in 50..100 {
        let mut frame = frame(Kind::Video, n * 40_000_000);
        frame.key = n % 25 == 0;
        let ahead = if frame.key {
            2
        } else {
            [0, 4, 1, 1][n as usize % 4]
        };
        frame.composition = Timestamp::from_millis(40 * ahead);
        doctor.push(&frame);
    }
    assert_eq!(doctor.reordering(), Some(Duration::from_millis(80)));
    for n in 100..650 {
        doctor.push(&frame(Kind::Video, n * 40_000_000));
    }
    assert_eq!(doctor.reordering(), None);
}

#[test]
fn silence_lasts_from_the_last_sound_on() {
    let mut doctor = Doctor::default();
    for n in 0..100 {
        doctor.push(&frame(Kind::Audio, n * 20_000_000));
    }
    assert_eq!(doctor.silence(), Duration::ZERO);
    // A clock far from the sound's is none.
    for n in 0..100 {
        doctor.push(&frame(Kind::Video, (12_000 + n * 40) * 1_000_000));
        doctor.push(&frame(Kind::Audio, (n + 100) * 20_000_000));
        assert!(doctor.silence() <= Duration::from_millis(40));
    }
    for n in 100..250 {
        doctor.push(&frame(Kind::Video, (12_000 + n * 40) * 1_000_000));
    }
    assert_eq!(doctor.silence(), Duration::from_millis(149 * 40));
    doctor.push(&frame(Kind::Audio, 5_000_000_000));
    assert_eq!(doctor.silence(), Duration::ZERO);
}

/// Media at `speed` for `seconds`, observed every two, that comes `lateness(second)` seconds late.
fn observed(speed: f64, seconds: u64, lateness: impl Fn(u64) -> f64) -> Option<f64> {
    let start = Instant::now();
    let mut doctor = Doctor::default();
    for second in (0..=seconds).step_by(2) {
        let media = (second as f64 * speed - lateness(second)).max(0.0);
        doctor.push(&frame(Kind::Video, (media * 1e9) as i64));
        doctor.observe(start + Duration::from_secs(second));
    }
    assert!(doctor.pace.samples.len() <= 16);
    doctor.slowness()
}

#[test]
fn media_that_is_slower_than_the_clock_is_told() {
    assert_eq!(observed(0.5, 8, |_| 0.0), None);
    assert_eq!(observed(0.5, 10, |_| 0.0), Some(0.5));
    assert_eq!(observed(0.9, 10, |_| 0.0), None);
    let slow = observed(0.9, 60, |_| 0.0).unwrap();
    assert!((slow - 0.9).abs() < 0.01, "{slow}");
    assert_eq!(observed(0.0, 60, |_| 0.0), Some(0.0));
}

#[test]
fn real_time_is_not_slow_however_it_arrives() {
    assert_eq!(observed(1.0, 60, |_| 0.0), None);
    assert_eq!(observed(4.0, 60, |_| 0.0), None);
    // Groups of pictures at once, and a network that held everything up for a moment.
    assert_eq!(
        observed(1.0, 60, |second| [0.0, 1.3][second as usize / 2 % 2]),
        None
    );
    assert_eq!(
        observed(1.0, 60, |second| if second == 30 { 8.0 } else { 0.0 }),
        None
    );
}

#[test]
fn a_new_publisher_is_judged_anew() {
    let mut doctor = paced((0..100).map(|n| if n % 2 == 0 { 66_000_000 } else { 33_000_000 }));
    doctor.observe(Instant::now());
    doctor.restart();
    assert_eq!(doctor.uneven(), None);
    assert_eq!(doctor.silence(), Duration::ZERO);
    assert!(doctor.pace.samples.is_empty());
}
