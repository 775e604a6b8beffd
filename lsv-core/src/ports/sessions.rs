//! The port that knows which node has which channel live.

use std::any::Any;
use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Result;
use crate::channel::Moment;
use crate::path::ChannelId;
use crate::via::Via;

/// Knows where each live channel is, across all nodes.
#[async_trait]
pub trait SessionRegistry: fmt::Debug + Send + Sync {
    /// Makes it known that a channel is live; a newer announcement of the same channel replaces an older one.
    /// It holds until the [`Lease`] is dropped.
    ///
    /// # Errors
    /// As any call: the registry may be out of reach or refuse.
    async fn announce(&self, session: Session) -> Result<Lease>;

    /// Where a channel is live, if it is.
    ///
    /// # Errors
    /// As any call: the registry may be out of reach or refuse.
    async fn locate(&self, channel: &ChannelId) -> Result<Option<Session>>;

    /// Every live channel, by id.
    ///
    /// # Errors
    /// As any call: the registry may be out of reach or refuse.
    async fn list(&self) -> Result<Vec<Session>>;
}

/// A channel that is live on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The channel.
    pub channel: ChannelId,
    /// The name of the node.
    pub node: String,
    /// Where other nodes pull the channel from: `rtmp://host:port`.
    pub address: String,
    /// Since when it is live.
    pub since: Moment,
    /// Whether its publisher was lost, and viewers wait for it to come back.
    #[serde(default)]
    pub waiting: bool,
    /// The nodes that it comes through to that one, the publisher's first; none where it is published.
    #[serde(default)]
    pub through: Via,
}

impl Session {
    /// Whether it is had at the same place as `other`.
    pub fn is_at(&self, other: &Self) -> bool {
        (&self.node, &self.address) == (&other.node, &other.address)
    }
}

/// Holds an announcement up: dropping it withdraws that announcement, and never one that has replaced it.
#[must_use = "dropping a lease withdraws the announcement"]
pub struct Lease {
    _guard: Box<dyn Any + Send + Sync>,
}

impl Lease {
    /// A lease that ends when `guard` is dropped.
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self {
            _guard: Box::new(guard),
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lease")
    }
}
