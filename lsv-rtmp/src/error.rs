//! What can go wrong on a connection, grouped by whose fault it is: the group picks the log level and the answer.

use crate::message::MessageType;

/// Why a session ends early. After one it decodes nothing more: write its output and close.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer did what RTMP forbids at the layer below messages.
    #[error("the peer breaks the protocol: {0}")]
    PeerMisbehaved(#[from] PeerMisbehaved),
    /// The peer uses a part of RTMP that this library leaves out.
    #[error("not supported: {0}")]
    Unsupported(#[from] Unsupported),
    /// A message arrived whole and its content is not what its type says.
    #[error("a message cannot be read: {0}")]
    InvalidMessage(#[from] InvalidMessage),
    /// The peer needs more than [`Limits`](crate::Limits) allows.
    #[error("a limit is reached: {0}")]
    LimitExceeded(#[from] Limit),
    /// The peer was silent for too long.
    #[error("timed out: {0}")]
    TimedOut(#[from] Waiting),
    /// The calling program used the session out of order.
    #[error("misuse of the session: {0}")]
    Misuse(&'static str),
}

/// Who has to change something to make an [`Error`] go away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blame {
    /// The other end of the connection; log at `debug` or `info`.
    Peer,
    /// The program that drives the session; log at `error`.
    Caller,
}

impl Error {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Misuse(_) => Blame::Caller,
            _ => Blame::Peer,
        }
    }

    /// A stable name for metrics and for operators to search for.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PeerMisbehaved(_) => "rtmp.peer_misbehaved",
            Self::Unsupported(_) => "rtmp.unsupported",
            Self::InvalidMessage(_) => "rtmp.invalid_message",
            Self::LimitExceeded(_) => "rtmp.limit_exceeded",
            Self::TimedOut(_) => "rtmp.timed_out",
            Self::Misuse(_) => "rtmp.misuse",
        }
    }
}

/// Faults of the handshake, the chunk layer and the order of commands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// The first byte is no RTMP version: some other protocol, often HTTP or TLS on the wrong port.
    #[error("the first byte is {0:#04x} and not 0x03; is this an RTMP client, and without TLS?")]
    NotRtmp(u8),
    /// A chunk that leaves header fields out came first on its chunk stream (RTMP 1.0 §5.3.1.2).
    #[error(
        "chunk stream {chunk_stream_id} opens with a type-{format} chunk, which has nothing to refer to"
    )]
    NoEarlierHeader {
        /// The chunk stream.
        chunk_stream_id: u32,
        /// The chunk type, 2 or 3.
        format: u8,
    },
    /// A header that begins a message came in the middle of another one.
    #[error(
        "chunk stream {chunk_stream_id} has a type-{format} header {received} bytes into a message of {length} bytes"
    )]
    HeaderInsideMessage {
        /// The chunk stream.
        chunk_stream_id: u32,
        /// The chunk type, 0, 1 or 2.
        format: u8,
        /// Bytes of the unfinished message that have arrived.
        received: usize,
        /// Bytes that it was announced with.
        length: usize,
    },
    /// Set Chunk Size out of range 1 to 0x7FFFFFFF (RTMP 1.0 §5.4.1).
    #[error("Set Chunk Size asks for {0:#x}; 1 to 0x7fffffff is allowed")]
    ChunkSize(u32),
    /// A command came before `connect`.
    #[error("a command came before connect")]
    NotConnected,
    /// `connect` came twice.
    #[error("connect came twice")]
    ConnectedTwice,
}

/// Parts of RTMP and AMF that are left out on purpose.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsupported {
    /// RTMPE and its relatives: versions 6, 8 and 9 in C0. Use RTMPS.
    #[error("encrypted RTMP (version {0}); use RTMPS instead")]
    Version(u8),
    /// An AMF0 marker that stands for a movie clip or a record set, or for nothing at all (AMF0 §2.1).
    #[error("AMF0 marker {marker:#04x} at byte {at}")]
    AmfMarker {
        /// The marker.
        marker: u8,
        /// Its place in the message body.
        at: usize,
    },
    /// An AMF3 marker that stands for nothing (AMF3 §3.1).
    #[error("AMF3 marker {marker:#04x} at byte {at}")]
    Amf3Marker {
        /// The marker.
        marker: u8,
        /// Its place in the message body.
        at: usize,
    },
    /// An object that writes itself: only its class knows how to read it (AMF3 §3.12).
    #[error("an externalizable AMF3 object at byte {at}; send a plain object instead")]
    Externalizable {
        /// Where its class is described in the message body.
        at: usize,
    },
    /// A dictionary whose key is neither text nor a number (AMF3 §3.16).
    #[error("an AMF3 dictionary key at byte {at} that is neither text nor a number")]
    DictionaryKey {
        /// Its place in the message body.
        at: usize,
    },
    /// An AMF3 object that contains itself.
    #[error("an AMF3 object that contains itself")]
    AmfCycle,
}

