//! Waiting for something to become true, without sleeping longer than needed and without trusting the machine's speed.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long anything may take on a busy machine before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(25);

/// Asks `probe` again and again until it has an answer.
///
/// # Panics
/// After [`PATIENCE`] without one, naming `what` was waited for.
pub async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain: {what}"
        );
        sleep(PAUSE).await;
    }
}

/// Seconds that media tests watch: `LSV_TEST_SECONDS`, else `default`.
///
/// # Panics
/// If the variable holds anything but a number.
#[must_use]
pub fn seconds(default: u64) -> u64 {
    match std::env::var("LSV_TEST_SECONDS") {
        Ok(text) => text
            .parse()
            .expect("LSV_TEST_SECONDS is a number of seconds"),
        Err(_) => default,
    }
}

/// Whether figures are held to what they are to be on a machine that does nothing else: `LSV_STRICT` is set.
#[must_use]
pub fn strict() -> bool {
    std::env::var_os("LSV_STRICT").is_some()
}
