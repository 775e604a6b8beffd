//! The true pace of pictures behind RTMP's clock of whole milliseconds.
//!
//! At 29.97 frames a second that clock says 33, 34, 33 ms: true to a millisecond, and jitter to whoever counts in
//! 90 kHz. Where the rate is known, from the configuration or from two seconds of regular frames, pictures are placed
//! where it says, never further than a millisecond from their own time, so nothing drifts and what varies stays as it is.

use std::time::Duration;

use lsv_core::media::MediaFrame;
use lsv_core::time::Timestamp;

/// Places the pictures of one track in one epoch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace {
    rate: Option<Rate>,
    /// The times are finer than milliseconds, and taken as they are.
    exact: bool,
    /// The last picture: its own time, where it was placed, and its distance to the one before.
    last: Option<(Timestamp, Timestamp)>,
    step: Timestamp,
    /// Pictures are placed by the rate from here on, so many so far.
    anchor: Timestamp,
    frames: u64,
    /// Pictures in regular steps since then.
    since: Timestamp,
    regular: u32,
}

impl Pace {
    /// The pace of pictures of which the configuration says that `frame_rate_millis` come in a thousand seconds.
    pub(crate) fn new(frame_rate_millis: Option<u32>) -> Self {
        let said = frame_rate_millis.map(|millis| f64::from(millis) / 1000.0);
        Self {
            rate: said.and_then(Rate::near),
            ..Self::default()
        }
    }

    /// Moves `frame` to its true time.
    pub(crate) fn place(&mut self, frame: &mut MediaFrame) {
        let at = frame.dts;
        self.exact |= at.submilli_nanos() != 0;
        if self.exact {
            return;
        }
        let placed = match self.last {
            None => self.restart(at),
            Some((last, placed)) => {
                self.measure(at, at - last);
                self.advance(at, at - last).max(placed)
            }
        };
        self.last = Some((at, placed));
        let shown = self.shown(placed, frame.composition);
        frame.composition = near(shown, frame.pts()) - placed;
        frame.dts = placed;
    }

    fn restart(&mut self, at: Timestamp) -> Timestamp {
        (self.anchor, self.frames) = (at, 0);
        at
    }

    /// Where a picture at `at` belongs, which comes `step` after the last one.
    fn advance(&mut self, at: Timestamp, step: Timestamp) -> Timestamp {
        let Some((rate, steps)) = self.steps(step).filter(|(_, steps)| *steps > 0) else {
            return self.restart(at);
        };
        self.frames = self.frames.saturating_add(steps.unsigned_abs());
        let expected = self.anchor + rate.time(self.frames);
        match near(expected, at) {
            placed if placed == expected => placed,
            placed => self.restart(placed),
        }
    }

    /// Where a picture is shown that is decoded at `placed` and, by its own time, shown `composition` later.
    fn shown(&self, placed: Timestamp, composition: Timestamp) -> Timestamp {
        match self.steps(composition) {
            Some((rate, steps)) if steps >= 0 => placed + rate.time(steps.unsigned_abs()),
            Some((rate, steps)) => placed - (Timestamp::ZERO + rate.time(steps.unsigned_abs())),
            None => placed + composition,
        }
    }

    /// How many pictures `time` is long, where the rate is known and the time is a whole number of them.
    fn steps(&self, time: Timestamp) -> Option<(Rate, i64)> {
        let rate = self.rate?;
        let steps = rate.count(time);
        let exact = Timestamp::ZERO + rate.time(steps.unsigned_abs());
        let exact = if steps < 0 {
            Timestamp::ZERO - exact
        } else {
            exact
        };
        (near(exact, time) == exact).then_some((rate, steps))
    }

    /// Two seconds of regular steps tell the rate: the millisecond that their ends may be off is half of what lies
    /// between 30 and 29.97.
    fn measure(&mut self, at: Timestamp, step: Timestamp) {
        let was = std::mem::replace(&mut self.step, step);
        if near(was, step) != was {
            (self.since, self.regular) = (at, 0);
            return;
        }
        self.regular = self.regular.saturating_add(1);
        let elapsed = at.since(self.since);
        if elapsed >= MEASURED {
            let rate = Rate::near(f64::from(self.regular) / elapsed.as_secs_f64());
            if rate != self.rate {
                self.rate = rate;
                (self.anchor, self.frames) = self.last.map_or((at, 0), |(_, placed)| (placed, 0));
            }
            (self.since, self.regular) = (at, 0);
        }
    }
}

/// Frames in so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    frames: u32,
    seconds: u32,
}

impl Rate {
    /// The usual rate that `rate` is meant to be.
    fn near(rate: f64) -> Option<Self> {
        let found = RATES.into_iter().find(|(frames, seconds)| {
            let usual = f64::from(*frames) / f64::from(*seconds);
            (rate - usual).abs() <= usual * TOLERANCE
        });
        found.map(|(frames, seconds)| Self { frames, seconds })
    }

    /// What `count` frames take, rounded to nanoseconds.
    fn time(self, count: u64) -> Duration {
        let nanos = u128::from(count) * u128::from(self.seconds) * 1_000_000_000;
        let frames = u128::from(self.frames);
        Duration::from_nanos(u64::try_from((nanos + frames / 2) / frames).unwrap_or(u64::MAX))
    }

