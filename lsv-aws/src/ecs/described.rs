//! What ECS says of its tasks: found by pages, read into the port's words.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{DesiredStatus, Task as EcsTask};
use lsv_core::channel::Moment;
use lsv_core::ports::{Result, Task, TaskId, TaskReport, TaskSpec, TaskState};

use super::TASK_VARIABLE;
use crate::error::failed;

/// Which tasks are looked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which<'a> {
    /// Those of a task definition's family.
    Family(&'a str),
    /// Those that are marked so.
    StartedBy(&'a str),
    /// Those of a service.
    Service(&'a str),
}

/// The ARNs of all tasks that are to run.
pub(super) async fn find(client: &Client, cluster: &str, which: Which<'_>) -> Result<Vec<String>> {
    let call = client.list_tasks().cluster(cluster);
    let call = match which {
        // ECS takes this filter alone; what is to run is what it lists anyway.
        Which::StartedBy(mark) => call.started_by(mark),
        Which::Family(family) => call.family(family).desired_status(DesiredStatus::Running),
        Which::Service(service) => call
            .service_name(service)
            .desired_status(DesiredStatus::Running),
    };
    let mut arns = Vec::new();
    let mut pages = call.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failed("the tasks of ECS", &error))?;
        arns.extend(page.task_arns.unwrap_or_default());
        if arns.len() > MAX_TASKS {
            break;
        }
    }
    Ok(arns)
}

/// What ECS says of tasks; those that it has forgotten are missing.
pub(super) async fn describe(
    client: &Client,
    cluster: &str,
    ids: &[String],
) -> Result<Vec<EcsTask>> {
    let mut tasks = Vec::new();
    for some in ids.chunks(AT_ONCE) {
        let call = client.describe_tasks().cluster(cluster);
        let described = call.set_tasks(Some(some.to_vec())).send().await;
        let described = described.map_err(|error| failed("the tasks of ECS", &error))?;
        tasks.extend(described.tasks.unwrap_or_default());
    }
    Ok(tasks)
}

/// The short name of a task; ECS takes it with the cluster's.
pub(super) fn id(arn: &str) -> TaskId {
    TaskId(arn.rsplit('/').next().unwrap_or(arn).to_owned())
}

/// A task that has not ended, if it is one of ours.
pub(super) fn read(task: &EcsTask, owner: &str) -> Option<Task> {
    let mark = task.started_by()?;
    if mark.split('/').next() != Some(owner) {
        return None;
    }
    let state = state(task)?;
    let since = task.created_at().or_else(|| task.started_at());
    let since = since.and_then(|since| u64::try_from(since.secs()).ok());
    Some(Task {
        id: id(task.task_arn()?),
        spec: spec(task)?,
        state,
        since: since.map_or(Moment::EPOCH, Moment::from_unix),
        report: TaskReport::default(),
    })
}

/// How far a task is; nothing if it has ended.
fn state(task: &EcsTask) -> Option<TaskState> {
    let last = task.last_status().unwrap_or_default();
    match last {
        "STOPPED" | "DELETED" => None,
        "DEACTIVATING" | "STOPPING" | "DEPROVISIONING" => Some(TaskState::Stopping),
        _ if task.desired_status() == Some("STOPPED") => Some(TaskState::Stopping),
        "RUNNING" => Some(TaskState::Running),
        _ => Some(TaskState::Starting),
    }
}

fn spec(task: &EcsTask) -> Option<TaskSpec> {
    let containers = task.overrides()?.container_overrides();
    let mut variables = containers.iter().flat_map(|it| it.environment());
    let variable = variables.find(|pair| pair.name() == Some(TASK_VARIABLE))?;
    serde_json::from_str(variable.value()?).ok()
}

/// Why a task has ended, in ECS's words.
pub(super) fn why_ended(task: &EcsTask) -> (bool, String) {
    let mut words = task
        .stopped_reason()
        .unwrap_or("no reason given")
        .to_owned();
    let mut failed = false;
    for container in task.containers() {
        let name = container.name().unwrap_or("container");
        if let Some(code) = container.exit_code().filter(|code| *code != 0) {
            failed = true;
            words.push_str(&format!("; {name} ended with status {code}"));
        }
        if let Some(reason) = container.reason() {
            words.push_str(&format!("; {name}: {reason}"));
        }
    }
    // It was never started, or could not be.
    failed |= task.started_at().is_none() && task.stopped_at().is_some();
    (failed, words)
}

/// More tasks than any platform has; beyond, an answer of pages without end is one.
const MAX_TASKS: usize = 10_000;

/// As many as ECS describes in one call.
const AT_ONCE: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ecs::types::{Container, ContainerOverride, KeyValuePair, TaskOverride};
    use lsv_core::ports::TaskKind;

    const SPEC: &str = r#"{"kind":"process","channel":"cam","size":"large"}"#;

    fn task(mark: &str, spec: &str, last: &str, desired: &str) -> EcsTask {
        let variable = KeyValuePair::builder().name(TASK_VARIABLE).value(spec);
        let container = ContainerOverride::builder().environment(variable.build());
        let overrides = TaskOverride::builder().container_overrides(container.build());
        EcsTask::builder()
            .task_arn("arn:aws:ecs:us-east-1:1:task/main/0123456789abcdef")
            .started_by(mark)
            .overrides(overrides.build())
            .last_status(last)
            .desired_status(desired)
            .build()
    }

    #[test]
    fn tasks_are_read() {
        for (last, desired, state) in [
            ("PROVISIONING", "RUNNING", Some(TaskState::Starting)),
            ("PENDING", "RUNNING", Some(TaskState::Starting)),
            ("RUNNING", "RUNNING", Some(TaskState::Running)),
            ("RUNNING", "STOPPED", Some(TaskState::Stopping)),
            ("DEPROVISIONING", "STOPPED", Some(TaskState::Stopping)),
            ("STOPPED", "STOPPED", None),
        ] {
            let read = read(&task("lsv/process/cam", SPEC, last, desired), "lsv");
            assert_eq!(read.as_ref().map(|task| task.state), state, "{last}");
            if let Some(read) = read {
                assert_eq!(read.id.0, "0123456789abcdef");
                assert_eq!(
                    (read.spec.kind, read.spec.channel.as_str()),
                    (TaskKind::Process, "cam")
                );
            }
        }
    }

    #[test]
    fn tasks_of_others_are_not() {
        assert!(read(&task("ecs-svc/1", SPEC, "RUNNING", "RUNNING"), "lsv").is_none());
        assert!(read(&task("lsv2/process/cam", SPEC, "RUNNING", "RUNNING"), "lsv").is_none());
        assert!(read(&task("lsv/process/cam", "{}", "RUNNING", "RUNNING"), "lsv").is_none());
        assert!(read(&EcsTask::builder().build(), "lsv").is_none());
    }

    #[test]
    fn why_a_task_ended_is_told() {
        let container = Container::builder()
            .name("processor")
            .reason("CannotPullContainerError")
            .build();
        let pulled = EcsTask::builder()
            .stopped_reason("Task failed to start")
            .stopped_at(aws_smithy_types::DateTime::from_secs(1))
            .containers(container)
            .build();
        let (failed, words) = why_ended(&pulled);
        assert!(failed);
        assert_eq!(
            words,
            "Task failed to start; processor: CannotPullContainerError"
        );
        let (failed, words) = why_ended(&EcsTask::builder().build());
        assert_eq!((failed, words.as_str()), (false, "no reason given"));
    }
}
