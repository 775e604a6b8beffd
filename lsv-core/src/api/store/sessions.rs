//! What is live on other nodes: announced here, and held up for as long as they renew it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use axum::Json as Said;
use axum::extract::State;
use futures::FutureExt;
use serde::Deserialize;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::body::{Id, Json, Made, Parameters};
use super::kept::Kept;
use super::refused::{Answer, Refused};
use super::{Keeping, Limits};
use crate::channel::Moment;
use crate::exchange::{Announced, Announcement};
use crate::path::ChannelId;
use crate::ports::{self, Form, Lease, Session, SessionRegistry};

/// The announcements of other nodes.
#[derive(Debug)]
pub(super) struct Leases {
    registry: Arc<dyn SessionRegistry>,
    kept: Kept<Held>,
    seconds: u64,
    /// The number that was given last.
    last: AtomicU64,
    /// Who announced each place last; also whoever announces does so alone.
    places: Mutex<HashMap<Place, Latest>>,
}

type Place = (ChannelId, Form);

#[derive(Debug)]
struct Latest {
    lease: Uuid,
    announced: u64,
    node: String,
}

/// What an id of a lease stands for.
#[derive(Debug)]
enum Held {
    Up {
        announced: u64,
        lease: Lease,
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
            last: AtomicU64::new(0),
            places: Mutex::default(),
        }
    }

    async fn announce(&self, id: Uuid, announcement: Announcement) -> Answer<Announced> {
        let Announcement { session, announced } = announcement;
        let place = (session.channel.clone(), session.form);
        let mut places = self.places.lock().await;
        let known = self.kept.get(id);
        let renewed = match known.as_deref() {
            Some(Held::Withdrawn) => return Err(lost()),
            Some(Held::Up { lease, .. }) if lease.lost().now_or_never().is_some() => {
                return Err(lost());
            }
            Some(Held::Up { announced, .. }) => Some(*announced),
            None => None,
        };
        let number = renewed.or(announced);
        if let Some(number) = number
            && self
                .is_replaced(&session, number, places.get(&place))
                .await?
        {
            drop(known);
            drop(self.kept.remove(id));
            return Err(lost());
        }
        if let Some(announced) = renewed {
            return Ok(self.answer(announced));
        }
        let announced = number.unwrap_or_else(|| self.next());
        let node = session.node.clone();
        let lease = self.registry.announce(session).await?;
        drop(self.kept.put(id, Held::Up { announced, lease })?);
        if places.len() > 1_024 && places.len() > 2 * self.kept.len() {
            places.retain(|_, latest| self.is_up(latest.lease));
        }
        let latest = Latest {
            lease: id,
            announced,
            node,
        };
        places.insert(place, latest);
        Ok(self.answer(announced))
    }

    /// Whether another node has the place of `session`, which was announced as `number`.
    async fn is_replaced(
        &self,
        session: &Session,
        number: u64,
        latest: Option<&Latest>,
    ) -> ports::Result<bool> {
        if let Some(latest) = latest
            && self.is_up(latest.lease)
        {
            return Ok(latest.node != session.node && latest.announced > number);
        }
        // Others may announce to the same registry by another way.
        let found = self.registry.locate(&session.channel, session.form).await?;
        Ok(found.is_some_and(|found| {
            found.form == session.form && found.node != session.node && found.since > session.since
        }))
    }

    fn is_up(&self, id: Uuid) -> bool {
        let held = self.kept.peek(id);
        held.is_some_and(|held| matches!(*held, Held::Up { .. }))
    }

    /// Withdraws; what is put of it afterwards is refused.
    fn withdraw(&self, id: Uuid) -> ports::Result<()> {
        self.kept.put(id, Held::Withdrawn).map(drop)
    }

    /// A number greater than all before, of this start and of former ones.
    fn next(&self) -> u64 {
        let now = Moment::from(SystemTime::now()).unix_millis();
        let next = |last: u64| Some(now.max(last.saturating_add(1)));
        let order = Ordering::Relaxed;
        let last = self.last.fetch_update(order, order, next);
        next(last.unwrap_or_default()).unwrap_or(now)
    }

    fn answer(&self, announced: u64) -> Announced {
        Announced {
            announced,
            seconds: self.seconds,
        }
    }
}

fn lost() -> Refused {
    Refused::gone("the announcement, which another node has replaced,")
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
    Ok(Said(node.stores.sessions.locate(&id, form).await?))
}

pub(super) async fn announce(
    State(node): State<Keeping>,
    Made(id): Made,
    Json(announcement): Json<Announcement>,
) -> Answer<Said<Announced>> {
    Ok(Said(node.leases.announce(id, announcement).await?))
}

pub(super) async fn withdraw(State(node): State<Keeping>, Made(id): Made) -> Answer<Said<()>> {
    Ok(Said(node.leases.withdraw(id)?))
}
