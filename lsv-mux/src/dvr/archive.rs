//! What is kept of one stream: which segments wait for the store, which it has, and which are to go.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lsv_core::media::TrackName;
use lsv_core::ports::{ObjectName, ObjectStore};
use tokio::sync::Notify;

use super::{Config, Dvr};
use crate::segmenter::Segment;

/// The old segments of one stream in an object store. Clones share it.
///
/// A packager that has it hands over what it closes and never waits; [`Archive::run`] does the work. Objects are deleted
/// once no playlist in use has them, and all of them after [`Archive::close`].
#[derive(Clone)]
pub struct Archive {
    shared: Arc<Shared>,
}

struct Shared {
    dvr: Dvr,
    /// What the names of its objects begin with.
    prefix: String,
    shelf: Mutex<Shelf>,
    to_store: Notify,
    to_delete: Notify,
}

#[derive(Default)]
struct Shelf {
    waiting: VecDeque<Arc<Segment>>,
    in_flight: Option<InFlight>,
    /// Of those that wait and the one in flight.
    bytes: usize,
    /// What became of segments that the window has not asked about yet.
    settled: BTreeMap<u64, Outcome>,
    /// What the store has, oldest first.
    held: VecDeque<Held>,
    unwanted: VecDeque<Held>,
    /// What has a lower number than this is not wanted.
    wanted_from: u64,
    closed: bool,
}

/// The segment that the store is taking.
struct InFlight {
    sequence: u64,
    bytes: usize,
}

/// Objects of one segment.
#[derive(Debug, Clone)]
pub(super) struct Held {
    sequence: u64,
    ts: bool,
    tracks: Box<[TrackName]>,
}

/// What became of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It waits for the store.
    Pending,
    /// The store has it.
    Stored,
    /// The store does not have it, and will not.
    Lost,
}

impl Archive {
    pub(super) fn new(dvr: Dvr, prefix: String) -> Self {
        Self {
            shared: Arc::new(Shared {
                dvr,
                prefix,
                shelf: Mutex::default(),
                to_store: Notify::new(),
                to_delete: Notify::new(),
            }),
        }
    }

    /// Nothing is listed any more: everything is to be deleted, and [`Archive::run`] ends when it is.
    pub fn close(&self) {
        let mut shelf = self.shelf();
        shelf.closed = true;
        shelf.expire(u64::MAX);
        drop(shelf);
        self.shared.to_store.notify_one();
        self.shared.to_delete.notify_one();
    }

    /// Takes a closed segment.
    pub(crate) fn keep(&self, segment: &Arc<Segment>) {
        let mut shelf = self.shelf();
        if shelf.closed || segment.sequence < shelf.wanted_from {
            return;
        }
        shelf.bytes += segment.size();
        shelf.waiting.push_back(Arc::clone(segment));
        let left_out = shelf.make_room(self.config().queue_bytes);
        drop(shelf);
        left_out.into_iter().for_each(warn_too_slow);
        self.shared.to_store.notify_one();
    }

    /// What became of a segment so far.
    pub(crate) fn outcome(&self, sequence: u64) -> Outcome {
        self.shelf().outcome(sequence)
    }

    /// What became of a segment that leaves the window now. What was not stored by then is not going to be listed.
    pub(crate) fn settle(&self, sequence: u64) -> Outcome {
        let mut shelf = self.shelf();
        let outcome = shelf.outcome(sequence);
        shelf.settled.remove(&sequence);
        if outcome != Outcome::Pending {
            return outcome;
        }
        let is_it = |segment: &mut Arc<Segment>| segment.sequence == sequence;
        if let Some(given_up) = shelf.waiting.pop_front_if(is_it) {
            shelf.bytes -= given_up.size();
        }
        drop(shelf);
        warn_too_slow(sequence);
        Outcome::Lost
    }

    /// How long a segment stays that is not listed any more, unless as long as the longest list.
    pub(crate) fn grace(&self) -> Option<Duration> {
        self.config().grace
    }

    /// Bytes that may wait for the store.
    pub(crate) fn queue_bytes(&self) -> usize {
        self.config().queue_bytes
    }

    /// Segments with a lower number than `sequence` are in no playlist that is in use, and are to be deleted.
    pub(crate) fn expire(&self, sequence: u64) {
        self.shelf().expire(sequence);
        self.shared.to_delete.notify_one();
    }

    /// The object that has a segment as MPEG-TS.
    pub(crate) fn ts(&self, sequence: u64) -> Option<ObjectName> {
        self.object(format_args!("ts-{sequence}.ts"))
    }

    /// The object that has a CMAF rendition of a segment.
    pub(crate) fn media(&self, track: TrackName, sequence: u64) -> Option<ObjectName> {
        self.object(format_args!("{track}-{sequence}.m4s"))
    }

