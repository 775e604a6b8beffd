//! The server's end of a session.

mod commands;
mod config;

use std::{sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};

pub use self::config::ServerConfig;
use super::{
    answers,
    capabilities::CapsEx,
    connect::ConnectInfo,
    deadline,
    events::{Event, Reject},
    media::Media,
    wire::Wire,
};
use crate::{
    amf0::{self, Object, Value},
    chunk::{self, Position},
    error::{Blame, Error, Waiting},
    handshake,
    message::{Command, Control, Message, MessageType, UserControl},
};

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
    /// What the caller adds to each status.
    status_properties: Object,
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
            wire: Wire::new(
                limits,
                config.budget.clone(),
                config.window_acknowledgement_size,
            ),
            state: State::Handshake(handshake::Server::new(config.seed)),
            connect: None,
            streams: Vec::new(),
            commands: 0,
            fc: false,
            status_properties: Object::new(),
            deadline: deadline(now, limits.handshake_timeout, Waiting::Handshake),
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
        self.settle(result)
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
                self.begin_closing();
                Err(waiting.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether the connection is to be closed once the output is written.
    pub fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing)
    }

    /// Where in the connection the last chunk stands that was looked at; after an error, the one at fault. Bytes count
    /// from the first of the handshake; during that it is 0.
    pub fn position(&self) -> Position {
        self.wire.position()
    }

    /// Adds `properties` to the information object of each `onStatus` from now on, beside `code`; they replace those
    /// that were set before.
    pub fn set_status_properties(&mut self, properties: Object) {
        self.status_properties = properties;
    }

    /// Lets the client publish what it asked for. Its media follows as events.
    ///
    /// # Errors
    /// [`Error::Misuse`] where it has not asked.
    pub fn accept_publish(&mut self, now: Instant) -> Result<(), Error> {
        let State::PublishAsked { stream_id } = self.state else {
            return Err(Error::Misuse("accept_publish without a publish request"));
        };
        self.state = State::Publishing { stream_id };
        self.wire.restrict(None);
        self.expect_media(now);
        let sent = self.send_publish_start(stream_id);
        self.settle(sent)
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
        self.state = State::Playing { stream_id };
        self.deadline = None;
        let sent = self.send_play_start(stream_id);
        self.settle(sent)
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
        self.go_idle(now);
        let sent = self.send_play_end(stream_id);
        self.settle(sent)
    }

    /// Tells a player that what follows does not go on from what it had: another publisher sends, or its clock jumped.
    /// `epoch` numbers what follows; the same number once more says that something was left out. Says whether it was
    /// told, which needs a player that wants to know: [`ConnectInfo::wants_publish_notify`].
    ///
    /// The code is the `NetStream.Play.PublishNotify` of other servers, here with a property `epoch`. Who relays the stream
    /// shows a break where this is said; players have no use for it.
    ///
    /// # Errors
    /// [`Error::Misuse`] where the client does not play.
    pub fn notify_publish(&mut self, epoch: u32) -> Result<bool, Error> {
        let State::Playing { stream_id } = self.state else {
            return Err(Error::Misuse(
                "notify_publish of a client that does not play",
            ));
        };
        if !self
            .connect
            .as_ref()
            .is_some_and(|connect| connect.wants_publish_notify)
        {
            return Ok(false);
        }
        let further = Object::new()
            .with("epoch", f64::from(epoch))
            .and(&self.status_properties);
        let status = answers::on_status(
            "status",
            answers::PUBLISH_NOTIFY,
            "Publishing goes on.",
            &further,
        );
        let sent = self.send_command(stream_id, &status);
        self.settle(sent.map(|()| true))
    }

    /// Asks the client to connect again before this side closes: to `tc_url`, an address up to the application or a part
    /// of one to be completed from the address of this connection, or to the same address. Says whether it was asked,
    /// which needs a client that understands it. The stream goes on until the client ends it.
    ///
    /// There are two forms of this: that of E-RTMP v2 ("Reconnect Request"), and Facebook's *RTMP Go Away*, which has no
    /// room for an address and is what OBS understands.
    ///
    /// # Errors
    /// [`Limit::OutputBytes`](crate::error::Limit) where the client reads nothing.
    pub fn request_reconnect(
        &mut self,
        tc_url: Option<&str>,
        description: &str,
    ) -> Result<bool, Error> {
        let Some(connect) = self.connect.as_ref().filter(|_| !self.is_closing()) else {
            return Ok(false);
        };
        let sent = if connect.capabilities.caps_ex.contains(CapsEx::RECONNECT) {
            self.send_reconnect_request(tc_url, description)
        } else if connect.supports_go_away && tc_url.is_none() {
            self.wire.send(&GO_AWAY)
        } else {
            return Ok(false);
        };
        self.settle(sent.map(|()| true))
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
            let Some(message) = self.wire.receive(input, now)? else {
                return Ok(None);
            };
            if let Some(event) = self.on_message(message, now)? {
                return Ok(Some(event));
            }
        }
    }

    fn close(&mut self, stream_id: u32, code: &str, description: &str) -> Result<(), Error> {
        self.begin_closing();
        self.send_status(stream_id, "error", code, description)
    }

    fn begin_closing(&mut self) {
        self.state = State::Closing;
        self.deadline = None;
    }

    /// After an error that is the peer's fault the session goes no further.
    fn settle<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result
            && error.blame() == Blame::Peer
        {
            self.begin_closing();
        }
        result
    }

    fn go_idle(&mut self, now: Instant) {
        self.state = State::Idle;
        self.commands = 0;
        self.fc = false;
        let limits = &self.config.limits;
        self.wire.restrict(Some(limits.bytes_before_publish));
        self.deadline = deadline(now, limits.command_timeout, Waiting::Stream);
    }

    fn expect_media(&mut self, now: Instant) {
        self.deadline = deadline(now, self.config.limits.publish_idle, Waiting::Media);
    }

    fn on_message(&mut self, message: Message, now: Instant) -> Result<Option<Event>, Error> {
        let publishing = matches!(self.state, State::Publishing { .. });
        match message.type_id {
            MessageType::COMMAND | MessageType::COMMAND_AMF3 => self.on_command(&message, now),
            // Media that nobody asked for, such as what a publisher has under way when it ends, goes nowhere.
            _ if !publishing => Ok(None),
            MessageType::AUDIO | MessageType::VIDEO => {
                self.expect_media(now);
                Ok(Media::of(message, &self.config.limits)?.map(Event::Media))
            }
            _ => Ok(Media::of(message, &self.config.limits)?.map(Event::Media)),
        }
    }

    fn send_publish_start(&mut self, stream_id: u32) -> Result<(), Error> {
        const START: &str = "NetStream.Publish.Start";
        if std::mem::take(&mut self.fc) {
            self.send_command(0, &answers::on_fc("onFCPublish", START, "Publishing."))?;
        }
        self.send_user_control(UserControl::StreamBegin(stream_id))?;
        self.send_status(stream_id, "status", START, "Publishing.")
    }

    fn send_play_start(&mut self, stream_id: u32) -> Result<(), Error> {
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
        })
    }

    fn send_play_end(&mut self, stream_id: u32) -> Result<(), Error> {
        self.send_user_control(UserControl::StreamEof(stream_id))?;
        let (ended, stopped) = ("NetStream.Play.UnpublishNotify", "NetStream.Play.Stop");
        self.send_status(stream_id, "status", ended, "The stream has ended.")?;
        self.send_status(stream_id, "status", stopped, "Stopped.")
    }

    fn send_reconnect_request(
        &mut self,
        tc_url: Option<&str>,
        description: &str,
    ) -> Result<(), Error> {
        let further = match tc_url {
            Some(tc_url) => Object::new().with("tcUrl", tc_url),
            None => Object::new(),
        };
        let code = "NetConnection.Connect.ReconnectRequest";
        let further = further.and(&self.status_properties);
        let status = answers::on_status("status", code, description, &further);
        self.send_command(CONNECTION, &status)
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
        let status = answers::on_status(level, code, description, &self.status_properties);
        self.send_command(stream_id, &status)
    }

    fn send_user_control(&mut self, event: UserControl) -> Result<(), Error> {
        self.wire.send_control(Control::UserControl(event))
    }
}

/// The message stream of the connection itself.
const CONNECTION: u32 = 0;

const GO_AWAY: Message = Message {
    chunk_stream_id: chunk::id::CONTROL,
    timestamp: 0,
    type_id: MessageType::GO_AWAY,
    stream_id: CONNECTION,
    payload: Bytes::new(),
};

#[cfg(test)]
mod tests;
