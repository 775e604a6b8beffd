//! How a client treats its connections, and which it may open.

use std::time::Duration;

use lsv_core::reach::Reach;

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
    pub tls: Option<std::sync::Arc<rustls::ClientConfig>>,
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
