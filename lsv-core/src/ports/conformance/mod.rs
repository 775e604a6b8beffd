//! The suite that every implementation of a port must pass: call the port's function from a test, with an
//! implementation that is empty.
//!
//! # Panics
//! Every function panics where the implementation does not do what the port promises.

mod channels;
mod objects;
mod sessions;
mod tasks;

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::path::ChannelId;

pub use channels::{Unreachable, channel_store, unreachable_store};
pub use objects::{object_claims, object_resumption, object_store};
pub use sessions::{session_leases, session_registry};
pub use tasks::task_scheduler;

/// Waits until `done` is true. What is withdrawn by dropping may take a moment where the backing is another machine.
async fn soon(what: &str, done: impl AsyncFn() -> bool) {
    let waited = async {
        while !done().await {
            sleep(MOMENT).await;
        }
    };
    let waited = timeout(PATIENCE, waited).await;
    assert!(waited.is_ok(), "{what}, within {PATIENCE:?}");
}

/// How long a backing may take for what it does by itself; no pass waits for it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const MOMENT: Duration = Duration::from_millis(20);

fn id(text: &str) -> ChannelId {
    ChannelId::parse(text).expect("is an id")
}
