//! The processor: a node without publishers, which encodes for those that have them.
//!
//! ```text
//! gateway ── task ──> processor ── RTMP ──> gateway's stream ──> own hub ──> encoder, watermark, motion
//!                                                                  └──> origins, which find it in the registry
//! ```

use std::sync::Arc;

use anyhow::{Context, bail};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use lsv_core::access::{Attempts, ChannelAuthorizer};
use lsv_core::embedded::Tasks;
use lsv_core::events::{Events, Happening};
use lsv_core::hub::{Hub, OnBusy};
use lsv_core::lifecycle::Lifecycle;
use lsv_core::ports::{Form, Local, TaskScheduler, TaskSpec};
use lsv_core::share::Share;
use lsv_core::via::NodeName;
use lsv_mux::packager::{self, Packagers};
use lsv_rtmp::net::relay::{Pulls, pulls};
use lsv_rtmp::net::{Client, Service};
use tokio::sync::watch;

mod coming;
mod job;

use self::coming::Coming;
use self::job::Processing;
use crate::config::Config;
use crate::logging::LogLevel;
use crate::reached::Reached;
use crate::serving::Serving;
use crate::sockets::Sockets;
use crate::stores::{MARGIN, Place, Stores};
use crate::workshop::Workshop;
use crate::{metrics, signals, trust};

/// Runs a processor until it is told to stop, or has done the one task that it was started for.
///
/// # Errors
/// What kept it from starting.
pub async fn run(config: Config, log_level: LogLevel) -> anyhow::Result<()> {
    log_level.set(config.log_level);
    if config.stores.place == Place::Local {
        bail!("store is missing: a processor works on what other nodes keep");
    }
    let sockets = Sockets::bind(&config).await?;
    let listeners = sockets.addresses(&config)?;
    let events = Events::new();
    let stores = Stores::open(&config, &events).await?;
    let reached = Reached::among_others(&config, listeners)?;
    let processor = Processor::new(&config, &reached, stores, events).await?;
    let serving = Serving::default();
    let routes = serving.routes(processor.metrics.clone());
    let router = processor.router(&config, routes);
    serving.begin(sockets, &config, &processor.rtmp_service(), router)?;

    let stopped = signals::until_stopped(|| {
        tracing::warn!("a processor follows a changed configuration by a restart")
    });
    match &config.task {
        Some(task) => tokio::select! {
            stopped = stopped => stopped?,
            done = processor.done(task) => done?,
        },
        None => stopped.await?,
    }
    // A container's task ends where nobody wants it any more; else another processor goes on with what this one has.
    if config.task.is_none() {
        processor.lifecycle.hand_over();
    }
    let work = async {
        processor.tasks.drain().await;
        processor.workshop.close().await;
        processor.stores.settled().await;
    };
    serving.stop(config.grace, work).await;
    Ok(())
}

struct Processor {
    /// Among those that share its stores.
    name: String,
    hub: Hub,
    events: Events,
    viewers: ChannelAuthorizer,
    workshop: Workshop,
    lifecycle: Lifecycle,
    /// One for each channel.
    tasks: Tasks,
    stores: Stores,
    metrics: metrics::Metrics,
}

impl Processor {
    async fn new(
        config: &Config,
        reached: &Reached,
        stores: Stores,
        events: Events,
    ) -> anyhow::Result<Self> {
        let hub = Hub::default();
        let written = Arc::clone(&stores.objects);
        let (share, owner) = (Share::Encoding, &reached.owner);
        let workshop = Workshop::new(config, &hub, &events, written, share, owner).await?;
        workshop.open(config, None, false);

        let own = NodeName::parse(&reached.name).context("the node has no name")?;
        let mut about = pulls::Config::new(own, reached.rtmp.clone());
        about.secret = Some(stores.secrets.playback.clone());
        about.processes = true;
        let sources = Local {
            channels: Arc::clone(&stores.channels),
            sessions: Arc::clone(&stores.sessions),
            form: Form::Source,
        };
        let tls = trust::of_the_system()?;
        let client = Client::default().with(|config| config.tls = Some(tls));
        let pulls = Pulls::new(hub.clone(), client, Arc::new(sources), about);
        let work = Processing {
            hub: hub.clone(),
            pulls: Arc::new(pulls),
            tasks: workshop.tasks.clone(),
            patience: config.reconnect_window + MARGIN,
        };
        let viewers = ChannelAuthorizer::of_viewers(Arc::clone(&stores.channels))
            .protecting(config.play.protection(&stores.secrets.playback));
        let lifecycle = Lifecycle::new(
            hub.clone(),
            events.clone(),
            Arc::clone(&stores.sessions),
            reached.lifecycle(config, Form::Processed),
        );
        tokio::spawn(lifecycle.clone().run());
        Ok(Self {
            name: reached.name.clone(),
            tasks: Tasks::with_room(Arc::new(work), events.clone(), config.max_tasks),
            hub,
            events,
            viewers,
            workshop,
            lifecycle,
            stores,
            metrics: metrics::collect()?,
        })
    }

    /// Does one task, to its end.
    async fn done(&self, task: &TaskSpec) -> anyhow::Result<()> {
        let mut events = self.events.subscribe();
        let id = self.tasks.start(task.clone()).await?;
        loop {
            // Events that were missed show in the list.
            match events.recv().await.map(|event| event.happened.clone()) {
                Ok(Happening::TaskFailed { task, message, .. }) if task == id => bail!(message),
                _ if self.tasks.list().await?.is_empty() => return Ok(()),
                _ => {}
            }
        }
    }

    fn rtmp_service(&self) -> Service {
        Service {
            hub: self.hub.clone(),
            authorizer: Arc::new(self.viewers.clone()),
            events: self.events.clone(),
            on_busy: watch::Sender::new(OnBusy::Reject).subscribe(),
            // Nobody publishes here.
            attempts: Attempts::default(),
            upstream: None,
        }
    }

    /// Everything that HTTP serves beside the `routes` of all nodes, with the tasks behind it running.
    fn router(&self, config: &Config, routes: Router) -> Router {
        let mut packaging = packager::Config::default();
        packaging.secret = Some(self.stores.secrets.push.clone());
        let packagers = Packagers::new(packaging).with_dvr(self.stores.dvr(&self.name));
        tokio::spawn(packagers.clone().run(self.hub.clone()));
        let authorizer = Arc::new(self.viewers.clone());
        let mut playback = lsv_mux::http::State::new(self.hub.clone(), packagers, authorizer)
            .with_posters(Arc::new(self.workshop.gallery.clone()))
            .with_upstream(Arc::new(Coming {
                hub: self.hub.clone(),
            }));
        playback.config.trusted_proxies = config.trusted_proxies.clone();
        let unless_over = middleware::from_fn_with_state(self.lifecycle.clone(), unless_over);
        routes
            .merge(self.stores.router(Some(Arc::new(self.tasks.clone()))))
            .merge(lsv_mux::http::router(playback).layer(unless_over))
    }
}

/// What was live here is had from whoever follows: origins keep what they have, which does not end with the streams of this node.
async fn unless_over(State(lifecycle): State<Lifecycle>, request: Request, next: Next) -> Response {
    match lifecycle.hands_over() {
        true => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
        false => next.run(request).await,
    }
}
