//! How long to wait before another try.

use std::time::Duration;

use lsv_core::backoff;

use super::Config;

/// Counts the failures of one connection in a row, and refusals apart from them: who refuses after an outage has been
/// asked for the first time.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: backoff::Backoff,
    refusals: backoff::Backoff,
}

impl Backoff {
    /// At the start, with the seed of `config`, or else one of the system.
    pub(super) fn new(config: &Config) -> Self {
        let drawn = || getrandom::u64().unwrap_or_default();
        let seed = config.seed.unwrap_or_else(drawn);
        let delays = |first_delay, longest_delay| {
            let mut delays = backoff::Config::default();
            (delays.first_delay, delays.longest_delay) = (first_delay, longest_delay);
            delays.stable = config.stable;
            backoff::Backoff::new(delays, seed)
        };
        Self {
            failures: delays(config.first_delay, config.longest_delay),
            refusals: delays(config.first_delay_refused, config.longest_delay_refused),
        }
    }

    /// Takes note of a failure after a connection that lasted for `lasted`, and gives the delay until the next try.
    pub(super) fn fail(&mut self, lasted: Duration, refused: bool) -> Duration {
        let (counted, other) = match refused {
            true => (&mut self.refusals, &mut self.failures),
            false => (&mut self.failures, &mut self.refusals),
        };
        other.note(lasted);
        counted.fail(lasted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(59);

    fn backoff(seed: u64) -> Backoff {
        Backoff::new(&Config {
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
    fn a_stable_connection_makes_up_for_failures_and_refusals() {
        let mut backoff = backoff(3);
        for _ in 0..5 {
            backoff.fail(SHORT, false);
            backoff.fail(SHORT, true);
        }
        check(backoff.fail(Duration::from_secs(60), false), 1);
        check(backoff.fail(SHORT, false), 2);
        check(backoff.fail(SHORT, true), 30);
    }
}
