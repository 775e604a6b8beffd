//! Objects that another node keeps.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{IF_MATCH, IF_NONE_MATCH};
use lsv_auth::Secret;
use rustls::ClientConfig;

use super::channels::{LISTING_BYTES, paging};
use super::peer::{Call, Failed, Peer, quoted};
use super::writer::Writer;
use super::{Config, InvalidBase};
use crate::exchange::{Listed, OBJECT, pieces, tag_of_bytes, tag_of_object};
use crate::ports::{
    Cursor, Error, Object, ObjectInfo, ObjectName, ObjectStore, ObjectWriter, Page, PageRequest,
    Piece, Result, StorageClass,
};

/// An [`ObjectStore`] that another node keeps. Clones share its connections.
///
/// A writer outlives that node: when it is back, what was acknowledged is there, and what is appended next goes behind.
#[derive(Clone, Debug)]
pub struct Objects {
    peer: Peer,
    class: StorageClass,
}

impl Objects {
    /// What the node at `base` keeps, such as `http://10.0.0.5:8080`, for whoever shows `token`.
    ///
    /// # Errors
    /// [`InvalidBase`] for what is no address.
    pub fn new(
        base: &str,
        token: &Secret,
        tls: Arc<ClientConfig>,
        config: &Config,
    ) -> Result<Self, InvalidBase> {
        Ok(Self::of(Peer::alone(base, token, tls, config)?))
    }

    pub(super) fn of(peer: Peer) -> Self {
        Self {
            peer,
            class: StorageClass::default(),
        }
    }

    fn path(&self, folder: &str, name: &ObjectName) -> String {
        match self.class {
            StorageClass::Hot => format!("/node/{folder}/{name}"),
            class => format!("/node/{folder}/{name}?class={}", class.as_str()),
        }
    }

    /// Writes an object on a condition that it meets no more when that is done.
    async fn put_if(
        &self,
        name: &ObjectName,
        (field, value): (&'static str, &str),
        bytes: Bytes,
    ) -> Result<()> {
        let call = Call::new(Method::PUT, self.path("objects", name))
            .body(bytes.clone())
            .field(field, value);
        let outcome = self.peer.call(call).await;
        match outcome.answer {
            // The node may have forgotten that it was written by the same call before.
            Err(Failed::Told(Error::Conflict(_)))
                if outcome.is_repeated && self.is(name, &bytes).await =>
            {
                Ok(())
            }
            answer => Ok(answer.map(drop)?),
        }
    }

    /// Whether `name` has these bytes.
    async fn is(&self, name: &ObjectName, bytes: &Bytes) -> bool {
        let found = self.get(name, None).await;
        found.is_ok_and(|object| object.bytes == *bytes)
    }
}

#[async_trait]
impl ObjectStore for Objects {
    fn in_class(&self, class: StorageClass) -> Arc<dyn ObjectStore> {
        Arc::new(Self {
            peer: self.peer.clone(),
            class,
        })
    }

    async fn put(&self, name: &ObjectName, bytes: Bytes) -> Result<()> {
        let call = Call::new(Method::PUT, self.path("objects", name)).body(bytes);
        self.peer.ask(call).await
    }

    async fn put_if_absent(&self, name: &ObjectName, bytes: Bytes) -> Result<()> {
        self.put_if(name, (IF_NONE_MATCH.as_str(), "*"), bytes)
            .await
    }

    async fn replace(&self, name: &ObjectName, was: &Bytes, bytes: Bytes) -> Result<()> {
        let before = tag_of_bytes(was);
        self.put_if(name, (IF_MATCH.as_str(), &before), bytes).await
    }

    async fn create(&self, name: &ObjectName) -> Result<Box<dyn ObjectWriter>> {
        let writer = Writer::create(self.clone(), self.peer.clone(), name.clone(), self.class);
        Ok(Box::new(writer.await?))
    }

    async fn resume(&self, name: &ObjectName, length: u64) -> Result<Box<dyn ObjectWriter>> {
        let (peer, name) = (self.peer.clone(), name.clone());
        let writer = Writer::resume(self.clone(), peer, name, self.class, length);
        Ok(Box::new(writer.await?))
    }

    async fn compose(&self, name: &ObjectName, pieces: &[Piece]) -> Result<ObjectInfo> {
        let mut call = Call::new(Method::POST, self.path("composed", name))
            .body(pieces::encode(pieces))
            .lasting(LONG_COPY);
        let is_own = |piece: &Piece| matches!(piece, Piece::Of(of, _) if of == name);
        let before = match pieces.iter().any(is_own) {
            true => {
                let before = self.stat(name).await?;
                // Made of itself, it must not be made twice.
                call = call.field(IF_MATCH.as_str(), &tag_of_object(&before));
                Some(before)
            }
            false => None,
        };
        let outcome = self.peer.call(call).await;
        match (outcome.answer, before) {
            (Ok(reply), _) => self.peer.read(&reply.bytes),
            // The node may have forgotten that it was made by the same call before.
            (Err(Failed::Told(Error::Conflict(what))), Some(before)) if outcome.is_repeated => {
                let now = self.stat(name).await?;
                match now != before && Some(now.size) == length(pieces) {
                    true => Ok(now),
                    false => Err(Error::Conflict(what)),
                }
            }
            (Err(failed), _) => Err(failed.into()),
        }
    }

    async fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<Object> {
        let start = range.as_ref().map_or(0, |range| range.start);
        let path = match range {
            Some(range) => format!("/node/objects/{name}?from={}&to={}", range.start, range.end),
            None => format!("/node/objects/{name}"),
        };
        let call = Call::get(path).answered_by(usize::MAX);
        let reply = self.peer.call(call).await.answer?;
        let told = reply.headers.get(OBJECT);
        let told = told.ok_or_else(|| self.peer.damaged("it does not tell of the object"))?;
        Ok(Object {
            info: self.peer.read(told.as_bytes())?,
            start,
            bytes: reply.bytes,
        })
    }

    async fn stat(&self, name: &ObjectName) -> Result<ObjectInfo> {
        let call = Call::get(format!("/node/stat/{name}"));
        self.peer.ask(call).await
    }

    async fn list(&self, prefix: &str, page: &PageRequest) -> Result<Page<ObjectInfo>> {
        let path = format!("/node/objects?prefix={}&{}", quoted(prefix), paging(page));
        let call = Call::get(path).answered_by(LISTING_BYTES);
        let listed: Listed<ObjectInfo> = self.peer.ask(call).await?;
        Ok(Page {
            items: listed.items,
            next: listed.next.map(Cursor::new),
        })
    }

    async fn delete(&self, name: &ObjectName) -> Result<()> {
        let call = Call::new(Method::DELETE, format!("/node/objects/{name}"));
        self.peer.call(call).await.removed()
    }

    async fn settle(&self, name: &ObjectName) -> Result<()> {
        let call = Call::new(Method::POST, format!("/node/settled/{name}")).lasting(LONG_COPY);
        self.peer.ask(call).await
    }
}

/// How long an object of these pieces is.
fn length(pieces: &[Piece]) -> Option<u64> {
    let lengths = pieces.iter().map(|piece| match piece {
        Piece::Bytes(bytes) => Some(bytes.len() as u64),
        Piece::Of(_, range) => range.end.checked_sub(range.start),
    });
    lengths.sum()
}

/// How long a node may take to copy or settle what is long.
pub(super) const LONG_COPY: Duration = Duration::from_secs(600);
