//! Where and under which name other nodes find this one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::Context;
use lsv_core::api::Listeners;
use lsv_core::lifecycle;
use lsv_core::ports::Form;

use crate::config::Config;

/// What a node says of itself to others.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    /// Its name, the same after a restart.
    pub(crate) name: String,
    /// Where others pull from it.
    pub(crate) rtmp: String,
    /// The same over TLS, if it has a certificate.
    pub(crate) rtmps: Option<String>,
    /// Where its API is, for those who were not told before.
    pub(crate) http: Option<String>,
}

impl Reached {
    /// Of a node whose stores nobody else has: whoever asks it knows where it is.
    pub(crate) fn alone(config: &Config, listeners: Listeners) -> Self {
        let listening = || format!("rtmp://{}", listeners.rtmp);
        let secured = listeners.rtmps.map(|address| format!("rtmps://{address}"));
        Self {
            name: hostname(),
            rtmp: config.node_address.clone().unwrap_or_else(listening),
            rtmps: config.node_rtmps_address.clone().or(secured),
            http: None,
        }
    }

    /// Of a node that others learn of in a registry.
    pub(crate) fn among_others(config: &Config, listeners: Listeners) -> anyhow::Result<Self> {
        let host = match &config.node_address {
            Some(address) => host(address)?,
            None => own_ip(listeners.rtmp).to_string(),
        };
        let own = |listener| SocketAddr::new(own_ip(listener), listener.port());
        let rtmp = format!("rtmp://{}", own(listeners.rtmp));
        let rtmps = listeners.rtmps;
        let rtmps = rtmps.map(|listener| format!("rtmps://{}", own(listener)));
        Ok(Self {
            name: format!("{}-{}", short_hostname(), listeners.rtmp.port()),
            rtmp: config.node_address.clone().unwrap_or(rtmp),
            rtmps: config.node_rtmps_address.clone().or(rtmps),
            http: Some(format!("http://{host}:{}", listeners.http.port())),
        })
    }

    /// The same for what follows its streams.
    pub(crate) fn lifecycle(&self, config: &Config, form: Form) -> lifecycle::Config {
        lifecycle::Config {
            node: self.name.clone(),
            address: self.rtmp.clone(),
            rtmps: self.rtmps.clone(),
            http: self.http.clone(),
            form,
            reconnect_window: config.reconnect_window,
        }
    }
}

/// The host of `rtmp://host:port`, in brackets where it is an IPv6 address.
fn host(address: &str) -> anyhow::Result<String> {
    let uri = address.parse().ok();
    let uri = uri.filter(|uri: &axum::http::Uri| uri.scheme().is_some());
    let host = uri.as_ref().and_then(axum::http::Uri::host);
    let host = host.with_context(|| {
        format!(
            "node-address is where other nodes pull, such as rtmp://10.0.0.9:1935, not {address:?}"
        )
    })?;
    Ok(host.to_owned())
}

/// The address that others reach a listener at: of one that listens everywhere, the address that this machine has towards
/// the world.
fn own_ip(listener: SocketAddr) -> IpAddr {
    if !listener.ip().is_unspecified() {
        return listener.ip();
    }
    // Connecting a datagram socket asks the routing table and sends nothing. The address is one for documentation (RFC 5737).
    let towards_the_world = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    };
    towards_the_world().map_or_else(|_| Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}

/// As much of it as names of nodes have room for.
pub(crate) fn short_hostname() -> String {
    hostname().chars().take(HOST_CHARS).collect()
}

pub(crate) fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "lsv".to_owned(),
        name => name.to_owned(),
    }
}

const HOST_CHARS: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_address_is_found() {
        assert_eq!(host("rtmp://10.0.0.9:1935").unwrap(), "10.0.0.9");
        assert_eq!(host("rtmp://[2001:db8::1]:1935").unwrap(), "[2001:db8::1]");
        assert!(host("10.0.0.9").is_err());
    }

    #[test]
    fn a_listener_with_an_address_is_reached_there() {
        let listener = "127.0.0.5:1935".parse().unwrap();
        assert_eq!(own_ip(listener).to_string(), "127.0.0.5");
        assert!(!own_ip("0.0.0.0:1935".parse().unwrap()).is_unspecified());
    }
}
