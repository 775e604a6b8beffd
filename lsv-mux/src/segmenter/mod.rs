//! Cuts a stream into segments and parts, for MPEG-TS and CMAF at once.
//!
//! ```text
//! frames ─> waiting ─> run ─┬─ segment ─ segment ─ segment ┄   cut at key frames once the target has passed
//!              ^            └─ ends with the epoch, with a changed configuration, or when a track falls silent
//!              └─────────────────────────── discontinuity
//! ```
//!
//! A run starts at a video key frame and has a fixed set of tracks, so within a run every segment decodes with the
//! same headers and numbers count on; what cannot be so is a new run. A sound that changes between key frames starts one
//! at once, with the pictures since the last key frame once more. Of a publisher's tracks the default video and
//! all audio are carried. The segmenter is pure: the wall clock comes in with each frame.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lsv_core::hub::Settings;
use lsv_core::media::{Kind, MediaFrame, Track, Tracks};
use lsv_core::time::Timestamp;

pub(crate) mod clock;
pub(crate) mod length;
mod lineup;
mod open;
pub(crate) mod pace;
mod parts;
mod replay;
mod running;
mod segment;
mod track;
mod waiting;

#[cfg(all(test, feature = "live"))]
pub(crate) mod synthetic;
#[cfg(all(test, feature = "live"))]
mod tests;

pub use lineup::{Lineup, Place, Report, Siblings};
pub use segment::{Event, Init, Part, Rendition, Run, Segment, TsSegment};

use self::length::Lengths;
use self::lineup::Alone;
use self::open::Muxer;
use self::pace::Pace;
use self::parts::Parts;
use self::replay::Replay;
use self::running::{Running, Verdict};
use self::waiting::Waiting;
use crate::{mp4, ts};

/// What a segmenter is told once, for the life of its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The media sequence number of the first segment.
    pub first_sequence: u64,
    /// The length that parts aim at, 200 ms.
    pub part_target: Duration,
    /// Bytes of a segment, in all formats together, after which it is cut without waiting for a key frame, so that
    /// a publisher that never sends one cannot fill the memory; from half of it on any key frame will do. Pictures of up
    /// to a quarter of it are repeated where a sound changes between key frames. 64 MiB.
    pub segment_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            first_sequence: 0,
            part_target: Duration::from_millis(200),
            segment_bytes: 64 << 20,
        }
    }
}

/// Turns the frames of one stream into segments.
#[derive(Debug)]
pub struct Segmenter {
    options: Options,
    settings: Settings,
    lengths: Lengths,
    muxer: Muxer,
    parts: Parts,
    next_sequence: u64,
    next_run: u64,
    /// There have been runs.
    has_begun: bool,
    /// Where it stands among the renditions of its channel, and since when it waits for them to begin a segment.
    place: Option<Place>,
    held_since: Option<Timestamp>,
    epoch: Option<u32>,
    /// What the publisher has said that it sends.
    announced: Tracks,
    /// Where the pictures of a track truly are.
    pace: Option<(Arc<Track>, Pace)>,
    waiting: Waiting,
    running: Option<Running>,
    replay: Replay,
    /// The headers of the last run, used again while the configuration stays.
    inits: Vec<Arc<Init>>,
    /// It was said once that CMAF does not carry some track.
    warned: bool,
    /// What CMAF says of tracks of this run that it does not carry.
    refusals: Vec<String>,
    /// When the last run ended by its own count, and its [`Run::composition`]: the next one cannot begin earlier.
    run_end: Option<(SystemTime, Timestamp)>,
    closed: Vec<Segment>,
}

