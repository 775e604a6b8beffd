//! Why a client's stream did not come about, or broke.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lsv_core::tag::TagError;

use crate::chunk::Position;
use crate::error::Blame;
use crate::net::{Address, InvalidAddress};

/// Why a stream did not come about or ended before its time, with the place where it happened.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct Error {
    place: Place,
    position: Option<Position>,
    fault: Box<Fault>,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The name of the host could not be looked up.
    #[error("the host cannot be found: {0}")]
    Lookup(#[source] std::io::Error),
    /// Every address of the host is out of [`Reach`](super::Reach).
    #[error("the host has no address that may be connected to")]
    OutOfReach,
    /// Nobody accepts the connection.
    #[error("cannot connect: {0}")]
    Connect(#[source] std::io::Error),
    /// The connection did not stand in time.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// The address is RTMPS and the client has no [`Config::tls`](super::Config).
    #[error("the client was given no TLS configuration for rtmps:// addresses")]
    NoTls,
    /// TLS failed, mostly because the server's certificate is not trusted.
    #[error("TLS failed: {0}")]
    Tls(#[source] std::io::Error),
    /// The socket failed.
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    /// The server closed the connection without a word.
    #[error("the server closed the connection")]
    Closed,
    /// The server stopped reading.
    #[error("the server took no data for {0:?}")]
    Stalled(Duration),
    /// The server broke the protocol, a limit or a deadline; or the program misused the session.
    #[error(transparent)]
    Session(#[from] crate::Error),
    /// The server says no.
    #[error("the server refuses: {code} {description}")]
    Refused {
        /// Its code, such as `NetStream.Publish.BadName`; empty where it gives none.
        code: String,
        /// What it says about it, without the stream's name.
        description: String,
    },
    /// The server ended a stream that this side publishes.
    #[error("the server ended the stream")]
    Ended,
    /// What is played cannot be read.
    #[error("the server's media cannot be read: {0}")]
    Media(#[from] TagError),
    /// The servers send the client round in circles.
    #[error("{0} reconnect requests one after the other")]
    Moves(u32),
    /// A reconnect request leads to no address that can be.
    #[error("the server asks to reconnect where it cannot be: {0}")]
    Move(#[from] InvalidAddress),
}

/// Where a connection leads.
#[derive(Clone, Debug)]
pub(in crate::net) struct Place {
    pub(in crate::net) address: Arc<Address>,
    /// Known once connected.
    pub(in crate::net) peer: Option<SocketAddr>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "{} at {peer}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

impl Place {
    pub(in crate::net) fn fault(&self, fault: impl Into<Fault>) -> Error {
        Error {
            place: self.clone(),
            position: None,
            fault: Box::new(fault.into()),
        }
    }
}

impl Error {
    /// The address that was connected to.
    pub fn address(&self) -> &Address {
        &self.place.address
    }

    /// The other end, once there was a connection.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.place.peer
    }

    /// What went wrong.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Where in what the server sent the fault is, where that is known: in a recording of the connection, the bytes inside
    /// of TLS.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The same, found at `position`.
    pub(super) fn at(self, position: Position) -> Self {
        Self {
            position: Some(position),
            ..self
        }
    }

    /// A stable name for metrics and for operators to search for.
    pub fn code(&self) -> &'static str {
        match &*self.fault {
            Fault::Lookup(_) => "rtmp.lookup",
            Fault::OutOfReach => "rtmp.out_of_reach",
            Fault::Connect(_) => "rtmp.connect",
            Fault::ConnectTimeout(_) => "rtmp.connect_timeout",
            Fault::NoTls => "rtmp.no_tls",
            Fault::Tls(_) => "rtmp.tls",
            Fault::Io(_) => "rtmp.io",
            Fault::Closed => "rtmp.closed",
            Fault::Stalled(_) => "rtmp.stalled",
            Fault::Session(error) => error.code(),
            Fault::Refused { .. } => "rtmp.refused",
            Fault::Ended => "rtmp.ended",
            Fault::Media(_) => "rtmp.media",
            Fault::Moves(_) | Fault::Move(_) => "rtmp.move",
        }
    }

    /// Who has to change something.
    pub fn blame(&self) -> Blame {
        match &*self.fault {
            Fault::Session(error) => error.blame(),
            Fault::NoTls | Fault::OutOfReach => Blame::Caller,
            _ => Blame::Peer,
        }
    }

    /// Whether the server refused the name or the credential: trying the same again soon is in vain. A stream to be played
    /// that is not there is no refusal: its publisher may begin at any moment.
    pub fn is_refusal(&self) -> bool {
        match &*self.fault {
            Fault::Refused { code, .. } => code != NOT_THERE,
            _ => false,
        }
    }
}

/// RTMP 1.0, section 7.2.2.1, as servers answer it.
const NOT_THERE: &str = "NetStream.Play.StreamNotFound";
