//! Tasks as containers: against moto, and against a cluster that fails as told.

pub(crate) mod fake;
mod faults;
mod protection;
mod texts;

use std::sync::Arc;
use std::time::Duration;

use lsv_aws::ecs::{Config, Discovery, LaunchType, Tasks};
use lsv_core::channel::{Moment, TaskSize};
use lsv_core::events::Events;
use lsv_core::lifecycle::Reconciler;
use lsv_core::path::ChannelId;
use lsv_core::ports::{
    Error, Session, SessionRegistry, TaskKind, TaskScheduler, TaskSpec, TaskState, conformance,
};
use lsv_tests::{Moto, eventually};
use serde_json::{Value, json};

use super::{raw, reach};
use texts::Texts;

/// A task `process` of a channel.
pub(crate) fn spec(channel: &str, size: TaskSize) -> TaskSpec {
    TaskSpec {
        kind: TaskKind::Process,
        channel: ChannelId::parse(channel).expect("a channel's id"),
        size,
    }
}

/// A moto with a cluster and a task definition `processor`.
struct Aws {
    moto: Moto,
    way: Texts,
    config: Config,
}

impl Aws {
    async fn start() -> Self {
        let moto = Moto::start().await;
        let config = cluster(&moto).await;
        let way = Texts::before(&moto).await;
        Self { moto, way, config }
    }

    async fn sdk(&self) -> lsv_aws::SdkConfig {
        reach::sdk(&self.way.endpoint).await
    }

    /// A scheduler of a node that has just started.
    async fn tasks(&self) -> Tasks {
        self.tasks_as(&self.config).await
    }

    async fn tasks_as(&self, config: &Config) -> Tasks {
        Tasks::new(&self.sdk().await, config.clone(), Events::new())
    }
}

async fn cluster(moto: &Moto) -> Config {
    let ecs = async |action: &str, input: Value| raw::ecs(moto, action, input).await;
    ecs("CreateCluster", json!({"clusterName": "main"})).await;
    let definition = json!({
        "family": "processor", "networkMode": "awsvpc", "cpu": "256", "memory": "512",
        "containerDefinitions": [{"name": "processor", "image": "lsv", "cpu": 256, "memory": 512}],
    });
    ecs("RegisterTaskDefinition", definition).await;
    // It would end tasks by itself, a step with each look.
    raw::keep(moto, "ecs::task").await;
    let mut config = Config::new("main", "processor");
    config.subnets = vec![raw::subnet(moto).await];
    config.security_groups = vec!["sg-1".to_owned()];
    config
}

#[tokio::test]
async fn conforms() {
    let aws = Aws::start().await;
    conformance::task_scheduler(&aws.tasks().await).await;
}

#[tokio::test]
async fn a_task_is_a_container_of_its_size() {
    let aws = Aws::start().await;
    let scheduler = aws.tasks().await;
    assert_eq!(scheduler.list().await.expect("a list"), []);
    let id = scheduler
        .start(spec("cam", TaskSize::Large))
        .await
        .expect("it starts");
    let listed = scheduler.list().await.expect("a list");
    assert_eq!((listed.len(), &listed[0].id), (1, &id));
    assert_eq!(listed[0].spec, spec("cam", TaskSize::Large));
    let described = raw::ecs(
        &aws.moto,
        "DescribeTasks",
        json!({"cluster": "main", "tasks": [id.0]}),
    )
    .await;
    let task = &described["tasks"][0];
    assert_eq!(task["launchType"], "FARGATE");
    assert_eq!(task["startedBy"], "lsv/process/cam");
    let told = r#"{"kind":"process","channel":"cam","size":"large"}"#;
    assert_eq!(
        task["overrides"],
        json!({
            "cpu": "2048", "memory": "4096",
            "containerOverrides": [{"name": "processor", "environment": [{"name": "LSV_TASK", "value": told}]}],
        })
    );
    // Whoever wants the same gets the same, a node that has just started too.
    let other = aws.tasks().await;
    for scheduler in [&scheduler, &other] {
        let again = scheduler.start(spec("cam", TaskSize::Large)).await;
        assert_eq!(again.as_ref(), Ok(&id));
    }
    let another = other
        .start(spec("cam-2", TaskSize::Micro))
        .await
        .expect("it starts");
    assert_ne!(another, id);
    let listed = other.list().await.expect("a list");
    assert_eq!(listed.len(), 2);
    assert!(
        listed.iter().all(|task| task.state == TaskState::Running),
        "{listed:?}"
    );
    // A size is said, and goes on.
    scheduler
        .resize(&id, TaskSize::Xlarge)
        .await
        .expect("it is there");
    let listed = scheduler.list().await.expect("a list");
    let resized = listed.iter().find(|task| task.id == id).expect("the task");
    assert_eq!(resized.spec.size, TaskSize::Xlarge);
    scheduler.stop(&id).await.expect("it is there");
    eventually("the task is gone", async || {
        let listed = scheduler.list().await.expect("a list");
        listed.iter().all(|task| task.id != id).then_some(())
    })
    .await;
    let new = scheduler
        .start(spec("cam", TaskSize::Large))
        .await
        .expect("it starts");
    assert_ne!(new, id, "what has ended is not what runs");
}

