//! Several nodes as one source of channel records and locations.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::OptionFuture;
use futures::stream::FuturesUnordered;
use lsv_auth::Secret;
use rustls::ClientConfig;
use tokio::time::sleep;

use super::Config;
use super::client::{self, InvalidBase, Node, damaged};
use crate::cache::{self, Cache, Fetched, GetError, Life};
use crate::channel::{Channel, Moment};
use crate::path::ChannelId;
use crate::ports::{
    ChannelStore, Directory, Error, Form, Page, PageRequest, Precondition, Result, Session,
    StreamDns, VersionedChannel,
};
use crate::rendezvous;
use crate::via::{self, NodeName, Via};

/// Nodes that know channels and have them live. Clones share connections.
///
/// All are asked at once. Of those who have a channel live, the one counts whose publisher is there and came last, as one
/// that moved is still announced where it was; among nodes that relay the same, rendezvous hashing chooses, so that all who ask
/// the same nodes agree.
#[derive(Clone)]
pub struct Nodes {
    nodes: Arc<[Node]>,
    own: NodeName,
    grace: Duration,
    /// Records as they were last, for when nobody can be asked.
    records: Cache<ChannelId, Arc<Channel>, Error>,
}

impl Nodes {
    /// Asks, as the node `own`, the nodes at `bases`, such as `http://10.0.0.7:8080`, with the API's `token`.
    ///
    /// # Errors
    /// [`InvalidBase`] for what is no address.
    pub fn new(
        own: NodeName,
        bases: &[String],
        token: &Secret,
        tls: Arc<ClientConfig>,
        config: &Config,
    ) -> Result<Self, InvalidBase> {
        let http = client::http(tls);
        let nodes = bases.iter();
        let nodes = nodes.map(|base| Node::new(base, token, http.clone(), config.time));
        Ok(Self {
            nodes: nodes.collect::<Result<_, _>>()?,
            own,
            grace: config.grace,
            records: Cache::new(&cache::Limits::default(), |_, _| RECORD_BYTES),
        })
    }

    /// The addresses of all nodes in the order in which they are to be asked for what there is of `channel`: those who have
    /// it live first, the others in an order that all who ask the same nodes agree on.
    pub async fn order(&self, channel: &ChannelId) -> Vec<String> {
        let via = Via::default().then(&self.own).unwrap_or_default();
        let path = format!("/videostream/{channel}/location{}", query(&via));
        let live = self.ask(&path, |node, bytes| {
            Ok((node.to_string(), session(node, bytes)?))
        });
        let live: HashMap<String, Session> = live.await.found.into_iter().collect();
        let mut order: Vec<String> = self.nodes.iter().map(Node::to_string).collect();
        order.sort_by_cached_key(|base| {
            let session = live.get(base);
            let node = session.map_or(base.as_str(), |session| &session.node);
            Reverse((
                session.map(freshness),
                rendezvous::weight([channel.as_str(), node]),
            ))
        });
        order
    }

    /// What the nodes have at `path`, read by `read`: of all that answer, or of those that do soon after the first who has it.
    async fn ask<T>(&self, path: &str, read: impl Fn(&Node, &[u8]) -> Result<T>) -> Answers<T> {
        let ask = async |node| (node, Node::get(node, path).await);
        let mut asked: FuturesUnordered<_> = self.nodes.iter().map(ask).collect();
        let (mut found, mut none, mut failed) = (Vec::new(), false, None);
        let mut grace = std::pin::pin!(OptionFuture::from(None));
        loop {
            let (node, answer) = tokio::select! {
                answered = asked.next() => match answered {
                    Some(answered) => answered,
                    None => break,
                },
                Some(()) = &mut grace => break,
            };
            match answer.and_then(|bytes| bytes.map(|bytes| read(node, &bytes)).transpose()) {
                Ok(None) => none = true,
                Ok(Some(read)) => {
                    if found.is_empty() {
                        grace.set(OptionFuture::from(Some(sleep(self.grace))));
                    }
                    found.push(read);
                }
                Err(error) => {
                    tracing::debug!(%error, "a node could not be asked");
                    failed = Some(error);
                }
            }
        }
        Answers {
            found,
            none,
            failed,
        }
    }
}

/// What nodes answered.
struct Answers<T> {
    found: Vec<T>,
    /// Some node says that there is no such thing.
    none: bool,
    /// Why some node did not answer.
    failed: Option<Error>,
}

