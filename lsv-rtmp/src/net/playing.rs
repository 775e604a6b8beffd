//! A player that was let in: media by hand, or from a hub.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use lsv_core::hub::{Batch, Protocol, Stream};

use super::connection::Connection;
use super::readdress::Readdress;
use super::socket::{Wake, now};
use super::{End, Error};
use crate::chunk::{self, encode_message};
use crate::media;
use crate::message::MessageType;
use crate::play::{self, CHUNK_SIZE, STREAM_ID};
use crate::session::{self, Event, Media};

/// A player that was let in. Dropped, its connection is closed.
#[derive(Debug)]
pub struct Playing {
    connection: Box<Connection>,
    info: session::PlayRequest,
    message: BytesMut,
}

impl Playing {
    pub(super) fn new(connection: Box<Connection>, info: session::PlayRequest) -> Self {
        Self {
            connection,
            info,
            message: BytesMut::new(),
        }
    }

    /// What it plays, and what it said of itself.
    pub fn info(&self) -> &session::PlayRequest {
        &self.info
    }

    /// Where it comes from.
    pub fn peer(&self) -> SocketAddr {
        self.connection.peer
    }

    /// Sends one message; waits while the player takes no data, up to
    /// [`Config::write_timeout`](super::Config::write_timeout). A stream opens with its metadata and codec
    /// configurations, then a key frame. Cancelled, it sends the message with the next one.
    ///
    /// # Errors
    /// [`Error::PlayerLeft`] once the player has stopped or hung up, or what broke the connection.
    pub async fn send(&mut self, media: &Media) -> Result<(), Error> {
        let stopped = poll_fn(|cx| Poll::Ready(self.poll_stopped(cx))).await;
        if let Poll::Ready(stopped) = stopped {
            return Err(stopped.err().unwrap_or(Error::PlayerLeft));
        }
        let (chunk_stream_id, type_id) = match media {
            Media::Audio { .. } => (chunk::id::AUDIO, MessageType::AUDIO),
            Media::Video { .. } => (chunk::id::VIDEO, MessageType::VIDEO),
            Media::Data { .. } => (chunk::id::AUDIO, MessageType::DATA),
        };
        let header = chunk::Header {
            chunk_stream_id,
            timestamp: media.timestamp(),
            type_id,
            stream_id: self.info.stream_id,
        };
        let encoded = encode_message(&mut self.message, &header, &[media.payload()], CHUNK_SIZE);
        encoded.map_err(|error| self.connection.blamed(error))?;
        self.connection.socket.queue(self.message.split().freeze());
        self.connection.flush().await
    }

    /// Returns when the player has stopped or hung up, and answers what it asks until then. To be awaited wherever there
    /// is nothing to send. Safe to be cancelled.
    ///
    /// # Errors
    /// What broke the connection.
    pub async fn stopped(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_stopped(cx)).await
    }

    /// Tells the player that the stream is over, and closes.
    pub async fn finish(mut self) {
        // Fails only where the player has just stopped itself.
        drop(self.connection.session.end_play(now()));
        self.connection.close().await;
    }

    /// Plays `stream`, from the newest key frame to the end, then closes. The player gets what it said that it
    /// understands: see [`media::features`].
    ///
    /// # Errors
    /// What broke the session.
    pub async fn play(mut self, stream: &Stream) -> Result<End, Error> {
        match self.play_all(stream).await {
            Ok(End::StreamEnded) => {
                self.finish().await;
                Ok(End::StreamEnded)
            }
            end => {
                self.connection.close().await;
                end
            }
        }
    }

    async fn play_all(&mut self, stream: &Stream) -> Result<End, Error> {
        let viewer = stream.viewer(Protocol::Rtmp);
        let features = media::features(&self.info.connect);
        let mut chunks = play::subscribe(stream, features);
        let mut ready = Vec::new();
        let mut readdress = match self.info.stream_id {
            STREAM_ID => None,
            other => Some(Readdress::new(other).map_err(|error| self.connection.blamed(error))?),
        };
        let mut told = None;
        loop {
            let batch = tokio::select! {
                batch = chunks.batch(BATCH_BYTES, &mut ready) => batch,
                stopped = self.stopped() => return stopped.map(|()| End::Finished),
            };
            let Some(Batch {
                bytes,
                skipped,
                epoch,
            }) = batch
            else {
                return Ok(End::StreamEnded);
            };
            if skipped > 0 {
                tracing::debug!(
                    skipped,
                    "the player is too slow and was moved to the newest key frame"
                );
            }
            if told.replace(epoch) != Some(epoch) || skipped > 0 {
                self.notify_publish(epoch)?;
            }
            if let Some(readdress) = &mut readdress {
                let rewritten = readdress.rewrite(&mut ready);
                rewritten.map_err(|error| self.connection.blamed(error))?;
            }
            self.connection.socket.queue_all(&mut ready);
            self.connection.flush().await?;
            viewer.sent(bytes);
        }
    }

    /// Says that what is queued next does not go on from what was before, to players that want to know.
    fn notify_publish(&mut self, epoch: u32) -> Result<(), Error> {
        let connection = &mut self.connection;
        let told = connection.session.notify_publish(epoch);
        told.map_err(|error| connection.blamed(error))?;
        connection.socket.queue(connection.session.take_output());
        Ok(())
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let connection = &mut self.connection;
        loop {
            while let Some(event) = connection.poll_session()? {
                if event == Event::PlayEnded {
                    return Poll::Ready(Ok(()));
                }
            }
            ready!(connection.poll_flush(cx))?;
            if ready!(connection.poll_wake(cx))? == Wake::Eof {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Bytes written to a player at once: enough to catch up fast, little enough to answer its pings in between.
const BATCH_BYTES: usize = 256 * 1024;
