//! The work of an archive: writes segments into the store and deletes them, and gives up on neither too soon.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use lsv_core::channel::Moment;
use lsv_core::ports::{self, Cursor, Error, ObjectInfo, ObjectName, PageRequest};
use tokio::time::timeout;

use super::archive::lost;
use super::{Archive, Dvr, Outcome};
use crate::retry::{Backoff, persist};
use crate::segmenter::Segment;

impl Archive {
    /// Writes what there is to write and deletes what is to go. Returns when the archive is closed and all of it is gone;
    /// dropped, it leaves the objects to [`Dvr::sweep`] of the next process.
    pub async fn run(self) {
        tokio::join!(self.store_all(), self.delete_all());
        self.forget();
    }

    async fn store_all(&self) {
        while let Some(segment) = self.next_to_store().await {
            let outcome = match self.store_one(&segment).await {
                Ok(()) => Outcome::Stored,
                Err(error) => {
                    tracing::warn!(
                        sequence = segment.sequence, %error,
                        "the object store failed; a segment is missing from the time-shift window"
                    );
                    lost();
                    Outcome::Lost
                }
            };
            self.finish(&segment, outcome);
        }
    }

    async fn store_one(&self, segment: &Segment) -> ports::Result<()> {
        let ts = segment.ts.as_ref();
        let ts = ts.map(|ts| (self.ts(segment.sequence), ts.bytes.clone()));
        let media = segment.renditions.iter().map(|rendition| {
            let name = self.media(rendition.init.track.name(), segment.sequence);
            (name, rendition.bytes.clone())
        });
        let objects: Vec<_> = ts.into_iter().chain(media).collect();
        stream::iter(objects.into_iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, async |(name, bytes)| self.put(name, bytes).await)
            .await
    }

    async fn put(&self, name: Option<ObjectName>, bytes: Bytes) -> ports::Result<()> {
        let name =
            name.ok_or_else(|| Error::Invalid("a folder that no object can be in".into()))?;
        let backoff = Backoff::within(self.config().patience);
        persist!(
            backoff,
            self.in_time(self.store().put(&name, bytes.clone()))
        )
    }

    async fn delete_all(&self) {
        while let Some(names) = self.next_to_delete().await {
            stream::iter(names)
                .for_each_concurrent(AT_ONCE, async |name| {
                    let backoff = Backoff::within(self.config().patience);
                    let deleted = persist!(backoff, self.in_time(self.store().delete(&name)));
                    complain(&name, deleted);
                })
                .await;
        }
    }

    /// A store that never answers is out of reach.
    async fn in_time<T>(&self, call: impl Future<Output = ports::Result<T>>) -> ports::Result<T> {
        match timeout(self.config().patience, call).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::unavailable("it did not answer in time")),
        }
    }
}

impl Dvr {
    /// Deletes what no archive of this process knows: what an earlier process left, or a store would not delete.
    ///
    /// # Errors
    /// As the store's: what is left waits for the next time.
    pub async fn sweep(&self) -> ports::Result<()> {
        let folder = format!("{}/", self.config.folder);
        let mut page = PageRequest::default();
        let mut deleted = 0_usize;
        loop {
            let found = self.store.list(&folder, &page).await?;
            let names = found.items.into_iter().map(|info| info.name);
            let strays: Vec<ObjectName> = names.filter(|name| !self.knows(name.as_str())).collect();
            deleted += strays.len();
            stream::iter(strays)
                .for_each_concurrent(AT_ONCE, async |name| {
                    complain(&name, self.store.delete(&name).await);
                })
                .await;
            let Some(next) = found.next else {
                break;
            };
            page.cursor = Some(Cursor::new(next.as_str()));
        }
        if deleted > 0 {
            tracing::info!(deleted, "deleted what was left of older time-shift windows");
        }
        Ok(())
    }

    /// Deletes what lies in the folders of other nodes and is at `now` too old for any playlist, looking at `pages` of
    /// the listing from `from` on. Answers where to go on the next time, until it is through.
    pub(super) async fn sweep_others(
        &self,
        from: Option<Cursor>,
        pages: usize,
        now: Moment,
    ) -> ports::Result<Option<Cursor>> {
        let Some(shared) = &self.config.shared else {
            return Ok(None);
        };
        let (shared, own) = (format!("{shared}/"), format!("{}/", self.config.folder));
        // The longest window, and what stays fetchable behind it.
        let grace = self.config.grace.unwrap_or_default();
        let needed = LONGEST_WINDOW + grace.max(LONGEST_WINDOW) + MARGIN;
        let mut page = PageRequest {
            cursor: from,
            ..PageRequest::default()
        };
        for _ in 0..pages {
            let found = self.store.list(&shared, &page).await?;
            let is_over = |info: &ObjectInfo| {
                !info.name.as_str().starts_with(&own) && info.modified.plus(needed) <= now
            };
            let over: Vec<ObjectInfo> = found.items.into_iter().filter(is_over).collect();
            if !over.is_empty() {
                tracing::info!(
                    segments = over.len(),
                    "deleting time-shift windows of nodes that are gone"
                );
            }
            stream::iter(over)
                .for_each_concurrent(AT_ONCE, async |info| {
                    complain(&info.name, self.store.delete(&info.name).await);
                })
                .await;
            page.cursor = found.next;
            if page.cursor.is_none() {
                break;
            }
        }
        Ok(page.cursor)
    }

    /// Sweeps now, and then now and again. Never returns.
    pub(crate) async fn keep_clean(self: Arc<Self>) {
        let mut others = None;
        loop {
            if let Err(error) = self.sweep().await {
                tracing::warn!(%error, "what is left of older time-shift windows could not be deleted");
            }
            let now = Moment::from(SystemTime::now());
            let swept = self.sweep_others(others.take(), PAGES, now).await;
            others = swept.unwrap_or_else(|error| {
                tracing::warn!(%error, "time-shift windows of nodes that are gone could not be looked for");
                None
            });
            tokio::time::sleep(SWEEP_PAUSE).await;
        }
    }
}

fn complain(name: &ObjectName, deleted: ports::Result<()>) {
    match deleted {
        Ok(()) | Err(Error::NotFound(_)) => {}
        Err(error) => {
            tracing::warn!(%name, %error, "a segment that is not needed could not be deleted");
        }
    }
}

/// Calls of the store under way for one stream.
const AT_ONCE: usize = 8;

/// The longest that a channel may have: a day.
pub(super) const LONGEST_WINDOW: Duration = Duration::from_secs(86_400);

/// Three segments of a playlist, and what clocks are apart.
pub(super) const MARGIN: Duration = Duration::from_secs(3600);

/// Pages of the listing of all nodes' windows that are looked at with each sweep: of a thousand segments each.
const PAGES: usize = 50;

/// A store that would not delete something is asked again.
const SWEEP_PAUSE: Duration = Duration::from_secs(3600);
