//! Objects in memory.

use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use lsv_core::channel::Moment;
use lsv_core::ports::{
    Cursor, Error, Object, ObjectInfo, ObjectName, ObjectStore, ObjectWriter, Page, PageRequest,
    Piece, Result, StorageClass, unfinished,
};
use tokio::time::Instant;

/// Objects in memory, in a store that can be out of reach.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store(pub(super) Arc<Mutex<Kept>>, StorageClass);

#[derive(Debug, Default)]
pub(in crate::record) struct Kept {
    pub(super) objects: std::collections::BTreeMap<String, Vec<u8>>,
    /// What was asked for of each object when it was written last.
    pub(super) classes: std::collections::BTreeMap<String, StorageClass>,
    pub(super) away: bool,
    /// How long it takes to write something whole.
    pub(super) slow: Duration,
    /// No call is answered.
    pub(super) stalled: bool,
    /// There is no room for a second copy.
    pub(super) is_nearly_full: bool,
    /// That many calls of `append` are refused.
    pub(super) refusals: usize,
    /// What was written whole and removed, and when.
    pub(super) history: Vec<(Instant, String, Change)>,
}

/// What became of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::record) enum Change {
    Put(Bytes),
    Composed,
    Deleted,
}

impl Store {
    /// One with what another had.
    pub(super) fn of(kept: Kept) -> Self {
        Self(Arc::new(Mutex::new(kept)), StorageClass::default())
    }

    /// The names of what is there: hot, and in other classes.
    pub(super) fn by_class(&self) -> (Vec<String>, Vec<String>) {
        let kept = self.0.lock().expect("no call panicked");
        let is_hot = |name: &String| kept.classes.get(name) == Some(&StorageClass::Hot);
        kept.objects.keys().cloned().partition(is_hot)
    }

    fn call<T>(&self, call: impl FnOnce(&mut Kept) -> Result<T>) -> Result<T> {
        let mut kept = self.0.lock().expect("no call panicked");
        match kept.away {
            true => Err(Error::unavailable("made to fail")),
            false => call(&mut kept),
        }
    }

    /// Waits while no call is answered.
    async fn answers(&self) {
        while self.0.lock().expect("no call panicked").stalled {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn set_stalled(&self, stalled: bool) {
        self.0.lock().expect("no call panicked").stalled = stalled;
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.0.lock().expect("no call panicked").away = away;
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let kept = self.0.lock().expect("no call panicked");
        kept.objects.keys().cloned().collect()
    }

    /// Another with the same objects.
    pub(super) fn copy(&self) -> Self {
        let mut kept = Kept::default();
        let objects = &self.0.lock().expect("no call panicked").objects;
        kept.objects.clone_from(objects);
        Self::of(kept)
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        let kept = self.0.lock().expect("no call panicked");
        kept.objects.get(name).cloned().unwrap_or_default()
    }
}

impl Kept {
    fn class(&mut self, name: &ObjectName, class: StorageClass) {
        self.classes.insert(name.to_string(), class);
    }

    fn note(&mut self, name: &ObjectName, change: Change) {
        self.history
            .push((Instant::now(), name.to_string(), change));
    }
}

fn info(kept: &Kept, name: &ObjectName, bytes: &[u8]) -> ObjectInfo {
    // Entries of the journal are young, and younger each time that they are written; all else is the same as it was.
    let is_of_it = |(_, written, _): &&(Instant, String, Change)| written == name.as_str();
    let times = kept.history.iter().filter(is_of_it).count() as u64;
    let modified = match unfinished::noted(name) {
        Some(_) => (*BEGUN + Duration::from_millis(times)).into(),
        None => Moment::EPOCH,
    };
    ObjectInfo {
        name: name.clone(),
        class: StorageClass::default(),
        size: bytes.len() as u64,
        modified,
    }
}

static BEGUN: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

fn found<'a>(kept: &'a Kept, name: &ObjectName) -> Result<&'a Vec<u8>> {
    let object = kept.objects.get(name.as_str());
    object.ok_or_else(|| Error::NotFound(name.to_string()))
}

fn part(bytes: &[u8], range: &Range<u64>) -> Bytes {
    Bytes::copy_from_slice(&bytes[range.start as usize..(range.end as usize).min(bytes.len())])
}

#[async_trait]
impl ObjectStore for Store {
    fn in_class(&self, class: StorageClass) -> Arc<dyn ObjectStore> {
        Arc::new(Self(Arc::clone(&self.0), class))
    }

