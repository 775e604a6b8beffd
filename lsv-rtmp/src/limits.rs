//! Every bound that a peer can push against, in one place, so that an operator can see what a connection may cost.

use std::time::Duration;

/// What one RTMP connection may make this side hold, do or wait for.
///
/// The defaults suit a public server: an encoder of any make fits, a hostile peer costs little. What all connections
/// may hold together is bounded by a [`Budget`](crate::Budget).
///
/// There is no limit on the chunk size that a peer announces (RTMP 1.0 §5.4.1): memory grows with the bytes that have
/// come, however they are cut, and honest senders differ: GStreamer keeps 128, OBS says 4,096, FFmpeg 60,000.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Longest message accepted, in bytes; default 8 MiB, at most 16 MiB - 1 (the wire's 24 bits, RTMP 1.0 §5.3.1.2).
    ///
    /// A 4K key frame at 100 Mbit/s is some 2 MiB. Stops a peer that announces 16 MiB per message.
    pub message_bytes: usize,
    /// Chunk streams that one peer may open; default 64. Encoders use 3 to 6, the wire allows 65,597.
    ///
    /// Stops a peer that opens them all: each costs its last header and perhaps half a message.
    pub chunk_streams: usize,
    /// Bytes held in half-received messages over all chunk streams together; default 16 MiB.
    ///
    /// Stops a peer that starts a long message on every chunk stream and ends none.
    pub partial_bytes: usize,
    /// Longest message of a client whose publish is not accepted, and bytes held in half-received ones over all chunk
    /// streams together; default 64 KiB. Commands have some hundreds of bytes. It is not taken from the
    /// [`Budget`](crate::Budget). For a client session: of a server that has not let it create a stream to play.
    ///
    /// Stops strangers, who need no credential to get this far, from using up what the publishers of the process share.
    pub bytes_before_publish: usize,
    /// Longest command, and data message with AMF3 to be read, in bytes; default 64 KiB. Those of encoders have some
    /// hundreds; beside a player's page address, long tokens are what commands grow by.
    ///
    /// Stops a peer whose `connect` and `play` would be kept at length for as long as it stays.
    pub command_bytes: usize,
    /// Messages that a peer may send in a second on average, of all kinds together; default 10,000. As many as come in
    /// ten seconds at that rate may come at once.
    ///
    /// A stream of several tracks has some 500 a second, a file that is sent as fast as it can be read some thousands;
    /// what gathered in an encoder while its network stood still comes at once. Stops a peer that sends millions of
    /// empty messages, each of which costs more than its bytes.
    pub messages_per_second: u32,
    /// How deep AMF objects and arrays may nest; default 32. Real commands nest 2 or 3 deep.
    ///
    /// Stops a peer whose nested values would overflow the stack of whoever walks over them later.
    pub amf_depth: usize,
    /// AMF values in one message, nested ones and those that references stand for included; default 4,096.
    ///
    /// A value takes one byte on the wire and some 40 in memory: stops that amplification.
    pub amf_values: usize,
    /// Longest AMF string or property name in a command, in bytes; default 64 KiB - 1, the longest of AMF0's short form.
    ///
    /// Stops a peer that sends a message full of text to be copied; AMF3 references may repeat so much of it.
    pub amf_string_bytes: usize,
    /// Longest application or stream name with its query, in bytes; default 4,096. Signed addresses take some hundreds.
    ///
    /// Stops a peer whose name would be looked up, signed and compared at length before it is refused.
    pub name_bytes: usize,
    /// Commands before a publish or play request is accepted; default 64. Encoders send 5 to 8.
    ///
    /// Stops a peer that keeps a session busy without ever asking for a stream.
    pub commands_before_stream: usize,
    /// Message streams that one peer may hold at once; default 8. Encoders and players create one.
    ///
    /// Stops a peer that creates streams without end: each is a number to remember and to look through.
    pub message_streams: usize,
    /// Bytes that may wait in the session's output; default 1 MiB. Of media, which the caller sends, one message more.
    ///
    /// Stops a peer that asks (pings, commands) and never reads the answers.
    pub output_bytes: usize,
    /// From the start of the connection to the end of the handshake; default 5 s, ten round trips around the world.
    ///
    /// Stops whoever connects and says nothing: port scanners, health checks, attackers.
    pub handshake_timeout: Duration,
    /// From the handshake to an accepted publish or play request, and between two of them; default 15 s, because
    /// encoders wait for the answers to commands that servers do not know. For a client: from the handshake until the
    /// server has started its stream.
    ///
    /// Stops a peer that holds a connection without using it.
    pub command_timeout: Duration,
    /// Longest silence of a publisher, in media messages; default 10 s. Then its channel is free for another.
    ///
    /// Stops a publisher whose network is gone without a word from keeping its own successor out.
    pub publish_idle: Duration,
    /// Longest silence of a server that this side plays from, in media messages; default none: a live stream may pause,
    /// and servers keep its players.
    pub play_idle: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 8 << 20,
            chunk_streams: 64,
            partial_bytes: 16 << 20,
            bytes_before_publish: 64 << 10,
            command_bytes: 64 << 10,
            messages_per_second: 10_000,
            amf_depth: 32,
            amf_values: 4096,
            amf_string_bytes: 0xFFFF,
            name_bytes: 4096,
            commands_before_stream: 64,
            message_streams: 8,
            output_bytes: 1 << 20,
            handshake_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(15),
            publish_idle: Duration::from_secs(10),
            play_idle: None,
        }
    }
}
