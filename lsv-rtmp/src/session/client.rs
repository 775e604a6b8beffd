//! The client's end of a session: publishes or plays one stream.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{target::Public, wire::Wire};
use crate::{
    Limits,
    amf0::{Object, Value},
    chunk,
    error::Error,
    handshake,
    message::{Command, Control, Message, MessageType, SET_DATA_FRAME, UserControl, data_body},
};

/// What a client connects to, and how.
///
/// [`fmt::Debug`] leaves queries out: they carry credentials.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// What the peer may take.
    pub limits: Limits,
    /// Publish or play.
    pub purpose: Purpose,
    /// Application, such as `stream`.
    pub app: String,
    /// Name of the stream with its query, such as `cam?sign=1-a`.
    pub stream_name: String,
    /// The address up to the application, such as `rtmp://host/stream`.
    pub tc_url: String,
    /// What the client calls itself; default `FMLE/3.0 (compatible; lsv)`, whose beginning some
    /// servers look for.
    pub flash_ver: String,
    /// Codecs that the client handles, as FourCCs or `*`; default none.
    pub four_cc_list: Vec<String>,
    /// Bytes per chunk that are sent; default 60,000.
    pub chunk_size: u32,
    /// Fills the handshake's random bytes; draw it anew for each connection.
    pub seed: [u8; 32],
}

/// What a client wants of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Send it.
    Publish,
    /// Receive it.
    Play,
}

