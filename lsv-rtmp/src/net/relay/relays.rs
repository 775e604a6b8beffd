//! Relays as channel records ask for them: one task for each source that is to be pushed on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lsv_core::channel::Targets;
use lsv_core::hub::{self, Hub, Stream};
use lsv_core::path::StreamPath;
use lsv_core::ports::{
    TaskControl, TaskKind, TaskOutput, TaskReport, TaskRunner, TaskSpec, TaskState,
};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{Config, Push, Reason, State, Status};
use crate::net::client::{self, Fault};
use crate::net::{Address, Client};

/// Does the tasks of the kind `relay`: pushes sources of a hub to the targets in their settings
/// ([`Processing::relay`](hub::Processing::relay)), and follows these while it does.
///
/// What a task says of itself has an output for each target, under its address without the name of the stream.
#[derive(Clone, Debug)]
pub struct Relays {
    hub: Hub,
    client: Client,
    config: Config,
}

impl Relays {
    /// Relays of `hub` over connections of `client`, whose [`Reach`](crate::net::client::Reach) says which targets may be.
    pub fn new(hub: Hub, client: Client, config: Config) -> Self {
        Self {
            hub,
            client,
            config,
        }
    }

    async fn push(&self, stream: Arc<Stream>, control: &TaskControl) {
        let mut settings = stream.settings();
        let push = Push::new(
            Arc::clone(&stream),
            self.client.clone(),
            self.config.clone(),
        );
        let mut job = Job {
            push,
            invalid: Vec::new(),
        };
        let mut look = interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        settings.mark_changed();
        loop {
            tokio::select! {
                // The sender belongs to the stream that is held here.
                Ok(()) = settings.changed() => {
                    let wanted = settings.borrow_and_update().processing.relay.clone();
                    job.aim(&wanted);
                }
                _ = look.tick() => {}
                () = control.stopped() => break,
            }
            job.report(control);
            if stream.state() == hub::State::Ended {
                break;
            }
        }
        // Targets that do not listen are left without a word.
        drop(timeout(GOODBYE, job.push.stop()).await);
    }
}

#[async_trait]
impl TaskRunner for Relays {
    async fn run(&self, spec: &TaskSpec, control: TaskControl) -> Result<(), String> {
        if spec.kind != TaskKind::Relay {
            return Err(format!("{} is not a relay's task", spec.kind));
        }
        // Over before it began.
        if let Some(stream) = self.hub.find(&StreamPath::source(spec.channel.clone())) {
            self.push(stream, &control).await;
        }
        Ok(())
    }
}

/// A source and its targets.
struct Job {
    push: Push,
    /// What is to be said of targets that nobody can connect to, as they are written.
    invalid: Vec<TaskOutput>,
}

impl Job {
    fn aim(&mut self, targets: &Targets) {
        let mut addresses = Vec::new();
        self.invalid.clear();
        for (index, target) in targets.iter().enumerate() {
            match target.parse::<Address>() {
                Ok(address) => addresses.push(address),
                Err(invalid) => self.invalid.push(TaskOutput {
                    // Nothing of it can be told apart from a credential.
                    name: format!("target {}", index + 1),
                    state: TaskState::Waiting,
                    problem: Some(invalid.to_string()),
                    ..TaskOutput::default()
                }),
            }
        }
        self.push.set(&addresses);
    }

    fn report(&self, control: &TaskControl) {
        let mut restarts = 0_u64;
        let mut outputs = self.invalid.clone();
        for target in self.push.targets() {
            let status = target.status().borrow().clone();
            restarts += status.attempts.saturating_sub(1);
            outputs.push(output(target.address(), &status));
        }
        control.set_state(state_of(&outputs));
        let report = TaskReport {
            restarts: restarts.try_into().unwrap_or(u32::MAX),
            outputs,
            ..TaskReport::default()
        };
        control.report(|known| *known = report);
    }
}

fn output(address: &Address, status: &Status) -> TaskOutput {
    let state = match &status.state {
        State::Connecting => TaskState::Starting,
        State::Live { .. } => TaskState::Running,
        State::Waiting { .. } => TaskState::Waiting,
        State::Stopped(_) => TaskState::Stopping,
    };
    let problem = match &status.state {
        State::Live { .. } | State::Stopped(_) => None,
        State::Waiting {
            reason: Reason::NoMedia,
            ..
        } => Some("the channel has no publisher at the moment".to_owned()),
        State::Connecting | State::Waiting { .. } => status.last_error.as_deref().map(told),
    };
    TaskOutput {
        name: address.to_string(),
        state,
        bitrate: status.bit_rate,
        problem,
    }
}

/// What went wrong, and what to do where that is not obvious.
fn told(error: &client::Error) -> String {
    match error.fault() {
        Fault::OutOfReach => format!(
            "{error}: loopback, private and link-local addresses are not connected to unless the operator allows it \
             (allow-private-targets)"
        ),
        _ => error.to_string(),
    }
}

/// A task works if one of its targets gets the stream.
fn state_of(outputs: &[TaskOutput]) -> TaskState {
    let any = |state| outputs.iter().any(|output| output.state == state);
    match () {
        () if any(TaskState::Running) => TaskState::Running,
        () if any(TaskState::Waiting) => TaskState::Waiting,
        () => TaskState::Starting,
    }
}

/// How often it is looked where the targets stand.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long targets have to hear that the stream is over.
const GOODBYE: Duration = Duration::from_secs(5);
