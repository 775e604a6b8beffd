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
        let is_time = |last: Timestamp| first.dts.since(last) >= APART;
        first.kind() == Kind::Audio && !self.pictures.is_empty() && self.last.is_none_or(is_time)
    }

    /// The pictures once more, so that time goes on at `moment`: what was due before comes within a hundredth of its
    /// time.
    pub(super) fn take(&mut self, moment: Timestamp) -> Vec<MediaFrame> {
        self.last = Some(moment);
        let mut pictures = std::mem::take(&mut self.pictures);
        for picture in &mut pictures {
            let shown = squeeze(picture.pts(), moment);
            picture.dts = squeeze(picture.dts, moment);
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

/// Keeps the order of all times, and those from `moment` on as they are.
fn squeeze(at: Timestamp, moment: Timestamp) -> Timestamp {
    let before = moment.since(at);
    match before.is_zero() {
        true => at,
        false => moment - (Timestamp::ZERO + before / SHORTENED),
    }
}

/// Ten seconds become a tenth, which nobody sees, and pictures stay some ticks of 90 kHz apart, in their order.
const SHORTENED: u32 = 100;

/// Ten seconds of 120 pictures each, and less than is held in front of a run.
const MAX_PICTURES: usize = 1200;

/// From one repetition to the next.
const APART: Duration = Duration::from_secs(1);

#[cfg(test)]
#[cfg(feature = "live")]
mod tests;
