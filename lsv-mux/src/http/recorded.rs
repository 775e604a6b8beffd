//! What was recorded, from the object store: a listing, playlists, segments and MP4 files, in ranges and without holding
//! more than a piece of them.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, header};
use lsv_core::path::ChannelId;
use lsv_core::ports::{Cursor, Error, Object, ObjectInfo, ObjectName, ObjectStore, PageRequest};
use lsv_core::recording::{self, PLAYLIST, THUMBNAILS};
use serde_json::{Value, json};

use super::guest::Guest;
use super::inherit::{self, Heir};
use super::object::{self, About, OPENING_BYTES};
use super::pages;
use super::problem::Problem;
use super::site::RETRY_AFTER;

/// Answers for `rest`, what follows `/<id>/vod/`.
pub(super) async fn answer(
    store: &Arc<dyn ObjectStore>,
    channel: &ChannelId,
    rest: &str,
    guest: &Guest,
    parts: &Parts,
) -> Result<Response, Problem> {
    if is_page(rest, parts) {
        return Ok(pages::recordings(&parts.method, &parts.headers));
    }
    if rest.is_empty() {
        return listing(&**store, channel, guest, parts).await;
    }
    // Sessions are named by their time, so that no shelf has the name of one.
    let is_shelf = SHELVES.iter().any(|shelf| rest.starts_with(shelf));
    let name = match is_shelf {
        true => format!("record/{channel}/{rest}"),
        false => format!("record/{channel}/vod/{rest}"),
    };
    let name = ObjectName::parse(&name).map_err(|_| not_found())?;
    // Asked first: what is read after that is the whole of the segment.
    let is_whole = is_followed(&**store, &name).await;
    let opening = store.get(&name, Some(0..OPENING_BYTES)).await;
    let opening = opening.map_err(|error| failed(&error))?;
    Ok(file(store, opening, is_whole, guest, parts))
}

/// Whether `rest` is the listing, and a browser goes there and no program.
pub(super) fn is_page(rest: &str, parts: &Parts) -> bool {
    if !rest.is_empty() {
        return false;
    }
    let accepted = parts.headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains("text/html"))
}

/// Whether another segment follows the segment `name`, which so does not grow any more. Of the last one nobody can tell.
async fn is_followed(store: &dyn ObjectStore, name: &ObjectName) -> bool {
    let number = name.as_str().strip_suffix(".m4s");
    let Some((folder, number)) = number.and_then(|name| name.rsplit_once("/segment-")) else {
        return false;
    };
    let Some(next) = number.parse::<u64>().ok().and_then(|n| n.checked_add(1)) else {
        return false;
    };
    match ObjectName::parse(&format!("{folder}/segment-{next}.m4s")) {
        Ok(next) => store.stat(&next).await.is_ok(),
        Err(_) => false,
    }
}

/// An object of the channel's, or the range of it that is wanted.
fn file(
    store: &Arc<dyn ObjectStore>,
    opening: Object,
    is_whole: bool,
    guest: &Guest,
    parts: &Parts,
) -> Response {
    let info = &opening.info;
    let kind = Kind::of(&info.name);
    let etag = format!("\"{:x}-{:x}\"", info.modified.unix_millis(), info.size);
    let about = About {
        content_type: kind.content_type(),
        cache_control: HeaderValue::from_static(kind.cache_control(is_whole)),
        etag: &etag,
    };
    let heir = inherit::Kind::of(about.content_type).zip(guest.credential.as_ref());
    match heir {
        Some((kind, credential)) => {
            object::inherited(store, opening, &about, Heir::new(kind, credential), parts)
        }
        None => object::answer(store, opening, &about, parts),
    }
}

/// `/<id>/vod/`: the playlists and files of the channel, by name, and where the list goes on. A page looks through as many
/// objects as the store gives at once, segments among them, so that it may have few recordings, or none.
async fn listing(
    store: &dyn ObjectStore,
    channel: &ChannelId,
    guest: &Guest,
    parts: &Parts,
) -> Result<Response, Problem> {
    let query = parts.uri.query().unwrap_or_default();
    let cursor = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("cursor="));
    let prefix = format!("record/{channel}/");
    let cursor = match cursor.map(|rest| ObjectName::parse(&format!("{prefix}{rest}"))) {
        Some(Ok(name)) => Some(Cursor::new(name.as_str())),
        Some(Err(_)) => return Err(Problem::bad_request("cursor is the `next` of a listing")),
        None => None,
    };
    let page = PageRequest {
        cursor,
        ..PageRequest::default()
    };
    let found = store.list(&prefix, &page).await;
    let found = found.map_err(|error| failed(&error))?;
    let recordings: Vec<Value> = found
        .items
        .iter()
        .filter_map(|info| listed(info, &found.items, &prefix))
        .collect();
    let next = found.next.as_ref();
    let next = next.and_then(|next| next.as_str().strip_prefix(&prefix));
    let mut text = Bytes::from(json!({ "recordings": recordings, "next": next }).to_string());
    if let Some(credential) = &guest.credential {
        text = inherit::whole(inherit::Kind::Listing, credential, [&text])
            .concat()
            .into();
    }
    let fields = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::VARY, HeaderValue::from_static("Accept")),
        (header::CONTENT_LENGTH, HeaderValue::from(text.len())),
    ];
    Ok(match parts.method {
        Method::HEAD => (fields, Body::empty()).into_response(),
        _ => (fields, text).into_response(),
    })
}

