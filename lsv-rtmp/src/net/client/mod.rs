//! The calling end: publishes to a server, or plays from one.
//!
//! ```no_run
//! use lsv_rtmp::net::{Address, Client, client::Played};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::default();
//! let from: Address = "rtmp://camera.example/stream/cam".parse()?;
//! let to: Address = "rtmp://ingest.example/live2/key".parse()?;
//! let mut playing = client.play(&from).await?;
//! let mut publishing = client.publish(&to).await?;
//! while let Some(played) = playing.next().await? {
//!     match played {
//!         Played::Frame(frame) => publishing.send(&frame).await?,
//!         Played::Metadata(metadata) => publishing.send_metadata(metadata).await?,
//!         _ => {}
//!     }
//! }
//! publishing.finish().await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Reconnect requests** (E-RTMP v2, "Reconnect Request") are told to the caller and followed: the new connection is
//! opened first, the stream goes over at a key frame, then the old connection is ended in order. A server may send a
//! stream to any address in [`Config::reach`], from RTMPS to RTMPS only; who publishes on behalf of others sets
//! [`Reach::public`].

use std::sync::Arc;

use crate::net::Address;
use crate::session::Purpose;

mod config;
mod connection;
mod dial;
mod error;
mod headers;
mod moving;
mod outgoing;
mod playing;
mod publishing;

pub use lsv_core::reach::Reach;

pub(super) use self::error::Place;
pub use self::{
    config::Config,
    error::{Error, Fault},
    moving::Notice,
    playing::{Played, Playing, Received},
    publishing::Publishing,
};

/// Publishes to servers and plays from them. Clones share its configuration.
#[derive(Clone, Debug, Default)]
pub struct Client {
    config: Arc<Config>,
}

impl Client {
    /// A client with `config`.
    pub fn new(config: Config) -> Self {
        Self {
            config: Arc::new(config),
        }
    }

    /// The same client with a changed configuration.
    pub fn with(&self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::clone(&self.config);
        change(&mut config);
        Self::new(config)
    }

    /// Connects to `address` and publishes there, once the server has agreed.
    ///
    /// # Errors
    /// Where no connection comes about, or the server refuses: see [`Fault`].
    pub async fn publish(&self, address: &Address) -> Result<Publishing, Error> {
        let address = Arc::new(address.clone());
        let connection = dial::dial(&self.config, address, Purpose::Publish).await?;
        Ok(Publishing::new(Arc::clone(&self.config), connection))
    }

    /// Connects to `address` and plays from there, once the server has agreed.
    ///
    /// # Errors
    /// Where no connection comes about, or the server refuses: see [`Fault`].
    pub async fn play(&self, address: &Address) -> Result<Playing, Error> {
        let address = Arc::new(address.clone());
        let connection = dial::dial(&self.config, address, Purpose::Play).await?;
        Ok(Playing::new(Arc::clone(&self.config), connection))
    }
}

#[cfg(test)]
mod tests;
