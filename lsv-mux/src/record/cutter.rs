//! Where one file ends and the next begins. Pure: frames in, what is to be written out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lsv_core::hub::Item;
use lsv_core::media::{Kind, MediaFrame, Track, Tracks};
use lsv_core::time::Timestamp;

use crate::mp4::recording::{Fragment, Fragmenter, Header, Options};

/// What is to be written next.
#[derive(Debug)]
pub enum Cut {
    /// A file begins.
    Begin(Beginning),
    /// The file that began last goes on.
    Fragment(Fragment),
    /// The file that began last is over.
    End {
        /// The time from its first frame to the next file's, or to where the next frame would be.
        duration: Duration,
    },
}

/// The start of a file.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// When its first frame arrived.
    pub wall: SystemTime,
    /// What the file says of its tracks.
    pub header: Header,
    /// It does not go on from the file before: the timeline, the tracks or their configuration are others.
    pub is_fresh: bool,
}

/// How a recording is cut into files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Each has a header of its own, and begins its time anew.
    Whole,
    /// They go on from each other as segments do.
    Segments,
}

/// Cuts the frames of one stream into files at key frames, and loses none.
///
/// A file begins with a key frame of its leading track: the default video track, or sound where there is no video. It
/// ends in front of the key frame before which it would become too long; also where the timeline breaks, and in front of
/// the next key frame when a track comes that its header does not describe. Files never wait for key frames for more
/// than [`PATIENCE`].
#[derive(Debug)]
pub struct Cutter {
    files: Files,
    length: Duration,
    options: Options,
    epoch: Option<u32>,
    state: State,
    /// What the hub or the caller knows of the stream's tracks, so that a file waits for them at its start.
    expected: Arc<Tracks>,
    /// Tracks that MP4 does not carry and of which that was said.
    refused: Vec<Arc<Track>>,
    cuts: Vec<Cut>,
}

#[derive(Debug)]
enum State {
    /// For the first key frame.
    Waiting,
    /// Until it is known which tracks there are: since when.
    Gathering(Held, Timestamp),
    Running(Box<Running>),
}

/// Frames that belong to a file which has not begun.
#[derive(Debug, Default)]
struct Held {
    frames: VecDeque<(MediaFrame, SystemTime)>,
    bytes: usize,
}

#[derive(Debug)]
struct Running {
    fragmenter: Fragmenter,
    /// Decoding time of the first frame of all, and when it arrived.
    origin: (Timestamp, SystemTime),
    /// Decoding time of the first frame of the file.
    start: Timestamp,
    /// The latest decoding time, and the last step of the leading track.
    latest: Timestamp,
    last: Timestamp,
    step: Duration,
    last_key: Timestamp,
    group: Option<Duration>,
    samples: u32,
    /// Frames of tracks that the next file will describe.
    aside: Held,
}

impl Cutter {
    /// A cutter for files of at most `length`, where key frames allow.
    pub fn new(files: Files, length: Duration, options: Options) -> Self {
        Self {
            files,
            length,
            options,
            epoch: None,
            state: State::Waiting,
            expected: Arc::default(),
            refused: Vec::new(),
            cuts: Vec::new(),
        }
    }

    /// Changes the length of files, that of the present one included.
    pub fn set_length(&mut self, length: Duration) {
        self.length = length;
    }

    /// Says which tracks the stream has, as far as is known.
    pub fn expect(&mut self, tracks: &Arc<Tracks>) {
        self.expected = Arc::clone(tracks);
    }

    /// Takes the next frame, which arrived at `now`. Script data is left out.
    pub fn push(&mut self, frame: &MediaFrame, now: SystemTime) {
        if frame.kind() == Kind::Data || !self.carries(&frame.track) {
            return;
        }
        let epoch = self.epoch.replace(frame.epoch);
        if epoch.is_some_and(|epoch| epoch != frame.epoch) {
            self.interrupt();
        }
        self.route(frame, now);
    }

    /// Ends the file: frames are missing here, or none will come.
    pub fn interrupt(&mut self) {
        match std::mem::replace(&mut self.state, State::Waiting) {
            State::Waiting => {}
            State::Gathering(held, _) => self.begin(held),
            running => self.state = running,
        }
        // What waits for a file that describes it gets one.
        while let State::Running(mut running) = std::mem::replace(&mut self.state, State::Waiting) {
            let aside = std::mem::take(&mut running.aside);
            self.end(*running, None);
            self.begin(aside);
        }
    }

    /// What is to be written since the last call.
    pub fn take(&mut self) -> Vec<Cut> {
        std::mem::take(&mut self.cuts)
    }

    fn route(&mut self, frame: &MediaFrame, now: SystemTime) {
        match &mut self.state {
            State::Waiting => {
                if self.starts(frame) {
                    let mut held = Held::default();
                    held.push(frame, now);
                    self.state = State::Gathering(held, frame.dts);
                    self.begin_when_ready(frame.dts);
                }
            }
            State::Gathering(held, _) => {
                held.push(frame, now);
                self.begin_when_ready(frame.dts);
            }
            State::Running(_) => self.go_on(frame, now),
        }
    }

