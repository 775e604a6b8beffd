//! Playback addresses answered from upstream: each object is fetched once, however many viewers ask, and kept.
//!
//! ```text
//! viewer ─> Wish ─> Cache::lookup ─┬─ hit ──────────────────────────────> Answer
//!                                  ├─ wait for whoever fetches ─────────> Answer, as the bytes arrive
//!                                  └─ permit ─> task: disk, or upstreams in turn ─> Body, which all of them read
//! ```
//!
//! A fetch is a task of its own: it goes on when the viewer who caused it leaves. What it brings is given out while it
//! arrives, and a segment that upstream still makes likewise. An object that breaks off is not kept, and those who read
//! it are cut off, unless another upstream has the very same and goes on where the first has stopped. What is large, such as an MP4
//! file of hours, is fetched and kept in chunks, those that are asked for.
//!
//! Upstream learns nothing of viewers: neither their addresses nor their credentials, which are no part of a key either.
//! Whoever uses an [`Edge`] decides first who may watch.
//!
//! Freshness follows `Cache-Control` (RFC 9111, RFC 5861). What has to be asked for each time, such as a live playlist
//! without an age, is asked for by one while all others wait for the same answer. That there is nothing under a name is remembered
//! for [`Limits::absence`].

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::response::Response;
use http::request::Parts;
use lsv_core::cache::{self, Cache};
use lsv_core::path::StreamPath;
use lsv_core::via::NodeName;
use rustls::ClientConfig;

use super::address::Target;
use super::guest::Guest;
use super::problem::Problem;
use super::{pages, recorded};
use client::Client;
use disk::Disk;
use failure::Failure;
use faults::Faults;
use object::Object;
use via::Way;
use wish::Wish;

pub use upstream::{Upstream, Upstreams};

mod answer;
mod body;
mod chunks;
mod client;
mod disk;
mod failure;
mod faults;
mod fetch;
mod find;
mod head;
mod object;
mod range;
mod receive;
mod upstream;
mod via;
mod wish;

/// Answers playback requests from other nodes, and keeps what they sent. Cheap to clone.
#[derive(Clone)]
pub struct Edge(Arc<Inner>);

struct Inner {
    config: Config,
    limits: Limits,
    client: Client,
    upstreams: Arc<dyn Upstreams>,
    memory: Objects,
    disk: Option<Disk>,
    faults: Faults,
    /// Bytes of what is not yet whole.
    arriving: Arc<AtomicUsize>,
}

type Objects = Cache<Key, Arc<Object>, Failure>;

/// What an object is kept under.
type Key = Arc<str>;

/// Which addresses an edge answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// What was recorded, and posters of channels that are not live here. What is live comes from the hub.
    #[default]
    Recorded,
    /// These, and all of HLS and DASH: the bytes are the same on every node behind one upstream.
    Everything,
}

/// How an edge is set up.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// What this node is called in `Via` (RFC 9110 §7.6.3): by it a request that comes around again is found out.
    pub name: NodeName,
    /// What it answers. [`Scope::Recorded`].
    pub scope: Scope,
    /// How upstreams at `https` addresses are trusted; without, there can be none.
    pub tls: Option<Arc<ClientConfig>>,
    /// A folder of its own for what was recorded and has no room in memory; what an earlier run left there is removed. None.
    pub folder: Option<PathBuf>,
}

