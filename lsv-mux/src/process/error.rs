//! What can go wrong with a child process.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// A child process that does not start, or does not do what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no ffmpeg in any folder of `PATH`.
    #[error(
        "ffmpeg is not on this machine: install it (Debian: apt-get install ffmpeg), or name it in the configuration"
    )]
    Missing,
    /// What the configuration names as ffmpeg cannot be run.
    #[error(
        "{path} cannot be run as ffmpeg: name one that can, or none to have it looked for in PATH"
    )]
    NotExecutable {
        /// What is named.
        path: PathBuf,
    },
    /// It runs and does not answer as ffmpeg does.
    #[error("{path} does not answer as ffmpeg does: {problem}")]
    NotFfmpeg {
        /// What was asked.
        path: PathBuf,
        /// What is missing in its answer.
        problem: &'static str,
    },
    /// The system does not start it.
    #[error("{path} does not start: {source}")]
    Start {
        /// What was to be started.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system cannot say how it ended.
    #[error("waiting for the process failed: {0}")]
    Wait(#[source] io::Error),
    /// It ended by itself, and not well.
    #[error("{name} ended with {status}{}", last(said))]
    Ended {
        /// What it was started as.
        name: &'static str,
        /// Its exit status, or the signal that ended it.
        status: ExitStatus,
        /// The last lines that it wrote to standard error, oldest first.
        said: Vec<String>,
    },
    /// It did not end in time and was killed.
    #[error("{name} did not end within {patience:?} and was killed{}", last(said))]
    Stuck {
        /// What it was started as.
        name: &'static str,
        /// How long it had.
        patience: Duration,
        /// The last lines that it wrote to standard error, oldest first.
        said: Vec<String>,
    },
}

impl Error {
    /// The last lines that the process wrote to standard error, oldest first.
    pub fn said(&self) -> &[String] {
        match self {
            Self::Ended { said, .. } | Self::Stuck { said, .. } => said,
            _ => &[],
        }
    }
}

fn last(said: &[String]) -> String {
    said.last()
        .map_or_else(String::new, |line| format!(": {line}"))
}
