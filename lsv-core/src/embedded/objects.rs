//! Objects as files of a directory.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use super::blocking;
use crate::channel::Moment;
use crate::ports::{
    Cursor, Error, Object, ObjectInfo, ObjectName, ObjectStore, Page, PageRequest, Result,
};

/// An [`ObjectStore`] in a directory: an object's name is its path there.
///
/// A file is written beside its place and moved there when it is complete and on disk, so a reader, or a restart
/// after a crash, never sees half of one. Names cannot lead out of the directory; symbolic links inside it are the
/// operator's own doing and are followed for reading, never listed.
#[derive(Clone, Debug)]
pub struct Objects {
    root: Arc<Path>,
    writes: Arc<AtomicU64>,
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
        })
    }

    fn path(&self, name: &ObjectName) -> PathBuf {
        self.root.join(name.as_str())
    }

    fn write(&self, name: &ObjectName, bytes: &[u8], replace: bool) -> Result<()> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.root.join(UNFINISHED).join(number.to_string());
        let written = self.write_then_move(&unfinished, name, bytes, replace);
        if written.is_err() || !replace {
            // Already moved away, or of no use to anybody.
            drop(fs::remove_file(&unfinished));
        }
        written
    }

    fn write_then_move(
        &self,
        unfinished: &Path,
        name: &ObjectName,
        bytes: &[u8],
        replace: bool,
    ) -> Result<()> {
        let path = self.path(name);
        let write = || -> std::io::Result<()> {
            let mut file = File::create(unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            if replace {
                fs::rename(unfinished, &path)
            } else {
                fs::hard_link(unfinished, &path)
            }
        };
        write().map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Error::Conflict(format!("object {name}")),
            _ => failed(&path, &error),
        })
    }

    fn open_file(&self, name: &ObjectName) -> Result<(File, ObjectInfo)> {
        let path = self.path(name);
        let open = || -> std::io::Result<Option<(File, ObjectInfo)>> {
            let file = File::open(&path)?;
            let metadata = file.metadata()?;
            let info = metadata.is_file().then(|| info(name.clone(), &metadata));
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

    fn page(&self, prefix: &str, page: &PageRequest) -> Result<Page<ObjectInfo>> {
        let after = page.cursor.as_ref().map(Cursor::as_str);
        let mut found = Vec::new();
        self.walk(prefix, &mut |name, metadata| {
            if name.as_str().starts_with(prefix) && after.is_none_or(|after| name.as_str() > after)
            {
                found.push(info(name, metadata));
            }
        })?;
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let limit = page.bounded_limit();
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more);
        let next = last.map(|info| Cursor::new(info.name.as_str()));
        Ok(Page { items: found, next })
    }

    /// Calls `visit` for every object below the deepest directory that `prefix` names.
    fn walk(&self, prefix: &str, visit: &mut dyn FnMut(ObjectName, &fs::Metadata)) -> Result<()> {
        let start = match prefix.rsplit_once('/') {
            Some((directory, _)) if ObjectName::parse(directory).is_ok() => directory.to_owned(),
            Some(_) => return Ok(()),
            None => String::new(),
        };
        let mut directories = vec![start];
        while let Some(directory) = directories.pop() {
            let path = self.root.join(&directory);
            let entries = match fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(failed(&path, &error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| failed(&path, &error))?;
                let Some(name) = name_of(&directory, &entry) else {
                    continue;
                };
                // A file that is removed meanwhile is not listed.
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                if metadata.is_dir() {
                    directories.push(name.into());
                } else if metadata.is_file() {
                    visit(name, &metadata);
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl ObjectStore for Objects {
    async fn put(&self, name: &ObjectName, bytes: Bytes) -> Result<()> {
        let (store, name) = (self.clone(), name.clone());
        blocking(move || store.write(&name, &bytes, true)).await
    }

    async fn put_if_absent(&self, name: &ObjectName, bytes: Bytes) -> Result<()> {
        let (store, name) = (self.clone(), name.clone());
        blocking(move || store.write(&name, &bytes, false)).await
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
            fs::remove_file(&path).map_err(|error| not_found_or_failed(&name, &path, &error))
        })
        .await
    }
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

fn info(name: ObjectName, metadata: &fs::Metadata) -> ObjectInfo {
    ObjectInfo {
        name,
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
mod tests {
    use super::*;

    #[tokio::test]
    async fn conforms() {
        let directory = tempfile::tempdir().unwrap();
        let store = Objects::open(directory.path().join("objects")).unwrap();
        crate::ports::conformance::object_store(&store).await;
    }

    #[tokio::test]
    async fn what_a_crash_left_is_removed_and_never_listed() {
        let directory = tempfile::tempdir().unwrap();
        let store = Objects::open(directory.path()).unwrap();
        fs::write(directory.path().join(UNFINISHED).join("7"), b"half").unwrap();
        assert!(
            store
                .list("", &PageRequest::default())
                .await
                .unwrap()
                .items
                .is_empty()
        );
        Objects::open(directory.path()).unwrap();
        assert!(!directory.path().join(UNFINISHED).join("7").exists());
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_an_error_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = Objects::open(directory.path()).unwrap();
        let (file, below) = (
            ObjectName::parse("a").unwrap(),
            ObjectName::parse("a/b").unwrap(),
        );
        store.put(&file, Bytes::from_static(b"x")).await.unwrap();
        assert!(store.put(&below, Bytes::from_static(b"y")).await.is_err());
        assert!(matches!(
            store.get(&below, None).await,
            Err(Error::NotFound(_))
        ));
        assert_eq!(
            fs::read_dir(directory.path().join(UNFINISHED))
                .unwrap()
                .count(),
            0
        );
    }

    #[test]
    fn a_directory_that_cannot_be_made_names_its_path() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), b"x").unwrap();
        let error = Objects::open(directory.path().join("file/objects")).unwrap_err();
        assert!(error.to_string().contains("file/objects"), "{error}");
    }
}
