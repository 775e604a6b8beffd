//! What both ends of a session share: chunks in and out, and the control messages that answer themselves.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::{ack::Acknowledger, rate::Rate};
use crate::{
    Budget, Limits,
    chunk::{self, Decoder, Encoder, Position},
    error::{Error, Limit},
    handshake,
    message::{Aggregate, Control, Message, MessageType, UserControl},
};

/// One connection after its handshake.
///
/// Everything that is written goes through [`Wire::send`], so whole messages and chunks of one size are all that can
/// ever be in the output.
#[derive(Debug)]
pub(super) struct Wire {
    decoder: Decoder,
    encoder: Encoder,
    output: BytesMut,
    max_output: usize,
    acknowledger: Acknowledger,
    rate: Rate,
    /// Window that this side announced last.
    announced_window: u32,
    aggregate: Option<Aggregate>,
}

impl Wire {
    pub(super) fn new(limits: &Limits, budget: Option<Budget>, window: u32) -> Self {
        Self {
            decoder: match budget {
                Some(budget) => Decoder::with_budget(limits, budget),
                None => Decoder::new(limits),
            },
            encoder: Encoder::new(),
            output: BytesMut::new(),
            max_output: limits.output_bytes,
            acknowledger: Acknowledger::new(window),
            rate: Rate::new(limits.messages_per_second),
            announced_window: 0,
            aggregate: None,
        }
    }

    /// The next message that is not about the connection itself; aggregates come apart, pings are answered, windows
    /// acknowledged.
    pub(super) fn receive(
        &mut self,
        input: &mut BytesMut,
        now: Instant,
    ) -> Result<Option<Message>, Error> {
        loop {
            if let Some(aggregate) = &mut self.aggregate {
                if let Some(message) = aggregate.next()? {
                    self.rate.count(1, now)?;
                    return Ok(Some(message));
                }
                self.aggregate = None;
            }
            let before = input.len();
            let message = self.decoder.next(input);
            // Before an error that may come after them, so that it makes no difference how bytes were cut.
            self.rate.count(self.decoder.take_obeyed(), now)?;
            let message = message?;
            if let Some(received) = self
                .acknowledger
                .receive(before.saturating_sub(input.len()))
            {
                self.send_control(Control::Acknowledgement(received))?;
            }
            let Some(message) = message else {
                return Ok(None);
            };
            self.rate.count(1, now)?;
            if message.type_id == MessageType::AGGREGATE {
                self.aggregate = Some(Aggregate::new(message));
                continue;
            }
            match Control::decode(&message)? {
                Some(control) => self.obey(control)?,
                None => return Ok(Some(message)),
            }
        }
    }

    /// Bounds what the peer may make this side hold, and keeps it from the budget; `None` goes back to the full limits.
    pub(super) fn restrict(&mut self, bytes: Option<usize>) {
        self.decoder.restrict(bytes);
    }

    /// Writes a message to the output.
    pub(super) fn send(&mut self, message: &Message) -> Result<(), Error> {
        self.encoder.write(message, &mut self.output)?;
        self.check_output()
    }

    /// Writes a message whose payload is at hand in parts, unless the output is full already: a frame longer than that
    /// limit has to pass too.
    pub(super) fn send_parts(
        &mut self,
        header: &chunk::Header,
        parts: &[&[u8]],
    ) -> Result<(), Error> {
        self.check_output()?;
        chunk::encode_message(&mut self.output, header, parts, self.encoder.chunk_size())
    }

    /// Writes a control message.
    pub(super) fn send_control(&mut self, control: Control) -> Result<(), Error> {
        if let Control::WindowAcknowledgementSize(window) = control {
            self.announced_window = window;
        }
        self.send(&control.encode())
    }

    /// Where the handshake writes.
    pub(super) fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    pub(super) fn take_output(&mut self) -> Bytes {
        // With its memory: a session that has nothing to say holds none for it.
        std::mem::take(&mut self.output).freeze()
    }

    /// Where in the connection the last chunk stands, its handshake counted.
    pub(super) fn position(&self) -> Position {
        let position = self.decoder.position();
        let before = match position.chunk_stream_id {
            Some(_) => handshake::BYTES,
            None => 0,
        };
        Position {
            byte_offset: position.byte_offset.saturating_add(before),
            ..position
        }
    }

    fn check_output(&self) -> Result<(), Error> {
        if self.output.len() > self.max_output {
            return Err(Limit::OutputBytes(self.max_output).into());
        }
        Ok(())
    }

    fn obey(&mut self, control: Control) -> Result<(), Error> {
        match control {
            Control::WindowAcknowledgementSize(window) => self.acknowledger.set_window(window),
            // The answer that the standard asks for, only where it says something new (§5.4.5).
            Control::SetPeerBandwidth { window, .. } if window != self.announced_window => {
                return self.send_control(Control::WindowAcknowledgementSize(window));
            }
            Control::UserControl(UserControl::PingRequest(value)) => {
                return self.send_control(Control::UserControl(UserControl::PingResponse(value)));
            }
            // Nothing is paced by acknowledgements, TCP does that; the rest is for players and recordings.
            _ => {}
        }
        Ok(())
    }
}
