//! What a client session tells its driver.

use std::fmt;

use crate::session::{media::Media, target::Public};

/// What happened on a client session.
///
/// [`fmt::Debug`] leaves out queries, which carry credentials, and gives the length only of what the server says in its
/// own words: some repeat the name of the stream with its query there.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The server accepts: media may be sent, or will come.
    Started,
    /// The server refuses, or ends the stream with an error. Close the connection.
    Refused {
        /// Its code, such as `NetStream.Publish.Denied`; empty where it gives none.
        code: String,
        /// What it says about it.
        description: String,
    },
    /// Audio, video, metadata or cue points of the stream that is played.
    Media(Media),
    /// What follows does not go on from what came before: another publisher sends, or its clock jumped. Also ahead of
    /// the first media, where a server tells then that there is a publisher.
    PublishNotify {
        /// The server's number for what follows, where it has one: a change tells a break, the same one again that
        /// something was left out.
        epoch: Option<u32>,
    },
    /// The server asks to connect again, because it is about to close (E-RTMP v2, "Reconnect Request"; Facebook, *RTMP
    /// Go Away*). The stream goes on until the caller ends it: open the new connection first, then
    /// [`finish`](super::Client::finish) this one.
    ReconnectRequest {
        /// Where to, up to the application; the address of this connection where the server names none. It may be
        /// relative to that.
        tc_url: Option<String>,
        /// What the server says about it.
        description: String,
    },
    /// The stream is over.
    Ended,
}

impl fmt::Debug for ClientEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("Started"),
            Self::Refused { code, description } => f
                .debug_struct("Refused")
                .field("code", &Public(code))
                .field("description_bytes", &description.len())
                .finish(),
            Self::Media(media) => f.debug_tuple("Media").field(media).finish(),
            Self::PublishNotify { epoch } => f
                .debug_struct("PublishNotify")
                .field("epoch", epoch)
                .finish(),
            Self::ReconnectRequest {
                tc_url,
                description,
            } => f
                .debug_struct("ReconnectRequest")
                .field("tc_url", &tc_url.as_deref().map(Public))
                .field("description_bytes", &description.len())
                .finish(),
            Self::Ended => f.write_str("Ended"),
        }
    }
}
