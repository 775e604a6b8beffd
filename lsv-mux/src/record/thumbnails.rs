//! Small pictures of live streams, for those who record them: made elsewhere, taken by the recording of a session.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lsv_core::path::StreamPath;
use lsv_core::time::Timestamp;

/// A small picture of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// The decoding time of its frame, on the stream's own timeline.
    pub at: Timestamp,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// The picture.
    pub jpeg: Bytes,
}

/// Makes one JPEG of many: so many beside each other in each row, in cells of the first one's size. `None` where that is
/// impossible.
pub type Compose = fn(tiles: &[Tile], columns: u32) -> Option<Bytes>;

/// The small pictures of all streams that nobody has taken yet. Clones share them.
///
/// Whoever makes pictures puts them in by a [`Strip`]; who records takes them out. Those that nobody takes get sparser.
#[derive(Clone)]
pub struct Thumbnails {
    compose: Compose,
    strips: Strips,
}

type Strips = Arc<Mutex<HashMap<StreamPath, Waiting>>>;

/// The pictures of a stream that wait, and how many putters it has.
#[derive(Debug, Default)]
struct Waiting {
    tiles: VecDeque<Tile>,
    strips: usize,
}

impl Thumbnails {
    /// None yet; sheets will be made by `compose`.
    pub fn new(compose: Compose) -> Self {
        Self {
            compose,
            strips: Arc::default(),
        }
    }

    /// Where the pictures of the stream at `path` go, until it is dropped.
    pub fn strip(&self, path: &StreamPath) -> Strip {
        let mut strips = locked(&self.strips);
        strips.entry(path.clone()).or_default().strips += 1;
        Strip {
            path: path.clone(),
            strips: Arc::clone(&self.strips),
        }
    }

    /// Takes the pictures of the stream at `path` that are shown before `end`.
    pub(super) fn take(&self, path: &StreamPath, end: Timestamp) -> Vec<Tile> {
        let mut strips = locked(&self.strips);
        let Some(Waiting { tiles, .. }) = strips.get_mut(path) else {
            return Vec::new();
        };
        let count = tiles.iter().take_while(|tile| tile.at < end).count();
        tiles.drain(..count).collect()
    }

    /// One picture of all `tiles`, made where it keeps nobody waiting.
    pub(super) async fn sheet(&self, tiles: Vec<Tile>, columns: u32) -> Option<Bytes> {
        let compose = self.compose;
        let sheet = tokio::task::spawn_blocking(move || compose(&tiles, columns));
        sheet.await.ok().flatten()
    }
}

impl fmt::Debug for Thumbnails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thumbnails").finish_non_exhaustive()
    }
}

/// Takes the small pictures of one stream. They stay until it is dropped.
#[derive(Debug)]
pub struct Strip {
    path: StreamPath,
    strips: Strips,
}

impl Strip {
    /// Puts in the next picture.
    pub fn put(&self, tile: Tile) {
        let mut strips = locked(&self.strips);
        let Some(Waiting { tiles, .. }) = strips.get_mut(&self.path) else {
            return;
        };
        if tiles.len() >= MAX_WAITING {
            let mut place = 0;
            tiles.retain(|_| {
                place += 1;
                place % 2 == 1
            });
        }
        tiles.push_back(tile);
    }
}

impl Drop for Strip {
    fn drop(&mut self) {
        let mut strips = locked(&self.strips);
        if let Some(waiting) = strips.get_mut(&self.path) {
            waiting.strips -= 1;
            if waiting.strips == 0 {
                strips.remove(&self.path);
            }
        }
    }
}

fn locked(strips: &Strips) -> MutexGuard<'_, HashMap<StreamPath, Waiting>> {
    strips.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Pictures of one stream that wait, some kilobytes each: those of the longest segment, an hour, every ten seconds.
const MAX_WAITING: usize = 512;

#[cfg(test)]
mod tests {
    use lsv_core::path::ChannelId;

    use super::*;

    fn tile(millis: i64) -> Tile {
        Tile {
            at: Timestamp::from_millis(millis),
            width: 160,
            height: 90,
            jpeg: Bytes::new(),
        }
    }

    #[test]
    fn what_is_taken_is_gone_and_what_is_not_gets_sparse() {
        let thumbnails = Thumbnails::new(|_, _| None);
        let path = StreamPath::source(ChannelId::parse("cam").unwrap());
        let taken = |end| thumbnails.take(&path, Timestamp::from_millis(end)).len();
        let strip = thumbnails.strip(&path);
        for second in 0..10 {
            strip.put(tile(second * 1_000));
        }
        assert_eq!((taken(3_000), taken(3_000), taken(3_001)), (3, 0, 1));
        for second in 10..10_000 {
            strip.put(tile(second * 1_000));
        }
        let first = locked(&thumbnails.strips)[&path].tiles.len();
        assert!((MAX_WAITING / 2..=MAX_WAITING).contains(&first), "{first}");
        let again = thumbnails.strip(&path);
        drop(strip);
        assert_eq!(taken(i64::MAX / 1_000_000), first, "another strip is there");
        again.put(tile(0));
        drop(again);
        assert_eq!(taken(1), 0);
        assert!(locked(&thumbnails.strips).is_empty());
    }
}
