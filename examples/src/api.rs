//! The REST API by itself: no media, any number of copies, over whatever store the nodes share. With the embedded store it
//! is what keeps things for nodes with `--store remote`.

use std::sync::Arc;

use axum::Router;
use lsv_core::access::ChannelAuthorizer;
use lsv_core::api::{self, Api, Listeners, SignIn};
use lsv_core::channel::Signer;
use lsv_core::events::Events;
use lsv_core::remote::Mirror;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::logging::LogLevel;
use crate::metrics::{self, now};
use crate::sockets::{Sockets, Until};
use crate::stores::Stores;
use crate::workshop::overlays;
use crate::{banner, console, keys, signals, trust};

/// Serves the API until it is told to stop; under AWS Lambda, whatever its function is called with.
///
/// # Errors
/// What kept it from starting.
pub async fn run(config: Config, log_level: LogLevel) -> anyhow::Result<()> {
    log_level.set(config.log_level);
    #[cfg(feature = "aws")]
    if lsv_aws::lambda::is_function() {
        return function(&config).await;
    }
    let sockets = Sockets::bind_http(&config).await?;
    let listeners = sockets.addresses(&config)?;
    let (ready, until) = (watch::Sender::new(true), Until::default());
    let events = Events::new();
    let stores = Stores::open(&config, &events).await?;
    let mirror = stores.mirror()?;
    tokio::spawn(mirror.clone().run());
    if stores.told.is_none() {
        // A bus hears of it from each node itself, and is not to be told twice.
        tokio::spawn(mirror.clone().follow_events(events.clone()));
    }
    let api = api(
        &config,
        listeners,
        &stores,
        &mirror,
        events,
        ready.subscribe(),
    )?;
    let router = router(api).merge(stores.router(None));
    let servers = TaskTracker::new();
    sockets.serve_http(&config, router, &servers, &until)?;
    let token = &stores.secrets.api;
    banner::api_listeners(listeners, token.new.then_some(&token.secret))?;
    if token.new {
        keys::token_is_told(&config.data)?;
    }
    signals::until_stopped(|| {
        tracing::warn!("the API follows a changed configuration by a restart")
    })
    .await?;
    tracing::info!(grace = ?config.grace, "stopping");
    servers.close();
    ready.send_replace(false);
    until.serving.cancel();
    let told = async {
        servers.wait().await;
        stores.settled().await;
    };
    if tokio::time::timeout(config.grace, told).await.is_err() {
        tracing::warn!("the grace is over; what still runs is cut off");
    }
    Ok(())
}

/// Nothing runs between two calls of a function: what is live is looked up in each.
#[cfg(feature = "aws")]
async fn function(config: &Config) -> anyhow::Result<()> {
    use axum::middleware::{Next, from_fn};

    let events = Events::new();
    let stores = Stores::open(config, &events).await?;
    let mirror = stores.mirror()?;
    let nowhere = Listeners {
        http: config.http,
        https: config.https,
        rtmp: config.rtmp,
        rtmps: config.rtmps,
    };
    let ready = watch::Sender::new(true);
    let api = api(config, nowhere, &stores, &mirror, events, ready.subscribe())?;
    let router = router(api);
    let stores = Arc::new(stores);
    let around = from_fn(move |request: axum::extract::Request, next: Next| {
        let (mirror, stores) = (mirror.clone(), Arc::clone(&stores));
        async move {
            mirror.refresh().await;
            let response = next.run(request).await;
            mirror.settled().await;
            stores.settled().await;
            response
        }
    });
    lsv_aws::lambda::serve(router.layer(around)).await?;
    Ok(())
}

/// The API with the console, and the players that its previews are made of.
fn router(api: Api) -> Router {
    let console = console::router(Arc::clone(&api.channels), api.listeners);
    api::router(api)
        .merge(console)
        .merge(lsv_mux::http::players())
}

fn api(
    config: &Config,
    listeners: Listeners,
    stores: &Stores,
    mirror: &Mirror,
    events: Events,
    ready: watch::Receiver<bool>,
) -> anyhow::Result<Api> {
    let signer = Signer::new(stores.secrets.push.clone(), config.push_sign.clone());
    let secrets = &stores.secrets;
    let addresses = config
        .play
        .addresses(&secrets.playback, secrets.cloud_front.as_ref());
    let viewers =
        ChannelAuthorizer::new(Arc::clone(&stores.channels), signer.clone()).protecting(addresses);
    let metrics = metrics::collect()?;
    Ok(Api {
        channels: Arc::clone(&stores.channels),
        objects: Arc::clone(&stores.objects),
        live: Arc::new(mirror.clone()),
        events,
        signer,
        viewers,
        trusted_proxies: config.trusted_proxies.clone(),
        token: stores.secrets.api.secret.clone(),
        sign_in: SignIn::new(&stores.secrets.api.secret, config.console.clone()),
        allow_private_targets: config.allow_private_targets,
        watermarks: Some(Arc::new(overlays(config, trust::of_the_system()?))),
        listeners,
        ready,
        metrics: Arc::new(move || metrics.render()),
        clock: now,
    })
}
