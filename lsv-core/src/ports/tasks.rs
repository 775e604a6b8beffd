//! The port that runs the processes which work for a channel. A task is data: the same JSON describes a child
//! process of one machine and a container in a cluster.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Result;
use crate::channel::{Moment, TaskSize};
use crate::path::ChannelId;

/// Runs tasks.
#[async_trait]
pub trait TaskScheduler: fmt::Debug + Send + Sync {
    /// Starts a task and answers its name.
    ///
    /// # Errors
    /// `Unavailable` where there is no room for it now; `Invalid` if it cannot run here at all.
    async fn start(&self, spec: TaskSpec) -> Result<TaskId>;

    /// Asks a task to end; it may take a moment to finish what it writes.
    ///
    /// # Errors
    /// `NotFound` if there is no such task.
    async fn stop(&self, id: &TaskId) -> Result<()>;

    /// Every task that has not ended.
    ///
    /// # Errors
    /// As any call: the scheduler may be out of reach or refuse.
    async fn list(&self) -> Result<Vec<Task>>;
}

/// What a task does, for which channel, with how much of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// What it does.
    pub kind: TaskKind,
    /// The channel that it works for.
    pub channel: ChannelId,
    /// How much of a machine it gets.
    pub size: TaskSize,
}

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TaskKind {
    /// Takes the source in and makes the live outputs.
    Process,
    /// Records.
    Record,
    /// Transcodes into the renditions.
    Transcode,
    /// Distributes to viewers.
    Distribute,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its name.
    pub id: TaskId,
    /// What it does.
    pub spec: TaskSpec,
    /// How far it is.
    pub state: TaskState,
    /// When it was started.
    pub since: Moment,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TaskState {
    /// It was asked for and does not work yet.
    Starting,
    /// It works.
    Running,
    /// It was asked to end.
    Stopping,
}
