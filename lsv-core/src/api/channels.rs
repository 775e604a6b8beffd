//! Making, listing, changing and removing channels.

use std::sync::Arc;

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::body::{Id, Json, Parameters};
use super::matching::{IfMatch, Tagged};
use super::problem::{Answer, ProblemDocument};
use super::{Api, Kind, Problem, openapi};
use crate::channel::{Channel, Fields};
use crate::events::Happening;
use crate::path::ChannelId;
use crate::ports::{self, Cursor, MAX_PAGE, PageRequest, Precondition};

/// Makes a channel.
#[utoipa::path(
    post, path = "/videostream", tag = "channels",
    request_body(content = inline(openapi::ChannelInput), description = "Fields that are left out take their defaults; `id` may be chosen."),
    responses(
        (status = 201, description = "The channel, with its push key", body = openapi::Channel, headers(("Location" = String), ("ETag" = String, description = "A strong tag of the record"))),
        (status = 409, description = "There is a channel of that id", body = ProblemDocument),
        (status = 422, description = "A field is unknown or its value not accepted; nothing is stored", body = ProblemDocument),
    ),
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    Json(fields): Json<Fields>,
) -> Answer<Response> {
    let channel = Channel::create(fields, new_id, api.now())?;
    api.check_targets(&channel.settings, None)?;
    api.check_picture(&channel.settings, None).await?;
    let work = Arc::clone(&api);
    let channel = to_the_end(async move {
        work.channels.put(&channel, Precondition::IfAbsent).await?;
        work.tell(Happening::ChannelCreated {
            channel: channel.id.clone(),
        });
        Ok(channel)
    })
    .await?;
    let location = format!("/videostream/{}", channel.id);
    let record = Tagged::new(&api, &channel);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], record).into_response())
}

/// Lists channels, newest first. Where there are more, the header `Link` names the next page.
#[utoipa::path(
    get, path = "/videostream", tag = "channels", params(Paging),
    responses(
        (status = 200, description = "Channels with their push keys", body = Vec<openapi::Channel>, headers(("Link" = String))),
        (status = 400, description = "A parameter cannot be understood", body = ProblemDocument),
    ),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Parameters(paging): Parameters<Paging>,
) -> Answer<Response> {
    let page = api.channels.list(&paging.request()?).await?;
    let records: Vec<_> = page
        .items
        .iter()
        .map(|channel| channel.record(&api.signer))
        .collect();
    let mut response = JsonAnswer(records).into_response();
    paging.link("/videostream", &[], page.next.as_ref(), &mut response);
    Ok(response)
}

/// Reads a channel.
#[utoipa::path(
    get, path = "/videostream/{id}", tag = "channels", params(("id" = String, Path)),
    responses(
        (status = 200, description = "The channel, with its push key", body = openapi::Channel, headers(("ETag" = String, description = "A strong tag of the record"))),
        (status = 404, description = "There is no such channel", body = ProblemDocument),
    ),
)]
pub(super) async fn read(State(api): State<Arc<Api>>, Id(id): Id) -> Answer<Response> {
    let channel = api.channels.get(&id).await?.channel;
    Ok(Tagged::new(&api, &channel).into_response())
}

/// Changes the fields that are given. What is live follows without dropping its publisher.
#[utoipa::path(
    method(put, patch), path = "/videostream/{id}", tag = "channels",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "Entity tags, one of which the channel must have, or `*`. A weak tag matches none.")),
    request_body(content = inline(openapi::ChannelInput), description = "A record as it was read can be sent back."),
    responses(
        (status = 200, description = "The whole channel", body = openapi::Channel, headers(("ETag" = String, description = "A strong tag of the record"))),
        (status = 400, description = "The body or a header cannot be understood", body = ProblemDocument),
        (status = 404, description = "There is no such channel", body = ProblemDocument),
        (status = 412, description = "The channel is not what `If-Match` names; nothing is changed", body = ProblemDocument),
        (status = 422, description = "A field is unknown or its value not accepted; nothing is changed", body = ProblemDocument),
    ),
)]
pub(super) async fn change(
    State(api): State<Arc<Api>>,
    Id(id): Id,
    known: IfMatch,
    Json(fields): Json<Fields>,
) -> Answer<Response> {
    edit(api, id, known, move |api, channel| {
        let before = channel.settings.clone();
        channel.change(fields.clone(), &api.signer, api.now())?;
        Ok(api.check_targets(&channel.settings, Some(&before))?)
    })
    .await
}

/// Makes a new push key. The old one, and every earlier one, stops working; who publishes now goes on.
#[utoipa::path(
    post, path = "/videostream/{id}/key", tag = "channels",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "Entity tags, one of which the channel must have, or `*`. A weak tag matches none.")),
    responses(
        (status = 200, description = "The whole channel, with its new push key", body = openapi::Channel, headers(("ETag" = String, description = "A strong tag of the record"))),
        (status = 400, description = "A header cannot be understood", body = ProblemDocument),
        (status = 404, description = "There is no such channel", body = ProblemDocument),
        (status = 409, description = "The channel can remember no more push keys", body = ProblemDocument),
        (status = 412, description = "The channel is not what `If-Match` names; nothing is changed", body = ProblemDocument),
    ),
)]
pub(super) async fn rotate_key(
    State(api): State<Arc<Api>>,
    Id(id): Id,
    known: IfMatch,
) -> Answer<Response> {
    let rotate = |api: &Api, channel: &mut Channel| Ok(channel.rotate_key(api.now())?);
    edit(api, id, known, rotate).await
}