    /// Whether a file may begin with `frame`.
    fn starts(&self, frame: &MediaFrame) -> bool {
        let has_video = self
            .expected
            .video
            .as_ref()
            .is_some_and(|track| Fragmenter::carries(track));
        frame.key && frame.is_default && (frame.kind() == Kind::Video || !has_video)
    }

    fn begin_when_ready(&mut self, now: Timestamp) {
        let State::Gathering(held, since) = &self.state else {
            return;
        };
        let complete = self.has_all_expected(held);
        if !complete && now.since(*since) < GATHER && !held.is_full() {
            return;
        }
        if let State::Gathering(held, _) = std::mem::replace(&mut self.state, State::Waiting) {
            self.begin(held);
        }
    }

    /// Whether there are frames of all tracks that are known, and a kind that is not known need not be waited for.
    fn has_all_expected(&self, held: &Held) -> bool {
        let mut expected = self.expected.iter().filter(|track| self.may_carry(track));
        let has_both = self.expected.video.is_some() && self.expected.audio.is_some();
        has_both && expected.all(|track| held.has(track))
    }

    /// Begins a file with what was held: its tracks are those of which there are frames, the default ones first.
    fn begin(&mut self, held: Held) {
        let Some((first, wall)) = held.frames.front() else {
            return;
        };
        let mut tracks: Vec<Arc<Track>> = Vec::new();
        for (frame, _) in &held.frames {
            let is_other = |track: &Arc<Track>| track.name() != frame.track.name();
            if tracks.iter().all(is_other) {
                tracks.push(Arc::clone(&frame.track));
            }
        }
        tracks.sort_by_key(|track| (track.kind, !self.expected.is_default(track), track.id));
        let fragmenter = match Fragmenter::new(&tracks, self.options.clone()) {
            Ok(fragmenter) => fragmenter,
            Err(error) => {
                tracing::error!(%error, "these frames cannot be recorded");
                return;
            }
        };
        let running = Running::new(fragmenter, first, *wall);
        self.start(running, *wall, true);
        for (frame, arrival) in held.frames {
            self.route(&frame, arrival);
        }
    }

    fn start(&mut self, running: Running, wall: SystemTime, is_fresh: bool) {
        self.cuts.push(Cut::Begin(Beginning {
            wall,
            header: running.fragmenter.header().clone(),
            is_fresh,
        }));
        self.state = State::Running(Box::new(running));
    }

    fn go_on(&mut self, frame: &MediaFrame, now: SystemTime) {
        let State::Running(running) = &mut self.state else {
            return;
        };
        let leads = running.leads(frame);
        if !running.fragmenter.knows(&frame.track) {
            let takes_over = frame.key && frame.is_default && frame.kind() == Kind::Video;
            if !takes_over && !running.aside.is_full() && running.aside.span(frame) < PATIENCE {
                running.aside.push(frame, now);
                return;
            }
            return self.restart(frame, now);
        }
        if leads && frame.key && !running.aside.frames.is_empty() {
            return self.restart(frame, now);
        }
        if running.is_due(frame, leads, self.length) {
            return self.split(frame, now);
        }
        running.note(frame, leads);
        match running.fragmenter.push(frame) {
            Ok(fragment) => self.cuts.extend(fragment.map(Cut::Fragment)),
            Err(error) => tracing::error!(%error, "a frame cannot be recorded"),
        }
    }

    /// Ends the file in front of `frame`, with which another begins that goes on from it.
    fn split(&mut self, frame: &MediaFrame, now: SystemTime) {
        let State::Running(mut running) = std::mem::replace(&mut self.state, State::Waiting) else {
            return;
        };
        match self.files {
            Files::Whole => {
                let mut next = Running::new(running.fragmenter.successor(), frame, now);
                next.group = running.group;
                self.end(*running, Some(frame));
                self.start(next, now, true);
            }
            Files::Segments => {
                self.cuts
                    .extend(running.fragmenter.cut(frame).map(Cut::Fragment));
                self.cuts.push(Cut::End {
                    duration: frame.dts.since(running.start),
                });
                running.start = frame.dts;
                running.samples = 0;
                // By the media's own time, so that the segments of a session lie side by side.
                let (first, arrival) = running.origin;
                let wall = arrival.checked_add(frame.dts.since(first)).unwrap_or(now);
                self.start(*running, wall, false);
            }
        }
        self.route(frame, now);
    }

    /// Ends the file in front of `frame`, with which one begins that describes more.
    fn restart(&mut self, frame: &MediaFrame, now: SystemTime) {
        let State::Running(mut running) = std::mem::replace(&mut self.state, State::Waiting) else {
            return;
        };
        let mut held = std::mem::take(&mut running.aside);
        self.end(*running, Some(frame));
        held.push(frame, now);
        self.state = State::Gathering(held, frame.dts);
        self.begin_when_ready(frame.dts);
    }

