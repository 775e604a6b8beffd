//! The HTTP side of a node: an axum router that serves every playback address, and the player pages.
//!
//! ```text
//! /<id>/                    player page that picks the best     flv.html  hls.html  dash.html
//! /<id>/live.flv            HTTP-FLV, chunked or as a WebSocket
//! /<id>/live.m3u8           HLS, MPEG-TS                        ts/...
//! /<id>/master.m3u8         low-latency HLS, CMAF               cmaf/...
//! /<id>/manifest.mpd        DASH, CMAF
//! /<id>/index.m3u8          HLS with what there is: MPEG-TS of all renditions, or else the source's
//! /<id>/poster.jpg          the newest picture
//! /<id>/vod/...             what was recorded: a listing, HLS, MP4
//! /<id>/key/<n>             what encrypted HLS is encrypted with
//! /<id>/time                the server's clock, for DASH
//! /<id>/360p/...            the same for a rendition
//! /players/<version>/...    what the pages load
//! ```
//!
//! While transcoded renditions of a channel can be played, its `index.m3u8`, `master.m3u8` and `manifest.mpd` list all of them and
//! not the source, whose key frames and breaks may be others; a player chooses as its network allows. Without them they are
//! the source's own. Renditions keep no time-shift window: of a clip, these three are the source's too.
//!
//! A stream that is not there is 404, for FLV at once. A file that is about to come is waited for, no longer than
//! [`Limits::wait`] or [`Limits::first_wait`], then 503 with `Retry-After`. Within the reconnect window of a lost publisher all goes on.
//!
//! `?start=` and `end=`, RFC 3339 or Unix seconds, cut a clip out of what a playlist or manifest lists; what is older than
//! the live window comes from the object store, if the packagers have one.
//!
//! A DASH segment that still grows is sent as it grows, each chunk when it is made.
//!
//! A viewer of FLV or of such a segment who stops reading is let go after [`Limits::stall`]: it counts no more and holds
//! nothing of the stream. A WebSocket is closed then. A plain response ends with an error, which its server sees only when it asks for more:
//! a listener that wants its connection back puts a [`Stall`] into the extensions of each request. Peers that vanish
//! are the listener's business altogether: `TCP_USER_TIMEOUT` finds them.
//!
//! The peer's address is taken from axum's `ConnectInfo<SocketAddr>`: serve the router with
//! `into_make_service_with_connect_info::<SocketAddr>()`. Behind [`Config::trusted_proxies`] it is the one that they forward.
//! A listener with TLS puts a [`Secured`](lsv_core::access::Secured) beside it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lsv_auth::cidr::Networks;
use lsv_core::hub::Hub;
use lsv_core::ports::{Authorizer, ObjectStore, Upstream};

use crate::packager::Packagers;
use crate::poster::Posters;
pub use pages::{players, players_path};
pub use patience::Stall;
pub use shelf::{Leaf, Shelf};
use site::Site;

mod address;
mod audience;
mod content;
mod cors;
#[cfg(feature = "edge")]
pub mod edge;
mod flv;
mod growing;
mod guest;
mod inherit;
mod object;
mod pages;
mod patience;
mod poster;
mod problem;
mod recorded;
mod reload;
mod shelf;
mod site;
mod visit;

/// What the router serves from.
#[derive(Clone)]
#[non_exhaustive]
pub struct State {
    /// Live streams, for FLV.
    pub hub: Hub,
    /// Their live windows, for HLS and DASH.
    pub packagers: Packagers,
    /// What was recorded, if that is served: see [`State::with_recordings`].
    pub recordings: Option<Arc<dyn ObjectStore>>,
    /// Who makes pictures of live streams, if anybody: see [`State::with_posters`].
    pub posters: Option<Arc<dyn Posters>>,
    /// Who gets streams that are live on other nodes, if anybody: see [`State::with_upstream`].
    pub upstream: Option<Arc<dyn Upstream>>,
    /// What other nodes have, if that is served: see [`State::with_edge`].
    #[cfg(feature = "edge")]
    pub edge: Option<edge::Edge>,
    /// Who may watch.
    pub authorizer: Arc<dyn Authorizer>,
    /// How it is served.
    pub config: Config,
    /// What bounds it.
    pub limits: Limits,
}

