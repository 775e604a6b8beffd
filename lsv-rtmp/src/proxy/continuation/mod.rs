//! What a back end says, made to follow on what its client has been told already.

use bytes::BytesMut;

use super::sniffer::{Promise, PromiseKind, number};
use crate::{
    Limits,
    amf0::{Object, Value},
    chunk,
    error::Error,
    message::{Command, Control, Message},
    session::Purpose,
};

/// Passes a back end's messages on to a client whose `connect` and the like were answered by the proxy.
///
/// Answers that the client has had are dropped, by their transaction; everything else goes on in order, each message
/// with a full header, in chunks of the size that the back end announces. So the client's chunk state stays right
/// whatever the back end's was, and at no time has the client received less than the back end has sent: windows that
/// the back end asks to have acknowledged are.
#[derive(Debug)]
pub struct Continuation {
    limits: Limits,
    decoder: chunk::Decoder,
    encoder: chunk::Encoder,
    purpose: Purpose,
    /// Answers that the back end still owes, and the client has had.
    promises: Vec<Promise>,
    /// The message stream that the client was given last.
    stream_id: u32,
}

/// How a back end fails a client that was told that all is well. The client is told.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BackEndFault {
    /// It broke the protocol or a limit.
    #[error("the back end: {0}")]
    Session(#[from] Error),
    /// It refuses the connection, or a stream on it.
    #[error("the back end refuses the client: {0}")]
    Refused(String),
    /// It numbers its streams in a way that the proxy could not foresee.
    #[error(
        "the back end calls message stream {promised} by the number {given}; put it behind a proxy that only carries bytes"
    )]
    StreamNumber {
        /// What the client was told.
        promised: f64,
        /// What the back end says.
        given: f64,
    },
}

impl Continuation {
    pub(super) fn new(purpose: Purpose, promises: Vec<Promise>) -> Self {
        // A back end is trusted further than a client; what it sends is held for one message at a time.
        let limits = Limits {
            message_bytes: chunk::MAX_MESSAGE_BYTES,
            partial_bytes: 2 * chunk::MAX_MESSAGE_BYTES,
            ..Limits::default()
        };
        let stream = promises
            .iter()
            .rev()
            .find_map(|promise| match promise.kind {
                // A saturating cast: message stream ids are small whole numbers.
                PromiseKind::Stream(number) => Some(number as u32),
                _ => None,
            });
        Self {
            decoder: chunk::Decoder::new(&limits),
            encoder: chunk::Encoder::new(),
            limits,
            purpose,
            promises,
            stream_id: stream.unwrap_or(1),
        }
    }

    /// Takes what it can from `input`, which came from the back end after its handshake, and appends to `output` what
    /// the client is to get.
    ///
    /// # Errors
    /// [`BackEndFault`]. Write the output, which tells the client, and close both connections.
    pub fn pass(
        &mut self,
        input: &mut BytesMut,
        output: &mut BytesMut,
    ) -> Result<(), BackEndFault> {
        loop {
            match self.pass_one(input, output) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(fault) => {
                    self.tell(&fault, output)?;
                    return Err(fault);
                }
            }
        }
    }

    fn pass_one(
        &mut self,
        input: &mut BytesMut,
        output: &mut BytesMut,
    ) -> Result<bool, BackEndFault> {
        let Some(message) = self.decoder.next(input)? else {
            return Ok(false);
        };
        self.follow_chunk_size(output)?;
        if !self.was_promised(&message)? {
            self.encoder.write(&message, output)?;
        }
        Ok(true)
    }

    /// Announces the chunk size that the back end has announced, which the decoder obeys and keeps to itself.
    fn follow_chunk_size(&mut self, output: &mut BytesMut) -> Result<(), Error> {
        let size = u32::try_from(self.decoder.chunk_size()).unwrap_or(u32::MAX);
        if size != self.encoder.chunk_size() {
            let announcement = Control::SetChunkSize(size).encode();
            self.encoder.write(&announcement, output)?;
        }
        Ok(())
    }

    /// Whether the client has had this message from the proxy.
    fn was_promised(&mut self, message: &Message) -> Result<bool, BackEndFault> {
        if self.promises.is_empty() {
            return Ok(false);
        }
        let Some(answer) = Command::decode(message, &self.limits)? else {
            return Ok(false);
        };
        let is_error = answer.name == "_error";
        if answer.name == "onStatus" && !is_level_error(&answer) {
            // The stream has started. What was not answered by now never is; its number may be used again.
            self.promises.clear();
        }
        if !is_error && answer.name != "_result" {
            return Ok(false);
        }
        let kept = self
            .promises
            .iter()
            .position(|promise| promise.transaction_id == answer.transaction_id);
        let Some(promise) = kept.map(|index| self.promises.remove(index)) else {
            return Ok(false);
        };
        match promise.kind {
            PromiseKind::Courtesy => Ok(true),
            _ if is_error => Err(BackEndFault::Refused(description(&answer))),
            PromiseKind::Stream(promised) => match number(&answer) {
                Some(given) if given != promised => {
                    Err(BackEndFault::StreamNumber { promised, given })
                }
                _ => Ok(true),
            },
            PromiseKind::Connected => Ok(true),
        }
    }

    /// The status that ends a client's stream with an error.
    fn tell(&mut self, fault: &BackEndFault, output: &mut BytesMut) -> Result<(), Error> {
        let code = match self.purpose {
            Purpose::Publish => "NetStream.Publish.Denied",
            Purpose::Play => "NetStream.Play.Failed",
        };
        let information = Object::new()
            .with("level", "error")
            .with("code", code)
            .with("description", fault.to_string());
        let status = Command::new("onStatus", 0.0).argument(information);
        self.encoder.write(&status.encode(self.stream_id), output)
    }
}

fn is_level_error(status: &Command) -> bool {
    text(status, "level") == Some("error")
}

fn description(error: &Command) -> String {
    let said = text(error, "description").or_else(|| text(error, "code"));
    let said = said.unwrap_or("no reason given").chars();
    // One line, not too long, is enough for anybody.
    said.filter(|c| !c.is_control()).take(200).collect()
}

/// A property of the information object, wherever it stands among the arguments.
fn text<'a>(command: &'a Command, name: &str) -> Option<&'a str> {
    let mut objects = command.arguments.iter().rev();
    objects.find_map(|value| value.property(name).and_then(Value::as_str))
}

#[cfg(test)]
mod tests;
