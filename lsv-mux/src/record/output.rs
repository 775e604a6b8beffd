//! What recordings of all kinds have in common: the store, the journal of what is unfinished, and who is told.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lsv_core::channel::Moment;
use lsv_core::events::{Events, Happening};
use lsv_core::path::ChannelId;
use lsv_core::ports::{self, ObjectInfo, ObjectName, ObjectStore, ObjectWriter, Piece};
use lsv_core::recording::{Kind, StorageClasses};

use super::journal::Journal;
use crate::mp4::recording::{Fragment, Header, Index};
use crate::retry::{Backoff, persist};

/// Where the recordings of a channel go.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub(super) channel: ChannelId,
    /// For what grows or is written again and again; all of it is hot.
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) classes: StorageClasses,
    pub(super) events: Events,
    pub(super) journal: Journal,
}

impl Output {
    pub(super) async fn put(&self, name: &ObjectName, bytes: &Bytes) -> ports::Result<()> {
        persist!(self.store.put(name, bytes.clone()))
    }

    /// Writes what belongs to a session and does not change any more.
    pub(super) async fn put_last(&self, name: &ObjectName, bytes: &Bytes) -> ports::Result<()> {
        persist!(self.kept(name).put(name, bytes.clone()))
    }

    /// The store for `name` once it does not change any more.
    pub(super) fn kept(&self, name: &ObjectName) -> Arc<dyn ObjectStore> {
        let folder = format!("record/{}/", self.channel);
        let below = name.as_str().strip_prefix(&folder).unwrap_or_default();
        // What is none by itself belongs to a session.
        let kind = Kind::of(below).unwrap_or(Kind::OnDemand);
        self.store.in_class(self.classes.of(kind))
    }

    /// Not tried for ever: it needs room for a second copy, which a store that is nearly full never has.
    pub(super) async fn compose(
        &self,
        name: &ObjectName,
        pieces: &[Piece],
    ) -> ports::Result<ObjectInfo> {
        persist!(
            Backoff::within(COMPOSE_PATIENCE),
            self.kept(name).compose(name, pieces)
        )
    }

    /// Tells that `name` is whole.
    pub(super) fn tell_written(&self, name: &ObjectName, size: u64) {
        tracing::info!(%name, size, "a recording is written");
        self.tell(Happening::RecordingWritten {
            channel: self.channel.clone(),
            name: name.clone(),
            size,
        });
    }

    /// Tells that media of the length `lost` is missing in `name`.
    pub(super) fn tell_lost(&self, name: &ObjectName, lost: Duration) {
        tracing::warn!(%name, ?lost, "the store was out of reach for too long; a part of the recording is missing");
        metrics::counter!("lsv_recording_lost_seconds_total").increment(lost.as_secs());
        self.tell(Happening::RecordingGap {
            channel: self.channel.clone(),
            name: name.clone(),
            millis: u64::try_from(lost.as_millis()).unwrap_or(u64::MAX),
        });
    }

    fn tell(&self, happened: Happening) {
        self.events
            .publish(Moment::from(SystemTime::now()), happened);
    }
}

/// A file of fragments that is being written.
#[derive(Debug)]
pub(super) struct Growing {
    pub(super) name: ObjectName,
    writer: Box<dyn ObjectWriter>,
    /// What it opens with, until the first fragment is written: so that it never is there without one.
    opening: Bytes,
    /// What is written of it.
    pub(super) index: Index,
}

impl Growing {
    /// Begins `name` in `store`; its first fragment follows the bytes `opening`.
    pub(super) async fn begin(
        store: &dyn ObjectStore,
        name: ObjectName,
        header: &Header,
        opening: &Bytes,
    ) -> ports::Result<Self> {
        let writer = persist!(store.create(&name))?;
        Ok(Self {
            name,
            writer,
            opening: opening.clone(),
            index: Index::new(header),
        })
    }

    pub(super) async fn append(&mut self, fragment: &Fragment) -> ports::Result<()> {
        let bytes = match self.opening.is_empty() {
            true => fragment.bytes().clone(),
            false => [&self.opening[..], fragment.bytes()].concat().into(),
        };
        persist!(self.writer.append(bytes.clone()))?;
        self.opening = Bytes::new();
        self.index.add(fragment);
        Ok(())
    }

    pub(super) async fn finish(&mut self) -> ports::Result<ObjectInfo> {
        persist!(self.writer.finish())
    }

    /// Gives up what could not be begun.
    pub(super) async fn abort(&mut self) {
        if let Err(error) = self.writer.abort().await {
            tracing::debug!(name = %self.name, %error, "nothing to be removed of a recording that failed");
        }
    }
}

/// How long a store is asked to put an object together, before that is left to another time.
const COMPOSE_PATIENCE: Duration = Duration::from_secs(120);