impl Segmenter {
    /// A segmenter that has seen nothing yet.
    pub fn new(options: Options, settings: &Settings) -> Self {
        Self {
            lengths: Lengths {
                target: settings.segment,
                promised: None,
                bytes: options.segment_bytes,
            },
            muxer: Muxer::default(),
            parts: Parts::new(options.part_target),
            next_sequence: options.first_sequence,
            next_run: 0,
            has_begun: false,
            place: None,
            held_since: None,
            epoch: None,
            announced: Tracks::default(),
            pace: None,
            waiting: Waiting::default(),
            running: None,
            replay: Replay::default(),
            inits: Vec::new(),
            warned: false,
            refusals: Vec::new(),
            run_end: None,
            closed: Vec::new(),
            settings: settings.clone(),
            options,
        }
    }

    /// Has its segments line up with those of the other renditions of its channel, or dates them, if it is the source's.
    pub fn line_up(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// Where it stands among the renditions of its channel.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Follows changed settings: the target at once, the formats from the next segment on.
    pub fn configure(&mut self, settings: &Settings) {
        self.settings = settings.clone();
        self.lengths.target = settings.segment;
    }

    /// Playlists say from now on that no segment is longer than `target`, rounded to seconds: none will be, if it takes
    /// a cut without a key frame.
    pub fn promise(&mut self, target: Duration) {
        self.lengths.promised = Some(target);
    }

    /// Tells which tracks the publisher has, as its headers do ahead of the frames: a run waits shortly for the default
    /// ones, and has room for all other sounds from its start, so that they cost no discontinuity when they come.
    pub fn announce(&mut self, tracks: &Tracks) {
        self.waiting.announce(tracks);
        self.announced.clone_from(tracks);
    }

    /// Takes the next frame, which arrived at `now`. Says whether there is a new part or segment.
    pub fn push(&mut self, frame: &MediaFrame, now: SystemTime) -> bool {
        if !is_carried(frame) {
            return false;
        }
        // Script data follows the timeline and says nothing of it.
        if frame.kind() != Kind::Data
            && self
                .epoch
                .replace(frame.epoch)
                .is_some_and(|epoch| epoch != frame.epoch)
        {
            self.pace = None;
            // Another publisher may have no pictures: that the last one had some is no reason to wait for a key frame.
            self.waiting.expect_video(false);
            self.interrupt();
        }
        let name = frame.track.name();
        if name.kind == Kind::Audio && self.announced.find(name.kind, name.id).is_none() {
            self.waiting.expect_audio(name);
        }
        match name.kind {
            Kind::Video if !self.place.as_ref().is_some_and(Place::is_rendition) => {
                let frame = self.paced(frame);
                self.route(&frame, now);
            }
            _ => self.route(frame, now),
        }
        self.parts.take_made() || !self.closed.is_empty()
    }

    /// Closes what is open: the stream has ended, or frames are missing. What comes next follows a discontinuity.
    pub fn interrupt(&mut self) {
        self.waiting.clear();
        self.replay.clear();
        let Some(mut running) = self.running.take() else {
            return;
        };
        if let Some(place) = &self.place {
            place.halt();
        }
        if running.is_stub() {
            self.run_end = Some((running.start_wall(), running.composition()));
            self.next_sequence = running.sequence();
            return;
        }
        self.run_end = Some((running.end_wall(), running.composition()));
        self.closed
            .push(running.close(None, &self.lengths, &mut self.muxer, &mut self.parts));
        self.next_sequence = running.sequence() + 1;
    }

    /// The segments closed since the last call.
    pub fn take_closed(&mut self) -> Vec<Segment> {
        std::mem::take(&mut self.closed)
    }

    /// The segment that grows, with its finished parts.
    pub fn open(&self) -> Option<Segment> {
        self.running.as_ref().map(Running::snapshot)
    }

    /// The media sequence number of the segment that grows, or of the one to come.
    pub fn sequence(&self) -> u64 {
        self.running
            .as_ref()
            .map_or(self.next_sequence, Running::sequence)
    }

    /// The longest that a part may be, once the first part has told the frame rate.
    pub fn part_target(&self) -> Option<Duration> {
        self.parts.target()
    }

    /// How long segments are going to be, once the distance of key frames is known.
    pub fn segment_length(&self) -> Option<Duration> {
        self.running.as_ref()?.segment_length(&self.lengths)
    }

    /// What the formats that are on say of tracks that they do not carry, for the operator.
    pub fn refusals(&self) -> impl Iterator<Item = &str> {
        let cmaf = self.refusals.iter().filter(|_| self.settings.cmaf);
        let ts = self.muxer.refusal.iter().filter(|_| self.settings.hls);
        ts.chain(cmaf).map(String::as_str)
    }

    /// `frame` at its true time.
    fn paced(&mut self, frame: &MediaFrame) -> MediaFrame {
        let track = &frame.track;
        if self.pace.as_ref().is_none_or(|(of, _)| !same(of, track)) {
            let picture = track.codec.picture();
            let said = picture.and_then(|picture| picture.frame_rate_millis);
            self.pace = Some((Arc::clone(track), Pace::new(said)));
        }
        let mut frame = frame.clone();
        if let Some((_, pace)) = &mut self.pace {
            pace.place(&mut frame);
        }
        frame
    }

    fn route(&mut self, frame: &MediaFrame, now: SystemTime) {
        let Some(running) = &mut self.running else {
            return self.wait(frame, now);
        };
        let place = self.place.as_ref().filter(|_| running.leads(frame));
        let decided = place.and_then(|place| place.decided(frame.pts()));
        let repeatable = self.replay.may_precede(frame);
        let verdict = running.judge(frame, &self.lengths, repeatable, decided);
        if matches!(verdict, Verdict::Take | Verdict::Cut) {
            self.replay.push(frame, self.options.segment_bytes / 4);
        }
        match verdict {
            Verdict::Drop => {}
            Verdict::Take => {
                let is_start = frame.kind() == Kind::Video && frame.key;
                if let Some(place) = place.filter(|_| is_start) {
                    place.pass(frame.pts(), None);
                }
                running.take(frame, now, &mut self.muxer, &mut self.parts);
            }
            Verdict::Cut => {
                self.closed.push(running.close(
                    Some(frame),
                    &self.lengths,
                    &mut self.muxer,
                    &mut self.parts,
                ));
                running.begin(&self.settings, &mut self.muxer);
                if let Some(place) = place {
                    place.pass(frame.pts(), Some((running.sequence(), running.run())));
                }
                running.take(frame, now, &mut self.muxer, &mut self.parts);
            }
            Verdict::Restart => {
                // A track that fell silent is not waited for; one that is there will be seen.
                self.waiting.expect_video(frame.kind() == Kind::Video);
                self.interrupt();
                self.wait(frame, now);
            }
            Verdict::Repeat => {
                let pictures = self.replay.take(running.resumption(frame), running.step());
                self.waiting.expect_video(true);
                self.interrupt();
                for picture in &pictures {
                    self.wait(picture, now);
                }
                self.waiting.count_from(frame.dts);
                self.wait(frame, now);
            }
        }
    }

    fn wait(&mut self, frame: &MediaFrame, now: SystemTime) {
        if !self.waiting.push(frame, now, &self.options) {
            return;
        }
        let held = self.waiting.take();
        let Some((first, arrival)) = held.iter().find(|(frame, _)| frame.kind() != Kind::Data)
        else {
            return;
        };
        let Some((start, origin)) = self.begin(first, *arrival) else {
            return;
        };
        let tracks = self.tracks(&held);
        self.refusals.clear();
        self.muxer.refusal = None;
        let run = Arc::new(Run {
            number: self.next_run,
            start,
            origin,
            composition: first.composition,
            inits: tracks.iter().filter_map(|track| self.init(track)).collect(),
            ts: tracks.iter().any(|track| ts::Muxer::carries(track)),
        });
        self.inits.clone_from(&run.inits);
        self.next_run += 1;
        self.parts.lead(if run.video().is_some() {
            Kind::Video
        } else {
            Kind::Audio
        });
        let discontinuity = std::mem::replace(&mut self.has_begun, true);
        let mut running = Running::new(run, tracks, self.next_sequence, discontinuity, first);
        running.begin(&self.settings, &mut self.muxer);
        self.running = Some(running);
        for (frame, arrival) in &held {
            self.route(frame, *arrival);
        }
    }

    /// Decides how a run is numbered whose frame `first` came at `arrival`, and gives [`Run::start`] and [`Run::origin`]. `None`
    /// if it cannot begin here: the other renditions are in the midst of a segment.
    fn begin(
        &mut self,
        first: &MediaFrame,
        arrival: SystemTime,
    ) -> Option<(SystemTime, Timestamp)> {
        let earliest = self.earliest_start(first);
        let start = earliest.map_or(arrival, |earliest| earliest.max(arrival));
        let Some(place) = &self.place else {
            return Some((start, first.pts()));
        };
        let held_since = *self.held_since.get_or_insert(first.dts);
        let beginning = place.begin(
            first.pts(),
            &Alone {
                has_begun: self.has_begun,
                is_late: first.dts.since(held_since) > HOLD,
                sequence: self.next_sequence,
                run: self.next_run,
                start,
                earliest,
            },
        )?;
        self.held_since = None;
        (self.next_sequence, self.next_run) = (beginning.sequence, beginning.run);
        Some((beginning.start, beginning.origin))
    }

    /// When a run that starts with the frame `first` may begin, after the one before. Sound is dated by its decoding, so where
    /// pictures are shown later after it than in the last run, dates would go back.
    fn earliest_start(&self, first: &MediaFrame) -> Option<SystemTime> {
        let (end, composition) = self.run_end?;
        let later = first.composition.since(composition);
        Some(end.checked_add(later).unwrap_or(end))
    }

    /// The tracks of a run that starts with `held`: those that are there, and other sounds that may come.
    fn tracks(&self, held: &VecDeque<(MediaFrame, SystemTime)>) -> Tracks {
        let mut tracks = Tracks::default();
        let (defaults, others): (Vec<_>, Vec<_>) =
            held.iter().partition(|(frame, _)| frame.is_default);
        for (frame, _) in defaults.into_iter().chain(others) {
            if tracks.find(frame.kind(), frame.track.id).is_none() {
                tracks.set(&frame.track);
            }
        }
        // Segments wait for the default sound, so it has to be there; the others may be silent.
        if tracks.audio.is_some() {
            for track in &self.announced.others {
                if track.kind == Kind::Audio && tracks.find(track.kind, track.id).is_none() {
                    tracks.set(track);
                }
            }
        }
        tracks
    }

    /// The header for `track`, the last one where nothing changed.
    fn init(&mut self, track: &Arc<Track>) -> Option<Arc<Init>> {
        let mut last = self.inits.iter();
        if let Some(init) = last.find(|init| same(&init.track, track)) {
            return Some(Arc::clone(init));
        }
        match mp4::init(track) {
            Ok(bytes) => Some(Arc::new(Init {
                number: self.next_sequence,
                bytes,
                track: Arc::clone(track),
                timescale: mp4::timescale(track),
            })),
            Err(error) => {
                if self.settings.cmaf && !std::mem::replace(&mut self.warned, true) {
                    tracing::warn!(%error, "CMAF outputs go on without this track");
                }
                self.refusals.push(error.to_string());
                None
            }
        }
    }
}

/// Outputs carry the default video track, all audio tracks, and script data; nobody can decode a frame without bytes.
fn is_carried(frame: &MediaFrame) -> bool {
    match frame.kind() {
        _ if frame.payload.is_empty() => false,
        Kind::Video => frame.is_default,
        Kind::Audio | Kind::Data => true,
    }
}

/// The same configuration, whether or not it was parsed twice, or something was said beside it.
fn same(one: &Arc<Track>, other: &Arc<Track>) -> bool {
    Arc::ptr_eq(one, other) || one.decodes_like(other)
}

/// How long a rendition waits for the others to begin a segment: longer than any that they are set to make with key frames.
const HOLD: Duration = Duration::from_secs(15);
