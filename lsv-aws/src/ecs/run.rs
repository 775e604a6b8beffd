//! The call that starts a task, made so that it starts one task however often it is made.

use std::time::SystemTime;

use aws_sdk_ecs::error::SdkError;
use aws_sdk_ecs::operation::run_task::{RunTaskError, RunTaskOutput};
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, ContainerOverride, KeyValuePair,
    LaunchType as EcsLaunchType, NetworkConfiguration, Task as EcsTask, TaskOverride,
};
use lsv_core::ports::{Error, Result, Task, TaskId, TaskSpec, TaskState};
use sha2::{Digest, Sha256};

use super::described::{self, Which};
use super::tasks::Shared;
use super::{LaunchType, TASK_VARIABLE};
use crate::error::{code, failed, status};

/// Why ECS started no task.
pub(super) struct Refused {
    pub(super) error: Error,
    /// Whether it would not start any other either.
    pub(super) of_all: bool,
}

impl Shared {
    /// The mark of tasks of a kind for a channel.
    pub(super) fn mark(&self, spec: &TaskSpec) -> String {
        format!("{}/{}/{}", self.config.owner, spec.kind, spec.channel)
    }

    /// The oldest task that does the same and is not to end.
    pub(super) async fn running(&self, spec: &TaskSpec) -> Result<Option<Task>> {
        let cluster = &self.config.cluster;
        let mark = self.mark(spec);
        let arns = described::find(&self.client, cluster, Which::StartedBy(&mark)).await?;
        let tasks = described::describe(&self.client, cluster, &arns).await?;
        let tasks = tasks
            .iter()
            .filter_map(|task| described::read(task, &self.config.owner));
        let same = tasks.filter(|task| {
            (task.spec.kind, &task.spec.channel) == (spec.kind, &spec.channel)
                && task.state != TaskState::Stopping
        });
        Ok(same.min_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id))))
    }

    /// Has ECS start a task, and answers its name and whether it is a new one.
    pub(super) async fn run(&self, spec: &TaskSpec) -> Result<(TaskId, bool), Refused> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let minute = now.unwrap_or_default().as_secs() / 60;
        for attempt in 0..TOKENS {
            let token = token(&self.mark(spec), minute, attempt);
            match self.call(spec, token).await {
                Ok(answer) => {
                    let task = started(answer)?;
                    // The token's task has ended meanwhile.
                    if task.desired_status() == Some("STOPPED")
                        || task.last_status() == Some("STOPPED")
                    {
                        continue;
                    }
                    let id = task.task_arn().map(described::id);
                    return id.map(|id| (id, true)).ok_or_else(|| Refused {
                        error: Error::unavailable("ECS did not name the task that it started"),
                        of_all: false,
                    });
                }
                Err(error) => match error.as_service_error() {
                    // The token is taken, by a task of another size for the same channel.
                    Some(RunTaskError::ConflictException(taken)) => {
                        let ids = taken.resource_ids();
                        let tasks =
                            described::describe(&self.client, &self.config.cluster, ids).await;
                        let tasks = tasks.map_err(|error| Refused {
                            error,
                            of_all: false,
                        })?;
                        let mut tasks = tasks
                            .iter()
                            .filter_map(|task| described::read(task, &self.config.owner));
                        let running = tasks.find(|task| task.state != TaskState::Stopping);
                        if let Some(running) = running {
                            return Ok((running.id, false));
                        }
                    }
                    _ => return Err(refused(&error)),
                },
            }
        }
        Err(Refused {
            error: Error::unavailable("ECS takes each new task for an old one"),
            of_all: false,
        })
    }

    async fn call(
        &self,
        spec: &TaskSpec,
        token: String,
    ) -> Result<RunTaskOutput, SdkError<RunTaskError>> {
        let config = &self.config;
        let (cpu, memory) = (
            spec.size.cpu().to_string(),
            spec.size.memory_mib().to_string(),
        );
        let told = serde_json::to_string(spec).unwrap_or_default();
        let told = KeyValuePair::builder()
            .name(TASK_VARIABLE)
            .value(told)
            .build();
        let container = ContainerOverride::builder()
            .name(&config.container)
            .environment(told);
        let overrides = TaskOverride::builder()
            .cpu(cpu)
            .memory(memory)
            .container_overrides(container.build())
            .build();
        let mut call = self
            .client
            .run_task()
            .cluster(&config.cluster)
            .task_definition(&config.task_definition)
            .count(1)
            .started_by(self.mark(spec))
            .group(&config.owner)
            .client_token(token)
            .overrides(overrides);
        call = match config.launch_type {
            LaunchType::Fargate => call.launch_type(EcsLaunchType::Fargate),
            LaunchType::Ec2 => call.launch_type(EcsLaunchType::Ec2),
            LaunchType::Cluster => call,
        };
        if !config.subnets.is_empty() {
            let public = match config.public_address {
                true => AssignPublicIp::Enabled,
                false => AssignPublicIp::Disabled,
            };
            let network = AwsVpcConfiguration::builder()
                .set_subnets(Some(config.subnets.clone()))
                .set_security_groups(Some(config.security_groups.clone()));
            // ECS takes this of Fargate only.
            let network = match config.launch_type {
                LaunchType::Ec2 => network,
                _ => network.assign_public_ip(public),
            };
            if let Ok(network) = network.build() {
                let network = NetworkConfiguration::builder().awsvpc_configuration(network);
                call = call.network_configuration(network.build());
            }
        }
        call.send().await
    }
}

