//! Messages to chunks.

#![warn(clippy::arithmetic_side_effects)]

use bytes::{BufMut, BytesMut};

use super::{DEFAULT_CHUNK_SIZE, EXTENDED_TIMESTAMP, MAX_MESSAGE_BYTES};
use crate::{
    error::{Error, Limit},
    message::{Control, Message, MessageType},
};

/// Writes messages with the chunk size in force.
///
/// A Set Chunk Size message that passes through takes effect from the next message on, so announcing and obeying cannot
/// come apart.
#[derive(Clone, Debug)]
pub struct Encoder {
    chunk_size: u32,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            chunk_size: DEFAULT_CHUNK_SIZE,
        }
    }
}

impl Encoder {
    /// An encoder at the start of a connection, with chunks of 128 bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Payload bytes per chunk in force.
    pub fn chunk_size(&self) -> u32 {
        self.chunk_size
    }

    /// Appends `message` to `out`.
    ///
    /// # Errors
    /// As [`encode_message`].
    pub fn write(&mut self, message: &Message, out: &mut BytesMut) -> Result<(), Error> {
        encode_message(
            out,
            &Header::of(message),
            &[&message.payload],
            self.chunk_size,
        )?;
        if message.type_id == MessageType::SET_CHUNK_SIZE
            && let Some(Control::SetChunkSize(size)) = Control::decode(message)?
        {
            self.chunk_size = size.max(1);
        }
        Ok(())
    }
}

/// Everything of a message but its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The chunk stream, 2 to 65,599; a number out of range is moved to the nearest in range. See [`id`](super::id).
    pub chunk_stream_id: u32,
    /// Milliseconds, modulo 2^32.
    pub timestamp: u32,
    /// What the payload is.
    pub type_id: MessageType,
    /// The message stream.
    pub stream_id: u32,
}

impl Header {
    /// The header of `message`.
    pub fn of(message: &Message) -> Self {
        Self {
            chunk_stream_id: message.chunk_stream_id,
            timestamp: message.timestamp,
            type_id: message.type_id,
            stream_id: message.stream_id,
        }
    }
}

/// Appends one message whose payload is `parts` end to end, cut into chunks of `chunk_size` bytes.
///
/// The first chunk is of type 0 and the others are of type 3, so the bytes mean the same after whatever was sent
/// before: they may go to any number of connections that use the same chunk size. A timestamp of 0xFFFFFF or more is
/// written in 32 bits in each chunk, as the standard says and librtmp and FFmpeg expect (RTMP 1.0 §5.3.1.3).
///
/// # Errors
/// [`Limit::MessageBytes`] for a payload above 16 MiB - 1; nothing is written then.
pub fn encode_message(
    out: &mut BytesMut,
    header: &Header,
    parts: &[&[u8]],
    chunk_size: u32,
) -> Result<(), Error> {
    let length = parts
        .iter()
        .fold(0_usize, |sum, part| sum.saturating_add(part.len()));
    let announced = match u32::try_from(length) {
        Ok(announced) if length <= MAX_MESSAGE_BYTES => announced,
        _ => {
            return Err(Limit::MessageBytes {
                announced: length,
                limit: MAX_MESSAGE_BYTES,
            }
            .into());
        }
    };
    let chunk_size = usize::try_from(chunk_size.max(1)).unwrap_or(usize::MAX);
    let (mut first, mut later) = ([0; 18], [0; 7]);
    let first = fill(&mut first, |out| {
        put_basic_header(out, 0, header.chunk_stream_id);
        out.put_uint(u64::from(header.timestamp.min(EXTENDED_TIMESTAMP)), 3);
        out.put_uint(u64::from(announced), 3);
        out.put_u8(header.type_id.0);
        out.put_u32_le(header.stream_id);
        put_extended_timestamp(out, header.timestamp);
    });
    let later = fill(&mut later, |out| {
        put_basic_header(out, 3, header.chunk_stream_id);
        put_extended_timestamp(out, header.timestamp);
    });
    let more_chunks = length
        .div_ceil(chunk_size)
        .saturating_sub(1)
        .saturating_mul(later.len());
    // No more than is needed: the bytes are often frozen and then kept as they are.
    out.reserve(
        length
            .saturating_add(first.len())
            .saturating_add(more_chunks),
    );

    out.put_slice(first);
    let mut room = chunk_size;
    for part in parts {
        let mut part = *part;
        while !part.is_empty() {
            if room == 0 {
                out.put_slice(later);
                room = chunk_size;
            }
            let (now, rest) = part.split_at(part.len().min(room));
            out.put_slice(now);
            room = room.saturating_sub(now.len());
            part = rest;
        }
    }
    Ok(())
}

/// The part of `buffer` that `put` has written; there must be room for it.
fn fill(buffer: &mut [u8], put: impl FnOnce(&mut &mut [u8])) -> &[u8] {
    let size = buffer.len();
    let mut rest = &mut *buffer;
    put(&mut rest);
    let written = size.saturating_sub(rest.len());
    buffer.get(..written).unwrap_or_default()
}

/// RTMP 1.0 §5.3.1.1.
fn put_basic_header(out: &mut impl BufMut, format: u8, chunk_stream_id: u32) {
    let format = format << 6;
    let above_one_byte = chunk_stream_id.saturating_sub(64);
    match chunk_stream_id {
        ..64 => out.put_u8(format | u8::try_from(chunk_stream_id.max(2)).unwrap_or(2)),
        64..320 => out.put_slice(&[format, u8::try_from(above_one_byte).unwrap_or(u8::MAX)]),
        _ => {
            out.put_u8(format | 1);
            out.put_u16_le(u16::try_from(above_one_byte).unwrap_or(u16::MAX));
        }
    }
}

/// RTMP 1.0 §5.3.1.3.
fn put_extended_timestamp(out: &mut impl BufMut, timestamp: u32) {
    if timestamp >= EXTENDED_TIMESTAMP {
        out.put_u32(timestamp);
    }
}
