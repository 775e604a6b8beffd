//! Playing: frames or messages in.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use lsv_core::media::{Kind, MediaFrame, Track, Tracks};
use lsv_core::tag::TagError;

use super::connection::Connection;
use super::dial::fault_of;
use super::headers::Headers;
use super::moving::Moves;
use super::{Config, Error, Notice};
use crate::media::{Demuxer, Item, Options};
use crate::net::Address;
use crate::session::{ClientEvent, Media, Purpose};

/// A stream that is played from a server.
///
/// Nothing is read ahead: who does not ask for more leaves it to the server what to do with a slow player.
#[derive(Debug)]
pub struct Playing {
    connection: Box<Connection>,
    /// What became of the connection, while another one is on its way; none where it ended in order.
    lost: Option<Option<Error>>,
    moves: Moves,
    /// What the new connection has sent ahead of its first key frame.
    ahead: Headers,
    /// How the new connection numbers what it sends, if it says so.
    ahead_epoch: Option<u32>,
    received: VecDeque<Received>,
    frames: Frames,
    played: VecDeque<Played>,
}

/// What came of a stream, as messages.
#[derive(Debug)]
#[non_exhaustive]
pub enum Received {
    /// Audio, video or data, as it was sent.
    Media(Media),
    /// News of the connection. After [`Notice::Moved`] come headers and a key frame; the clock may jump.
    Notice(Notice),
}

/// What came of a stream, as frames.
#[derive(Debug)]
#[non_exhaustive]
pub enum Played {
    /// A track is new, or has a new configuration or side data.
    Track(Arc<Track>),
    /// A frame. Its time is on the server's clock, unwrapped; [`MediaFrame::epoch`] counts the connections and the breaks
    /// that [`Notice::Published`] tells of, and [`MediaFrame::is_default`] is as the hub would have it.
    Frame(MediaFrame),
    /// `onMetaData`, as an FLV script tag body.
    Metadata(Bytes),
    /// News of the connection.
    Notice(Notice),
}

impl Playing {
    pub(super) fn new(config: Arc<Config>, connection: Box<Connection>) -> Self {
        Self {
            connection,
            lost: None,
            frames: Frames::new(config.media.clone()),
            moves: Moves::new(config, Purpose::Play),
            ahead: Headers::default(),
            ahead_epoch: None,
            received: VecDeque::new(),
            played: VecDeque::new(),
        }
    }

    /// Where it is played from at the moment.
    pub fn address(&self) -> &Arc<Address> {
        &self.connection.place.address
    }

    /// The other end.
    pub fn peer(&self) -> Option<std::net::SocketAddr> {
        self.connection.place.peer
    }

    /// The next of the stream's frames; `None` once the server has ended it. Safe to be cancelled.
    ///
    /// # Errors
    /// What broke the stream, or what of it cannot be read. It is over then.
    pub async fn next(&mut self) -> Result<Option<Played>, Error> {
        loop {
            if let Some(played) = self.played.pop_front() {
                return Ok(Some(played));
            }
            match self.next_media().await? {
                None => return Ok(None),
                Some(Received::Notice(notice)) => {
                    match notice {
                        Notice::Moved { .. } => self.frames.restart(),
                        Notice::Published { .. } => self.frames.break_off(),
                        _ => {}
                    }
                    self.played.push_back(Played::Notice(notice));
                }
                Some(Received::Media(media)) => {
                    let taken = self.frames.take(&media, &mut self.played);
                    taken.map_err(|error| self.connection.place.fault(error))?;
                }
            }
        }
    }

    /// The next of the stream's messages; `None` once the server has ended it. Safe to be cancelled.
    ///
    /// # Errors
    /// What broke the stream. It is over then.
    pub async fn next_media(&mut self) -> Result<Option<Received>, Error> {
        loop {
            if let Some(received) = self.received.pop_front() {
                return Ok(Some(received));
            }
            let go_on = tokio::select! {
                event = self.connection.event(), if self.lost.is_none() => self.take(event)?,
                event = self.moves.event() => self.moved(event)?,
            };
            if !go_on {
                return Ok(None);
            }
        }
    }

    /// Takes leave of the server.
    ///
    /// # Errors
    /// Where it was gone already.
    pub async fn finish(self) -> Result<(), Error> {
        match self.lost {
            Some(_) => Ok(()),
            None => self.connection.finish().await,
        }
    }

    /// Takes what came over the connection. Says whether the stream goes on.
    fn take(&mut self, event: Result<ClientEvent, Error>) -> Result<bool, Error> {
        let place = &self.connection.place;
        let over = match event {
            Ok(ClientEvent::Media(media)) => {
                self.received.push_back(Received::Media(media));
                return Ok(true);
            }
            Ok(ClientEvent::ReconnectRequest {
                tc_url,
                description,
            }) => {
                let description = place.address.redact(&description);
                self.tell(Notice::ReconnectRequested { description });
                match self.moves.follow(&self.connection, tc_url.as_deref()) {
                    Ok(true) => (self.ahead, self.ahead_epoch) = Default::default(),
                    Ok(false) => {}
                    Err(error) => self.tell(Notice::Stayed(error)),
                }
                return Ok(true);
            }
            Ok(ClientEvent::PublishNotify { epoch }) => {
                self.tell(Notice::Published { epoch });
                return Ok(true);
            }
            Ok(ClientEvent::Ended) => None,
            Ok(event) => match fault_of(&event, &place.address) {
                Some(fault) => Some(place.fault(fault)),
                None => return Ok(true),
            },
            Err(error) => Some(error),
        };
        if !self.moves.is_moving() {
            return over.map_or(Ok(false), Err);
        }
        self.lost = Some(over);
        self.go_over_if_lost();
        Ok(true)
    }

