//! The password of an operator: kept as an Argon2id hash, verified off the threads that carry media and few at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{ARGON2ID_IDENT, Argon2, Params, PasswordHasher, PasswordVerifier};
use lsv_auth::Secret;
use lsv_auth::session::MAX_USER_BYTES;
use tokio::sync::Semaphore;

use crate::api::problem::Answer;
use crate::api::{Kind, Problem};

/// A user and the hash of the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    user: String,
    hash: String,
}

impl Password {
    /// A user of up to 64 bytes whose password has `hash`, which is a PHC string of Argon2id as [`hash_password`] makes it.
    ///
    /// # Errors
    /// Says which of the two cannot be used.
    pub fn new(user: &str, hash: &str) -> Result<Self, InvalidPassword> {
        if user.is_empty() || user.len() > MAX_USER_BYTES || user.chars().any(char::is_control) {
            return Err(InvalidPassword::User);
        }
        if !is_usable(hash) {
            return Err(InvalidPassword::Hash);
        }
        let (user, hash) = (user.to_owned(), hash.to_owned());
        Ok(Self { user, hash })
    }

    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    fn admits(&self, password: &str) -> bool {
        let hash = PasswordHash::new(&self.hash);
        hash.is_ok_and(|hash| {
            let verified = Argon2::default().verify_password(password.as_bytes(), &hash);
            verified.is_ok()
        })
    }
}

fn is_usable(hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else {
        return false;
    };
    let is_affordable = |params: Params| {
        params.m_cost() <= MAX_MEMORY_KIB && params.t_cost() <= MAX_PASSES && params.p_cost() <= 16
    };
    hash.algorithm == ARGON2ID_IDENT
        && hash.salt.is_some()
        && hash.hash.is_some()
        && Params::try_from(&hash).is_ok_and(is_affordable)
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Password")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Why a user or a hash cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPassword {
    /// The name is empty, too long or cannot be typed.
    #[error("a user has a name of 1 to {MAX_USER_BYTES} bytes without control characters")]
    User,
    /// The hash is none.
    #[error(
        "the password is given as an Argon2id hash ($argon2id$v=19$...), with at most 1 GiB and 64 passes; make it with `lsv hash-password`"
    )]
    Hash,
    /// The password itself is too short or too long.
    #[error("a password has at least {MIN_CHARS} characters and at most {MAX_BYTES} bytes")]
    Length,
}

/// The PHC string of Argon2id for a password, salted with bytes that the caller drew.
///
/// # Errors
/// [`InvalidPassword::Length`].
pub fn hash_password(password: &str, salt: [u8; 16]) -> Result<String, InvalidPassword> {
    if password.chars().count() < MIN_CHARS || password.len() > MAX_BYTES {
        return Err(InvalidPassword::Length);
    }
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string())
        .map_err(|_| InvalidPassword::Hash)
}

/// Verifies passwords, few at once.
#[derive(Clone, Debug)]
pub(super) struct Verifier {
    password: Arc<Password>,
    turns: Arc<Semaphore>,
}

impl Verifier {
    pub(super) fn new(password: Password) -> Self {
        Self {
            password: Arc::new(password),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The user, if both are right. It takes the same time where only the name is wrong.
    pub(super) async fn user(&self, user: &str, password: String) -> Answer<Option<String>> {
        if user.len() > MAX_USER_BYTES || password.len() > MAX_BYTES {
            return Ok(None);
        }
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(busy());
        };
        let ours = Arc::clone(&self.password);
        let verified = tokio::task::spawn_blocking(move || {
            let admitted = ours.admits(&password);
            // Kept up to here though whoever asked may be gone.
            drop(turn);
            admitted
        });
        let is_right = verified.await.unwrap_or(false);
        let is_user = Secret::new(self.password.user.as_str())
            .is_ok_and(|name| name.matches(user.as_bytes()));
        Ok((is_right & is_user).then(|| self.password.user.clone()))
    }
}

fn busy() -> Problem {
    let detail = "too many sign in at once; try again";
    Problem::new(Kind::Unavailable, detail).after(PATIENCE)
}

/// Passwords that are verified at once: each takes a processor, and memory.
const AT_ONCE: usize = 2;
/// How long somebody waits for a turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// Shortest password that is hashed.
const MIN_CHARS: usize = 8;
/// Longest password.
const MAX_BYTES: usize = 1_024;
/// Beyond these a hash would take the memory and time of the media.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_PASSES: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `correct horse`, by the reference implementation's rules and at its least cost.
    fn cheap(password: &str) -> String {
        let params = Params::new(8, 1, 1, None).unwrap();
        let hasher = Argon2::from(params);
        let hash = hasher.hash_password_with_salt(password.as_bytes(), b"0123456789abcdef");
        hash.unwrap().to_string()
    }

    #[tokio::test]
    async fn the_user_with_the_password_gets_in() {
        let verifier = Verifier::new(Password::new("zoë", &cheap("correct horse")).unwrap());
        for (user, password, is_right) in [
            ("zoë", "correct horse", true),
            ("zoë", "correct hors", false),
            ("zoë", "", false),
            ("Zoë", "correct horse", false),
            ("", "correct horse", false),
        ] {
            let found = verifier.user(user, password.to_owned()).await.unwrap();
            assert_eq!(found.is_some(), is_right, "{user} {password}");
        }
        let long = "x".repeat(MAX_BYTES + 1);
        assert_eq!(verifier.user("zoë", long).await.unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_for_a_turn_is_told() {
        let verifier = Verifier::new(Password::new("ann", &cheap("correct horse")).unwrap());
        let turns = Arc::clone(&verifier.turns);
        let _all = turns.acquire_many(AT_ONCE as u32).await.unwrap();
        let refused = verifier.user("ann", "correct horse".to_owned()).await;
        assert!(refused.is_err());
    }

    #[test]
    fn only_hashes_of_argon2id_are_taken() {
        let good = cheap("correct horse");
        assert!(Password::new("ann", &good).is_ok());
        for hash in [
            "",
            "correct horse",
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
            "$argon2id$v=19$m=8,t=1,p=1",
            "$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg",
            &good.replace("argon2id", "argon2d"),
            &good.replace("m=8", "m=4000000000"),
            &good.replace("t=1", "t=4000000000"),
            &good.replace("m=8", "m=0"),
        ] {
            let refused = Password::new("ann", hash);
            assert_eq!(refused, Err(InvalidPassword::Hash), "{hash}");
        }
        for user in ["", "a\nb", &"x".repeat(MAX_USER_BYTES + 1)] {
            assert_eq!(Password::new(user, &good), Err(InvalidPassword::User));
        }
        let shown = format!("{:?}", Password::new("ann", &good));
        assert!(shown.contains("ann") && !shown.contains("argon2id"));
    }

    #[test]
    fn a_hashed_password_lets_in() {
        assert_eq!(
            hash_password("seven77", [7; 16]),
            Err(InvalidPassword::Length)
        );
        let hash = hash_password("eight888", [7; 16]).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let password = Password::new("ann", &hash).unwrap();
        assert!(password.admits("eight888") && !password.admits("eight889"));
    }
}
