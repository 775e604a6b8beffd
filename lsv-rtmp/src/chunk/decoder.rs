//! Chunks to messages.

#![warn(clippy::arithmetic_side_effects)]

use bytes::{Buf, Bytes, BytesMut};

use super::{DEFAULT_CHUNK_SIZE, EXTENDED_TIMESTAMP, MAX_MESSAGE_BYTES};
use crate::{
    Budget, Limits,
    budget::Share,
    error::{Error, Limit, PeerMisbehaved},
    message::{Control, Message, MessageType},
};

/// Puts messages together from the bytes of one direction of a connection.
///
/// Payload bytes leave the caller's buffer as they come, also in the middle of a chunk, so that buffer never has to hold
/// more than a chunk header. Each is copied once into an allocation of exactly the message's length; a message longer
/// than 64 KiB has its allocation grow with what arrives, so announcing bytes costs nothing.
///
/// Set Chunk Size and Abort act on the decoder itself and are not handed out.
#[derive(Debug)]
pub struct Decoder {
    chunk_size: usize,
    streams: Vec<ChunkStream>,
    /// The chunk whose payload is being read.
    reading: Option<Reading>,
    /// Bytes allocated for unfinished messages, over all chunk streams.
    partial_bytes: usize,
    /// What of them is taken from the budget of the process; the same number between two calls.
    share: Share,
    bytes_received: u64,
    position: Position,
    max_message: usize,
    max_streams: usize,
    max_partial: usize,
}

/// Where in the bytes of a connection a chunk stands: what a message in a log needs, to be found in a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Bytes between the end of the handshake and the first byte of the chunk's header.
    pub byte_offset: u64,
    /// The chunk stream; `None` before the first chunk.
    pub chunk_stream_id: Option<u32>,
}

/// Index of the chunk stream, and payload bytes of its chunk that have not come.
#[derive(Clone, Copy, Debug)]
struct Reading {
    stream: usize,
    left: usize,
}

/// What later headers of a chunk stream refer to, and the message that is under way on it.
#[derive(Debug)]
struct ChunkStream {
    id: u32,
    timestamp: u32,
    /// Value of the last timestamp field: what a type-3 chunk that opens a message adds.
    delta: u32,
    /// Whether that field was in the extended form, which type-3 chunks then repeat.
    extended: bool,
    length: usize,
    type_id: MessageType,
    stream_id: u32,
    partial: Option<Vec<u8>>,
}

/// A chunk header as it stands on the wire.
struct Header {
    format: u8,
    chunk_stream_id: u32,
    /// Bytes that it takes.
    size: usize,
    fields: Fields,
}

/// The message header of a chunk, by what it leaves out (RTMP 1.0 §5.3.1.2).
#[derive(Default)]
struct Fields {
    timestamp: Option<(u32, Extended)>,
    length_and_type: Option<(usize, MessageType)>,
    stream_id: Option<u32>,
}

type Extended = bool;

impl Decoder {
    /// A decoder at the start of a connection, after the handshake.
    pub fn new(limits: &Limits) -> Self {
        Self::with_share(limits, Share::of(None))
    }

    /// The same, where what it holds between two calls of [`next`](Self::next) is taken from `budget`, and goes back as
    /// messages are finished and when the decoder is dropped.
    pub fn with_budget(limits: &Limits, budget: Budget) -> Self {
        Self::with_share(limits, Share::of(Some(budget)))
    }

    fn with_share(limits: &Limits, share: Share) -> Self {
        Self {
            chunk_size: to_usize(DEFAULT_CHUNK_SIZE),
            streams: Vec::new(),
            reading: None,
            partial_bytes: 0,
            share,
            bytes_received: 0,
            position: Position::default(),
            max_message: limits.message_bytes.min(MAX_MESSAGE_BYTES),
            max_streams: limits.chunk_streams,
            max_partial: limits.partial_bytes,
        }
    }

