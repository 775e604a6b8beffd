//! The snapshots of one stream: which key frames are made pictures of, and where these go.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::FutureExt as _;
use lsv_core::backoff::{self, Backoff};
use lsv_core::channel::Moment;
use lsv_core::events::{Events, Happening};
use lsv_core::hub::{Delivery, Stream, Subscriber};
use lsv_core::media::{Kind, MediaFrame};
use lsv_core::path::ChannelId;
use lsv_core::ports::{ObjectName, ObjectStore, TaskControl, TaskState};
use lsv_core::time::Timestamp;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::decoder::{Decoder, Style};
use super::error::Error;
use super::gallery::{Gallery, Place};
use super::sheets;
use crate::process::{Ffmpeg, failure};
use crate::record::names::{self, Shelf};
use crate::record::thumbnails::{Strip, Thumbnails};
use crate::retry;

/// Makes the snapshots of streams: those that are kept, the small ones of recordings for video on demand, and posters
/// while they are asked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Snapshots {
    /// Makes the pictures.
    pub ffmpeg: Ffmpeg,
    /// Where the pictures that are kept go.
    pub store: Arc<dyn ObjectStore>,
    /// Who is told of them.
    pub events: Events,
    /// Where the newest picture of each stream is.
    pub gallery: Gallery,
    /// Where small pictures for recordings go.
    pub thumbnails: Thumbnails,
    /// How much media lies between two small pictures, at least. 10 s.
    pub thumbnail_distance: Duration,
}

impl Snapshots {
    /// Snapshots made by `ffmpeg`, into `store`, told to `events`; the newest of each stream in `gallery`, small ones in
    /// `thumbnails`.
    pub fn new(
        ffmpeg: Ffmpeg,
        store: Arc<dyn ObjectStore>,
        events: Events,
        gallery: Gallery,
        thumbnails: Thumbnails,
    ) -> Self {
        Self {
            ffmpeg,
            store,
            events,
            gallery,
            thumbnails,
            thumbnail_distance: Duration::from_secs(10),
        }
    }

    /// Makes the snapshots of `stream` as its settings want them, until it ends or the task is to stop. A decoder that
    /// fails is started again.
    ///
    /// # Errors
    /// None: what goes wrong may pass, and is reported.
    pub async fn run(self, stream: Arc<Stream>, control: TaskControl) -> Result<(), String> {
        let mut job = Job {
            place: self.gallery.follow(&stream),
            strip: self.thumbnails.strip(&stream),
            frames: stream.subscribe(),
            backoff: Backoff::new(backoff::Config::default(), seed(&stream)),
            since: Instant::now(),
            decoder: None,
            due: None,
            last_tile: None,
            writes: JoinSet::new(),
            last_name: SystemTime::UNIX_EPOCH,
            snapshots: self,
            stream,
            control,
        };
        let control = job.control.clone();
        tokio::select! {
            () = control.stopped() => {}
            () = job.follow() => {}
        }
        while job.writes.join_next().await.is_some() {}
        Ok(())
    }
}

struct Job {
    snapshots: Snapshots,
    stream: Arc<Stream>,
    control: TaskControl,
    place: Place,
    strip: Strip,
    frames: Subscriber<MediaFrame>,
    decoder: Option<Decoder>,
    backoff: Backoff,
    /// When the decoder was started.
    since: Instant,
    /// When the next picture is to be kept.
    due: Option<Instant>,
    /// Of what the last small picture is.
    last_tile: Option<Timestamp>,
    writes: JoinSet<()>,
    /// What the name of the last picture was made of: no other has the same.
    last_name: SystemTime,
}

/// What a picture is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Uses {
    keep: bool,
    tile: bool,
    poster: bool,
}

impl Job {
    async fn follow(&mut self) {
        self.control.set_state(TaskState::Running);
        while let Some(frame) = self.next_key_frame().await {
            let uses = self.uses(&frame);
            if uses.keep || uses.tile || uses.poster {
                self.take(&frame, uses).await;
            }
        }
    }

    /// The next key frame; the newest if there are several.
    async fn next_key_frame(&mut self) -> Option<MediaFrame> {
        let mut newest = None;
        loop {
            let delivery = match newest {
                None => self.frames.next().await?,
                Some(_) => match self.frames.next().now_or_never() {
                    Some(Some(delivery)) => delivery,
                    // The end is met again at the next call.
                    _ => return newest,
                },
            };
            if let Delivery::Item(frame) = delivery
                && frame.key
                && frame.is_default
                && frame.kind() == Kind::Video
            {
                newest = Some(frame);
            }
        }
    }

    fn uses(&mut self, frame: &MediaFrame) -> Uses {
        let settings = self.stream.settings();
        let settings = settings.borrow();
        let distance = self.snapshots.thumbnail_distance;
        let is_far = |last: Timestamp| frame.dts < last || frame.dts.since(last) >= distance;
        Uses {
            keep: match settings.processing.snapshots {
                Some(every) => self.is_due(every),
                None => {
                    self.due = None;
                    false
                }
            },
            tile: settings.recording.on_demand.is_some() && self.last_tile.is_none_or(is_far),
            poster: self.place.is_wanted(),
        }
    }

