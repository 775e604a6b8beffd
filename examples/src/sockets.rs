//! The listening sockets of a node.

use anyhow::Context;
use lsv_core::api::Listeners;
use lsv_rtmp::net::{self, Server};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{CertificateFiles, Config};
use crate::tls::Followed;
use crate::{descriptors, http};

/// All are bound before anything else is done, so that a port in use stops the start.
pub(crate) struct Sockets {
    pub(crate) http: TcpListener,
    /// Most HTTP connections at once.
    pub(crate) http_connections: usize,
    pub(crate) rtmp: Server,
    pub(crate) rtmps: Option<Server>,
    /// Has the certificates read again whenever they are sent.
    pub(crate) certificates: Option<watch::Sender<Vec<CertificateFiles>>>,
}

impl Sockets {
    pub(crate) async fn bind(config: &Config) -> anyhow::Result<Self> {
        let share = descriptors::connections_each(2 + usize::from(config.rtmps.is_some()));
        let mut bounds = net::Config::default();
        bounds.connections = bounds.connections.min(share);
        // One address cannot keep all others out, whatever the share is.
        bounds.connections_per_ip = (bounds.connections / 2).max(1);
        bounds
            .proxy_protocol_from
            .clone_from(&config.proxy_protocol);
        bounds.media.legacy_hevc = config.legacy_hevc;
        let http = http::bind(config.http).await?;
        let rtmp = Server::bind(config.rtmp, bounds.clone()).await?;
        let (mut rtmps, mut certificates) = (None, None);
        if let Some(wanted) = &config.rtmps {
            let (sender, receiver) = watch::channel(wanted.certificates.clone());
            let followed = Followed::load(receiver)?;
            let tls = followed.server_config()?;
            rtmps = Some(Server::bind_tls(wanted.address, bounds, tls).await?);
            tokio::spawn(followed.run());
            certificates = Some(sender);
        }
        Ok(Self {
            http,
            http_connections: share.min(http::MAX_CONNECTIONS),
            rtmp,
            rtmps,
            certificates,
        })
    }

    pub(crate) fn addresses(&self) -> anyhow::Result<Listeners> {
        let http = self.http.local_addr();
        Ok(Listeners {
            http: http.context("the HTTP socket has no address")?,
            rtmp: self.rtmp.address(),
            rtmps: self.rtmps.as_ref().map(Server::address),
        })
    }
}
