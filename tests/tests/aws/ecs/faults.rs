//! A cluster that has no room, throttles, loses answers and lags behind.

use std::time::Duration;

use lsv_aws::ecs::{Config, Tasks};
use lsv_core::channel::TaskSize;
use lsv_core::events::{Events, Happening};
use lsv_core::ports::{Error, TaskScheduler, TaskState};
use lsv_tests::eventually;
use serde_json::json;

use super::super::reach;
use super::fake::{Ecs, Fate};
use super::spec;

async fn tasks(ecs: &Ecs) -> (Tasks, Events) {
    let sdk = reach::sdk(&ecs.endpoint).await;
    let events = Events::new();
    let config = Config::new("main", "processor");
    (Tasks::new(&sdk, config, events.clone()), events)
}

#[tokio::test]
async fn no_room_is_said_with_its_reason_and_not_asked_again_at_once() {
    let ecs = Ecs::start().await;
    let (scheduler, _) = tasks(&ecs).await;
    ecs.cluster()
        .fates
        .push_back(Fate::Failure("RESOURCE:MEMORY"));
    let refused = scheduler.start(spec("cam", TaskSize::Large)).await;
    let refused = refused.expect_err("there is no room");
    let Error::Unavailable {
        retry_after,
        detail,
    } = &refused
    else {
        panic!("{refused}");
    };
    assert!(detail.contains("RESOURCE:MEMORY"), "{detail}");
    assert!(*retry_after <= Duration::from_secs(1) && !retry_after.is_zero());
    let calls = ecs.calls("RunTask");
    let early = scheduler.start(spec("cam", TaskSize::Large)).await;
    // Slow as the machine may be, either it was too early and ECS did not hear of it, or it started.
    assert!(early.is_ok() || ecs.calls("RunTask") == calls, "{early:?}");
    // Another channel is not held up.
    let other = scheduler.start(spec("cam-2", TaskSize::Micro)).await;
    other.expect("it starts");
    eventually("it is tried again", async || {
        scheduler.start(spec("cam", TaskSize::Large)).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_full_quota_holds_all_up() {
    let ecs = Ecs::start().await;
    let (scheduler, _) = tasks(&ecs).await;
    let words = "You've reached the limit on the number of vCPUs you can run concurrently";
    ecs.cluster()
        .fates
        .extend(vec![Fate::Refused("ClientException", words); 1_000]);
    let refused = scheduler.start(spec("cam", TaskSize::Large)).await;
    assert!(
        matches!(&refused, Err(Error::Unavailable { detail, .. }) if detail.contains(words)),
        "{refused:?}"
    );
    let calls = ecs.calls("RunTask");
    for channel in 0..20 {
        let channel = format!("cam-{channel}");
        let refused = scheduler.start(spec(&channel, TaskSize::Large)).await;
        assert!(
            matches!(refused, Err(Error::Unavailable { .. })),
            "{refused:?}"
        );
    }
    // Each second one at most, however many want one.
    assert!(
        ecs.calls("RunTask") - calls < 20,
        "{} calls",
        ecs.calls("RunTask")
    );
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let ecs = Ecs::start().await;
    let (scheduler, _) = tasks(&ecs).await;
    let throttled = Fate::Refused("ThrottlingException", "Rate exceeded");
    ecs.cluster()
        .fates
        .extend([throttled.clone(), throttled.clone()]);
    scheduler
        .start(spec("cam", TaskSize::Large))
        .await
        .expect("it starts");
    assert_eq!((ecs.calls("RunTask"), ecs.cluster().tasks.len()), (3, 1));
    // For ever it is not tried.
    ecs.cluster().fates.extend(vec![throttled; 100]);
    let refused = scheduler.start(spec("cam-2", TaskSize::Large)).await;
    assert!(
        matches!(refused, Err(Error::Unavailable { .. })),
        "{refused:?}"
    );
    assert!(ecs.calls("RunTask") <= 3 + 4);
}

#[tokio::test]
async fn a_lost_answer_starts_no_second_task() {
    let ecs = Ecs::start().await;
    let (scheduler, _) = tasks(&ecs).await;
    ecs.cluster().fates.extend([Fate::Lost, Fate::Lost]);
    let id = scheduler
        .start(spec("cam", TaskSize::Large))
        .await
        .expect("it starts");
    assert_eq!(ecs.cluster().tasks.len(), 1);
    assert_eq!(scheduler.start(spec("cam", TaskSize::Large)).await, Ok(id));
    // All answers are lost, and the node ends. Another one asks.
    assert_eq!(started_by_a_dying_node_and_the_next(&ecs, "cam-2").await, 1);
    // So it is while the list lags behind, but where a minute passes between the two, and with it the token.
    ecs.cluster().hides = true;
    let mut started = Vec::new();
    for channel in ["cam-3", "cam-4", "cam-5"] {
        started.push(started_by_a_dying_node_and_the_next(&ecs, channel).await);
    }
    assert!(started.contains(&1), "{started:?}");
}

/// How many tasks there are of a channel when the answers to one node were lost, and another asks.
async fn started_by_a_dying_node_and_the_next(ecs: &Ecs, channel: &str) -> usize {
    let before = ecs.cluster().tasks.len();
    let (dying, _) = tasks(ecs).await;
    ecs.cluster().fates.extend(vec![Fate::Lost; 100]);
    let died = dying.start(spec(channel, TaskSize::Large)).await;
    died.expect_err("nobody answers");
    ecs.cluster().fates.clear();
    let (next, _) = tasks(ecs).await;
    let started = next.start(spec(channel, TaskSize::Large)).await;
    started.expect("it runs");
    ecs.cluster().tasks.len() - before
}

#[tokio::test]
async fn two_nodes_that_start_the_same_get_the_same() {
    let ecs = Ecs::start().await;
    ecs.cluster().hides = true;
    let ((one, _), (two, _)) = (tasks(&ecs).await, tasks(&ecs).await);
    for attempt in 0..3 {
        let channel = format!("cam-{attempt}");
        let (a, b) = tokio::join!(
            one.start(spec(&channel, TaskSize::Large)),
            // The other saw another size, as a setting changed.
            two.start(spec(&channel, TaskSize::Small)),
        );
        if a.expect("it starts") == b.expect("it starts") {
            return;
        }
        // The minute changed between the two.
    }
    panic!("two tasks each time");
}

#[tokio::test]
async fn what_was_started_a_moment_ago_is_listed_though_ecs_hides_it() {
    let ecs = Ecs::start().await;
    let (scheduler, _) = tasks(&ecs).await;
    ecs.cluster().hides = true;
    let id = scheduler
        .start(spec("cam", TaskSize::Large))
        .await
        .expect("it starts");
    let listed = scheduler.list().await.expect("a list");
    assert_eq!((&listed[0].id, listed[0].state), (&id, TaskState::Starting));
}

#[tokio::test]
async fn all_pages_are_read_and_many_callers_ask_once() {
    let ecs = Ecs::start().await;
    let (scheduler, _) = tasks(&ecs).await;
    for channel in ["a", "b", "c", "d", "e"] {
        scheduler
            .start(spec(channel, TaskSize::Micro))
            .await
            .expect("it starts");
    }
    let (scheduler, _) = tasks(&ecs).await;
    let pages = ecs.calls("ListTasks");
    let lists = futures::future::join_all((0..50).map(|_| scheduler.list())).await;
    for list in lists {
        assert_eq!(list.expect("a list").len(), 5);
    }
    let asked = ecs.calls("ListTasks") - pages;
    // Three pages, and once more where the machine is very slow.
    assert!(asked.is_multiple_of(3) && asked <= 9, "{asked} pages");
}

#[tokio::test]
async fn the_end_of_a_task_is_told() {
    let ecs = Ecs::start().await;
    let (scheduler, events) = tasks(&ecs).await;
    let mut heard = events.subscribe();
    let id = scheduler
        .start(spec("cam", TaskSize::Large))
        .await
        .expect("it starts");
    let event = heard.recv().await.expect("an event");
    assert!(matches!(&event.happened, Happening::TaskStarted { task, .. } if *task == id));
    ecs.change(&json!({
        "lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stoppedReason": "Essential container in task exited",
        "startedAt": 1_700_000_000, "stoppedAt": 1_700_000_001,
        "containers": [{"name": "processor", "exitCode": 137, "reason": "OutOfMemoryError"}],
    }));
    eventually("the task is gone", async || {
        scheduler
            .list()
            .await
            .expect("a list")
            .is_empty()
            .then_some(())
    })
    .await;
    let event = heard.recv().await.expect("an event");
    let Happening::TaskFailed { message, .. } = &event.happened else {
        panic!("{event:?}");
    };
    for words in ["Essential container", "137", "OutOfMemoryError"] {
        assert!(message.contains(words), "{message}");
    }
    // It is started anew, though its token is the same within the minute.
    let new = scheduler
        .start(spec("cam", TaskSize::Large))
        .await
        .expect("it starts");
    assert_ne!(new, id);
    assert!(matches!(
        scheduler
            .stop(&lsv_core::ports::TaskId("x".to_owned()))
            .await,
        Err(Error::NotFound(_))
    ));
    // One that is asked to end is told to be ending, and then to have ended.
    scheduler.stop(&new).await.expect("it is there");
    let listed = scheduler.list().await.expect("a list");
    assert!(
        listed
            .iter()
            .all(|task| task.id != new || task.state == TaskState::Stopping),
        "{listed:?}"
    );
    ecs.change(&json!({"lastStatus": "STOPPED"}));
    eventually("the task is gone", async || {
        scheduler
            .list()
            .await
            .expect("a list")
            .is_empty()
            .then_some(())
    })
    .await;
    let started = heard.recv().await.expect("an event");
    assert!(matches!(&started.happened, Happening::TaskStarted { task, .. } if *task == new));
    let stopped = heard.recv().await.expect("an event");
    assert!(matches!(&stopped.happened, Happening::TaskStopped { task, .. } if *task == new));
}