/// What can be seen on its own, with its address relative to the listing.
fn listed(info: &ObjectInfo, page: &[ObjectInfo], prefix: &str) -> Option<Value> {
    let below = info.name.as_str().strip_prefix(prefix)?;
    let kind = recording::Kind::of(below)?;
    let url = kind.address(below);
    let mut listed = json!({ "url": url, "kind": kind, "time": info.modified, "size": info.size });
    if let Some(session) = below.strip_suffix(PLAYLIST) {
        let wanted = format!("{prefix}{session}{THUMBNAILS}");
        // It stands behind the playlist in a listing by name.
        if page.iter().any(|other| other.name.as_str() == wanted) {
            let session = url.strip_suffix(PLAYLIST).unwrap_or_default();
            listed["thumbnails"] = format!("{session}{THUMBNAILS}").into();
        }
    }
    Some(listed)
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Playlist,
    Segment,
    File,
    Picture,
    /// Small pictures of a session that goes on, and the list of them.
    Sheet,
    Thumbnails,
}

impl Kind {
    fn of(name: &ObjectName) -> Self {
        match name.as_str().rsplit_once('.') {
            Some((_, "m3u8")) => Self::Playlist,
            Some((_, "m4s")) => Self::Segment,
            Some((_, "vtt")) => Self::Thumbnails,
            Some((rest, "jpg")) if rest.contains("/thumbnails-") => Self::Sheet,
            Some((_, "jpg")) => Self::Picture,
            _ => Self::File,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Playlist => "application/vnd.apple.mpegurl",
            Self::Segment | Self::File => "video/mp4",
            Self::Picture | Self::Sheet => "image/jpeg",
            Self::Thumbnails => "text/vtt; charset=utf-8",
        }
    }

    /// A whole segment and a picture stay as they are. A playlist may grow, and a file gets its tables when it is closed.
    fn cache_control(self, is_whole: bool) -> &'static str {
        match self {
            Self::Segment if is_whole => IMMUTABLE,
            Self::Picture => IMMUTABLE,
            Self::Segment | Self::Playlist | Self::File | Self::Sheet | Self::Thumbnails => {
                "no-cache"
            }
        }
    }
}

fn not_found() -> Problem {
    Problem::not_found("there is no recording of this name")
}

fn failed(error: &Error) -> Problem {
    match error {
        Error::NotFound(_) | Error::Invalid(_) => not_found(),
        error => {
            tracing::warn!(%error, "a recording could not be read");
            Problem::unavailable("the recordings are out of reach", RETRY_AFTER)
        }
    }
}

/// The folders of a channel that are served beside its sessions.
const SHELVES: [&str; 3] = ["mp4/", "images/", "motion/"];
const IMMUTABLE: &str = "public, max-age=3600, immutable";

#[cfg(all(test, feature = "record"))]
mod tests {
    use std::net::Ipv4Addr;

    use lsv_core::channel::{Channel, Moment};
    use lsv_core::ports::Grant;

    use super::*;
    use crate::record::tests::Store;

    fn store() -> Arc<dyn ObjectStore> {
        Arc::new(Store::default())
    }

    #[tokio::test]
    async fn only_a_segment_with_a_next_one_is_whole() {
        let store = store();
        for number in [0, 1] {
            let name = format!("record/cam/vod/now/segment-{number}.m4s");
            let name = ObjectName::parse(&name).unwrap();
            store
                .put(&name, Bytes::from_static(b"media"))
                .await
                .unwrap();
        }
        let cam = ChannelId::parse("cam").unwrap();
        let (parts, ()) = http::Request::new(()).into_parts();
        let channel = Channel::new(cam.clone(), Moment::EPOCH);
        let grant = Grant::new(Arc::new(channel), None);
        let guest = Guest::new(&grant, Ipv4Addr::LOCALHOST.into(), None);
        let mut caching = Vec::new();
        for number in [0, 1] {
            let rest = format!("now/segment-{number}.m4s");
            let answer = answer(&store, &cam, &rest, &guest, &parts).await.unwrap();
            caching.push(answer.headers()[header::CACHE_CONTROL].clone());
        }
        assert_eq!(caching, ["public, max-age=3600, immutable", "no-cache"]);
    }
}
