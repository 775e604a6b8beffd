//! What a decoder remembers of each chunk stream.

#![warn(clippy::arithmetic_side_effects)]

use bytes::Buf;

use super::header::MessageHeader;
use crate::{error::PeerMisbehaved, message::MessageType};

/// What later headers of a chunk stream refer to, and the message that is under way on it.
#[derive(Debug)]
pub(super) struct ChunkStream {
    pub(super) id: u32,
    pub(super) timestamp: u32,
    /// Value of the last timestamp field: what a type-3 chunk that opens a message adds.
    delta: u32,
    /// Whether that field was in the extended form, which type-3 chunks then repeat.
    extended: bool,
    pub(super) length: usize,
    pub(super) type_id: MessageType,
    pub(super) stream_id: u32,
    pub(super) partial: Option<Vec<u8>>,
}

impl ChunkStream {
    pub(super) fn new(id: u32) -> Self {
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

    pub(super) fn open_message(&mut self, format: u8, header: &MessageHeader) {
        if let Some((value, extended)) = header.timestamp {
            self.delta = value;
            self.extended = extended;
        }
        if let Some((length, type_id)) = header.length_and_type {
            self.length = length;
            self.type_id = type_id;
        }
        if let Some(stream_id) = header.stream_id {
            self.stream_id = stream_id;
        }
        // After a type-0 chunk `delta` is its absolute timestamp, and a type-3 chunk adds that (RTMP 1.0 §5.3.1.2.4).
        self.timestamp = match format {
            0 => self.delta,
            _ => self.timestamp.wrapping_add(self.delta),
        };
        self.partial = Some(Vec::new());
    }

    /// Bytes of the message under way that have not come.
    pub(super) fn missing(&self) -> usize {
        let received = self.partial.as_ref().map_or(0, Vec::len);
        self.length.saturating_sub(received)
    }

    /// The header of a chunk that goes on with the message, where that is one byte and no question.
    pub(super) fn continuation(&self) -> Option<u8> {
        let id = u8::try_from(self.id).ok().filter(|id| *id < 64)?;
        (!self.extended).then_some(0xC0 | id)
    }

    /// Skips the extended timestamp of a type-3 chunk where the sender repeats it; `None` where more bytes must tell.
    ///
    /// The standard asks for it (RTMP 1.0 §5.3.1.3) and FFmpeg and librtmp send it; older Flash encoders do not. What
    /// tells them apart is whether the next four bytes are that timestamp; a payload that happens to hold it is one in
    /// 2^32.
    pub(super) fn skip_repeated_timestamp(&self, cursor: &mut &[u8]) -> Option<()> {
        if !self.extended {
            return Some(());
        }
        let expected = self.delta.to_be_bytes();
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
}

/// Refuses a header that means nothing where it stands.
pub(super) fn refuse_out_of_order(
    format: u8,
    chunk_stream_id: u32,
    stream: Option<&ChunkStream>,
) -> Result<(), PeerMisbehaved> {
    match stream {
        // librtmp opens chunk stream 2 with a type-1 chunk when it answers a ping, so only 2 and 3 are refused.
        None if format >= 2 => Err(PeerMisbehaved::NoEarlierHeader {
            chunk_stream_id,
            format,
        }),
        // Reading on would mix two messages, starting over would lose one silently: no known encoder does this.
        Some(ChunkStream {
            partial: Some(partial),
            length,
            ..
        }) if format != 3 => Err(PeerMisbehaved::HeaderInsideMessage {
            chunk_stream_id,
            format,
            received: partial.len(),
            length: *length,
        }),
        _ => Ok(()),
    }
}
