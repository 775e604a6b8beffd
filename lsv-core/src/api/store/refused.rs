//! What a port failed with, as a problem document that tells another node all of it.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::exchange::Told;
use crate::ports::Error;

/// A refusal for another node.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    error: Error,
}

/// The answer of a handler that may refuse.
pub(super) type Answer<T> = Result<T, Refused>;

impl Refused {
    /// A writer or lease that is not there any more.
    pub(super) fn gone(what: &str) -> Self {
        Self {
            status: StatusCode::GONE,
            error: Error::NotFound(what.to_owned()),
        }
    }

    /// A request that makes no sense.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Error::Invalid(detail.into()).into()
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let status = parts(&error).0;
        Self { status, error }
    }
}

/// The document (RFC 9457 §3.1); `error` is the extension that the other node reads.
#[derive(Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    error: Told,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (_, name, title) = parts(&self.error);
        let retry_after = match &self.error {
            Error::Unavailable { retry_after, .. } => Some(retry_after.as_secs().max(1)),
            _ => None,
        };
        let document = Document {
            kind: format!("urn:lsv:problem:{name}"),
            title,
            status: self.status.as_u16(),
            detail: self.error.to_string(),
            error: self.error.into(),
        };
        let mut response = (self.status, Json(document)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

const fn parts(error: &Error) -> (StatusCode, &'static str, &'static str) {
    match error {
        Error::NotFound(_) => (StatusCode::NOT_FOUND, "not-found", "There is no such thing"),
        Error::Conflict(_) => (
            StatusCode::CONFLICT,
            "conflict",
            "It exists already or was changed meanwhile",
        ),
        Error::Denied(_) => (
            StatusCode::FORBIDDEN,
            "denied",
            "What the node keeps things in refuses it",
        ),
        Error::Unavailable { .. } => (
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "The node cannot do that now",
        ),
        Error::Invalid(_) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "The call makes no sense",
        ),
        Error::Damaged { .. } => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "damaged",
            "What is kept cannot be read any more",
        ),
    }
}
