//! Who fetches what, and who waits for it.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use super::Limits;

/// The keys that are being fetched, each by one, and who waits for each, in the order in which they came.
#[derive(Debug)]
pub(super) struct Flights<K, W> {
    under_way: HashMap<K, BTreeMap<Ticket, W>>,
    waiting: usize,
    next_ticket: Ticket,
    max_fetches: usize,
    max_waiting: usize,
}

/// Names one who waits.
pub(super) type Ticket = u64;

/// What is to be done about a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Fetch,
    Wait(Ticket),
    /// More than the limits let in.
    GoAway,
}

impl<K: Eq + Hash, W> Flights<K, W> {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            under_way: HashMap::new(),
            waiting: 0,
            next_ticket: 0,
            max_fetches: limits.fetches,
            max_waiting: limits.waiting,
        }
    }

    /// Begins to fetch `key`, or waits for who does; `waiter` is made only then.
    pub(super) fn join(&mut self, key: &K, waiter: impl FnOnce() -> W) -> Part
    where
        K: Clone,
    {
        let Some(waiters) = self.under_way.get_mut(key) else {
            return match self.begin(key) {
                true => Part::Fetch,
                false => Part::GoAway,
            };
        };
        if self.waiting >= self.max_waiting {
            return Part::GoAway;
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting += 1;
        waiters.insert(ticket, waiter());
        Part::Wait(ticket)
    }

    /// Begins to fetch `key`, unless somebody does or there are too many.
    pub(super) fn begin(&mut self, key: &K) -> bool
    where
        K: Clone,
    {
        if self.under_way.contains_key(key) || self.under_way.len() >= self.max_fetches {
            return false;
        }
        self.under_way.insert(key.clone(), BTreeMap::new());
        true
    }

    /// The fetch of `key` is over: all who waited.
    pub(super) fn end(&mut self, key: &K) -> impl Iterator<Item = W> + use<K, W> {
        let waiters = self.under_way.remove(key).unwrap_or_default();
        self.waiting -= waiters.len();
        waiters.into_values()
    }

    /// Whoever fetched `key` has left: the first who waits, who fetches from now on. The fetch is over where nobody waits.
    pub(super) fn hand_on(&mut self, key: &K) -> Option<W> {
        let next = self.under_way.get_mut(key)?.pop_first();
        match next {
            Some((_, waiter)) => {
                self.waiting -= 1;
                Some(waiter)
            }
            None => {
                self.under_way.remove(key);
                None
            }
        }
    }

    /// Somebody waits no longer.
    pub(super) fn leave(&mut self, key: &K, ticket: Ticket) {
        let waiters = self.under_way.get_mut(key);
        if waiters.is_some_and(|waiters| waiters.remove(&ticket).is_some()) {
            self.waiting -= 1;
        }
    }

    pub(super) fn fetches(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}
