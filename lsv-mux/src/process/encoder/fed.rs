//! What went into an encoder, so that what comes out gets its times back to the nanosecond, and its epoch.

use std::collections::VecDeque;
use std::time::Duration;

use lsv_core::media::{Kind, MediaFrame};
use lsv_core::time::Timestamp;

/// The pictures that an encoder has been given and not given back.
#[derive(Debug, Default)]
pub(super) struct Fed {
    /// When they are presented, and in which epoch; in that order.
    presented: VecDeque<(Timestamp, u32)>,
    /// When they are decoded. Encoders here give pictures in the order of presentation, and the first to be presented is
    /// decoded when the source's first is: so a picture has the decoding time of the one with the same place in its own
    /// order, a key frame that of the source's key frame, and each can follow the other.
    decoded: VecDeque<Timestamp>,
    /// The epochs, each with the presentation time of its first picture.
    epochs: VecDeque<(Timestamp, u32)>,
    newest: Option<Timestamp>,
}

impl Fed {
    /// A picture goes in.
    pub(super) fn note(&mut self, frame: &MediaFrame) {
        let (pts, epoch) = (frame.pts(), frame.epoch);
        if self.presented.len() == MOST_REMEMBERED {
            self.forget_first();
        }
        let place = self.presented.partition_point(|known| known.0 <= pts);
        self.presented.insert(place, (pts, epoch));
        let last = self.decoded.back().copied();
        self.decoded
            .push_back(frame.dts.max(last.unwrap_or(frame.dts)));
        self.newest = self.newest.max(Some(pts));
        if self.epochs.back().is_none_or(|(_, known)| *known != epoch) {
            if self.epochs.len() == MOST_EPOCHS {
                self.epochs.pop_front();
            }
            self.epochs.push_back((pts, epoch));
        }
    }

    /// Gives what comes out its times and its epoch. False for what cannot have been made of what went in: its time would be
    /// believed, and shut out what follows.
    pub(super) fn place(&mut self, frame: &mut MediaFrame) -> bool {
        let pts = frame.pts();
        let newest = self.newest.unwrap_or_default();
        if pts.since(newest) > AHEAD || newest.since(pts) > BEHIND {
            return false;
        }
        let made_of = match frame.kind() {
            Kind::Video => self.find(pts),
            _ => None,
        };
        let (dts, (pts, epoch)) = made_of.unwrap_or_else(|| (pts, (pts, self.epoch_at(pts))));
        frame.dts = dts.min(pts);
        frame.composition = pts - frame.dts;
        frame.epoch = epoch;
        true
    }

    /// When the picture is decoded, and which it is, that is meant by a time which an encoder has rounded. It is asked for
    /// once for each output.
    fn find(&mut self, pts: Timestamp) -> Option<(Timestamp, (Timestamp, u32))> {
        let is_old = |known: &(Timestamp, u32)| pts.since(known.0) > REMEMBERED;
        while self.presented.front().is_some_and(is_old) {
            self.forget_first();
        }
        let after = self.presented.partition_point(|known| known.0 < pts);
        let apart = |index: &usize| {
            let known = self.presented.get(*index);
            known.map_or(Duration::MAX, |known| {
                known.0.since(pts).max(pts.since(known.0))
            })
        };
        let index = (after.saturating_sub(1)..=after).min_by_key(apart)?;
        if apart(&index) > ROUNDING {
            return None;
        }
        Some((*self.decoded.get(index)?, *self.presented.get(index)?))
    }

    fn forget_first(&mut self) {
        self.presented.pop_front();
        self.decoded.pop_front();
    }

    fn epoch_at(&self, pts: Timestamp) -> u32 {
        let begun = self.epochs.iter().rev().find(|(start, _)| *start <= pts);
        begun
            .or_else(|| self.epochs.front())
            .map_or(0, |(_, epoch)| *epoch)
    }
}

/// What an encoder's clock of 90 kHz and a feed in microseconds can be off by, and more.
const ROUNDING: Duration = Duration::from_micros(200);

/// How long after a picture came out once another output may still give it.
const REMEMBERED: Duration = Duration::from_secs(10);

/// How far from the newest picture that went in anything may be that comes out.
const AHEAD: Duration = Duration::from_secs(2);
const BEHIND: Duration = Duration::from_secs(60);

