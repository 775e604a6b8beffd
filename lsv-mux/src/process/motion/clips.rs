//! Where clips begin and end. Pure: times are the stream's own, and nothing grows however long it runs.

use std::time::Duration;

use lsv_core::time::Timestamp;

/// How long clips are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// What a clip shows of the time before the motion. 5 s.
    pub before: Duration,
    /// What it shows after the last motion.
    pub after: Duration,
    /// The longest clip. Where something moves for longer, another clip follows.
    pub longest: Duration,
}

impl Rules {
    /// Clips that go on for `after` behind the last motion, but are no longer than `longest`.
    pub fn new(after: Duration, longest: Duration) -> Self {
        Self {
            before: BEFORE,
            after,
            longest,
        }
    }

    /// What a clip shows of the time before: of short ones no more than half.
    fn lead(&self) -> Duration {
        self.before.min(self.longest / 2)
    }
}

/// What to do after a picture; first what ends, then what begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Step {
    /// The clip ends in front of this time.
    pub end: Option<Timestamp>,
    /// A clip begins.
    pub begin: Option<Begin>,
}

/// The start of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Begin {
    /// What it should show from on.
    pub from: Timestamp,
    /// It may begin as early, for the sake of a key frame; else at the next key frame, at the latest at that in front of
    /// the moment.
    pub earliest: Timestamp,
    /// The moment of the motion.
    pub moment: Timestamp,
}

/// Makes clips of moments of motion: from [`Rules::before`] the first to [`Rules::after`] the last, or to
/// [`Rules::longest`]; then, if something still moves, another.
///
/// Clips do not overlap, but for the sake of a key frame to begin with.
#[derive(Debug, Default)]
pub struct Clips {
    running: Option<Running>,
    /// Where the last clip ended.
    ended: Option<Timestamp>,
}

#[derive(Debug)]
struct Running {
    start: Timestamp,
    first: Timestamp,
    last: Timestamp,
}

impl Running {
    /// Where it ends if nothing moves any more. One whose only key frame lies far in front of the motion shows at least
    /// something of that.
    fn end(&self, rules: &Rules) -> Timestamp {
        let longest = (self.start + rules.longest).max(self.first + AT_LEAST);
        (self.last + rules.after).min(longest)
    }
}

impl Clips {
    /// Without any clip.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of the picture at `at`, in which something `moves` or not. Times never run backwards, but see
    /// [`Clips::interrupt`].
    pub fn picture(&mut self, at: Timestamp, moves: bool, rules: &Rules) -> Step {
        let mut step = Step::default();
        if let Some(running) = &mut self.running {
            if at < running.end(rules) {
                if moves {
                    running.last = at;
                }
                return step;
            }
            let end = running.end(rules);
            step.end = Some(end);
            self.ended = Some(end);
            self.running = None;
        }
        if moves {
            step.begin = Some(self.begin(at, rules));
        }
        step
    }

    /// Tells where the clip that began last really starts: at a key frame.
    pub fn starts(&mut self, start: Timestamp) {
        if let Some(running) = &mut self.running {
            running.start = start.min(running.first);
        }
    }

    /// Where the running clip ends if nothing moves any more.
    pub fn end(&self, rules: &Rules) -> Option<Timestamp> {
        self.running.as_ref().map(|running| running.end(rules))
    }

    /// The timeline breaks: the running clip ends here, and what comes is on another. Says whether there was one.
    pub fn interrupt(&mut self) -> bool {
        self.ended = None;
        self.running.take().is_some()
    }

    fn begin(&mut self, moment: Timestamp, rules: &Rules) -> Begin {
        let lead = Timestamp::ZERO + rules.lead();
        let wanted = moment - lead;
        let from = self
            .ended
            .map_or(wanted, |ended| ended.max(wanted))
            .min(moment);
        self.running = Some(Running {
            start: from,
            first: moment,
            last: moment,
        });
        Begin {
            from,
            earliest: moment - (Timestamp::ZERO + rules.longest / 2).max(lead),
            moment,
        }
    }
}

