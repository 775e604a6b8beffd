//! The bytes of an object for another node, a piece at a time.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::Keeping;
use super::body::{Name, Parameters, Room};
use super::refused::{Answer, Refused};
use crate::exchange::OBJECT;
use crate::ports::{Error, Object, ObjectInfo, ObjectStore};

/// Which bytes are wanted; none says all.
#[derive(Deserialize)]
pub(super) struct Wanted {
    from: Option<u64>,
    to: Option<u64>,
}

pub(super) async fn read(
    State(node): State<Keeping>,
    Name(name): Name,
    Parameters(wanted): Parameters<Wanted>,
) -> Answer<Response> {
    let store = Arc::clone(&node.stores.objects);
    let range = match (wanted.from, wanted.to) {
        (None, None) => None,
        (from, to) => Some(from.unwrap_or_default()..to.unwrap_or(u64::MAX)),
    };
    // Where it is short, one call reads it: then it is of one moment for sure.
    let info = store.stat(&name).await?;
    let (start, end) = match &range {
        Some(range) => (range.start, range.end.min(info.size)),
        None => (0, info.size),
    };
    let room = node.common.room;
    let length = end.saturating_sub(start);
    if length <= PIECE {
        let place = room.take(length as usize).await?;
        let object = store.get(&name, range).await?;
        let sent = object.bytes.len() as u64;
        let body = Body::from(object.bytes.clone());
        let response = response(&object.info, sent, body);
        drop(place);
        return response;
    }
    let (first, place) = part(&*store, &room, &info, start..start + PIECE).await?;
    let rest = Rest {
        store,
        room,
        info: first.info.clone(),
        range: start + PIECE..end,
    };
    let sent = length;
    let info = first.info.clone();
    let body = futures::stream::unfold(
        (Some((first.bytes, place)), rest),
        |(ready, mut rest)| async move {
            let (bytes, _place) = match ready {
                Some(ready) => ready,
                None => match rest.next().await? {
                    Ok(read) => read,
                    // The length is told already: who reads learns by the missing bytes.
                    Err(error) => return Some((Err(error), (None, rest))),
                },
            };
            Some((Ok(bytes), (None, rest)))
        },
    );
    response(&info, sent, Body::from_stream(body))
}

/// What is still to be read.
struct Rest {
    store: Arc<dyn ObjectStore>,
    room: Room,
    info: ObjectInfo,
    range: Range<u64>,
}

impl Rest {
    async fn next(&mut self) -> Option<Result<(Bytes, OwnedSemaphorePermit), Error>> {
        let start = self.range.start;
        let end = start.saturating_add(PIECE).min(self.range.end);
        if start >= end {
            return None;
        }
        let read = part(&*self.store, &self.room, &self.info, start..end).await;
        self.range.start = match read.is_ok() {
            true => end,
            false => self.range.end,
        };
        Some(read.map(|(object, place)| (object.bytes, place)))
    }
}

/// The bytes of `range`, if the object is still as `info` says.
async fn part(
    store: &dyn ObjectStore,
    room: &Room,
    info: &ObjectInfo,
    range: Range<u64>,
) -> Result<(Object, OwnedSemaphorePermit), Error> {
    let place = room.take(PIECE as usize).await?;
    let length = range.end - range.start;
    let object = store.get(&info.name, Some(range)).await?;
    let is_same = (object.info.size, object.info.modified) == (info.size, info.modified);
    match is_same && object.bytes.len() as u64 == length {
        true => Ok((object, place)),
        false => Err(Error::unavailable(format_args!(
            "object {} was changed while it was read",
            info.name
        ))),
    }
}

fn response(info: &ObjectInfo, length: u64, body: Body) -> Answer<Response> {
    let told = serde_json::to_string(info).ok();
    let told = told.and_then(|text| HeaderValue::try_from(text).ok());
    let told = told.ok_or_else(|| Refused::invalid("the object cannot be told of"))?;
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(OBJECT, told);
    headers.insert(header::CONTENT_LENGTH, length.into());
    let kind = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// What is read at once.
const PIECE: u64 = 8 << 20;
