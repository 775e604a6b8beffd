//! What is known of each key, and how old it may be.

use std::hash::Hash;
use std::time::{Duration, Instant};

use super::shelf::Shelf;
use super::{Held, Kept, Life, Limits};

/// Values and absences, each within its own bound, so that a flood of names that nobody has pushes out no value.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    weigh: fn(&K, &V) -> usize,
    values: Shelf<K, Entry<V>>,
    absences: Shelf<K, Absence>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    since: Instant,
    life: Life,
    /// A fetch has failed: none is wanted before.
    paused_until: Option<Instant>,
}

#[derive(Debug)]
struct Absence {
    since: Instant,
}

/// What the table says of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<V> {
    Fresh(Kept<V>),
    /// To be answered with, and to be fetched anew unless `is_paused`.
    Stale {
        kept: Kept<V>,
        is_paused: bool,
    },
    /// There is no such thing.
    Absent(Duration),
    /// To be fetched before anything is answered.
    Unknown,
}

impl<K: Clone + Eq + Hash, V: Clone> Table<K, V> {
    pub(super) fn new(limits: &Limits, weigh: fn(&K, &V) -> usize) -> Self {
        Self {
            weigh,
            values: Shelf::new(limits.bytes, limits.values),
            absences: Shelf::new(limits.absences, limits.absences),
        }
    }

    pub(super) fn insert(&mut self, key: K, value: V, life: Life, now: Instant) {
        self.absences.remove(&key);
        let weight = (self.weigh)(&key, &value).saturating_add(ENTRY_BYTES);
        let until = after(now, life.longest());
        let entry = Entry {
            value,
            since: now,
            life,
            paused_until: None,
        };
        self.values.insert(key, entry, weight, until, now);
    }

    /// Remembers that there is no such thing, for as long.
    pub(super) fn insert_absence(&mut self, key: K, life: Duration, now: Instant) {
        self.values.remove(&key);
        let until = after(now, life);
        let absence = Absence { since: now };
        self.absences.insert(key, absence, 1, until, now);
    }

    /// Asks for no other fetch of `key` for as long, where there is something to answer with meanwhile.
    pub(super) fn pause(&mut self, key: &K, pause: Duration, now: Instant) {
        if let Some(entry) = self.values.find(key, now) {
            entry.paused_until = Some(after(now, pause));
        }
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.values.remove(key);
        self.absences.remove(key);
    }

    pub(super) fn find(&mut self, key: &K, now: Instant) -> Found<V> {
        let Some(entry) = self.values.find(key, now) else {
            return match self.absences.find(key, now) {
                Some(absence) => Found::Absent(now.saturating_duration_since(absence.since)),
                None => Found::Unknown,
            };
        };
        let kept = entry.kept(now);
        let is_paused = entry.paused_until.is_some_and(|until| now < until);
        match kept.age {
            age if age < entry.life.fresh => Found::Fresh(kept),
            age if age < entry.life.while_fetched() => Found::Stale { kept, is_paused },
            age if is_paused && age < entry.life.if_failed() => Found::Stale { kept, is_paused },
            _ => Found::Unknown,
        }
    }

    /// What to answer with when a fetch has failed.
    pub(super) fn spare(&mut self, key: &K, now: Instant) -> Option<Kept<V>> {
        let entry = self.values.find(key, now)?;
        let kept = entry.kept(now);
        (kept.age < entry.life.longest()).then_some(kept)
    }

    pub(super) fn held(&self) -> Held {
        Held {
            values: self.values.len(),
            bytes: self.values.held(),
            absences: self.absences.len(),
            ..Held::default()
        }
    }
}

impl<V: Clone> Entry<V> {
    fn kept(&self, now: Instant) -> Kept<V> {
        Kept {
            value: self.value.clone(),
            age: now.saturating_duration_since(self.since),
        }
    }
}

/// A moment that much later; one that no clock reaches is put far away.
fn after(now: Instant, time: Duration) -> Instant {
    let far = || now + FAR;
    now.checked_add(time).unwrap_or_else(far)
}

/// What an entry takes beside key and value.
const ENTRY_BYTES: usize = 200;
/// Ten years.
const FAR: Duration = Duration::from_secs(10 * 365 * 86_400);
