//! What this node is writing, as the store knows it: see [`lsv_core::ports::unfinished`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use futures::{StreamExt, stream};
use lsv_core::backoff;
use lsv_core::channel::Moment;
use lsv_core::ports::unfinished::{self, FOLDER, REFRESH, entry};
use lsv_core::ports::{Error, Object, ObjectInfo, ObjectName, ObjectStore, PageRequest, Result};
use tokio::sync::RwLock;
use tokio::time::MissedTickBehavior;

use super::names;
use crate::retry::persist;

/// The entries of one node. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    store: Arc<dyn ObjectStore>,
    node: Arc<str>,
    adopt_after: Duration,
    held: Held,
    /// Held while entries are written again: one that is closed is not.
    refreshing: Arc<RwLock<()>>,
}

/// What this process has in hand, which it never takes over.
type Held = Arc<Mutex<HashMap<ObjectName, Stage>>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is being written, which is said again and again.
    Written,
    /// Its entry may get old.
    Resting,
}

impl Journal {
    pub(super) fn new(store: Arc<dyn ObjectStore>, node: &str, adopt_after: Duration) -> Self {
        Self {
            store,
            node: node.into(),
            adopt_after,
            held: Held::default(),
            refreshing: Arc::default(),
        }
    }

    /// Notes that `name` is being written, until the answer is dropped.
    pub(super) async fn note(&self, name: &ObjectName) -> Result<Noted> {
        let noted = self.hold(name);
        let noted = noted.ok_or_else(|| Error::Conflict(format!("the recording {name}")))?;
        let (entry, text) = (entry(name)?, self.text());
        persist!(self.store.put(&entry, text.clone()))?;
        noted.set(Stage::Written);
        Ok(noted)
    }

