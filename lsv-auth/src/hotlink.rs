//! Hotlink protection: which web pages may embed what the platform plays.
//!
//! A browser says in `Referer` (RFC 9110 §10.1.3) and `Origin` (RFC 6454 §7) which page a request comes from; a page
//! cannot forge either, and anything else can. So this keeps other people's pages away and nobody with a program of
//! their own: that is what tokens are for.

use std::{fmt, net::Ipv6Addr, str::FromStr, sync::Arc};

/// Hosts whose pages may embed, and whether a request that names no page may pass.
///
/// ```
/// use lsv_auth::hotlink::{Hosts, HotlinkError, Rule};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hosts: Hosts = "example.com,*.example.com".parse()?;
/// let rule = Rule { hosts, allow_empty: true };
/// assert_eq!(rule.admits(Some("https://www.example.com/watch"), None), Ok(()));
/// assert_eq!(rule.admits(None, None), Ok(()));
/// assert_eq!(rule.admits(Some("https://evil-example.com/"), None), Err(HotlinkError::Host));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Hosts whose pages may embed.
    pub hosts: Hosts,
    /// Whether a request may pass that names no page, as those of most players that are no browser do.
    pub allow_empty: bool,
}

impl Rule {
    /// Whether a request with these values of `Referer` and `Origin` may pass. An empty value counts as none.
    ///
    /// Each of the two that names a host must name an allowed one. The origin `null` names none: it passes beside a
    /// `Referer` that does, and alone it is refused even where [`allow_empty`](Self::allow_empty), because only a page
    /// that hides where it is from sends it.
    ///
    /// # Errors
    /// Says what is wrong; see [`HotlinkError`].
    pub fn admits(&self, referer: Option<&str>, origin: Option<&str>) -> Result<(), HotlinkError> {
        let referer = referer.filter(|value| !value.is_empty());
        let origin = origin.filter(|value| !value.is_empty());
        let opaque = origin == Some("null");
        let pages = [referer, origin.filter(|_| !opaque)];
        if pages == [None, None] {
            return match (opaque, self.allow_empty) {
                (true, _) => Err(HotlinkError::Opaque),
                (false, true) => Ok(()),
                (false, false) => Err(HotlinkError::Empty),
            };
        }
        pages.into_iter().flatten().try_for_each(|page| {
            let host = host(page).ok_or(HotlinkError::Unreadable)?;
            match self.hosts.contain(&host) {
                true => Ok(()),
                false => Err(HotlinkError::Host),
            }
        })
    }
}

/// Why a request may not pass. No variant carries what the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HotlinkError {
    /// It names no page, and that is not allowed.
    #[error("the request does not say which page it comes from")]
    Empty,
    /// It comes from a page that hides where it is from.
    #[error("the request comes from a page without an address of its own")]
    Opaque,
    /// It names what is no address of a web page.
    #[error("the request does not say plainly which page it comes from")]
    Unreadable,
    /// It comes from a page of another host.
    #[error("the request comes from a page that may not embed this")]
    Host,
}

/// Hosts, exact or all below one: `example.com,*.example.net`; none by default.
///
/// `*.example.net` is `a.example.net` and `b.a.example.net`, and not `example.net`. Ports and upper case are no part of
/// a host's name. Names beyond ASCII are written as browsers send them: `xn--...`. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hosts(Arc<[Pattern]>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Pattern {
    Exact(String),
    /// With the dot that comes before it.
    Below(String),
}

impl Hosts {
    /// Whether `host`, as [`host`] reads it, is one of them.
    pub fn contain(&self, host: &str) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Exact(name) => host == name,
            Pattern::Below(suffix) => {
                let below = host.strip_suffix(suffix.as_str());
                below.is_some_and(|below| !below.is_empty())
            }
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Hosts {
    type Err = InvalidHosts;

    /// Reads hosts apart by commas; space around one is passed over.
    fn from_str(text: &str) -> Result<Self, InvalidHosts> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut patterns = Vec::new();
        for (index, item) in text.split(',').enumerate() {
            if index == MAX_HOSTS {
                return Err(InvalidHosts::TooMany);
            }
            let pattern = Pattern::parse(item.trim()).ok_or(InvalidHosts::At(index + 1))?;
            patterns.push(pattern);
        }
        Ok(Self(patterns.into()))
    }
}

impl fmt::Display for Hosts {
    /// The form that [`FromStr`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, pattern) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match pattern {
                Pattern::Exact(name) => write!(f, "{comma}{name}")?,
                Pattern::Below(suffix) => write!(f, "{comma}*{suffix}")?,
            }
        }
        Ok(())
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("*.") {
            Some(parent) if parent.starts_with('[') => None,
            Some(parent) => Some(Self::Below(format!(".{}", name(parent)?))),
            None => name(text).map(Self::Exact),
        }
    }
}

/// A list of hosts that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHosts {
    /// The item at this place, counted from one, is no host.
    #[error(
        "item {0} is no host; write example.com or *.example.com without scheme, port or path, apart by commas"
    )]
    At(usize),
    /// More than [`MAX_HOSTS`].
    #[error("more than {MAX_HOSTS} hosts; join them with *.")]
    TooMany,
}

/// Most hosts of one list: each request is held against all of them.
pub const MAX_HOSTS: usize = 256;

/// The host of a web page's address, in lower case and without port or trailing dot. None where the address is not of
/// `http` or `https`, has user information, or could be read in more than one way.
pub fn host(page: &str) -> Option<String> {
    let (scheme, rest) = page.split_once("://")?;
    if !["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, _) = rest.split_at(end);
    // A colon inside brackets is part of the address.
    let port = authority
        .rfind(':')
        .filter(|colon| !authority[*colon..].contains(']'));
    let (host, port) = authority.split_at(port.unwrap_or(authority.len()));
    let digits = port.strip_prefix(':').unwrap_or_default();
    let good = digits.len() <= MAX_PORT_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !good {
        return None;
    }
    name(host)
}

/// A host's name or address in its one spelling.
fn name(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let label = |label: &str| (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(plain);
    let good = text.len() <= MAX_NAME && text.split('.').all(label);
    good.then(|| text.to_ascii_lowercase())
}

/// Longest name of a host and longest label of one (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;
const MAX_PORT_DIGITS: usize = 5;

#[cfg(test)]
mod tests;