    /// Where its objects are.
    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.shared.dvr.store
    }

    fn object(&self, file: fmt::Arguments<'_>) -> Option<ObjectName> {
        ObjectName::parse(&format!("{}{file}", self.shared.prefix)).ok()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shared
            .shelf
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// For those who do the work.
impl Archive {
    pub(super) fn config(&self) -> &Config {
        &self.shared.dvr.config
    }

    /// The next segment that the store is to take; `None` once nothing is wanted any more.
    pub(super) async fn next_to_store(&self) -> Option<Arc<Segment>> {
        loop {
            {
                let mut shelf = self.shelf();
                if shelf.closed {
                    return None;
                }
                if let Some(segment) = shelf.waiting.pop_front() {
                    shelf.in_flight = Some(InFlight {
                        sequence: segment.sequence,
                        bytes: segment.size(),
                    });
                    return Some(segment);
                }
            }
            self.shared.to_store.notified().await;
        }
    }

    /// Says what became of the segment that [`Archive::next_to_store`] gave. Of one that is lost the store may have some
    /// objects nevertheless.
    pub(super) fn finish(&self, segment: &Segment, outcome: Outcome) {
        let mut shelf = self.shelf();
        if let Some(InFlight { bytes, .. }) = shelf.in_flight.take() {
            shelf.bytes -= bytes;
        }
        let held = Held::of(segment);
        let is_wanted = segment.sequence >= shelf.wanted_from;
        if is_wanted {
            shelf.settled.insert(segment.sequence, outcome);
        }
        match outcome == Outcome::Stored && is_wanted {
            true => shelf.held.push_back(held),
            false => shelf.unwanted.push_back(held),
        }
        drop(shelf);
        self.shared.to_delete.notify_one();
    }

    /// The next objects that the store is to delete; `None` once there will be no more.
    pub(super) async fn next_to_delete(&self) -> Option<Vec<ObjectName>> {
        loop {
            {
                let mut shelf = self.shelf();
                if !shelf.unwanted.is_empty() {
                    let count = shelf.unwanted.len().min(BATCH);
                    let batch: Vec<Held> = shelf.unwanted.drain(..count).collect();
                    drop(shelf);
                    return Some(batch.iter().flat_map(|held| held.objects(self)).collect());
                }
                if shelf.closed && shelf.in_flight.is_none() {
                    return None;
                }
            }
            self.shared.to_delete.notified().await;
        }
    }

    /// Every object is deleted that could be.
    pub(super) fn forget(&self) {
        self.shared.dvr.forget(&self.shared.prefix);
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Archive").field(&self.shared.prefix).finish()
    }
}

impl Shelf {
    fn outcome(&self, sequence: u64) -> Outcome {
        let waits = |segment: &Arc<Segment>| segment.sequence == sequence;
        let is_in_flight = self
            .in_flight
            .as_ref()
            .is_some_and(|in_flight| in_flight.sequence == sequence);
        if is_in_flight || self.waiting.iter().any(waits) {
            return Outcome::Pending;
        }
        let settled = self.settled.get(&sequence);
        settled.copied().unwrap_or(Outcome::Lost)
    }

    /// Leaves out the oldest of those that wait, until the bytes are no more than `most`. Answers their numbers.
    fn make_room(&mut self, most: usize) -> Vec<u64> {
        let mut left_out = Vec::new();
        while self.bytes > most {
            let Some(oldest) = self.waiting.pop_front() else {
                break;
            };
            self.bytes -= oldest.size();
            self.settled.insert(oldest.sequence, Outcome::Lost);
            left_out.push(oldest.sequence);
        }
        left_out
    }

    fn expire(&mut self, sequence: u64) {
        self.wanted_from = self.wanted_from.max(sequence);
        while let Some(held) = self.held.pop_front_if(|held| held.sequence < sequence) {
            self.unwanted.push_back(held);
        }
        while let Some(waiting) = self
            .waiting
            .pop_front_if(|waiting| waiting.sequence < sequence)
        {
            self.bytes -= waiting.size();
        }
        self.settled = self.settled.split_off(&sequence);
    }
}

impl Held {
    fn of(segment: &Segment) -> Self {
        let tracks = segment.renditions.iter();
        Self {
            sequence: segment.sequence,
            ts: segment.ts.is_some(),
            tracks: tracks
                .map(|rendition| rendition.init.track.name())
                .collect(),
        }
    }

    fn objects(&self, archive: &Archive) -> Vec<ObjectName> {
        let ts = self.ts.then(|| archive.ts(self.sequence));
        let tracks = self.tracks.iter();
        let media = tracks.map(|track| archive.media(*track, self.sequence));
        ts.into_iter().chain(media).flatten().collect()
    }
}

fn warn_too_slow(sequence: u64) {
    tracing::warn!(
        sequence,
        "the object store is too slow; a segment is missing from the time-shift window"
    );
    lost();
}

/// Counts a segment that is missing from a time-shift window.
pub(super) fn lost() {
    metrics::counter!("lsv_dvr_lost_segments_total").increment(1);
}

/// Segments that are deleted before it is looked what else there is.
const BATCH: usize = 16;
