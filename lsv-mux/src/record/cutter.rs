//! Where one file ends and the next begins. Pure: frames in, what is to be written out.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lsv_core::media::{Kind, MediaFrame, Track, Tracks};
use lsv_core::time::Timestamp;

use super::on_demand::playlist::rounded;
use crate::mp4::recording::{Fragment, Fragmenter, Header, Options};
use file::{Held, Lengths, Running};

mod file;

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
        /// Of segments: whole seconds that neither this one nor any that follows is longer than, once rounded. It never
        /// changes.
        target: Option<Duration>,
    },
}

/// The start of a file.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// When its first frame arrived.
    pub wall: SystemTime,
    /// Its first frame's decoding time.
    pub start: Timestamp,
    /// What the file says of its tracks.
    pub header: Header,
    /// It does not go on from the file before: the timeline, the tracks or their configuration are others.
    pub is_fresh: bool,
}

/// How a recording is cut into files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Each has a header of its own, and begins its time anew. It ends at the first key frame at which it has its length.
    Whole,
    /// They go on from each other as segments do. Each ends at the last key frame at which it is no longer than it should
    /// be, so that a playlist's target duration can be kept.
    Segments,
}

/// Cuts the frames of one stream into files at key frames, and loses none.
///
/// A file begins with a key frame of its leading track: the default video track, or sound where there is no video. It
/// ends in front of the one that [`Files`] says; also where the timeline breaks, and in front of the next key frame when
/// a track comes that its header does not describe.
///
/// Where key frames do not come, no file is longer than its length and [`PATIENCE`], and no segment longer than the
/// first has made the target duration: then it ends in front of any frame. The next one, which begins without a key
/// frame, ends at the first that comes.
///
/// Pictures are shown later than they are decoded, sound is not. What is heard before the first picture of the next file
/// belongs to the one before, also where it comes behind that picture: files play one after the other without a gap.
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
    /// The target duration of segments, once one has ended.
    target: Option<Duration>,
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

impl Cutter {
    /// A cutter for files of `length`, as near as key frames allow.
    pub fn new(files: Files, length: Duration, options: Options) -> Self {
        Self {
            files,
            length,
            options,
            epoch: None,
            state: State::Waiting,
            expected: Arc::default(),
            refused: Vec::new(),
            target: None,
            cuts: Vec::new(),
        }
    }

