//! Where the tasks of a service are: the back ends of a proxy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::Task as EcsTask;
use lsv_core::ports::Result;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::described::{self, Which};
use crate::SdkConfig;

/// The private addresses of a service's tasks. They must have network interfaces of their own (`awsvpc`), as all have on Fargate.
#[derive(Clone)]
pub struct Discovery {
    client: Client,
    cluster: String,
    service: String,
    port: u16,
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery")
            .field("cluster", &self.cluster)
            .field("service", &self.service)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Discovery {
    /// Of a service, whose tasks listen on `port`.
    pub fn new(
        sdk: &SdkConfig,
        cluster: impl Into<String>,
        service: impl Into<String>,
        port: u16,
    ) -> Self {
        Self {
            client: Client::new(sdk),
            cluster: cluster.into(),
            service: service.into(),
            port,
        }
    }

    /// Where its running tasks are now.
    ///
    /// # Errors
    /// As any call: ECS may be out of reach or refuse.
    pub async fn addresses(&self) -> Result<BTreeSet<SocketAddr>> {
        let which = Which::Service(&self.service);
        let arns = described::find(&self.client, &self.cluster, which).await?;
        let tasks = described::describe(&self.client, &self.cluster, &arns).await?;
        let running = tasks
            .iter()
            .filter(|task| task.last_status() == Some("RUNNING"));
        let addresses = running.filter_map(address);
        Ok(addresses
            .map(|address| SocketAddr::new(address, self.port))
            .collect())
    }

    /// Keeps `list` up to date until nobody looks at it. While ECS cannot be asked the last addresses stay; what is missing in an
    /// answer stays a little longer, as answers lag behind.
    pub async fn follow(self, list: watch::Sender<BTreeSet<SocketAddr>>) {
        let mut known = BTreeMap::new();
        let mut look = tokio::time::interval(LOOK_AFTER);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = list.closed() => return,
            }
            match self.addresses().await {
                Ok(addresses) => {
                    let addresses = merge(&mut known, addresses, Instant::now());
                    list.send_if_modified(|listed| {
                        let is_new = *listed != addresses;
                        *listed = addresses;
                        is_new
                    });
                }
                Err(error) => {
                    tracing::warn!(service = self.service, %error, "where the service is cannot be told; its last addresses stay");
                }
            }
        }
    }
}

/// What is known behind an answer.
fn merge(
    known: &mut BTreeMap<SocketAddr, Instant>,
    answer: BTreeSet<SocketAddr>,
    now: Instant,
) -> BTreeSet<SocketAddr> {
    known.extend(answer.into_iter().map(|address| (address, now)));
    known.retain(|_, seen| now.saturating_duration_since(*seen) < FORGET_AFTER);
    known.keys().copied().collect()
}

/// The private address of a task's network interface.
fn address(task: &EcsTask) -> Option<IpAddr> {
    let interfaces = task
        .attachments()
        .iter()
        .filter(|attachment| attachment.r#type() == Some("ElasticNetworkInterface"));
    let attached = interfaces
        .flat_map(|interface| interface.details())
        .find(|detail| detail.name() == Some("privateIPv4Address"))
        .and_then(|detail| detail.value());
    let of_container = || {
        let containers = task.containers().iter();
        let mut interfaces = containers.flat_map(|container| container.network_interfaces());
        interfaces.find_map(|interface| {
            interface
                .private_ipv4_address()
                .or_else(|| interface.ipv6_address())
        })
    };
    attached.or_else(of_container)?.parse().ok()
}

/// How often ECS is asked.
const LOOK_AFTER: Duration = Duration::from_secs(5);

/// How long an address stays that answers lack. The proxy's own checks are faster with tasks that are gone.
const FORGET_AFTER: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::{Attachment, Container, KeyValuePair, NetworkInterface};

    #[test]
    fn addresses_are_found_on_interfaces_and_containers() {
        let pair =
            |name: &str, value: &str| KeyValuePair::builder().name(name).value(value).build();
        let attachment = Attachment::builder()
            .r#type("ElasticNetworkInterface")
            .details(pair("subnetId", "subnet-1"))
            .details(pair("privateIPv4Address", "10.0.0.7"));
        let task = EcsTask::builder().attachments(attachment.build()).build();
        assert_eq!(address(&task), Some([10, 0, 0, 7].into()));
        let interface = NetworkInterface::builder().private_ipv4_address("10.0.0.8");
        let container = Container::builder().network_interfaces(interface.build());
        let task = EcsTask::builder().containers(container.build()).build();
        assert_eq!(address(&task), Some([10, 0, 0, 8].into()));
        assert_eq!(address(&EcsTask::builder().build()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_lacks_an_address_does_not_take_it_away_at_once() {
        let mut known = BTreeMap::new();
        let [a, b] = [1, 2].map(|last| SocketAddr::from(([10, 0, 0, last], 1935)));
        let start = Instant::now();
        assert_eq!(merge(&mut known, [a, b].into(), start), [a, b].into());
        let later = start + LOOK_AFTER;
        assert_eq!(merge(&mut known, [b].into(), later), [a, b].into());
        let later = start + FORGET_AFTER;
        assert_eq!(merge(&mut known, [b].into(), later), [b].into());
    }
}
