//! Tasks as containers of ECS, and what else the platform wants of a cluster.
//!
//! | part | does |
//! | --- | --- |
//! | [`Tasks`] | the port `TaskScheduler`: a container for each task, told what to do by `LSV_TASK` |
//! | [`Protection`] | keeps scale-in and deployments away from a task that is at work |
//! | [`Service`] | for how long: until they need that task |
//! | [`Discovery`] | where the tasks of a service are, for the proxy |
//!
//! What stops tasks that a dead node left is `lsv_core::lifecycle::Reconciler`, which is the same for all schedulers.

mod described;
mod discovery;
mod gate;
mod protection;
mod run;
mod service;
mod tasks;

pub use discovery::Discovery;
pub use protection::{PROTECTED_FOR, Protection, ProtectionError};
pub use service::{Service, SparingTimes};
pub use tasks::Tasks;

/// How tasks are run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The cluster's name or ARN.
    pub cluster: String,
    /// Family of the task definition, with or without a revision, or its ARN.
    pub task_definition: String,
    /// The container of the task definition that does the work. `processor`.
    pub container: String,
    /// What runs the containers. Fargate.
    pub launch_type: LaunchType,
    /// Subnets, where the tasks have network interfaces of their own, as they must have on Fargate.
    pub subnets: Vec<String>,
    /// Security groups of those.
    pub security_groups: Vec<String>,
    /// Whether they get public addresses, which they need in subnets that have no other way out. No.
    pub public_address: bool,
    /// The first word of what tasks are marked with, up to 32 of `[A-Za-z0-9_-]`; platforms in the same cluster have different ones. `lsv`.
    pub owner: String,
}

impl Config {
    /// Tasks of a definition in a cluster; everything else as documented.
    pub fn new(cluster: impl Into<String>, task_definition: impl Into<String>) -> Self {
        Self {
            cluster: cluster.into(),
            task_definition: task_definition.into(),
            container: "processor".to_owned(),
            launch_type: LaunchType::Fargate,
            subnets: Vec::new(),
            security_groups: Vec::new(),
            public_address: false,
            owner: "lsv".to_owned(),
        }
    }
}

/// What runs containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LaunchType {
    /// Fargate.
    #[default]
    Fargate,
    /// The cluster's machines.
    Ec2,
    /// The cluster's capacity providers, by its default strategy.
    Cluster,
}

impl std::str::FromStr for LaunchType {
    type Err = UnknownLaunchType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "FARGATE" => Ok(Self::Fargate),
            "EC2" => Ok(Self::Ec2),
            "CLUSTER" => Ok(Self::Cluster),
            _ => Err(UnknownLaunchType),
        }
    }
}

/// A launch type is `FARGATE`, `EC2`, or `CLUSTER` for the cluster's own strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a launch type is `FARGATE`, `EC2`, or `CLUSTER` for the cluster's own strategy")]
pub struct UnknownLaunchType;

/// The variable that tells a container its task: the JSON of a [`lsv_core::ports::TaskSpec`].
pub const TASK_VARIABLE: &str = "LSV_TASK";
