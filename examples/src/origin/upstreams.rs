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
    /// Who has a channel, and what of it.
    async fn of(&self, channel: &ChannelId) -> ports::Result<(Vec<String>, Form)> {
        match self {
            Self::Asked(nodes) => Ok((nodes.order(channel).await, Form::Source)),
            Self::Registered(sessions) => {
                let asked = sessions.locate(channel, Form::Processed);
                let found = timeout(PATIENCE, asked)
                    .await
                    .map_err(Error::unavailable)??;
                let found = found.and_then(|session| Some((vec![session.http?], session.form)));
                // One whose announcement lapsed may be there all the same.
                found.ok_or_else(|| Error::NotFound(format!("{channel}, live")))
            }
        }
    }
}

/// The nodes to ask for a channel, the first one first.
#[derive(Debug)]
struct Order {
    nodes: Vec<Uri>,
    /// Who processes it; or did until lately, and is asked until then.
    processor: Option<(Uri, Option<Instant>)>,
}

impl Order {
    /// `nodes` have it in `form`, after what was known `before`. A processor that is announced no more is still asked first, for
    /// `window`: it may have it all the same, as when its announcement lapsed while a store was away. Where it does not, what the source's
    /// node has not got is not to be had for a moment, and not absent.
    fn after(
        before: Option<&Self>,
        (mut nodes, form): (Vec<Uri>, Form),
        now: Instant,
        window: Duration,
    ) -> Self {
        let processor = match form {
            Form::Processed => nodes.first().map(|node| (node.clone(), None)),
            Form::Source => before
                .and_then(|before| before.processor.clone())
                .map(|(node, until)| (node, Some(until.unwrap_or(now + window))))
                .filter(|(_, until)| until.is_some_and(|until| now < until)),
        };
        if let Some((node, _)) = &processor
            && !nodes.contains(node)
        {
            nodes.insert(0, node.clone());
        }
        Self { nodes, processor }
    }
}

/// The nodes that may have something of a channel.
#[derive(Debug)]
pub(super) struct Everywhere {
    bases: Bases,
    secret: Secret,
    /// How long viewers wait for what was lost.
    window: Duration,
    orders: Cache<ChannelId, Arc<Order>, Error>,
}

impl Everywhere {
    pub(super) fn new(bases: Bases, secret: Secret, window: Duration) -> Self {
        let mut limits = Limits::default();
        limits.bytes = ORDERS_BYTES;
        let weigh = |channel: &ChannelId, order: &Arc<Order>| {
            channel.as_str().len() + (order.nodes.len() + 1) * URI_BYTES
        };
        Self {
            bases,
            secret,
            window,
            orders: Cache::new(&limits, weigh),
        }
    }
}

#[async_trait]
impl Upstreams for Everywhere {
    async fn of(&self, channel: &ChannelId) -> ports::Result<Vec<Upstream>> {
        let find = async || {
            let (bases, form) = self.bases.of(channel).await?;
            let nodes = bases.iter().filter_map(|base| base.parse().ok()).collect();
            let now = Instant::now();
            let before = self.orders.spare(channel, now).map(|kept| kept.value);
            let order = Order::after(before.as_deref(), (nodes, form), now, self.window);
            Ok(Fetched::Value(Arc::new(order), ORDER))
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
        let bases = order.iter().flat_map(|order| &order.nodes);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_processed_a_channel_is_asked_first_for_a_while() {
        let (gateway, one, other) = ("http://g", "http://p", "http://q");
        let begun = Instant::now();
        let window = Duration::from_secs(15);
        let mut known: Option<Order> = None;
        let mut asked = |node: &str, form, seconds| {
            let nodes = vec![node.parse().expect("an address")];
            let now = begun + Duration::from_secs(seconds);
            let order = Order::after(known.as_ref(), (nodes, form), now, window);
            let nodes = order.nodes.iter().map(|node| node.to_string());
            let nodes: Vec<String> = nodes.map(|it| it.trim_end_matches('/').into()).collect();
            known = Some(order);
            nodes
        };
        assert_eq!(asked(gateway, Form::Source, 0), [gateway]);
        assert_eq!(asked(one, Form::Processed, 1), [one]);
        assert_eq!(asked(gateway, Form::Source, 2), [one, gateway]);
        assert_eq!(asked(gateway, Form::Source, 16), [one, gateway]);
        assert_eq!(asked(gateway, Form::Source, 17), [gateway]);
        assert_eq!(asked(gateway, Form::Source, 18), [gateway]);
        assert_eq!(asked(one, Form::Processed, 19), [one]);
        // Nobody could be asked for a while.
        assert_eq!(asked(gateway, Form::Source, 200), [one, gateway]);
        assert_eq!(asked(other, Form::Processed, 201), [other]);
        assert_eq!(asked(gateway, Form::Source, 202), [other, gateway]);
    }
}
