//! One run of an encoder: from its start with one command line to its end, however that comes.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lsv_core::hub::{Delivery, Subscriber};
use lsv_core::media::{Kind, MediaFrame, Track};
use lsv_core::time::Timestamp;
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::command::{self, Circumstances};
use super::fed::Fed;
use super::handover::Number;
use super::lineup::{Lineup, Step};
use crate::mkv;
use crate::mp4::demux::{self, Demuxer};
use crate::process::overlay::{Overlay, Overlays};
use crate::process::plan::Encoding;
use crate::process::{Child, Error, Ffmpeg, Options, child};

/// What a run has to say.
#[derive(Debug)]
pub(super) enum Note {
    /// The watermark is drawn.
    Drawn(Arc<Overlay>),
    /// The tracks that it makes, in their order.
    Tracks(Vec<Arc<Track>>),
    /// Something for viewers.
    Step(Step),
    /// The encoder is too slow: so many frames were passed over.
    Skipped(u64),
    /// The run is over.
    Ended(Result<(), RunError>),
}

/// Why a run is over before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    /// There is nothing to draw.
    #[error("the watermark cannot be drawn: {0}")]
    Overlay(#[from] crate::process::overlay::Error),
    /// The picture to be laid over the source's could not be put where the encoder finds it.
    #[error("the watermark cannot be handed to the encoder: {0}")]
    File(std::io::Error),
    /// The source is nothing that can be handed to an encoder.
    #[error("the source cannot be encoded: {0}")]
    Source(#[from] crate::Error),
    #[error(transparent)]
    Child(#[from] Error),
    /// What came back is not what was asked for.
    #[error("the encoder's output cannot be read: {0}")]
    Output(#[from] demux::DemuxError),
    #[error("the encoder's output cannot be read: {0}")]
    Pipe(std::io::Error),
    #[error("the encoder has given nothing in {} s", patience.as_secs())]
    Silent {
        patience: Duration,
        said: Vec<String>,
    },
}

impl RunError {
    /// What the encoder said last, oldest first.
    pub(super) fn said(&self) -> Vec<String> {
        match self {
            Self::Child(error) => error.said().to_vec(),
            Self::Silent { said, .. } => said.clone(),
            _ => Vec::new(),
        }
    }
}

/// Everything that a run needs.
pub(super) struct Run {
    pub(super) number: Number,
    pub(super) encoding: Arc<Encoding>,
    pub(super) ffmpeg: Ffmpeg,
    pub(super) overlays: Overlays,
    pub(super) source_bit_rate: u64,
    pub(super) frame_rate_millis: Option<u32>,
    pub(super) notes: mpsc::Sender<(Number, Note)>,
}

impl Run {
    /// Encodes `frames`, what the publisher sends from a key frame on, to the end, which is the last note. Dropped, it kills the encoder.
    pub(super) async fn run(self, frames: Subscriber<MediaFrame>) {
        let ended = self.encode(frames).await;
        self.note(Note::Ended(ended)).await;
    }

    async fn encode(&self, frames: Subscriber<MediaFrame>) -> Result<(), RunError> {
        let overlay = match &self.encoding.program {
            Some(program) => {
                let picture = (program.width, program.height);
                let drawn = self.overlays.render(&program.watermark, picture).await?;
                let drawn = Arc::new(drawn);
                self.note(Note::Drawn(Arc::clone(&drawn))).await;
                Some(Placed::new(drawn).map_err(RunError::File)?)
            }
            None => None,
        };
        let circumstances = Circumstances {
            overlay: overlay.as_ref().map(Placed::as_argument),
            source_bit_rate: self.source_bit_rate,
        };
        let outputs = command::outputs(&self.encoding);
        let mut child = Child::spawn_with(
            &self.ffmpeg,
            outputs.pictures + outputs.sounds,
            |addresses| command::arguments(&self.encoding, &circumstances, addresses),
            Options::new("encoder", self.encoding.size),
        )?;
        let (Some(input), Some(output)) = (child.take_input(), child.take_outputs()) else {
            return Ok(());
        };
        let shared = Shared::default();
        let options = mkv::Options {
            frame_rate_millis: self.frame_rate_millis,
        };
        let feed = Feed {
            encoding: Arc::clone(&self.encoding),
            muxer: mkv::Muxer::new(&fed_tracks(&self.encoding), options)?,
            shared: &shared,
            notes: (self.number, self.notes.clone()),
        };
        let outcome = tokio::select! {
            read = self.read(output, outputs, overlay, &shared) => read,
            never = feed.run(frames, input) => match never {},
            patience = shared.watch() => {
                let said = child.said().last_lines();
                Err(RunError::Silent { patience, said })
            }
        };
        let ended = match &outcome {
            // Its output is over, so it is.
            Ok(()) => timeout(LAST_WORDS, child.ended()).await.ok(),
            Err(_) => None,
        };
        match ended {
            Some(ended) => Ok(ended?),
            None => {
                child.kill().await;
                outcome
            }
        }
    }

    /// Takes what the encoder gives until it gives no more.
    async fn read(
        &self,
        mut pipes: child::Outputs,
        outputs: command::Outputs,
        mut overlay: Option<Placed>,
        shared: &Shared,
    ) -> Result<(), RunError> {
        let count = outputs.pictures + outputs.sounds;
        let mut lineup = Lineup::new(outputs.pictures, outputs.sounds);
        let mut demuxers: Vec<Demuxer> = (0..count).map(|_| Demuxer::default()).collect();
        let mut made: Vec<Option<Arc<Track>>> = vec![None; count];
        while let Some((output, bytes)) = pipes.read().await.map_err(RunError::Pipe)? {
            let Some(demuxer) = demuxers.get_mut(output) else {
                continue;
            };
            // It has been read.
            drop(overlay.take());
            demuxer.push(bytes);
            while let Some(event) = demuxer.next()? {
                match event {
                    demux::Event::Tracks(tracks) => {
                        if let Some(made) = made.get_mut(output) {
                            *made = tracks.into_iter().next();
                        }
                        if made.iter().all(Option::is_some) {
                            self.note(Note::Tracks(made.iter().flatten().cloned().collect()))
                                .await;
                        }
                    }
                    demux::Event::Frame { mut frame, .. } => {
                        if !shared.place(&mut frame) {
                            tracing::warn!(pts = ?frame.pts(), "a frame of the encoder has an odd time and is left out");
                            continue;
                        }
                        for step in lineup.push(output, frame) {
                            self.note(Note::Step(step)).await;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    async fn note(&self, note: Note) {
        // Nobody listens: this run is about to be dropped.
        drop(self.notes.send((self.number, note)).await);
    }
}

/// The tracks that go into the encoder.
fn fed_tracks(encoding: &Encoding) -> Vec<Arc<Track>> {
    let video = Arc::clone(&encoding.video);
    let audio = encoding
        .audio
        .clone()
        .filter(|_| !encoding.sounds().is_empty());
    std::iter::once(video).chain(audio).collect()
}

/// Feeds the encoder.
struct Feed<'a> {
    encoding: Arc<Encoding>,
    muxer: mkv::Muxer,
    shared: &'a Shared,
    notes: (Number, mpsc::Sender<(Number, Note)>),
}

impl Feed<'_> {
    /// Feeds until there is no more, or the source is another than the encoder was started for; then the encoder meets the
    /// end of its input, and whoever reads its output the end of that.
    async fn run(mut self, frames: Subscriber<MediaFrame>, input: child::Input) -> Never {
        // It has ended, which whoever reads its output learns too.
        if let Err(error) = self.feed(frames, input).await {
            tracing::debug!(%error, "the encoder takes no more");
        }
        std::future::pending().await
    }

    async fn feed(
        &mut self,
        mut frames: Subscriber<MediaFrame>,
        mut input: child::Input,
    ) -> std::io::Result<()> {
        input.send([self.muxer.header()]).await?;
        let mut begun = false;
        while let Some(delivery) = frames.next().await {
            let frame = match delivery {
                Delivery::Item(frame) => frame,
                Delivery::Skipped(frames) => {
                    let (number, notes) = &self.notes;
                    drop(notes.send((*number, Note::Skipped(frames))).await);
                    continue;
                }
            };
            let meant = match frame.kind() {
                Kind::Video => Some(&self.encoding.video),
                Kind::Audio => self.encoding.audio.as_ref(),
                Kind::Data => None,
            };
            let Some(meant) = meant.filter(|_| frame.is_default) else {
                continue;
            };
            let same = Arc::ptr_eq(meant, &frame.track) || frame.track.decodes_like(meant);
            if frame.kind() == Kind::Video {
                begun |= same && frame.key;
                if begun && !same {
                    return Ok(());
                }
            }
            if begun && same {
                self.shared.note(&frame);
                let mut frame = frame;
                frame.dts = frame.dts + ROOM;
                // The plan has it. Where only some pictures say it, all filters would begin anew, without what is drawn.
                frame.payload = frame.track.codec.without_orientation(&frame.payload);
                match self.muxer.frame(&frame) {
                    Ok(pieces) => input.send(pieces).await?,
                    Err(error) => tracing::debug!(%error, "a frame is not encoded"),
                }
            }
        }
        Ok(())
    }
}

enum Never {}

/// What feeding and reading know of each other.
#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    fed: Fed,
    /// When the first frame went in that nothing has come out for since.
    unanswered: Option<Instant>,
    /// It has given something.
    works: bool,
}

impl Shared {
    fn note(&self, frame: &MediaFrame) {
        let mut inner = self.lock();
        inner.unanswered.get_or_insert_with(Instant::now);
        if frame.kind() == Kind::Video {
            inner.fed.note(frame);
        }
    }

    /// Gives a frame that comes back the time and the epoch of the one that it was made of.
    fn place(&self, frame: &mut MediaFrame) -> bool {
        let mut inner = self.lock();
        (inner.unanswered, inner.works) = (None, true);
        frame.dts = frame.dts - ROOM;
        inner.fed.place(frame)
    }

    /// Waits until the encoder takes and does not give, or does not even take, and answers for how long.
    async fn watch(&self) -> Duration {
        let mut look = tokio::time::interval(Duration::from_millis(500));
        loop {
            look.tick().await;
            let inner = self.lock();
            let patience = match inner.works {
                true => PATIENCE,
                false => START,
            };
            let silence = inner.unanswered.map(|since| since.elapsed());
            if silence.is_some_and(|silence| silence > patience) {
                return patience;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A picture in a file that the encoder reads when it starts. Dropped, it is gone.
struct Placed {
    overlay: Arc<Overlay>,
    file: NamedTempFile,
}

impl Placed {
    fn new(overlay: Arc<Overlay>) -> std::io::Result<Self> {
        let mut file = tempfile::Builder::new()
            .prefix("lsv-overlay-")
            .suffix(".png")
            .tempfile()?;
        file.write_all(&overlay.png)?;
        Ok(Self { overlay, file })
    }

    fn as_argument(&self) -> command::Overlay<'_> {
        command::Overlay {
            file: self.file.path(),
            left: self.overlay.left,
            top: self.overlay.top,
        }
    }
}

/// Times in the encoder are later by so much: what it makes may begin a little before what it is made of, and nothing there
/// begins before zero.
const ROOM: Timestamp = Timestamp::from_millis(10_000);

/// How long an encoder may take in without giving anything: viewers of a watermark wait so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same of one that has given nothing yet, which viewers do not wait for.
const START: Duration = Duration::from_secs(15);

/// From the end of its output to its own.
const LAST_WORDS: Duration = Duration::from_secs(5);
