//! Where an edge fetches from.

use std::fmt;

use async_trait::async_trait;
use http::Uri;
use lsv_core::path::ChannelId;
use lsv_core::ports;

/// Knows which nodes have a channel.
#[async_trait]
pub trait Upstreams: fmt::Debug + Send + Sync {
    /// Where `channel` can be had, the best first: they are asked in turn. None: there is no such channel.
    ///
    /// Asked for each fetch: remember what is costly to find out.
    ///
    /// # Errors
    /// Where that cannot be found out; viewers then get what is kept, or are told to try again.
    async fn of(&self, channel: &ChannelId) -> ports::Result<Vec<Upstream>>;
}

/// A node to fetch from.
#[derive(Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Scheme, host and port, and a path if its addresses lie below one. Paths of playback addresses follow it.
    pub base: Uri,
    /// What the query of each request has to say for this node to be let in, such as `node=...`.
    pub credential: Option<String>,
}

impl Upstream {
    /// The node at `base`, which asks for no credential.
    pub fn new(base: Uri) -> Self {
        Self {
            base,
            credential: None,
        }
    }

    /// The same with a credential, as it stands in a query.
    #[must_use]
    pub fn with_credential(self, credential: impl Into<String>) -> Self {
        Self {
            credential: Some(credential.into()),
            ..self
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Upstream").field(&self.base).finish()
    }
}
