//! A cache that asks once: values with a time to live within a budget, and one fetch for all who ask meanwhile.
//!
//! [`Cache::lookup`] says what to do about a key. Whoever gets a [`Permit`] fetches the value and tells with it what came
//! of that; everybody else who asks gets a [`Wait`], which is answered by the permit. A permit that is dropped, with the
//! request that held it, goes to the one who has waited longest. There is no clock, no task and no I/O in here: `now` is an
//! argument, and how long to wait is up to who waits.
//!
//! ```text
//! age        0 ........ fresh ........ + stale_while_revalidate ........ + stale_if_error
//! lookup     Hit               Stale, one gets a permit           Fetch or Wait; the old value only if that fails
//! ```
//!
//! A fetch that asks somebody who has a cache of his own may come to wait for a fetch there. Where those who ask each other form a
//! circle, all of them would wait for ever: [`Cache::lookup_in`] keeps fetches of one key apart by [`Lane`].
//!
//! That there is no such thing is remembered apart from values, briefly, and bounded by count: whoever makes up names costs
//! the values nothing. [`Cache::get`] is all of it in one call, for who has nothing better to do than to fetch in place:
//!
//! ```
//! use std::time::{Duration, Instant};
//! use lsv_core::cache::{Cache, Fetched, Life, Limits};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let cache = Cache::new(&Limits::default(), |key: &String, value: &u64| key.len() + size_of_val(value));
//! let key = "cam".to_owned();
//! for _ in 0..3 {
//!     let found = cache.get(&key, Instant::now, async || {
//!         // Asked once.
//!         Ok::<_, std::io::ErrorKind>(Fetched::Value(7, Life::fresh(Duration::from_secs(2))))
//!     });
//!     assert_eq!(found.await, Ok(Some(7)));
//! }
//! # });
//! ```

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

mod flights;
mod permit;
mod shelf;
mod table;

use flights::{Flights, Part};
use permit::Message;
pub use permit::{Permit, Wait};
use table::{Found, Table};

/// Values by key, shared: clones are the same cache. Keys are cloned often: an `Arc<str>` is a good one.
///
/// `E` is why a fetch failed, as those who wait for it are told.
pub struct Cache<K: Key, V: Clone, E: Clone>(Arc<Mutex<State<K, V, E>>>);

struct State<K, V, E> {
    table: Table<K, V>,
    flights: Flights<(K, Lane), oneshot::Sender<Message<V, E>>>,
}

/// Which of the fetches of one key is meant: who asks in one lane never waits for the fetch of another. What a fetch brings is
/// everybody's.
pub type Lane = usize;

/// What can be a key.
pub trait Key: Clone + Eq + Hash {}

impl<K: Clone + Eq + Hash> Key for K {}

/// What bounds a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// What values, keys and what is noted about them may weigh together. 64 MiB.
    pub bytes: usize,
    /// How many values are kept, whatever they weigh. As many as their weight lets in.
    pub values: usize,
    /// How many names are remembered that there is nothing of; beyond, the oldest is forgotten. 10,000.
    pub absences: usize,
    /// How many keys are fetched at once. 1,000.
    pub fetches: usize,
    /// How many may wait at once, for all keys together. 100,000.
    pub waiting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            values: usize::MAX,
            absences: 10_000,
            fetches: 1_000,
            waiting: 100_000,
        }
    }
}

/// How long a value is good, and for what (RFC 5861).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Life {
    /// It is what a fetch would bring. Zero: each lookup leads to a fetch.
    pub fresh: Duration,
    /// After that, it is answered with while somebody fetches it anew.
    pub stale_while_revalidate: Duration,
    /// After [`Life::fresh`], it is answered with if a fetch fails.
    pub stale_if_error: Duration,
}

impl Life {
    /// Good for so long, and of no use after.
    pub fn fresh(fresh: Duration) -> Self {
        Self {
            fresh,
            ..Self::default()
        }
    }

    fn while_fetched(&self) -> Duration {
        self.fresh.saturating_add(self.stale_while_revalidate)
    }

    fn if_failed(&self) -> Duration {
        self.fresh.saturating_add(self.stale_if_error)
    }

    fn longest(&self) -> Duration {
        self.while_fetched().max(self.if_failed())
    }
}

/// A value, and since when it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept<V> {
    /// The value.
    pub value: V,
    /// How long ago it was put in.
    pub age: Duration,
}

/// What to do about a key.
#[derive(Debug)]
pub enum Lookup<K: Key, V: Clone, E: Clone> {
    /// Answer with this.
    Hit(Kept<V>),
    /// There is no such thing; so it was found that long ago.
    Absent(Duration),
    /// Answer with this, and fetch it anew if there is a permit.
    Stale(Kept<V>, Option<Permit<K, V, E>>),
    /// Fetch it.
    Fetch(Permit<K, V, E>),
    /// Somebody fetches it.
    Wait(Wait<K, V, E>),
    /// Too many fetches or waits are under way: refuse.
    Busy,
}

/// What a wait came to.
#[derive(Debug)]
pub enum Outcome<K: Key, V: Clone, E: Clone> {
    /// It was fetched.
    Filled(V),
    /// There is no such thing.
    Absent,
    /// It could not be fetched. There may be a [`Cache::spare`].
    Failed(E),
    /// Whoever fetched it has left: fetch it.
    Turn(Permit<K, V, E>),
}

