//! The port that knows which node has which channel live.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Error, Result};
use crate::channel::Moment;
use crate::path::ChannelId;
use crate::via::Via;

/// Knows where each live channel is, across all nodes.
#[async_trait]
pub trait SessionRegistry: fmt::Debug + Send + Sync {
    /// Makes it known that a channel is live, in place of what was announced of the same channel in the same form, unless
    /// that began later ([`Session::since`]): an announcement that comes late, or is repeated, takes nothing from whoever came
    /// in between. It holds until the [`Lease`] is dropped, and not much longer; a registry that outlives its nodes forgets
    /// what a node does not renew.
    ///
    /// # Errors
    /// [`Error::Conflict`] where the channel is announced by who began later. Else as any call: the
    /// registry may be out of reach or refuse.
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
    /// Since when it is live: later than that of the publisher whose place it took, whatever the nodes' clocks say.
    pub since: Moment,
    /// When publishers took the channel over from each other lately, the oldest first; a few at most.
    #[serde(default, rename = "takeOvers", skip_serializing_if = "Vec::is_empty")]
    pub take_overs: Vec<Moment>,
    /// Whether its publisher was lost, and viewers wait for it to come back.
    #[serde(default)]
    pub waiting: bool,
    /// Whether the node is about to stop, and has asked its publisher to go to another: whoever comes there is expected.
    #[serde(default)]
    pub leaving: bool,
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
    /// One whose publisher is at that node, which is reached at `address` and has nothing else to say.
    pub fn new(
        channel: ChannelId,
        node: impl Into<String>,
        address: impl Into<String>,
        since: Moment,
    ) -> Self {
        Self {
            channel,
            node: node.into(),
            address: address.into(),
            rtmps: None,
            http: None,
            form: Form::Source,
            since,
            take_overs: Vec::new(),
            waiting: false,
            leaving: false,
            through: Via::default(),
        }
    }

    /// Whether it is had at the same place as `other`.
    pub fn is_at(&self, other: &Self) -> bool {
        (&self.node, &self.address) == (&other.node, &other.address)
    }

    /// Whether it comes from the same node as `other`, on whatever way.
    pub fn is_from_node_of(&self, other: &Self) -> bool {
        let begins = |session: &Self| match session.through.first() {
            Some(node) => node.to_string(),
            None => session.node.clone(),
        };
        begins(self) == begins(other)
    }

    /// What a registry answers where another announcement has the place of this one.
    pub fn replaced(&self) -> Error {
        Error::Conflict(format!("the announcement of the channel {}", self.channel))
    }
}

/// What holds an announcement up, as a registry does it. Dropping it withdraws that announcement, and never one that has
/// replaced it.
#[async_trait]
pub trait Hold: Send + Sync + 'static {
    /// See [`Lease::change`].
    async fn change(&self, session: Session) -> Result<()>;
}

/// An announcement that is held up: dropping the lease withdraws it, and never one that has replaced it.
#[must_use = "dropping a lease withdraws the announcement"]
pub struct Lease {
    lost: watch::Receiver<bool>,
    hold: Box<dyn Hold>,
}

impl Lease {
    /// A lease of what `hold` holds up; `lost` turns true when another announcement has replaced it.
    pub fn new(hold: impl Hold, lost: watch::Receiver<bool>) -> Self {
        Self {
            lost,
            hold: Box::new(hold),
        }
    }

    /// Announces `session`, of the same channel in the same form, in place of what the lease has announced; never in place
    /// of anything else. What fails may come to count all the same, and is told again with no harm.
    ///
    /// # Errors
    /// [`Error::Conflict`] where another announcement has replaced it: then the lease is lost. Else as any call: the
    /// registry may be out of reach or refuse; what was announced is held up meanwhile.
    pub async fn change(&self, session: Session) -> Result<()> {
        self.hold.change(session).await
    }

    /// Returns once another announcement has replaced this one; where that cannot be, never.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut lost = self.lost.clone();
        async move {
            if lost.wait_for(|lost| *lost).await.is_err() {
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
