//! Command messages: a call, or the answer to one (RTMP 1.0 §7.1.1, §7.2).

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{Message, MessageType, check_length};
use crate::{
    Limits,
    amf0::{self, Value},
    chunk,
    error::{Error, InvalidMessage},
};

/// A command with its arguments.
///
/// [`fmt::Debug`] leaves the arguments out: they carry credentials.
#[derive(Clone, PartialEq)]
pub struct Command {
    /// Its name, such as `connect` or `_result`.
    pub name: String,
    /// Pairs an answer with its call; 0 where none is expected.
    pub transaction_id: f64,
    /// The command object, null where there is none.
    pub object: Value,
    /// What follows it.
    pub arguments: Vec<Value>,
}

impl Command {
    /// A command without arguments.
    pub fn new(name: &str, transaction_id: f64) -> Self {
        Self {
            name: name.to_owned(),
            transaction_id,
            object: Value::Null,
            arguments: Vec::new(),
        }
    }

    /// The same command with another command object.
    #[must_use]
    pub fn object(mut self, object: impl Into<Value>) -> Self {
        self.object = object.into();
        self
    }

    /// The same command with one more argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<Value>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Reads a command; `None` where `message` is of another kind. Both framings are accepted, AMF0 (type 20) and
    /// AMF3 (type 17, whose content is AMF0 behind a zero byte).
    ///
    /// # Errors
    /// Those of [`amf0::Decoder::next`], [`Limit::CommandBytes`](crate::error::Limit::CommandBytes), and
    /// [`InvalidMessage::Command`] where there is no name.
    pub fn decode(message: &Message, limits: &Limits) -> Result<Option<Self>, Error> {
        let (MessageType::COMMAND | MessageType::COMMAND_AMF3) = message.type_id else {
            return Ok(None);
        };
        let body = message.amf();
        check_length(&body, limits)?;
        let mut decoder = amf0::Decoder::new(&body, limits);
        let Some(Value::String(name)) = decoder.next()? else {
            return Err(InvalidMessage::Command {
                command: "(any)",
                field: "a name",
            }
            .into());
        };
        // Some encoders end FCUnpublish and the like after the name.
        let transaction_id = decoder.next()?.and_then(|id| id.as_number()).unwrap_or(0.0);
        let object = decoder.next()?.unwrap_or(Value::Null);
        let mut arguments = Vec::new();
        while let Some(argument) = decoder.next()? {
            arguments.push(argument);
        }
        Ok(Some(Self {
            name,
            transaction_id,
            object,
            arguments,
        }))
    }

    /// The message that carries it, in AMF0.
    pub fn encode(&self, stream_id: u32) -> Message {
        let mut body = BytesMut::with_capacity(256);
        amf0::encode(&Value::from(self.name.as_str()), &mut body);
        amf0::encode(&Value::Number(self.transaction_id), &mut body);
        amf0::encode(&self.object, &mut body);
        amf0::encode_all(&self.arguments, &mut body);
        Message {
            chunk_stream_id: if stream_id == 0 {
                chunk::id::COMMAND
            } else {
                chunk::id::STATUS
            },
            timestamp: 0,
            type_id: MessageType::COMMAND,
            stream_id,
            payload: Bytes::from(body),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("name", &self.name)
            .field("transaction_id", &self.transaction_id)
            .finish_non_exhaustive()
    }
}
