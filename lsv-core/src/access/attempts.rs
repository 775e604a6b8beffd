//! How often one address may try to publish in vain before it has to wait: who guesses keys, and who asks for ever with
//! an old one, costs the platform a look into a table and no question to its store.

use std::net::IpAddr;
use std::time::Instant;

use super::window::Window;
use crate::ports::{Denied, Reason};

/// Refused attempts to publish within a minute. Clones share the counts. By default there is no limit.
#[derive(Clone, Debug, Default)]
pub struct Attempts(Window);

impl Attempts {
    /// Refuses an address after `most` attempts in vain within a minute; 0 refuses none.
    pub fn new(most: u32) -> Self {
        Self(Window::new(most))
    }

    /// Whether the peer at `ip` may try now.
    ///
    /// # Errors
    /// [`Reason::TooManyAttempts`], with what to do about it. This refusal is not counted itself: who waits is let in.
    pub fn check(&self, ip: IpAddr, now: Instant) -> Result<(), Denied> {
        match self.0.is_full(ip, now) {
            false => Ok(()),
            true => Err(Denied::new(
                Reason::TooManyAttempts,
                "too many attempts to publish were refused at this address; check the push key and wait a minute",
            )),
        }
    }

    /// Counts an attempt of the peer at `ip` that was refused for `reason`, where the peer is to blame for it.
    pub fn refused(&self, ip: IpAddr, reason: Reason, now: Instant) {
        if is_in_vain(reason) {
            self.0.count(ip, now);
        }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
    fn a_clock_that_stands_still_or_goes_back_harms_nothing() {
        let (attempts, start) = (Attempts::new(MOST), Instant::now());
        let later = start + Duration::from_secs(30);
        refuse(&attempts, "192.0.2.1", MOST, later);
        assert!(attempts.check(ip("192.0.2.1"), start).is_err());
        assert!(attempts.check(ip("192.0.2.1"), later).is_err());
    }
}
