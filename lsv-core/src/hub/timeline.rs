//! One timeline for a stream, whatever its publishers' clocks do.
//!
//! A publisher's first frame continues where the stream stood; a jump of its clock is bridged the same way. Each
//! such seam opens a new *epoch*, which outputs with a notion of discontinuity show.

use std::time::Duration;

use crate::media::Kind;
use crate::time::Timestamp;

#[derive(Debug)]
pub(super) struct Timeline {
    max_gap: Duration,
    /// Added to a publisher's time in this epoch; `None` until its first frame.
    offset: Option<Timestamp>,
    epoch: u32,
    tracks: [TrackClock; 3],
    /// The last decoding time given out, of all tracks.
    latest: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Default)]
struct TrackClock {
    /// Added to the track's time in this epoch: the epoch's offset, unless the track runs on a clock of its own.
    offset: Option<Timestamp>,
    /// The last decoding time given out.
    last: Option<Timestamp>,
}

impl Timeline {
    pub(super) fn new(max_gap: Duration) -> Self {
        Self {
            max_gap,
            offset: None,
            epoch: 0,
            tracks: [TrackClock::default(); 3],
            latest: None,
        }
    }

    /// A new publisher, with a clock of its own, is about to send.
    pub(super) fn restart(&mut self) {
        self.offset = None;
    }

    /// The stream's time and epoch for a frame at the publisher's time `at`.
    pub(super) fn place(&mut self, kind: Kind, at: Timestamp) -> (Timestamp, u32) {
        let clock = self.clock(kind);
        let placed = match (self.offset, clock.offset) {
            (Some(_), Some(offset)) if !self.is_jump(kind, at + offset) => at + offset,
            (Some(offset), None) => self.join_epoch(kind, at, offset),
            _ => self.open_epoch(kind, at),
        };
        // What lies slightly behind, as when frames are not quite in order, is held: a decoding time that runs
        // backwards breaks every muxer.
        let dts = placed.max(clock.last.unwrap_or(Timestamp::ZERO));
        self.clock_mut(kind).last = Some(dts);
        self.latest = self.latest.max(Some(dts));
        (dts, self.epoch)
    }

    fn is_jump(&self, kind: Kind, at: Timestamp) -> bool {
        // Script data comes when it likes, and its time matters little.
        let Some((latest, last)) = self
            .latest
            .zip(self.clock(kind).last)
            .filter(|_| kind != Kind::Data)
        else {
            return false;
        };
        at.since(latest) > self.max_gap || last.since(at) > BACKWARD_TOLERANCE
    }

    /// A track's first frame in an epoch that another track opened. Audio and video that lie further apart than any
    /// player would buffer have clocks of their own; the track then begins where the stream stands.
    fn join_epoch(&mut self, kind: Kind, at: Timestamp, offset: Timestamp) -> Timestamp {
        let latest = self.latest.unwrap_or(Timestamp::ZERO);
        let placed = at + offset;
        let apart = placed.since(latest).max(latest.since(placed));
        let offset = if apart > self.max_gap {
            latest - at
        } else {
            offset
        };
        self.clock_mut(kind).offset = Some(offset);
        at + offset
    }

    fn open_epoch(&mut self, kind: Kind, at: Timestamp) -> Timestamp {
        let start = match self.latest {
            Some(latest) => {
                self.epoch = self.epoch.wrapping_add(1);
                latest + SEAM
            }
            None => Timestamp::ZERO,
        };
        self.tracks = [TrackClock {
            offset: None,
            last: self.latest,
        }; 3];
        let offset = start - at;
        self.offset = Some(offset);
        self.clock_mut(kind).offset = Some(offset);
        start
    }

    fn clock(&self, kind: Kind) -> TrackClock {
        let [video, audio, data] = self.tracks;
        match kind {
            Kind::Video => video,
            Kind::Audio => audio,
            Kind::Data => data,
        }
    }

    fn clock_mut(&mut self, kind: Kind) -> &mut TrackClock {
        let [video, audio, data] = &mut self.tracks;
        match kind {
            Kind::Video => video,
            Kind::Audio => audio,
            Kind::Data => data,
        }
    }
}

/// The step from the last frame of an epoch to the first of the next: about a frame, so that players see no gap.
const SEAM: Duration = Duration::from_millis(40);

/// How far a clock may run backwards within a track and still be held rather than taken for a jump.
const BACKWARD_TOLERANCE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn timeline() -> Timeline {
        Timeline::new(Duration::from_secs(10))
    }

    #[test]
    fn starts_at_zero_and_keeps_steps() {
        let mut timeline = timeline();
        assert_eq!(timeline.place(Kind::Video, ms(5_000)), (ms(0), 0));
        assert_eq!(timeline.place(Kind::Audio, ms(4_990)), (ms(0), 0));
        assert_eq!(timeline.place(Kind::Video, ms(5_033)), (ms(33), 0));
        assert_eq!(timeline.place(Kind::Audio, ms(5_013)), (ms(13), 0));
    }

    #[test]
    fn a_new_publisher_goes_on_in_a_new_epoch() {
        let mut timeline = timeline();
        timeline.place(Kind::Video, ms(0));
        timeline.place(Kind::Video, ms(1_000));
        timeline.restart();
        assert_eq!(timeline.place(Kind::Audio, ms(77)), (ms(1_040), 1));
        assert_eq!(timeline.place(Kind::Video, ms(80)), (ms(1_043), 1));
    }

    #[test]
    fn jumps_either_way_are_bridged_once() {
        let mut timeline = timeline();
        timeline.place(Kind::Video, ms(0));
        timeline.place(Kind::Audio, ms(10));
        assert_eq!(timeline.place(Kind::Video, ms(3_600_000)), (ms(50), 1));
        assert_eq!(timeline.place(Kind::Audio, ms(3_600_010)), (ms(60), 1));
        assert_eq!(timeline.place(Kind::Video, ms(20)), (ms(100), 2));
        assert_eq!(timeline.place(Kind::Audio, ms(30)), (ms(110), 2));
    }

    #[test]
    fn clocks_far_apart_keep_their_own_pace() {
        let mut timeline = timeline();
        for n in 0..100 {
            let (audio, _) = timeline.place(Kind::Audio, ms(n * 40));
            let (video, epoch) = timeline.place(Kind::Video, ms(12_000 + n * 40));
            assert_eq!((audio, video, epoch), (ms(n * 40), ms(n * 40), 0));
        }
    }

    #[test]
    fn rare_script_data_breaks_nothing() {
        let mut timeline = timeline();
        timeline.place(Kind::Data, ms(0));
        for n in 0..3_000 {
            assert_eq!(timeline.place(Kind::Video, ms(n * 40)), (ms(n * 40), 0));
        }
        assert_eq!(timeline.place(Kind::Data, ms(120_000)), (ms(120_000), 0));
        assert_eq!(timeline.place(Kind::Data, ms(5)), (ms(120_000), 0));
        assert_eq!(timeline.place(Kind::Video, ms(120_000)), (ms(120_000), 0));
    }

    proptest! {
        #[test]
        fn never_runs_backwards(times in prop::collection::vec((any::<u32>(), any::<bool>()), 1..100)) {
            let mut timeline = timeline();
            let mut last = [Timestamp::ZERO; 2];
            for (at, audio) in times {
                let kind = if audio { Kind::Audio } else { Kind::Video };
                let (dts, _) = timeline.place(kind, ms(i64::from(at)));
                prop_assert!(dts >= last[usize::from(audio)]);
                last[usize::from(audio)] = dts;
            }
        }
    }
}
