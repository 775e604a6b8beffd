//! The client's end of a session: publishes or plays one stream.

mod config;
mod event;

use std::time::Instant;

use bytes::{Bytes, BytesMut};

pub use self::{
    config::{ClientConfig, Purpose},
    event::ClientEvent,
};
use super::{answers::PUBLISH_NOTIFY, connect::ServerInfo, deadline, media::Media, wire::Wire};
use crate::{
    amf0::Value,
    chunk::{self, Position},
    error::{Error, Waiting},
    handshake,
    message::{Command, Control, Message, MessageType, SET_DATA_FRAME, UserControl},
};

/// The client's end of one connection. How to drive it: [`session`](super). The first call of [`next`](Self::next) needs
/// no input.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    wire: Wire,
    state: State,
    server: Option<ServerInfo>,
    stream_id: u32,
    deadline: Option<(Instant, Waiting)>,
}

#[derive(Debug)]
enum State {
    Handshake(handshake::Client),
    /// Waits for the answer to `connect`.
    Connecting,
    /// Waits for the answer to `createStream`.
    Creating,
    /// Waits for the answer to `publish` or `play`.
    Asking,
    Streaming,
    Over,
}

impl Client {
    /// A session on a connection that was opened at `now`; it has sent nothing yet.
    pub fn new(config: ClientConfig, now: Instant) -> Self {
        let limits = &config.limits;
        Self {
            wire: Wire::new(limits, config.budget.clone(), WINDOW),
            state: State::Handshake(shake_hands(&config)),
            server: None,
            stream_id: 0,
            deadline: deadline(now, limits.handshake_timeout, Waiting::Handshake),
            config,
        }
    }

    /// The next thing that happened, or `None` where more bytes are needed. Takes from `input` what it has used.
    ///
    /// # Errors
    /// Anything that the server did wrong. The session is closing from then on.
    pub fn next(
        &mut self,
        input: &mut BytesMut,
        now: Instant,
    ) -> Result<Option<ClientEvent>, Error> {
        let result = self.advance(input, now);
        if result.is_err() {
            self.end();
        }
        result
    }

