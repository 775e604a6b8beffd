//! A frame's way through a stream: from its publisher, past an insert if there is one, to readers and packages.
//!
//! ```text
//! Publisher::push ─> Intake ──────────────> Route ─> Feed<MediaFrame>, packages
//!                      └─> Insert's feed      ^
//!                            └─ a processor ──┘ Insert::push
//! ```

use std::any::TypeId;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::feed::{Feed, Item, Subscriber};
use super::intake::{Intake, Starts};
use super::lineup::Lineup;
use super::package::{Changed, Chunk, Derived, Package, Packaged};
use super::route::{Route, Stage, Verdict};
use super::{Limits, Times};
use crate::media::{Kind, MediaFrame, Track, Tracks};

/// The part of a stream that frames pass, under its lock.
pub(super) struct Flow {
    limits: Limits,
    pub(super) intake: Intake,
    route: Route,
    insert: Option<Inserted>,
    /// Script data that waits for the pictures around it.
    waiting: VecDeque<MediaFrame>,
    waiting_bytes: usize,
    /// The tracks that readers know, and which of them have changed since the last frame.
    shown: Arc<Tracks>,
    changed: Changed,
    /// The last epoch that readers got.
    epoch: u32,
    starts: Starts,
    derived: HashMap<TypeId, Box<dyn Derived>>,
    outlets: Outlets,
    /// Readers have been told that it is over.
    has_ended: bool,
}

/// Where readers find what comes out, without the lock.
#[derive(Clone)]
pub(super) struct Outlets {
    pub(super) frames: Feed<MediaFrame>,
    pub(super) tracks: watch::Sender<Arc<Tracks>>,
    pub(super) source_tracks: watch::Sender<Arc<Tracks>>,
}

/// What belongs to an insert.
struct Inserted {
    /// What the publisher sends.
    feed: Feed<MediaFrame>,
    lineup: Lineup,
    stage: watch::Sender<Stage>,
    /// Somebody holds it; else it is kept until the way back to the source is found.
    held: bool,
}

