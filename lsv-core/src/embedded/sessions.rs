//! Live sessions of one process, in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::path::ChannelId;
use crate::ports::{Form, Hold, Lease, Result, Session, SessionRegistry};

/// A [`SessionRegistry`] that lives as long as the process.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    announced: u64,
    live: BTreeMap<(ChannelId, Form), Announced>,
}

#[derive(Debug)]
struct Announced {
    number: u64,
    session: Session,
    /// Turns true when another announcement takes the place.
    lost: watch::Sender<bool>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that holds the lock can leave the map half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SessionRegistry for Sessions {
    async fn announce(&self, session: Session) -> Result<Lease> {
        let place = (session.channel.clone(), session.form);
        let mut inner = self.lock();
        let before = inner.live.get(&place);
        if before.is_some_and(|before| before.session.since > session.since) {
            return Err(session.replaced());
        }
        inner.announced += 1;
        let number = inner.announced;
        let (lost, hear) = watch::channel(false);
        let announced = Announced {
            number,
            session,
            lost,
        };
        if let Some(before) = inner.live.insert(place.clone(), announced) {
            before.lost.send_replace(true);
        }
        drop(inner);
        let held = Held {
            sessions: self.clone(),
            place,
            number,
        };
        Ok(Lease::new(held, hear))
    }

    async fn locate(&self, channel: &ChannelId, form: Form) -> Result<Option<Session>> {
        let inner = self.lock();
        let places = (channel.clone(), Form::Source)..=(channel.clone(), form);
        let found = inner.live.range(places).next_back();
        Ok(found.map(|(_, found)| found.session.clone()))
    }

    async fn list(&self) -> Result<Vec<Session>> {
        Ok(self
            .lock()
            .live
            .values()
            .map(|announced| announced.session.clone())
            .collect())
    }
}

/// An announcement that is held up.
struct Held {
    sessions: Sessions,
    place: (ChannelId, Form),
    number: u64,
}

#[async_trait]
impl Hold for Held {
    async fn change(&self, session: Session) -> Result<()> {
        let mut inner = self.sessions.lock();
        let announced = inner.live.get_mut(&self.place);
        match announced.filter(|announced| announced.number == self.number) {
            Some(announced) => {
                announced.session = session;
                Ok(())
            }
            None => Err(session.replaced()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut inner = self.sessions.lock();
        let current = inner
            .live
            .get(&self.place)
            .map(|announced| announced.number);
        if current == Some(self.number) {
            inner.live.remove(&self.place);
        }
    }
}

#[cfg(test)]
#[cfg(feature = "conformance")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn conforms() {
        crate::ports::conformance::session_registry(&Sessions::default()).await;
        crate::ports::conformance::session_leases(&Sessions::default()).await;
    }
}
