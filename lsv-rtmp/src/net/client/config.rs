//! How a client treats its connections, and which it may open.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lsv_core::channel::Authority;

use crate::media::Options;
use crate::net::KeepAlive;
use crate::session::{ClientConfig, Purpose};

/// How a [`Client`](super::Client) treats its connections.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What each session may take and what it says of itself. `purpose`, `app`, `stream_name`, `tc_url` and `seed` are
    /// set anew for each connection; so are `request_arguments` for another purpose than that of this configuration,
    /// which is to publish.
    pub session: ClientConfig,
    /// What a server may send that is [played](super::Playing::next).
    pub media: Options,
    /// From looking up the name to the end of the TLS handshake, over all addresses that the name has. 10 s.
    pub connect_timeout: Duration,
    /// How long a server may take no data before the connection is given up. 10 s.
    pub write_timeout: Duration,
    /// Probes of TCP towards a server that is silent.
    pub keep_alive: KeepAlive,
    /// Reconnect requests that are followed, counted anew once a connection has lasted a minute; 0 follows none. 4.
    ///
    /// Stops servers that send a stream round in circles.
    pub moves: u32,
    /// What may be connected to. [`Reach::anywhere`].
    pub reach: Reach,
    /// The other half of RTMPS: whom to trust, with the provider of the cryptography. Without it, `rtmps://` addresses
    /// are refused.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Stands for all networks there are.
    #[cfg(test)]
    pub(in crate::net) network: Option<crate::net::testing::Network>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            session: ClientConfig::new(Purpose::Publish, "", "", "", [0; 32]),
            media: Options::default(),
            connect_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            keep_alive: KeepAlive::default(),
            moves: 4,
            reach: Reach::default(),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(test)]
            network: None,
        }
    }
}

/// Which network addresses a client may connect to.
///
/// It is asked after names are resolved, about the very address that is then connected to, also where a server asks to
/// reconnect elsewhere. So nobody who may choose where a stream goes reaches what only this machine can.
#[derive(Clone)]
pub struct Reach(Arc<dyn Fn(SocketAddr) -> bool + Send + Sync>);

impl Reach {
    /// Every address.
    pub fn anywhere() -> Self {
        Self::only(|_| true)
    }

    /// No address that is loopback, private or link-local.
    pub fn public() -> Self {
        Self::only(|address| {
            let authority = Authority::parse(&address.to_string());
            authority.is_some_and(|authority| !authority.is_private())
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_alone() {
        for (address, public) in [
            ("203.0.113.5:1935", true),
            ("[2001:db8::1]:1935", true),
            ("127.0.0.1:1935", false),
            ("10.1.2.3:1935", false),
            ("169.254.169.254:80", false),
            ("0.0.0.0:1935", false),
            ("[::1]:1935", false),
            ("[::ffff:10.0.0.1]:1935", false),
            ("[fe80::1]:1935", false),
            ("[fd00::1]:1935", false),
        ] {
            assert_eq!(
                Reach::public().contains(address.parse().unwrap()),
                public,
                "{address}"
            );
        }
    }

    #[test]
    fn a_scoped_address_is_not_public() {
        let scoped = std::net::SocketAddrV6::new("fe80::1".parse().unwrap(), 1935, 0, 3);
        assert!(!Reach::public().contains(scoped.into()));
    }
}
