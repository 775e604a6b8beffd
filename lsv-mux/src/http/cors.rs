//! What lets players on other sites use the answers: cross-origin sharing (Fetch standard §3.2).

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// Answers a browser that asks whether it may ask, with the viewer's cookies too: who asks does not say for what, so whether
/// the answer may be read then is said with the answer.
pub(super) fn preflight(headers: &HeaderMap) -> Response {
    let fields = [
        (header::ALLOW, METHODS),
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    let mut response = (StatusCode::NO_CONTENT, fields).into_response();
    if let Some(origin) = headers.get(header::ORIGIN) {
        share_with(origin, response.headers_mut());
    }
    response
}

/// Lets players on other sites read the answer, unless it is for one site alone: then no cookie of a browser is involved.
pub(super) fn share(fields: &mut HeaderMap) {
    let always = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "cross-origin",
        ),
        (header::HeaderName::from_static("timing-allow-origin"), "*"),
    ];
    for (name, value) in always {
        fields
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

/// Lets the scripts of one site read the answer to a request that brought the viewer's cookies.
pub(super) fn share_with(origin: &HeaderValue, fields: &mut HeaderMap) {
    // A page without an origin of its own may be anybody's.
    if origin == "null" {
        return;
    }
    fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    let yes = HeaderValue::from_static("true");
    fields.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    fields.append(header::VARY, HeaderValue::from_static("Origin"));
}

const METHODS: &str = "GET, HEAD, OPTIONS";
const REQUEST_HEADERS: &str = "Authorization, Range, If-None-Match, If-Range, If-Modified-Since, Cache-Control, Pragma, Content-Type";
const RESPONSE_HEADERS: &str =
    "Content-Length, Content-Range, Date, ETag, Age, X-Cache, Retry-After";