/// Removes a channel and disconnects its publisher. With `If-Match` the channel is read and compared first; a change between that and the removal goes with the channel.
#[utoipa::path(
    delete, path = "/videostream/{id}", tag = "channels",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "Entity tags, one of which the channel must have, or `*`. A weak tag matches none.")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 400, description = "A header cannot be understood", body = ProblemDocument),
        (status = 404, description = "There is no such channel", body = ProblemDocument),
        (status = 412, description = "The channel is not what `If-Match` names; nothing is removed", body = ProblemDocument),
    ),
)]
pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    Id(id): Id,
    known: IfMatch,
) -> Answer<StatusCode> {
    to_the_end(async move {
        if known != IfMatch::Any {
            known.check(&api, &api.channels.get(&id).await?.channel)?;
        }
        api.channels.delete(&id).await?;
        api.live.disconnect(&id);
        api.tell(Happening::ChannelDeleted { channel: id });
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Which part of a listing is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Most items wanted; at most 1,000 come, which is also the default.
    #[param(minimum = 1)]
    limit: Option<usize>,
    /// Where to go on: taken from the `Link` header of the page before.
    cursor: Option<String>,
}

impl Paging {
    /// The page that a store is asked for.
    pub(super) fn request(&self) -> Answer<PageRequest> {
        let limit = self.limit.unwrap_or(MAX_PAGE);
        if limit == 0 {
            return Err(Problem::new(
                Kind::InvalidParameter,
                "`limit` accepts a whole number from 1",
            )
            .of_field("limit"));
        }
        Ok(PageRequest {
            cursor: self.cursor.as_deref().map(Cursor::new),
            limit: limit.min(MAX_PAGE),
        })
    }

    /// Names the next page of `path` in the header `Link` (RFC 8288), if there is one, with what else was `asked` for.
    pub(super) fn link(
        &self,
        path: &str,
        asked: &[(&str, Option<&str>)],
        next: Option<&Cursor>,
        response: &mut Response,
    ) {
        let Some(next) = next else { return };
        let limit = self.limit.map(|limit| limit.to_string());
        let own = [("limit", limit.as_deref()), ("cursor", Some(next.as_str()))];
        let given = asked.iter().copied().chain(own);
        let given = given.filter_map(|(name, value)| Some((name, percent_encoded(value?))));
        let query: Vec<_> = given
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let link = format!("<{path}?{}>; rel=\"next\"", query.join("&"));
        if let Ok(link) = HeaderValue::try_from(link) {
            response.headers_mut().insert(header::LINK, link);
        }
    }
}

/// Runs a change to its end even if the client goes away in its midst, so that what is stored, what is live and what
/// is told never part.
pub(super) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Answer<T>> + Send + 'static,
) -> Answer<T> {
    tokio::spawn(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a change ended early");
        Err(Problem::new(Kind::Internal, "the change ended early"))
    })
}

/// Changes a record by the version that was read, again if somebody else was faster, and lets what is live follow.
async fn edit(
    api: Arc<Api>,
    id: ChannelId,
    known: IfMatch,
    change: impl Fn(&Api, &mut Channel) -> Answer<()> + Send + 'static,
) -> Answer<Response> {
    let work = Arc::clone(&api);
    let channel = to_the_end(async move {
        let channel = write_edited(&work, &id, &known, change).await?;
        work.live.apply(&channel);
        work.tell(Happening::ChannelChanged { channel: id });
        Ok(channel)
    })
    .await?;
    Ok(Tagged::new(&api, &channel).into_response())
}

async fn write_edited(
    api: &Api,
    id: &ChannelId,
    known: &IfMatch,
    change: impl Fn(&Api, &mut Channel) -> Answer<()> + Send,
) -> Answer<Arc<Channel>> {
    let mut tries = 0;
    loop {
        let read = api.channels.get(id).await?;
        // In each try: who was faster may have made it something else than the client knows.
        known.check(api, &read.channel)?;
        let mut channel = read.channel.as_ref().clone();
        change(api, &mut channel)?;
        let before = &read.channel.settings;
        api.check_picture(&channel.settings, Some(before)).await?;
        tries += 1;
        let condition = Precondition::IfVersion(read.version);
        match api.channels.put(&channel, condition).await {
            Ok(_) => return Ok(Arc::new(channel)),
            Err(ports::Error::Conflict(_)) if tries < MAX_TRIES => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn new_id() -> ChannelId {
    let uuid = Uuid::new_v4().to_string();
    ChannelId::parse(&uuid).expect("a UUID is made of hexadecimal digits and hyphens")
}

/// RFC 3986 §2.1, for everything but unreserved characters.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// How often a change is tried when others change the same record at the same time.
const MAX_TRIES: usize = 8;
