//! What was recorded of a channel.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use self::narrowed::Narrowed;
use super::body::{Id, Parameters};
use super::channels::Paging;
use super::problem::{Answer, ProblemDocument};
use super::reached::Reached;
use super::signed::{Ticket, Viewer, Wanted};
use super::{Api, Kind, Problem};
use crate::channel::Moment;
use crate::path::ChannelId;
use crate::ports::{
    self, ObjectInfo, ObjectName, ObjectStore, PageRequest, StorageClass, unfinished,
};
use crate::recording::{self, PLAYLIST, THUMBNAILS};

mod length;
mod narrowed;

/// Lists what was recorded of a channel, by name: MP4 files, playlists for video on demand, snapshots, clips and pictures of what moves. Where there is more, the header `Link` names the next page. A page looks through `limit` objects, segments of playlists among them: it may have fewer recordings, or none, and still a next one. `kind` and `day` look through those objects alone.
#[utoipa::path(
    get, path = "/videostream/{id}/recordings", tag = "recordings", params(("id" = String, Path), Paging, Narrowed, Wanted),
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
    Parameters(narrowed): Parameters<Narrowed>,
    Parameters(wanted): Parameters<Wanted>,
    viewer: Viewer,
    reached: Reached,
) -> Answer<Response> {
    let request = paging.request()?;
    let (from, to) = narrowed.moments()?;
    let folder = narrowed.folder()?;
    let channel = api.channels.get(&id).await?.channel;
    let prefix = prefix(&id);
    let page = api
        .objects
        .list(&format!("{prefix}{folder}"), &request)
        .await?;
    let dns = api.channels.stream_dns().await?;
    let origin = reached.origin(dns.pull.as_ref(), &api.listeners);
    let ticket = Ticket::new(&api, &channel, viewer, &origin.authority);
    let base = format!("{}://{}/{id}", origin.scheme(), origin.authority);
    let mut recordings = Vec::new();
    for object in &page.items {
        let recording = Recording::of(object, &prefix, &base);
        let in_time = (from..=to).contains(&object.modified);
        if let Some(mut recording) = recording.filter(|_| in_time) {
            recording.seconds = length::of(&*api.objects, object).await;
            recording.find_thumbnails(&page.items, object);
            recording.url = ticket.on(recording.url);
            recording.thumbnails = recording.thumbnails.map(|url| ticket.on(url));
            recordings.push(recording);
        }
    }
    let mut response = Json(recordings).into_response();
    let path = format!("/videostream/{id}/recordings");
    let asked = [&narrowed.given()[..], &wanted.given()].concat();
    paging.link(&path, &asked, page.next.as_ref(), &mut response);
    Ok(response)
}

/// Removes a recording; with a playlist go its segments. What is being written stays; what a crash cut off may go five minutes later, or when the next start has made it whole.
#[utoipa::path(
    delete, path = "/videostream/{id}/recordings/{name}", tag = "recordings",
    params(("id" = String, Path), ("name" = String, Path, description = "The name as it is listed, slashes included")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such recording", body = ProblemDocument),
        (status = 409, description = "It is being written", body = ProblemDocument),
    ),
)]
pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    Id(id): Id,
    Path((_, name)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let name = ObjectName::parse(&format!("{}{name}", prefix(&id)))
        .map_err(|_| Problem::new(Kind::NotFound, "there is no recording of that name"))?;
    api.objects.stat(&name).await?;
    let now = (api.clock)();
    for written in [Some(name.clone()), playlist_beside(&name)] {
        let Some(written) = written else {
            continue;
        };
        if unfinished::is_written(&*api.objects, &written, now).await? {
            let detail =
                "it is being written: turn its recording off or end the stream, then try again";
            return Err(Problem::new(Kind::StillWritten, detail));
        }
    }
    // First: nobody is to make whole what is gone.
    gone(api.objects.delete(&unfinished::entry(&name)?).await)?;
    api.objects.delete(&name).await?;
    if let Some(folder) = name.as_str().strip_suffix(PLAYLIST) {
        remove_below(&*api.objects, &format!("{folder}/")).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn remove_below(objects: &dyn ObjectStore, folder: &str) -> Answer<()> {
    loop {
        let page = objects.list(folder, &PageRequest::default()).await?;
        if page.items.is_empty() {
            return Ok(());
        }
        for object in &page.items {
            gone(objects.delete(&object.name).await)?;
        }
    }
}

/// What is not there is gone too.
fn gone(removed: ports::Result<()>) -> Answer<()> {
    match removed {
        Ok(()) | Err(ports::Error::NotFound(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The playlist of the session that `name` would be a segment of.
fn playlist_beside(name: &ObjectName) -> Option<ObjectName> {
    let (folder, _) = name.as_str().rsplit_once('/')?;
    ObjectName::parse(&format!("{folder}{PLAYLIST}")).ok()
}

/// Something that was recorded.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recording {
    /// Its name below the channel.
    name: String,
    /// What it is.
    kind: recording::Kind,
    /// When it was complete.
    #[schema(value_type = String, format = DateTime)]
    time: Moment,
    /// The seconds that it plays; none for a picture, and while it is written.
    #[serde(rename = "length")]
    seconds: Option<f64>,
    /// Its size in bytes; of a playlist, without its segments.
    size: u64,
    /// How it is kept: `hot` is at hand at once.
    storage_class: StorageClass,
    /// Where to play it, or to see it.
    url: String,
    /// WebVTT that says which part of which picture shows which time of a playlist, where there are such pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnails: Option<String>,
}

impl Recording {
    /// `object` as it is listed; none for what belongs to a playlist. `base` is the channel's address.
    fn of(object: &ObjectInfo, prefix: &str, base: &str) -> Option<Self> {
        let name = object.name.as_str().strip_prefix(prefix)?;
        let kind = recording::Kind::of(name)?;
        Some(Self {
            name: name.to_owned(),
            kind,
            time: object.modified,
            seconds: None,
            size: object.size,
            storage_class: object.class,
            url: format!("{base}/vod/{}", kind.address(name)),
            thumbnails: None,
        })
    }
}

impl Recording {
    /// Names the small pictures of a playlist, which stand behind it in a listing by name.
    fn find_thumbnails(&mut self, page: &[ObjectInfo], object: &ObjectInfo) {
        let Some(folder) = object.name.as_str().strip_suffix(PLAYLIST) else {
            return;
        };
        let wanted = format!("{folder}{THUMBNAILS}");
        if page.iter().any(|other| other.name.as_str() == wanted) {
            let base = self.url.strip_suffix(PLAYLIST).unwrap_or_default();
            self.thumbnails = Some(format!("{base}{THUMBNAILS}"));
        }
    }
}

/// Where everything that was recorded of a channel is kept.
pub(super) fn prefix(id: &ChannelId) -> String {
    format!("record/{id}/")
}
