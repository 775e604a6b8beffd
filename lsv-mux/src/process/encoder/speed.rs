//! How fast an encoder goes through its source.

use std::collections::VecDeque;
use std::time::Duration;

use lsv_core::time::Timestamp;
use tokio::time::Instant;

/// Measures seconds of media in a second over the last few.
#[derive(Debug, Default)]
pub(super) struct Speed {
    samples: VecDeque<(Instant, Timestamp)>,
}

impl Speed {
    /// Takes where the media stands at `now`, once a second; gives the speed then, and nothing between.
    pub(super) fn measure(&mut self, now: Instant, stands: Option<Timestamp>) -> Option<f64> {
        let stands = stands?;
        let last = self.samples.back();
        if last.is_some_and(|(at, _)| now.duration_since(*at) < SAMPLE) {
            return None;
        }
        self.samples.push_back((now, stands));
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
        let (since, from) = self.samples.front()?;
        let wall = now.duration_since(*since).as_secs_f64();
        (wall > 0.0).then(|| stands.since(*from).as_secs_f64() / wall)
    }
}

const SAMPLE: Duration = Duration::from_secs(1);
const SAMPLES: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_seconds_count() {
        let (start, mut speed) = (Instant::now(), Speed::default());
        let mut at = |seconds: f64, media: i64| {
            let now = start + Duration::from_secs_f64(seconds);
            speed.measure(now, Some(Timestamp::from_millis(media)))
        };
        assert_eq!(at(0.0, 0), None);
        assert_eq!(at(0.5, 500), None);
        assert_eq!(at(1.0, 1_000), Some(1.0));
        for second in 2..10 {
            at(f64::from(second), i64::from(second) * 500);
        }
        assert_eq!(at(10.0, 5_000), Some(0.5));
    }
}
