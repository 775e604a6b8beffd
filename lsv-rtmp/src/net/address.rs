//! Where a stream is published to or played from: `rtmp://host[:port]/app/name?query`.

use std::fmt;
use std::str::FromStr;

use lsv_core::channel::Authority;

use crate::session::Public;

/// An address of RTMP or RTMPS, taken apart.
///
/// The first segment of the path is the application, the rest the name of the stream, as
/// [`Target`](crate::session::Target) has it on the other end; [`Address::cut`] is for servers that mean another place.
/// Nothing is decoded: what was written is what is sent.
///
/// [`fmt::Display`] and [`fmt::Debug`] show neither name nor query: where one is not a credential, the other is.
///
/// ```
/// use lsv_rtmp::net::Address;
///
/// let address: Address = "rtmps://[2001:db8::1]/live2/a-secret?backup=1".parse()?;
/// assert_eq!((address.host(), address.port()), ("2001:db8::1", 443));
/// assert_eq!((address.app(), address.stream_name()), ("live2", "a-secret?backup=1"));
/// assert_eq!(address.to_string(), "rtmps://[2001:db8::1]/live2/..");
/// # Ok::<(), lsv_rtmp::net::InvalidAddress>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    scheme: Scheme,
    authority: Authority,
    app: String,
    stream_name: String,
}

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// RTMP over TCP.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
}

impl Scheme {
    /// The port where an address names none: 1935, which is registered for RTMP (RTMP 1.0 §1), and for RTMPS 443, which
    /// encoders take by custom, for no port is registered.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Rtmp => 1935,
            Self::Rtmps => 443,
        }
    }

    /// As addresses begin.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Rtmps => "rtmps",
        }
    }
}

/// Why a text is no [`Address`]. It repeats nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAddress {
    /// It does not begin with `rtmp://` or `rtmps://`.
    #[error("the address must begin with rtmp:// or rtmps://")]
    Scheme,
    /// There is no host, or no such host and port can be.
    #[error(
        "the address needs a host name, an IPv4 address or an IPv6 address in brackets, and a port from 1 to 65535 if any"
    )]
    Host,
    /// A user name or a password.
    #[error(
        "RTMP knows no user and password; put the credential into the name or the query, as the server wants it"
    )]
    Credentials,
    /// There is no application, or no name.
    #[error("the address needs an application and a name: rtmp://host/APP/NAME")]
    Path,
    /// A character that no address may contain.
    #[error("the address holds a space, a control character or a #")]
    Character,
    /// It is too long.
    #[error("the address is longer than {MAX_BYTES} bytes")]
    Length,
    /// A server asked to come back without TLS.
    #[error(
        "a connection over TLS does not move to one without: the stream's name would travel in the clear"
    )]
    Downgrade,
}

impl Address {
    /// From its parts, for servers whose application has several segments: `app` `live/_definst_` with `stream_name`
    /// `cam?token=x`.
    ///
    /// # Errors
    /// [`InvalidAddress`] where one of the parts cannot be.
    pub fn cut(
        scheme: Scheme,
        authority: &str,
        app: &str,
        stream_name: &str,
    ) -> Result<Self, InvalidAddress> {
        let parts = [authority, app, stream_name];
        if parts.iter().map(|part| part.len()).sum::<usize>() > MAX_BYTES {
            return Err(InvalidAddress::Length);
        }
        let wrong = |c: char| c == '#' || c.is_whitespace() || c.is_control();
        if parts.iter().any(|part| part.contains(wrong)) {
            return Err(InvalidAddress::Character);
        }
        if authority.contains('@') {
            return Err(InvalidAddress::Credentials);
        }
        let authority = Authority::parse(authority).ok_or(InvalidAddress::Host)?;
        if app.is_empty() || stream_name.is_empty() || stream_name.starts_with('?') {
            return Err(InvalidAddress::Path);
        }
        Ok(Self {
            scheme,
            authority,
            app: app.to_owned(),
            stream_name: stream_name.to_owned(),
        })
    }

