//! Values within a budget, and which of them goes when another comes.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// Values whose weights together stay within a budget, and no more of them than a number.
///
/// Room is made by second chance: the oldest goes, but one that was asked for since its turn came last goes to the end
/// once more. What is asked for once, by somebody who reads everything, does not push out what many ask for; and asking
/// costs a flag, not a list.
#[derive(Debug)]
pub(super) struct Shelf<K, V> {
    budget: usize,
    most: usize,
    held: usize,
    slots: HashMap<K, Slot<V>>,
    /// Whose turn to go is next, the oldest first.
    turns: BTreeMap<u64, K>,
    next_turn: u64,
}

#[derive(Debug)]
struct Slot<V> {
    value: V,
    weight: usize,
    turn: u64,
    /// Asked for since its last turn.
    is_wanted: bool,
    /// From then on it is of no use to anybody.
    until: Instant,
}

impl<K: Clone + Eq + Hash, V> Shelf<K, V> {
    pub(super) fn new(budget: usize, most: usize) -> Self {
        Self {
            budget,
            most,
            held: 0,
            slots: HashMap::new(),
            turns: BTreeMap::new(),
            next_turn: 0,
        }
    }

    /// Puts `value` in, in place of one of the same key, as long as it is good for something. What weighs more than the
    /// whole budget is not kept.
    pub(super) fn insert(&mut self, key: K, value: V, weight: usize, until: Instant, now: Instant) {
        // Played again and again, a playlist that changes is as wanted as before.
        let is_wanted = self.take(&key).is_some_and(|old| old.is_wanted);
        if weight > self.budget || self.most == 0 || until <= now {
            return;
        }
        while (self.held > self.budget - weight || self.len() >= self.most) && self.evict(now) {}
        let turn = self.turn(key.clone());
        self.held += weight;
        let slot = Slot {
            value,
            weight,
            turn,
            is_wanted,
            until,
        };
        self.slots.insert(key, slot);
    }

    /// The value of `key`, if it is still good for something.
    pub(super) fn find(&mut self, key: &K, now: Instant) -> Option<&mut V> {
        if self.slots.get(key)?.until <= now {
            self.take(key);
            return None;
        }
        let slot = self.slots.get_mut(key)?;
        slot.is_wanted = true;
        Some(&mut slot.value)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.take(key).map(|slot| slot.value)
    }

    /// How much all weigh together.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Lets one go; `false` where there is none.
    fn evict(&mut self, now: Instant) -> bool {
        while let Some((_, key)) = self.turns.pop_first() {
            let stays = |slot: &Slot<V>| slot.is_wanted && slot.until > now;
            if !self.slots.get(&key).is_some_and(stays) {
                let gone = self.slots.remove(&key);
                self.held -= gone.map_or(0, |slot| slot.weight);
                return true;
            }
            let turn = self.turn(key.clone());
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.is_wanted = false;
                slot.turn = turn;
            }
        }
        false
    }

    fn take(&mut self, key: &K) -> Option<Slot<V>> {
        let slot = self.slots.remove(key)?;
        self.turns.remove(&slot.turn);
        self.held -= slot.weight;
        Some(slot)
    }

    fn turn(&mut self, key: K) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.turns.insert(turn, key);
        turn
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_wanted_outlives_what_is_read_once() {
        let now = Instant::now();
        let until = now + Duration::from_secs(10);
        let mut shelf = Shelf::new(3, 9);
        shelf.insert("wanted", 0, 1, until, now);
        for once in ["a", "b", "c", "d", "e", "f"] {
            assert!(shelf.find(&"wanted", now).is_some());
            shelf.insert(once, 0, 1, until, now);
            assert!(shelf.held() <= 3);
        }
        assert!(shelf.find(&"wanted", now).is_some());
        assert!(shelf.find(&"a", now).is_none());
    }

    #[test]
    fn what_is_over_goes_first_however_wanted() {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        let mut shelf = Shelf::new(2, 9);
        shelf.insert("over", 0, 1, now + Duration::from_secs(1), now);
        shelf.insert("good", 0, 1, now + Duration::from_secs(9), now);
        shelf.find(&"over", now);
        shelf.insert("new", 0, 1, now + Duration::from_secs(9), later);
        assert!(shelf.find(&"good", later).is_some());
        assert!(shelf.find(&"over", now).is_none());
        assert_eq!((shelf.len(), shelf.held()), (2, 2));
    }

    #[test]
    fn what_weighs_nothing_is_counted() {
        let now = Instant::now();
        let until = now + Duration::from_secs(1);
        let mut shelf = Shelf::new(1_000, 2);
        for key in 0..100 {
            shelf.insert(key, (), 0, until, now);
            shelf.insert(key, (), 1, until, now);
        }
        assert_eq!((shelf.len(), shelf.held()), (2, 2));
        assert!(shelf.find(&99, now).is_some() && shelf.find(&0, now).is_none());
        let mut none = Shelf::new(1_000, 0);
        none.insert(1, (), 0, until, now);
        assert_eq!(none.len(), 0);
    }

    #[test]
    fn what_is_too_heavy_is_not_kept_and_nothing_makes_room_for_it() {
        let now = Instant::now();
        let until = now + Duration::from_secs(1);
        let mut shelf = Shelf::new(10, 9);
        shelf.insert("a", 0, 10, until, now);
        shelf.insert("b", 0, 11, until, now);
        assert!(shelf.find(&"a", now).is_some());
        // The old value of the same key is not the value any more.
        shelf.insert("a", 0, 11, until, now);
        assert_eq!((shelf.len(), shelf.held()), (0, 0));
    }
}
