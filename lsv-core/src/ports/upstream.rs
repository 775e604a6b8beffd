//! The ports through which a node gets what is live elsewhere.

use std::fmt;

use async_trait::async_trait;

use super::{Denied, Result, Session, SessionRegistry};
use crate::path::{ChannelId, StreamPath};
use crate::via::Via;

/// Finds the node that a channel can be pulled from.
#[async_trait]
pub trait Locator: fmt::Debug + Send + Sync {
    /// Where a channel can be pulled from, if anywhere, for a request that came `via` other nodes.
    ///
    /// # Errors
    /// As any call of a port: whoever knows may be out of reach.
    async fn locate(&self, channel: &ChannelId, via: &Via) -> Result<Option<Session>>;
}

/// A registry knows where channels are published, whoever asks.
#[async_trait]
impl<R: SessionRegistry> Locator for R {
    async fn locate(&self, channel: &ChannelId, _: &Via) -> Result<Option<Session>> {
        SessionRegistry::locate(self, channel).await
    }
}

/// Gets streams into the hub of a node that has no publisher of them.
#[async_trait]
pub trait Upstream: fmt::Debug + Send + Sync {
    /// Returns once the stream at `path` is in the hub, for somebody who wants it and came `via` other nodes. It stays
    /// for as long as it has viewers, and a while longer.
    ///
    /// # Errors
    /// [`Denied`] where it is not to be had.
    async fn bring(&self, path: &StreamPath, via: &Via) -> Result<(), Denied>;

    /// Returns once the source of `channel` is in the hub, and sees to it that its renditions get there too; true where
    /// it has any.
    ///
    /// # Errors
    /// [`Denied`] where not even the source is to be had.
    async fn bring_all(&self, channel: &ChannelId, via: &Via) -> Result<bool, Denied>;
}