    /// Whether it is encrypted.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host name, or the address without brackets.
    pub fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
    }

    /// The port that was given, or the [default](Scheme::default_port).
    pub fn port(&self) -> u16 {
        let port = self.authority.port();
        port.unwrap_or_else(|| self.scheme.default_port())
    }

    /// The application.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The name of the stream with its query: a credential.
    pub fn stream_name(&self) -> &str {
        &self.stream_name
    }

    /// The address up to the application, as `connect` names it (RTMP 1.0 §7.2.1.1).
    pub fn tc_url(&self) -> String {
        format!("{}://{}/{}", self.scheme.as_str(), self.authority, self.app)
    }

    /// Where a server sends this stream by a reconnect request: `tc_url` is an address up to the application, absolute
    /// or relative to [`tc_url`](Self::tc_url) (RFC 3986 §5.2); the name stays, and without a path the application too.
    ///
    /// # Errors
    /// [`InvalidAddress`], among others for a scheme that is not RTMP's, and for a step from RTMPS to RTMP.
    pub fn moved_to(&self, tc_url: &str) -> Result<Self, InvalidAddress> {
        let own = self.authority.to_string();
        let (scheme, rest) = match scheme_of(tc_url) {
            Some((scheme, rest)) => (scheme, Some(rest)),
            None if has_scheme(tc_url) => return Err(InvalidAddress::Scheme),
            None => (self.scheme, tc_url.strip_prefix("//")),
        };
        if (self.scheme, scheme) == (Scheme::Rtmps, Scheme::Rtmp) {
            return Err(InvalidAddress::Downgrade);
        }
        let (authority, reference) = match rest {
            Some(rest) => rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())),
            None => (own.as_str(), tc_url),
        };
        let app = resolve(&self.app, reference);
        Self::cut(scheme, authority, &app, &self.stream_name)
    }

    /// `text` as it may be logged: where a server repeats the name of the stream, it is left out.
    pub(super) fn redact(&self, text: &str) -> String {
        let name = self.stream_name.as_str();
        let (path, query) = name.split_once('?').unwrap_or((name, ""));
        let values = query
            .split('&')
            .filter_map(|pair| Some(pair.split_once('=')?.1));
        // Servers that take more segments for the application repeat the rest of the path only.
        let whole = [name, query, path].into_iter();
        let secrets = whole.chain(values).chain(path.split('/'));
        let mut text = text.to_owned();
        for secret in secrets.filter(|secret| secret.len() >= SHORTEST_SECRET) {
            text = text.replace(secret, "..");
        }
        let printable = text.chars().filter(|c| !c.is_control());
        printable.take(MAX_TOLD_CHARS).collect()
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (scheme, rest) = scheme_of(text).ok_or(InvalidAddress::Scheme)?;
        let (authority, path) = split_path(rest);
        let (app, stream_name) = match path.split_once('/') {
            Some((app, name)) if !app.contains('?') => (app, name.trim_start_matches('/')),
            _ => (path, ""),
        };
        Self::cut(scheme, authority, app, stream_name)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.as_str();
        write!(f, "{scheme}://{}/{}/..", self.authority, Public(&self.app))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

fn scheme_of(text: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let known = [Scheme::Rtmp, Scheme::Rtmps];
    let mut known = known.into_iter();
    let scheme = known.find(|known| scheme.eq_ignore_ascii_case(known.as_str()))?;
    Some((scheme, rest))
}

/// Whether it begins with a scheme at all (RFC 3986 §4.2).
fn has_scheme(text: &str) -> bool {
    let first = text.split(['/', '?']).next();
    first.is_some_and(|segment| segment.contains(':'))
}

/// The application that `reference`, a path and a query, means where `base` is the one at hand: RFC 3986 §5.2.2 from the
/// path on.
fn resolve(base: &str, reference: &str) -> String {
    let (base, base_query) = split_query(base);
    let (path, query) = split_query(reference);
    let query = match (path, query) {
        ("", "") => base_query,
        _ => query,
    };
    let merged = match (path.strip_prefix('/'), base.rsplit_once('/')) {
        (Some(absolute), _) => absolute.to_owned(),
        (None, Some((folder, _))) => format!("{folder}/{path}"),
        (None, None) => path.to_owned(),
    };
    let mut segments = Vec::new();
    for segment in merged.trim_end_matches('/').split('/') {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let resolved = segments.join("/");
    let is_kept = path.is_empty() || resolved.is_empty();
    format!("{}{query}", if is_kept { base } else { &resolved })
}

/// The path, and the query with its question mark.
fn split_query(text: &str) -> (&str, &str) {
    text.split_at(text.find('?').unwrap_or(text.len()))
}

/// The authority, and the path without the slash before it.
fn split_path(rest: &str) -> (&str, &str) {
    rest.split_once('/').unwrap_or((rest, ""))
}

/// Longest address. Signed ones take some hundreds of bytes; a server takes a name of 4,096 by default.
const MAX_BYTES: usize = 4096;

/// Shorter names and query values are words rather than secrets, and removing them would garble what a server says.
const SHORTEST_SECRET: usize = 4;

/// Characters kept of what a server says about a refusal.
const MAX_TOLD_CHARS: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parsed(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[track_caller]
    fn refused(text: &str) -> InvalidAddress {
        text.parse::<Address>().unwrap_err()
    }

    #[test]
    fn addresses_come_apart() {
        for (text, host, port, app, name) in [
            ("rtmp://host/stream/cam", "host", 1935, "stream", "cam"),
            ("RTMP://Host:1/a/b?x=y", "host", 1, "a", "b?x=y"),
            ("rtmps://host/a/b/c/", "host", 443, "a", "b/c/"),
            ("rtmp://[::1]:1936/a/b", "::1", 1936, "a", "b"),
            ("rtmp://host/a//b", "host", 1935, "a", "b"),
            (
                "rtmp://192.0.2.1/a/b?u=c/d?e",
                "192.0.2.1",
                1935,
                "a",
                "b?u=c/d?e",
            ),
        ] {
            let address = parsed(text);
            let parts = (
                address.host(),
                address.port(),
                address.app(),
                address.stream_name(),
            );
            assert_eq!(parts, (host, port, app, name), "{text}");
        }
        assert_eq!(
            parsed("rtmp://Host:1935/a/b").tc_url(),
            "rtmp://host:1935/a"
        );
        assert_eq!(parsed("rtmps://[::1]/a/b").tc_url(), "rtmps://[::1]/a");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, reason) in [
            ("http://host/a/b", InvalidAddress::Scheme),
            ("rtmpt://host/a/b", InvalidAddress::Scheme),
            ("host/a/b", InvalidAddress::Scheme),
            ("rtmp:///a/b", InvalidAddress::Host),
            ("rtmp://host:0/a/b", InvalidAddress::Host),
            ("rtmp://host:65536/a/b", InvalidAddress::Host),
            ("rtmp://::1/a/b", InvalidAddress::Host),
            ("rtmp://user:pass@host/a/b", InvalidAddress::Credentials),
            ("rtmp://host", InvalidAddress::Path),
            ("rtmp://host/a", InvalidAddress::Path),
            ("rtmp://host/a/", InvalidAddress::Path),
            ("rtmp://host/a/?x=y", InvalidAddress::Path),
            ("rtmp://host/a?x=y/b", InvalidAddress::Path),
            ("rtmp://host//b", InvalidAddress::Path),
            ("rtmp://host/a/b#c", InvalidAddress::Character),
            ("rtmp://host/a/b c", InvalidAddress::Character),
            ("rtmp://host/a/b\r\n", InvalidAddress::Character),
        ] {
            assert_eq!(refused(text), reason, "{text}");
        }
        let long = format!("rtmp://host/a/{}", "b".repeat(MAX_BYTES));
        assert_eq!(refused(&long), InvalidAddress::Length);
    }

    #[test]
    fn nothing_printed_is_a_credential() {
        let address = parsed("rtmp://host/live2/the-stream-key?sign=the-signature");
        assert_eq!(address.to_string(), "rtmp://host/live2/..");
        assert_eq!(format!("{address:?}"), "\"rtmp://host/live2/..\"");
        let told = "no \"the-stream-key\" with the-signature\u{7}here";
        assert_eq!(address.redact(told), "no \"..\" with ..here");
        assert_eq!(address.redact(&"x".repeat(1000)).len(), MAX_TOLD_CHARS);
        let deep = parsed("rtmp://host/live/sub/the-stream-key/720p?sign=x");
        let told = "the-stream-key of live/sub is busy";
        assert_eq!(deep.redact(told), ".. of live/sub is busy");
    }

    #[test]
    fn a_reconnect_request_leads_on() {
        let address = parsed("rtmp://host:1936/stream/cam?sign=x");
        for (tc_url, expected) in [
            ("rtmp://other/live", "rtmp://other/live/cam?sign=x"),
            ("rtmps://other:1/live/", "rtmps://other:1/live/cam?sign=x"),
            ("//192.0.2.7/live", "rtmp://192.0.2.7/live/cam?sign=x"),
            ("/live", "rtmp://host:1936/live/cam?sign=x"),
            ("live", "rtmp://host:1936/live/cam?sign=x"),
            ("rtmp://other", "rtmp://other/stream/cam?sign=x"),
            ("", "rtmp://host:1936/stream/cam?sign=x"),
            ("/", "rtmp://host:1936/stream/cam?sign=x"),
            ("..", "rtmp://host:1936/stream/cam?sign=x"),
            ("./live/../b", "rtmp://host:1936/b/cam?sign=x"),
        ] {
            assert_eq!(
                address.moved_to(tc_url).unwrap(),
                parsed(expected),
                "{tc_url}"
            );
        }
        let deep = address.moved_to("rtmp://other/live/_definst_").unwrap();
        assert_eq!(
            (deep.app(), deep.stream_name()),
            ("live/_definst_", "cam?sign=x")
        );
    }

    #[test]
    fn a_relative_reconnect_request_is_merged_with_the_application() {
        let app = "live/_definst_?node=1";
        let address = Address::cut(Scheme::Rtmp, "host", app, "cam").unwrap();
        for (tc_url, expected) in [
            ("", app),
            ("other", "live/other"),
            ("other?node=2", "live/other?node=2"),
            ("?node=2", "live/_definst_?node=2"),
            ("../other/", "other"),
            ("/a/b/./c", "a/b/c"),
            ("/a?u=rtmp://b", "a?u=rtmp://b"),
            ("//else?node=2", "live/_definst_?node=2"),
        ] {
            let moved = address.moved_to(tc_url).unwrap();
            assert_eq!(
                (moved.app(), moved.stream_name()),
                (expected, "cam"),
                "{tc_url}"
            );
        }
    }

    #[test]
    fn a_reconnect_request_leads_nowhere_else() {
        let address = parsed("rtmps://host/stream/cam");
        for (tc_url, reason) in [
            ("http://other/live", InvalidAddress::Scheme),
            ("file:///etc", InvalidAddress::Scheme),
            ("host:1936/live", InvalidAddress::Scheme),
            ("rtmp://other/live", InvalidAddress::Downgrade),
            ("rtmps://user@other/live", InvalidAddress::Credentials),
            ("//other:0/live", InvalidAddress::Host),
            ("/li\nve", InvalidAddress::Character),
        ] {
            assert_eq!(address.moved_to(tc_url).unwrap_err(), reason, "{tc_url}");
        }
    }
}
