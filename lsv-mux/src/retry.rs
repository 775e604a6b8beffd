//! Patience with a store that is out of reach.

use std::time::Duration;

use lsv_core::backoff;
use lsv_core::ports::{self, Error};
use tokio::time::Instant;

/// How long to wait before the next try: twice as long each time, within bounds, and each a little differently, so that a
/// store that is back is not asked by all at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    delays: backoff::Backoff,
    /// When to try no more.
    until: Option<Instant>,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self::seeded(backoff::seed())
    }

    fn seeded(seed: u64) -> Self {
        let mut delays = backoff::Config::default();
        (delays.first_delay, delays.longest_delay) = (FIRST_PAUSE, LONGEST_PAUSE);
        Self {
            delays: backoff::Backoff::new(delays, seed),
            until: None,
        }
    }

    /// One that gives up after `limit`.
    pub(crate) fn within(limit: Duration) -> Self {
        Self {
            until: Instant::now().checked_add(limit),
            ..Self::new()
        }
    }

    /// Waits if trying again may help.
    ///
    /// # Errors
    /// The error if it will not.
    pub(crate) async fn wait(&mut self, error: Error) -> ports::Result<()> {
        let Error::Unavailable { retry_after, .. } = &error else {
            return Err(error);
        };
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return Err(error);
        }
        if self.delays.failures() == 0 {
            tracing::warn!(%error, "the object store is out of reach; trying again");
        }
        tokio::time::sleep(self.pause(*retry_after)).await;
        Ok(())
    }

    /// The next pause. What the store wants is waited for at the least, and what is drawn scatters who has to.
    fn pause(&mut self, wanted: Duration) -> Duration {
        let drawn = self.delays.fail(Duration::ZERO);
        match wanted.min(LONGEST_PAUSE) {
            wanted if wanted > drawn => wanted + drawn / 2,
            _ => drawn,
        }
    }
}

/// Repeats a call of a store until it succeeds, or fails for good.
macro_rules! persist {
    ($call:expr) => {
        $crate::retry::persist!($crate::retry::Backoff::new(), $call)
    };
    ($backoff:expr, $call:expr) => {{
        let mut backoff = $backoff;
        loop {
            match $call.await {
                Ok(answer) => break Ok(answer),
                Err(error) => {
                    if let Err(error) = backoff.wait(error).await {
                        break Err(error);
                    }
                }
            }
        }
    }};
}
pub(crate) use persist;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(seed: u64, wanted: Duration) -> Vec<Duration> {
        let mut backoff = Backoff::seeded(seed);
        (0..12).map(|_| backoff.pause(wanted)).collect()
    }

    #[test]
    fn pauses_grow_within_bounds_and_scatter() {
        let [one, other] = [1, 2].map(|seed| pauses(seed, Duration::ZERO));
        assert_eq!(one, pauses(1, Duration::ZERO));
        for (number, pair) in one.iter().zip(&other).enumerate() {
            let full = (FIRST_PAUSE * (1 << number)).min(LONGEST_PAUSE);
            for pause in [pair.0, pair.1] {
                assert!(*pause > full / 2 && *pause <= full, "{number}: {pause:?}");
            }
            assert_ne!(pair.0, pair.1, "{number}");
        }
    }

    #[test]
    fn what_the_store_wants_is_waited_for_by_none_at_once() {
        let wanted = Duration::from_secs(2);
        let firsts = [1, 2].map(|seed| pauses(seed, wanted)[0]);
        assert_ne!(firsts[0], firsts[1]);
        for seed in 0..10 {
            for pause in pauses(seed, wanted) {
                assert!(pause >= wanted && pause <= LONGEST_PAUSE, "{pause:?}");
            }
        }
        let longest = pauses(1, Duration::from_secs(3_600));
        assert!(longest.iter().all(|pause| *pause <= LONGEST_PAUSE * 3 / 2));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let limit = Duration::from_secs(30);
        let mut backoff = Backoff::within(limit);
        let since = Instant::now();
        while backoff.wait(Error::unavailable("away")).await.is_ok() {
            assert!(since.elapsed() < limit + LONGEST_PAUSE * 2);
        }
        assert!(since.elapsed() >= limit);
        let refused = Error::Denied("no".to_owned());
        assert_eq!(Backoff::new().wait(refused.clone()).await, Err(refused));
    }
}
