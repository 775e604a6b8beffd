//! Chunks to messages.

#![warn(clippy::arithmetic_side_effects)]

use bytes::{Buf, Bytes, BytesMut};

use super::{
    DEFAULT_CHUNK_SIZE, MAX_MESSAGE_BYTES,
    header::{self, MessageHeader},
    stream::{ChunkStream, refuse_out_of_order},
};
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
/// than 16 KiB has its allocation grow with what arrives, so announcing bytes costs nothing.
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
    /// Messages that acted on the decoder itself and that nobody has asked for yet.
    obeyed: u32,
    max_streams: usize,
    bounds: Bounds,
}

/// How long messages may be.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    message: usize,
    partial: usize,
    restriction: Option<Restriction>,
}

/// What holds beside them for a peer that nobody has accepted.
#[derive(Clone, Copy, Debug)]
struct Restriction {
    bytes: usize,
    /// Taken from the budget when it began, for unfinished messages that may be finished.
    left_over: usize,
}

/// Where in the bytes of a connection a chunk stands: what a message in a log needs, to be found in a recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Bytes between the end of the handshake and the first byte of the chunk's header.
    pub byte_offset: u64,
    /// The chunk stream; `None` before the first chunk.
    pub chunk_stream_id: Option<u32>,
}

/// What has not been used of the input.
struct Unread<'a> {
    bytes: &'a [u8],
    /// Where in the connection the byte after it will stand.
    end: u64,
}

