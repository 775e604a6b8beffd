//! A stream: the frames of one rendition of one channel, and all who read them.

use std::any::TypeId;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use super::doctor::Doctor;
use super::feed::{Feed, Item, Subscriber};
use super::package::{Changed, Chunk, Derived, Package, Packaged};
use super::publisher::{Closed, Publisher};
use super::stats::{Audience, Ingest, Meter, Protocol, Traffic, Viewer};
use super::timeline::Timeline;
use super::warning::{self, Warning};
use super::{Event, Hub, Offer, OnBusy, PublishError, Settings, lock};
use crate::media::{Kind, MediaFrame, Track, Tracks};
use crate::path::StreamPath;
use crate::time::Timestamp;

/// A stream in the hub, live or within its reconnect window.
pub struct Stream {
    path: StreamPath,
    hub: Hub,
    this: Weak<Self>,
    settings: watch::Sender<Settings>,
    tracks: watch::Sender<Arc<Tracks>>,
    audience: Arc<Audience>,
    frames: Feed<MediaFrame>,
    inner: Mutex<Inner>,
}

/// What the lock guards. It is taken once per frame by the publisher, and once per viewer at its start.
struct Inner {
    state: State,
    /// Numbers the publishers of this stream.
    session: u64,
    peer: String,
    since: Option<Instant>,
    closer: watch::Sender<Option<Closed>>,
    take_overs: VecDeque<Instant>,
    timeline: Timeline,
    meter: Meter,
    doctor: Doctor,
    /// The last point where a reader may start, for streams without video.
    last_key: Option<Timestamp>,
    /// The video tracks of this publisher whose first key frame has been seen.
    primed: Vec<u8>,
    /// This publisher's tracks until its first frame; the stream shows those of the one before so long, which are
    /// the right ones for the frames that are there.
    incoming: Option<Tracks>,
    /// Which tracks changed since the last frame.
    changed: Changed,
    /// It was said once that this publisher sends too many tracks.
    warned: bool,
    /// The same of metadata too long to be kept.
    warned_of_metadata: bool,
    /// What outputs have to say of this stream.
    raised: Vec<Warning>,
    derived: HashMap<TypeId, Box<dyn Derived>>,
}

impl Inner {
    /// Whether a frame's track has had a key frame, be it this one; sound needs none.
    fn is_primed(&mut self, frame: &MediaFrame) -> bool {
        let id = frame.track.id;
        if frame.kind() != Kind::Video || self.primed.contains(&id) {
            return true;
        }
        if frame.key {
            self.primed.push(id);
        }
        frame.key
    }

    /// Without video, a frame of the default audio track about once a second is where a reader may start.
    fn mark_start(&mut self, frame: &mut MediaFrame, tracks: &Tracks) {
        if frame.kind() == Kind::Audio {
            let due = |last: Timestamp| frame.dts.since(last) >= AUDIO_START_INTERVAL;
            let starts = tracks.video.is_none() && frame.is_default;
            frame.key = starts && self.last_key.is_none_or(due);
        }
        if frame.is_key() {
            self.last_key = Some(frame.dts);
        }
    }
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A publisher is connected.
    Live,
    /// The publisher was lost and may come back.
    Interrupted,
    /// Over.
    Ended,
}

impl Stream {
    pub(super) fn new(path: StreamPath, hub: Hub, settings: Settings) -> Arc<Self> {
        let limits = hub.limits().clone();
        Arc::new_cyclic(|this| Self {
            path,
            hub,
            this: Weak::clone(this),
            settings: watch::Sender::new(settings),
            tracks: watch::Sender::new(Arc::default()),
            audience: Arc::default(),
            frames: Feed::new(limits.feed_bytes, limits.feed_span),
            inner: Mutex::new(Inner {
                state: State::Interrupted,
                session: 0,
                peer: String::new(),
                since: None,
                closer: watch::Sender::new(None),
                take_overs: VecDeque::new(),
                timeline: Timeline::new(limits.max_gap),
                meter: Meter::default(),
                doctor: Doctor::default(),
                last_key: None,
                primed: Vec::new(),
                incoming: None,
                changed: Changed::Nothing,
                warned: false,
                warned_of_metadata: false,
                raised: Vec::new(),
                derived: HashMap::new(),
            }),
        })
    }

