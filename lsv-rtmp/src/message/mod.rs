//! Messages: what the chunk layer carries, and the typed content of those that steer a session.
//!
//! Media messages stay [`Message`]s, their payload is not looked into here.

mod aggregate;
mod command;
mod control;
mod data;

use std::fmt;

use bytes::Bytes;

pub use self::{
    aggregate::Aggregate,
    command::Command,
    control::{BandwidthLimit, Control, UserControl},
    data::data_body,
};
use crate::{Limits, error::Limit};
pub(crate) use data::SET_DATA_FRAME;

/// One whole message (RTMP 1.0 §6.1).
///
/// [`fmt::Debug`] gives the length of the payload only: it is long, and commands carry credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The chunk stream that it came or goes on.
    pub chunk_stream_id: u32,
    /// Milliseconds on the sender's clock, modulo 2^32.
    pub timestamp: u32,
    /// What the payload is.
    pub type_id: MessageType,
    /// The message stream: 0 for the connection itself, else one made by `createStream`.
    pub stream_id: u32,
    /// The body. From the decoder: its own allocation, of exactly the message's length.
    pub payload: Bytes,
}

impl Message {
    /// The body of a command or data message without the framing of AMF3: a format byte, of which only 0, for AMF0,
    /// exists (E-RTMP v2, "AMF0 and AMF3").
    pub(crate) fn amf(&self) -> Bytes {
        let framed = matches!(
            self.type_id,
            MessageType::COMMAND_AMF3 | MessageType::DATA_AMF3
        );
        match self.payload.first() {
            Some(0) if framed => self.payload.slice(1..),
            _ => self.payload.clone(),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("chunk_stream_id", &self.chunk_stream_id)
            .field("timestamp", &self.timestamp)
            .field("type_id", &self.type_id)
            .field("stream_id", &self.stream_id)
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}

/// The number that says what a message holds (RTMP 1.0 §5.4, §7.1); unknown ones pass through.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageType(pub u8);

impl MessageType {
    /// Set Chunk Size (RTMP 1.0 §5.4.1).
    pub const SET_CHUNK_SIZE: Self = Self(1);
    /// Abort Message (§5.4.2).
    pub const ABORT: Self = Self(2);
    /// Acknowledgement (§5.4.3).
    pub const ACKNOWLEDGEMENT: Self = Self(3);
    /// User Control Message (§6.2).
    pub const USER_CONTROL: Self = Self(4);
    /// Window Acknowledgement Size (§5.4.4).
    pub const WINDOW_ACKNOWLEDGEMENT_SIZE: Self = Self(5);
    /// Set Peer Bandwidth (§5.4.5).
    pub const SET_PEER_BANDWIDTH: Self = Self(6);
    /// Audio (§7.1.4).
    pub const AUDIO: Self = Self(8);
    /// Video (§7.1.5).
    pub const VIDEO: Self = Self(9);
    /// Data in AMF3 framing (§7.1.2).
    pub const DATA_AMF3: Self = Self(15);
    /// Shared object in AMF3 framing (§7.1.3).
    pub const SHARED_OBJECT_AMF3: Self = Self(16);
    /// Command in AMF3 framing (§7.1.1).
    pub const COMMAND_AMF3: Self = Self(17);
    /// Data in AMF0 (§7.1.2).
    pub const DATA: Self = Self(18);
    /// Shared object in AMF0 (§7.1.3).
    pub const SHARED_OBJECT: Self = Self(19);
    /// Command in AMF0 (§7.1.1).
    pub const COMMAND: Self = Self(20);
    /// Aggregate (§7.1.6).
    pub const AGGREGATE: Self = Self(22);
    /// Go Away: the server asks to connect again (Facebook, *RTMP Go Away*). It has no body.
    pub const GO_AWAY: Self = Self(32);
}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::SET_CHUNK_SIZE => "SetChunkSize",
            Self::ABORT => "Abort",
            Self::ACKNOWLEDGEMENT => "Acknowledgement",
            Self::USER_CONTROL => "UserControl",
            Self::WINDOW_ACKNOWLEDGEMENT_SIZE => "WindowAcknowledgementSize",
            Self::SET_PEER_BANDWIDTH => "SetPeerBandwidth",
            Self::AUDIO => "Audio",
            Self::VIDEO => "Video",
            Self::DATA_AMF3 => "DataAmf3",
            Self::SHARED_OBJECT_AMF3 => "SharedObjectAmf3",
            Self::COMMAND_AMF3 => "CommandAmf3",
            Self::DATA => "Data",
            Self::SHARED_OBJECT => "SharedObject",
            Self::COMMAND => "Command",
            Self::AGGREGATE => "Aggregate",
            Self::GO_AWAY => "GoAway",
            Self(other) => return write!(f, "MessageType({other:#04x})"),
        };
        f.write_str(name)
    }
}

/// Refuses AMF that is too long to be made into values.
fn check_length(body: &Bytes, limits: &Limits) -> Result<(), Limit> {
    let (length, limit) = (body.len(), limits.command_bytes);
    if length > limit {
        return Err(Limit::CommandBytes { length, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
