//! How many messages a peer may send over time.

use std::time::{Duration, Instant};

use crate::error::Limit;

/// Lets messages pass at a steady rate, and as many at once as come in [`BURST`] at that rate.
///
/// A token bucket without tokens: it keeps the instant at which the messages so far would have ended, had they come
/// evenly. That may lie ahead of the clock by the burst.
#[derive(Debug)]
pub(super) struct Rate {
    per_second: u32,
    ends: Option<Instant>,
}

impl Rate {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.max(1),
            ends: None,
        }
    }

    /// So many more messages came at `now`.
    pub(super) fn count(&mut self, messages: u32, now: Instant) -> Result<(), Limit> {
        let share = Duration::from_secs(1)
            .checked_div(self.per_second)
            .unwrap_or_default();
        let begins = self.ends.map_or(now, |ends| ends.max(now));
        let ends = begins
            .checked_add(share.saturating_mul(messages))
            .filter(|ends| ends.saturating_duration_since(now) <= BURST)
            .ok_or(Limit::MessagesPerSecond(self.per_second))?;
        self.ends = Some(ends);
        Ok(())
    }
}

/// What an encoder may have gathered while its network stood still, and sends at once.
const BURST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut rate = Rate::new(100);
        for _ in 0..1000 {
            assert_eq!(rate.count(1, start), Ok(()));
        }
        assert_eq!(rate.count(1, start), Err(Limit::MessagesPerSecond(100)));
        // What was refused does not count.
        let later = start + Duration::from_millis(10);
        assert_eq!(rate.count(1, later), Ok(()));
        assert_eq!(rate.count(1, later), Err(Limit::MessagesPerSecond(100)));
        // After a pause the burst is there again, and no more than that.
        let much_later = start + Duration::from_secs(3600);
        let passed = (0..2000)
            .filter(|_| rate.count(1, much_later).is_ok())
            .count();
        assert_eq!(passed, 1000);
    }

    #[test]
    fn a_clock_that_steps_back_is_no_fault_of_the_peer() {
        let start = Instant::now() + Duration::from_secs(60);
        let mut rate = Rate::new(100);
        assert_eq!(rate.count(1, start), Ok(()));
        assert_eq!(rate.count(1, start - Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn many_at_once_are_as_many_one_by_one() {
        let start = Instant::now();
        let mut rate = Rate::new(100);
        let too_many = Err(Limit::MessagesPerSecond(100));
        assert_eq!(rate.count(u32::MAX, start), too_many);
        assert_eq!(rate.count(1001, start), too_many);
        assert_eq!(rate.count(1000, start), Ok(()));
        assert_eq!(rate.count(0, start), Ok(()));
        assert_eq!(rate.count(1, start), too_many);
    }

    #[test]
    fn any_rate_can_be_set() {
        let now = Instant::now();
        for per_second in [0, 1, u32::MAX] {
            assert_eq!(Rate::new(per_second).count(1, now), Ok(()));
        }
    }
}
