//! One timeline for a stream, whatever its publishers' clocks do.
//!
//! A publisher's first frame continues where the stream stood; a jump of its clock is bridged the same way. Each
//! such seam opens a new *epoch*, which outputs with a notion of discontinuity show. Pictures and sound make the
//! timeline; script data, whose times are often odd, follows them.
//!
//! A publisher that is itself a stream of another node may tell of a seam there. Its times go on over it, and are kept:
//! renditions that come beside it lie on the same clock.
//!
//! A publisher inside the platform may say that its times are given: see [`Times`].

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Times;
use crate::media::{Kind, MediaFrame};
use crate::time::Timestamp;

#[derive(Debug)]
pub(super) struct Timeline {
    max_gap: Duration,
    times: Times,
    /// Added to the epochs that are given.
    given_base: u32,
    /// Added to a publisher's time in this epoch; `None` until its first picture or sound.
    offset: Option<Timestamp>,
    epoch: u32,
    /// The publisher's own number of this epoch, where it told one; and that of one that begins with its next picture or
    /// sound.
    number: Option<u32>,
    told: Option<Option<u32>>,
    /// The tracks that have sent in this epoch; as many as the hub carries.
    clocks: Vec<TrackClock>,
    /// The last decoding time given out before this epoch.
    seam: Option<Timestamp>,
    /// The last decoding time given out, of all tracks but script data.
    latest: Option<Timestamp>,
    /// The last time given out to script data.
    last_data: Timestamp,
    /// How often this publisher's clock jumped, where the last jump was bridged, and by how much it went.
    jumps: u32,
    last_jump: (Timestamp, Timestamp),
}

/// The jumps of a publisher's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jumps {
    pub(super) count: u32,
    /// How long ago the last one was.
    pub(super) age: Duration,
    /// By how much it went, forward or backward.
    pub(super) by: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct TrackClock {
    kind: Kind,
    id: u8,
    /// Added to the track's time in this epoch: the epoch's offset, unless the track runs on a clock of its own.
    offset: Timestamp,
    /// The last decoding time given out, its distance to the one before, and that one's.
    last: Timestamp,
    steps: [Timestamp; 2],
    /// The publisher that sent so far is gone, and the one that came has not sent anything of the track.
    taken_up: bool,
}

impl Timeline {
    pub(super) fn new(max_gap: Duration) -> Self {
        Self {
            max_gap,
            times: Times::Own,
            given_base: 0,
            offset: None,
            epoch: 0,
            number: None,
            told: None,
            clocks: Vec::new(),
            seam: None,
            latest: None,
            last_data: Timestamp::ZERO,
            jumps: 0,
            last_jump: Default::default(),
        }
    }

    /// A new publisher is about to send, whose times are as `times` says; `resumes` says whether the one before it was
    /// lost rather than taken over.
    pub(super) fn restart(&mut self, times: Times, resumes: bool) {
        self.offset = None;
        (self.number, self.told) = (None, None);
        self.jumps = 0;
        let switches = self.times != times && self.latest.is_some();
        self.times = times;
        if switches {
            self.given_base = self.epoch.wrapping_add(1);
            self.clocks.clear();
            self.seam = self.latest;
        } else if resumes {
            self.given_base = self.given_base.wrapping_add(1);
        }
        for clock in &mut self.clocks {
            clock.taken_up = true;
        }
    }

    /// The publisher says that what follows is of another epoch of its own, with a number if it has one.
    pub(super) fn begin_epoch(&mut self, number: Option<u32>) {
        match self.offset {
            Some(_) => self.told = Some(number),
            // Its first one: that begins anyway.
            None => self.number = number,
        }
    }

    /// Gives `frame` its time and epoch on the stream's timeline. False where it comes too late to have any.
    pub(super) fn place_frame(&mut self, frame: &mut MediaFrame) -> bool {
        let (kind, id) = (frame.kind(), frame.track.id);
        let placed = match self.times {
            Times::Own => Some(self.place(kind, id, frame.dts)),
            Times::Given => self.keep(kind, id, frame.dts, frame.epoch),
        };
        let Some((dts, epoch)) = placed else {
            return false;
        };
        (frame.dts, frame.epoch) = (dts, epoch);
        frame.composition = self.composition(frame.composition);
        true
    }

    /// What makes a publisher's times those of the stream, the epoch that is in force, and the publisher's number of it;
    /// `None` until its first picture or sound.
    pub(super) fn offset(&self) -> Option<(Timestamp, u32, Option<u32>)> {
        let offset = match self.times {
            Times::Own => self.offset?,
            Times::Given => Timestamp::ZERO,
        };
        Some((offset, self.epoch, self.number))
    }

    /// The jumps of this publisher's clock so far.
    pub(super) fn jumps(&self) -> Jumps {
        let (at, by) = self.last_jump;
        Jumps {
            count: self.jumps,
            age: self.latest.unwrap_or(at).since(at),
            by,
        }
    }

