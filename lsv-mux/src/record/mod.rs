//! Recording: the task that writes every live source stream into an object store, as its channel wants it.
//!
//! ```text
//! frames ─> Cutter ─> Spill ─> Files       record/<id>/mp4/YYYY/MM/DD/capture-<UTC time>.mp4
//!        └> Cutter ─> Spill ─> OnDemand    record/<id>/vod/<session start>/index.m3u8, init-N.mp4, segment-N.m4s,
//!                                          thumbnails.vtt, thumbnails-N.jpg
//! ```
//!
//! **Files** grow in fragments of some two seconds. Closed, a file gets its tables in front ([`crate::mp4::recording`]);
//! the store does that by itself, under the same name. They are cut at key frames, and where the timeline or the
//! tracks break.
//!
//! **Video on demand** is a session's HLS playlist: an event while the stream is live, reconnects included, which show
//! as discontinuities; video on demand when it has ended.
//!
//! Media never waits for the store. What cannot be written waits in memory, within [`Config::spill_bytes`]; beyond
//! that whole fragments are left out, the oldest first, which a warning and an event tell.
//!
//! What is being written is noted in a journal in the same store ([`lsv_core::ports::unfinished`]). A process that was
//! killed loses what was not written yet: the fragment that was being made, and what waited for the store. When its node
//! starts again, it makes whole what the journal knows: files get their tables, playlists their last segment and their
//! end. Where several nodes share a store, others do that for one that has been gone for [`Config::adopt_after`]. What
//! fails is tried again after that time, by whoever comes first.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use futures::{StreamExt, stream};
use lsv_core::channel::Moment;
use lsv_core::events::Events;
use lsv_core::hub::{self, Delivery, Event, Hub, Stream, Subscriber};
use lsv_core::media::MediaFrame;
use lsv_core::path::{ChannelId, Rendition, StreamPath};
use lsv_core::ports::{ObjectStore, unfinished};
#[cfg(feature = "process")]
use lsv_core::recording::Kind;
use lsv_core::recording::StorageClasses;
use lsv_core::share::Share;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::mp4::recording::Options;
use cutter::Cutter;
use files::Files;
use journal::{Journal, Noted};
use names::Shelf;
use on_demand::OnDemand;
use on_demand::outdated::Outdated;
use output::Output;
use spill::Spill;
use thumbnails::Thumbnails;

#[cfg(feature = "process")]
pub(crate) mod clips;
pub mod cutter;
mod files;
mod journal;
pub(crate) mod names;
pub(crate) mod on_demand;
mod output;
mod recover;
mod spill;
pub mod thumbnails;

/// How streams are recorded, apart from what each channel sets for itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// What waits in memory for the store, for each recording: over ten seconds at 20 Mbit/s. 32 MiB.
    pub spill_bytes: usize,
    /// How long fragments get: what is lost when the process is killed, beyond what waits for the store.
    pub fragments: Options,
    /// What of the recordings of its streams this node writes. All of it.
    pub share: Share,
    /// In which class of storage each kind of recording is kept once it is whole. All hot.
    pub classes: StorageClasses,
    /// Tells this node from others that record into the same store, best the same after a restart: what a node left
    /// unfinished is made whole by that node, or some minutes later by another. Empty, for the only one.
    pub node: String,
    /// How long others wait for a node that is gone before they make whole what it left, a second at least. The same on all nodes
    /// that record into one store: who has less takes from those that have more what they are writing. Five minutes.
    pub adopt_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            spill_bytes: 32 << 20,
            fragments: Options::default(),
            share: Share::Everything,
            classes: StorageClasses::default(),
            node: String::new(),
            adopt_after: unfinished::STALE,
        }
    }
}

/// The recorders of all live streams of a hub. Clones share them.
#[derive(Clone)]
pub struct Recorders {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) events: Events,
    config: Arc<Config>,
    journal: Journal,
    pub(crate) thumbnails: Option<Thumbnails>,
    /// Recordings that are not whole yet.
    unfinished: watch::Sender<usize>,
}

impl Recorders {
    /// Recorders into `store` that tell `events`; nothing is recorded but by [`Recorders::run`].
    pub fn new(store: Arc<dyn ObjectStore>, events: Events, mut config: Config) -> Self {
        config.adopt_after = config.adopt_after.max(Duration::from_secs(1));
        Self {
            journal: Journal::new(Arc::clone(&store), &config.node, config.adopt_after),
            store,
            events,
            config: Arc::new(config),
            thumbnails: None,
            unfinished: watch::Sender::new(0),
        }
    }

    /// The same with small pictures beside what is recorded for video on demand, as far as `thumbnails` has them.
    #[must_use]
    pub fn with_thumbnails(self, thumbnails: Thumbnails) -> Self {
        Self {
            thumbnails: Some(thumbnails),
            ..self
        }
    }

