//! Counts viewers of HLS and DASH, who are never connected: whoever fetched something lately is one.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use lsv_core::hub::{Protocol, Stream, Viewer};
use tokio::time::Instant;

/// The viewers of segmented formats. A viewer is an address with a user agent: several behind one address with the
/// same browser count as one.
#[derive(Debug, Default)]
pub(super) struct Audience {
    seen: Mutex<HashMap<Key, Seen>>,
    hasher: RandomState,
}

/// A viewer of a stream, by hash: no address is kept.
type Key = u64;

#[derive(Debug)]
struct Seen {
    viewer: Viewer,
    until: Instant,
}

impl Audience {
    /// Notes that a viewer was sent `bytes` of `stream`.
    pub(super) fn note(
        self: &Arc<Self>,
        stream: &Arc<Stream>,
        protocol: Protocol,
        peer: (IpAddr, &str),
        bytes: usize,
    ) {
        let identity = (Arc::as_ptr(stream) as usize, protocol, peer);
        let key = self.hasher.hash_one(identity);
        let segment = stream.settings().borrow().segment;
        let until = Instant::now() + segment.clamp(SHORTEST, LONGEST) * SEGMENTS;
        let mut seen = self.lock();
        let first = seen.is_empty();
        let full = seen.len() >= MAX_VIEWERS;
        match seen.entry(key) {
            Entry::Occupied(mut known) => {
                known.get_mut().until = until;
                known.get().viewer.sent(bytes);
            }
            // Beyond the limit viewers are served and not counted.
            Entry::Vacant(_) if full => {}
            Entry::Vacant(new) => {
                let viewer = stream.viewer(protocol);
                viewer.sent(bytes);
                new.insert(Seen { viewer, until });
            }
        }
        drop(seen);
        if first {
            // Ends by itself when nobody is left.
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep(audience: Weak<Audience>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(audience) = audience.upgrade() else {
            return;
        };
        let now = Instant::now();
        let mut seen = audience.lock();
        seen.retain(|_, seen| seen.until > now);
        if seen.is_empty() {
            return;
        }
    }
}

/// Viewers counted at once on a node, some 100 bytes each.
const MAX_VIEWERS: usize = 200_000;
/// A viewer who has fetched nothing for so many segments has left.
const SEGMENTS: u32 = 3;
const SHORTEST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);
const SWEEP_EVERY: Duration = Duration::from_secs(1);
