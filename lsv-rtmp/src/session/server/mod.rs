//! The server's end of a session.

mod commands;

use std::{fmt, sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};

use super::{
    answers,
    events::{ConnectInfo, Event, Reject},
    media::Media,
    wire::Wire,
};
use crate::{
    Limits,
    amf0::{self, Value},
    chunk,
    error::{Error, Waiting},
    handshake,
    message::{Command, Control, Message, MessageType, UserControl},
};

/// How a server session behaves.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// What the peer may take.
    pub limits: Limits,
    /// Bytes after which the peer is to acknowledge, and after which it gets acknowledgements unless it asks for
    /// another window; default 5,000,000.
    pub window_acknowledgement_size: u32,
    /// Bytes per chunk that are sent; default [`CHUNK_SIZE`](Self::CHUNK_SIZE). Media that is encoded once for many
    /// players must be cut by the same number.
    pub chunk_size: u32,
    /// Video codecs to report in the answer to `connect`, as FourCCs; default `avc1` and `hvc1`.
    pub video_four_ccs: Vec<String>,
    /// Audio codecs to report, as FourCCs; default `mp4a`.
    pub audio_four_ccs: Vec<String>,
    /// Fills the handshake's random bytes; draw it anew for each connection.
    pub seed: [u8; 32],
}

impl ServerConfig {
    /// Chunk size towards players: few frames need a second chunk header, and it stays below the 64 KiB that some
    /// players allow.
    pub const CHUNK_SIZE: u32 = 60_000;

    /// The defaults, with 32 bytes that differ for each connection.
    pub fn new(seed: [u8; 32]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            limits: Limits::default(),
            window_acknowledgement_size: 5_000_000,
            chunk_size: Self::CHUNK_SIZE,
            video_four_ccs: owned(&["avc1", "hvc1"]),
            audio_four_ccs: owned(&["mp4a"]),
            seed,
        }
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("limits", &self.limits)
            .field(
                "window_acknowledgement_size",
                &self.window_acknowledgement_size,
            )
            .field("chunk_size", &self.chunk_size)
            .field("video_four_ccs", &self.video_four_ccs)
            .field("audio_four_ccs", &self.audio_four_ccs)
            .finish_non_exhaustive()
    }
}

/// The server's end of one connection. How to drive it: [`session`](super).
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    wire: Wire,
    state: State,
    connect: Option<Arc<ConnectInfo>>,
    /// Message streams that the client has created.
    streams: Vec<u32>,
    /// Commands since the connection had no stream.
    commands: usize,
    /// The client sent FCPublish or FCSubscribe and waits for the matching answer.
    fc: bool,
    deadline: Option<(Instant, Waiting)>,
}

#[derive(Debug)]
enum State {
    Handshake(handshake::Server),
    /// Connecting, or between streams.
    Idle,
    PublishAsked {
        stream_id: u32,
    },
    Publishing {
        stream_id: u32,
    },
    PlayAsked {
        stream_id: u32,
    },
    Playing {
        stream_id: u32,
    },
    Closing,
}

impl Server {
    /// A session on a connection that was accepted at `now`.
    pub fn new(config: ServerConfig, now: Instant) -> Self {
        let limits = &config.limits;
        Self {
            wire: Wire::new(limits, config.window_acknowledgement_size),
            state: State::Handshake(handshake::Server::new(config.seed)),
            connect: None,
            streams: Vec::new(),
            commands: 0,
            fc: false,
            deadline: Some((now + limits.handshake_timeout, Waiting::Handshake)),
            config,
        }
    }

