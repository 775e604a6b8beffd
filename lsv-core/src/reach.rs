//! Which network addresses a connection may go to whose target others choose.
//!
//! A name says nothing of where it leads, so what is judged is the address that is then connected to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Which network addresses a client may connect to.
///
/// It is asked after names are resolved, about the very address that is then connected to, also where a server leads
/// elsewhere. So nobody who may choose a target reaches what only this machine can.
#[derive(Clone)]
pub struct Reach(Arc<dyn Fn(SocketAddr) -> bool + Send + Sync>);

impl Reach {
    /// Every address.
    pub fn anywhere() -> Self {
        Self::only(|_| true)
    }

    /// Addresses of the public Internet alone ([`is_public`]).
    pub fn public() -> Self {
        Self::only(|address| is_public(address.ip()))
    }

    /// The addresses of which `allowed` says so.
    pub fn only(allowed: impl Fn(SocketAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(allowed))
    }

    /// Whether it has `address`.
    pub fn contains(&self, address: SocketAddr) -> bool {
        self.0(address)
    }
}

impl Default for Reach {
    fn default() -> Self {
        Self::anywhere()
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach").finish_non_exhaustive()
    }
}

/// Whether `address` may be that of a host on the public Internet: it is neither loopback, private, link-local, shared,
/// unspecified, multicast nor set apart for other ends (RFC 6890), nor an IPv6 address that carries such an IPv4 address.
///
/// Addresses for documentation, which no host has, count as public.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let set_apart = match (first, second, third) {
        // This network; what is shared behind carriers' NAT (RFC 6598); protocol assignments; benchmarks (RFC 2544);
        // multicast, and what is reserved behind it.
        (0, ..) | (100, 64..128, _) | (192, 0, 0) | (198, 18..20, _) | (224.., ..) => true,
        _ => false,
    };
    !(set_apart || address.is_loopback() || address.is_private() || address.is_link_local())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let set_apart = match address.segments() {
        // Translation within a network (RFC 8215); what is discarded (RFC 6666); Teredo (RFC 4380); site-local
        // (RFC 3879).
        [0x64, 0xFF9B, 1, ..] | [0x100, 0, 0, 0, ..] | [0x2001, 0, ..] | [0xFEC0..=0xFEFF, ..] => {
            true
        }
        _ => false,
    };
    let special = address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local();
    !(set_apart || special) && carried(address).is_none_or(is_public_v4)
}

/// The IPv4 address that packets to `address` end up at.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        // Translated (RFC 6052 §2.1), and in a tunnel (RFC 3056 §2).
        [0x64, 0xFF9B, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some(v4(high, low)),
        // RFC 4291 §2.5.5: compatible, mapped.
        _ => address.to_ipv4(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_alone() {
        for (address, public) in [
            ("8.8.8.8", true),
            ("203.0.113.5", true),
            ("100.63.255.255", true),
            ("100.128.0.0", true),
            ("172.32.0.1", true),
            ("192.0.1.1", true),
            ("223.255.255.255", true),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("100.127.255.255", false),
            ("127.0.0.1", false),
            ("127.255.255.254", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("192.0.0.1", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("198.19.255.255", false),
            ("224.0.0.1", false),
            ("240.0.0.1", false),
            ("255.255.255.255", false),
            ("2001:db8::1", true),
            ("2606:4700::1111", true),
            ("::ffff:8.8.8.8", true),
            ("64:ff9b::8.8.8.8", true),
            ("2002:808:808::1", true),
            ("::", false),
            ("::1", false),
            ("::127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("::ffff:169.254.169.254", false),
            ("64:ff9b::10.0.0.1", false),
            ("64:ff9b:1::8.8.8.8", false),
            ("2002:7f00:1::1", false),
            ("2002:c0a8:101::", false),
            ("2001:0:808:808::1", false),
            ("100::1", false),
            ("fc00::1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(is_public(address), public, "{address}");
            assert_eq!(Reach::public().contains((address, 80).into()), public);
            assert!(Reach::anywhere().contains((address, 80).into()));
        }
    }

    #[test]
    fn a_scoped_address_is_not_public() {
        let scoped = std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 1935, 0, 3);
        assert!(!Reach::public().contains(scoped.into()));
    }
}
