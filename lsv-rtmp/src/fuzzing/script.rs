//! What the op sequences of both session targets share: bytes read as a script, and the other end's view of the output.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::{
    Budget, Limits,
    chunk::{self, Encoder, Position},
    handshake,
    message::{Command, Control, Message, MessageType, UserControl},
};

/// Any bytes as a sequence of numbers; zeros after the end.
pub(super) struct Script<'a>(pub(super) &'a [u8]);

impl<'a> Script<'a> {
    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn number(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// A length and so many bytes.
    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.number()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }
}

/// Everything around a session: its clock, its input, and a decoder for what it says.
pub(super) struct World {
    pub(super) now: Instant,
    pub(super) input: BytesMut,
    pub(super) budget: Budget,
    limits: Limits,
    encoder: Encoder,
    decoder: chunk::Decoder,
    heard: BytesMut,
    /// Bytes of the session's handshake that have not been heard.
    handshake: usize,
    fed: u64,
    position: Position,
}

impl World {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            now: Instant::now(),
            input: BytesMut::new(),
            budget: Budget::new(limits.partial_bytes),
            limits,
            encoder: Encoder::new(),
            decoder: chunk::Decoder::new(&Limits::default()),
            heard: BytesMut::new(),
            handshake: handshake::BYTES as usize,
            fed: 0,
            position: Position::default(),
        }
    }

    pub(super) fn pass(&mut self, tenths: u8) {
        self.now += Duration::from_millis(100) * u32::from(tenths);
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.fed += bytes.len() as u64;
    }

    pub(super) fn feed_message(&mut self, message: &Message) {
        let before = self.input.len();
        // Fails only for a message above 16 MiB, which no script holds.
        self.encoder
            .write(message, &mut self.input)
            .unwrap_or_else(|error| panic!("{error}"));
        self.fed += (self.input.len() - before) as u64;
    }

    pub(super) fn feed_command(&mut self, stream_id: u32, command: &Command) {
        self.feed_message(&command.encode(stream_id));
    }

    /// Media, control messages and an aggregate, as the script says.
    pub(super) fn feed_other(&mut self, script: &mut Script<'_>) {
        let message = match script.number() % 8 {
            0 => Control::UserControl(UserControl::PingRequest(7)).encode(),
            1 => Control::SetChunkSize(u32::from(script.number())).encode(),
            2 => Control::WindowAcknowledgementSize(u32::from(script.number())).encode(),
            3 => Control::Abort(u32::from(script.number())).encode(),
            kind => {
                let type_id = match kind {
                    4 => MessageType::AUDIO,
                    5 => MessageType::VIDEO,
                    6 => MessageType::DATA,
                    _ => MessageType::AGGREGATE,
                };
                Message {
                    chunk_stream_id: 3 + u32::from(script.number() % 16),
                    timestamp: u32::from(script.number()) << 20,
                    type_id,
                    stream_id: 1,
                    payload: Bytes::copy_from_slice(script.bytes()),
                }
            }
        };
        self.feed_message(&message);
    }

    /// The output is whole messages that can be read, whatever was called before and in which order.
    pub(super) fn hear(&mut self, output: &[u8]) {
        let of_handshake = output.len().min(self.handshake);
        self.handshake -= of_handshake;
        self.heard
            .extend_from_slice(output.get(of_handshake..).unwrap_or_default());
        loop {
            match self.decoder.next(&mut self.heard) {
                Ok(Some(message)) => {
                    let control = Control::decode(&message);
                    let command = Command::decode(&message, &Limits::default());
                    assert!(
                        control.is_ok() && command.is_ok(),
                        "{message:?}: {control:?} {command:?}"
                    );
                }
                Ok(None) => break,
                Err(error) => panic!("the output cannot be read: {error}"),
            }
        }
        assert!(self.heard.is_empty(), "half a chunk header was written");
        assert_eq!(
            self.decoder.partial_bytes(),
            0,
            "half a message was written"
        );
    }

    /// What must hold after every step.
    pub(super) fn check(&mut self, position: Position) {
        assert!(self.budget.used() <= self.limits.partial_bytes);
        assert!(position.byte_offset >= self.position.byte_offset);
        assert!(
            position.byte_offset <= self.fed,
            "{position:?} of {}",
            self.fed
        );
        self.position = position;
    }
}
