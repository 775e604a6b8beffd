//! Tasks of one process, in that process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::channel::{Moment, TaskSize};
use crate::events::{Events, Happening};
use crate::ports::{
    Error, Result, Task, TaskControl, TaskId, TaskRunner, TaskScheduler, TaskSpec, TaskState,
    TaskSteering,
};

/// A [`TaskScheduler`] whose tasks are futures of this process. Clones share it; with the last one all tasks are cut off.
#[derive(Clone, Debug)]
pub struct Tasks {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    runner: Arc<dyn TaskRunner>,
    events: Events,
    most: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    started: u64,
    known: BTreeMap<TaskId, Known>,
    running: JoinSet<()>,
    /// Nothing new is begun.
    is_closing: bool,
}

#[derive(Debug)]
struct Known {
    spec: TaskSpec,
    since: Moment,
    steering: TaskSteering,
}

impl Inner {
    /// What does the same already, and goes on.
    fn working(&self, spec: &TaskSpec) -> Option<TaskId> {
        let mut known = self.known.iter();
        let found = known.find(|(_, known)| {
            (known.spec.kind, &known.spec.channel) == (spec.kind, &spec.channel)
                && known.steering.heard().0 != TaskState::Stopping
        });
        found.map(|(id, _)| id.clone())
    }
}

impl Tasks {
    /// A scheduler whose tasks `runner` does, and whose events go to `events`.
    pub fn new(runner: Arc<dyn TaskRunner>, events: Events) -> Self {
        Self::with_room(runner, events, MAX_TASKS)
    }

    /// One that has room for `most` tasks at once.
    pub fn with_room(runner: Arc<dyn TaskRunner>, events: Events, most: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                runner,
                events,
                most,
                inner: Mutex::default(),
            }),
        }
    }

    /// Takes no new tasks, asks every one to end, and waits until they have.
    pub async fn drain(&self) {
        let mut running = {
            let mut inner = self.shared.lock();
            inner.is_closing = true;
            for known in inner.known.values() {
                known.steering.stop();
            }
            std::mem::take(&mut inner.running)
        };
        while running.join_next().await.is_some() {}
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that holds the lock can leave the map half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, happened: Happening) {
        self.events.publish(SystemTime::now().into(), happened);
    }
}

#[async_trait]
impl TaskScheduler for Tasks {
    async fn start(&self, spec: TaskSpec) -> Result<TaskId> {
        let mut inner = self.shared.lock();
        while inner.running.try_join_next().is_some() {}
        if inner.is_closing {
            return Err(Error::unavailable("this node is stopping"));
        }
        if let Some(id) = inner.working(&spec) {
            return Ok(id);
        }
        let most = self.shared.most;
        if inner.known.len() >= most {
            return Err(Error::unavailable(format_args!(
                "{most} tasks run on this node already"
            )));
        }
        inner.started += 1;
        let id = TaskId(format!("{}-{}", spec.kind, inner.started));
        let (control, steering) = TaskControl::new();
        let known = Known {
            spec: spec.clone(),
            since: SystemTime::now().into(),
            steering,
        };
        inner.known.insert(id.clone(), known);
        let span = tracing::info_span!("task", %id, channel = %spec.channel);
        let work = work(Arc::downgrade(&self.shared), id.clone(), spec, control);
        inner.running.spawn(work.instrument(span));
        Ok(id)
    }

    async fn stop(&self, id: &TaskId) -> Result<()> {
        let inner = self.shared.lock();
        let known = inner.known.get(id);
        let known = known.ok_or_else(|| Error::NotFound(format!("task {id}")))?;
        known.steering.stop();
        Ok(())
    }

    async fn resize(&self, id: &TaskId, size: TaskSize) -> Result<()> {
        let mut inner = self.shared.lock();
        let known = inner.known.get_mut(id);
        let known = known.ok_or_else(|| Error::NotFound(format!("task {id}")))?;
        known.spec.size = size;
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Task>> {
        let inner = self.shared.lock();
        let tasks = inner.known.iter().map(|(id, known)| {
            let (state, report) = known.steering.heard();
            Task {
                id: id.clone(),
                spec: known.spec.clone(),
                state,
                since: known.since,
                report,
            }
        });
        Ok(tasks.collect())
    }
}

async fn work(shared: Weak<Shared>, id: TaskId, spec: TaskSpec, control: TaskControl) {
    let Some(runner) = shared.upgrade().map(|shared| {
        shared.tell(Happening::TaskStarted {
            channel: spec.channel.clone(),
            task: id.clone(),
            kind: spec.kind,
        });
        Arc::clone(&shared.runner)
    }) else {
        return;
    };
    let gone = Gone { shared, id, spec };
    // A task of its own, so that one that panics is told of like any other that fails.
    let run = {
        let spec = gone.spec.clone();
        async move { runner.run(&spec, control).await }
    };
    let mut run = JoinSet::from_iter([run.in_current_span()]);
    let ended = match run.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(error)) => Err(format!("it broke off: {error}")),
        None => Ok(()),
    };
    gone.tell(ended);
}

