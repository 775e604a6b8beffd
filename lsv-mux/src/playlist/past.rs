//! The text of older segments, in all lists that have them.

use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use lsv_core::media::TrackName;

use super::key::KeyTag;
use super::{hls, low_latency, put};
use crate::segmenter::Segment;
use crate::window::past::{Entry, List};

/// What was said in a list and holds on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// EXT-X-KEY.
    pub(super) key: Option<u64>,
    /// EXT-X-MAP.
    pub(super) map: Option<u64>,
    /// Where a timeline of DASH goes on, in ticks.
    pub(super) end: Option<u64>,
}

/// What a media playlist says of a closed segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) sequence: u64,
    pub(super) discontinuity: bool,
    pub(super) wall: SystemTime,
    pub(super) seconds: f64,
    pub(super) key: Option<u64>,
    /// The number of the header of its run, if it has one of its own.
    pub(super) init: Option<u64>,
    pub(super) is_gap: bool,
}

/// `entries` as `list` has them where `state` is in force.
pub(crate) fn render(list: List, entries: &[Arc<Entry>], state: &mut State) -> String {
    let mut out = String::with_capacity(entries.len() * LINE_BYTES);
    match list {
        List::Ts => {
            let mut key = KeyTag::following(hls::KEYS, state.key);
            for entry in entries {
                hls::put_line(&mut out, &mut key, &Line::of_older_ts(entry));
            }
            state.key = key.in_force();
        }
        List::Media(track) => {
            let key = KeyTag::following(low_latency::KEYS, state.key);
            let mut media = low_latency::Media::new(&mut out, track, key, state.map);
            for entry in entries {
                media.line(&Line::of_older(entry, track), |_| {});
            }
            (state.key, state.map) = (media.key.in_force(), media.map);
        }
        List::Dash(track) => {
            for entry in entries.iter().filter(|entry| entry.is_stored) {
                if let Some(entry) = entry.track(track) {
                    put_time(&mut out, entry.first_time, entry.presented, &mut state.end);
                }
            }
        }
    }
    out
}

/// A segment of a DASH timeline, whose neighbour before it ended at `end`.
pub(super) fn put_time(out: &mut String, start: u64, duration: u64, end: &mut Option<u64>) {
    match *end == Some(start) {
        true => put!(out, "            <S d=\"{duration}\"/>\n"),
        false => put!(out, "            <S t=\"{start}\" d=\"{duration}\"/>\n"),
    }
    *end = Some(start.saturating_add(duration));
}

impl State {
    /// As it is behind `segment`, which the playlist before has listed.
    pub(super) fn pass(&mut self, segment: &Segment, list: List) {
        match list {
            List::Ts => self.key = segment.key,
            List::Media(track) | List::Dash(track) => {
                let init = segment.run.init(track).map(|init| init.number);
                self.map = init.or(self.map);
                if segment.rendition(track).is_some() {
                    self.key = segment.key;
                }
            }
        }
    }
}

impl Line {
    /// Of MPEG-TS.
    pub(super) fn of_ts(segment: &Segment) -> Self {
        Self {
            sequence: segment.sequence,
            discontinuity: segment.discontinuity,
            wall: segment.wall(),
            seconds: segment.duration.as_secs_f64(),
            key: segment.key,
            init: None,
            is_gap: false,
        }
    }

    /// Of a CMAF track.
    pub(super) fn of_track(segment: &Segment, track: TrackName) -> Self {
        let line = Self {
            init: segment.run.init(track).map(|init| init.number),
            ..Self::of_ts(segment)
        };
        match segment.rendition(track) {
            Some(rendition) => Self {
                wall: segment.run.wall(rendition.steady_start(&segment.run)),
                seconds: rendition.seconds(),
                ..line
            },
            // The numbers of all renditions go together, so one that has nothing here says so.
            None => Self {
                is_gap: true,
                ..line
            },
        }
    }

    fn of_older_ts(entry: &Entry) -> Self {
        Self {
            sequence: entry.sequence,
            discontinuity: entry.discontinuity,
            wall: entry.wall(),
            seconds: entry.duration.as_secs_f64(),
            key: entry.key,
            init: None,
            is_gap: !entry.is_stored,
        }
    }

    fn of_older(entry: &Entry, track: TrackName) -> Self {
        let line = Self {
            init: entry.run.init(track).map(|init| init.number),
            ..Self::of_older_ts(entry)
        };
        match entry.track(track) {
            Some(track) => Self {
                wall: entry.run.wall(track.steady_start),
                seconds: track.duration as f64 / f64::from(track.init.timescale),
                ..line
            },
            None => Self {
                is_gap: true,
                ..line
            },
        }
    }
}

/// About what a segment takes.
const LINE_BYTES: usize = 100;
