//! The service that packages every live stream: one task a stream, segments into its [`Outputs`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lsv_auth::Secret;
use lsv_core::hub::{Delivery, Event, Hub, State, Stream, Warning};
use lsv_core::media::{Kind, MediaFrame};
use lsv_core::path::{ChannelId, Rendition, StreamPath};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout};
use tracing::Instrument;

mod linger;
mod pure;

use self::linger::Lingering;
pub use self::pure::Packager;
use crate::dvr::{Archive, Dvr};
use crate::encrypt::ContentKeys;
use crate::segmenter::{Lineup, Options};
use crate::window::{File, Ladder, Limits, Master, Outputs};

/// How live streams are packaged, apart from what each channel sets for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How long the files of an ended stream stay fetchable, 60 s.
    pub linger: Duration,
    /// Bytes that the files of all ended streams take together; beyond it those of the stream that ended first are
    /// not fetchable any longer. As much as the window of one stream: 256 MiB.
    pub linger_bytes: usize,
    /// The length that parts of low-latency HLS aim at, 200 ms.
    pub part_target: Duration,
    /// Bytes of a segment, in all formats together, after which it is cut without waiting for a key frame, 64 MiB.
    pub segment_bytes: usize,
    /// What the keys of encrypted streams are derived from: the platform's secret, the same on all nodes. Without one
    /// they have no HLS and CMAF. None.
    pub secret: Option<Secret>,
    /// What bounds the window of each stream.
    pub window: Limits,
}

impl Default for Config {
    fn default() -> Self {
        let options = Options::default();
        let window = Limits::default();
        Self {
            linger: Duration::from_secs(60),
            linger_bytes: window.bytes,
            part_target: options.part_target,
            segment_bytes: options.segment_bytes,
            secret: None,
            window,
        }
    }
}

/// The packagers of all live streams of a hub. Clones share them.
#[derive(Clone)]
pub struct Packagers {
    config: Config,
    dvr: Option<Arc<Dvr>>,
    packaged: Arc<Mutex<HashMap<StreamPath, Packaged>>>,
    lingering: Arc<Lingering>,
}

struct Packaged {
    stream: Weak<Stream>,
    outputs: Arc<Outputs>,
    channel: Arc<OfChannel>,
    task: AbortHandle,
}

/// What the streams of one channel share.
#[derive(Default)]
struct OfChannel {
    lineup: Arc<Lineup>,
    ladder: Ladder,
}

impl Packagers {
    /// Packagers under `config`; nothing is packaged but by [`Packagers::run`].
    pub fn new(config: Config) -> Self {
        Self {
            packaged: Arc::default(),
            lingering: Arc::new(Lingering::new(config.linger_bytes)),
            dvr: None,
            config,
        }
    }

    /// The same, with a place for what leaves memory: channels that want a time-shift window have one.
    #[must_use]
    pub fn with_dvr(self, dvr: Dvr) -> Self {
        Self {
            dvr: Some(Arc::new(dvr)),
            ..self
        }
    }