/// Index of the chunk stream, and payload bytes of its chunk that have not come.
#[derive(Clone, Copy, Debug)]
struct Reading {
    stream: usize,
    left: usize,
}

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
            obeyed: 0,
            max_streams: limits.chunk_streams,
            bounds: Bounds {
                message: limits.message_bytes.min(MAX_MESSAGE_BYTES),
                partial: limits.partial_bytes,
                restriction: None,
            },
        }
    }

    /// Lets each message that begins from here on, and all of these that are unfinished together, have at most so many
    /// bytes, and does not take them from the budget; `None` goes back to the limits and the budget that the decoder was
    /// made with.
    pub(crate) fn restrict(&mut self, bytes: Option<usize>) {
        self.bounds.restriction = bytes.map(|bytes| Restriction {
            bytes,
            left_over: self.share.bytes(),
        });
    }

    /// How many Set Chunk Size and Abort messages came since the last call.
    pub(crate) fn take_obeyed(&mut self) -> u32 {
        std::mem::take(&mut self.obeyed)
    }

    /// The next message, or `None` where more bytes are needed. Takes from `input` what it has used.
    ///
    /// # Errors
    /// [`PeerMisbehaved`], [`Limit`], or a broken Set Chunk Size or Abort. There is no way to go on after an error.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Message>, Error> {
        let mut unread = Unread {
            bytes: input,
            end: self.bytes_received.saturating_add(to_u64(input.len())),
        };
        let result = self.decode(&mut unread);
        self.bytes_received = unread.offset();
        let taken = input.len().saturating_sub(unread.bytes.len());
        input.advance(taken);
        let shared = self.bounds.shared(self.partial_bytes);
        if result.is_ok() && self.share.bytes() != shared {
            self.share.resize(shared)?;
        }
        result
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

    fn decode(&mut self, unread: &mut Unread<'_>) -> Result<Option<Message>, Error> {
        loop {
            if self.reading.is_none() && !self.begin_chunk(unread)? {
                return Ok(None);
            }
            let Some(message) = self.read_payload(unread)? else {
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

    /// Takes a chunk header over into the state of its chunk stream, and opens a message where it begins one. False
    /// where bytes are missing; then nothing is taken.
    fn begin_chunk(&mut self, unread: &mut Unread<'_>) -> Result<bool, Error> {
        let mut cursor = unread.bytes;
        let Some((format, id)) = header::basic(&mut cursor) else {
            return Ok(false);
        };
        self.position = Position {
            byte_offset: unread.offset(),
            chunk_stream_id: Some(id),
        };
        let known = self.streams.iter().position(|stream| stream.id == id);
        let stream = known.and_then(|index| self.streams.get(index));
        refuse_out_of_order(format, id, stream)?;
        let message_header = match (format, stream) {
            (3, Some(stream)) => stream
                .skip_repeated_timestamp(&mut cursor)
                .map(|()| MessageHeader::default()),
            _ => header::message(&mut cursor, format),
        };
        let Some(message_header) = message_header else {
            return Ok(false);
        };
        if let Some((announced, _)) = message_header.length_and_type {
            self.bounds.check_message(announced)?;
        }
        let index = match known {
            Some(index) => index,
            None => self.open_chunk_stream(id)?,
        };
        if let Some(stream) = self.streams.get_mut(index) {
            if stream.partial.is_none() {
                stream.open_message(format, &message_header);
            }
            self.reading = Some(Reading {
                stream: index,
                left: stream.missing().min(self.chunk_size),
            });
        }
        unread.bytes = cursor;
        Ok(true)
    }

    fn open_chunk_stream(&mut self, id: u32) -> Result<usize, Error> {
        let index = self.streams.len();
        if index >= self.max_streams {
            return Err(Limit::ChunkStreams(self.max_streams).into());
        }
        self.streams.push(ChunkStream::new(id));
        Ok(index)
    }

    /// Moves payload to the message that it belongs to, and returns that where it is whole.
    ///
    /// Chunks that go on with the same message are read here as well: most encoders send nothing in between, and with
    /// chunks of 128 bytes their headers are most of the work.
    fn read_payload(&mut self, unread: &mut Unread<'_>) -> Result<Option<Message>, Error> {
        let Some(reading) = self.reading.take() else {
            return Ok(None);
        };
        let Some(stream) = self.streams.get_mut(reading.stream) else {
            return Ok(None);
        };
        let continuation = stream.continuation();
        let partial = stream.partial.get_or_insert_default();
        let mut left = reading.left;
        loop {
            let now = unread.take(left);
            let needed = partial.len().saturating_add(now.len());
            if needed > partial.capacity() {
                let wanted = allocation(needed, stream.length);
                let others = self.partial_bytes.saturating_sub(partial.capacity());
                self.bounds.check_partial(others.saturating_add(wanted))?;
                grow(partial, wanted);
                self.partial_bytes = others.saturating_add(partial.capacity());
            }
            partial.extend_from_slice(now);
            left = left.saturating_sub(now.len());
            if left > 0 {
                self.reading = Some(Reading { left, ..reading });
                return Ok(None);
            }
            let missing = stream.length.saturating_sub(partial.len());
            if missing == 0 {
                break;
            }
            match unread.bytes.first() {
                Some(first) if Some(*first) == continuation => {}
                _ => return Ok(None),
            }
            self.position.byte_offset = unread.offset();
            unread.take(1);
            left = missing.min(self.chunk_size);
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
        self.obeyed = self.obeyed.saturating_add(1);
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

impl Bounds {
    fn check_message(self, announced: usize) -> Result<(), Limit> {
        if announced > self.message {
            return Err(Limit::MessageBytes {
                announced,
                limit: self.message,
            });
        }
        match self.restriction {
            Some(Restriction { bytes, .. }) if announced > bytes => {
                Err(Limit::BytesBeforePublish(bytes))
            }
            _ => Ok(()),
        }
    }

    fn check_partial(self, bytes: usize) -> Result<(), Limit> {
        if bytes > self.partial {
            return Err(Limit::PartialBytes(self.partial));
        }
        match self.restriction {
            Some(of) if bytes > of.bytes.saturating_add(of.left_over) => {
                Err(Limit::BytesBeforePublish(of.bytes))
            }
            _ => Ok(()),
        }
    }

    /// How much of the bytes in unfinished messages is taken from the budget: under a restriction only what is left over
    /// from before it.
    fn shared(self, partial: usize) -> usize {
        let most = self.restriction.map_or(usize::MAX, |of| of.left_over);
        partial.min(most)
    }
}

impl<'a> Unread<'a> {
    /// Where in the connection its first byte stands.
    fn offset(&self) -> u64 {
        self.end.saturating_sub(to_u64(self.bytes.len()))
    }

    /// Takes `length` bytes, or all where there are fewer.
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }
}

/// What to allocate for `needed` bytes of a message of `length`, one of few sizes so that the limit does not depend on
/// how bytes were cut.
fn allocation(needed: usize, length: usize) -> usize {
    let mut size = FIRST_ALLOCATION;
    while size < needed {
        size = size.saturating_mul(GROWTH);
    }
    size.min(length)
}

/// Makes `partial` as large as `capacity`, without the detour of growing where there is nothing to keep.
fn grow(partial: &mut Vec<u8>, capacity: usize) {
    if partial.is_empty() {
        *partial = Vec::with_capacity(capacity);
    } else {
        partial.reserve_exact(capacity.saturating_sub(partial.len()));
    }
}

fn to_u64(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// What the first byte of a message may cost. Longer than most frames of 2 Mbit/s, and cheap to copy for those above.
const FIRST_ALLOCATION: usize = 16 << 10;

/// How much more than has come is allocated for a long message: copied when it grows is then a sixteenth of it.
const GROWTH: usize = 16;
