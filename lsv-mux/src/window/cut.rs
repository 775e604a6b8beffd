//! Cuts a clip out of a snapshot: the same with only so much of it.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lsv_core::media::TrackName;

use super::clip::Clip;
use super::past::Entry;
use super::snapshot::{Rendered, Snapshot};
use crate::playlist::measure::Measured;
use crate::segmenter::{Run, Segment};

/// What a clip leaves of a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    pub(crate) clip: Clip,
    /// The numbers of its segments.
    numbers: Range<u64>,
}

/// What comes of cutting a clip.
#[derive(Debug)]
pub(super) enum Cutting {
    /// The same with only so much of it.
    Of(Box<Snapshot>),
    /// Its first segment grows.
    Soon,
    /// Nothing is left of it, or there yet.
    Nothing,
}

impl Snapshot {
    /// Only what `clip` has of it.
    pub(super) fn cut(&self, clip: Clip) -> Cutting {
        let end_of = |wall: SystemTime, duration| wall.checked_add(duration).unwrap_or(wall);
        let begins = |end: SystemTime| clip.start().is_none_or(|start| shown(end) > start);
        let is_over = |wall: SystemTime| clip.end().is_some_and(|end| shown(wall) >= end);
        let first = self.find(
            0,
            |entry| begins(end_of(entry.wall(), entry.duration)),
            |segment| begins(end_of(segment.wall(), segment.duration)),
        );
        let Some(first) = first else {
            let soon = self.open.as_ref().is_some_and(|open| {
                let end = end_of(open.wall(), self.expected.max(open.duration));
                begins(end) && !is_over(open.wall())
            });
            return match soon && !self.ended {
                true => Cutting::Soon,
                false => Cutting::Nothing,
            };
        };
        let after = self.find(
            first,
            |entry| is_over(entry.wall()),
            |segment| is_over(segment.wall()),
        );
        let newest = self.segments.last();
        let edge = newest.map(|newest| end_of(newest.wall(), newest.duration));
        let is_whole = self.ended || after.is_some() || edge.is_some_and(is_over);
        let numbers = first..after.unwrap_or(u64::MAX);
        if numbers.is_empty() {
            return Cutting::Nothing;
        }
        Cutting::Of(Box::new(Self {
            ended: is_whole,
            open: self.open.clone().filter(|_| !is_whole),
            cut: Some(Cut { clip, numbers }),
            rendered: Rendered::default(),
            ..self.clone()
        }))
    }

    /// The number of the first segment from `from` on, in the object store or in memory.
    fn find(
        &self,
        from: u64,
        older: impl Fn(&Entry) -> bool,
        newer: impl Fn(&Segment) -> bool,
    ) -> Option<u64> {
        let in_store = self.past.find(from, older);
        in_store.or_else(|| {
            let mut segments = self.segments.iter();
            let found = segments.find(|segment| segment.sequence >= from && newer(segment));
            found.map(|segment| segment.sequence)
        })
    }

    pub(super) fn cut_numbers(&self, numbers: Range<u64>) -> Range<u64> {
        match &self.cut {
            Some(cut) => {
                let start = numbers.start.max(cut.numbers.start).min(numbers.end);
                start..numbers.end.min(cut.numbers.end).max(start)
            }
            None => numbers,
        }
    }

    /// What was measured of `track` in what a clip has in the object store, of `run` or of all.
    pub(crate) fn measured_of_clip(&self, track: TrackName, run: Option<&Run>) -> Measured {
        match &self.cut {
            Some(_) => {
                let older = self.listed_media(track).older;
                self.past.measured(track, &older, run)
            }
            None => Measured::default(),
        }
    }

    pub(crate) fn cut_segments<'a>(&self, segments: &'a [Arc<Segment>]) -> &'a [Arc<Segment>] {
        let Some(Cut { numbers, .. }) = &self.cut else {
            return segments;
        };
        let start = segments.partition_point(|segment| segment.sequence < numbers.start);
        let end = segments.partition_point(|segment| segment.sequence < numbers.end);
        segments.get(start..end).unwrap_or_default()
    }

    /// The run that the last segment of a clip has.
    pub(super) fn cut_run(&self) -> Option<&Arc<Run>> {
        let last = self.cut.as_ref()?.numbers.end.checked_sub(1)?;
        let older = self.past.entry(last).filter(|entry| entry.cmaf);
        let newer = self.segment(last).filter(|segment| segment.cmaf);
        let older = older.map(|entry| &entry.run);
        older.or_else(|| newer.map(|segment| &segment.run))
    }
}

/// The time as EXT-X-PROGRAM-DATE-TIME shows it, in milliseconds: who asks for that shall not get a segment more.
fn shown(wall: SystemTime) -> SystemTime {
    let since_1970 = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let beyond = Duration::from_nanos(u64::from(since_1970.subsec_nanos() % 1_000_000));
    wall.checked_sub(beyond).unwrap_or(wall)
}
