//! The port through which the API looks at watermarks before a channel has them.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::hub::Watermark;

/// Draws watermarks as they will be in channels' pictures. Bounded in time and memory, whatever is asked for, and never in
/// the way of what draws for channels that are live.
#[async_trait]
pub trait Watermarks: fmt::Debug + Send + Sync {
    /// Fetches what is at `url` and makes sure that it is a picture which can be drawn.
    ///
    /// # Errors
    /// What is wrong with it, for the operator who gave it.
    async fn check(&self, url: &str) -> Result<(), Unusable>;

    /// Draws all of `watermark` over a picture of `size`, width and height; nothing where nothing of it is seen there.
    ///
    /// # Errors
    /// What kept it, also if only one of text and picture can be drawn.
    async fn preview(
        &self,
        watermark: &Watermark,
        size: (u32, u32),
    ) -> Result<Option<Preview>, NoPreview>;
}

/// A watermark as it lies over a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// A PNG, transparent where nothing is drawn.
    pub png: Bytes,
    /// From the left of the picture, in pixels.
    pub left: u32,
    /// From the top of the picture, in pixels.
    pub top: u32,
}

/// Why a watermark was not drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoPreview {
    /// Its picture cannot be used.
    #[error("its picture {0}")]
    Picture(#[from] Unusable),
    /// There is nothing to write its text with; a sentence for the operator.
    #[error("{0}")]
    NoFonts(String),
    /// It is larger than a watermark may be; a sentence for the operator.
    #[error("{0}")]
    TooLarge(String),
    /// Too many are drawn already.
    #[error("too many watermarks are drawn at once")]
    Busy,
    /// Drawing went wrong.
    #[error("{0}")]
    Failed(String),
}

/// Why a picture cannot be used, in words that go on after the name of the field that has its address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

impl Unusable {
    /// In these words, such as "leads to nothing".
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
