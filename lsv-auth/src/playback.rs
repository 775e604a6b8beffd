//! The playback token: proof that whoever holds an address may watch what lies under it.
//!
//! A token is the query `exp=<unix>&token=<hex>`. `exp` is the last Unix second at which it is good, in plain decimal
//! digits; `token` is the lower-case HMAC-SHA256, keyed with the playback secret, over `play:<prefix>-<exp>`, or over
//! `play:<prefix>-<exp>-<address>` where it is good for one client address alone. A prefix is a path as it stands in
//! the address, with a slash before and none behind: `/cam` covers `/cam`, `/cam/live.m3u8` and
//! `/cam/vod/2026/11/23/index.m3u8`, and not `/camera`. So a playlist's token is good for every address inside it.

use std::net::IpAddr;

use crate::{
    Secret, hex,
    prefix::{Signing, canonical, prefixes},
    push::Expiry,
    query::{self, GivenTwice},
};

/// A token that lets its holder in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The last Unix second at which it is good.
    pub expires: u64,
    /// Whether it is good for one client address alone, so that nobody else may be served what it fetched.
    pub bound_to_address: bool,
}

/// Why a token or a node's credential does not let its holder in. No variant carries the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaybackError {
    /// The address carries none.
    #[error("the address carries no credential")]
    Missing,
    /// Not as the platform writes it.
    #[error("the credential is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// The signature is good and its time is over.
    #[error("the credential has expired")]
    Expired,
    /// Signed for another path, address or time, or with another secret.
    #[error("the credential does not belong to this address")]
    Mismatch,
}

/// What is wrong with the form of a credential or of the address that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Longer than any player needs: [`MAX_QUERY_BYTES`].
    #[error("the query is too long")]
    Query,
    /// A parameter of the credential is given twice.
    #[error("{0} is given twice")]
    Twice(&'static str),
    /// Only one of `exp` and `token` is there, or one is empty.
    #[error("exp and token belong together")]
    Incomplete,
    /// The expiry is not plain decimal digits without leading zeros, or no time at all.
    #[error("the expiry is not Unix seconds in plain decimal digits")]
    Expiry,
    /// The signature is not 64 lower-case hexadecimal digits.
    #[error("the signature is not 64 lower-case hexadecimal digits")]
    Signature,
    /// A path that somebody on the way might read as another: dot segments, percent-encoding, backslashes.
    #[error("the path is not written plainly")]
    Path,
}

/// Makes the query that lets its holder play what lies under `prefix` up to and including the second `expires`, from
/// the client address `ip` alone where one is given. The prefix `/` covers the whole platform.
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr};
/// use lsv_auth::{Secret, playback};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secret = Secret::new("playback secret")?;
/// let viewer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
/// let query = playback::mint(&secret, "/cam", 4_102_444_800, None);
/// let verified = playback::verify(&secret, "/cam/720p/live.m3u8", Some(&query), viewer, 1_700_000_000)?;
/// assert_eq!(verified.expires, 4_102_444_800);
/// # Ok(())
/// # }
/// ```
pub fn mint(secret: &Secret, prefix: &str, expires: u64, ip: Option<IpAddr>) -> String {
    let expiry = Expiry::from_unix(expires);
    let holder = ip.map(holder);
    let signature = signing(secret).sign(&canonical(prefix), expiry, holder.as_deref());
    format!("exp={expiry}&token={}", hex::encode(&signature))
}

/// Checks that `query` lets the client at `peer` play `path` at `now` (Unix seconds). Other parameters are passed over.
///
/// The signature is compared in constant time, and before the expiry: only the holder of a token that once was good
/// learns that it has expired.
///
/// # Errors
/// Says what is wrong with it; see [`PlaybackError`].
pub fn verify(
    secret: &Secret,
    path: &str,
    query: Option<&str>,
    peer: IpAddr,
    now: u64,
) -> Result<Verified, PlaybackError> {
    let query = bounded(query)?;
    let (expiry, token) = match (parameter(query, EXPIRY)?, parameter(query, TOKEN)?) {
        (None, None) => return Err(PlaybackError::Missing),
        (Some(expiry), Some(token)) if !expiry.is_empty() && !token.is_empty() => (expiry, token),
        _ => return Err(Malformed::Incomplete.into()),
    };
    let expiry = Expiry::parse(expiry).ok_or(Malformed::Expiry)?;
    let signature = hex::decode(token).ok_or(Malformed::Signature)?;
    let prefixes = prefixes(path)?;
    let signing = signing(secret);
    let covers = |holder| signing.covers(prefixes.clone(), expiry, holder, &signature);
    let bound_to_address = !covers(None);
    if bound_to_address && !covers(Some(&holder(peer))) {
        return Err(PlaybackError::Mismatch);
    }
    if expiry.is_past(now) {
        return Err(PlaybackError::Expired);
    }
    Ok(Verified {
        expires: expiry.unix(),
        bound_to_address,
    })
}

/// Name of the query parameter that tells until when a token is good.
pub const EXPIRY: &str = "exp";
/// Name of the query parameter that carries the signature.
pub const TOKEN: &str = "token";
/// Longest query that is searched for a credential. It has room for a CloudFront policy beside a token.
pub const MAX_QUERY_BYTES: usize = 8_192;

/// The query, where it is there and of a length that may be searched.
pub(crate) fn bounded(query: Option<&str>) -> Result<&str, PlaybackError> {
    let query = query.ok_or(PlaybackError::Missing)?;
    match query.len() <= MAX_QUERY_BYTES {
        true => Ok(query),
        false => Err(Malformed::Query.into()),
    }
}

/// The value of a parameter of a credential.
pub(crate) fn parameter<'a>(
    query: &'a str,
    name: &'static str,
) -> Result<Option<&'a str>, Malformed> {
    query::value(query, name).map_err(|GivenTwice| Malformed::Twice(name))
}

fn signing(secret: &Secret) -> Signing {
    Signing::new(secret, PURPOSE)
}

/// An address as it is signed: an IPv4 address is written so however it came.
fn holder(address: IpAddr) -> String {
    address.to_canonical().to_string()
}

/// Keeps tokens apart from all else that is signed, even with the same secret.
const PURPOSE: &str = "play";

#[cfg(test)]
mod tests;
