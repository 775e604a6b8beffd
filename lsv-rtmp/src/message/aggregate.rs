//! Aggregate messages: several messages in the layout of FLV tags (RTMP 1.0 §7.1.6).

use bytes::{Buf, Bytes};

use super::{Message, MessageType};
use crate::error::{Error, InvalidMessage};

/// Hands out the messages inside an aggregate one at a time.
#[derive(Clone, Debug)]
pub struct Aggregate {
    outer: Message,
    rest: Bytes,
    /// Timestamp of the aggregate minus that of its first message, modulo 2^32.
    offset: Option<u32>,
}

impl Aggregate {
    /// Opens `message`, which is of type 22.
    pub fn new(message: Message) -> Self {
        Self {
            rest: message.payload.clone(),
            outer: message,
            offset: None,
        }
    }

    /// The next message inside, or `None` after the last. Each payload is a copy of its own: a slice would keep the whole
    /// aggregate in memory for as long as one small frame of it is.
    ///
    /// # Errors
    /// [`InvalidMessage`] where the layout is broken.
    #[expect(
        clippy::should_implement_trait,
        reason = "fallible, so no Iterator; the name follows the decoders"
    )]
    pub fn next(&mut self) -> Result<Option<Message>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let too_short = InvalidMessage::TooShort {
            message_type: MessageType::AGGREGATE,
            length: self.outer.payload.len(),
        };
        let Some((&[kind, l2, l1, l0, t2, t1, t0, t3, _, _, _], rest)) =
            self.rest.split_first_chunk::<HEADER>()
        else {
            return Err(too_short.into());
        };
        let length = usize::try_from(u32::from_be_bytes([0, l2, l1, l0])).unwrap_or(usize::MAX);
        if rest.len() < length {
            return Err(too_short.into());
        }
        let type_id = MessageType(kind);
        if type_id == MessageType::AGGREGATE {
            return Err(InvalidMessage::NestedAggregate.into());
        }
        let timestamp = u32::from_be_bytes([t3, t2, t1, t0]);
        let start = self.outer.timestamp;
        let offset = *self
            .offset
            .get_or_insert_with(|| start.wrapping_sub(timestamp));

        self.rest.advance(HEADER);
        let payload = Bytes::copy_from_slice(&self.rest.split_to(length));
        // Some senders leave the last back pointer out.
        self.rest.advance(BACK_POINTER.min(self.rest.len()));
        Ok(Some(Message {
            chunk_stream_id: self.outer.chunk_stream_id,
            timestamp: timestamp.wrapping_add(offset),
            type_id,
            stream_id: self.outer.stream_id,
            payload,
        }))
    }
}

/// Type, length, timestamp and stream id, in bytes.
const HEADER: usize = 11;

/// Length of the message before, in bytes.
const BACK_POINTER: usize = 4;
