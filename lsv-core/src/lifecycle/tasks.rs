//! What the API and the metrics show of tasks: the last that the scheduler said.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::path::ChannelId;
use crate::ports::{Task, TaskId, TaskKind};

/// The tasks of a node as they were a moment ago.
#[derive(Debug, Default)]
pub(super) struct Board {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tasks: Vec<Task>,
    /// Restarts that were counted of each task.
    restarts: HashMap<TaskId, u32>,
    /// What was gauged so far, so that what is no more becomes 0.
    gauged: BTreeMap<(TaskKind, &'static str), u64>,
}

impl Board {
    /// The tasks of a channel.
    pub(super) fn of(&self, channel: &ChannelId) -> Vec<Task> {
        let inner = self.lock();
        let tasks = inner.tasks.iter();
        tasks
            .filter(|task| task.spec.channel == *channel)
            .cloned()
            .collect()
    }

    /// Takes what the scheduler says of all tasks.
    pub(super) fn post(&self, tasks: Vec<Task>) {
        let mut inner = self.lock();
        inner.count_restarts(&tasks);
        inner.gauge(&tasks);
        inner.tasks = tasks;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn count_restarts(&mut self, tasks: &[Task]) {
        let counted = std::mem::take(&mut self.restarts);
        for task in tasks {
            let before = counted.get(&task.id).copied().unwrap_or_default();
            let more = task.report.restarts.saturating_sub(before);
            metrics::counter!("lsv_task_restarts_total", "kind" => task.spec.kind.as_str())
                .increment(u64::from(more));
            let known = task.report.restarts.max(before);
            self.restarts.insert(task.id.clone(), known);
        }
    }

    fn gauge(&mut self, tasks: &[Task]) {
        self.gauged.values_mut().for_each(|count| *count = 0);
        for task in tasks {
            let key = (task.spec.kind, task.state.as_str());
            *self.gauged.entry(key).or_default() += 1;
        }
        for ((kind, state), count) in &self.gauged {
            metrics::gauge!("lsv_tasks", "kind" => kind.as_str(), "state" => *state)
                .set(*count as f64);
        }
    }
}