/// The task of an answer to a call that asked for one; its failures are answers as well.
fn started(answer: RunTaskOutput) -> Result<EcsTask, Refused> {
    let failures = answer.failures.unwrap_or_default();
    if let Some(task) = answer.tasks.unwrap_or_default().into_iter().next() {
        return Ok(task);
    }
    let reasons: Vec<_> = failures
        .iter()
        .map(|failure| {
            let reason = failure.reason().unwrap_or("no reason given");
            match failure.detail() {
                Some(detail) => format!("{reason} ({detail})"),
                None => reason.to_owned(),
            }
        })
        .collect();
    let reasons = match reasons.is_empty() {
        true => "no reason given".to_owned(),
        false => reasons.join(", "),
    };
    Err(Refused {
        error: Error::unavailable(format_args!("ECS has no place for the task: {reasons}")),
        of_all: false,
    })
}

/// What a call that failed means.
fn refused(error: &SdkError<RunTaskError>) -> Refused {
    let code = code(error);
    let service = error.as_service_error();
    let words = service
        .and_then(|it| it.meta().message())
        .unwrap_or_default();
    let lower = words.to_ascii_lowercase();
    let is_quota = ["limit", "quota", "capacity"]
        .iter()
        .any(|word| lower.contains(word));
    let of_all = is_quota || code.contains("Throttl") || matches!(status(error), 429 | 503);
    let error = match code {
        "ClientException" | "InvalidParameterException" | "LimitExceededException" if is_quota => {
            Error::unavailable(format_args!("ECS starts no task: {words}"))
        }
        _ => failed("starting a task", error),
    };
    Refused { error, of_all }
}

/// A token for a call: the same for all who want the same at about the same time.
fn token(mark: &str, minute: u64, attempt: u32) -> String {
    let hash = Sha256::digest(format!("{mark}\n{minute}\n{attempt}"));
    let mut token: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    token.truncate(TOKEN_LENGTH);
    token
}

/// How many tokens of a minute are tried.
const TOKENS: u32 = 4;

/// ECS takes 64 characters.
const TOKEN_LENGTH: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_wish_has_the_same_token() {
        let one = token("lsv/process/cam", 7, 0);
        assert_eq!(one, token("lsv/process/cam", 7, 0));
        assert_eq!(one.len(), TOKEN_LENGTH);
        for other in [
            token("lsv/process/cam", 8, 0),
            token("lsv/process/cam", 7, 1),
            token("lsv/process/cam2", 7, 0),
        ] {
            assert_ne!(one, other);
        }
    }
}