#[tokio::test]
async fn tasks_run_on_machines_of_the_cluster() {
    let aws = Aws::start().await;
    let mut config = aws.config.clone();
    let definition = json!({
        "family": "on-machines", "cpu": "256", "memory": "512",
        "containerDefinitions": [{"name": "processor", "image": "lsv", "cpu": 256, "memory": 512}],
    });
    raw::ecs(&aws.moto, "RegisterTaskDefinition", definition).await;
    raw::machine(&aws.moto, "main").await;
    config.task_definition = "on-machines:1".to_owned();
    config.launch_type = LaunchType::Ec2;
    config.subnets.clear();
    let scheduler = aws.tasks_as(&config).await;
    let id = scheduler
        .start(spec("cam", TaskSize::Micro))
        .await
        .expect("it starts");
    let described = raw::ecs(
        &aws.moto,
        "DescribeTasks",
        json!({"cluster": "main", "tasks": [id.0]}),
    )
    .await;
    assert_eq!(described["tasks"][0]["launchType"], "EC2");
    assert!(described["tasks"][0]["containerInstanceArn"].is_string());
    assert_eq!(scheduler.list().await.expect("a list").len(), 1);
}

#[tokio::test]
async fn what_cannot_run_is_refused() {
    let aws = Aws::start().await;
    let mut config = aws.config.clone();
    config.cluster = "another".to_owned();
    let scheduler = aws.tasks_as(&config).await;
    let refused = scheduler.start(spec("cam", TaskSize::Micro)).await;
    let refused = refused.expect_err("there is no such cluster");
    assert!(
        refused.to_string().contains("ClusterNotFoundException"),
        "{refused}"
    );
    assert!(
        !matches!(refused, Error::Unavailable { .. }),
        "trying again does not help: {refused}"
    );
}

#[tokio::test]
async fn the_proxy_finds_the_tasks_of_a_service() {
    let aws = Aws::start().await;
    let service = json!({
        "cluster": "main", "serviceName": "gateway", "taskDefinition": "processor", "desiredCount": 0,
        "launchType": "FARGATE",
    });
    raw::ecs(&aws.moto, "CreateService", service).await;
    let sdk = aws.sdk().await;
    let discovery = Discovery::new(&sdk, "main", "gateway", 1935);
    assert!(discovery.addresses().await.expect("an answer").is_empty());
    let scheduler = aws.tasks().await;
    for channel in ["a", "b"] {
        // moto starts no tasks for services, and lists those of all.
        scheduler
            .start(spec(channel, TaskSize::Micro))
            .await
            .expect("it starts");
    }
    let addresses = discovery.addresses().await.expect("an answer");
    assert_eq!(addresses.len(), 2);
    assert!(
        addresses
            .iter()
            .all(|address| address.is_ipv4() && address.port() == 1935)
    );
    let (list, mut listed) = tokio::sync::watch::channel(Default::default());
    let following = tokio::spawn(discovery.follow(list));
    let found = listed.wait_for(|found| !found.is_empty()).await;
    assert_eq!(*found.expect("it follows"), addresses);
    drop(listed);
    following.await.expect("it ends when nobody looks");
}

#[tokio::test]
async fn what_a_dead_node_left_is_stopped() {
    let aws = Aws::start().await;
    let sdk = aws.sdk().await;
    let sessions = reach::sessions(&sdk, Default::default());
    let session = Session {
        waiting: true,
        ..Session::new(
            ChannelId::parse("live").expect("an id"),
            "gateway",
            "rtmp://10.0.0.1:1935",
            Moment::EPOCH,
        )
    };
    let _lease = sessions.announce(session).await.expect("it is announced");
    let dead = aws.tasks().await;
    let kept = dead
        .start(spec("live", TaskSize::Micro))
        .await
        .expect("it starts");
    let left = dead
        .start(spec("gone", TaskSize::Micro))
        .await
        .expect("it starts");
    drop(dead);
    let scheduler = Arc::new(aws.tasks().await);
    let tasks = Arc::clone(&scheduler) as Arc<dyn TaskScheduler>;
    let mut reconciler = Reconciler::new(tasks, Arc::new(sessions), Duration::ZERO);
    assert_eq!(reconciler.look().await.expect("a look"), [left]);
    assert_eq!(reconciler.look().await.expect("a look"), []);
    let listed = scheduler.list().await.expect("a list");
    let running = listed
        .iter()
        .filter(|task| task.state == TaskState::Running);
    assert_eq!(running.map(|task| &task.id).collect::<Vec<_>>(), [&kept]);
}