    /// Changes the length of files, that of the present one included. Segments get no longer than their target duration.
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
        loop {
            self.succeed();
            match std::mem::replace(&mut self.state, State::Waiting) {
                State::Waiting => return,
                State::Gathering(held, _) => self.begin(held),
                State::Running(mut running) => {
                    // What waits for a file that describes it gets one.
                    let aside = std::mem::take(&mut running.aside);
                    self.end(*running, None);
                    self.begin(aside);
                }
            }
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
        let is_wanted = frame.kind() == Kind::Video || !has_video;
        frame.is_default && is_wanted && file::decodes_alone(frame)
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
            start: running.start,
            header: running.fragmenter.header().clone(),
            is_fresh,
        }));
        self.state = State::Running(Box::new(running));
    }

    fn go_on(&mut self, frame: &MediaFrame, now: SystemTime) {
        let State::Running(running) = &mut self.state else {
            return;
        };
        if running.next.is_some() {
            return match running.takes(frame) {
                true => self.add(frame),
                false if running.hold(frame, now) => self.succeed(),
                false => {}
            };
        }
        let leads = running.leads(frame);
        if !running.fragmenter.knows(&frame.track) {
            let takes_over = frame.key && frame.is_default && frame.kind() == Kind::Video;
            if !takes_over && !running.aside.is_full() && running.aside.span(frame) < PATIENCE {
                running.aside.push(frame, now);
                return;
            }
            return self.restart(frame, now);
        }
        if leads && file::decodes_alone(frame) && !running.aside.frames.is_empty() {
            return self.restart(frame, now);
        }
        running.measure(frame, leads);
        let lengths = Lengths::new(self.files, self.length, self.target);
        if running.is_due(frame, leads, &lengths) {
            return match running.aside.frames.is_empty() {
                true => self.split(frame, now),
                false => self.restart(frame, now),
            };
        }
        self.add(frame);
    }

    /// Adds `frame` to the file.
    fn add(&mut self, frame: &MediaFrame) {
        let State::Running(running) = &mut self.state else {
            return;
        };
        let leads = running.leads(frame);
        running.note(frame, leads);
        match running.fragmenter.push(frame) {
            Ok(fragment) => self.cuts.extend(fragment.map(Cut::Fragment)),
            Err(error) => tracing::error!(%error, "a frame cannot be recorded"),
        }
    }

    /// Ends the file in front of `frame`, with which another begins that goes on from it.
    fn split(&mut self, frame: &MediaFrame, now: SystemTime) {
        if self.files == Files::Whole {
            return self.follow(frame, now, false);
        }
        let State::Running(mut running) = std::mem::replace(&mut self.state, State::Waiting) else {
            return;
        };
        self.cuts
            .extend(running.fragmenter.cut(frame).map(Cut::Fragment));
        self.push_end(&running, frame.dts);
        running.start = frame.dts;
        running.samples = 0;
        running.independent = None;
        // By the media's own time, so that the segments of a session lie side by side.
        let (first, arrival) = running.origin;
        let wall = arrival.checked_add(frame.dts.since(first)).unwrap_or(now);
        self.start(*running, wall, false);
        self.route(frame, now);
    }

    /// Ends the file in front of `frame`, with which one begins that describes more.
    fn restart(&mut self, frame: &MediaFrame, now: SystemTime) {
        self.follow(frame, now, true);
    }

    /// Has the file followed by one that begins with `frame`, once the sound in front of that is there.
    fn follow(&mut self, frame: &MediaFrame, now: SystemTime, describes_more: bool) {
        let State::Running(running) = &mut self.state else {
            return;
        };
        let is_over = running.is_followed_by(frame, now, describes_more);
        if is_over || self.files == Files::Segments {
            self.succeed();
        }
    }

    /// Ends the file that is followed by another, with what was held of that.
    fn succeed(&mut self) {
        let State::Running(running) = &mut self.state else {
            return;
        };
        let Some(next) = running.next.take() else {
            return;
        };
        let State::Running(running) = std::mem::replace(&mut self.state, State::Waiting) else {
            return;
        };
        let (first, arrival) = next.first;
        if next.describes_more {
            let newest = next.held.frames.back().map_or(first.dts, |(it, _)| it.dts);
            self.end(*running, Some(&first));
            self.state = State::Gathering(next.held, first.dts);
            return self.begin_when_ready(newest);
        }
        let mut successor = Running::new(running.fragmenter.successor(), &first, arrival);
        successor.group = running.group;
        self.end(*running, Some(&first));
        self.start(successor, arrival, true);
        for (frame, arrival) in next.held.frames {
            self.route(&frame, arrival);
        }
    }

    fn end(&mut self, mut running: Running, next: Option<&MediaFrame>) {
        let fragment = running.fragmenter.finish(next);
        self.cuts.extend(fragment.map(Cut::Fragment));
        let end = match next {
            Some(next) if running.leads(next) => next.dts,
            _ => running.latest.max(running.last + running.step),
        };
        self.push_end(&running, end);
    }

    /// Ends the file at `end`. The first segment of all tells how long those after it may be.
    fn push_end(&mut self, running: &Running, end: Timestamp) {
        let lengths = Lengths::new(self.files, self.length, self.target);
        let duration = end.since(running.start).min(lengths.latest);
        if self.files == Files::Segments && self.target.is_none() {
            let group = running.group.unwrap_or(LIKELY_GROUP);
            let longest = self.length.max(duration).max(group);
            self.target = Some(Duration::from_secs(rounded(longest).max(1)));
        }
        self.cuts.push(Cut::End {
            duration,
            target: self.target,
        });
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

/// How long a file waits at its start for the tracks that were announced, and for sound with pictures.
const GATHER: Duration = Duration::from_secs(1);
/// How long key frames are waited for at most, beyond the length of a file. Encoders that send one in ten seconds exist,
/// and those that count 250 pictures of a slow camera.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long groups of pictures may be where the first segment ends before the second key frame.
const LIKELY_GROUP: Duration = Duration::from_secs(10);
/// Tracks of which it is remembered that they cannot be recorded.
const MAX_REFUSED: usize = 64;

#[cfg(test)]
mod tests;
