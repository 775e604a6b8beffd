//! Bodies of this crate's fuzz targets: each takes arbitrary bytes and panics only where an invariant is broken.

use crate::{
    Secret,
    push::{self, Algorithm, Expiry},
};

/// Whatever the query of a stream key holds: no panic, and nothing is accepted but what the platform itself mints.
///
/// # Panics
/// If a credential is accepted that differs from the minted one.
pub fn push(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(secret) = Secret::new("fuzzing") else {
        return;
    };
    let path = push::path("fuzz");
    for credential in [Some(query), push::credential_in(Some(query)).ok()]
        .into_iter()
        .flatten()
    {
        for algorithm in [Algorithm::HmacSha256, Algorithm::Md5] {
            if let Ok(expiry) = push::verify(credential, &secret, &[algorithm], &path, 0) {
                assert_eq!(
                    credential,
                    push::mint(&secret, algorithm, &path, Expiry::from_unix(expiry.unix()))
                );
            }
        }
    }
}
