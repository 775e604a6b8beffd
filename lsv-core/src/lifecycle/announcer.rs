//! Keeps a live stream announced to other nodes, however long the registry is out of reach.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::backoff::{self, Backoff};
use crate::hub::{Closed, Stream};
use crate::ports::{Session, SessionRegistry};

/// The announcement of one stream; dropped, it is withdrawn.
#[derive(Debug)]
pub(super) struct Announcer {
    told: watch::Sender<Session>,
}

impl Announcer {
    /// Announces `stream` as `session` says, and closes it where another node turns out to have it in its place.
    pub(super) fn new(
        registry: Arc<dyn SessionRegistry>,
        stream: &Arc<Stream>,
        session: Session,
    ) -> Self {
        let (told, tell) = watch::channel(session);
        tokio::spawn(keep(registry, Arc::downgrade(stream), tell));
        Self { told }
    }

    /// Announces it anew.
    pub(super) fn tell(&self, session: Session) {
        self.told.send_replace(session);
    }
}

async fn keep(
    registry: Arc<dyn SessionRegistry>,
    stream: Weak<Stream>,
    mut told: watch::Receiver<Session>,
) {
    let mut delays = backoff::Config::default();
    (delays.first_delay, delays.longest_delay) = (FIRST_DELAY, LONGEST_DELAY);
    let mut backoff = Backoff::new(delays, backoff::seed());
    // The one before is held until the next counts, so that nobody finds nothing in between.
    let mut _held = None;
    while told.has_changed().is_ok() {
        let session = told.borrow_and_update().clone();
        let asked = Instant::now();
        // A publisher that was lost here may be back elsewhere, and is not to be announced away from there.
        if session.waiting && is_elsewhere(&*registry, &session).await {
            close(&stream);
            return;
        }
        match registry.announce(session).await {
            Ok(lease) => {
                let lost = lease.lost();
                _held = Some(lease);
                tokio::select! {
                    _ = told.changed() => backoff.note(Duration::MAX),
                    () = lost => {
                        close(&stream);
                        return;
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the session could not be announced to other nodes; it is tried again");
                // What changes meanwhile is told at once.
                drop(timeout(backoff.fail(asked.elapsed()), told.changed()).await);
            }
        }
    }
}

/// Whether another node has announced the same; not where that cannot be told.
async fn is_elsewhere(registry: &dyn SessionRegistry, session: &Session) -> bool {
    match registry.locate(&session.channel, session.form).await {
        Ok(Some(found)) => found.form == session.form && !found.is_at(session),
        _ => false,
    }
}

fn close(stream: &Weak<Stream>) {
    tracing::info!("the channel is live on another node by now");
    if let Some(stream) = stream.upgrade() {
        stream.close(Closed::TakenOver);
    }
}

const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
