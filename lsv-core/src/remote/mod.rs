//! Ports over the API of other nodes.
//!
//! | | asks | for |
//! | --- | --- | --- |
//! | [`Nodes`] | all nodes at once | where a channel is live, what its record says |
//! | [`Channels`], [`Objects`], [`Sessions`] | the one node that keeps them for all | the stores |
//! | [`Processors`] | several that run tasks | what works for channels |
//! | [`Mirror`] | those who announce that they have something live | what the API shows of it, and tells |
//!
//! For [`Nodes`], a node's own memory is the registry of what is published there, so nothing is kept anywhere else and
//! nothing has to be taken back: who is gone does not answer, and is out within [`Config::time`].
//!
//! A node that keeps the stores may be away, or be started anew. A call without an answer is made again within
//! [`Config::patience`], and counts once ([`crate::exchange`] says how); then it is [`Unavailable`](crate::ports::Error).

mod channels;
mod client;
mod follow;
mod mirror;
mod nodes;
mod objects;
mod peer;
mod processors;
mod sessions;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use lsv_auth::Secret;
use rustls::ClientConfig;

pub use channels::Channels;
pub use client::InvalidBase;
pub use mirror::Mirror;
pub use nodes::Nodes;
pub use objects::Objects;
pub use processors::Processors;
pub use sessions::Sessions;

/// How other nodes are asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How long a node may take to answer where a channel is; one that does not counts as gone for that question. 2 s.
    pub time: Duration,
    /// How long the others are still waited for once a node has said that a channel is live there: it may have moved.
    /// 200 ms.
    pub grace: Duration,
    /// How long a node that keeps or runs something may take to answer one try of a call. 5 s.
    pub call_time: Duration,
    /// How long a call that gets no answer is tried again; once one was given up, others are tried once until there is an
    /// answer. 10 s.
    pub patience: Duration,
    /// How often an announcement is renewed; more often where it would not hold for three times as long. 10 s.
    pub renewal: Duration,
    /// How long a node that runs tasks may not answer before they count as gone. 10 s.
    pub absence: Duration,
    /// How often it is looked what is live on other nodes. 2 s.
    pub look: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(2),
            grace: Duration::from_millis(200),
            call_time: Duration::from_secs(5),
            patience: Duration::from_secs(10),
            renewal: Duration::from_secs(10),
            absence: Duration::from_secs(10),
            look: Duration::from_secs(2),
        }
    }
}

/// Everything that one node keeps for others, over connections that they share.
#[derive(Clone, Debug)]
pub struct Stores {
    /// The channel records.
    pub channels: Channels,
    /// The objects.
    pub objects: Objects,
    /// What is live.
    pub sessions: Sessions,
}

impl Stores {
    /// What the node at `base` keeps, such as `http://10.0.0.5:8080`, for whoever shows `token`.
    ///
    /// # Errors
    /// [`InvalidBase`] for what is no address.
    pub fn new(
        base: &str,
        token: &Secret,
        tls: Arc<ClientConfig>,
        config: &Config,
    ) -> Result<Self, InvalidBase> {
        let peer = peer::Peer::alone(base, token, tls, config)?;
        Ok(Self {
            channels: Channels::of(peer.clone()),
            objects: Objects::of(peer.clone()),
            sessions: Sessions::of(peer, config),
        })
    }
}

#[cfg(test)]
#[cfg(all(feature = "api", feature = "embedded"))]
mod tests;
