//! The chunk layer: messages cut into chunks and woven together on one connection (RTMP 1.0 §5.3).
//!
//! [`Decoder`] puts messages together and keeps its state per chunk stream; [`encode_message`] needs no state at all,
//! because every message it writes opens with a full (type-0) header. That is what lets one encoding be shared by all
//! players of a stream.

mod decoder;
mod encoder;
mod header;
mod stream;

pub use self::{
    decoder::{Decoder, Position},
    encoder::{Encoder, Header, encode_message},
};

/// Chunk size of both directions until Set Chunk Size says otherwise (RTMP 1.0 §5.4.1).
pub const DEFAULT_CHUNK_SIZE: u32 = 128;

/// Longest message that the wire can carry, in bytes: its length has 24 bits (RTMP 1.0 §5.3.1.2).
pub const MAX_MESSAGE_BYTES: usize = 0x00FF_FFFF;

/// From this timestamp on the header's 24 bits say 0xFFFFFF and 32 bits follow (RTMP 1.0 §5.3.1.3).
const EXTENDED_TIMESTAMP: u32 = 0x00FF_FFFF;

/// Chunk streams that this library sends on; the numbers are those that servers commonly use.
pub mod id {
    /// Protocol control, fixed by the standard (RTMP 1.0 §5.4).
    pub const CONTROL: u32 = 2;
    /// Commands of the connection.
    pub const COMMAND: u32 = 3;
    /// Audio.
    pub const AUDIO: u32 = 4;
    /// Commands of a message stream, such as `onStatus`, and data messages.
    pub const STATUS: u32 = 5;
    /// Video.
    pub const VIDEO: u32 = 6;
}

#[cfg(test)]
mod tests;
