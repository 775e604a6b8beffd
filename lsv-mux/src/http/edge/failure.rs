//! Why nothing came from upstream.

use super::super::problem::Problem;
use super::super::site::RETRY_AFTER;
use super::via::CIRCLE;

/// Why an object could not be fetched, as all are told who waited for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// Where to fetch from could not be found out.
    #[error("the nodes that have the channel cannot be found out: {0}")]
    Unknown(String),
    /// No connection, or it broke, or what came is no HTTP.
    #[error("{0}")]
    Unreachable(String),
    #[error("no answer in time")]
    TimedOut,
    #[error("the answer was status {0}")]
    Status(u16),
    /// What came is not what was asked for.
    #[error("{0}")]
    Unusable(&'static str),
    /// It is not there yet, or upstream is too busy.
    #[error("upstream asks to try again")]
    NotYet,
    /// Upstream sees no sense in it.
    #[error("upstream refuses the query")]
    BadRequest,
    /// Upstream has seen the request before.
    #[error("the request goes round in a circle: a node is its own upstream")]
    Loop,
    /// Whoever else could have it is on the way of the request.
    #[error("no node that the request has not passed has it")]
    NotBehind,
    /// The object is another one than before.
    #[error("the object was replaced while it was read")]
    Replaced,
    #[error("more is arriving than may at once")]
    Full,
    /// The node stops, or the task that fetched has failed.
    #[error("the fetch was given up")]
    GivenUp,
}

impl Failure {
    /// As metrics call it.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown",
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut => "timeout",
            Self::Status(_) => "status",
            Self::Unusable(_) => "unusable",
            Self::NotYet => "not_yet",
            Self::BadRequest => "bad_request",
            Self::Loop => "loop",
            Self::NotBehind => "not_behind",
            Self::Replaced => "replaced",
            Self::Full => "full",
            Self::GivenUp => "given_up",
        }
    }

    /// Whether it speaks against the upstream, and not only against the request.
    pub(super) fn is_fault(&self) -> bool {
        !matches!(
            self,
            Self::NotYet
                | Self::BadRequest
                | Self::Loop
                | Self::NotBehind
                | Self::Replaced
                | Self::Full
        )
    }

    /// Whether it comes of the way that the request took.
    pub(super) fn is_circle(&self) -> bool {
        matches!(self, Self::Loop | Self::NotBehind)
    }
}

impl From<Failure> for Problem {
    /// Says nothing of where upstream is.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::BadRequest => Self::bad_request(
                "the playlist cannot be had like this; reload it without _HLS_msn, _HLS_part, start and end",
            ),
            Failure::Loop => Self::loop_detected(CIRCLE),
            Failure::NotBehind => Self::not_found(ABSENT),
            Failure::NotYet => Self::unavailable("it is not there yet", RETRY_AFTER),
            Failure::Full | Failure::GivenUp => {
                Self::unavailable("too much is being fetched", RETRY_AFTER)
            }
            Failure::TimedOut => Self::gateway_timeout(RETRY_AFTER),
            Failure::Unknown(_)
            | Failure::Unreachable(_)
            | Failure::Status(_)
            | Failure::Unusable(_)
            | Failure::Replaced => Self::bad_gateway(RETRY_AFTER),
        }
    }
}

/// What a viewer is told of what no node has.
pub(super) const ABSENT: &str = "no node has anything of this name";
