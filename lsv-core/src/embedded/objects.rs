//! Objects as files of a directory.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::{blocking, class};
mod growing;

use growing::Growing;

use crate::channel::Moment;
use crate::ports::{
    Cursor, Error, Object, ObjectInfo, ObjectName, ObjectStore, ObjectWriter, Page, PageRequest,
    Piece, Result, StorageClass,
};

/// An [`ObjectStore`] in a directory: an object's name is its path there.
///
/// A file that is written whole, or composed, is written beside its place and moved there when it is complete and on
/// disk, so a reader, or a restart after a crash, never sees half of one. A file that grows is at its place from its
/// first bytes on: what was appended is there when this process is killed, and on disk when it is finished. Names cannot lead out of the directory; symbolic links inside it are the
/// operator's own doing and are followed for reading, never listed.
///
/// A directory has one class of storage. Which one was asked for is noted beside each file, as an extended attribute, for
/// who moves files elsewhere by it; where the file system takes none, all is hot.
#[derive(Clone, Debug)]
pub struct Objects {
    root: Arc<Path>,
    writes: Arc<AtomicU64>,
    /// Held while a file is moved to its place or removed, so that nothing comes between a look at it and its replacement.
    moving: Arc<Mutex<()>>,
    class: StorageClass,
}

impl Objects {
    /// Opens the directory `root` and makes it if it is not there; removes what a crash left half written.
    ///
    /// # Errors
    /// `Denied` or `Unavailable` if the directory cannot be made or read.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root: Arc<Path> = root.into().into();
        let unfinished = root.join(UNFINISHED);
        match fs::remove_dir_all(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed(&unfinished, &error));
            }
            _ => {}
        }
        fs::create_dir_all(&unfinished).map_err(|error| failed(&unfinished, &error))?;
        Ok(Self {
            root,
            writes: Arc::default(),
            moving: Arc::default(),
            class: StorageClass::default(),
        })
    }

    fn path(&self, name: &ObjectName) -> PathBuf {
        self.root.join(name.as_str())
    }

    fn write(&self, name: &ObjectName, bytes: &[u8], over: Over<'_>) -> Result<()> {
        self.write_then_move(name, over, |file| {
            file.write_all(bytes)
                .map_err(|error| failed(&self.path(name), &error))
        })
    }

    fn write_then_move(
        &self,
        name: &ObjectName,
        over: Over<'_>,
        fill: impl FnOnce(&mut File) -> Result<()>,
    ) -> Result<()> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.root.join(UNFINISHED).join(number.to_string());
        let path = self.path(name);
        let written = File::create(&unfinished)
            .map_err(|error| failed(&unfinished, &error))
            .and_then(|mut file| {
                fill(&mut file)?;
                class::note(&file, self.class);
                let ready = file.sync_all().and_then(|()| make_parent(&path));
                ready.map_err(|error| failed(&path, &error))?;
                let _alone = self.moving();
                if let Over::These(was) = over
                    && self.read(name, None)?.bytes != was
                {
                    return Err(Error::Conflict(format!("object {name}")));
                }
                let placed = match over {
                    Over::Nothing => fs::hard_link(&unfinished, &path),
                    Over::Any | Over::These(_) => fs::rename(&unfinished, &path),
                };
                placed.map_err(|error| conflict_or_failed(name, &path, &error))
            });
        if written.is_err() || matches!(over, Over::Nothing) {
            // Already moved away, or of no use to anybody.
            drop(fs::remove_file(&unfinished));
        }
        written
    }

    fn moving(&self) -> MutexGuard<'_, ()> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a file that grows: it is at its place with its first bytes, never empty.
    fn begin(&self, name: &ObjectName, bytes: &[u8]) -> Result<File> {
        let mut begun = None;
        self.write_then_move(name, Over::Nothing, |file| {
            let written = file.write_all(bytes).and_then(|()| file.try_clone());
            begun = Some(written.map_err(|error| failed(&self.path(name), &error))?);
            Ok(())
        })?;
        begun.ok_or_else(|| not_found(name))
    }

    fn join(&self, name: &ObjectName, pieces: &[Piece]) -> Result<ObjectInfo> {
        self.write_then_move(name, Over::Any, |file| {
            for piece in pieces {
                match piece {
                    Piece::Bytes(bytes) => file
                        .write_all(bytes)
                        .map_err(|error| failed(&self.path(name), &error))?,
                    Piece::Of(source, range) => self.copy(source, range, file)?,
                }
            }
            Ok(())
        })?;
        self.open_file(name).map(|(_, info)| info)
    }

    /// Copies within the file system where it can do that: `std::io::copy` uses `copy_file_range`.
    fn copy(&self, source: &ObjectName, range: &Range<u64>, to: &mut File) -> Result<()> {
        let (mut from, info) = self.open_file(source)?;
        if range.start > range.end || range.end > info.size {
            return Err(Error::Invalid(format!(
                "object {source} has {} bytes; {}..{} does not lie within",
                info.size, range.start, range.end
            )));
        }
        let length = range.end - range.start;
        let copied = from
            .seek(SeekFrom::Start(range.start))
            .and_then(|_| std::io::copy(&mut from.take(length), to))
            .map_err(|error| failed(&self.path(source), &error))?;
        match copied == length {
            true => Ok(()),
            false => Err(Error::unavailable(format_args!(
                "object {source} got shorter while it was copied"
            ))),
        }
    }

    fn open_file(&self, name: &ObjectName) -> Result<(File, ObjectInfo)> {
        let path = self.path(name);
        let open = || -> std::io::Result<Option<(File, ObjectInfo)>> {
            let file = File::open(&path)?;
            let metadata = file.metadata()?;
            let class = class::of(&file);
            let info = metadata
                .is_file()
                .then(|| info(name.clone(), &metadata, class));
            Ok(info.map(|info| (file, info)))
        };
        match open() {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(not_found(name)),
            Err(error) => Err(not_found_or_failed(name, &path, &error)),
        }
    }

    fn read(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<Object> {
        let (mut file, info) = self.open_file(name)?;
        let range = match range {
            Some(range) => range.start..range.end.min(info.size),
            None => 0..info.size,
        };
        let whole = range.start == 0 && info.size == 0;
        if range.is_empty() && !whole {
            return Err(Error::Invalid(format!(
                "object {name} has {} bytes; nothing of it lies at {}..{}",
                info.size, range.start, range.end
            )));
        }
        let length = range.end.saturating_sub(range.start);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(range.start))
            .and_then(|_| file.take(length).read_to_end(&mut bytes))
            .map_err(|error| failed(&self.path(name), &error))?;
        Ok(Object {
            info,
            start: range.start,
            bytes: bytes.into(),
        })
    }

    /// Looks only into the directories that the page is in: its cost is that of their entries, not of all objects.
    fn page(&self, prefix: &str, page: &PageRequest) -> Result<Page<ObjectInfo>> {
        let after = page.cursor.as_ref().map_or("", Cursor::as_str);
        let limit = page.bounded_limit();
        let mut found = Vec::new();
        let start = match prefix.rsplit_once('/') {
            Some((directory, _)) if ObjectName::parse(directory).is_err() => {
                return Ok(Page {
                    items: Vec::new(),
                    next: None,
                });
            }
            Some((directory, _)) => directory.to_owned(),
            None => String::new(),
        };
        // In the order of names: what comes next is at the end.
        let mut ahead = self.entries(&start)?;
        while let Some(Entry { name, metadata }) = ahead.pop() {
            let path = name.as_str();
            if metadata.is_dir() {
                let below = format!("{path}/");
                let is_wanted = below.starts_with(prefix) || prefix.starts_with(&below);
                if is_wanted && (below.as_str() > after || after.starts_with(&below)) {
                    ahead.extend(self.entries(path)?);
                }
            } else if metadata.is_file() && path.starts_with(prefix) && path > after {
                let class = class::at(&self.path(&name));
                found.push(info(name, &metadata, class));
                if found.len() > limit {
                    break;
                }
            }
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more);
        let next = last.map(|info| Cursor::new(info.name.as_str()));
        Ok(Page { items: found, next })
    }

    /// What is in `directory`, in the reverse order of the names that begin with each.
    fn entries(&self, directory: &str) -> Result<Vec<Entry>> {
        let path = self.root.join(directory);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(failed(&path, &error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed(&path, &error))?;
            // A file that is removed meanwhile is not listed.
            if let (Some(name), Ok(metadata)) = (name_of(directory, &entry), entry.metadata()) {
                found.push(Entry { name, metadata });
            }
        }
        found.sort_unstable_by(|one, other| other.order().cmp(one.order()));
        Ok(found)
    }
}

