//! The doctor of a stream: watches what a publisher sends for what viewers suffer from. What it finds is put into words by
//! [`super::warning`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::media::{Kind, MediaFrame};
use crate::time::Timestamp;

/// What is known of the current publisher.
#[derive(Debug, Default)]
pub(super) struct Doctor {
    rhythm: Rhythm,
    order: Order,
    silence: Silence,
    pace: Pace,
    /// The newest picture or sound.
    latest: Option<Timestamp>,
}

impl Doctor {
    /// Another publisher sends from now on.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// A frame as it lies on the stream's timeline.
    pub(super) fn push(&mut self, frame: &MediaFrame) {
        match frame.kind() {
            Kind::Video if frame.is_default => {
                self.rhythm.push(frame);
                self.order.push(frame);
                self.silence.video(frame.dts);
            }
            Kind::Audio => self.silence.audio(),
            Kind::Video => {}
            Kind::Data => return,
        }
        self.latest = self.latest.max(Some(frame.dts));
    }

    /// It is `now`, and the publisher is there.
    pub(super) fn observe(&mut self, now: Instant) {
        if let Some(latest) = self.latest {
            self.pace.sample(now, latest);
        }
    }

    /// The shortest and the longest usual step from picture to picture, where they differ.
    pub(super) fn uneven(&self) -> Option<(Duration, Duration)> {
        self.rhythm.uneven()
    }

    /// For how long the first picture of a group waits for its turn, where pictures come in another order than they are
    /// shown in.
    pub(super) fn reordering(&self) -> Option<Duration> {
        self.order.delay()
    }

    /// How long there have been pictures and no sound.
    pub(super) fn silence(&self) -> Duration {
        self.silence.lasts()
    }

    /// Seconds of media that came in each second, where that is so little that viewers run dry.
    pub(super) fn slowness(&self) -> Option<f64> {
        self.pace.slowness()
    }
}

/// The steps between pictures over the last [`RHYTHM_SPAN`].
#[derive(Debug, Default)]
struct Rhythm {
    last: Option<(Timestamp, u32)>,
    steps: VecDeque<Duration>,
    /// The sum of the steps.
    span: Duration,
}

impl Rhythm {
    fn push(&mut self, frame: &MediaFrame) {
        let last = self.last.replace((frame.dts, frame.epoch));
        let Some((last, _)) = last.filter(|(_, epoch)| *epoch == frame.epoch) else {
            return;
        };
        let step = frame.dts.since(last);
        self.steps.push_back(step);
        self.span += step;
        while self.span > RHYTHM_SPAN || self.steps.len() > RHYTHM_STEPS {
            self.span -= self.steps.pop_front().unwrap_or_default();
        }
    }

    /// Not even are steps of which more than a tenth are far from the usual one. Less is an encoder that drops a picture
    /// now and then, and clocks of milliseconds make steps of 33 and 34 ms of what is even.
    fn uneven(&self) -> Option<(Duration, Duration)> {
        let mut steps: Vec<Duration> = self.steps.iter().copied().collect();
        steps.sort_unstable();
        let count = steps.len();
        if count < RHYTHM_FEWEST {
            return None;
        }
        let usual = *steps.get(count / 2)?;
        let tolerated = (usual / 4).max(CLOCK_JITTER);
        let is_odd = |step: &&Duration| step.abs_diff(usual) > tolerated;
        let odd = steps.iter().filter(is_odd).count();
        let (short, long) = (steps.get(count / 20)?, steps.get(count - 1 - count / 20)?);
        (odd * 10 > count).then_some((*short, *long))
    }
}

/// The order of pictures.
#[derive(Debug, Default)]
struct Order {
    /// When the last picture is shown of those that came so far.
    shown_last: Option<Timestamp>,
    /// The last picture that is shown before one that came earlier.
    reordered: Option<Timestamp>,
    latest: Timestamp,
    /// Of the last key frame.
    delay: Duration,
}

impl Order {
    fn push(&mut self, frame: &MediaFrame) {
        let shown = frame.pts();
        let is_early = |last: Timestamp| last.since(shown) > CLOCK_JITTER;
        if self.shown_last.is_some_and(is_early) {
            self.reordered = Some(frame.dts);
        }
        self.shown_last = self.shown_last.max(Some(shown));
        self.latest = frame.dts;
        if frame.key {
            self.delay = shown.since(frame.dts);
        }
    }

    fn delay(&self) -> Option<Duration> {
        let is_recent = |at: Timestamp| self.latest.since(at) <= REORDERING_REMEMBERED;
        self.reordered.is_some_and(is_recent).then_some(self.delay)
    }
}

/// Pictures without sound. Measured by the pictures alone: sound may run on a clock of its own.
#[derive(Debug, Default)]
struct Silence {
    /// The picture with which it began.
    since: Option<Timestamp>,
    latest: Timestamp,
}

impl Silence {
    fn video(&mut self, at: Timestamp) {
        self.since.get_or_insert(at);
        self.latest = at;
    }

    fn audio(&mut self) {
        self.since = None;
    }

    fn lasts(&self) -> Duration {
        let since = self.since.map(|since| self.latest.since(since));
        since.unwrap_or_default()
    }
}

/// Media time against the clock, over the last [`PACE_SPAN`].
#[derive(Debug, Default)]
struct Pace {
    samples: VecDeque<(Instant, Timestamp)>,
}

impl Pace {
    fn sample(&mut self, now: Instant, latest: Timestamp) {
        let age = |(at, _): &(Instant, Timestamp)| now.saturating_duration_since(*at);
        if self
            .samples
            .back()
            .is_some_and(|last| age(last) < PACE_STEP)
        {
            return;
        }
        self.samples.push_back((now, latest));
        while self.samples.front().is_some_and(|old| age(old) > PACE_SPAN) {
            self.samples.pop_front();
        }
    }

    fn slowness(&self) -> Option<f64> {
        let (began, first) = *self.samples.front()?;
        let (ended, last) = *self.samples.back()?;
        let elapsed = ended.saturating_duration_since(began);
        let media = last.since(first);
        let is_behind = elapsed.saturating_sub(media) > PACE_TOLERATED;
        (elapsed >= PACE_SHORTEST && is_behind).then(|| media.div_duration_f64(elapsed))
    }
}

/// Over how much media steps are compared.
const RHYTHM_SPAN: Duration = Duration::from_secs(10);

/// Steps that are remembered at most: over two seconds of the fastest cameras.
const RHYTHM_STEPS: usize = 512;

/// Fewer steps say nothing.
const RHYTHM_FEWEST: usize = 20;

/// By how much times are off that count milliseconds, or are taken as pictures arrive.
const CLOCK_JITTER: Duration = Duration::from_millis(5);

/// Media without a reordered picture until it is believed that there are none.
const REORDERING_REMEMBERED: Duration = Duration::from_secs(20);

/// Long enough to tell a slow encoder from a network that falters.
const PACE_SPAN: Duration = Duration::from_secs(30);

/// Less time says nothing.
const PACE_SHORTEST: Duration = Duration::from_secs(10);

/// The least time between two samples.
const PACE_STEP: Duration = Duration::from_millis(500);

/// Media that may be missing: what a network holds up at times, and what players have in store.
const PACE_TOLERATED: Duration = Duration::from_millis(1_500);

#[cfg(test)]
mod tests;
