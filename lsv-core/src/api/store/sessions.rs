//! What is live on other nodes: announced here, and held up for as long as they renew it.

use std::sync::Arc;

use axum::Json as Said;
use axum::extract::State;
use futures::FutureExt;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::body::{Id, Json, Made, Parameters};
use super::kept::Kept;
use super::refused::{Answer, Refused};
use super::{Keeping, Limits};
use crate::exchange::{Announced, Announcement};
use crate::path::ChannelId;
use crate::ports::{self, Error, Form, Lease, Session, SessionRegistry};

/// The announcements of other nodes.
#[derive(Debug)]
pub(super) struct Leases {
    registry: Arc<dyn SessionRegistry>,
    kept: Kept<Held>,
    seconds: u64,
    settles: Instant,
    /// A lease is put for the first time by one at a time, and withdrawn by none meanwhile: the same may come twice.
    /// One lock is enough for all: the registries that nodes serve are in memory.
    first: Mutex<()>,
}

/// What an id of a lease stands for.
#[derive(Debug)]
enum Held {
    Up {
        lease: Lease,
        /// How many changes were made.
        changes: Mutex<u64>,
    },
    /// Nothing any more: what comes late must not announce it again.
    Withdrawn,
}

impl Leases {
    pub(super) fn new(registry: Arc<dyn SessionRegistry>, limits: &Limits) -> Self {
        Self {
            registry,
            kept: Kept::new(limits.leases, limits.lease),
            seconds: limits.lease.as_secs().max(1),
            settles: Instant::now() + limits.settling,
            first: Mutex::default(),
        }
    }

    async fn put(&self, id: Uuid, announcement: Announcement) -> Answer<Announced> {
        let known = match self.kept.get(id) {
            Some(known) => Some(known),
            None => self.announce(id, &announcement).await?,
        };
        if let Some(known) = known {
            known.renew(announcement).await?;
        }
        let seconds = self.seconds;
        Ok(Announced { seconds })
    }

    /// Announces what that id is to stand for, unless somebody else just has.
    async fn announce(&self, id: Uuid, announcement: &Announcement) -> Answer<Option<Arc<Held>>> {
        let _alone = self.first.lock().await;
        if let Some(known) = self.kept.get(id) {
            return Ok(Some(known));
        }
        let lease = self.registry.announce(announcement.session.clone()).await;
        let up = Held::Up {
            lease: lease.map_err(refused)?,
            changes: Mutex::new(announcement.change),
        };
        drop(self.kept.put(id, up)?);
        Ok(None)
    }

    /// Where a channel is, best in that form.
    async fn locate(&self, id: &ChannelId, form: Form) -> ports::Result<Option<Session>> {
        let found = self.registry.locate(id, form).await?;
        let is_best = found.as_ref().is_some_and(|it| it.form == form);
        if is_best || self.settles <= Instant::now() {
            return Ok(found);
        }
        // Whoever is told of less than there was lets go of what it has.
        sleep_until(self.settles).await;
        self.registry.locate(id, form).await
    }

    /// Withdraws; what is put of it afterwards is refused.
    async fn withdraw(&self, id: Uuid) -> ports::Result<()> {
        let _alone = self.first.lock().await;
        self.kept.put(id, Held::Withdrawn).map(drop)
    }
}

impl Held {
    /// Changes what is announced, if that is news.
    async fn renew(&self, announcement: Announcement) -> Answer<()> {
        let Self::Up { lease, changes } = self else {
            return Err(lost());
        };
        if lease.lost().now_or_never().is_some() {
            return Err(lost());
        }
        let mut changes = changes.lock().await;
        if announcement.change > *changes {
            let changed = lease.change(announcement.session).await;
            changed.map_err(refused)?;
            *changes = announcement.change;
        }
        Ok(())
    }
}

fn refused(error: Error) -> Refused {
    match error {
        Error::Conflict(_) => lost(),
        error => error.into(),
    }
}

fn lost() -> Refused {
    Refused::gone("the announcement, which another has replaced,")
}

pub(super) async fn list(State(node): State<Keeping>) -> Answer<Said<Vec<Session>>> {
    Ok(Said(node.stores.sessions.list().await?))
}

/// In which form a channel is wanted.
#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    form: Form,
}

pub(super) async fn locate(
    State(node): State<Keeping>,
    Id(id): Id,
    Parameters(Wanted { form }): Parameters<Wanted>,
) -> Answer<Said<Option<Session>>> {
    Ok(Said(node.leases.locate(&id, form).await?))
}

pub(super) async fn announce(
    State(node): State<Keeping>,
    Made(id): Made,
    Json(announcement): Json<Announcement>,
) -> Answer<Said<Announced>> {
    Ok(Said(node.leases.put(id, announcement).await?))
}

pub(super) async fn withdraw(State(node): State<Keeping>, Made(id): Made) -> Answer<Said<()>> {
    Ok(Said(node.leases.withdraw(id).await?))
}
