//! What nodes ask each other: where a channel can be pulled from, and what its record says. [`crate::remote`] is the
//! asking end.
//!
//! ```text
//! GET /videostream/{id}/location?via=   the Session that it can be pulled from      404 where it is not live
//! GET /videostream/{id}/stored?via=     the record as stores keep it, without keys  404 where there is none
//! ```

use std::fmt;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use lsv_auth::Secret;

use super::body::Id;
use super::problem::Answer;
use super::{Kind, Problem, token};
use crate::ports::{Directory, Session};
use crate::via::Via;

/// What a node answers others from. Clones share it.
#[derive(Clone)]
pub struct Nodes {
    /// What it tells.
    pub directory: Arc<dyn Directory>,
    /// What another node must show.
    pub token: Secret,
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

/// The calls of nodes as a router. It has no fallback: merge it with others.
pub fn router(nodes: Nodes) -> Router {
    let token = nodes.token.clone();
    Router::new()
        .route("/videostream/{id}/location", get(location))
        .route("/videostream/{id}/stored", get(stored))
        .route_layer(middleware::from_fn_with_state(token, token::require))
        .with_state(nodes)
}

async fn location(State(nodes): State<Nodes>, Id(id): Id, uri: Uri) -> Answer<Json<Session>> {
    let found = nodes.directory.locate(&id, &via(&uri)?).await?;
    let offline = || Problem::new(Kind::NotFound, "the channel is not live here");
    found.map(Json).ok_or_else(offline)
}

async fn stored(State(nodes): State<Nodes>, Id(id): Id, uri: Uri) -> Answer<Response> {
    let channel = nodes.directory.record(&id, &via(&uri)?).await?;
    let fields = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((fields, Bytes::from(channel.encode())).into_response())
}

fn via(uri: &Uri) -> Answer<Via> {
    Via::of_query(uri.query())
        .map_err(|error| Problem::new(Kind::InvalidParameter, error.to_string()))
}
