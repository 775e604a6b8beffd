//! Ports over the API of other nodes: where channels are live, and what their records say.
//!
//! A node's own memory is the registry of what is published there, so nothing is kept anywhere else and nothing has to
//! be taken back: who is gone does not answer, and is out within [`Config::time`]. [`Nodes`] asks all of them at once.

mod client;
mod nodes;

use std::time::Duration;

pub use client::InvalidBase;
pub use nodes::Nodes;

/// How other nodes are asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How long a node may take to answer; one that does not counts as gone for that question. 2 s.
    pub time: Duration,
    /// How long the others are still waited for once a node has said that a channel is live there: it may have moved.
    /// 200 ms.
    pub grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(2),
            grace: Duration::from_millis(200),
        }
    }
}

#[cfg(test)]
#[cfg(all(feature = "api", feature = "embedded"))]
mod tests;