impl Config {
    /// The defaults, for a node of this name.
    pub fn new(name: NodeName) -> Self {
        Self {
            name,
            scope: Scope::default(),
            tls: None,
            folder: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("name", &self.name)
            .field("scope", &self.scope)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// What bounds an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// What is kept in memory. 256 MiB.
    pub memory_bytes: usize,
    /// What is kept in [`Config::folder`]. 16 GiB.
    pub disk_bytes: usize,
    /// How many files there are in it at most: what is known of each is in memory, some 1 KiB. 100,000.
    pub disk_files: usize,
    /// The largest object that is fetched whole; what is larger comes in chunks. 16 MiB.
    pub object_bytes: usize,
    /// The length of a chunk: what a viewer who jumps into a file costs upstream at least. 1 MiB.
    pub chunk_bytes: usize,
    /// What may be arriving at once, of all objects together. 256 MiB.
    pub arriving_bytes: usize,
    /// Fetches at once. 512.
    pub fetches: usize,
    /// Requests that wait for them. 100,000.
    pub waiting: usize,
    /// Names remembered that there is nothing of: whoever makes them up costs no more. 10,000.
    pub absences: usize,
    /// How long they are. What is asked for a moment too early is there for the next who asks. 1 s.
    pub absence: Duration,
    /// How long what was recorded is good without asking again, where upstream says that it may change. 1 s.
    pub recorded: Duration,
    /// How long what was recorded is good at most, however long upstream says: it may be removed. 1 min.
    pub removed: Duration,
    /// How much longer than upstream says an object is answered with while no upstream can be reached. 10 s.
    pub stale: Duration,
    /// How long an upstream that failed is asked last. 2 s.
    pub pause: Duration,
    /// Until an upstream is connected to. 2 s.
    pub connect: Duration,
    /// Until it answers with a head. 15 s.
    pub head: Duration,
    /// The same for playlists, which upstream may hold back until they have what is asked for. 40 s.
    pub playlist: Duration,
    /// Between one piece of a body and the next. 10 s.
    pub idle: Duration,
    /// A whole object. A segment that grows takes as long as it lasts. 2 min.
    pub object: Duration,
    /// How long a viewer may take nothing of what arrives. 20 s.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            disk_bytes: 16 << 30,
            disk_files: 100_000,
            object_bytes: 16 << 20,
            chunk_bytes: 1 << 20,
            arriving_bytes: 256 << 20,
            fetches: 512,
            waiting: 100_000,
            absences: 10_000,
            absence: Duration::from_secs(1),
            recorded: Duration::from_secs(1),
            removed: Duration::from_secs(60),
            stale: Duration::from_secs(10),
            pause: Duration::from_secs(2),
            connect: Duration::from_secs(2),
            head: Duration::from_secs(15),
            playlist: Duration::from_secs(40),
            idle: Duration::from_secs(10),
            object: Duration::from_secs(120),
            stall: Duration::from_secs(20),
        }
    }
}

impl Edge {
    /// An edge that fetches from `upstreams`. Needs a tokio runtime.
    ///
    /// # Errors
    /// Where the folder of its configuration cannot be written to.
    pub fn new(
        config: Config,
        limits: Limits,
        upstreams: Arc<dyn Upstreams>,
    ) -> std::io::Result<Self> {
        let mut bounds = cache::Limits::default();
        bounds.bytes = limits.memory_bytes;
        bounds.absences = limits.absences;
        bounds.fetches = limits.fetches;
        bounds.waiting = limits.waiting;
        let disk = config.folder.as_deref();
        let disk = disk.map(|folder| Disk::open(folder, &limits));
        Ok(Self(Arc::new(Inner {
            client: Client::new(&config, &limits),
            memory: Cache::new(&bounds, |key, object| key.len() + object.weight()),
            disk: disk.transpose()?,
            faults: Faults::default(),
            arriving: Arc::default(),
            config,
            limits,
            upstreams,
        })))
    }

    /// Whether it answers `target` of a stream.
    pub(super) fn serves(&self, target: Target<'_>) -> bool {
        match target {
            Target::Recorded(_) | Target::Poster => true,
            Target::File(_) => self.0.config.scope == Scope::Everything,
            Target::Bare(_) | Target::Page(_) | Target::Flv | Target::Time => false,
        }
    }

    /// Answers a GET or HEAD of `target`, by `guest` who may watch it.
    pub(super) async fn answer(
        &self,
        stream: &StreamPath,
        target: Target<'_>,
        guest: &Guest,
        parts: &Parts,
    ) -> Result<Response, Problem> {
        if let Target::Recorded(rest) = target
            && recorded::is_page(rest, parts)
        {
            return Ok(pages::recordings(&parts.method, &parts.headers));
        }
        let way = Way::of(&parts.headers, guest.is_node, &self.0.config.name)?;
        let wish = Arc::new(Wish::read(stream, target, parts.uri.query())?);
        let found = self.0.find(&wish, &way).await;
        self.0.answer(&wish, &way, found, guest, parts).await
    }

    /// How much it holds in memory.
    pub fn held(&self) -> cache::Held {
        self.0.memory.held()
    }
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge")
            .field("config", &self.0.config)
            .field("limits", &self.0.limits)
            .field("held", &self.held())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
