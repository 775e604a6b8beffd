//! One timeline for a stream, whatever its publishers' clocks do.
//!
//! A publisher's first frame continues where the stream stood; a jump of its clock is bridged the same way. Each
//! such seam opens a new *epoch*, which outputs with a notion of discontinuity show. Pictures and sound make the
//! timeline; script data, whose times are often odd, follows them.

use std::time::Duration;

use crate::media::Kind;
use crate::time::Timestamp;

#[derive(Debug)]
pub(super) struct Timeline {
    max_gap: Duration,
    /// Added to a publisher's time in this epoch; `None` until its first picture or sound.
    offset: Option<Timestamp>,
    epoch: u32,
    /// The tracks that have sent in this epoch; as many as the hub carries.
    clocks: Vec<TrackClock>,
    /// The last decoding time given out before this epoch.
    seam: Option<Timestamp>,
    /// The last decoding time given out, of all tracks but script data.
    latest: Option<Timestamp>,
    /// The last time given out to script data.
    last_data: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct TrackClock {
    kind: Kind,
    id: u8,
    /// Added to the track's time in this epoch: the epoch's offset, unless the track runs on a clock of its own.
    offset: Timestamp,
    /// The last decoding time given out.
    last: Timestamp,
}

impl Timeline {
    pub(super) fn new(max_gap: Duration) -> Self {
        Self {
            max_gap,
            offset: None,
            epoch: 0,
            clocks: Vec::new(),
            seam: None,
            latest: None,
            last_data: Timestamp::ZERO,
        }
    }

    /// A new publisher, with a clock of its own, is about to send.
    pub(super) fn restart(&mut self) {
        self.offset = None;
    }

    /// The stream's time and epoch for a frame of track `id` of a kind at the publisher's time `at`.
    pub(super) fn place(&mut self, kind: Kind, id: u8, at: Timestamp) -> (Timestamp, u32) {
        if kind == Kind::Data {
            return (self.place_data(at), self.epoch);
        }
        let clock = self.clock(kind, id).copied();
        let (offset, held) = match (self.offset, clock) {
            (Some(_), Some(clock)) if !self.is_jump(&clock, at) => (clock.offset, Some(clock.last)),
            (Some(offset), None) => (self.join_epoch(at, offset), self.seam),
            _ => (self.open_epoch(at), self.seam),
        };
        // What lies slightly behind, as when frames are not quite in order, is held: a decoding time that runs
        // backwards breaks every muxer.
        let dts = (at + offset).max(held.unwrap_or(Timestamp::ZERO));
        let clock = TrackClock {
            kind,
            id,
            offset,
            last: dts,
        };
        match self.clock(kind, id) {
            Some(known) => *known = clock,
            None => self.clocks.push(clock),
        }
        self.latest = self.latest.max(Some(dts));
        (dts, self.epoch)
    }

    /// Script data lies where its publisher's clock says, or else where the stream stands. It never moves anything: a
    /// picture would have to follow an offset that was taken from an odd time.
    fn place_data(&mut self, at: Timestamp) -> Timestamp {
        let latest = self.latest.unwrap_or(Timestamp::ZERO);
        let placed = self.offset.map(|offset| at + offset);
        let near = placed.filter(|placed| apart(*placed, latest) <= self.max_gap);
        let held = self.last_data.max(self.seam.unwrap_or(Timestamp::ZERO));
        self.last_data = near.unwrap_or(latest).max(held);
        self.last_data
    }

    fn is_jump(&self, clock: &TrackClock, at: Timestamp) -> bool {
        let Some(latest) = self.latest else {
            return false;
        };
        let at = at + clock.offset;
        at.since(latest) > self.max_gap || clock.last.since(at) > BACKWARD_TOLERANCE
    }

    /// The offset of a track's first frame in an epoch that another track opened. Tracks that lie further apart than any
    /// player would buffer have clocks of their own; the track then begins where the stream stands.
    fn join_epoch(&self, at: Timestamp, offset: Timestamp) -> Timestamp {
        let latest = self.latest.unwrap_or(Timestamp::ZERO);
        match apart(at + offset, latest) > self.max_gap {
            true => latest - at,
            false => offset,
        }
    }

    fn open_epoch(&mut self, at: Timestamp) -> Timestamp {
        let start = match self.latest {
            Some(latest) => {
                self.epoch = self.epoch.wrapping_add(1);
                latest + SEAM
            }
            None => Timestamp::ZERO,
        };
        self.clocks.clear();
        self.seam = self.latest;
        let offset = start - at;
        self.offset = Some(offset);
        offset
    }

