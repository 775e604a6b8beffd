//! What is live on all nodes, for one that has no stream itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use hyper::Method;
use lsv_auth::Secret;
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::Config;
use super::channels::LISTING_BYTES;
use super::client::{self, Http, Node};
use super::peer::{Call, Peer};
use crate::channel::Channel;
use crate::path::ChannelId;
use crate::ports::{Error, Form, LiveSessions, Result, Session, SessionInfo, SessionRegistry};

/// [`LiveSessions`] of other nodes. Clones share it.
///
/// [`Mirror::run`] looks every [`Config::look`] what is announced, and asks each node over its API
/// ([`Session::http`]) for what it has live; calls are answered from that. A node that does not answer shows what it showed last
/// for as long as it is announced. [`Mirror::follow_events`] tells what happens there. Settings are for the nodes to follow: they read the store.
#[derive(Clone)]
pub struct Mirror {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Arc<dyn SessionRegistry>,
    http: Http,
    /// What the API of nodes wants to be shown.
    token: Secret,
    config: Config,
    seen: Mutex<BTreeMap<ChannelId, Seen>>,
    /// When it was looked last; whoever looks does so for all who want it meanwhile.
    looked: tokio::sync::Mutex<Option<Instant>>,
    /// How many publishers may be ended at the same time.
    orders: Arc<Semaphore>,
}

/// A live session.
#[derive(Clone, Debug)]
struct Seen {
    session: Session,
    info: SessionInfo,
}

impl Mirror {
    /// What is announced in `registry`, for whoever shows `token` to the API of nodes. Only nodes may announce there: they
    /// are shown the token.
    pub fn new(
        registry: Arc<dyn SessionRegistry>,
        token: &Secret,
        tls: Arc<ClientConfig>,
        config: &Config,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                registry,
                http: client::http(tls),
                token: token.clone(),
                config: config.clone(),
                seen: Mutex::default(),
                looked: tokio::sync::Mutex::default(),
                orders: Arc::new(Semaphore::new(MAX_ORDERS as usize)),
            }),
        }
    }

    /// Looks again and again. Never returns.
    pub async fn run(self) {
        loop {
            self.refresh().await;
            sleep(self.shared.config.look).await;
        }
    }

    /// Looks now, unless that was done within [`Config::look`]: for whom nothing runs between two calls.
    pub async fn refresh(&self) {
        let shared = &*self.shared;
        let mut looked = shared.looked.lock().await;
        if looked.is_some_and(|at| at.elapsed() < shared.config.look) {
            return;
        }
        shared.look().await;
        *looked = Some(Instant::now());
    }

    pub(super) fn registry(&self) -> &dyn SessionRegistry {
        &*self.shared.registry
    }

    /// How often it is looked.
    pub(super) fn look(&self) -> Duration {
        self.shared.config.look
    }

    /// The node at `base`.
    pub(super) fn node(&self, base: &str) -> Result<Node> {
        let shared = &*self.shared;
        let node = Node::new(base, &shared.token, shared.http.clone(), shared.config.time);
        node.map_err(|error| Error::Invalid(format!("{base}: {error}")))
    }

    /// Where the publisher of `channel` comes from, as the node at `base` says.
    pub(super) async fn peer_of(&self, base: &str, channel: &ChannelId) -> Option<String> {
        let mut infos = self.shared.ask(base).await?;
        infos.remove(channel).map(|info| info.peer)
    }

    /// Waits until publishers that are to be ended have been, or their nodes do not answer.
    pub async fn settled(&self) {
        drop(self.shared.orders.acquire_many(MAX_ORDERS).await);
    }
}

impl Shared {
    async fn look(&self) {
        let before = self.lock().clone();
        let announced = match self.registry.list().await {
            Ok(announced) => announced,
            Err(error) => {
                tracing::warn!(%error, "what is live is not known anew");
                before.values().map(|seen| seen.session.clone()).collect()
            }
        };
        let live = announced.into_iter();
        let live = live.filter(|session| session.form == Form::Source && !session.waiting);
        let live: Vec<Session> = live.collect();
        let bases: BTreeSet<String> = live.iter().filter_map(|it| it.http.clone()).collect();
        let ask = |base: String| async move {
            let said = self.ask(&base).await;
            (base, said)
        };
        let answers = stream::iter(bases).map(ask);
        let answers = answers.buffer_unordered(NODES_AT_ONCE);
        let answers: HashMap<String, Option<Infos>> = answers.collect().await;
        let mut seen = BTreeMap::new();
        for session in &live {
            let channel = session.channel.clone();
            let said = session.http.as_deref().and_then(|base| answers.get(base));
            let info = match said {
                Some(Some(infos)) => match infos.get(&channel) {
                    Some(info) => info.clone(),
                    // It is over, and its announcement not yet.
                    None => continue,
                },
                _ => last(before.get(&channel), session),
            };
            let session = session.clone();
            seen.insert(channel, Seen { session, info });
        }
        *self.lock() = seen;
    }

