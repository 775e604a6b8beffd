//! From one encoder to the next without a gap: the old one gives pictures up to a key frame of the new one, which goes on
//! from there.
//!
//! ```text
//! old  k---k---k---··        · is thrown away
//! new       ···k--k---k---   it began beside the old one, at a key frame that viewers have seen
//!                 ^ border: the first key frame of the new one that viewers have not got to
//! ```
//!
//! The old one may be ahead by a little, and waits so long. Where the two have their key frames does not matter.
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
    /// What it gave that waits for the one that follows.
    waiting: VecDeque<Step>,
    next: Option<Next>,
    /// When the last pictures that were shown are decoded.
    last: Option<Timestamp>,
    /// The encoder that is shown begins with its next key frame.
    awaits_start: bool,
}

/// The encoder that is to follow.
#[derive(Debug)]
struct Next {
    number: Number,
    /// What it gave: sound, and pictures from the border on.
    held: VecDeque<Step>,
    /// Its first key frame that had not been shown.
    border: Option<Timestamp>,
    /// Its last pictures.
    newest: Option<Timestamp>,
    /// Its key frames that came too late to be the border.
    late: usize,
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
        let mut replaced: Vec<Number> = self.next.take().map(|it| it.number).into_iter().collect();
        if self.shown.is_none() || self.awaits_start {
            replaced.extend(self.shown.replace(number));
            self.awaits_start = true;
        } else {
            self.next = Some(Next {
                number,
                held: VecDeque::new(),
                border: None,
                newest: None,
                late: 0,
            });
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
            self.waiting.push_back(step);
        } else if let Some(next) = &mut self.next
            && next.number == number
        {
            next.hold(step, self.last);
        }
        self.settle(&mut out);
        out
    }

    /// Encoder `number` is gone. If it was the one that is shown, the one that follows goes on as soon as it can.
    pub(super) fn lost(&mut self, number: Number) -> Shown {
        let mut out = Shown::default();
        if self.next.as_ref().is_some_and(|next| next.number == number) {
            self.next = None;
        }
        if self.shown == Some(number) {
            self.settle(&mut out);
        }
        if self.shown == Some(number) {
            for step in std::mem::take(&mut self.waiting) {
                self.show(number, step, &mut out);
            }
            self.shown = None;
            self.cross(&mut out);
        }
        out
    }

    /// Shows what need not wait any longer, up to the border and across it.
    fn settle(&mut self, out: &mut Shown) {
        while let (Some(shown), Some(step)) = (self.shown, self.waiting.front()) {
            let newest = self.waiting.back().map_or_else(|| step.at(), Step::at);
            match self.next.as_ref().map(|next| next.judge(step, newest)) {
                Some(Judgement::Wait) => return,
                Some(Judgement::Cross) => {
                    out.retired = Some(shown);
                    self.waiting.clear();
                    self.cross(out);
                }
                Some(Judgement::Show) | None => {
                    if let Some(step) = self.waiting.pop_front() {
                        self.show(shown, step, out);
                    }
                }
            }
        }
    }

    /// The one that follows is shown.
    fn cross(&mut self, out: &mut Shown) {
        let Some(next) = self.next.take() else {
            return;
        };
        (self.shown, self.awaits_start) = (Some(next.number), true);
        // Of the old one's sound a little is still to come when its pictures are over, and will not.
        for step in next.held {
            self.show(next.number, step, out);
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

/// What becomes of a step of the encoder that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Show,
    Wait,
    /// It is thrown away: the other one is shown.
    Cross,
}

impl Next {
    /// Takes a step where pictures up to `shown` have been shown.
    fn hold(&mut self, step: Step, shown: Option<Timestamp>) {
        if let Step::Pictures(_) = step {
            self.newest = Some(step.at());
            if step.is_start() && self.border.is_none() {
                match shown.is_none_or(|shown| step.at() > shown) {
                    true => self.border = Some(step.at()),
                    false => self.late += 1,
                }
            }
            if self.border.is_none() {
                return;
            }
        }
        self.held.push_back(step);
        if self.held.len() > MOST_HELD {
            self.held.pop_front();
        }
    }

    /// What becomes of `step` of the encoder before it, which has come as far as `newest`.
    fn judge(&self, step: &Step, newest: Timestamp) -> Judgement {
        if let Step::Sound(..) = step {
            return Judgement::Show;
        }
        if let Some(border) = self.border {
            return match step.at() < border {
                true => Judgement::Show,
                false => Judgement::Cross,
            };
        }
        match self.newest {
            // Viewers would wait for one that lags, once and not for ever.
            _ if self.late > PATIENCE && step.is_start() => Judgement::Cross,
            Some(passed) if passed < step.at() && newest.since(passed) <= CLOSE => Judgement::Wait,
            _ => Judgement::Show,
        }
    }
}

/// How far behind one that follows may be, to be waited for.
const CLOSE: Duration = Duration::from_millis(250);

/// Key frames that came too late, after which one that has not caught up is taken all the same.
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
    fn the_next_takes_over_where_it_has_a_key_frame() {
        let mut handover = Handover::default();
        handover.begin(1);
        for millis in (0..=400).step_by(40) {
            handover.push(1, pictures(millis));
        }
        handover.begin(2);
        // It starts with what has been seen.
        assert_eq!(times(&handover.push(2, pictures(400))), []);
        // The old one waits for it where it is close.
        assert_eq!(times(&handover.push(1, pictures(440))), []);
        assert_eq!(times(&handover.push(2, pictures(440))), [(1, 440)]);
        assert_eq!(times(&handover.push(1, pictures(560))), []);
        assert_eq!(times(&handover.push(1, pictures(600))), []);
        assert_eq!(times(&handover.push(2, pictures(560))), [(1, 560)]);
        let border = handover.push(2, pictures(600));
        assert_eq!((times(&border), border.retired), (vec![(2, 600)], Some(1)));
        assert_eq!(times(&handover.push(1, pictures(640))), []);
    }

    /// Pictures of an encoder that has its key frames elsewhere.
    fn others(millis: i64) -> Step {
        let mut step = pictures(millis);
        if let Step::Pictures(row) = &mut step {
            row[0].key = millis % 280 == 0;
        }
        step
    }

    #[test]
    fn nothing_is_missing_where_key_frames_are_not_at_the_same_times() {
        for lead in [-80, 0, 80] {
            let mut handover = Handover::default();
            handover.begin(1);
            handover.push(1, pictures(0));
            handover.begin(2);
            let mut seen = Vec::new();
            for millis in (40..=800).step_by(40) {
                seen.extend(times(&handover.push(1, pictures(millis))));
                if millis + lead >= 0 {
                    seen.extend(times(&handover.push(2, others(millis + lead))));
                }
            }
            let shown: Vec<i64> = seen.iter().map(|(_, millis)| *millis).collect();
            let expected: Vec<i64> = (40..=800 + lead).step_by(40).collect();
            assert_eq!(shown, expected, "{lead}");
            let first = seen.iter().find(|(number, _)| *number == 2);
            assert_eq!(first, Some(&(2, 280)), "{lead}");
        }
    }

    #[test]
    fn one_that_lags_is_taken_in_the_end() {
        let mut handover = Handover::default();
        handover.begin(1);
        handover.push(1, pictures(0));
        handover.begin(2);
        let mut seen = Vec::new();
        for millis in (40..=4_000).step_by(40) {
            seen.extend(times(&handover.push(1, pictures(millis))));
            if millis >= 400 {
                seen.extend(times(&handover.push(2, pictures(millis - 400))));
            }
        }
        let first = seen.iter().position(|(number, _)| *number == 2).unwrap();
        assert_eq!(seen[first].1 - seen[first - 1].1, 40);
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
