//! The older segments of a stream, whose media is in the object store: what playlists need to know of each, in blocks
//! whose text is written once.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lsv_core::media::TrackName;

use super::body::Ready;
use crate::playlist::past::State;
use crate::segmenter::Run;

mod block;
mod entry;

use self::block::Block;
pub(crate) use self::entry::Entry;

/// A list that segments are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// `live.m3u8`.
    Ts,
    /// The media playlist of a track.
    Media(TrackName),
    /// The timeline of a track in the DASH manifest.
    Dash(TrackName),
}

/// The older segments of one stream, in the order of their numbers, none missing.
#[derive(Debug)]
pub(super) struct Past {
    blocks: VecDeque<Arc<Block>>,
    /// Of all entries.
    duration: Duration,
    entries: usize,
    limit: usize,
    /// The number of the first that is listed.
    listed_from: u64,
    /// The numbers from which on all have that format in the clear or not, and DASH can have them.
    ts_from: u64,
    cmaf_from: u64,
    dash_from: u64,
    shared: Arc<Shared>,
}

/// The same at one moment, as snapshots share it.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    blocks: Vec<Arc<Block>>,
    /// The number of the first one, and of the one that follows the last.
    numbers: Range<u64>,
    listed_from: u64,
    ts_from: u64,
    cmaf_from: u64,
    dash_from: u64,
    ready: Mutex<Vec<Listed>>,
}

/// The older segments of those numbers in a list.
type Listed = (List, Range<u64>, Arc<Older>);

/// The older segments of a list, ready.
#[derive(Debug, Clone)]
pub(crate) struct Older {
    /// As they are listed.
    pub(crate) text: Ready,
    /// What is in force behind them.
    pub(crate) after: State,
    /// All begin with a key frame.
    pub(crate) independent: bool,
    /// How long the longest plays for.
    pub(crate) longest: Duration,
}

impl Past {
    /// Of no more than `limit` segments.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            blocks: VecDeque::new(),
            duration: Duration::ZERO,
            entries: 0,
            limit,
            listed_from: 0,
            ts_from: 0,
            cmaf_from: 0,
            dash_from: 0,
            shared: Arc::default(),
        }
    }

    /// Appends a segment. A list does not begin with one that is missing.
    pub(super) fn push(&mut self, entry: Entry) {
        if self.blocks.is_empty() && !entry.is_stored {
            return;
        }
        let after = entry.sequence + 1;
        if entry.ts.is_none() {
            self.ts_from = after;
        }
        if !entry.cmaf {
            self.cmaf_from = after;
        }
        if !entry.cmaf || entry.key.is_some() {
            self.dash_from = after;
        }
        self.duration += entry.duration;
        self.entries += 1;
        match self.blocks.back_mut().filter(|block| block.fits(&entry)) {
            Some(block) => *block = Arc::new(block.with(entry)),
            None => self.blocks.push_back(Arc::new(Block::new(entry))),
        }
        while self.entries > self.limit || self.blocks.len() > MAX_BLOCKS {
            self.pop();
        }
    }

    /// Lists no more than those behind which others, and `newer` that follows them all, are not as long as `window`, and
    /// forgets what has not been listed for `grace`: as much of the stream as that.
    pub(super) fn expire(&mut self, window: Duration, grace: Duration, newer: Duration) {
        let kept = window.saturating_add(grace);
        while let Some(oldest) = self.oldest() {
            let behind = (self.duration + newer).saturating_sub(oldest.duration);
            if behind < kept {
                break;
            }
            self.pop();
        }
        let mut behind = self.duration + newer;
        let entries = self.blocks.iter().flat_map(|block| &block.entries);
        let unlisted = entries.take_while(|entry| {
            behind = behind.saturating_sub(entry.duration);
            behind >= window || !entry.is_stored
        });
        let first = self.oldest().map_or(0, |oldest| oldest.sequence);
        let last = unlisted.last();
        self.listed_from = last.map_or(first, |last| last.sequence + 1);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
        (self.duration, self.entries) = (Duration::ZERO, 0);
    }

    /// The oldest that is listed.
    pub(super) fn oldest_listed(&self) -> Option<&Entry> {
        let first = self.listed_from.max(self.oldest()?.sequence);
        let mut blocks = self.blocks.iter();
        blocks.find_map(|block| block.entry(first))
    }

    /// The oldest that is there.
    pub(super) fn oldest(&self) -> Option<&Arc<Entry>> {
        self.blocks.front()?.entries.first()
    }

    /// As it is.
    pub(super) fn share(&mut self) -> Arc<Shared> {
        let first = self.oldest().map_or(0, |oldest| oldest.sequence);
        let numbers = first..first + self.entries as u64;
        let known = &self.shared;
        // What has come or gone shows in the numbers.
        if (&known.numbers, known.listed_from) != (&numbers, self.listed_from) {
            self.shared = Arc::new(Shared {
                blocks: self.blocks.iter().cloned().collect(),
                numbers,
                listed_from: self.listed_from,
                ts_from: self.ts_from,
                cmaf_from: self.cmaf_from,
                dash_from: self.dash_from,
                ready: Mutex::default(),
            });
        }
        Arc::clone(&self.shared)
    }

    fn pop(&mut self) {
        let Some(front) = self.blocks.front_mut() else {
            return;
        };
        let rest = front.without_first();
        if let Some(oldest) = front.entries.first() {
            self.duration = self.duration.saturating_sub(oldest.duration);
            self.entries -= 1;
        }
        match rest {
            Some(rest) => *front = Arc::new(rest),
            None => drop(self.blocks.pop_front()),
        }
    }
}

