//! A run in progress: its open segment in every format, and the decision when it ends.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lsv_core::hub::Settings;
use lsv_core::media::{Kind, MediaFrame, Track, Tracks};
use lsv_core::time::Timestamp;

use super::length::Lengths;
use super::open::{Muxer, Open};
use super::parts::Parts;
use super::same;
use super::segment::{Init, Run, Segment};
use super::track::Packer;

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It belongs to the open segment.
    Take,
    /// It opens the next segment.
    Cut,
    /// It opens, or waits for, the next run.
    Restart,
    /// The next run starts with it, and with the pictures since the last key frame once more.
    Repeat,
    /// It has no place in this run, and the next run cannot start here.
    Drop,
}

/// A run and its open segment.
#[derive(Debug)]
pub(super) struct Running {
    run: Arc<Run>,
    tracks: Tracks,
    lanes: Vec<Lane>,
    /// The number of its first segment.
    first: u64,
    /// Decides where segments start.
    leader: Kind,
    /// Frames came that only another run can take.
    changing: bool,
    open: Open,
    /// Decoding time of the leader's last frame and its distance to the one before.
    last: Timestamp,
    step: Duration,
    /// Decoding time of the last frame of any track, and how far that was ahead when the leader's last frame came.
    latest: Timestamp,
    ahead: Duration,
    /// Decoding time of the last key frame of video, and its distance to the one before once there are two.
    last_key: Timestamp,
    group: Option<Duration>,
}

/// One track of the run.
#[derive(Debug)]
struct Lane {
    track: Arc<Track>,
    /// The default track of its kind. Segments wait for it; another one may be silent for a while.
    is_default: bool,
    /// Its header and what makes its parts, where CMAF carries it and is on.
    init: Option<Arc<Init>>,
    packer: Option<Packer>,
    /// It has sent something in the open segment.
    seen: bool,
    /// Decoding time of its last frame.
    last: Option<Timestamp>,
}

impl Running {
    /// The run's first segment, number `sequence`, opened by the frame `first`.
    pub(super) fn new(
        run: Arc<Run>,
        tracks: Tracks,
        sequence: u64,
        discontinuity: bool,
        first: &MediaFrame,
    ) -> Self {
        let leader = if tracks.video.is_some() {
            Kind::Video
        } else {
            Kind::Audio
        };
        Self {
            first: sequence,
            leader,
            changing: false,
            last: first.dts,
            step: DEFAULT_STEP,
            latest: first.dts,
            ahead: Duration::ZERO,
            last_key: first.dts,
            group: None,
            open: Open::new(sequence, discontinuity, first),
            lanes: tracks
                .iter()
                .map(|track| Lane::new(track, &tracks, &run))
                .collect(),
            run,
            tracks,
        }
    }

    /// Where `frame` belongs. A group of pictures may be repeated for it if it is `repeatable`. Other renditions of the channel
    /// may have `decided` whether a segment begins with it.
    pub(super) fn judge(
        &mut self,
        frame: &MediaFrame,
        lengths: &Lengths,
        repeatable: bool,
        decided: Option<bool>,
    ) -> Verdict {
        if frame.kind() == Kind::Data {
            return Verdict::Take;
        }
        if self.leaps(frame) {
            return Verdict::Restart;
        }
        let leads = self.leads(frame);
        let elapsed = self.moment(frame).since(self.open.from);
        let starts = frame.key || self.leader == Kind::Audio;
        let latest = lengths.latest();
        if !self.knows(frame) {
            let leads_next = leads || frame.kind() == Kind::Video;
            self.changing = true;
            return match (leads_next && starts) || elapsed >= latest {
                _ if repeatable => Verdict::Repeat,
                true => Verdict::Restart,
                false => Verdict::Drop,
            };
        }
        if self.changing && leads && starts {
            return Verdict::Restart;
        }
        let enough = elapsed >= lengths.earliest(self.leader) || self.size() >= lengths.bytes / 2;
        // Behind a cut that no key frame allowed, the next key frame is where players can start again.
        let due = leads && starts && (enough || !self.open.independent);
        // The frame that opened this segment began one.
        let due = decided.map_or(due, |begins| begins && !elapsed.is_zero());
        let lasts = if leads { elapsed + self.step } else { elapsed };
        let overdue = lasts > latest || self.is_full(lengths);
        let is_early = !enough && !overdue && elapsed < STUB;
        match due || overdue {
            false => Verdict::Take,
            // The sound has had no time to come; the next key frame will do.
            true if is_early && self.misses_a_track() => Verdict::Take,
            // A track fell silent: numbering on without its segments would mislead players.
            true if self.misses_a_track() || self.moment(frame).since(self.last) > SILENCE => {
                Verdict::Restart
            }
            true => Verdict::Cut,
        }
    }

