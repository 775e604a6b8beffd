//! One CMAF track: frames in, parts out, on a timeline without gaps or overlaps.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use lsv_core::media::MediaFrame;
use lsv_core::time::Timestamp;

use super::clock::{Clock, Timed};
use super::parts::Parts;
use super::segment::{Init, Part, Rendition};
use crate::mp4::{self, Sample};

/// Packs the frames of one track into parts, and parts into the rendition of the open segment.
#[derive(Debug)]
pub(super) struct Packer {
    init: Arc<Init>,
    clock: Clock,
    /// The media sequence number of the open segment.
    sequence: u64,
    /// When the last frame arrived.
    arrival: SystemTime,
    /// Samples of the part that grows, the arrival and decoding time of the first and the sum of their durations.
    pending: Vec<Sample>,
    produced: SystemTime,
    base: i64,
    length: u64,
    rendition: Option<Rendition>,
    /// What the open segment takes in memory: finished parts, and samples that wait to be one.
    size: usize,
}

impl Packer {
    pub(super) fn new(init: &Arc<Init>) -> Self {
        Self {
            init: Arc::clone(init),
            clock: Clock::new(&init.track),
            sequence: 0,
            arrival: SystemTime::UNIX_EPOCH,
            pending: Vec::new(),
            produced: SystemTime::UNIX_EPOCH,
            base: 0,
            length: 0,
            rendition: None,
            size: 0,
        }
    }

    /// What comes from now on belongs to segment `sequence`.
    pub(super) fn begin(&mut self, sequence: u64) {
        self.sequence = sequence;
    }

    /// Takes a frame that opens no segment, or the first one of a segment after [`Packer::close`]. It arrived at `now`.
    pub(super) fn push(&mut self, frame: &MediaFrame, now: SystemTime, parts: &mut Parts) {
        let before = std::mem::replace(&mut self.arrival, now);
        let arrival = if self.clock.holds_back() { before } else { now };
        if let Some(timed) = self.clock.push(frame) {
            self.add(timed, arrival, parts);
        }
    }

    /// `next` opens the next segment: gives the frame that is held back its duration.
    pub(super) fn settle(&mut self, next: Option<&MediaFrame>, parts: &mut Parts) {
        if let Some(timed) = self.clock.settle(next) {
            self.add(timed, self.arrival, parts);
        }
    }

    /// A segment ends at `end`, at no frame of this track: a frame that has lasted for long goes with it.
    pub(super) fn expire(&mut self, end: Timestamp, parts: &mut Parts) {
        if let Some(timed) = self.clock.expire(end) {
            self.add(timed, self.arrival, parts);
        }
    }

    /// The rendition of the segment that ends here; `None` when it got no frame.
    pub(super) fn close(&mut self, parts: &mut Parts) -> Option<Rendition> {
        self.cut(parts);
        self.size = 0;
        let mut rendition = self.rendition.take()?;
        rendition.join();
        Some(rendition)
    }

    /// The rendition so far: finished parts only.
    pub(super) fn rendition(&self) -> Option<&Rendition> {
        self.rendition.as_ref()
    }

    /// The bytes that the open segment takes in memory.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The finished parts of the open segment.
    pub(super) fn parts(&self) -> usize {
        self.rendition()
            .map_or(0, |rendition| rendition.parts.len())
    }

    fn add(&mut self, timed: Timed, arrival: SystemTime, parts: &mut Parts) {
        let Timed { ticks, sample } = timed;
        let duration = u64::from(sample.duration);
        let continuous = ticks == self.base.saturating_add_unsigned(self.length);
        let (kind, timescale) = (self.init.track.kind, self.init.timescale);
        parts.meet(kind, duration, timescale);
        let limit = parts.limit(kind, timescale);
        let full = limit.is_some_and(|limit| self.length + duration > limit);
        if !self.pending.is_empty() && (full || !continuous) {
            self.cut(parts);
        }
        if self.pending.is_empty() {
            self.produced = arrival;
            self.base = ticks;
            self.length = 0;
        }
        self.size += sample.payload.len() + size_of::<Sample>();
        self.pending.push(sample);
        self.length += duration;
        if self.is_long_enough(duration, parts) {
            if parts.is_led_by(kind) {
                parts.decide(self.length, timescale);
            }
            // Only where a frame is held back that will open the next part: playlists hint that part, and a segment that
            // ended here would have no more.
            if self.clock.holds_back() {
                self.cut(parts);
            }
        }
    }

    /// Another sample like the last one would make the part too long. Telling that now, rather than when the next
    /// one is there, publishes the part one frame earlier.
    fn is_long_enough(&self, last: u64, parts: &Parts) -> bool {
        let (kind, timescale) = (self.init.track.kind, self.init.timescale);
        match parts.limit(kind, timescale) {
            Some(limit) => self.length + last > limit,
            None => parts.is_led_by(kind) && self.length + last / 2 >= parts.aim(timescale),
        }
    }

    /// Numbers fragments upward over all segments and runs without keeping count (ISO/IEC 14496-12 §8.8.5).
    fn fragment_number(&self) -> u32 {
        let part = u32::try_from(self.parts())
            .unwrap_or(u32::MAX)
            .min((1 << PART_BITS) - 1);
        ((self.sequence as u32) << PART_BITS) | part
    }

    fn cut(&mut self, parts: &mut Parts) {
        let Some(first) = self.pending.first() else {
            return;
        };
        let start = self.base.saturating_add(i64::from(first.composition));
        let (base, opens_with_key) = (self.base, first.key);
        let part = Part {
            bytes: mp4::timed_fragment(
                self.fragment_number(),
                u64::try_from(self.base).unwrap_or(0),
                &self.pending,
                self.produced,
            ),
            duration: self.length,
            independent: self.pending.iter().any(|sample| sample.key),
        };
        let samples: usize = self.pending.iter().map(|sample| sample.payload.len()).sum();
        let pending = samples + self.pending.len() * size_of::<Sample>();
        self.size = (self.size + part.bytes.len()).saturating_sub(pending);
        parts.made(&part, self.init.timescale);
        let rendition = self.rendition.get_or_insert_with(|| Rendition {
            init: Arc::clone(&self.init),
            base,
            start,
            duration: 0,
            samples: 0,
            independent: opens_with_key,
            parts: Vec::new(),
            bytes: Bytes::new(),
        });
        // A gap inside the segment counts as time of the sample before it.
        let offset = base.saturating_sub(rendition.base);
        rendition.duration =
            rendition.duration.max(u64::try_from(offset).unwrap_or(0)) + self.length;
        rendition.samples = rendition.samples.saturating_add(self.pending.len() as u32);
        rendition.parts.push(part);
        self.base = self.base.saturating_add_unsigned(self.length);
        self.length = 0;
        self.pending.clear();
    }
}

/// See [`Packer::fragment_number`].
const PART_BITS: u32 = 10;
