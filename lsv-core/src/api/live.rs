//! What is live.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::body::Id;
use super::problem::{Answer, ProblemDocument};
use super::{Api, Kind, Problem};
use crate::path::ChannelId;
use crate::ports::SessionInfo;

/// Lists the live sessions.
#[utoipa::path(
    get, path = "/videostream/online", tag = "live",
    responses((status = 200, description = "Live sessions", body = Vec<SessionInfo>)),
)]
pub(super) async fn online(State(api): State<Arc<Api>>) -> Json<Vec<SessionInfo>> {
    Json(api.live.list())
}

/// Reads the live session of a channel.
#[utoipa::path(
    get, path = "/videostream/{id}/session", tag = "live", params(("id" = String, Path)),
    responses(
        (status = 200, description = "The live session", body = SessionInfo),
        (status = 404, description = "There is no such channel, or it is not live", body = ProblemDocument),
    ),
)]
pub(super) async fn session(State(api): State<Arc<Api>>, Id(id): Id) -> Answer<Json<SessionInfo>> {
    match api.live.find(&id) {
        Some(session) => Ok(Json(session)),
        None => Err(why_not_live(&api, &id).await),
    }
}

/// Disconnects the publisher of a channel. It may come back; make a new push key to keep it out.
#[utoipa::path(
    delete, path = "/videostream/{id}/session", tag = "live", params(("id" = String, Path)),
    responses(
        (status = 204, description = "The publisher is disconnected"),
        (status = 404, description = "There is no such channel, or it is not live", body = ProblemDocument),
    ),
)]
pub(super) async fn disconnect(State(api): State<Arc<Api>>, Id(id): Id) -> Answer<StatusCode> {
    if api.live.disconnect(&id) {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(why_not_live(&api, &id).await)
}

async fn why_not_live(api: &Api, id: &ChannelId) -> Problem {
    match api.channels.get(id).await {
        Ok(_) => Problem::new(Kind::NotFound, "the channel is not live"),
        Err(error) => error.into(),
    }
}
