//! The closed segments that a playlist has, from those in the object store to those in memory.

use std::ops::Range;
use std::sync::Arc;

use super::past::{Entry, List, Older, Shared};
use crate::segmenter::{Run, Segment};

/// The closed segments of a list.
#[derive(Debug)]
pub(crate) struct Listing<'a> {
    pub(crate) list: List,
    /// The numbers of those that are in the object store.
    pub(super) older: Range<u64>,
    pub(super) past: &'a Shared,
    /// Those that follow them.
    pub(crate) newer: &'a [Arc<Segment>],
}

/// Where a list begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct First {
    pub(crate) sequence: u64,
    pub(crate) discontinuity: bool,
    /// The number of its run.
    pub(crate) run: u64,
}

impl Listing<'_> {
    /// The oldest.
    pub(crate) fn first(&self) -> Option<First> {
        let oldest = self.past.entry(self.older.start);
        let oldest = oldest.filter(|_| !self.older.is_empty());
        let newer = self.newer.first().map(|segment| First::of(segment));
        oldest.map(First::of_older).or(newer)
    }

    /// The run of the newest in memory.
    pub(crate) fn run(&self) -> Option<&Arc<Run>> {
        self.newer.last().map(|newest| &newest.run)
    }

    /// How many are in the object store.
    pub(crate) fn older_count(&self) -> usize {
        usize::try_from(self.older.end - self.older.start).unwrap_or(usize::MAX)
    }

    /// Those that are in the object store, if any.
    pub(crate) fn older(&self) -> Option<Arc<Older>> {
        let has_some = !self.older.is_empty();
        has_some.then(|| self.past.older(self.list, &self.older))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.older_count().saturating_add(self.newer.len())
    }
}

impl First {
    pub(crate) fn of(segment: &Segment) -> Self {
        Self {
            sequence: segment.sequence,
            discontinuity: segment.discontinuity,
            run: segment.run.number,
        }
    }

    fn of_older(entry: &Entry) -> Self {
        Self {
            sequence: entry.sequence,
            discontinuity: entry.discontinuity,
            run: entry.run.number,
        }
    }
}
