//! The live files of one stream, found by name, waited for when they are about to come.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::growing::{Growing, Opened};
use super::name::Name;
use super::snapshot::Snapshot;
use super::{File, FileError, Reload};
use crate::segmenter::Segment;

/// The live files of one stream. Shared by all of its viewers; the packager's task writes it.
#[derive(Debug)]
pub struct Outputs {
    pub(super) window: watch::Sender<Arc<Snapshot>>,
}

impl Outputs {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self {
            window: watch::Sender::new(Arc::new(snapshot)),
        }
    }

    /// Shows `snapshot` from now on and wakes those who wait.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        self.window.send_if_modified(|shown| {
            let shows = !shown.withdrawn;
            if shows {
                *shown = Arc::new(snapshot);
            }
            shows
        });
    }

    /// Lets go of everything, for good: viewers find nothing any more, and what is published goes nowhere.
    pub(crate) fn withdraw(&self) {
        self.window
            .send_modify(|shown| *shown = Arc::new(shown.withdrawn()));
    }

    /// The bytes of the segments that it holds.
    pub(crate) fn size(&self) -> usize {
        let snapshot = self.window.borrow();
        let closed = snapshot.segments.iter().map(AsRef::as_ref);
        closed.chain(&snapshot.open).map(Segment::size).sum()
    }

    /// The number of the segment that grows, or of the next one.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.window.borrow().next_sequence
    }

    /// EXT-X-TARGETDURATION of its playlists.
    pub fn target_duration(&self) -> Duration {
        Duration::from_secs(self.window.borrow().target_duration)
    }

    /// The file called `name` under the stream's own address, such as `live.m3u8`, `ts/1700000000.ts`,
    /// `master.m3u8`, `cmaf/video.m3u8`, `cmaf/video-1700000000.3.m4s` or `manifest.mpd`.
    ///
    /// Waits for what is about to come: the first segment of a stream that has just started, a part that a playlist
    /// has hinted, a blocking reload. Nothing bounds the wait but the stream's end: the caller does.
    ///
    /// # Errors
    ///
    /// [`FileError`] says which answer the viewer should get.
    pub async fn file(&self, name: &str, reload: Reload) -> Result<File, FileError> {
        let name = Name::parse(name).ok_or(FileError::NotFound)?;
        let found = self.when(|snapshot, _| snapshot.lookup(name, reload).answer());
        match found.await? {
            Opened::Whole(file) => Ok(file),
            Opened::Stored(stored) => stored.file().await,
            // Only `open` looks for those.
            Opened::Growing(_) => Err(FileError::NotFound),
        }
    }

    /// The same, but of a segment that has left memory, where to read it; and of one under the name that DASH gives it, such as
    /// `cmaf/video-1700000000-180000.m4s`, what is there while it grows.
    ///
    /// # Errors
    ///
    /// [`FileError`] says which answer the viewer should get.
    pub async fn open(&self, name: &str, reload: Reload) -> Result<Opened, FileError> {
        let name = Name::parse(name).ok_or(FileError::NotFound)?;
        self.when(|snapshot, window| {
            // First whether it may be had at all.
            match snapshot.lookup(name, reload).answer() {
                Some(answer) => Some(answer),
                None => Growing::find(snapshot, name, window)
                    .map(|growing| Ok(Opened::Growing(growing))),
            }
        })
        .await
    }

    /// What `look` sees once it sees something.
    async fn when<T>(
        &self,
        look: impl Fn(&Snapshot, &watch::Receiver<Arc<Snapshot>>) -> Option<Result<T, FileError>>,
    ) -> Result<T, FileError> {
        let mut window = self.window.subscribe();
        loop {
            let snapshot = Arc::clone(&window.borrow_and_update());
            if let Some(answer) = look(&snapshot, &window) {
                return answer;
            }
            drop(snapshot);
            window.changed().await.map_err(|_| FileError::Ended)?;
        }
    }
}
