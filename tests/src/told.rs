//! What a server tells of what happens, as an operator's tools hear it: server-sent events.

use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{Server, TOKEN, eventually};

/// Listens to a server's events in the background and keeps them; stops when dropped.
#[derive(Debug)]
pub struct Told {
    events: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl Told {
    /// Listens from now on.
    ///
    /// # Panics
    /// If the server does not tell.
    pub async fn by(server: &Server) -> Self {
        let request = reqwest::Client::new().get(server.http("/events"));
        let answer = request.bearer_auth(TOKEN).send().await;
        let answer = answer.expect("the server answers");
        assert!(answer.status().is_success(), "{}", answer.status());
        let events = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(keep(answer, Arc::clone(&events)));
        Self { events, task }
    }

    /// Waits for so many events of this name, and gives them.
    ///
    /// # Panics
    /// If there are more.
    pub async fn hears(&self, name: &str, count: usize) -> Vec<Value> {
        eventually(&format!("{count} events {name}"), async || {
            let heard = self.of(name);
            assert!(heard.len() <= count, "more than {count}: {heard:?}");
            (heard.len() == count).then_some(heard)
        })
        .await
    }

    /// The events of this name so far, in their order.
    ///
    /// # Panics
    /// If some were lost.
    #[must_use]
    pub fn of(&self, name: &str) -> Vec<Value> {
        let events = self.events.lock().expect("no listener panicked");
        // Of lost events only their number is told.
        assert!(events.iter().all(Value::is_object), "{events:?}");
        let named = events.iter().filter(|event| event["event"] == name);
        named.cloned().collect()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(answer: reqwest::Response, events: Arc<Mutex<Vec<Value>>>) {
    let mut pieces = answer.bytes_stream();
    let mut held = Vec::new();
    while let Some(Ok(piece)) = pieces.next().await {
        held.extend_from_slice(&piece);
        while let Some(end) = held.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = held.drain(..=end).collect();
            let Some(data) = line.strip_prefix(b"data:") else {
                continue;
            };
            let event = serde_json::from_slice(data).expect("JSON");
            events.lock().expect("no listener panicked").push(event);
        }
    }
}
