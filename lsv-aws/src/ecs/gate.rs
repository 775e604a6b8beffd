//! Who failed to start a task may try again after a while: callers ask every second, and quotas are for the whole account.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use lsv_core::backoff::{Backoff, Config};
use tokio::time::Instant;

/// What is to wait, each thing by itself, and all of them together.
#[derive(Debug)]
pub(super) struct Gates<K> {
    all: Option<Gate>,
    each: HashMap<K, Gate>,
    seed: u64,
}

#[derive(Debug)]
struct Gate {
    backoff: Backoff,
    opens: Instant,
}

impl<K: Eq + Hash> Gates<K> {
    /// Open gates. Delays are drawn by `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            all: None,
            each: HashMap::new(),
            seed,
        }
    }

    /// How long `key` must wait from `now`.
    pub(super) fn wait(&self, key: &K, now: Instant) -> Option<Duration> {
        let gates = self.all.iter().chain(self.each.get(key));
        let wait = gates.map(|gate| gate.opens.saturating_duration_since(now));
        wait.max().filter(|wait| !wait.is_zero())
    }

    /// `key` failed: it waits; everything does where the reason is not its own. Answers for how long.
    pub(super) fn fail(&mut self, key: K, of_all: bool, now: Instant) -> Duration {
        self.seed = self.seed.wrapping_add(1);
        self.each
            .retain(|_, gate| now.saturating_duration_since(gate.opens) < FORGET_AFTER);
        let seed = self.seed;
        let new = || Gate {
            backoff: Backoff::new(config(), seed),
            opens: now,
        };
        let gate = match of_all {
            true => self.all.get_or_insert_with(new),
            false => self.each.entry(key).or_insert_with(new),
        };
        let wait = gate.backoff.fail(Duration::ZERO);
        gate.opens = now + wait;
        wait
    }

    /// `key` was served.
    pub(super) fn succeed(&mut self, key: &K) {
        self.all = None;
        self.each.remove(key);
    }
}

/// From 1 s to half a minute.
fn config() -> Config {
    let mut config = Config::default();
    config.longest_delay = Duration::from_secs(30);
    config
}

/// How long after its gate opened nobody came who remembers.
const FORGET_AFTER: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_fails_waits_longer_each_time() {
        let mut gates = Gates::new(1);
        let mut now = Instant::now();
        assert_eq!(gates.wait(&"a", now), None);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let wait = gates.fail("a", false, now);
            assert_eq!(gates.wait(&"a", now), Some(wait));
            assert_eq!(gates.wait(&"b", now), None);
            waits.push(wait);
            now += wait;
            assert_eq!(gates.wait(&"a", now), None);
        }
        assert!(waits[0] <= Duration::from_secs(1) && waits[2] > Duration::from_secs(2));
        assert!(waits[7] > Duration::from_secs(15) && waits[7] <= Duration::from_secs(30));
        gates.succeed(&"a");
        assert!(gates.fail("a", false, now) <= Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_everybodys_limit_holds_everybody_up() {
        let mut gates = Gates::new(1);
        let now = Instant::now();
        let wait = gates.fail("a", true, now);
        assert_eq!(gates.wait(&"b", now), Some(wait));
        gates.succeed(&"b");
        assert_eq!(gates.wait(&"a", now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_never_come_again_are_forgotten() {
        let mut gates = Gates::new(1);
        let now = Instant::now();
        for key in 0..100 {
            gates.fail(key, false, now);
        }
        gates.fail(100, false, now + FORGET_AFTER * 2);
        assert_eq!(gates.each.len(), 1);
    }
}
