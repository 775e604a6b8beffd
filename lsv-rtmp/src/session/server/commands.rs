//! What a server does about each command.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use super::{Server, State};
use crate::{
    amf0::{Object, Value},
    error::{Error, Limit, PeerMisbehaved},
    message::{BandwidthLimit, Command, Control, Message},
    session::{
        answers,
        capabilities::Capabilities,
        connect::ConnectInfo,
        events::{Event, PlayRequest, PublishRequest},
        target::Target,
    },
};

impl Server {
    pub(super) fn on_command(
        &mut self,
        message: &Message,
        now: Instant,
    ) -> Result<Option<Event>, Error> {
        let limits = &self.config.limits;
        let Some(command) = Command::decode(message, limits)? else {
            return Ok(None);
        };
        self.commands = self.commands.saturating_add(1);
        if matches!(self.state, State::Idle) && self.commands > limits.commands_before_stream {
            return Err(Limit::CommandsBeforeStream(limits.commands_before_stream).into());
        }
        let stream_id = message.stream_id;
        if command.name == "connect" {
            return self.on_connect(command, message.amf()).map(|()| None);
        }
        let Some(connect) = &self.connect else {
            return Err(PeerMisbehaved::NotConnected.into());
        };
        match command.name.as_str() {
            "publish" => {
                let (target, kind) = (self.target(connect, &command)?, text(&command, 1));
                let request = PublishRequest {
                    target,
                    kind: kind.to_owned(),
                    stream_id,
                    connect: Arc::clone(connect),
                    command,
                    raw: message.amf(),
                };
                self.on_publish(stream_id, request)
            }
            "play" => {
                let target = self.target(connect, &command)?;
                let request = PlayRequest {
                    target,
                    start: number(&command, 1),
                    duration: number(&command, 2),
                    reset: flag(&command, 3),
                    stream_id,
                    connect: Arc::clone(connect),
                    command,
                    raw: message.amf(),
                };
                self.on_play(stream_id, request)
            }
            "createStream" => self.on_create_stream(&command).map(|()| None),
            "FCPublish" | "FCSubscribe" => {
                // The matching onFCPublish waits until the request is accepted: it says that publishing has started.
                self.fc = true;
                self.answer(&command, Value::Undefined)
            }
            "FCUnpublish" => {
                let ended = self.end(None, now);
                if ended.is_some() {
                    let code = "NetStream.Unpublish.Success";
                    self.send_command(
                        0,
                        &answers::on_fc("onFCUnpublish", code, "Stopped publishing."),
                    )?;
                }
                self.answer(&command, Value::Undefined)?;
                Ok(ended)
            }
            "closeStream" => Ok(self.end(Some(stream_id), now)),
            "deleteStream" => {
                let id = command.arguments.first().and_then(Value::as_number);
                self.streams.retain(|stream| Some(f64::from(*stream)) != id);
                let current = self
                    .current_stream()
                    .filter(|stream| Some(f64::from(*stream)) == id);
                Ok(current.and_then(|stream_id| self.end(Some(stream_id), now)))
            }
            // Live streams have no length.
            "getStreamLength" => self.answer(&command, 0.0),
            // Answers to what a server may ask, and notes without consequence for a live stream.
            "_result" | "_error" | "onStatus" | "receiveAudio" | "receiveVideo" | "pause"
            | "seek" => Ok(None),
            // releaseStream, _checkbw and whatever else: FFmpeg gives up on `_error`, others wait for some answer.
            _ => self.answer(&command, Value::Undefined),
        }
    }