/// What a file may take the place of.
#[derive(Clone, Copy)]
enum Over<'a> {
    Any,
    Nothing,
    /// One with these bytes.
    These(&'a Bytes),
}

/// An entry of a directory.
struct Entry {
    name: ObjectName,
    metadata: fs::Metadata,
}

impl Entry {
    /// The bytes that it is ordered by: all names below a directory begin with its own and a slash.
    fn order(&self) -> impl Iterator<Item = u8> {
        let slash = self.metadata.is_dir().then_some(b'/');
        self.name.as_str().bytes().chain(slash)
    }
}

#[async_trait]
impl ObjectStore for Objects {
    fn in_class(&self, class: StorageClass) -> Arc<dyn ObjectStore> {
        Arc::new(Self {
            class,
            ..self.clone()
        })
    }

    async fn put(&self, name: &ObjectName, bytes: Bytes) -> Result<()> {
        let (store, name) = (self.clone(), name.clone());
        blocking(move || store.write(&name, &bytes, Over::Any)).await
    }

    async fn put_if_absent(&self, name: &ObjectName, bytes: Bytes) -> Result<()> {
        let (store, name) = (self.clone(), name.clone());
        blocking(move || store.write(&name, &bytes, Over::Nothing)).await
    }

    async fn replace(&self, name: &ObjectName, was: &Bytes, bytes: Bytes) -> Result<()> {
        let (store, name, was) = (self.clone(), name.clone(), was.clone());
        blocking(move || store.write(&name, &bytes, Over::These(&was))).await
    }

