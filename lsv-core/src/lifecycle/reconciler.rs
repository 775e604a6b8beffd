//! Stops what nobody stopped. A node that dies leaves its tasks running; each that is left looks after all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::path::ChannelId;
use crate::ports::{
    Error, Form, Result, Session, SessionRegistry, Task, TaskId, TaskKind, TaskScheduler, TaskState,
};
use tokio::time::{Instant, MissedTickBehavior};

/// Stops tasks whose channel nobody publishes any more, and all but one of those that do the same: whose node is announced to
/// have the channel processed stays, as that is where others get it. Where that is none of them, or its name does not tell the
/// node that runs it, as with containers, the oldest stays.
///
/// Any number of them may run; stopping twice does no harm. While the registry or the scheduler cannot be asked nothing is stopped, and what was
/// not live before counts for nothing.
#[derive(Debug)]
pub struct Reconciler {
    tasks: Arc<dyn TaskScheduler>,
    sessions: Arc<dyn SessionRegistry>,
    window: Duration,
    idle: BTreeMap<TaskId, Instant>,
    doubled: BTreeSet<TaskId>,
}

impl Reconciler {
    /// A reconciler of `tasks`, for channels that `sessions` has not had for longer than `window`, which should be longer than
    /// publishers may take to come back, and than a lease of the registry holds.
    pub fn new(
        tasks: Arc<dyn TaskScheduler>,
        sessions: Arc<dyn SessionRegistry>,
        window: Duration,
    ) -> Self {
        Self {
            tasks,
            sessions,
            window,
            idle: BTreeMap::new(),
            doubled: BTreeSet::new(),
        }
    }

    /// Looks again and again. Never returns.
    pub async fn run(mut self) {
        let mut look = tokio::time::interval(LOOK_AFTER);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "whether tasks are still needed is not known");
            }
        }
    }

    /// Looks once, and answers what it stopped.
    ///
    /// # Errors
    /// Where the registry or the scheduler cannot be asked.
    pub async fn look(&mut self) -> Result<Vec<TaskId>> {
        let (sessions, tasks) = match (self.sessions.list().await, self.tasks.list().await) {
            (Ok(sessions), Ok(tasks)) => (sessions, tasks),
            (Err(error), _) | (_, Err(error)) => {
                self.idle.clear();
                self.doubled.clear();
                return Err(error);
            }
        };
        let (sources, processed): (Vec<_>, Vec<_>) = sessions
            .into_iter()
            .partition(|session| session.form == Form::Source);
        let live: BTreeSet<_> = sources.into_iter().map(|source| source.channel).collect();
        let mut running: Vec<_> = tasks
            .into_iter()
            .filter(|task| task.state != TaskState::Stopping)
            .collect();
        running.sort_by_cached_key(|task| {
            let is_announced = processed.iter().any(|session| does(task, session));
            (!is_announced, task.since, task.id.clone())
        });
        let mut stopped = Vec::new();
        for task in self.doubled(&running) {
            let reason = "another task does the same";
            self.stop(task, reason, &mut stopped).await;
        }
        for task in self.idle(&running, &live) {
            let reason = "nobody publishes its channel";
            self.stop(task, reason, &mut stopped).await;
        }
        Ok(stopped)
    }

    /// Tasks that do what one before them does, and did so the last time as well: then that one is there to stay.
    fn doubled<'a>(&mut self, running: &'a [Task]) -> Vec<&'a Task> {
        let mut seen = BTreeSet::<(TaskKind, &ChannelId)>::new();
        let doubled: Vec<_> = running
            .iter()
            .filter(|task| task.spec.kind != TaskKind::Distribute)
            .filter(|task| !seen.insert((task.spec.kind, &task.spec.channel)))
            .collect();
        let ids = doubled.iter().map(|task| task.id.clone()).collect();
        let before = std::mem::replace(&mut self.doubled, ids);
        let again = doubled.into_iter().filter(|task| before.contains(&task.id));
        again.collect()
    }

    /// Tasks whose channel was never live within the window.
    fn idle<'a>(&mut self, running: &'a [Task], live: &BTreeSet<ChannelId>) -> Vec<&'a Task> {
        let now = Instant::now();
        let idle = running
            .iter()
            .filter(|task| !live.contains(&task.spec.channel));
        let before = std::mem::take(&mut self.idle);
        let mut long = Vec::new();
        for task in idle {
            let since = before.get(&task.id).copied().unwrap_or(now);
            self.idle.insert(task.id.clone(), since);
            if now.saturating_duration_since(since) >= self.window {
                long.push(task);
            }
        }
        long
    }

    async fn stop(&self, task: &Task, reason: &str, stopped: &mut Vec<TaskId>) {
        let (id, channel, kind) = (&task.id, &task.spec.channel, task.spec.kind);
        match self.tasks.stop(id).await {
            Ok(()) => {
                tracing::info!(%id, %channel, %kind, reason, "a task that is left over is stopped");
                stopped.push(id.clone());
            }
            // Somebody else was faster.
            Err(Error::NotFound(_)) => {}
            Err(error) => {
                tracing::warn!(%id, %channel, %kind, %error, "a task that is left over could not be stopped");
            }
        }
    }
}

