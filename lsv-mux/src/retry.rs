//! Patience with a store that is out of reach.

use std::time::Duration;

use lsv_core::ports::{self, Error};
use tokio::time::Instant;

/// How long to wait before the next try: twice as long each time, within bounds.
#[derive(Debug)]
pub(crate) struct Backoff {
    pause: Duration,
    /// When to try no more.
    until: Option<Instant>,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self {
            pause: FIRST_PAUSE,
            until: None,
        }
    }

    /// One that gives up after `limit`.
    pub(crate) fn within(limit: Duration) -> Self {
        Self {
            until: Instant::now().checked_add(limit),
            ..Self::new()
        }
    }

    /// Waits if trying again may help.
    ///
    /// # Errors
    /// The error if it will not.
    pub(crate) async fn wait(&mut self, error: Error) -> ports::Result<()> {
        let Error::Unavailable { retry_after, .. } = &error else {
            return Err(error);
        };
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return Err(error);
        }
        let pause = self.pause.max((*retry_after).min(LONGEST_PAUSE));
        if self.pause == FIRST_PAUSE {
            tracing::warn!(%error, "the object store is out of reach; trying again");
        }
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Repeats a call of a store until it succeeds, or fails for good.
macro_rules! persist {
    ($call:expr) => {
        $crate::retry::persist!($crate::retry::Backoff::new(), $call)
    };
    ($backoff:expr, $call:expr) => {{
        let mut backoff = $backoff;
        loop {
            match $call.await {
                Ok(answer) => break Ok(answer),
                Err(error) => {
                    if let Err(error) = backoff.wait(error).await {
                        break Err(error);
                    }
                }
            }
        }
    }};
}
pub(crate) use persist;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
