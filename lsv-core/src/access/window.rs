//! How often something happened at one address within the last minute: what bounds guessing.

use std::collections::HashMap;
use std::mem;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Counts by address over the last minute, up to a bound. Clones share the counts.
///
/// The window slides: what was in the minute before counts for the part of it that the last sixty seconds still touch. By
/// default there is no bound, and nothing is counted.
#[derive(Clone, Debug, Default)]
pub struct Window {
    most: Option<u32>,
    minutes: Arc<Mutex<Minutes>>,
}

/// The counts of this minute and the one before.
#[derive(Debug, Default)]
struct Minutes {
    since: Option<Instant>,
    this: HashMap<IpAddr, u32>,
    last: HashMap<IpAddr, u32>,
}

impl Window {
    /// Full for an address after `most` within a minute; 0 is no bound.
    pub fn new(most: u32) -> Self {
        Self {
            most: (most > 0).then_some(most),
            ..Self::default()
        }
    }

    /// Whether there were as many at `ip` as there may be.
    pub fn is_full(&self, ip: IpAddr, now: Instant) -> bool {
        let Some(most) = self.most else {
            return false;
        };
        self.minutes().count(network(ip), now) >= u64::from(most)
    }

    /// Counts one more at `ip`.
    pub fn count(&self, ip: IpAddr, now: Instant) {
        if self.most.is_some() {
            self.minutes().add(network(ip), now);
        }
    }

    /// Counts one more at `ip` unless it is full there, and tells whether it did: of many who come at once, no more get in.
    pub fn enter(&self, ip: IpAddr, now: Instant) -> bool {
        let Some(most) = self.most else {
            return true;
        };
        let mut minutes = self.minutes();
        let is_free = minutes.count(network(ip), now) < u64::from(most);
        if is_free {
            minutes.add(network(ip), now);
        }
        is_free
    }

    /// Takes back one that was counted at `ip`.
    pub fn take_back(&self, ip: IpAddr) {
        if let Some(count) = self.minutes().this.get_mut(&network(ip)) {
            *count = count.saturating_sub(1);
        }
    }

    fn minutes(&self) -> MutexGuard<'_, Minutes> {
        self.minutes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Minutes {
    /// Attempts within the sixty seconds before `now`, those of the last minute taken as spread over it evenly.
    fn count(&mut self, network: IpAddr, now: Instant) -> u64 {
        let elapsed = self.turn(now);
        let count =
            |counts: &HashMap<IpAddr, u32>| counts.get(&network).copied().unwrap_or_default();
        let left = MINUTE.saturating_sub(elapsed).as_millis() as u64;
        let before = u64::from(count(&self.last)) * left / MINUTE.as_millis() as u64;
        u64::from(count(&self.this)) + before
    }

    fn add(&mut self, network: IpAddr, now: Instant) {
        self.turn(now);
        if self.this.len() >= MAX_NETWORKS && !self.this.contains_key(&network) {
            // An attack from everywhere at once: the newest are those to remember.
            self.last = mem::take(&mut self.this);
            self.since = Some(now);
        }
        let count = self.this.entry(network).or_default();
        *count = count.saturating_add(1);
    }

    /// Begins another minute where one is over, and tells how old this one is.
    fn turn(&mut self, now: Instant) -> Duration {
        let since = *self.since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(since);
        if elapsed < MINUTE {
            return elapsed;
        }
        let this = mem::take(&mut self.this);
        if elapsed < MINUTE * 2 {
            self.last = this;
            self.since = Some(since + MINUTE);
        } else {
            self.last = HashMap::new();
            self.since = Some(now);
        }
        now.saturating_duration_since(self.since.unwrap_or(now))
    }
}

/// What counts as one address: all of IPv4, and of IPv6 the half that a provider gives to one customer.
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// Addresses of one minute that are remembered, some 40 bytes each.
const MAX_NETWORKS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn who_comes_at_once_gets_in_no_more_often() {
        let (window, now) = (Window::new(3), Instant::now());
        let entered = (0..10).filter(|_| window.enter(IP, now)).count();
        assert_eq!(entered, 3);
        window.take_back(IP);
        assert!(window.enter(IP, now));
        assert!(!window.enter(IP, now) && window.is_full(IP, now));
        assert!(window.enter("192.0.2.2".parse().unwrap(), now));
    }

    #[test]
    fn after_a_minute_who_was_kept_out_gets_in() {
        let (window, now) = (Window::new(3), Instant::now());
        for _ in 0..3 {
            assert!(window.enter(IP, now));
        }
        assert!(!window.enter(IP, now + Duration::from_secs(59)));
        assert!(window.enter(IP, now + Duration::from_secs(81)));
    }

    #[test]
    fn what_was_never_counted_is_not_taken_back() {
        let (window, now) = (Window::new(1), Instant::now());
        window.take_back(IP);
        assert!(window.enter(IP, now) && !window.enter(IP, now));
        assert!(Window::default().enter(IP, now) && !Window::default().is_full(IP, now));
    }

    #[test]
    fn an_attack_from_everywhere_is_remembered_within_bounds() {
        let (window, now) = (Window::new(1), Instant::now());
        for host in 0..(MAX_NETWORKS as u32 * 5 / 2) {
            window.count(std::net::Ipv4Addr::from(host).into(), now);
        }
        let newest = std::net::Ipv4Addr::from(MAX_NETWORKS as u32 * 5 / 2 - 1);
        assert!(window.is_full(newest.into(), now));
        let minutes = window.minutes.lock().unwrap();
        assert!(minutes.this.len() + minutes.last.len() <= 2 * MAX_NETWORKS);
    }

    #[test]
    fn without_a_bound_nothing_is_counted() {
        let (window, now) = (Window::new(0), Instant::now());
        for _ in 0..1_000 {
            window.count(IP, now);
        }
        assert!(!window.is_full(IP, now));
        assert!(window.minutes.lock().unwrap().this.is_empty());
    }
}
