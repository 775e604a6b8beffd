//! What was recorded of a channel.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::{Id, Parameters};
use super::channels::Paging;
use super::problem::{Answer, ProblemDocument};
use super::{Api, Kind, Problem};
use crate::channel::Moment;
use crate::path::ChannelId;
use crate::ports::{ObjectInfo, ObjectName};

/// Lists what was recorded of a channel, by name. Where there is more, the header `Link` names the next page.
#[utoipa::path(
    get, path = "/videostream/{id}/recordings", tag = "recordings", params(("id" = String, Path), Paging, Between),
    responses(
        (status = 200, description = "Recordings", body = Vec<Recording>, headers(("Link" = String))),
        (status = 400, description = "A parameter cannot be understood", body = ProblemDocument),
        (status = 404, description = "There is no such channel", body = ProblemDocument),
    ),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Id(id): Id,
    Parameters(paging): Parameters<Paging>,
    Parameters(between): Parameters<Between>,
) -> Answer<Response> {
    let request = paging.request()?;
    let (from, to) = between.moments()?;
    api.channels.get(&id).await?;
    let prefix = prefix(&id);
    let page = api.objects.list(&prefix, &request).await?;
    let recordings: Vec<_> = page
        .items
        .iter()
        .filter(|object| (from..=to).contains(&object.modified))
        .filter_map(|object| Recording::of(object, &prefix))
        .collect();
    let mut response = Json(recordings).into_response();
    let path = format!("/videostream/{id}/recordings");
    paging.link(&path, page.next.as_ref(), &mut response);
    Ok(response)
}

/// Removes a recording.
#[utoipa::path(
    delete, path = "/videostream/{id}/recordings/{name}", tag = "recordings",
    params(("id" = String, Path), ("name" = String, Path, description = "The name as it is listed, slashes included")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such recording", body = ProblemDocument),
    ),
)]
pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    Id(id): Id,
    Path((_, name)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let name = ObjectName::parse(&format!("{}{name}", prefix(&id)))
        .map_err(|_| Problem::new(Kind::NotFound, "there is no recording of that name"))?;
    api.objects.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The time in which recordings were written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Between {
    /// Not before: an RFC 3339 time.
    from: Option<String>,
    /// Not after: an RFC 3339 time, or a date for the end of that day.
    to: Option<String>,
}

impl Between {
    fn moments(&self) -> Answer<(Moment, Moment)> {
        let parse = |name: &str, text: &Option<String>, missing: Moment| match text {
            None => Ok(missing),
            Some(text) => Moment::parse(text).ok_or_else(|| {
                let detail =
                    format!("`{name}` accepts an RFC 3339 time such as 2032-12-09T18:00:00Z");
                Problem::new(Kind::InvalidParameter, detail).of_field(name)
            }),
        };
        let from = parse("from", &self.from, Moment::EPOCH)?;
        let to = parse("to", &self.to, Moment::MAX)?;
        Ok((from, to))
    }
}

/// Something that was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Recording {
    /// Its name below the channel.
    name: String,
    /// When it was complete.
    #[schema(value_type = String, format = DateTime)]
    time: Moment,
    /// Its length in bytes.
    size: u64,
}

impl Recording {
    fn of(object: &ObjectInfo, prefix: &str) -> Option<Self> {
        Some(Self {
            name: object.name.as_str().strip_prefix(prefix)?.to_owned(),
            time: object.modified,
            size: object.size,
        })
    }
}

/// Where everything that was recorded of a channel is kept.
fn prefix(id: &ChannelId) -> String {
    format!("record/{id}/")
}
