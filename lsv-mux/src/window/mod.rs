//! What viewers can fetch of a live stream: the newest segments and parts with their playlists, ready as bytes.
//!
//! ```text
//! Segmenter ─> Window ─> Snapshot ─watch─> Outputs::file   N viewers, woken when something is new
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lsv_core::hub::Settings;

pub(crate) mod body;
mod clip;
mod cut;
mod date_ranges;
pub mod file;
mod growing;
mod ladder;
pub(crate) mod listing;
mod lookup;
pub(crate) mod name;
mod outputs;
pub(crate) mod past;
mod sealer;
pub(crate) mod snapshot;
mod stored;

#[cfg(test)]
mod tests;

pub use body::Body;
pub use clip::{Clip, InvalidClip};
pub(crate) use date_ranges::DateRange;
#[cfg(feature = "edge")]
pub(crate) use file::gzip;
pub use file::{Cache, File, FileError, Reload, Skip};
pub use growing::{Growing, Opened};
pub(crate) use ladder::{Ladder, Master};
pub use outputs::Outputs;
pub use stored::Stored;

use self::date_ranges::DateRanges;
use self::past::{Entry, Past};
use self::sealer::Sealer;
use self::snapshot::{Rendered, Snapshot, near, skip_boundary};
use crate::dvr::{Archive, Outcome};
use crate::encrypt::ContentKeys;
use crate::segmenter::length::ROUNDED_OFF;
use crate::segmenter::{Place, Rendition, Segment, Segmenter, Siblings};

/// What bounds the window of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of all closed segments in all formats. Where the settings want more, the window gets shorter, down to
    /// one segment: half a minute at 25 Mbit/s in both formats. 256 MiB.
    pub bytes: usize,
    /// Older segments that playlists list from an object store, some 200 bytes of memory each and as many of text for each
    /// track once somebody plays it; as many again that left the playlists stay fetchable for a while, without the text.
    /// More than a day of segments of a second: 100,000.
    pub older: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 256 << 20,
            older: 100_000,
        }
    }
}

/// Keeps the newest segments of one stream.
#[derive(Debug)]
pub(crate) struct Window {
    limits: Limits,
    settings: Settings,
    /// What encrypts, where there are keys.
    sealer: Option<Sealer>,
    segments: VecDeque<Arc<Segment>>,
    /// The same, as snapshots share it.
    shared: Arc<[Arc<Segment>]>,
    bytes: usize,
    /// Those of them that playlists have.
    recent: usize,
    /// Where older ones are kept, if they are.
    archive: Option<Archive>,
    /// The other renditions of the channel.
    siblings: Option<Siblings>,
    past: Past,
    target_duration: u64,
    /// It is known how long segments get, so playlists may say so.
    target_known: bool,
    part_target: Duration,
    /// The length that the segment is expected to get that grows.
    expected: Duration,
    started: Option<SystemTime>,
    updated: SystemTime,
    /// The segment that grows has so many tracks by now.
    growing: usize,
    ended: bool,
    date_ranges: DateRanges,
    /// The same, as snapshots share it.
    shared_ranges: Arc<[DateRange]>,
    rendered: Rendered,
}

impl Window {
    pub(crate) fn new(
        limits: Limits,
        settings: &Settings,
        part_target: Duration,
        now: SystemTime,
    ) -> Self {
        Self {
            past: Past::new(limits.older),
            recent: 0,
            archive: None,
            siblings: None,
            limits,
            settings: settings.clone(),
            sealer: None,
            segments: VecDeque::new(),
            shared: Arc::default(),
            bytes: 0,
            target_duration: whole_seconds(settings.segment),
            target_known: false,
            part_target,
            expected: settings.segment,
            started: None,
            updated: now,
            growing: 0,
            ended: false,
            date_ranges: DateRanges::default(),
            shared_ranges: Arc::default(),
            rendered: Rendered::default(),
        }
    }

    /// Gives the stream the keys that it is encrypted with when its settings want it.
    pub(crate) fn set_keys(&mut self, keys: ContentKeys) {
        self.sealer = Some(Sealer::new(keys, self.settings.key_rotation));
    }

