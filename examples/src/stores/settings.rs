//! Where a node keeps things, as operators write it.

use anyhow::{Context, bail};
use lsv_auth::Secret;

use crate::config::{Options, words};

/// Where channels, recordings and what is live are kept, and who encodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where things are kept.
    pub place: Place,
    /// What nodes show each other, if it was given; else the API's token.
    pub node_token: Option<Secret>,
    /// Processors that encode for this node, where it does not start them itself.
    pub processors: Vec<String>,
}

/// Where things are kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// In the data folder.
    Local,
    /// At the node with this address.
    Remote(String),
    /// In AWS.
    Aws(Box<Aws>),
}

/// What is used of AWS. Region, credentials and endpoints come from where all its tools have them.
#[derive(Debug, Clone, PartialEq)]
pub struct Aws {
    /// Table with the channels.
    pub channels: String,
    /// Table with what is live.
    pub sessions: String,
    /// Bucket with the recordings.
    pub bucket: String,
    /// What their keys begin with.
    pub prefix: String,
    /// Class of what is kept cold.
    pub cold_class: String,
    /// Key that recordings are encrypted with, if it is not S3's own.
    pub kms_key: Option<String>,
    /// Where processors are started, if they are.
    pub ecs: Option<Ecs>,
    /// Bus that learns what happens.
    pub event_bus: Option<String>,
    /// Secret with the platform's secrets.
    pub secret: Option<String>,
}

/// How processors are started.
#[derive(Debug, Clone, PartialEq)]
pub struct Ecs {
    /// The cluster.
    pub cluster: String,
    /// The task definition.
    pub task_definition: String,
    /// Its container.
    pub container: String,
    /// Where they run.
    pub subnets: Vec<String>,
    /// Who reaches them, and whom they reach.
    pub security_groups: Vec<String>,
    /// `FARGATE` or `EC2`.
    pub launch_type: String,
    /// The service that the node itself is a task of.
    pub service: Option<String>,
}

impl Settings {
    /// Reads `store`, `store-node`, `node-token`, `processors` and the options that begin with `aws-`.
    ///
    /// # Errors
    /// Names the one that cannot be used.
    pub fn of(options: &Options) -> anyhow::Result<Self> {
        let place = match options.store.as_deref() {
            None | Some("local") => Place::Local,
            Some("remote") => {
                let node = options.store_node.clone();
                Place::Remote(node.context("store-node is missing: say which node keeps things")?)
            }
            Some("aws") => Place::Aws(Box::new(Aws::of(options)?)),
            Some(other) => bail!("store is local, remote or aws, not {other:?}"),
        };
        Ok(Self {
            place,
            node_token: options.node_token.clone(),
            processors: words(options.processors.as_deref().unwrap_or_default()),
        })
    }
}

impl Aws {
    fn of(options: &Options) -> anyhow::Result<Self> {
        let text = |value: &Option<String>, default: &str| {
            value.clone().unwrap_or_else(|| default.to_owned())
        };
        let bucket = options.aws_bucket.clone();
        Ok(Self {
            channels: text(&options.aws_channels_table, "video-metadata"),
            sessions: text(&options.aws_sessions_table, "video-streaming"),
            bucket: bucket.context("aws-bucket is missing: say where recordings are kept")?,
            prefix: text(&options.aws_prefix, ""),
            cold_class: text(&options.aws_cold_class, "GLACIER_IR"),
            kms_key: options.aws_kms_key.clone(),
            ecs: options
                .aws_cluster
                .as_ref()
                .map(|cluster| Ecs::of(cluster, options))
                .transpose()?,
            event_bus: options.aws_event_bus.clone(),
            secret: options.aws_secret.clone(),
        })
    }
}

impl Ecs {
    fn of(cluster: &str, options: &Options) -> anyhow::Result<Self> {
        let definition = options.aws_task_definition.clone();
        let ids = |list: &Option<String>| words(list.as_deref().unwrap_or_default());
        let launch_type = options.aws_launch_type.as_deref().unwrap_or("FARGATE");
        if !matches!(launch_type, "FARGATE" | "EC2") {
            bail!("aws-launch-type is FARGATE or EC2, not {launch_type:?}");
        }
        Ok(Self {
            cluster: cluster.to_owned(),
            task_definition: definition
                .context("aws-task-definition is missing: say what a processor is started from")?,
            container: options
                .aws_container
                .clone()
                .unwrap_or_else(|| "processor".to_owned()),
            subnets: ids(&options.aws_subnets),
            security_groups: ids(&options.aws_security_groups),
            launch_type: launch_type.to_owned(),
            service: options.aws_service.clone(),
        })
    }
}
