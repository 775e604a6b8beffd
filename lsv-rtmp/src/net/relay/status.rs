//! Where a relay stands, for those who want to know.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lsv_core::hub::{Closed, PublishError};
use tokio::sync::watch;

use crate::net::client;
use crate::net::socket::now;

/// Where a relay stands. Nothing of it holds a credential.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// What it is doing.
    pub state: State,
    /// Connections tried so far.
    pub attempts: u64,
    /// Bytes carried so far: those that the system took towards a target, or the media of a source.
    pub bytes: u64,
    /// Bits a second over the last five seconds.
    pub bit_rate: u64,
    /// Frames that a target did not get because it was too slow.
    pub skipped: u64,
    /// What went wrong last, however long ago.
    pub last_error: Option<Arc<client::Error>>,
}

/// What a relay is doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum State {
    /// It opens a connection.
    Connecting,
    /// Media goes over.
    Live {
        /// Since when.
        since: Instant,
    },
    /// It waits before it connects again.
    Waiting {
        /// Until when; none where it waits for the stream to have something to send.
        until: Option<Instant>,
        /// Why.
        reason: Reason,
    },
    /// It is over.
    Stopped(Stop),
}

/// Why a relay waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// The stream has no publisher at the moment.
    NoMedia,
    /// The connection did not come about, or broke.
    Failed(Arc<client::Error>),
    /// The source has ended its stream.
    SourceEnded,
    /// The hub does not let the source publish.
    Refused(PublishError),
}

/// Why a relay is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The stream is over.
    StreamEnded,
    /// The owner of the relay ended it.
    Asked,
    /// The hub takes no more of the source.
    Closed(Closed),
}

/// The relay's end of a [`Status`].
#[derive(Debug)]
pub(super) struct Report {
    status: watch::Sender<Status>,
    meter: Meter,
    /// Carried over connections that are closed.
    bytes: u64,
}

impl Report {
    pub(super) fn new() -> (Self, watch::Receiver<Status>) {
        let (status, receiver) = watch::channel(Status {
            state: State::Waiting {
                until: None,
                reason: Reason::NoMedia,
            },
            attempts: 0,
            bytes: 0,
            bit_rate: 0,
            skipped: 0,
            last_error: None,
        });
        let report = Self {
            status,
            meter: Meter::default(),
            bytes: 0,
        };
        (report, receiver)
    }

    pub(super) fn connecting(&mut self) {
        self.status.send_modify(|status| {
            status.attempts += 1;
            status.state = State::Connecting;
        });
    }

    pub(super) fn live(&mut self) {
        self.status
            .send_modify(|status| status.state = State::Live { since: now() });
    }

    /// How long media has gone over this connection.
    pub(super) fn lasted(&self) -> Duration {
        match self.status.borrow().state {
            State::Live { since } => now().saturating_duration_since(since),
            _ => Duration::ZERO,
        }
    }

    pub(super) fn waiting(&mut self, until: Option<Instant>, reason: Reason) {
        self.idle(|status| {
            if let Reason::Failed(error) = &reason {
                status.last_error = Some(Arc::clone(error));
            }
            status.state = State::Waiting { until, reason };
        });
    }

    pub(super) fn stopped(&mut self, stop: Stop) {
        self.idle(|status| status.state = State::Stopped(stop));
    }

    pub(super) fn skipped(&mut self, frames: u64) {
        self.status.send_modify(|status| status.skipped += frames);
    }

    /// Takes note of an error that ends nothing.
    pub(super) fn failed(&mut self, error: client::Error) {
        let error = Arc::new(error);
        self.status
            .send_modify(|status| status.last_error = Some(error));
    }

    /// To be called about once a second with the bytes that the connection has carried.
    pub(super) fn carried(&mut self, bytes: u64) {
        let bytes = self.bytes + bytes;
        let bit_rate = self.meter.rate(now(), bytes);
        self.status.send_if_modified(|status| {
            let changed = (status.bytes, status.bit_rate) != (bytes, bit_rate);
            (status.bytes, status.bit_rate) = (bytes, bit_rate);
            changed
        });
    }

    fn idle(&mut self, change: impl FnOnce(&mut Status)) {
        self.meter = Meter::default();
        let bytes = &mut self.bytes;
        self.status.send_modify(|status| {
            *bytes = status.bytes;
            status.bit_rate = 0;
            change(status);
        });
    }
}

/// Measures a rate over the last seconds.
#[derive(Debug, Default)]
struct Meter {
    samples: VecDeque<(Instant, u64)>,
}

impl Meter {
    /// Bits a second, after `bytes` in all at `now`.
    fn rate(&mut self, now: Instant, bytes: u64) -> u64 {
        self.samples.push_back((now, bytes));
        let old = |(at, _): &(Instant, u64)| now.saturating_duration_since(*at) >= WINDOW;
        // The youngest of the old ones stays, for the window to be full.
        while self.samples.get(1).is_some_and(old) {
            self.samples.pop_front();
        }
        let Some((start, before)) = self.samples.front() else {
            return 0;
        };
        let millis = now.saturating_duration_since(*start).as_millis();
        let bits = u128::from(bytes.saturating_sub(*before)) * 8000;
        bits.checked_div(millis)
            .and_then(|rate| u64::try_from(rate).ok())
            .unwrap_or_default()
    }
}

/// Long enough to span a group of pictures of most streams.
const WINDOW: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let start = now();
        let mut meter = Meter::default();
        let mut rate = |second: u64, bytes| meter.rate(start + Duration::from_secs(second), bytes);
        assert_eq!(rate(0, 1000), 0);
        assert_eq!(rate(1, 2000), 8000);
        assert_eq!(rate(2, 2000), 4000);
        for second in 3..10 {
            rate(second, 2000 + 125_000 * (second - 2));
        }
        assert_eq!(rate(10, 1_002_000), 1_000_000);
        assert_eq!(rate(11, 1_002_000), 800_000);
        assert!(meter.samples.len() <= 6);
    }
}