    /// Gives the stream a place for segments that leave memory, for when its settings want it.
    pub(crate) fn set_archive(&mut self, archive: Archive) {
        self.archive = Some(archive);
    }

    /// Tells the stream of the other renditions of its channel.
    pub(crate) fn set_siblings(&mut self, siblings: Siblings) {
        self.siblings = Some(siblings);
    }

    /// Follows changed settings.
    pub(crate) fn configure(&mut self, settings: &Settings) {
        let before = std::mem::replace(&mut self.settings, settings.clone());
        self.follow_dvr(before.dvr_window.is_some());
        match &mut self.sealer {
            Some(sealer) => sealer.configure(settings.key_rotation),
            None if settings.key_rotation.is_some() => {
                tracing::warn!(
                    "the stream is to be encrypted and has no keys: it has no HLS and CMAF"
                );
            }
            None => {}
        }
        self.target_duration = self.target_duration.max(whole_seconds(settings.segment));
        self.trim();
        self.rendered = Rendered::default();
    }

    /// Takes what the segmenter has made at `now`.
    pub(crate) fn update(&mut self, segmenter: &mut Segmenter, now: SystemTime) -> Snapshot {
        let mut closed = segmenter.take_closed();
        let mut open = segmenter.open();
        if let Some(sealer) = &mut self.sealer {
            closed = closed
                .into_iter()
                .map(|segment| sealer.seal_closed(segment))
                .collect();
            open = open.map(|segment| sealer.seal_growing(segment));
        }
        if let Some(target) = segmenter.part_target() {
            self.part_target = target;
        }
        self.rendered = self.rendered.after_part(!self.segments.is_empty());
        let mut news = false;
        for segment in closed.iter().chain(&open) {
            news |= self.date_ranges.read(segment, self.settings.dvr_window);
        }
        if !self.target_known
            && let Some(length) = segmenter.segment_length()
        {
            self.grow_target(length.as_secs_f64());
        }
        if !closed.is_empty() {
            self.updated = now;
            self.rendered = Rendered::default();
            for segment in closed {
                let segment = Arc::new(segment);
                self.bytes += segment.size();
                self.grow_target(longest(&segment));
                if let Some((archive, _)) = self.dvr() {
                    archive.keep(&segment);
                }
                self.segments.push_back(segment);
            }
            self.trim();
        }
        if news || !self.shared_ranges.is_empty() {
            self.share_ranges();
        }
        self.agree_on_target(segmenter);
        if self.target_known {
            segmenter.promise(Duration::from_secs(self.target_duration));
        }
        let growing = open.as_ref().map_or(0, |open| open.renditions.len());
        if std::mem::replace(&mut self.growing, growing) != growing {
            self.updated = now;
            self.rendered = self.rendered.after_track();
        }
        if let Some(open) = &open {
            self.expected = self.expect(open, segmenter.segment_length());
        }
        if self.started.is_none() {
            let together = segmenter.place().and_then(Place::started);
            let oldest = self.segments.front().map(|segment| segment.run.start);
            let own = oldest.or_else(|| open.as_ref().map(|open| open.run.start));
            self.started = own.map(|own| together.unwrap_or(own));
        }
        self.snapshot(open, segmenter.sequence())
    }

    /// The stream is over: what is there stays, and there will be no more.
    pub(crate) fn end(&mut self, segmenter: &mut Segmenter, now: SystemTime) -> Snapshot {
        segmenter.interrupt();
        self.ended = true;
        self.rendered = Rendered::default();
        let snapshot = self.update(segmenter, now);
        Snapshot {
            rendered: Rendered::default(),
            ..snapshot
        }
    }

    /// Shows the date ranges from where playlists begin.
    fn share_ranges(&mut self) {
        let listed = self.segments.len().saturating_sub(self.recent);
        let oldest = self.segments.get(listed).map(|oldest| oldest.wall());
        let older = self.past.oldest_listed().map(|oldest| oldest.wall());
        if let Some(oldest) = older.or(oldest) {
            self.date_ranges.forget(oldest);
        }
        if !self.date_ranges.iter().eq(self.shared_ranges.iter()) {
            self.shared_ranges = self.date_ranges.iter().cloned().collect();
            self.rendered = Rendered::default();
        }
    }

