//! Pulling what viewers want: streams that are live on other nodes, each one once, for as long as somebody watches.
//!
//! ```text
//! viewer ─> bring(path) ─> in the hub? ─> one job a channel ─> Directory ─> RTMP ─> Publisher
//!                                              └─ the node is gone, or the publisher went elsewhere: located anew
//! ```
//!
//! While a job looks for the stream, the hub's stream is one whose publisher was lost: viewers stay connected and
//! playlists go on, for as long as its reconnect window.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lsv_auth::Secret;
use lsv_core::channel::Channel;
use lsv_core::hub::Hub;
use lsv_core::path::{ChannelId, Rendition, StreamPath};
use lsv_core::ports::{self, Denied, Directory, Reason, Session, Upstream};
use lsv_core::via::{NodeName, Via};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::net::Client;

mod job;
mod missing;
mod node;
mod rung;

use self::job::{Job, Live, Stage};
use self::missing::Missing;
use self::rung::Rung;

/// Pulls streams into a hub when they are wanted, from where a [`Directory`] says. Clones share it.
#[derive(Clone)]
pub struct Pulls {
    shared: Arc<Shared>,
}

struct Shared {
    hub: Hub,
    client: Client,
    directory: Arc<dyn Directory>,
    config: Config,
    known: Mutex<HashMap<ChannelId, Known>>,
    /// How many hold each channel that is held.
    held: Mutex<HashMap<ChannelId, usize>>,
}

/// A channel that is wanted.
struct Wanted {
    stage: watch::Receiver<Stage>,
    /// When media last came.
    heard: watch::Receiver<Option<Instant>>,
    /// The renditions that are pulled beside the source, which they end with.
    rungs: HashMap<Rendition, AbortOnDropHandle<()>>,
    /// When the first of them was wanted.
    climbed: Option<Instant>,
    _task: AbortOnDropHandle<()>,
}

/// Who pulls, and how patiently.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The name of this node, which no other running node has.
    pub node: NodeName,
    /// Where other nodes pull from this one: `rtmp://host:port`.
    pub address: String,
    /// What credentials between nodes are signed with; without it none are shown.
    pub secret: Option<Secret>,
    /// Whether streams are set to everything that their channel wants: for a node that processes them. Others have the live
    /// outputs alone, as recording and processing are done elsewhere.
    pub processes: bool,
    /// How long a viewer waits for a stream that is being looked for. 10 s.
    pub patience: Duration,
    /// How long a stream is pulled on when its last viewer has gone. 30 s.
    pub linger: Duration,
    /// How long a channel that is not live is not looked for again. 1 s.
    pub absent: Duration,
    /// How long a source that ended in order may take to be live elsewhere, before its viewers learn the end. 3 s.
    pub farewell: Duration,
    /// After so much silence of a node that nobody finds any more it is given up. 5 s.
    pub silence: Duration,
}

impl Config {
    /// The defaults for `node`, from which others pull at `address`.
    pub fn new(node: NodeName, address: impl Into<String>) -> Self {
        Self {
            node,
            address: address.into(),
            secret: None,
            processes: false,
            patience: Duration::from_secs(10),
            linger: Duration::from_secs(30),
            absent: Duration::from_secs(1),
            farewell: Duration::from_secs(3),
            silence: Duration::from_secs(5),
        }
    }
}

/// What is known of a channel.
enum Known {
    Wanted(Wanted),
    /// It was not to be had, and is not looked for again before then.
    Absent {
        until: Instant,
        denied: Denied,
    },
}