/// Far more than an encoder holds back.
const MOST_REMEMBERED: usize = 2_000;
const MOST_EPOCHS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn placed(fed: &mut Fed, kind: Kind, micros: i64) -> (i64, u32) {
        let tracks = crate::fuzzing::tracks();
        let track = tracks.default_of(kind).unwrap();
        let at = Timestamp::from_nanos(micros * 1_000);
        let mut frame = MediaFrame::new(track, at, Bytes::new());
        assert!(fed.place(&mut frame));
        (frame.pts().as_nanos(), frame.epoch)
    }

    fn picture(dts: Timestamp, pts: Timestamp, epoch: u32) -> MediaFrame {
        let tracks = crate::fuzzing::tracks();
        let track = tracks.default_of(Kind::Video).unwrap();
        let mut frame = MediaFrame::new(track, dts, Bytes::new());
        (frame.composition, frame.epoch) = (pts - dts, epoch);
        frame
    }

    /// A picture that is decoded when it is presented.
    fn plain(pts: Timestamp, epoch: u32) -> MediaFrame {
        picture(pts, pts, epoch)
    }

    #[test]
    fn key_frames_are_decoded_when_those_of_the_source_are() {
        let mut fed = Fed::default();
        // Two groups, the second of which waits longer for its turn.
        let source = [
            (0, 80),
            (40, 200),
            (80, 120),
            (120, 160),
            (160, 280),
            (200, 240),
            (240, 360),
            (280, 480),
            (320, 400),
            (360, 440),
        ];
        let millis = Timestamp::from_millis;
        for (dts, pts) in source {
            fed.note(&picture(millis(dts), millis(pts), 0));
        }
        let mut shown: Vec<i64> = source.iter().map(|(_, pts)| *pts).collect();
        shown.sort_unstable();
        let mut given = Vec::new();
        for pts in shown {
            let mut frame = plain(millis(pts), 0);
            assert!(fed.place(&mut frame));
            assert_eq!(frame.pts().as_millis(), pts);
            given.push((frame.dts.as_millis(), pts));
        }
        let times: Vec<i64> = given.iter().map(|(dts, _)| *dts).collect();
        assert_eq!(times, source.map(|(dts, _)| dts));
        assert!(given.contains(&(0, 80)) && given.contains(&(240, 360)));
    }

    #[test]
    fn nothing_is_decoded_after_it_is_presented() {
        let mut fed = Fed::default();
        for millis in [0, 40, 80] {
            let at = Timestamp::from_millis(millis);
            fed.note(&picture(at, at - Timestamp::from_millis(100), 0));
        }
        let mut frame = plain(Timestamp::from_millis(-60), 0);
        assert!(fed.place(&mut frame));
        assert_eq!(
            (frame.dts.as_millis(), frame.composition.as_millis()),
            (-60, 0)
        );
    }

    #[test]
    fn times_come_back_to_the_nanosecond() {
        let mut fed = Fed::default();
        // In the order of decoding, as with pictures that look back and ahead.
        for nanos in [33_366_667, 133_466_668, 66_733_334, 100_100_001] {
            fed.note(&plain(Timestamp::from_nanos(nanos), 0));
        }
        for output in 0..3 {
            let first = placed(&mut fed, Kind::Video, 33_366);
            assert_eq!(first, (33_366_667, 0), "output {output}");
        }
        assert_eq!(placed(&mut fed, Kind::Video, 66_744), (66_733_334, 0));
        // Nothing that went in: it keeps what it says.
        assert_eq!(placed(&mut fed, Kind::Video, 80_000), (80_000_000, 0));
        assert_eq!(placed(&mut fed, Kind::Audio, 66_700), (66_700_000, 0));
    }

    #[test]
    fn what_was_not_made_of_the_source_is_told() {
        let mut fed = Fed::default();
        fed.note(&plain(Timestamp::from_millis(100_000), 0));
        let tracks = crate::fuzzing::tracks();
        let track = tracks.default_of(Kind::Video).unwrap();
        for (millis, sane) in [
            (100_000, true),
            (99_000, true),
            (103_000, false),
            (30_000, false),
        ] {
            let at = Timestamp::from_millis(millis);
            let mut frame = MediaFrame::new(track, at, Bytes::new());
            assert_eq!(fed.place(&mut frame), sane, "{millis}");
        }
    }

    #[test]
    fn epochs_are_those_of_the_source() {
        let mut fed = Fed::default();
        fed.note(&plain(Timestamp::from_millis(0), 4));
        fed.note(&plain(Timestamp::from_millis(1_000), 4));
        fed.note(&plain(Timestamp::from_millis(1_040), 5));
        assert_eq!(placed(&mut fed, Kind::Audio, 1_039_000).1, 4);
        assert_eq!(placed(&mut fed, Kind::Audio, 1_040_000).1, 5);
        assert_eq!(placed(&mut fed, Kind::Video, 1_040_010).1, 5);
    }
}
