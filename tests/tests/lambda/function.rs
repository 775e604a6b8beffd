//! A function in a process of its own, and the runtime API that Lambda would give it.

use std::{
    collections::{BTreeMap, VecDeque},
    env,
    path::Path,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use axum::{
    Router,
    extract::{Path as PathOf, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use lsv_tests::{PATIENCE, Process};
use serde_json::Value;
use tokio::{process::Command, time::timeout};

use super::gateway::{Answer, Call, Gateway};
use super::{FOLDER, Server, serve};

/// A function that runs, and its runtime API.
pub(crate) struct Function {
    gateway: Gateway,
    runtime: Arc<Runtime>,
    process: Process,
    _api: Server,
}

/// What the function is to be told, and what it answered.
#[derive(Debug, Default)]
struct Runtime {
    state: Mutex<Waiting>,
    changed: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<(u64, Value)>,
    answers: BTreeMap<u64, Result<Value, Value>>,
    invoked: u64,
}

impl Function {
    /// A function of this test, over stores in a folder.
    pub(crate) async fn start(gateway: Gateway, folder: &Path) -> Self {
        let mut command = Command::new(env::current_exe().expect("this test"));
        command.args(["--exact", "function", "--ignored", "--nocapture"]);
        command.env(FOLDER, folder);
        Self::run(gateway, command).await
    }

    /// Starts a program as Lambda would.
    pub(crate) async fn run(gateway: Gateway, mut command: Command) -> Self {
        let runtime = Arc::new(Runtime::default());
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{end}", post(ended))
            .with_state(Arc::clone(&runtime));
        let (api, address) = serve(routes).await;
        command.envs([
            ("AWS_LAMBDA_RUNTIME_API", address.to_string().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "api"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ]);
        Self {
            gateway,
            runtime,
            process: Process::run(command),
            _api: api,
        }
    }

    /// A call through the gateway.
    pub(crate) async fn invoke(&self, call: &Call) -> Answer {
        let is_encoded = call.body.len() % 2 == 1;
        let answer = self.send(self.gateway.event(call, is_encoded)).await;
        let answer = answer.unwrap_or_else(|error| panic!("{call:?} failed: {error}"));
        self.gateway.answer(&answer)
    }

    /// What the function makes of an event.
    pub(crate) async fn send(&self, event: Value) -> Result<Value, Value> {
        let id = {
            let mut state = self.runtime.state.lock().expect("the lock");
            state.invoked += 1;
            let id = state.invoked;
            state.events.push_back((id, event));
            id
        };
        self.runtime.changed.notify_waiters();
        let answered = self.runtime.when(|state| state.answers.remove(&id));
        let answered = timeout(PATIENCE, answered).await;
        answered.unwrap_or_else(|_| panic!("no answer: {}", self.process.stderr()))
    }
}

impl Runtime {
    /// Waits until there is something.
    async fn when<T>(&self, mut find: impl FnMut(&mut Waiting) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            if let Some(found) = find(&mut self.state.lock().expect("the lock")) {
                return found;
            }
            changed.await;
        }
    }
}

async fn next(State(runtime): State<Arc<Runtime>>) -> impl IntoResponse {
    let (id, event) = runtime.when(|state| state.events.pop_front()).await;
    let deadline = SystemTime::now() + PATIENCE;
    let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH);
    let headers = [
        ("lambda-runtime-aws-request-id", id.to_string()),
        (
            "lambda-runtime-deadline-ms",
            deadline.expect("a time").as_millis().to_string(),
        ),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:123456789012:function:api".to_owned(),
        ),
    ];
    (headers, axum::Json(event))
}

async fn ended(
    State(runtime): State<Arc<Runtime>>,
    PathOf((id, end)): PathOf<(u64, String)>,
    body: String,
) -> StatusCode {
    let said = serde_json::from_str(&body).expect("JSON of the function");
    let answer = match end.as_str() {
        "response" => Ok(said),
        "error" => Err(said),
        other => panic!("the runtime API has no {other}"),
    };
    runtime
        .state
        .lock()
        .expect("the lock")
        .answers
        .insert(id, answer);
    runtime.changed.notify_waiters();
    StatusCode::ACCEPTED
}
