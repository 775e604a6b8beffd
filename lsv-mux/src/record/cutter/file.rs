//! A file that is being cut, and what waits for one.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use lsv_core::hub::Item;
use lsv_core::media::{Kind, MediaFrame, Track};
use lsv_core::time::Timestamp;

use super::{Files, PATIENCE};
use crate::mp4::recording::Fragmenter;

/// The file that grows.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) fragmenter: Fragmenter,
    /// Decoding time of the first frame of all, and when it arrived.
    pub(super) origin: (Timestamp, SystemTime),
    /// Decoding time of the first frame of the file.
    pub(super) start: Timestamp,
    /// The latest decoding time, and the last step of the leading track.
    pub(super) latest: Timestamp,
    pub(super) last: Timestamp,
    pub(super) step: Duration,
    pub(super) last_key: Timestamp,
    pub(super) group: Option<Duration>,
    /// Whether the first frame of the leading track is a key frame, once it is there.
    pub(super) independent: Option<bool>,
    pub(super) samples: u32,
    /// Frames of tracks that the next file will describe.
    pub(super) aside: Held,
    /// The next file, while sound of this one may come.
    pub(super) next: Option<Next>,
}

/// What was held of the file that comes next.
#[derive(Debug)]
pub(super) struct Next {
    /// What ends the file before it, and when that arrived.
    pub(super) first: (MediaFrame, SystemTime),
    pub(super) held: Held,
    /// It has tracks that the file before it does not describe.
    pub(super) describes_more: bool,
    /// When its first picture is shown.
    shown: Timestamp,
}

impl Running {
    pub(super) fn new(fragmenter: Fragmenter, first: &MediaFrame, wall: SystemTime) -> Self {
        Self {
            fragmenter,
            origin: (first.dts, wall),
            start: first.dts,
            latest: first.dts,
            last: first.dts,
            step: DEFAULT_STEP,
            last_key: first.dts,
            group: None,
            independent: None,
            samples: 0,
            aside: Held::default(),
            next: None,
        }
    }

    /// Ends the file in front of `frame`, once its sound is there. Says whether it is.
    pub(super) fn is_followed_by(
        &mut self,
        frame: &MediaFrame,
        now: SystemTime,
        describes_more: bool,
    ) -> bool {
        self.next = Some(Next {
            first: (frame.clone(), now),
            held: std::mem::take(&mut self.aside),
            describes_more,
            shown: frame.pts().min(frame.dts + MAX_REORDERING),
        });
        // Shown when it is decoded: what is heard before it came before it.
        self.hold(frame, now) || frame.pts() <= frame.dts
    }

    /// Whether `frame` belongs to this file, and not to the next.
    pub(super) fn takes(&self, frame: &MediaFrame) -> bool {
        self.next.as_ref().is_none_or(|next| {
            let is_heard_before = frame.kind() == Kind::Audio && frame.dts < next.shown;
            is_heard_before && self.fragmenter.knows(&frame.track)
        })
    }

    /// Holds `frame` for the next file. Says whether this one is over: all of its sound has come, or is late.
    pub(super) fn hold(&mut self, frame: &MediaFrame, now: SystemTime) -> bool {
        let Some(next) = &mut self.next else {
            return true;
        };
        next.held.push(frame, now);
        let is_late = frame.dts.since(next.shown) > LATE_SOUND;
        let tracks = self.fragmenter.tracks();
        let mut sounds = tracks.iter().filter(|track| track.kind == Kind::Audio);
        is_late || next.held.is_full() || sounds.all(|track| next.held.has(track))
    }

    pub(super) fn leads(&self, frame: &MediaFrame) -> bool {
        self.fragmenter.is_led_by(&frame.track)
    }

    pub(super) fn is_due(&self, frame: &MediaFrame, leads: bool, lengths: &Lengths) -> bool {
        let elapsed = frame.dts.since(self.start);
        if elapsed.is_zero() {
            return false;
        }
        let is_next_too_late = || elapsed + self.group.unwrap_or_default() > lengths.wanted + SLACK;
        let long_enough = elapsed + TOLERANCE >= lengths.wanted
            || lengths.looks_ahead && is_next_too_late()
            || self.independent == Some(false)
            || self.samples >= ENOUGH_SAMPLES;
        let lasts = if leads { elapsed + self.step } else { elapsed };
        leads && decodes_alone(frame) && long_enough
            || lasts > lengths.latest
            || self.samples >= MAX_SAMPLES
    }

