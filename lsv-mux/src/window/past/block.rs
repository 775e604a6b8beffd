//! A stretch of older segments, and the text that lists have of it.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use lsv_core::media::TrackName;

use super::entry::TrackEntry;
use super::{Entry, List};
use crate::playlist::measure::Measured;
use crate::playlist::past::{State, render};
use crate::segmenter::Run;
use crate::window::body::hash_of;

/// Neighbours of one run.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) run: Arc<Run>,
    /// Never none.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// The numbers of the keys of those that the store has.
    keys: Vec<u64>,
    /// What was measured over all of it, track by track.
    measured: Vec<(TrackName, Measured)>,
    written: Mutex<Vec<(List, State, Written)>>,
}

/// The text of a block.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) text: Bytes,
    pub(super) hash: u64,
    /// What is in force behind it.
    pub(super) after: State,
    pub(super) independent: bool,
    /// How long the longest plays for.
    pub(super) longest: Duration,
}

impl Block {
    pub(super) fn new(entry: Entry) -> Self {
        Self::of(Arc::clone(&entry.run), vec![Arc::new(entry)])
    }

    /// Whether `entry` belongs to it. Blocks end at the same numbers whenever they began.
    pub(super) fn fits(&self, entry: &Entry) -> bool {
        let of_block = self.first() / BLOCK_SEGMENTS == entry.sequence / BLOCK_SEGMENTS;
        of_block && self.run.number == entry.run.number
    }

    /// The same with one more.
    pub(super) fn with(&self, entry: Entry) -> Self {
        let mut entries = self.entries.clone();
        entries.push(Arc::new(entry));
        Self::of(Arc::clone(&self.run), entries)
    }

    /// The same without its first one, unless nothing is left.
    pub(super) fn without_first(&self) -> Option<Self> {
        let rest = self.entries.get(1..).filter(|rest| !rest.is_empty())?;
        Some(Self::of(Arc::clone(&self.run), rest.to_vec()))
    }

    /// Lets go of the text of all of it.
    pub(super) fn forget_text(&self) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        *written = Vec::new();
    }

    fn of(run: Arc<Run>, entries: Vec<Arc<Entry>>) -> Self {
        let stored = entries.iter().filter(|entry| entry.is_stored);
        let mut keys: Vec<u64> = stored.filter_map(|entry| entry.key).collect();
        keys.dedup();
        let tracks = run.inits.iter().map(|init| init.track.name());
        let measured = tracks.map(|track| (track, measure(&entries, track)));
        Self {
            measured: measured.collect(),
            run,
            entries,
            keys,
            written: Mutex::default(),
        }
    }

    /// The number of its first segment.
    pub(super) fn first(&self) -> u64 {
        self.entries.first().map_or(0, |entry| entry.sequence)
    }

    /// The number behind that of its last segment.
    pub(super) fn end(&self) -> u64 {
        self.first() + self.entries.len() as u64
    }

    pub(super) fn entry(&self, sequence: u64) -> Option<&Entry> {
        let index = usize::try_from(sequence.checked_sub(self.first())?).ok()?;
        self.entries.get(index).map(AsRef::as_ref)
    }

    pub(super) fn needs_key(&self, number: u64) -> bool {
        self.keys.contains(&number)
    }

    /// What was measured of `track` in those of the numbers `range`.
    pub(super) fn measured(&self, track: TrackName, range: &Range<u64>) -> Measured {
        let entries = self.within(range);
        if entries.len() < self.entries.len() {
            return measure(entries, track);
        }
        let mut measured = self.measured.iter();
        let found = measured.find(|(name, _)| *name == track);
        found.map(|(_, measured)| *measured).unwrap_or_default()
    }

    pub(super) fn entry_at(&self, track: TrackName, time: u64) -> Option<&Entry> {
        let mut entries = self.entries.iter();
        let begins = |entry: &&Arc<Entry>| {
            let track = entry.track(track);
            track.is_some_and(|track| track.first_time == time)
        };
        entries.find(begins).map(AsRef::as_ref)
    }

    pub(super) fn first_with(&self, track: TrackName, from: u64) -> Option<u64> {
        let mut entries = self.within(&(from..self.end())).iter();
        let has = |entry: &&Arc<Entry>| entry.is_stored && entry.track(track).is_some();
        entries.find(has).map(|entry| entry.sequence)
    }

    /// Those of the numbers `range`.
    pub(crate) fn within(&self, range: &Range<u64>) -> &[Arc<Entry>] {
        let index = |number: u64| {
            let index = usize::try_from(number.saturating_sub(self.first()));
            index.unwrap_or(usize::MAX).min(self.entries.len())
        };
        let (start, end) = (index(range.start), index(range.end));
        self.entries.get(start..end).unwrap_or_default()
    }

    /// Those of the numbers `range`, as `list` has them where `before` is in force. The text of all of them is kept.
    pub(super) fn write(&self, list: List, range: &Range<u64>, before: State) -> Written {
        let entries = self.within(range);
        if entries.len() < self.entries.len() {
            return Written::new(list, entries, before);
        }
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., known)) = written
            .iter()
            .find(|(known, state, _)| *known == list && *state == before)
        {
            return known.clone();
        }
        let new = Written::new(list, entries, before);
        written.retain(|(known, ..)| *known != list);
        written.push((list, before, new.clone()));
        new
    }
}

fn measure(entries: &[Arc<Entry>], track: TrackName) -> Measured {
    let mut measured = Measured::default();
    for entry in entries.iter().filter(|entry| entry.is_stored) {
        let piece = entry.track(track).map(TrackEntry::piece);
        measured.add(entry.is_short, piece);
    }
    measured
}

impl Written {
    fn new(list: List, entries: &[Arc<Entry>], before: State) -> Self {
        let mut after = before;
        let text = render(list, entries, &mut after);
        let independent = |entry: &Arc<Entry>| match list {
            List::Ts => entry.ts != Some(false),
            List::Media(track) | List::Dash(track) => {
                entry.track(track).is_none_or(|track| track.independent)
            }
        };
        let length = |entry: &Arc<Entry>| match list {
            List::Ts => entry.duration,
            List::Media(track) | List::Dash(track) => entry
                .track(track)
                .map(TrackEntry::length)
                .unwrap_or_default(),
        };
        Self {
            hash: hash_of(&text),
            text: text.into(),
            after,
            independent: entries.iter().all(independent),
            longest: entries.iter().map(length).max().unwrap_or_default(),
        }
    }
}

/// Segments of a block at most: few enough to be written again while a block grows or shrinks.
const BLOCK_SEGMENTS: u64 = 128;
