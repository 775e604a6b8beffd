//! The port that knows which node has which channel live.

use std::any::Any;
use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Result;
use crate::channel::Moment;
use crate::path::ChannelId;
use crate::via::Via;

/// Knows where each live channel is, across all nodes.
#[async_trait]
pub trait SessionRegistry: fmt::Debug + Send + Sync {
    /// Makes it known that a channel is live; a newer announcement of the same channel in the same form replaces an older
    /// one. It holds until the [`Lease`] is dropped, and not much longer; a registry that outlives its nodes forgets what a
    /// node does not renew.
    ///
    /// # Errors
    /// As any call: the registry may be out of reach or refuse.
    async fn announce(&self, session: Session) -> Result<Lease>;

    /// Where a channel is live in `form`, if it is. Where nobody processes it, its source counts as processed.
    ///
    /// # Errors
    /// As any call: the registry may be out of reach or refuse.
    async fn locate(&self, channel: &ChannelId, form: Form) -> Result<Option<Session>>;

    /// Everything that is announced, by channel and form.
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
    /// The same over TLS, if the node has a certificate: `rtmps://host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtmps: Option<String>,
    /// Where the node's own API is, if it has one: `http://host:port`.
    #[serde(default)]
    pub http: Option<String>,
    /// What of the channel it has.
    #[serde(default)]
    pub form: Form,
    /// Since when it is live.
    pub since: Moment,
    /// Whether its publisher was lost, and viewers wait for it to come back.
    #[serde(default)]
    pub waiting: bool,
    /// The nodes that it comes through to that one, the publisher's first; none where it is published.
    #[serde(default)]
    pub through: Via,
}

/// What a node has of a live channel.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// What its publisher sends.
    #[default]
    Source,
    /// What its viewers are to see: the picture with its watermark, and the renditions.
    Processed,
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
    lost: Option<watch::Receiver<bool>>,
    _guard: Box<dyn Any + Send + Sync>,
}

impl Lease {
    /// A lease that ends when `guard` is dropped.
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self {
            lost: None,
            _guard: Box::new(guard),
        }
    }

    /// A lease of a registry that others announce to as well: `lost` turns true when one of them has replaced the
    /// announcement.
    pub fn shared(guard: impl Any + Send + Sync, lost: watch::Receiver<bool>) -> Self {
        Self {
            lost: Some(lost),
            _guard: Box::new(guard),
        }
    }

    /// Returns once another node has announced the channel in the same form; where that cannot be, never.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + 'static {
        let lost = self.lost.clone();
        async move {
            let replaced = match lost {
                Some(mut lost) => lost.wait_for(|lost| *lost).await.is_ok(),
                None => false,
            };
            if !replaced {
                std::future::pending().await
            }
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lease")
    }
}