    /// Notes that `name` is whole. Whoever noted that it was being written keeps that until this is done.
    pub(super) async fn close(&self, name: &ObjectName) -> Result<()> {
        set(&self.held, name, Stage::Resting);
        drop(self.refreshing.write().await);
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
            let held: Vec<ObjectName> = locked(&self.held).keys().cloned().collect();
            // Where a store is slow, those that come last must not get old.
            stream::iter(held)
                .for_each_concurrent(AT_ONCE, async |name| self.refresh(&name).await)
                .await;
        }
    }

    async fn refresh(&self, name: &ObjectName) {
        let Ok(entry) = entry(name) else {
            return;
        };
        let turn = self.refreshing.read().await;
        if locked(&self.held).get(name) != Some(&Stage::Written) {
            return;
        }
        if let Err(error) = self.store.put(&entry, self.text()).await {
            tracing::debug!(%name, %error, "a recording under way could not be noted again");
        }
        drop(turn);
    }

    /// Takes over what an earlier process of this node was writing when it was killed.
    pub(super) async fn left(&self) -> Result<Vec<Noted>> {
        let mut entries = self.entries().await?;
        // Of most that are another's their length tells.
        let lengths = [self.node.len(), self.text().len()].map(|length| length as u64);
        entries.retain(|(_, info)| lengths.contains(&info.size));
        let is_own = |_: &ObjectInfo, entry: &Object| self.wrote(&entry.bytes);
        Ok(self.take_all(&entries, is_own).await)
    }

    /// Takes over what nobody has said to be writing for as long as is waited for that at `now`: what nodes left that are
    /// gone, and what this one could not make whole before. Of several nodes that ask at the same time one gets it.
    pub(super) async fn adopt(&self, now: Moment) -> Result<Vec<Noted>> {
        let mut stale = self.entries().await?;
        stale.retain(|(name, info)| {
            info.modified.plus(self.adopt_after) <= now && !locked(&self.held).contains_key(name)
        });
        if stale.is_empty() {
            return Ok(Vec::new());
        }
        // A store that was away has heard of nobody: who is still there says so now.
        tokio::time::sleep(self.refresh_interval() * 2).await;
        let is_silent =
            |listed: &ObjectInfo, entry: &Object| entry.info.modified == listed.modified;
        Ok(self.take_all(&stale, is_silent).await)
    }

    fn refresh_interval(&self) -> Duration {
        REFRESH.min(self.adopt_after / WORDS)
    }

    /// Those of `entries` that are as `is_wanted` has them, and are this process's from here on.
    async fn take_all(
        &self,
        entries: &[(ObjectName, ObjectInfo)],
        is_wanted: impl Fn(&ObjectInfo, &Object) -> bool + Sync,
    ) -> Vec<Noted> {
        let mut taken = Vec::new();
        for some in entries.chunks(AT_ONCE) {
            let taking = some.iter().map(async |(name, listed)| {
                let taken = self.take(name, listed, &is_wanted).await;
                taken.unwrap_or_else(|error| {
                    tracing::warn!(%name, %error, "a recording that was cut off is looked at again later");
                    None
                })
            });
            taken.extend(join_all(taking).await.into_iter().flatten());
        }
        taken
    }

    async fn take(
        &self,
        name: &ObjectName,
        listed: &ObjectInfo,
        is_wanted: impl Fn(&ObjectInfo, &Object) -> bool,
    ) -> Result<Option<Noted>> {
        let Some(noted) = self.hold(name) else {
            return Ok(None);
        };
        let was = match persist!(self.store.get(&listed.name, None)) {
            Ok(entry) if is_wanted(listed, &entry) => entry.bytes,
            Ok(_) | Err(Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let text = self.text();
        match persist!(self.store.replace(&listed.name, &was, text.clone())) {
            Ok(()) => {}
            // By another node, or by the same call before, whose answer got lost.
            Err(Error::Conflict(_)) if self.has(&listed.name, &text).await? => {}
            Err(Error::Conflict(_) | Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
        noted.set(Stage::Written);
        Ok(Some(noted))
    }

    /// Keeps this process from taking `name` over while it has it in hand; `None` if it has already.
    fn hold(&self, name: &ObjectName) -> Option<Noted> {
        match locked(&self.held).entry(name.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(free) => {
                free.insert(Stage::Resting);
                Some(Noted {
                    name: name.clone(),
                    held: Arc::clone(&self.held),
                })
            }
        }
    }

    /// All entries, with what they note.
    async fn entries(&self) -> Result<Vec<(ObjectName, ObjectInfo)>> {
        let prefix = format!("{FOLDER}/");
        let mut entries = Vec::new();
        let mut page = PageRequest::default();
        loop {
            let part = persist!(self.store.list(&prefix, &page))?;
            let noted = part.items.into_iter();
            let noted = noted.filter_map(|info| Some((unfinished::noted(&info.name)?, info)));
            entries.extend(noted.filter(|(name, _)| names::channel_of(name).is_some()));
            page.cursor = part.next;
            if page.cursor.is_none() {
                return Ok(entries);
            }
        }
    }

    /// What this node writes into an entry: its name, and what no entry had before, so that each tells from all others.
    fn text(&self) -> Bytes {
        format!("{}\n{:016x}", self.node, backoff::seed()).into()
    }

    fn wrote(&self, text: &[u8]) -> bool {
        text.split(|byte| *byte == b'\n').next() == Some(self.node.as_bytes())
    }

    async fn has(&self, entry: &ObjectName, text: &Bytes) -> Result<bool> {
        match persist!(self.store.get(entry, None)) {
            Ok(object) => Ok(object.bytes == *text),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A recording that this process has in hand. Dropped, it is left: unless it is closed, its entry gets old, and this
/// node or another one makes it whole.
#[derive(Debug)]
pub(super) struct Noted {
    name: ObjectName,
    held: Held,
}

impl Noted {
    pub(super) fn name(&self) -> &ObjectName {
        &self.name
    }

    /// It is not being written any more, but not left yet.
    pub(super) fn rest(&self) {
        self.set(Stage::Resting);
    }

    fn set(&self, stage: Stage) {
        set(&self.held, &self.name, stage);
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        locked(&self.held).remove(&self.name);
    }
}

fn set(held: &Held, name: &ObjectName, stage: Stage) {
    if let Some(held) = locked(held).get_mut(name) {
        *held = stage;
    }
}

fn locked(held: &Held) -> MutexGuard<'_, HashMap<ObjectName, Stage>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a writer says that it is still there before others take it for gone: a word or two may get lost.
const WORDS: u32 = 5;

/// Entries that are read or written at the same time.
const AT_ONCE: usize = 16;
