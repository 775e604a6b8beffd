//! What does the tasks of channels, by kind.

use std::sync::Arc;

use async_trait::async_trait;
use lsv_core::embedded::Tasks;
use lsv_core::events::Events;
use lsv_core::hub::Hub;
use lsv_core::ports::{TaskControl, TaskKind, TaskRunner, TaskSpec};
use lsv_core::reach::Reach;
use lsv_mux::process::Worker;
use lsv_rtmp::net::client::{self, Client};
use lsv_rtmp::net::relay::{self, Relays};
use rustls::ClientConfig;

use crate::config::Config;

/// The scheduler of a node that does its tasks itself, over connections that trust whom `trusted` says.
pub(crate) fn scheduler(
    config: &Config,
    trusted: Arc<ClientConfig>,
    hub: &Hub,
    events: &Events,
    worker: Worker,
) -> Tasks {
    let mut connections = client::Config::default();
    connections.tls = Some(trusted);
    if !config.allow_private_targets {
        connections.reach = Reach::public();
    }
    let client = Client::new(connections);
    let runner = Runner {
        relays: Relays::new(hub.clone(), client, relay::Config::default()),
        worker,
    };
    Tasks::new(Arc::new(runner), events.clone())
}

/// Hands each task to who knows how to do it.
#[derive(Debug)]
struct Runner {
    relays: Relays,
    worker: Worker,
}

#[async_trait]
impl TaskRunner for Runner {
    async fn run(&self, spec: &TaskSpec, control: TaskControl) -> Result<(), String> {
        match spec.kind {
            TaskKind::Relay => self.relays.run(spec, control).await,
            _ => self.worker.run(spec, control).await,
        }
    }
}
