//! Protocol control and user control messages (RTMP 1.0 §5.4, §6.2, §7.1.7).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Message, MessageType};
use crate::{
    chunk,
    error::{Error, InvalidMessage},
};

/// A message that steers the connection itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Control {
    /// The sender's chunks are this long from the next one on (§5.4.1).
    SetChunkSize(u32),
    /// The half message on this chunk stream will not be finished (§5.4.2).
    Abort(u32),
    /// So many bytes have been received, modulo 2^32 (§5.4.3).
    Acknowledgement(u32),
    /// Acknowledge each time that many bytes have come (§5.4.4).
    WindowAcknowledgementSize(u32),
    /// Send no more than this ahead of the acknowledgements (§5.4.5).
    SetPeerBandwidth {
        /// Bytes that may be under way.
        window: u32,
        /// How it combines with the window in force.
        limit: BandwidthLimit,
    },
    /// An event of a message stream or of the connection (§6.2).
    UserControl(UserControl),
}

/// How Set Peer Bandwidth combines with the window in force (RTMP 1.0 §5.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BandwidthLimit(pub u8);

impl BandwidthLimit {
    /// Take the new window.
    pub const HARD: Self = Self(0);
    /// Take the smaller one.
    pub const SOFT: Self = Self(1);
    /// Hard where the last one was hard, else ignored.
    pub const DYNAMIC: Self = Self(2);
}

/// A user control event (RTMP 1.0 §7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserControl {
    /// The message stream is ready for use.
    StreamBegin(u32),
    /// Playback of the message stream is over.
    StreamEof(u32),
    /// No more data for now.
    StreamDry(u32),
    /// The player's buffer.
    SetBufferLength {
        /// The message stream.
        stream_id: u32,
        /// Its length.
        millis: u32,
    },
    /// The message stream plays a recording.
    StreamIsRecorded(u32),
    /// Answer with the same number.
    PingRequest(u32),
    /// The answer.
    PingResponse(u32),
    /// An event that the standard does not define; players send some.
    Other(u16),
}

impl Control {
    /// Reads a control message; `None` where `message` is of another kind.
    ///
    /// # Errors
    /// [`InvalidMessage::TooShort`].
    pub fn decode(message: &Message) -> Result<Option<Self>, Error> {
        let mut body: &[u8] = &message.payload;
        let control = match message.type_id {
            MessageType::SET_CHUNK_SIZE => body.try_get_u32().map(Self::SetChunkSize),
            MessageType::ABORT => body.try_get_u32().map(Self::Abort),
            MessageType::ACKNOWLEDGEMENT => body.try_get_u32().map(Self::Acknowledgement),
            MessageType::WINDOW_ACKNOWLEDGEMENT_SIZE => {
                body.try_get_u32().map(Self::WindowAcknowledgementSize)
            }
            MessageType::SET_PEER_BANDWIDTH => {
                body.try_get_u32().map(|window| Self::SetPeerBandwidth {
                    window,
                    // librtmp before 2.4 leaves the byte out; what it means then is what it always sends: dynamic.
                    limit: BandwidthLimit(
                        body.first().copied().unwrap_or(BandwidthLimit::DYNAMIC.0),
                    ),
                })
            }
            MessageType::USER_CONTROL => UserControl::decode(body).map(Self::UserControl),
            _ => return Ok(None),
        };
        match control {
            Ok(control) => Ok(Some(control)),
            Err(_) => Err(InvalidMessage::TooShort {
                message_type: message.type_id,
                length: message.payload.len(),
            }
            .into()),
        }
    }

    /// The message that says it, on chunk stream 2 and message stream 0 as the standard asks (§5.4).
    pub fn encode(self) -> Message {
        let mut body = BytesMut::with_capacity(10);
        let type_id = match self {
            Self::SetChunkSize(size) => {
                body.put_u32(size);
                MessageType::SET_CHUNK_SIZE
            }
            Self::Abort(chunk_stream_id) => {
                body.put_u32(chunk_stream_id);
                MessageType::ABORT
            }
            Self::Acknowledgement(received) => {
                body.put_u32(received);
                MessageType::ACKNOWLEDGEMENT
            }
            Self::WindowAcknowledgementSize(window) => {
                body.put_u32(window);
                MessageType::WINDOW_ACKNOWLEDGEMENT_SIZE
            }
            Self::SetPeerBandwidth { window, limit } => {
                body.put_u32(window);
                body.put_u8(limit.0);
                MessageType::SET_PEER_BANDWIDTH
            }
            Self::UserControl(event) => {
                event.encode(&mut body);
                MessageType::USER_CONTROL
            }
        };
        Message {
            chunk_stream_id: chunk::id::CONTROL,
            timestamp: 0,
            type_id,
            stream_id: 0,
            payload: Bytes::from(body),
        }
    }
}

impl UserControl {
    fn decode(mut body: &[u8]) -> Result<Self, bytes::TryGetError> {
        let event = body.try_get_u16()?;
        Ok(match event {
            0 => Self::StreamBegin(body.try_get_u32()?),
            1 => Self::StreamEof(body.try_get_u32()?),
            2 => Self::StreamDry(body.try_get_u32()?),
            3 => Self::SetBufferLength {
                stream_id: body.try_get_u32()?,
                millis: body.try_get_u32()?,
            },
            4 => Self::StreamIsRecorded(body.try_get_u32()?),
            6 => Self::PingRequest(body.try_get_u32()?),
            7 => Self::PingResponse(body.try_get_u32()?),
            other => Self::Other(other),
        })
    }

    fn encode(self, out: &mut BytesMut) {
        let (event, value) = match self {
            Self::StreamBegin(stream_id) => (0, stream_id),
            Self::StreamEof(stream_id) => (1, stream_id),
            Self::StreamDry(stream_id) => (2, stream_id),
            Self::SetBufferLength { stream_id, .. } => (3, stream_id),
            Self::StreamIsRecorded(stream_id) => (4, stream_id),
            Self::PingRequest(value) => (6, value),
            Self::PingResponse(value) => (7, value),
            Self::Other(event) => return out.put_u16(event),
        };
        out.put_u16(event);
        out.put_u32(value);
        if let Self::SetBufferLength { millis, .. } = self {
            out.put_u32(millis);
        }
    }
}
