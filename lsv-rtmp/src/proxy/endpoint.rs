//! Where back ends are, and what a name is known to stand for.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    str::FromStr,
    time::{Duration, Instant},
};

/// A back end as an operator names it: `10.0.0.7:1935`, `[2001:db8::7]:1935`, or `gateway.internal:1935`, a name that may
/// stand for any number of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint(Place);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Place {
    Address(SocketAddr),
    Name { host: String, port: u16 },
}

/// A text that is no address and no name with a port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a back end is HOST:PORT, such as 10.0.0.7:1935 or gateway.internal:1935, not {0:?}")]
pub struct InvalidEndpoint(String);

impl Endpoint {
    /// The address, unless it is a name that must be looked up.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.0 {
            Place::Address(address) => Some(address),
            Place::Name { .. } => None,
        }
    }

    /// The name and the port, unless it is an address.
    pub fn name(&self) -> Option<(&str, u16)> {
        match &self.0 {
            Place::Address(_) => None,
            Place::Name { host, port } => Some((host, *port)),
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self(Place::Address(address))
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        let invalid = || InvalidEndpoint(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let port = port.parse().map_err(|_| invalid())?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        // What looks like an IPv4 address but is none would be looked up for ever.
        let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.');
        if numeric || host.len() > LONGEST_NAME || !host.chars().all(plain) {
            return Err(invalid());
        }
        let host = host.to_owned();
        Ok(Self(Place::Name { host, port }))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Address(address) => address.fmt(f),
            Place::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// The addresses that a name is known to stand for.
///
/// A look-up that fails changes nothing, so that back ends survive an outage of the name server. One that succeeds adds
/// what is new, and drops what has not been in any answer for a while.
#[derive(Debug)]
pub struct Known {
    forget_after: Duration,
    seen: BTreeMap<SocketAddr, Instant>,
}

impl Known {
    /// Nothing yet; addresses will stay for `forget_after` after they were in an answer.
    pub fn new(forget_after: Duration) -> Self {
        Self {
            forget_after,
            seen: BTreeMap::new(),
        }
    }

    /// The name server answered with `addresses`.
    pub fn answered(&mut self, addresses: impl IntoIterator<Item = SocketAddr>, now: Instant) {
        let addresses = addresses.into_iter().take(MOST_ADDRESSES);
        self.seen.extend(addresses.map(|address| (address, now)));
        let forget_after = self.forget_after;
        self.seen
            .retain(|_, seen| *seen == now || now.saturating_duration_since(*seen) < forget_after);
    }

    /// The addresses in use.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.seen.keys().copied()
    }
}

/// Longest name in the Domain Name System, in characters (RFC 1035 §2.3.4).
const LONGEST_NAME: usize = 253;

/// Addresses taken from one answer.
const MOST_ADDRESSES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names() {
        for text in ["10.0.0.7:1935", "[2001:db8::7]:1935"] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.address(), Some(text.parse().unwrap()));
            assert_eq!(endpoint.to_string(), text);
        }
        let endpoint: Endpoint = "gateway_1.lsv.internal:1935".parse().unwrap();
        assert_eq!(endpoint.name(), Some(("gateway_1.lsv.internal", 1935)));
        assert_eq!(endpoint.to_string(), "gateway_1.lsv.internal:1935");
        let long = format!("{}:1", "a".repeat(254));
        for text in [
            "",
            ":1",
            "host",
            "host:",
            "host:65536",
            "rtmp://host:1",
            "::1:80",
            "10.0.0:1",
            "a b:1",
            &long,
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_address_stays_for_a_while_after_its_last_answer() {
        let [a, b] = ["10.0.0.1:1", "10.0.0.2:1"].map(|text| text.parse().unwrap());
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut known = Known::new(Duration::from_secs(10));
        known.answered([a], at(0));
        known.answered([b], at(1));
        assert_eq!(known.addresses().collect::<Vec<_>>(), [a, b]);
        known.answered([b], at(9));
        assert_eq!(known.addresses().count(), 2);
        known.answered([b], at(10));
        assert_eq!(known.addresses().collect::<Vec<_>>(), [b]);
        // No answers for an hour: the last one holds.
        assert_eq!(known.addresses().count(), 1);
        known.answered([], at(3600));
        assert_eq!(known.addresses().count(), 0);
    }

    #[test]
    fn without_patience_the_last_answer_is_all_there_is() {
        let [a, b] = ["10.0.0.1:1", "10.0.0.2:1"].map(|text| text.parse().unwrap());
        let now = Instant::now();
        let mut known = Known::new(Duration::ZERO);
        known.answered([a], now);
        known.answered([b], now + Duration::from_secs(1));
        assert_eq!(known.addresses().collect::<Vec<_>>(), [b]);
    }
}
