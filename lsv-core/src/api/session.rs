//! Signing in and out with a browser: `/console/session`.
//!
//! ```text
//! POST    token, or user and password ─> [attempts] ─> Set-Cookie, and what calls that change something must send along
//! GET     who is signed in
//! DELETE  the cookie goes, and this process refuses it until it expires
//! ```

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Json as JsonAnswer;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use lsv_auth::session::Session;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Json, require_json_type};
use super::problem::{Answer, ProblemDocument};
use super::reached::Reached;
use super::sign_in::Shown;
use super::{Api, Kind, Problem, signed, token};
use crate::channel::Moment;

/// What somebody signs in with: the token, or user and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    /// The API's token.
    token: Option<String>,
    /// The user that the operator set.
    user: Option<String>,
    /// Its password.
    password: Option<String>,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignedIn {
    /// Whether anybody is.
    signed_in: bool,
    /// Whether user and password are a way to sign in.
    passwords: bool,
    #[serde(flatten)]
    session: Option<Current>,
}

/// Their session.
#[derive(Serialize, ToSchema)]
struct Current {
    /// The name of who signed in with one.
    user: Option<String>,
    /// Until when it is good.
    #[schema(value_type = String, format = DateTime)]
    expires: Moment,
    /// What the header `X-CSRF-Token` must say in calls other than GET and HEAD.
    csrf: String,
}

/// Where a client is.
pub(super) struct Client(IpAddr);

impl FromRequestParts<Arc<Api>> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Answer<Self> {
        // Whoever is behind a server that does not tell counts as one.
        let unknown = Ipv4Addr::UNSPECIFIED.into();
        Ok(Self(signed::client(parts, api).unwrap_or(unknown)))
    }
}

/// Signs in: answers a cookie that stands for the token for twelve hours. After ten wrong attempts of an address within a
/// minute it has to wait.
#[utoipa::path(
    post, path = "/console/session", tag = "console", security(()), request_body = Credentials,
    responses(
        (status = 200, description = "Signed in; `Set-Cookie` holds the session", body = SignedIn),
        (status = 401, description = "What was shown is wrong", body = ProblemDocument),
        (status = 415, description = "The body is not announced as JSON", body = ProblemDocument),
        (status = 422, description = "Neither a token nor user and password", body = ProblemDocument),
        (status = 429, description = "Too many wrong attempts; `Retry-After` says when", body = ProblemDocument),
        (status = 503, description = "Too many passwords to verify; `Retry-After` says when", body = ProblemDocument),
    ),
)]
pub(super) async fn sign_in(
    State(api): State<Arc<Api>>,
    Client(client): Client,
    reached: Reached,
    headers: HeaderMap,
    Json(given): Json<Credentials>,
) -> Answer<impl IntoResponse> {
    // Pages of other sites can send any other type without asking first, and sign somebody in as somebody else.
    require_json_type(&headers)?;
    let shown = match (&given.token, &given.user, given.password) {
        (Some(token), None, None) => Shown::Token(token),
        (None, Some(user), Some(password)) => Shown::Password { user, password },
        _ => {
            let detail = "send `token`, or `user` and `password`";
            return Err(Problem::new(Kind::InvalidValue, detail));
        }
    };
    let entered = api.sign_in.enter(&api.token, shown, client, api.now());
    let session = entered.await?;
    let cookie = api.sign_in.cookie(Some(&session), reached.is_secured());
    Ok((
        AppendHeaders([(header::SET_COOKIE, cookie)]),
        state(&api, Some(session)),
    ))
}

/// Tells who is signed in.
#[utoipa::path(
    get, path = "/console/session", tag = "console", security(()),
    responses((status = 200, description = "Who is, if anybody", body = SignedIn)),
)]
pub(super) async fn current(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
) -> JsonAnswer<SignedIn> {
    let session = api.sign_in.session(&headers, api.now());
    state(&api, session)
}

/// Signs out: takes the cookie away, and refuses it from now on in this process.
#[utoipa::path(
    delete, path = "/console/session", tag = "console", security(()),
    params(("X-CSRF-Token" = Option<String>, Header, description = "The session's `csrf`")),
    responses(
        (status = 204, description = "Nobody is signed in any more"),
        (status = 403, description = "The header `X-CSRF-Token` is missing or wrong", body = ProblemDocument),
    ),
)]
pub(super) async fn sign_out(
    State(api): State<Arc<Api>>,
    reached: Reached,
    headers: HeaderMap,
) -> Answer<impl IntoResponse> {
    let now = api.now();
    if let Some(session) = api.sign_in.session(&headers, now) {
        if !api.sign_in.is_own(&session, &headers) {
            return Err(token::foreign());
        }
        api.sign_in.leave(&session, now);
    }
    let cookie = api.sign_in.cookie(None, reached.is_secured());
    let gone = AppendHeaders([(header::SET_COOKIE, cookie)]);
    Ok((StatusCode::NO_CONTENT, gone))
}

fn state(api: &Api, session: Option<Session>) -> JsonAnswer<SignedIn> {
    JsonAnswer(SignedIn {
        signed_in: session.is_some(),
        passwords: api.sign_in.has_password(),
        session: session.map(|session| Current {
            csrf: api.sign_in.csrf(&session),
            expires: Moment::from_unix(session.expires),
            user: session.user,
        }),
    })
}
