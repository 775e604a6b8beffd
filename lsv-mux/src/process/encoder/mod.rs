//! Encoding: the renditions of a source, and its picture with a watermark, from one decoder.
//!
//! ```text
//! what the publisher sends ─> Run 7: ffmpeg ─> Lineup ─┐
//!                         └─> Run 8: ffmpeg ─> Lineup ─┴> Handover ─> Publication ─┬> streams of the renditions
//!                             begun when the plan changed                         └> the source's viewers
//! ```
//!
//! A run has one command line. When what is wanted changes, or the source does, another run begins beside it and takes over
//! at a key frame. A run that fails is begun again after a delay that grows; its renditions wait for it and go on behind a
//! break, and who watches the source sees it without its watermark so long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lsv_core::backoff::{self, Backoff};
use lsv_core::channel::Codec;
use lsv_core::hub::{Hub, Insert, Stream, Warning, Watermark};
use lsv_core::media::Track;
use lsv_core::ports::{TaskControl, TaskOutput, TaskState};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use self::handover::{Handover, Number, Shown};
use self::publication::Publication;
use self::run::{Note, Run, RunError};
use self::speed::Speed;
use super::overlay::{Overlay, Overlays};
use super::plan::{Encoding, Ladder, Plan};
use super::{Ffmpeg, failure};

mod command;
mod fed;
mod handover;
mod lineup;
mod publication;
mod run;
mod speed;

/// What encoders are made with.
#[derive(Clone)]
pub(super) struct Encoder {
    pub(super) hub: Hub,
    pub(super) ffmpeg: Ffmpeg,
    pub(super) overlays: Overlays,
    pub(super) ladder: Ladder,
}

impl Encoder {
    /// Encodes what is wanted of `stream` until it has ended or the task is to stop.
    pub(super) async fn run(self, stream: Arc<Stream>, control: TaskControl) -> Result<(), String> {
        let insert = timeout(TAKE_OVER, insert(&stream)).await;
        let insert =
            insert.map_err(|_| "another encoder of the channel does not end".to_owned())?;
        let (notes, heard) = mpsc::channel(NOTES);
        let job = Job::new(self, stream, control, insert, notes);
        job.work(heard).await;
        Ok(())
    }

    /// Why `encoding` cannot be made here, for good.
    fn refuse(&self, encoding: &Encoding) -> Option<String> {
        let name = match encoding.codec {
            Codec::X265 => "libx265",
            _ => "libx264",
        };
        let needs_sound = !encoding.sounds().is_empty();
        let mut needed = [(name, true), ("aac", needs_sound)].into_iter();
        let missing = needed.find(|(name, needed)| *needed && !self.ffmpeg.has_encoder(name))?;
        Some(format!(
            "{} was built without the encoder {}: install one that has it",
            self.ffmpeg.path().display(),
            missing.0
        ))
    }
}

