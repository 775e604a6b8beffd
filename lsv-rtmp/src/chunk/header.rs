//! The headers of a chunk as they stand on the wire (RTMP 1.0 §5.3.1).

#![warn(clippy::arithmetic_side_effects)]

use super::EXTENDED_TIMESTAMP;
use crate::message::MessageType;

/// A message header; a chunk's type says which fields it leaves out (RTMP 1.0 §5.3.1.2).
#[derive(Default)]
pub(super) struct MessageHeader {
    /// Absolute in a type-0 chunk, else what to add; and whether it has the extended form.
    pub(super) timestamp: Option<(u32, Extended)>,
    pub(super) length_and_type: Option<(usize, MessageType)>,
    pub(super) stream_id: Option<u32>,
}

type Extended = bool;

/// Chunk type and chunk stream (RTMP 1.0 §5.3.1.1); `None` where bytes are missing.
pub(super) fn basic(cursor: &mut &[u8]) -> Option<(u8, u32)> {
    let [first] = take(cursor)?;
    let id = match first & 0x3F {
        0 => u32::from(u8::from_le_bytes(take(cursor)?)).saturating_add(64),
        1 => u32::from(u16::from_le_bytes(take(cursor)?)).saturating_add(64),
        id => u32::from(id),
    };
    Some((first >> 6, id))
}

/// What follows it in a chunk of type 0, 1 or 2; `None` where bytes are missing.
pub(super) fn message(cursor: &mut &[u8], format: u8) -> Option<MessageHeader> {
    let mut header = MessageHeader::default();
    let mut timestamp = u24(take(cursor)?);
    if format <= 1 {
        let length = u24(take(cursor)?);
        let [type_id] = take(cursor)?;
        header.length_and_type = Some((usize::try_from(length).ok()?, MessageType(type_id)));
    }
    if format == 0 {
        header.stream_id = Some(u32::from_le_bytes(take(cursor)?));
    }
    let extended = timestamp == EXTENDED_TIMESTAMP;
    if extended {
        timestamp = u32::from_be_bytes(take(cursor)?);
    }
    header.timestamp = Some((timestamp, extended));
    Some(header)
}

fn u24([high, middle, low]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, high, middle, low])
}

fn take<const LENGTH: usize>(cursor: &mut &[u8]) -> Option<[u8; LENGTH]> {
    let (taken, rest) = cursor.split_first_chunk()?;
    *cursor = rest;
    Some(*taken)
}
