//! The headers of a chunk as they stand on the wire (RTMP 1.0 §5.3.1).

#![warn(clippy::arithmetic_side_effects)]

use bytes::Buf;

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
#[inline]
pub(super) fn basic(cursor: &mut &[u8]) -> Option<(u8, u32)> {
    let first = cursor.try_get_u8().ok()?;
    let id = match first & 0x3F {
        0 => u32::from(cursor.try_get_u8().ok()?).saturating_add(64),
        1 => u32::from(cursor.try_get_u16_le().ok()?).saturating_add(64),
        id => u32::from(id),
    };
    Some((first >> 6, id))
}

/// What follows it in a chunk of type 0, 1 or 2; `None` where bytes are missing.
#[inline]
pub(super) fn message(cursor: &mut &[u8], format: u8) -> Option<MessageHeader> {
    let mut header = MessageHeader::default();
    let mut timestamp = u24(cursor)?;
    if format <= 1 {
        let length = usize::try_from(u24(cursor)?).ok()?;
        header.length_and_type = Some((length, MessageType(cursor.try_get_u8().ok()?)));
    }
    if format == 0 {
        header.stream_id = Some(cursor.try_get_u32_le().ok()?);
    }
    let extended = timestamp == EXTENDED_TIMESTAMP;
    if extended {
        timestamp = cursor.try_get_u32().ok()?;
    }
    header.timestamp = Some((timestamp, extended));
    Some(header)
}

fn u24(cursor: &mut &[u8]) -> Option<u32> {
    let (bytes, rest) = cursor.split_first_chunk::<3>()?;
    *cursor = rest;
    let [high, middle, low] = *bytes;
    Some(u32::from_be_bytes([0, high, middle, low]))
}
