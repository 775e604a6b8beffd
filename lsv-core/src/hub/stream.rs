//! A stream: the frames of one rendition of one channel, and all who read them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::watch;

use super::feed::Subscriber;
use super::flow::{Flow, Outlets};
use super::insert::Insert;
use super::package::{Chunk, Package};
use super::publisher::{Closed, Publisher};
use super::route::Stage;
use super::stats::{Audience, Ingest, Protocol, Traffic, Viewer};
use super::take_overs::TakeOvers;
use super::warning::{self, Warning};
use super::{Event, Hub, Offer, PublishError, Settings, lock};
use crate::channel::Moment;
use crate::media::{MediaFrame, Track, Tracks};
use crate::path::StreamPath;
use crate::time::Timestamp;

/// A stream in the hub, live or within its reconnect window.
pub struct Stream {
    path: StreamPath,
    hub: Hub,
    this: Weak<Self>,
    settings: watch::Sender<Settings>,
    outlets: Outlets,
    audience: Arc<Audience>,
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
    take_overs: TakeOvers,
    /// When publishers on other nodes began whose place was taken.
    after: Option<Moment>,
    flow: Flow,
    /// What outputs have to say of this stream.
    raised: Vec<Warning>,
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

/// How the times of a publisher lie on the timeline of its stream, for those who give other streams the same times
/// ([`Times::Given`](super::Times::Given)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Which publisher, counted from 1.
    pub session: u64,
    /// What is added to its times.
    pub offset: Timestamp,
    /// The epoch that is in force.
    pub epoch: u32,
    /// The publisher's own number of that epoch, where it told one.
    pub number: Option<u32>,
}

