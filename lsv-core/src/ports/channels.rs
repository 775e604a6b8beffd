//! The port that keeps channel records.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Page, PageRequest, Result};
use crate::channel::{Authority, Channel};
use crate::path::ChannelId;

/// Keeps channel records and the platform's domain names.
#[async_trait]
pub trait ChannelStore: fmt::Debug + Send + Sync {
    /// The record of a channel and its version.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    async fn get(&self, id: &ChannelId) -> Result<VersionedChannel>;

    /// Writes a record whole, if `condition` holds, and answers its new version. Durable once it answers.
    ///
    /// # Errors
    /// `Conflict` if the condition does not hold; `NotFound` if a version was wanted of a record that is gone.
    async fn put(&self, channel: &Channel, condition: Precondition) -> Result<u64>;

    /// Removes a record.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    async fn delete(&self, id: &ChannelId) -> Result<()>;

    /// Lists records, newest first by creation.
    ///
    /// # Errors
    /// `Invalid` for a cursor that this store did not make.
    async fn list(&self, page: &PageRequest) -> Result<Page<Channel>>;

    /// The domain names that addresses are made with.
    ///
    /// # Errors
    /// As any call: the store may be out of reach or damaged.
    async fn stream_dns(&self) -> Result<StreamDns>;

    /// Sets the domain names that addresses are made with.
    ///
    /// # Errors
    /// As any call: the store may be out of reach or damaged.
    async fn put_stream_dns(&self, dns: &StreamDns) -> Result<()>;
}

/// What must be true for a record to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    Any,
    /// There is no record of that id.
    IfAbsent,
    /// The record still has this version.
    IfVersion(u64),
}

/// A channel record as it was when it had a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionedChannel {
    /// The record.
    pub channel: Arc<Channel>,
    /// Its version; no two states of a store's record ever share one.
    pub version: u64,
}

/// The domain names that addresses are made with; where there is none, the API's own host is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamDns {
    /// Where encoders push to.
    #[serde(default)]
    pub push: Option<Authority>,
    /// Where viewers play from.
    #[serde(default)]
    pub pull: Option<Authority>,
}
