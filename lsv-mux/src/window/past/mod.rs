//! The older segments of a stream, whose media is in the object store: what playlists need to know of each, in blocks
//! whose text is written once.
//!
//! What playlists do not list any more is kept for a while: players have older playlists (RFC 8216bis §6.2.2).

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lsv_core::media::TrackName;

use super::body::Ready;
use crate::playlist::measure::Measured;
use crate::playlist::past::State;
use crate::segmenter::Run;

mod block;
mod entry;
mod extent;

use self::block::Block;
pub(crate) use self::entry::Entry;
use self::extent::Extent;

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
    /// All of them.
    kept: Extent,
    /// The newest of them, which lists have.
    listed: Extent,
    /// The number of the first one of those.
    listed_from: u64,
    limit: usize,
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
    /// The first one that lists may have.
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
    /// Of no more than `limit` segments in a list, and as many that are kept behind them.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            blocks: VecDeque::new(),
            kept: Extent::default(),
            listed: Extent::default(),
            listed_from: 0,
            limit,
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
        if self.listed.is_empty() {
            self.listed_from = entry.sequence;
        }
        self.kept.add(entry.duration);
        self.listed.add(entry.duration);
        match self.blocks.back_mut().filter(|block| block.fits(&entry)) {
            Some(block) => *block = Arc::new(block.with(entry)),
            None => self.blocks.push_back(Arc::new(Block::new(entry))),
        }
        while self.listed.count() > self.limit || self.listed_blocks() > MAX_BLOCKS {
            self.unlist();
        }
        let limit = self.limit.saturating_mul(2);
        while self.kept.count() > limit || self.blocks.len() > 2 * MAX_BLOCKS {
            self.pop();
        }
    }

    /// Lists the oldest no more while those behind it, and `newer` that follows them all, are as long as `window`, and forgets
    /// it once they are as long as `kept`.
    pub(super) fn expire(&mut self, window: Duration, kept: Duration, newer: Duration) {
        while let Some(oldest) = self.oldest_listed() {
            let is_within = self.listed.behind(oldest.duration) + newer < window;
            if is_within && oldest.is_stored {
                break;
            }
            self.unlist();
        }
        while let Some(oldest) = self.oldest() {
            let is_listed = oldest.sequence >= self.listed_from;
            if is_listed || self.kept.behind(oldest.duration) + newer < kept {
                return;
            }
            self.pop();
        }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
        (self.kept, self.listed) = (Extent::default(), Extent::default());
    }

    /// The oldest, listed or not.
    pub(super) fn oldest(&self) -> Option<&Arc<Entry>> {
        self.blocks.front()?.entries.first()
    }

    /// The oldest that lists have.
    pub(super) fn oldest_listed(&self) -> Option<&Arc<Entry>> {
        let block = self.blocks.get(self.unlisted_blocks())?;
        block.within(&(self.listed_from..u64::MAX)).first()
    }

    /// As it is.
    pub(super) fn share(&mut self) -> Arc<Shared> {
        let first = self.oldest().map_or(0, |oldest| oldest.sequence);
        let numbers = first..first + self.kept.count() as u64;
        let known = &self.shared;
        // What has come or gone shows in the numbers.
        if known.numbers != numbers || known.listed_from != self.listed_from {
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

    /// Takes the oldest out of lists.
    fn unlist(&mut self) {
        let Some(oldest) = self.oldest_listed() else {
            return;
        };
        let (after, duration) = (oldest.sequence + 1, oldest.duration);
        if let Some(block) = self.blocks.get(self.unlisted_blocks()) {
            block.forget_text();
        }
        self.listed.take(duration);
        self.listed_from = after;
    }

    /// Forgets the oldest.
    fn pop(&mut self) {
        if self.kept.count() == self.listed.count() {
            self.unlist();
        }
        let Some(front) = self.blocks.front_mut() else {
            return;
        };
        let rest = front.without_first();
        if let Some(oldest) = front.entries.first() {
            self.kept.take(oldest.duration);
        }
        match rest {
            Some(rest) => *front = Arc::new(rest),
            None => drop(self.blocks.pop_front()),
        }
    }

    /// How many blocks lists have nothing of.
    fn unlisted_blocks(&self) -> usize {
        let from = self.listed_from;
        self.blocks.partition_point(|block| block.end() <= from)
    }

    fn listed_blocks(&self) -> usize {
        self.blocks.len() - self.unlisted_blocks()
    }
}

impl Shared {
    /// The numbers of those that `list` goes back to.
    pub(crate) fn listed(&self, list: List) -> Range<u64> {
        match list {
            List::Ts => self.listed_after(self.ts_from),
            List::Media(track) => {
                let listed = self.listed_after(self.cmaf_from);
                self.first_with(track, listed.start)..listed.end
            }
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

    /// The number of the first listed one from `from` on that `is_it`, where all that follow are it too.
    pub(crate) fn find(&self, from: u64, is_it: impl Fn(&Entry) -> bool) -> Option<u64> {
        let range = from.max(self.listed_from)..self.numbers.end;
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

    /// What was measured of `track` in those of the numbers `range`, of `run` or of all.
    pub(crate) fn measured(
        &self,
        track: TrackName,
        range: &Range<u64>,
        run: Option<&Run>,
    ) -> Measured {
        let mut measured = Measured::default();
        let is_of_run = |block: &&Arc<Block>| run.is_none_or(|run| run.number == block.run.number);
        for block in self.within(range).filter(is_of_run) {
            measured.join(block.measured(track, range));
        }
        measured
    }

    /// Whether one of them is encrypted with the key of that number.
    pub(crate) fn needs_key(&self, number: u64) -> bool {
        self.blocks.iter().any(|block| block.needs_key(number))
    }

    /// The numbers of those that DASH lists.
    pub(crate) fn listed_dash(&self) -> Range<u64> {
        self.listed_after(self.dash_from)
    }

    /// The numbers of those that lists may have, from `from` on.
    fn listed_after(&self, from: u64) -> Range<u64> {
        let end = self.numbers.end;
        let start = from.max(self.listed_from).clamp(self.numbers.start, end);
        start..end
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

    /// All of them, oldest first, in a block for each stretch: those too that are not listed any more.
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

/// In a list. Each stretch between two discontinuities is a block at least: a publisher that comes and goes all the time has
/// a shorter window.
const MAX_BLOCKS: usize = 2048;

/// Texts that are kept at once: a list for each track, and some for those who begin elsewhere.
const MAX_READY: usize = 64;

#[cfg(test)]
mod tests;
