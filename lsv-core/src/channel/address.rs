//! Hosts and addresses that come from outside, judged by how they are written: nothing here resolves a name.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::reach::is_public;

/// A host with an optional port, as in a `Host` header: `example.com`, `example.com:8080`, `[2001:db8::1]:80`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Authority {
    host: String,
    port: Option<u16>,
}

impl Authority {
    /// Reads a host name or address and the port behind it; `None` for anything else (RFC 3986 §3.2.2, §3.2.3).
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.rfind(']') {
            Some(end) => text.split_at_checked(end.checked_add(1)?)?,
            None => text
                .find(':')
                .and_then(|colon| text.split_at_checked(colon))
                .unwrap_or((text, "")),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => Some(parse_port(digits)?),
            None if port.is_empty() => None,
            None => return None,
        };
        (ipv6(host).is_some() || is_name(host)).then(|| Self {
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    /// The host alone; an IPv6 address stands in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where one was given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether the host is written as this machine or as an address that is not [public](is_public). A name may still
    /// resolve to such an address.
    pub fn is_private(&self) -> bool {
        let host = self.host.as_str();
        if let Some(address) = ipv6(host) {
            return !is_public(address.into());
        }
        let last = host.rsplit('.').next().unwrap_or(host);
        // What looks like an address and is none can be no public host either.
        if number(last).is_some() || last.bytes().all(|byte| byte.is_ascii_digit()) {
            return ipv4(host).is_none_or(|address| !is_public(address.into()));
        }
        last == "localhost"
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for Authority {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a host with an optional port")
    }
}

impl From<Authority> for String {
    fn from(authority: Authority) -> Self {
        authority.to_string()
    }
}

/// The host of `text` if that is an address of one of `schemes` (`rtmp`, `https`, ...), made of the characters of
/// RFC 3986 only.
pub(super) fn host_of(text: &str, schemes: &[&str]) -> Option<Authority> {
    let (scheme, rest) = text.split_once("://")?;
    if !schemes.contains(&scheme) || !rest.bytes().all(is_uri_byte) {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, _) = rest.split_at_checked(end)?;
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    Authority::parse(host)
}

fn parse_port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain
        .then(|| digits.parse().ok())
        .flatten()
        .filter(|port| *port > 0)
}

fn ipv6(host: &str) -> Option<Ipv6Addr> {
    let address = host.strip_prefix('[')?.strip_suffix(']')?;
    address.parse().ok()
}

/// The address that resolvers read in `host`, be it `127.0.0.1`, `127.1`, `0x7f.0.0.1` or `2130706433`
/// (POSIX `inet_addr`).
fn ipv4(host: &str) -> Option<Ipv4Addr> {
    let numbers: Option<Vec<u32>> = host.split('.').map(number).collect();
    let numbers = numbers?;
    let (last, leading) = numbers.split_last()?;
    let mut octets = last.to_be_bytes();
    if leading.len() >= octets.len() {
        return None;
    }
    for (octet, number) in octets.iter_mut().zip(leading) {
        if *octet != 0 {
            return None;
        }
        *octet = u8::try_from(*number).ok()?;
    }
    Some(octets.into())
}

/// A part of an IPv4 address: decimal, octal after `0`, hexadecimal after `0x`.
fn number(label: &str) -> Option<u32> {
    let (digits, radix) = match (label.strip_prefix("0x"), label.strip_prefix('0')) {
        (Some(""), _) | (_, Some("")) => return Some(0),
        (Some(digits), _) => (digits, 16),
        (_, Some(digits)) => (digits, 8),
        _ => (label, 10),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain
        .then(|| u32::from_str_radix(digits, radix).ok())
        .flatten()
}

fn is_name(host: &str) -> bool {
    host.len() <= MAX_NAME_BYTES
        && host.split('.').all(|label| {
            (1..=MAX_LABEL_BYTES).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

/// RFC 3986 §2: reserved and unreserved characters, and the percent sign.
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

/// RFC 1035 §2.3.4: the longest name.
const MAX_NAME_BYTES: usize = 253;
/// RFC 1035 §2.3.4: the longest part of a name.
const MAX_LABEL_BYTES: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_port() {
        for text in [
            "localhost",
            "example.com:8080",
            "192.0.2.1:80",
            "[2001:db8::1]",
            "[::1]:1935",
            "my_host-1",
        ] {
            assert_eq!(Authority::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Authority::parse("EXAMPLE.com").unwrap().host(),
            "example.com"
        );
    }

    #[test]
    fn garbage_is_no_host() {
        for text in [
            "",
            ":80",
            "a b",
            "a/b",
            "a@b",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:1:2",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]]",
            "[localhost]",
            "a..b",
            ".",
            "a\"b",
            "a<b>",
            "\u{e4}.de",
            "a\r\nb",
        ] {
            assert_eq!(Authority::parse(text), None, "{text:?}");
        }
        assert_eq!(Authority::parse(&"a".repeat(64)), None);
        assert_eq!(Authority::parse(&"a.".repeat(127)), None);
    }

    #[test]
    fn private_hosts_however_they_are_written() {
        for text in [
            "localhost",
            "LOCALHOST:80",
            "a.localhost",
            "127.0.0.1:8080",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7F.1",
            "0177.0.0.1",
            "0",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "8.8.8.8.0",
            "8.8.8.089",
            "256.1.1.1",
            "1.1.65536",
            "[::1]:80",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:127.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "224.0.0.1",
            "[2002:7f00:1::]",
        ] {
            assert!(Authority::parse(text).unwrap().is_private(), "{text}");
        }
    }

    #[test]
    fn public_hosts() {
        for text in [
            "example.com",
            "localhost.example.com",
            "notlocalhost",
            "10.example.com",
            "8.8.8.8",
            "134744072",
            "172.32.0.1",
            "100.128.0.1",
            "0x.example",
            "[2001:db8::1]",
            "[64:ff9b::8.8.8.8]",
        ] {
            assert!(!Authority::parse(text).unwrap().is_private(), "{text}");
        }
    }

    #[test]
    fn addresses_of_the_right_scheme() {
        let schemes = &["rtmp", "rtmps"];
        for text in [
            "rtmp://a/b/c",
            "rtmps://user:pass@host:443/app/key?x=1",
            "rtmp://[::1]/a",
        ] {
            assert!(host_of(text, schemes).is_some(), "{text}");
        }
        for text in [
            "http://a/b",
            "rtmp:/a",
            "rtmp://",
            "rtmp:///a",
            "rtmp://a b/c",
            "rtmp://a/\"",
            "rtmp://a/\n",
            "RTMP://a",
            "rtmp://a:x/",
        ] {
            assert!(host_of(text, schemes).is_none(), "{text:?}");
        }
    }
}
