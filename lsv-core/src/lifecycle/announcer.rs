//! Keeps a live stream announced to other nodes, however long the registry is out of reach.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::backoff::{self, Backoff};
use crate::channel::Moment;
use crate::hub::{Closed, Stream};
use crate::ports::{Error, Lease, Result, Session, SessionRegistry};

/// The announcement of one stream; dropped, it is withdrawn.
#[derive(Debug)]
pub(super) struct Announcer {
    stream: Weak<Stream>,
    /// The number of the publisher of whom was told last, and when it began.
    publisher: (u64, Moment),
    told: watch::Sender<Session>,
}

impl Announcer {
    /// Announces `stream` as `session` says, and closes it where another node turns out to have it in its place.
    pub(super) fn new(
        registry: Arc<dyn SessionRegistry>,
        stream: &Arc<Stream>,
        session: Session,
    ) -> Self {
        let publisher = (stream.session(), session.since);
        let (told, tell) = watch::channel(session);
        let stream = Arc::downgrade(stream);
        tokio::spawn(keep(registry, stream.clone(), tell));
        Self {
            stream,
            publisher,
            told,
        }
    }

    pub(super) fn is_of(&self, stream: &Arc<Stream>) -> bool {
        std::ptr::eq(self.stream.as_ptr(), Arc::as_ptr(stream))
    }

    /// When the current publisher of `stream` began, which the clock says was at `began`: always the same of one publisher,
    /// and behind the one before.
    pub(super) fn since(&self, stream: &Stream, began: Moment) -> Moment {
        let (number, since) = self.publisher;
        match number == stream.session() {
            true => since,
            false => began.max(behind(since)),
        }
    }

    /// Announces `stream` as `session` says from now on.
    pub(super) fn tell(&mut self, stream: &Stream, session: Session) {
        self.publisher = (stream.session(), session.since);
        self.told.send_replace(session);
    }
}

/// What was announced.
struct Held {
    lease: Lease,
    /// When the publisher began of whom it tells.
    since: Moment,
}

/// The earliest that somebody begins who takes the place of one who began at `since`.
pub(super) fn behind(since: Moment) -> Moment {
    since.plus(Duration::from_millis(1))
}

async fn keep(
    registry: Arc<dyn SessionRegistry>,
    stream: Weak<Stream>,
    mut told: watch::Receiver<Session>,
) {
    let mut delays = backoff::Config::default();
    (delays.first_delay, delays.longest_delay) = (FIRST_DELAY, LONGEST_DELAY);
    let mut backoff = Backoff::new(delays, backoff::seed());
    let mut held = None;
    while told.has_changed().is_ok() {
        let session = told.borrow_and_update().clone();
        let asked = Instant::now();
        let pause = match put(&*registry, &mut held, session).await {
            Ok(()) => {
                backoff.note(Duration::MAX);
                None
            }
            Err(Error::Conflict(_)) => {
                tracing::info!("the channel is live on another node by now");
                if let Some(stream) = stream.upgrade() {
                    stream.close(Closed::TakenOver);
                }
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "the session could not be announced to other nodes; it is tried again");
                Some(backoff.fail(asked.elapsed()))
            }
        };
        tokio::select! {
            // What changes meanwhile is told at once.
            _ = told.changed() => {}
            () = lost(held.as_ref()) => {}
            () = after(pause) => {}
        }
    }
}

/// Announces `session`, or changes to it what is `held`; refused where another has the place.
async fn put(
    registry: &dyn SessionRegistry,
    held: &mut Option<Held>,
    session: Session,
) -> Result<()> {
    let since = session.since;
    if let Some(before) = held {
        let changed = tokio::select! {
            biased;
            () = before.lease.lost() => Err(session.replaced()),
            changed = before.lease.change(session.clone()) => changed,
        };
        match changed {
            Ok(()) => before.since = since,
            // Somebody has come back here since, and may take the place back.
            Err(Error::Conflict(_)) if since > before.since => *held = None,
            Err(error) => return Err(error),
        }
    }
    if held.is_none() {
        // Whose publisher was lost before anybody was told of it takes nothing from where it may be by now, whatever the clocks say.
        if session.waiting && is_elsewhere(registry, &session).await? {
            return Err(session.replaced());
        }
        let lease = registry.announce(session).await?;
        *held = Some(Held { lease, since });
    }
    Ok(())
}

async fn is_elsewhere(registry: &dyn SessionRegistry, session: &Session) -> Result<bool> {
    let found = registry.locate(&session.channel, session.form).await?;
    Ok(found.is_some_and(|found| found.form == session.form && found.node != session.node))
}

async fn lost(held: Option<&Held>) {
    match held {
        Some(held) => held.lease.lost().await,
        None => std::future::pending().await,
    }
}

async fn after(pause: Option<Duration>) {
    match pause {
        Some(pause) => sleep(pause).await,
        None => std::future::pending().await,
    }
}

const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