/// The place between publisher and viewers, once whoever has it is gone.
async fn insert(stream: &Arc<Stream>) -> Insert {
    loop {
        if let Some(insert) = stream.insert() {
            return insert;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The encoding of one source.
struct Job {
    tools: Encoder,
    stream: Arc<Stream>,
    control: TaskControl,
    publication: Publication,
    handover: Handover,
    runs: BTreeMap<Number, Begun>,
    newest: Number,
    /// What is wanted, and since when it is that.
    wanted: Option<(Arc<Encoding>, Instant)>,
    backoff: Backoff,
    /// After a failure, when the next run may begin.
    not_before: Instant,
    /// A watermark that cannot be drawn, and until when that is believed.
    undrawable: Option<(Watermark, Instant)>,
    /// When a watermark is drawn again of which a part was missing.
    redraw: Option<Instant>,
    speed: Speed,
    /// When an encoder last had to pass over frames, as it was too slow.
    skipped: Option<Instant>,
    notes: mpsc::Sender<(Number, Note)>,
}

/// A run that has begun.
struct Begun {
    encoding: Arc<Encoding>,
    tracks: Vec<Arc<Track>>,
    since: Instant,
    /// Dropped, the run is over.
    _task: AbortOnDropHandle<()>,
}

impl Job {
    fn new(
        tools: Encoder,
        stream: Arc<Stream>,
        control: TaskControl,
        insert: Insert,
        notes: mpsc::Sender<(Number, Note)>,
    ) -> Self {
        Self {
            publication: Publication::new(tools.hub.clone(), insert),
            tools,
            stream,
            control,
            handover: Handover::default(),
            runs: BTreeMap::new(),
            newest: 0,
            wanted: None,
            backoff: Backoff::new(delays(), backoff::seed()),
            not_before: Instant::now(),
            undrawable: None,
            redraw: None,
            speed: Speed::default(),
            skipped: None,
            notes,
        }
    }

    async fn work(mut self, mut heard: mpsc::Receiver<(Number, Note)>) {
        let mut settings = self.stream.settings();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let control = self.control.clone();
        loop {
            tokio::select! {
                () = control.stopped() => break self.leave(&mut heard).await,
                more = self.publication.pass_by() => if !more {
                    break self.drain(&mut heard).await;
                },
                Some((number, note)) = heard.recv() => self.hear(number, note),
                Ok(()) = settings.changed() => {
                    let settings = settings.borrow_and_update().clone();
                    self.publication.configure(&settings);
                }
                _ = look.tick() => self.look(),
            }
        }
        self.stream.warn(Warning::WATERMARK, None);
        self.stream.warn(Warning::FFMPEG, None);
        self.stream.warn(Warning::ENCODER_SPEED, None);
        self.publication.finish();
    }

    /// The source is over: what is on its way still goes out.
    async fn drain(&mut self, heard: &mut mpsc::Receiver<(Number, Note)>) {
        let last_notes = async {
            while !self.runs.is_empty() {
                let Some((number, note)) = heard.recv().await else {
                    return;
                };
                self.hear(number, note);
            }
        };
        if timeout(LAST_PICTURES, last_notes).await.is_err() {
            tracing::debug!("the encoder did not end with its source");
        }
    }

    /// Nothing is wanted any more: who watches the source goes on with it as it is.
    async fn leave(&mut self, heard: &mut mpsc::Receiver<(Number, Note)>) {
        let left = async {
            while !self.publication.draw(false) {
                tokio::select! {
                    more = self.publication.pass_by() => if !more { return false },
                    Some((number, note)) = heard.recv() => self.hear(number, note),
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
            true
        };
        match timeout(RELEASE, left).await {
            Ok(true) => {}
            Ok(false) => self.drain(heard).await,
            Err(_) => self.publication.insert().fail(),
        }
    }

    /// Begins what is wanted and not under way.
    fn look(&mut self) {
        self.report();
        let now = Instant::now();
        let encoding = self.plan(now);
        let draws = encoding.as_ref().is_some_and(|it| it.program.is_some());
        // One that draws a watermark stays until nobody sees it.
        let seen_as_wanted = self.publication.draw(draws);
        let Some(encoding) = encoding else {
            self.wanted = None;
            return;
        };
        let known = self
            .wanted
            .as_ref()
            .filter(|(known, _)| **known == encoding);
        let (encoding, since) = match known {
            Some(known) => known.clone(),
            None => (Arc::new(encoding), now),
        };
        self.wanted = Some((Arc::clone(&encoding), since));
        let redraw = self.redraw.is_some_and(|at| now >= at);
        let under_way = !redraw && self.runs.values().any(|run| run.encoding == encoding);
        // Tracks and settings often change together, a moment apart.
        let settled = now >= since + SETTLED && now >= self.not_before;
        if under_way || !settled || !seen_as_wanted {
            return;
        }
        if let Some(why) = self.tools.refuse(&encoding) {
            self.stream.warn(Warning::FFMPEG, Some(why.clone()));
            self.fail(why, Duration::ZERO);
            return;
        }
        self.begin(encoding);
    }

    /// What is wanted now, as far as it can be made.
    fn plan(&mut self, now: Instant) -> Option<Encoding> {
        let orientation = self.publication.orientation()?;
        let mut wanted = self.stream.settings().borrow().processing.clone();
        let undrawable = self.undrawable.as_ref();
        let undrawable = undrawable.filter(|(_, until)| now < *until);
        if undrawable.is_some_and(|(watermark, _)| wanted.watermark.as_ref() == Some(watermark)) {
            wanted.watermark = None;
        }
        Plan::of(&self.stream, &wanted, orientation, &self.tools.ladder).encoding
    }

    fn begin(&mut self, encoding: Arc<Encoding>) {
        self.redraw = None;
        self.newest += 1;
        let number = self.newest;
        for replaced in self.handover.begin(number) {
            self.runs.remove(&replaced);
        }
        self.stream.warn(Warning::FFMPEG, None);
        if encoding.program.is_none() && self.undrawable.is_none() {
            self.stream.warn(Warning::WATERMARK, None);
        }
        tracing::info!(
            number,
            program = encoding.program.is_some(),
            renditions = encoding.renditions.len(),
            "an encoder begins"
        );
        let ingest = self.stream.ingest();
        let run = Run {
            number,
            encoding: Arc::clone(&encoding),
            ffmpeg: self.tools.ffmpeg.clone(),
            overlays: self.tools.overlays.clone(),
            source_bit_rate: ingest.bit_rate,
            frame_rate_millis: (ingest.frame_rate_millis > 0).then_some(ingest.frame_rate_millis),
            notes: self.notes.clone(),
        };
        let frames = self.publication.insert().subscribe();
        let span = tracing::info_span!("encoder", number);
        let begun = Begun {
            encoding,
            tracks: Vec::new(),
            since: Instant::now(),
            _task: AbortOnDropHandle::new(tokio::spawn(run.run(frames).instrument(span))),
        };
        self.runs.insert(number, begun);
    }

    fn hear(&mut self, number: Number, note: Note) {
        // A run that was replaced may have said something before.
        let Some(run) = self.runs.get_mut(&number) else {
            return;
        };
        match note {
            Note::Drawn(overlay) => {
                self.undrawable = None;
                self.stream.warn(Warning::WATERMARK, complaint(&overlay));
                let may_pass = overlay.failed.as_ref().is_some_and(|it| it.may_pass());
                self.redraw = may_pass.then(|| Instant::now() + REDRAW);
            }
            Note::Tracks(tracks) => run.tracks = tracks,
            Note::Step(step) => {
                let shown = self.handover.push(number, step);
                self.show(shown);
            }
            Note::Skipped(frames) => {
                tracing::warn!(
                    frames,
                    "the encoder is too slow; it goes on with the newest key frame"
                );
                self.skipped = Some(Instant::now());
                self.stream
                    .warn(Warning::ENCODER_SPEED, Some(TOO_SLOW.to_owned()));
                self.control
                    .report(|report| report.problem = Some(TOO_SLOW.to_owned()));
            }
            Note::Ended(ended) => self.ended(number, ended),
        }
    }

    fn ended(&mut self, number: Number, ended: Result<(), RunError>) {
        let Some(run) = self.runs.remove(&number) else {
            return;
        };
        let shown = self.handover.lost(number);
        self.show(shown);
        match ended {
            Ok(()) => tracing::info!(number, "an encoder has ended with what it was for"),
            Err(RunError::Overlay(error)) => {
                let program = run.encoding.program.as_ref();
                let watermark = program.map(|program| program.watermark.clone());
                let until = Instant::now() + DRAW_AGAIN;
                self.undrawable = watermark.map(|watermark| (watermark, until));
                tracing::warn!(%error, "the watermark cannot be drawn");
                let text = format!("there is no watermark: {error}");
                self.stream.warn(Warning::WATERMARK, Some(text));
            }
            Err(error) => {
                self.fail(error.to_string(), run.since.elapsed());
                let failure = failure(&error, error.said());
                self.control.report(|report| report.fail(failure));
            }
        }
        if self.runs.is_empty() {
            self.publication.interrupt();
        }
    }

    fn fail(&mut self, why: String, lasted: Duration) {
        let delay = self.backoff.fail(lasted);
        tracing::warn!(problem = %why, ?delay, "the encoder failed and is started again");
        self.not_before = Instant::now() + delay;
        if self.runs.is_empty() {
            self.control.set_state(TaskState::Waiting);
        }
        self.control.report(|report| report.problem = Some(why));
    }

    fn show(&mut self, shown: Shown) {
        for (number, step) in shown.steps {
            if let Some(run) = self.runs.get(&number) {
                self.publication.publish(&run.encoding, &run.tracks, step);
            }
        }
        if let Some(retired) = shown.retired {
            self.runs.remove(&retired);
        }
    }

    /// Says how it goes.
    fn report(&mut self) {
        let now = Instant::now();
        let Some(speed) = self.speed.measure(now, self.publication.last()) else {
            return;
        };
        let run = self.handover.shown().and_then(|it| self.runs.get(&it));
        if let Some(run) = run {
            self.backoff.note(run.since.elapsed());
        }
        self.warn_of_pace(now, speed);
        let works = run.is_some() && speed > 0.0;
        let state = match works {
            true => TaskState::Running,
            false => TaskState::Waiting,
        };
        let outputs = self
            .publication
            .bit_rates()
            .map(|(rendition, bitrate)| TaskOutput {
                name: rendition.segment().unwrap_or("source").to_owned(),
                state,
                bitrate,
                problem: None,
            });
        let outputs = outputs.collect();
        if works {
            self.control.set_state(TaskState::Running);
        }
        self.control.report(|report| {
            report.outputs = outputs;
            report.speed = works.then_some(speed);
            if works && speed > KEEPS_UP {
                report.problem = None;
            }
        });
    }

    /// Says whether this machine keeps up with what is to be encoded. A source that is slow itself is none of its faults.
    fn warn_of_pace(&self, now: Instant, speed: f64) {
        let since = self.skipped.map(|at| now.duration_since(at));
        let skips = since.is_some_and(|since| since < SKIPPED_REMEMBERED);
        let falls_behind = speed < KEEPS_UP && self.publication.lag() > BEHIND;
        let text = (skips || falls_behind).then(|| TOO_SLOW.to_owned());
        self.stream.warn(Warning::ENCODER_SPEED, text);
    }
}

/// What an operator is to know of a watermark that was drawn.
fn complaint(overlay: &Overlay) -> Option<String> {
    let failed = overlay.failed.as_ref().map(ToString::to_string);
    let said: Vec<String> = failed.into_iter().chain(overlay.warnings.clone()).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// Viewers wait for an encoder, so it is not left alone for long.
fn delays() -> backoff::Config {
    let mut delays = backoff::Config::default();
    delays.longest_delay = Duration::from_secs(15);
    delays
}

/// How often it is looked whether something else is wanted.
const LOOK: Duration = Duration::from_millis(100);

/// How long something is wanted before it is begun.
const SETTLED: Duration = Duration::from_millis(200);

/// For an encoder of the same channel, which is to end, to be gone: longer than [`RELEASE`].
const TAKE_OVER: Duration = Duration::from_secs(20);

/// From the end of the source to that of the last pictures made of it.
const LAST_PICTURES: Duration = Duration::from_secs(3);

/// For the source to have a key frame, where everybody goes on with it.
const RELEASE: Duration = Duration::from_secs(10);

/// How long a watermark that could not be drawn is not tried again.
const DRAW_AGAIN: Duration = Duration::from_secs(30);

/// After which a watermark is drawn again whose picture could not be fetched.
const REDRAW: Duration = Duration::from_secs(60);

/// Of real time, what is fast enough.
const KEEPS_UP: f64 = 0.95;

/// What is said of a machine that does not keep up.
const TOO_SLOW: &str = "this machine encodes more slowly than the source plays: renditions and watermark fall behind and leave \
                        pictures out; turn a rendition off, or give the channel a larger machine";

/// From the source to what is encoded of it, in good times far less.
const BEHIND: Duration = Duration::from_secs(2);

/// How long it is told that pictures were left out.
const SKIPPED_REMEMBERED: Duration = Duration::from_secs(20);

/// What runs may say before they are heard.
const NOTES: usize = 256;

#[cfg(test)]
mod tests;
