//! How many segments there are, and how long.

use std::time::Duration;

/// Of a stretch of older segments.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    count: usize,
    duration: Duration,
}

impl Extent {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// With a segment of that length more.
    pub(super) fn add(&mut self, duration: Duration) {
        self.count += 1;
        self.duration += duration;
    }

    /// Without the oldest, which is of that length.
    pub(super) fn take(&mut self, duration: Duration) {
        self.count = self.count.saturating_sub(1);
        self.duration = self.behind(duration);
    }

    /// How long all but the oldest are, which is of that length.
    pub(super) fn behind(&self, oldest: Duration) -> Duration {
        self.duration.saturating_sub(oldest)
    }
}
