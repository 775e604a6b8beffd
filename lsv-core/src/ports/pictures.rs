//! The port through which the API learns whether a picture can be used.

use std::fmt;

use async_trait::async_trait;

/// Looks at pictures that channels want in their own.
#[async_trait]
pub trait PictureCheck: fmt::Debug + Send + Sync {
    /// Fetches what is at `url` and makes sure that it is a picture which can be drawn. Bounded in time and memory,
    /// whatever is there.
    ///
    /// # Errors
    /// What is wrong with it, for the operator who gave it.
    async fn check(&self, url: &str) -> Result<(), Unusable>;
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
