//! Protection that holds nobody up: a task at work is spared for as long as its service can do without ending it.
//!
//! ECS ends no protected task, neither for a deployment nor for scale-in, however long it has to wait. What is at work for weeks may
//! therefore be protected while its service is settled alone: one deployment, and no more tasks than are wanted. Of a service that
//! is not, tasks without work are ended at once; when that was not enough, the others let themselves be ended too.

use std::fmt;
use std::time::Duration;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::Service as EcsService;
use lsv_core::ports::{Error, Result};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use crate::SdkConfig;
use crate::error::failed;

/// The service that a task is of.
#[derive(Clone)]
pub struct Service {
    client: Client,
    cluster: String,
    name: String,
    times: SparingTimes,
}

/// How long tasks at work are spared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SparingTimes {
    /// How often ECS is asked about the service. 30 s.
    pub look: Duration,
    /// For how long a service that is not settled, or cannot be asked about, ends others first. 2 min.
    pub spare: Duration,
}

impl Default for SparingTimes {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(30),
            spare: Duration::from_secs(120),
        }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("cluster", &self.cluster)
            .field("name", &self.name)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// A service of a cluster.
    pub fn new(
        sdk: &SdkConfig,
        cluster: impl Into<String>,
        name: impl Into<String>,
        times: SparingTimes,
    ) -> Self {
        Self {
            client: Client::new(sdk),
            cluster: cluster.into(),
            name: name.into(),
            times,
        }
    }

    /// Whether ECS has no task of it to end.
    ///
    /// # Errors
    /// As any call: ECS may be out of reach or refuse.
    pub async fn is_settled(&self) -> Result<bool> {
        let call = self.client.describe_services().cluster(&self.cluster);
        let what = format!("the service `{}` of ECS", self.name);
        let answer = call.services(&self.name).send().await;
        let answer = answer.map_err(|error| failed(&what, &error))?;
        match answer.services().first() {
            Some(service) => Ok(is_settled(service)),
            None => Err(Error::unavailable(format!("{what} is not there"))),
        }
    }

    /// Says to `protected` whether a task that is at work should be, which is what [`Protection::follow`](super::Protection::follow)
    /// then does. Returns when nobody says or listens any more.
    pub async fn spare(self, mut is_busy: watch::Receiver<bool>, protected: watch::Sender<bool>) {
        let mut settled: Option<Instant> = None;
        let mut look = tokio::time::interval(self.times.look);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => match self.is_settled().await {
                    Ok(true) => settled = Some(Instant::now()),
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(service = self.name, %error, "whether the service is to lose tasks cannot be told");
                    }
                },
                changed = is_busy.changed() => if changed.is_err() {
                    return;
                },
                () = protected.closed() => return,
            }
            let may = settled.is_some_and(|at| at.elapsed() < self.times.spare);
            let wanted = may && *is_busy.borrow_and_update();
            protected.send_if_modified(|known| std::mem::replace(known, wanted) != wanted);
        }
    }
}

fn is_settled(service: &EcsService) -> bool {
    let deployments = service.deployments().iter();
    let under_way = deployments.filter(|deployment| deployment.status() != Some("INACTIVE"));
    under_way.count() <= 1 && service.running_count() <= service.desired_count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::Deployment;

    #[test]
    fn what_ends_tasks_is_a_deployment_or_a_count_that_is_too_high() {
        let service = |deployments: &[&str], running, desired| {
            let deployments = deployments
                .iter()
                .map(|status| Deployment::builder().status(*status).build());
            EcsService::builder()
                .set_deployments(Some(deployments.collect()))
                .running_count(running)
                .desired_count(desired)
                .build()
        };
        assert!(is_settled(&service(&["PRIMARY"], 2, 2)));
        assert!(is_settled(&service(&["PRIMARY", "INACTIVE"], 2, 2)));
        // One has failed, or is to come.
        assert!(is_settled(&service(&["PRIMARY"], 1, 2)));
        assert!(!is_settled(&service(&["PRIMARY"], 3, 2)));
        assert!(!is_settled(&service(&["PRIMARY", "ACTIVE"], 4, 2)));
        assert!(!is_settled(&service(&["PRIMARY", "ACTIVE"], 2, 2)));
    }
}
