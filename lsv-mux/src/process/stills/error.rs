//! What can go wrong with a picture.

use std::io;
use std::time::Duration;

use super::multipart::Malformed;
use crate::process;

/// Why there is no picture of a frame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The frame cannot be handed to a decoder.
    #[error("the picture's codec cannot be decoded: {0}")]
    Frame(#[from] crate::Error),
    /// The decoder does not start, or ended otherwise than well.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// The decoder does not take what it is given, or what it gives cannot be read.
    #[error("the decoder is gone: {0}")]
    Pipe(#[from] io::Error),
    /// What comes from the decoder is no picture.
    #[error("what comes from the decoder cannot be used: {0}")]
    Malformed(#[from] Malformed),
    /// The decoder ended without a picture.
    #[error("the decoder made no picture{}", colon(said.as_deref()))]
    NoPicture {
        /// What it said last.
        said: Option<String>,
    },
    /// The decoder takes too long.
    #[error("the decoder made no picture within {patience:?}{}", colon(said.as_deref()))]
    Late {
        /// How long it had.
        patience: Duration,
        /// What it said last.
        said: Option<String>,
    },
}

impl Error {
    /// What the decoder said last, oldest first.
    pub fn said(&self) -> Vec<String> {
        match self {
            Self::Process(error) => error.said().to_vec(),
            Self::NoPicture { said } | Self::Late { said, .. } => said.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

fn colon(said: Option<&str>) -> String {
    said.map_or_else(String::new, |said| format!(": {said}"))
}
