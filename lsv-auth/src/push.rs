//! The push credential: proof that whoever publishes was let in by somebody who holds the platform's secret.
//!
//! A credential is `<exp>-<signature>`. `exp` is the last Unix second at which it is good, in plain decimal digits;
//! the signature covers the path `/stream/<id>` and `exp`, in one of two [`Algorithm`]s. It travels in the query of
//! the stream key: `<id>?sign=<exp>-<signature>`.
//!
//! A credential has exactly one spelling: no sign, space, leading zero or upper-case digit is accepted, so that a
//! list of revoked expiries cannot be passed by writing the same number in another way.

use std::{fmt, str::FromStr};

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::{Secret, hex, mac::Keyed};

/// How a credential is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC-SHA256 keyed with the secret, over `<path>-<exp>`. What the platform mints.
    HmacSha256,
    /// MD5 over `<path>-<exp>-<secret>`: for credentials of an older product, only where the operator turns it on.
    Md5,
}

impl Algorithm {
    /// The name used in configuration: `hmac-sha256` or `md5`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::Md5 => "md5",
        }
    }

    /// Hexadecimal digits in a signature of this kind.
    const fn digits(self) -> usize {
        match self {
            Self::HmacSha256 => 64,
            Self::Md5 => 32,
        }
    }

    fn signature(self, secret: &Secret, path: &str, exp: Expiry) -> String {
        match self {
            Self::HmacSha256 => {
                let message = format!("{path}-{exp}");
                hex::encode(&Keyed::new(secret).sign(&[message.as_bytes()]))
            }
            Self::Md5 => {
                let mut digest = Md5::new();
                digest.update(format!("{path}-{exp}-").as_bytes());
                digest.update(secret.expose());
                hex::encode(&digest.finalize())
            }
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::HmacSha256, Self::Md5]
            .into_iter()
            .find(|known| known.name() == name)
            .ok_or(UnknownAlgorithm)
    }
}

/// A signing algorithm was named that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown push signature; known are hmac-sha256 and md5")]
pub struct UnknownAlgorithm;

/// The last Unix second at which a credential is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Expiry(u64);

impl Expiry {
    /// From seconds since 1970-01-01 UTC.
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01 UTC.
    pub const fn unix(self) -> u64 {
        self.0
    }

    /// Whether that second is over at `now` (Unix seconds).
    pub const fn is_past(self, now: u64) -> bool {
        now > self.0
    }

    pub(crate) fn parse(digits: &str) -> Option<Self> {
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let canonical = digits == "0" || !digits.starts_with('0');
        if !plain || !canonical {
            return None;
        }
        digits.parse().ok().map(Self)
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a credential does not let its holder publish. No variant carries the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// There is no `sign` parameter, or it is empty.
    #[error("the stream key carries no credential; append ?sign=<exp>-<signature>")]
    Missing,
    /// Not `<exp>-<signature>` as the platform writes it, or a parameter is given twice.
    #[error("the credential is malformed; it is <exp>-<signature>, given once")]
    Malformed,
    /// Well formed, but signed in a way that the operator has not turned on.
    #[error("the credential is signed with {0}, which is not turned on here")]
    NotAllowed(Algorithm),
    /// The signature is good and its time is over.
    #[error("the credential has expired; ask for a new push key")]
    Expired,
    /// Signed for another channel, for another time, or with another secret.
    #[error("the credential does not belong to this channel")]
    Mismatch,
}

/// The path that a credential for the channel `id` covers: `/stream/<id>`.
pub fn path(id: impl fmt::Display) -> String {
    format!("/stream/{id}")
}

/// Makes the credential that lets its holder publish to `path` up to and including the second `exp`.
///
/// ```
/// use lsv_auth::{Secret, push::{self, Algorithm, Expiry}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secret = Secret::new("nodemedia2017privatekey")?;
/// let path = push::path("test05");
/// let credential = push::mint(&secret, Algorithm::HmacSha256, &path, Expiry::from_unix(4_102_444_800));
/// let expiry = push::verify(&credential, &secret, &[Algorithm::HmacSha256], &path, 1_700_000_000)?;
/// assert_eq!(expiry.unix(), 4_102_444_800);
/// # Ok(())
/// # }
/// ```
pub fn mint(secret: &Secret, algorithm: Algorithm, path: &str, exp: Expiry) -> String {
    format!("{exp}-{}", algorithm.signature(secret, path, exp))
}

/// Checks that `credential` lets its holder publish to `path` at `now` (Unix seconds) and tells until when.
///
/// The signature is compared in constant time, and before the expiry: only the holder of a credential that once was
/// good learns that it has expired.
///
/// # Errors
/// Says what is wrong with it; see [`PushError`].
pub fn verify(
    credential: &str,
    secret: &Secret,
    allowed: &[Algorithm],
    path: &str,
    now: u64,
) -> Result<Expiry, PushError> {
    if credential.is_empty() {
        return Err(PushError::Missing);
    }
    let (exp, signature) = credential.split_once('-').ok_or(PushError::Malformed)?;
    let exp = Expiry::parse(exp).ok_or(PushError::Malformed)?;
    let algorithm = algorithm_of(signature).ok_or(PushError::Malformed)?;
    if !allowed.contains(&algorithm) {
        return Err(PushError::NotAllowed(algorithm));
    }
    let expected = algorithm.signature(secret, path, exp);
    if !bool::from(expected.as_bytes().ct_eq(signature.as_bytes())) {
        return Err(PushError::Mismatch);
    }
    if exp.is_past(now) {
        return Err(PushError::Expired);
    }
    Ok(exp)
}

/// Takes the credential out of the query of a stream key (`sign=<exp>-<signature>`, other parameters allowed).
///
/// # Errors
/// [`PushError::Missing`] if there is none; [`PushError::Malformed`] if any parameter is given twice, or if the query
/// is larger than any encoder needs ([`MAX_QUERY_BYTES`], [`MAX_PARAMETERS`]).
pub fn credential_in(query: Option<&str>) -> Result<&str, PushError> {
    let query = query.ok_or(PushError::Missing)?;
    if query.len() > MAX_QUERY_BYTES {
        return Err(PushError::Malformed);
    }
    let mut names = Vec::new();
    let mut credential = "";
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if names.contains(&name) || names.len() == MAX_PARAMETERS {
            return Err(PushError::Malformed);
        }
        names.push(name);
        if name == PARAMETER {
            credential = value;
        }
    }
    if credential.is_empty() {
        return Err(PushError::Missing);
    }
    Ok(credential)
}

/// Name of the query parameter that carries the credential.
pub const PARAMETER: &str = "sign";
/// Longest query that [`credential_in`] looks at: stops a peer from making the platform search megabytes.
pub const MAX_QUERY_BYTES: usize = 2_048;
/// Most parameters that [`credential_in`] looks at: keeps the search for doubles short.
pub const MAX_PARAMETERS: usize = 32;

/// The algorithm whose signatures look like this one: the right number of lower-case hexadecimal digits.
fn algorithm_of(signature: &str) -> Option<Algorithm> {
    if !signature
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    [Algorithm::HmacSha256, Algorithm::Md5]
        .into_iter()
        .find(|algorithm| algorithm.digits() == signature.len())
}

#[cfg(test)]
mod tests;
