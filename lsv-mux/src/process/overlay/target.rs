//! Where a picture is fetched from: the address as it is written, and those that servers lead to from there.

use http::Uri;
use http::uri::{PathAndQuery, Scheme};
use lsv_core::channel::Authority;

use super::PictureError;

/// An `http` or `https` address, ready to be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) secure: bool,
    pub(super) authority: Authority,
    pub(super) path: PathAndQuery,
}

impl Target {
    /// Reads an address without a user's name in it.
    pub(super) fn parse(text: &str) -> Result<Self, PictureError> {
        let uri: Uri = text.parse().map_err(|_| PictureError::Address)?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(PictureError::Address),
        };
        let authority = uri
            .authority()
            .and_then(|text| Authority::parse(text.as_str()));
        Ok(Self {
            secure,
            authority: authority.ok_or(PictureError::Address)?,
            path: uri
                .path_and_query()
                .cloned()
                .unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }

    /// The host as resolvers and certificates know it: an IPv6 address without brackets.
    pub(super) fn host(&self) -> &str {
        self.authority.host().trim_matches(['[', ']'])
    }

    /// The port to connect to.
    pub(super) fn port(&self) -> u16 {
        let default = if self.secure { 443 } else { 80 };
        self.authority.port().unwrap_or(default)
    }

    /// The target that `location` names, as a server's answer to a request for this one (RFC 3986 §5.2).
    pub(super) fn resolve(&self, location: &str) -> Result<Self, PictureError> {
        let (scheme, authority) = (if self.secure { "https" } else { "http" }, &self.authority);
        let reference = location.split('#').next().unwrap_or_default();
        let before_path = reference
            .find(['/', '?'])
            .map_or(reference, |end| &reference[..end]);
        let path = self.path.path();
        Self::parse(&match reference {
            _ if before_path.contains(':') => reference.to_owned(),
            _ if reference.starts_with("//") => format!("{scheme}:{reference}"),
            _ if reference.starts_with('/') => {
                format!("{scheme}://{authority}{}", without_dots(reference))
            }
            _ if before_path.is_empty() => format!("{scheme}://{authority}{path}{reference}"),
            _ => {
                let folder = path.rfind('/').map_or("", |end| &path[..end]);
                format!(
                    "{scheme}://{authority}{}",
                    without_dots(&format!("{folder}/{reference}"))
                )
            }
        })
    }
}

/// A path that begins with a slash, without the segments `.` and `..` (RFC 3986 §5.2.4), and its query.
fn without_dots(reference: &str) -> String {
    let (path, query) = reference
        .find('?')
        .map_or((reference, ""), |at| reference.split_at(at));
    let mut kept: Vec<&str> = Vec::new();
    let segments = path.split('/').skip(1);
    let ends_in_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    for segment in segments {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let slash = if ends_in_folder && kept.last().is_some_and(|last| !last.is_empty()) {
        "/"
    } else {
        ""
    };
    format!("/{}{slash}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(target: &Target) -> String {
        let scheme = if target.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", target.authority, target.path)
    }

    #[test]
    fn addresses_with_their_parts() {
        for (written, secure, host, port, path) in [
            (
                "http://a.example/logo.png",
                false,
                "a.example",
                80,
                "/logo.png",
            ),
            ("https://a.example", true, "a.example", 443, "/"),
            (
                "https://A.example:8443/a/b?c=%20d#e",
                true,
                "a.example",
                8443,
                "/a/b?c=%20d",
            ),
            ("http://[2001:db8::1]:81/x", false, "2001:db8::1", 81, "/x"),
            ("http://192.0.2.1/?x", false, "192.0.2.1", 80, "/?x"),
        ] {
            let target = Target::parse(written).unwrap();
            assert_eq!(
                (target.secure, target.host(), target.port()),
                (secure, host, port),
                "{written}"
            );
            assert_eq!(target.path.as_str(), path);
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for written in [
            "",
            "/logo.png",
            "a.example/logo.png",
            "ftp://a.example/",
            "file:///etc/passwd",
            "data:image/png;base64,AAAA",
            "gopher://127.0.0.1:25/",
            "http://user@a.example/",
            "http://user:secret@a.example/",
            "http://a.example:0/",
            "http://a.example:99999/",
            "http://",
            "http:///x",
            "http://a b/",
            "http://a.example/\r\nHost: other",
            "http://\u{e4}.example/",
        ] {
            let refused = Target::parse(written);
            assert!(matches!(refused, Err(PictureError::Address)), "{written:?}");
        }
    }

    #[test]
    fn locations_as_rfc_3986_resolves_them() {
        let base = Target::parse("http://a.example:81/b/c/d?q").unwrap();
        for (location, resolved) in [
            ("https://b.example/x", "https://b.example/x"),
            ("//b.example/x", "http://b.example/x"),
            ("/x", "http://a.example:81/x"),
            ("x", "http://a.example:81/b/c/x"),
            ("x?y=/../z", "http://a.example:81/b/c/x?y=/../z"),
            ("./x", "http://a.example:81/b/c/x"),
            ("../x", "http://a.example:81/b/x"),
            ("../../../../x", "http://a.example:81/x"),
            ("/x/../y/./z/", "http://a.example:81/y/z/"),
            ("..", "http://a.example:81/b/"),
            ("/", "http://a.example:81/"),
            ("?y", "http://a.example:81/b/c/d?y"),
            ("#part", "http://a.example:81/b/c/d"),
            ("x#part", "http://a.example:81/b/c/x"),
            (
                "/x?u=http://c.example/",
                "http://a.example:81/x?u=http://c.example/",
            ),
        ] {
            assert_eq!(
                text(&base.resolve(location).unwrap()),
                resolved,
                "{location}"
            );
        }
        for location in [
            "ftp://b.example/",
            "file:///etc/passwd",
            "javascript:x",
            "http://u@b.example/",
        ] {
            assert!(base.resolve(location).is_err(), "{location}");
        }
    }
}
