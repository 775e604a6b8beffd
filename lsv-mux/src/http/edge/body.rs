//! The bytes of an object while they arrive: one writes, any number read, and each byte is there once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use futures::stream::{self, Stream};
use tokio::sync::watch;

use super::failure::Failure;

/// The bytes of an object, whole or on their way.
#[derive(Debug)]
pub(super) struct Body {
    /// How long it is, if upstream said so.
    declared: Option<u64>,
    /// All of it, once it is there, side by side: one write to a socket sends much of it.
    whole: OnceLock<Bytes>,
    arriving: Mutex<Arriving>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Arriving {
    /// In order, each with where it begins.
    pieces: Vec<(u64, Bytes)>,
    length: u64,
    broken: Option<Failure>,
}

/// The writing end. Dropped before it has finished, what it wrote is no object.
#[derive(Debug)]
pub(super) struct Arrival {
    body: Arc<Body>,
    most: u64,
    /// Of all objects that arrive.
    arriving: Arc<AtomicUsize>,
    most_arriving: usize,
    counted: usize,
    is_over: bool,
}

/// What bounds an arrival.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// Bytes of one body.
    pub(super) bytes: u64,
    /// Bytes of all that arrive, counted here.
    pub(super) arriving: Arc<AtomicUsize>,
    pub(super) arriving_bytes: usize,
}

