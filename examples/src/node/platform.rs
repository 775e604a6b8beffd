//! What a node with publishers is made of: its ports, and what stands on them.

use std::sync::Arc;

use lsv_core::access::{Attempts, ChannelAuthorizer};
use lsv_core::api::{self, Api, Listeners, SignIn};
use lsv_core::channel::{Channel, Signer};
use lsv_core::events::Events;
use lsv_core::hub::{Hub, Limits, OnBusy};
use lsv_core::lifecycle::Lifecycle;
use lsv_core::path::ChannelId;
use lsv_core::ports::{Form, Local, PageRequest, Precondition, TaskScheduler, VersionedChannel};
use lsv_core::share::Share;
use lsv_mux::packager::{self, Packagers};
use lsv_rtmp::net::Service;
use tokio::sync::watch;

use crate::config::Config;
use crate::metrics::{self, Metrics, now};
use crate::reached::Reached;
use crate::stores::Stores;
use crate::workshop::Workshop;

/// The ports of a node, and what stands on them.
pub(super) struct Platform {
    pub(super) hub: Hub,
    events: Events,
    pub(super) stores: Stores,
    /// What of them is this node's.
    owner: String,
    pub(super) lifecycle: Lifecycle,
    pub(super) workshop: Workshop,
    pub(super) signer: Signer,
    pub(super) authorizer: ChannelAuthorizer,
    metrics: Metrics,
}

impl Platform {
    pub(super) async fn new(
        config: &Config,
        listeners: Listeners,
        stores: Stores,
        events: Events,
    ) -> anyhow::Result<Self> {
        let signer = Signer::new(stores.secrets.push.clone(), config.push_sign.clone());
        let mut limits = Limits::default();
        limits.advised_bit_rate = config.plan_bitrate;
        config.publishing.limit(&mut limits);
        let hub = Hub::new(limits);
        let reached = match stores.is_shared {
            true => Reached::among_others(config, listeners)?,
            false => Reached::alone(config, listeners)?,
        };
        let share = match stores.processors {
            Some(_) => Share::Remuxing,
            None => Share::Everything,
        };
        let written = Arc::clone(&stores.objects);
        let workshop = Workshop::new(config, &hub, &events, written, share, &reached.owner).await?;
        let about = reached.lifecycle(config, Form::Source);
        let registry = Arc::clone(&stores.sessions);
        Ok(Self {
            lifecycle: Lifecycle::new(hub.clone(), events.clone(), registry, about),
            workshop,
            hub,
            events,
            authorizer: ChannelAuthorizer::new(Arc::clone(&stores.channels), signer.clone())
                .among(Arc::clone(&stores.sessions), reached.name.clone())
                .protecting(config.play.protection(&stores.secrets.playback)),
            signer,
            stores,
            owner: reached.owner,
            metrics: metrics::collect()?,
        })
    }

    /// Sees to what runs around the node.
    pub(super) async fn attend(&self, config: &Config) {
        self.stores.attend(config, &self.hub).await;
    }

    /// The channel to show in examples: the newest that is not the demo's, or `live`, made where there is none.
    pub(super) async fn first_channel(&self) -> anyhow::Result<Arc<Channel>> {
        let page = self.stores.channels.list(&PageRequest::first(2)).await?;
        let newest = page
            .items
            .into_iter()
            .find(|channel| channel.id.as_str() != DEMO);
        match newest {
            Some(channel) => Ok(Arc::new(channel)),
            None => self.channel("live").await,
        }
    }

    /// The channel called `id`, made with all live outputs on where there is none.
    pub(super) async fn channel(&self, id: &str) -> anyhow::Result<Arc<Channel>> {
        let id = ChannelId::parse(id)?;
        if let Ok(VersionedChannel { channel, .. }) = self.stores.channels.get(&id).await {
            return Ok(channel);
        }
        let mut channel = Channel::new(id, now());
        channel.settings.is_cmaf = true;
        self.stores
            .channels
            .put(&channel, Precondition::IfAbsent)
            .await?;
        Ok(Arc::new(channel))
    }

    pub(super) fn rtmp_service(
        &self,
        on_busy: watch::Receiver<OnBusy>,
        attempts: Attempts,
    ) -> Service {
        Service {
            hub: self.hub.clone(),
            authorizer: Arc::new(self.authorizer.clone()),
            events: self.events.clone(),
            on_busy,
            attempts,
            upstream: None,
        }
    }

    /// Everything that HTTP serves, with the tasks behind it running.
    pub(super) fn router(
        &self,
        config: &Config,
        listeners: Listeners,
        ready: watch::Receiver<bool>,
    ) -> axum::Router {
        tokio::spawn(self.lifecycle.clone().run());
        let mut packaging = packager::Config::default();
        packaging.secret = Some(self.stores.secrets.push.clone());
        let packagers = Packagers::new(packaging).with_dvr(self.stores.dvr(&self.owner));
        tokio::spawn(packagers.clone().run(self.hub.clone()));
        if self.stores.is_shared {
            let channels = Arc::clone(&self.stores.channels);
            tokio::spawn(self.lifecycle.clone().follow_records(channels));
        }
        let own: Arc<dyn TaskScheduler> = Arc::new(self.workshop.tasks.clone());
        let all = self.stores.processors.iter().cloned().chain([own]);
        tokio::spawn(self.lifecycle.clone().show_tasks(all.collect()));
        let has_rtmps = config.node_rtmps_address.is_some() || listeners.rtmps.is_some();
        self.workshop
            .open(config, self.stores.processors.clone(), has_rtmps);

        let metrics = self.metrics.clone();
        let api = Api {
            channels: Arc::clone(&self.stores.channels),
            objects: Arc::clone(&self.stores.objects),
            live: Arc::new(self.lifecycle.clone()),
            events: self.events.clone(),
            signer: self.signer.clone(),
            viewers: self.authorizer.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
            token: self.stores.secrets.api.secret.clone(),
            sign_in: SignIn::new(&self.stores.secrets.api.secret, config.console.clone()),
            allow_private_targets: config.allow_private_targets,
            watermarks: Some(Arc::new(self.workshop.overlays.clone())),
            listeners,
            ready,
            metrics: Arc::new(move || metrics.render()),
            clock: now,
        };
        let authorizer = Arc::new(self.authorizer.clone());
        let mut playback = lsv_mux::http::State::new(self.hub.clone(), packagers, authorizer)
            .with_recordings(Arc::clone(&self.stores.objects))
            .with_posters(Arc::new(self.workshop.gallery.clone()));
        playback.config.trusted_proxies = config.trusted_proxies.clone();
        let nodes = api::nodes::Nodes {
            directory: Arc::new(Local {
                channels: Arc::clone(&self.stores.channels),
                sessions: Arc::clone(&self.stores.sessions),
                form: Form::Processed,
            }),
            token: self.stores.secrets.node.clone(),
        };
        api::router(api)
            .merge(api::nodes::router(nodes))
            .merge(self.stores.router(None))
            .merge(lsv_mux::http::router(playback))
    }
}

/// The channel of `--demo`.
pub(super) const DEMO: &str = "demo";
