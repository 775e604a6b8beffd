//! The listening sockets of a node.

use anyhow::Context;
use axum::Router;
use lsv_core::api::Listeners;
use lsv_rtmp::net::{self, Server, Service};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{CertificateFiles, Config};
use crate::http::{self, Listener, ToHttps, challenges, to_https};
use crate::{descriptors, tls};

/// All are bound before anything else is done, so that a port in use stops the start.
pub(crate) struct Sockets {
    http: Listener,
    https: Option<Listener>,
    /// Most connections at once of each of the two.
    http_connections: usize,
    /// None on a node that speaks HTTP alone.
    rtmp: Option<Rtmp>,
    /// Has the certificates read again whenever they are sent.
    pub(crate) certificates: Option<watch::Sender<Vec<CertificateFiles>>>,
}

struct Rtmp {
    plain: Server,
    secured: Option<Server>,
}

/// What ends serving.
#[derive(Clone, Default)]
pub(crate) struct Until {
    /// No new sessions of RTMP.
    pub(crate) accepting: CancellationToken,
    /// No new requests of HTTP.
    pub(crate) serving: CancellationToken,
}

impl Sockets {
    /// Those of a node that speaks RTMP and HTTP.
    pub(crate) async fn bind(config: &Config) -> anyhow::Result<Self> {
        Self::bind_all(config, true).await
    }

    /// Those of a node that speaks HTTP alone.
    pub(crate) async fn bind_http(config: &Config) -> anyhow::Result<Self> {
        Self::bind_all(config, false).await
    }

    async fn bind_all(config: &Config, with_rtmp: bool) -> anyhow::Result<Self> {
        let secured = [config.https, config.rtmps];
        let share = descriptors::connections_each(2 + secured.iter().flatten().count());
        let mut sockets = Self {
            http: Listener::bind(config.http, None).await?,
            https: None,
            http_connections: share.min(http::MAX_CONNECTIONS),
            rtmp: None,
            certificates: None,
        };
        let bounds = bounds(config, share);
        if with_rtmp {
            sockets.rtmp = Some(Rtmp {
                plain: Server::bind(config.rtmp, bounds.clone()).await?,
                secured: None,
            });
        }
        if !config.certificates.is_empty() {
            let (tls, certificates) = tls::follow(&config.certificates)?;
            if let Some(address) = config.https {
                sockets.https = Some(Listener::bind(address, Some(tls.clone())).await?);
            }
            if let (Some(address), Some(rtmp)) = (config.rtmps, &mut sockets.rtmp) {
                rtmp.secured = Some(Server::bind_tls(address, bounds, tls).await?);
            }
            sockets.certificates = Some(certificates);
        }
        Ok(sockets)
    }

    /// Where this node listens; for RTMP that is where others of the same configuration do, if it does not.
    pub(crate) fn addresses(&self, config: &Config) -> anyhow::Result<Listeners> {
        let address = |listener: &Listener| {
            let address = listener.address();
            address.context("the HTTP socket has no address")
        };
        let secured = |rtmp: &Rtmp| rtmp.secured.as_ref().map(Server::address);
        let rtmp = self.rtmp.as_ref();
        Ok(Listeners {
            http: address(&self.http)?,
            https: self.https.as_ref().map(address).transpose()?,
            rtmp: rtmp.map_or(config.rtmp, |rtmp| rtmp.plain.address()),
            rtmps: rtmp.map_or(config.rtmps, secured),
        })
    }

    /// Serves `router` over HTTP.
    pub(crate) fn serve_http(
        self,
        config: &Config,
        router: Router,
        servers: &TaskTracker,
        until: &Until,
    ) -> anyhow::Result<()> {
        let listeners = self.addresses(config)?;
        let mut router = redirected(router, config, listeners);
        // Where HTTPS has no certificate that is good, an authority is not sent there.
        if let Some(webroot) = &config.acme_webroot {
            router = router.merge(challenges(webroot));
        }
        for listener in std::iter::once(self.http).chain(self.https) {
            let serving = until.serving.clone();
            servers.spawn(http::serve(
                listener,
                router.clone(),
                self.http_connections,
                serving,
            ));
        }
        Ok(())
    }

    /// Serves `service` over RTMP, and `router` over HTTP.
    pub(crate) fn serve(
        mut self,
        config: &Config,
        service: &Service,
        router: Router,
        servers: &TaskTracker,
        until: &Until,
    ) -> anyhow::Result<()> {
        if let Some(Rtmp { plain, secured }) = self.rtmp.take() {
            for server in std::iter::once(plain).chain(secured) {
                servers.spawn(service.clone().run(server, until.accepting.clone()));
            }
        }
        self.serve_http(config, router, servers, until)
    }
}

/// What bounds the RTMP connections of a node, of which each listener has a `share`.
fn bounds(config: &Config, share: usize) -> net::Config {
    let mut bounds = net::Config::default();
    bounds.connections = bounds.connections.min(share);
    // One address cannot keep all others out, whatever the share is.
    bounds.connections_per_ip = (bounds.connections / 2).max(1);
    bounds
        .proxy_protocol_from
        .clone_from(&config.proxy_protocol);
    bounds.media.legacy_hevc = config.legacy_hevc;
    bounds
}

/// `router` as all listeners for HTTP get it: where the operator wants it, plain requests lead to HTTPS.
fn redirected(router: Router, config: &Config, listeners: Listeners) -> Router {
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
