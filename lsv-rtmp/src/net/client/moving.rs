//! Reconnect requests: where a stream goes next, and the connection that it goes to.

use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use super::connection::Connection;
use super::dial::{dial, fault_of};
use super::{Config, Error, Place};
use crate::net::Address;
use crate::net::socket::now;
use crate::session::{ClientEvent, Purpose};

/// What a caller may want to know of its connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// The server asks to connect again, because it is about to close. The client does so, unless it has followed as
    /// many requests as [`Config::moves`] allows.
    ReconnectRequested {
        /// What the server says about it, without the stream's name.
        description: String,
    },
    /// The stream goes on over a new connection.
    Moved {
        /// Where to.
        address: Arc<Address>,
    },
    /// What follows does not go on from what came before, over the same connection: the server has another publisher, or
    /// left something out. Also ahead of the first media, where a server tells then what it numbers it.
    Published {
        /// The server's number for what follows, where it has one.
        epoch: Option<u32>,
    },
    /// The new connection did not come about; the stream goes on where it is.
    Stayed(Error),
}

/// Follows the reconnect requests of one stream.
#[derive(Debug)]
pub(super) struct Moves {
    config: Arc<Config>,
    purpose: Purpose,
    left: u32,
    next: Next,
}

#[derive(Debug)]
enum Next {
    Nowhere,
    Opening(Place, AbortOnDropHandle<Result<Box<Connection>, Error>>),
    Open(Box<Connection>),
}

impl Moves {
    pub(super) fn new(config: Arc<Config>, purpose: Purpose) -> Self {
        Self {
            left: config.moves,
            config,
            purpose,
            next: Next::Nowhere,
        }
    }

    /// Whether a new connection is there or on its way.
    pub(super) fn is_moving(&self) -> bool {
        !matches!(self.next, Next::Nowhere)
    }

    /// Whether [`event`](Self::event) has something to say of the new connection at once.
    pub(super) fn is_news(&self) -> bool {
        matches!(&self.next, Next::Opening(_, opening) if opening.is_finished())
    }

    /// Starts to follow a request that came over `current`, unless one is being followed, or too many were. Says
    /// whether it did.
    ///
    /// # Errors
    /// Where it leads to no address that can be.
    pub(super) fn follow(
        &mut self,
        current: &Connection,
        tc_url: Option<&str>,
    ) -> Result<bool, Error> {
        if now().saturating_duration_since(current.opened()) >= STABLE {
            self.left = self.config.moves;
        }
        if self.is_moving() || self.left == 0 {
            return Ok(false);
        }
        // No address means the same one, as an empty reference does.
        let moved = current.place.address.moved_to(tc_url.unwrap_or_default());
        let address = Arc::new(moved.map_err(|invalid| current.place.fault(invalid))?);
        self.left -= 1;
        let place = Place {
            address: Arc::clone(&address),
            peer: None,
        };
        let (config, purpose) = (Arc::clone(&self.config), self.purpose);
        let opening = tokio::spawn(async move { dial(&config, address, purpose).await });
        self.next = Next::Opening(place, AbortOnDropHandle::new(opening));
        Ok(true)
    }

    /// Takes the new connection, where there is one.
    pub(super) fn take(&mut self) -> Option<Box<Connection>> {
        match std::mem::replace(&mut self.next, Next::Nowhere) {
            Next::Open(connection) => Some(connection),
            next => {
                self.next = next;
                None
            }
        }
    }

    /// Waits for what happens to the new connection: first [`ClientEvent::Started`], then the events of its stream. Safe
    /// to be cancelled.
    ///
    /// # Errors
    /// Where it does not come about, or breaks; it is given up then.
    pub(super) async fn event(&mut self) -> Result<ClientEvent, Error> {
        let event = match &mut self.next {
            Next::Nowhere => std::future::pending().await,
            Next::Opening(place, opening) => {
                let opened = opening.await;
                let opened =
                    opened.unwrap_or_else(|failed| Err(place.fault(std::io::Error::other(failed))));
                opened.map(|connection| {
                    self.next = Next::Open(connection);
                    ClientEvent::Started
                })
            }
            Next::Open(connection) => connection.event().await.and_then(|event| {
                match fault_of(&event, &connection.place.address) {
                    Some(fault) => Err(connection.place.fault(fault)),
                    None => Ok(event),
                }
            }),
        };
        if event.is_err() {
            self.next = Next::Nowhere;
        }
        event
    }
}

/// How long a connection lasts that did not just move in circles.
const STABLE: std::time::Duration = std::time::Duration::from_secs(60);