impl ClientConfig {
    /// The defaults, for the stream `stream_name` of the application `app` on `host` (with its port
    /// where that is not 1935).
    pub fn new(purpose: Purpose, host: &str, app: &str, stream_name: &str, seed: [u8; 32]) -> Self {
        Self {
            limits: Limits::default(),
            purpose,
            app: app.to_owned(),
            stream_name: stream_name.to_owned(),
            tc_url: format!("rtmp://{host}/{app}"),
            flash_ver: "FMLE/3.0 (compatible; lsv)".to_owned(),
            four_cc_list: Vec::new(),
            chunk_size: super::ServerConfig::CHUNK_SIZE,
            seed,
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("purpose", &self.purpose)
            .field("tc_url", &Public(&self.tc_url))
            .field("stream_name", &Public(&self.stream_name))
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What happened on a client session.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The server accepts: media may be sent, or will come.
    Started,
    /// The server refuses, or ends the stream with an error. Close the connection.
    Refused {
        /// Its code, such as `NetStream.Publish.Denied`; empty where it gives none.
        code: String,
        /// What it says about it.
        description: String,
    },
    /// An audio message, an FLV audio tag body.
    Audio {
        /// Milliseconds, modulo 2^32.
        timestamp: u32,
        /// The tag body; never empty.
        payload: Bytes,
    },
    /// A video message, an FLV video tag body.
    Video {
        /// Milliseconds, modulo 2^32.
        timestamp: u32,
        /// The tag body; never empty.
        payload: Bytes,
    },
    /// Metadata or cue points in AMF0.
    Data {
        /// Milliseconds, modulo 2^32.
        timestamp: u32,
        /// Begins with a name such as `onMetaData`.
        payload: Bytes,
    },
    /// The stream is over.
    Ended,
}

/// The client's end of one connection. How to drive it: [`session`](super). The first call of
/// [`next`](Self::next) needs no input. It has no time-outs: how long to wait for a server is the
/// caller's to say.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    wire: Wire,
    state: State,
    stream_id: u32,
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
    /// A session that has sent nothing yet.
    pub fn new(config: ClientConfig) -> Self {
        Self {
            wire: Wire::new(&config.limits, WINDOW),
            state: State::Handshake(handshake::Client::new(config.seed)),
            stream_id: 0,
            config,
        }
    }

    /// The next thing that happened, or `None` where more bytes are needed. Takes from `input` what
    /// it has used.
    ///
    /// # Errors
    /// Anything that the server did wrong. Close the connection then.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<ClientEvent>, Error> {
        if let State::Handshake(handshake) = &mut self.state {
            if !handshake.next(input, self.wire.output())? {
                return Ok(None);
            }
            self.connect()?;
        }
        while !matches!(self.state, State::Over) {
            let Some(message) = self.wire.receive(input)? else {
                break;
            };
            if let Some(event) = self.on_message(&message)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Everything that waits to be written, and nothing the second time.
    pub fn take_output(&mut self) -> Bytes {
        self.wire.take_output()
    }

    /// Sends an audio message.
    ///
    /// # Errors
    /// [`Error::Misuse`] before [`ClientEvent::Started`], a limit where the payload or the unwritten
    /// output is too long.
    pub fn send_audio(&mut self, timestamp: u32, payload: &[u8]) -> Result<(), Error> {
        self.send_media(chunk::id::AUDIO, MessageType::AUDIO, timestamp, &[payload])
    }

    /// Sends a video message.
    ///
    /// # Errors
    /// As [`send_audio`](Self::send_audio).
    pub fn send_video(&mut self, timestamp: u32, payload: &[u8]) -> Result<(), Error> {
        self.send_media(chunk::id::VIDEO, MessageType::VIDEO, timestamp, &[payload])
    }

    /// Sends metadata in AMF0 that begins with a name such as `onMetaData`; the server is asked to
    /// keep it for later players.
    ///
    /// # Errors
    /// As [`send_audio`](Self::send_audio).
    pub fn send_data(&mut self, timestamp: u32, payload: &[u8]) -> Result<(), Error> {
        let parts = [SET_DATA_FRAME, payload];
        self.send_media(chunk::id::STATUS, MessageType::DATA, timestamp, &parts)
    }

    /// Ends the stream in order. Write the output and close the connection.
    ///
    /// # Errors
    /// A limit where the unwritten output is too long.
    pub fn finish(&mut self) -> Result<(), Error> {
        if let State::Asking | State::Streaming = self.state {
            if self.config.purpose == Purpose::Publish {
                self.call(
                    &Command::new("FCUnpublish", 6.0).argument(self.config.stream_name.as_str()),
                )?;
            }
            self.call(&Command::new("deleteStream", 0.0).argument(f64::from(self.stream_id)))?;
        }
        self.state = State::Over;
        Ok(())
    }

    fn send_media(
        &mut self,
        chunk_stream_id: u32,
        type_id: MessageType,
        timestamp: u32,
        parts: &[&[u8]],
    ) -> Result<(), Error> {
        if !matches!(self.state, State::Streaming) || self.config.purpose != Purpose::Publish {
            return Err(Error::Misuse(
                "media sent by a client that does not publish",
            ));
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
        let config = &self.config;
        let mut object = Object::new()
            .with("app", config.app.as_str())
            .with("type", "nonprivate")
            .with("flashVer", config.flash_ver.as_str())
            .with("tcUrl", config.tc_url.as_str());
        if !config.four_cc_list.is_empty() {
            let names = config
                .four_cc_list
                .iter()
                .map(|name| Value::from(name.as_str()));
            object = object.with("fourCcList", Value::StrictArray(names.collect()));
        }
        let connect = Command::new("connect", CONNECT).object(object);
        let chunk_size = config.chunk_size.clamp(1, 0x7FFF_FFFF);
        self.wire.send_control(Control::SetChunkSize(chunk_size))?;
        self.call(&connect)?;
        self.state = State::Connecting;
        Ok(())
    }

    fn on_message(&mut self, message: &Message) -> Result<Option<ClientEvent>, Error> {
        if let Some(command) = Command::decode(message, &self.config.limits)? {
            return self.on_command(&command);
        }
        if !matches!(self.state, State::Streaming) || self.config.purpose != Purpose::Play {
            return Ok(None);
        }
        let (timestamp, payload) = (message.timestamp, message.payload.clone());
        Ok(match message.type_id {
            MessageType::AUDIO | MessageType::VIDEO if payload.is_empty() => None,
            MessageType::AUDIO => Some(ClientEvent::Audio { timestamp, payload }),
            MessageType::VIDEO => Some(ClientEvent::Video { timestamp, payload }),
            _ => data_body(message).map(|payload| ClientEvent::Data { timestamp, payload }),
        })
    }

    fn on_command(&mut self, command: &Command) -> Result<Option<ClientEvent>, Error> {
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
                self.create_stream()?
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
                return Ok(Some(ClientEvent::Started));
            }
            ("onStatus", State::Streaming) if ENDS.contains(&code) => {
                self.state = State::Over;
                return Ok(Some(ClientEvent::Ended));
            }
            _ => {}
        }
        Ok(None)
    }

    fn refused(&mut self, code: &str, description: &str) -> ClientEvent {
        self.state = State::Over;
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
        let name = self.config.stream_name.as_str();
        let command = match self.config.purpose {
            Purpose::Publish => Command::new("publish", 5.0).argument(name).argument("live"),
            Purpose::Play => Command::new("play", 5.0).argument(name).argument(LIVE),
        };
        if self.config.purpose == Purpose::Play {
            let buffer = UserControl::SetBufferLength {
                stream_id,
                millis: BUFFER_MILLIS,
            };
            self.wire.send_control(Control::UserControl(buffer))?;
        }
        self.wire.send(&command.encode(stream_id))?;
        self.state = State::Asking;
        Ok(())
    }

    fn call(&mut self, command: &Command) -> Result<(), Error> {
        self.wire.send(&command.encode(0))
    }
}

/// Transaction of `connect`, which the standard fixes (RTMP 1.0 §7.2.1.1).
const CONNECT: f64 = 1.0;

/// Transaction of `createStream`.
const CREATE_STREAM: f64 = 4.0;

/// Acknowledgements go out each time so many bytes have come, until the server asks otherwise.
const WINDOW: u32 = 2_500_000;

/// What a player says it buffers; servers send as fast as they can anyway.
const BUFFER_MILLIS: u32 = 3000;

/// `play`'s start for a stream that is live or nothing (RTMP 1.0 §7.2.2.1), in milliseconds.
const LIVE: f64 = -1000.0;

const START_PUBLISH: &str = "NetStream.Publish.Start";

const START_PLAY: &str = "NetStream.Play.Start";

/// Codes after which a stream brings nothing more.
const ENDS: [&str; 4] = [
    "NetStream.Play.UnpublishNotify",
    "NetStream.Play.Stop",
    "NetStream.Play.Complete",
    "NetStream.Unpublish.Success",
];