/// Forgets a task when it is over, however that comes.
struct Gone {
    shared: Weak<Shared>,
    id: TaskId,
    spec: TaskSpec,
}

impl Gone {
    fn tell(&self, ended: Result<(), String>) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        // Who hears that it is over does not find it any more.
        shared.lock().known.remove(&self.id);
        let (channel, task, kind) = (self.spec.channel.clone(), self.id.clone(), self.spec.kind);
        match ended {
            Ok(()) => shared.tell(Happening::TaskStopped {
                channel,
                task,
                kind,
            }),
            Err(message) => {
                tracing::error!(%message, "the task failed");
                shared.tell(Happening::TaskFailed {
                    channel,
                    task,
                    kind,
                    message,
                });
            }
        }
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.lock().known.remove(&self.id);
        }
    }
}

/// Most tasks at once, so that a fault in what asks for them cannot fill the memory.
const MAX_TASKS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::ChannelId;
    use crate::ports::TaskKind;

    #[derive(Debug)]
    struct Runner;

    #[async_trait]
    impl TaskRunner for Runner {
        async fn run(&self, spec: &TaskSpec, control: TaskControl) -> Result<(), String> {
            match spec.kind {
                TaskKind::Snapshot | TaskKind::Process => {
                    control.set_state(TaskState::Running);
                    control.report(|report| report.restarts = 3);
                    control.stopped().await;
                    Ok(())
                }
                TaskKind::Motion => Err("no picture".to_owned()),
                kind => panic!("{kind} is not to be run"),
            }
        }
    }

    fn spec(kind: TaskKind) -> TaskSpec {
        TaskSpec {
            kind,
            channel: ChannelId::parse("cam").unwrap(),
            size: TaskSize::Small,
        }
    }

    #[tokio::test]
    async fn a_task_is_listed_while_it_runs_and_told_of_when_it_ends() {
        let events = Events::new();
        let mut heard = events.subscribe();
        let tasks = Tasks::new(Arc::new(Runner), events);
        let id = tasks.start(spec(TaskKind::Snapshot)).await.unwrap();
        let started = heard.recv().await.unwrap().happened.clone();
        assert!(matches!(started, Happening::TaskStarted { .. }));
        let task = loop {
            let task = tasks.list().await.unwrap().remove(0);
            if task.report.restarts == 3 {
                break task;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!((&task.id, task.state), (&id, TaskState::Running));
        tasks.resize(&id, TaskSize::Large).await.unwrap();
        assert_eq!(tasks.list().await.unwrap()[0].spec.size, TaskSize::Large);
        tasks.stop(&id).await.unwrap();
        let stopped = heard.recv().await.unwrap().happened.clone();
        assert!(matches!(stopped, Happening::TaskStopped { .. }));
        assert_eq!(tasks.list().await.unwrap(), []);
        assert!(matches!(tasks.stop(&id).await, Err(Error::NotFound(_))));
    }

    #[tokio::test]
    async fn failures_and_panics_are_told_and_forgotten() {
        for (kind, said) in [
            (TaskKind::Motion, "no picture"),
            (TaskKind::Relay, "broke off"),
        ] {
            let events = Events::new();
            let mut heard = events.subscribe();
            let tasks = Tasks::new(Arc::new(Runner), events);
            tasks.start(spec(kind)).await.unwrap();
            drop(heard.recv().await.unwrap());
            match &heard.recv().await.unwrap().happened {
                Happening::TaskFailed { message, .. } => assert!(message.contains(said)),
                other => panic!("{other:?}"),
            }
            assert_eq!(tasks.list().await.unwrap(), []);
        }
    }

    #[cfg(feature = "conformance")]
    #[tokio::test]
    async fn conforms() {
        let tasks = Tasks::new(Arc::new(Runner), Events::new());
        crate::ports::conformance::task_scheduler(&tasks).await;
    }

    #[tokio::test]
    async fn draining_ends_every_task() {
        let tasks = Tasks::new(Arc::new(Runner), Events::new());
        for channel in ["one", "two", "three"] {
            let mut spec = spec(TaskKind::Snapshot);
            spec.channel = ChannelId::parse(channel).unwrap();
            tasks.start(spec).await.unwrap();
        }
        assert_eq!(tasks.list().await.unwrap().len(), 3);
        tasks.drain().await;
        assert_eq!(tasks.list().await.unwrap(), []);
        let refused = tasks.start(spec(TaskKind::Snapshot)).await;
        assert!(matches!(refused, Err(Error::Unavailable { .. })));
    }
}
