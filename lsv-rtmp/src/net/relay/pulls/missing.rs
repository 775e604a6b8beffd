//! A node that is announced to process a channel and does not give it. One that was killed may be announced for as long as viewers
//! wait for a publisher, and another take longer to start.

use std::time::Duration;

use lsv_core::ports::{Form, Session};
use tokio::time::Instant;

/// What could not be had, if anything.
#[derive(Debug, Default)]
pub(super) struct Missing(Option<Tried>);

#[derive(Debug)]
struct Tried {
    session: Session,
    /// When something last came.
    heard: Instant,
    /// When it was tried last.
    at: Instant,
}

impl Missing {
    /// Notes that `session` gives nothing; what came last did at `heard`.
    pub(super) fn note(&mut self, session: &Session, heard: Option<Instant>) {
        if session.form != Form::Processed {
            return;
        }
        let now = Instant::now();
        let known = self.0.take().filter(|known| known.is(session));
        let heard = known.map_or_else(|| heard.unwrap_or(now), |known| known.heard);
        self.0 = Some(Tried {
            session: session.clone(),
            heard,
            at: now,
        });
    }

    /// Forgets `session` if it gave something for a while.
    pub(super) fn forget_if(&mut self, is_stable: bool, session: &Session) {
        self.0.take_if(|known| is_stable && known.is(session));
    }

    /// Whether the source is to be watched in place of what was `found`.
    pub(super) fn is_given_up(&self, found: Option<&Session>) -> bool {
        let (Some(known), Some(found)) = (&self.0, found) else {
            return false;
        };
        let is_long = known.heard.elapsed() >= PATIENCE && known.at.elapsed() < TRIED_AGAIN;
        is_long && known.is(found)
    }
}

impl Tried {
    fn is(&self, session: &Session) -> bool {
        session.is_at(&self.session) && session.since == self.session.since
    }
}

/// How long another node has to take the place of one that gives nothing: less than viewers wait for a publisher.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long one is let be that is announced all the same. To try it costs a break.
const TRIED_AGAIN: Duration = Duration::from_secs(300);
