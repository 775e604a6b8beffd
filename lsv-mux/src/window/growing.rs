//! A segment on its way out while it grows: each of its parts as soon as it is made.

use std::sync::Arc;

use bytes::Bytes;
use lsv_core::media::TrackName;
use tokio::sync::watch;

use super::lookup::media_type;
use super::name::Name;
use super::snapshot::Snapshot;
use super::{File, FileError, Stored};
use crate::segmenter::Segment;

/// A file that was asked for: whole, or one that still grows.
#[derive(Debug)]
#[non_exhaustive]
pub enum Opened {
    /// All of it is there.
    Whole(File),
    /// More is to come.
    Growing(Growing),
    /// The object store has it.
    Stored(Stored),
}

/// A segment that grows, read from its start: what is there at once, then each part when it is made, until the segment
/// is closed. All parts together are the bytes of the closed segment.
///
/// Holds no media but what the window holds: a reader that is slower than the window loses its segment.
#[derive(Debug)]
pub struct Growing {
    window: watch::Receiver<Arc<Snapshot>>,
    track: TrackName,
    sequence: u64,
    next: usize,
}

impl Growing {
    /// The segment called `name`, if `snapshot` has it growing.
    pub(super) fn find(
        snapshot: &Snapshot,
        name: Name,
        window: &watch::Receiver<Arc<Snapshot>>,
    ) -> Option<Self> {
        let Name::At(track, init, time) = name else {
            return None;
        };
        let (open, rendition) = snapshot.open_media(track)?;
        let is_it = rendition.init.number == init && rendition.first_time() == time;
        is_it.then(|| Self {
            window: window.clone(),
            track,
            sequence: open.sequence,
            next: 0,
        })
    }

    /// The media type for `Content-Type`.
    pub fn content_type(&self) -> &'static str {
        media_type(self.track)
    }

    /// The next part; `None` behind the last one. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// [`FileError::NotFound`] when the segment has left the window before it was read to its end;
    /// [`FileError::Encrypted`] when the channel is encrypted from here on.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FileError> {
        loop {
            let seen = self.look();
            match seen? {
                Seen::Part(bytes) => {
                    self.next += 1;
                    return Ok(Some(bytes));
                }
                Seen::End => return Ok(None),
                Seen::Nothing => {}
            }
            let changed = self.window.changed().await;
            changed.map_err(|_| FileError::Ended)?;
        }
    }

    fn look(&mut self) -> Result<Seen, FileError> {
        let snapshot = self.window.borrow_and_update();
        if snapshot.is_encrypted() {
            return Err(FileError::Encrypted);
        }
        let segment: &Segment = snapshot
            .any_segment(self.sequence)
            .ok_or(FileError::NotFound)?;
        let parts = segment
            .rendition(self.track)
            .map_or(&[][..], |rendition| &rendition.parts);
        Ok(match parts.get(self.next) {
            Some(part) => Seen::Part(part.bytes.clone()),
            None if snapshot.segment(self.sequence).is_some() => Seen::End,
            None => Seen::Nothing,
        })
    }
}

/// What the window has for a reader.
enum Seen {
    Part(Bytes),
    /// The segment is closed, and was read to its end.
    End,
    /// The next part is not there yet.
    Nothing,
}