    fn on_connect(&mut self, command: Command, raw: Bytes) -> Result<(), Error> {
        if self.connect.is_some() {
            return Err(PeerMisbehaved::ConnectedTwice.into());
        }
        let transaction_id = command.transaction_id;
        let connect = ConnectInfo::parse(command, raw, &self.config.limits)?;
        let window = self.config.window_acknowledgement_size;
        self.wire
            .send_control(Control::WindowAcknowledgementSize(window))?;
        self.wire.send_control(Control::SetPeerBandwidth {
            window,
            limit: BandwidthLimit::DYNAMIC,
        })?;
        self.wire.send_control(Control::SetChunkSize(
            self.config.chunk_size.clamp(1, 0x7FFF_FFFF),
        ))?;
        self.send_command(
            0,
            &answers::connected(transaction_id, &connect, &self.config),
        )?;
        self.connect = Some(Arc::new(connect));
        // Said once and never again: a thousand sessions need not keep a thousand copies.
        self.config.capabilities = Capabilities::default();
        self.config.connect_properties = Object::new();
        self.config.connect_information = Object::new();
        Ok(())
    }

    fn on_create_stream(&mut self, command: &Command) -> Result<(), Error> {
        let max = self.config.limits.message_streams;
        if self.streams.len() >= max {
            return Err(Limit::MessageStreams(max).into());
        }
        // The lowest free number, so that the first is 1, and 1 again after it was deleted.
        let stream_id = (1..=u32::MAX)
            .find(|id| !self.streams.contains(id))
            .unwrap_or(1);
        self.streams.push(stream_id);
        self.send_command(
            0,
            &answers::result(command.transaction_id, f64::from(stream_id)),
        )
    }

    fn on_publish(
        &mut self,
        stream_id: u32,
        request: PublishRequest,
    ) -> Result<Option<Event>, Error> {
        if !matches!(self.state, State::Idle) {
            self.send_status(stream_id, "error", "NetStream.Publish.BadName", ONE_STREAM)?;
            return Ok(None);
        }
        self.state = State::PublishAsked { stream_id };
        self.deadline = None;
        Ok(Some(Event::Publish(request)))
    }

    fn on_play(&mut self, stream_id: u32, request: PlayRequest) -> Result<Option<Event>, Error> {
        if !matches!(self.state, State::Idle) {
            self.send_status(stream_id, "error", "NetStream.Play.Failed", ONE_STREAM)?;
            return Ok(None);
        }
        self.state = State::PlayAsked { stream_id };
        self.deadline = None;
        Ok(Some(Event::Play(request)))
    }

    /// The client ends its stream: that of message stream `which`, or whichever it is.
    fn end(&mut self, which: Option<u32>, now: Instant) -> Option<Event> {
        let current = self.current_stream()?;
        if which.is_some_and(|stream_id| stream_id != current) {
            return None;
        }
        let event = match self.state {
            State::Publishing { .. } => Event::Unpublished,
            State::Playing { .. } => Event::PlayEnded,
            _ => return None,
        };
        self.go_idle(now);
        Some(event)
    }

    fn current_stream(&self) -> Option<u32> {
        match self.state {
            State::Publishing { stream_id } | State::Playing { stream_id } => Some(stream_id),
            _ => None,
        }
    }

    fn target(&self, connect: &ConnectInfo, command: &Command) -> Result<Target, Error> {
        let max = self.config.limits.name_bytes;
        let stream_name = text(command, 0);
        if stream_name.len() > max {
            return Err(Limit::NameBytes(max).into());
        }
        Ok(Target::new(&connect.app, stream_name))
    }

    fn answer(
        &mut self,
        command: &Command,
        value: impl Into<Value>,
    ) -> Result<Option<Event>, Error> {
        if command.transaction_id != 0.0 {
            self.send_command(0, &answers::result(command.transaction_id, value))?;
        }
        Ok(None)
    }
}

fn text(command: &Command, argument: usize) -> &str {
    command
        .arguments
        .get(argument)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn number(command: &Command, argument: usize) -> Option<f64> {
    command.arguments.get(argument)?.as_number()
}

/// A truth value, which some clients write as a number (RTMP 1.0 §7.2.2.1).
fn flag(command: &Command, argument: usize) -> Option<bool> {
    let value = command.arguments.get(argument)?;
    let number = value.as_number().map(|number| number != 0.0);
    value.as_bool().or(number)
}

/// What a client is told that wants a second stream on its connection.
const ONE_STREAM: &str = "This connection has a stream already; open another one.";
