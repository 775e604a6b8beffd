//! The all-in-one node: embedded stores, one hub, RTMP in, everything out.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use lsv_auth::Secret;
use lsv_core::access::{Attempts, ChannelAuthorizer};
use lsv_core::api::{self, Api, Listeners};
use lsv_core::channel::{Channel, Moment, Signer};
use lsv_core::embedded::{Channels, Objects, Sessions, Tasks};
use lsv_core::events::Events;
use lsv_core::hub::{Closed, Hub, Limits, OnBusy, State, Stream};
use lsv_core::lifecycle::{self, Lifecycle};
use lsv_core::path::{ChannelId, Rendition};
use lsv_core::ports::{
    ChannelStore, Form, Local, ObjectStore, PageRequest, Precondition, VersionedChannel,
};
use lsv_core::reach::Reach;
use lsv_mux::dvr::{self, Dvr};
use lsv_mux::packager::{self, Packagers};
use lsv_mux::process::overlay::{self, Overlays};
use lsv_mux::process::stills::{Gallery, sheets};
use lsv_mux::process::{self, Conductor, Ffmpeg, Worker};
use lsv_mux::record::thumbnails::Thumbnails;
use lsv_mux::record::{self, Recorders};
use lsv_rtmp::net::Service;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rustls::ClientConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::banner::Banner;
use crate::config::{Config, Options};
use crate::demo::Clip;
use crate::http;
use crate::keys::{self, Kept};
use crate::logging::LogLevel;
use crate::reload::Reload;
use crate::signals;
use crate::sockets::{Sockets, redirected};
use crate::tasks;
use crate::trust;

/// Runs a node until it is told to stop. `options` are read again at each SIGHUP.
///
/// # Errors
/// What kept the node from starting.
pub async fn run(config: Config, options: &Options, log_level: LogLevel) -> anyhow::Result<()> {
    let sockets = Sockets::bind(&config).await?;
    let addresses = sockets.addresses()?;
    let stored = Stored::open(&config)?;
    let ffmpeg = Ffmpeg::find(config.ffmpeg.as_deref()).await;
    match &ffmpeg {
        Ok(ffmpeg) => tracing::info!(
            path = %ffmpeg.path().display(),
            version = %ffmpeg.version(),
            parent_death_signal = ffmpeg.has_parent_death_signal(),
            "found ffmpeg"
        ),
        Err(error) => tracing::warn!(
            "transcoding, watermarks, snapshots and motion are not to be had: {error}"
        ),
    }
    let platform = Platform::new(&config, addresses, stored, ffmpeg)?;
    let first = platform.first_channel().await?;

    let servers = TaskTracker::new();
    let stop = Stop::default();
    let on_busy = watch::Sender::new(config.on_busy);
    let attempts = Attempts::new(config.publishing.attempts);
    let service = platform.rtmp_service(on_busy.subscribe(), attempts);
    for server in std::iter::once(sockets.rtmp).chain(sockets.rtmps) {
        servers.spawn(service.clone().run(server, stop.publishing.clone()));
    }
    let router = platform.router(&config, addresses, stop.ready.subscribe());
    let router = redirected(router, &config, addresses);
    for listener in std::iter::once(sockets.http).chain(sockets.https) {
        let (connections, serving) = (sockets.http_connections, stop.serving.clone());
        servers.spawn(http::serve(listener, router.clone(), connections, serving));
    }
    let demo = match config.demo {
        true => Some(platform.channel(DEMO).await?),
        false => None,
    };
    if let Some(demo) = &demo {
        let (hub, channels) = (platform.hub.clone(), platform.channels.clone());
        let stop = stop.publishing.clone();
        servers.spawn(Clip::bundled()?.play_forever(hub, channels, demo.id.clone(), stop));
    }
    let banner = Banner {
        listeners: addresses,
        token: platform.token.new.then_some(&platform.token.secret),
        channel: &first,
        signer: &platform.signer,
        demo: demo.as_deref(),
        protection: &platform.authorizer.protection(),
        now: now(),
    };
    banner.print()?;
    if platform.token.new {
        keys::token_is_told(&config.data)?;
    }
    Banner::ready()?;

    let mut reload = Reload {
        running: config,
        log_level,
        on_busy,
        lifecycle: platform.lifecycle.clone(),
        signer: platform.signer.clone(),
        authorizer: platform.authorizer.clone(),
        playback_secret: platform.playback_secret.clone(),
        certificates: sockets.certificates,
    };
    signals::until_stopped(|| match options.resolve() {
        Ok(new) => reload.apply(new),
        Err(error) => tracing::warn!("the old configuration stays: {error:#}"),
    })
    .await?;
    let grace = reload.running.grace;
    tracing::info!(?grace, "stopping");
    servers.close();
    let drained = stop.drain(&platform, &servers, grace);
    if tokio::time::timeout(grace, drained).await.is_err() {
        tracing::warn!("the grace is over; what still runs is cut off");
    }
    Ok(())
}

