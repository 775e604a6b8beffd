//! Pictures of live streams, as players and pages show them before they play.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::future::BoxFuture;
use lsv_core::hub::Stream;

/// A picture of a live stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Poster {
    /// The picture, a JPEG.
    pub jpeg: Bytes,
    /// When it was taken.
    pub taken: SystemTime,
}

impl Poster {
    /// A picture taken at `taken`.
    pub fn new(jpeg: Bytes, taken: SystemTime) -> Self {
        Self { jpeg, taken }
    }
}

/// Makes pictures of live streams, or has them.
pub trait Posters: fmt::Debug + Send + Sync {
    /// The picture of the newest key frame of `stream`, or of the one before.
    fn poster<'a>(&'a self, stream: &'a Arc<Stream>) -> BoxFuture<'a, Result<Poster, NoPoster>>;
}

/// Why there is no picture of a live stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoPoster {
    /// It has no video, or no key frame yet.
    #[error("the stream shows no picture yet")]
    NoPicture,
    /// Too many are being made; worth another try.
    #[error("too many pictures are being made at once; try again in a moment")]
    Busy,
    /// None can be made here, or none of this stream.
    #[error("{0}")]
    Impossible(String),
}
