//! What can go wrong when a frame or a track meets an output format.

use lsv_core::codec::InvalidConfig;
use lsv_core::script::InvalidScript;

/// A frame or track that a format cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The format has no place for the codec, or this crate does not write it there.
    #[error("{format} output does not carry {codec}; turn the output off or publish H.264 and AAC")]
    Unsupported {
        /// The output format.
        format: &'static str,
        /// The codec, by its RFC 6381 string.
        codec: String,
    },
    /// The size of the pictures is not known: the codec's configuration leaves it to the first key frame.
    #[error("the size of the pictures is not known before the first key frame; wait for it")]
    NoPicture,
    /// An access unit of the publisher does not follow its codec's framing.
    #[error("an access unit cannot be split into NAL units: a length points past its end")]
    InvalidAccessUnit,
    /// Script data that cannot be read.
    #[error("timed metadata goes on without a message: {0}")]
    InvalidScript(InvalidScript),
    /// An access unit is larger than the format can say.
    #[error("{format} output carries access units of at most {limit} bytes, got {length}")]
    TooLarge {
        /// The output format.
        format: &'static str,
        /// The length of the access unit in bytes.
        length: usize,
        /// The longest that fits, in bytes.
        limit: usize,
    },
    /// A file or program without any track.
    #[error("there is no track to write; wait for the publisher's first")]
    NoTracks,
    /// A frame whose track, or its configuration, the file's header does not describe.
    #[error("the header of the file does not describe the frame's track; begin a new file")]
    UnknownTrack,
    /// A frame that is presented before the zero of its timeline, where the format counts from zero.
    #[error(
        "a frame is presented before the zero of its timeline; move all times of the stream up"
    )]
    NegativeTime,
}

impl From<InvalidConfig> for Error {
    fn from(_: InvalidConfig) -> Self {
        Self::InvalidAccessUnit
    }
}

impl Error {
    pub(crate) fn unsupported(format: &'static str, codec: &lsv_core::media::Codec) -> Self {
        Self::Unsupported {
            format,
            codec: match codec.rfc6381() {
                unnamed if unnamed.is_empty() => "script data".to_owned(),
                named => named,
            },
        }
    }
}
