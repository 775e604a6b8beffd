//! What this node is writing, as the store knows it: see [`lsv_core::ports::unfinished`].

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lsv_core::channel::Moment;
use lsv_core::ports::unfinished::{self, FOLDER, REFRESH, entry};
use lsv_core::ports::{Error, ObjectInfo, ObjectName, ObjectStore, PageRequest, Result};
use tokio::time::MissedTickBehavior;

use crate::retry::persist;

/// The entries of one node. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    store: Arc<dyn ObjectStore>,
    node: Bytes,
    adopt_after: Duration,
    open: Open,
    /// Held while an entry is written again: one that is closed is not.
    refreshing: Arc<tokio::sync::Mutex<()>>,
}

type Open = Arc<Mutex<HashSet<ObjectName>>>;

impl Journal {
    pub(super) fn new(store: Arc<dyn ObjectStore>, node: &str, adopt_after: Duration) -> Self {
        Self {
            store,
            node: Bytes::copy_from_slice(node.as_bytes()),
            adopt_after,
            open: Open::default(),
            refreshing: Arc::default(),
        }
    }

    /// Notes that `name` is being written, until the answer is dropped.
    pub(super) async fn note(&self, name: &ObjectName) -> Result<Noted> {
        let entry = entry(name)?;
        persist!(self.store.put(&entry, self.node.clone()))?;
        locked(&self.open).insert(name.clone());
        Ok(Noted {
            name: name.clone(),
            open: Arc::clone(&self.open),
        })
    }

    /// Notes that `name` is whole.
    pub(super) async fn close(&self, name: &ObjectName) -> Result<()> {
        locked(&self.open).remove(name);
        drop(self.refreshing.lock().await);
        let entry = entry(name)?;
        match persist!(self.store.delete(&entry)) {
            Err(Error::NotFound(_)) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Says again and again what is being written. Never returns.
    pub(super) async fn keep(&self) {
        let mut ticks = tokio::time::interval(self.refresh_interval());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let open: Vec<ObjectName> = locked(&self.open).iter().cloned().collect();
            for name in open {
                self.refresh(&name).await;
            }
        }
    }

    async fn refresh(&self, name: &ObjectName) {
        let Ok(entry) = entry(name) else {
            return;
        };
        let turn = self.refreshing.lock().await;
        if !locked(&self.open).contains(name) {
            return;
        }
        if let Err(error) = self.store.put(&entry, self.node.clone()).await {
            tracing::debug!(%name, %error, "a recording under way could not be noted again");
        }
        drop(turn);
    }

    /// What this node was writing when it was killed.
    pub(super) async fn left(&self) -> Result<Vec<ObjectName>> {
        let mut left = Vec::new();
        for (name, info) in self.entries().await? {
            if self.wrote(&info.name).await? {
                left.push(name);
            }
        }
        Ok(left)
    }

    fn refresh_interval(&self) -> Duration {
        REFRESH.min(self.adopt_after / WORDS)
    }

    /// What other nodes were writing that have not said so for as long as is waited for them at `now`, and is this one's from
    /// here on. Of several nodes that ask at the same time one gets it: who wrote last.
    pub(super) async fn adopt(&self, now: Moment) -> Result<Vec<ObjectName>> {
        let mut stale = self.entries().await?;
        stale.retain(|(_, info)| info.modified.plus(self.adopt_after) <= now);
        if stale.is_empty() {
            return Ok(Vec::new());
        }
        // A store that was away has heard of nobody: who is still there says so now.
        tokio::time::sleep(self.refresh_interval() * 2).await;
        let mut claimed = Vec::new();
        for (name, info) in stale {
            let is_own = locked(&self.open).contains(&name) || self.wrote(&info.name).await?;
            if !is_own && self.is_silent(&info).await? {
                persist!(self.store.put(&info.name, self.node.clone()))?;
                claimed.push((name, info.name));
            }
        }
        if !claimed.is_empty() {
            tokio::time::sleep(CLAIM.min(self.adopt_after / 2)).await;
        }
        let mut adopted = Vec::new();
        for (name, entry) in claimed {
            if self.wrote(&entry).await? {
                adopted.push(name);
            }
        }
        Ok(adopted)
    }

    /// All entries, with what they note.
    async fn entries(&self) -> Result<Vec<(ObjectName, ObjectInfo)>> {
        let prefix = format!("{FOLDER}/");
        let mut entries = Vec::new();
        let mut page = PageRequest::default();
        loop {
            let part = persist!(self.store.list(&prefix, &page))?;
            let noted = part.items.into_iter();
            entries.extend(noted.filter_map(|info| Some((unfinished::noted(&info.name)?, info))));
            page.cursor = part.next;
            if page.cursor.is_none() {
                return Ok(entries);
            }
        }
    }

    /// Whether nobody has written an entry since it was listed.
    async fn is_silent(&self, listed: &ObjectInfo) -> Result<bool> {
        match persist!(self.store.stat(&listed.name)) {
            Ok(info) => Ok(info.modified == listed.modified),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn wrote(&self, entry: &ObjectName) -> Result<bool> {
        match persist!(self.store.get(entry, None)) {
            Ok(object) => Ok(object.bytes == self.node),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A recording that the journal is told of again and again.
#[derive(Debug)]
pub(super) struct Noted {
    name: ObjectName,
    open: Open,
}

impl Noted {
    /// It is not being written any more; the journal keeps it until it is closed, and it gets old.
    pub(super) fn leave(self) {}
}

impl Drop for Noted {
    fn drop(&mut self) {
        locked(&self.open).remove(&self.name);
    }
}

fn locked(open: &Open) -> MutexGuard<'_, HashSet<ObjectName>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a writer says that it is still there before others take it for gone: a word or two may get lost.
const WORDS: u32 = 5;

/// How long after its claim a node looks whether it got what it asked for: longer than who asked at the same time takes to
/// write.
const CLAIM: Duration = Duration::from_secs(15);
