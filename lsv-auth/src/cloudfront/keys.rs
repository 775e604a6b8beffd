//! RSA keys out of PEM.

use std::{collections::HashMap, fmt};

use rsa::{
    RsaPrivateKey, RsaPublicKey,
    pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey},
    pkcs8::{DecodePrivateKey, DecodePublicKey},
    traits::PublicKeyParts,
};

/// Public keys by the ids of their key pairs.
#[derive(Clone, Default)]
pub struct PublicKeys(HashMap<String, RsaPublicKey>);

impl PublicKeys {
    /// Trusts what the key pair `id` signs. `pem` is its public half, `PUBLIC KEY` or `RSA PUBLIC KEY`. A key that is
    /// there under this id is replaced.
    ///
    /// # Errors
    /// Says what is wrong with it; see [`InvalidKey`].
    pub fn insert(&mut self, id: impl Into<String>, pem: &str) -> Result<(), InvalidKey> {
        let id = checked_id(id)?;
        let pem = pem.trim();
        let key = RsaPublicKey::from_public_key_pem(pem)
            .ok()
            .or_else(|| RsaPublicKey::from_pkcs1_pem(pem).ok())
            .ok_or(InvalidKey::Public)?;
        check_size(&key)?;
        if self.0.len() >= MAX_KEYS && !self.0.contains_key(&id) {
            return Err(InvalidKey::TooMany);
        }
        self.0.insert(id, key);
        Ok(())
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn find(&self, id: &str) -> Option<&RsaPublicKey> {
        self.0.get(id)
    }
}

impl fmt::Debug for PublicKeys {
    /// The ids alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A key pair that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// The id is empty, longer than 128 bytes, or has other characters than letters, digits, `-` and `_`.
    #[error("the id of a key pair is 1 to {MAX_ID_BYTES} letters, digits, dashes and underscores")]
    Id,
    /// Not the public half of an RSA key pair in PEM.
    #[error("not an RSA public key in PEM; `openssl rsa -pubout` writes one")]
    Public,
    /// Not the private half of an RSA key pair in PEM, PKCS#1 or PKCS#8, without passphrase.
    #[error("not an RSA private key in PEM without passphrase; `openssl genrsa 2048` writes one")]
    Private,
    /// So many bits: fewer than are safe, or more than are of use.
    #[error("the key has {0} bits; CloudFront takes 2048, here up to 4096 are taken")]
    Size(usize),
    /// More than [`MAX_KEYS`].
    #[error("more than {MAX_KEYS} key pairs")]
    TooMany,
}

/// Most keys that are trusted at once.
pub const MAX_KEYS: usize = 100;

/// The private half of a key pair, PKCS#8 or PKCS#1.
pub(super) fn private_key(pem: &str) -> Result<RsaPrivateKey, InvalidKey> {
    let pem = pem.trim();
    let key = RsaPrivateKey::from_pkcs8_pem(pem)
        .ok()
        .or_else(|| RsaPrivateKey::from_pkcs1_pem(pem).ok())
        .ok_or(InvalidKey::Private)?;
    check_size(&key)?;
    match key.validate() {
        Ok(()) => Ok(key),
        Err(_) => Err(InvalidKey::Private),
    }
}

/// An id that may stand in a URL and in a cookie as it is.
pub(super) fn checked_id(id: impl Into<String>) -> Result<String, InvalidKey> {
    let id = id.into();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(plain) {
        true => Ok(id),
        false => Err(InvalidKey::Id),
    }
}

fn check_size(key: &impl PublicKeyParts) -> Result<(), InvalidKey> {
    let bits = key.n().bits();
    match (MIN_BITS..=MAX_BITS).contains(&bits) {
        true => Ok(()),
        false => Err(InvalidKey::Size(bits)),
    }
}

const MAX_ID_BYTES: usize = 128;
const MIN_BITS: usize = 2_048;
const MAX_BITS: usize = 4_096;