/// How much a cache holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// Values.
    pub values: usize,
    /// What they weigh.
    pub bytes: usize,
    /// Names that there is nothing of.
    pub absences: usize,
    /// Fetches under way.
    pub fetches: usize,
    /// How many wait for them.
    pub waiting: usize,
}

impl<K: Key, V: Clone, E: Clone> Cache<K, V, E> {
    /// An empty cache. `weigh` says what a key with its value holds in memory, or on whatever is bounded.
    pub fn new(limits: &Limits, weigh: fn(&K, &V) -> usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            table: Table::new(limits, weigh),
            flights: Flights::new(limits),
        })))
    }

    /// What to do about `key`.
    pub fn lookup(&self, key: &K, now: Instant) -> Lookup<K, V, E> {
        self.lookup_in(Lane::default(), key, now)
    }

    /// The same in a lane: there is one permit at a time for each. Who asks others in a lane above its own, and so do they, never
    /// waits for itself.
    pub fn lookup_in(&self, lane: Lane, key: &K, now: Instant) -> Lookup<K, V, E> {
        let mut receiver = None;
        let mut state = self.lock();
        let part = match state.table.find(key, now) {
            Found::Fresh(kept) => return Lookup::Hit(kept),
            Found::Absent(age) => return Lookup::Absent(age),
            Found::Stale { kept, is_paused } => {
                let may_fetch = !is_paused && state.flights.begin(&(key.clone(), lane));
                return Lookup::Stale(kept, may_fetch.then(|| self.permit(key, lane)));
            }
            Found::Unknown => state.flights.join(&(key.clone(), lane), || {
                let (sender, given) = oneshot::channel();
                receiver = Some(given);
                sender
            }),
        };
        drop(state);
        match (part, receiver) {
            (Part::Fetch, _) => Lookup::Fetch(self.permit(key, lane)),
            (Part::Wait(ticket), Some(receiver)) => Lookup::Wait(Wait::new(
                self.clone(),
                (key.clone(), lane),
                ticket,
                receiver,
            )),
            _ => Lookup::Busy,
        }
    }

    /// What to answer with when a fetch of `key` has failed.
    pub fn spare(&self, key: &K, now: Instant) -> Option<Kept<V>> {
        self.lock().table.spare(key, now)
    }

    /// Puts in what was not asked for.
    pub fn insert(&self, key: K, value: V, life: Life, now: Instant) {
        self.lock().table.insert(key, value, life, now);
    }

    /// Forgets what is known of `key`. A fetch under way goes on.
    pub fn remove(&self, key: &K) {
        self.lock().table.remove(key);
    }

    /// How much it holds.
    pub fn held(&self) -> Held {
        let state = self.lock();
        Held {
            fetches: state.flights.fetches(),
            waiting: state.flights.waiting(),
            ..state.table.held()
        }
    }

    /// The value of `key`, by `fetch` where it is not known; `None` if there is no such thing. Whoever comes first fetches, in
    /// this very call; a value that is stale is given to all others meanwhile, and to all if the fetch fails.
    ///
    /// Waits as long as `fetch` takes, of whoever it is: put a time limit around either.
    ///
    /// # Errors
    /// [`GetError::Failed`] with what `fetch` said, to all who waited; [`GetError::Busy`] at the limits.
    pub async fn get(
        &self,
        key: &K,
        clock: impl Fn() -> Instant,
        fetch: impl AsyncFnOnce() -> Result<Fetched<V>, E>,
    ) -> Result<Option<V>, GetError<E>> {
        let outcome = match self.lookup(key, clock()) {
            Lookup::Hit(kept) | Lookup::Stale(kept, None) => return Ok(Some(kept.value)),
            Lookup::Absent(_) => return Ok(None),
            Lookup::Busy => return Err(GetError::Busy),
            Lookup::Stale(_, Some(permit)) | Lookup::Fetch(permit) => Outcome::Turn(permit),
            Lookup::Wait(wait) => wait.outcome().await,
        };
        let error = match outcome {
            Outcome::Filled(value) => return Ok(Some(value)),
            Outcome::Absent => return Ok(None),
            Outcome::Failed(error) => error,
            Outcome::Turn(permit) => match fetch().await {
                Ok(Fetched::Value(value, life)) => {
                    permit.fill(value.clone(), life, clock());
                    return Ok(Some(value));
                }
                Ok(Fetched::Absent(life)) => {
                    permit.absent(life, clock());
                    return Ok(None);
                }
                Err(error) => {
                    permit.fail(error.clone(), PAUSE, clock());
                    error
                }
            },
        };
        match self.spare(key, clock()) {
            Some(kept) => Ok(Some(kept.value)),
            None => Err(GetError::Failed(error)),
        }
    }

    fn permit(&self, key: &K, lane: Lane) -> Permit<K, V, E> {
        Permit::new(self.clone(), (key.clone(), lane))
    }

    fn lock(&self) -> MutexGuard<'_, State<K, V, E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Key, V: Clone, E: Clone> Clone for Cache<K, V, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Key, V: Clone, E: Clone> fmt::Debug for Cache<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held().fmt(f)
    }
}

/// What a fetch brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched<V> {
    /// The value, good for so long.
    Value(V, Life),
    /// There is no such thing, and nobody need ask again for so long.
    Absent(Duration),
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GetError<E> {
    /// Too many fetches or waits are under way.
    #[error("too much is being fetched; try again")]
    Busy,
    /// It could not be fetched, and nothing older may stand in.
    #[error("{0}")]
    Failed(E),
}

/// After a fetch that failed in [`Cache::get`], an old value is answered with for so long.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
