//! The tokio driver: sockets, clocks and time-outs around [`session`](crate::session), and nothing else.
//!
//! [`Server::accept`] answers requests whose handshake is done, each a handle that `accept` or `reject` consumes;
//! [`Service`] is the loop over them that asks an [`Authorizer`](lsv_core::ports::Authorizer) and feeds a
//! [`Hub`](lsv_core::hub::Hub).

use std::net::SocketAddr;
use std::time::Duration;

use lsv_core::tag::TagError;

mod connection;
mod ingest;
mod request;
mod server;
mod service;
#[cfg(feature = "tls")]
pub mod tls;

pub use request::{End, PlayRequest, PublishRequest, Request};
pub use server::{Config, Server};
pub use service::Service;

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The socket failed.
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    /// The peer broke the protocol, or a limit.
    #[error(transparent)]
    Session(#[from] crate::Error),
    /// The publisher sent media that cannot be carried.
    #[error("the publisher's media cannot be carried: {0}")]
    Media(#[from] TagError),
    /// The peer stopped reading.
    #[error("the peer took no data for {0:?}")]
    Stalled(Duration),
    /// An address could not be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}
