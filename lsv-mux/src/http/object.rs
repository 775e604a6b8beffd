//! Answers with an object of a store: conditional requests, ranges, and without holding more than a piece of it.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use lsv_core::ports::{Error, Object, ObjectName, ObjectStore};

use super::content::{Wanted, matches_any, same_representation};
use super::inherit::Heir;
use super::problem::Problem;

/// What players and caches need to know of an object.
#[derive(Debug)]
pub(super) struct About<'a> {
    pub(super) content_type: &'static str,
    pub(super) cache_control: HeaderValue,
    /// A strong entity tag with its quotes.
    pub(super) etag: &'a str,
}

impl About<'_> {
    /// What every answer says.
    fn fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        fields.insert(header::CACHE_CONTROL, self.cache_control.clone());
        if let Ok(etag) = HeaderValue::from_str(self.etag) {
            fields.insert(header::ETAG, etag);
        }
        fields
    }
}

/// An object, or the range of it that is wanted, read piece by piece as the viewer takes it. It begins with `opening`.
pub(super) fn answer(
    store: &Arc<dyn ObjectStore>,
    opening: Object,
    about: &About<'_>,
    parts: &Parts,
) -> Response {
    let (info, etag) = (&opening.info, about.etag);
    let mut fields = about.fields();
    if matches_any(&parts.headers, etag) {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    let content_type = HeaderValue::from_static(about.content_type);
    fields.insert(header::CONTENT_TYPE, content_type);
    fields.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let length = usize::try_from(info.size).unwrap_or(usize::MAX);
    let ranged = parts.method == Method::GET
        && parts.headers.contains_key(header::RANGE)
        && same_representation(&parts.headers, etag);
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

/// A playlist, or anything else with addresses in it, that carries a viewer's credential on. Whole, because it is written as
/// it is read.
pub(super) fn inherited(
    store: &Arc<dyn ObjectStore>,
    opening: Object,
    about: &About<'_>,
    heir: Heir,
    parts: &Parts,
) -> Response {
    let mut fields = about.fields();
    if matches_any(&parts.headers, about.etag) {
        return (StatusCode::NOT_MODIFIED, fields).into_response();
    }
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(about.content_type),
    );
    let range = 0..opening.info.size;
    let body = match parts.method {
        Method::HEAD => Body::from_stream(stream::empty::<Result<Bytes, Error>>()),
        _ => Body::from_stream(written(pieces(Arc::clone(store), opening, range), heir)),
    };
    (fields, body).into_response()
}

/// `pieces` with a credential in them.
fn written(
    pieces: impl Stream<Item = Result<Bytes, Error>>,
    heir: Heir,
) -> impl Stream<Item = Result<Bytes, Error>> {
    let state = (Box::pin(pieces), Some(heir));
    stream::try_unfold(state, async |(mut pieces, heir)| {
        let Some(mut heir) = heir else {
            return Ok(None);
        };
        Ok(Some(match pieces.try_next().await? {
            Some(piece) => (heir.piece(&piece), (pieces, Some(heir))),
            None => (heir.end(), (pieces, None)),
        }))
    })
}

/// The bytes of `range`, of the object as it was when `opening` was read. It may grow meanwhile. They end with an error
/// if it is replaced: a mixture would be of no use.
fn pieces(
    store: Arc<dyn ObjectStore>,
    opening: Object,
    range: Range<u64>,
) -> impl Stream<Item = Result<Bytes, Error>> {
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

/// What is held of a file for one viewer.
const PIECE_BYTES: u64 = 256 << 10;
/// By which an object is known again: a file of fragments and one with its tables in front open differently.
pub(super) const OPENING_BYTES: u64 = 1 << 10;

#[cfg(all(test, feature = "record"))]
mod tests {
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
}
