//! Refusals: problem documents for programs (RFC 9457), pages for people.

use std::borrow::Cow;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::pages;

/// Why a request is refused, in the words of a problem document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Cow<'static, str>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

impl Problem {
    fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            title,
            detail: detail.into(),
            headers: Vec::new(),
        }
    }

    /// No such address, stream or file.
    pub(super) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// The viewer may not watch.
    pub(super) fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Forbidden", detail)
    }

    /// The query makes no sense.
    pub(super) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "Bad request",
            detail,
        )
    }

    /// Neither GET nor HEAD.
    pub(super) fn method_not_allowed() -> Self {
        let detail = "playback addresses answer GET, HEAD and OPTIONS";
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(status, "method-not-allowed", "Method not allowed", detail).with(
            header::ALLOW,
            HeaderValue::from_static("GET, HEAD, OPTIONS"),
        )
    }

    /// A range beyond the end of a file of `length` bytes.
    pub(super) fn range_not_satisfiable(length: usize) -> Self {
        let status = StatusCode::RANGE_NOT_SATISFIABLE;
        let detail = format!("the file has {length} bytes");
        let problem = Self::new(
            status,
            "range-not-satisfiable",
            "Range not satisfiable",
            detail,
        );
        match HeaderValue::from_str(&format!("bytes */{length}")) {
            Ok(range) => problem.with(header::CONTENT_RANGE, range),
            Err(_) => problem,
        }
    }

    /// The request has come back to a node that it came through.
    pub(super) fn loop_detected(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::LOOP_DETECTED,
            "loop-detected",
            "Loop detected",
            detail,
        )
    }

    /// Not there yet, or out of reach; worth another try after `retry_after`.
    pub(super) fn unavailable(detail: impl Into<Cow<'static, str>>, retry_after: Duration) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "unavailable", "Not available yet", detail).retried_after(retry_after)
    }

    /// No node that should have it can be reached, or what it says is of no use.
    #[cfg(feature = "edge")]
    pub(super) fn bad_gateway(retry_after: Duration) -> Self {
        let (status, detail) = (
            StatusCode::BAD_GATEWAY,
            "the node that has it cannot be reached",
        );
        Self::new(status, "bad-gateway", "Bad gateway", detail).retried_after(retry_after)
    }

    /// A node that should have it takes too long.
    #[cfg(feature = "edge")]
    pub(super) fn gateway_timeout(retry_after: Duration) -> Self {
        let (status, detail) = (
            StatusCode::GATEWAY_TIMEOUT,
            "the node that has it does not answer",
        );
        Self::new(status, "gateway-timeout", "Gateway timeout", detail).retried_after(retry_after)
    }

    fn retried_after(self, time: Duration) -> Self {
        self.with(
            header::RETRY_AFTER,
            HeaderValue::from(time.as_secs().max(1)),
        )
    }

    fn with(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl Problem {
    /// The answer to a request for `path` with these headers: a page for a browser that goes there.
    pub(super) fn answer(self, path: &str, headers: &HeaderMap) -> Response {
        let accepted = headers.get_all(header::ACCEPT).iter();
        let mut accepted = accepted.filter_map(|value| value.to_str().ok());
        if !accepted.any(|value| value.contains("text/html")) {
            return self.into_response();
        }
        let page = pages::problem(path, self.title, &self.detail);
        let mut response = self.respond("text/html; charset=utf-8", page);
        pages::restrict(response.headers_mut());
        response
    }

    fn respond(self, content_type: &'static str, body: String) -> Response {
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        // What is missing now may be there in a second.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = serde_json::json!({
            "type": format!("urn:lsv:problem:{}", self.code),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        self.respond("application/problem+json", document.to_string())
    }
}
