//! Which nodes an origin fetches objects from: those who have the channel live come first, or alone.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use axum::http::Uri;
use lsv_auth::{Secret, node};
use lsv_core::cache::{Cache, Fetched, GetError, Life, Limits};
use lsv_core::channel::Moment;
use lsv_core::path::ChannelId;
use lsv_core::ports::{self, Error, Form, SessionRegistry};
use lsv_core::remote::Nodes;
use lsv_mux::http::edge::{Upstream, Upstreams};
use tokio::time::timeout;

/// How it is known which nodes there are.
#[derive(Debug)]
pub(super) enum Bases {
    /// They were named, and are asked: all of them, in an order that all origins agree on.
    Asked(Arc<Nodes>),
    /// They announce what they have live.
    Registered(Arc<dyn SessionRegistry>),
}

impl Bases {
    async fn of(&self, channel: &ChannelId) -> ports::Result<Vec<String>> {
        match self {
            Self::Asked(nodes) => Ok(nodes.order(channel).await),
            Self::Registered(sessions) => {
                let asked = sessions.locate(channel, Form::Processed);
                let found = timeout(PATIENCE, asked)
                    .await
                    .map_err(Error::unavailable)??;
                let base = found.and_then(|session| session.http);
                // One whose announcement lapsed may be there all the same.
                let base = base.ok_or_else(|| Error::NotFound(format!("{channel}, live")))?;
                Ok(vec![base])
            }
        }
    }
}

/// The nodes that may have something of a channel.
#[derive(Debug)]
pub(super) struct Everywhere {
    bases: Bases,
    secret: Secret,
    orders: Cache<ChannelId, Arc<[Uri]>, Error>,
}

impl Everywhere {
    pub(super) fn new(bases: Bases, secret: Secret) -> Self {
        let mut limits = Limits::default();
        limits.bytes = ORDERS_BYTES;
        let weigh = |channel: &ChannelId, order: &Arc<[Uri]>| {
            channel.as_str().len() + order.len() * URI_BYTES
        };
        Self {
            bases,
            secret,
            orders: Cache::new(&limits, weigh),
        }
    }
}

#[async_trait]
impl Upstreams for Everywhere {
    async fn of(&self, channel: &ChannelId) -> ports::Result<Vec<Upstream>> {
        let find = async || {
            let order = self.bases.of(channel).await?;
            let order: Arc<[Uri]> = order.iter().filter_map(|base| base.parse().ok()).collect();
            Ok(Fetched::Value(order, ORDER))
        };
        let order = self.orders.get(channel, Instant::now, find).await;
        let order = match order {
            Ok(order) => order,
            Err(GetError::Failed(Error::NotFound(_))) => None,
            Err(GetError::Failed(error)) => return Err(error),
            Err(error) => return Err(Error::unavailable(error)),
        };
        let expires = Moment::from(SystemTime::now()).plus(CREDENTIAL).unix();
        let credential = node::mint(&self.secret, &format!("/{channel}"), expires);
        let bases = order.iter().flat_map(|order| order.iter());
        let upstreams = bases.map(|base| Upstream::new(base.clone()).with_credential(&credential));
        Ok(upstreams.collect())
    }
}

/// How long the order of nodes holds: a channel that moved is fetched from where it is then. Who watches goes on by the last
/// one while nobody says where the channel is.
const ORDER: Life = Life {
    fresh: Duration::from_secs(1),
    stale_while_revalidate: Duration::from_secs(300),
    stale_if_error: Duration::from_secs(300),
};
/// How long a registry may take to say it.
const PATIENCE: Duration = Duration::from_secs(1);
/// What the orders of all channels may take, some 200 bytes each.
const ORDERS_BYTES: usize = 8 << 20;
/// What an address takes, about.
const URI_BYTES: usize = 100;
/// How long a credential can be used: for a request to begin, with clocks that differ.
const CREDENTIAL: Duration = Duration::from_secs(120);