    /// Starts what the open segment has per format, under the settings of this moment.
    pub(super) fn begin(&mut self, settings: &Settings, muxer: &mut Muxer) {
        let open = &mut self.open;
        open.begin_ts(settings.hls, &self.tracks, muxer);
        open.cmaf = settings.cmaf;
        for lane in &mut self.lanes {
            match &lane.init {
                Some(init) if settings.cmaf => lane
                    .packer
                    .get_or_insert_with(|| Packer::new(init))
                    .begin(open.sequence),
                _ => lane.packer = None,
            }
        }
    }

    /// Puts `frame`, which arrived at `now`, into the open segment.
    pub(super) fn take(
        &mut self,
        frame: &MediaFrame,
        now: SystemTime,
        muxer: &mut Muxer,
        parts: &mut Parts,
    ) {
        if frame.kind() == Kind::Data {
            if self.open.push_event(frame) {
                self.open.push_ts(frame, &self.run, muxer);
            }
            return;
        }
        if self.leads(frame) {
            self.ahead = self.latest.since(frame.dts);
            let step = frame.dts.since(self.last);
            if !step.is_zero() {
                self.step = step;
            }
            self.last = frame.dts;
        }
        self.latest = self.latest.max(frame.dts);
        if frame.kind() == Kind::Video && frame.key {
            let group = frame.dts.since(self.last_key);
            if !group.is_zero() {
                self.group = Some(group);
            }
            self.last_key = frame.dts;
        }
        let name = frame.track.name();
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.track.name() == name) {
            lane.seen = true;
            lane.last = Some(frame.dts);
            if let Some(packer) = &mut lane.packer {
                packer.push(frame, now, parts);
            }
        }
        self.open.push_ts(frame, &self.run, muxer);
    }

    /// Closes the open segment in front of `next`, or for good.
    pub(super) fn close(
        &mut self,
        next: Option<&MediaFrame>,
        lengths: &Lengths,
        muxer: &mut Muxer,
        parts: &mut Parts,
    ) -> Segment {
        let end = next.map_or_else(|| self.end(), |next| self.cut_before(next, lengths));
        let finish = |lane: &mut Lane| {
            lane.seen = false;
            let packer = lane.packer.as_mut()?;
            let of_this_track = next.filter(|next| next.track.name() == lane.track.name());
            match next {
                Some(_) if of_this_track.is_none() => packer.expire(end, parts),
                _ => packer.settle(of_this_track, parts),
            }
            packer.close(parts)
        };
        let renditions = self.lanes.iter_mut().filter_map(finish).collect();
        let open = &mut self.open;
        let segment = Segment {
            sequence: open.sequence,
            run: Arc::clone(&self.run),
            discontinuity: open.discontinuity,
            start: open.start,
            duration: end.since(open.from).max(SHORTEST),
            cmaf: open.cmaf,
            key: None,
            ts: open.take_ts(muxer),
            renditions,
            events: open.take_events(),
        };
        if let Some(next) = next {
            let independent = next.key || self.leader == Kind::Audio;
            open.advance(end, &self.run, independent);
        }
        segment
    }

    /// The open segment with its finished parts.
    pub(super) fn snapshot(&self) -> Segment {
        let open = &self.open;
        let renditions = self.packers().filter_map(Packer::rendition);
        Segment {
            sequence: open.sequence,
            run: Arc::clone(&self.run),
            discontinuity: open.discontinuity,
            start: open.start,
            duration: self.last.since(open.from),
            cmaf: open.cmaf,
            key: None,
            ts: None,
            renditions: renditions.cloned().collect(),
            events: open.events().to_vec(),
        }
    }

    /// The run.
    pub(super) fn run(&self) -> &Run {
        &self.run
    }

    /// The media sequence number of the open segment.
    pub(super) fn sequence(&self) -> u64 {
        self.open.sequence
    }

    /// How long segments get if the encoder goes on as it does, once two key frames tell. A run's first one has more of
    /// what runs ahead of its pictures.
    pub(super) fn segment_length(&self, lengths: &Lengths) -> Option<Duration> {
        match self.leader {
            Kind::Video => Some(lengths.of_groups(self.group?) + self.ahead),
            _ => Some(lengths.target),
        }
    }

    /// A picture or two without sound, of which nothing is public yet: what a publisher leaves that vanishes right after
    /// a key frame. As a segment it would be a gap in the playlist of the sound.
    pub(super) fn is_stub(&self) -> bool {
        let mut seen = self.lanes.iter().filter(|lane| lane.seen);
        self.open.sequence > self.first
            && seen.any(|lane| lane.track.kind == Kind::Video)
            && self.misses_a_track()
            && self.last.since(self.open.from) < STUB
            && self.packers().all(|packer| packer.parts() == 0)
    }

    /// Where time goes on if a run starts with the sound `first` in the midst of a group: where the pictures are, as far as
    /// they are public.
    pub(super) fn resumption(&self, first: &MediaFrame) -> Timestamp {
        match self.is_stub() {
            true => self.open.from,
            false => first.dts.min(self.last + self.step),
        }
    }

    /// How far pictures are apart.
    pub(super) fn step(&self) -> Duration {
        self.step
    }

    /// The wall clock at the start of the open segment.
    pub(super) fn start_wall(&self) -> SystemTime {
        self.run.wall(self.open.start)
    }

    /// See [`Run::composition`].
    pub(super) fn composition(&self) -> Timestamp {
        self.run.composition
    }

    /// The wall clock at its end so far.
    pub(super) fn end_wall(&self) -> SystemTime {
        let length = self.end().since(self.open.from);
        let start = self.run.wall(self.open.start);
        start.checked_add(length).unwrap_or(start)
    }

    /// Where the run ends if nothing comes any more.
    fn end(&self) -> Timestamp {
        self.latest.max(self.last + self.step)
    }

    /// It decides where segments start.
    pub(super) fn leads(&self, frame: &MediaFrame) -> bool {
        frame.kind() == self.leader && frame.is_default
    }

    /// Where the leader stands when `frame` comes: tracks that run ahead of it do not hurry it.
    fn moment(&self, frame: &MediaFrame) -> Timestamp {
        match self.leads(frame) {
            true => frame.dts,
            false => frame.dts - (Timestamp::ZERO + self.ahead),
        }
    }

    /// Where the open segment ends if `next` opens another one.
    fn cut_before(&self, next: &MediaFrame, lengths: &Lengths) -> Timestamp {
        let moment = self.moment(next).max(self.open.from);
        match self.leads(next) {
            true => moment,
            false => moment.min(self.open.from + lengths.latest()),
        }
    }

    /// Further from the last frame of its track than any timeline is that was made by the hub.
    fn leaps(&self, frame: &MediaFrame) -> bool {
        let name = frame.track.name();
        let lane = self.lanes.iter().find(|lane| lane.track.name() == name);
        let last = lane.and_then(|lane| lane.last).unwrap_or(self.latest);
        frame.dts.since(last).max(last.since(frame.dts)) > LEAP
    }

    fn knows(&self, frame: &MediaFrame) -> bool {
        self.lanes
            .iter()
            .any(|lane| same(&lane.track, &frame.track))
    }

    /// A default track beside the leader has sent nothing in the open segment.
    fn misses_a_track(&self) -> bool {
        let mut beside = self
            .lanes
            .iter()
            .filter(|lane| lane.track.kind != self.leader);
        beside.any(|lane| lane.is_default && !lane.seen)
    }

    fn packers(&self) -> impl Iterator<Item = &Packer> {
        self.lanes.iter().filter_map(|lane| lane.packer.as_ref())
    }

    /// What the open segment holds in memory, in all formats.
    fn size(&self) -> usize {
        self.open.size() + self.packers().map(Packer::size).sum::<usize>()
    }

    fn is_full(&self, lengths: &Lengths) -> bool {
        let mut packers = self.packers();
        self.size() >= lengths.bytes || packers.any(|packer| packer.parts() >= MAX_PARTS)
    }
}

impl Lane {
    fn new(track: &Arc<Track>, tracks: &Tracks, run: &Run) -> Self {
        Self {
            track: Arc::clone(track),
            is_default: tracks.is_default(track),
            init: run.init(track.name()).cloned(),
            packer: None,
            seen: false,
            last: None,
        }
    }
}

/// Parts after which a segment is cut: what sound without time stretches to would make any number of them, and each
/// is listed. Enough for 40 s of parts of 200 ms twice over.
const MAX_PARTS: usize = 400;

/// Shorter than anybody would miss.
const STUB: Duration = Duration::from_millis(200);

/// Three times what the hub bridges.
const LEAP: Duration = Duration::from_secs(30);

/// A leader that has sent nothing for so long when a segment is overdue is not waited for. Slide shows with a
/// frame every few seconds exist.
const SILENCE: Duration = Duration::from_secs(6);

/// Before the distance between frames is known.
const DEFAULT_STEP: Duration = Duration::from_millis(33);

/// A segment has some length, even if its frames have not.
const SHORTEST: Duration = Duration::from_millis(1);
