//! From what a viewer asks for to an object: kept, waited for, or fetched.

use std::sync::Arc;
use std::time::Duration;

use lsv_core::cache::{Kept, Lookup, Outcome};
use tokio::time::Instant;

use super::failure::Failure;
use super::fetch::{Fetched, Job, Right};
use super::object::Object;
use super::via::Way;
use super::wish::Wish;
use super::{Inner, Key};

/// An object, and how it was come by.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) object: Arc<Object>,
    /// Since when it is kept here.
    pub(super) age: Duration,
    pub(super) how: How,
}

/// What an answer cost, as `X-Cache` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Nothing.
    Hit,
    /// A fetch.
    Miss,
    /// The fetch of somebody else.
    Coalesced,
    /// Nothing: it is older than it should be.
    Stale,
}

/// Why there is no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    /// There is none; it was known already, or asked for.
    Absent {
        known: bool,
    },
    Failed(Failure),
    /// Too much is being fetched.
    Busy,
}

impl Inner {
    /// The object that `wish` asks for, from memory or from wherever else.
    pub(super) async fn find(
        self: &Arc<Self>,
        wish: &Arc<Wish>,
        way: &Way,
    ) -> Result<Found, Missing> {
        let key = wish.key();
        let fetch = |permit| self.spawn(Arc::clone(wish), way, Arc::clone(&key), permit);
        let now = now();
        let (outcome, how) = match self.memory.lookup_in(way.lane(), &key, now) {
            Lookup::Hit(kept) => return Ok(Found::kept(kept, How::Hit)),
            Lookup::Absent(_) => return Err(Missing::Absent { known: true }),
            Lookup::Busy => return Err(Missing::Busy),
            Lookup::Stale(kept, permit) => {
                // It goes on by itself.
                drop(permit.map(fetch));
                return Ok(Found::kept(kept, How::Stale));
            }
            Lookup::Fetch(permit) => (fetch(permit).await, How::Miss),
            Lookup::Wait(wait) => match wait.outcome().await {
                Outcome::Filled(object) => (Ok(Some(object)), How::Coalesced),
                Outcome::Absent => (Ok(None), How::Coalesced),
                Outcome::Failed(failure) => (Err(failure), How::Coalesced),
                Outcome::Turn(permit) => (fetch(permit).await, How::Miss),
            },
        };
        match outcome {
            Ok(Some(object)) => Ok(Found {
                object,
                age: Duration::ZERO,
                how,
            }),
            Ok(None) => Err(Missing::Absent { known: false }),
            // As old as it was when it was asked for: trying upstreams took its time.
            Err(failure) => match self.memory.spare(&key, now) {
                Some(kept) => Ok(Found::kept(kept, How::Stale)),
                None => Err(Missing::Failed(failure)),
            },
        }
    }

    /// Fetches in a task, which goes on if nobody waits for it any more.
    fn spawn(
        self: &Arc<Self>,
        wish: Arc<Wish>,
        way: &Way,
        key: Key,
        permit: Right,
    ) -> impl Future<Output = Fetched> + use<> {
        let job = Job {
            edge: Arc::clone(self),
            wish,
            way: way.clone(),
            key,
        };
        let task = tokio::spawn(job.run(permit));
        async move { task.await.unwrap_or(Err(Failure::GivenUp)) }
    }

    /// Begins to fetch, if nobody has, what will be asked for next.
    pub(super) fn prefetch(self: &Arc<Self>, wish: Wish, way: &Way) {
        let key = wish.key();
        if let Lookup::Fetch(permit) = self.memory.lookup_in(way.lane(), &key, now()) {
            drop(self.spawn(Arc::new(wish), way, key, permit));
        }
    }
}

impl Found {
    fn kept(kept: Kept<Arc<Object>>, how: How) -> Self {
        Self {
            object: kept.value,
            age: kept.age,
            how,
        }
    }
}

/// By tokio's clock, which tests can turn.
pub(super) fn now() -> std::time::Instant {
    Instant::now().into_std()
}
