//! Files of a session that its playlist lists no longer.

use std::sync::Arc;
use std::time::Duration;

use lsv_core::ports::{Error, ObjectName, ObjectStore};
use tokio::time::Instant;

/// Removes files when no player can need them any more (RFC 8216 §6.2.2).
#[derive(Debug)]
pub(in crate::record) struct Outdated {
    store: Arc<dyn ObjectStore>,
    /// In the order in which they came; when each is to go.
    files: Vec<(ObjectName, Instant)>,
}

impl Outdated {
    pub(in crate::record) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            files: Vec::new(),
        }
    }

    /// Has `name` removed, `after` that time.
    pub(in crate::record) fn add(&mut self, name: ObjectName, after: Duration) {
        if self.files.len() >= MAX_OUTDATED {
            tracing::warn!(%name, "an outdated segment stays: too many could not be removed");
            return;
        }
        self.files.push((name, Instant::now() + after));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Removes what is due. What cannot be removed is tried again the next time.
    pub(super) async fn remove_due(&mut self) {
        let now = Instant::now();
        let (due, mut left): (Vec<_>, Vec<_>) =
            self.files.drain(..).partition(|(_, when)| *when <= now);
        for (name, when) in due {
            match self.store.delete(&name).await {
                Err(Error::Unavailable { .. }) => left.push((name, when)),
                Ok(()) | Err(Error::NotFound(_)) => {}
                Err(error) => tracing::warn!(%name, %error, "an outdated segment stays"),
            }
        }
        self.files = left;
    }

    /// Waits until all of it is gone.
    pub(in crate::record) async fn remove_all(&mut self) {
        while let Some(next) = self.files.iter().map(|(_, when)| *when).min() {
            tokio::time::sleep_until(next).await;
            self.remove_due().await;
            if self.files.iter().any(|(_, when)| *when <= Instant::now()) {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// What is remembered at most where a store takes no removals for long.
const MAX_OUTDATED: usize = 10_000;
/// Between tries to remove the last.
const PAUSE: Duration = Duration::from_secs(10);