/// What the data folder holds.
struct Stored {
    channels: Arc<Channels>,
    objects: Arc<Objects>,
    secret: Secret,
    playback_secret: Secret,
    token: Kept,
}

impl Stored {
    fn open(config: &Config) -> anyhow::Result<Self> {
        let data = &config.data;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
        made.with_context(|| format!("cannot make {}", data.display()))?;
        let given = config.playback_secret.as_ref();
        Ok(Self {
            channels: Arc::new(Channels::open(data.join("channels.redb"))?),
            objects: Arc::new(Objects::open(data.join("objects"))?),
            secret: keys::keep(data, "secret", config.secret.as_ref())?.secret,
            playback_secret: keys::keep(data, "playback-secret", given)?.secret,
            token: keys::token(data, config.api_token.as_ref())?,
        })
    }
}

/// The ports in their embedded forms, and what stands on them.
struct Platform {
    hub: Hub,
    events: Events,
    channels: Arc<Channels>,
    objects: Arc<Objects>,
    lifecycle: Lifecycle,
    sessions: Arc<Sessions>,
    recorders: Recorders,
    overlays: Overlays,
    gallery: Gallery,
    tasks: Tasks,
    secret: Secret,
    playback_secret: Secret,
    signer: Signer,
    authorizer: ChannelAuthorizer,
    token: Kept,
    metrics: PrometheusHandle,
}

impl Platform {
    fn new(
        config: &Config,
        listeners: Listeners,
        stored: Stored,
        ffmpeg: Result<Ffmpeg, process::Error>,
    ) -> anyhow::Result<Self> {
        let Stored {
            channels,
            objects,
            secret,
            playback_secret,
            token,
        } = stored;
        let signer = Signer::new(secret.clone(), config.push_sign.clone());
        let mut limits = Limits::default();
        limits.advised_bit_rate = config.plan_bitrate;
        config.publishing.limit(&mut limits);
        let (hub, events) = (Hub::new(limits), Events::new());
        let about = lifecycle::Config {
            node: hostname(),
            address: node_address(config, listeners),
            http: None,
            reconnect_window: config.reconnect_window,
        };
        let registry = Arc::new(Sessions::default());
        let sessions = Arc::clone(&registry);
        let recorded: Arc<dyn ObjectStore> = objects.clone();
        let trusted = trust::of_the_system()?;
        let overlays = overlays(config, Arc::clone(&trusted));
        let mut recording = record::Config::default();
        recording.classes = config.storage_classes.clone();
        let recorders = Recorders::new(recorded, events.clone(), recording)
            .with_thumbnails(Thumbnails::new(sheets::compose));
        let (ladder, written) = (config.ladder.clone(), recorders.clone());
        let worker = Worker::new(hub.clone(), ffmpeg, overlays.clone(), ladder, written);
        Ok(Self {
            gallery: worker.gallery().clone(),
            recorders,
            tasks: tasks::scheduler(config, trusted, &hub, &events, worker),
            lifecycle: Lifecycle::new(hub.clone(), events.clone(), registry, about),
            sessions,
            overlays,
            hub,
            events,
            authorizer: ChannelAuthorizer::new(channels.clone(), signer.clone())
                .protecting(config.play.protection(&playback_secret)),
            channels,
            objects,
            signer,
            secret,
            playback_secret,
            token,
            metrics: PrometheusBuilder::new()
                .install_recorder()
                .context("cannot collect metrics")?,
        })
    }

