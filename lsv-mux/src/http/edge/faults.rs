//! Which upstreams failed a moment ago: they are asked last.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;
use tokio::time::Instant;

use super::upstream::Upstream;

/// The upstreams that failed lately.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<HashMap<Uri, Instant>>);

impl Faults {
    /// Notes that `upstream` has failed, for as long as `pause`.
    pub(super) fn note(&self, upstream: &Upstream, pause: Duration) {
        let now = Instant::now();
        let mut faults = self.lock();
        faults.retain(|_, until| *until > now);
        if faults.len() < MAX_FAULTS {
            faults.insert(upstream.base.clone(), now + pause);
        }
    }

    /// Puts those that failed lately behind all others, and leaves the order otherwise.
    pub(super) fn sort(&self, upstreams: &mut [Upstream]) {
        let now = Instant::now();
        let faults = self.lock();
        if !faults.is_empty() {
            upstreams.sort_by_key(|upstream| {
                faults.get(&upstream.base).is_some_and(|until| *until > now)
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uri, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// More nodes than a platform has.
const MAX_FAULTS: usize = 1_000;