    /// The next message, or `None` where more bytes are needed. Takes from `input` what it has used.
    ///
    /// # Errors
    /// [`PeerMisbehaved`], [`Limit`], or a broken Set Chunk Size or Abort. There is no way to go on after an error.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Message>, Error> {
        let message = self.advance(input)?;
        if self.share.bytes() != self.partial_bytes {
            self.share.resize(self.partial_bytes)?;
        }
        Ok(message)
    }
    /// Payload bytes per chunk that the peer sends.
    pub fn chunk_size(&self) -> usize {
        self.chunk_size
    }

    /// Bytes allocated for messages that have not come whole.
    pub fn partial_bytes(&self) -> usize {
        self.partial_bytes
    }

    /// Bytes taken from the input so far: where in the connection, after its handshake, the next byte stands.
    pub fn bytes_received(&self) -> u64 {
        self.bytes_received
    }

    /// The chunk that was read last, or is being read. After a message it is the one that completed it, after an error
    /// the one that is at fault; how the bytes were cut makes no difference then.
    pub fn position(&self) -> Position {
        self.position
    }

    fn advance(&mut self, input: &mut BytesMut) -> Result<Option<Message>, Error> {
        loop {
            if self.reading.is_none() {
                let Some(header) = self.parse_header(input)? else {
                    return Ok(None);
                };
                self.begin_chunk(&header)?;
                input.advance(header.size);
                self.bytes_received = self.bytes_received.saturating_add(to_u64(header.size));
            }
            let Some(message) = self.read_payload(input)? else {
                if self.reading.is_some() {
                    return Ok(None);
                }
                continue;
            };
            match message.type_id {
                MessageType::SET_CHUNK_SIZE | MessageType::ABORT => self.obey(&message)?,
                _ => return Ok(Some(message)),
            }
        }
    }

    fn parse_header(&mut self, input: &[u8]) -> Result<Option<Header>, Error> {
        let mut cursor = input;
        let Some((format, chunk_stream_id)) = basic_header(&mut cursor) else {
            return Ok(None);
        };
        self.position = Position {
            byte_offset: self.bytes_received,
            chunk_stream_id: Some(chunk_stream_id),
        };
        let known = self
            .streams
            .iter()
            .find(|stream| stream.id == chunk_stream_id);
        if let Some(stream) = known
            && let Some(partial) = &stream.partial
            && format != 3
        {
            // Reading on would mix two messages, starting over would lose one silently: no known encoder does this.
            return Err(PeerMisbehaved::HeaderInsideMessage {
                chunk_stream_id,
                format,
                received: partial.len(),
                length: stream.length,
            }
            .into());
        }
        // librtmp opens chunk stream 2 with a type-1 chunk when it answers a ping, so only 2 and 3 are refused.
        if known.is_none() && format >= 2 {
            return Err(PeerMisbehaved::NoEarlierHeader {
                chunk_stream_id,
                format,
            }
            .into());
        }
        let fields = match format {
            3 => known
                .and_then(|stream| skip_repeated_timestamp(&mut cursor, stream))
                .map(|()| Fields::default()),
            _ => message_header(&mut cursor, format),
        };
        Ok(fields.map(|fields| Header {
            format,
            chunk_stream_id,
            size: input.len().saturating_sub(cursor.len()),
            fields,
        }))
    }

    /// Takes the header over into the chunk stream's state and opens a message where it begins one.
    fn begin_chunk(&mut self, header: &Header) -> Result<(), Error> {
        if let Some((length, _)) = header.fields.length_and_type
            && length > self.max_message
        {
            return Err(Limit::MessageBytes {
                announced: length,
                limit: self.max_message,
            }
            .into());
        }
        let known = self
            .streams
            .iter()
            .position(|stream| stream.id == header.chunk_stream_id);
        let index = match known {
            Some(index) => index,
            None if self.streams.len() >= self.max_streams => {
                return Err(Limit::ChunkStreams(self.max_streams).into());
            }
            None => {
                self.streams.push(ChunkStream::new(header.chunk_stream_id));
                self.streams.len().saturating_sub(1)
            }
        };
        let Some(stream) = self.streams.get_mut(index) else {
            return Ok(());
        };
        if stream.partial.is_none() {
            stream.open_message(header);
        }
        let received = stream.partial.as_ref().map_or(0, Vec::len);
        let left = stream.length.saturating_sub(received).min(self.chunk_size);
        self.reading = Some(Reading {
            stream: index,
            left,
        });
        Ok(())
    }

    /// Moves payload from `input` to the message that it belongs to, and returns that where it is whole now.
    fn read_payload(&mut self, input: &mut BytesMut) -> Result<Option<Message>, Error> {
        let Some(reading) = &mut self.reading else {
            return Ok(None);
        };
        let Some(stream) = self.streams.get_mut(reading.stream) else {
            return Ok(None);
        };
        let partial = stream.partial.get_or_insert_default();
        let take = reading.left.min(input.len());
        let before = partial.capacity();
        let needed = partial.len().saturating_add(take);
        if needed > before {
            // A power of two of what has come, so that the limit does not depend on how bytes were cut.
            let wanted = needed
                .next_power_of_two()
                .max(ALLOCATE_AT_ONCE)
                .min(stream.length);
            let others = self.partial_bytes.saturating_sub(before);
            if others.saturating_add(wanted) > self.max_partial {
                return Err(Limit::PartialBytes(self.max_partial).into());
            }
            partial.reserve_exact(wanted.saturating_sub(partial.len()));
            self.partial_bytes = others.saturating_add(partial.capacity());
        }
        partial.extend_from_slice(input.get(..take).unwrap_or_default());
        input.advance(take);
        self.bytes_received = self.bytes_received.saturating_add(to_u64(take));
        reading.left = reading.left.saturating_sub(take);
        if reading.left > 0 {
            return Ok(None);
        }
        self.reading = None;
        if partial.len() < stream.length {
            return Ok(None);
        }
        let payload = stream.partial.take().unwrap_or_default();
        self.partial_bytes = self.partial_bytes.saturating_sub(payload.capacity());
        Ok(Some(Message {
            chunk_stream_id: stream.id,
            timestamp: stream.timestamp,
            type_id: stream.type_id,
            stream_id: stream.stream_id,
            payload: Bytes::from(payload),
        }))
    }

    /// RTMP 1.0 §5.4.1 and §5.4.2.
    fn obey(&mut self, message: &Message) -> Result<(), Error> {
        match Control::decode(message)? {
            Some(Control::SetChunkSize(size @ 1..=0x7FFF_FFFF)) => self.chunk_size = to_usize(size),
            Some(Control::SetChunkSize(size)) => return Err(PeerMisbehaved::ChunkSize(size).into()),
            Some(Control::Abort(id)) => {
                let stream = self.streams.iter_mut().find(|stream| stream.id == id);
                if let Some(dropped) = stream.and_then(|stream| stream.partial.take()) {
                    self.partial_bytes = self.partial_bytes.saturating_sub(dropped.capacity());
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl ChunkStream {
    fn new(id: u32) -> Self {
        Self {
            id,
            timestamp: 0,
            delta: 0,
            extended: false,
            length: 0,
            type_id: MessageType(0),
            stream_id: 0,
            partial: None,
        }
    }

    fn open_message(&mut self, header: &Header) {
        if let Some((value, extended)) = header.fields.timestamp {
            self.delta = value;
            self.extended = extended;
        }
        if let Some((length, type_id)) = header.fields.length_and_type {
            self.length = length;
            self.type_id = type_id;
        }
        if let Some(stream_id) = header.fields.stream_id {
            self.stream_id = stream_id;
        }
        // After a type-0 chunk `delta` is its absolute timestamp, and a type-3 chunk adds that (RTMP 1.0 §5.3.1.2.4).
        self.timestamp = match header.format {
            0 => self.delta,
            _ => self.timestamp.wrapping_add(self.delta),
        };
        self.partial = Some(Vec::new());
    }
}

/// RTMP 1.0 §5.3.1.1; `None` where bytes are missing.
fn basic_header(cursor: &mut &[u8]) -> Option<(u8, u32)> {
    let first = cursor.try_get_u8().ok()?;
    let id = match first & 0x3F {
        0 => u32::from(cursor.try_get_u8().ok()?).saturating_add(64),
        1 => u32::from(cursor.try_get_u16_le().ok()?).saturating_add(64),
        id => u32::from(id),
    };
    Some((first >> 6, id))
}

/// The header of a type-0, 1 or 2 chunk (RTMP 1.0 §5.3.1.2); `None` where bytes are missing.
fn message_header(cursor: &mut &[u8], format: u8) -> Option<Fields> {
    let mut fields = Fields::default();
    let mut timestamp = get_u24(cursor)?;
    if format <= 1 {
        let length = to_usize(get_u24(cursor)?);
        fields.length_and_type = Some((length, MessageType(cursor.try_get_u8().ok()?)));
    }
    if format == 0 {
        fields.stream_id = Some(cursor.try_get_u32_le().ok()?);
    }
    let extended = timestamp == EXTENDED_TIMESTAMP;
    if extended {
        timestamp = cursor.try_get_u32().ok()?;
    }
    fields.timestamp = Some((timestamp, extended));
    Some(fields)
}

/// Skips the extended timestamp of a type-3 chunk where the sender repeats it; `None` where more bytes must tell.
///
/// The standard asks for it (RTMP 1.0 §5.3.1.3) and FFmpeg and librtmp send it; older Flash encoders do not. What tells
/// them apart is whether the next four bytes are that timestamp; a payload that happens to hold it is one in 2^32.
fn skip_repeated_timestamp(cursor: &mut &[u8], stream: &ChunkStream) -> Option<()> {
    if !stream.extended {
        return Some(());
    }
    let expected = stream.delta.to_be_bytes();
    let here = cursor
        .get(..expected.len().min(cursor.len()))
        .unwrap_or_default();
    if here == expected {
        cursor.advance(expected.len());
        return Some(());
    }
    // A first byte that differs decides without waiting for bytes that may never come.
    (!expected.starts_with(here)).then_some(())
}

fn get_u24(cursor: &mut &[u8]) -> Option<u32> {
    let value = cursor.try_get_uint(3).ok()?;
    u32::try_from(value).ok()
}

fn to_u64(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A message up to this length gets its memory at once: nearly all media frames, at a cost that a chunk stream may have.
const ALLOCATE_AT_ONCE: usize = 64 << 10;
