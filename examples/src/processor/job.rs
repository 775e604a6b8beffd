//! What a processor does for one channel: it pulls the source, which all else follows, for as long as that is live.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lsv_core::embedded::Tasks;
use lsv_core::hub::{Closed, Hub, State, Stream};
use lsv_core::path::{ChannelId, StreamPath};
use lsv_core::ports::{
    Task, TaskControl, TaskKind, TaskReport, TaskRunner, TaskScheduler, TaskSpec, TaskState,
    Upstream,
};
use lsv_core::via::Via;
use lsv_rtmp::net::relay::Pulls;
use tokio::time::{Instant, sleep};

/// Does the tasks of the kind `process`.
#[derive(Debug)]
pub(super) struct Processing {
    pub(super) hub: Hub,
    pub(super) pulls: Arc<Pulls>,
    /// What runs for the streams of the hub.
    pub(super) tasks: Tasks,
    /// How long a channel that is not live is waited for.
    pub(super) patience: Duration,
}

#[async_trait]
impl TaskRunner for Processing {
    async fn run(&self, spec: &TaskSpec, control: TaskControl) -> Result<(), String> {
        if spec.kind != TaskKind::Process {
            return Err(format!(
                "a processor does no tasks of the kind {}",
                spec.kind
            ));
        }
        let path = StreamPath::source(spec.channel.clone());
        tokio::select! {
            () = self.process(&path, &control) => {}
            () = control.stopped() => {}
            () = self.report(&spec.channel, &control) => {}
        }
        // Who watches finds the channel elsewhere, and what is recorded becomes whole.
        if let Some(stream) = self.hub.find(&path) {
            stream.close(Closed::Draining);
        }
        Ok(())
    }
}

impl Processing {
    /// Until the channel has not been live for too long.
    async fn process(&self, path: &StreamPath, control: &TaskControl) {
        let _held = self.pulls.hold(&path.channel);
        let mut gone = Instant::now();
        while gone.elapsed() < self.patience {
            match self.pulls.bring(path, &Via::default()).await {
                Ok(()) => {
                    control.set_state(TaskState::Running);
                    control.report(|report| report.problem = None);
                    if let Some(stream) = self.hub.find(path) {
                        self.ended(&stream).await;
                        if stream.closed() == Some(Closed::TakenOver) {
                            tracing::info!("another processor has the channel");
                            return;
                        }
                    }
                    gone = Instant::now();
                }
                Err(denied) => {
                    control.set_state(TaskState::Waiting);
                    control.report(|report| {
                        let problem = Some(denied.message);
                        if report.problem != problem {
                            // A task of ECS has nobody else to tell.
                            tracing::warn!(problem, "the channel cannot be pulled for now");
                        }
                        report.problem = problem;
                    });
                }
            }
            sleep(LOOK_AGAIN).await;
        }
        tracing::info!("the channel is not live any more");
    }

    async fn ended(&self, stream: &Stream) {
        let mut events = self.hub.events();
        while stream.state() != State::Ended {
            // Whatever it says, and also where some were missed.
            drop(events.recv().await);
        }
    }

    /// Says again and again what the tasks of the channel's stream say. Never returns.
    async fn report(&self, channel: &ChannelId, control: &TaskControl) {
        loop {
            sleep(REPORT_EVERY).await;
            let Ok(mut tasks) = self.tasks.list().await else {
                continue;
            };
            tasks.retain(|task| task.spec.channel == *channel);
            if !tasks.is_empty() {
                control.report(|report| *report = sum(&tasks));
            }
        }
    }
}

/// What several tasks say, as one.
fn sum(tasks: &[Task]) -> TaskReport {
    let mut sum = TaskReport::default();
    for task in tasks {
        let report = &task.report;
        sum.restarts = sum.restarts.saturating_add(report.restarts);
        sum.speed = match (sum.speed, report.speed) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        sum.problem = sum.problem.or_else(|| report.problem.clone());
        let newest = [sum.last_failure.take(), report.last_failure.clone()];
        sum.last_failure = newest
            .into_iter()
            .flatten()
            .max_by_key(|failure| failure.at);
        sum.outputs.extend(report.outputs.iter().cloned());
    }
    sum
}

/// How soon a source that is gone is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How often it is said how the work goes.
const REPORT_EVERY: Duration = Duration::from_secs(2);
