//! The push keys of a channel: which expiries the platform gave out, and which it took back.
//!
//! A push key is a signed expiry (see [`lsv_auth::push`]); nothing but the expiry is kept, so a stolen store opens no
//! channel. Taking a key back means to remember its expiry until that has passed. Keys that an operator's own scripts
//! mint with the secret stay good as long as their expiry is not one of those.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use lsv_auth::Secret;
use lsv_auth::push::{self, Algorithm, Expiry};
use serde::{Deserialize, Serialize};

use super::Moment;

/// What push keys are signed with. Clones share it.
#[derive(Clone, Debug)]
pub struct Signer {
    secret: Secret,
    /// Never empty.
    algorithms: Arc<RwLock<Vec<Algorithm>>>,
}

impl Signer {
    /// Signs with the first of `algorithms` ([`Algorithm::HmacSha256`] if there is none) and verifies with all.
    pub fn new(secret: Secret, algorithms: impl Into<Vec<Algorithm>>) -> Self {
        let algorithms = Arc::new(RwLock::new(or_default(algorithms.into())));
        Self { secret, algorithms }
    }

    /// Signs and verifies as [`Signer::new`] says with `algorithms` from now on.
    pub fn set_algorithms(&self, algorithms: impl Into<Vec<Algorithm>>) {
        let mut current = self
            .algorithms
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *current = or_default(algorithms.into());
    }

    /// The credential for the channel `id` that is good up to `exp`.
    pub fn sign(&self, id: &crate::path::ChannelId, exp: Expiry) -> String {
        let algorithm = self.algorithms().first().copied();
        push::mint(
            &self.secret,
            algorithm.unwrap_or(Algorithm::HmacSha256),
            &push::path(id),
            exp,
        )
    }

    /// Checks a credential for the channel `id`.
    ///
    /// # Errors
    /// See [`push::verify`].
    pub fn verify(
        &self,
        id: &crate::path::ChannelId,
        credential: &str,
        now: Moment,
    ) -> Result<Expiry, push::PushError> {
        push::verify(
            credential,
            &self.secret,
            &self.algorithms(),
            &push::path(id),
            now.unix(),
        )
    }

    fn algorithms(&self) -> RwLockReadGuard<'_, Vec<Algorithm>> {
        self.algorithms
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn or_default(mut algorithms: Vec<Algorithm>) -> Vec<Algorithm> {
    if algorithms.is_empty() {
        algorithms.push(Algorithm::HmacSha256);
    }
    algorithms
}

/// The expiries of the keys that the platform made for a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushKey {
    exp: u64,
    /// Expiries of keys from before `outdate` moved: still good, until the next rotation.
    earlier: Vec<u64>,
    revoked: Vec<u64>,
}

impl PushKey {
    /// The key of a new channel: good up to `outdate`.
    pub fn new(outdate: Moment) -> Self {
        Self {
            exp: outdate.unix(),
            earlier: Vec::new(),
            revoked: Vec::new(),
        }
    }

    /// The expiry of the current key.
    pub fn expiry(&self) -> Expiry {
        Expiry::from_unix(self.exp)
    }

    /// Whether a key with this expiry was taken back.
    pub fn is_revoked(&self, exp: Expiry) -> bool {
        self.revoked.contains(&exp.unix())
    }

    /// Takes the current key and all earlier ones back and makes a new one that ends just before it.
    ///
    /// # Errors
    /// [`TooManyKeys`] if the channel remembers [`MAX_REMEMBERED_KEYS`] already; nothing is changed then.
    pub fn rotate(&mut self, now: Moment) -> Result<(), TooManyKeys> {
        let mut next = self.clone();
        next.revoked.append(&mut next.earlier);
        next.revoked.push(next.exp);
        next.exp = next.free_before(next.exp);
        self.replace(next, now)
    }

    /// Makes a key that is good up to the new `outdate`; the current one goes on to work within it.
    ///
    /// # Errors
    /// [`TooManyKeys`] if the channel remembers [`MAX_REMEMBERED_KEYS`] already; nothing is changed then.
    pub fn follow(&mut self, outdate: Moment, now: Moment) -> Result<(), TooManyKeys> {
        let mut next = self.clone();
        next.earlier.push(next.exp);
        next.exp = next.free_before(outdate.unix().saturating_add(1));
        next.earlier.retain(|exp| *exp != next.exp);
        self.replace(next, now)
    }