/// What clips show of the time before the motion.
const BEFORE: Duration = Duration::from_secs(5);
/// What a clip shows of its motion in any case.
const AT_LEAST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn rules(after: u64, longest: u64) -> Rules {
        Rules::new(Duration::from_secs(after), Duration::from_secs(longest))
    }

    /// The clips that come of motion in pictures five a second until `until`, in milliseconds, where each begins where it
    /// is wanted.
    fn clips(moving: impl Fn(i64) -> bool, until: i64, rules: &Rules) -> Vec<(i64, i64)> {
        let (mut clips, mut found) = (Clips::new(), Vec::new());
        for time in (0..until).step_by(200) {
            let step = clips.picture(at(time), moving(time), rules);
            if let (Some(end), Some((_, last))) = (step.end, found.last_mut()) {
                *last = end.as_millis();
            }
            if let Some(begin) = step.begin {
                clips.starts(begin.from);
                found.push((begin.from.as_millis(), -1));
            }
        }
        found
    }

    #[test]
    fn a_clip_reaches_from_before_the_first_motion_to_after_the_last() {
        let normal = rules(5, 60);
        for (name, moments, expected) in [
            ("nothing", &[][..], &[][..]),
            ("one moment", &[20_000], &[(15_000, 25_000)]),
            ("two of one clip", &[20_000, 24_800], &[(15_000, 29_800)]),
            (
                "two clips side by side",
                &[20_000, 25_000],
                &[(15_000, 25_000), (25_000, 30_000)],
            ),
            (
                "two clips apart",
                &[20_000, 40_000],
                &[(15_000, 25_000), (35_000, 45_000)],
            ),
            ("at the very start", &[0], &[(-5_000, 5_000)]),
        ] {
            let found = clips(|time| moments.contains(&time), 60_000, &normal);
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn motion_that_goes_on_makes_clip_after_clip() {
        let found = clips(
            |time| (20_000..150_000).contains(&time),
            200_000,
            &rules(5, 60),
        );
        assert_eq!(
            found,
            [(15_000, 75_000), (75_000, 135_000), (135_000, 154_800)]
        );
    }

    #[test]
    fn a_short_clip_shows_its_motion() {
        let found = clips(|time| time == 20_000, 60_000, &rules(5, 4));
        assert_eq!(found, [(18_000, 22_000)]);
        let found = clips(|time| time == 20_000, 60_000, &rules(3_600, 1));
        assert_eq!(
            found,
            [(19_500, 21_000)],
            "at least a second, where key frames are far"
        );
    }

    #[test]
    fn a_far_key_frame_does_not_end_a_clip_before_its_motion() {
        let mut clips = Clips::new();
        let rules = rules(5, 10);
        let begin = clips.picture(at(60_000), true, &rules).begin.unwrap();
        assert_eq!(begin.earliest, at(55_000));
        clips.starts(at(0));
        assert_eq!(clips.end(&rules), Some(at(61_000)));
        assert_eq!(
            clips.picture(at(60_800), false, &rules),
            Step::default(),
            "it runs"
        );
        assert_eq!(
            clips.picture(at(61_000), false, &rules).end,
            Some(at(61_000))
        );
    }

    #[test]
    fn a_break_of_the_timeline_ends_a_clip() {
        let mut clips = Clips::new();
        let rules = rules(5, 60);
        assert!(!clips.interrupt());
        clips.picture(at(60_000), true, &rules);
        assert!(clips.interrupt());
        let step = clips.picture(at(0), true, &rules);
        assert_eq!(step.end, None);
        assert_eq!(step.begin.unwrap().from, at(-5_000));
    }

    /// A month of a door that opens once a minute.
    #[test]
    fn it_runs_for_long() {
        let month = 30 * 24 * 3_600_000;
        let rules = rules(5, 60);
        let (mut clips, mut begun, mut ended) = (Clips::new(), 0, 0);
        for time in (0..month).step_by(1_000) {
            let step = clips.picture(at(time), time % 60_000 == 30_000, &rules);
            begun += i64::from(step.begin.is_some());
            ended += i64::from(step.end.is_some());
        }
        assert_eq!((begun, ended), (month / 60_000, month / 60_000));
    }

    proptest! {
        #[test]
        fn every_motion_is_in_one_clip_and_none_is_too_long(
            moving in prop::collection::vec(prop::bool::weighted(0.1), 1..600),
            after in 1..10_u64, longest in 10..30_u64,
        ) {
            let rules = rules(after, longest);
            let moves = |time: i64| moving[(time / 200) as usize];
            let until = moving.len() as i64 * 200;
            let mut found = clips(moves, until, &rules);
            if let Some((_, end)) = found.last_mut().filter(|(_, end)| *end < 0) {
                *end = i64::MAX;
            }
            for pair in found.windows(2) {
                prop_assert!(pair[0].1 <= pair[1].0, "{:?}", pair);
            }
            for (start, end) in found.iter().filter(|(_, end)| *end < i64::MAX) {
                prop_assert!(end - start <= longest as i64 * 1_000);
            }
            for time in (0..until).step_by(200).filter(|time| moves(*time)) {
                let holding = found.iter().filter(|(start, end)| (*start..*end).contains(&time));
                prop_assert_eq!(holding.count(), 1, "{} in {:?}", time, found);
            }
        }
    }
}
