//! What a server session tells its driver, and how the driver refuses.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use super::{
    connect::ConnectInfo,
    media::Media,
    target::{Public, Target},
};
use crate::message::Command;

/// What happened on a server session.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The client wants to publish. Decoding pauses until [`Server::accept_publish`](super::Server::accept_publish) or
    /// [`Server::reject_publish`](super::Server::reject_publish).
    Publish(PublishRequest),
    /// The client wants to play. Decoding pauses until [`Server::accept_play`](super::Server::accept_play) or
    /// [`Server::reject_play`](super::Server::reject_play).
    Play(PlayRequest),
    /// Audio, video, metadata or cue points of the publisher.
    Media(Media),
    /// The publisher ended its stream in order. It may publish again on the same connection.
    Unpublished,
    /// The player wants no more. It may play again on the same connection.
    PlayEnded,
}

/// A client's wish to publish (RTMP 1.0 §7.2.2.6).
///
/// [`fmt::Debug`] leaves out what may carry credentials.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct PublishRequest {
    /// What it wants to publish as.
    pub target: Target,
    /// `live`, `record` or `append`; empty where the client says nothing. Encoders send `live`.
    pub kind: String,
    /// The message stream that its media comes on: 1, unless the client is of an unusual kind.
    pub stream_id: u32,
    /// The command as it came.
    pub command: Command,
    /// Its AMF, byte for byte as it came, also where text is not UTF-8; at most
    /// [`Limits::command_bytes`](crate::Limits::command_bytes).
    pub raw: Bytes,
    /// What the client said when it connected.
    pub connect: Arc<ConnectInfo>,
}

/// A client's wish to play (RTMP 1.0 §7.2.2.1).
///
/// [`fmt::Debug`] leaves out what may carry credentials.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct PlayRequest {
    /// What it wants to play.
    pub target: Target,
    /// Where in a recording to begin; -1 for a live stream only, -2 for a live stream or else a recording. The standard
    /// counts seconds, librtmp and FFmpeg milliseconds: -1000 and -2000 from them mean the same.
    pub start: Option<f64>,
    /// How much of it to play, in the unit of `start`; -1 for all.
    pub duration: Option<f64>,
    /// Whether to drop what is in the playlist before it.
    pub reset: Option<bool>,
    /// The message stream that media must be sent on: 1, unless the client is of an unusual kind.
    pub stream_id: u32,
    /// The command as it came.
    pub command: Command,
    /// Its AMF, byte for byte as it came, also where text is not UTF-8; at most
    /// [`Limits::command_bytes`](crate::Limits::command_bytes).
    pub raw: Bytes,
    /// What the client said when it connected.
    pub connect: Arc<ConnectInfo>,
}

impl fmt::Debug for PublishRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishRequest")
            .field("target", &self.target)
            .field("kind", &Public(&self.kind))
            .field("stream_id", &self.stream_id)
            .field("connect", &self.connect)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PlayRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlayRequest")
            .field("target", &self.target)
            .field("start", &self.start)
            .field("duration", &self.duration)
            .field("reset", &self.reset)
            .field("stream_id", &self.stream_id)
            .field("connect", &self.connect)
            .finish_non_exhaustive()
    }
}

/// Why a request is refused; the client gets the code and the description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    reason: Reason,
    description: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Denied,
    BadName,
    NotFound,
}

impl Reject {
    /// The client may not: `NetStream.Publish.Denied`, for a player `NetStream.Play.Failed`.
    pub fn denied(description: impl Into<String>) -> Self {
        Self {
            reason: Reason::Denied,
            description: description.into(),
        }
    }

    /// The name cannot be used, or is taken: `NetStream.Publish.BadName`, for a player
    /// `NetStream.Play.StreamNotFound`.
    pub fn bad_name(description: impl Into<String>) -> Self {
        Self {
            reason: Reason::BadName,
            description: description.into(),
        }
    }

    /// There is no such stream: `NetStream.Play.StreamNotFound`, for a publisher `NetStream.Publish.BadName`.
    pub fn not_found(description: impl Into<String>) -> Self {
        Self {
            reason: Reason::NotFound,
            description: description.into(),
        }
    }

    /// What the client is told. It must not contain a credential.
    pub fn description(&self) -> &str {
        &self.description
    }

    pub(super) fn publish_code(&self) -> &'static str {
        match self.reason {
            Reason::Denied => "NetStream.Publish.Denied",
            Reason::BadName | Reason::NotFound => "NetStream.Publish.BadName",
        }
    }

    pub(super) fn play_code(&self) -> &'static str {
        match self.reason {
            Reason::Denied => "NetStream.Play.Failed",
            Reason::BadName | Reason::NotFound => "NetStream.Play.StreamNotFound",
        }
    }
}
