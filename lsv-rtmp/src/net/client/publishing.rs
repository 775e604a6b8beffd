//! Publishing: frames or messages out, whatever the server says in.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use lsv_core::media::{MediaFrame, Tracks};
use lsv_core::time::Timestamp;
use tokio_util::task::AbortOnDropHandle;

use super::connection::Connection;
use super::dial::fault_of;
use super::headers::Headers;
use super::moving::Moves;
use super::outgoing::Outgoing;
use super::{Config, Error, Notice};
use crate::net::Address;
use crate::session::{ClientEvent, Media, Purpose};

/// A stream that is published to a server.
///
/// Each call that sends waits until the system has taken the bytes, and takes what the server says meanwhile: pings are
/// answered, a refusal ends the stream. Where there is nothing to send for longer than a few seconds, wait in
/// [`Publishing::event`]. Dropped, the connection is cut and the server takes its publisher for lost.
#[derive(Debug)]
pub struct Publishing {
    connection: Box<Connection>,
    /// What broke the connection, while another one is on its way.
    lost: Option<Error>,
    moves: Moves,
    outgoing: Outgoing,
    headers: Headers,
    /// The server cannot decode anything before the next start.
    waits_for_start: bool,
    notices: VecDeque<Notice>,
    /// Ends the connection that was left behind.
    farewell: Option<AbortOnDropHandle<()>>,
    /// Written to connections that were left behind.
    written: u64,
}

impl Publishing {
    pub(super) fn new(config: Arc<Config>, connection: Box<Connection>) -> Self {
        Self {
            outgoing: Outgoing::new(&connection.session),
            connection,
            lost: None,
            moves: Moves::new(config, Purpose::Publish),
            headers: Headers::default(),
            waits_for_start: false,
            notices: VecDeque::new(),
            farewell: None,
            written: 0,
        }
    }

    /// Where it is published at the moment.
    pub fn address(&self) -> &Arc<Address> {
        &self.connection.place.address
    }

    /// The other end.
    pub fn peer(&self) -> Option<std::net::SocketAddr> {
        self.connection.place.peer
    }

    /// Bytes that the system has taken so far, of all that RTMP sends.
    pub fn written(&self) -> u64 {
        self.written + self.connection.written()
    }

    /// Sends a frame, and the header of its track ahead where the server does not know it. Its time is sent as it is, in
    /// whole milliseconds.
    ///
    /// # Errors
    /// What broke the stream. It is over then.
    pub async fn send(&mut self, frame: &MediaFrame) -> Result<(), Error> {
        self.queue(frame)?;
        self.flush().await
    }

