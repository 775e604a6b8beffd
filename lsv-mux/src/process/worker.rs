//! What does the tasks of a channel that need an encoder.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use lsv_core::hub::{Hub, Warning};
use lsv_core::path::StreamPath;
use lsv_core::ports::{TaskControl, TaskKind, TaskRunner, TaskSpec};

use super::encoder::Encoder;
use super::overlay::Overlays;
use super::plan::Ladder;
use super::{Error, Ffmpeg};

/// Does the tasks of the kinds `transcode`, for the streams of one hub.
#[derive(Clone)]
pub struct Worker {
    hub: Hub,
    ffmpeg: Result<Ffmpeg, Arc<Error>>,
    overlays: Overlays,
    ladder: Ladder,
}

impl Worker {
    /// A worker for the streams of `hub`. Without an ffmpeg its tasks fail and say why, and so do their streams.
    pub fn new(
        hub: Hub,
        ffmpeg: Result<Ffmpeg, Error>,
        overlays: Overlays,
        ladder: Ladder,
    ) -> Self {
        Self {
            hub,
            ffmpeg: ffmpeg.map_err(Arc::new),
            overlays,
            ladder,
        }
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
