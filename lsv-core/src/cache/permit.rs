//! The right to fetch, and the wait for who has it.

use std::fmt;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::flights::Ticket;
use super::{Cache, Key, Lane, Life, Outcome, State};

/// The right, and the duty, to fetch a value. There is one for each key and lane at a time; dropped, the next who waits gets it.
#[must_use = "those who wait get nothing until it says what came"]
pub struct Permit<K: Key, V: Clone, E: Clone> {
    cache: Cache<K, V, E>,
    /// Key and lane; `None` once it was used.
    flight: Option<(K, Lane)>,
}

impl<K: Key, V: Clone, E: Clone> Permit<K, V, E> {
    pub(super) fn new(cache: Cache<K, V, E>, flight: (K, Lane)) -> Self {
        Self {
            cache,
            flight: Some(flight),
        }
    }

    /// Gives `value` to all who wait, and keeps it for as long as it lives and there is room.
    pub fn fill(self, value: V, life: Life, now: Instant) {
        self.end(
            |state, key| state.table.insert(key.clone(), value.clone(), life, now),
            || Message::Filled(value.clone()),
        );
    }

    /// There is no such thing, and nobody need ask again for `life`.
    pub fn absent(self, life: Duration, now: Instant) {
        self.end(
            |state, key| state.table.insert_absence(key.clone(), life, now),
            || Message::Absent,
        );
    }

    /// It could not be fetched: all who wait are told. Where an old value can stand in, it does, and nobody tries again for
    /// `pause`.
    pub fn fail(self, error: E, pause: Duration, now: Instant) {
        self.end(
            |state, key| state.table.pause(key, pause, now),
            || Message::Failed(error.clone()),
        );
    }

    fn end(
        mut self,
        note: impl FnOnce(&mut State<K, V, E>, &K),
        message: impl Fn() -> Message<V, E>,
    ) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        let mut state = self.cache.lock();
        note(&mut state, &flight.0);
        let waiters = state.flights.end(&flight);
        drop(state);
        for waiter in waiters {
            // One who has left just now needs no answer.
            drop(waiter.send(message()));
        }
    }
}

impl<K: Key, V: Clone, E: Clone> Drop for Permit<K, V, E> {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        loop {
            let next = self.cache.lock().flights.hand_on(&flight);
            // Whoever left between is passed over.
            if next.is_none_or(|next| next.send(Message::Turn).is_ok()) {
                return;
            }
        }
    }
}

impl<K: Key, V: Clone, E: Clone> fmt::Debug for Permit<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// A place among those who wait for a fetch; dropped, it is given up.
#[must_use = "it is there to be waited for"]
pub struct Wait<K: Key, V: Clone, E: Clone> {
    cache: Cache<K, V, E>,
    /// Key and lane.
    flight: (K, Lane),
    ticket: Ticket,
    receiver: oneshot::Receiver<Message<V, E>>,
}

impl<K: Key, V: Clone, E: Clone> Wait<K, V, E> {
    pub(super) fn new(
        cache: Cache<K, V, E>,
        flight: (K, Lane),
        ticket: Ticket,
        receiver: oneshot::Receiver<Message<V, E>>,
    ) -> Self {
        Self {
            cache,
            flight,
            ticket,
            receiver,
        }
    }

    /// Waits for what comes of the fetch, for as long as it takes.
    pub async fn outcome(mut self) -> Outcome<K, V, E> {
        match (&mut self.receiver).await {
            Ok(message) => self.read(message),
            // The cache keeps the other end until it has answered.
            Err(_) => std::future::pending().await,
        }
    }

    fn read(&self, message: Message<V, E>) -> Outcome<K, V, E> {
        match message {
            Message::Filled(value) => Outcome::Filled(value),
            Message::Absent => Outcome::Absent,
            Message::Failed(error) => Outcome::Failed(error),
            Message::Turn => Outcome::Turn(self.turn()),
        }
    }

    fn turn(&self) -> Permit<K, V, E> {
        Permit::new(self.cache.clone(), self.flight.clone())
    }
}

impl<K: Key, V: Clone, E: Clone> Drop for Wait<K, V, E> {
    fn drop(&mut self) {
        self.cache.lock().flights.leave(&self.flight, self.ticket);
        self.receiver.close();
        // A turn that nobody took is the next one's.
        if let Ok(Message::Turn) = self.receiver.try_recv() {
            drop(self.turn());
        }
    }
}

impl<K: Key, V: Clone, E: Clone> fmt::Debug for Wait<K, V, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").finish_non_exhaustive()
    }
}

/// What those who wait are told.
pub(super) enum Message<V, E> {
    Filled(V),
    Absent,
    Failed(E),
    Turn,
}