    /// Packages every stream of `hub`, those there are and those to come. Never returns; dropped, it stops.
    pub async fn run(self, hub: Hub) {
        let mut events = hub.events();
        let mut tasks = JoinSet::new();
        if let Some(dvr) = &self.dvr {
            tasks.spawn(Arc::clone(dvr).keep_clean());
        }
        self.adopt_all(&hub, &mut tasks);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(Event::Started(stream) | Event::Resumed(stream)) => self.adopt(stream, &mut tasks),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => self.adopt_all(&hub, &mut tasks),
                    Err(RecvError::Closed) => return,
                },
                Some(ended) = tasks.join_next() => {
                    if let Some(error) = ended.err().filter(|error| !error.is_cancelled()) {
                        tracing::error!(%error, "a packager stopped in the middle; its stream has no HLS and DASH");
                    }
                }
            }
        }
    }

    /// The files of the stream at `path`: live, interrupted, or ended less than [`Config::linger`] ago.
    pub fn find(&self, path: &StreamPath) -> Option<Arc<Outputs>> {
        let packaged = self.packaged();
        let found = packaged.get(path)?;
        Some(Arc::clone(&found.outputs))
    }

    /// The master called `name` over the transcoded renditions of `channel`, one of `index.m3u8`, `master.m3u8` and
    /// `manifest.mpd`; `None` while there are none that can be played, or no such master.
    pub fn master(&self, channel: &ChannelId, name: &str) -> Option<File> {
        let which = Master::named(name)?;
        let packaged = self.packaged();
        let live = Rendition::TRANSCODED.map(|rendition| {
            let channel = channel.clone();
            let found = packaged.get(&StreamPath { channel, rendition })?;
            let is_live = found.stream.upgrade()?.state() != State::Ended;
            is_live.then_some((rendition, found))
        });
        let live: Vec<_> = live.into_iter().flatten().collect();
        let (_, first) = live.first()?;
        let channel = Arc::clone(&first.channel);
        let live: Vec<_> = live
            .iter()
            .map(|(rendition, found)| (*rendition, Arc::clone(&found.outputs)))
            .collect();
        drop(packaged);
        channel.ladder.render(which, &live, &channel.lineup)
    }

    fn adopt_all(&self, hub: &Hub, tasks: &mut JoinSet<()>) {
        let mut streams = hub.streams();
        // Sources come before their renditions, which line up with them.
        streams.sort_by(|one, other| one.path().cmp(other.path()));
        for stream in streams {
            self.adopt(stream, tasks);
        }
    }

    /// Starts packaging `stream`, unless that has been done. What a former stream left at its path goes at once:
    /// nobody can find it any more.
    fn adopt(&self, stream: Arc<Stream>, tasks: &mut JoinSet<()>) {
        let mut packaged = self.packaged();
        let former = packaged.get(stream.path());
        if former.is_some_and(|former| former.stream.as_ptr() == Arc::as_ptr(&stream)) {
            return;
        }
        if let Some(former) = former {
            former.task.abort();
            former.outputs.withdraw();
        }
        let path = stream.path().clone();
        let first_sequence = first_sequence(&packaged, &path, SystemTime::now());
        let channel = of_channel(&packaged, &path).unwrap_or_default();
        let archive = self.dvr.as_ref().map(|dvr| {
            let archive = dvr.open(&path, SystemTime::now());
            let span = tracing::info_span!("dvr", %path);
            tasks.spawn(archive.clone().run().instrument(span));
            archive
        });
        let task = Task::new(stream, &self.config, first_sequence, archive.as_ref());
        let task = task.in_line(&channel.lineup);
        let (stream, outputs) = (
            Arc::downgrade(&task.stream),
            Arc::clone(task.packager.outputs()),
        );
        let task = tasks.spawn(self.clone().package(task, archive.map(CloseOnDrop)));
        packaged.insert(
            path,
            Packaged {
                stream,
                outputs,
                channel,
                task,
            },
        );
    }

    /// Runs `task`, and keeps its files for a while, `_archive` open as long.
    async fn package(self, task: Task, _archive: Option<CloseOnDrop>) {
        let path = task.stream.path().clone();
        let outputs = Arc::clone(task.packager.outputs());
        task.run()
            .instrument(tracing::info_span!("package", %path))
            .await;
        let stay = self.lingering.admit(&outputs);
        tokio::time::sleep(self.config.linger).await;
        drop(stay);
        self.forget(&path, &outputs);
    }

    fn forget(&self, path: &StreamPath, outputs: &Arc<Outputs>) {
        let mut packaged = self.packaged();
        if packaged
            .get(path)
            .is_some_and(|known| Arc::ptr_eq(&known.outputs, outputs))
        {
            packaged.remove(path);
        }
    }

    fn packaged(&self) -> MutexGuard<'_, HashMap<StreamPath, Packaged>> {
        self.packaged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Packagers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packagers")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// What the channel of `path` has in common: with its source, or with other renditions. A source that is new has a timeline of its
/// own.
fn of_channel(
    packaged: &HashMap<StreamPath, Packaged>,
    path: &StreamPath,
) -> Option<Arc<OfChannel>> {
    if path.rendition == Rendition::Source {
        return None;
    }
    let source = packaged.get(&StreamPath::source(path.channel.clone()));
    let mut siblings = packaged
        .iter()
        .filter(|(other, _)| other.channel == path.channel);
    let found = source.or_else(|| siblings.next().map(|(_, sibling)| sibling))?;
    Some(Arc::clone(&found.channel))
}