    pub(super) fn note(&mut self, frame: &MediaFrame, leads: bool) {
        self.latest = self.latest.max(frame.dts);
        self.samples += 1;
        if !leads {
            return;
        }
        let step = frame.dts.since(self.last);
        if !step.is_zero() {
            self.step = step;
        }
        self.last = frame.dts;
        self.independent.get_or_insert_with(|| decodes_alone(frame));
    }

    /// Measures the distance of key frames, of which `frame` may be one.
    pub(super) fn measure(&mut self, frame: &MediaFrame, leads: bool) {
        if !leads || !decodes_alone(frame) {
            return;
        }
        let group = frame.dts.since(self.last_key);
        if !group.is_zero() {
            self.group = Some(group);
        }
        self.last_key = frame.dts;
    }
}

/// Whether a file may begin with `frame`. The hub marks one sound in a second, where viewers start; any would do.
pub(super) fn decodes_alone(frame: &MediaFrame) -> bool {
    frame.key || frame.kind() == Kind::Audio
}

/// When a file may end, and when it has to.
#[derive(Debug)]
pub(super) struct Lengths {
    /// Key frames are cut at from here on,
    pub(super) wanted: Duration,
    /// or already at the last one before that, unless the next is so little late.
    pub(super) looks_ahead: bool,
    /// Any frame is cut at here.
    pub(super) latest: Duration,
}

impl Lengths {
    pub(super) fn new(files: Files, length: Duration, target: Option<Duration>) -> Self {
        let patient = length.saturating_add(PATIENCE);
        Self {
            wanted: target.map_or(length, |target| length.min(target)),
            looks_ahead: files == Files::Segments,
            latest: target.map_or(patient, |target| patient.min(target + SLACK)),
        }
    }
}

/// Frames that belong to a file which has not begun.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) frames: VecDeque<(MediaFrame, SystemTime)>,
    pub(super) bytes: usize,
}

impl Held {
    pub(super) fn push(&mut self, frame: &MediaFrame, arrival: SystemTime) {
        self.bytes += frame.size();
        self.frames.push_back((frame.clone(), arrival));
    }

    pub(super) fn has(&self, track: &Track) -> bool {
        let mut frames = self.frames.iter();
        frames.any(|(frame, _)| frame.track.name() == track.name())
    }

    /// The time from its first frame to `frame`.
    pub(super) fn span(&self, frame: &MediaFrame) -> Duration {
        let first = self.frames.front();
        first.map_or(Duration::ZERO, |(first, _)| frame.dts.since(first.dts))
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= MAX_HELD_BYTES || self.frames.len() >= MAX_HELD
    }
}

/// How much longer than its target duration a segment may be: rounded to whole seconds it is as long.
const SLACK: Duration = Duration::from_millis(400);
/// So that a millisecond of RTMP's clock does not cost a group of pictures.
const TOLERANCE: Duration = Duration::from_millis(50);
/// Of a track with one frame.
const DEFAULT_STEP: Duration = Duration::from_millis(33);
/// How much later than decoded a picture is shown that encoders mean: sixteen pictures of eight a second.
const MAX_REORDERING: Duration = Duration::from_secs(2);
/// How much later than pictures sound may come.
const LATE_SOUND: Duration = Duration::from_millis(500);
/// What waits for a file in memory: a second of video, or seconds of sound.
const MAX_HELD_BYTES: usize = 16 << 20;
const MAX_HELD: usize = 4_096;
/// Samples of a file after which it ends at the next key frame, more than a day of 25 frames a second with sound; and
/// in any case. Bounds what is remembered of it to some 100 MB.
const ENOUGH_SAMPLES: u32 = 8_000_000;
const MAX_SAMPLES: u32 = 9_000_000;