impl Pulls {
    /// Pulls into `hub` over connections of `client` what `directory` finds, with the settings that it tells.
    pub fn new(hub: Hub, client: Client, directory: Arc<dyn Directory>, config: Config) -> Self {
        let shared = Shared {
            hub,
            client,
            directory,
            config,
            known: Mutex::default(),
            held: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Pulls a channel, once it is brought, as if somebody watched it, until the answer is dropped.
    pub fn hold(&self, channel: &ChannelId) -> Held {
        *self.shared.held().entry(channel.clone()).or_default() += 1;
        Held {
            shared: Arc::clone(&self.shared),
            channel: channel.clone(),
        }
    }

    async fn bring_source(&self, channel: &ChannelId, via: &Via) -> Result<(), Denied> {
        let source = StreamPath::source(channel.clone());
        if self.shared.hub.find(&source).is_some() {
            return match self.live(channel) {
                Some(live) if comes_through(&live.session, via) => Err(in_a_circle()),
                _ => Ok(()),
            };
        }
        let mut stage = self.look_for(channel)?;
        let patience = self.shared.config.patience;
        let found = timeout(
            patience,
            stage.wait_for(|stage| !matches!(stage, Stage::Searching)),
        );
        match found.await {
            Ok(Ok(stage)) => match &*stage {
                Stage::Absent(denied) => Err(denied.clone()),
                _ => Ok(()),
            },
            Ok(Err(_)) => Err(offline()),
            Err(_) => Err(Denied::new(
                Reason::Unavailable,
                "the stream is not there yet",
            )),
        }
    }

    /// The job of a channel, begun where there is none.
    fn look_for(&self, channel: &ChannelId) -> Result<watch::Receiver<Stage>, Denied> {
        let mut known = self.shared.known();
        match known.get(channel) {
            Some(Known::Wanted(wanted)) => return Ok(wanted.stage.clone()),
            Some(Known::Absent { until, denied }) if *until > Instant::now() => {
                return Err(denied.clone());
            }
            _ => {}
        }
        let (job, stage, heard) = Job::new(Arc::clone(&self.shared), channel.clone());
        let task = tokio::spawn(job.run().instrument(tracing::info_span!("pull", %channel)));
        let wanted = Wanted {
            stage: stage.clone(),
            heard,
            rungs: HashMap::new(),
            climbed: None,
            _task: AbortOnDropHandle::new(task),
        };
        known.insert(channel.clone(), Known::Wanted(wanted));
        Ok(stage)
    }

    /// What there is of a channel at the moment.
    fn live(&self, channel: &ChannelId) -> Option<Live> {
        match self.shared.known().get(channel)? {
            Known::Wanted(wanted) => wanted.live(),
            Known::Absent { .. } => None,
        }
    }

    /// Where a channel comes from that is in the hub, and whether its media is coming just now.
    fn session(&self, channel: &ChannelId) -> Option<(Session, bool)> {
        let known = self.shared.known();
        let Known::Wanted(wanted) = known.get(channel)? else {
            return None;
        };
        let heard = *wanted.heard.borrow();
        let is_heard = heard.is_some_and(|heard| heard.elapsed() < HEARD);
        Some((wanted.live()?.session, is_heard))
    }

    /// Pulls renditions beside the source of a channel, those that are not yet; true where some may just be coming.
    fn climb(&self, channel: &ChannelId, renditions: &[Rendition]) -> bool {
        let mut known = self.shared.known();
        let Some(Known::Wanted(wanted)) = known.get_mut(channel) else {
            return false;
        };
        if renditions.is_empty() {
            return false;
        }
        let climbed = *wanted.climbed.get_or_insert_with(Instant::now);
        for rendition in renditions {
            let stage = &wanted.stage;
            wanted.rungs.entry(*rendition).or_insert_with(|| {
                let path = StreamPath {
                    channel: channel.clone(),
                    rendition: *rendition,
                };
                let span = tracing::info_span!("pull", %path);
                let rung = Rung::new(Arc::clone(&self.shared), path, stage.clone());
                AbortOnDropHandle::new(tokio::spawn(rung.run().instrument(span)))
            });
        }
        climbed.elapsed() < COMING
    }

    async fn bring_rendition(&self, path: &StreamPath) -> Result<(), Denied> {
        let live = self.live(&path.channel).ok_or_else(offline)?;
        if !live.renditions.contains(&path.rendition) {
            return Err(offline());
        }
        self.climb(&path.channel, &[path.rendition]);
        let there = async {
            while self.shared.hub.find(path).is_none() {
                sleep(LOOK_AGAIN).await;
            }
        };
        let found = timeout(self.shared.config.patience, there).await;
        found.map_err(|_| offline())
    }
}

impl Wanted {
    fn live(&self) -> Option<Live> {
        match &*self.stage.borrow() {
            Stage::Live(live) => Some(live.clone()),
            _ => None,
        }
    }
}

impl Shared {
    /// What a node that is asked learns of the way: whose wish it is does not matter to a stream that all share.
    fn via(&self) -> Via {
        Via::default().then(&self.config.node).unwrap_or_default()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<ChannelId, Known>> {
        // No code that holds the lock can leave the map half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<ChannelId, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job is over.
    fn forget(&self, channel: &ChannelId, denied: Denied) {
        let now = Instant::now();
        let until = now + self.config.absent;
        let mut known = self.known();
        known.remove(channel);
        if known.len() >= MAX_KNOWN {
            known.retain(|_, known| !matches!(known, Known::Absent { until, .. } if *until <= now));
        }
        if known.len() < MAX_KNOWN {
            known.insert(channel.clone(), Known::Absent { until, denied });
        }
    }
}

#[async_trait]
impl Upstream for Pulls {
    async fn bring(&self, path: &StreamPath, via: &Via) -> Result<(), Denied> {
        let via = via.then(&self.shared.config.node);
        let via = via.map_err(|_| in_a_circle())?;
        self.bring_source(&path.channel, &via).await?;
        match path.rendition {
            Rendition::Source => Ok(()),
            _ => self.bring_rendition(path).await,
        }
    }

    async fn bring_all(&self, channel: &ChannelId, via: &Via) -> Result<bool, Denied> {
        let via = via.then(&self.shared.config.node);
        let via = via.map_err(|_| in_a_circle())?;
        self.bring_source(channel, &via).await?;
        let renditions = self.live(channel).map(|live| live.renditions);
        let renditions = renditions.unwrap_or_default();
        Ok(self.climb(channel, &renditions))
    }
}

/// For nodes that pull from this one in turn.
#[async_trait]
impl Directory for Pulls {
    async fn locate(&self, channel: &ChannelId, via: &Via) -> ports::Result<Option<Session>> {
        let config = &self.shared.config;
        let Ok(with_own) = via.then(&config.node) else {
            return Ok(None);
        };
        let source = self.shared.hub.find(&StreamPath::source(channel.clone()));
        let own = self.session(channel).filter(|_| source.is_some());
        // What one has not heard of for a while may be live elsewhere, and is not told to be live here: nodes that lost the same
        // source must not take each other for it.
        let found = match own {
            Some((session, true)) => Some(session),
            own => match (self.shared.directory.locate(channel, &with_own).await, own) {
                (Ok(Some(found)), _) => Some(found),
                (_, Some((session, _))) => Some(Session {
                    waiting: true,
                    ..session
                }),
                (found, None) => found?,
            },
        };
        let found = found.filter(|session| !comes_through(session, via));
        Ok(found.and_then(|session| self.relayed(session)))
    }

    async fn record(&self, channel: &ChannelId, via: &Via) -> ports::Result<Arc<Channel>> {
        match via.then(&self.shared.config.node) {
            Ok(via) => self.shared.directory.record(channel, &via).await,
            Err(_) => Err(ports::Error::NotFound(format!("the channel {channel}"))),
        }
    }
}

impl Pulls {
    /// A session as it can be had here.
    fn relayed(&self, session: Session) -> Option<Session> {
        let config = &self.shared.config;
        let through = match NodeName::parse(&session.node) {
            Some(node) => session.through.then(&node).ok()?,
            None => session.through,
        };
        Some(Session {
            node: config.node.to_string(),
            address: config.address.clone(),
            through,
            ..session
        })
    }
}

impl fmt::Debug for Pulls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pulls")
            .field("directory", &self.shared.directory)
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

/// A channel that is pulled without viewers.
#[must_use = "dropped, the channel is held no longer"]
pub struct Held {
    shared: Arc<Shared>,
    channel: ChannelId,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.shared.held();
        if let Some(count) = held.get_mut(&self.channel) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.channel);
            }
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.channel).finish()
    }
}

/// Whether `session` is, or comes through, one of the nodes that a request came through.
fn comes_through(session: &Session, via: &Via) -> bool {
    let node = NodeName::parse(&session.node);
    node.is_some_and(|node| via.contains(&node)) || session.through.meets(via)
}

fn offline() -> Denied {
    Denied::new(Reason::UnknownChannel, "the channel is not live")
}

fn in_a_circle() -> Denied {
    Denied::new(Reason::Loop, lsv_core::via::Loop)
}

/// A stream of which nothing came for so long is not told to be live. It is noted each second.
const HEARD: Duration = Duration::from_millis(2500);
/// Renditions that are not there after so long are not made: the source is too small for them, or nothing encodes.
const COMING: Duration = Duration::from_secs(10);
/// How soon it is looked again whether a rendition is there.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Channels that are remembered at once, wanted or absent, some 200 bytes each.
const MAX_KNOWN: usize = 20_000;

#[cfg(test)]
mod tests;
