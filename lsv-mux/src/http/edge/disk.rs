//! What was recorded and has no room in memory, in a folder of files.
//!
//! A file is named by the hash of its bytes, which is checked when it is read: what is cut short, or was written by somebody else,
//! is as good as not there. It appears under its name when it is whole. What is known of the files is in memory, so
//! that a new process begins with an empty folder.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lsv_core::cache::{self, Cache, Life};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;

use super::find::now;
use super::head::Head;
use super::{Key, Limits};

/// Files within a budget of bytes, and of a bounded number.
pub(super) struct Disk {
    folder: PathBuf,
    files: Cache<Key, Arc<File>, Infallible>,
    /// Writes at once: a disk that is slower than the network keeps less.
    writes: Arc<Semaphore>,
    number: AtomicU64,
    gone: mpsc::UnboundedSender<PathBuf>,
}

/// A file; the last who knows of it removes it.
#[derive(Debug)]
struct File {
    path: PathBuf,
    digest: [u8; 32],
    length: usize,
    head: Head,
    life: Life,
    gone: mpsc::UnboundedSender<PathBuf>,
}

impl Disk {
    /// Makes `folder` if it is not there, and removes what an earlier process left in it.
    pub(super) fn open(folder: &Path, bounds: &Limits) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(is_ours) {
                std::fs::remove_file(entry.path())?;
            }
        }
        let mut limits = cache::Limits::default();
        limits.bytes = bounds.disk_bytes;
        limits.values = bounds.disk_files;
        let (gone, removed) = mpsc::unbounded_channel();
        // Ends with the last file.
        drop(tokio::spawn(remove(removed)));
        Ok(Self {
            folder: folder.to_owned(),
            files: Cache::new(&limits, |_, file| {
                file.length
                    .div_ceil(BLOCK_BYTES)
                    .saturating_mul(BLOCK_BYTES)
            }),
            writes: Arc::new(Semaphore::new(WRITES)),
            number: AtomicU64::default(),
            gone,
        })
    }

    /// What is kept under `key`, and how long it is good from now on.
    pub(super) async fn read(&self, key: &Key) -> Option<(Head, Bytes, Life)> {
        let kept = self.files.spare(key, now())?;
        let life = Life {
            fresh: kept.value.life.fresh.checked_sub(kept.age)?,
            ..kept.value.life
        };
        let file = Arc::clone(&kept.value);
        let read = spawn_blocking(move || file.read()).await.ok()?;
        match read {
            Ok(bytes) => {
                let mut head = kept.value.head.clone();
                head.age = head.age.saturating_add(kept.age);
                Some((head, bytes, life))
            }
            Err(error) => {
                tracing::warn!(%error, "a cached file is damaged, and is fetched anew");
                self.files.remove(key);
                None
            }
        }
    }

    /// Writes `bytes` in the background, if they will be good for a while and the disk is not behind.
    pub(super) fn keep(&self, key: &Key, head: &Head, bytes: Bytes, life: Life) {
        let is_known = self.files.spare(key, now()).is_some();
        if is_known || life.fresh < WORTH || bytes.is_empty() {
            return;
        }
        let Ok(slot) = Arc::clone(&self.writes).try_acquire_owned() else {
            metrics::counter!("lsv_edge_disk_skipped_total").increment(1);
            return;
        };
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (folder, files, gone) = (self.folder.clone(), self.files.clone(), self.gone.clone());
        let (key, head) = (Arc::clone(key), head.clone());
        drop(spawn_blocking(move || {
            match File::write(&folder, number, head, &bytes, life, gone) {
                Ok(file) => {
                    files.insert(key, Arc::new(file), life, now());
                    let bytes = files.held().bytes;
                    metrics::gauge!("lsv_edge_held_bytes", "tier" => "disk").set(bytes as f64);
                }
                Err(error) => {
                    metrics::counter!("lsv_edge_disk_failed_total").increment(1);
                    tracing::warn!(%error, "the cache on disk cannot be written");
                }
            }
            drop(slot);
        }));
    }

    /// What its files come to.
    #[cfg(test)]
    pub(super) fn held(&self) -> cache::Held {
        self.files.held()
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Disk").field(&self.folder).finish()
    }
}

impl File {
    fn write(
        folder: &Path,
        number: u64,
        head: Head,
        bytes: &[u8],
        life: Life,
        gone: mpsc::UnboundedSender<PathBuf>,
    ) -> io::Result<Self> {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let mut name = String::with_capacity(DIGEST_CHARS + 17);
        for byte in digest {
            name.push_str(&format!("{byte:02x}"));
        }
        // The same bytes under two names are two files: each goes when it is not wanted.
        let path = folder.join(format!("{name}-{number:x}"));
        let unfinished = folder.join(format!("{name}-{number:x}{UNFINISHED}"));
        let written =
            std::fs::write(&unfinished, bytes).and_then(|()| std::fs::rename(&unfinished, &path));
        if let Err(error) = written {
            drop(gone.send(unfinished));
            return Err(error);
        }
        Ok(Self {
            path,
            digest,
            length: bytes.len(),
            head,
            life,
            gone,
        })
    }

    fn read(&self) -> io::Result<Bytes> {
        let most = self.length as u64 + 1;
        let mut bytes = Vec::with_capacity(self.length);
        std::fs::File::open(&self.path)?
            .take(most)
            .read_to_end(&mut bytes)?;
        match Sha256::digest(&bytes)[..] == self.digest {
            true => Ok(bytes.into()),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the bytes are others",
            )),
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Where nobody removes files any more, the next process does.
        drop(self.gone.send(std::mem::take(&mut self.path)));
    }
}

async fn remove(mut paths: mpsc::UnboundedReceiver<PathBuf>) {
    while let Some(path) = paths.recv().await {
        if let Err(error) = tokio::fs::remove_file(&path).await {
            tracing::debug!(%error, "a cached file was gone already");
        }
    }
}

/// Whether a file has a name of ours: nothing else of the folder is touched.
fn is_ours(name: &str) -> bool {
    let name = name.strip_suffix(UNFINISHED).unwrap_or(name);
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.split_once('-')
        .is_some_and(|(digest, number)| digest.len() == DIGEST_CHARS && hex(digest) && hex(number))
}

const DIGEST_CHARS: usize = 64;
const UNFINISHED: &str = ".part";
/// What files take is a multiple of it.
const BLOCK_BYTES: usize = 4 << 10;
const WRITES: usize = 4;
/// What is good for less is not worth a file.
const WORTH: std::time::Duration = std::time::Duration::from_secs(60);
