//! The origin: no publishers of its own, every channel of the nodes behind it, any number of viewers.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use lsv_auth::Secret;
use lsv_core::access::{Attempts, ChannelAuthorizer};
use lsv_core::api::{Listeners, nodes};
use lsv_core::embedded::Sessions;
use lsv_core::events::Events;
use lsv_core::hub::{Closed, Hub, OnBusy};
use lsv_core::lifecycle::{self, Lifecycle};
use lsv_core::ports::{Authorizer, Form, ObjectStore, Upstream};
use lsv_core::via::NodeName;
use lsv_mux::http::edge::{self, Edge};
use lsv_mux::packager::{self, Packagers};
use lsv_rtmp::net::relay::{Pulls, pulls};
use lsv_rtmp::net::{Client, Service};
use rustls::ClientConfig;
use tokio::sync::watch;

mod behind;
mod settings;
mod upstreams;

use self::behind::Behind;
pub use self::settings::Settings;
use self::upstreams::{Bases, Everywhere};
use crate::config::Config;
use crate::logging::LogLevel;
use crate::reached::{self, short_hostname};
use crate::serving::Serving;
use crate::sockets::Sockets;
use crate::{metrics, node, signals, trust};

/// Runs an origin until it is told to stop.
///
/// # Errors
/// What kept it from starting.
pub async fn run(config: Config, log_level: LogLevel) -> anyhow::Result<()> {
    log_level.set(config.log_level);
    let sockets = Sockets::bind(&config).await?;
    let listeners = sockets.addresses(&config)?;
    let origin = Origin::new(&config, listeners).await?;
    let serving = Serving::default();
    let routes = serving.routes(origin.metrics.clone());
    let router = origin.router(&config, routes);
    serving.begin(sockets, &config, &origin.rtmp_service(), router)?;

    signals::until_stopped(|| {
        tracing::warn!("an origin follows a changed configuration by a restart")
    })
    .await?;
    let farewell = async {
        let streams = origin.hub.streams();
        streams
            .iter()
            .for_each(|stream| _ = stream.close(Closed::Draining));
        if !streams.is_empty() {
            tokio::time::sleep(node::LAST_PLAYLIST.min(config.grace / 4)).await;
        }
    };
    serving.stop(config.grace, farewell).await;
    Ok(())
}

struct Origin {
    hub: Hub,
    events: Events,
    pulls: Arc<Pulls>,
    authorizer: Arc<dyn Authorizer>,
    nodes: nodes::Nodes,
    edge: Edge,
    recordings: Option<Arc<dyn ObjectStore>>,
    secret: Secret,
    metrics: metrics::Metrics,
}

impl Origin {
    async fn new(config: &Config, listeners: Listeners) -> anyhow::Result<Self> {
        let tls = trust::of_the_system()?;
        let own = name()?;
        let Behind {
            channels,
            directory,
            recordings,
            bases,
            token,
            secret,
        } = Behind::of(config, &own, &tls).await?;
        let (hub, events) = (Hub::default(), Events::new());
        let client = Client::default().with(|config| config.tls = Some(Arc::clone(&tls)));
        let edge = edge(config, own.clone(), bases, secret.clone(), tls)?;
        let mut about = pulls::Config::new(own, reached::rtmp(config, listeners));
        about.secret = Some(secret.clone());
        let reconnecting = lifecycle::Config {
            node: about.node.to_string(),
            address: about.address.clone(),
            rtmps: None,
            http: None,
            form: Form::Processed,
            reconnect_window: config.reconnect_window,
        };
        let lifecycle = Lifecycle::new(
            hub.clone(),
            events.clone(),
            Arc::new(Sessions::default()),
            reconnecting,
        );
        tokio::spawn(lifecycle.run());
        let pulls = Pulls::new(hub.clone(), client, directory, about);
        let pulls = Arc::new(pulls);
        let viewers = ChannelAuthorizer::of_viewers(channels);
        let viewers = viewers.protecting(config.play.protection(&secret));
        Ok(Self {
            hub,
            events,
            authorizer: Arc::new(viewers),
            edge,
            recordings,
            secret,
            nodes: nodes::Nodes {
                directory: pulls.clone(),
                token,
            },
            pulls,
            metrics: metrics::collect()?,
        })
    }

    fn rtmp_service(&self) -> Service {
        Service {
            hub: self.hub.clone(),
            authorizer: Arc::clone(&self.authorizer),
            events: self.events.clone(),
            on_busy: watch::Sender::new(OnBusy::Reject).subscribe(),
            // Nobody publishes here.
            attempts: Attempts::default(),
            upstream: Some(self.pulls.clone()),
        }
    }

    /// Everything that HTTP serves beside the `routes` of all nodes, with the tasks behind it running.
    fn router(&self, config: &Config, routes: Router) -> Router {
        let mut packaging = packager::Config::default();
        packaging.secret = Some(self.secret.clone());
        let packagers = Packagers::new(packaging);
        tokio::spawn(packagers.clone().run(self.hub.clone()));
        let pulls: Arc<dyn Upstream> = self.pulls.clone();
        let authorizer = Arc::clone(&self.authorizer);
        let mut playback = lsv_mux::http::State::new(self.hub.clone(), packagers, authorizer)
            .with_upstream(pulls)
            .with_edge(self.edge.clone());
        playback.config.trusted_proxies = config.trusted_proxies.clone();
        playback.recordings = self.recordings.clone();
        routes
            .merge(nodes::router(self.nodes.clone()))
            .merge(lsv_mux::http::router(playback))
    }
}

/// What answers with objects of the nodes, and keeps them.
fn edge(
    config: &Config,
    own: NodeName,
    bases: Bases,
    secret: Secret,
    tls: Arc<ClientConfig>,
) -> anyhow::Result<Edge> {
    let Settings { scope, limits, .. } = &config.origin;
    let mut settings = edge::Config::new(own);
    (settings.scope, settings.tls) = (*scope, Some(tls));
    if limits.disk_bytes > 0 {
        settings.folder = Some(config.data.join("cache"));
    }
    let upstreams = Everywhere::new(bases, secret, config.reconnect_window);
    let edge = Edge::new(settings, limits.clone(), Arc::new(upstreams));
    edge.with_context(|| format!("cannot keep a cache in {}", config.data.display()))
}

/// A name that no other process has.
fn name() -> anyhow::Result<NodeName> {
    let number = getrandom::u32().context("the system gives no random bytes")?;
    let host = short_hostname();
    let name = NodeName::parse(&format!("{host}-{number:08x}"));
    name.or_else(|| NodeName::parse(&format!("lsv-{number:08x}")))
        .context("the node has no name")
}
