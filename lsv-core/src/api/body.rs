//! Reading what comes in: JSON bodies of bounded size, query parameters, ids.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::problem::Answer;
use super::{Kind, Problem};
use crate::path::ChannelId;

/// A JSON body.
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Answer<Self> {
        let (parts, body) = request.into_parts();
        require_json(&parts.headers)?;
        let bytes = tokio::time::timeout(BODY_TIMEOUT, read(&parts.headers, body))
            .await
            .map_err(|_| {
                let seconds = BODY_TIMEOUT.as_secs();
                let detail = format!("the body did not arrive within {seconds} s");
                Problem::new(Kind::RequestTimeout, detail)
            })??;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| Problem::new(Kind::MalformedJson, error.to_string()))
    }
}

/// The parameters of the query.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(parameters)| Self(parameters))
            .map_err(|rejection| Problem::new(Kind::InvalidParameter, rejection.body_text()))
    }
}

/// The channel that the path names.
pub(super) struct Id(pub(super) ChannelId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        path.ok()
            .and_then(|Path(words)| words.into_iter().find(|(name, _)| name == "id"))
            .and_then(|(_, id)| ChannelId::parse(&id).ok())
            .map(Self)
            .ok_or_else(no_such_channel)
    }
}

/// What a call for a channel answers whose id cannot be one.
fn no_such_channel() -> Problem {
    Problem::new(Kind::NotFound, "there is no channel of that id")
}

/// Takes `application/json`, any `+json`, and a body whose type is not told; refuses everything else, which also
/// keeps forms of foreign web pages out.
fn require_json(headers: &HeaderMap) -> Answer<()> {
    match headers.contains_key(header::CONTENT_TYPE) {
        true => require_json_type(headers),
        false => Ok(()),
    }
}

/// The same where the type must be told.
pub(super) fn require_json_type(headers: &HeaderMap) -> Answer<()> {
    let essence = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if essence == "application/json" || essence.ends_with("+json") {
        return Ok(());
    }
    Err(Problem::new(
        Kind::UnsupportedMediaType,
        "send JSON, with the header `Content-Type: application/json`",
    ))
}

async fn read(headers: &HeaderMap, mut body: Body) -> Answer<Bytes> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    if announced.is_none_or(|length| length <= MAX_BODY_BYTES as u64) {
        match Limited::new(&mut body, MAX_BODY_BYTES).collect().await {
            Ok(collected) => return Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {}
            Err(_) => return Err(Problem::new(Kind::MalformedJson, "the body broke off")),
        }
    }
    if !headers.contains_key(header::EXPECT) {
        discard(body).await;
    }
    Err(too_large())
}

/// Reads on for a while and keeps nothing: a connection that is closed with unread bytes is reset, and the client
/// would see that instead of the answer. A client that asks before it sends (`Expect`) needs none of this.
async fn discard(mut body: Body) {
    let mut discarded = 0_usize;
    while let Some(Ok(frame)) = body.frame().await {
        discarded = discarded.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if discarded > MAX_DISCARDED_BYTES {
            return;
        }
    }
}

fn too_large() -> Problem {
    let detail = format!("a body has at most {MAX_BODY_BYTES} bytes");
    Problem::new(Kind::ContentTooLarge, detail)
}

/// Largest body: ten times a channel record with every text at its longest, written in ASCII.
const MAX_BODY_BYTES: usize = 64 * 1024;
/// Most bytes of a refused body that are read and thrown away: an honest mistake gets its answer, a flood does not.
const MAX_DISCARDED_BYTES: usize = 16 * 1024 * 1024;
/// How long a body may take: stops a client from holding a connection with a body that never ends.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
