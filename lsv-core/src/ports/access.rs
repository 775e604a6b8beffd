//! The port that decides who may publish and play.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::access::Seat;
use crate::channel::{Channel, Moment};
use crate::hub::Elsewhere;
use crate::path::StreamPath;

/// Decides who may publish and play. Asked once per session of RTMP or FLV, before it begins, and for each request of
/// HLS and DASH: several a second of each viewer, so that it must be quick.
#[async_trait]
pub trait Authorizer: fmt::Debug + Send + Sync {
    /// Lets the peer in, or says why not.
    ///
    /// # Errors
    /// [`Denied`]; also where the decision cannot be made, because a store is out of reach.
    async fn authorize(&self, request: AccessRequest<'_>) -> Result<Grant, Denied>;

    /// Whether who was let in a moment ago, and has begun since, still may: asked by publishers' servers, so that nobody slips
    /// in while the channel is deleted.
    ///
    /// # Errors
    /// As [`authorize`](Self::authorize); that the decision cannot be made takes nothing back.
    async fn confirm(&self, request: AccessRequest<'_>) -> Result<(), Denied> {
        self.authorize(request).await.map(drop)
    }
}

/// What a peer wants.
#[derive(Clone, Copy)]
pub struct AccessRequest<'a> {
    /// To publish or to play.
    pub access: Access,
    /// Which stream.
    pub path: &'a StreamPath,
    /// The path of the address as it was asked for, such as `/cam/vod/2026/index.m3u8`; over RTMP `/cam` or `/cam/720p`.
    pub address: &'a str,
    /// The query of its stream key or URL, without the question mark. It holds credentials: never log it.
    pub query: Option<&'a str>,
    /// Where it comes from.
    pub peer: IpAddr,
    /// What else it tells.
    pub told: Told<'a>,
    /// How long it counts as a viewer once it is let in.
    pub presence: Presence,
    /// The time at which it asks.
    pub now: Moment,
}

/// What a viewer's program tells of itself, and of where it found the address. All of it can be made up, but not by a
/// page in somebody's browser.
#[derive(Clone, Copy, Default)]
pub struct Told<'a> {
    /// Scheme and host of the address, such as `https://live.example.com:8443`; over RTMP nothing.
    pub base: Option<&'a str>,
    /// The page that the address was found on: `Referer`; over RTMP `pageUrl`.
    pub referer: Option<&'a str>,
    /// The site whose script asks: `Origin`.
    pub origin: Option<&'a str>,
    /// `Cookie`. It may hold credentials: never log it.
    pub cookies: Option<&'a str>,
    /// The name of the program: `User-Agent`.
    pub agent: Option<&'a str>,
}

impl fmt::Debug for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told")
            .field("base", &self.base)
            .field("agent", &self.agent)
            .finish_non_exhaustive()
    }
}

/// How long a viewer who is let in counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Presence {
    /// Not at all: it sees a page or a picture, and no media.
    #[default]
    None,
    /// Not at all, but it gets a content key, which opens much else.
    Key,
    /// For some segments after its last request: it fetches one after the other.
    Fetching,
    /// As long as its connection stands.
    Connected,
}

impl fmt::Debug for AccessRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessRequest")
            .field("access", &self.access)
            .field("path", &self.path)
            .field("address", &self.address)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// What can be wanted of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// To send it.
    Publish,
    /// To receive it.
    Play,
}

/// The peer is let in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Grant {
    /// The channel as it is set at this moment.
    pub channel: Arc<Channel>,
    /// Until when a session may begin with the same credential; `None` if none was needed.
    pub expires: Option<Moment>,
    /// The parameters of the query that let the peer in, by name. Addresses inside an answer must carry them on.
    pub inherited: &'static [&'static str],
    /// Whether the peer was let in for something that its address does not show: its network, the page that it comes
    /// from, a cookie. A cache that others use must not keep the answer.
    pub is_personal: bool,
    /// Whether a cookie let the peer in, on a page that may embed the channel: its scripts may have the viewer's cookies sent
    /// along, and read the answer.
    pub by_cookie: bool,
    /// Whether it is another node of the platform, which may say what nodes a request came through.
    pub of_node: bool,
    /// Where another node has the channel live that is to be published.
    pub elsewhere: Option<Elsewhere>,
    /// Its place among the viewers of the channel, where they are capped. Whoever stays connected holds it meanwhile.
    pub seat: Option<Seat>,
}

impl Grant {
    /// Lets a peer in to `channel`.
    pub fn new(channel: Arc<Channel>, expires: Option<Moment>) -> Self {
        Self {
            channel,
            expires,
            inherited: &[],
            is_personal: false,
            by_cookie: false,
            of_node: false,
            elsewhere: None,
            seat: None,
        }
    }
}

/// The peer is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Denied {
    /// The kind of refusal, for metrics, events and protocols.
    pub reason: Reason,
    /// What to tell the peer. It holds no credential.
    pub message: String,
}

impl Denied {
    /// A refusal with the words for the peer.
    pub fn new(reason: Reason, message: impl fmt::Display) -> Self {
        Self {
            reason,
            message: message.to_string(),
        }
    }
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reason {
    /// No credential was given.
    Missing,
    /// The credential is not one.
    Malformed,
    /// The credential is signed in a way that is not turned on.
    NotAllowed,
    /// The credential's time is over, or the channel's.
    Expired,
    /// The credential was taken back.
    Revoked,
    /// The credential belongs to something else.
    Mismatch,
    /// It comes from a network that may not watch.
    Network,
    /// It comes from a page that may not embed the channel, or does not say from which it comes.
    Referer,
    /// As many watch as may.
    TooManyViewers,
    /// There is no such channel.
    UnknownChannel,
    /// That stream is made by the platform; nobody publishes it.
    NotPublishable,
    /// Somebody else publishes, and is not to be replaced now.
    Busy,
    /// Too many attempts of this address to publish were refused lately.
    TooManyAttempts,
    /// As many publish on this node as may.
    TooManyPublishers,
    /// As much comes in on this node as may.
    BitRate,
    /// The request has come back to a node that it came through.
    Loop,
    /// The decision could not be made; try again.
    Unavailable,
}

impl Reason {
    /// The word that events and metrics use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::NotAllowed => "not-allowed",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Mismatch => "mismatch",
            Self::Network => "network",
            Self::Referer => "referer",
            Self::TooManyViewers => "too-many-viewers",
            Self::UnknownChannel => "unknown-channel",
            Self::NotPublishable => "not-publishable",
            Self::Busy => "busy",
            Self::TooManyAttempts => "too-many-attempts",
            Self::TooManyPublishers => "too-many-publishers",
            Self::BitRate => "bit-rate",
            Self::Loop => "loop",
            Self::Unavailable => "unavailable",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
