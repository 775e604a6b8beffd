//! The newest frames of a stream, from a key frame on: what a clip shows of the time before its motion. Pure.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use lsv_core::hub::Item as _;
use lsv_core::media::{Kind, MediaFrame};
use lsv_core::time::Timestamp;

use super::clips::Begin;

/// Frames with their arrival, bounded in time and bytes. Payloads are shared, not copied.
#[derive(Debug)]
pub(super) struct Ring {
    frames: VecDeque<(MediaFrame, SystemTime)>,
    /// The number of the first frame.
    first: u64,
    bytes: usize,
    span: Duration,
    max_bytes: usize,
}

impl Ring {
    /// Keeps `span`, rounded up to whole groups of pictures, but no more than `max_bytes`.
    pub(super) fn new(span: Duration, max_bytes: usize) -> Self {
        Self {
            frames: VecDeque::new(),
            first: 0,
            bytes: 0,
            span,
            max_bytes,
        }
    }

    pub(super) fn push(&mut self, frame: MediaFrame, arrival: SystemTime) {
        if self.frames.is_empty() && !is_key(&frame) {
            return;
        }
        self.bytes += frame.size();
        self.frames.push_back((frame, arrival));
        self.trim();
    }

    /// Forgets all: what comes does not go on from it.
    pub(super) fn clear(&mut self) {
        self.first += self.frames.len() as u64;
        self.frames.clear();
        self.bytes = 0;
    }

    /// The number of the key frame that a clip begins with: the last one in front of what it should show; else the first
    /// behind that, or the last in front of the moment.
    pub(super) fn start(&self, begin: &Begin) -> Option<u64> {
        let keys = || {
            let numbered = (self.first..).zip(&self.frames);
            numbered
                .filter(|(_, (frame, _))| is_key(frame) && frame.dts <= begin.moment)
                .map(|(number, (frame, _))| (number, frame.dts))
        };
        let fits = |at: Timestamp| at <= begin.from && at >= begin.earliest;
        let in_front = keys().filter(|(_, at)| fits(*at)).last();
        let behind = || keys().find(|(_, at)| *at >= begin.earliest);
        in_front
            .or_else(behind)
            .or_else(|| keys().last())
            .map(|(number, _)| number)
    }

    /// Frame `number` and those that follow; `None` if it is gone already.
    pub(super) fn from(
        &self,
        number: u64,
    ) -> Option<impl Iterator<Item = &(MediaFrame, SystemTime)>> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        Some(self.frames.iter().skip(place))
    }

    /// The pictures from the key frame in front of `at` to the one that is shown then, in their order, and that one.
    pub(super) fn picture_at(
        &self,
        at: Timestamp,
    ) -> Option<(Vec<MediaFrame>, &(MediaFrame, SystemTime))> {
        let is_picture = |frame: &MediaFrame| frame.kind() == Kind::Video && frame.is_default;
        let pictures = || {
            self.frames
                .iter()
                .filter(move |(frame, _)| is_picture(frame))
        };
        let shown = pictures()
            .filter(|(frame, _)| frame.pts() <= at)
            .max_by_key(|(frame, _)| frame.pts())?;
        let is_up_to = |frame: &MediaFrame| frame.dts <= shown.0.dts;
        let mut needed: Vec<MediaFrame> = Vec::new();
        for (frame, _) in pictures().filter(|(frame, _)| is_up_to(frame)) {
            if frame.key {
                needed.clear();
            }
            needed.push(frame.clone());
        }
        Some((needed, shown))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.frames.len()
    }

    /// Drops whole groups of pictures, as long as the rest is long enough, and for the sake of the bytes.
    fn trim(&mut self) {
        loop {
            let second = self
                .frames
                .iter()
                .skip(1)
                .position(|(frame, _)| is_key(frame));
            let Some(group) = second.map(|place| place + 1) else {
                if self.bytes > self.max_bytes {
                    self.clear();
                }
                return;
            };
            let (Some((key, _)), Some((last, _))) = (self.frames.get(group), self.frames.back())
            else {
                return;
            };
            if last.dts.since(key.dts) < self.span && self.bytes <= self.max_bytes {
                return;
            }
            for (frame, _) in self.frames.drain(..group) {
                self.bytes -= frame.size();
            }
            self.first += group as u64;
        }
    }
}

/// Whether a clip may begin with it.
fn is_key(frame: &MediaFrame) -> bool {
    frame.key && frame.is_default && frame.kind() == Kind::Video
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::clips::{Clips, Rules};
    use super::*;
    use crate::testing;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// Ten frames a second with a key frame each two seconds, of 100 bytes and what describes them.
    fn filled(seconds: i64, span: u64, max_bytes: usize) -> Ring {
        let mut ring = Ring::new(Duration::from_secs(span), max_bytes);
        let track = testing::video();
        for number in 0..seconds * 10 {
            let payload = Bytes::from(vec![0; 100]);
            let frame = testing::frame(&track, number * 100, number % 20 == 0, payload);
            ring.push(frame, SystemTime::UNIX_EPOCH);
        }
        ring
    }

    fn start(ring: &Ring, moment: i64, longest: u64) -> Option<i64> {
        let rules = Rules::new(Duration::from_secs(5), Duration::from_secs(longest));
        let begin = Clips::new().picture(at(moment), true, &rules).begin?;
        let number = ring.start(&begin)?;
        let first = ring.from(number)?.next()?;
        Some(first.0.dts.as_millis())
    }

    #[test]
    fn a_clip_begins_at_the_key_frame_in_front_of_five_seconds() {
        let ring = filled(60, 15, 1 << 20);
        assert_eq!(start(&ring, 55_000, 60), Some(50_000));
        assert_eq!(start(&ring, 55_900, 60), Some(50_000));
        assert_eq!(start(&ring, 57_000, 60), Some(52_000));
        // No longer than half of the longest clip, whose lead of 2 s would need a key frame farther off.
        assert_eq!(start(&ring, 55_000, 4), Some(54_000));
        // What is not there any more.
        assert_eq!(start(&ring, 45_500, 60), Some(44_000));
        assert_eq!(start(&ring, 10_000, 60), None);
    }

    #[test]
    fn time_and_bytes_bound_it() {
        let ring = filled(3_600, 15, 1 << 20);
        assert!((150..=170).contains(&ring.len()), "{}", ring.len());
        let each = testing::frame(&testing::video(), 0, true, Bytes::from(vec![0; 100])).size();
        let small = filled(3_600, 15, each * 50);
        assert!((30..=50).contains(&small.len()), "{}", small.len());
        let none = filled(3_600, 15, each * 10);
        assert!(none.len() <= 10, "{}", none.len());
        assert_eq!(small.bytes, small.len() * each);
    }

    #[test]
    fn a_picture_needs_its_group_up_to_itself() {
        let ring = filled(10, 15, 1 << 20);
        let (needed, shown) = ring.picture_at(at(5_250)).unwrap();
        assert_eq!(shown.0.dts, at(5_200));
        let times: Vec<_> = needed.iter().map(|frame| frame.dts.as_millis()).collect();
        assert_eq!(
            times,
            (40..=52).map(|tenth| tenth * 100).collect::<Vec<_>>()
        );
        assert!(ring.picture_at(at(-1)).is_none());
    }
}