    /// What the node at `base` has live, if it says so.
    async fn ask(&self, base: &str) -> Option<Infos> {
        let call = Call::get("/videostream/online").answered_by(LISTING_BYTES);
        let answer: Result<Vec<SessionInfo>> = match self.peer(base, self.config.time) {
            Ok(peer) => peer.ask(call.hurried()).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(infos) => Some(
                infos
                    .into_iter()
                    .map(|info| (info.channel.clone(), info))
                    .collect(),
            ),
            Err(error) => {
                tracing::debug!(%error, "a node does not say what it has live");
                None
            }
        }
    }

    fn peer(&self, base: &str, call_time: Duration) -> Result<Peer> {
        let config = Config {
            call_time,
            ..self.config.clone()
        };
        Peer::new(base, &self.token, self.http.clone(), &config)
            .map_err(|error| Error::Invalid(format!("{base}: {error}")))
    }

    /// Ends the publisher of `session` at its node.
    async fn end(&self, session: &Session) -> Result<()> {
        let base = session.http.as_deref();
        let base = base.ok_or_else(|| Error::Invalid("the node has no API".to_owned()))?;
        let peer = self.peer(base, self.config.call_time)?;
        let path = format!("/videostream/{}/session", session.channel);
        let ended = peer.call(Call::new(Method::DELETE, path)).await;
        Ok(ended.answer.map(drop)?)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChannelId, Seen>> {
        // No code that holds the lock can leave the map half changed.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a node has live, by channel.
type Infos = HashMap<ChannelId, SessionInfo>;

/// What was known last of `session`; where nothing was, what its announcement says.
fn last(before: Option<&Seen>, session: &Session) -> SessionInfo {
    match before {
        Some(seen) if seen.session.node == session.node => seen.info.clone(),
        _ => SessionInfo {
            channel: session.channel.clone(),
            since: session.since,
            peer: String::new(),
            node: session.node.clone(),
            video: None,
            audio: None,
            bitrate_in: 0,
            key_frame_interval: None,
            viewers: BTreeMap::new(),
            bitrate_out: BTreeMap::new(),
            tasks: Vec::new(),
            warnings: Vec::new(),
        },
    }
}

impl LiveSessions for Mirror {
    fn list(&self) -> Vec<SessionInfo> {
        let seen = self.shared.lock();
        seen.values().map(|seen| seen.info.clone()).collect()
    }

    fn find(&self, channel: &ChannelId) -> Option<SessionInfo> {
        let seen = self.shared.lock();
        seen.get(channel).map(|seen| seen.info.clone())
    }

    /// In the background: it needs a runtime around it.
    fn disconnect(&self, channel: &ChannelId) -> bool {
        let order = Arc::clone(&self.shared.orders).try_acquire_owned();
        let Ok(order) = order else {
            tracing::warn!(%channel, "too many publishers are being ended; this one goes on");
            return false;
        };
        let Some(Seen { session, .. }) = self.shared.lock().remove(channel) else {
            return false;
        };
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            if let Err(error) = shared.end(&session).await {
                let (channel, node) = (&session.channel, &session.node);
                tracing::warn!(%channel, node, %error, "a publisher could not be ended");
            }
            drop(order);
        });
        true
    }

    /// Nodes follow the store by themselves.
    fn apply(&self, _: &Arc<Channel>) {}
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror")
            .field("registry", &self.shared.registry)
            .finish_non_exhaustive()
    }
}

/// Most nodes that are asked at the same time.
const NODES_AT_ONCE: usize = 32;
/// Most publishers that are ended at the same time.
const MAX_ORDERS: u32 = 64;
