//! What starts and stops the tasks of a channel: each live source gets those that its settings and its tracks ask for.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use lsv_core::channel::TaskSize;
use lsv_core::hub::{Event, Hub, Processing, Stream, Warning};
use lsv_core::media::Orientation;
use lsv_core::path::{Rendition, StreamPath};
use lsv_core::ports::{Error, Task, TaskId, TaskKind, TaskScheduler, TaskSpec, TaskState};
use lsv_core::share::Share;
use tokio::sync::Mutex;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::plan::{Ladder, Plan};

/// Follows a hub and keeps a scheduler busy with what its channels want. A change of what is wanted starts and stops only
/// what differs; what changes within a task, the task follows by itself.
#[derive(Debug, Clone)]
pub struct Conductor {
    scheduler: Arc<dyn TaskScheduler>,
    ladder: Ladder,
    share: Share,
    processors: Option<Arc<dyn TaskScheduler>>,
    /// Whether other nodes can pull from this one over RTMPS.
    has_rtmps: bool,
}

impl Conductor {
    /// A conductor of tasks that `scheduler` runs, with renditions of `ladder`.
    pub fn new(scheduler: Arc<dyn TaskScheduler>, ladder: Ladder) -> Self {
        Self {
            scheduler,
            ladder,
            share: Share::Everything,
            processors: None,
            has_rtmps: false,
        }
    }

    /// The same on a node that does only its `share` of the tasks.
    #[must_use]
    pub fn sharing(self, share: Share) -> Self {
        Self { share, ..self }
    }

    /// The same on a node that does not encode: `processors` get one task a channel, of the kind `process`, for
    /// everything that needs an encoder. They pull the source from this node, over RTMPS if it has that.
    #[must_use]
    pub fn with_processors(self, processors: Arc<dyn TaskScheduler>, has_rtmps: bool) -> Self {
        Self {
            share: Share::Remuxing,
            processors: Some(processors),
            has_rtmps,
            ..self
        }
    }

    /// Who runs tasks of `kind`.
    fn scheduler_of(&self, kind: TaskKind) -> &dyn TaskScheduler {
        match (kind, &self.processors) {
            (TaskKind::Process, Some(processors)) => processors.as_ref(),
            _ => self.scheduler.as_ref(),
        }
    }

    /// Whether processors have something to do for a channel that wants `wanted`.
    fn leaves_work(&self, wanted: &Processing) -> bool {
        self.processors.is_some() && self.share.leaves_work(wanted)
    }

    /// Whether they can get its source as it wants.
    fn lets_pull(&self, wanted: &Processing) -> bool {
        self.has_rtmps || !wanted.over_rtmps
    }

    /// The tasks of `plan` that this node sees to, for a channel that wants `wanted`.
    fn divide(&self, plan: &Plan, wanted: &Processing) -> BTreeMap<TaskKind, TaskSize> {
        let mut tasks = plan.tasks.clone();
        tasks.retain(|kind, _| self.share.does(*kind, wanted));
        if self.leaves_work(wanted) && self.lets_pull(wanted) {
            let encodes = plan.tasks.contains_key(&TaskKind::Transcode);
            let size = if encodes {
                wanted.codec_size
            } else {
                wanted.record_size
            };
            tasks.insert(TaskKind::Process, size);
        }
        tasks
    }