impl State {
    /// Serves the streams of `hub`, with the files of `packagers`, to whom `authorizer` lets in.
    pub fn new(hub: Hub, packagers: Packagers, authorizer: Arc<dyn Authorizer>) -> Self {
        Self {
            hub,
            packagers,
            recordings: None,
            posters: None,
            upstream: None,
            #[cfg(feature = "edge")]
            edge: None,
            authorizer,
            config: Config::default(),
            limits: Limits::default(),
        }
    }

    /// The same with the recordings in `store`, as the recorders of this crate write them.
    #[must_use]
    pub fn with_recordings(self, store: Arc<dyn ObjectStore>) -> Self {
        Self {
            recordings: Some(store),
            ..self
        }
    }

    /// The same with streams that `upstream` brings into the hub when they are asked for.
    #[must_use]
    pub fn with_upstream(self, upstream: Arc<dyn Upstream>) -> Self {
        Self {
            upstream: Some(upstream),
            ..self
        }
    }

    /// The same with pictures of live streams by `posters`.
    #[must_use]
    pub fn with_posters(self, posters: Arc<dyn Posters>) -> Self {
        Self {
            posters: Some(posters),
            ..self
        }
    }

    /// The same with what `edge` fetches from other nodes: live files in place of those that are made here, recordings where
    /// there is no store of them.
    #[cfg(feature = "edge")]
    #[must_use]
    pub fn with_edge(self, edge: edge::Edge) -> Self {
        Self {
            edge: Some(edge),
            ..self
        }
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("config", &self.config)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// How streams are served.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How long an FLV viewer's connection waits for further frames before it writes: fewer, larger writes for
    /// that much latency. 0 writes each frame at once. 10 ms.
    pub linger: Duration,
    /// About how many bytes of FLV are written at once. 256 KiB.
    pub batch_bytes: usize,
    /// How long caches may keep segments, parts and init segments. Their names never come again; the time bounds
    /// what a cache holds of a stream that is long over. 1 h.
    pub segment_max_age: Duration,
    /// Proxies in front whose `X-Forwarded-For` and `X-Forwarded-Proto` count. They hand the viewer's `Host` on. None.
    pub trusted_proxies: Networks,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(10),
            batch_bytes: 256 << 10,
            segment_max_age: Duration::from_secs(3600),
            trusted_proxies: Networks::default(),
        }
    }
}

/// What bounds the router.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest wait for a file that is about to come, so that no request hangs for ever. A blocking playlist
    /// reload may wait for three target durations where that is longer (RFC 8216bis §6.2.5.2). 8 s.
    pub wait: Duration,
    /// The same for the first playlists of a stream. Encoders exist that send a key frame every ten seconds, and the
    /// first segment is as long. 30 s.
    pub first_wait: Duration,
    /// How long a viewer of FLV, or of a segment that grows, may take nothing while there is something to take, or a
    /// WebSocket viewer may take for one batch. Longer than the stalls of a poor network, short enough that those who never read do not gather.
    /// 20 s.
    pub stall: Duration,
    /// The longest query that is read: playback tokens and policies have some 1 kB. 8 KiB.
    pub query_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(8),
            first_wait: Duration::from_secs(30),
            stall: Duration::from_secs(20),
            query_bytes: 8 << 10,
        }
    }
}

/// The router for all playback addresses. It has no fallback: merge it with routers of more definite addresses.
pub fn router(state: State) -> axum::Router {
    let any = axum::routing::any(site::serve);
    axum::Router::new()
        .route("/{channel}", any.clone())
        .route("/{channel}/", any.clone())
        .route("/{channel}/{*rest}", any)
        .with_state(Arc::new(Site::new(state)))
        .merge(players())
}

#[cfg(test)]
mod tests;