impl Body {
    /// A body that is there.
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self {
            declared: Some(bytes.len() as u64),
            whole: OnceLock::from(bytes),
            arriving: Mutex::default(),
            changed: watch::Sender::default(),
        }
    }

    /// A body that is on its way, of `declared` bytes if that is known.
    pub(super) fn arriving(declared: Option<u64>, bounds: &Bounds) -> (Arc<Self>, Arrival) {
        let body = Arc::new(Self {
            declared,
            whole: OnceLock::new(),
            arriving: Mutex::default(),
            changed: watch::Sender::default(),
        });
        let arrival = Arrival {
            body: Arc::clone(&body),
            most: bounds.bytes,
            arriving: Arc::clone(&bounds.arriving),
            most_arriving: bounds.arriving_bytes,
            counted: 0,
            is_over: false,
        };
        (body, arrival)
    }

    /// All of it, if it is there.
    pub(super) fn get(&self) -> Option<&Bytes> {
        self.whole.get()
    }

    /// Its length, as soon as it is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.declared
            .or_else(|| Some(self.whole.get()?.len() as u64))
    }

    /// Waits until all of it is there.
    pub(super) async fn wait(&self) -> Result<&Bytes, Failure> {
        let mut changes = self.changed.subscribe();
        loop {
            if let Some(whole) = self.whole.get() {
                return Ok(whole);
            }
            if let Some(failure) = &self.lock().broken {
                return Err(failure.clone());
            }
            // The other end is in `self`.
            drop(changes.changed().await);
        }
    }

    /// The bytes from `start` up to `end`, or to its end, as they arrive.
    pub(super) fn read(
        self: &Arc<Self>,
        start: u64,
        end: Option<u64>,
    ) -> impl Stream<Item = Result<Bytes, Failure>> + Send + use<> {
        let changes = self.changed.subscribe();
        let reader = (Arc::clone(self), changes, start);
        stream::try_unfold(reader, move |(body, mut changes, position)| async move {
            loop {
                changes.mark_unchanged();
                match body.piece(position, end)? {
                    Piece::Bytes(bytes) => {
                        let next = position.saturating_add(bytes.len() as u64);
                        return Ok(Some((bytes, (body, changes, next))));
                    }
                    Piece::End => return Ok(None),
                    Piece::NotYet => drop(changes.changed().await),
                }
            }
        })
    }

    fn piece(&self, position: u64, end: Option<u64>) -> Result<Piece, Failure> {
        let end = end.unwrap_or(u64::MAX);
        if position >= end {
            return Ok(Piece::End);
        }
        if let Some(whole) = self.whole.get() {
            return Ok(cut(whole, 0, position, end));
        }
        let arriving = self.lock();
        if position < arriving.length {
            let behind = arriving
                .pieces
                .partition_point(|(start, _)| *start <= position);
            let piece = behind
                .checked_sub(1)
                .and_then(|index| arriving.pieces.get(index));
            if let Some((start, bytes)) = piece {
                return Ok(cut(bytes, *start, position, end));
            }
        }
        match &arriving.broken {
            Some(failure) => Err(failure.clone()),
            // It became whole while the lock was waited for.
            None => Ok(match self.whole.get() {
                Some(whole) => cut(whole, 0, position, end),
                None => Piece::NotYet,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arriving> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Piece {
    Bytes(Bytes),
    End,
    NotYet,
}

/// What of `bytes`, which begin at `start`, lies from `position` to `end`.
fn cut(bytes: &Bytes, start: u64, position: u64, end: u64) -> Piece {
    let index = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
    let (from, to) = (index(position), index(end).min(bytes.len()));
    match from < to {
        true => Piece::Bytes(bytes.slice(from..to)),
        false => Piece::End,
    }
}

impl Arrival {
    /// How much has arrived.
    pub(super) fn length(&self) -> u64 {
        self.body.lock().length
    }

    /// Appends `bytes`, in memory of their own: what they are a slice of is larger.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        let before = self.arriving.fetch_add(bytes.len(), Ordering::Relaxed);
        self.counted += bytes.len();
        if before.saturating_add(bytes.len()) > self.most_arriving {
            return Err(Failure::Full);
        }
        let mut arriving = self.body.lock();
        let start = arriving.length;
        let length = start.saturating_add(bytes.len() as u64);
        if length > self.most || arriving.pieces.len() >= MAX_PIECES {
            return Err(Failure::Unusable(
                "the object is larger than objects may be",
            ));
        }
        arriving.pieces.push((start, Bytes::copy_from_slice(bytes)));
        arriving.length = length;
        drop(arriving);
        self.body.changed.send_replace(());
        Ok(())
    }

    /// There is no more to come.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let body = Arc::clone(&self.body);
        let mut arriving = body.lock();
        if body
            .declared
            .is_some_and(|declared| declared != arriving.length)
        {
            return Err(Failure::Unusable(
                "the object has another length than was said",
            ));
        }
        let pieces = std::mem::take(&mut arriving.pieces);
        let whole = match &pieces[..] {
            [(_, bytes)] => bytes.clone(),
            pieces => {
                let mut whole =
                    Vec::with_capacity(pieces.iter().map(|(_, bytes)| bytes.len()).sum());
                for (_, bytes) in pieces {
                    whole.extend_from_slice(bytes);
                }
                whole.into()
            }
        };
        // Nobody else writes it.
        drop(body.whole.set(whole));
        drop(arriving);
        self.is_over = true;
        self.body.changed.send_replace(());
        Ok(())
    }

    /// No more will come. Those who read it are told.
    pub(super) fn fail(mut self, failure: Failure) {
        self.end(failure);
    }

    fn end(&mut self, failure: Failure) {
        if !self.is_over {
            self.is_over = true;
            self.body.lock().broken = Some(failure);
            self.body.changed.send_replace(());
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.end(Failure::GivenUp);
        self.arriving.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

/// Pieces of a body: more is one who sends byte by byte.
const MAX_PIECES: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt, TryStreamExt};

    use super::*;

    fn bounds() -> Bounds {
        Bounds {
            bytes: 100,
            arriving: Arc::default(),
            arriving_bytes: 150,
        }
    }

    async fn all(read: impl Stream<Item = Result<Bytes, Failure>>) -> Result<Vec<u8>, Failure> {
        let pieces: Vec<Bytes> = read.try_collect().await?;
        Ok(pieces.concat())
    }

    #[tokio::test]
    async fn readers_get_what_has_arrived_and_then_the_rest() {
        let (body, mut arrival) = Body::arriving(None, &bounds());
        arrival.push(b"one ").unwrap();
        let mut early = Box::pin(body.read(0, None));
        assert_eq!(early.next().await, Some(Ok(Bytes::from("one "))));
        assert_eq!(early.next().now_or_never(), None);
        let part = body.read(2, Some(6));
        arrival.push(b"two ").unwrap();
        assert_eq!(early.next().await, Some(Ok(Bytes::from("two "))));
        assert_eq!(body.length(), None);
        arrival.push(b"three").unwrap();
        arrival.finish().unwrap();
        assert_eq!(all(early).await.unwrap(), b"three");
        assert_eq!(all(part).await.unwrap(), b"e tw");
        assert_eq!(all(body.read(0, None)).await.unwrap(), b"one two three");
        assert_eq!(body.wait().await.unwrap(), "one two three");
        assert_eq!(body.length(), Some(13));
        assert!(all(body.read(50, None)).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_breaks_off_is_no_object() {
        let (body, mut arrival) = Body::arriving(Some(10), &bounds());
        arrival.push(b"half").unwrap();
        let mut reader = Box::pin(body.read(0, None));
        drop(arrival);
        assert_eq!(reader.next().await, Some(Ok(Bytes::from("half"))));
        assert_eq!(reader.next().await, Some(Err(Failure::GivenUp)));
        assert_eq!(body.wait().await, Err(Failure::GivenUp));

        let (body, mut arrival) = Body::arriving(Some(10), &bounds());
        arrival.push(b"half").unwrap();
        assert!(arrival.finish().is_err());
        assert!(body.wait().await.is_err() && body.get().is_none());
    }

    #[test]
    fn what_is_too_large_is_refused_and_what_arrives_is_counted() {
        let bounds = bounds();
        let (_body, mut one) = Body::arriving(None, &bounds);
        one.push(&[0; 100]).unwrap();
        assert!(matches!(one.push(&[0]), Err(Failure::Unusable(_))));
        let (_body, mut two) = Body::arriving(None, &bounds);
        assert_eq!(two.push(&[0; 60]), Err(Failure::Full));
        drop((one, two));
        assert_eq!(bounds.arriving.load(Ordering::Relaxed), 0);
    }
}
