//! A bus that takes events, or does not, as told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::super::ecs::fake::serve;

/// What happens to the next call.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It fails with a status.
    Status(u16),
    /// It is throttled.
    Throttled,
    /// It makes no sense to the bus.
    Invalid,
    /// Some entries are refused with a code.
    Some(&'static str, &'static [usize]),
}

pub(crate) struct Bus {
    pub(crate) endpoint: String,
    state: Arc<Mutex<Seen>>,
    serving: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    fates: VecDeque<Fate>,
    /// The channels of the events that were taken.
    taken: Vec<String>,
    largest: usize,
}

impl Bus {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(Seen::default()));
        let router = Router::new().fallback(put).with_state(Arc::clone(&state));
        let (serving, address) = serve(router).await;
        Self {
            endpoint: format!("http://{address}"),
            state,
            serving,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.state.lock().expect("the lock")
    }

    pub(crate) fn fates(&self, fates: impl IntoIterator<Item = Fate>) {
        self.seen().fates.extend(fates);
    }

    /// From here on it takes everything.
    pub(crate) fn clear(&self) {
        self.seen().fates.clear();
    }

    pub(crate) fn taken(&self) -> Vec<String> {
        self.seen().taken.clone()
    }

    /// The most entries of one call.
    pub(crate) fn largest(&self) -> usize {
        self.seen().largest
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn put(State(state): State<Arc<Mutex<Seen>>>, input: String) -> Response {
    let input: Value = serde_json::from_str(&input).expect("JSON");
    let entries = input["Entries"].as_array().expect("entries");
    let mut seen = state.lock().expect("the lock");
    seen.largest = seen.largest.max(entries.len());
    let refused = |status, code: &str| {
        let body = json!({"__type": code, "message": "test"});
        let status = StatusCode::from_u16(status).expect("a status");
        (status, Json(body)).into_response()
    };
    let (code, which) = match seen.fates.pop_front() {
        Some(Fate::Status(status)) => return refused(status, "InternalException"),
        Some(Fate::Throttled) => return refused(400, "ThrottlingException"),
        Some(Fate::Invalid) => return refused(400, "ValidationException"),
        Some(Fate::Some(code, which)) => (code, which),
        None => ("", &[][..]),
    };
    let mut results = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(
            (&entry["EventBusName"], &entry["Source"]),
            (&json!("lsv"), &json!("lsv"))
        );
        if which.contains(&index) {
            results.push(json!({"ErrorCode": code, "ErrorMessage": "test"}));
            continue;
        }
        let detail: Value =
            serde_json::from_str(entry["Detail"].as_str().expect("a text")).expect("JSON");
        assert_eq!(entry["DetailType"], detail["event"]);
        seen.taken
            .push(detail["channel"].as_str().expect("a channel").to_owned());
        results.push(json!({"EventId": "id"}));
    }
    Json(json!({"FailedEntryCount": which.len(), "Entries": results})).into_response()
}
