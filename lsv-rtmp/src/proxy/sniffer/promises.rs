//! What the client has been told in the back end's stead, read from the very bytes that it was told in.

use bytes::BytesMut;

use crate::{Limits, amf0::Value, chunk, handshake, message::Command};

/// An answer to a call of the client.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::proxy) struct Promise {
    /// Which call.
    pub(in crate::proxy) transaction_id: f64,
    /// What was answered.
    pub(in crate::proxy) kind: PromiseKind,
}

/// What an answer commits the back end to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::proxy) enum PromiseKind {
    /// The connection stands: the answer to `connect`.
    Connected,
    /// There is a message stream of this number: the answer to `createStream`.
    Stream(f64),
    /// Nothing that matters, such as the answer to `releaseStream`.
    Courtesy,
}

/// Reads along with what is written to the client.
#[derive(Debug)]
pub(super) struct Promises {
    limits: Limits,
    /// Bytes of the handshake that are still to come.
    handshake: usize,
    decoder: chunk::Decoder,
    input: BytesMut,
    made: Vec<Promise>,
}

impl Promises {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            handshake: handshake::SERVER_BYTES,
            decoder: chunk::Decoder::new(limits),
            input: BytesMut::new(),
            made: Vec::new(),
        }
    }

    /// Takes in what is written to the client.
    pub(super) fn note(&mut self, output: &[u8]) {
        let skipped = self.handshake.min(output.len());
        self.handshake = self.handshake.saturating_sub(skipped);
        self.input
            .extend_from_slice(output.get(skipped..).unwrap_or_default());
        // Our own encoder wrote this: no error is possible, and one would only mean a promise less.
        while let Ok(Some(message)) = self.decoder.next(&mut self.input) {
            if let Ok(Some(command)) = Command::decode(&message, &self.limits)
                && command.name == "_result"
            {
                self.made.push(Promise::of(&command));
            }
        }
    }

    pub(super) fn all(&self) -> &[Promise] {
        &self.made
    }
}

impl Promise {
    fn of(result: &Command) -> Self {
        let kind = match number(result) {
            // Streams are numbered from 1; 0 is the length of one, which nobody depends on.
            Some(number) if number > 0.0 => PromiseKind::Stream(number),
            _ if result
                .arguments
                .iter()
                .any(|value| value.as_object().is_some()) =>
            {
                PromiseKind::Connected
            }
            _ => PromiseKind::Courtesy,
        };
        Self {
            transaction_id: result.transaction_id,
            kind,
        }
    }
}

/// The number that an answer carries.
pub(in crate::proxy) fn number(result: &Command) -> Option<f64> {
    result.arguments.first().and_then(Value::as_number)
}
