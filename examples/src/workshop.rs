//! What works on the streams of a node beside its live outputs: recorders, and the tasks of channels.

use std::sync::Arc;

use lsv_core::embedded::Tasks;
use lsv_core::events::Events;
use lsv_core::hub::Hub;
use lsv_core::ports::{ObjectStore, TaskScheduler};
use lsv_core::reach::Reach;
use lsv_core::share::Share;
use lsv_mux::process::overlay::{self, Overlays};
use lsv_mux::process::stills::{Gallery, sheets};
use lsv_mux::process::{Conductor, Ffmpeg, Worker};
use lsv_mux::record::thumbnails::Thumbnails;
use lsv_mux::record::{self, Recorders};
use rustls::ClientConfig;

use crate::config::Config;
use crate::{tasks, trust};

/// Recorders and tasks of one hub.
pub(crate) struct Workshop {
    hub: Hub,
    share: Share,
    pub(crate) recorders: Recorders,
    pub(crate) overlays: Overlays,
    pub(crate) gallery: Gallery,
    pub(crate) tasks: Tasks,
}

impl Workshop {
    /// Does its `share` for the streams of `hub`, into `objects`, where it is known as `owner`.
    ///
    /// # Errors
    /// Where the system's certificates cannot be read.
    pub(crate) async fn new(
        config: &Config,
        hub: &Hub,
        events: &Events,
        objects: Arc<dyn ObjectStore>,
        share: Share,
        owner: &str,
    ) -> anyhow::Result<Self> {
        let ffmpeg = Ffmpeg::find(config.ffmpeg.as_deref()).await;
        match &ffmpeg {
            Ok(ffmpeg) => tracing::info!(
                path = %ffmpeg.path().display(),
                version = %ffmpeg.version(),
                parent_death_signal = ffmpeg.has_parent_death_signal(),
                "found ffmpeg"
            ),
            Err(error) => tracing::warn!(
                "transcoding, watermarks, snapshots and motion are not to be had: {error}"
            ),
        }
        let trusted = trust::of_the_system()?;
        let overlays = overlays(config, Arc::clone(&trusted));
        let mut recording = record::Config::default();
        recording.classes = config.storage_classes.clone();
        recording.adopt_after = config.adopt_after;
        (recording.share, recording.node) = (share, owner.to_owned());
        let recorders = Recorders::new(objects, events.clone(), recording)
            .with_thumbnails(Thumbnails::new(sheets::compose));
        let (ladder, written) = (config.ladder.clone(), recorders.clone());
        let worker = Worker::new(hub.clone(), ffmpeg, overlays.clone(), ladder, written);
        Ok(Self {
            hub: hub.clone(),
            share,
            gallery: worker.gallery().clone(),
            tasks: tasks::scheduler(config, trusted, hub, events, worker),
            recorders,
            overlays,
        })
    }

    /// Begins to work; what needs an encoder goes to `processors`, where there are any, who may reach this node over RTMPS.
    pub(crate) fn open(
        &self,
        config: &Config,
        processors: Option<Arc<dyn TaskScheduler>>,
        has_rtmps: bool,
    ) {
        tokio::spawn(self.recorders.clone().run(self.hub.clone()));
        let conductor = Conductor::new(Arc::new(self.tasks.clone()), config.ladder.clone());
        let conductor = conductor.sharing(self.share);
        let conductor = match processors {
            Some(processors) => conductor.with_processors(processors, has_rtmps),
            None => conductor,
        };
        tokio::spawn(conductor.run(self.hub.clone()));
    }

    /// Waits until what is recorded is whole and every task has ended.
    pub(crate) async fn close(&self) {
        tokio::join!(self.recorders.settled(), self.tasks.drain());
    }
}

/// What draws watermarks, and looks at their pictures before a channel gets them.
pub(crate) fn overlays(config: &Config, trusted: Arc<ClientConfig>) -> Overlays {
    let mut drawing = overlay::Config::default();
    if config.allow_private_targets {
        drawing.reach = Reach::anywhere();
    }
    drawing.tls = Some(trusted);
    Overlays::new(drawing)
}