    /// Its name.
    pub fn path(&self) -> &StreamPath {
        &self.path
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        lock(&self.inner).state
    }

    /// Which publisher this is, counted from 1.
    pub fn session(&self) -> u64 {
        lock(&self.inner).session
    }

    /// Where the current publisher, or the last one, comes from.
    pub fn peer(&self) -> String {
        lock(&self.inner).peer.clone()
    }

    /// When the current publisher, or the last one, began.
    pub fn since(&self) -> Option<Instant> {
        lock(&self.inner).since
    }

    /// The tracks known so far, with changes.
    pub fn watch_tracks(&self) -> watch::Receiver<Arc<Tracks>> {
        self.tracks.subscribe()
    }

    /// The tracks known so far.
    pub fn tracks(&self) -> Arc<Tracks> {
        Arc::clone(&self.tracks.borrow())
    }

    /// The output settings, with changes.
    pub fn settings(&self) -> watch::Receiver<Settings> {
        self.settings.subscribe()
    }

    /// Changes the output settings; outputs follow.
    pub fn set_settings(&self, settings: Settings) {
        self.settings.send_if_modified(|current| {
            let changed = *current != settings;
            *current = settings;
            changed
        });
    }

    /// Reads the frames of all tracks, from the newest key frame of the default video track on.
    ///
    /// [`MediaFrame::is_default`] tells an output that knows one track of each kind which frames are its own.
    pub fn subscribe(&self) -> Subscriber<MediaFrame> {
        self.frames.subscribe()
    }

    /// Reads the stream in the format `P`, from the newest key frame on.
    ///
    /// The first reader of a format starts its packaging, the last one's leaving ends it.
    pub fn packaged<P: Package>(&self) -> Subscriber<Chunk> {
        let mut inner = lock(&self.inner);
        let state = inner.state;
        let derived = inner.derived.entry(TypeId::of::<P>()).or_insert_with(|| {
            let mut packaged = Box::new(Packaged::<P>::new(self.hub.limits()));
            let tracks = self.tracks();
            for frame in self.frames.newest_group() {
                packaged.push(&frame, &tracks, Changed::Nothing);
            }
            if state == State::Ended {
                packaged.end();
            }
            packaged
        });
        match derived.as_any().downcast_ref::<Packaged<P>>() {
            Some(packaged) => packaged.subscribe(),
            // The map is keyed by the type itself.
            None => Packaged::<P>::new(self.hub.limits()).subscribe(),
        }
    }

    /// Counts a viewer, until the answer is dropped.
    pub fn viewer(&self, protocol: Protocol) -> Viewer {
        Viewer::new(Arc::clone(&self.audience), protocol)
    }

    /// Viewers and bytes out, by protocol.
    pub fn traffic(&self) -> BTreeMap<Protocol, Traffic> {
        self.audience.traffic()
    }

    /// What comes in.
    pub fn ingest(&self) -> Ingest {
        lock(&self.inner).meter.ingest()
    }

    /// What its operator should know, as it is at the moment.
    pub fn warnings(&self) -> Vec<Warning> {
        let segment = self.settings.borrow().segment;
        let inner = lock(&self.inner);
        let keys = warning::of_key_frames(inner.meter.key_frames(), segment);
        let media = warning::of_media(&inner.doctor);
        let bit_rate = inner.meter.sustained_bit_rate();
        let bit_rate = warning::of_bit_rate(bit_rate, self.hub.limits().advised_bit_rate);
        let jumps = warning::of_jumps(&inner.timeline.jumps());
        let raised = inner.raised.iter().cloned();
        let measured = keys.into_iter().chain(media).chain(bit_rate).chain(jumps);
        measured.chain(raised).collect()
    }

