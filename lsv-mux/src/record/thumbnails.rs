//! Small pictures of live streams, for those who record them: made elsewhere, taken by the recording of a session.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use lsv_core::hub::{State, Stream};
use lsv_core::time::Timestamp;
use tokio::sync::Notify;
use tokio::time::timeout;

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
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    streams: Mutex<HashMap<usize, Waiting>>,
    /// A strip was dropped.
    dropped: Notify,
}

/// The pictures of a stream that wait.
#[derive(Debug)]
struct Waiting {
    /// Keeps its place in memory, by which it is known, from becoming another's.
    stream: Weak<Stream>,
    tiles: VecDeque<Tile>,
    strips: usize,
    takers: usize,
}

impl Thumbnails {
    /// None yet; sheets will be made by `compose`.
    pub fn new(compose: Compose) -> Self {
        Self {
            compose,
            shared: Arc::default(),
        }
    }

    /// Where the pictures of `stream` go, until it is dropped.
    pub fn strip(&self, stream: &Arc<Stream>) -> Strip {
        Strip(self.place(stream, |waiting| &mut waiting.strips))
    }

    /// Takes the pictures of `stream`, until it is dropped.
    pub(super) fn taker(&self, stream: &Arc<Stream>) -> Taker {
        Taker {
            place: self.place(stream, |waiting| &mut waiting.takers),
            compose: self.compose,
        }
    }

    fn place(&self, stream: &Arc<Stream>, count: Count) -> Place {
        let key = Arc::as_ptr(stream).addr();
        let mut streams = self.shared.streams();
        let waiting = streams.entry(key).or_insert_with(|| Waiting {
            stream: Arc::downgrade(stream),
            tiles: VecDeque::new(),
            strips: 0,
            takers: 0,
        });
        *count(waiting) += 1;
        Place {
            key,
            count,
            shared: Arc::clone(&self.shared),
        }
    }
}

impl fmt::Debug for Thumbnails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thumbnails").finish_non_exhaustive()
    }
}

