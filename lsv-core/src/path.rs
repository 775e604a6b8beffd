//! Names of channels and streams, checked once at the edge and trusted everywhere behind it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The RTMP application name under which every channel is published and played.
pub const APP: &str = "stream";

/// The longest channel id.
pub const MAX_ID_CHARS: usize = 64;

/// First path words of the platform's own addresses; no channel may be called so.
pub const RESERVED_WORDS: [&str; 13] = [
    "videostream",
    "online",
    "streamdns",
    "events",
    "console",
    "healthz",
    "readyz",
    "metrics",
    "node",
    "openapi.json",
    "players",
    "favicon.ico",
    "robots.txt",
];

/// The id of a channel: 1 to 64 of `[A-Za-z0-9_-]`, no reserved word. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelId(Arc<str>);

impl ChannelId {
    /// Checks `text` and makes an id of it.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let length = text.chars().count();
        if length == 0 || length > MAX_ID_CHARS {
            return Err(InvalidId::Length(length));
        }
        if !text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        {
            return Err(InvalidId::Character);
        }
        if RESERVED_WORDS.contains(&text) {
            return Err(InvalidId::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ChannelId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ChannelId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}

impl From<ChannelId> for String {
    fn from(id: ChannelId) -> Self {
        id.0.as_ref().to_owned()
    }
}

/// Why a text cannot be a channel id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// Empty or too long.
    #[error("a channel id has 1 to {MAX_ID_CHARS} characters, not {0}")]
    Length(usize),
    /// A character outside of the alphabet.
    #[error("a channel id is made of A-Z, a-z, 0-9, '_' and '-' only")]
    Character,
    /// One of [`RESERVED_WORDS`].
    #[error("this word is an address of the platform and cannot be a channel id")]
    Reserved,
}

/// One encoding of a channel: what the encoder pushed, or a transcoded rendition of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Rendition {
    /// What the publisher sent, untouched.
    #[default]
    Source,
    /// Transcoded into the 640x360 box.
    P360,
    /// Transcoded into the 854x480 box.
    P480,
    /// Transcoded into the 1280x720 box.
    P720,
    /// Transcoded into the 1920x1080 box.
    P1080,
}

impl Rendition {
    /// Those that are transcoded, the smallest first.
    pub const TRANSCODED: [Self; 4] = [Self::P360, Self::P480, Self::P720, Self::P1080];

    /// The path segment of a transcoded rendition, `None` for the source.
    pub fn segment(self) -> Option<&'static str> {
        match self {
            Self::Source => None,
            Self::P360 => Some("360p"),
            Self::P480 => Some("480p"),
            Self::P720 => Some("720p"),
            Self::P1080 => Some("1080p"),
        }
    }

    /// The transcoded rendition that a path segment names.
    pub fn from_segment(segment: &str) -> Option<Self> {
        Self::TRANSCODED
            .into_iter()
            .find(|rendition| rendition.segment() == Some(segment))
    }
}

/// The name of a stream in the hub: a channel and one of its renditions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamPath {
    /// The channel.
    pub channel: ChannelId,
    /// Which encoding of it.
    pub rendition: Rendition,
}

impl StreamPath {
    /// The channel's source stream.
    pub fn source(channel: ChannelId) -> Self {
        Self {
            channel,
            rendition: Rendition::Source,
        }
    }
}

impl fmt::Display for StreamPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.channel.as_str())?;
        match self.rendition.segment() {
            Some(segment) => write!(f, "/{segment}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked() {
        assert!(ChannelId::parse("98724e64-bcd1-4887-af4a-60be440709aa").is_ok());
        assert_eq!(ChannelId::parse(""), Err(InvalidId::Length(0)));
        assert_eq!(
            ChannelId::parse(&"x".repeat(65)),
            Err(InvalidId::Length(65))
        );
        for bad in ["a/b", "a.b", "..", "a b", "ä", "a\0"] {
            assert_eq!(ChannelId::parse(bad), Err(InvalidId::Character), "{bad:?}");
        }
        assert_eq!(ChannelId::parse("metrics"), Err(InvalidId::Reserved));
    }

    #[test]
    fn paths_print_as_addresses() {
        let channel = ChannelId::parse("cam").unwrap();
        assert_eq!(StreamPath::source(channel.clone()).to_string(), "cam");
        let rendition = Rendition::from_segment("720p").unwrap();
        assert_eq!(StreamPath { channel, rendition }.to_string(), "cam/720p");
    }
}
