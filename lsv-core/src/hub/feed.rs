//! A bounded log that one writer appends to and any number of readers follow, each at its own pace.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::package::Chunk;
use crate::media::MediaFrame;
use crate::time::Timestamp;

/// What a feed must know of what it carries.
pub trait Item: Clone + Send + Sync + 'static {
    /// The bytes it holds in memory.
    fn size(&self) -> usize;
    /// Whether a reader may start here.
    fn is_key(&self) -> bool;
    /// Its place on the timeline.
    fn at(&self) -> Timestamp;
}

impl Item for MediaFrame {
    fn size(&self) -> usize {
        self.payload.len() + size_of::<Self>()
    }

    fn is_key(&self) -> bool {
        self.key && self.is_default
    }

    fn at(&self) -> Timestamp {
        self.dts
    }
}

/// The writing end. Clones write the same log.
pub(crate) struct Feed<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    log: RwLock<Log<T>>,
    /// Bumped after each change of the log; readers sleep on it.
    changed: watch::Sender<()>,
    readers: AtomicUsize,
}

struct Log<T> {
    items: VecDeque<T>,
    /// The sequence number of the first item.
    first: u64,
    /// The sequence numbers of the key items, oldest first.
    keys: VecDeque<u64>,
    bytes: usize,
    ended: bool,
    max_bytes: usize,
    span: Duration,
}

impl<T> Clone for Feed<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T: Item> Feed<T> {
    pub(crate) fn new(max_bytes: usize, span: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                log: RwLock::new(Log {
                    items: VecDeque::new(),
                    first: 0,
                    keys: VecDeque::new(),
                    bytes: 0,
                    ended: false,
                    max_bytes,
                    span,
                }),
                changed: watch::Sender::new(()),
                readers: AtomicUsize::new(0),
            }),
        }
    }

    pub(crate) fn push(&self, item: T) {
        self.shared.write(|log| log.push(item));
    }

    pub(crate) fn end(&self) {
        self.shared.write(|log| log.ended = true);
    }

    pub(crate) fn has_readers(&self) -> bool {
        self.shared.readers.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn subscribe(&self) -> Subscriber<T> {
        let log = self.shared.read();
        let (cursor, waits_for_key) = log.start();
        drop(log);
        self.shared.readers.fetch_add(1, Ordering::Relaxed);
        Subscriber {
            changed: self.shared.changed.subscribe(),
            shared: Arc::clone(&self.shared),
            cursor,
            waits_for_key,
            opening: true,
        }
    }

    /// The items from the newest key on.
    pub(crate) fn newest_group(&self) -> Vec<T> {
        let log = self.shared.read();
        let (start, waits_for_key) = log.start();
        match waits_for_key {
            true => Vec::new(),
            false => log.from(start).cloned().collect(),
        }
    }

    /// All that is there.
    pub(crate) fn items(&self) -> Vec<T> {
        self.shared.read().items.iter().cloned().collect()
    }
}

