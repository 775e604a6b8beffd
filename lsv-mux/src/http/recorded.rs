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
use lsv_core::ports::{Cursor, Error, Object, ObjectInfo, ObjectName, ObjectStore, PageRequest};
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
    // Asked first: what is read after that is the whole of the segment.
    let is_whole = is_followed(&**store, &name).await;
    let opening = store.get(&name, Some(0..OPENING_BYTES)).await;
    let opening = opening.map_err(|error| failed(&error))?;
    Ok(file(store, opening, is_whole, parts))
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

/// An object, or the range of it that is wanted, read piece by piece as the viewer takes it. It begins with `opening`.
fn file(store: &Arc<dyn ObjectStore>, opening: Object, is_whole: bool, parts: &Parts) -> Response {
    let info = &opening.info;
    let kind = Kind::of(&info.name);
    let etag = format!("\"{:x}-{:x}\"", info.modified.unix_millis(), info.size);
    let mut fields = HeaderMap::new();
    let cache = HeaderValue::from_static(kind.cache_control(is_whole));
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
        _ => Body::from_stream(pieces(Arc::clone(store), opening, range)),
    };
    (status, fields, body).into_response()
}

/// The bytes of `range`, of the object as it was when `opening` was read. It may grow meanwhile. They end with an error
/// if it is replaced: a mixture would be of no use.
fn pieces(
    store: Arc<dyn ObjectStore>,
    opening: Object,
    range: Range<u64>,
) -> impl stream::Stream<Item = Result<Bytes, Error>> {
    stream::try_unfold(
        (store, opening, range),
        |(store, mut opening, range)| async move {
            if range.is_empty() {
                return Ok(None);
            }
            let end = range.start.saturating_add(PIECE_BYTES).min(range.end);
            let name = &opening.info.name;
            let object = store.get(name, Some(range.start..end)).await?;
            let taken = object.bytes.len() as u64;
            if taken == 0 || object.info.size < opening.info.size {
                return Err(replaced(name));
            }
            if object.info != opening.info {
                // Read after the piece: it opens as before, so the piece is of the same object.
                let length = opening.bytes.len() as u64;
                let again = store.get(name, Some(0..length)).await?;
                if again.bytes != opening.bytes {
                    return Err(replaced(name));
                }
                opening.info = object.info;
            }
            let rest = range.start + taken..range.end;
            Ok(Some((object.bytes, (store, opening, rest))))
        },
    )
}

fn replaced(name: &ObjectName) -> Error {
    Error::Conflict(format!("object {name} was replaced while it was read"))
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

    /// A whole segment stays as it is. A playlist may grow, and a file gets its tables when it is closed.
    fn cache_control(self, is_whole: bool) -> &'static str {
        match self {
            Self::Segment if is_whole => "public, max-age=3600, immutable",
            Self::Segment | Self::Playlist | Self::File => "no-cache",
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
/// By which a file is known again: a file of fragments and one with its tables in front open differently.
const OPENING_BYTES: u64 = 1 << 10;

#[cfg(all(test, feature = "record"))]
mod tests {
    use futures::TryStreamExt;

    use super::*;
    use crate::record::tests::Store;

    fn store() -> Arc<dyn ObjectStore> {
        Arc::new(Store::default())
    }

    #[tokio::test]
    async fn a_file_that_grows_is_read_as_far_as_it_was() {
        let store = store();
        let name = ObjectName::parse("record/cam/mp4/a.mp4").unwrap();
        let mut writer = store.create(&name).await.unwrap();
        let media = Bytes::from(vec![7; PIECE_BYTES as usize * 2 + 5]);
        writer.append(media.clone()).await.unwrap();
        let opening = store.get(&name, Some(0..OPENING_BYTES)).await.unwrap();
        let size = opening.info.size;
        let mut read = Box::pin(pieces(Arc::clone(&store), opening.clone(), 0..size));
        let mut length = 0;
        while let Some(piece) = read.try_next().await.unwrap() {
            length += piece.len() as u64;
            writer.append(media.slice(..100)).await.unwrap();
        }
        assert_eq!(length, size);

        let mut read = Box::pin(pieces(Arc::clone(&store), opening, 0..size));
        read.try_next().await.unwrap();
        let flat = Bytes::from(vec![8; size as usize * 2]);
        store.put(&name, flat).await.unwrap();
        assert!(matches!(read.try_next().await, Err(Error::Conflict(_))));
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
        let mut caching = Vec::new();
        for number in [0, 1] {
            let rest = format!("now/segment-{number}.m4s");
            let answer = answer(&store, &cam, &rest, &parts).await.unwrap();
            caching.push(answer.headers()[header::CACHE_CONTROL].clone());
        }
        assert_eq!(caching, ["public, max-age=3600, immutable", "no-cache"]);
    }
}
