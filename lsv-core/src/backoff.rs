//! How long to wait before another try: of a connection, of a process.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// How delays grow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The delay after a first failure; it doubles with each further one. 1 s.
    pub first_delay: Duration,
    /// The longest delay. 1 min.
    pub longest_delay: Duration,
    /// A try that lasts as long makes up for all failures before. 1 min.
    pub stable: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(60),
            stable: Duration::from_secs(60),
        }
    }
}

/// Counts the failures of one thing in a row.
///
/// Up to half of each delay is drawn off, so that many that failed at once do not try again as one.
///
/// ```
/// use std::time::Duration;
/// use lsv_core::backoff::{Backoff, Config};
///
/// let mut backoff = Backoff::new(Config::default(), 42);
/// let lasted = Duration::from_secs(3);
/// assert!(backoff.fail(lasted) <= Duration::from_secs(1));
/// assert!(backoff.fail(lasted) > Duration::from_secs(1));
/// assert_eq!(backoff.failures(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    config: Config,
    failures: u32,
    random: u64,
}

impl Backoff {
    /// At the start. Whoever has the same `seed` draws the same delays.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            failures: 0,
            random: seed,
        }
    }

    /// Takes note of a try that failed after it had lasted for `lasted`, and gives the delay until the next.
    pub fn fail(&mut self, lasted: Duration) -> Duration {
        self.note(lasted);
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let delay = self.config.first_delay.saturating_mul(factor);
        let delay = delay.min(self.config.longest_delay);
        delay.mul_f64(1.0 - self.draw() / 2.0)
    }

    /// Forgets the failures before a try that has lasted for `lasted`, if that is long enough.
    pub fn note(&mut self, lasted: Duration) {
        if lasted >= self.config.stable {
            self.failures = 0;
        }
    }

    /// How many tries have failed in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// From 0 up to but not 1: SplitMix64, which is more than even enough for delays.
    fn draw(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        // The 53 bits that a double holds.
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What tells this process from others that draw delays.
pub fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(59);

    #[track_caller]
    fn check(delay: Duration, full: u64) {
        let full = Duration::from_secs(full);
        assert!(delay > full / 2 && delay <= full, "{delay:?} of {full:?}");
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let mut backoff = Backoff::new(Config::default(), 1);
        for full in [1, 2, 4, 8, 16, 32, 60, 60] {
            check(backoff.fail(SHORT), full);
        }
        backoff.failures = u32::MAX;
        check(backoff.fail(SHORT), 60);
    }

    #[test]
    fn a_stable_try_makes_up_for_failures() {
        let mut backoff = Backoff::new(Config::default(), 3);
        for _ in 0..5 {
            backoff.fail(SHORT);
        }
        check(backoff.fail(Duration::from_secs(60)), 1);
        check(backoff.fail(SHORT), 2);
        backoff.note(SHORT);
        assert_eq!(backoff.failures(), 2);
        backoff.note(Duration::from_secs(60));
        assert_eq!(backoff.failures(), 0);
    }

    #[test]
    fn different_seeds_scatter() {
        let config = Config {
            first_delay: Duration::from_secs(30),
            ..Config::default()
        };
        let delay = |seed| Backoff::new(config.clone(), seed).fail(SHORT);
        let mut delays: Vec<Duration> = (0..100).map(delay).collect();
        assert_eq!(delay(7), delays[7]);
        delays.sort_unstable();
        delays.dedup();
        assert_eq!(delays.len(), 100);
        let spread = delays[99] - delays[0];
        assert!(spread > Duration::from_secs(12), "{spread:?}");
    }
}