impl<T: Item> Shared<T> {
    fn write(&self, change: impl FnOnce(&mut Log<T>)) {
        change(&mut self.log.write().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_replace(());
    }

    fn read(&self) -> RwLockReadGuard<'_, Log<T>> {
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Item> Log<T> {
    fn push(&mut self, item: T) {
        if item.is_key() {
            self.keys.push_back(self.next());
        }
        self.bytes += item.size();
        self.items.push_back(item);
        self.trim();
    }

    /// Drops the oldest group of pictures as long as the rest spans enough time, then whatever is over the bytes.
    fn trim(&mut self) {
        while let Some(&second) = self.keys.get(1) {
            let kept = self.get(second).zip(self.items.back());
            if kept.is_none_or(|(key, last)| last.at().since(key.at()) < self.span) {
                break;
            }
            while self.first < second {
                self.pop();
            }
        }
        while self.bytes > self.max_bytes && self.items.len() > 1 {
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some(item) = self.items.pop_front() {
            self.bytes -= item.size();
            self.first += 1;
        }
        if self.keys.front().is_some_and(|key| *key < self.first) {
            self.keys.pop_front();
        }
    }

    fn next(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    fn get(&self, sequence: u64) -> Option<&T> {
        let index = sequence.checked_sub(self.first)?;
        self.items.get(usize::try_from(index).ok()?)
    }

    fn from(&self, sequence: u64) -> impl Iterator<Item = &T> {
        let index = sequence.saturating_sub(self.first);
        self.items
            .iter()
            .skip(usize::try_from(index).unwrap_or(usize::MAX))
    }

    /// Where a reader starts: at the newest key, or at the end, waiting for one.
    fn start(&self) -> (u64, bool) {
        match self.keys.back() {
            Some(key) => (*key, false),
            None => (self.next(), true),
        }
    }
}

/// A cursor into a feed. Reads at its own pace; one that falls off the log jumps to the newest key.
pub struct Subscriber<T> {
    shared: Arc<Shared<T>>,
    changed: watch::Receiver<()>,
    cursor: u64,
    waits_for_key: bool,
    /// What comes next is the first after a start or a skip, and needs its headers.
    opening: bool,
}

/// What a subscriber gets.
#[derive(Debug, Clone)]
pub enum Delivery<T> {
    /// The next item.
    Item(T),
    /// The reader was too slow: so many items were passed over, and the next one is a key.
    Skipped(u64),
}

/// What [`Subscriber::batch`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Batch {
    /// Bytes appended.
    pub bytes: usize,
    /// Chunks passed over because the reader was too slow.
    pub skipped: u64,
    /// The epoch of what was appended: a batch ends where another one begins.
    pub epoch: u32,
}

impl<T: Item> Subscriber<T> {
    /// Waits for the next item; `None` once the stream has ended and all of it was read.
    ///
    /// Takes part in tokio's cooperative scheduling: a reader that always finds an item still lets other tasks run.
    pub async fn next(&mut self) -> Option<Delivery<T>> {
        // Before anything is taken, so that nothing is lost where the caller stops waiting here.
        tokio::task::consume_budget().await;
        loop {
            match self.poll() {
                Step::Deliver(delivery) => return Some(delivery),
                Step::Ended => return None,
                // An error says that the writer is gone without ending the feed: the hub was dropped.
                Step::Wait => self.changed.changed().await.ok()?,
            }
        }
    }

    fn poll(&mut self) -> Step<T> {
        // Marked before the log is looked at, so that no change in between is slept through.
        self.changed.mark_unchanged();
        let log = self.shared.read();
        if self.cursor < log.first {
            let (start, waits_for_key) = log.start();
            let skipped = start.saturating_sub(self.cursor);
            (self.cursor, self.waits_for_key) = (start, waits_for_key);
            return Step::Deliver(Delivery::Skipped(skipped));
        }
        if self.waits_for_key {
            match log.keys.iter().find(|key| **key >= self.cursor) {
                Some(key) => (self.cursor, self.waits_for_key) = (*key, false),
                None => self.cursor = log.next(),
            }
        }
        match log.get(self.cursor) {
            Some(item) => {
                self.cursor += 1;
                Step::Deliver(Delivery::Item(item.clone()))
            }
            None if log.ended => Step::Ended,
            None => Step::Wait,
        }
    }
}

enum Step<T> {
    Deliver(Delivery<T>),
    Ended,
    Wait,
}

impl Subscriber<Chunk> {
    /// Waits for at least one chunk, then appends all that are ready, up to about `max_bytes`, to `out`.
    ///
    /// The first batch, and the first after a skip, opens with the headers that a player needs. `None` once the
    /// stream has ended and all of it was read.
    pub async fn batch(&mut self, max_bytes: usize, out: &mut Vec<Bytes>) -> Option<Batch> {
        let mut skipped = 0;
        loop {
            self.changed.mark_unchanged();
            let (mut batch, ended) = self.take_ready(max_bytes, out);
            skipped += batch.skipped;
            if batch.bytes > 0 {
                batch.skipped = skipped;
                return Some(batch);
            }
            if ended {
                return None;
            }
            self.changed.changed().await.ok()?;
        }
    }

    fn take_ready(&mut self, max_bytes: usize, out: &mut Vec<Bytes>) -> (Batch, bool) {
        let mut batch = Batch::default();
        let log = self.shared.read();
        if self.cursor < log.first {
            let (start, waits_for_key) = log.start();
            batch.skipped = start.saturating_sub(self.cursor);
            (self.cursor, self.waits_for_key, self.opening) = (start, waits_for_key, true);
        }
        for chunk in log.from(self.cursor) {
            let breaks = batch.bytes > 0 && chunk.epoch != batch.epoch;
            if batch.bytes >= max_bytes || breaks {
                break;
            }
            self.cursor += 1;
            if self.waits_for_key && !chunk.key {
                continue;
            }
            self.waits_for_key = false;
            batch.epoch = chunk.epoch;
            if std::mem::take(&mut self.opening) && !chunk.prelude.is_empty() {
                batch.bytes += chunk.prelude.len();
                out.push(chunk.prelude.clone());
            }
            batch.bytes += chunk.bytes.len();
            out.push(chunk.bytes.clone());
        }
        (batch, log.ended && self.cursor >= log.next())
    }
}

impl<T> Drop for Subscriber<T> {
    fn drop(&mut self) {
        self.shared.readers.fetch_sub(1, Ordering::Relaxed);
    }
}
