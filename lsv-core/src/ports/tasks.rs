//! The port that runs what works for a channel beside its live outputs. A task is data: the same JSON describes one that
//! runs in this process and a container in a cluster.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Result;
use crate::channel::{Moment, TaskSize};
use crate::path::ChannelId;

/// Runs tasks.
#[async_trait]
pub trait TaskScheduler: fmt::Debug + Send + Sync {
    /// Starts a task and answers its name; where one of that kind works for the channel already and was not asked to end,
    /// its name.
    ///
    /// # Errors
    /// `Unavailable` where there is no room for it now; `Invalid` if it cannot run here at all.
    async fn start(&self, spec: TaskSpec) -> Result<TaskId>;

    /// Asks a task to end; it may take a moment to finish what it writes.
    ///
    /// # Errors
    /// `NotFound` if there is no such task.
    async fn stop(&self, id: &TaskId) -> Result<()>;

    /// Says that a task has another size from here on. It goes on, and follows its channel's settings by itself.
    ///
    /// # Errors
    /// `NotFound` if there is no such task.
    async fn resize(&self, id: &TaskId, size: TaskSize) -> Result<()>;

    /// Every task that has not ended. It is asked each second for each live channel, and may answer from a moment ago.
    ///
    /// # Errors
    /// As any call: the scheduler may be out of reach or refuse.
    async fn list(&self) -> Result<Vec<Task>>;
}

/// What a task does, for which channel, with how much of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub struct TaskSpec {
    /// What it does.
    pub kind: TaskKind,
    /// The channel that it works for.
    #[cfg_attr(feature = "api", schema(value_type = String))]
    pub channel: ChannelId,
    /// How much of a machine it gets.
    #[cfg_attr(feature = "api", schema(value_type = String))]
    pub size: TaskSize,
}

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TaskKind {
    /// Takes the source in and makes the live outputs.
    Process,
    /// Records.
    Record,
    /// Encodes: the renditions, and the source's picture with its watermark.
    Transcode,
    /// Takes snapshots.
    Snapshot,
    /// Looks for motion, and keeps clips of it.
    Motion,
    /// Pushes the source on to other servers.
    Relay,
    /// Distributes to viewers.
    Distribute,
}

impl TaskKind {
    /// The kind as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Record => "record",
            Self::Transcode => "transcode",
            Self::Snapshot => "snapshot",
            Self::Motion => "motion",
            Self::Relay => "relay",
            Self::Distribute => "distribute",
        }
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a running task, given by its scheduler.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub String);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A task that has not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub struct Task {
    /// Its name.
    #[cfg_attr(feature = "api", schema(value_type = String))]
    pub id: TaskId,
    /// What it does.
    #[serde(flatten)]
    pub spec: TaskSpec,
    /// How far it is.
    pub state: TaskState,
    /// When it was started.
    #[cfg_attr(feature = "api", schema(value_type = String, format = DateTime))]
    pub since: Moment,
    /// What it says of itself.
    #[serde(flatten)]
    pub report: TaskReport,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TaskState {
    /// It was asked for and does not work yet.
    #[default]
    Starting,
    /// It works.
    Running,
    /// It failed, and tries again in a moment.
    Waiting,
    /// It was asked to end.
    Stopping,
}

impl TaskState {
    /// The state as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Stopping => "stopping",
        }
    }
}

/// What a task says of itself. It holds no credential.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskReport {
    /// How often what it runs was started again after a failure.
    pub restarts: u32,
    /// Seconds of media that it gets through in a second; 1 keeps up with a live source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// What is wrong, with the last words of the process that failed; gone when it works again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The last failure of what it runs; it stays when that works again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<TaskFailure>,
    /// What it makes: renditions, or targets that it pushes to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<TaskOutput>,
}

impl TaskReport {
    /// What it runs has failed and is to be started again.
    pub fn fail(&mut self, failure: TaskFailure) {
        self.restarts = self.restarts.saturating_add(1);
        self.problem = Some(failure.problem.clone());
        self.last_failure = Some(failure);
    }
}

/// A failure of what a task runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskFailure {
    /// When it failed.
    #[cfg_attr(feature = "api", schema(value_type = String, format = DateTime))]
    pub at: Moment,
    /// What went wrong.
    pub problem: String,
    /// The last lines that the process wrote to standard error, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<String>,
}

/// One of several things that a task makes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaskOutput {
    /// What it is: `360p`, or the address of a target without its credential.
    pub name: String,
    /// How far it is.
    pub state: TaskState,
    /// Bits a second.
    pub bitrate: u64,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What does the work of tasks, wherever they run: in this process, or alone in a container.
#[async_trait]
pub trait TaskRunner: fmt::Debug + Send + Sync {
    /// Works until it is done or asked to stop. A failure that may pass is no reason to return: the runner reports it
    /// and tries again.
    ///
    /// # Errors
    /// Why the task cannot go on.
    async fn run(&self, spec: &TaskSpec, control: TaskControl) -> Result<(), String>;
}

/// What a task that runs hears of its scheduler, and tells it. Clones are the same.
#[derive(Clone, Debug)]
pub struct TaskControl {
    said: Arc<watch::Sender<(TaskState, TaskReport)>>,
    stop: watch::Receiver<bool>,
}

/// The scheduler's end of a [`TaskControl`]. Dropped, it stops the task.
#[derive(Debug)]
pub struct TaskSteering {
    said: watch::Receiver<(TaskState, TaskReport)>,
    stop: watch::Sender<bool>,
}

impl TaskControl {
    /// The two ends of what is said about a task.
    pub fn new() -> (Self, TaskSteering) {
        let (said, hear) = watch::channel(Default::default());
        let (stop, stopped) = watch::channel(false);
        let control = Self {
            said: Arc::new(said),
            stop: stopped,
        };
        (control, TaskSteering { said: hear, stop })
    }

    /// Says how far the task is.
    pub fn set_state(&self, state: TaskState) {
        self.said.send_if_modified(|(known, _)| {
            let changed = *known != state;
            *known = state;
            changed
        });
    }

    /// Changes what the task says of itself.
    pub fn report(&self, change: impl FnOnce(&mut TaskReport)) {
        self.said.send_modify(|(_, report)| change(report));
    }

    /// Waits until the task is to end.
    pub async fn stopped(&self) {
        // No scheduler any more: nobody wants the task.
        drop(self.stop.clone().wait_for(|stop| *stop).await);
    }

    /// Whether the task is to end.
    pub fn is_stopped(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }
}

impl TaskSteering {
    /// How far the task is, and what it says of itself.
    pub fn heard(&self) -> (TaskState, TaskReport) {
        let (state, report) = self.said.borrow().clone();
        match *self.stop.borrow() {
            true => (TaskState::Stopping, report),
            false => (state, report),
        }
    }

    /// Waits until the task says something new; false when it says nothing any more.
    pub async fn changed(&mut self) -> bool {
        self.said.changed().await.is_ok()
    }

    /// Asks the task to end.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }
}