    fn end(&mut self, mut running: Running, next: Option<&MediaFrame>) {
        let fragment = running.fragmenter.finish(next);
        self.cuts.extend(fragment.map(Cut::Fragment));
        let end = match next {
            Some(next) if running.leads(next) => next.dts,
            _ => running.latest.max(running.last + running.step),
        };
        let duration = end.since(running.start);
        self.cuts.push(Cut::End { duration });
    }

    /// Whether MP4 has a place for `track`; says once where not.
    fn carries(&mut self, track: &Arc<Track>) -> bool {
        if self
            .refused
            .iter()
            .any(|refused| Arc::ptr_eq(refused, track))
        {
            return false;
        }
        let State::Running(running) = &self.state else {
            return self.try_carry(track);
        };
        running.fragmenter.knows(track) || self.try_carry(track)
    }

    fn try_carry(&mut self, track: &Arc<Track>) -> bool {
        if Fragmenter::carries(track) {
            return true;
        }
        if self.refused.len() < MAX_REFUSED {
            self.refused.push(Arc::clone(track));
            let codec = track.codec.rfc6381();
            tracing::warn!(
                codec,
                "recordings go on without this track: MP4 does not carry it here"
            );
        }
        false
    }

    fn may_carry(&self, track: &Arc<Track>) -> bool {
        let refused = |other: &Arc<Track>| Arc::ptr_eq(other, track);
        !self.refused.iter().any(refused) && Fragmenter::carries(track)
    }
}

impl Running {
    fn new(fragmenter: Fragmenter, first: &MediaFrame, wall: SystemTime) -> Self {
        Self {
            fragmenter,
            origin: (first.dts, wall),
            start: first.dts,
            latest: first.dts,
            last: first.dts,
            step: DEFAULT_STEP,
            last_key: first.dts,
            group: None,
            samples: 0,
            aside: Held::default(),
        }
    }

    fn leads(&self, frame: &MediaFrame) -> bool {
        self.fragmenter.is_led_by(&frame.track)
    }

    fn is_due(&self, frame: &MediaFrame, leads: bool, length: Duration) -> bool {
        let elapsed = frame.dts.since(self.start);
        let next_key = elapsed + self.group.unwrap_or_default();
        let long_enough = next_key > length + SLACK || elapsed + SLACK >= length;
        let due = leads && frame.key && (long_enough || self.samples >= MAX_SAMPLES);
        let overdue = elapsed >= length.max(PATIENCE).saturating_mul(2);
        (due && !elapsed.is_zero()) || overdue
    }

    fn note(&mut self, frame: &MediaFrame, leads: bool) {
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
        if frame.key {
            let group = frame.dts.since(self.last_key);
            if !group.is_zero() {
                self.group = Some(group);
            }
            self.last_key = frame.dts;
        }
    }
}

impl Held {
    fn push(&mut self, frame: &MediaFrame, arrival: SystemTime) {
        self.bytes += frame.size();
        self.frames.push_back((frame.clone(), arrival));
    }

    fn has(&self, track: &Track) -> bool {
        let mut frames = self.frames.iter();
        frames.any(|(frame, _)| frame.track.name() == track.name())
    }

    /// The time from its first frame to `frame`.
    fn span(&self, frame: &MediaFrame) -> Duration {
        let first = self.frames.front();
        first.map_or(Duration::ZERO, |(first, _)| frame.dts.since(first.dts))
    }

    fn is_full(&self) -> bool {
        self.bytes >= MAX_HELD_BYTES || self.frames.len() >= MAX_HELD
    }
}

/// How long a file waits at its start for the tracks that were announced, and for sound with pictures.
const GATHER: Duration = Duration::from_secs(1);
/// How long key frames are waited for at most, beyond the length of a file. Encoders set to ten seconds exist.
pub const PATIENCE: Duration = Duration::from_secs(12);
/// How much longer or shorter a file may be than it was set to, so that a millisecond of RTMP's clock does not cost a
/// group of pictures. Rounded to whole seconds it is as long as it was set to.
const SLACK: Duration = Duration::from_millis(400);
/// Of a track with one frame.
const DEFAULT_STEP: Duration = Duration::from_millis(33);
/// What waits for a file in memory: a second of video, or seconds of sound.
const MAX_HELD_BYTES: usize = 16 << 20;
const MAX_HELD: usize = 4_096;
/// Samples of a file after which it ends at the next key frame: bounds what is remembered of it to some 100 MB, and is
/// more than a day of 25 frames a second with sound.
const MAX_SAMPLES: u32 = 8_000_000;
/// Tracks of which it is remembered that they cannot be recorded.
const MAX_REFUSED: usize = 64;

#[cfg(test)]
mod tests;
