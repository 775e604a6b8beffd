//! Answers in the forms that API Gateway takes.

use std::collections::BTreeMap;

use axum::http::response::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::event::{Entry, Format};

/// An answer to an event.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    status_code: u16,
    /// Format 2.0 has the values of a header in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    /// What format 2.0 makes a header `Set-Cookie` of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    cookies: Option<Vec<String>>,
    body: String,
    is_base64_encoded: bool,
}

impl Answer {
    /// An answer to a call that entered at `entry`.
    pub(super) fn new(entry: &Entry, parts: &Parts, body: &[u8]) -> Self {
        let lines = lines(&parts.headers, &entry.prefix);
        let mut answer = Self {
            status_code: parts.status.as_u16(),
            headers: None,
            multi_value_headers: None,
            cookies: None,
            is_base64_encoded: false,
            body: String::new(),
        };
        match std::str::from_utf8(body) {
            Ok(text) => answer.body = text.to_owned(),
            Err(_) => {
                answer.is_base64_encoded = true;
                answer.body = STANDARD.encode(body);
            }
        }
        match entry.format {
            Format::V1 => answer.multi_value_headers = Some(lines),
            Format::V2 => {
                let mut lines = lines;
                answer.cookies = lines.remove(header::SET_COOKIE.as_str());
                let joined = lines
                    .into_iter()
                    .map(|(name, values)| (name, values.join(", ")));
                answer.headers = Some(joined.collect());
            }
        }
        answer
    }

    /// The length of the whole as JSON.
    pub(super) fn encoded_bytes(&self) -> usize {
        // Short ones cannot grow beyond any limit: six bytes for each is the most.
        if self.body.len() < SHORT_BYTES {
            return self.body.len();
        }
        serde_json::to_vec(self).map_or(usize::MAX, |json| json.len())
    }
}

/// The headers that are the answer's and not a connection's, with paths as the client must ask for them.
fn lines(headers: &HeaderMap, prefix: &str) -> BTreeMap<String, Vec<String>> {
    let mut lines = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in headers {
        if OF_CONNECTION.contains(name) {
            continue;
        }
        let value = text(value);
        let value = match *name {
            header::LOCATION if value.starts_with('/') => format!("{prefix}{value}"),
            header::LINK => value.replace("</", &format!("<{prefix}/")),
            _ => value,
        };
        lines.entry(name.to_string()).or_default().push(value);
    }
    lines
}

/// A value as JSON can have it.
fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// API Gateway makes its own of them.
const OF_CONNECTION: [HeaderName; 3] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
];

/// Bodies shorter than this are not measured.
const SHORT_BYTES: usize = super::MAX_ANSWER_BYTES / 8;
