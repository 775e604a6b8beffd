//! The ports through which a node gets what is live elsewhere.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::{ChannelStore, Denied, Form, Result, Session, SessionRegistry};
use crate::channel::Channel;
use crate::path::{ChannelId, StreamPath};
use crate::via::Via;

/// What nodes tell each other: where channels are live, and what their records say.
#[async_trait]
pub trait Directory: fmt::Debug + Send + Sync {
    /// Where a channel can be pulled from, if anywhere, for a request that came `via` other nodes.
    ///
    /// # Errors
    /// As any call of a port: whoever knows may be out of reach.
    async fn locate(&self, channel: &ChannelId, via: &Via) -> Result<Option<Session>>;

    /// Where its source can be pulled from, for those who do not get what [`locate`](Self::locate) says is processed.
    ///
    /// # Errors
    /// As any call of a port: whoever knows may be out of reach.
    async fn source(&self, channel: &ChannelId, via: &Via) -> Result<Option<Session>> {
        self.locate(channel, via).await
    }

    /// The record of a channel, for a request that came `via` other nodes.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    async fn record(&self, channel: &ChannelId, via: &Via) -> Result<Arc<Channel>>;
}

/// What the stores of a node tell.
#[derive(Clone, Debug)]
pub struct Local {
    /// Where the records are.
    pub channels: Arc<dyn ChannelStore>,
    /// Where it is known what is live.
    pub sessions: Arc<dyn SessionRegistry>,
    /// In which form channels are wanted.
    pub form: Form,
}

#[async_trait]
impl Directory for Local {
    async fn locate(&self, channel: &ChannelId, _: &Via) -> Result<Option<Session>> {
        self.sessions.locate(channel, self.form).await
    }

    async fn source(&self, channel: &ChannelId, _: &Via) -> Result<Option<Session>> {
        self.sessions.locate(channel, Form::Source).await
    }

    async fn record(&self, channel: &ChannelId, _: &Via) -> Result<Arc<Channel>> {
        Ok(self.channels.get(channel).await?.channel)
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
    /// some may just be coming.
    ///
    /// # Errors
    /// [`Denied`] where not even the source is to be had.
    async fn bring_all(&self, channel: &ChannelId, via: &Via) -> Result<bool, Denied>;
}