    fn snapshot(&mut self, open: Option<Segment>, next_sequence: u64) -> Snapshot {
        let past = self.past.share();
        let archive = self.archive.clone();
        let sealer = self.sealer.as_ref();
        let may_be_seen = sealer.is_some() || self.settings.key_rotation.is_none();
        Snapshot {
            segments: Arc::clone(&self.shared),
            past,
            dvr_window: self.dvr().map(|(_, window)| window),
            archive,
            siblings: self.siblings.clone(),
            recent: self.recent,
            open,
            next_sequence,
            list_size: self.settings.list_size,
            hls: self.settings.hls && may_be_seen,
            cmaf: self.settings.cmaf && may_be_seen,
            next_key: sealer.and_then(|sealer| sealer.key_number(next_sequence)),
            keys: sealer.map(Sealer::keys),
            target: self.settings.segment,
            target_duration: self.target_duration,
            target_known: self.target_known,
            part_target: self.part_target,
            expected: self.expected,
            started: self.started.unwrap_or(self.updated),
            updated: self.updated,
            ended: self.ended,
            withdrawn: false,
            cut: None,
            date_ranges: Arc::clone(&self.shared_ranges),
            rendered: self.rendered.clone(),
        }
    }

    /// How long `open` is going to be: as the shortest of its run, or as the distance of key frames foretells.
    fn expect(&self, open: &Segment, foretold: Option<Duration>) -> Duration {
        let of_run = self.segments.iter().rev();
        let of_run = of_run.take_while(|segment| segment.run.number == open.run.number);
        let shortest = of_run.map(|segment| segment.duration).min();
        shortest.or(foretold).unwrap_or(self.settings.segment)
    }

    /// EXT-X-TARGETDURATION must not change (RFC 8216 §4.3.3.1) and must not be shorter than any segment, rounded.
    /// The first length that is known decides, as encoders are regular, and the segmenter is held to it from then on. It
    /// grows for what cannot be cut, which is a single picture that stands for longer, and never shrinks.
    fn grow_target(&mut self, seconds: f64) {
        if !self.target_known || seconds.round() as u64 > self.target_duration {
            let roomy = (seconds + SEGMENT_JITTER - ROUNDED_OFF.as_secs_f64()).ceil() as u64;
            self.target_duration = self.target_duration.max(roomy);
        }
        self.target_known = true;
    }

    /// The playlists of all renditions of a channel have the same target duration (RFC 8216bis §6.2.4).
    fn agree_on_target(&mut self, segmenter: &Segmenter) {
        let own = self.target_known.then_some(self.target_duration);
        let agreed = segmenter
            .place()
            .and_then(|place| place.agree_on_target(own));
        let Some(agreed) = agreed.filter(|agreed| Some(*agreed) > own) else {
            return;
        };
        self.target_duration = self.target_duration.max(agreed);
        self.target_known = true;
        self.rendered = Rendered::default();
    }

    /// Drops what neither a playlist nor a slow viewer needs: a segment that left the playlist stays as long as
    /// the playlist that had it last may still be in use (RFC 8216 §6.2.2). What waits for the object store stays for that
    /// too, as far as there is room.
    fn trim(&mut self) {
        let keep = self.kept_in_memory();
        while self.segments.len() > 1 {
            let is_full = self.bytes > self.limits.bytes;
            let is_long = self.segments.len() > keep && !self.is_awaited(keep);
            if !is_full && !is_long {
                break;
            }
            self.drop_oldest();
        }
        self.expire();
        self.recent = self.count_recent();
        self.shared = self.segments.iter().cloned().collect();
    }

    /// How many segments stay in memory, where there is room: with a time-shift window those too that a delta update lists.
    fn kept_in_memory(&self) -> usize {
        let slow = self.settings.list_size.saturating_mul(2).saturating_add(1);
        let boundary = match self.dvr() {
            Some(_) => skip_boundary(self.target_duration),
            None => Duration::ZERO,
        };
        slow.max(near(&self.segments, boundary).0)
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.segments.pop_front() else {
            return;
        };
        self.bytes -= oldest.size();
        let Some((archive, _)) = self.dvr() else {
            return;
        };
        let is_stored = archive.settle(oldest.sequence) == Outcome::Stored;
        let next = self.segments.front().map(AsRef::as_ref);
        let entry = Entry::new(&oldest, next, self.settings.segment, is_stored);
        self.past.push(entry);
    }
}