impl Shared {
    fn streams(&self) -> MutexGuard<'_, HashMap<usize, Waiting>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which of the counts of who has to do with a stream's pictures.
type Count = fn(&mut Waiting) -> &mut usize;

/// Holds the pictures of a stream: they go when nobody puts any in and nobody takes any.
struct Place {
    key: usize,
    count: Count,
    shared: Arc<Shared>,
}

impl Place {
    fn with<T: Default>(&self, act: impl FnOnce(&mut Waiting) -> T) -> T {
        let mut streams = self.shared.streams();
        streams.get_mut(&self.key).map(act).unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut streams = self.shared.streams();
        let Some(waiting) = streams.get_mut(&self.key) else {
            return;
        };
        *(self.count)(waiting) -= 1;
        if waiting.strips + waiting.takers == 0 {
            streams.remove(&self.key);
        }
        drop(streams);
        self.shared.dropped.notify_waiters();
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

/// Takes in the small pictures of one stream. They stay until it is dropped, and as long as somebody takes them.
#[derive(Debug)]
pub struct Strip(Place);

impl Strip {
    /// Puts in the next picture.
    pub fn put(&self, tile: Tile) {
        self.0.with(|waiting| {
            if waiting.tiles.len() >= MAX_WAITING {
                let mut place = 0;
                waiting.tiles.retain(|_| {
                    place += 1;
                    place % 2 == 1
                });
            }
            waiting.tiles.push_back(tile);
        });
    }
}

/// Takes the small pictures of one stream.
#[derive(Debug)]
pub(super) struct Taker {
    place: Place,
    compose: Compose,
}

impl Taker {
    /// The pictures that are shown before `end`; they are gone then.
    pub(super) fn take(&self, end: Timestamp) -> Vec<Tile> {
        self.place.with(|waiting| {
            let before = |tile: &&Tile| tile.at < end;
            let count = waiting.tiles.iter().take_while(before).count();
            waiting.tiles.drain(..count).collect()
        })
    }

    /// Waits for the last pictures of a stream that has ended, which may still be made. Not for long.
    pub(super) async fn last(&self) {
        let all = async {
            loop {
                let dropped = self.place.shared.dropped.notified();
                if self.place.with(|waiting| !waiting.has_last_to_come()) {
                    return;
                }
                dropped.await;
            }
        };
        if timeout(PATIENCE, all).await.is_err() {
            tracing::debug!("a session ends without its last small pictures");
        }
    }

    /// One picture of all `tiles`, made where it keeps nobody waiting.
    pub(super) async fn sheet(&self, tiles: Vec<Tile>, columns: u32) -> Option<Bytes> {
        let compose = self.compose;
        let sheet = tokio::task::spawn_blocking(move || compose(&tiles, columns));
        sheet.await.ok().flatten()
    }
}

impl Waiting {
    fn has_last_to_come(&self) -> bool {
        let stream = self.stream.upgrade();
        self.strips > 0 && stream.is_none_or(|stream| stream.state() == State::Ended)
    }
}

/// Pictures of one stream that wait, some kilobytes each: those of the longest segment, an hour, every ten seconds.
const MAX_WAITING: usize = 512;
/// What a decoder gets for the last picture of a stream.
const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use lsv_core::hub::{Hub, Offer, Publisher};
    use lsv_core::path::{ChannelId, StreamPath};

    use super::*;

    fn tile(millis: i64) -> Tile {
        Tile {
            at: Timestamp::from_millis(millis),
            width: 160,
            height: 90,
            jpeg: Bytes::new(),
        }
    }

    fn live(hub: &Hub) -> (Publisher, Arc<Stream>) {
        let path = StreamPath::source(ChannelId::parse("cam").unwrap());
        let now = std::time::Instant::now();
        let publisher = hub.publish(&path, Offer::new("a camera"), now).unwrap();
        (publisher, hub.find(&path).unwrap())
    }

    fn count(taker: &Taker, end: i64) -> usize {
        taker.take(Timestamp::from_millis(end)).len()
    }

    #[test]
    fn what_is_taken_is_gone_and_what_is_not_gets_sparse() {
        let thumbnails = Thumbnails::new(|_, _| None);
        let (_publisher, stream) = live(&Hub::default());
        let (strip, taker) = (thumbnails.strip(&stream), thumbnails.taker(&stream));
        for second in 0..10 {
            strip.put(tile(second * 1_000));
        }
        let taken = [3_000, 3_000, 3_001].map(|end| count(&taker, end));
        assert_eq!(taken, [3, 0, 1]);
        for second in 10..10_000 {
            strip.put(tile(second * 1_000));
        }
        let all = count(&taker, i64::MAX / 1_000_000);
        assert!((MAX_WAITING / 2..=MAX_WAITING).contains(&all), "{all}");
        strip.put(tile(0));
        drop(taker);
        let again = thumbnails.taker(&stream);
        assert_eq!(count(&again, 1), 1, "a strip is there");
        drop((again, strip));
        assert!(thumbnails.shared.streams().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_pictures_of_a_stream_are_waited_for() {
        let (thumbnails, hub) = (Thumbnails::new(|_, _| None), Hub::default());
        let (publisher, stream) = live(&hub);
        let (strip, taker) = (thumbnails.strip(&stream), thumbnails.taker(&stream));
        let begun = tokio::time::Instant::now();
        taker.last().await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "it goes on");
        publisher.finish();
        let making = async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            strip.put(tile(0));
        };
        tokio::join!(making, taker.last());
        assert_eq!(begun.elapsed(), Duration::from_secs(1));

        // One of the same name has pictures of its own.
        let (_publisher, next) = live(&hub);
        let strip = thumbnails.strip(&next);
        strip.put(tile(0));
        assert_eq!((count(&taker, 1), count(&taker, 1)), (1, 0));
        let stuck = thumbnails.strip(&stream);
        taker.last().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(1) + PATIENCE);
        drop(stuck);
    }
}
