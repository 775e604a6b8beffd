//! Everything in the data folder, which one process has.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use anyhow::Context;
use lsv_core::embedded::{Channels, Objects, Sessions};

use super::{Secrets, Stores};
use crate::config::Config;
use crate::keys;

pub(super) fn open(config: &Config) -> anyhow::Result<Stores> {
    let data = &config.data;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("cannot make {}", data.display()))?;
    let channels = Channels::open(data.join("channels.redb"))?;
    let objects = Objects::open(data.join("objects"))?;
    let playback = config.playback_secret.as_ref();
    let api = keys::token(data, config.api_token.as_ref())?;
    let node = config.stores.node_token.clone();
    Ok(Stores {
        channels: Arc::new(channels),
        objects: Arc::new(objects),
        sessions: Arc::new(Sessions::default()),
        processors: None,
        secrets: Secrets {
            push: keys::keep(data, "secret", config.secret.as_ref())?.secret,
            playback: keys::keep(data, "playback-secret", playback)?.secret,
            node: node.unwrap_or_else(|| api.secret.clone()),
            api,
            cloud_front: None,
        },
        is_shared: false,
        told: None,
    })
}