/// The time-shift window.
impl Window {
    /// Where older segments are kept and how long, if they are.
    fn dvr(&self) -> Option<(&Archive, Duration)> {
        self.archive.as_ref().zip(self.settings.dvr_window)
    }

    /// Begins to keep older segments, or ends it.
    fn follow_dvr(&mut self, was_on: bool) {
        match (self.dvr(), was_on) {
            (Some((archive, _)), false) => {
                self.segments
                    .iter()
                    .for_each(|segment| archive.keep(segment));
            }
            (None, _) => {
                self.past.clear();
                self.expire();
            }
            _ => {}
        }
        if self.settings.dvr_window.is_some() && self.archive.is_none() {
            tracing::warn!(
                "the stream is to have a time-shift window and there is no object store for it"
            );
        }
    }

    /// The oldest waits for the object store, and there is room for so many beyond `keep`.
    fn is_awaited(&self, keep: usize) -> bool {
        let (Some((archive, _)), Some(oldest)) = (self.dvr(), self.segments.front()) else {
            return false;
        };
        let beyond = self.segments.iter().rev().skip(keep);
        let beyond: usize = beyond.map(|segment| segment.size()).sum();
        beyond <= archive.queue_bytes() && archive.outcome(oldest.sequence) == Outcome::Pending
    }

    /// Lets go of what has left the time-shift window: at first it is not listed, and once no playlist may be in use that
    /// had it, it is not there.
    fn expire(&mut self) {
        let Some(archive) = self.archive.clone() else {
            return;
        };
        let newest = self.segments.back().map_or(0, |newest| newest.sequence + 1);
        let Some(window) = self.settings.dvr_window else {
            archive.expire(newest);
            return;
        };
        let newer = self.segments.iter().map(|segment| segment.duration).sum();
        let grace = archive.grace().unwrap_or_else(|| self.longest_list(window));
        self.past
            .expire(window, window.saturating_add(grace), newer);
        let in_memory = self.segments.front().map(|oldest| oldest.sequence);
        let oldest = self.past.oldest().map(|oldest| oldest.sequence);
        if let Some(oldest) = oldest.or(in_memory) {
            archive.expire(oldest);
        }
    }

    /// How long a segment stays for those whose playlist still has it (RFC 8216bis §6.2.2): as long as such a playlist and the
    /// segment last.
    fn longest_list(&self, window: Duration) -> Duration {
        let segment = Duration::from_secs(self.target_duration);
        window.saturating_add(segment.saturating_mul(SEGMENTS_BEYOND))
    }

    /// How many of the segments in memory playlists have: so many as they want, and those of the time-shift window.
    fn count_recent(&self) -> usize {
        let window = self.dvr().map(|(_, window)| window).unwrap_or_default();
        let mut behind = Duration::ZERO;
        let of_window = self.segments.iter().rev().take_while(|segment| {
            let within = behind < window;
            behind += segment.duration;
            within
        });
        of_window.count().max(self.settings.list_size)
    }
}

/// The length of `segment` in seconds, in the rendition where it is longest.
fn longest(segment: &Segment) -> f64 {
    segment
        .renditions
        .iter()
        .map(Rendition::seconds)
        .fold(segment.duration.as_secs_f64(), f64::max)
}

fn whole_seconds(target: Duration) -> u64 {
    target.as_secs() + u64::from(target.subsec_nanos() > 0)
}

/// One that the longest playlist has beyond the window, the one that leaves it, and one as they go by whole ones.
const SEGMENTS_BEYOND: u32 = 3;

/// How much longer than the first the segments of a regular encoder get, in seconds: a few frames of sound or pictures,
/// for which none may be cut in front of its end.
const SEGMENT_JITTER: f64 = 0.1;