    /// Makes whole what a former process left, and records every source stream of `hub` that is to be. Never returns.
    pub async fn run(self, hub: Hub) {
        let mut events = hub.events();
        let mut tasks = JoinSet::new();
        let mut adopted = HashMap::new();
        tasks.spawn(self.clone().recover_left());
        let journal = self.journal.clone();
        tasks.spawn(async move { journal.keep().await });
        self.adopt_all(&hub, &mut adopted, &mut tasks);
        let mut look = tokio::time::interval(self.config.adopt_after);
        loop {
            tokio::select! {
                _ = look.tick() => {
                    let now = Moment::from(SystemTime::now());
                    tasks.spawn(self.clone().recover_abandoned(now));
                }
                event = events.recv() => match event {
                    Ok(Event::Started(stream) | Event::Resumed(stream)) => self.adopt(&stream, &mut adopted, &mut tasks),
                    Ok(_) => adopted.retain(|_, stream| stream.strong_count() > 0),
                    Err(RecvError::Lagged(_)) => self.adopt_all(&hub, &mut adopted, &mut tasks),
                    Err(RecvError::Closed) => return,
                },
                Some(ended) = tasks.join_next() => {
                    if let Some(error) = ended.err().filter(|error| !error.is_cancelled()) {
                        tracing::error!(%error, "a recorder stopped in the middle");
                    }
                }
            }
        }
    }

    /// Where recordings of `kind` go that are written whole.
    #[cfg(feature = "process")]
    pub(crate) fn kept(&self, kind: Kind) -> Arc<dyn ObjectStore> {
        self.store.in_class(self.config.classes.of(kind))
    }

    /// Waits until no recording is under way: all that were are whole.
    pub async fn settled(&self) {
        let mut unfinished = self.unfinished.subscribe();
        // The sender is at hand.
        drop(unfinished.wait_for(|count| *count == 0).await);
    }

    fn adopt_all(&self, hub: &Hub, adopted: &mut Adopted, tasks: &mut JoinSet<()>) {
        for stream in hub.streams() {
            self.adopt(&stream, adopted, tasks);
        }
    }

    fn adopt(&self, stream: &Arc<Stream>, adopted: &mut Adopted, tasks: &mut JoinSet<()>) {
        let path = stream.path();
        let known = adopted
            .get(path)
            .is_some_and(|known| known.as_ptr() == Arc::as_ptr(stream));
        if known || path.rendition != Rendition::Source {
            return;
        }
        adopted.insert(path.clone(), Arc::downgrade(stream));
        let task = Task {
            output: self.output(&stream.path().channel),
            recorders: self.clone(),
            settings: stream.settings(),
            stream: Arc::downgrade(stream),
            files: None,
            on_demand: None,
        };
        let span = tracing::info_span!("record", %path);
        tasks.spawn(task.run().instrument(span));
    }

    /// Makes whole what a former process left.
    async fn recover_left(self) {
        match self.journal.left().await {
            Ok(left) => self.recover(left).await,
            Err(error) => {
                tracing::warn!(%error, "what a former process left unfinished is looked for again later")
            }
        }
    }

    /// Makes whole what nodes left that are gone at `now`, and what this one could not before.
    async fn recover_abandoned(self, now: Moment) {
        match self.journal.adopt(now).await {
            Ok(left) => self.recover(left).await,
            Err(error) => {
                tracing::warn!(%error, "what is left unfinished is looked for again later")
            }
        }
    }

    async fn recover(self, left: Vec<Noted>) {
        // One that a store does not give keeps no other waiting.
        let recovered = stream::iter(left).map(|noted| self.recover_one(noted));
        let recovered: Vec<_> = recovered
            .buffer_unordered(RECOVERED_AT_ONCE)
            .collect()
            .await;
        for (noted, mut outdated) in recovered.into_iter().flatten() {
            outdated.remove_all().await;
            if let Err(error) = self.journal.close(noted.name()).await {
                tracing::error!(name = %noted.name(), %error, "the journal of recordings could not be written");
            }
        }
    }

    /// Makes whole what was left. Gives what is to be removed before it is closed.
    async fn recover_one(&self, noted: Noted) -> Option<(Noted, Outdated)> {
        let name = noted.name();
        let output = self.output(&names::channel_of(name)?);
        match recover::recover(&output, name).await {
            Ok(outdated) => {
                noted.rest();
                outdated.map(|outdated| (noted, outdated))
            }
            Err(error) => {
                tracing::error!(%name, %error, "a recording that was cut off stays as it is, and is tried again later");
                None
            }
        }
    }

    fn output(&self, channel: &ChannelId) -> Output {
        Output {
            channel: channel.clone(),
            store: Arc::clone(&self.store),
            classes: self.config.classes.clone(),
            events: self.events.clone(),
            journal: self.journal.clone(),
        }
    }
}

impl fmt::Debug for Recorders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorders")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

type Adopted = HashMap<StreamPath, Weak<Stream>>;

/// Counts a recording that is under way, until it is dropped.
#[derive(Debug)]
struct Unfinished(watch::Sender<usize>);

