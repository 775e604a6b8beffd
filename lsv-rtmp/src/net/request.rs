//! What a peer asks for, as handles that an answer consumes.

use std::net::SocketAddr;

use lsv_core::hub::Closed;

use super::connection::Connection;
use super::socket::now;
use super::{Error, Playing, Publishing};
use crate::session::{self, Reject};

/// A connection whose peer wants something. Dropped, the peer is refused and the connection closed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Request {
    /// It wants to publish.
    Publish(PublishRequest),
    /// It wants to play.
    Play(PlayRequest),
}

/// How a session that was let in came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The peer said that it is done, or a player hung up.
    Finished,
    /// The publisher's connection was lost.
    Lost,
    /// The stream that was played is over.
    StreamEnded,
    /// The publisher was told to go.
    Closed(Closed),
}

/// A peer that wants to publish. It hears nothing until it is answered, so admission may take its time.
#[derive(Debug)]
pub struct PublishRequest {
    pub(super) connection: Box<Connection>,
    pub(super) info: session::PublishRequest,
}

impl PublishRequest {
    /// What it wants to publish, and what it said of itself.
    pub fn info(&self) -> &session::PublishRequest {
        &self.info
    }

    /// Where it comes from.
    pub fn peer(&self) -> SocketAddr {
        self.connection.peer
    }

    /// Refuses it, says why, and closes the connection.
    pub async fn reject(mut self, reject: &Reject) {
        // Only misuse fails here, and a request is answered once.
        if self.connection.session.reject_publish(reject).is_ok() {
            self.connection.close().await;
        }
    }

    /// Lets it publish.
    ///
    /// # Errors
    /// What broke the connection meanwhile.
    pub async fn accept(self) -> Result<Publishing, Error> {
        let Self {
            mut connection,
            info,
        } = self;
        let accepted = connection.session.accept_publish(now());
        accepted.map_err(|error| connection.blamed(error))?;
        connection.flush().await?;
        Ok(Publishing::new(connection, info))
    }
}

/// A peer that wants to play. It hears nothing until it is answered.
#[derive(Debug)]
pub struct PlayRequest {
    pub(super) connection: Box<Connection>,
    pub(super) info: session::PlayRequest,
}

impl PlayRequest {
    /// What it wants to play, and what it said of itself.
    pub fn info(&self) -> &session::PlayRequest {
        &self.info
    }

    /// Where it comes from.
    pub fn peer(&self) -> SocketAddr {
        self.connection.peer
    }

    /// Refuses it, says why, and closes the connection.
    pub async fn reject(mut self, reject: &Reject) {
        // Only misuse fails here, and a request is answered once.
        if self.connection.session.reject_play(reject).is_ok() {
            self.connection.close().await;
        }
    }

    /// Lets it play.
    ///
    /// # Errors
    /// What broke the connection meanwhile.
    pub async fn accept(self) -> Result<Playing, Error> {
        let Self {
            mut connection,
            info,
        } = self;
        let accepted = connection.session.accept_play();
        accepted.map_err(|error| connection.blamed(error))?;
        connection.flush().await?;
        Ok(Playing::new(connection, info))
    }
}
