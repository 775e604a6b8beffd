//! Where and under which name other nodes find this one, and what in a shared store is its own.
//!
//! Two machines may have the same host name, and one machine another after a restart. So each data folder has an id that is
//! nobody else's, and what a node keeps in a store under its own name has that in it.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use lsv_core::api::Listeners;
use lsv_core::lifecycle;
use lsv_core::ports::Form;

use crate::config::Config;

/// What a node says of itself to others.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    /// Its name for people, and among others its own: the same after a restart.
    pub(crate) name: String,
    /// What it calls itself in a store: whose recordings are unfinished, whose time-shift windows are.
    pub(crate) owner: String,
    /// Where others pull from it.
    pub(crate) rtmp: String,
    /// The same over TLS, if it has a certificate.
    pub(crate) rtmps: Option<String>,
    /// Where its API is, for those who were not told before.
    pub(crate) http: Option<String>,
}

impl Reached {
    /// Of a node that keeps its stores itself: whoever asks it knows where it is.
    ///
    /// # Errors
    /// Where it can have no id.
    pub(crate) fn alone(config: &Config, listeners: Listeners) -> anyhow::Result<Self> {
        let secured = listeners.rtmps.map(|address| format!("rtmps://{address}"));
        Ok(Self {
            name: hostname(),
            // Its stores are in the folder that the id is in: it knows its own under whichever name its machine has by now.
            owner: id(&config.data)?,
            rtmp: rtmp(config, listeners),
            rtmps: config.node_rtmps_address.clone().or(secured),
            http: None,
        })
    }

    /// Of a node that others learn of in a registry.
    ///
    /// # Errors
    /// Where it can have no id, or what was given is no address.
    pub(crate) fn among_others(config: &Config, listeners: Listeners) -> anyhow::Result<Self> {
        let host = match &config.node_address {
            Some(address) => host(address)?,
            None => own_ip(listeners.rtmp).to_string(),
        };
        let own = |listener| SocketAddr::new(own_ip(listener), listener.port());
        let rtmp = format!("rtmp://{}", own(listeners.rtmp));
        let rtmps = listeners.rtmps;
        let rtmps = rtmps.map(|listener| format!("rtmps://{}", own(listener)));
        // With the port, for nodes that were given the same folder.
        let (host_name, port) = (short_hostname(), listeners.rtmp.port());
        let name = format!("{host_name}-{port}-{}", id(&config.data)?);
        Ok(Self {
            owner: name.clone(),
            name,
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

/// Where others pull from a node that they were told of.
pub(crate) fn rtmp(config: &Config, listeners: Listeners) -> String {
    let listening = || format!("rtmp://{}", listeners.rtmp);
    config.node_address.clone().unwrap_or_else(listening)
}

/// The id of a data folder, made where it has none. Where it cannot be kept there is another one at each start: others then
/// make whole what the node leaves.
fn id(data: &Path) -> anyhow::Result<String> {
    let path = data.join(ID);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let id = text.trim();
    // An empty file is what a power cut leaves of one that was never used.
    if id.is_empty() {
        return new_id(data);
    }
    if id.len() != ID_CHARS || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        bail!("{} holds no id; delete it for a new one", path.display());
    }
    Ok(id.to_owned())
}

fn new_id(data: &Path) -> anyhow::Result<String> {
    let number = getrandom::u32().context("the system gives no random bytes")?;
    let id = format!("{number:08x}");
    if let Err(error) = keep(data, &id) {
        let path = data.display();
        tracing::warn!(%path, %error, "this node's id cannot be kept: it has another after a restart");
    }
    Ok(id)
}

/// Writes an id, so that nobody ever finds half of one.
fn keep(data: &Path, id: &str) -> std::io::Result<()> {
    fs::create_dir_all(data)?;
    let new = data.join(format!("{ID}.new"));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(format!("{id}\n").as_bytes())?;
    // A power cut must not leave a name without what it is for.
    file.sync_all()?;
    fs::rename(&new, data.join(ID))
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
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "lsv".to_owned(),
        name => name.to_owned(),
    }
}

/// With the port and the id no more than names of nodes may have.
const HOST_CHARS: usize = 48;

/// The file with the id.
const ID: &str = "node-id";

const ID_CHARS: usize = 8;

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
    fn a_data_folder_keeps_its_id() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let data = one.path().join("not/there/yet");
        let first = id(&data).unwrap();
        assert_eq!(id(&data).unwrap(), first);
        assert_ne!(id(other.path()).unwrap(), first);
        let longest = format!("{}-65535-{first}", "h".repeat(HOST_CHARS));
        assert!(lsv_core::via::NodeName::parse(&longest).is_some());

        fs::write(data.join(ID), "").unwrap();
        let after_a_power_cut = id(&data).unwrap();
        assert_eq!(id(&data).unwrap(), after_a_power_cut);

        fs::write(data.join(ID), "half").unwrap();
        let error = id(&data).unwrap_err().to_string();
        assert!(
            error.contains("node-id") && error.contains("delete"),
            "{error}"
        );
    }

    #[test]
    fn a_listener_with_an_address_is_reached_there() {
        let listener = "127.0.0.5:1935".parse().unwrap();
        assert_eq!(own_ip(listener).to_string(), "127.0.0.5");
        assert!(!own_ip("0.0.0.0:1935".parse().unwrap()).is_unspecified());
    }
}