impl Unfinished {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Records one stream.
struct Task {
    recorders: Recorders,
    output: Output,
    settings: watch::Receiver<hub::Settings>,
    stream: Weak<Stream>,
    files: Option<Recording>,
    on_demand: Option<Recording>,
}

/// One recording under way.
struct Recording {
    cutter: Cutter,
    spill: Arc<Spill>,
    list_size: Arc<AtomicUsize>,
}

impl Task {
    /// Runs until the stream has ended, or is gone.
    async fn run(mut self) {
        let mut workers = JoinSet::new();
        let mut frames: Option<Subscriber<MediaFrame>> = None;
        self.settings.mark_changed();
        loop {
            tokio::select! {
                biased;
                changed = self.settings.changed() => {
                    let Some(stream) = self.stream.upgrade().filter(|_| changed.is_ok()) else {
                        break;
                    };
                    let share = self.recorders.config.share;
                    let wanted = share.records(&self.settings.borrow_and_update());
                    self.follow(&stream, &wanted, &mut workers);
                    let is_on = self.files.is_some() || self.on_demand.is_some();
                    frames = frames.filter(|_| is_on);
                    if is_on && frames.is_none() {
                        frames = Some(stream.subscribe());
                    }
                }
                delivery = next(&mut frames), if frames.is_some() => match delivery {
                    Some(delivery) => self.take(delivery),
                    None => break,
                },
                Some(_) = workers.join_next() => {}
            }
        }
        for recording in [self.files.take(), self.on_demand.take()]
            .into_iter()
            .flatten()
        {
            recording.end();
        }
        while workers.join_next().await.is_some() {}
    }

    /// Begins, changes and ends what is recorded.
    fn follow(&mut self, stream: &Arc<Stream>, wanted: &hub::Recording, workers: &mut JoinSet<()>) {
        let config = &self.recorders.config;
        match (&mut self.files, wanted.files) {
            (Some(recording), Some(length)) => recording.cutter.set_length(length),
            (None, Some(length)) => {
                let recording = Recording::new(cutter::Files::Whole, length, config);
                let (files, spill) = (
                    Files::new(self.output.clone(), Shelf::Files),
                    Arc::clone(&recording.spill),
                );
                let work = |unfinished| async move { files.run(&spill, unfinished).await };
                self.work(workers, work);
                self.files = Some(recording);
            }
            (recording, None) => recording.take().into_iter().for_each(Recording::end),
        }
        match (&mut self.on_demand, &wanted.on_demand) {
            (Some(recording), Some(wanted)) => {
                recording.cutter.set_length(wanted.segment);
                recording
                    .list_size
                    .store(wanted.list_size, Ordering::Relaxed);
            }
            (None, Some(wanted)) => {
                let recording = Recording::new(cutter::Files::Segments, wanted.segment, config);
                recording
                    .list_size
                    .store(wanted.list_size, Ordering::Relaxed);
                let list_size = Arc::clone(&recording.list_size);
                let mut session = OnDemand::new(self.output.clone(), list_size);
                if let Some(thumbnails) = &self.recorders.thumbnails {
                    session = session.with_thumbnails(thumbnails.taker(stream));
                }
                let spill = Arc::clone(&recording.spill);
                let work = |unfinished| async move { session.run(&spill, unfinished).await };
                self.work(workers, work);
                self.on_demand = Some(recording);
            }
            (recording, None) => recording.take().into_iter().for_each(Recording::end),
        }
    }

    /// Writes a recording until it is whole.
    fn work<W>(&self, workers: &mut JoinSet<()>, work: impl FnOnce(Unfinished) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let unfinished = Unfinished::new(&self.recorders.unfinished);
        workers.spawn(work(unfinished).in_current_span());
    }

    fn take(&mut self, delivery: Delivery<MediaFrame>) {
        let now = SystemTime::now();
        let tracks = self.stream.upgrade().map(|stream| stream.tracks());
        for recording in [&mut self.files, &mut self.on_demand].into_iter().flatten() {
            match &delivery {
                Delivery::Item(frame) => {
                    if let Some(tracks) = &tracks {
                        recording.cutter.expect(tracks);
                    }
                    recording.cutter.push(frame, now);
                }
                Delivery::Skipped(frames) => {
                    tracing::warn!(frames, "recording was too slow and passed over frames");
                    recording.cutter.interrupt();
                }
            }
            recording.hand_over();
        }
    }
}

impl Recording {
    fn new(files: cutter::Files, length: Duration, config: &Config) -> Self {
        Self {
            cutter: Cutter::new(files, length, config.fragments.clone()),
            spill: Arc::new(Spill::new(config.spill_bytes)),
            list_size: Arc::default(),
        }
    }

    fn hand_over(&mut self) {
        let cuts = self.cutter.take();
        if !cuts.is_empty() {
            self.spill.push(cuts);
        }
    }

    fn end(mut self) {
        self.cutter.interrupt();
        self.hand_over();
        self.spill.close();
    }
}

async fn next(frames: &mut Option<Subscriber<MediaFrame>>) -> Option<Delivery<MediaFrame>> {
    frames.as_mut()?.next().await
}

/// Recordings that are made whole at once, each with what is remembered of its samples.
const RECOVERED_AT_ONCE: usize = 4;

#[cfg(test)]
pub(crate) mod tests;
