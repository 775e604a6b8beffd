//! What was recorded, from the object store: a listing, playlists, segments and MP4 files, in ranges and without holding
//! more than a piece of them.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use lsv_core::path::ChannelId;
use lsv_core::ports::{Cursor, Error, ObjectInfo, ObjectName, ObjectStore, PageRequest};
use serde_json::{Value, json};

use super::content::{Wanted, matches_any, same_representation};
use super::problem::Problem;
use super::site::RETRY_AFTER;

/// Answers for `rest`, what follows `/<id>/vod/`.
pub(super) async fn answer(
    store: &Arc<dyn ObjectStore>,
    channel: &ChannelId,
    rest: &str,
    parts: &Parts,
) -> Result<Response, Problem> {
    if rest.is_empty() {
        return listing(&**store, channel, parts).await;
    }
    let name = match rest.strip_prefix("mp4/") {
        Some(file) => format!("record/{channel}/mp4/{file}"),
        None => format!("record/{channel}/vod/{rest}"),
    };
    let name = ObjectName::parse(&name).map_err(|_| not_found())?;
    let info = store.stat(&name).await.map_err(|error| failed(&error))?;
    Ok(file(store, info, parts))
}

/// An object, or the range of it that is wanted, read piece by piece as the viewer takes it.
fn file(store: &Arc<dyn ObjectStore>, info: ObjectInfo, parts: &Parts) -> Response {
    let kind = Kind::of(&info.name);
    let etag = format!("\"{:x}-{:x}\"", info.modified.unix_millis(), info.size);
    let mut fields = HeaderMap::new();
    let cache = HeaderValue::from_static(kind.cache_control());
    fields.insert(header::CACHE_CONTROL, cache);
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        fields.insert(header::ETAG, etag);
    }
    if matches_any(&parts.headers, &etag) {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    let content_type = HeaderValue::from_static(kind.content_type());
    fields.insert(header::CONTENT_TYPE, content_type);
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let length = usize::try_from(info.size).unwrap_or(usize::MAX);
    let ranged = parts.method == Method::GET
        && parts.headers.contains_key(header::RANGE)
        && same_representation(&parts.headers, &etag);
    let wanted = match ranged {
        true => Wanted::parse(&parts.headers, length),
        false => Wanted::Whole,
    };
    let (status, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..info.size),
        Wanted::Part(part) => (
            StatusCode::PARTIAL_CONTENT,
            part.start as u64..part.end as u64,
        ),
        Wanted::Beyond => return Problem::range_not_satisfiable(length).into_response(),
    };
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!(
            "bytes {}-{}/{}",
            range.start,
            range.end.saturating_sub(1),
            info.size
        );
        if let Ok(value) = HeaderValue::from_str(&text) {
            fields.insert(header::CONTENT_RANGE, value);
        }
    }
    fields.insert(
        header::CONTENT_LENGTH,
        HeaderValue::from(range.end - range.start),
    );
    let body = match parts.method {
        Method::HEAD => Body::empty(),
        _ => Body::from_stream(pieces(Arc::clone(store), info, range)),
    };
    (status, fields, body).into_response()
}

/// The bytes of `range`. They end with an error if the object is replaced meanwhile: a mixture would be of no use.
fn pieces(
    store: Arc<dyn ObjectStore>,
    info: ObjectInfo,
    range: Range<u64>,
) -> impl stream::Stream<Item = Result<Bytes, Error>> {
    stream::try_unfold((store, info, range), |(store, info, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let end = range.start.saturating_add(PIECE_BYTES).min(range.end);
        let object = store.get(&info.name, Some(range.start..end)).await?;
        let taken = object.bytes.len() as u64;
        if object.info != info || taken == 0 {
            let detail = format!("object {} changed while it was read", info.name);
            return Err(Error::Conflict(detail));
        }
        Ok(Some((
            object.bytes,
            (store, info, range.start + taken..range.end),
        )))
    })
}

/// `/<id>/vod/`: the playlists and files of the channel, by name, and where the list goes on.
async fn listing(
    store: &dyn ObjectStore,
    channel: &ChannelId,
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
        .filter_map(|info| listed(info, &prefix))
        .collect();
    let next = found.next.as_ref();
    let next = next.and_then(|next| next.as_str().strip_prefix(&prefix));
    let fields = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let text = json!({ "recordings": recordings, "next": next }).to_string();
    Ok(match parts.method {
        Method::HEAD => fields.into_response(),
        _ => (fields, text).into_response(),
    })
}

/// What can be played on its own, with its address relative to the listing.
fn listed(info: &ObjectInfo, prefix: &str) -> Option<Value> {
    let below = info.name.as_str().strip_prefix(prefix)?;
    let url = match below.strip_prefix("vod/") {
        Some(below) => below.ends_with("/index.m3u8").then_some(below)?,
        None => below.starts_with("mp4/").then_some(below)?,
    };
    Some(json!({ "url": url, "time": info.modified, "size": info.size }))
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Playlist,
    Segment,
    File,
}

impl Kind {
    fn of(name: &ObjectName) -> Self {
        match name.as_str().rsplit_once('.') {
            Some((_, "m3u8")) => Self::Playlist,
            Some((_, "m4s")) => Self::Segment,
            _ => Self::File,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Playlist => "application/vnd.apple.mpegurl",
            Self::Segment | Self::File => "video/mp4",
        }
    }

    /// A listed segment is whole and stays as it is. A playlist may grow, and a file gets its tables when it is closed.
    fn cache_control(self) -> &'static str {
        match self {
            Self::Segment => "public, max-age=3600, immutable",
            Self::Playlist | Self::File => "no-cache",
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

/// What is held of a file for one viewer.
const PIECE_BYTES: u64 = 256 << 10;
