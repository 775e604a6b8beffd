//! Content keys: what the media of an encrypted stream is encrypted with.
//!
//! Keys are derived, not drawn: whoever holds the platform's secret knows every key of every stream, so nodes need
//! not tell each other and nothing is to be remembered over restarts. Nobody who holds a key learns another one.

use std::fmt;

use zeroize::Zeroizing;

use crate::{Secret, mac::Keyed};

/// All content keys of one stream, by number.
#[derive(Clone, PartialEq, Eq)]
pub struct ContentKeys(Secret);

impl ContentKeys {
    /// The keys of a stream whose secret is `secret` and nobody else's. With a secret that several streams share, use
    /// [`ContentKeys::derive`].
    pub fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The keys of the stream at `path`, such as `cam` or `cam/360p`, on the platform whose secret is `platform`.
    pub fn derive(platform: &Secret, path: &str) -> Self {
        Self(Secret::from_entropy(
            Keyed::new(platform).sign(&[PURPOSE, path.as_bytes()]),
        ))
    }

    /// Key number `number`.
    pub fn key(&self, number: u64) -> ContentKey {
        let mut key = Zeroizing::new([0; 16]);
        let derived = Zeroizing::new(Keyed::new(&self.0).sign(&[&number.to_be_bytes()]));
        let (half, _) = derived.split_at(key.len());
        key.copy_from_slice(half);
        ContentKey(key)
    }
}

impl fmt::Debug for ContentKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKeys(hidden)")
    }
}

/// A key of AES-128: wiped from memory when dropped, hidden by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ContentKey(Zeroizing<[u8; 16]>);

impl ContentKey {
    /// Takes a key as it is, where something else than [`ContentKeys`] makes them.
    pub fn new(key: [u8; 16]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// The key itself, for the cipher, and for the viewer who may watch.
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(hidden)")
    }
}

/// Keeps what is derived here apart from all else that is signed with the platform's secret: a push credential is
/// signed over `/stream/...`.
const PURPOSE: &[u8] = b"lsv content keys/";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn platform() -> Secret {
        Secret::new("nodemedia2017privatekey").unwrap()
    }

    #[test]
    fn the_same_on_every_node_and_after_a_restart() {
        // openssl: HMAC-SHA256 of "lsv content keys/cam" in hex, used as the key for that of eight bytes, the number.
        let keys = ContentKeys::derive(&platform(), "cam");
        assert_eq!(keys.key(1_790_000_000).expose(), &VECTOR);
        assert_eq!(keys, ContentKeys::derive(&platform(), "cam"));
    }

    #[test]
    fn no_two_are_alike() {
        let mut seen = HashSet::new();
        for path in ["cam", "cam/360p", "cam2", "c"] {
            let keys = ContentKeys::derive(&platform(), path);
            for number in [0, 1, 255, 256, u64::MAX] {
                assert!(seen.insert(*keys.key(number).expose()), "{path} {number}");
            }
        }
    }

    #[test]
    fn debug_tells_nothing() {
        let keys = ContentKeys::new(platform());
        let shown = format!("{keys:?} {:?}", keys.key(7));
        assert_eq!(shown, "ContentKeys(hidden) ContentKey(hidden)");
    }

    const VECTOR: [u8; 16] = [
        0x04, 0xD4, 0x9C, 0xCD, 0xD6, 0xA5, 0xA0, 0x92, 0x3A, 0x32, 0xCC, 0x62, 0xE5, 0x4A, 0x25,
        0x19,
    ];
}