    /// Conducts for every source of `hub`, those there are and those to come. Never returns; dropped, it stops.
    pub async fn run(self, hub: Hub) {
        let mut events = hub.events();
        let mut followed = JoinSet::new();
        let mut known: BTreeMap<StreamPath, Played> = BTreeMap::new();
        let mut arrived = hub.streams();
        loop {
            known.retain(|_, played| played.stream.strong_count() > 0);
            for stream in arrived.drain(..) {
                let before = known.get(stream.path());
                let is_new = before.is_none_or(|it| !it.is_of(&stream));
                if is_new && stream.path().rendition == Rendition::Source {
                    if let Some(before) = before {
                        before.followed.cancel();
                    }
                    let played = Played::after(before, &stream);
                    let span = tracing::info_span!("conduct", path = %stream.path());
                    let score = Score::new(self.clone(), Arc::clone(&stream));
                    followed.spawn(score.play(played.clone()).instrument(span));
                    known.insert(stream.path().clone(), played);
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

/// A source that is seen to.
#[derive(Clone)]
struct Played {
    stream: Weak<Stream>,
    /// Told when another source is there: the tasks of this one need not end by themselves any more.
    followed: CancellationToken,
    /// Held while it is seen to. Tasks are found by their channel: what a source asks for would else be the task of the
    /// one before, which ends a moment later.
    turn: Arc<Mutex<()>>,
}

impl Played {
    fn after(before: Option<&Self>, stream: &Arc<Stream>) -> Self {
        Self {
            stream: Arc::downgrade(stream),
            followed: CancellationToken::new(),
            turn: before.map(|it| Arc::clone(&it.turn)).unwrap_or_default(),
        }
    }

    fn is_of(&self, stream: &Arc<Stream>) -> bool {
        self.stream.as_ptr() == Arc::as_ptr(stream)
    }
}

/// The tasks of one source.
struct Score {
    conductor: Conductor,
    stream: Arc<Stream>,
    running: BTreeMap<TaskKind, Running>,
}

struct Running {
    id: TaskId,
    size: TaskSize,
    since: Instant,
}

impl Score {
    fn new(conductor: Conductor, stream: Arc<Stream>) -> Self {
        Self {
            conductor,
            stream,
            running: BTreeMap::new(),
        }
    }

    /// Until the stream has ended; from when the one before has.
    async fn play(mut self, played: Played) {
        let _turn = played.turn.lock().await;
        let mut settings = self.stream.settings();
        let mut tracks = self.stream.watch_source_tracks();
        settings.mark_changed();
        let mut look = tokio::time::interval(LOOK_AFTER);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.stream.state() != lsv_core::hub::State::Ended {
            let missing = tokio::select! {
                Ok(()) = settings.changed() => false,
                Ok(()) = tracks.changed() => false,
                () = played.followed.cancelled() => break,
                _ = look.tick() => true,
            };
            let wanted = settings.borrow_and_update().processing.clone();
            tracks.mark_unchanged();
            // Upright or not, the tasks are the same.
            let orientation = Orientation::default();
            let plan = Plan::of(&self.stream, &wanted, orientation, &self.conductor.ladder);
            self.warn(&plan, &wanted);
            if missing {
                self.forget_ended().await;
            }
            let tasks = self.conductor.divide(&plan, &wanted);
            self.follow(&tasks).await;
        }
        // They end by themselves, with what is left of the source.
        drop(timeout(LAST, played.followed.cancelled()).await);
        // The publisher may be on another node by now, whose channel is the same processor's. Nobody's is left by itself.
        self.running.remove(&TaskKind::Process);
        self.follow(&BTreeMap::new()).await;
    }

    fn warn(&self, plan: &Plan, wanted: &Processing) {
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
        let conductor = &self.conductor;
        let is_out_of_reach = conductor.leaves_work(wanted) && !conductor.lets_pull(wanted);
        let out_of_reach = "there are no renditions, watermark, snapshots or motion, as isRtmps wants them made over RTMPS, which this \
                            node has not: give it a certificate, or turn isRtmps off";
        let text = text.or_else(|| is_out_of_reach.then(|| out_of_reach.to_owned()));
        self.stream.warn(Warning::RENDITIONS, text);
        if plan.encoding.is_none() && plan.snapshots.is_none() && plan.motion.is_none() {
            self.stream.warn(Warning::FFMPEG, None);
        }
    }

    /// Tasks that ended by themselves, or do as their node stops, are to be started again, not at once.
    async fn forget_ended(&mut self) {
        let conductor = &self.conductor;
        let processors = conductor.processors.iter().map(|it| (it, true));
        for (scheduler, processes) in processors.chain([(&conductor.scheduler, false)]) {
            let listed = match scheduler.list().await {
                Ok(listed) => listed,
                Err(error) => {
                    tracing::debug!(%error, "the tasks cannot be listed for now");
                    continue;
                }
            };
            self.running.retain(|kind, running| {
                let is_its = processes == (*kind == TaskKind::Process);
                let is_young = running.since.elapsed() < retry_ended(*kind);
                let goes_on = |it: &Task| it.id == running.id && it.state != TaskState::Stopping;
                !is_its || is_young || listed.iter().any(goes_on)
            });
        }
    }

    /// Starts what is missing and stops what is too much, or cannot follow its size.
    async fn follow(&mut self, wanted: &BTreeMap<TaskKind, TaskSize>) {
        let conductor = &self.conductor;
        for (kind, running) in &mut self.running {
            let size = wanted.get(kind).filter(|size| **size != running.size);
            // Who watches renditions would see them end.
            if let (TaskKind::Transcode | TaskKind::Process, Some(size)) = (kind, size)
                && conductor
                    .scheduler_of(*kind)
                    .resize(&running.id, *size)
                    .await
                    .is_ok()
            {
                running.size = *size;
            }
        }
        let too_much = self
            .running
            .extract_if(.., |kind, running| wanted.get(kind) != Some(&running.size));
        let too_much: Vec<_> = too_much.collect();
        for (kind, running) in too_much {
            let id = &running.id;
            match conductor.scheduler_of(kind).stop(id).await {
                Ok(()) => {}
                Err(Error::NotFound(_)) => tracing::debug!(%kind, %id, "the task is gone already"),
                // Nobody else would stop it while its channel is live.
                Err(error) => {
                    tracing::warn!(%kind, %id, %error, "the task could not be stopped; it is tried again");
                    self.running.insert(kind, running);
                }
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
            match conductor.scheduler_of(*kind).start(spec).await {
                Ok(id) => {
                    let (size, since) = (*size, Instant::now());
                    self.running.insert(*kind, Running { id, size, since });
                }
                Err(error) => tracing::warn!(%kind, %error, "the task could not be started"),
            }
        }
    }
}

/// How often it is looked whether tasks are still there, and starts that failed are tried again.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// How long tasks may take for what is left of a source that has ended, if no other follows.
const LAST: Duration = Duration::from_secs(5);

/// How long after its start a task that has ended is started again at the earliest. One that another node did may have
/// ended with that node.
fn retry_ended(kind: TaskKind) -> Duration {
    match kind {
        TaskKind::Process => Duration::from_secs(5),
        _ => Duration::from_secs(30),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use async_trait::async_trait;
    use bytes::Bytes;
    use lsv_core::hub::{Offer, Publisher, Watermark};
    use lsv_core::media::{Kind, MediaFrame};
    use lsv_core::path::ChannelId;
    use lsv_core::ports::Result;
    use lsv_core::time::Timestamp;
    use tokio::sync::mpsc;

    /// Does nothing but tell what it is asked for.
    #[derive(Debug)]
    struct Scheduler(mpsc::UnboundedSender<String>);

    impl Scheduler {
        fn tell(&self, asked: String) {
            self.0.send(asked).unwrap();
        }
    }

    #[async_trait]
    impl TaskScheduler for Scheduler {
        async fn start(&self, spec: TaskSpec) -> Result<TaskId> {
            self.tell(format!("start {} {:?}", spec.kind, spec.size));
            Ok(TaskId(spec.kind.to_string()))
        }

        async fn stop(&self, id: &TaskId) -> Result<()> {
            self.tell(format!("stop {id}"));
            Ok(())
        }

        async fn resize(&self, id: &TaskId, size: TaskSize) -> Result<()> {
            self.tell(format!("resize {id} {size:?}"));
            Ok(())
        }

        async fn list(&self) -> Result<Vec<Task>> {
            Ok(Vec::new())
        }
    }

    /// A live source with one key frame.
    fn publish(hub: &Hub, offer: Offer) -> Publisher {
        let path = StreamPath::source(ChannelId::parse("cam").unwrap());
        let publisher = hub
            .publish(&path, offer, std::time::Instant::now())
            .unwrap();
        let tracks = crate::fuzzing::tracks();
        let video = tracks.default_of(Kind::Video).unwrap();
        let mut frame = MediaFrame::new(video, Timestamp::ZERO, Bytes::new());
        frame.key = true;
        publisher.push(frame).unwrap();
        publisher
    }

    #[tokio::test]
    async fn what_needs_an_encoder_is_one_task_of_the_processors() {
        let (hub, (tell, mut own)) = (Hub::default(), mpsc::unbounded_channel());
        let (tell_processors, mut others) = mpsc::unbounded_channel();
        let conductor = Conductor::new(Arc::new(Scheduler(tell)), Ladder::default())
            .with_processors(Arc::new(Scheduler(tell_processors)), false);
        let mut offer = Offer::new("test");
        let processing = &mut offer.settings.processing;
        processing.renditions = vec![Rendition::P360];
        processing.snapshots = Some(Duration::from_secs(5));
        let mut settings = offer.settings.clone();
        let publisher = publish(&hub, offer);
        let conducting = tokio::spawn(conductor.run(hub.clone()));
        assert_eq!(own.recv().await.unwrap(), "start snapshot Small");
        assert_eq!(others.recv().await.unwrap(), "start process Large");

        let processing = &mut settings.processing;
        processing.watermark = Some(Watermark::new(None, None, 0, 0));
        publisher.stream().set_settings(settings.clone());
        // Snapshots are to show it.
        assert_eq!(own.recv().await.unwrap(), "stop snapshot");

        let processing = &mut settings.processing;
        (processing.watermark, processing.renditions) = (None, Vec::new());
        publisher.stream().set_settings(settings.clone());
        assert_eq!(others.recv().await.unwrap(), "stop process");
        assert_eq!(own.recv().await.unwrap(), "start snapshot Small");

        let processing = &mut settings.processing;
        (processing.renditions, processing.snapshots) = (vec![Rendition::P360], None);
        processing.over_rtmps = true;
        publisher.stream().set_settings(settings);
        assert_eq!(own.recv().await.unwrap(), "stop snapshot");
        let warnings = publisher.stream().warnings();
        assert!(warnings[0].text.contains("isRtmps"), "{warnings:?}");
        assert!(others.try_recv().is_err());
        conducting.abort();
    }

    /// Stops nothing when it is first asked.
    #[derive(Debug)]
    struct Busy(Scheduler, AtomicBool);

    #[async_trait]
    impl TaskScheduler for Busy {
        async fn start(&self, spec: TaskSpec) -> Result<TaskId> {
            self.0.start(spec).await
        }

        async fn stop(&self, id: &TaskId) -> Result<()> {
            self.0.stop(id).await?;
            match self.1.swap(true, Ordering::Relaxed) {
                true => Ok(()),
                false => Err(Error::unavailable("too many calls")),
            }
        }

        async fn resize(&self, id: &TaskId, size: TaskSize) -> Result<()> {
            self.0.resize(id, size).await
        }

        async fn list(&self) -> Result<Vec<Task>> {
            Err(Error::unavailable("too many calls"))
        }
    }

    #[tokio::test]
    async fn a_task_that_could_not_be_stopped_is_stopped_later() {
        let (hub, (tell, mut asked)) = (Hub::default(), mpsc::unbounded_channel());
        let busy = Busy(Scheduler(tell), AtomicBool::new(false));
        let conductor = Conductor::new(Arc::new(busy), Ladder::default());
        let mut offer = Offer::new("test");
        offer.settings.processing.renditions = vec![Rendition::P360];
        let mut settings = offer.settings.clone();
        let publisher = publish(&hub, offer);
        let conducting = tokio::spawn(conductor.run(hub.clone()));
        assert_eq!(asked.recv().await.unwrap(), "start transcode Large");
        settings.processing.renditions.clear();
        publisher.stream().set_settings(settings);
        for _ in 0..2 {
            assert_eq!(asked.recv().await.unwrap(), "stop transcode");
        }
        conducting.abort();
    }

    #[tokio::test]
    async fn encoders_follow_a_changed_size_and_other_tasks_begin_anew() {
        let (hub, (tell, mut asked)) = (Hub::default(), mpsc::unbounded_channel());
        let conductor = Conductor::new(Arc::new(Scheduler(tell)), Ladder::default());
        let mut offer = Offer::new("test");
        let processing = &mut offer.settings.processing;
        processing.renditions = vec![Rendition::P360];
        processing.snapshots = Some(Duration::from_secs(5));
        (processing.codec_size, processing.record_size) = (TaskSize::Large, TaskSize::Small);
        let mut settings = offer.settings.clone();
        let publisher = publish(&hub, offer);
        let conducting = tokio::spawn(conductor.run(hub.clone()));
        let mut heard = async || asked.recv().await.unwrap();
        let started = [heard().await, heard().await];
        assert_eq!(started, ["start transcode Large", "start snapshot Small"]);

        let processing = &mut settings.processing;
        (processing.codec_size, processing.record_size) = (TaskSize::Micro, TaskSize::Large);
        publisher.stream().set_settings(settings);
        let changed = [heard().await, heard().await, heard().await];
        assert_eq!(
            changed,
            [
                "resize transcode Micro",
                "stop snapshot",
                "start snapshot Large"
            ]
        );
        conducting.abort();
    }

    #[tokio::test]
    async fn a_source_gets_its_tasks_when_those_of_the_one_before_were_asked_to_end() {
        let (hub, (tell, mut asked)) = (Hub::default(), mpsc::unbounded_channel());
        let conductor = Conductor::new(Arc::new(Scheduler(tell)), Ladder::default());
        let mut offer = Offer::new("test");
        offer.settings.processing.renditions = vec![Rendition::P360];
        let publisher = publish(&hub, offer.clone());
        let conducting = tokio::spawn(conductor.run(hub.clone()));
        assert_eq!(asked.recv().await.unwrap(), "start transcode Large");
        publisher.finish();
        let publisher = publish(&hub, offer);
        assert_eq!(asked.recv().await.unwrap(), "stop transcode");
        assert_eq!(asked.recv().await.unwrap(), "start transcode Large");
        drop(publisher);
        conducting.abort();
    }
}
