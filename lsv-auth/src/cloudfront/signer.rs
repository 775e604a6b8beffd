//! Signing with the private half of a key pair.

use std::fmt;

use rsa::{
    RsaPrivateKey,
    rand_core::{self, CryptoRng, RngCore},
};

use super::{
    Digest, InvalidKey, Policy, base64,
    credential::Field,
    keys::{checked_id, private_key},
};
use crate::{Secret, mac::Keyed};

/// The private half of a key pair, ready to sign. Hidden by `Debug`, wiped from memory when dropped.
pub struct Signer {
    key_pair_id: String,
    key: RsaPrivateKey,
}

impl Signer {
    /// Takes the private key in `pem`, `PRIVATE KEY` or `RSA PRIVATE KEY`, under the id that CloudFront gave to its
    /// public half.
    ///
    /// # Errors
    /// Says what is wrong with it; see [`InvalidKey`].
    pub fn from_pem(key_pair_id: impl Into<String>, pem: &str) -> Result<Self, InvalidKey> {
        Ok(Self {
            key_pair_id: checked_id(key_pair_id)?,
            key: private_key(pem)?,
        })
    }

    /// `url` with the credential in its query, as `aws cloudfront sign` writes it. `entropy` is random bytes that the
    /// caller drew for this call: they blind the key's arithmetic and do not show in the result.
    ///
    /// # Errors
    /// [`SignError`], where the key is damaged.
    pub fn sign_url(
        &self,
        url: &str,
        policy: &Policy,
        digest: Digest,
        entropy: [u8; 32],
    ) -> Result<String, SignError> {
        let fields = self.fields(policy, digest, entropy)?;
        let pairs: Vec<String> = fields
            .into_iter()
            .map(|(field, value)| format!("{}={value}", field.parameter()))
            .collect();
        let separator = if url.contains('?') { '&' } else { '?' };
        Ok(format!("{url}{separator}{}", pairs.join("&")))
    }

    /// Names and values of the cookies that carry the credential. Set them with `Secure` and `HttpOnly`, for the path
    /// of what they are good for. `entropy` as for [`Signer::sign_url`].
    ///
    /// # Errors
    /// [`SignError`], where the key is damaged.
    pub fn sign_cookies(
        &self,
        policy: &Policy,
        digest: Digest,
        entropy: [u8; 32],
    ) -> Result<Vec<(&'static str, String)>, SignError> {
        let fields = self.fields(policy, digest, entropy)?;
        Ok(fields
            .into_iter()
            .map(|(field, value)| (field.cookie(), value))
            .collect())
    }

    fn fields(
        &self,
        policy: &Policy,
        digest: Digest,
        entropy: [u8; 32],
    ) -> Result<Vec<(Field, String)>, SignError> {
        let json = policy.json();
        let hashed = digest.of(json.as_bytes());
        let mut blinding = Blinding::new(entropy);
        let signature = self
            .key
            .sign_with_rng(&mut blinding, digest.padding(), &hashed)
            .map_err(|_| SignError)?;
        let grant = match policy.custom {
            true => (Field::Policy, base64::encode(json.as_bytes())),
            false => (Field::Expires, policy.before.to_string()),
        };
        let mut fields = vec![
            grant,
            (Field::Signature, base64::encode(&signature)),
            (Field::KeyPairId, self.key_pair_id.clone()),
        ];
        if digest != Digest::default() {
            fields.push((Field::HashAlgorithm, digest.name().to_owned()));
        }
        Ok(fields)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("key_pair_id", &self.key_pair_id)
            .finish_non_exhaustive()
    }
}

/// A private key did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the private key does not sign; it is damaged")]
pub struct SignError;

/// Randomness without end out of the caller's: HMAC-SHA256 of a counter.
struct Blinding {
    keyed: Keyed,
    counter: u64,
}

impl Blinding {
    fn new(entropy: [u8; 32]) -> Self {
        Self {
            keyed: Keyed::new(&Secret::from_entropy(entropy)),
            counter: 0,
        }
    }
}

impl CryptoRng for Blinding {}

impl RngCore for Blinding {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let block = self.keyed.sign(&[&self.counter.to_be_bytes()]);
            self.counter += 1;
            for (byte, random) in chunk.iter_mut().zip(block) {
                *byte = random;
            }
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}
