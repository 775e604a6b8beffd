//! What starts and stops the tasks of a channel: each live source gets those that its settings and its tracks ask for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lsv_core::channel::TaskSize;
use lsv_core::hub::{Event, Hub, Stream, Warning};
use lsv_core::media::Orientation;
use lsv_core::path::{Rendition, StreamPath};
use lsv_core::ports::{TaskId, TaskKind, TaskScheduler, TaskSpec};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::Instrument;

use super::plan::{Known, Ladder, Plan};

/// Follows a hub and keeps a scheduler busy with what its channels want. A change of what is wanted starts and stops only
/// what differs; what changes within a task, the task follows by itself.
#[derive(Debug, Clone)]
pub struct Conductor {
    scheduler: Arc<dyn TaskScheduler>,
    ladder: Ladder,
}

impl Conductor {
    /// A conductor of tasks that `scheduler` runs, with renditions of `ladder`.
    pub fn new(scheduler: Arc<dyn TaskScheduler>, ladder: Ladder) -> Self {
        Self { scheduler, ladder }
    }

    /// Conducts for every source of `hub`, those there are and those to come. Never returns; dropped, it stops.
    pub async fn run(self, hub: Hub) {
        let mut events = hub.events();
        let mut followed = JoinSet::new();
        let mut known: BTreeMap<StreamPath, std::sync::Weak<Stream>> = BTreeMap::new();
        let mut arrived = hub.streams();
        loop {
            known.retain(|_, stream| stream.strong_count() > 0);
            for stream in arrived.drain(..) {
                let is_new = known
                    .get(stream.path())
                    .is_none_or(|known| known.as_ptr() != Arc::as_ptr(&stream));
                if is_new && stream.path().rendition == Rendition::Source {
                    known.insert(stream.path().clone(), Arc::downgrade(&stream));
                    let span = tracing::info_span!("conduct", path = %stream.path());
                    let score = Score::new(self.clone(), stream);
                    followed.spawn(score.play().instrument(span));
                }
            }
            tokio::select! {
                event = events.recv() => match event {
                    Ok(Event::Started(stream) | Event::Resumed(stream)) => arrived.push(stream),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => arrived = hub.streams(),
                    Err(RecvError::Closed) => return,
                },
                Some(_) = followed.join_next() => {}
            }
        }
    }
}

/// The tasks of one source.
struct Score {
    conductor: Conductor,
    stream: Arc<Stream>,
    running: BTreeMap<TaskKind, Running>,
    /// The longest time between two key frames so far.
    longest_group: Option<Duration>,
}

struct Running {
    id: TaskId,
    since: Instant,
}

impl Score {
    fn new(conductor: Conductor, stream: Arc<Stream>) -> Self {
        Self {
            conductor,
            stream,
            running: BTreeMap::new(),
            longest_group: None,
        }
    }

    /// Until the stream has ended.
    async fn play(mut self) {
        let mut settings = self.stream.settings();
        let mut tracks = self.stream.watch_source_tracks();
        settings.mark_changed();
        let mut look = tokio::time::interval(LOOK_AFTER);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.stream.state() != lsv_core::hub::State::Ended {
            let missing = tokio::select! {
                Ok(()) = settings.changed() => false,
                Ok(()) = tracks.changed() => false,
                _ = look.tick() => true,
            };
            let (wanted, segment) = {
                let settings = settings.borrow_and_update();
                (settings.processing.clone(), settings.segment)
            };
            let tracks = Arc::clone(&tracks.borrow_and_update());
            let interval = self.stream.ingest().key_frame_interval;
            self.longest_group = self.longest_group.max(interval);
            let known = Known {
                key_frame_interval: self.longest_group,
                segment,
                orientation: Orientation::default(),
            };
            let plan = Plan::new(&wanted, &tracks, known, &self.conductor.ladder);
            self.warn(&plan);
            if missing {
                self.forget_ended().await;
            }
            self.follow(&plan.tasks).await;
        }
        self.follow(&BTreeMap::new()).await;
    }

    fn warn(&self, plan: &Plan) {
        let names = plan
            .too_large
            .iter()
            .filter_map(|rendition| rendition.segment());
        let names = names.collect::<Vec<_>>().join(" and ");
        let text = (!names.is_empty()).then(|| {
            format!(
                "{names} would be larger than what the encoder sends and is not made: turn it off, or send a larger picture"
            )
        });
        let none = "there are no renditions, watermark, snapshots or motion, as the encoder sends no picture that is known: \
                    turn them off, or send pictures";
        let text = text.or_else(|| plan.lacks_pictures.then(|| none.to_owned()));
        self.stream.warn(Warning::RENDITIONS, text);
        if plan.encoding.is_none() && plan.snapshots.is_none() && plan.motion.is_none() {
            self.stream.warn(Warning::FFMPEG, None);
        }
    }

    /// Tasks that ended by themselves are to be started again, not at once.
    async fn forget_ended(&mut self) {
        match self.conductor.scheduler.list().await {
            Ok(tasks) => self.running.retain(|_, running| {
                running.since.elapsed() < RETRY_ENDED || tasks.iter().any(|it| it.id == running.id)
            }),
            Err(error) => tracing::debug!(%error, "the tasks cannot be listed for now"),
        }
    }

    /// Starts what is missing and stops what is too much.
    async fn follow(&mut self, wanted: &BTreeMap<TaskKind, TaskSize>) {
        let scheduler = &self.conductor.scheduler;
        let too_much = self
            .running
            .extract_if(.., |kind, _| !wanted.contains_key(kind));
        for (kind, running) in too_much {
            if let Err(error) = scheduler.stop(&running.id).await {
                tracing::debug!(%kind, id = %running.id, %error, "the task is gone already");
            }
        }
        for (kind, size) in wanted {
            if self.running.contains_key(kind) {
                continue;
            }
            let spec = TaskSpec {
                kind: *kind,
                channel: self.stream.path().channel.clone(),
                size: *size,
            };
            match scheduler.start(spec).await {
                Ok(id) => {
                    let since = Instant::now();
                    self.running.insert(*kind, Running { id, since });
                }
                Err(error) => tracing::warn!(%kind, %error, "the task could not be started"),
            }
        }
    }
}

/// How often it is looked whether tasks are still there, and starts that failed are tried again.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// How long after its start a task that has ended is started again at the earliest.
const RETRY_ENDED: Duration = Duration::from_secs(30);
