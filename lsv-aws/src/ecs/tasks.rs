//! A container for each task.
//!
//! What tells a task is its mark (`startedBy`): `<owner>/<kind>/<channel>`. ECS finds tasks by it, so a node that knows nothing
//! finds what runs already. ECS lists what it started a moment ago only after a while; meanwhile the token of the call does the
//! same: it is made of mark and minute, and ECS answers a token that it knows with the task that it started for it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sdk_ecs::Client;
use lsv_core::channel::TaskSize;
use lsv_core::events::{Events, Happening};
use lsv_core::path::ChannelId;
use lsv_core::ports::{Error, Result, Task, TaskId, TaskKind, TaskScheduler, TaskSpec, TaskState};
use tokio::time::Instant;

use super::Config;
use super::described::{self, Which};
use super::gate::Gates;
use crate::SdkConfig;
use crate::error::{code, failed};

/// A [`TaskScheduler`] whose tasks are containers. Clones share it. Tasks outlive it: `lsv_core::lifecycle::Reconciler` stops those that nobody needs.
#[derive(Clone)]
pub struct Tasks {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) config: Config,
    events: Events,
    inner: Mutex<Inner>,
    /// Whoever holds it asks ECS for the list; all others wait for the same answer.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Inner {
    gates: Gates<Key>,
    /// What ECS said when it was last asked, and when that was.
    listed: Option<(Instant, Result<Vec<Task>>)>,
    /// Tasks that this process has started or met, until they have ended.
    known: BTreeMap<TaskId, Known>,
}

#[derive(Debug)]
struct Known {
    task: Task,
    since: Instant,
    /// Whether this process started it, and tells what becomes of it.
    is_own: bool,
    /// What it is said to have, if that is not what it was started with.
    resized: Option<TaskSize>,
}

/// What a task does, and for whom.
type Key = (TaskKind, ChannelId);

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl Tasks {
    /// A scheduler whose events go to `events`.
    pub fn new(sdk: &SdkConfig, config: Config, events: Events) -> Self {
        let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seed = seed.unwrap_or_default().subsec_nanos().into();
        let inner = Inner {
            gates: Gates::new(seed),
            listed: None,
            known: BTreeMap::new(),
        };
        Self {
            shared: Arc::new(Shared {
                client: Client::new(sdk),
                config,
                events,
                inner: Mutex::new(inner),
                asking: tokio::sync::Mutex::default(),
            }),
        }
    }
}

#[async_trait]
impl TaskScheduler for Tasks {
    async fn start(&self, spec: TaskSpec) -> Result<TaskId> {
        let shared = &self.shared;
        let key = (spec.kind, spec.channel.clone());
        if let Some(wait) = shared.lock().gates.wait(&key, Instant::now()) {
            return Err(Error::Unavailable {
                retry_after: wait,
                detail: "ECS could not start a task a moment ago".to_owned(),
            });
        }
        if let Some(running) = shared.running(&spec).await? {
            let id = running.id.clone();
            shared.meet(running, false);
            return Ok(id);
        }
        match shared.run(&spec).await {
            Ok((id, is_new)) => {
                let task = Task {
                    id: id.clone(),
                    spec,
                    state: TaskState::Starting,
                    since: SystemTime::now().into(),
                    report: Default::default(),
                };
                shared.lock().gates.succeed(&key);
                shared.meet(task, is_new);
                Ok(id)
            }
            Err(refused) => {
                let mut error = refused.error;
                if let Error::Unavailable { retry_after, .. } = &mut error {
                    let mut inner = shared.lock();
                    let wait = inner.gates.fail(key, refused.of_all, Instant::now());
                    *retry_after = wait;
                }
                Err(error)
            }
        }
    }

    async fn stop(&self, id: &TaskId) -> Result<()> {
        let shared = &self.shared;
        let Config { cluster, owner, .. } = &shared.config;
        let not_found = || Error::NotFound(format!("task {id}"));
        // ECS stops what has ended once more, and what is not ours as well.
        let described =
            described::describe(&shared.client, cluster, std::slice::from_ref(&id.0)).await?;
        let mut ours = described
            .iter()
            .filter_map(|task| described::read(task, owner));
        if !ours.any(|task| task.id == *id) {
            return Err(not_found());
        }
        let call = shared.client.stop_task().cluster(cluster);
        match call.task(&id.0).reason(STOP_REASON).send().await {
            Ok(_) => {
                shared.is_ending(id);
                Ok(())
            }
            Err(error) => {
                let words = error.as_service_error().and_then(|it| it.meta().message());
                let is_unknown = words.is_some_and(|words| words.contains("not found"));
                match code(&error) {
                    "InvalidParameterException" if is_unknown => Err(not_found()),
                    _ => Err(failed("stopping a task", &error)),
                }
            }
        }
    }

