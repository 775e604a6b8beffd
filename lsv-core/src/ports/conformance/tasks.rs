//! Checks of task schedulers.

use super::{id, soon};
use crate::channel::TaskSize;
use crate::ports::{Error, Task, TaskId, TaskKind, TaskScheduler, TaskSpec, TaskState};

/// Checks a [`TaskScheduler`] that runs nothing yet, has room for three tasks, and whose tasks of the kind `process` work
/// until they are asked to end.
pub async fn task_scheduler(scheduler: &dyn TaskScheduler) {
    assert_eq!(scheduler.list().await, Ok(Vec::new()));
    let nobody = TaskId("nobody".to_owned());
    let stopped = scheduler.stop(&nobody).await;
    assert!(matches!(stopped, Err(Error::NotFound(_))), "{stopped:?}");
    let resized = scheduler.resize(&nobody, TaskSize::Large).await;
    assert!(matches!(resized, Err(Error::NotFound(_))), "{resized:?}");

    let first = start(scheduler, "cam").await;
    runs(scheduler, &first, "cam").await;
    // A publisher who comes back finds what works for its channel.
    assert_eq!(start(scheduler, "cam").await, first);
    let other = start(scheduler, "other").await;
    assert_ne!(first, other);
    runs(scheduler, &other, "other").await;
    let running = async || list(scheduler).await.len() == 2;
    soon("two tasks are listed", running).await;

    let larger = scheduler.resize(&first, TaskSize::Large).await;
    larger.expect("takes another size");
    runs(scheduler, &first, "cam").await;

    scheduler.stop(&first).await.expect("is asked to end");
    let ended = async || !list(scheduler).await.iter().any(|task| task.id == first);
    soon("a task that was stopped ends", ended).await;
    let is_forgotten = async || {
        let again = scheduler.stop(&first).await;
        matches!(again, Err(Error::NotFound(_)))
    };
    soon("a task that has ended is forgotten", is_forgotten).await;
    runs(scheduler, &other, "other").await;

    let anew = start(scheduler, "cam").await;
    assert_ne!(anew, first, "another task has another name");
    runs(scheduler, &anew, "cam").await;
    for id in [&anew, &other] {
        scheduler.stop(id).await.expect("is asked to end");
    }
    let ended = async || list(scheduler).await.is_empty();
    soon("all tasks end", ended).await;
}

async fn start(scheduler: &dyn TaskScheduler, channel: &str) -> TaskId {
    let spec = TaskSpec {
        kind: TaskKind::Process,
        channel: id(channel),
        size: TaskSize::Small,
    };
    scheduler.start(spec).await.expect("starts")
}

/// Checks that the task works, or soon does.
async fn runs(scheduler: &dyn TaskScheduler, task: &TaskId, channel: &str) {
    let channel = id(channel);
    let is_right = |known: &Task| {
        (&known.id, known.spec.kind, &known.spec.channel) == (task, TaskKind::Process, &channel)
            && known.state == TaskState::Running
    };
    let works = async || list(scheduler).await.iter().any(is_right);
    soon("a task works", works).await;
}

async fn list(scheduler: &dyn TaskScheduler) -> Vec<Task> {
    scheduler.list().await.expect("lists")
}
