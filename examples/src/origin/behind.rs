//! What is behind an origin: nodes that were named to it, or stores that it shares with them.

use std::sync::Arc;

use anyhow::{Context, bail};
use lsv_auth::Secret;
use lsv_core::events::Events;
use lsv_core::ports::{ChannelStore, Directory, Form, Local, ObjectStore};
use lsv_core::remote::{self, Nodes};
use lsv_core::via::NodeName;
use rustls::ClientConfig;

use super::upstreams::Bases;
use crate::config::Config;
use crate::stores::{Place, Stores};

pub(super) struct Behind {
    /// Who may watch.
    pub(super) channels: Arc<dyn ChannelStore>,
    /// Where what is live is pulled from.
    pub(super) directory: Arc<dyn Directory>,
    /// What was recorded, where the origin has it as near as anybody.
    pub(super) recordings: Option<Arc<dyn ObjectStore>>,
    /// Where everything else is fetched from.
    pub(super) bases: Bases,
    /// What other nodes show this one.
    pub(super) token: Secret,
    /// Signs playback tokens, and what this node shows others.
    pub(super) secret: Secret,
}

impl Behind {
    /// What the configuration names, asked as the node `own`.
    pub(super) async fn of(
        config: &Config,
        own: &NodeName,
        tls: &Arc<ClientConfig>,
    ) -> anyhow::Result<Self> {
        match (&config.stores.place, &config.origin.nodes[..]) {
            (Place::Local, []) => bail!(
                "nodes is missing: say where channels come from, such as http://10.0.0.7:8080, or which store the \
                 nodes share"
            ),
            (Place::Local, nodes) => Self::named(config, own, nodes, tls),
            (_, []) => Self::shared(config).await,
            (_, _) => bail!(
                "nodes and store exclude each other: with a store, nodes announce themselves there"
            ),
        }
    }

    fn named(
        config: &Config,
        own: &NodeName,
        nodes: &[String],
        tls: &Arc<ClientConfig>,
    ) -> anyhow::Result<Self> {
        let stores = &config.stores;
        let token = stores.node_token.as_ref().or(config.api_token.as_ref());
        let token = token.cloned().context(
            "node-token is missing: an origin needs the one of its nodes, or their api-token where they have none",
        )?;
        let secret = config.playback_secret.clone();
        let secret =
            secret.context("playback-secret is missing: an origin needs the one of its nodes")?;
        let asking = remote::Config::default();
        let nodes = Nodes::new(own.clone(), nodes, &token, Arc::clone(tls), &asking);
        let nodes = Arc::new(nodes.context("nodes")?);
        Ok(Self {
            channels: nodes.clone(),
            directory: nodes.clone(),
            recordings: None,
            bases: Bases::Asked(nodes),
            token,
            secret,
        })
    }

    async fn shared(config: &Config) -> anyhow::Result<Self> {
        let stores = Stores::open(config, &Events::new()).await?;
        let directory = Local {
            channels: Arc::clone(&stores.channels),
            sessions: Arc::clone(&stores.sessions),
            form: Form::Processed,
        };
        Ok(Self {
            channels: stores.channels,
            directory: Arc::new(directory),
            recordings: Some(stores.objects),
            bases: Bases::Registered(stores.sessions),
            token: stores.secrets.node,
            secret: stores.secrets.playback,
        })
    }
}
