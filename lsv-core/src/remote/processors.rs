//! Tasks that other nodes run.

use std::cmp::Reverse;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use hyper::Method;
use lsv_auth::Secret;
use rustls::ClientConfig;
use tokio::time::Instant;

use super::channels::LISTING_BYTES;
use super::client;
use super::peer::{Call, Failed, Peer, quoted};
use super::{Config, InvalidBase};
use crate::channel::TaskSize;
use crate::exchange::{Resized, Started};
use crate::ports::{Error, Result, Task, TaskId, TaskScheduler, TaskSpec, TaskState};
use crate::rendezvous;

/// A [`TaskScheduler`] over several nodes that run tasks. Clones share it.
///
/// A task goes to the node that rendezvous hashing of its channel chooses among those that answer and have room, so that
/// gateways need not agree. One that works already is found, whoever asked for it. A node that does not answer for
/// [`Config::absence`] has nothing any more: its tasks are to be started elsewhere. If it comes back, the announcement of what was
/// started later counts, and whoever has lost its place ends.
#[derive(Clone)]
pub struct Processors {
    shared: Arc<Shared>,
}

struct Shared {
    nodes: Vec<Processor>,
    absence: Duration,
    /// What was listed last; whoever lists does so for all who ask meanwhile.
    listed: tokio::sync::Mutex<Option<(Instant, Vec<Task>)>>,
}

struct Processor {
    base: String,
    peer: Peer,
    /// The same, given up sooner.
    quick: Peer,
    /// What it said last that it runs, and when.
    said: Mutex<Option<(Instant, Vec<Task>)>>,
}