impl Flow {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            intake: Intake::new(limits.max_gap),
            route: Route::new(),
            insert: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            shown: Arc::default(),
            changed: Changed::Nothing,
            epoch: 0,
            starts: Starts::default(),
            derived: HashMap::new(),
            outlets: Outlets {
                frames: Feed::new(limits.feed_bytes, limits.feed_span),
                tracks: watch::Sender::new(Arc::default()),
                source_tracks: watch::Sender::new(Arc::default()),
            },
            limits: limits.clone(),
            has_ended: false,
        }
    }

    pub(super) fn outlets(&self) -> Outlets {
        self.outlets.clone()
    }

    /// Another publisher sends from now on.
    pub(super) fn restart(&mut self, times: Times, resumes: bool) {
        self.intake.restart(times, resumes);
    }

    /// The publisher sent a frame.
    pub(super) fn push(&mut self, mut frame: MediaFrame) {
        let goes_on = self
            .intake
            .take(&mut frame, &self.shown, self.limits.tracks);
        self.follow_source();
        if !goes_on {
            return;
        }
        if let Some(insert) = &self.insert {
            insert.feed.push(frame.clone());
        }
        match self.route.of_source(&mut frame) {
            // After a switch, sound from before it may have another configuration.
            Verdict::Show if self.route.shows_insert() && !self.is_known(&frame) => {
                self.route.lose(&frame);
            }
            Verdict::Show => self.show(frame),
            Verdict::Leave => {}
            Verdict::Wait => self.wait(frame),
            Verdict::Return => self.take_up(),
        }
        self.tell_stage();
    }

    /// The publisher told of a track.
    pub(super) fn announce(&mut self, track: &Arc<Track>) {
        let limit = self.limits.tracks;
        let lineup = &mut self.intake.lineup;
        lineup.adopt(&mut Arc::clone(track), &self.shown, limit);
        self.follow_source();
    }

    /// The publisher sent metadata.
    pub(super) fn set_metadata(&mut self, metadata: Bytes) {
        let limit = self.limits.metadata_bytes;
        self.intake.lineup.set_metadata(metadata, limit);
        self.follow_source();
    }

    /// Puts an insert in, unless there is one.
    pub(super) fn insert(&mut self) -> bool {
        let insert = self.insert.get_or_insert_with(|| {
            let feed = Feed::new(self.limits.feed_bytes, self.limits.feed_span);
            for frame in self.outlets.frames.newest_group() {
                feed.push(frame);
            }
            Inserted {
                feed,
                lineup: Lineup::default(),
                stage: watch::Sender::new(self.route.stage()),
                held: false,
            }
        });
        if insert.held {
            return false;
        }
        insert.held = true;
        // Its tracks are not those of one that was there before, which readers may see to this moment.
        insert.lineup.replace();
        true
    }

    /// Reads what the publisher sends; only for one who holds the insert.
    pub(super) fn subscribe_source(&self) -> Subscriber<MediaFrame> {
        match &self.insert {
            Some(insert) => insert.feed.subscribe(),
            None => self.outlets.frames.subscribe(),
        }
    }

    pub(super) fn watch_stage(&self) -> watch::Receiver<Stage> {
        match &self.insert {
            Some(insert) => insert.stage.subscribe(),
            None => watch::Sender::new(self.route.stage()).subscribe(),
        }
    }

    /// The insert tells of all tracks of what follows.
    pub(super) fn announce_inserted(&mut self, tracks: &[Arc<Track>]) {
        let Some(insert) = &mut self.insert else {
            return;
        };
        insert.lineup.replace();
        for track in tracks {
            let mut track = Arc::clone(track);
            insert
                .lineup
                .adopt(&mut track, &self.shown, self.limits.tracks);
        }
    }

    /// The insert pushed a frame. Says whether readers got it.
    pub(super) fn push_inserted(&mut self, mut frame: MediaFrame) -> bool {
        let Some(insert) = &mut self.insert else {
            return false;
        };
        let lineup = &mut insert.lineup;
        if !lineup.adopt(&mut frame.track, &self.shown, self.limits.tracks) {
            return false;
        }
        frame.is_default = lineup.next().is_default(&frame.track);
        frame.composition = self.intake.timeline.composition(frame.composition);
        let begins = !self.route.shows_insert();
        let verdict = self.route.of_insert(&mut frame);
        match verdict {
            Verdict::Show => {
                lineup.begin();
                self.starts.mark(&mut frame, lineup.tracks());
                if lineup.take_changed() || begins {
                    self.show_tracks();
                }
                self.show(frame);
            }
            Verdict::Return => self.take_up(),
            Verdict::Leave | Verdict::Wait => {}
        }
        self.tell_stage();
        verdict == Verdict::Show
    }

    pub(super) fn engage(&mut self) {
        self.route.engage();
        self.tell_stage();
    }

    pub(super) fn release(&mut self) {
        self.route.release();
        self.tell_stage();
    }

    /// What was pushed is no good any more.
    pub(super) fn fail(&mut self) {
        self.route.fail();
        if self.route.stage() == Stage::Returning {
            self.take_up();
        }
        self.tell_stage();
    }

    /// The one who held the insert is gone.
    pub(super) fn leave(&mut self) {
        if let Some(insert) = &mut self.insert {
            insert.held = false;
            self.fail();
        }
    }

    /// The publisher sends no more. Readers get what an insert that is in force still has, as long as somebody holds it.
    pub(super) fn end(&mut self) {
        if let Some(insert) = &self.insert {
            insert.feed.end();
            if insert.held && self.route.is_inserted() {
                return;
            }
        }
        while !self.waiting.is_empty() {
            self.show_waiting();
        }
        self.outlets.frames.end();
        for derived in self.derived.values() {
            derived.end();
        }
        self.has_ended = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Reads the stream in a format; the first reader starts its packaging.
    pub(super) fn packaged<P: Package>(&mut self) -> Subscriber<Chunk> {
        let derived = self.derived.entry(TypeId::of::<P>()).or_insert_with(|| {
            let mut packaged = Box::new(Packaged::<P>::new(&self.limits));
            for frame in self.outlets.frames.newest_group() {
                packaged.push(&frame, &self.shown, Changed::Nothing);
            }
            if self.has_ended {
                packaged.end();
            }
            packaged
        });
        match derived.as_any().downcast_ref::<Packaged<P>>() {
            Some(packaged) => packaged.subscribe(),
            // The map is keyed by the type itself.
            None => Packaged::<P>::new(&self.limits).subscribe(),
        }
    }

    /// Makes known what has become of the publisher's tracks.
    fn follow_source(&mut self) {
        if !self.intake.lineup.take_changed() {
            return;
        }
        let tracks = self.intake.lineup.tracks();
        self.outlets.source_tracks.send_replace(Arc::clone(tracks));
        self.show_tracks();
    }

    /// Makes known what tracks readers see.
    fn show_tracks(&mut self) {
        let source = self.intake.lineup.tracks();
        let tracks = match &self.insert {
            Some(insert) if self.route.shows_insert() => {
                let mut tracks = Arc::clone(insert.lineup.tracks());
                if tracks.metadata != source.metadata {
                    Arc::make_mut(&mut tracks)
                        .metadata
                        .clone_from(&source.metadata);
                }
                tracks
            }
            _ => Arc::clone(source),
        };
        self.set_shown(tracks);
    }

    fn set_shown(&mut self, tracks: Arc<Tracks>) {
        let same = |(one, other): (&Arc<Track>, &Arc<Track>)| Arc::ptr_eq(one, other);
        if tracks == self.shown && tracks.iter().zip(self.shown.iter()).all(same) {
            return;
        }
        self.changed = self.changed.max(Changed::between(&self.shown, &tracks));
        self.shown = Arc::clone(&tracks);
        self.outlets.tracks.send_replace(tracks);
    }

    /// Whether readers know the frame's track.
    fn is_known(&self, frame: &MediaFrame) -> bool {
        let known = self.shown.find(frame.kind(), frame.track.id);
        frame.kind() == Kind::Data || known.is_some_and(|known| Arc::ptr_eq(known, &frame.track))
    }

    /// Gives readers a frame.
    fn show(&mut self, frame: MediaFrame) {
        let leads = frame.is_default && (frame.kind() == Kind::Video || self.shown.video.is_none());
        if leads {
            let due = |data: &MediaFrame| data.dts <= frame.dts && data.epoch <= frame.epoch;
            while self.waiting.front().is_some_and(due) {
                self.show_waiting();
            }
        }
        self.hand_out(frame);
    }

    fn hand_out(&mut self, frame: MediaFrame) {
        self.epoch = frame.epoch;
        let changed = std::mem::take(&mut self.changed);
        if frame.is_key() {
            self.derived.retain(|_, derived| derived.in_use());
        }
        for derived in self.derived.values_mut() {
            derived.push(&frame, &self.shown, changed);
        }
        self.outlets.frames.push(frame);
    }

    /// Keeps script data until the pictures around it are shown; of too much, the oldest does not wait.
    fn wait(&mut self, frame: MediaFrame) {
        self.waiting_bytes += frame.size();
        self.waiting.push_back(frame);
        while self.waiting_bytes > WAITING_BYTES {
            if let Some(oldest) = self.waiting.front_mut() {
                oldest.epoch = self.epoch;
            }
            self.show_waiting();
        }
    }

    fn show_waiting(&mut self) {
        if let Some(mut data) = self.waiting.pop_front() {
            self.waiting_bytes -= data.size();
            data.epoch = data.epoch.max(self.epoch);
            self.hand_out(data);
        }
    }

    /// Goes back to the source, if there is a place where that can be done.
    fn take_up(&mut self) {
        let Some(insert) = &self.insert else {
            return;
        };
        let Some(frames) = self.route.take_up(insert.feed.items()) else {
            return;
        };
        self.show_tracks();
        for frame in frames {
            // What an older publisher sent has that one's tracks.
            if !self.is_known(&frame) {
                let mut tracks = Arc::clone(&self.shown);
                Arc::make_mut(&mut tracks).set(&frame.track);
                self.set_shown(tracks);
            }
            self.show(frame);
        }
        self.show_tracks();
        while !self.waiting.is_empty() {
            self.show_waiting();
        }
    }

    /// Tells the insert where it stands, and lets go of one that nobody holds when it is done.
    fn tell_stage(&mut self) {
        let Some(insert) = &self.insert else {
            return;
        };
        let stage = self.route.stage();
        insert
            .stage
            .send_if_modified(|told| std::mem::replace(told, stage) != stage);
        if !insert.held && stage == Stage::Source {
            insert.feed.end();
            self.insert = None;
        }
    }
}

/// Script data that waits: far more than any publisher means to send in a second.
const WAITING_BYTES: usize = 1 << 20;
