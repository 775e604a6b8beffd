//! A cluster that fails as told: what moto cannot. It knows calls by their tokens, lists by pages, and may hide what is new.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What happens to the next call of `RunTask`.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It is answered with a failure.
    Failure(&'static str),
    /// It is refused with a code and a message.
    Refused(&'static str, &'static str),
    /// It is carried out, and nobody hears of it.
    Lost,
}

/// A server that speaks ECS.
pub(crate) struct Ecs {
    pub(crate) endpoint: String,
    state: Arc<Mutex<Cluster>>,
    serving: JoinHandle<()>,
}

#[derive(Debug, Default)]
pub(crate) struct Cluster {
    pub(crate) fates: VecDeque<Fate>,
    pub(crate) tasks: BTreeMap<String, Value>,
    pub(crate) calls: BTreeMap<String, usize>,
    /// Whether `ListTasks` lags behind.
    pub(crate) hides: bool,
    tokens: BTreeMap<String, String>,
}

impl Ecs {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(Cluster::default()));
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&state));
        let (serving, address) = serve(router).await;
        Self {
            endpoint: format!("http://{address}"),
            state,
            serving,
        }
    }

    pub(crate) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.state.lock().expect("the lock")
    }

    /// How often an action was called.
    pub(crate) fn calls(&self, action: &str) -> usize {
        self.cluster()
            .calls
            .get(action)
            .copied()
            .unwrap_or_default()
    }

    /// Changes every task.
    pub(crate) fn change(&self, change: &Value) {
        for task in self.cluster().tasks.values_mut() {
            let fields = change.as_object().expect("fields").clone();
            task.as_object_mut().expect("a task").extend(fields);
        }
    }
}

impl Drop for Ecs {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Serves a router on a free port of this machine.
pub(crate) async fn serve(router: Router) -> (JoinHandle<()>, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = async move {
        axum::serve(listener, router).await.expect("it serves");
    };
    (tokio::spawn(serving), address)
}

async fn answer(
    State(state): State<Arc<Mutex<Cluster>>>,
    headers: HeaderMap,
    input: String,
) -> Response {
    let input: Value = serde_json::from_str(&input).expect("JSON");
    let target = headers["x-amz-target"].to_str().expect("a text");
    let (_, action) = target.split_once('.').expect("an action");
    let mut cluster = state.lock().expect("the lock");
    *cluster.calls.entry(action.to_owned()).or_default() += 1;
    match action {
        "RunTask" => cluster.run(&input),
        "ListTasks" => Json(cluster.list(&input)).into_response(),
        "DescribeTasks" => {
            let wanted = input["tasks"].as_array().expect("names").iter();
            let wanted = wanted.map(|arn| {
                arn.as_str()
                    .expect("a name")
                    .rsplit('/')
                    .next()
                    .expect("a name")
            });
            let tasks: Vec<_> = wanted
                .filter_map(|id| cluster.tasks.get(id).cloned())
                .collect();
            Json(json!({"tasks": tasks, "failures": []})).into_response()
        }
        "StopTask" => match cluster
            .tasks
            .get_mut(input["task"].as_str().expect("a task"))
        {
            Some(task) => {
                task["desiredStatus"] = json!("STOPPED");
                Json(json!({"task": task})).into_response()
            }
            None => refusal(
                "InvalidParameterException",
                "The referenced task was not found.",
            ),
        },
        other => panic!("nobody calls {other}"),
    }
}

impl Cluster {
    fn run(&mut self, input: &Value) -> Response {
        let fate = self.fates.pop_front();
        match fate {
            Some(Fate::Failure(reason)) => {
                return Json(json!({"tasks": [], "failures": [{"reason": reason}]}))
                    .into_response();
            }
            Some(Fate::Refused(code, message)) => return refusal(code, message),
            Some(Fate::Lost) | None => {}
        }
        let token = input["clientToken"].as_str().expect("a token").to_owned();
        let id = match self.tokens.get(&token) {
            Some(id) if self.tasks[id]["overrides"] != input["overrides"] => {
                let arns = [self.tasks[id]["taskArn"].clone()];
                let body =
                    json!({"__type": "ConflictException", "message": "token", "resourceIds": arns});
                return (StatusCode::BAD_REQUEST, Json(body)).into_response();
            }
            Some(id) => id.clone(),
            None => {
                let id = format!("{:032x}", self.tasks.len() + 1);
                let task = json!({
                    "taskArn": format!("arn:aws:ecs:eu-central-1:123456789012:task/main/{id}"),
                    "startedBy": input["startedBy"], "overrides": input["overrides"],
                    "lastStatus": "PROVISIONING", "desiredStatus": "RUNNING", "createdAt": 1_700_000_000,
                });
                self.tasks.insert(id.clone(), task);
                self.tokens.insert(token, id.clone());
                id
            }
        };
        if matches!(fate, Some(Fate::Lost)) {
            let body = json!({"__type": "ServerException", "message": "something broke"});
            return (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response();
        }
        Json(json!({"tasks": [self.tasks[&id]], "failures": []})).into_response()
    }

    /// Two on each page.
    fn list(&self, input: &Value) -> Value {
        if self.hides {
            return json!({"taskArns": []});
        }
        let mark = &input["startedBy"];
        let tasks = self.tasks.values().filter(|task| {
            task["desiredStatus"] == "RUNNING" && (mark.is_null() || task["startedBy"] == *mark)
        });
        let from = input["nextToken"]
            .as_str()
            .map_or(0, |text| text.parse().expect("a number"));
        let arns: Vec<_> = tasks.map(|task| task["taskArn"].clone()).collect();
        let page: Vec<_> = arns.iter().skip(from).take(2).collect();
        match from + page.len() < arns.len() {
            true => json!({"taskArns": page, "nextToken": (from + 2).to_string()}),
            false => json!({"taskArns": page}),
        }
    }
}

fn refusal(code: &str, message: &str) -> Response {
    let body = json!({"__type": code, "message": message});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}
