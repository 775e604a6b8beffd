//! Everything in AWS.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lsv_auth::Secret;
use lsv_aws::SdkConfig;
use lsv_aws::dynamodb::{self, LeaseTimes, Tables};
use lsv_aws::ecs::{self, Protection, Service, SparingTimes};
use lsv_aws::eventbridge::{self, Teller, Told};
use lsv_aws::s3::{self, Encryption};
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
        Some(id) => kept(config, lsv_aws::secrets::read(&sdk, id).await?),
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
        told: aws.event_bus.as_ref().map(|bus| tell(&sdk, bus, events)),
    })
}

/// The secrets that are kept there, but for those that the configuration gives.
fn kept(config: &Config, kept: lsv_aws::secrets::Secrets) -> Secrets {
    let or = |given: &Option<Secret>, kept| given.clone().unwrap_or(kept);
    Secrets {
        push: or(&config.secret, kept.secret),
        playback: or(&config.playback_secret, kept.playback_secret),
        api: Kept {
            secret: or(&config.api_token, kept.api_token),
            new: false,
        },
        node: or(&config.stores.node_token, kept.node_token),
        cloud_front: kept.cloudfront_key,
    }
}

/// Has a bus be told what happens from here on.
fn tell(sdk: &SdkConfig, bus: &str, events: &Events) -> Told {
    let (teller, told) = Teller::new(sdk, eventbridge::Config::new(bus, hostname()), events);
    tokio::spawn(teller.run(std::future::pending()));
    told
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

/// Sees to the container of a node with `hub`: while it has streams, others of its service are stopped first.
pub(super) async fn attend(config: &Config, hub: &Hub) {
    let super::Place::Aws(aws) = &config.stores.place else {
        return;
    };
    let of_service = aws.ecs.as_ref().and_then(|ecs| {
        let name = ecs.service.clone()?;
        Some((ecs.cluster.clone(), name, Protection::of_container()?))
    });
    if let Some((cluster, name, protection)) = of_service {
        let service = Service::new(
            &lsv_aws::load().await,
            cluster,
            name,
            SparingTimes::default(),
        );
        let (busy, protected) = (watch::Sender::new(false), watch::Sender::new(false));
        tokio::spawn(protection.follow(protected.subscribe()));
        tokio::spawn(service.spare(busy.subscribe(), protected));
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
/// By how much clocks may be wrong: a node whose clock stopped following the others is found by all for long enough to be
/// noticed. What a killed node had live stays announced for so much longer than [`super::LEASE`].
const SKEW: Duration = Duration::from_secs(5);