impl Processors {
    /// The nodes at `bases`, such as `http://10.0.0.9:8080`, for whoever shows `token`.
    ///
    /// # Errors
    /// [`InvalidBase`] for what is no address.
    pub fn new(
        bases: &[String],
        token: &Secret,
        tls: Arc<ClientConfig>,
        config: &Config,
    ) -> Result<Self, InvalidBase> {
        let http = client::http(tls);
        let quick = Config {
            call_time: config.time,
            ..config.clone()
        };
        let processor = |base: &String| {
            let peer = Peer::new(base, token, http.clone(), config)?;
            Ok(Processor {
                base: peer.to_string(),
                peer,
                quick: Peer::new(base, token, http.clone(), &quick)?,
                said: Mutex::default(),
            })
        };
        let nodes = bases.iter().map(processor);
        Ok(Self {
            shared: Arc::new(Shared {
                nodes: nodes.collect::<Result<_, InvalidBase>>()?,
                absence: config.absence,
                listed: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// The node that runs `id`, and what that calls it.
    fn find<'a>(&self, id: &'a TaskId) -> Result<(&Processor, &'a str)> {
        let nodes = self.shared.nodes.iter();
        let mut found = nodes.filter_map(|node| Some((node, node.own(id)?)));
        let missing = || Error::NotFound(format!("task {id}"));
        found.next().ok_or_else(missing)
    }

    /// What was listed is not so any more.
    async fn forget(&self) {
        *self.shared.listed.lock().await = None;
    }
}

impl Shared {
    /// What each node runs, or why it does not say.
    async fn ask_all(&self) -> Vec<(&Processor, Result<Vec<Task>>)> {
        let asked = self.nodes.iter().map(async |node| {
            let tasks = node.list().await;
            (node, tasks)
        });
        join_all(asked).await
    }

    /// What all nodes run, or that none of them says so.
    fn merged(&self, answers: Vec<(&Processor, Result<Vec<Task>>)>) -> Result<Vec<Task>> {
        let (mut all, mut is_known, mut failed) = (Vec::new(), answers.is_empty(), None);
        for (node, answer) in answers {
            let tasks = answer.or_else(|error| node.remembered(self.absence).ok_or(error));
            match tasks {
                Ok(tasks) => {
                    is_known = true;
                    all.extend(tasks);
                }
                Err(error) => {
                    tracing::debug!(%error, "a processor does not say what it runs");
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) if !is_known => Err(error),
            _ => Ok(all),
        }
    }
}

impl Processor {
    /// What `id` is called there, if it is a task of this node.
    fn own<'a>(&self, id: &'a TaskId) -> Option<&'a str> {
        id.0.strip_prefix(&self.base)?.strip_prefix('/')
    }

    fn named(&self, id: &TaskId) -> TaskId {
        TaskId(format!("{}/{id}", self.base))
    }

    async fn list(&self) -> Result<Vec<Task>> {
        // Asked again and again anyway.
        let call = Call::get("/node/tasks")
            .answered_by(LISTING_BYTES)
            .hurried();
        let mut tasks: Vec<Task> = self.quick.ask(call).await?;
        for task in &mut tasks {
            task.id = self.named(&task.id);
        }
        *self.lock() = Some((Instant::now(), tasks.clone()));
        Ok(tasks)
    }

    /// What it said last, if that is not too long ago.
    fn remembered(&self, absence: Duration) -> Option<Vec<Task>> {
        let said = self.lock();
        let (at, tasks) = said.as_ref()?;
        (at.elapsed() < absence).then(|| tasks.clone())
    }

    async fn start(&self, spec: &TaskSpec) -> Result<TaskId, Failed> {
        let call = Call::new(Method::POST, "/node/tasks").json(spec);
        let reply = self.peer.call(call).await.answer?;
        let started: Started = self.peer.read(&reply.bytes).map_err(Failed::Told)?;
        Ok(self.named(&started.id))
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, Vec<Task>)>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl TaskScheduler for Processors {
    async fn start(&self, spec: TaskSpec) -> Result<TaskId> {
        let shared = &*self.shared;
        let answers = shared.ask_all().await;
        let mut nodes = answers.iter();
        let mut there: Vec<&Processor> = nodes
            .by_ref()
            .filter_map(|(node, answer)| answer.is_ok().then_some(*node))
            .collect();
        let works = |task: &&Task| {
            (task.spec.kind, &task.spec.channel) == (spec.kind, &spec.channel)
                && task.state != TaskState::Stopping
        };
        let running = shared.merged(answers)?;
        if let Some(task) = running.iter().find(works) {
            return Ok(task.id.clone());
        }
        self.forget().await;
        let weight =
            |node: &&Processor| Reverse(rendezvous::weight([spec.channel.as_str(), &node.base]));
        there.sort_by_cached_key(weight);
        let mut refused = Error::unavailable("no processor answers");
        for node in there {
            match node.start(&spec).await {
                Ok(id) => return Ok(id),
                Err(failed) => {
                    let error = Error::from(failed);
                    tracing::debug!(node = %node.base, %error, "a processor does not take a task");
                    refused = error;
                }
            }
        }
        Err(refused)
    }

    async fn stop(&self, id: &TaskId) -> Result<()> {
        let (node, own) = self.find(id)?;
        let call = Call::new(Method::DELETE, path(own));
        let stopped = node.peer.call(call).await.removed();
        self.forget().await;
        stopped
    }

    async fn resize(&self, id: &TaskId, size: TaskSize) -> Result<()> {
        let (node, own) = self.find(id)?;
        let call = Call::new(Method::PATCH, path(own)).json(&Resized { size });
        let resized = node.peer.ask(call).await;
        self.forget().await;
        resized
    }

    async fn list(&self) -> Result<Vec<Task>> {
        let shared = &*self.shared;
        let mut listed = shared.listed.lock().await;
        if let Some((at, tasks)) = &*listed
            && at.elapsed() < FRESH
        {
            return Ok(tasks.clone());
        }
        let tasks = shared.merged(shared.ask_all().await)?;
        *listed = Some((Instant::now(), tasks.clone()));
        Ok(tasks)
    }
}

impl fmt::Debug for Processors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bases = self.shared.nodes.iter().map(|node| &node.base);
        f.debug_tuple("Processors")
            .field(&bases.collect::<Vec<_>>())
            .finish()
    }
}

fn path(id: &str) -> String {
    let id = quoted(id).replace('/', "%2F");
    format!("/node/tasks/{id}")
}

/// How long a listing is as good as new, for all channels that look whether their tasks are there.
const FRESH: Duration = Duration::from_millis(500);
