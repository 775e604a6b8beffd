//! Bodies of other nodes: bounded each, and all together.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header;
use axum::http::request::Parts;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use uuid::Uuid;

use super::refused::{Answer, Refused};
use super::{Common, Limits};
use crate::path::ChannelId;
use crate::ports::{Cursor, Error, MAX_PAGE, ObjectName, PageRequest, StorageClass};

/// The memory that bodies may take. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// One permit is [`BLOCK`] bytes.
    blocks: Arc<Semaphore>,
    most: usize,
}

impl Room {
    pub(super) fn new(limits: &Limits) -> Self {
        let most = limits.body_bytes;
        let blocks = limits.memory_bytes.max(most).div_ceil(BLOCK);
        Self {
            blocks: Arc::new(Semaphore::new(blocks)),
            most,
        }
    }

    /// Waits for room for `bytes`, for a while.
    pub(super) async fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Error> {
        let blocks = u32::try_from(bytes.div_ceil(BLOCK)).unwrap_or(u32::MAX);
        let taken = Arc::clone(&self.blocks).acquire_many_owned(blocks);
        match timeout(ROOM_TIME, taken).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Error::unavailable(
                "other nodes send more at once than this one has memory for",
            )),
        }
    }
}

/// A whole body, and the memory that it takes until this is dropped.
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    pub(super) place: OwnedSemaphorePermit,
}

impl<S: Send + Sync> FromRequest<S> for Whole
where
    Common: FromRef<S>,
{
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        let room = Common::from_ref(state).room;
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let length = length.ok_or_else(|| Refused::invalid("say how long the body is"))?;
        if length > room.most {
            return Err(Refused::invalid(format!(
                "{length} bytes are too many at once; at most {} are taken",
                room.most
            )));
        }
        let place = room.take(length).await?;
        let mut body = request.into_body();
        let mut bytes = BytesMut::with_capacity(length);
        let broken = || Error::unavailable("the body broke off");
        while bytes.len() < length {
            let frame = timeout(FRAME_TIME, body.frame()).await;
            let frame = frame.ok().flatten().and_then(Result::ok);
            if let Ok(data) = frame.ok_or_else(broken)?.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        let bytes = bytes.freeze();
        Ok(Self { bytes, place })
    }
}

/// A body of JSON.
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T>
where
    Common: FromRef<S>,
{
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        let whole = Whole::from_request(request, state).await?;
        let read = serde_json::from_slice(&whole.bytes);
        read.map(Self)
            .map_err(|error| Refused::invalid(format!("the body cannot be read: {error}")))
    }
}

/// The parameters of a query.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        let read = Query::try_from_uri(&parts.uri);
        read.map(|Query(parameters)| Self(parameters))
            .map_err(|rejection| Refused::invalid(rejection.body_text()))
    }
}

/// Which part of which listing is wanted.
#[derive(Deserialize)]
pub(super) struct Paging {
    limit: Option<usize>,
    cursor: Option<Cursor>,
    #[serde(default)]
    pub(super) prefix: String,
}

impl Paging {
    pub(super) fn request(&self) -> PageRequest {
        PageRequest {
            cursor: self.cursor.clone(),
            limit: self.limit.unwrap_or(MAX_PAGE),
        }
    }
}

/// The class that is asked for.
#[derive(Default, Deserialize)]
pub(super) struct Class {
    #[serde(default)]
    pub(super) class: StorageClass,
}

/// The channel that the path names.
pub(super) struct Id(pub(super) ChannelId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let text = last_word(parts, state).await?;
        let id = ChannelId::parse(&text);
        id.map(Self)
            .map_err(|error| Refused::invalid(error.to_string()))
    }
}

/// The object that the path names.
pub(super) struct Name(pub(super) ObjectName);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let text = last_word(parts, state).await?;
        let name = ObjectName::parse(&text);
        name.map(Self)
            .map_err(|error| Refused::invalid(error.to_string()))
    }
}

/// What a node made up as a name for a writer or a lease.
pub(super) struct Made(pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Made {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let text = last_word(parts, state).await?;
        let id = Uuid::try_parse(&text);
        id.map(Self)
            .map_err(|_| Refused::invalid("the id is no UUID"))
    }
}

pub(super) async fn last_word<S: Send + Sync>(parts: &mut Parts, state: &S) -> Answer<String> {
    let path = Path::<String>::from_request_parts(parts, state).await;
    path.map(|Path(word)| word)
        .map_err(|rejection| Refused::invalid(rejection.body_text()))
}

/// What memory is counted in.
const BLOCK: usize = 4 << 10;
/// How long a body waits for memory.
const ROOM_TIME: Duration = Duration::from_secs(2);
/// How long a body may pause.
const FRAME_TIME: Duration = Duration::from_secs(10);
