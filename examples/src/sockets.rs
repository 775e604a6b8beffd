//! The listening sockets of a node.

use anyhow::Context;
use axum::Router;
use lsv_core::api::Listeners;
use lsv_rtmp::net::{self, Server};
use tokio::sync::watch;

use crate::config::{CertificateFiles, Config};
use crate::http::{self, Listener, ToHttps, to_https};
use crate::{descriptors, tls};

/// All are bound before anything else is done, so that a port in use stops the start.
pub(crate) struct Sockets {
    pub(crate) http: Listener,
    pub(crate) https: Option<Listener>,
    /// Most connections at once of each of the two.
    pub(crate) http_connections: usize,
    pub(crate) rtmp: Server,
    pub(crate) rtmps: Option<Server>,
    /// Has the certificates read again whenever they are sent.
    pub(crate) certificates: Option<watch::Sender<Vec<CertificateFiles>>>,
}

impl Sockets {
    pub(crate) async fn bind(config: &Config) -> anyhow::Result<Self> {
        let secured = [config.https, config.rtmps];
        let share = descriptors::connections_each(2 + secured.iter().flatten().count());
        let mut bounds = net::Config::default();
        bounds.connections = bounds.connections.min(share);
        // One address cannot keep all others out, whatever the share is.
        bounds.connections_per_ip = (bounds.connections / 2).max(1);
        bounds
            .proxy_protocol_from
            .clone_from(&config.proxy_protocol);
        bounds.media.legacy_hevc = config.legacy_hevc;
        let mut sockets = Self {
            http: Listener::bind(config.http, None).await?,
            https: None,
            http_connections: share.min(http::MAX_CONNECTIONS),
            rtmp: Server::bind(config.rtmp, bounds.clone()).await?,
            rtmps: None,
            certificates: None,
        };
        if !config.certificates.is_empty() {
            let (tls, certificates) = tls::follow(&config.certificates)?;
            if let Some(address) = config.https {
                sockets.https = Some(Listener::bind(address, Some(tls.clone())).await?);
            }
            if let Some(address) = config.rtmps {
                sockets.rtmps = Some(Server::bind_tls(address, bounds, tls).await?);
            }
            sockets.certificates = Some(certificates);
        }
        Ok(sockets)
    }

    pub(crate) fn addresses(&self) -> anyhow::Result<Listeners> {
        let address = |listener: &Listener| {
            let address = listener.address();
            address.context("the HTTP socket has no address")
        };
        Ok(Listeners {
            http: address(&self.http)?,
            https: self.https.as_ref().map(address).transpose()?,
            rtmp: self.rtmp.address(),
            rtmps: self.rtmps.as_ref().map(Server::address),
        })
    }
}

/// `router` as all listeners for HTTP get it: where the operator wants it, plain requests lead to HTTPS.
pub(crate) fn redirected(router: Router, config: &Config, listeners: Listeners) -> Router {
    match listeners.https {
        Some(https) if config.https_redirect => {
            let to = ToHttps {
                port: https.port(),
                trusted: config.trusted_proxies.clone(),
            };
            to_https(router, to)
        }
        _ => router,
    }
}
