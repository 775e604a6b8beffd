//! ECS on this machine: a server that speaks what the platform asks of a cluster, and runs containers as processes.
//!
//! There is one cluster, and one task definition, whose container is `lsv-processor`. What ECS does in half a minute, such as to
//! start a container, happens at once, unless a test wants it [late](Delays); a container that is asked to stop and does not is killed
//! after [`STOP_TIMEOUT`]. Nothing runs in the background: it is looked how containers are whenever somebody asks.

mod task;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{post, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use task::{Fate, Task};

/// A cluster; its containers are killed when it is dropped.
#[derive(Debug)]
pub struct Ecs {
    endpoint: String,
    shared: Shared,
    serving: JoinHandle<()>,
}

/// Why `RunTask` starts nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTask {
    /// The answer is a failure: there is no machine for it.
    Capacity,
    /// The call is refused: there were too many.
    Throttled,
}

/// By how many calls what ECS says and does is late; not at all by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delays {
    /// Listings that lack a new task, and that still have one that is to end.
    pub listed: usize,
    /// Answers that describe a new task as pending, without container and address, beside that of the call that started it.
    pub running: usize,
}

/// A task of the cluster, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its name.
    pub id: String,
    /// `RUNNING`, `STOPPED`, ...
    pub status: &'static str,
    /// What ECS calls the reason of its end.
    pub stop_code: Option<&'static str>,
    /// What its container ended with; 128 and the signal's number where that was one.
    pub exit_code: Option<i32>,
    /// Its container, while that runs.
    pub process: Option<u32>,
}

/// A task of a service, which a test runs itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub id: String,
    /// What its container has as `ECS_AGENT_URI`.
    pub agent: String,
}

type Shared = Arc<Mutex<Cluster>>;

/// What containers of the task definition are started with, beside what each task adds.
#[derive(Debug, Clone, Default)]
pub struct Definition {
    /// Their environment.
    pub environment: Vec<(&'static str, String)>,
    /// Their arguments.
    pub arguments: Vec<String>,
}

#[derive(Debug)]
struct Cluster {
    definition: Definition,
    endpoint: String,
    refusals: VecDeque<NoTask>,
    delays: Delays,
    tasks: BTreeMap<String, Task>,
    /// The tasks that calls with a token started.
    tokens: BTreeMap<String, String>,
}

impl Ecs {
    /// The cluster's name.
    pub const CLUSTER: &str = "live";
    /// The task definition's family, and its container.
    pub const PROCESSOR: &str = "processor";
    /// The service whose tasks a test runs itself.
    pub const GATEWAYS: &str = "gateway";

    /// An empty cluster.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(definition: Definition) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Mutex::new(Cluster {
            definition,
            endpoint: endpoint.clone(),
            refusals: VecDeque::new(),
            delays: Delays::default(),
            tasks: BTreeMap::new(),
            tokens: BTreeMap::new(),
        }));
        let router = Router::new()
            .route("/", post(call))
            .route("/api/{task}/task-protection/v1/state", put(protect))
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self {
            endpoint,
            shared,
            serving,
        }
    }

    /// The environment that leads a process here, for ECS alone.
    #[must_use]
    pub fn environment(&self) -> (&'static str, String) {
        ("AWS_ENDPOINT_URL_ECS", self.endpoint.clone())
    }

    /// The flags of a node that has its tasks run here.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        let flags = [
            "--aws-cluster",
            Self::CLUSTER,
            "--aws-task-definition",
            Self::PROCESSOR,
            "--aws-subnets",
            "subnet-1",
            "--aws-service",
            Self::GATEWAYS,
        ];
        flags.map(str::to_owned).to_vec()
    }

    /// Starts none of the next `times` tasks.
    pub fn refuse(&self, why: NoTask, times: usize) {
        self.lock().refusals.extend(std::iter::repeat_n(why, times));
    }

    /// Is late from here on.
    pub fn delay(&self, delays: Delays) {
        self.lock().delays = delays;
    }

    /// How many calls are still to be refused.
    #[must_use]
    pub fn refusals(&self) -> usize {
        self.lock().refusals.len()
    }

    /// The tasks of the definition that ever were, in the order in which they were started.
    #[must_use]
    pub fn tasks(&self) -> Vec<Seen> {
        let mut cluster = self.lock();
        let tasks = cluster.tasks.iter_mut();
        let tasks = tasks.filter(|(_, task)| task.service.is_none());
        tasks.map(|(id, task)| task.seen(id)).collect()
    }

    /// The tasks of the definition that run now.
    #[must_use]
    pub fn running(&self) -> Vec<Seen> {
        let mut tasks = self.tasks();
        tasks.retain(|task| task.status == "RUNNING");
        tasks
    }

    /// What a task's container wrote to its log.
    #[must_use]
    pub fn log(&self, id: &str) -> String {
        let cluster = self.lock();
        cluster.tasks.get(id).map(Task::log).unwrap_or_default()
    }

    /// Makes a process of the test a task of `service` that is reached at `address`.
    pub fn join(&self, service: &str, address: IpAddr) -> Member {
        let mut cluster = self.lock();
        let id = cluster.new_id();
        let task = Task::of_service(service, address, cluster.delays.running);
        cluster.tasks.insert(id.clone(), task);
        Member {
            agent: format!("{}/api/{id}", self.endpoint),
            id,
        }
    }

    /// Takes a task out of its service.
    pub fn leave(&self, member: &Member) {
        self.lock().tasks.remove(&member.id);
    }

    /// Whether a task is protected from scale-in.
    #[must_use]
    pub fn protects(&self, member: &Member) -> bool {
        let cluster = self.lock();
        cluster
            .tasks
            .get(&member.id)
            .is_some_and(|task| task.protected)
    }

    fn lock(&self) -> MutexGuard<'_, Cluster> {
        lock(&self.shared)
    }
}

