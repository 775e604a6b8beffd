//! What the platform needs from the world around it, as small traits that any backing can implement.
//!
//! Everything is used as `Arc<dyn Port>` through `&self`, speaks plain types, and fails with an [`Error`] that a
//! caller can act on. No port is on the path of a media frame. Every implementation passes the same suite,
//! `conformance` (feature `conformance`).
//!
//! | port | keeps |
//! | --- | --- |
//! | [`ChannelStore`] | channel records and the platform's domain names |
//! | [`ObjectStore`] | recordings, pictures |
//! | [`SessionRegistry`] | which node has which channel live |
//! | [`Directory`], [`Upstream`] | what nodes tell each other of channels; what gets their streams |
//! | [`TaskScheduler`] | what works for a channel beside its live outputs |
//! | [`Authorizer`] | who may publish and play |
//! | [`LiveSessions`] | what is live on this node |
//! | [`Watermarks`] | whether the picture of a watermark can be used, and how it will look |

mod access;
mod channels;
#[cfg(feature = "conformance")]
pub mod conformance;
mod live;
mod objects;
mod sessions;
mod tasks;
pub mod unfinished;
mod upstream;
mod watermarks;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use access::{Access, AccessRequest, Authorizer, Denied, Grant, Presence, Reason, Told};
pub use channels::{ChannelStore, Precondition, StreamDns, VersionedChannel};
pub use live::{AudioInfo, LiveSessions, SessionInfo, VideoInfo, WarningInfo};
pub use objects::{
    InvalidName, Object, ObjectInfo, ObjectName, ObjectStore, ObjectWriter, Piece, StorageClass,
};
pub use sessions::{Form, Hold, Lease, Session, SessionRegistry};
pub use tasks::{
    Task, TaskControl, TaskFailure, TaskId, TaskKind, TaskOutput, TaskReport, TaskRunner,
    TaskScheduler, TaskSpec, TaskState, TaskSteering,
};
pub use upstream::{Directory, Local, Upstream};
pub use watermarks::{NoPreview, Preview, Unusable, Watermarks};

/// What a port answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a port could not do what it was asked, in the terms in which a caller can act on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such thing.
    #[error("{0} does not exist")]
    NotFound(String),
    /// It exists already, or somebody else changed it meanwhile: read again, then decide.
    #[error("{0} exists already or was changed meanwhile")]
    Conflict(String),
    /// The backing refuses this platform; an operator must give it the right.
    #[error("access was refused: {0}")]
    Denied(String),
    /// The backing is out of reach or too busy; try again.
    #[error("out of reach, try again in {} s: {detail}", retry_after.as_secs())]
    Unavailable {
        /// How long to wait before the next try.
        retry_after: Duration,
        /// What happened.
        detail: String,
    },
    /// The request makes no sense to the port.
    #[error("{0}")]
    Invalid(String),
    /// What is kept cannot be read any more; an operator must mend it.
    #[error("{what} is damaged: {detail}; {advice}")]
    Damaged {
        /// Which file, table or record.
        what: String,
        /// What is wrong with it.
        detail: String,
        /// What to do now.
        advice: String,
    },
}

impl Error {
    /// Out of reach for now, with the usual time to wait.
    pub fn unavailable(detail: impl fmt::Display) -> Self {
        Self::Unavailable {
            retry_after: RETRY_AFTER,
            detail: detail.to_string(),
        }
    }
}

/// Where a listing goes on: made by the implementation, opaque to everybody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// Wraps what the implementation, or a client who got it from there, calls the place.
    pub fn new(place: impl Into<String>) -> Self {
        Self(place.into())
    }

    /// The place.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which part of a listing is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Where to go on; `None` for the start.
    pub cursor: Option<Cursor>,
    /// Most items wanted; an implementation may give fewer and never gives more than [`MAX_PAGE`].
    pub limit: usize,
}

impl PageRequest {
    /// The first `limit` items.
    pub fn first(limit: usize) -> Self {
        Self {
            cursor: None,
            limit,
        }
    }

    /// How many items to give: at least one, at most [`MAX_PAGE`].
    pub fn bounded_limit(&self) -> usize {
        self.limit.clamp(1, MAX_PAGE)
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::first(MAX_PAGE)
    }
}

/// A part of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the order of the listing.
    pub items: Vec<T>,
    /// Where it goes on; `None` at its end.
    pub next: Option<Cursor>,
}

/// Most items in one page: bounds the memory of a listing.
pub const MAX_PAGE: usize = 1_000;
/// The usual time to wait for a backing that is out of reach.
const RETRY_AFTER: Duration = Duration::from_secs(1);
