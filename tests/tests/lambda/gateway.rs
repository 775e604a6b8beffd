//! Calls, over HTTP and through an API Gateway, and their answers as a client has them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) status: u16,
    /// Whether the target is that of the last header `Link`.
    pub(crate) follow: bool,
}

/// An answer as a client of API Gateway has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    pub(crate) fn new(method: Method, target: &str, status: u16) -> Self {
        let headers = [
            ("host", "api.example.com"),
            ("x-forwarded-proto", "https"),
            ("authorization", "Bearer the-token"),
        ];
        Self {
            method,
            target: target.to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            body: String::new(),
            status,
            follow: false,
        }
    }

    pub(crate) fn text(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self.header("content-type", "application/json")
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.text(&body.to_string())
    }

    /// With a header; a second value for what may have one only replaces the first.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if name == "content-type" {
            self.headers.retain(|(known, _)| known != name);
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without_token(mut self) -> Self {
        self.headers.retain(|(name, _)| name != "authorization");
        self
    }

    pub(crate) async fn over_http(&self, server: SocketAddr) -> Answer {
        let address = format!("http://{server}{}", self.target);
        let mut request = reqwest::Client::new().request(self.method.clone(), address);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = request.body(self.body.clone()).send().await;
        let response = response.expect("an answer over HTTP");
        let status = response.status().as_u16();
        let mut headers = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in response.headers() {
            let value = value.to_str().expect("a text").to_owned();
            headers.entry(name.to_string()).or_default().push(value);
        }
        // What API Gateway adds itself.
        for name in ["connection", "content-length", "date", "transfer-encoding"] {
            headers.remove(name);
        }
        let body = response.bytes().await.expect("a body").to_vec();
        Answer {
            status,
            headers,
            body,
        }
    }
}

/// What stands between a client and the function.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gateway {
    /// A REST API under its own address.
    V1 { stage: &'static str },
    /// An HTTP API with events of format 2.0.
    V2 { stage: &'static str },
}

impl Gateway {
    /// What stands before all paths in the client's addresses.
    fn prefix(self) -> String {
        match self {
            Self::V2 { stage: "$default" } => String::new(),
            Self::V1 { stage } | Self::V2 { stage } => format!("/{stage}"),
        }
    }

    pub(crate) fn event(self, call: &Call, is_encoded: bool) -> Value {
        let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
        let body = match (call.body.as_str(), is_encoded) {
            ("", _) => Value::Null,
            (body, true) => json!(STANDARD.encode(body)),
            (body, false) => json!(body),
        };
        let mut headers = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in &call.headers {
            headers.entry(name.clone()).or_default().push(value.clone());
        }
        let prefix = self.prefix();
        match self {
            Self::V1 { stage } => {
                let mut parameters = BTreeMap::<String, Vec<String>>::new();
                for pair in query.split('&').filter(|pair| !pair.is_empty()) {
                    let (name, value) = pair.split_once('=').expect("a parameter");
                    let values = parameters.entry(decoded(name)).or_default();
                    values.push(decoded(value));
                }
                let last = |several: &BTreeMap<String, Vec<String>>| -> BTreeMap<String, String> {
                    let last = |values: &Vec<String>| values.last().expect("a value").clone();
                    several
                        .iter()
                        .map(|(name, values)| (name.clone(), last(values)))
                        .collect()
                };
                json!({
                    "resource": "/{proxy+}", "path": path, "httpMethod": call.method.as_str(),
                    "headers": last(&headers), "multiValueHeaders": headers,
                    "queryStringParameters": if parameters.is_empty() { Value::Null } else { json!(last(&parameters)) },
                    "multiValueQueryStringParameters": if parameters.is_empty() { Value::Null } else { json!(parameters) },
                    "pathParameters": {"proxy": path.trim_start_matches('/')}, "stageVariables": null,
                    "requestContext": {
                        "accountId": "123456789012", "apiId": "id", "stage": stage, "path": format!("{prefix}{path}"),
                        "httpMethod": call.method.as_str(), "requestId": "id", "resourcePath": "/{proxy+}", "protocol": "HTTP/1.1",
                        "identity": {"sourceIp": "192.0.2.1", "userAgent": "test"},
                    },
                    "body": body, "isBase64Encoded": is_encoded,
                })
            }
            Self::V2 { stage } => {
                let joined: BTreeMap<_, _> = headers
                    .iter()
                    .map(|(name, values)| (name, values.join(",")))
                    .collect();
                let mut event = json!({
                    "version": "2.0", "routeKey": "$default", "rawPath": format!("{prefix}{path}"), "rawQueryString": query,
                    "headers": joined,
                    "requestContext": {
                        "accountId": "123456789012", "apiId": "id", "domainName": "id.execute-api.us-east-1.amazonaws.com",
                        "http": {
                            "method": call.method.as_str(), "path": format!("{prefix}{path}"), "protocol": "HTTP/1.1",
                            "sourceIp": "192.0.2.1", "userAgent": "test",
                        },
                        "requestId": "id", "routeKey": "$default", "stage": stage, "timeEpoch": 0,
                    },
                    "isBase64Encoded": is_encoded,
                });
                if !body.is_null() {
                    event["body"] = body;
                }
                event
            }
        }
    }

    /// What a client gets of a function's answer; paths in it lead through the gateway, and are given as they are behind it.
    pub(crate) fn answer(self, answer: &Value) -> Answer {
        let status = answer["statusCode"].as_u64().expect("a status");
        let body = answer["body"].as_str().expect("a body");
        let body = match answer["isBase64Encoded"].as_bool() {
            Some(true) => panic!("the API answers no bytes: {body}"),
            _ => body.as_bytes().to_vec(),
        };
        let mut headers: BTreeMap<String, Vec<String>> = match self {
            Self::V1 { .. } => {
                assert!(answer.get("headers").is_none(), "v1 would have them twice");
                serde_json::from_value(answer["multiValueHeaders"].clone()).expect("headers")
            }
            Self::V2 { .. } => {
                let headers: BTreeMap<String, String> =
                    serde_json::from_value(answer["headers"].clone()).expect("headers");
                headers
                    .into_iter()
                    .map(|(name, value)| (name, vec![value]))
                    .collect()
            }
        };
        let prefix = self.prefix();
        for (name, before) in [("location", ""), ("link", "<")] {
            for value in headers.get_mut(name).into_iter().flatten() {
                let path = value.strip_prefix(&format!("{before}{prefix}"));
                *value = format!("{before}{}", path.expect("the way through the gateway"));
            }
        }
        Answer {
            status: u16::try_from(status).expect("a status"),
            headers,
            body,
        }
    }
}

/// A part of a query as API Gateway gives it.
fn decoded(text: &str) -> String {
    let pair = format!("/?{text}=");
    let pairs: Vec<(String, String)> =
        axum::extract::Query::try_from_uri(&pair.parse().expect("a query"))
            .expect("a query")
            .0;
    pairs.into_iter().next().expect("a pair").0
}
