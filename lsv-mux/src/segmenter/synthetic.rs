//! Streams made up for tests, with the millisecond clock of RTMP, and a rig that packages them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lsv_core::hub::Settings;
use lsv_core::media::{MediaFrame, Track};
use lsv_core::path::Rendition;
use lsv_core::time::Timestamp;

use super::{Lineup, Options, Segment, Segmenter};
use crate::testing::{access_unit, audio, frame, video};
use crate::window::snapshot::Snapshot;
use crate::window::{Limits, Window};

/// What a made-up publisher sends.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) video: Option<Arc<Track>>,
    pub(crate) audio: Option<Arc<Track>>,
    /// Frames in a thousand seconds.
    pub(crate) fps_millis: u32,
    /// Frames from key frame to key frame.
    pub(crate) gop: u32,
    /// Pictures are shown in another order than they are decoded.
    pub(crate) b_frames: bool,
    pub(crate) epoch: u32,
    /// Where its timeline starts, in milliseconds.
    pub(crate) start: i64,
}

impl Default for Source {
    /// 30 frames a second, a key frame a second, with sound.
    fn default() -> Self {
        Self {
            video: Some(video()),
            audio: Some(audio()),
            fps_millis: 30_000,
            gop: 30,
            b_frames: false,
            epoch: 0,
            start: 0,
        }
    }
}

impl Source {
    pub(crate) fn audio_only() -> Self {
        Self {
            video: None,
            ..Self::default()
        }
    }

    pub(crate) fn video_only() -> Self {
        Self {
            audio: None,
            ..Self::default()
        }
    }

    /// The first `millis` of it, in decoding order.
    pub(crate) fn frames(&self, millis: i64) -> Vec<MediaFrame> {
        let mut frames = Vec::new();
        if let Some(track) = &self.video {
            let times = (0..).map(|n| (n, i64::from(n) * 1_000_000 / i64::from(self.fps_millis)));
            for (n, at) in times.take_while(|(_, at)| *at < millis) {
                frames.push(self.picture(track, n, at));
            }
        }
        if let Some(track) = &self.audio {
            let times = (0..).map(|n: i64| n * 1024 * 1000 / 44_100);
            for at in times.take_while(|at| *at < millis) {
                frames.push(self.placed(frame(
                    track,
                    self.start + at,
                    self.video.is_none(),
                    Bytes::from_static(&[0x21; 40]),
                )));
            }
        }
        frames.sort_by_key(|frame| frame.dts);
        frames
    }

    fn picture(&self, track: &Arc<Track>, n: u32, at: i64) -> MediaFrame {
        let key = n.is_multiple_of(self.gop);
        let unit: &[u8] = if key { &[0x65; 900] } else { &[0x41; 200] };
        let mut frame = self.placed(frame(track, self.start + at, key, access_unit(&[unit])));
        if self.b_frames {
            let step = 1_000_000 / i64::from(self.fps_millis);
            let later = if key { 2 } else { i64::from(n % 3) + 1 };
            frame.composition = Timestamp::from_millis(step * later);
        }
        frame
    }

    fn placed(&self, mut frame: MediaFrame) -> MediaFrame {
        frame.epoch = self.epoch;
        frame
    }
}

/// A segmenter with its window, at a time that follows the frames.
pub(crate) struct Rig {
    pub(crate) segmenter: Segmenter,
    pub(crate) window: Window,
    pub(crate) settings: Settings,
    /// Everything ever closed.
    pub(crate) closed: Vec<Arc<Segment>>,
    pub(crate) snapshot: Snapshot,
    /// How much later frames come than they are due.
    pub(crate) delay: Duration,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(Options::default(), Limits::default())
    }

    pub(crate) fn with(options: Options, limits: Limits) -> Self {
        let mut settings = Settings::default();
        settings.cmaf = true;
        let options = Options {
            first_sequence: 1000,
            ..options
        };
        let part_target = options.part_target;
        let mut segmenter = Segmenter::new(options, &settings);
        let mut window = Window::new(limits, &settings, part_target, base());
        let snapshot = window.update(&mut segmenter, base());
        Self {
            segmenter,
            window,
            settings,
            closed: Vec::new(),
            snapshot,
            delay: Duration::ZERO,
        }
    }

    /// A rendition of a channel, which comes so much later than its source.
    pub(crate) fn in_line(lineup: &Arc<Lineup>, rendition: Rendition, delay: Duration) -> Self {
        let mut rig = Self::new();
        let place = lineup.join(rendition);
        rig.window.set_siblings(place.siblings());
        rig.segmenter.line_up(place);
        rig.delay = delay;
        rig
    }

    pub(crate) fn configure(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
        self.segmenter.configure(&self.settings);
        self.window.configure(&self.settings);
        self.snapshot = self.window.update(&mut self.segmenter, base());
    }

    /// Pushes `frames` and calls `each` after every change.
    pub(crate) fn push_each(&mut self, frames: &[MediaFrame], mut each: impl FnMut(&Snapshot)) {
        for frame in frames {
            let now = base() + self.delay + frame.dts.since(Timestamp::ZERO);
            if self.segmenter.push(frame, now) {
                self.snapshot = self.window.update(&mut self.segmenter, now);
                if let Some(place) = self.segmenter.place() {
                    place.report(self.snapshot.newest_parts());
                }
                self.collect();
                each(&self.snapshot);
            }
        }
    }

    pub(crate) fn push(&mut self, frames: &[MediaFrame]) {
        self.push_each(frames, |_| {});
    }

    pub(crate) fn end(&mut self) {
        self.snapshot = self
            .window
            .end(&mut self.segmenter, base() + Duration::from_secs(3600));
        self.collect();
    }

    fn collect(&mut self) {
        let next = self.closed.last().map_or(0, |last| last.sequence + 1);
        let new = self
            .snapshot
            .segments
            .iter()
            .filter(|segment| segment.sequence >= next);
        self.closed.extend(new.cloned());
    }
}

/// 2026-01-01T00:00:00Z.
pub(crate) fn base() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}