impl Shared {
    /// The numbers of those that `list` goes back to.
    pub(crate) fn listed(&self, list: List) -> Range<u64> {
        let end = self.numbers.end;
        let clamp = |from: u64| self.clamp(from);
        match list {
            List::Ts => clamp(self.ts_from)..end,
            List::Media(track) => self.first_with(track, clamp(self.cmaf_from))..end,
            List::Dash(_) => self.listed_dash(),
        }
    }

    /// The segment of that number.
    pub(crate) fn entry(&self, sequence: u64) -> Option<&Entry> {
        let after = self
            .blocks
            .partition_point(|block| block.first() <= sequence);
        let block = self.blocks.get(after.checked_sub(1)?)?;
        block.entry(sequence)
    }

    /// The number of the first one from `from` on that `is_it`, where all that follow are it too.
    pub(crate) fn find(&self, from: u64, is_it: impl Fn(&Entry) -> bool) -> Option<u64> {
        let range = from..self.numbers.end;
        let mut blocks = self.within(&range);
        blocks.find_map(|block| {
            let last = block.entries.last();
            last.filter(|last| is_it(last))?;
            let mut entries = block.within(&range).iter();
            let found = entries.find(|entry| is_it(entry));
            found.map(|entry| entry.sequence)
        })
    }

    /// The segment whose rendition of `track` begins at `time` under the header of that number.
    pub(crate) fn entry_at(&self, track: TrackName, init: u64, time: u64) -> Option<&Entry> {
        let of_init = |block: &&Arc<Block>| {
            let of_run = block.run.init(track);
            of_run.is_some_and(|of_run| of_run.number == init)
        };
        let mut entries = self.blocks.iter().filter(of_init);
        entries.find_map(|block| block.entry_at(track, time))
    }

    /// Whether one of them is encrypted with the key of that number.
    pub(crate) fn needs_key(&self, number: u64) -> bool {
        self.blocks.iter().any(|block| block.needs_key(number))
    }

    /// The numbers of those that DASH lists.
    pub(crate) fn listed_dash(&self) -> Range<u64> {
        self.clamp(self.dash_from)..self.numbers.end
    }

    /// Those of the numbers `range` by their runs; neighbours may be of one run.
    pub(crate) fn stretches(
        &self,
        range: &Range<u64>,
    ) -> impl Iterator<Item = (&Arc<Run>, Range<u64>)> {
        self.within(range).map(|block| {
            let start = block.first().max(range.start);
            (&block.run, start..block.end().min(range.end))
        })
    }

    /// All of them, oldest first, in a block for each stretch.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().map(AsRef::as_ref)
    }

    /// Those of the numbers `range`, as `list` has them.
    pub(crate) fn older(&self, list: List, range: &Range<u64>) -> Arc<Older> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., older)) = ready
            .iter()
            .find(|(known, numbers, _)| *known == list && numbers == range)
        {
            return Arc::clone(older);
        }
        let older = Arc::new(self.write(list, range));
        // Not what only one viewer asks for.
        if ready.len() < MAX_READY && *range == self.listed(list) {
            ready.push((list, range.clone(), Arc::clone(&older)));
        }
        older
    }

    /// A number from which on all are listed, `from` or a higher one.
    fn clamp(&self, from: u64) -> u64 {
        let from = from.max(self.listed_from);
        from.clamp(self.numbers.start, self.numbers.end)
    }

    fn within(&self, range: &Range<u64>) -> impl Iterator<Item = &Arc<Block>> {
        let before = self
            .blocks
            .partition_point(|block| block.end() <= range.start);
        let (blocks, end) = (self.blocks.iter().skip(before), range.end);
        blocks.take_while(move |block| block.first() < end)
    }

    fn write(&self, list: List, range: &Range<u64>) -> Older {
        let mut older = Older {
            text: Ready::default(),
            after: State::default(),
            independent: true,
            longest: Duration::ZERO,
        };
        for block in self.within(range) {
            let written = block.write(list, range, older.after);
            older.text.push(&written.text, written.hash);
            older.after = written.after;
            older.independent &= written.independent;
            older.longest = older.longest.max(written.longest);
        }
        older
    }

    /// The number of the first one from `from` on that has `track`; behind the last where none has.
    fn first_with(&self, track: TrackName, from: u64) -> u64 {
        let range = from..self.numbers.end;
        let blocks = self.within(&range);
        let mut found = blocks.filter_map(|block| block.first_with(track, from));
        found.next().unwrap_or(self.numbers.end)
    }
}

/// Each stretch between two discontinuities is a block at least: a publisher that comes and goes all the time has a shorter
/// window.
const MAX_BLOCKS: usize = 2048;

/// Texts that are kept at once: a list for each track, and some for those who begin elsewhere.
const MAX_READY: usize = 64;

#[cfg(test)]
mod tests;