impl Stream {
    pub(super) fn new(path: StreamPath, hub: Hub, settings: Settings) -> Arc<Self> {
        let flow = Flow::new(hub.limits());
        Arc::new_cyclic(|this| Self {
            path,
            hub,
            this: Weak::clone(this),
            settings: watch::Sender::new(settings),
            outlets: flow.outlets(),
            audience: Arc::default(),
            inner: Mutex::new(Inner {
                state: State::Interrupted,
                session: 0,
                peer: String::new(),
                since: None,
                closer: watch::Sender::new(None),
                take_overs: TakeOvers::default(),
                after: None,
                flow,
                raised: Vec::new(),
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

    /// How the times of the current publisher, or the last one, lie on the stream's timeline; `None` until it has sent a
    /// picture or sound.
    pub fn clock(&self) -> Option<Clock> {
        let inner = lock(&self.inner);
        let (offset, epoch, number) = inner.flow.intake.timeline.offset()?;
        Some(Clock {
            session: inner.session,
            offset,
            epoch,
            number,
        })
    }

    /// Where the current publisher, or the last one, comes from.
    pub fn peer(&self) -> String {
        lock(&self.inner).peer.clone()
    }

    /// When the channel was taken over lately, on this node and on others, the oldest first.
    pub fn take_overs(&self) -> Vec<Instant> {
        lock(&self.inner).take_overs.times()
    }

    /// When the last publisher on another node began whose place was taken, by the clock of that node.
    pub fn after(&self) -> Option<Moment> {
        lock(&self.inner).after
    }

    /// When the current publisher, or the last one, began.
    pub fn since(&self) -> Option<Instant> {
        lock(&self.inner).since
    }

    /// The tracks known so far, with changes.
    pub fn watch_tracks(&self) -> watch::Receiver<Arc<Tracks>> {
        self.outlets.tracks.subscribe()
    }

    /// The tracks known so far, as readers see them.
    pub fn tracks(&self) -> Arc<Tracks> {
        Arc::clone(&self.outlets.tracks.borrow())
    }

    /// The publisher's tracks known so far, with changes. Readers see others while an [`Insert`] is in force.
    pub fn watch_source_tracks(&self) -> watch::Receiver<Arc<Tracks>> {
        self.outlets.source_tracks.subscribe()
    }

    /// The publisher's tracks known so far.
    pub fn source_tracks(&self) -> Arc<Tracks> {
        Arc::clone(&self.outlets.source_tracks.borrow())
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
        self.outlets.frames.subscribe()
    }

    /// Reads the stream in the format `P`, from the newest key frame on.
    ///
    /// The first reader of a format starts its packaging, the last one's leaving ends it.
    pub fn packaged<P: Package>(&self) -> Subscriber<Chunk> {
        lock(&self.inner).flow.packaged::<P>()
    }

    /// Puts a processor between the publisher and the readers of this stream. `None` where there is one already, or
    /// the stream has ended.
    pub fn insert(&self) -> Option<Insert> {
        let stream = self.this.upgrade()?;
        let mut inner = lock(&self.inner);
        let free = inner.state != State::Ended && inner.flow.insert();
        drop(inner);
        free.then(|| Insert::new(stream))
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
        lock(&self.inner).flow.intake.meter.ingest()
    }

    /// What its operator should know, as it is at the moment.
    pub fn warnings(&self) -> Vec<Warning> {
        let segment = self.settings.borrow().segment;
        let inner = lock(&self.inner);
        let intake = &inner.flow.intake;
        let keys = warning::of_key_frames(intake.meter.key_frames(), segment);
        let media = warning::of_media(&intake.doctor);
        let bit_rate = intake.meter.sustained_bit_rate();
        let bit_rate = warning::of_bit_rate(bit_rate, self.hub.limits().advised_bit_rate);
        let jumps = warning::of_jumps(&intake.timeline.jumps());
        let raised = inner.raised.iter().cloned();
        let measured = keys.into_iter().chain(media).chain(bit_rate).chain(jumps);
        measured.chain(raised).collect()
    }

    /// Tells the stream the time, every some seconds: only so it can warn of a publisher that is slower than the clock.
    pub fn observe(&self, now: Instant) {
        let mut inner = lock(&self.inner);
        if inner.state == State::Live {
            inner.flow.intake.doctor.observe(now);
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

    /// Why its publisher was told to go, if it was.
    pub fn closed(&self) -> Option<Closed> {
        *lock(&self.inner).closer.borrow()
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
        if inner.state == State::Ended {
            return Err(PublishError::Ending);
        }
        let is_live = inner.state == State::Live;
        inner.take_overs.admit(&offer, is_live, limits, now)?;
        if is_live {
            inner.closer.send_replace(Some(Closed::TakenOver));
        }
        let elsewhere = offer.elsewhere.map(|elsewhere| elsewhere.since);
        inner.after = inner.after.max(elsewhere);
        let resumes = inner.session > 0 && inner.state == State::Interrupted;
        inner.closer = watch::Sender::new(None);
        inner.state = State::Live;
        inner.session += 1;
        inner.peer = offer.peer;
        inner.since = Some(now);
        inner.flow.restart(offer.times, resumes);
        let publisher = Publisher::new(this, inner.session, inner.closer.subscribe());
        drop(inner);
        self.set_settings(offer.settings);
        Ok(publisher)
    }

    /// Takes a frame of publisher number `session`.
    pub(super) fn push(&self, session: u64, frame: MediaFrame) -> Result<(), Closed> {
        let mut inner = lock(&self.inner);
        if inner.session != session || inner.state != State::Live {
            return Err(inner.closer.borrow().unwrap_or(Closed::TakenOver));
        }
        inner.flow.push(frame);
        Ok(())
    }

    pub(super) fn begin_epoch(&self, session: u64, number: Option<u32>) {
        let mut inner = lock(&self.inner);
        if inner.session == session {
            inner.flow.intake.timeline.begin_epoch(number);
        }
    }

    pub(super) fn announce(&self, session: u64, track: &Arc<Track>) {
        let mut inner = lock(&self.inner);
        if inner.session == session {
            inner.flow.announce(track);
        }
    }

    pub(super) fn set_metadata(&self, session: u64, metadata: Bytes) {
        let mut inner = lock(&self.inner);
        if inner.session == session {
            inner.flow.set_metadata(metadata);
        }
    }

    pub(super) fn subscribe_source(&self) -> Subscriber<MediaFrame> {
        lock(&self.inner).flow.subscribe_source()
    }

    pub(super) fn watch_stage(&self) -> watch::Receiver<Stage> {
        lock(&self.inner).flow.watch_stage()
    }

    /// What an insert does; nothing once readers have been told that the stream has ended.
    pub(super) fn with_flow<T: Default>(&self, change: impl FnOnce(&mut Flow) -> T) -> T {
        let mut inner = lock(&self.inner);
        if inner.flow.has_ended() {
            return T::default();
        }
        let changed = change(&mut inner.flow);
        if inner.state == State::Ended {
            inner.flow.end();
        }
        changed
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

    /// What readers have got.
    #[cfg(test)]
    pub(super) fn frames_so_far(&self) -> Vec<MediaFrame> {
        self.outlets.frames.items()
    }

    fn end(&self, mut inner: MutexGuard<'_, Inner>) {
        let was_live = std::mem::replace(&mut inner.state, State::Ended) == State::Live;
        inner.flow.end();
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
