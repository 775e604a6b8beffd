//! Tasks that other nodes have run here.

use std::sync::Arc;

use axum::Json as Said;
use axum::extract::{FromRef, FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::Response;
use uuid::Uuid;

use super::Common;
use super::body::{Json, last_word};
use super::calls::CallId;
use super::refused::{Answer, Refused};
use crate::exchange::{Resized, Started};
use crate::ports::{Error, Task, TaskId, TaskScheduler, TaskSpec};

/// What the calls for tasks share.
#[derive(Clone, Debug)]
pub(super) struct Running {
    scheduler: Arc<dyn TaskScheduler>,
    /// Tells the tasks of this start from those of former ones, whose names were the same.
    start: Arc<str>,
    common: Common,
}

impl Running {
    pub(super) fn new(scheduler: Arc<dyn TaskScheduler>, common: Common) -> Self {
        let (start, ..) = Uuid::new_v4().as_fields();
        Self {
            scheduler,
            start: format!("{start:08x}.").into(),
            common,
        }
    }

    fn told(&self, id: &TaskId) -> TaskId {
        TaskId(format!("{}{id}", self.start))
    }
}

impl FromRef<Running> for Common {
    fn from_ref(running: &Running) -> Self {
        running.common.clone()
    }
}

/// The task that the path names, as its scheduler calls it.
pub(super) struct Named(TaskId);

impl FromRequestParts<Running> for Named {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &Running) -> Answer<Self> {
        let word = last_word(parts, state).await?;
        let id = word.strip_prefix(&*state.start);
        let missing = || Error::NotFound(format!("task {word}")).into();
        id.map(|id| Self(TaskId(id.to_owned()))).ok_or_else(missing)
    }
}

pub(super) async fn list(State(running): State<Running>) -> Answer<Said<Vec<Task>>> {
    let mut tasks = running.scheduler.list().await?;
    for task in &mut tasks {
        task.id = running.told(&task.id);
    }
    Ok(Said(tasks))
}

pub(super) async fn start(
    State(running): State<Running>,
    call: CallId,
    Json(spec): Json<TaskSpec>,
) -> Answer<Response> {
    let calls = running.common.calls.clone();
    let work = async move {
        let id = running.scheduler.start(spec).await?;
        Ok(Started {
            id: running.told(&id),
        })
    };
    calls.once(call, work).await
}

pub(super) async fn resize(
    State(running): State<Running>,
    Named(id): Named,
    call: CallId,
    Json(Resized { size }): Json<Resized>,
) -> Answer<Response> {
    let calls = running.common.calls.clone();
    let work = async move { running.scheduler.resize(&id, size).await };
    calls.once(call, work).await
}

pub(super) async fn stop(
    State(running): State<Running>,
    Named(id): Named,
    call: CallId,
) -> Answer<Response> {
    let calls = running.common.calls.clone();
    let work = async move { running.scheduler.stop(&id).await };
    calls.once(call, work).await
}
