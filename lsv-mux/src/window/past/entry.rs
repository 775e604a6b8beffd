//! What playlists need to know of a segment without its media.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lsv_core::media::TrackName;
use lsv_core::time::Timestamp;

use crate::playlist::measure::Piece;
use crate::playlist::mpd::presented;
use crate::segmenter::{Init, Run, Segment};

/// A segment whose media is in the object store: some 200 bytes.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    pub(crate) run: Arc<Run>,
    pub(crate) start: Timestamp,
    pub(crate) duration: Duration,
    pub(crate) key: Option<u64>,
    pub(crate) discontinuity: bool,
    pub(crate) cmaf: bool,
    /// It has MPEG-TS, and opens there with a key frame or not.
    pub(crate) ts: Option<bool>,
    /// The store has it; else it is a gap.
    pub(crate) is_stored: bool,
    /// It is much shorter than segments were to be.
    pub(super) is_short: bool,
    pub(crate) tracks: Box<[TrackEntry]>,
}

/// A CMAF rendition of it.
#[derive(Debug)]
pub(crate) struct TrackEntry {
    pub(crate) init: Arc<Init>,
    /// Where it starts: see [`Rendition::steady_start`](crate::segmenter::Rendition::steady_start).
    pub(crate) steady_start: Timestamp,
    /// The presentation time of its first sample in ticks.
    pub(crate) first_time: u64,
    /// The sum of its samples' durations in ticks.
    pub(crate) duration: u64,
    /// The same as DASH has it: the time to the next one.
    pub(crate) presented: u64,
    pub(crate) independent: bool,
    bytes: usize,
    samples: u32,
}

impl Entry {
    /// Of a closed segment that is followed by `next`, where segments aim at `target`.
    pub(crate) fn new(
        segment: &Segment,
        next: Option<&Segment>,
        target: Duration,
        is_stored: bool,
    ) -> Self {
        let renditions = segment.renditions.iter();
        Self {
            sequence: segment.sequence,
            run: Arc::clone(&segment.run),
            start: segment.start,
            duration: segment.duration,
            key: segment.key,
            discontinuity: segment.discontinuity,
            cmaf: segment.cmaf,
            ts: segment.ts.as_ref().map(|ts| ts.independent),
            is_stored,
            is_short: segment.duration < target / 2,
            tracks: renditions
                .map(|rendition| TrackEntry {
                    init: Arc::clone(&rendition.init),
                    steady_start: rendition.steady_start(&segment.run),
                    first_time: rendition.first_time(),
                    duration: rendition.duration,
                    presented: presented(rendition, {
                        let of_run = next.filter(|next| next.run.number == segment.run.number);
                        of_run.and_then(|next| next.rendition(rendition.init.track.name()))
                    }),
                    independent: rendition.independent,
                    bytes: rendition.size(),
                    samples: rendition.samples,
                })
                .collect(),
        }
    }

    /// The rendition of `track`.
    pub(crate) fn track(&self, track: TrackName) -> Option<&TrackEntry> {
        let mut tracks = self.tracks.iter();
        tracks.find(|entry| entry.init.track.name() == track)
    }

    /// The wall clock at its start.
    pub(crate) fn wall(&self) -> SystemTime {
        self.run.wall(self.start)
    }
}

impl TrackEntry {
    /// For what is measured.
    pub(super) fn piece(&self) -> Piece {
        Piece {
            bytes: self.bytes,
            samples: self.samples,
            seconds: self.duration as f64 / f64::from(self.init.timescale.max(1)),
        }
    }

    /// How long it plays for, rounded up.
    pub(super) fn length(&self) -> Duration {
        let nanos = u128::from(self.presented) * 1_000_000_000;
        let nanos = nanos.div_ceil(u128::from(self.init.timescale.max(1)));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
