//! What went into an encoder, so that what comes out gets its times back to the nanosecond, and its epoch.

use std::collections::VecDeque;
use std::time::Duration;

use lsv_core::media::{Kind, MediaFrame};
use lsv_core::time::Timestamp;

/// The pictures that an encoder has been given and not given back.
#[derive(Debug, Default)]
pub(super) struct Fed {
    /// When they are presented, and in which epoch; in the order of decoding.
    pictures: VecDeque<(Timestamp, u32)>,
    /// The epochs, each with the presentation time of its first picture.
    epochs: VecDeque<(Timestamp, u32)>,
    newest: Option<Timestamp>,
}

impl Fed {
    /// A picture goes in.
    pub(super) fn note(&mut self, pts: Timestamp, epoch: u32) {
        if self.pictures.len() == MOST_REMEMBERED {
            self.pictures.pop_front();
        }
        self.pictures.push_back((pts, epoch));
        self.newest = self.newest.max(Some(pts));
        if self.epochs.back().is_none_or(|(_, known)| *known != epoch) {
            if self.epochs.len() == MOST_EPOCHS {
                self.epochs.pop_front();
            }
            self.epochs.push_back((pts, epoch));
        }
    }

    /// Gives what comes out its time and its epoch. False for what cannot have been made of what went in: its time would be
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
        (frame.dts, frame.epoch) = made_of.unwrap_or_else(|| (pts, self.epoch_at(pts)));
        frame.composition = Timestamp::ZERO;
        true
    }

    /// The picture that is meant by a time which an encoder has rounded. It is asked for once for each output.
    fn find(&mut self, pts: Timestamp) -> Option<(Timestamp, u32)> {
        let apart = |(known, _): &(Timestamp, u32)| known.since(pts).max(pts.since(*known));
        let found = *self.pictures.iter().min_by_key(|known| apart(known))?;
        while self
            .pictures
            .front()
            .is_some_and(|(known, _)| pts.since(*known) > REMEMBERED)
        {
            self.pictures.pop_front();
        }
        (apart(&found) <= ROUNDING).then_some(found)
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
const REMEMBERED: Duration = Duration::from_secs(2);

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
        (frame.dts.as_nanos(), frame.epoch)
    }

    #[test]
    fn times_come_back_to_the_nanosecond() {
        let mut fed = Fed::default();
        // In the order of decoding, as with pictures that look back and ahead.
        for nanos in [33_366_667, 133_466_668, 66_733_334, 100_100_001] {
            fed.note(Timestamp::from_nanos(nanos), 0);
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
        fed.note(Timestamp::from_millis(100_000), 0);
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
        fed.note(Timestamp::from_millis(0), 4);
        fed.note(Timestamp::from_millis(1_000), 4);
        fed.note(Timestamp::from_millis(1_040), 5);
        assert_eq!(placed(&mut fed, Kind::Audio, 1_039_000).1, 4);
        assert_eq!(placed(&mut fed, Kind::Audio, 1_040_000).1, 5);
        assert_eq!(placed(&mut fed, Kind::Video, 1_040_010).1, 5);
    }
}
