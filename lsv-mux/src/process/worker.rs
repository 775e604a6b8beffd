//! What does the tasks of a channel that need an encoder.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use lsv_core::channel::{LogLevel, TaskSize};
use lsv_core::hub::{Hub, Warning};
use lsv_core::path::StreamPath;
use lsv_core::ports::{TaskControl, TaskKind, TaskRunner, TaskSpec, TaskState};
use lsv_core::recording::Kind;

use super::encoder::Encoder;
use super::motion::Watch;
use super::overlay::Overlays;
use super::plan::Ladder;
use super::stills::{Gallery, Snapshots, Style, sheets};
use super::{Error, Ffmpeg};
use crate::record::Recorders;
use crate::record::thumbnails::Thumbnails;

/// Does the tasks of the kinds `transcode`, `snapshot` and `motion`, for the streams of one hub.
#[derive(Clone)]
pub struct Worker {
    hub: Hub,
    ffmpeg: Result<Ffmpeg, Arc<Error>>,
    overlays: Overlays,
    ladder: Ladder,
    recorders: Recorders,
    gallery: Gallery,
}

impl Worker {
    /// A worker for the streams of `hub`, whose pictures and clips go where `recorders` write. Without an ffmpeg its tasks fail and say why, and so do their streams.
    pub fn new(
        hub: Hub,
        ffmpeg: Result<Ffmpeg, Error>,
        overlays: Overlays,
        ladder: Ladder,
        recorders: Recorders,
    ) -> Self {
        let ffmpeg = ffmpeg.map_err(Arc::new);
        let style = Style::new(TaskSize::Small, LogLevel::Warning);
        Self {
            hub,
            gallery: Gallery::new(ffmpeg.as_ref().ok().cloned(), style),
            ffmpeg,
            overlays,
            ladder,
            recorders,
        }
    }

    /// The newest pictures of all streams.
    pub fn gallery(&self) -> &Gallery {
        &self.gallery
    }
}

#[async_trait]
impl TaskRunner for Worker {
    async fn run(&self, spec: &TaskSpec, control: TaskControl) -> Result<(), String> {
        let path = StreamPath::source(spec.channel.clone());
        let Some(stream) = self.hub.find(&path) else {
            return Ok(());
        };
        let ffmpeg = match &self.ffmpeg {
            Ok(ffmpeg) => ffmpeg.clone(),
            Err(error) => {
                let text = format!("the task {} cannot be done: {error}", spec.kind);
                let wants_snapshots = stream.settings().borrow().processing.snapshots.is_some();
                if spec.kind == TaskKind::Snapshot && !wants_snapshots {
                    // A recording without small pictures is nothing to warn of.
                    control.set_state(TaskState::Waiting);
                    control.report(|report| report.problem = Some(text));
                    control.stopped().await;
                    return Ok(());
                }
                stream.warn(Warning::FFMPEG, Some(text.clone()));
                return Err(text);
            }
        };
        match spec.kind {
            TaskKind::Transcode => {
                let encoder = Encoder {
                    hub: self.hub.clone(),
                    ffmpeg,
                    overlays: self.overlays.clone(),
                    ladder: self.ladder.clone(),
                };
                encoder.run(stream, control).await
            }
            TaskKind::Snapshot => {
                let thumbnails = self.recorders.thumbnails.clone();
                let snapshots = Snapshots::new(
                    ffmpeg,
                    self.recorders.kept(Kind::Snapshot),
                    self.recorders.events.clone(),
                    self.gallery.clone(),
                    thumbnails.unwrap_or_else(|| Thumbnails::new(sheets::compose)),
                );
                snapshots.run(stream, control).await
            }
            TaskKind::Motion => {
                let watch = Watch::new(ffmpeg, self.recorders.clone());
                watch.run(stream, control).await
            }
            kind => Err(format!("this node does no tasks of the kind {kind}")),
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("ffmpeg", &self.ffmpeg)
            .finish_non_exhaustive()
    }
}