    /// Tells the stream the time, every some seconds: only so it can warn of a publisher that is slower than the clock.
    pub fn observe(&self, now: Instant) {
        let mut inner = lock(&self.inner);
        if inner.state == State::Live {
            inner.doctor.observe(now);
        }
    }

    /// An output says something about `topic` to the operator, in place of what was said before, or takes it back.
    pub fn warn(&self, topic: &'static str, text: Option<String>) {
        let mut inner = lock(&self.inner);
        inner.raised.retain(|warning| warning.topic != topic);
        inner
            .raised
            .extend(text.map(|text| Warning::new(topic, text)));
    }

    /// Tells the publisher to go and ends the stream. Says whether there was a publisher.
    pub fn close(&self, reason: Closed) -> bool {
        let inner = lock(&self.inner);
        let live = inner.state == State::Live;
        if inner.state != State::Ended {
            inner.closer.send_replace(Some(reason));
            self.end(inner);
        }
        live
    }

    /// Ends the stream if publisher number `session` was lost and nobody has come since: the reconnect window is over.
    pub fn expire(&self, session: u64) {
        let inner = lock(&self.inner);
        if inner.state == State::Interrupted && inner.session == session {
            self.end(inner);
        }
    }

    pub(super) fn take_over(&self, offer: Offer, now: Instant) -> Result<Publisher, PublishError> {
        let this = self.this.upgrade().ok_or(PublishError::Ending)?;
        let limits = self.hub.limits();
        let mut inner = lock(&self.inner);
        match inner.state {
            State::Ended => return Err(PublishError::Ending),
            State::Live if offer.on_busy == OnBusy::Reject => return Err(PublishError::Busy),
            State::Live => {
                while inner.take_overs.front().is_some_and(|then| {
                    now.saturating_duration_since(*then) >= limits.take_over_window
                }) {
                    inner.take_overs.pop_front();
                }
                if inner.take_overs.len() >= limits.take_overs {
                    return Err(PublishError::TooManyTakeOvers);
                }
                inner.take_overs.push_back(now);
                inner.closer.send_replace(Some(Closed::TakenOver));
            }
            State::Interrupted => {}
        }
        let resumes = inner.session > 0 && inner.state == State::Interrupted;
        inner.closer = watch::Sender::new(None);
        inner.state = State::Live;
        inner.session += 1;
        inner.peer = offer.peer;
        inner.since = Some(now);
        inner.primed.clear();
        (inner.warned, inner.warned_of_metadata) = (false, false);
        inner.timeline.restart(offer.times, resumes);
        inner.meter.restart();
        inner.doctor.restart();
        inner.incoming = Some(Tracks::default());
        let publisher = Publisher::new(this, inner.session, inner.closer.subscribe());
        drop(inner);
        self.set_settings(offer.settings);
        Ok(publisher)
    }

    /// Takes a frame of publisher number `session`.
    pub(super) fn push(&self, session: u64, mut frame: MediaFrame) -> Result<(), Closed> {
        let mut guard = lock(&self.inner);
        let inner = &mut *guard;
        if inner.session != session || inner.state != State::Live {
            return Err(inner.closer.borrow().unwrap_or(Closed::TakenOver));
        }
        // Nobody can decode what precedes a track's first key frame.
        if !self.adopt(inner, &mut frame.track) {
            return Ok(());
        }
        if !inner.is_primed(&frame) {
            inner.meter.push_undecodable(&frame);
            return Ok(());
        }
        if !inner.timeline.place_frame(&mut frame) {
            // What follows a picture that is left out cannot be decoded either.
            inner
                .primed
                .retain(|id| *id != frame.track.id || frame.kind() != Kind::Video);
            return Ok(());
        }
        self.show_incoming(inner);
        let tracks = self.tracks();
        frame.is_default = frame.kind() == Kind::Data || tracks.is_default(&frame.track);
        inner.mark_start(&mut frame, &tracks);
        inner.meter.push(&frame);
        inner.doctor.push(&frame);
        let changed = std::mem::take(&mut inner.changed);
        if frame.is_key() {
            inner.derived.retain(|_, derived| derived.in_use());
        }
        for derived in inner.derived.values_mut() {
            derived.push(&frame, &tracks, changed);
        }
        self.frames.push(frame);
        Ok(())
    }

