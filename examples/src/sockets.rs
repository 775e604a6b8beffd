//! The listening sockets of a node.

use anyhow::Context;
use lsv_core::api::Listeners;
use lsv_rtmp::net::{self, Server};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{Config, Rtmps};
use crate::{descriptors, http, tls};

/// All are bound before anything else is done, so that a port in use stops the start.
pub(crate) struct Sockets {
    pub(crate) http: TcpListener,
    /// Most HTTP connections at once.
    pub(crate) http_connections: usize,
    pub(crate) rtmp: Server,
    pub(crate) rtmps: Option<Server>,
    /// Has the certificate read again whenever it is sent.
    pub(crate) certificate: Option<watch::Sender<Rtmps>>,
}

impl Sockets {
    pub(crate) async fn bind(config: &Config) -> anyhow::Result<Self> {
        let share = descriptors::connections_each(2 + usize::from(config.rtmps.is_some()));
        let mut bounds = net::Config::default();
        bounds.connections = bounds.connections.min(share);
        let http = http::bind(config.http).await?;
        let rtmp = Server::bind(config.rtmp, bounds.clone()).await?;
        let (mut rtmps, mut certificate) = (None, None);
        if let Some(files) = &config.rtmps {
            let acceptor = tls::acceptor(files)?;
            let (sender, receiver) = watch::channel(files.clone());
            tokio::spawn(tls::follow(receiver, acceptor.clone()));
            rtmps = Some(Server::bind_tls(files.address, bounds, acceptor).await?);
            certificate = Some(sender);
        }
        Ok(Self {
            http,
            http_connections: share.min(http::MAX_CONNECTIONS),
            rtmp,
            rtmps,
            certificate,
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