/// Messages whose content is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMessage {
    /// The body ends before its fields do.
    #[error("{message_type:?} has {length} bytes, too few for its fields")]
    TooShort {
        /// Type of the message.
        message_type: MessageType,
        /// Its length in bytes.
        length: usize,
    },
    /// AMF ends in the middle of a value.
    #[error("AMF ends inside a field that begins at byte {at}")]
    AmfTruncated {
        /// Where the field begins in the message body.
        at: usize,
    },
    /// An AMF3 reference to something that has not come (AMF3 §2.2).
    #[error("an AMF3 reference at byte {at} points to nothing")]
    AmfReference {
        /// Its place in the message body.
        at: usize,
    },
    /// An object end without an object (AMF0 §2.11).
    #[error("AMF0 has an object end outside of an object at byte {at}")]
    AmfObjectEnd {
        /// Its place in the message body.
        at: usize,
    },
    /// A command lacks a field, or has one of another type.
    #[error("command {command} lacks {field}")]
    Command {
        /// Name of the command.
        command: &'static str,
        /// What is missing.
        field: &'static str,
    },
    /// An aggregate inside an aggregate (RTMP 1.0 §7.1.6).
    #[error("an aggregate message holds another one")]
    NestedAggregate,
}

/// Which field of [`Limits`](crate::Limits) was reached, or the [`Budget`](crate::Budget) of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::message_bytes`](crate::Limits::message_bytes), or the wire's 16 MiB - 1.
    #[error("a message of {announced} bytes is longer than {limit}")]
    MessageBytes {
        /// Length in its header.
        announced: usize,
        /// Longest allowed.
        limit: usize,
    },
    /// [`Limits::chunk_streams`](crate::Limits::chunk_streams).
    #[error("more than {0} chunk streams")]
    ChunkStreams(usize),
    /// [`Limits::partial_bytes`](crate::Limits::partial_bytes).
    #[error("more than {0} bytes in unfinished messages")]
    PartialBytes(usize),
    /// [`Limits::bytes_before_publish`](crate::Limits::bytes_before_publish).
    #[error(
        "more than {0} bytes in a message, or in unfinished ones, before a publish is accepted"
    )]
    BytesBeforePublish(usize),
    /// [`Limits::command_bytes`](crate::Limits::command_bytes).
    #[error("a command or AMF3 data of {length} bytes is longer than {limit}")]
    CommandBytes {
        /// Its length.
        length: usize,
        /// Longest allowed.
        limit: usize,
    },
    /// The [`Budget`](crate::Budget) that all connections share.
    #[error("more than {0} bytes in unfinished messages of all connections together")]
    Budget(usize),
    /// [`Limits::amf_depth`](crate::Limits::amf_depth).
    #[error("AMF nests deeper than {0}")]
    AmfDepth(usize),
    /// [`Limits::amf_values`](crate::Limits::amf_values).
    #[error("more than {0} AMF values in one message")]
    AmfValues(usize),
    /// [`Limits::amf_string_bytes`](crate::Limits::amf_string_bytes).
    #[error("an AMF string is longer than {0} bytes")]
    AmfStringBytes(usize),
    /// [`Limits::amf_string_bytes`](crate::Limits::amf_string_bytes) beyond the length of the message.
    #[error("AMF3 references stand for more than {0} bytes of text")]
    AmfCopiedBytes(usize),
    /// [`Limits::name_bytes`](crate::Limits::name_bytes).
    #[error("an application or stream name is longer than {0} bytes")]
    NameBytes(usize),
    /// [`Limits::commands_before_stream`](crate::Limits::commands_before_stream).
    #[error("more than {0} commands and no stream")]
    CommandsBeforeStream(usize),
    /// [`Limits::message_streams`](crate::Limits::message_streams).
    #[error("more than {0} message streams")]
    MessageStreams(usize),
    /// [`Limits::messages_per_second`](crate::Limits::messages_per_second).
    #[error("more than {0} messages a second")]
    MessagesPerSecond(u32),
    /// [`Limits::output_bytes`](crate::Limits::output_bytes).
    #[error("more than {0} bytes of answers that the peer does not read")]
    OutputBytes(usize),
}

/// What a session was waiting for when its time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Waiting {
    /// The end of the handshake.
    #[error("the handshake did not finish in time")]
    Handshake,
    /// A publish or play request.
    #[error("no publish or play request came in time")]
    Stream,
    /// What a server says to a client that wants to publish or play.
    #[error("the server did not start the stream in time")]
    Answer,
    /// Audio or video of whoever sends the stream.
    #[error("no media came in time")]
    Media,
}
