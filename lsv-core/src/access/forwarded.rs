//! Where a client is that came through proxies, and whether it came over TLS.

use std::net::IpAddr;

/// Says in a request's extensions that it came over TLS, so that the addresses in its answer are secure ones too. The
/// header `X-Forwarded-Proto` of a load balancer that ends TLS says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secured;

/// The address of a client whose connection came from `peer`, with the values of its `X-Forwarded-For` in their order.
///
/// Each proxy appends whom it heard from, so what a proxy says counts if it is itself trusted: the client is the last
/// address of the chain that is not a trusted proxy's. What stands before that one anybody may have written. Where a
/// trusted proxy names no address, the client is that proxy.
pub fn client<'a>(
    peer: IpAddr,
    forwarded: impl DoubleEndedIterator<Item = &'a str>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer.to_canonical();
    let named = forwarded.rev().flat_map(|value| value.rsplit(','));
    for named in named.take(MAX_PROXIES) {
        if !is_trusted(client) {
            break;
        }
        match address(named.trim()) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

/// An address, also with a port, as some proxies write it: `192.0.2.7:4711`, `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = |text: &str| text.parse::<IpAddr>().ok();
    let with_port = || {
        text.parse()
            .ok()
            .map(|socket: std::net::SocketAddr| socket.ip())
    };
    let bracketed = || bare(text.strip_prefix('[')?.strip_suffix(']')?);
    let address = bare(text).or_else(with_port).or_else(bracketed)?;
    Some(address.to_canonical())
}

/// Most proxies that a client comes through.
const MAX_PROXIES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, forwarded: &[&str]) -> String {
        let is_trusted = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(address) => address.is_loopback(),
        };
        let peer = peer.parse().unwrap();
        client(peer, forwarded.iter().copied(), is_trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(of("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(of("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(of("::ffff:10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(
            of("::1", &["198.51.100.7, 10.0.0.2", "10.0.0.1"]),
            "198.51.100.7"
        );
    }

    #[test]
    fn what_a_client_wrote_itself_does_not_count() {
        assert_eq!(
            of("10.0.0.1", &["203.0.113.9, 198.51.100.7"]),
            "198.51.100.7"
        );
        assert_eq!(
            of("10.0.0.1", &["10.0.0.9, 198.51.100.7, 10.0.0.2"]),
            "198.51.100.7"
        );
        assert_eq!(
            of("10.0.0.1", &["203.0.113.9", "198.51.100.7"]),
            "198.51.100.7"
        );
    }

    #[test]
    fn forms_of_addresses() {
        for (text, address) in [
            ("198.51.100.7:4711", "198.51.100.7"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
        ] {
            assert_eq!(of("10.0.0.1", &[text]), address);
        }
    }

    #[test]
    fn a_proxy_that_names_nobody_is_the_client() {
        assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
        for text in ["", "unknown", "198.51.100.7,", "198.51.100", "_hidden"] {
            assert_eq!(of("10.0.0.1", &[text]), "10.0.0.1", "{text}");
        }
        assert_eq!(of("10.0.0.1", &["198.51.100.7, x, 10.0.0.2"]), "10.0.0.2");
    }

    #[test]
    fn a_long_chain_is_not_followed_for_ever() {
        let chain = vec!["10.0.0.3"; 1_000].join(",");
        assert_eq!(
            of("10.0.0.1", &[&format!("198.51.100.7,{chain}")]),
            "10.0.0.3"
        );
    }
}