    /// Sends the metadata and the headers of all tracks ahead of the first frame, as encoders do and servers like it.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_tracks(&mut self, tracks: &Tracks, at: Timestamp) -> Result<(), Error> {
        self.queue_tracks(tracks, at)?;
        self.flush().await
    }

    /// Sends `onMetaData`, an FLV script tag body, and asks the server to keep it for its players.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_metadata(&mut self, metadata: Bytes) -> Result<(), Error> {
        self.queue_metadata(metadata)?;
        self.flush().await
    }

    /// Sends a message as it is: a tag body, from an FLV file or another session. What sends messages sends no frames.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_media(&mut self, media: &Media) -> Result<(), Error> {
        let start = self.headers.is_start(media);
        if self.admit(start, Timestamp::from_millis(media.timestamp().into()))? {
            let sent = self.connection.session.send(media);
            self.queued(sent)?;
        }
        self.headers.note(media);
        self.flush().await
    }

    /// Waits for news of the connection. What the server sends is taken meanwhile, and what waits is written.
    ///
    /// Safe to be cancelled: nothing is lost where the caller stops waiting.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn event(&mut self) -> Result<Notice, Error> {
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Ok(notice);
            }
            tokio::select! {
                event = self.connection.event(), if self.lost.is_none() => self.take(event)?,
                event = self.moves.event() => self.moved(event)?,
            }
        }
    }

    /// Ends the stream in order and waits until the server has it all.
    ///
    /// # Errors
    /// Where what was sent may not have arrived.
    pub async fn finish(mut self) -> Result<(), Error> {
        if let Some(lost) = self.lost {
            return Err(lost);
        }
        self.connection.finish().await?;
        if let Some(farewell) = self.farewell.take() {
            // It logs what goes wrong.
            drop(farewell.await);
        }
        Ok(())
    }

    /// As [`send`](Self::send), without waiting: for loops that wait in [`event`](Self::event), which writes. Look at
    /// [`unwritten`](Self::unwritten) before, for nothing else bounds what is queued.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn queue(&mut self, frame: &MediaFrame) -> Result<(), Error> {
        if self.admit(self.outgoing.is_start(frame), frame.dts)? {
            let sent = self.outgoing.frame(frame, &mut self.connection.session);
            self.queued(sent)?;
        }
        Ok(())
    }

    /// As [`send_tracks`](Self::send_tracks), without waiting.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn queue_tracks(&mut self, tracks: &Tracks, at: Timestamp) -> Result<(), Error> {
        let session = &mut self.connection.session;
        let sent = self.outgoing.tracks(tracks, at, session);
        self.queued(sent)
    }

    /// As [`send_metadata`](Self::send_metadata), without waiting.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn queue_metadata(&mut self, metadata: Bytes) -> Result<(), Error> {
        let session = &mut self.connection.session;
        let sent = self.outgoing.metadata(metadata, session);
        self.queued(sent)
    }

    /// Bytes that wait to be written.
    pub fn unwritten(&self) -> usize {
        self.connection.unwritten()
    }

    /// Whether the stream has just moved in the middle: everything up to the next key frame is dropped.
    pub fn waits_for_start(&self) -> bool {
        self.waits_for_start
    }

    /// Waits until all is written, or for news of the connection. Safe to be cancelled.
    pub(in crate::net) async fn wait(
        &mut self,
        until_written: bool,
    ) -> Result<Option<Notice>, Error> {
        match until_written {
            true => self.flush().await.map(|()| None),
            false => self.event().await.map(Some),
        }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        loop {
            if self.lost.is_some() {
                let event = self.moves.event().await;
                self.moved(event)?;
                continue;
            }
            match self.connection.flush().await {
                Ok(None) if self.moves.is_news() => {
                    let event = self.moves.event().await;
                    self.moved(event)?;
                }
                Ok(None) => return Ok(()),
                Ok(Some(event)) => self.take(Ok(event))?,
                Err(error) => self.take(Err(error))?,
            }
        }
    }

    /// Whether what comes next, with the time `at`, is to be sent. `start` says that a decoder can begin there: then the
    /// stream moves, if it is to.
    fn admit(&mut self, start: bool, at: Timestamp) -> Result<bool, Error> {
        if start && let Some(connection) = self.moves.take() {
            self.go_over(connection);
        }
        if start && self.waits_for_start && self.lost.is_none() {
            self.waits_for_start = false;
            let session = &mut self.connection.session;
            let mut opened = self.outgoing.reopen(at, session);
            for header in self.headers.at(at.as_millis() as u32) {
                opened = opened.and_then(|()| session.send(&header));
            }
            self.queued(opened)?;
        }
        Ok(!self.waits_for_start && self.lost.is_none())
    }

    fn queued(&mut self, sent: Result<(), crate::Error>) -> Result<(), Error> {
        // Of a connection that is lost, all is forgotten.
        if self.lost.is_none() {
            sent.map_err(|error| self.connection.place.fault(error))?;
            self.connection.collect();
        }
        Ok(())
    }

    /// Takes what came over the connection.
    fn take(&mut self, event: Result<ClientEvent, Error>) -> Result<(), Error> {
        let event = event.and_then(|event| {
            let place = &self.connection.place;
            match fault_of(&event, &place.address) {
                Some(fault) => Err(place.fault(fault)),
                None => Ok(event),
            }
        });
        match event {
            Ok(ClientEvent::ReconnectRequest {
                tc_url,
                description,
            }) => {
                let description = self.address().redact(&description);
                self.tell(Notice::ReconnectRequested { description });
                if let Err(error) = self.moves.follow(&self.connection, tc_url.as_deref()) {
                    self.tell(Notice::Stayed(error));
                }
            }
            Ok(_) => {}
            Err(error) if self.moves.is_moving() => self.lost = Some(error),
            Err(error) => return Err(error),
        }
        self.go_over_if_lost();
        Ok(())
    }

    /// Takes what happened to the new connection.
    fn moved(&mut self, event: Result<ClientEvent, Error>) -> Result<(), Error> {
        match event {
            Ok(_) => self.go_over_if_lost(),
            Err(error) if self.lost.is_some() => return Err(error),
            Err(error) => self.tell(Notice::Stayed(error)),
        }
        Ok(())
    }

    fn go_over_if_lost(&mut self) {
        if self.lost.is_some()
            && let Some(connection) = self.moves.take()
        {
            self.go_over(connection);
        }
    }

    fn go_over(&mut self, connection: Box<Connection>) {
        let old = std::mem::replace(&mut self.connection, connection);
        self.written += old.written();
        if self.lost.take().is_none() {
            self.farewell = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                if let Err(error) = old.finish().await {
                    tracing::debug!(%error, "the old connection was not ended in order");
                }
            })));
        }
        self.waits_for_start = true;
        let address = Arc::clone(self.address());
        self.tell(Notice::Moved { address });
    }

    fn tell(&mut self, notice: Notice) {
        if self.notices.len() >= MAX_NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }
}

/// Notices kept for a caller that does not ask for them.
const MAX_NOTICES: usize = 8;