/// Whether `session` is of what `task` makes. The names of tasks that other nodes run begin with where those are.
fn does(task: &Task, session: &Session) -> bool {
    let node = session.http.as_deref();
    let own = node.and_then(|node| task.id.0.strip_prefix(node));
    task.spec.kind == TaskKind::Process
        && task.spec.channel == session.channel
        && own.is_some_and(|own| own.starts_with('/'))
}

/// How often it is looked.
const LOOK_AFTER: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use crate::channel::{Moment, TaskSize};
    use crate::ports::{Lease, TaskSpec};
    use async_trait::async_trait;

    use super::*;

    /// A registry and a scheduler, as a test sets them.
    #[derive(Debug, Default)]
    struct World {
        /// None: it cannot be asked.
        live: Mutex<Option<Vec<&'static str>>>,
        /// Where "cam" is processed.
        processed: Mutex<Option<&'static str>>,
        tasks: Mutex<Vec<Task>>,
    }

    impl World {
        fn live(&self, channels: Option<&[&'static str]>) {
            *self.live.lock().unwrap() = channels.map(<[_]>::to_vec);
        }

        fn run(&self, id: &str, channel: &str, since: u64) {
            let task = Task {
                id: TaskId(id.to_owned()),
                spec: TaskSpec {
                    kind: TaskKind::Process,
                    channel: ChannelId::parse(channel).unwrap(),
                    size: TaskSize::Small,
                },
                state: TaskState::Running,
                since: Moment::from_unix(since),
                report: Default::default(),
            };
            self.tasks.lock().unwrap().push(task);
        }
    }

    #[async_trait]
    impl SessionRegistry for World {
        async fn announce(&self, _: Session) -> Result<Lease> {
            unreachable!("nobody announces")
        }

        async fn locate(&self, _: &ChannelId, _: Form) -> Result<Option<Session>> {
            unreachable!("nobody looks for one")
        }

        async fn list(&self) -> Result<Vec<Session>> {
            let live = self.live.lock().unwrap().clone();
            let live = live.ok_or_else(|| Error::unavailable("test"))?;
            let session = |(channel, form, http): (&str, Form, Option<&str>)| Session {
                http: http.map(str::to_owned),
                form,
                ..Session::new(
                    ChannelId::parse(channel).unwrap(),
                    "node",
                    "rtmp://192.0.2.1:1935",
                    Moment::EPOCH,
                )
            };
            // What a task announces does not keep it alive.
            let processed = ("gone", Form::Processed, None);
            let announced = *self.processed.lock().unwrap();
            let announced = announced.map(|http| ("cam", Form::Processed, Some(http)));
            let live = live.into_iter();
            let sources = live.map(|channel| (channel, Form::Source, None));
            let all = sources.chain([processed]).chain(announced);
            Ok(all.map(session).collect())
        }
    }

    #[async_trait]
    impl TaskScheduler for World {
        async fn start(&self, _: TaskSpec) -> Result<TaskId> {
            unreachable!("nobody starts")
        }

        async fn stop(&self, id: &TaskId) -> Result<()> {
            let mut tasks = self.tasks.lock().unwrap();
            let task = tasks.iter().position(|task| task.id == *id);
            let task = task.ok_or_else(|| Error::NotFound(id.to_string()))?;
            tasks.remove(task);
            Ok(())
        }

        async fn resize(&self, _: &TaskId, _: TaskSize) -> Result<()> {
            unreachable!("nobody resizes")
        }

        async fn list(&self) -> Result<Vec<Task>> {
            Ok(self.tasks.lock().unwrap().clone())
        }
    }

    const WINDOW: Duration = Duration::from_secs(60);

    fn reconciler(world: &Arc<World>) -> Reconciler {
        let tasks = Arc::clone(world) as Arc<dyn TaskScheduler>;
        Reconciler::new(tasks, Arc::clone(world) as _, WINDOW)
    }

    async fn look(reconciler: &mut Reconciler) -> Vec<String> {
        let stopped = reconciler.look().await.unwrap();
        stopped.into_iter().map(|id| id.0).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_go_when_their_channel_has_been_gone_for_the_window() {
        let world = Arc::new(World::default());
        world.run("a", "cam", 1);
        world.run("b", "gone", 1);
        world.live(Some(&["cam"]));
        let mut reconciler = reconciler(&world);
        assert!(look(&mut reconciler).await.is_empty());
        tokio::time::advance(WINDOW / 2).await;
        assert!(look(&mut reconciler).await.is_empty());
        tokio::time::advance(WINDOW / 2).await;
        assert_eq!(look(&mut reconciler).await, ["b"]);
        assert!(look(&mut reconciler).await.is_empty());
        // A publisher that comes back within the window keeps its task.
        for live in [&[][..], &["cam"], &[]] {
            world.live(Some(live));
            assert!(look(&mut reconciler).await.is_empty());
            tokio::time::advance(WINDOW - Duration::from_secs(1)).await;
        }
        assert!(look(&mut reconciler).await.is_empty());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(look(&mut reconciler).await, ["a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_goes_while_nobody_knows_what_is_live() {
        let world = Arc::new(World::default());
        world.run("a", "cam", 1);
        world.live(Some(&[]));
        let mut reconciler = reconciler(&world);
        assert!(look(&mut reconciler).await.is_empty());
        tokio::time::advance(WINDOW * 2).await;
        world.live(None);
        assert!(reconciler.look().await.is_err());
        world.live(Some(&[]));
        assert!(look(&mut reconciler).await.is_empty(), "it counts anew");
        tokio::time::advance(WINDOW).await;
        assert_eq!(look(&mut reconciler).await, ["a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_that_do_the_same_the_older_stays() {
        let world = Arc::new(World::default());
        world.live(Some(&["cam"]));
        world.run("b", "cam", 2);
        let mut reconciler = reconciler(&world);
        assert!(look(&mut reconciler).await.is_empty());
        world.run("a", "cam", 1);
        assert!(
            look(&mut reconciler).await.is_empty(),
            "one look is no proof"
        );
        assert_eq!(look(&mut reconciler).await, ["b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_that_do_the_same_the_one_that_is_announced_stays() {
        let world = Arc::new(World::default());
        world.live(Some(&["cam"]));
        world.run("http://192.0.2.1:80/a", "cam", 1);
        world.run("http://192.0.2.1:8080/b", "cam", 2);
        *world.processed.lock().unwrap() = Some("http://192.0.2.1:8080");
        let mut reconciler = reconciler(&world);
        assert!(look(&mut reconciler).await.is_empty());
        assert_eq!(look(&mut reconciler).await, ["http://192.0.2.1:80/a"]);
        // Neither of these is announced.
        world.run("http://192.0.2.1:80/c", "cam", 3);
        *world.processed.lock().unwrap() = Some("http://192.0.2.1:8");
        assert!(look(&mut reconciler).await.is_empty());
        assert_eq!(look(&mut reconciler).await, ["http://192.0.2.1:80/c"]);
    }
}