    /// The stream's time and epoch for a frame of track `id` of a kind at the publisher's time `at`.
    fn place(&mut self, kind: Kind, id: u8, at: Timestamp) -> (Timestamp, u32) {
        if kind == Kind::Data {
            return (self.place_data(at), self.epoch);
        }
        let epoch = self.epoch;
        let clock = self.clock(kind, id).copied();
        let (offset, held) = match (self.offset, clock) {
            (Some(_), Some(clock)) if !self.is_jump(clock.offset, clock.last, at) => {
                (clock.offset, Some(clock.last))
            }
            // A track that lagged behind a jump of another one follows: that is the same jump.
            (Some(offset), Some(clock)) if !self.is_jump(offset, clock.last, at) => {
                (offset, Some(clock.last))
            }
            (Some(_), Some(clock)) => {
                let by = at + clock.offset - clock.last;
                let offset = self.open_epoch(at, Some(clock));
                self.jumps = self.jumps.saturating_add(1);
                self.last_jump = (at + offset, by);
                (offset, self.seam)
            }
            (Some(offset), None) => (self.join_epoch(at, offset), self.seam),
            (None, clock) => (self.open_epoch(at, clock), self.seam),
        };
        if let Some(number) = self.told.take() {
            self.number = number;
            // Where the clock jumped as well, that is the same break.
            if self.epoch == epoch {
                self.epoch = epoch.wrapping_add(1);
                self.seam = self.latest;
            }
        }
        // What lies slightly behind, as when frames are not quite in order, is held: a decoding time that runs
        // backwards breaks every muxer.
        let held = held.max(self.seam).unwrap_or(Timestamp::ZERO);
        let dts = (at + offset).max(held);
        self.remember(kind, id, offset, dts);
        (dts, self.epoch)
    }

    /// The same where times and epochs are given. What a frame gets depends on its own track alone, so that several
    /// streams that are given the same frames agree, whatever the order between their tracks. `None` for a frame
    /// that is left out, as [`Times::Given`] says.
    fn keep(&mut self, kind: Kind, id: u8, at: Timestamp, epoch: u32) -> Option<(Timestamp, u32)> {
        let epoch = epoch.wrapping_add(self.given_base);
        if epoch < self.epoch {
            return None;
        }
        let seam = self.seam;
        let (last, taken_up) = match self.clock(kind, id) {
            Some(clock) => (Some(clock.last), clock.taken_up),
            None => (seam, true),
        };
        let dts = match last {
            Some(last) if last.since(at) > SEAM || (taken_up && at <= last) => return None,
            Some(last) => at.max(last),
            None => at,
        };
        self.epoch = epoch;
        self.remember(kind, id, Timestamp::ZERO, dts);
        Some((dts, epoch))
    }

    fn remember(&mut self, kind: Kind, id: u8, offset: Timestamp, last: Timestamp) {
        let mut clock = TrackClock {
            kind,
            id,
            offset,
            last,
            steps: [Timestamp::ZERO; 2],
            taken_up: false,
        };
        match self.clock(kind, id) {
            Some(known) => {
                clock.steps = [last - known.last, known.steps[0]];
                *known = clock;
            }
            None => self.clocks.push(clock),
        }
        if kind != Kind::Data {
            self.latest = self.latest.max(Some(last));
        }
    }

    /// `composition` where it can be true, else none: a picture is not shown that long before or after it is decoded.
    pub(super) fn composition(&self, composition: Timestamp) -> Timestamp {
        match apart(composition, Timestamp::ZERO) > self.max_gap {
            true => Timestamp::ZERO,
            false => composition,
        }
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

    /// Whether `at`, moved by `offset`, is too far from where the stream and the track stand, which is at `last`.
    fn is_jump(&self, offset: Timestamp, last: Timestamp, at: Timestamp) -> bool {
        let Some(latest) = self.latest else {
            return false;
        };
        let at = at + offset;
        at.since(latest) > self.max_gap || last.since(at) > BACKWARD_TOLERANCE
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

    /// A new epoch, opened at `at` by a track that ran by `clock` until here. It gives the epoch's offset.
    fn open_epoch(&mut self, at: Timestamp, clock: Option<TrackClock>) -> Timestamp {
        let start = match self.latest {
            Some(latest) => {
                self.epoch = self.epoch.wrapping_add(1);
                clock
                    .and_then(|clock| clock.next_after(latest))
                    .unwrap_or(latest + SEAM)
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

impl TrackClock {
    /// The first time after `latest` that is a whole number of frames behind the last one, where frames come regularly
    /// enough to tell. Whoever gets the stream over RTMP does not hear of epochs: it goes on in step for them, and
    /// low-latency HLS gets no part that a crooked frame makes too short.
    fn next_after(&self, latest: Timestamp) -> Option<Timestamp> {
        let [step, before] = self.steps;
        let is_regular = apart(step, before) <= ROUNDING && FRAMES.contains(&step);
        // Sound that opens an epoch does not know where its pictures will lie.
        if self.kind != Kind::Video || !is_regular {
            return None;
        }
        let behind = i64::try_from(latest.since(self.last).as_nanos()).ok()?;
        let frames = behind / step.as_nanos() + 1;
        Some(self.last + Timestamp::from_nanos(step.as_nanos().checked_mul(frames)?))
    }
}

fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}

/// The step from the last frame of an epoch to the first of the next where no better one is known: about a frame, so that
/// players see no gap.
const SEAM: Duration = Duration::from_millis(40);

/// How far pictures that come regularly are apart.
const FRAMES: RangeInclusive<Timestamp> = Timestamp::from_millis(5)..=Timestamp::from_millis(100);

/// What the milliseconds of RTMP make of regular steps.
const ROUNDING: Duration = Duration::from_millis(1);

/// How far a clock may run backwards within a track and still be held rather than taken for a jump.
const BACKWARD_TOLERANCE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
