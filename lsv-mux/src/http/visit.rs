//! What a request tells of who asks.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use lsv_auth::cidr::Networks;
use lsv_core::access::{self, Secured};
use lsv_core::ports::Told;

/// Who asks, and how.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    /// Where the client is.
    pub(super) peer: IpAddr,
    headers: &'a HeaderMap,
    base: Option<String>,
    cookies: Option<Cow<'a, str>>,
}

impl<'a> Visit<'a> {
    /// Of a request that may have come through `proxies`.
    pub(super) fn of(parts: &'a Parts, proxies: &Networks) -> Self {
        let peer = match parts.extensions.get::<ConnectInfo<SocketAddr>>() {
            Some(ConnectInfo(address)) => address.ip().to_canonical(),
            None => Ipv4Addr::UNSPECIFIED.into(),
        };
        let headers = &parts.headers;
        let is_forwarded = proxies.contains(peer);
        let peer = match is_forwarded {
            true => access::client(peer, values(headers, &FORWARDED_FOR), |address| {
                proxies.contains(address)
            }),
            false => peer,
        };
        Self {
            peer,
            headers,
            base: base(parts, is_forwarded),
            cookies: cookies(headers),
        }
    }

    /// What else it tells.
    pub(super) fn told(&self) -> Told<'_> {
        Told {
            base: self.base.as_deref(),
            referer: value(self.headers, &header::REFERER),
            origin: value(self.headers, &header::ORIGIN),
            cookies: self.cookies.as_deref(),
            agent: value(self.headers, &header::USER_AGENT),
        }
    }
}

/// Scheme and host of the address; of two proxies the first knows the scheme.
fn base(parts: &Parts, is_forwarded: bool) -> Option<String> {
    let host = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => value(&parts.headers, &header::HOST)?,
    };
    let forwarded = parts.headers.get(FORWARDED_PROTO).filter(|_| is_forwarded);
    let is_secured = match forwarded {
        Some(schemes) => schemes.as_bytes().starts_with(b"https"),
        None => parts.extensions.get::<Secured>().is_some(),
    };
    let scheme = if is_secured { "https" } else { "http" };
    Some(format!("{scheme}://{host}"))
}

/// All cookies side by side: HTTP/2 may bring each in a field of its own (RFC 9113 §8.2.3).
fn cookies(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let mut fields = values(headers, &header::COOKIE);
    let first = fields.next()?;
    let rest: Vec<&str> = fields.collect();
    Some(match rest.is_empty() {
        true => Cow::Borrowed(first),
        false => Cow::Owned(format!("{first}; {}", rest.join("; "))),
    })
}

/// The first field of that name. One that is no text is there all the same, and says nothing good.
fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    values(headers, name).next()
}

fn values<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl DoubleEndedIterator<Item = &'a str> {
    let fields = headers.get_all(name).into_iter();
    fields.map(|value| value.to_str().unwrap_or(UNREADABLE))
}

const UNREADABLE: &str = "?";
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::get("/cam/live.flv");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let peer = ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 4711)));
        request.extension(peer).body(()).unwrap().into_parts().0
    }

    #[test]
    fn headers_of_proxies_count_from_proxies_alone() {
        let parts = parts(&[
            ("host", "live.example.com"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-proto", "https"),
        ]);
        let direct = Visit::of(&parts, &Networks::default());
        assert_eq!(direct.peer.to_string(), "10.0.0.1");
        assert_eq!(direct.told().base, Some("http://live.example.com"));
        let proxied = Visit::of(&parts, &"10.0.0.0/8".parse().unwrap());
        assert_eq!(proxied.peer.to_string(), "198.51.100.7");
        assert_eq!(proxied.told().base, Some("https://live.example.com"));
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_absent() {
        let mut parts = parts(&[("cookie", "a=1"), ("cookie", "b=2")]);
        let odd = http::HeaderValue::from_bytes(b"https://\xFF.example").unwrap();
        parts.headers.insert(header::REFERER, odd);
        let visit = Visit::of(&parts, &Networks::default());
        assert_eq!(visit.told().referer, Some(UNREADABLE));
        assert_eq!(visit.told().cookies, Some("a=1; b=2"));
        assert_eq!(visit.told().origin, None);
        assert_eq!(visit.told().base, None);
    }
}
