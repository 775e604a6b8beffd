//! The motion clips of one stream: what is decoded, what begins and ends a clip, and what is told and kept.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lsv_core::backoff::{self, Backoff};
use lsv_core::channel::Moment;
use lsv_core::events::Happening;
use lsv_core::hub::{self, Delivery, Stream, Subscriber};
use lsv_core::media::{Kind, MediaFrame};
use lsv_core::ports::{self, ObjectName, TaskControl, TaskState};
use lsv_core::recording;
use lsv_core::time::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use super::clips::{Begin, Clips, Rules};
use super::detector::{Detector, Sensitivity};
use super::eye::{DISTANCE, Eye};
use super::ring::Ring;
use crate::process::stills::{self, Error, Style};
use crate::process::{Ffmpeg, failure};
use crate::record::Recorders;
use crate::record::clips::ClipWriter;
use crate::record::names::{self, Shelf};

/// Watches streams for motion.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Watch {
    /// Decodes what is watched.
    pub ffmpeg: Ffmpeg,
    /// Write the clips.
    pub recorders: Recorders,
    /// Bytes of the newest frames of a stream, of which clips begin: some fifteen seconds at 20 Mbit/s. 48 MiB.
    pub ring_bytes: usize,
}

impl Watch {
    /// A watch with `ffmpeg` for eyes, whose clips go where `recorders` write.
    pub fn new(ffmpeg: Ffmpeg, recorders: Recorders) -> Self {
        Self {
            ffmpeg,
            recorders,
            ring_bytes: 48 << 20,
        }
    }

    /// Watches `stream` as its settings want it, until it ends or the task is to stop. A decoder that fails is started
    /// again.
    ///
    /// # Errors
    /// None: what goes wrong may pass, and is reported.
    pub async fn run(self, stream: Arc<Stream>, control: TaskControl) -> Result<(), String> {
        let channel = &stream.path().channel;
        let mut job = Job {
            writer: ClipWriter::new(&self.recorders, channel),
            ring: Ring::new(KEPT, self.ring_bytes),
            frames: stream.subscribe(),
            detector: Detector::new(),
            clips: Clips::new(),
            cursor: None,
            epoch: None,
            snapshots: JoinSet::new(),
            last_snapshot: SystemTime::UNIX_EPOCH,
            backoff: Backoff::new(
                backoff::Config::default(),
                Arc::as_ptr(&stream).addr() as u64,
            ),
            watch: self,
            stream: Arc::clone(&stream),
            control: control.clone(),
        };
        tokio::select! {
            () = control.stopped() => {}
            () = job.follow() => {}
        }
        job.end_clip();
        job.writer.finish().await;
        while job.snapshots.join_next().await.is_some() {}
        Ok(())
    }
}

struct Job {
    watch: Watch,
    stream: Arc<Stream>,
    control: TaskControl,
    frames: Subscriber<MediaFrame>,
    ring: Ring,
    detector: Detector,
    clips: Clips,
    writer: ClipWriter,
    cursor: Option<Cursor>,
    epoch: Option<u32>,
    /// Pictures of moments that are being made.
    snapshots: JoinSet<()>,
    /// What the name of the last one was made of.
    last_snapshot: SystemTime,
    backoff: Backoff,
}

/// How far the running clip is written.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    /// The number of the frame that it needs next.
    number: u64,
    /// When its first frame is to have arrived, as long as that comes next.
    arrival: Option<SystemTime>,
    /// When its first picture is shown: what is heard before belongs to a clip in front of it.
    shown: Timestamp,
}

/// Why an eye is closed.
enum Closed {
    /// The stream has ended.
    Ended,
    /// What comes is another track, or does not go on from what was seen: with this frame.
    Changed(Option<MediaFrame>),
}

impl Job {
    async fn follow(&mut self) {
        let mut first = None;
        loop {
            let Some(key) = self.key_frame(first.take()).await else {
                return;
            };
            let since = Instant::now();
            let closed = self.look(&key).await;
            // What comes now is not compared with what was seen.
            self.detector.reset();
            match closed {
                Ok(Closed::Ended) => return,
                Ok(Closed::Changed(frame)) => {
                    self.end_clip();
                    first = frame;
                }
                Err(error) => {
                    self.end_clip();
                    self.fail(&error, since.elapsed()).await;
                }
            }
        }
    }

    /// The key frame to begin with; `first` if it is one.
    async fn key_frame(&mut self, first: Option<MediaFrame>) -> Option<MediaFrame> {
        let mut next = first;
        loop {
            if let Some(frame) = next.take() {
                self.remember(&frame);
                if frame.key && is_seen(&frame) {
                    return Some(frame);
                }
            }
            match self.frames.next().await? {
                Delivery::Item(frame) => next = Some(frame),
                Delivery::Skipped(_) => self.ring.clear(),
            }
        }
    }

