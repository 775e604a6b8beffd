//! Relay: a stream of the hub pushed on to other servers, and a stream of another server pulled into the hub.
//!
//! ```no_run
//! use lsv_core::hub::{Hub, Offer};
//! use lsv_core::path::{ChannelId, StreamPath};
//! use lsv_rtmp::net::{Client, relay::{self, Pull, Push}};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let (hub, client) = (Hub::default(), Client::default());
//! let path = StreamPath::source(ChannelId::parse("cam")?);
//! let source = "rtmp://camera.example/stream/cam".parse()?;
//! let pull = Pull::start(&hub, path.clone(), Offer::new("camera.example"), source, &client, relay::Config::default());
//!
//! let stream = hub.find(&path).ok_or("not live yet")?;
//! let mut push = Push::new(stream, client, relay::Config::default());
//! for address in ["rtmps://live.example/app/key", "rtmp://backup.example/app/key"] {
//!     println!("{:?}", push.add(&address.parse()?).status().borrow().state);
//! }
//! push.finished().await;
//! # drop(pull);
//! # Ok(())
//! # }
//! ```
//!
//! A target has a task, a cursor into the stream and a connection of its own. One that is slow or dead costs the stream
//! and the other targets nothing: it moves on to the newest key frame, or waits and connects again. What is sent is what
//! came: no frame is decoded, none is changed, and times are those of the stream.

use std::time::Duration;

mod backoff;
mod filler;
mod pull;
pub mod pulls;
mod push;
mod relays;
mod status;
mod target;

pub use pull::Pull;
pub use pulls::Pulls;
pub use push::{Push, Target};
pub use relays::Relays;
pub use status::{Reason, State, Status, Stop};

/// How a relay goes about its failures.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The delay after a first failure; it doubles with each further one. 1 s.
    pub first_delay: Duration,
    /// The longest delay after a failure. 1 min.
    pub longest_delay: Duration,
    /// The delay after a first refusal: the server is there and does not want the stream, because of its name, its
    /// credential, or somebody else who publishes it. It doubles likewise. A stream to be pulled that is not there
    /// counts as a failure. 30 s.
    pub first_delay_refused: Duration,
    /// The longest delay after a refusal. 10 min.
    pub longest_delay_refused: Duration,
    /// A connection that lasts as long makes up for all failures before. 1 min.
    pub stable: Duration,
    /// Seeds what is drawn off the delays, up to half of each, so that many relays that lost the same server do not come
    /// back as one. Drawn from the system where there is none.
    pub seed: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(60),
            first_delay_refused: Duration::from_secs(30),
            longest_delay_refused: Duration::from_secs(600),
            stable: Duration::from_secs(60),
            seed: None,
        }
    }
}

#[cfg(test)]
mod tests;
