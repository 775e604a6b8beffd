//! The ports of a node in the form that `--store` says, and the secrets that go with them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lsv_auth::Secret;
use lsv_core::api::store;
use lsv_core::events::Events;
use lsv_core::hub::Hub;
use lsv_core::lifecycle::Reconciler;
use lsv_core::ports::{ChannelStore, ObjectStore, SessionRegistry, TaskScheduler};
use lsv_core::remote::Mirror;
use lsv_mux::dvr::{self, Dvr};

use crate::config::Config;
use crate::keys::Kept;
use crate::trust;

#[cfg(feature = "aws")]
mod aws;
mod local;
mod remote;
mod settings;

#[cfg(feature = "aws")]
use lsv_aws::eventbridge::Told;
/// Nobody is told.
#[cfg(not(feature = "aws"))]
type Told = std::convert::Infallible;

pub use self::settings::{Aws, Ecs, Place, Settings};

/// What a node keeps things in.
pub(crate) struct Stores {
    pub(crate) channels: Arc<dyn ChannelStore>,
    pub(crate) objects: Arc<dyn ObjectStore>,
    pub(crate) sessions: Arc<dyn SessionRegistry>,
    /// Who encodes, if it is not the node itself.
    pub(crate) processors: Option<Arc<dyn TaskScheduler>>,
    pub(crate) secrets: Secrets,
    /// Whether other nodes write to the same, so that changes have to be looked for.
    pub(crate) is_shared: bool,
    /// The bus that is told what happens.
    pub(crate) told: Option<Told>,
}

/// What a platform's credentials are made with, the same on all its nodes.
pub(crate) struct Secrets {
    /// Signs push keys.
    pub(crate) push: Secret,
    /// Signs playback tokens, and what nodes show each other at playback addresses.
    pub(crate) playback: Secret,
    /// The API's token.
    pub(crate) api: Kept,
    /// What nodes show each other's APIs.
    pub(crate) node: Secret,
    /// The private key of CloudFront's signatures, where the platform's secrets hold one.
    pub(crate) cloud_front: Option<Secret>,
}

impl Stores {
    /// Opens what the configuration says.
    ///
    /// # Errors
    /// What is missing, damaged or out of reach.
    #[cfg_attr(
        not(feature = "aws"),
        expect(unused_variables, reason = "only AWS starts what tells")
    )]
    pub(crate) async fn open(config: &Config, events: &Events) -> anyhow::Result<Self> {
        let mut stores = match &config.stores.place {
            Place::Local => local::open(config)?,
            Place::Remote(node) => remote::open(config, node)?,
            #[cfg(feature = "aws")]
            Place::Aws(aws) => aws::open(config, aws, events).await?,
            #[cfg(not(feature = "aws"))]
            Place::Aws(_) => anyhow::bail!(
                "store is aws, which this binary was built without: build it with `--features aws`"
            ),
        };
        if let Some(processors) = remote::processors(config, &stores.secrets)? {
            stores.processors = Some(processors);
        }
        Ok(stores)
    }

    /// Sees to what runs around a node with `hub`: what nobody needs any more at its processors is stopped, and in AWS its own
    /// container after others of its service, while it has streams.
    #[cfg_attr(
        not(feature = "aws"),
        expect(
            unused_variables,
            clippy::unused_async,
            reason = "only AWS asks what there is"
        )
    )]
    pub(crate) async fn attend(&self, config: &Config, hub: &Hub) {
        if let Some(tasks) = &self.processors {
            let window = config.reconnect_window + MARGIN;
            let sessions = Arc::clone(&self.sessions);
            tokio::spawn(Reconciler::new(Arc::clone(tasks), sessions, window).run());
        }
        #[cfg(feature = "aws")]
        aws::attend(config, hub).await;
    }

    /// What keeps the time-shift windows of the node that is `owner` of them.
    pub(crate) fn dvr(&self, owner: &str) -> Dvr {
        let mut windows = dvr::Config::default();
        // What a node does not know in its folder it removes.
        let shared = windows.folder;
        windows.folder = format!("{shared}/{owner}");
        windows.shared = Some(shared);
        Dvr::new(Arc::clone(&self.objects), windows)
    }

    /// Waits a moment until what has happened is told to whom the configuration says.
    pub(crate) async fn settled(&self) {
        #[cfg(feature = "aws")]
        if let Some(told) = &self.told {
            told.all(TOLD_WITHIN).await;
        }
        #[cfg(not(feature = "aws"))]
        let _ = &self.told;
    }

    /// What this node keeps and does for others: its stores, where nobody else has them, and `tasks`.
    pub(crate) fn router(&self, tasks: Option<Arc<dyn TaskScheduler>>) -> axum::Router {
        let kept = store::Stores {
            channels: Arc::clone(&self.channels),
            objects: Arc::clone(&self.objects),
            sessions: Arc::clone(&self.sessions),
        };
        let mut limits = store::Limits::default();
        (limits.lease, limits.settling) = (LEASE, SETTLING);
        store::router(store::Serve {
            stores: (!self.is_shared).then_some(kept),
            tasks,
            token: self.secrets.node.clone(),
            limits,
        })
    }

    /// What is live on any node, as all of them tell.
    pub(crate) fn mirror(&self) -> anyhow::Result<Mirror> {
        let (token, tls) = (&self.secrets.api.secret, trust::of_the_system()?);
        let asking = lsv_core::remote::Config::default();
        Ok(Mirror::new(Arc::clone(&self.sessions), token, tls, &asking))
    }
}

/// A node that dies is still announced for so long; who watches there waits.
const LEASE: Duration = Duration::from_secs(9);

/// Who had announced something to a node that keeps, and renews that each third of [`LEASE`], is back by then after a restart.
const SETTLING: Duration = Duration::from_secs(4);

/// Beyond the reconnect window, for a publisher that comes back on another node to be announced there.
pub(crate) const MARGIN: Duration = Duration::from_secs(15);

/// How long a node that ends, or a function that is to sleep, waits for a bus.
#[cfg(feature = "aws")]
const TOLD_WITHIN: Duration = Duration::from_secs(2);

impl Secrets {
    /// Those that the configuration gives, all of which a node needs that shares its stores with others.
    fn given(config: &Config) -> anyhow::Result<Self> {
        let given = |name: &str, secret: &Option<Secret>| {
            let secret = secret.clone();
            secret.with_context(|| {
                format!("{name} is missing: nodes that share a store need the same")
            })
        };
        let secret = given("api-token", &config.api_token)?;
        let node = config.stores.node_token.clone();
        Ok(Self {
            push: given("secret", &config.secret)?,
            playback: given("playback-secret", &config.playback_secret)?,
            node: node.unwrap_or_else(|| secret.clone()),
            api: Kept { secret, new: false },
            cloud_front: None,
        })
    }
}
