//! Signatures over a path prefix: one that covers `/cam` is good for `/cam` and for all that lies under it.

use subtle::ConstantTimeEq;

use crate::{Secret, mac::Keyed, playback::Malformed, push::Expiry};

/// Signs and checks for one purpose. What is signed for one is never good for another, whatever the secret.
pub(crate) struct Signing {
    keyed: Keyed,
    purpose: &'static str,
}

impl Signing {
    pub(crate) fn new(secret: &Secret, purpose: &'static str) -> Self {
        Self {
            keyed: Keyed::new(secret),
            purpose,
        }
    }

    /// The signature over `<purpose>:<prefix>-<exp>`, or `<purpose>:<prefix>-<exp>-<holder>`. A prefix begins with a
    /// slash and a holder is no number, so that no two of these are written alike.
    pub(crate) fn sign(&self, prefix: &str, expiry: Expiry, holder: Option<&str>) -> [u8; 32] {
        let expiry = expiry.to_string();
        let common = [self.purpose, ":", prefix, "-", &expiry].map(str::as_bytes);
        match holder {
            None => self.keyed.sign(&common),
            Some(holder) => {
                let [purpose, colon, prefix, dash, expiry] = common;
                let holder = holder.as_bytes();
                self.keyed
                    .sign(&[purpose, colon, prefix, dash, expiry, dash, holder])
            }
        }
    }

    /// Whether `signature` is that of one of the prefixes, compared in constant time.
    pub(crate) fn covers<'a>(
        &self,
        mut prefixes: impl Iterator<Item = &'a str>,
        expiry: Expiry,
        holder: Option<&str>,
        signature: &[u8; 32],
    ) -> bool {
        prefixes.any(|prefix| {
            let expected = self.sign(prefix, expiry, holder);
            expected.ct_eq(signature).into()
        })
    }
}

/// A prefix as it is signed: with a slash before and none behind.
pub(crate) fn canonical(prefix: &str) -> String {
    format!("/{}", prefix.trim_matches('/'))
}

/// The prefixes under which `path` lies, shortest first: `/`, `/cam`, `/cam/vod` for `/cam/vod/`.
///
/// # Errors
/// As [`check_path`].
pub(crate) fn prefixes(path: &str) -> Result<impl Iterator<Item = &str> + Clone, Malformed> {
    let whole = check_path(path)?;
    let ends = whole.match_indices('/').map(|(end, _)| end).skip(1);
    let last = (whole.len() > 1).then_some(whole.len());
    let parents = ends.chain(last).take(MAX_DEPTH);
    Ok(std::iter::once("/").chain(parents.map(move |end| &whole[..end])))
}

/// The path without its closing slash, if it is written plainly.
///
/// # Errors
/// [`Malformed::Path`] where someone on the way might read another path than this one: dot segments, empty segments,
/// percent-encoding, backslashes. No address of the platform has any.
pub(crate) fn check_path(path: &str) -> Result<&str, Malformed> {
    let inner = path.strip_prefix('/').ok_or(Malformed::Path)?;
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'%' | b'\\' | b'?' | b'#');
    let sound = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
    if path.len() > MAX_PATH_BYTES || !(path == "/" || inner.split('/').all(sound)) {
        return Err(Malformed::Path);
    }
    Ok(&path[..=inner.len()])
}

/// Longest path that is looked at: no address of the platform comes near.
const MAX_PATH_BYTES: usize = 2_048;
/// Most segments of a signed prefix: what lies deeper is covered by prefixes of up to so many.
const MAX_DEPTH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Vec<&str> {
        prefixes(path).unwrap().collect()
    }

    #[test]
    fn every_parent() {
        assert_eq!(of("/"), ["/"]);
        assert_eq!(of("/cam"), ["/", "/cam"]);
        assert_eq!(of("/cam/"), ["/", "/cam"]);
        assert_eq!(
            of("/cam/720p/ts/1.ts"),
            [
                "/",
                "/cam",
                "/cam/720p",
                "/cam/720p/ts",
                "/cam/720p/ts/1.ts"
            ]
        );
        let deep = format!("/cam{}", "/x".repeat(1_000));
        assert_eq!(of(&deep).len(), MAX_DEPTH + 1);
        assert_eq!(of(&deep)[1], "/cam");
    }

    #[test]
    fn what_could_be_read_otherwise_is_refused() {
        for path in [
            "",
            "cam",
            "//",
            "//cam",
            "/cam//x",
            "/cam//",
            "/cam/.",
            "/cam/..",
            "/cam/../dog",
            "/./cam",
            "/cam/%2e%2e/dog",
            "/cam%2Fdog",
            "/%63am",
            "/cam/%00",
            "/cam\\..\\dog",
            "/cam/\0",
            "/cam/a b",
            "/cäm",
            "/cam?x",
            "/cam#x",
            "/cam\n",
        ] {
            assert_eq!(
                prefixes(path).map(Iterator::count).err(),
                Some(Malformed::Path),
                "{path:?}"
            );
        }
        let long = format!("/{}", "a".repeat(MAX_PATH_BYTES));
        assert!(prefixes(&long).is_err());
        assert!(prefixes(&long[..MAX_PATH_BYTES]).is_ok());
    }

    #[test]
    fn canonical_has_one_slash() {
        for prefix in ["cam", "/cam", "/cam/", "//cam//"] {
            assert_eq!(canonical(prefix), "/cam");
        }
        assert_eq!(canonical(""), "/");
    }
}