/// A test that fails tells what its containers said last.
impl Drop for Ecs {
    fn drop(&mut self) {
        self.serving.abort();
        if std::thread::panicking()
            && let Ok(mut cluster) = self.shared.lock()
        {
            for (id, task) in &mut cluster.tasks {
                println!("=== {:?}", task.seen(id));
                let log = task.log();
                let last = log.lines().rev().take(12).collect::<Vec<_>>();
                last.iter().rev().for_each(|line| println!("{line}"));
            }
        }
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Cluster> {
    shared.lock().expect("nobody panicked")
}

/// A call of the API.
async fn call(State(shared): State<Shared>, headers: HeaderMap, input: String) -> Response {
    let target = headers.get("x-amz-target").and_then(|it| it.to_str().ok());
    let action = target.and_then(|target| target.rsplit_once('.'));
    let input: Value = serde_json::from_str(&input).expect("JSON");
    let mut cluster = lock(&shared);
    if input["cluster"] != Ecs::CLUSTER {
        return refusal("ClusterNotFoundException", "Cluster not found.");
    }
    match action.map(|(_, action)| action) {
        Some("RunTask") => cluster.run(&input),
        Some("ListTasks") => Json(cluster.list(&input)).into_response(),
        Some("DescribeTasks") => Json(cluster.describe(&input)).into_response(),
        Some("StopTask") => cluster.stop(&input),
        Some("DescribeServices") => Json(cluster.services(&input)).into_response(),
        other => refusal("InvalidAction", &format!("nobody is to call {other:?}")),
    }
}

/// What the agent of a container is asked.
async fn protect(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    Json(wish): Json<Value>,
) -> Response {
    let mut cluster = lock(&shared);
    let arn = cluster.arn(&id);
    match cluster
        .tasks
        .get_mut(&id)
        .filter(|task| task.service.is_some())
    {
        Some(task) => {
            task.protected = wish["ProtectionEnabled"] == true;
            let protection = json!({"ProtectionEnabled": task.protected, "TaskArn": arn});
            Json(json!({"protection": protection})).into_response()
        }
        None => {
            let failure =
                json!({"Arn": arn, "Reason": "TASK_NOT_VALID", "Detail": "of no service"});
            (StatusCode::BAD_REQUEST, Json(json!({"failure": failure}))).into_response()
        }
    }
}

impl Cluster {
    /// Services have the tasks that they are to have.
    fn services(&self, input: &Value) -> Value {
        let name = input["services"][0].as_str();
        let tasks = self.tasks.values();
        let count = tasks.filter(|task| task.service.as_deref() == name).count();
        let deployments = [json!({"status": "PRIMARY"})];
        let service = json!({
            "serviceName": name, "deployments": deployments, "runningCount": count, "desiredCount": count,
        });
        json!({"services": [service], "failures": []})
    }

    fn run(&mut self, input: &Value) -> Response {
        match self.refusals.pop_front() {
            Some(NoTask::Capacity) => {
                let reason = "Capacity is unavailable at this time. Please try again later or in a different availability zone";
                let answer = json!({"tasks": [], "failures": [{"reason": reason}]});
                return Json(answer).into_response();
            }
            Some(NoTask::Throttled) => return refusal("ThrottlingException", "Rate exceeded"),
            None => {}
        }
        let subnets = &input["networkConfiguration"]["awsvpcConfiguration"]["subnets"];
        if subnets[0].is_null() || input["launchType"] != "FARGATE" {
            return refusal("InvalidParameterException", "Fargate needs subnets.");
        }
        let container = &input["overrides"]["containerOverrides"][0];
        if input["taskDefinition"] != Ecs::PROCESSOR || container["name"] != Ecs::PROCESSOR {
            return refusal("ClientException", "TaskDefinition not found.");
        }
        let token = input["clientToken"].as_str().unwrap_or_default().to_owned();
        let id = match self.tokens.get(&token) {
            Some(id) => id.clone(),
            None => {
                let id = self.new_id();
                let agent = format!("{}/api/{id}", self.endpoint);
                let late = self.delays.running;
                let task = Task::run(&self.definition, agent, input, late);
                self.tasks.insert(id.clone(), task);
                self.tokens.insert(token, id.clone());
                id
            }
        };
        let task = self.told(&id);
        Json(json!({"tasks": [task], "failures": []})).into_response()
    }

    fn list(&mut self, input: &Value) -> Value {
        let wanted =
            |field: &str, is: Option<&str>| input[field].is_null() || input[field].as_str() == is;
        let mut arns = Vec::new();
        let ids: Vec<String> = self.tasks.keys().cloned().collect();
        for id in ids {
            let arn = self.arn(&id);
            let Some(task) = self.tasks.get_mut(&id) else {
                continue;
            };
            task.look();
            let is_wanted = wanted("family", Some(task.family()))
                && wanted("startedBy", Some(&task.mark))
                && wanted("serviceName", task.service.as_deref());
            if is_wanted && task.is_listed(self.delays.listed) {
                arns.push(arn);
            }
        }
        json!({"taskArns": arns})
    }

    fn describe(&mut self, input: &Value) -> Value {
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for name in input["tasks"].as_array().into_iter().flatten() {
            let id = short(name);
            match self.tasks.contains_key(id) {
                true => tasks.push(self.told(id)),
                false => failures.push(json!({"arn": name, "reason": "MISSING"})),
            }
        }
        json!({"tasks": tasks, "failures": failures})
    }

    fn stop(&mut self, input: &Value) -> Response {
        let id = short(&input["task"]);
        match self.tasks.get_mut(id) {
            Some(task) => {
                task.stop(Fate {
                    code: "UserInitiated",
                    reason: input["reason"].as_str().unwrap_or_default().to_owned(),
                });
                Json(json!({"task": self.told(id)})).into_response()
            }
            None => refusal(
                "InvalidParameterException",
                "The referenced task was not found.",
            ),
        }
    }

    fn told(&mut self, id: &str) -> Value {
        let arn = self.arn(id);
        let task = self.tasks.get_mut(id);
        let mut told = task.map(Task::told).unwrap_or_default();
        told["taskArn"] = json!(arn);
        told
    }

    fn new_id(&self) -> String {
        format!("{:032x}", self.tasks.len() + self.tokens.len() + 1)
    }

    fn arn(&self, id: &str) -> String {
        format!(
            "arn:aws:ecs:eu-central-1:123456789012:task/{}/{id}",
            Ecs::CLUSTER
        )
    }
}

/// The short name of a task that is named so or by its ARN.
fn short(name: &Value) -> &str {
    let name = name.as_str().unwrap_or_default();
    name.rsplit('/').next().unwrap_or(name)
}

fn refusal(code: &str, message: &str) -> Response {
    let body = json!({"__type": code, "message": message});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// How long a container may take to stop. ECS: 30 s, where its definition says nothing else.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(3);
