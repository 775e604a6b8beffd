//! Tasks that other nodes run.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{sleep, timeout};

use super::keeper::{Keeper, Way, config};
use super::{tls, token};
use crate::api::store::Limits;
use crate::channel::TaskSize;
use crate::embedded::Tasks;
use crate::events::Events;
use crate::path::ChannelId;
use crate::ports::{
    Error, Result, TaskControl, TaskId, TaskKind, TaskRunner, TaskScheduler, TaskSpec, TaskState,
    conformance,
};
use crate::remote::{Config, Processors};

/// Works until it is told to stop.
#[derive(Debug)]
struct Runner;

#[async_trait]
impl TaskRunner for Runner {
    async fn run(&self, _: &TaskSpec, control: TaskControl) -> Result<(), String> {
        control.set_state(TaskState::Running);
        control.stopped().await;
        Ok(())
    }
}

/// A node with room for so many tasks.
async fn processor(room: usize) -> (Arc<Keeper>, Tasks) {
    let tasks = Tasks::with_room(Arc::new(Runner), Events::new(), room);
    let keeper = Keeper::with_tasks(Limits::default(), Some(Arc::new(tasks.clone()))).await;
    (keeper, tasks)
}

fn processors(bases: &[&str]) -> Processors {
    missed_for(bases, Duration::from_millis(300))
}

/// Nodes that may be away for `absence`.
fn missed_for(bases: &[&str], absence: Duration) -> Processors {
    let bases: Vec<String> = bases.iter().map(|&base| base.to_owned()).collect();
    let config = Config {
        absence,
        ..config()
    };
    Processors::new(&bases, &token(), tls(), &config).unwrap()
}

fn spec(channel: &str) -> TaskSpec {
    TaskSpec {
        kind: TaskKind::Process,
        channel: ChannelId::parse(channel).unwrap(),
        size: TaskSize::Small,
    }
}

fn is_on(id: &TaskId, node: &Keeper) -> bool {
    id.0.starts_with(&node.base)
}

#[tokio::test]
async fn processors_conform() {
    let ((one, _), (other, _)) = tokio::join!(processor(10), processor(10));
    conformance::task_scheduler(&processors(&[&one.base, &other.base])).await;
}

#[tokio::test]
async fn they_conform_while_every_fourth_answer_gets_lost() {
    let (node, _) = processor(10).await;
    let way = Way::to(&node, |number| number % 4 == 3, |_| ()).await;
    // A listing that fails is not asked for again by itself.
    let scheduler = Patient(processors(&[&way.base]));
    conformance::task_scheduler(&scheduler).await;
    assert!(way.answers.load(Ordering::SeqCst) > 20);
}

/// Lists again where that fails.
#[derive(Debug)]
struct Patient(Processors);

#[async_trait]
impl TaskScheduler for Patient {
    async fn start(&self, spec: TaskSpec) -> Result<TaskId> {
        loop {
            match self.0.start(spec.clone()).await {
                Err(Error::Unavailable { .. }) => {}
                answer => return answer,
            }
        }
    }

    async fn stop(&self, id: &TaskId) -> Result<()> {
        self.0.stop(id).await
    }

    async fn resize(&self, id: &TaskId, size: TaskSize) -> Result<()> {
        self.0.resize(id, size).await
    }

    async fn list(&self) -> Result<Vec<crate::ports::Task>> {
        loop {
            match self.0.list().await {
                Err(Error::Unavailable { .. }) => {}
                answer => return answer,
            }
        }
    }
}

#[tokio::test]
async fn what_works_is_found_by_all_and_the_rest_goes_where_there_is_room() {
    let ((one, on_one), (other, on_other)) = tokio::join!(processor(2), processor(3));
    let bases = [one.base.as_str(), other.base.as_str()];
    let (left, right) = (processors(&bases), processors(&[bases[1], bases[0]]));
    let mut ids = Vec::new();
    for channel in ["a", "b", "c", "d", "e"] {
        let id = left.start(spec(channel)).await.unwrap();
        assert_eq!(right.start(spec(channel)).await, Ok(id.clone()));
        ids.push(id);
    }
    assert_eq!(on_one.list().await.unwrap().len(), 2);
    assert_eq!(on_other.list().await.unwrap().len(), 3);
    let full = left.start(spec("f")).await;
    assert!(matches!(full, Err(Error::Unavailable { .. })), "{full:?}");
    // An id of a node that this one does not know.
    let foreign = processors(&[bases[0]]);
    let on_other = ids.iter().find(|id| is_on(id, &other)).unwrap();
    let missing = foreign.stop(on_other).await;
    assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
    left.stop(on_other).await.unwrap();
    // It may take a moment to end.
    let started = async {
        while left.start(spec("f")).await.is_err() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(60), started).await.unwrap();
}

#[tokio::test]
async fn tasks_of_a_node_that_is_gone_start_elsewhere() {
    let ((one, _), (other, _)) = tokio::join!(processor(10), processor(10));
    let all = processors(&[&one.base, &other.base]);
    let id = all.start(spec("cam")).await.unwrap();
    let (gone, left) = match is_on(&id, &one) {
        true => (&one, &other),
        false => (&other, &one),
    };
    let patient = missed_for(&[&one.base, &other.base], Duration::from_secs(3_600));
    let known = patient.list().await.unwrap();
    assert_eq!((known.len(), &known[0].id), (1, &id));
    gone.go_away();
    // It may only be slow.
    assert_eq!(patient.start(spec("cam")).await, Ok(id.clone()));
    let moved = async {
        loop {
            let known = all.list().await.unwrap();
            if !known.iter().any(|task| task.id == id) {
                break all.start(spec("cam")).await.unwrap();
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let moved = timeout(Duration::from_secs(60), moved).await.unwrap();
    assert!(is_on(&moved, left), "{moved}");
    // A new start of the node has none of its former tasks.
    gone.restart();
    let missing = all.stop(&id).await;
    assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
    left.go_away();
    gone.go_away();
    sleep(Duration::from_millis(400)).await;
    let nobody = all.list().await;
    assert!(
        matches!(nobody, Err(Error::Unavailable { .. })),
        "{nobody:?}"
    );
}
