//! Signatures that were found good: a player asks for segment after segment with the same one, and RSA is dear.

use std::{
    collections::HashSet,
    mem,
    sync::{Mutex, PoisonError},
};

/// Hashes of good signatures with what they sign. Two generations: when the younger is full, the older is forgotten, so
/// that nothing is ever searched.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashSet<Hash>,
    old: HashSet<Hash>,
}

/// SHA-256 of all that was verified.
pub(super) type Hash = [u8; 32];

impl Remembered {
    /// Whether it was found good, lately enough to be remembered.
    pub(super) fn contains(&self, hash: &Hash) -> bool {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.young.contains(hash) {
            return true;
        }
        let known = generations.old.remove(hash);
        if known {
            generations.insert(*hash);
        }
        known
    }

    /// Remembers what was found good.
    pub(super) fn insert(&self, hash: Hash) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.insert(hash);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let generations = self.0.lock().unwrap();
        generations.young.len() + generations.old.len()
    }
}

impl Generations {
    fn insert(&mut self, hash: Hash) {
        if self.young.len() == MAX_YOUNG {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(hash);
    }
}

/// Signatures of one generation, some 40 bytes each.
pub(super) const MAX_YOUNG: usize = 65_536;