#[async_trait]
impl Directory for Nodes {
    async fn locate(&self, channel: &ChannelId, via: &Via) -> Result<Option<Session>> {
        let path = format!("/videostream/{channel}/location{}", query(via));
        let Answers {
            found,
            none,
            failed,
        } = self.ask(&path, session).await;
        // Who does not answer has nothing live, as long as there is anybody who does.
        if let (true, false, Some(error)) = (found.is_empty(), none, failed) {
            return Err(error);
        }
        let found = found.into_iter();
        Ok(found.max_by_key(|session| {
            let weight = rendezvous::weight([channel.as_str(), &session.node]);
            (freshness(session), weight)
        }))
    }

    async fn record(&self, id: &ChannelId, via: &Via) -> Result<Arc<Channel>> {
        let path = format!("/videostream/{id}/stored{}", query(via));
        let answers = self.ask(&path, record).await;
        let found = answers.found.into_iter();
        let newest = found.max_by_key(|channel| channel.updated_at);
        // Who does not answer may have the record.
        let missing = || missing(id);
        let channel = newest.ok_or_else(|| answers.failed.unwrap_or_else(missing))?;
        Ok(Arc::new(channel))
    }
}

/// Reads records; they are written where they are kept.
#[async_trait]
impl ChannelStore for Nodes {
    async fn get(&self, id: &ChannelId) -> Result<VersionedChannel> {
        let via = Via::default().then(&self.own).unwrap_or_default();
        let find = async || match self.record(id, &via).await {
            Ok(channel) => Ok(Fetched::Value(channel, SPARE)),
            Err(Error::NotFound(_)) => Ok(Fetched::Absent(Duration::ZERO)),
            Err(error) => Err(error),
        };
        let found = self.records.get(id, Instant::now, find).await;
        let found = found.map_err(|error| match error {
            GetError::Failed(error) => error,
            error => Error::unavailable(error),
        })?;
        let channel = found.ok_or_else(|| missing(id))?;
        Ok(VersionedChannel {
            version: channel.updated_at.unix_millis(),
            channel,
        })
    }

    async fn put(&self, _: &Channel, _: Precondition) -> Result<u64> {
        Err(elsewhere())
    }

    async fn delete(&self, _: &ChannelId) -> Result<()> {
        Err(elsewhere())
    }

    async fn list(&self, _: &PageRequest) -> Result<Page<Channel>> {
        Err(elsewhere())
    }

    async fn stream_dns(&self) -> Result<StreamDns> {
        Err(elsewhere())
    }

    async fn put_stream_dns(&self, _: &StreamDns) -> Result<()> {
        Err(elsewhere())
    }
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Nodes").field(&self.nodes).finish()
    }
}

/// Greater for a session that counts more: it has its publisher, who came later, is what viewers are to see, or has fewer
/// nodes in between.
fn freshness(session: &Session) -> (bool, Moment, Form, Reverse<usize>) {
    let nearest = Reverse(session.through.len());
    (!session.waiting, session.since, session.form, nearest)
}

fn missing(id: &ChannelId) -> Error {
    Error::NotFound(format!("the channel {id}"))
}

fn query(via: &Via) -> String {
    match via.is_empty() {
        true => String::new(),
        false => format!("?{}={via}", via::PARAMETER),
    }
}

/// The session that `node` told. A node that listens everywhere names no host: it is reached where it was asked.
fn session(node: &Node, bytes: &[u8]) -> Result<Session> {
    let mut session: Session =
        serde_json::from_slice(bytes).map_err(|error| damaged(node, error))?;
    let reached = format!("://{}:", node.host());
    for address in std::iter::once(&mut session.address).chain(&mut session.rtmps) {
        for everywhere in ["://0.0.0.0:", "://[::]:"] {
            *address = address.replacen(everywhere, &reached, 1);
        }
    }
    Ok(session)
}

fn record(node: &Node, bytes: &[u8]) -> Result<Channel> {
    Channel::decode(bytes).map_err(|error| damaged(node, error))
}

fn elsewhere() -> Error {
    Error::Denied("channels are made and changed at the node that keeps them".to_owned())
}

/// Records are asked for each time. Those who watch go on for a minute by what was said last while nobody answers.
const SPARE: Life = Life {
    fresh: Duration::ZERO,
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: Duration::from_secs(60),
};
/// What a record takes, about.
const RECORD_BYTES: usize = 2 << 10;
