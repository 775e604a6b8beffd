//! Reading FLV from a byte stream, tag by tag.

use bytes::{Buf, Bytes, BytesMut};
use lsv_core::media::Kind;
use lsv_core::wire::{Reader, Truncated};

use super::{TAG_AUDIO, TAG_HEADER_BYTES, TAG_SCRIPT, TAG_VIDEO};

/// How much a [`Demuxer`] takes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// The longest tag body in bytes, 8 MiB unless set: it stops a writer that would fill the memory with one tag.
    pub max_tag_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_tag_bytes: 8 * 1024 * 1024,
        }
    }
}

/// One tag of an FLV stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Audio, video or script data.
    pub kind: Kind,
    /// Milliseconds on a clock of 32 bits that wraps; see [`lsv_core::time::Unwrapper`].
    pub timestamp: u32,
    /// The body, in memory of its own and exactly its size; [`lsv_core::tag::Parser`] reads it.
    pub body: Bytes,
}

/// Input that is not FLV, or not FLV that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("FLV stream at byte {offset}: {reason}")]
pub struct DemuxError {
    /// Where in the stream the header or tag starts that cannot be taken.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong at a place of an FLV stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The stream does not open with `FLV` and version 1.
    #[error("no FLV header of version 1")]
    NotFlv,
    /// The file header says that it has an impossible length.
    #[error("a file header of {0} bytes")]
    HeaderLength(u32),
    /// A tag that is neither audio, video nor script data; often the sign of a lost byte before it.
    #[error("a tag of the unknown type {0:#04x}")]
    TagType(u8),
    /// A tag whose body is encrypted (§F.3).
    #[error("an encrypted tag; send it in the clear")]
    Encrypted,
    /// A tag with a longer body than [`Limits::max_tag_bytes`].
    #[error("a tag body of {size} bytes; at most {limit} are taken")]
    TagTooLong {
        /// The length in bytes that the tag announces.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

/// Reads the tags of one FLV stream from a buffer that the caller fills.
///
/// There is no search for the next good tag after an error: the stream is over, and the error comes again.
#[derive(Debug)]
pub struct Demuxer {
    limits: Limits,
    opened: bool,
    offset: u64,
}

impl Demuxer {
    /// A demuxer at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            opened: false,
            offset: 0,
        }
    }

    /// Takes the next tag from the front of `input`; `None` when it has not come in full yet.
    ///
    /// A tag comes out as soon as its last byte is there. `PreviousTagSize` fields are passed over unread: many
    /// writers get them wrong, and no reader needs them.
    ///
    /// # Errors
    /// [`DemuxError`] at the first byte sequence that no FLV stream has.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Tag>, DemuxError> {
        if !self.opened && !self.open(input)? {
            return Ok(None);
        }
        let Ok(head) = TagHeader::parse(input) else {
            return Ok(None);
        };
        let kind = self.accept(&head)?;
        let end = TAG_OVERHEAD + head.size;
        let Some(body) = input.get(TAG_OVERHEAD..end) else {
            return Ok(None);
        };
        let body = Bytes::copy_from_slice(body);
        self.advance(input, end);
        Ok(Some(Tag {
            kind,
            timestamp: head.timestamp,
            body,
        }))
    }

    /// Passes over the file header; false when it has not come in full yet.
    fn open(&mut self, input: &mut BytesMut) -> Result<bool, DemuxError> {
        let known = input.len().min(SIGNATURE.len());
        if input.get(..known) != SIGNATURE.get(..known) {
            return Err(self.fault(Reason::NotFlv));
        }
        let mut reader = Reader::new(input);
        let Ok(length) = reader.take(5).and_then(|_| reader.u32()) else {
            return Ok(false);
        };
        if !(HEADER_BYTES..=MAX_HEADER_BYTES).contains(&length) {
            return Err(self.fault(Reason::HeaderLength(length)));
        }
        let length = length as usize;
        if input.len() < length {
            return Ok(false);
        }
        self.advance(input, length);
        self.opened = true;
        Ok(true)
    }

    fn accept(&self, head: &TagHeader) -> Result<Kind, DemuxError> {
        if head.first & ENCRYPTED != 0 {
            return Err(self.tag_fault(Reason::Encrypted));
        }
        let kind = match head.first & TAG_TYPE {
            TAG_AUDIO => Kind::Audio,
            TAG_VIDEO => Kind::Video,
            TAG_SCRIPT => Kind::Data,
            _ => return Err(self.tag_fault(Reason::TagType(head.first))),
        };
        let (size, limit) = (head.size, self.limits.max_tag_bytes);
        if size > limit {
            return Err(self.tag_fault(Reason::TagTooLong { size, limit }));
        }
        Ok(kind)
    }

    fn advance(&mut self, input: &mut BytesMut, bytes: usize) {
        input.advance(bytes);
        self.offset = self.offset.saturating_add(bytes as u64);
    }

    fn fault(&self, reason: Reason) -> DemuxError {
        let offset = self.offset;
        DemuxError { offset, reason }
    }

    fn tag_fault(&self, reason: Reason) -> DemuxError {
        let offset = self.offset.saturating_add(PREVIOUS_TAG_SIZE_BYTES as u64);
        DemuxError { offset, reason }
    }
}

struct TagHeader {
    first: u8,
    size: usize,
    timestamp: u32,
}

impl TagHeader {
    /// Parses what stands before a body: the size of the previous tag, then the header (§E.4.1).
    fn parse(input: &[u8]) -> Result<Self, Truncated> {
        let mut reader = Reader::new(input);
        reader.take(PREVIOUS_TAG_SIZE_BYTES)?;
        let first = reader.u8()?;
        let size = reader.u24()? as usize;
        let low = reader.u24()?;
        let high = u32::from(reader.u8()?);
        reader.u24()?;
        Ok(Self {
            first,
            size,
            timestamp: high << 24 | low,
        })
    }
}

const SIGNATURE: &[u8] = b"FLV\x01";
const HEADER_BYTES: u32 = 9;
/// Nothing has ever made the header longer than 9 bytes; the field would allow 4 GiB.
const MAX_HEADER_BYTES: u32 = 1024;
const PREVIOUS_TAG_SIZE_BYTES: usize = 4;
const TAG_OVERHEAD: usize = PREVIOUS_TAG_SIZE_BYTES + TAG_HEADER_BYTES;
/// The type within the first byte of a tag; two reserved bits and the filter bit are above it.
const TAG_TYPE: u8 = 0x1F;
const ENCRYPTED: u8 = 0x20;
