//! The pictures since the last key frame, for a run that has to begin in the midst of their group.
//!
//! When the configuration of a sound changes, playlists need a discontinuity at once: no sample of the new sound fits under
//! the old header, and sound that waits for the next key frame is sound that is lost. But players start their decoders
//! anew behind a discontinuity, and a picture in mid-group decodes only with those before it. So the new run begins
//! with the group's key frame, and repeats what was there of the group in next to no time.

use std::time::Duration;

use lsv_core::media::{Kind, MediaFrame};
use lsv_core::time::Timestamp;

/// The pictures since the last key frame, with the key frame.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pictures: Vec<MediaFrame>,
    bytes: usize,
    /// When a group last was repeated.
    last: Option<Timestamp>,
}

impl Replay {
    /// Follows the frames of a run. A group larger than `most_bytes` cannot be repeated.
    pub(super) fn push(&mut self, frame: &MediaFrame, most_bytes: usize) {
        if frame.kind() != Kind::Video {
            return;
        }
        if frame.key {
            self.clear();
        } else if self.pictures.is_empty() {
            return;
        }
        self.bytes += frame.payload.len();
        self.pictures.push(frame.clone());
        if self.bytes > most_bytes || self.pictures.len() > MAX_PICTURES {
            self.clear();
        }
    }

    /// Whether a run may begin in the midst of the group with the sound `first`. Not at every change of a publisher that
    /// does nothing else: each repeats the group.
    pub(super) fn may_precede(&self, first: &MediaFrame) -> bool {
        let is_time = |last: Timestamp| first.dts.since(last) >= AGAIN;
        first.kind() == Kind::Audio && !self.pictures.is_empty() && self.last.is_none_or(is_time)
    }

    /// The pictures once more, so that time goes on at `moment`: what was due before comes within a part of a `step` of
    /// pictures, behind the last one that is public. So small a part that their first segment part gets no shorter for it,
    /// and so large that they stay apart in 90 kHz.
    pub(super) fn take(&mut self, moment: Timestamp, step: Duration) -> Vec<MediaFrame> {
        self.last = Some(moment);
        let mut pictures = std::mem::take(&mut self.pictures);
        let Some(first) = pictures.first() else {
            return pictures;
        };
        let count = u32::try_from(pictures.len()).unwrap_or(u32::MAX);
        let squeeze = Squeeze {
            moment,
            group: moment.since(first.dts),
            to: (step / 8).max(APART * count).min(step / 2),
        };
        for picture in &mut pictures {
            let shown = squeeze.time(picture.pts());
            picture.dts = squeeze.time(picture.dts);
            picture.composition = shown - picture.dts;
        }
        pictures
    }

    /// Forgets them: the timeline is another one, or some are missing.
    pub(super) fn clear(&mut self) {
        self.pictures.clear();
        self.bytes = 0;
    }
}

/// Makes the time before `moment`, as long as `group`, no longer than `to`.
struct Squeeze {
    moment: Timestamp,
    group: Duration,
    to: Duration,
}

impl Squeeze {
    /// Keeps the order of all times, and those from the moment on as they are.
    fn time(&self, at: Timestamp) -> Timestamp {
        let before = self.moment.since(at);
        if before.is_zero() || self.group <= self.to {
            return at;
        }
        let nanos = before.as_nanos() * self.to.as_nanos() / self.group.as_nanos();
        let nanos = i64::try_from(nanos).unwrap_or(i64::MAX);
        self.moment - Timestamp::from_nanos(nanos)
    }
}

/// Ten seconds of 120 pictures each, and less than is held in front of a run.
const MAX_PICTURES: usize = 1200;

/// From one repetition to the next.
const AGAIN: Duration = Duration::from_secs(1);

/// Two ticks of 90 kHz, rounded up.
const APART: Duration = Duration::from_micros(25);

#[cfg(test)]
#[cfg(feature = "live")]
mod tests;
