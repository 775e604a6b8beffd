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
                let found = sessions.locate(channel, Form::Processed).await?;
                Ok(found.and_then(|session| session.http).into_iter().collect())
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
            Ok(Fetched::Value(order, Life::fresh(ORDER_AGE)))
        };
        let order = self.orders.get(channel, Instant::now, find).await;
        let order = order.map_err(|error| match error {
            GetError::Failed(error) => error,
            error => Error::unavailable(error),
        })?;
        let expires = Moment::from(SystemTime::now()).plus(CREDENTIAL).unix();
        let credential = node::mint(&self.secret, &format!("/{channel}"), expires);
        let bases = order.iter().flat_map(|order| order.iter());
        let upstreams = bases.map(|base| Upstream::new(base.clone()).with_credential(&credential));
        Ok(upstreams.collect())
    }
}

/// How long the order of nodes holds: a channel that moved is fetched from where it is then.
const ORDER_AGE: Duration = Duration::from_secs(1);
/// What the orders of all channels may take, some 200 bytes each.
const ORDERS_BYTES: usize = 8 << 20;
/// What an address takes, about.
const URI_BYTES: usize = 100;
/// How long a credential can be used: for a request to begin, with clocks that differ.
const CREDENTIAL: Duration = Duration::from_secs(120);