    /// Decodes from `key` on, as long as that goes.
    async fn look(&mut self, key: &MediaFrame) -> Result<Closed, Error> {
        let style = {
            let settings = self.stream.settings();
            let processing = &settings.borrow().processing;
            Style::new(processing.record_size, processing.log_level)
        };
        let mut eye = Eye::open(&self.watch.ffmpeg, &key.track, style)?;
        eye.show(key)?;
        let opened = Instant::now();
        let mut is_fine = false;
        loop {
            let has_room = eye.has_room();
            let delivery = tokio::select! {
                biased;
                picture = timeout(BLIND, eye.picture()) => match picture {
                    Ok(picture) => {
                        let (at, picture) = picture?;
                        self.see(at, &picture);
                        if !std::mem::replace(&mut is_fine, true) {
                            self.control.set_state(TaskState::Running);
                            self.control.report(|report| report.problem = None);
                        }
                        self.backoff.note(opened.elapsed());
                        continue;
                    }
                    // Nobody sends anything, or it is stuck.
                    Err(_) if has_room => continue,
                    Err(_) => return Err(Error::Late { patience: BLIND, said: None }),
                },
                delivery = self.frames.next(), if has_room => delivery,
            };
            match delivery {
                None => {
                    self.see_last(eye).await;
                    return Ok(Closed::Ended);
                }
                Some(Delivery::Skipped(frames)) => {
                    tracing::warn!(
                        frames,
                        "the watch for motion was too slow and passed over frames"
                    );
                    self.end_clip();
                    self.ring.clear();
                    return Ok(Closed::Changed(None));
                }
                Some(Delivery::Item(frame)) => {
                    let goes_on = self.epoch == Some(frame.epoch);
                    if !goes_on || is_seen(&frame) && !eye.suits(&frame) {
                        return Ok(Closed::Changed(Some(frame)));
                    }
                    self.remember(&frame);
                    if is_seen(&frame) {
                        eye.show(&frame)?;
                    }
                    self.go_on();
                }
            }
        }
    }

    /// Judges what is still on its way through a decoder that gets no more.
    async fn see_last(&mut self, mut eye: Eye) {
        eye.close();
        let rest = async {
            while let Ok((at, picture)) = eye.picture().await {
                self.see(at, &picture);
            }
        };
        if timeout(LAST, rest).await.is_err() {
            tracing::warn!("the end of a stream was not watched for motion");
        }
    }

    fn remember(&mut self, frame: &MediaFrame) {
        if self.epoch.replace(frame.epoch) != Some(frame.epoch) {
            self.ring.clear();
        }
        if frame.kind() != Kind::Data {
            self.ring.push(frame.clone(), SystemTime::now());
        }
    }

    /// Judges a small picture.
    fn see(&mut self, at: Timestamp, picture: &[u8]) {
        let Some(wanted) = self.stream.settings().borrow().processing.motion.clone() else {
            return;
        };
        let difference = u8::try_from(wanted.difference).unwrap_or(u8::MAX);
        let sensitivity = Sensitivity::new(wanted.percent, difference);
        let moves = self.detector.push(picture, sensitivity);
        let step = self.clips.picture(at, moves, &rules(&wanted));
        if let Some(end) = step.end {
            self.write_until(end);
            self.close_clip();
        }
        if let Some(begin) = step.begin {
            self.begin(&begin);
        }
        self.go_on();
    }

    fn begin(&mut self, begin: &Begin) {
        let Some(number) = self.ring.start(begin) else {
            tracing::warn!("motion without a key frame in front of it makes no clip");
            self.clips.interrupt();
            return;
        };
        let first = self.ring.from(number).and_then(|mut frames| frames.next());
        let Some((first, arrival)) = first.cloned() else {
            return;
        };
        self.clips.starts(first.dts);
        let named = self.writer.begin(arrival);
        let pictured = self.snapshot(begin.moment + DISTANCE / 2);
        match (named, pictured) {
            (Ok((clip, wall)), Ok(snapshot)) => {
                self.cursor = Some(Cursor {
                    number,
                    arrival: Some(wall),
                    shown: first.pts(),
                });
                tracing::info!(%clip, "something moves");
                self.tell(Happening::Motion {
                    channel: self.stream.path().channel.clone(),
                    clip,
                    snapshot,
                });
            }
            (Err(error), _) | (_, Err(error)) => tracing::error!(%error, "a clip has no name"),
        }
    }

