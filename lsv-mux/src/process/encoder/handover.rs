//! From one encoder to the next without a gap: the old one gives pictures up to a key frame, the new one from there on.
//!
//! ```text
//! old  k---k---k---k·····        · is thrown away
//! new        ····k-k---k---      it began beside the old one, at a key frame that viewers have seen
//!                  ^ border: the first key frame of the old one after the new one has caught up with it
//! ```
//!
//! Sound is not held to the border: whoever passes it on leaves out what is not after what it passed on before.

use std::collections::VecDeque;
use std::time::Duration;

use lsv_core::time::Timestamp;

use super::lineup::Step;

/// The name of an encoder among those of its channel.
pub(super) type Number = u64;

/// Decides whose pictures viewers see.
#[derive(Debug, Default)]
pub(super) struct Handover {
    /// Whose pictures are shown.
    shown: Option<Number>,
    /// Who is to follow, with what it gave since its last key frame that has not been shown.
    next: Option<(Number, VecDeque<Step>)>,
    /// When the last pictures that were shown are decoded.
    last: Option<Timestamp>,
    /// The encoder that is shown begins with its next key frame.
    awaits_start: bool,
    /// Key frames of the one that is shown since the one that follows has begun to give pictures.
    passed: usize,
}

/// What comes of a step.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// What goes on to viewers now, with the encoder that it is from.
    pub(super) steps: Vec<(Number, Step)>,
    /// An encoder that is not needed any more.
    pub(super) retired: Option<Number>,
}

impl Handover {
    /// Encoder `number` begins to work. Those that have shown nothing yet are not needed any more, and are answered.
    pub(super) fn begin(&mut self, number: Number) -> Vec<Number> {
        self.passed = 0;
        let mut replaced: Vec<Number> =
            self.next.take().map(|(next, _)| next).into_iter().collect();
        if self.shown.is_none() || self.awaits_start {
            replaced.extend(self.shown.replace(number));
            self.awaits_start = true;
        } else {
            self.next = Some((number, VecDeque::new()));
        }
        replaced
    }

    /// Whose pictures are shown, or will be first.
    pub(super) fn shown(&self) -> Option<Number> {
        self.shown
    }

    /// Takes a step of encoder `number`.
    pub(super) fn push(&mut self, number: Number, step: Step) -> Shown {
        let mut out = Shown::default();
        if self.shown == Some(number) {
            match step.is_start() && self.may_follow() {
                true => {
                    out.retired = Some(number);
                    self.cross(step.at(), &mut out);
                }
                false => self.show(number, step, &mut out),
            }
        } else if let Some((next, held)) = &mut self.next
            && *next == number
        {
            let new = self.last.is_none_or(|last| step.at() > last);
            if step.is_start() && new {
                // Pictures before it will not be needed: the border is at or after it.
                held.retain(|step| matches!(step, Step::Sound(..)));
            }
            held.push_back(step);
            if held.len() > MOST_HELD {
                held.pop_front();
            }
        }
        out
    }

    /// Encoder `number` is gone. If it was the one that is shown, the one that follows goes on as soon as it can.
    pub(super) fn lost(&mut self, number: Number) -> Shown {
        let mut out = Shown::default();
        if self.next.as_ref().is_some_and(|(next, _)| *next == number) {
            self.next = None;
        }
        if self.shown == Some(number) {
            self.shown = None;
            if self.next.is_some() {
                self.cross(Timestamp::from_nanos(i64::MIN), &mut out);
            }
        }
        out
    }

    /// The one that follows has caught up, or has had its time to: viewers would wait for one that lags.
    fn may_follow(&mut self) -> bool {
        let Some((_, held)) = &self.next else {
            return false;
        };
        let is_picture = |step: &&Step| matches!(step, Step::Pictures(_));
        let Some(newest) = held.iter().rev().find(is_picture) else {
            return false;
        };
        let lag = self
            .last
            .map_or(Duration::ZERO, |last| last.since(newest.at()));
        self.passed += 1;
        lag <= CLOSE || self.passed > PATIENCE
    }

    /// The one that follows is shown from `border` on.
    fn cross(&mut self, border: Timestamp, out: &mut Shown) {
        let Some((number, held)) = self.next.take() else {
            return;
        };
        (self.shown, self.awaits_start) = (Some(number), true);
        for step in held {
            // Of the old one's sound a little is still to come when its pictures are over, and will not.
            if step.at() >= border || matches!(step, Step::Sound(..)) {
                self.show(number, step, out);
            }
        }
    }

    fn show(&mut self, number: Number, step: Step, out: &mut Shown) {
        let is_sound = matches!(step, Step::Sound(..));
        if self.awaits_start && !(is_sound && self.last.is_some()) {
            let after = self.last.is_none_or(|last| step.at() > last);
            if !(step.is_start() && after) {
                return;
            }
            self.awaits_start = false;
        }
        if !is_sound {
            self.last = self.last.max(Some(step.at()));
        }
        out.steps.push((number, step));
    }
}

