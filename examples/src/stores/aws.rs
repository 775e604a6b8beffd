//! Everything in AWS.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lsv_aws::dynamodb::{self, LeaseTimes, Tables};
use lsv_aws::ecs::{self, Protection, Reconciler};
use lsv_aws::s3::{self, Encryption};
use lsv_aws::{SdkConfig, eventbridge};
use lsv_core::events::Events;
use lsv_core::hub::Hub;
use lsv_core::ports::TaskScheduler;
use tokio::sync::watch;

use super::{Aws, Ecs, Secrets, Stores};
use crate::config::Config;
use crate::keys::Kept;
use crate::reached::hostname;

pub(super) async fn open(config: &Config, aws: &Aws, events: &Events) -> anyhow::Result<Stores> {
    let sdk = lsv_aws::load().await;
    let secrets = match &aws.secret {
        Some(id) => kept(lsv_aws::secrets::read(&sdk, id).await?),
        None => Secrets::given(config)?,
    };
    let mut tables = Tables::default();
    tables.channels.clone_from(&aws.channels);
    tables.sessions.clone_from(&aws.sessions);
    let mut times = LeaseTimes::default();
    (times.lifetime, times.renewal, times.skew) = (super::LEASE, RENEWAL, SKEW);
    let mut bucket = s3::Config::new(aws.bucket.clone());
    bucket.prefix = aws.prefix.clone();
    bucket.cold_class = aws.cold_class.clone();
    if let Some(key) = &aws.kms_key {
        bucket.encryption = Encryption::Kms(key.clone());
    }
    let processors = aws.ecs.as_ref();
    let processors = processors.map(|ecs| processors_in(&sdk, ecs, events));
    Ok(Stores {
        channels: Arc::new(dynamodb::Channels::new(&sdk, &tables)),
        objects: Arc::new(s3::Objects::new(&sdk, bucket)),
        sessions: Arc::new(dynamodb::Sessions::new(&sdk, &tables, times)),
        processors: processors.transpose()?,
        secrets,
        is_shared: true,
    })
}

fn kept(secrets: lsv_aws::secrets::Secrets) -> Secrets {
    Secrets {
        push: secrets.secret,
        playback: secrets.playback_secret,
        api: Kept {
            secret: secrets.api_token,
            new: false,
        },
        node: secrets.node_token,
    }
}

fn processors_in(
    sdk: &SdkConfig,
    ecs: &Ecs,
    events: &Events,
) -> anyhow::Result<Arc<dyn TaskScheduler>> {
    let mut running = ecs::Config::new(ecs.cluster.clone(), ecs.task_definition.clone());
    running.container.clone_from(&ecs.container);
    running.subnets.clone_from(&ecs.subnets);
    running.security_groups.clone_from(&ecs.security_groups);
    running.launch_type = ecs.launch_type.parse().context("aws-launch-type")?;
    Ok(Arc::new(ecs::Tasks::new(sdk, running, events.clone())))
}

/// Sees to the containers of a node with `hub`: its own is not stopped while it has streams, and those that it started and
/// nobody needs are; what happens is told to a bus.
pub(super) async fn attend(stores: &Stores, config: &Config, hub: &Hub, events: &Events) {
    let super::Place::Aws(aws) = &config.stores.place else {
        return;
    };
    if let Some(bus) = &aws.event_bus {
        let sdk = lsv_aws::load().await;
        let bus = eventbridge::Config::new(bus.clone(), hostname());
        let (teller, _) = eventbridge::Teller::new(&sdk, bus, events);
        tokio::spawn(teller.run(std::future::pending()));
    }
    if let (Some(tasks), Some(_)) = (&stores.processors, &aws.ecs) {
        let window = config.reconnect_window + super::LEASE + MARGIN;
        let sessions = Arc::clone(&stores.sessions);
        tokio::spawn(Reconciler::new(Arc::clone(tasks), sessions, window).run());
    }
    if let Some(protection) = Protection::of_container() {
        let busy = watch::Sender::new(false);
        tokio::spawn(protection.follow(busy.subscribe()));
        tokio::spawn(notice(hub.clone(), busy));
    }
}

/// Says whether `hub` has streams, for ever.
async fn notice(hub: Hub, busy: watch::Sender<bool>) {
    let mut events = hub.events();
    loop {
        let is_busy = !hub.streams().is_empty();
        busy.send_if_modified(|known| std::mem::replace(known, is_busy) != is_busy);
        // Whatever it says, and also where some were missed.
        drop(events.recv().await);
    }
}

/// Each costs a write.
const RENEWAL: Duration = Duration::from_secs(3);
/// Machines of AWS have the time from the same place.
const SKEW: Duration = Duration::from_secs(1);
/// What a publisher may take that connects elsewhere, until it is announced.
const MARGIN: Duration = Duration::from_secs(15);
