//! What a peer asks for, as handles that an answer consumes.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use lsv_core::hub::{Batch, Closed, Protocol, Publisher, Stream};

use super::Error;
use super::connection::{Connection, Wake, now};
use super::ingest::{Flow, Ingest};
use crate::play::{PlayPackage, STREAM_ID};
use crate::session::{self, Event, Reject};

/// A connection whose peer wants something. Dropped, it is closed without an answer.
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

/// A peer that wants to publish.
pub struct PublishRequest {
    pub(super) connection: Connection,
    pub(super) info: session::PublishRequest,
}

impl PublishRequest {
    /// What it wants to publish.
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

    /// Lets it publish into `publisher`, until the end of the session.
    ///
    /// # Errors
    /// What broke the session. The stream then counts as lost, and waits for the publisher to come back.
    pub async fn accept(self, publisher: Publisher) -> Result<End, Error> {
        let mut connection = self.connection;
        let mut ingest = Ingest::new(publisher);
        connection.session.accept_publish(now())?;
        let end = publish(&mut connection, &mut ingest).await;
        match &end {
            Ok(End::Finished) => ingest.finish(),
            Ok(End::Closed(reason)) => {
                if *reason == Closed::Draining {
                    // Fails only where the encoder reads nothing; then it is closed all the same.
                    drop(connection.session.request_reconnect(&reason.to_string()));
                }
                tell(&mut connection, &reason.to_string());
            }
            Err(Error::Media(reason)) => tell(&mut connection, &reason.to_string()),
            _ => {}
        }
        connection.close().await;
        end
    }
}

async fn publish(connection: &mut Connection, ingest: &mut Ingest) -> Result<End, Error> {
    loop {
        while let Some(event) = connection.poll_session()? {
            match ingest.take(event)? {
                Flow::Continue => {}
                Flow::Finished => return Ok(End::Finished),
                Flow::Closed(reason) => return Ok(End::Closed(reason)),
            }
        }
        connection.flush().await?;
        tokio::select! {
            wake = connection.wake() => match wake? {
                Wake::Ready => {}
                Wake::Eof => return Ok(End::Lost),
            },
            reason = ingest.publisher().closed() => return Ok(End::Closed(reason)),
        }
    }
}

fn tell(connection: &mut Connection, reason: &str) {
    // Fails only where the client has just ended its stream itself; then there is nothing to tell.
    drop(connection.session.close_publish(reason));
}

/// A peer that wants to play.
pub struct PlayRequest {
    pub(super) connection: Connection,
    pub(super) info: session::PlayRequest,
}

impl PlayRequest {
    /// What it wants to play.
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

    /// Plays `stream` to it, from the newest key frame to the end.
    ///
    /// # Errors
    /// What broke the session.
    pub async fn accept(self, stream: &Arc<Stream>) -> Result<End, Error> {
        if self.info.stream_id != STREAM_ID {
            let reject = Reject::denied("play on the first message stream of a connection");
            self.reject(&reject).await;
            return Ok(End::Finished);
        }
        let mut connection = self.connection;
        connection.session.accept_play()?;
        connection.flush().await?;
        let end = play(&mut connection, stream).await;
        if matches!(end, Ok(End::StreamEnded)) {
            connection.session.end_play(now())?;
        }
        connection.close().await;
        end
    }
}

async fn play(connection: &mut Connection, stream: &Stream) -> Result<End, Error> {
    let viewer = stream.viewer(Protocol::Rtmp);
    let mut chunks = stream.packaged::<PlayPackage>();
    let mut ready = Vec::new();
    loop {
        tokio::select! {
            batch = chunks.batch(BATCH_BYTES, &mut ready) => {
                let Some(Batch { bytes, skipped, .. }) = batch else {
                    return Ok(End::StreamEnded);
                };
                if skipped > 0 {
                    tracing::debug!(skipped, "the player is too slow and was moved to the newest key frame");
                }
                let mut batch = VecDeque::from(std::mem::take(&mut ready));
                connection.write(&mut batch).await?;
                viewer.sent(bytes);
                batch.clear();
                ready = batch.into();
            }
            wake = connection.wake() => {
                if matches!(wake?, Wake::Eof) {
                    return Ok(End::Finished);
                }
                while let Some(event) = connection.poll_session()? {
                    if matches!(event, Event::PlayEnded) {
                        return Ok(End::Finished);
                    }
                }
                connection.flush().await?;
            }
        }
    }
}

impl fmt::Debug for PublishRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublishRequest").field(&self.info).finish()
    }
}

impl fmt::Debug for PlayRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PlayRequest").field(&self.info).finish()
    }
}

/// Bytes written to a player at once: enough to catch up fast, little enough to answer its pings in between.
const BATCH_BYTES: usize = 256 * 1024;
