//! Lists of networks: who may watch, who may not, and whose word on a client's address counts.

use std::{fmt, net::IpAddr, str::FromStr};

pub use ipnet::IpNet;
use ipnet::Ipv4Net;

/// Networks of both address families, such as `10.0.0.0/8,2001:db8::/32,192.0.2.7`; none by default.
///
/// An IPv4 address is the same whether it comes as itself or mapped into IPv6 (RFC 4291 §2.5.5.2), and so is a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether one of the networks holds `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self(networks.into_iter().map(canonical).collect())
    }
}

impl FromStr for Networks {
    type Err = InvalidNetworks;

    /// Reads networks apart by commas; space around one is passed over. A bare address is the network of itself, and
    /// `10.1.2.3/8` is `10.0.0.0/8`.
    fn from_str(text: &str) -> Result<Self, InvalidNetworks> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut networks = Vec::new();
        for (index, item) in text.split(',').enumerate() {
            if index == MAX_NETWORKS {
                return Err(InvalidNetworks::TooMany);
            }
            let network = parse(item.trim()).ok_or(InvalidNetworks::At(index + 1))?;
            networks.push(canonical(network));
        }
        Ok(Self(networks))
    }
}

impl fmt::Display for Networks {
    /// The form that [`FromStr`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, network) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{network}")?;
        }
        Ok(())
    }
}

/// A list of networks that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidNetworks {
    /// The item at this place, counted from one, is no network.
    #[error(
        "item {0} is no network; write 10.0.0.0/8 or 2001:db8::/32 or an address, apart by commas"
    )]
    At(usize),
    /// More than [`MAX_NETWORKS`].
    #[error("more than {MAX_NETWORKS} networks; write larger ones")]
    TooMany,
}

/// Most networks of one list: each request is held against all of them.
pub const MAX_NETWORKS: usize = 256;

/// A network, or an address as the network of itself.
pub(crate) fn parse(text: &str) -> Option<IpNet> {
    match text.contains('/') {
        true => text.parse().ok(),
        false => text.parse().ok().map(|address: IpAddr| address.into()),
    }
}

/// The network without host bits, of IPv4 where it lies in `::ffff:0:0/96`.
fn canonical(network: IpNet) -> IpNet {
    let network = network.trunc();
    let IpNet::V6(mapped) = network else {
        return network;
    };
    let length = mapped.prefix_len().checked_sub(MAPPED_BITS);
    let inner = mapped.addr().to_ipv4_mapped().zip(length);
    match inner.map(|(address, length)| Ipv4Net::new(address, length)) {
        Some(Ok(inner)) => inner.into(),
        _ => network,
    }
}

/// Length of the prefix `::ffff:0:0/96`.
const MAPPED_BITS: u8 = 96;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn networks(text: &str) -> Networks {
        text.parse().unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn both_families() {
        let list = networks("10.0.0.0/8, 192.0.2.7 ,2001:db8::/32,::1");
        for inside in [
            "10.255.0.1",
            "192.0.2.7",
            "2001:db8:ffff::1",
            "::1",
            "::ffff:10.1.2.3",
        ] {
            assert!(list.contains(address(inside)), "{inside}");
        }
        for outside in [
            "11.0.0.1",
            "192.0.2.8",
            "2001:db9::1",
            "::2",
            "::10.1.2.3",
            "::ffff:11.0.0.1",
        ] {
            assert!(!list.contains(address(outside)), "{outside}");
        }
        assert_eq!(
            list.to_string(),
            "10.0.0.0/8,192.0.2.7/32,2001:db8::/32,::1/128"
        );
        assert_eq!(networks(&list.to_string()), list);
    }

    #[test]
    fn a_mapped_network_is_one_of_ipv4() {
        assert_eq!(networks("::ffff:10.0.0.0/104"), networks("10.0.0.0/8"));
        assert_eq!(networks("::ffff:192.0.2.7"), networks("192.0.2.7"));
        assert_eq!(networks("::ffff:0.0.0.0/96"), networks("0.0.0.0/0"));
        assert!(networks("::ffff:0.0.0.0/96").contains(address("192.0.2.1")));
    }

    #[test]
    fn every_address_of_a_family() {
        assert!(networks("0.0.0.0/0").contains(address("255.255.255.255")));
        assert!(!networks("0.0.0.0/0").contains(address("::1")));
        assert!(networks("::/0").contains(address("2001:db8::1")));
    }

    #[test]
    fn host_bits_are_dropped() {
        assert_eq!(networks("10.1.2.3/8").to_string(), "10.0.0.0/8");
    }

    #[test]
    fn none() {
        assert!(networks("").is_empty());
        assert!(networks("  ").is_empty());
        assert!(!networks("").contains(address("127.0.0.1")));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/ 8",
            "10.0.0.0/",
            "/8",
            "010.0.0.1",
            "10.0.0.1:80",
            "[::1]",
            "fe80::1%eth0",
            "localhost",
            "*",
            ",",
            "10.0.0.1,",
            "10.0.0.0/255.0.0.0",
        ] {
            assert!(text.parse::<Networks>().is_err(), "{text}");
        }
        assert_eq!("::1,x".parse::<Networks>(), Err(InvalidNetworks::At(2)));
    }

    #[test]
    fn so_many_and_no_more() {
        let many = vec!["::1"; MAX_NETWORKS].join(",");
        assert!(many.parse::<Networks>().is_ok());
        let more = format!("{many},::1");
        assert_eq!(more.parse::<Networks>(), Err(InvalidNetworks::TooMany));
    }

    proptest! {
        #[test]
        fn bits_decide(network in any::<u32>(), length in 0u8..=32, other in any::<u32>(), mapped in any::<bool>()) {
            let list = networks(&format!("{}/{length}", std::net::Ipv4Addr::from(network)));
            let other_address = std::net::Ipv4Addr::from(other);
            let peer = if mapped { other_address.to_ipv6_mapped().into() } else { other_address.into() };
            let same = (network ^ other).checked_shr(32 - u32::from(length)).unwrap_or(0) == 0;
            prop_assert_eq!(list.contains(peer), same);
        }

        #[test]
        fn arbitrary_text_is_read_or_refused(text in "[0-9a-f:./, %x-]{0,60}") {
            if let Ok(list) = text.parse::<Networks>() {
                prop_assert_eq!(networks(&list.to_string()), list);
            }
        }
    }
}
