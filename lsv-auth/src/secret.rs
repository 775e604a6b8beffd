//! A secret that cannot be printed by accident and does not outlive its use in memory.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::hex;

/// A signing key or an access token: wiped from memory when dropped, hidden by `Debug`, compared in constant time.
///
/// There is no `Display` and no serialisation: whoever must write a secret down calls [`Secret::expose`] and is easy
/// to find. An empty secret cannot be made, so a forgotten setting never turns into a key that everybody knows.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes a secret as the operator gave it, text or bytes.
    ///
    /// # Errors
    /// [`EmptySecret`] if it holds no byte.
    pub fn new(value: impl Into<Vec<u8>>) -> Result<Self, EmptySecret> {
        let bytes = Zeroizing::new(value.into());
        if bytes.is_empty() {
            return Err(EmptySecret);
        }
        Ok(Self(bytes))
    }

    /// Makes a secret of 64 hexadecimal digits from 32 random bytes that the caller drew.
    pub fn from_entropy(mut entropy: [u8; 32]) -> Self {
        let mut text = Zeroizing::new(Vec::with_capacity(entropy.len() * 2));
        for byte in entropy {
            text.extend_from_slice(&hex::digits(byte));
        }
        zeroize::Zeroize::zeroize(&mut entropy);
        Self(text)
    }

    /// The secret itself, for the one place that signs, compares or stores it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether `candidate` is this secret. Takes the same time wherever the two differ; only the length shows.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        bool::from(self.0.ct_eq(candidate))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.expose())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// A secret was given that holds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret must hold at least one character; give one or leave the setting out to have it made"
)]
pub struct EmptySecret;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_nothing() {
        let secret = Secret::new("nodemedia2017privatekey").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
    }

    #[test]
    fn compares_by_value() {
        let secret = Secret::new("abc").unwrap();
        assert!(secret.matches(b"abc"));
        assert!(!secret.matches(b"abd"));
        assert!(!secret.matches(b"ab"));
        assert!(!secret.matches(b"abcd"));
        assert!(!secret.matches(b""));
        assert_eq!(secret, Secret::new(b"abc".to_vec()).unwrap());
    }

    #[test]
    fn empty_is_refused() {
        assert_eq!(Secret::new("").unwrap_err(), EmptySecret);
    }

    #[test]
    fn entropy_becomes_hex() {
        let mut entropy = [0; 32];
        entropy[0] = 0xAF;
        entropy[31] = 0x09;
        let secret = Secret::from_entropy(entropy);
        assert_eq!(secret.expose().len(), 64);
        assert!(secret.expose().starts_with(b"af00"));
        assert!(secret.expose().ends_with(b"0009"));
    }
}