    /// The whole number of frames that is nearest to `time`.
    fn count(self, time: Timestamp) -> i64 {
        let scale = i128::from(self.seconds) * 1_000_000_000;
        let frames = i128::from(time.as_nanos()) * i128::from(self.frames) + scale / 2;
        i64::try_from(frames.div_euclid(scale)).unwrap_or(0)
    }
}

/// `placed`, or what is nearest to it within a millisecond of `at`.
fn near(placed: Timestamp, at: Timestamp) -> Timestamp {
    let rounding = Timestamp::from_millis(1);
    placed.max(at - rounding).min(at + rounding)
}

/// Those that encoders are set to: frames, and the seconds that they take.
const RATES: [(u32, u32); 17] = [
    (24_000, 1_001),
    (24, 1),
    (25, 1),
    (30_000, 1_001),
    (30, 1),
    (50, 1),
    (60_000, 1_001),
    (60, 1),
    (48, 1),
    (100, 1),
    (120_000, 1_001),
    (120, 1),
    (10, 1),
    (12, 1),
    (25, 2),
    (15, 1),
    (20, 1),
];

/// Half of what lies between 30 and 29.97.
const TOLERANCE: f64 = 0.0005;

/// See [`Pace::measure`].
const MEASURED: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use bytes::Bytes;
    use proptest::prelude::*;

    /// Where frames at `millis` are placed and shown, in ticks of 90 kHz.
    fn paced(said: Option<u32>, frames: impl Iterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
        let track = testing::video();
        let mut pace = Pace::new(said);
        let place = |(millis, composition)| {
            let mut frame = testing::frame(&track, millis, false, Bytes::from_static(&[0]));
            frame.composition = Timestamp::from_millis(composition);
            let shown = frame.pts();
            pace.place(&mut frame);
            let moved = |one: Timestamp, other: Timestamp| one.since(other).max(other.since(one));
            assert!(moved(frame.dts, Timestamp::from_millis(millis)) <= Duration::from_millis(1));
            assert!(moved(frame.pts(), shown) <= Duration::from_millis(1));
            (frame.dts.to_scale(90_000), frame.pts().to_scale(90_000))
        };
        frames.map(place).collect()
    }

    /// Frame `n` as a clock of milliseconds has it.
    fn millis(n: i64, (frames, seconds): (i64, i64), round: i64) -> i64 {
        (n * seconds * 1000 + round * frames / 2) / frames
    }

    #[test]
    fn usual_rates_get_exact_durations() {
        for (rate, ticks) in [
            ((24_000, 1_001), 3753..=3754),
            ((25, 1), 3600..=3600),
            ((30_000, 1_001), 3003..=3003),
            ((30, 1), 3000..=3000),
            ((50, 1), 1800..=1800),
            ((60_000, 1_001), 1501..=1502),
            ((60, 1), 1500..=1500),
        ] {
            let said = (rate.0 * 1000 / rate.1) as u32;
            for (said, round, from) in [(Some(said), 0, 0), (Some(said), 1, 0), (None, 0, 200)] {
                // Shown two, four or one frame later, as with pyramids of B-frames; or one earlier.
                let later = |n: i64| [2, 4, 1, -1][n as usize % 4];
                let frame = |n: i64| {
                    let at = millis(n, rate, round);
                    (at, millis(n + later(n) + 4, rate, round) - at)
                };
                let placed = paced(said, (0..2_000).map(frame));
                for (n, pair) in placed.windows(2).enumerate().skip(from) {
                    let duration = pair[1].0 - pair[0].0;
                    assert!(ticks.contains(&duration), "{rate:?} frame {n}: {duration}");
                }
            }
        }
    }

    #[test]
    fn a_rate_that_is_not_what_was_said_is_found_out() {
        let placed = paced(
            Some(30_000),
            (0..2_000).map(|n| (millis(n, (30_000, 1_001), 0), 0)),
        );
        assert!(
            placed
                .windows(2)
                .skip(200)
                .all(|pair| pair[1].0 - pair[0].0 == 3003)
        );
    }

    #[test]
    fn times_finer_than_milliseconds_stay() {
        let track = testing::video();
        let mut pace = Pace::new(Some(30_000));
        for nanos in [0, 33_366_667, 66_000_000, 99_500_000] {
            let mut frame = testing::frame(&track, 0, false, Bytes::from_static(&[0]));
            frame.dts = Timestamp::from_nanos(nanos);
            pace.place(&mut frame);
            assert_eq!(frame.dts.as_nanos(), nanos);
        }
    }

    proptest! {
        #[test]
        fn nothing_moves_far_or_backwards(
            said in prop::option::of(Just(30_000_u32)),
            steps in prop::collection::vec((0..120_i64, -200..400_i64), 1..400),
        ) {
            let mut at = 0;
            let frames = steps.into_iter().map(|(step, composition)| {
                at += step;
                (at, composition)
            });
            let placed = paced(said, frames);
            prop_assert!(placed.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        }
    }
}
