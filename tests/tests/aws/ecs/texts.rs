//! In front of moto, which answers sizes of containers as numbers, where ECS answers texts and the SDK reads nothing else.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use lsv_tests::Moto;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::fake::serve;

/// A way to moto on which sizes become texts.
pub(crate) struct Texts {
    pub(crate) endpoint: String,
    serving: JoinHandle<()>,
}

impl Texts {
    pub(crate) async fn before(moto: &Moto) -> Self {
        let way = Arc::new((reqwest::Client::new(), moto.endpoint().to_owned()));
        let router = Router::new().fallback(forward).with_state(way);
        let (serving, address) = serve(router).await;
        Self {
            endpoint: format!("http://{address}"),
            serving,
        }
    }
}

impl Drop for Texts {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn forward(
    State(way): State<Arc<(reqwest::Client, String)>>,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (client, moto) = way.as_ref();
    headers.remove("host");
    let answer = client.post(moto).headers(headers).body(body).send().await;
    let answer = answer.expect("moto answers");
    let status = answer.status();
    let text = answer.text().await.expect("moto answers whole");
    let kind = [("content-type", "application/x-amz-json-1.1")];
    let Ok(mut json) = serde_json::from_str::<Value>(&text) else {
        return (status, kind, text).into_response();
    };
    for list in ["tasks", "task"] {
        let one = std::slice::from_mut(&mut json[list]);
        let tasks = match one {
            [Value::Array(tasks)] => tasks.as_mut_slice(),
            one => one,
        };
        for container in tasks
            .iter_mut()
            .filter_map(|task| task["containers"].as_array_mut())
            .flatten()
        {
            for size in ["cpu", "memory"] {
                if let Some(number) = container[size].as_u64() {
                    container[size] = json!(number.to_string());
                }
            }
        }
    }
    let fields = json.as_object_mut().expect("an object");
    fields.retain(|_, value| !value.is_null());
    (status, kind, json.to_string()).into_response()
}
