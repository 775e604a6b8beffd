//! How long segments get.

use std::time::Duration;

use lsv_core::media::Kind;

/// When a segment may be cut, and when it has to be.
#[derive(Debug)]
pub(super) struct Lengths {
    /// What segments aim at.
    pub(super) target: Duration,
    /// The target duration that playlists have told, and have to keep to (RFC 8216 §4.3.3.1).
    pub(super) promised: Option<Duration>,
    /// Bytes after which a segment is cut.
    pub(super) bytes: usize,
}

impl Lengths {
    /// The earliest cut, where key frames lead. With pictures a little before the target, so that a group of pictures
    /// that is a millisecond short by RTMP's clock does not make a segment of twice the length.
    pub(super) fn earliest(&self, leader: Kind) -> Duration {
        match leader {
            Kind::Video => self.target.mul_f64(0.95),
            _ => self.target,
        }
    }

    /// The latest cut, key frame or not.
    pub(super) fn latest(&self) -> Duration {
        let longest = self.target.saturating_mul(4).max(LONGEST_AT_LEAST);
        match self.promised {
            Some(promised) => longest.min(promised + ROUNDED_OFF),
            None => longest,
        }
    }

    /// How long segments get from groups of pictures that are `group` long.
    pub(super) fn of_groups(&self, group: Duration) -> Duration {
        let groups = self.earliest(Kind::Video).as_secs_f64() / group.as_secs_f64();
        let length = group.saturating_mul(groups.ceil().max(1.0) as u32);
        length.min(self.latest())
    }
}

/// Encoders set to ten seconds between key frames exist, and are to get segments that start with them.
const LONGEST_AT_LEAST: Duration = Duration::from_secs(12);

/// A segment may last that much longer than the target duration: the half second that rounding takes off, but for the
/// few frames by which one track of it is longer than another.
pub(crate) const ROUNDED_OFF: Duration = Duration::from_millis(300);
