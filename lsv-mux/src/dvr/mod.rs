//! DVR: what left the live window stays in an object store for as long as the channel wants, and playlists go on
//! listing it.
//!
//! ```text
//! Window ─ closed segments ─> Archive ─ Archive::run ─> ObjectStore    dvr/<id>/<stream start>-<file>
//!        └ older ones: an entry each ────────────────────────┘         read for who goes back that far
//! ```
//!
//! A segment is written when it closes, in every format, as viewers get it: encrypted, if it is. The window keeps it in
//! memory until the store has it, or has failed to take it within [`Config::patience`] or [`Config::queue_bytes`]: then
//! it stays in playlists as a gap (`EXT-X-GAP`; in DASH it is left out). Live viewers never wait for the store.
//!
//! What leaves the time-shift window stays for another one, as players have playlists that list it. Then it is deleted, and
//! all of a stream once its files are not fetchable any longer. Only the process that packages a stream knows what is listed
//! of it: what an earlier process left is deleted when the next one starts; and what a node left that does not come back, by
//! others when it is so old that nobody can list it.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lsv_core::path::StreamPath;
use lsv_core::ports::ObjectStore;

mod archive;
mod keeper;

pub use self::archive::Archive;
pub(crate) use self::archive::Outcome;

/// How old segments are kept, apart from what each channel sets for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Where in the store they are, `dvr`. Nodes that share a store need one each: all of it is deleted that this
    /// process does not know.
    pub folder: String,
    /// The folder that those of all nodes lie in which share the store. What nodes left there that did not come back is deleted
    /// when no playlist that had it can be in use any more. None: nobody else's is touched.
    pub shared: Option<String>,
    /// Bytes of segments of one stream that wait for the store. Beyond it the oldest are not kept. Half a minute at 8 Mbit/s in two
    /// formats, 64 MiB.
    pub queue_bytes: usize,
    /// How long the store is asked to take a segment, or to delete one. 30 s.
    pub patience: Duration,
    /// How long a segment, and its key, stay fetchable that playlists do not list any more, by the time of the stream. Less
    /// saves room, and cuts off who plays a clip or reloads seldom. As long as the longest playlist that had it, as RFC
    /// 8216bis §6.2.2 wants it: the window once more and three segments.
    pub grace: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            folder: "dvr".to_owned(),
            shared: None,
            queue_bytes: 64 << 20,
            patience: Duration::from_secs(30),
            grace: None,
        }
    }
}

/// Where the old segments of all streams of a node are kept. Clones share it.
#[derive(Clone)]
pub struct Dvr {
    store: Arc<dyn ObjectStore>,
    config: Arc<Config>,
    /// What the names of the objects of each archive begin with.
    opened: Arc<Mutex<HashSet<String>>>,
}

impl Dvr {
    /// Keeps old segments in `store`.
    pub fn new(store: Arc<dyn ObjectStore>, config: Config) -> Self {
        Self {
            store,
            config: Arc::new(config),
            opened: Arc::default(),
        }
    }

    /// A place for the old segments of the stream at `path`, which starts at `now`. Somebody has to drive it: see
    /// [`Archive::run`].
    pub fn open(&self, path: &StreamPath, now: SystemTime) -> Archive {
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut opened = self.opened();
        let starts = since_1970.as_millis()..;
        let prefixes = starts.map(|start| format!("{}/{path}/{start}-", self.config.folder));
        // No two have the same, whatever the clock does.
        let prefix = prefixes
            .into_iter()
            .find(|prefix| opened.insert(prefix.clone()));
        Archive::new(self.clone(), prefix.unwrap_or_default())
    }

    fn forget(&self, prefix: &str) {
        self.opened().remove(prefix);
    }

    /// Whether an archive that is open has the object `name`.
    fn knows(&self, name: &str) -> bool {
        let file = name.rfind('/').map_or(0, |slash| slash + 1);
        let length = name.get(file..).and_then(|file| file.find('-'));
        let prefix = length.and_then(|length| name.get(..=file + length));
        prefix.is_some_and(|prefix| self.opened().contains(prefix))
    }

    fn opened(&self) -> MutexGuard<'_, HashSet<String>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Dvr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dvr")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "record"))]
pub(crate) mod tests;
