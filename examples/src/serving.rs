//! How a node without publishers serves, and how it stops.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use lsv_rtmp::net::Service;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::banner;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::sockets::{Sockets, Until};

/// What is served, until it is stopped.
pub(crate) struct Serving {
    ready: watch::Sender<bool>,
    until: Until,
    servers: TaskTracker,
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            ready: watch::Sender::new(true),
            until: Until::default(),
            servers: TaskTracker::new(),
        }
    }
}

impl Serving {
    /// What operators and load balancers ask any node: whether it lives, whether it takes work, what it counts.
    pub(crate) fn routes(&self, metrics: Metrics) -> Router {
        let ready = self.ready.subscribe();
        let readiness = async move || match *ready.borrow() {
            true => (StatusCode::OK, "ready\n"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        };
        Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(readiness))
            .route("/metrics", get(async move || metrics.render()))
    }

    /// Serves at `sockets`, and says where they are.
    pub(crate) fn begin(
        &self,
        sockets: Sockets,
        config: &Config,
        service: &Service,
        router: Router,
    ) -> anyhow::Result<()> {
        let listeners = sockets.addresses(config)?;
        sockets.serve(config, service, router, &self.servers, &self.until)?;
        Ok(banner::listeners(listeners)?)
    }

    /// Not ready any more, no new sessions of RTMP; then what `work` waits for ends, while requests are still answered; then they
    /// end. What takes longer than the grace is cut off.
    pub(crate) async fn stop(self, grace: Duration, work: impl Future<Output = ()>) {
        tracing::info!(?grace, "stopping");
        self.servers.close();
        let drained = async {
            self.ready.send_replace(false);
            self.until.accepting.cancel();
            work.await;
            self.until.serving.cancel();
            self.servers.wait().await;
        };
        if tokio::time::timeout(grace, drained).await.is_err() {
            tracing::warn!("the grace is over; what still runs is cut off");
        }
    }
}
