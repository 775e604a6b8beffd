//! An object that grows on another node.
//!
//! The node may be started anew meanwhile, or may have given the writer up after an idle time: then it is opened again with
//! the length that was acknowledged. A part whose answer was lost is sent again with the same place, and counts once.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::Method;
use uuid::Uuid;

use super::objects::{LONG_COPY, Objects};
use super::peer::{Call, Failed, Peer, Reply};
use crate::exchange::{Length, OFFSET, Opening};
use crate::ports::{
    Error, ObjectInfo, ObjectName, ObjectStore, ObjectWriter, Result, StorageClass,
};

/// An [`ObjectWriter`] on another node.
pub(super) struct Writer {
    objects: Objects,
    peer: Peer,
    id: Uuid,
    name: ObjectName,
    class: StorageClass,
    /// What was acknowledged.
    length: u64,
    /// What was sent behind that, and may have arrived.
    pending: Bytes,
    whole: Option<ObjectInfo>,
}

impl Writer {
    pub(super) async fn create(
        objects: Objects,
        peer: Peer,
        name: ObjectName,
        class: StorageClass,
    ) -> Result<Self> {
        let mut writer = Self::new(objects, peer, name, class);
        writer.open(None).await?;
        Ok(writer)
    }

    pub(super) async fn resume(
        objects: Objects,
        peer: Peer,
        name: ObjectName,
        class: StorageClass,
        length: u64,
    ) -> Result<Self> {
        let mut writer = Self::new(objects, peer, name, class);
        writer.open(Some(length)).await?;
        Ok(writer)
    }

    fn new(objects: Objects, peer: Peer, name: ObjectName, class: StorageClass) -> Self {
        Self {
            objects,
            peer,
            id: Uuid::new_v4(),
            name,
            class,
            length: 0,
            pending: Bytes::new(),
            whole: None,
        }
    }

    fn path(&self) -> String {
        format!("/node/writers/{}", self.id)
    }

    async fn open(&mut self, length: Option<u64>) -> Result<()> {
        let opening = Opening {
            name: self.name.clone(),
            class: self.class,
            length,
        };
        let call = Call::new(Method::PUT, self.path()).json(&opening);
        let opened: Length = self.peer.ask(call).await?;
        match opened.length == length.unwrap_or_default() {
            true => {
                self.length = opened.length;
                Ok(())
            }
            false => self.settle(opened),
        }
    }

    /// Opens the object again whose writer is gone.
    async fn open_again(&mut self) -> Result<()> {
        tracing::info!(name = %self.name, length = self.length, "the writer of an object is gone; it is opened again");
        if self.length > 0 {
            let most = self.length.saturating_add(self.pending.len() as u64);
            let found = self.objects.stat(&self.name).await?.size;
            // Somebody else may have made something else of it meanwhile.
            return match (self.length..=most).contains(&found) {
                true => self.open(Some(self.length)).await,
                false => Err(Error::Conflict(format!("object {}", self.name))),
            };
        }
        // Nothing of it was acknowledged; what is there may be somebody else's.
        match self.objects.get(&self.name, None).await {
            Err(Error::NotFound(_)) => self.open(None).await,
            Ok(object) if !self.pending.is_empty() && object.bytes == self.pending => {
                let length = self.pending.len() as u64;
                self.open(Some(length)).await?;
                self.pending = Bytes::new();
                Ok(())
            }
            Ok(_) => Err(Error::Conflict(format!("object {}", self.name))),
            Err(error) => Err(error),
        }
    }

    /// Takes note of how long the object is.
    fn settle(&mut self, told: Length) -> Result<()> {
        let added = told.length.checked_sub(self.length);
        match added {
            Some(0) => Ok(()),
            Some(added) if added == self.pending.len() as u64 => {
                self.length = told.length;
                self.pending = Bytes::new();
                Ok(())
            }
            _ => Err(Error::Conflict(format!("object {}", self.name))),
        }
    }

    /// Sees to it that nothing is part of the object that was not acknowledged.
    async fn take_back(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.open(Some(self.length)).await?;
        self.pending = Bytes::new();
        Ok(())
    }

    /// Appends `bytes` behind what was acknowledged.
    async fn send(&mut self, bytes: &Bytes) -> Result<Length> {
        let before = self.length;
        let call = Call::new(Method::PATCH, self.path())
            .field(OFFSET, &before.to_string())
            .body(bytes.clone());
        let reply = self.persist(call, before).await?;
        match reply {
            Some(reply) => self.peer.read(&reply.bytes),
            // It was appended before the writer was gone.
            None => Ok(Length {
                length: self.length,
            }),
        }
    }

    /// Makes `call` with the writer open; nothing if `before` is not what was acknowledged any more.
    async fn persist(&mut self, call: Call, before: u64) -> Result<Option<Reply>> {
        for _ in 0..REOPENED {
            match self.peer.call(call.clone()).await.answer {
                Err(Failed::Gone) => self.open_again().await?,
                answer => return Ok(Some(answer?)),
            }
            if self.length != before {
                return Ok(None);
            }
        }
        Err(Failed::Gone.into())
    }
}

#[async_trait]
impl ObjectWriter for Writer {
    async fn append(&mut self, bytes: Bytes) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.pending != bytes {
            self.take_back().await?;
        }
        self.pending = bytes.clone();
        let end = self.length + bytes.len() as u64;
        let told = self.send(&bytes).await?;
        if self.length != end {
            self.settle(told)?;
        }
        match self.length == end {
            true => Ok(()),
            false => Err(self.peer.damaged("it appended nothing")),
        }
    }

    async fn finish(&mut self) -> Result<ObjectInfo> {
        if let Some(whole) = &self.whole {
            return Ok(whole.clone());
        }
        self.take_back().await?;
        let call = Call::new(Method::POST, self.path()).lasting(LONG_COPY);
        let before = self.length;
        let whole: ObjectInfo = match self.persist(call.clone(), before).await? {
            Some(reply) => self.peer.read(&reply.bytes)?,
            None => self.peer.ask(call).await?,
        };
        self.whole = Some(whole.clone());
        Ok(whole)
    }

    async fn abort(&mut self) -> Result<()> {
        let call = Call::new(Method::DELETE, self.path());
        let before = self.length;
        match self.persist(call.clone(), before).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => self.peer.ask(call).await,
            // Removed by a call before whose answer was lost, with the node's memory of it.
            Err(Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("peer", &self.peer)
            .field("name", &self.name)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// How often a writer is opened again for one call.
const REOPENED: usize = 3;
