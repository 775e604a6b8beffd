//! How often one address may try to publish in vain before it has to wait: who guesses keys, and who asks for ever with
//! an old one, costs the platform a look into a table and no question to its store.

use std::collections::HashMap;
use std::mem;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::ports::{Denied, Reason};

/// Refused attempts to publish, counted by address over the last minute. Clones share the counts.
///
/// The window slides: attempts of the minute before count for the part of it that the last sixty seconds still touch. By
/// default there is no limit.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
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

impl Attempts {
    /// Refuses an address after `most` attempts in vain within a minute; 0 refuses none.
    pub fn new(most: u32) -> Self {
        Self {
            most: (most > 0).then_some(most),
            ..Self::default()
        }
    }

    /// Whether the peer at `ip` may try now.
    ///
    /// # Errors
    /// [`Reason::TooManyAttempts`], with what to do about it. This refusal is not counted itself: who waits is let in.
    pub fn check(&self, ip: IpAddr, now: Instant) -> Result<(), Denied> {
        let Some(most) = self.most else {
            return Ok(());
        };
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        match minutes.count(network(ip), now) < u64::from(most) {
            true => Ok(()),
            false => Err(Denied::new(
                Reason::TooManyAttempts,
                "too many attempts to publish were refused at this address; check the push key and wait a minute",
            )),
        }
    }

    /// Counts an attempt of the peer at `ip` that was refused for `reason`, where the peer is to blame for it.
    pub fn refused(&self, ip: IpAddr, reason: Reason, now: Instant) {
        if self.most.is_none() || !is_in_vain(reason) {
            return;
        }
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        minutes.add(network(ip), now);
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

/// Whether asking again the same way can only fail again.
fn is_in_vain(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Missing
            | Reason::Malformed
            | Reason::NotAllowed
            | Reason::Expired
            | Reason::Revoked
            | Reason::Mismatch
            | Reason::UnknownChannel
            | Reason::NotPublishable
    )
}

const MINUTE: Duration = Duration::from_secs(60);
/// Addresses of one minute that are remembered, some 40 bytes each.
const MAX_NETWORKS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u32 = 20;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn refuse(attempts: &Attempts, from: &str, times: u32, now: Instant) {
        for _ in 0..times {
            attempts.refused(ip(from), Reason::Mismatch, now);
        }
    }

    #[test]
    fn an_address_has_so_many_and_others_have_theirs() {
        let (attempts, now) = (Attempts::new(MOST), Instant::now());
        refuse(&attempts, "192.0.2.1", MOST - 1, now);
        assert_eq!(attempts.check(ip("192.0.2.1"), now), Ok(()));
        refuse(&attempts, "::ffff:192.0.2.1", 1, now);
        let denied = attempts.check(ip("192.0.2.1"), now).unwrap_err();
        assert_eq!(denied.reason, Reason::TooManyAttempts);
        assert!(denied.message.contains("wait a minute"));
        assert_eq!(attempts.check(ip("192.0.2.2"), now), Ok(()));
    }

    #[test]
    fn a_customer_of_ipv6_is_one_address() {
        let (attempts, now) = (Attempts::new(MOST), Instant::now());
        for host in 0..MOST {
            refuse(&attempts, &format!("2001:db8::{host:x}:1"), 1, now);
        }
        assert!(attempts.check(ip("2001:db8::ffff"), now).is_err());
        assert!(attempts.check(ip("2001:db8:0:1::1"), now).is_ok());
    }

    #[test]
    fn the_window_slides() {
        let (attempts, start) = (Attempts::new(MOST), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let may = |seconds| attempts.check(ip("192.0.2.1"), after(seconds)).is_ok();
        refuse(&attempts, "192.0.2.1", 1, start);
        refuse(&attempts, "192.0.2.1", MOST, after(50));
        for seconds in [50, 59, 60] {
            assert!(!may(seconds), "{seconds}");
        }
        // Three seconds of the last minute are gone, and with them a twentieth of its 21.
        assert!(may(63));
        refuse(&attempts, "192.0.2.1", 1, after(63));
        assert!(!may(63));
        assert!(may(70));
        assert!(may(170));
    }

    #[test]
    fn being_refused_for_it_keeps_nobody_out_for_longer() {
        let (attempts, start) = (Attempts::new(MOST), Instant::now());
        refuse(&attempts, "192.0.2.1", MOST, start);
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            assert!(attempts.check(ip("192.0.2.1"), now).is_err());
            attempts.refused(ip("192.0.2.1"), Reason::TooManyAttempts, now);
        }
        assert!(
            attempts
                .check(ip("192.0.2.1"), start + Duration::from_secs(64))
                .is_ok()
        );
    }

    #[test]
    fn only_what_the_peer_can_mend_counts() {
        let (attempts, now) = (Attempts::new(1), Instant::now());
        for reason in [
            Reason::Busy,
            Reason::Unavailable,
            Reason::TooManyPublishers,
            Reason::BitRate,
        ] {
            attempts.refused(ip("192.0.2.1"), reason, now);
            assert!(attempts.check(ip("192.0.2.1"), now).is_ok(), "{reason}");
        }
        for (host, reason) in [Reason::Missing, Reason::Expired, Reason::UnknownChannel]
            .into_iter()
            .enumerate()
        {
            let from = ip(&format!("192.0.2.{}", host + 10));
            attempts.refused(from, reason, now);
            assert!(attempts.check(from, now).is_err(), "{reason}");
        }
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let (attempts, now) = (Attempts::new(0), Instant::now());
        refuse(&attempts, "192.0.2.1", 1_000, now);
        assert!(attempts.check(ip("192.0.2.1"), now).is_ok());
        assert!(attempts.minutes.lock().unwrap().this.is_empty());
    }

    #[test]
    fn an_attack_from_everywhere_is_remembered_within_bounds() {
        let (attempts, now) = (Attempts::new(1), Instant::now());
        for host in 0..(MAX_NETWORKS as u32 * 5 / 2) {
            attempts.refused(std::net::Ipv4Addr::from(host).into(), Reason::Mismatch, now);
        }
        let newest = std::net::Ipv4Addr::from(MAX_NETWORKS as u32 * 5 / 2 - 1);
        assert!(attempts.check(newest.into(), now).is_err());
        let minutes = attempts.minutes.lock().unwrap();
        assert!(minutes.this.len() + minutes.last.len() <= 2 * MAX_NETWORKS);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_harms_nothing() {
        let (attempts, start) = (Attempts::new(MOST), Instant::now());
        let later = start + Duration::from_secs(30);
        refuse(&attempts, "192.0.2.1", MOST, later);
        assert!(attempts.check(ip("192.0.2.1"), start).is_err());
        assert!(attempts.check(ip("192.0.2.1"), later).is_err());
    }
}
