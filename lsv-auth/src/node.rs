//! The credential that one node of the platform shows another, where viewers need theirs.
//!
//! It is the query parameter `node=<exp>-<signature>`: `exp` is the last Unix second at which it is good, the signature
//! the lower-case HMAC-SHA256, keyed with the playback secret, over `node:<prefix>-<exp>`. Whoever shows it passes over
//! what is asked of viewers; it never lets anybody publish. It is made anew for each pull and never handed to a viewer.

use crate::{
    Secret, hex,
    playback::{Malformed, PlaybackError, bounded, parameter},
    prefix::{Signing, canonical, prefixes},
    push::Expiry,
};

/// Name of the query parameter that carries the credential.
pub const PARAMETER: &str = "node";

/// Makes the query `node=<exp>-<signature>`, good for what lies under `prefix` up to and including the second `expires`.
///
/// ```
/// use lsv_auth::{Secret, node};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let secret = Secret::new("playback secret")?;
/// let query = node::mint(&secret, "/cam", 1_700_000_060);
/// assert_eq!(node::verify(&secret, "/cam/live.flv", Some(&query), 1_700_000_000)?, 1_700_000_060);
/// # Ok(())
/// # }
/// ```
pub fn mint(secret: &Secret, prefix: &str, expires: u64) -> String {
    let expiry = Expiry::from_unix(expires);
    let signature = signing(secret).sign(&canonical(prefix), expiry, None);
    format!("{PARAMETER}={expiry}-{}", hex::encode(&signature))
}

/// Checks that `query` comes from a node that may have `path` at `now` (Unix seconds), and tells until when. Other
/// parameters are passed over.
///
/// # Errors
/// Says what is wrong with it; [`PlaybackError::Missing`] for a query of somebody who is no node.
pub fn verify(
    secret: &Secret,
    path: &str,
    query: Option<&str>,
    now: u64,
) -> Result<u64, PlaybackError> {
    let credential = parameter(bounded(query)?, PARAMETER)?.ok_or(PlaybackError::Missing)?;
    let (expiry, signature) = credential.split_once('-').ok_or(Malformed::Signature)?;
    let expiry = Expiry::parse(expiry).ok_or(Malformed::Expiry)?;
    let signature = hex::decode(signature).ok_or(Malformed::Signature)?;
    if !signing(secret).covers(prefixes(path)?, expiry, None, &signature) {
        return Err(PlaybackError::Mismatch);
    }
    match expiry.is_past(now) {
        true => Err(PlaybackError::Expired),
        false => Ok(expiry.unix()),
    }
}

fn signing(secret: &Secret) -> Signing {
    Signing::new(secret, PURPOSE)
}

/// Keeps these apart from all else that is signed, even with the same secret.
const PURPOSE: &str = "node";

#[cfg(test)]
mod tests;
