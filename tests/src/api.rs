//! A client of the REST API that takes whatever it is told to send.

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;

/// The API of one server, with or without a token.
#[derive(Debug, Clone)]
pub struct Api {
    client: reqwest::Client,
    server: String,
    token: Option<String>,
}

/// One answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Api {
    /// The API of the server at an HTTP address such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn new(server: &str, token: Option<&str>) -> Self {
        Self {
            client: reqwest::Client::new(),
            server: server.to_owned(),
            token: token.map(str::to_owned),
        }
    }

    /// The same API with another token, or with none.
    #[must_use]
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self::new(&self.server, token)
    }

    /// Sends a request for a path of the server, with a body as it is.
    ///
    /// # Panics
    /// If there is no answer at all.
    pub async fn send(&self, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.server))
            .header("content-type", "application/json")
            .body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("the API answers");
        Answer {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.expect("an answer with an end"),
        }
    }

    /// Reads a path.
    pub async fn read(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    /// The status of a path whose body may be of any kind.
    ///
    /// # Panics
    /// If there is no answer at all.
    pub async fn status(&self, path: &str) -> StatusCode {
        let address = format!("{}{path}", self.server);
        let response = self.client.get(address).send().await;
        response.expect("the server answers").status()
    }

    /// Creates a channel and answers its record.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn create(&self, channel: &Value) -> Value {
        let body = channel.to_string();
        let answer = self.send(Method::POST, "/videostream", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.json()
    }

    /// Creates a channel with an id and all outputs on, and answers its stream key, credential and all.
    pub async fn channel(&self, id: &str) -> String {
        let channel = serde_json::json!({ "id": id, "isFlv": true, "isHls": true, "isCMAF": true });
        stream_key(&self.create(&channel).await)
    }

    /// Changes fields of a channel's record.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn change(&self, id: &str, fields: &Value) {
        let path = format!("/videostream/{id}");
        let answer = self.send(Method::PATCH, &path, fields.to_string()).await;
        assert!(answer.status.is_success(), "{}", answer.text);
    }

    /// The first task of a kind in a channel's session.
    pub async fn task(&self, id: &str, kind: &str) -> Option<Value> {
        let path = format!("/videostream/{id}/session");
        let session = self.read(&path).await.json();
        let mut tasks = session["tasks"].as_array()?.iter();
        tasks.find(|task| task["kind"] == kind).cloned()
    }

    /// How many channels are stored.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn count(&self) -> usize {
        let list = self.read("/videostream?limit=1000").await.json();
        list.as_array().expect("an array of channels").len()
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error} in {} {:?}", self.status, self.text))
    }

    /// A header's value, or the empty string.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Asserts that this is a refusal with a problem document, and answers that.
    ///
    /// # Panics
    /// If it is anything else.
    pub fn refused(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.text
        );
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        for field in ["type", "title"] {
            assert!(problem[field].is_string(), "no {field} in {problem}");
        }
        problem
    }
}

/// The stream key of a channel record: what an encoder is given besides the server.
///
/// # Panics
/// If the record lacks `id` or `key`.
#[must_use]
pub fn stream_key(channel: &Value) -> String {
    let text = |field: &str| channel[field].as_str().expect("a text field").to_owned();
    format!("{}?sign={}", text("id"), text("key"))
}