    async fn create(&self, name: &ObjectName) -> Result<Box<dyn ObjectWriter>> {
        let growing = Growing::new(self.clone(), name.clone());
        match self.stat(name).await {
            Ok(_) => Err(Error::Conflict(format!("object {name}"))),
            Err(Error::NotFound(_)) => Ok(Box::new(growing)),
            Err(error) => Err(error),
        }
    }

    async fn resume(&self, name: &ObjectName, length: u64) -> Result<Box<dyn ObjectWriter>> {
        let (store, name) = (self.clone(), name.clone());
        let growing = blocking(move || Growing::go_on(store, name, length)).await?;
        Ok(Box::new(growing))
    }

    async fn compose(&self, name: &ObjectName, pieces: &[Piece]) -> Result<ObjectInfo> {
        let (store, name, pieces) = (self.clone(), name.clone(), pieces.to_vec());
        blocking(move || store.join(&name, &pieces)).await
    }

    async fn get(&self, name: &ObjectName, range: Option<Range<u64>>) -> Result<Object> {
        let (store, name) = (self.clone(), name.clone());
        blocking(move || store.read(&name, range)).await
    }

    async fn stat(&self, name: &ObjectName) -> Result<ObjectInfo> {
        let (store, name) = (self.clone(), name.clone());
        blocking(move || store.open_file(&name).map(|(_, info)| info)).await
    }

    async fn list(&self, prefix: &str, page: &PageRequest) -> Result<Page<ObjectInfo>> {
        let (store, prefix, page) = (self.clone(), prefix.to_owned(), page.clone());
        blocking(move || store.page(&prefix, &page)).await
    }

    async fn delete(&self, name: &ObjectName) -> Result<()> {
        let (store, name) = (self.clone(), name.clone());
        blocking(move || {
            let path = store.path(&name);
            store.open_file(&name)?;
            let _alone = store.moving();
            fs::remove_file(&path).map_err(|error| not_found_or_failed(&name, &path, &error))
        })
        .await
    }
}

fn make_parent(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn name_of(directory: &str, entry: &fs::DirEntry) -> Option<ObjectName> {
    let word = entry.file_name();
    let word = word.to_str()?;
    let text = match directory {
        "" => word.to_owned(),
        directory => format!("{directory}/{word}"),
    };
    ObjectName::parse(&text).ok()
}

fn info(name: ObjectName, metadata: &fs::Metadata, class: StorageClass) -> ObjectInfo {
    ObjectInfo {
        name,
        class,
        size: metadata.len(),
        modified: metadata.modified().map_or(Moment::EPOCH, Moment::from),
    }
}

/// A word of the path is missing, or is a file where a directory would have to be.
fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn not_found(name: &ObjectName) -> Error {
    Error::NotFound(format!("object {name}"))
}

fn conflict_or_failed(name: &ObjectName, path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::AlreadyExists => Error::Conflict(format!("object {name}")),
        _ => failed(path, error),
    }
}

fn not_found_or_failed(name: &ObjectName, path: &Path, error: &std::io::Error) -> Error {
    if is_absent(error) {
        not_found(name)
    } else {
        failed(path, error)
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    let detail = format!("{}: {error}", path.display());
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::Denied(detail),
        _ => Error::unavailable(detail),
    }
}

/// Where files are written before they are moved to their place; no object's name begins with a dot.
const UNFINISHED: &str = ".unfinished";

#[cfg(test)]
#[cfg(feature = "conformance")]
mod tests;
