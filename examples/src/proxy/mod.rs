//! The proxy: listeners, back ends that follow the configuration and what is found, metrics, a drain.

mod found;
mod options;

use std::io::{self, Write};
use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use lsv_rtmp::proxy::{self, BackEnds, Proxy, Status};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use found::Service;
pub use options::{Config, Options};

use crate::config::CertificateFiles;
use crate::http::{self, Listener};
use crate::logging::LogLevel;
use crate::{descriptors, metrics, signals, tls};

/// Runs a proxy until it is told to stop. `options` are read again at each SIGHUP.
///
/// # Errors
/// What kept the proxy from starting.
pub async fn run(config: Config, options: &Options, log_level: LogLevel) -> anyhow::Result<()> {
    let back_ends = watch::Sender::new(config.back_ends.clone());
    let all = found::beside(back_ends.subscribe(), config.discover.as_ref()).await?;
    let mut proxy = Proxy::new(settings(&config), all);
    let status = proxy.status();
    let rtmp = proxy.listen(config.rtmp).await?;
    let (mut rtmps, mut certificates) = (None, None);
    if let Some(address) = config.rtmps {
        let (tls, sender) = tls::follow(&config.certificates)?;
        rtmps = Some(proxy.listen_tls(address, tls).await?);
        certificates = Some(sender);
    }
    let draining = CancellationToken::new();
    let http = match config.http {
        Some(address) => Some(serve_http(address, status.clone(), draining.clone()).await?),
        None => None,
    };
    let mut running = tokio::spawn(proxy.run(draining.clone()));
    print(&[("RTMP", Some(rtmp)), ("RTMPS", rtmps), ("HTTP", http)])?;

    let mut reload = Reload {
        running: config,
        log_level,
        back_ends,
        certificates,
    };
    signals::until_stopped(|| match options.resolve() {
        Ok(new) => reload.apply(new),
        Err(error) => tracing::warn!("the old configuration stays: {error:#}"),
    })
    .await?;
    let grace = reload.running.grace;
    tracing::info!(?grace, sessions = status.sessions(), "draining");
    draining.cancel();
    if tokio::time::timeout(grace, &mut running).await.is_err() {
        tracing::warn!(
            sessions = status.sessions(),
            "the grace is over; what still runs is cut off"
        );
        running.abort();
    }
    Ok(())
}

fn settings(config: &Config) -> proxy::Config {
    let mut settings = proxy::Config::default();
    settings.mode = config.mode;
    settings.check = config.check;
    settings.proxy_protocol = config.proxy_protocol;
    settings
        .accept_proxy_protocol_from
        .clone_from(&config.accept_proxy_protocol);
    // Each client takes two descriptors: its own and that of its back end.
    let share = descriptors::connections_each(2);
    settings.connections = settings.connections.min(share);
    // One address cannot keep all others out, whatever the share is.
    settings.connections_per_ip = (settings.connections / 2).max(1);
    settings
}

/// Metrics and health, which a proxy has for its operator and nobody else.
async fn serve_http(
    address: SocketAddr,
    status: Status,
    draining: CancellationToken,
) -> anyhow::Result<SocketAddr> {
    let listener = Listener::bind(address, None).await?;
    let address = listener.address()?;
    let metrics = metrics::collect()?;
    let ready = draining.clone();
    let readiness = async move || match status.healthy() {
        _ if ready.is_cancelled() => (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned()),
        0 => (
            StatusCode::SERVICE_UNAVAILABLE,
            "no back end works\n".to_owned(),
        ),
        count => (StatusCode::OK, format!("{count} back ends work\n")),
    };
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readiness))
        .route("/metrics", get(async move || metrics.render()));
    // It answers for as long as the process lives: a drain is what operators want to watch.
    let never = CancellationToken::new();
    tokio::spawn(http::serve(listener, router, HTTP_CONNECTIONS, never));
    Ok(address)
}

fn print(lines: &[(&str, Option<SocketAddr>)]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (label, address) in lines {
        if let Some(address) = address {
            writeln!(out, "  {label:<15}{address}")?;
        }
    }
    writeln!(out, "  Ready")?;
    out.flush()
}

/// The configuration in force, and who follows it.
struct Reload {
    running: Config,
    log_level: LogLevel,
    back_ends: watch::Sender<BackEnds>,
    certificates: Option<watch::Sender<Vec<CertificateFiles>>>,
}

impl Reload {
    /// Puts what can change of `new` in force, and names what cannot. No session ends.
    fn apply(&mut self, new: Config) {
        let fixed = self.running.needs_restart(&new);
        self.log_level.set(new.log_level);
        self.back_ends.send_replace(new.back_ends.clone());
        if let Some(certificates) = &self.certificates
            && !new.certificates.is_empty()
        {
            certificates.send_replace(new.certificates);
        }
        self.running.grace = new.grace;
        self.running.back_ends = new.back_ends;
        tracing::info!("the configuration was reread");
        if !fixed.is_empty() {
            tracing::warn!(
                "these keys have changed and need a restart: {}",
                fixed.join(", ")
            );
        }
    }
}

/// Enough for a scraper and a few people.
const HTTP_CONNECTIONS: usize = 64;