/// How far behind one that follows may be.
const CLOSE: Duration = Duration::from_millis(250);

/// Key frames after which one that has not caught up is taken all the same.
const PATIENCE: usize = 3;

/// Most steps that are held of the encoder that follows: more than its lead can be.
const MOST_HELD: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::super::lineup::Step;
    use super::*;
    use bytes::Bytes;
    use lsv_core::media::{Kind, MediaFrame};
    use proptest::prelude::*;

    fn pictures(millis: i64) -> Step {
        let tracks = crate::fuzzing::tracks();
        let track = tracks.default_of(Kind::Video).unwrap();
        let mut frame = MediaFrame::new(track, Timestamp::from_millis(millis), Bytes::new());
        frame.key = millis % 200 == 0;
        Step::Pictures(vec![frame])
    }

    fn times(shown: &Shown) -> Vec<(Number, i64)> {
        let time = |(number, step): &(Number, Step)| (*number, step.at().as_millis());
        shown.steps.iter().map(time).collect()
    }

    #[test]
    fn a_first_encoder_begins_with_a_key_frame() {
        let mut handover = Handover::default();
        assert!(handover.begin(1).is_empty());
        assert_eq!(times(&handover.push(1, pictures(40))), []);
        assert_eq!(times(&handover.push(1, pictures(200))), [(1, 200)]);
        assert_eq!(times(&handover.push(1, pictures(240))), [(1, 240)]);
    }

    #[test]
    fn the_next_takes_over_where_the_old_one_has_a_key_frame() {
        let mut handover = Handover::default();
        handover.begin(1);
        for millis in (0..=400).step_by(40) {
            handover.push(1, pictures(millis));
        }
        handover.begin(2);
        // It starts with what has been seen.
        assert_eq!(times(&handover.push(2, pictures(400))), []);
        assert_eq!(times(&handover.push(1, pictures(440))), [(1, 440)]);
        let border = handover.push(1, pictures(600));
        assert_eq!((times(&border), border.retired), (vec![], Some(1)));
        assert_eq!(times(&handover.push(1, pictures(640))), []);
        assert_eq!(times(&handover.push(2, pictures(440))), []);
        assert_eq!(times(&handover.push(2, pictures(600))), [(2, 600)]);
    }

    #[test]
    fn one_that_is_ahead_is_held_until_the_border() {
        let mut handover = Handover::default();
        handover.begin(1);
        handover.push(1, pictures(0));
        handover.begin(2);
        for millis in [0, 40, 200, 240] {
            handover.push(2, pictures(millis));
        }
        assert_eq!(times(&handover.push(1, pictures(40))), [(1, 40)]);
        let border = handover.push(1, pictures(200));
        assert_eq!(times(&border), [(2, 200), (2, 240)]);
    }

    #[test]
    fn when_the_old_one_dies_the_next_goes_on_with_its_first_new_key_frame() {
        let mut handover = Handover::default();
        handover.begin(1);
        handover.push(1, pictures(0));
        handover.push(1, pictures(40));
        handover.begin(2);
        handover.push(2, pictures(0));
        assert_eq!(times(&handover.lost(1)), []);
        assert_eq!(times(&handover.push(2, pictures(40))), []);
        assert_eq!(times(&handover.push(2, pictures(200))), [(2, 200)]);
        assert_eq!(handover.shown(), Some(2));
    }

    #[test]
    fn one_that_never_gives_anything_is_replaced() {
        let mut handover = Handover::default();
        handover.begin(1);
        assert_eq!(handover.begin(2), [1]);
        assert_eq!(times(&handover.push(2, pictures(200))), [(2, 200)]);
    }

    #[test]
    fn a_successor_that_is_replaced_or_dies_changes_nothing() {
        let mut handover = Handover::default();
        handover.begin(1);
        handover.push(1, pictures(0));
        handover.begin(2);
        assert_eq!(handover.begin(3), [2]);
        assert_eq!(times(&handover.push(2, pictures(0))), []);
        handover.lost(3);
        assert_eq!(times(&handover.push(1, pictures(200))), [(1, 200)]);
    }

    proptest! {
        #[test]
        fn nothing_is_shown_twice_or_out_of_order(
            calls in prop::collection::vec((0u8..8, 1u64..5), 0..300),
        ) {
            let mut handover = Handover::default();
            let mut clocks = [0i64; 5];
            let (mut last, mut from) = (-1, 0);
            for (call, number) in calls {
                let out = match call {
                    0 => {
                        handover.begin(number);
                        Shown::default()
                    }
                    1 => handover.lost(number),
                    _ => {
                        let clock = &mut clocks[number as usize];
                        *clock += 40;
                        handover.push(number, pictures(*clock))
                    }
                };
                for (number, millis) in times(&out) {
                    prop_assert!(millis > last);
                    prop_assert!(number == from || millis % 200 == 0, "{} begins with {}", number, millis);
                    (last, from) = (millis, number);
                }
            }
        }
    }
}