    async fn put(&self, name: &ObjectName, bytes: Bytes) -> Result<()> {
        self.answers().await;
        let slow = self.0.lock().expect("no call panicked").slow;
        if !slow.is_zero() {
            tokio::time::sleep(slow).await;
        }
        self.call(|kept| {
            kept.objects.insert(name.to_string(), bytes.to_vec());
            kept.class(name, self.1);
            kept.note(name, Change::Put(bytes));
            Ok(())
        })
    }

    async fn put_if_absent(&self, name: &ObjectName, bytes: Bytes) -> Result<()> {
        self.put(name, bytes).await
    }

    async fn replace(&self, name: &ObjectName, was: &Bytes, bytes: Bytes) -> Result<()> {
        self.call(|kept| match found(kept, name)? == was {
            true => {
                kept.objects.insert(name.to_string(), bytes.to_vec());
                kept.note(name, Change::Put(bytes));
                Ok(())
            }
            false => Err(Error::Conflict(name.to_string())),
        })
    }

    async fn create(&self, name: &ObjectName) -> Result<Box<dyn ObjectWriter>> {
        self.call(|kept| match found(kept, name) {
            Ok(_) => Err(Error::Conflict(name.to_string())),
            Err(_) => Ok(()),
        })?;
        Ok(Box::new(Writer(self.clone(), name.clone())))
    }

    async fn compose(&self, name: &ObjectName, pieces: &[Piece]) -> Result<ObjectInfo> {
        self.call(|kept| {
            if kept.is_nearly_full {
                return Err(Error::unavailable("full"));
            }
            let mut bytes = Vec::new();
            for piece in pieces {
                match piece {
                    Piece::Bytes(piece) => bytes.extend_from_slice(piece),
                    Piece::Of(source, range) => {
                        bytes.extend_from_slice(&part(found(kept, source)?, range))
                    }
                }
            }
            let info = info(kept, name, &bytes);
            kept.objects.insert(name.to_string(), bytes);
            kept.class(name, self.1);
            kept.note(name, Change::Composed);
            Ok(info)
        })
    }

    async fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<Object> {
        let read = self.call(|kept| {
            let bytes = found(kept, name)?;
            let range = range.unwrap_or(0..bytes.len() as u64);
            Ok(Object {
                info: info(kept, name, bytes),
                start: range.start,
                bytes: part(bytes, &range),
            })
        });
        if unfinished::noted(name).is_some() {
            // Whoever asks at the same time reads the same.
            tokio::task::yield_now().await;
        }
        read
    }

    async fn stat(&self, name: &ObjectName) -> Result<ObjectInfo> {
        self.call(|kept| Ok(info(kept, name, found(kept, name)?)))
    }

    async fn list(&self, prefix: &str, page: &PageRequest) -> Result<Page<ObjectInfo>> {
        self.call(|kept| {
            let after = page.cursor.as_ref().map_or("", Cursor::as_str);
            let names = kept.objects.iter();
            let below = names.filter(|(name, _)| name.starts_with(prefix) && name.as_str() > after);
            let found = below.filter_map(|(name, bytes)| {
                Some(info(kept, &ObjectName::parse(name).ok()?, bytes))
            });
            let mut items: Vec<ObjectInfo> = found.take(page.bounded_limit() + 1).collect();
            let more = items.len() > page.bounded_limit();
            items.truncate(page.bounded_limit());
            let last = items.last().filter(|_| more);
            let next = last.map(|info| Cursor::new(info.name.as_str()));
            Ok(Page { items, next })
        })
    }

    async fn delete(&self, name: &ObjectName) -> Result<()> {
        self.call(|kept| {
            let removed = kept.objects.remove(name.as_str());
            kept.note(name, Change::Deleted);
            removed
                .map(drop)
                .ok_or_else(|| Error::NotFound(name.to_string()))
        })
    }
}

#[derive(Debug)]
struct Writer(Store, ObjectName);

#[async_trait]
impl ObjectWriter for Writer {
    async fn append(&mut self, bytes: Bytes) -> Result<()> {
        self.0.call(|kept| {
            if let Some(left) = kept.refusals.checked_sub(1) {
                kept.refusals = left;
                return Err(Error::Denied(self.1.to_string()));
            }
            let object = kept.objects.entry(self.1.to_string()).or_default();
            object.extend_from_slice(&bytes);
            kept.class(&self.1, self.0.1);
            Ok(())
        })
    }

    async fn finish(&mut self) -> Result<ObjectInfo> {
        self.0.stat(&self.1).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.0.delete(&self.1).await
    }
}