    /// Has the picture made that is shown at `at`, and gives its name.
    fn snapshot(&mut self, at: Timestamp) -> ports::Result<ObjectName> {
        let found = self.ring.picture_at(at);
        let (frames, shown) = match found {
            Some((frames, (frame, arrival))) => (frames, Some((frame.pts(), *arrival))),
            None => (Vec::new(), None),
        };
        let (pts, arrival) = shown.unwrap_or_else(|| (at, SystemTime::now()));
        self.last_snapshot = arrival.max(self.last_snapshot + names::STEP);
        let channel = self.stream.path().channel.clone();
        let name = names::capture(&channel, Shelf::MotionImages, self.last_snapshot)?;
        while self.snapshots.try_join_next().is_some() {}
        if self.snapshots.len() >= MAX_SNAPSHOTS {
            tracing::warn!(%name, "a picture of motion is left out: too many are being made");
            return Ok(name);
        }
        let processing = self.stream.settings().borrow().processing.clone();
        let style = Style::new(processing.record_size, processing.log_level);
        let (ffmpeg, recorders) = (self.watch.ffmpeg.clone(), self.watch.recorders.clone());
        let kept = name.clone();
        let make = async move {
            match stills::picture_at(&ffmpeg, &frames, pts, style).await {
                Ok(picture) => {
                    let store = recorders.kept(recording::Kind::MotionSnapshot);
                    stills::keep(&*store, &recorders.events, channel, kept, picture).await;
                }
                Err(error) => tracing::warn!(name = %kept, %error, "no picture of motion"),
            }
        };
        self.snapshots.spawn(make.in_current_span());
        Ok(name)
    }

    /// Writes what is known to be part of the running clip.
    fn go_on(&mut self) {
        let Some(wanted) = self.stream.settings().borrow().processing.motion.clone() else {
            return;
        };
        if let Some(end) = self.clips.end(&rules(&wanted)) {
            self.write_until(end);
        }
    }

    fn write_until(&mut self, end: Timestamp) {
        let Some(mut cursor) = self.cursor else {
            return;
        };
        let tracks = self.stream.tracks();
        let Some(frames) = self.ring.from(cursor.number) else {
            tracing::warn!("a motion clip ends early: its frames are gone");
            return self.close_clip();
        };
        for (frame, arrival) in frames.take_while(|(frame, _)| frame.dts < end) {
            cursor.number += 1;
            if frame.kind() == Kind::Audio && frame.dts < cursor.shown {
                continue;
            }
            let arrival = cursor.arrival.take().unwrap_or(*arrival);
            self.writer.push(frame, arrival, &tracks);
        }
        self.cursor = Some(cursor);
    }

    /// Ends the running clip where it is written to, with what is heard until its last picture vanishes.
    fn close_clip(&mut self) {
        let Some(cursor) = self.cursor.take() else {
            return;
        };
        let tracks = self.stream.tracks();
        let rest = || self.ring.from(cursor.number).into_iter().flatten();
        if let Some((next, _)) = rest().find(|(frame, _)| is_seen(frame)) {
            let heard = rest().take_while(|(frame, _)| frame.dts < next.pts());
            for (frame, arrival) in heard.filter(|(frame, _)| frame.kind() == Kind::Audio) {
                self.writer.push(frame, *arrival, &tracks);
            }
        }
        self.writer.end();
    }

    /// Ends the running clip with what there is of it: what comes does not go on from it.
    fn end_clip(&mut self) {
        self.go_on();
        self.close_clip();
        self.clips.interrupt();
    }

    async fn fail(&mut self, error: &Error, lasted: Duration) {
        let delay = self.backoff.fail(lasted);
        tracing::warn!(%error, ?delay, "nobody watches for motion for a moment");
        self.control.set_state(TaskState::Waiting);
        let failure = failure(error, error.said());
        self.control.report(|report| report.fail(failure));
        tokio::time::sleep(delay).await;
    }

    fn tell(&self, happened: Happening) {
        let now = Moment::from(SystemTime::now());
        self.watch.recorders.events.publish(now, happened);
    }
}

/// Whether it is of the pictures that are watched.
fn is_seen(frame: &MediaFrame) -> bool {
    frame.kind() == Kind::Video && frame.is_default
}

fn rules(wanted: &hub::Motion) -> Rules {
    Rules::new(wanted.keep, wanted.longest)
}

/// What is kept of a stream: what clips show of the time before, and what the decoder may be behind.
const KEPT: Duration = Duration::from_secs(15);
/// How long a decoder that has enough to do may show nothing.
const BLIND: Duration = Duration::from_secs(20);
/// How long the decoder may take for what it has when the stream ends.
const LAST: Duration = Duration::from_secs(5);
/// Pictures of moments that are made at once.
const MAX_SNAPSHOTS: usize = 2;
