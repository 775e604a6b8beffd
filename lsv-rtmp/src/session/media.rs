//! Media as both ends of a session hand it out and take it.

use bytes::Bytes;

use crate::{
    Limits,
    error::Error,
    message::{Message, MessageType, data_body},
};

/// One media message of a stream, the same for who serves and who plays.
///
/// Payloads never share memory with the caller's read buffer. What is in them, [`lsv_core::tag`] reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// An audio message.
    Audio {
        /// Milliseconds on the sender's clock, modulo 2^32.
        timestamp: u32,
        /// An FLV audio tag body; never empty.
        payload: Bytes,
    },
    /// A video message.
    Video {
        /// Milliseconds on the sender's clock, modulo 2^32.
        timestamp: u32,
        /// An FLV video tag body; never empty.
        payload: Bytes,
    },
    /// Metadata or cue points.
    Data {
        /// Milliseconds on the sender's clock, modulo 2^32.
        timestamp: u32,
        /// AMF0 as players get it: begins with a name such as `onMetaData`, without `@setDataFrame`.
        payload: Bytes,
    },
}

impl Media {
    /// What a message carries; `None` where it is no media, or empty: Flash encoders send empty audio messages while
    /// the microphone is muted.
    ///
    /// # Errors
    /// Those of [`data_body`].
    pub fn of(message: Message, limits: &Limits) -> Result<Option<Self>, Error> {
        let timestamp = message.timestamp;
        Ok(match message.type_id {
            MessageType::AUDIO | MessageType::VIDEO if message.payload.is_empty() => None,
            MessageType::AUDIO => Some(Self::Audio {
                timestamp,
                payload: message.payload,
            }),
            MessageType::VIDEO => Some(Self::Video {
                timestamp,
                payload: message.payload,
            }),
            _ => data_body(&message, limits)?.map(|payload| Self::Data { timestamp, payload }),
        })
    }

    /// Milliseconds on the sender's clock, modulo 2^32.
    pub fn timestamp(&self) -> u32 {
        match self {
            Self::Audio { timestamp, .. }
            | Self::Video { timestamp, .. }
            | Self::Data { timestamp, .. } => *timestamp,
        }
    }

    /// The body of the message.
    pub fn payload(&self) -> &Bytes {
        match self {
            Self::Audio { payload, .. }
            | Self::Video { payload, .. }
            | Self::Data { payload, .. } => payload,
        }
    }
}
