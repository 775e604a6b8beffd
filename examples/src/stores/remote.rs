//! Everything at another node.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lsv_core::remote::{self, Processors};

use super::{Secrets, Stores};
use crate::config::Config;
use crate::trust;

pub(super) fn open(config: &Config, node: &str) -> anyhow::Result<Stores> {
    let secrets = Secrets::given(config)?;
    let tls = trust::of_the_system()?;
    let asking = remote::Config::default();
    let stores = remote::Stores::new(node, &secrets.node, tls, &asking);
    let stores = stores.with_context(|| format!("store-node {node:?}"))?;
    Ok(Stores {
        channels: Arc::new(stores.channels),
        objects: Arc::new(stores.objects),
        sessions: Arc::new(stores.sessions),
        processors: None,
        secrets,
        is_shared: true,
        told: None,
    })
}

/// The processors that the configuration names, if it does.
pub(super) fn processors(
    config: &Config,
    secrets: &Secrets,
) -> anyhow::Result<Option<Arc<Processors>>> {
    let bases = &config.stores.processors;
    if bases.is_empty() {
        return Ok(None);
    }
    let (tls, mut asking) = (trust::of_the_system()?, remote::Config::default());
    asking.absence = ABSENCE;
    let processors = Processors::new(bases, &secrets.node, tls, &asking);
    Ok(Some(Arc::new(processors.context("processors")?)))
}

/// A processor that does not answer for so long has nothing any more; who watches waits.
const ABSENCE: Duration = Duration::from_secs(4);
