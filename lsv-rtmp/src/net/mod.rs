//! The tokio driver: sockets, clocks and time-outs around [`session`](crate::session), and nothing else.
//!
//! [`Server::accept`] answers requests whose handshake is done, each a handle that `accept` or `reject` consumes. Who was
//! let in is a [`Publishing`], which hands out its media, or a [`Playing`], which takes some. A whole server, which says
//! what it gets:
//!
//! ```no_run
//! use lsv_rtmp::net::{Config, Error, Request, Server};
//!
//! # #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     let mut server = Server::bind(([0, 0, 0, 0], 1935).into(), Config::default()).await?;
//!     while let Some(request) = server.accept().await {
//!         // Who wants to play is refused, as a request that is dropped.
//!         let Request::Publish(request) = request else { continue };
//!         tokio::spawn(async move {
//!             println!("{} publishes {:?}", request.peer(), request.info().target);
//!             let mut publishing = request.accept().await?;
//!             while let Some(media) = publishing.next().await? {
//!                 println!("{} ms: {} bytes", media.timestamp(), media.payload().len());
//!             }
//!             Ok::<(), Error>(())
//!         });
//!     }
//!     Ok(())
//! }
//! ```
//!
//! On the platform, [`Publishing::feed`] fills a [`Hub`](lsv_core::hub::Hub) and [`Playing::play`] plays from it;
//! [`Service`] is the loop over requests that asks an [`Authorizer`](lsv_core::ports::Authorizer) first.

use std::net::SocketAddr;
use std::time::Duration;

use lsv_core::tag::TagError;

use crate::chunk::Position;
use crate::error::Blame;
use crate::proxy_protocol;

mod address;
pub mod client;
mod connection;
mod ingest;
mod negotiate;
mod peers;
mod playing;
mod publishing;
mod readdress;
pub mod relay;
mod request;
mod server;
mod service;
mod socket;
#[cfg(test)]
mod testing;
#[cfg(feature = "tls")]
pub mod tls;

#[cfg(feature = "proxy")]
pub(crate) use negotiate::{Plain, Security, keep_alive, read_header};
#[cfg(feature = "proxy")]
pub(crate) use peers::{Peers, Place};
#[cfg(feature = "proxy")]
pub(crate) use socket::{Io, now};

pub use address::{Address, InvalidAddress, Scheme};
pub use client::Client;
pub use ipnet::IpNet;
pub use playing::Playing;
pub use publishing::Publishing;
pub use request::{End, PlayRequest, PublishRequest, Request};
pub use server::{Config, KeepAlive, Server};
pub use service::Service;

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The socket failed.
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    /// The peer broke the protocol, or a limit, or was silent for too long.
    #[error("{source}")]
    Session {
        /// The peer.
        peer: SocketAddr,
        /// Where in what it sent.
        position: Position,
        /// What it did.
        source: crate::Error,
    },
    /// A load balancer did not say where its client is.
    #[error(transparent)]
    ProxyProtocol(#[from] proxy_protocol::Error),
    /// The peer's address has [`Config::connections_per_ip`] already.
    #[error("{0} has too many connections")]
    TooManyFrom(SocketAddr),
    /// The publisher sent media that cannot be carried.
    #[error("the publisher's media cannot be carried: {0}")]
    Media(#[from] TagError),
    /// The peer stopped reading.
    #[error("the peer took no data for {0:?}")]
    Stalled(Duration),
    /// The player stopped, or hung up.
    #[error("the player has left")]
    PlayerLeft,
    /// An address could not be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// Whose fault it is: `Peer` is for the log at `debug` or `info`.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Session { source, .. } => source.blame(),
            Self::Bind { .. } => Blame::Caller,
            _ => Blame::Peer,
        }
    }

    /// A stable name for metrics and for operators to search for.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "rtmp.io",
            Self::Session { source, .. } => source.code(),
            Self::ProxyProtocol(_) => "rtmp.proxy_protocol",
            Self::TooManyFrom(_) => "rtmp.too_many_from_address",
            Self::Media(_) => "rtmp.media",
            Self::Stalled(_) => "rtmp.stalled",
            Self::PlayerLeft => "rtmp.player_left",
            Self::Bind { .. } => "rtmp.bind",
        }
    }

    /// Where in what the peer sent the fault is, where that is known: in a recording of the connection, the bytes after
    /// its PROXY protocol header and TLS.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Session { position, .. } => Some(*position),
            _ => None,
        }
    }

    /// One line in the log about what `peer` did. Who never came as far as a stream is mostly a scanner, and for those
    /// who look closer.
    fn log(&self, peer: SocketAddr, in_stream: bool) {
        let byte_offset = self.position().map(|position| position.byte_offset);
        let chunk_stream = self
            .position()
            .and_then(|position| position.chunk_stream_id);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(%peer, code = self.code(), byte_offset, chunk_stream, error = %self, "the connection is closed")
            };
        }
        match self.blame() {
            Blame::Peer if in_stream => line!(info),
            Blame::Peer => line!(debug),
            _ => line!(error),
        }
    }
}

#[cfg(test)]
mod tests;