    /// The latest expiry before `exp` that was not taken back.
    fn free_before(&self, exp: u64) -> u64 {
        let mut free = exp.saturating_sub(1);
        while free > 0 && self.revoked.contains(&free) {
            free -= 1;
        }
        free
    }

    fn replace(&mut self, mut next: Self, now: Moment) -> Result<(), TooManyKeys> {
        for kept in [&mut next.earlier, &mut next.revoked] {
            kept.retain(|exp| !Expiry::from_unix(*exp).is_past(now.unix()));
            kept.sort_unstable();
            kept.dedup();
        }
        if next.earlier.len().saturating_add(next.revoked.len()) > MAX_REMEMBERED_KEYS {
            return Err(TooManyKeys);
        }
        *self = next;
        Ok(())
    }
}

/// The channel cannot remember one more push key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the channel remembers {MAX_REMEMBERED_KEYS} push keys that have not expired and can take none; \
     make a new channel, or wait until they expire"
)]
pub struct TooManyKeys;

/// Most push keys that a channel remembers after they were replaced: bounds the record that every publish reads.
pub const MAX_REMEMBERED_KEYS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_unix(1_000_000);
    const OUTDATE: Moment = Moment::from_unix(2_000_000);

    #[test]
    fn changed_algorithms_reach_every_clone() {
        let id = crate::path::ChannelId::parse("cam").unwrap();
        let expiry = PushKey::new(OUTDATE).expiry();
        let signer = Signer::new(Secret::new("secret").unwrap(), [Algorithm::Md5]);
        let clone = signer.clone();
        let weak = signer.sign(&id, expiry);
        assert!(clone.verify(&id, &weak, NOW).is_ok());
        signer.set_algorithms([Algorithm::HmacSha256]);
        assert!(clone.verify(&id, &weak, NOW).is_err());
        assert!(clone.verify(&id, &clone.sign(&id, expiry), NOW).is_ok());
    }

    #[test]
    fn rotation_takes_the_old_key_back() {
        let mut key = PushKey::new(OUTDATE);
        let old = key.expiry();
        key.rotate(NOW).unwrap();
        assert_eq!(key.expiry().unix(), old.unix() - 1);
        assert!(key.is_revoked(old));
        assert!(!key.is_revoked(key.expiry()));
    }

    #[test]
    fn a_moved_outdate_keeps_the_encoder_working_until_rotation() {
        let mut key = PushKey::new(OUTDATE);
        let old = key.expiry();
        key.follow(Moment::from_unix(3_000_000), NOW).unwrap();
        assert_eq!(key.expiry().unix(), 3_000_000);
        assert!(!key.is_revoked(old));
        key.rotate(NOW).unwrap();
        assert!(key.is_revoked(old));
    }

    #[test]
    fn a_moved_outdate_never_revives_a_key() {
        let mut key = PushKey::new(OUTDATE);
        key.rotate(NOW).unwrap();
        key.follow(Moment::from_unix(3_000_000), NOW).unwrap();
        key.follow(OUTDATE, NOW).unwrap();
        assert_eq!(key.expiry().unix(), OUTDATE.unix() - 1);
        assert!(key.is_revoked(Expiry::from_unix(OUTDATE.unix())));
        assert!(!key.is_revoked(key.expiry()));
    }

    #[test]
    fn memory_is_bounded_and_forgets_the_past() {
        let mut key = PushKey::new(OUTDATE);
        for _ in 0..MAX_REMEMBERED_KEYS {
            key.rotate(NOW).unwrap();
        }
        let before = key.clone();
        assert_eq!(key.rotate(NOW), Err(TooManyKeys));
        assert_eq!(key, before);
        let later = Moment::from_unix(OUTDATE.unix() - 10);
        key.rotate(later).unwrap();
        assert_eq!(key.revoked.len(), 11);
    }

    #[test]
    fn the_beginning_of_time_is_no_panic() {
        let mut key = PushKey::new(Moment::EPOCH);
        key.rotate(Moment::EPOCH).unwrap();
        key.rotate(Moment::EPOCH).unwrap();
        assert_eq!(key.expiry().unix(), 0);
    }
}