    /// Containers keep their size: it is the one of the next task.
    async fn resize(&self, id: &TaskId, size: TaskSize) -> Result<()> {
        let tasks = self.list().await?;
        let task = tasks.into_iter().find(|task| task.id == *id);
        let task = task.ok_or_else(|| Error::NotFound(format!("task {id}")))?;
        self.shared.meet(task, false);
        let mut inner = self.shared.lock();
        if let Some(known) = inner.known.get_mut(id) {
            known.resized = Some(size);
        }
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Task>> {
        let shared = &self.shared;
        if let Some(listed) = shared.lately() {
            return listed;
        }
        let _asking = shared.asking.lock().await;
        if let Some(listed) = shared.lately() {
            return listed;
        }
        let listed = shared.ask().await;
        shared.lock().listed = Some((Instant::now(), listed));
        shared.lately().unwrap_or_else(|| Ok(Vec::new()))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that holds the lock can leave it half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows from here on that a task was asked to end.
    fn is_ending(&self, id: &TaskId) {
        let mut inner = self.lock();
        if let Some(known) = inner.known.get_mut(id) {
            known.task.state = TaskState::Stopping;
        }
        if let Some((_, Ok(listed))) = &mut inner.listed {
            let listed = listed.iter_mut().filter(|task| task.id == *id);
            listed.for_each(|task| task.state = TaskState::Stopping);
        }
    }

    /// Remembers a task; it is told of if this process started it.
    fn meet(&self, task: Task, is_own: bool) {
        let mut inner = self.lock();
        if let Some((_, Ok(listed))) = &mut inner.listed
            && !listed.iter().any(|it| it.id == task.id)
        {
            listed.push(task.clone());
        }
        if inner.known.contains_key(&task.id) {
            return;
        }
        if is_own {
            let (channel, kind, task) =
                (task.spec.channel.clone(), task.spec.kind, task.id.clone());
            self.events.publish(
                SystemTime::now().into(),
                Happening::TaskStarted {
                    channel,
                    task,
                    kind,
                },
            );
        }
        let known = Known {
            task,
            since: Instant::now(),
            is_own,
            resized: None,
        };
        inner.known.insert(known.task.id.clone(), known);
    }

    /// What ECS said, if it was asked a moment ago.
    fn lately(&self) -> Option<Result<Vec<Task>>> {
        let inner = self.lock();
        let (at, listed) = inner.listed.as_ref()?;
        if at.elapsed() >= LIST_FOR {
            return None;
        }
        let mut listed = listed.clone();
        for task in listed.iter_mut().flatten() {
            let known = inner.known.get(&task.id);
            if let Some(size) = known.and_then(|known| known.resized) {
                task.spec.size = size;
            }
        }
        Some(listed)
    }

    /// Asks ECS for all tasks, and takes note of those that have ended.
    async fn ask(&self) -> Result<Vec<Task>> {
        let Config { cluster, owner, .. } = &self.config;
        let family = family(&self.config.task_definition);
        let mut ids = described::find(&self.client, cluster, Which::Family(family)).await?;
        // Those that end are in no such list, and neither is what was started a moment ago.
        let found: Vec<_> = ids.iter().map(|arn| described::id(arn)).collect();
        let unlisted = {
            let inner = self.lock();
            let known = inner.known.keys().filter(|id| !found.contains(id));
            known.map(|id| id.0.clone()).collect::<Vec<_>>()
        };
        ids.extend(unlisted);
        let described = described::describe(&self.client, cluster, &ids).await?;
        let mut tasks: Vec<_> = described
            .iter()
            .filter_map(|task| described::read(task, owner))
            .collect();
        let mut inner = self.lock();
        let described: HashMap<_, _> = described
            .iter()
            .filter_map(|task| Some((described::id(task.task_arn()?), task)))
            .collect();
        let is_there = |id: &TaskId| tasks.iter().any(|task| task.id == *id);
        let mut early = Vec::new();
        let gone = inner.known.extract_if(.., |id, known| {
            if is_there(id) {
                return false;
            }
            let is_early = !described.contains_key(id) && known.since.elapsed() < SHOWN_AFTER;
            if is_early {
                early.push(known.task.clone());
            }
            !is_early
        });
        for (id, known) in gone {
            self.tell_end(known, described.get(&id).copied());
        }
        tasks.extend(early);
        tasks.sort_by(|a, b| a.id.cmp(&b.id));
        for task in &tasks {
            if let Some(known) = inner.known.get_mut(&task.id) {
                known.task = task.clone();
            }
        }
        Ok(tasks)
    }

    fn tell_end(&self, known: Known, last: Option<&aws_sdk_ecs::types::Task>) {
        let Task {
            id: task,
            spec,
            state,
            ..
        } = known.task;
        let (has_failed, message) = match last {
            Some(last) => described::why_ended(last),
            None => (false, "ECS has forgotten it".to_owned()),
        };
        let has_failed = has_failed && state != TaskState::Stopping;
        if has_failed {
            tracing::error!(%task, channel = %spec.channel, kind = %spec.kind, %message, "the task failed");
        } else {
            tracing::info!(%task, channel = %spec.channel, kind = %spec.kind, %message, "the task has ended");
        }
        if !known.is_own {
            return;
        }
        let (channel, kind) = (spec.channel, spec.kind);
        let happened = match has_failed {
            true => Happening::TaskFailed {
                channel,
                task,
                kind,
                message,
            },
            false => Happening::TaskStopped {
                channel,
                task,
                kind,
            },
        };
        self.events.publish(SystemTime::now().into(), happened);
    }
}

/// The family of a task definition that is named by family, revision or ARN.
fn family(definition: &str) -> &str {
    let name = definition.rsplit('/').next().unwrap_or(definition);
    name.split(':').next().unwrap_or(name)
}

/// How long an answer of ECS is good: several callers ask every second, of each channel.
const LIST_FOR: Duration = Duration::from_secs(3);

/// How long after its start a task may be unknown to ECS.
const SHOWN_AFTER: Duration = Duration::from_secs(60);

const STOP_REASON: &str = "lsv: the channel does not need it any more";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_of_a_definition() {
        for definition in [
            "processor",
            "processor:12",
            "arn:aws:ecs:us-east-1:1:task-definition/processor:12",
        ] {
            assert_eq!(family(definition), "processor");
        }
    }
}