    /// The next thing that happened, or `None` where more bytes, or an answer to the last request, are needed. Takes
    /// from `input` what it has used.
    ///
    /// # Errors
    /// Anything that the peer did wrong. The session is closing from then on.
    pub fn next(&mut self, input: &mut BytesMut, now: Instant) -> Result<Option<Event>, Error> {
        let result = self.advance(input, now);
        if result.is_err() {
            self.state = State::Closing;
            self.deadline = None;
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
    /// [`Error::TimedOut`] where the peer was due to do something by now.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        match self.deadline {
            Some((deadline, waiting)) if deadline <= now => {
                self.state = State::Closing;
                self.deadline = None;
                Err(waiting.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether the connection is to be closed once the output is written.
    pub fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing)
    }

    /// Lets the client publish what it asked for. Its media follows as events.
    ///
    /// # Errors
    /// [`Error::Misuse`] where it has not asked.
    pub fn accept_publish(&mut self, now: Instant) -> Result<(), Error> {
        let State::PublishAsked { stream_id } = self.state else {
            return Err(Error::Misuse("accept_publish without a publish request"));
        };
        const START: &str = "NetStream.Publish.Start";
        if std::mem::take(&mut self.fc) {
            self.send_command(0, &answers::on_fc("onFCPublish", START, "Publishing."))?;
        }
        self.send_user_control(UserControl::StreamBegin(stream_id))?;
        self.send_status(stream_id, "status", START, "Publishing.")?;
        self.state = State::Publishing { stream_id };
        self.deadline = Some((now + self.config.limits.publish_idle, Waiting::Media));
        Ok(())
    }

    /// Refuses what the client asked to publish, and wants the connection closed.
    ///
    /// # Errors
    /// [`Error::Misuse`] where it has not asked.
    pub fn reject_publish(&mut self, reject: &Reject) -> Result<(), Error> {
        let State::PublishAsked { stream_id } = self.state else {
            return Err(Error::Misuse("reject_publish without a publish request"));
        };
        self.close(stream_id, reject.publish_code(), reject.description())
    }

    /// Lets the client play what it asked for. What it is to get is written after the output of this call, as messages
    /// on [`PlayRequest::stream_id`](super::PlayRequest::stream_id) in chunks of [`ServerConfig::chunk_size`].
    ///
    /// # Errors
    /// [`Error::Misuse`] where it has not asked.
    pub fn accept_play(&mut self) -> Result<(), Error> {
        let State::PlayAsked { stream_id } = self.state else {
            return Err(Error::Misuse("accept_play without a play request"));
        };
        const START: &str = "NetStream.Play.Start";
        if std::mem::take(&mut self.fc) {
            self.send_command(0, &answers::on_fc("onFCSubscribe", START, "Playing."))?;
        }
        self.send_user_control(UserControl::StreamBegin(stream_id))?;
        self.send_status(
            stream_id,
            "status",
            "NetStream.Play.Reset",
            "Playing and resetting.",
        )?;
        self.send_status(stream_id, "status", START, "Playing.")?;
        // Lets a Flash player's script look at pictures and sound; without it some show none.
        let mut access = BytesMut::new();
        amf0::encode_all(
            &[Value::from("|RtmpSampleAccess"), true.into(), true.into()],
            &mut access,
        );
        self.wire.send(&Message {
            chunk_stream_id: chunk::id::STATUS,
            timestamp: 0,
            type_id: MessageType::DATA,
            stream_id,
            payload: access.freeze(),
        })?;
        self.state = State::Playing { stream_id };
        self.deadline = None;
        Ok(())
    }

    /// Refuses what the client asked to play, and wants the connection closed.
    ///
    /// # Errors
    /// [`Error::Misuse`] where it has not asked.
    pub fn reject_play(&mut self, reject: &Reject) -> Result<(), Error> {
        let State::PlayAsked { stream_id } = self.state else {
            return Err(Error::Misuse("reject_play without a play request"));
        };
        self.close(stream_id, reject.play_code(), reject.description())
    }

    /// Tells a player that its stream is over. It may ask for another until the command time-out; most hang up.
    ///
    /// # Errors
    /// [`Error::Misuse`] where the client does not play.
    pub fn end_play(&mut self, now: Instant) -> Result<(), Error> {
        let State::Playing { stream_id } = self.state else {
            return Err(Error::Misuse("end_play of a client that does not play"));
        };
        self.send_user_control(UserControl::StreamEof(stream_id))?;
        self.send_status(
            stream_id,
            "status",
            "NetStream.Play.UnpublishNotify",
            "The stream has ended.",
        )?;
        self.send_status(stream_id, "status", "NetStream.Play.Stop", "Stopped.")?;
        self.go_idle(now);
        Ok(())
    }

    /// Asks a client that understands it to connect again, elsewhere if it can, before this side closes (E-RTMP v2,
    /// "Reconnect Request"). Says whether the client understands it.
    ///
    /// # Errors
    /// [`Limit::OutputBytes`](crate::error::Limit) where the client reads nothing.
    pub fn request_reconnect(&mut self, description: &str) -> Result<bool, Error> {
        let understands = self
            .connect
            .as_ref()
            .is_some_and(|connect| connect.caps_ex & CAPS_EX_RECONNECT != 0);
        if understands {
            self.send_status(
                CONNECTION,
                "status",
                "NetConnection.Connect.ReconnectRequest",
                description,
            )?;
        }
        Ok(understands)
    }

    /// Ends a publisher's stream from this side, says why, and wants the connection closed.
    ///
    /// # Errors
    /// [`Error::Misuse`] where the client does not publish.
    pub fn close_publish(&mut self, description: &str) -> Result<(), Error> {
        let State::Publishing { stream_id } = self.state else {
            return Err(Error::Misuse(
                "close_publish of a client that does not publish",
            ));
        };
        self.close(stream_id, "NetStream.Failed", description)
    }

    fn advance(&mut self, input: &mut BytesMut, now: Instant) -> Result<Option<Event>, Error> {
        if let State::Handshake(handshake) = &mut self.state {
            if !handshake.next(input, self.wire.output())? {
                return Ok(None);
            }
            self.go_idle(now);
        }
        loop {
            if let State::PublishAsked { .. } | State::PlayAsked { .. } | State::Closing =
                self.state
            {
                return Ok(None);
            }
            let Some(message) = self.wire.receive(input)? else {
                return Ok(None);
            };
            if let Some(event) = self.on_message(message, now)? {
                return Ok(Some(event));
            }
        }
    }

    fn close(&mut self, stream_id: u32, code: &str, description: &str) -> Result<(), Error> {
        self.send_status(stream_id, "error", code, description)?;
        self.state = State::Closing;
        self.deadline = None;
        Ok(())
    }

    fn go_idle(&mut self, now: Instant) {
        self.state = State::Idle;
        self.commands = 0;
        self.fc = false;
        self.deadline = Some((now + self.config.limits.command_timeout, Waiting::Stream));
    }

    fn on_message(&mut self, message: Message, now: Instant) -> Result<Option<Event>, Error> {
        let publishing = matches!(self.state, State::Publishing { .. });
        match message.type_id {
            MessageType::COMMAND | MessageType::COMMAND_AMF3 => self.on_command(&message, now),
            // Media that nobody asked for, such as what a publisher has under way when it ends, goes nowhere.
            _ if !publishing => Ok(None),
            MessageType::AUDIO | MessageType::VIDEO => {
                self.deadline = Some((now + self.config.limits.publish_idle, Waiting::Media));
                Ok(Media::of(message, &self.config.limits)?.map(Event::Media))
            }
            _ => Ok(Media::of(message, &self.config.limits)?.map(Event::Media)),
        }
    }

    fn send_command(&mut self, stream_id: u32, command: &Command) -> Result<(), Error> {
        self.wire.send(&command.encode(stream_id))
    }

    fn send_status(
        &mut self,
        stream_id: u32,
        level: &str,
        code: &str,
        description: &str,
    ) -> Result<(), Error> {
        self.send_command(stream_id, &answers::on_status(level, code, description))
    }

    fn send_user_control(&mut self, event: UserControl) -> Result<(), Error> {
        self.wire.send_control(Control::UserControl(event))
    }
}

/// The message stream of the connection itself.
const CONNECTION: u32 = 0;

/// `CapsExMask.Reconnect` (E-RTMP v2, "Enhancing NetConnection connect Command").
const CAPS_EX_RECONNECT: u32 = 0x01;

#[cfg(test)]
mod tests;
