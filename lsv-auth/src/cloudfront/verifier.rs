//! Verifying as CloudFront does.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use super::{
    CloudFrontError, Policy, PublicKeys, Request,
    credential::{Credential, Grant, url},
    remembered::{Hash, Remembered},
};

/// Verifies credentials of the key pairs that it trusts, each signature once as long as it is remembered.
#[derive(Debug)]
pub struct Verifier {
    keys: PublicKeys,
    remembered: Remembered,
}

/// A credential that lets its holder in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The last Unix second at which it is good.
    pub expires: u64,
    /// Whether it is good for one network of clients alone, so that nobody else may be served what it fetched.
    pub bound_to_address: bool,
    /// Whether its policy is custom, and so may be good for other URLs too.
    pub custom: bool,
}

impl Verifier {
    /// Trusts the keys given, and no other.
    pub fn new(keys: PublicKeys) -> Self {
        Self {
            keys,
            remembered: Remembered::default(),
        }
    }

    /// Checks that `request` carries a credential which lets the client at `peer` fetch what it asks for at `now` (Unix
    /// seconds): after `DateGreaterThan` and before `DateLessThan`.
    ///
    /// # Errors
    /// Says what is wrong with it; see [`CloudFrontError`]. What a policy says is told only if its signature is good.
    pub fn verify(
        &self,
        request: &Request<'_>,
        peer: IpAddr,
        now: u64,
    ) -> Result<Verified, CloudFrontError> {
        let credential = Credential::of(request)?;
        let url = url(request)?;
        self.verify_signature(&credential, &credential.signed_text(&url))?;
        let policy = match &credential.grant {
            Grant::Canned(expires) => Policy::canned(url.as_str(), *expires),
            Grant::Custom(text) => {
                Policy::parse(text).ok_or(CloudFrontError::Malformed("Policy"))?
            }
        };
        policy.admit(&url, peer, now)?;
        Ok(Verified {
            expires: policy.before.saturating_sub(1),
            bound_to_address: policy.network.is_some(),
            custom: policy.custom,
        })
    }

    fn verify_signature(
        &self,
        credential: &Credential<'_>,
        text: &[u8],
    ) -> Result<(), CloudFrontError> {
        let key = self
            .keys
            .find(credential.key_pair_id)
            .ok_or(CloudFrontError::UnknownKey)?;
        let hash = hash(credential, text);
        if self.remembered.contains(&hash) {
            return Ok(());
        }
        let digest = credential.digest;
        key.verify(digest.padding(), &digest.of(text), &credential.signature)
            .map_err(|_| CloudFrontError::Signature)?;
        self.remembered.insert(hash);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.remembered.len()
    }
}

/// All that a verification depends on, each part behind its length.
fn hash(credential: &Credential<'_>, text: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    let name = credential.digest.name().as_bytes();
    for part in [
        credential.key_pair_id.as_bytes(),
        name,
        &credential.signature,
        text,
    ] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
