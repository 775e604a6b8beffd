//! What an operator tells a process by signals.

use tokio::signal::unix::{SignalKind, signal};

/// Returns at SIGTERM and SIGINT; calls `reread` at each SIGHUP.
pub(crate) async fn until_stopped(mut reread: impl FnMut()) -> std::io::Result<()> {
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => reread(),
        }
    }
}