/// Media sequence numbers start at the time in seconds, though nothing is remembered over restarts; seconds rather
/// than a finer clock, because players exist that keep them in 32 bits. A stream that follows another one within the
/// linger goes on from there if that is more, and a rendition from all renditions of the channel, which have the same numbers.
///
/// So a name comes a second time only if a stream made more segments than seconds went by from its start to the start
/// of the one that follows after the linger or a restart: its segments were shorter than a second on average, as when
/// a publisher is lost and returns every moment, or sends faster than time goes.
fn first_sequence(
    packaged: &HashMap<StreamPath, Packaged>,
    path: &StreamPath,
    now: SystemTime,
) -> u64 {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let is_alike = |other: &StreamPath| match path.rendition {
        Rendition::Source => other == path,
        _ => other.channel == path.channel && other.rendition != Rendition::Source,
    };
    let formers = packaged.iter().filter(|(other, _)| is_alike(other));
    let formers = formers.map(|(_, former)| former.outputs.next_sequence());
    formers.fold(seconds, u64::max)
}

/// Packages one stream.
struct Task {
    stream: Arc<Stream>,
    packager: Packager,
    /// How long it still waits for other renditions of its channel.
    patience: Duration,
}

/// Keeps an archive open; a task that is aborted closes it too, even before it runs.
struct CloseOnDrop(Archive);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Task {
    fn new(
        stream: Arc<Stream>,
        config: &Config,
        first_sequence: u64,
        archive: Option<&Archive>,
    ) -> Self {
        let settings = stream.settings().borrow().clone();
        let now = SystemTime::now();
        let mut packager = Packager::new(config, &settings, first_sequence, now);
        if let Some(secret) = &config.secret {
            let keys = ContentKeys::derive(secret, &stream.path().to_string());
            packager = packager.with_keys(keys, now);
        }
        if let Some(archive) = archive {
            packager = packager.with_archive(archive.clone(), now);
        }
        Self {
            stream,
            packager,
            patience: PATIENCE,
        }
    }

    /// The same with a place among the renditions of its channel.
    fn in_line(mut self, lineup: &Arc<Lineup>) -> Self {
        let place = lineup.join(self.stream.path().rendition);
        self.packager = self.packager.in_line(place, SystemTime::now());
        self
    }

    /// Runs until the stream has ended; its files stay.
    async fn run(mut self) {
        let mut settings = self.stream.settings();
        settings.mark_changed();
        let mut tracks = self.stream.watch_tracks();
        tracks.mark_changed();
        let mut frames = self.stream.subscribe();
        loop {
            tokio::select! {
                biased;
                Ok(()) = settings.changed() => {
                    let settings = settings.borrow_and_update().clone();
                    self.packager.configure(&settings, SystemTime::now());
                }
                Ok(()) = tracks.changed() => {
                    let tracks = Arc::clone(&tracks.borrow_and_update());
                    self.packager.announce(&tracks);
                }
                delivery = frames.next() => match delivery {
                    Some(Delivery::Item(frame)) => {
                        self.fall_in(&frame).await;
                        if self.packager.push(&frame, SystemTime::now()) {
                            self.stream.warn(Warning::TRACKS, self.packager.refusals());
                        }
                    }
                    Some(Delivery::Skipped(frames)) => {
                        tracing::warn!(frames, "packaging was too slow and passed over frames");
                        self.packager.interrupt(SystemTime::now());
                    }
                    None => break,
                },
            }
        }
        self.packager.end(SystemTime::now());
    }

    /// A rendition that is new waits for one that is not to have come as far: what that one does there, it does too.
    async fn fall_in(&mut self, frame: &MediaFrame) {
        let is_start = frame.kind() == Kind::Video && frame.key;
        let place = self.packager.place().filter(|place| place.is_new());
        let Some(place) = place.filter(|_| is_start && !self.patience.is_zero()) else {
            return;
        };
        let begun = Instant::now();
        drop(timeout(self.patience, place.reached(frame.pts())).await);
        self.patience = self.patience.saturating_sub(begun.elapsed());
    }
}

/// Renditions come in lock-step, so that a moment is enough, and more is for one that has stopped.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
