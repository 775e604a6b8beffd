//! A publisher that was let in: its media by hand, or into a hub.

use std::net::SocketAddr;

use lsv_core::hub::{Closed, Publisher};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::ingest::{Flow, Ingest};
use super::socket::Wake;
use super::{End, Error};
use crate::session::{self, Event, Media};

/// A publisher that was let in. Dropped, its connection is closed.
#[derive(Debug)]
pub struct Publishing {
    connection: Box<Connection>,
    info: session::PublishRequest,
    finished: bool,
}

impl Publishing {
    pub(super) fn new(connection: Box<Connection>, info: session::PublishRequest) -> Self {
        Self {
            connection,
            info,
            finished: false,
        }
    }

    /// What it publishes, and what it said of itself.
    pub fn info(&self) -> &session::PublishRequest {
        &self.info
    }

    /// Where it comes from.
    pub fn peer(&self) -> SocketAddr {
        self.connection.peer
    }

    /// The next message of its stream, or `None` once it has said that it is done. Answers what the peer asks meanwhile.
    /// Safe to be cancelled, as in a `select!`.
    ///
    /// # Errors
    /// What broke the connection; [`Error::Io`] of kind `UnexpectedEof` where it was closed without a word.
    pub async fn next(&mut self) -> Result<Option<Media>, Error> {
        while !self.finished {
            match self.connection.event().await? {
                Some(Event::Media(media)) => return Ok(Some(media)),
                Some(Event::Unpublished) => self.finished = true,
                Some(_) => {}
                None => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            }
        }
        Ok(None)
    }

    /// Tells the publisher why it must go, and closes. `description` must not contain a credential.
    pub async fn close(mut self, description: &str) {
        self.tell(description);
        self.connection.close().await;
    }

    /// Asks the publisher to connect again, to `tc_url` where that is given, such as `rtmp://other.example/stream`, or to
    /// the same address (E-RTMP v2, "Reconnect Request"). Says whether it understands that; what it sends goes on coming
    /// until it leaves by itself. The request goes out while [`next`](Self::next) is awaited. `description` must not
    /// contain a credential.
    ///
    /// # Errors
    /// Where the publisher reads nothing.
    pub fn ask_to_reconnect(
        &mut self,
        tc_url: Option<&str>,
        description: &str,
    ) -> Result<bool, Error> {
        let session = &mut self.connection.session;
        let asked = session.request_reconnect(tc_url, description);
        asked.map_err(|error| self.connection.blamed(error))
    }

    /// Asks as [`ask_to_reconnect`](Self::ask_to_reconnect) does and closes at once: for servers that cannot wait until
    /// the publisher has found its way.
    pub async fn reconnect(mut self, tc_url: Option<&str>, description: &str) {
        // Fails only where the client reads nothing; then it is closed all the same.
        drop(self.ask_to_reconnect(tc_url, description));
        self.tell(description);
        self.connection.close().await;
    }

    /// Feeds `publisher` with its stream until the end, then closes.
    ///
    /// # Errors
    /// What broke the session. The stream then counts as lost, and waits for the publisher to come back.
    pub async fn feed(self, publisher: Publisher) -> Result<End, Error> {
        self.feed_until(publisher, &CancellationToken::new()).await
    }

    /// Feeds `publisher` until the end or until `shutdown`, then closes. A publisher that understands a reconnect request
    /// gets one at `shutdown`, and its media is taken until it leaves or its stream is closed; any other must go, and its
    /// stream ends.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub async fn feed_until(
        mut self,
        publisher: Publisher,
        shutdown: &CancellationToken,
    ) -> Result<End, Error> {
        let mut ingest = Ingest::new(publisher, self.connection.media.clone());
        let end = self.ingest_all(&mut ingest, shutdown).await;
        match &end {
            Ok(End::Finished) => ingest.finish(),
            Ok(End::Closed(reason)) => {
                if *reason == Closed::Draining {
                    ingest.finish();
                    // Asked once more, a client that found no other place until then looks again.
                    drop(self.ask_to_reconnect(None, &reason.to_string()));
                }
                self.tell(&reason.to_string());
            }
            Err(Error::Media(reason)) => self.tell(&reason.to_string()),
            _ => {}
        }
        self.connection.close().await;
        end
    }

    async fn ingest_all(
        &mut self,
        ingest: &mut Ingest,
        shutdown: &CancellationToken,
    ) -> Result<End, Error> {
        let mut asked = false;
        loop {
            while let Some(event) = self.connection.poll_session()? {
                match ingest.take(event)? {
                    Flow::Continue => {}
                    Flow::Finished => return Ok(End::Finished),
                    Flow::Closed(reason) => return Ok(End::Closed(reason)),
                }
            }
            tokio::select! {
                wake = self.connection.flush_and_wake() => if wake? == Wake::Eof {
                    return Ok(End::Lost);
                },
                reason = ingest.publisher().closed() => return Ok(End::Closed(reason)),
                () = shutdown.cancelled(), if !asked => {
                    asked = self.ask_to_reconnect(None, &Closed::Draining.to_string())?;
                    if !asked {
                        return Ok(End::Closed(Closed::Draining));
                    }
                }
            }
        }
    }

    fn tell(&mut self, description: &str) {
        // Fails only where the client has just ended its stream itself; then there is nothing to tell.
        drop(self.connection.session.close_publish(description));
    }
}
