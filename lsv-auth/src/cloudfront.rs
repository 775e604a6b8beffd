//! Signed URLs and signed cookies of Amazon CloudFront, made and verified as CloudFront does: whoever plays through
//! CloudFront's tooling plays from the platform itself, too.
//!
//! A [`Policy`] says what may be fetched until when; an RSA signature over its text, PKCS#1 v1.5 with SHA-1 or SHA-256,
//! proves that the holder of a key pair wrote it. A canned policy is for one URL, which the verifier knows: it travels
//! as its expiry alone. A custom policy travels as it is, and may have wildcards, a beginning and a network of clients.
//!
//! | | query of a signed URL | signed cookie |
//! | --- | --- | --- |
//! | canned policy | `Expires` | `CloudFront-Expires` |
//! | custom policy | `Policy` | `CloudFront-Policy` |
//! | both | `Signature`, `Key-Pair-Id`, `Hash-Algorithm` | the same after `CloudFront-` |
//!
//! A URL's own credential goes before cookies. Without `Hash-Algorithm` the digest is SHA-1, as at CloudFront.
//!
//! ```
//! use std::net::{IpAddr, Ipv4Addr};
//! use lsv_auth::cloudfront::{Digest, Policy, PublicKeys, Request, Signer, Verifier};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (private, public) = (
//! #     include_str!("../tests/vectors/cloudfront/pkcs8.pem"), include_str!("../tests/vectors/cloudfront/spki.pem"),
//! # );
//! # let entropy = [0; 32];
//! let signer = Signer::from_pem("K2JCJMDEHXQW5F", private)?;
//! let policy = Policy::custom("https://cdn.example.com/cam/*", 4_102_444_800);
//! let url = signer.sign_url("https://cdn.example.com/cam/live.m3u8", &policy, Digest::Sha256, entropy)?;
//!
//! let mut keys = PublicKeys::default();
//! keys.insert("K2JCJMDEHXQW5F", public)?;
//! let verifier = Verifier::new(keys);
//! let query = url.split_once('?').map(|(_, query)| query);
//! let (scheme, host, path) = ("https", "cdn.example.com", "/cam/ts/1.ts");
//! let request = Request { scheme, host, path, query, cookies: None };
//! let verified = verifier.verify(&request, IpAddr::V4(Ipv4Addr::LOCALHOST), 1_700_000_000)?;
//! assert_eq!(verified.expires, 4_102_444_799);
//! # Ok(())
//! # }
//! ```
//!
//! # Timing
//! The `rsa` crate's arithmetic with private keys does not take constant time (RUSTSEC-2023-0071, "Marvin"). A
//! [`Signer`] blinds each signature with randomness that the caller gives, and nothing here decrypts, which is what
//! that attack is about; a [`Verifier`] holds public keys alone. Sign where an attacker cannot measure, or use keys
//! that sign nothing else.

mod base64;
mod credential;
mod error;
mod keys;
mod policy;
mod remembered;
mod signer;
mod verifier;

pub use credential::{MAX_COOKIE_BYTES, PARAMETERS, Request};
pub use error::CloudFrontError;
pub use keys::{InvalidKey, MAX_KEYS, PublicKeys};
pub use policy::Policy;
pub use signer::{SignError, Signer};
pub use verifier::{Verified, Verifier};

use rsa::Pkcs1v15Sign;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// What a policy is hashed with before it is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Digest {
    /// What CloudFront takes where nothing is said.
    #[default]
    Sha1,
    /// Said in the parameter `Hash-Algorithm`.
    Sha256,
}

impl Digest {
    /// The value of `Hash-Algorithm`: `SHA1` or `SHA256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256]
            .into_iter()
            .find(|known| known.name() == name)
    }

    fn of(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(message).to_vec(),
            Self::Sha256 => Sha256::digest(message).to_vec(),
        }
    }

    /// PKCS#1 v1.5 with the algorithm's name before the hash (RFC 8017 §9.2, note 1).
    fn padding(self) -> Pkcs1v15Sign {
        let (length, name): (usize, &[u8]) = match self {
            Self::Sha1 => (
                20,
                b"\x30\x21\x30\x09\x06\x05\x2B\x0E\x03\x02\x1A\x05\x00\x04\x14",
            ),
            Self::Sha256 => (
                32,
                b"\x30\x31\x30\x0D\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
            ),
        };
        Pkcs1v15Sign {
            hash_len: Some(length),
            prefix: name.into(),
        }
    }
}

#[doc(hidden)]
pub mod fuzzing;

#[cfg(test)]
mod tests;
