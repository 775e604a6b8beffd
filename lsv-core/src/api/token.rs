//! The bearer token that every call but health, metrics and description needs (RFC 6750 §2.1), or the session of a browser
//! in its place.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use lsv_auth::Secret;
use lsv_auth::session::Session;

use super::{Api, Kind, Problem};

/// Lets requests through that show the token, and nothing else: what nodes ask each other is no business of browsers.
pub(super) async fn require(
    State(expected): State<Secret>,
    request: Request,
    next: Next,
) -> Response {
    match is_shown(&expected, request.headers()) {
        true => next.run(request).await,
        false => unauthorized().into_response(),
    }
}

/// Lets requests through that show the token, or come from a browser that is signed in. A browser sends its cookie with what
/// other sites make it ask too, so calls that change something must also show what only pages of the platform know.
///
/// Where there is an `Authorization` header it counts alone. Else the request goes on with its [`Session`] as an extension, for
/// answers that may outlive it.
pub(super) async fn require_operator(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    match check_operator(&api, &request) {
        Ok(session) => {
            if let Some(session) = session {
                request.extensions_mut().insert(session);
            }
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// The session that lets a request in, or none where the token does.
fn check_operator(api: &Api, request: &Request) -> Result<Option<Session>, Problem> {
    let headers = request.headers();
    if headers.contains_key(header::AUTHORIZATION) {
        let is_shown = is_shown(&api.token, headers);
        return is_shown.then_some(None).ok_or_else(unauthorized);
    }
    let session = api.sign_in.session(headers, api.now());
    let session = session.ok_or_else(signed_out)?;
    match request.method().is_safe() || api.sign_in.is_own(&session, headers) {
        true => Ok(Some(session)),
        false => Err(foreign()),
    }
}

/// Keeps an answer out of caches: it may hold keys, and is for one reader.
pub(super) async fn keep_private(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}

fn unauthorized() -> Problem {
    Problem::new(
        Kind::Unauthorized,
        "send the platform's token: `Authorization: Bearer <token>`",
    )
}

/// The refusal of who shows neither a token nor a session that is good.
fn signed_out() -> Problem {
    Problem::new(
        Kind::Unauthorized,
        "sign in at /console/session, or send the platform's token: `Authorization: Bearer <token>`",
    )
}

/// The refusal of a call that another site may have made a browser send.
pub(super) fn foreign() -> Problem {
    Problem::new(
        Kind::Csrf,
        "send the session's `csrf`, as GET /console/session tells it: `X-CSRF-Token: <csrf>`",
    )
}

fn is_shown(expected: &Secret, headers: &HeaderMap) -> bool {
    shown(headers).is_some_and(|token| expected.matches(token))
}

/// The token of the one `Authorization` header.
fn shown(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.as_bytes().split_at_checked(SCHEME.len())?;
    scheme
        .eq_ignore_ascii_case(SCHEME)
        .then_some(token.trim_ascii())
}

const SCHEME: &[u8] = b"Bearer ";
