//! A node that takes publishers: the all-in-one with everything in one process, and the gateway among other nodes.

use std::sync::Arc;

use lsv_core::access::Attempts;
use lsv_core::channel::Channel;
use lsv_core::events::Events;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

mod platform;
mod stop;

use self::platform::{DEMO, Platform};
pub(crate) use self::stop::LAST_PLAYLIST;
use self::stop::Stop;
use crate::banner::{self, Banner};
use crate::config::{Config, Options};
use crate::console;
use crate::demo::Clip;
use crate::keys;
use crate::logging::LogLevel;
use crate::metrics::now;
use crate::reload::Reload;
use crate::signals;
use crate::sockets::Sockets;
use crate::stores::Stores;

/// What a node is among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The platform in one process: it welcomes its operator, and has a channel to begin with.
    AllInOne,
    /// One of several that publishers are spread over.
    Gateway,
}

/// Runs a node until it is told to stop. `options` are read again at each SIGHUP.
///
/// # Errors
/// What kept the node from starting.
pub async fn run(
    role: Role,
    config: Config,
    options: &Options,
    log_level: LogLevel,
) -> anyhow::Result<()> {
    let sockets = Sockets::bind(&config).await?;
    let addresses = sockets.addresses(&config)?;
    let events = Events::new();
    let stores = Stores::open(&config, &events).await?;
    let platform = Platform::new(&config, addresses, stores, events).await?;
    platform.attend(&config).await;
    let first = match role {
        Role::AllInOne => Some(platform.first_channel().await?),
        Role::Gateway => None,
    };

    let servers = TaskTracker::new();
    let stop = Stop::default();
    let on_busy = watch::Sender::new(config.on_busy);
    let attempts = Attempts::new(config.publishing.attempts);
    let service = platform.rtmp_service(on_busy.subscribe(), attempts);
    let router = platform.router(&config, addresses, stop.ready.subscribe());
    let router = match role {
        Role::AllInOne => {
            let channels = Arc::clone(&platform.stores.channels);
            router.merge(console::router(channels, addresses))
        }
        Role::Gateway => router,
    };
    let certificates = sockets.certificates.clone();
    sockets.serve(&config, &service, router, &servers, &stop.until)?;
    let demo = match config.demo {
        true => Some(platform.channel(DEMO).await?),
        false => None,
    };
    if let Some(demo) = &demo {
        let (hub, channels) = (platform.hub.clone(), Arc::clone(&platform.stores.channels));
        let stop = stop.until.accepting.clone();
        servers.spawn(Clip::bundled()?.play_forever(hub, channels, demo.id.clone(), stop));
    }
    match &first {
        Some(first) => platform.welcome(&config, addresses, first, demo.as_deref())?,
        None => banner::listeners(addresses)?,
    }

    let mut reload = Reload {
        running: config,
        log_level,
        on_busy,
        lifecycle: platform.lifecycle.clone(),
        signer: platform.signer.clone(),
        authorizer: platform.authorizer.clone(),
        playback_secret: platform.stores.secrets.playback.clone(),
        certificates,
    };
    signals::until_stopped(|| match options.resolve() {
        Ok(new) => reload.apply(new),
        Err(error) => tracing::warn!("the old configuration stays: {error:#}"),
    })
    .await?;
    let grace = reload.running.grace;
    tracing::info!(?grace, "stopping");
    servers.close();
    let drained = async {
        stop.drain(&platform, &servers, grace).await;
        platform.stores.settled().await;
    };
    if tokio::time::timeout(grace, drained).await.is_err() {
        tracing::warn!("the grace is over; what still runs is cut off");
    }
    Ok(())
}

impl Platform {
    /// Tells the operator where everything is, and, once, with which token.
    fn welcome(
        &self,
        config: &Config,
        listeners: lsv_core::api::Listeners,
        channel: &Channel,
        demo: Option<&Channel>,
    ) -> anyhow::Result<()> {
        let token = &self.stores.secrets.api;
        let banner = Banner {
            listeners,
            token: token.new.then_some(&token.secret),
            channel,
            signer: &self.signer,
            demo,
            protection: &self.authorizer.protection(),
            now: now(),
        };
        banner.print()?;
        if token.new {
            keys::token_is_told(&config.data)?;
        }
        Ok(Banner::ready()?)
    }
}
