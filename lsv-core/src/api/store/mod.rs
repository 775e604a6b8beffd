//! The ports of this node, for other nodes: channel records, objects, live sessions, tasks. [`crate::remote`] is the asking
//! end, and [`crate::exchange`] says what goes over the wire.
//!
//! ```text
//! request ─> [node token] ─> body, bounded ─> [once] ─> ChannelStore | ObjectStore | SessionRegistry | TaskScheduler
//!                                               └─ the same call again: the same answer
//! ```
//!
//! What changes something runs to its end even if whoever asked is gone by then, and its answer is kept for who asks again.

mod body;
mod calls;
mod channels;
mod kept;
mod objects;
mod read;
mod refused;
mod sessions;
mod tasks;
mod writers;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post, put};
use lsv_auth::Secret;

use self::body::Room;
use self::calls::Calls;
use self::sessions::Leases;
use self::writers::Writers;
use super::token;
use crate::ports::{ChannelStore, ObjectStore, SessionRegistry, TaskScheduler};

/// What a node keeps and runs for others.
#[derive(Clone)]
pub struct Serve {
    /// What it keeps, if it keeps anything.
    pub stores: Option<Stores>,
    /// What runs tasks on it, if anything does.
    pub tasks: Option<Arc<dyn TaskScheduler>>,
    /// What another node must show.
    pub token: Secret,
    /// What others may take of it.
    pub limits: Limits,
}

/// What a node keeps for others.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Where the channel records are.
    pub channels: Arc<dyn ChannelStore>,
    /// Where the objects are.
    pub objects: Arc<dyn ObjectStore>,
    /// Where it is known what is live.
    pub sessions: Arc<dyn SessionRegistry>,
}

/// What other nodes may take of this one. It stops a node that has gone wrong, or many at once, from filling the memory.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Most bytes of one body: an object that is written at once, what is appended at once, the pieces of an object. 64 MiB.
    pub body_bytes: usize,
    /// Most bytes of bodies that are held at the same time. 256 MiB.
    pub memory_bytes: usize,
    /// Most objects that are written at the same time. 4,096.
    pub writers: usize,
    /// How long nothing may be appended to an object before it is left as a crash would leave it. Its writer can go on with
    /// it. 10 min.
    pub writer_idle: Duration,
    /// Most sessions that are announced at the same time. 65,536.
    pub leases: usize,
    /// How long an announcement holds without being renewed. 30 s.
    pub lease: Duration,
    /// How long from its start on it waits before it says that something is not live: those who announced it to the process
    /// before this one take a while to come back. Zero, which suits a registry that outlives processes.
    pub settling: Duration,
    /// How long a call may take before its sender is told to ask for the answer later. 1 s.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            memory_bytes: 256 << 20,
            writers: 4_096,
            writer_idle: Duration::from_secs(600),
            leases: 65_536,
            lease: Duration::from_secs(30),
            settling: Duration::ZERO,
            patience: Duration::from_secs(1),
        }
    }
}

impl fmt::Debug for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("stores", &self.stores)
            .field("tasks", &self.tasks)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The calls of other nodes as a router, all below `/node/`. It has no fallback: merge it with others. Make one of a node:
/// its memory of calls, writers and leases is its own.
pub fn router(serve: Serve) -> Router {
    let common = Common {
        calls: Calls::new(serve.limits.patience),
        room: Room::new(&serve.limits),
    };
    let calls = Router::new().route("/node/calls/{call}", get(calls::answer));
    let mut router = calls.with_state(common.clone());
    if let Some(stores) = serve.stores {
        router = router.merge(stores_router(stores, &serve.limits, &common));
    }
    if let Some(scheduler) = serve.tasks {
        router = router.merge(tasks_router(scheduler, common));
    }
    router.route_layer(middleware::from_fn_with_state(serve.token, token::require))
}

fn stores_router(stores: Stores, limits: &Limits, common: &Common) -> Router {
    let keeping = Keeping {
        writers: Writers::new(Arc::clone(&stores.objects), limits),
        leases: Arc::new(Leases::new(Arc::clone(&stores.sessions), limits)),
        stores,
        common: common.clone(),
    };
    Router::new()
        .route("/node/channels", get(channels::list))
        .route(
            "/node/channels/{id}",
            get(channels::read)
                .put(channels::write)
                .delete(channels::remove),
        )
        .route(
            "/node/streamdns",
            get(channels::stream_dns).put(channels::put_stream_dns),
        )
        .route("/node/objects", get(objects::list))
        .route(
            "/node/objects/{*name}",
            get(read::read).put(objects::write).delete(objects::remove),
        )
        .route("/node/stat/{*name}", get(objects::stat))
        .route("/node/composed/{*name}", post(objects::compose))
        .route("/node/settled/{*name}", post(objects::settle))
        .route(
            "/node/writers/{writer}",
            put(writers::open)
                .patch(writers::append)
                .post(writers::finish)
                .delete(writers::abort),
        )
        .route("/node/sessions", get(sessions::list))
        .route("/node/sessions/{id}", get(sessions::locate))
        .route(
            "/node/leases/{lease}",
            put(sessions::announce).delete(sessions::withdraw),
        )
        .with_state(keeping)
}

fn tasks_router(scheduler: Arc<dyn TaskScheduler>, common: Common) -> Router {
    Router::new()
        .route("/node/tasks", get(tasks::list).post(tasks::start))
        .route(
            "/node/tasks/{task}",
            axum::routing::patch(tasks::resize).delete(tasks::stop),
        )
        .with_state(tasks::Running::new(scheduler, common))
}

/// What all calls share.
#[derive(Clone, Debug)]
struct Common {
    calls: Calls,
    room: Room,
}

/// What the calls for stores share.
#[derive(Clone, Debug)]
struct Keeping {
    stores: Stores,
    writers: Writers,
    leases: Arc<Leases>,
    common: Common,
}

impl axum::extract::FromRef<Keeping> for Common {
    fn from_ref(keeping: &Keeping) -> Self {
        keeping.common.clone()
    }
}

#[cfg(test)]
#[cfg(feature = "embedded")]
mod tests;