    pub(super) fn announce(&self, session: u64, track: &Arc<Track>) {
        let mut inner = lock(&self.inner);
        if inner.session == session {
            self.adopt(&mut inner, &mut Arc::clone(track));
        }
    }

    pub(super) fn set_metadata(&self, session: u64, metadata: Bytes) {
        let mut inner = lock(&self.inner);
        if inner.session != session {
            return;
        }
        let limit = self.hub.limits().metadata_bytes;
        if metadata.len() > limit {
            if !std::mem::replace(&mut inner.warned_of_metadata, true) {
                tracing::warn!(
                    bytes = metadata.len(),
                    limit,
                    "the publisher's metadata is too long to be kept for those who join"
                );
            }
            return;
        }
        match &mut inner.incoming {
            Some(incoming) => incoming.metadata = Some(metadata),
            None => self
                .tracks
                .send_modify(|tracks| Arc::make_mut(tracks).metadata = Some(metadata)),
        }
    }

    /// Publisher number `session` is gone: it said so, or was lost.
    pub(super) fn lose(&self, session: u64, clean: bool) {
        let mut inner = lock(&self.inner);
        if inner.session != session || inner.state != State::Live {
            return;
        }
        if clean {
            self.end(inner);
            return;
        }
        inner.state = State::Interrupted;
        drop(inner);
        if let Some(this) = self.this.upgrade() {
            self.hub.emit(Event::Interrupted(this));
        }
    }

    /// Makes `track` the one that readers know, where its configuration is the same; else makes it known to them. False
    /// for a track too many.
    fn adopt(&self, inner: &mut Inner, track: &mut Arc<Track>) -> bool {
        let (kind, id) = (track.kind, track.id);
        if kind == Kind::Data {
            return true;
        }
        let shown = self.tracks();
        let mine = inner.incoming.as_ref().unwrap_or(&shown);
        let known = mine.find(kind, id);
        if known.is_some_and(|known| Arc::ptr_eq(known, track)) {
            return true;
        }
        let limit = self.hub.limits().tracks;
        if known.is_none() && mine.count(kind) >= limit {
            if !std::mem::replace(&mut inner.warned, true) {
                tracing::warn!(
                    ?kind,
                    id,
                    limit,
                    "the publisher sends more tracks than are carried"
                );
            }
            return false;
        }
        let same = |known: &&Arc<Track>| ***known == **track;
        match known
            .filter(same)
            .or_else(|| shown.find(kind, id).filter(same))
        {
            Some(known) => *track = Arc::clone(known),
            None => inner.changed = inner.changed.max(Changed::of(mine, track)),
        }
        match &mut inner.incoming {
            Some(incoming) => incoming.set(track),
            None => self
                .tracks
                .send_modify(|tracks| Arc::make_mut(tracks).set(track)),
        }
        true
    }

    /// At a publisher's first frame, shows its tracks and no longer those of the one before.
    fn show_incoming(&self, inner: &mut Inner) {
        let Some(incoming) = inner.incoming.take() else {
            return;
        };
        self.tracks.send_if_modified(|shown| {
            let changed = **shown != incoming;
            *shown = Arc::new(incoming);
            changed
        });
    }

    /// What readers have got.
    #[cfg(test)]
    pub(super) fn frames_so_far(&self) -> Vec<MediaFrame> {
        self.frames.items()
    }

    fn end(&self, mut inner: MutexGuard<'_, Inner>) {
        let was_live = std::mem::replace(&mut inner.state, State::Ended) == State::Live;
        self.frames.end();
        for derived in inner.derived.values() {
            derived.end();
        }
        drop(inner);
        if let Some(this) = self.this.upgrade() {
            self.hub.remove(this, was_live);
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

const AUDIO_START_INTERVAL: Duration = Duration::from_secs(1);