    fn clock(&mut self, kind: Kind, id: u8) -> Option<&mut TrackClock> {
        self.clocks
            .iter_mut()
            .find(|clock| (clock.kind, clock.id) == (kind, id))
    }
}

fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
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
        assert_eq!(timeline.place(Kind::Video, 0, ms(5_000)), (ms(0), 0));
        assert_eq!(timeline.place(Kind::Audio, 0, ms(4_990)), (ms(0), 0));
        assert_eq!(timeline.place(Kind::Video, 0, ms(5_033)), (ms(33), 0));
        assert_eq!(timeline.place(Kind::Audio, 0, ms(5_013)), (ms(13), 0));
    }

    #[test]
    fn a_new_publisher_goes_on_in_a_new_epoch() {
        let mut timeline = timeline();
        timeline.place(Kind::Video, 0, ms(0));
        timeline.place(Kind::Video, 0, ms(1_000));
        timeline.restart();
        assert_eq!(timeline.place(Kind::Audio, 0, ms(77)), (ms(1_040), 1));
        assert_eq!(timeline.place(Kind::Video, 0, ms(80)), (ms(1_043), 1));
    }

    #[test]
    fn jumps_either_way_are_bridged_once() {
        let mut timeline = timeline();
        timeline.place(Kind::Video, 0, ms(0));
        timeline.place(Kind::Audio, 0, ms(10));
        assert_eq!(timeline.place(Kind::Video, 0, ms(3_600_000)), (ms(50), 1));
        assert_eq!(timeline.place(Kind::Audio, 0, ms(3_600_010)), (ms(60), 1));
        assert_eq!(timeline.place(Kind::Video, 0, ms(20)), (ms(100), 2));
        assert_eq!(timeline.place(Kind::Audio, 0, ms(30)), (ms(110), 2));
    }

    #[test]
    fn clocks_far_apart_keep_their_own_pace() {
        let mut timeline = timeline();
        for n in 0..100 {
            let (audio, _) = timeline.place(Kind::Audio, 0, ms(n * 40));
            let (video, epoch) = timeline.place(Kind::Video, 0, ms(12_000 + n * 40));
            assert_eq!((audio, video, epoch), (ms(n * 40), ms(n * 40), 0));
        }
    }

    #[test]
    fn every_track_has_a_clock() {
        let mut timeline = timeline();
        for n in 0..3 {
            for id in 0..3 {
                let late = i64::from(id) * 7;
                let placed = timeline.place(Kind::Video, id, ms(n * 40 + late));
                assert_eq!(placed, (ms(n * 40 + late), 0));
            }
        }
        // One that jumps takes the others along.
        assert_eq!(timeline.place(Kind::Video, 1, ms(60_000)), (ms(134), 1));
        assert_eq!(timeline.place(Kind::Video, 0, ms(60_007)), (ms(141), 1));
    }

    #[test]
    fn rare_script_data_breaks_nothing() {
        let mut timeline = timeline();
        timeline.place(Kind::Data, 0, ms(0));
        for n in 0..3_000 {
            assert_eq!(timeline.place(Kind::Video, 0, ms(n * 40)), (ms(n * 40), 0));
        }
        assert_eq!(timeline.place(Kind::Data, 0, ms(120_000)), (ms(120_000), 0));
        assert_eq!(timeline.place(Kind::Data, 0, ms(5)), (ms(120_000), 0));
        assert_eq!(
            timeline.place(Kind::Video, 0, ms(120_000)),
            (ms(120_000), 0)
        );
    }

    #[test]
    fn script_data_never_moves_pictures() {
        for odd in [ms(0), ms(8_000), ms(3_600_000), ms(i64::from(u32::MAX))] {
            let mut timeline = timeline();
            // As the first frame, as one in the middle, and between two publishers.
            assert_eq!(timeline.place(Kind::Data, 0, odd), (ms(0), 0));
            assert_eq!(timeline.place(Kind::Video, 0, ms(5_000)), (ms(0), 0));
            timeline.place(Kind::Data, 0, odd);
            assert_eq!(timeline.place(Kind::Video, 0, ms(5_040)), (ms(40), 0));
            assert_eq!(timeline.place(Kind::Audio, 0, ms(5_040)), (ms(40), 0));
            timeline.restart();
            let (data, epoch) = timeline.place(Kind::Data, 0, odd);
            assert!((ms(40)..=ms(3_000)).contains(&data), "{data:?}");
            assert_eq!(epoch, 0);
            assert_eq!(timeline.place(Kind::Video, 0, ms(700)), (ms(80), 1));
            assert_eq!(timeline.place(Kind::Audio, 0, ms(720)), (ms(100), 1));
        }
    }

    proptest! {
        #[test]
        fn never_runs_backwards(times in prop::collection::vec((any::<u32>(), 0..3_usize), 1..100)) {
            let mut timeline = timeline();
            let mut last = [Timestamp::ZERO; 3];
            for (at, kind) in times {
                let kinds = [Kind::Video, Kind::Audio, Kind::Data];
                let (dts, _) = timeline.place(kinds[kind], 0, ms(i64::from(at)));
                prop_assert!(dts >= last[kind]);
                last[kind] = dts;
            }
        }
    }
}