    /// Everything that waits to be written, and nothing the second time.
    pub fn take_output(&mut self) -> Bytes {
        self.wire.take_output()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, unless something happens before.
    pub fn timeout(&self) -> Option<Instant> {
        self.deadline.map(|(deadline, _)| deadline)
    }

    /// Says that it is `now`.
    ///
    /// # Errors
    /// [`Error::TimedOut`] where the server was due to do something by now. The session is closing from then on.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        match self.deadline {
            Some((deadline, waiting)) if deadline <= now => {
                self.end();
                Err(waiting.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether the connection is to be closed once the output is written.
    pub fn is_closing(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Where in the connection the last chunk stands that was looked at; after an error, the one at fault. Bytes count
    /// from the first of the handshake; during that it is 0.
    pub fn position(&self) -> Position {
        self.wire.position()
    }

    /// What the server said of itself; `None` until it lets the client connect, which is before
    /// [`ClientEvent::Started`].
    pub fn server(&self) -> Option<&ServerInfo> {
        self.server.as_ref()
    }

    /// Sends an audio message: `parts` end to end are an FLV audio tag body.
    ///
    /// # Errors
    /// [`Error::Misuse`] before [`ClientEvent::Started`]. [`Limit`](crate::error::Limit) where the payload is longer than
    /// a message can be, or the output is full already: write it first. Nothing is sent then, and the session goes on.
    pub fn send_audio(&mut self, timestamp: u32, parts: &[&[u8]]) -> Result<(), Error> {
        self.send_media(chunk::id::AUDIO, MessageType::AUDIO, timestamp, parts)
    }

    /// Sends a video message: `parts` end to end are an FLV video tag body.
    ///
    /// # Errors
    /// As [`send_audio`](Self::send_audio).
    pub fn send_video(&mut self, timestamp: u32, parts: &[&[u8]]) -> Result<(), Error> {
        self.send_media(chunk::id::VIDEO, MessageType::VIDEO, timestamp, parts)
    }

    /// Sends metadata: `parts` end to end are AMF0 that begins with a name such as `onMetaData`. The server is asked to
    /// keep it for later players.
    ///
    /// # Errors
    /// As [`send_audio`](Self::send_audio).
    pub fn send_data(&mut self, timestamp: u32, parts: &[&[u8]]) -> Result<(), Error> {
        let parts = [&[SET_DATA_FRAME], parts].concat();
        self.send_media(chunk::id::STATUS, MessageType::DATA, timestamp, &parts)
    }

    /// Sends on what another session has received.
    ///
    /// # Errors
    /// As [`send_audio`](Self::send_audio).
    pub fn send(&mut self, media: &Media) -> Result<(), Error> {
        match media {
            Media::Audio { timestamp, payload } => self.send_audio(*timestamp, &[payload]),
            Media::Video { timestamp, payload } => self.send_video(*timestamp, &[payload]),
            Media::Data { timestamp, payload } => self.send_data(*timestamp, &[payload]),
        }
    }

    /// Ends the stream in order. Write the output and close the connection.
    ///
    /// # Errors
    /// A limit where the unwritten output is too long.
    pub fn finish(&mut self) -> Result<(), Error> {
        let streams = matches!(self.state, State::Asking | State::Streaming);
        self.end();
        if !streams {
            return Ok(());
        }
        if self.config.purpose == Purpose::Publish {
            let name = self.config.stream_name.as_str();
            self.call(&Command::new("FCUnpublish", 6.0).argument(name))?;
        }
        self.call(&Command::new("deleteStream", 0.0).argument(f64::from(self.stream_id)))
    }

    fn advance(
        &mut self,
        input: &mut BytesMut,
        now: Instant,
    ) -> Result<Option<ClientEvent>, Error> {
        if let State::Handshake(handshake) = &mut self.state {
            if !handshake.next(input, self.wire.output())? {
                return Ok(None);
            }
            self.connect()?;
            self.deadline = deadline(now, self.config.limits.command_timeout, Waiting::Answer);
        }
        while !matches!(self.state, State::Over) {
            let Some(message) = self.wire.receive(input, now)? else {
                break;
            };
            if let Some(event) = self.on_message(message, now)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn end(&mut self) {
        self.state = State::Over;
        self.deadline = None;
    }

    fn send_media(
        &mut self,
        chunk_stream_id: u32,
        type_id: MessageType,
        timestamp: u32,
        parts: &[&[u8]],
    ) -> Result<(), Error> {
        if !matches!(self.state, State::Streaming) || self.config.purpose != Purpose::Publish {
            return Err(NOT_PUBLISHING);
        }
        let stream_id = self.stream_id;
        let header = chunk::Header {
            chunk_stream_id,
            timestamp,
            type_id,
            stream_id,
        };
        self.wire.send_parts(&header, parts)
    }

    fn connect(&mut self) -> Result<(), Error> {
        let restriction = self.config.limits.bytes_before_publish;
        self.wire.restrict(Some(restriction));
        let chunk_size = self.config.chunk_size.clamp(1, 0x7FFF_FFFF);
        self.wire.send_control(Control::SetChunkSize(chunk_size))?;
        self.call(&self.config.connect(CONNECT))?;
        self.state = State::Connecting;
        Ok(())
    }

    fn on_message(&mut self, message: Message, now: Instant) -> Result<Option<ClientEvent>, Error> {
        if let Some(command) = Command::decode(&message, &self.config.limits)? {
            return self.on_command(command, now);
        }
        if message.type_id == MessageType::GO_AWAY {
            return Ok(Some(ClientEvent::ReconnectRequest {
                tc_url: None,
                description: String::new(),
            }));
        }
        if !matches!(self.state, State::Streaming) || self.config.purpose != Purpose::Play {
            return Ok(None);
        }
        let media = Media::of(message, &self.config.limits)?;
        if media.is_some() {
            self.expect_media(now);
        }
        Ok(media.map(ClientEvent::Media))
    }

    /// A player that gets no media for too long gives up, where the limits say so.
    fn expect_media(&mut self, now: Instant) {
        let idle = match self.config.purpose {
            Purpose::Publish => None,
            Purpose::Play => self.config.limits.play_idle,
        };
        self.deadline = idle.and_then(|idle| deadline(now, idle, Waiting::Media));
    }

    fn on_command(&mut self, command: Command, now: Instant) -> Result<Option<ClientEvent>, Error> {
        let information = command.arguments.first().unwrap_or(&Value::Null);
        let text = |name| {
            information
                .property(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (level, code) = (text("level"), text("code"));
        match (command.name.as_str(), &self.state) {
            ("_result", State::Connecting) if command.transaction_id == CONNECT => {
                self.server = Some(ServerInfo::parse(command));
                self.create_stream()?;
            }
            ("_result", State::Creating) if command.transaction_id == CREATE_STREAM => {
                // A saturating cast: message stream ids are small whole numbers.
                self.stream_id = information.as_number().unwrap_or(1.0) as u32;
                self.ask()?;
            }
            // Servers may refuse releaseStream and its like, which nothing depends on.
            ("_error", _)
                if command.transaction_id != CONNECT && command.transaction_id != CREATE_STREAM => {
            }
            ("_error", _) => return Ok(Some(self.refused(code, text("description")))),
            ("onStatus", _) if level == "error" => {
                return Ok(Some(self.refused(code, text("description"))));
            }
            ("onStatus", State::Asking) if code == START_PUBLISH || code == START_PLAY => {
                self.state = State::Streaming;
                self.expect_media(now);
                return Ok(Some(ClientEvent::Started));
            }
            ("onStatus", State::Streaming) if ENDS.contains(&code) => {
                self.end();
                return Ok(Some(ClientEvent::Ended));
            }
            ("onStatus", State::Streaming)
                if code == PUBLISH_NOTIFY && self.config.purpose == Purpose::Play =>
            {
                let epoch = information.property("epoch").and_then(Value::as_number);
                return Ok(Some(ClientEvent::PublishNotify {
                    epoch: epoch.and_then(whole),
                }));
            }
            ("onStatus", _) if code == RECONNECT => {
                let tc_url = information.property("tcUrl").and_then(Value::as_str);
                return Ok(Some(ClientEvent::ReconnectRequest {
                    tc_url: tc_url.map(str::to_owned),
                    description: text("description").to_owned(),
                }));
            }
            _ => {}
        }
        Ok(None)
    }

    fn refused(&mut self, code: &str, description: &str) -> ClientEvent {
        self.end();
        ClientEvent::Refused {
            code: code.to_owned(),
            description: description.to_owned(),
        }
    }

    fn create_stream(&mut self) -> Result<(), Error> {
        if self.config.purpose == Purpose::Publish {
            let name = self.config.stream_name.as_str();
            let calls = [("releaseStream", 2.0), ("FCPublish", 3.0)];
            let calls = calls.map(|(call, id)| Command::new(call, id).argument(name));
            for call in &calls {
                self.call(call)?;
            }
        }
        self.call(&Command::new("createStream", CREATE_STREAM))?;
        self.state = State::Creating;
        Ok(())
    }

    fn ask(&mut self) -> Result<(), Error> {
        let stream_id = self.stream_id;
        if self.config.purpose == Purpose::Play {
            let buffer = UserControl::SetBufferLength {
                stream_id,
                millis: BUFFER_MILLIS,
            };
            self.wire.send_control(Control::UserControl(buffer))?;
            // Not only from its start: some servers send media before they say that the stream has begun.
            self.wire.restrict(None);
        }
        self.wire
            .send(&self.config.request(REQUEST).encode(stream_id))?;
        self.state = State::Asking;
        Ok(())
    }

    fn call(&mut self, command: &Command) -> Result<(), Error> {
        self.wire.send(&command.encode(0))
    }
}

/// `number` where it is a whole one of 32 bits.
fn whole(number: f64) -> Option<u32> {
    let whole = number as u32;
    (f64::from(whole) == number).then_some(whole)
}

#[cfg(feature = "digest")]
fn shake_hands(config: &ClientConfig) -> handshake::Client {
    if config.digest_handshake {
        handshake::Client::with_digest(config.seed)
    } else {
        handshake::Client::new(config.seed)
    }
}

#[cfg(not(feature = "digest"))]
fn shake_hands(config: &ClientConfig) -> handshake::Client {
    handshake::Client::new(config.seed)
}

/// Transaction of `connect`, which the standard fixes (RTMP 1.0 §7.2.1.1).
const CONNECT: f64 = 1.0;

/// Transaction of `createStream`.
const CREATE_STREAM: f64 = 4.0;

/// Transaction of `publish` or `play`.
const REQUEST: f64 = 5.0;

/// Acknowledgements go out each time so many bytes have come, until the server asks otherwise.
const WINDOW: u32 = 2_500_000;

/// What a player says it buffers; servers send as fast as they can anyway.
const BUFFER_MILLIS: u32 = 3000;

const START_PUBLISH: &str = "NetStream.Publish.Start";

const START_PLAY: &str = "NetStream.Play.Start";

/// E-RTMP v2, "Reconnect Request".
const RECONNECT: &str = "NetConnection.Connect.ReconnectRequest";

/// Codes after which a stream brings nothing more.
const ENDS: [&str; 4] = [
    "NetStream.Play.UnpublishNotify",
    "NetStream.Play.Stop",
    "NetStream.Play.Complete",
    "NetStream.Unpublish.Success",
];

const NOT_PUBLISHING: Error = Error::Misuse("media sent by a client that does not publish");

#[cfg(test)]
mod tests;
