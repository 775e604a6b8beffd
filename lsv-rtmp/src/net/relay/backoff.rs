//! How long to wait before another try.

use std::time::Duration;

use super::Config;

/// Counts the failures of one connection in a row, and refusals apart from them: who refuses after an outage has been
/// asked for the first time.
#[derive(Debug)]
pub(super) struct Backoff {
    config: Config,
    failures: u32,
    refusals: u32,
    random: u64,
}

impl Backoff {
    /// At the start, with the seed of `config`, or else one of the system.
    pub(super) fn new(config: Config) -> Self {
        let drawn = || getrandom::u64().unwrap_or_default();
        Self {
            random: config.seed.unwrap_or_else(drawn),
            config,
            failures: 0,
            refusals: 0,
        }
    }

    /// Takes note of a failure after a connection that lasted for `lasted`, and gives the delay until the next try.
    pub(super) fn fail(&mut self, lasted: Duration, refused: bool) -> Duration {
        if lasted >= self.config.stable {
            (self.failures, self.refusals) = (0, 0);
        }
        let config = &self.config;
        let (count, first, longest) = match refused {
            true => (
                &mut self.refusals,
                config.first_delay_refused,
                config.longest_delay_refused,
            ),
            false => (&mut self.failures, config.first_delay, config.longest_delay),
        };
        let factor = 1_u32.checked_shl(*count).unwrap_or(u32::MAX);
        *count = count.saturating_add(1);
        let delay = first.saturating_mul(factor).min(longest);
        delay.mul_f64(1.0 - self.draw() / 2.0)
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

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(59);

    fn backoff(seed: u64) -> Backoff {
        Backoff::new(Config {
            seed: Some(seed),
            ..Config::default()
        })
    }

    #[track_caller]
    fn check(delay: Duration, full: u64) {
        let full = Duration::from_secs(full);
        assert!(delay > full / 2 && delay <= full, "{delay:?} of {full:?}");
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let mut backoff = backoff(1);
        for full in [1, 2, 4, 8, 16, 32, 60, 60] {
            check(backoff.fail(SHORT, false), full);
        }
        backoff.failures = u32::MAX;
        check(backoff.fail(SHORT, false), 60);
    }

    #[test]
    fn refusals_wait_longer() {
        let mut backoff = backoff(2);
        for full in [30, 60, 120, 240, 480, 600, 600] {
            check(backoff.fail(SHORT, true), full);
        }
    }

    #[test]
    fn the_first_refusal_after_an_outage_waits_like_a_first() {
        let mut backoff = backoff(4);
        for full in [1, 2, 4, 8, 16] {
            check(backoff.fail(SHORT, false), full);
        }
        check(backoff.fail(SHORT, true), 30);
        check(backoff.fail(SHORT, false), 32);
        check(backoff.fail(SHORT, true), 60);
    }

    #[test]
    fn a_stable_connection_makes_up_for_failures() {
        let mut backoff = backoff(3);
        for _ in 0..5 {
            backoff.fail(SHORT, false);
        }
        check(backoff.fail(Duration::from_secs(60), false), 1);
        check(backoff.fail(SHORT, false), 2);
    }

    #[test]
    fn different_seeds_scatter() {
        let delay = |seed| backoff(seed).fail(SHORT, true);
        let mut delays: Vec<Duration> = (0..100).map(delay).collect();
        assert_eq!(delay(7), delays[7]);
        delays.sort_unstable();
        delays.dedup();
        assert_eq!(delays.len(), 100);
        let spread = delays[99] - delays[0];
        assert!(spread > Duration::from_secs(12), "{spread:?}");
    }
}