    /// The channel to show in examples: the newest that is not the demo's, or `live`, made where there is none.
    async fn first_channel(&self) -> anyhow::Result<Arc<Channel>> {
        let page = self.channels.list(&PageRequest::first(2)).await?;
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
    async fn channel(&self, id: &str) -> anyhow::Result<Arc<Channel>> {
        let id = ChannelId::parse(id)?;
        if let Ok(VersionedChannel { channel, .. }) = self.channels.get(&id).await {
            return Ok(channel);
        }
        let mut channel = Channel::new(id, now());
        channel.settings.is_cmaf = true;
        self.channels.put(&channel, Precondition::IfAbsent).await?;
        Ok(Arc::new(channel))
    }

    fn rtmp_service(&self, on_busy: watch::Receiver<OnBusy>, attempts: Attempts) -> Service {
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
    fn router(
        &self,
        config: &Config,
        listeners: Listeners,
        ready: watch::Receiver<bool>,
    ) -> axum::Router {
        tokio::spawn(self.lifecycle.clone().run());
        let mut packaging = packager::Config::default();
        packaging.secret = Some(self.secret.clone());
        let dvr = Dvr::new(self.objects.clone(), dvr::Config::default());
        let packagers = Packagers::new(packaging).with_dvr(dvr);
        tokio::spawn(packagers.clone().run(self.hub.clone()));
        tokio::spawn(self.recorders.clone().run(self.hub.clone()));
        let tasks = Arc::new(self.tasks.clone());
        tokio::spawn(self.lifecycle.clone().show_tasks(tasks.clone()));
        tokio::spawn(Conductor::new(tasks, config.ladder.clone()).run(self.hub.clone()));
        tokio::spawn(keep_metrics(self.metrics.clone()));

        let metrics = self.metrics.clone();
        let api = Api {
            channels: self.channels.clone(),
            objects: self.objects.clone(),
            live: Arc::new(self.lifecycle.clone()),
            events: self.events.clone(),
            signer: self.signer.clone(),
            viewers: self.authorizer.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
            token: self.token.secret.clone(),
            allow_private_targets: config.allow_private_targets,
            pictures: Some(Arc::new(self.overlays.clone())),
            listeners,
            ready,
            metrics: Arc::new(move || metrics.render()),
            clock: now,
        };
        let authorizer = Arc::new(self.authorizer.clone());
        let mut playback = lsv_mux::http::State::new(self.hub.clone(), packagers, authorizer)
            .with_recordings(self.objects.clone())
            .with_posters(Arc::new(self.gallery.clone()));
        playback.config.trusted_proxies = config.trusted_proxies.clone();
        let nodes = api::nodes::Nodes {
            directory: Arc::new(Local {
                channels: self.channels.clone(),
                sessions: self.sessions.clone(),
                form: Form::Processed,
            }),
            token: self.token.secret.clone(),
        };
        api::router(api)
            .merge(api::nodes::router(nodes))
            .merge(lsv_mux::http::router(playback))
    }
}

/// Where other nodes pull from this one.
pub(crate) fn node_address(config: &Config, listeners: Listeners) -> String {
    let listening = || format!("rtmp://{}", listeners.rtmp);
    config.node_address.clone().unwrap_or_else(listening)
}

/// What draws watermarks, and looks at their pictures before a channel gets them.
fn overlays(config: &Config, trusted: Arc<ClientConfig>) -> Overlays {
    let mut drawing = overlay::Config::default();
    if config.allow_private_targets {
        drawing.reach = Reach::anywhere();
    }
    drawing.tls = Some(trusted);
    Overlays::new(drawing)
}

/// The order in which a node stops.
struct Stop {
    ready: watch::Sender<bool>,
    publishing: CancellationToken,
    serving: CancellationToken,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            ready: watch::Sender::new(true),
            publishing: CancellationToken::new(),
            serving: CancellationToken::new(),
        }
    }
}

impl Stop {
    /// Not ready any more, no new publishers; those that can go elsewhere have time to; streams end; their players learn
    /// it, and their recordings become whole, and their tasks are done; then HTTP goes too.
    async fn drain(&self, platform: &Platform, servers: &TaskTracker, grace: Duration) {
        let hub = &platform.hub;
        self.ready.send_replace(false);
        let has_streams = !hub.streams().is_empty();
        self.publishing.cancel();
        let time_to_leave = grace - LAST_WORDS.min(grace / 2);
        if tokio::time::timeout(time_to_leave, publishers_gone(hub))
            .await
            .is_err()
        {
            tracing::info!("publishers that were asked to connect again are still there");
        }
        // Renditions end with their sources.
        let sources = hub.streams().into_iter();
        for stream in sources.filter(|stream| stream.path().rendition == Rendition::Source) {
            stream.close(Closed::Draining);
        }
        let playlists = async {
            if has_streams {
                tokio::time::sleep(LAST_PLAYLIST.min(grace / 4)).await;
            }
        };
        tokio::join!(
            playlists,
            platform.recorders.settled(),
            platform.tasks.drain()
        );
        self.serving.cancel();
        servers.wait().await;
    }
}

/// Waits until no stream has a publisher.
async fn publishers_gone(hub: &Hub) {
    let mut events = hub.events();
    let is_live = |stream: &Arc<Stream>| stream.state() == State::Live;
    while hub.streams().iter().any(is_live) {
        // Whatever it says, and also where some were missed: what is left is looked at again.
        drop(events.recv().await);
    }
}

pub(crate) async fn keep_metrics(metrics: PrometheusHandle) {
    let mut tick = tokio::time::interval(METRICS_UPKEEP);
    loop {
        tick.tick().await;
        metrics.run_upkeep();
    }
}

pub(crate) fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "lsv".to_owned(),
        name => name.to_owned(),
    }
}

pub(crate) fn now() -> Moment {
    SystemTime::now().into()
}

/// The channel of `--demo`.
const DEMO: &str = "demo";

/// How long players have, after their stream has ended, to fetch a playlist that says so.
pub(crate) const LAST_PLAYLIST: Duration = Duration::from_secs(2);

/// The end of the grace that publishers do not get: for [`LAST_PLAYLIST`], and for sessions to say goodbye.
const LAST_WORDS: Duration = Duration::from_secs(3);

const METRICS_UPKEEP: Duration = Duration::from_secs(5);