    /// Whether a picture is to be kept. The interval counts from the first one, whenever key frames come.
    fn is_due(&self, every: Duration) -> bool {
        let now = Instant::now();
        self.due
            .is_none_or(|due| now >= due.min(now + every) - EARLY.min(every / 4))
    }

    async fn take(&mut self, frame: &MediaFrame, uses: Uses) {
        let taken = SystemTime::now();
        let picture = match self.picture(frame).await {
            Ok(picture) => picture,
            Err(error) => return self.fail(&error).await,
        };
        self.backoff.note(self.since.elapsed());
        self.control.set_state(TaskState::Running);
        self.control.report(|report| report.problem = None);
        self.place.put(frame, picture.clone(), taken);
        if uses.tile {
            let (jpeg, at) = (picture.clone(), frame.dts);
            let tile = tokio::task::spawn_blocking(move || sheets::tile(&jpeg, at)).await;
            if let Ok(Some(tile)) = tile {
                self.strip.put(tile);
            }
            self.last_tile = Some(frame.dts);
        }
        if uses.keep {
            self.keep(picture, taken);
        }
    }

    async fn picture(&mut self, frame: &MediaFrame) -> Result<Bytes, Error> {
        let decoder = match self.decoder.take().filter(|decoder| decoder.suits(frame)) {
            Some(decoder) => self.decoder.insert(decoder),
            None => {
                let processing = self.stream.settings().borrow().processing.clone();
                let style = Style::new(processing.record_size, processing.log_level);
                self.since = Instant::now();
                let decoder = Decoder::start(&self.snapshots.ffmpeg, frame, style)?;
                self.decoder.insert(decoder)
            }
        };
        decoder.picture(frame).await
    }

    async fn fail(&mut self, error: &Error) {
        self.decoder = None;
        let delay = self.backoff.fail(self.since.elapsed());
        tracing::warn!(%error, ?delay, "snapshots stop for a moment");
        self.control.set_state(TaskState::Waiting);
        let failure = failure(error, error.said());
        self.control.report(|report| report.fail(failure));
        tokio::time::sleep(delay).await;
    }

    /// Writes a picture, while others are taken.
    fn keep(&mut self, picture: Bytes, taken: SystemTime) {
        let now = Instant::now();
        let every = self.stream.settings().borrow().processing.snapshots;
        self.due = every.map(|every| next_due(self.due, every, now));
        while self.writes.try_join_next().is_some() {}
        if self.writes.len() >= MAX_WRITES {
            tracing::warn!("a snapshot is left out: the store is out of reach");
            return;
        }
        self.last_name = taken.max(self.last_name + names::STEP);
        let channel = self.stream.path().channel.clone();
        let name = match names::capture(&channel, Shelf::Images, self.last_name) {
            Ok(name) => name,
            Err(error) => return tracing::error!(%error, "a snapshot has no name"),
        };
        let (store, events) = (
            Arc::clone(&self.snapshots.store),
            self.snapshots.events.clone(),
        );
        let write = async move { keep(&*store, &events, channel, name, picture).await };
        self.writes.spawn(write.in_current_span());
    }
}

/// Writes `picture`, with patience that ends, and tells it.
pub(crate) async fn keep(
    store: &dyn ObjectStore,
    events: &Events,
    channel: ChannelId,
    name: ObjectName,
    picture: Bytes,
) {
    let size = picture.len() as u64;
    let patience = retry::Backoff::within(PATIENCE);
    if let Err(error) = retry::persist!(patience, store.put(&name, picture.clone())) {
        return tracing::error!(%name, %error, "a picture is not kept");
    }
    tracing::debug!(%name, size, "a picture is written");
    let written = Happening::RecordingWritten {
        channel,
        name,
        size,
    };
    events.publish(Moment::from(SystemTime::now()), written);
}

/// The first multiple of `every` since the last time due that lies ahead.
fn next_due(last: Option<Instant>, every: Duration, now: Instant) -> Instant {
    let every = every.max(SHORTEST);
    let Some(last) = last else {
        return now + every;
    };
    let next = last + every;
    match next > now {
        true => next,
        // One was missed: what is far behind does not come in a burst.
        false if next + every > now => next + every,
        false => now + every,
    }
}

/// Streams that start at once do not fail as one.
fn seed(stream: &Arc<Stream>) -> u64 {
    Arc::as_ptr(stream).addr() as u64
}

/// A key frame so little before its time is taken: the next would come much too late.
const EARLY: Duration = Duration::from_millis(250);
const SHORTEST: Duration = Duration::from_millis(100);
/// How long the store is waited for with a picture, and pictures that wait at once.
const PATIENCE: Duration = Duration::from_secs(30);
const MAX_WRITES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_beat() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let every = Duration::from_secs(10);
        for (last, now, expected) in [
            (None, 0, 10_000),
            (Some(10_000), 10_400, 20_000),
            (Some(10_000), 9_800, 20_000),
            (Some(10_000), 21_000, 30_000),
            (Some(10_000), 95_000, 105_000),
        ] {
            assert_eq!(
                next_due(last.map(at), every, at(now)),
                at(expected),
                "{last:?} at {now}"
            );
        }
    }
}