    /// Takes what came over the new connection. Says whether the stream goes on.
    fn moved(&mut self, event: Result<ClientEvent, Error>) -> Result<bool, Error> {
        match event {
            Ok(ClientEvent::Media(media)) => {
                let start = self.ahead.is_start(&media);
                self.ahead.note(&media);
                if start && let Some(connection) = self.moves.take() {
                    self.go_over(connection);
                    let headers = self.ahead.at(media.timestamp());
                    self.received.extend(headers.map(Received::Media));
                    self.received.push_back(Received::Media(media));
                }
            }
            Ok(event) => {
                if let ClientEvent::PublishNotify { epoch } = event {
                    self.ahead_epoch = epoch;
                }
                self.go_over_if_lost();
            }
            Err(error) => match self.lost.take() {
                Some(Some(_)) => return Err(error),
                Some(None) => return Ok(false),
                None => self.tell(Notice::Stayed(error)),
            },
        }
        Ok(true)
    }

    fn go_over_if_lost(&mut self) {
        if self.lost.is_some()
            && let Some(connection) = self.moves.take()
        {
            self.go_over(connection);
            // What came ahead of a key frame; the frames after it come in their turn.
            let headers = self.ahead.at(0);
            self.received.extend(headers.map(Received::Media));
        }
    }

    fn go_over(&mut self, connection: Box<Connection>) {
        // A player may hang up at any time: nothing that it has to say would change anything.
        self.connection = connection;
        self.lost = None;
        let address = Arc::clone(self.address());
        self.tell(Notice::Moved { address });
        if let epoch @ Some(_) = self.ahead_epoch.take() {
            self.tell(Notice::Published { epoch });
        }
    }

    fn tell(&mut self, notice: Notice) {
        self.received.push_back(Received::Notice(notice));
    }
}

/// Messages to frames.
#[derive(Debug)]
struct Frames {
    options: Options,
    demuxer: Demuxer,
    tracks: Tracks,
    epoch: u32,
}

impl Frames {
    fn new(options: Options) -> Self {
        Self {
            demuxer: Demuxer::new(options.clone()),
            options,
            tracks: Tracks::default(),
            epoch: 0,
        }
    }

    /// What comes next is of another connection.
    fn restart(&mut self) {
        *self = Self {
            epoch: self.epoch.wrapping_add(1),
            ..Self::new(self.options.clone())
        };
    }

    /// What comes next is behind a break. Before the first media there is none.
    fn break_off(&mut self) {
        if self.tracks.iter().next().is_some() {
            self.epoch = self.epoch.wrapping_add(1);
        }
    }

    fn take(&mut self, media: &Media, out: &mut VecDeque<Played>) -> Result<(), TagError> {
        // What servers tell players of their rights, and of data to come, is no part of the stream. Its time may be that
        // of another clock: rml_rtmp counts from the start of the connection.
        if [SAMPLE_ACCESS, ON_STATUS]
            .iter()
            .any(|name| media.payload().starts_with(name))
        {
            return Ok(());
        }
        for item in self.demuxer.push(media) {
            out.push_back(match item {
                Ok(Item::Track(track)) => {
                    self.tracks.set(&track);
                    Played::Track(track)
                }
                Ok(Item::Frame(mut frame)) => {
                    let is_data = frame.kind() == Kind::Data;
                    // AC-3, E-AC-3, MP3 and VP8 may come without a header.
                    if !is_data && self.tracks.find(frame.kind(), frame.track.id).is_none() {
                        self.tracks.set(&frame.track);
                    }
                    frame.is_default = is_data || self.tracks.is_default(&frame.track);
                    frame.epoch = self.epoch;
                    Played::Frame(frame)
                }
                Ok(Item::Metadata(metadata)) => Played::Metadata(metadata),
                // The session says when the stream ends.
                Ok(Item::End(_)) => continue,
                // A server that starts in mid-stream sends its headers soon; nobody could decode what came before.
                Err(TagError::NoConfig(_)) => continue,
                Err(error) => return Err(error),
            });
        }
        Ok(())
    }
}

/// The AMF0 string `|RtmpSampleAccess`.
const SAMPLE_ACCESS: &[u8] = b"\x02\x00\x11|RtmpSampleAccess";
/// The AMF0 string `onStatus`, in front of `NetStream.Data.Start`.
const ON_STATUS: &[u8] = b"\x02\x00\x08onStatus";
