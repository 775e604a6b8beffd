//! What happens, told to a bus of EventBridge, where rules lead it to whom it concerns.
//!
//! ```text
//! Events ─> queue of at most 10,000 ─> PutEvents, ten at a time ─> bus
//!              └─ full: the oldest go, counted
//! ```
//!
//! An event on the bus has the source `lsv`, its kind as `detail-type` (`published`, `task-failed`, ...), its own time, and as `detail` what
//! `GET /events` tells, with the node's name. Each comes at least once; those of one node mostly in their order.

mod queue;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_smithy_types::DateTime;
use futures::future::BoxFuture;
use lsv_core::backoff::{self, Backoff};
use lsv_core::events::{Event, Events};
use lsv_core::ports::Error;
use serde_json::Value;
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use self::queue::{Entry, Queue};
use crate::SdkConfig;
use crate::error::failed;

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The bus, by name or ARN.
    pub bus: String,
    /// The name of the node that tells.
    pub node: String,
}

impl Config {
    /// A node that tells a bus.
    pub fn new(bus: impl Into<String>, node: impl Into<String>) -> Self {
        Self {
            bus: bus.into(),
            node: node.into(),
        }
    }
}

/// Tells a bus what happens: make it, and run it beside everything else. Nobody waits for it.
pub struct Teller {
    client: Client,
    config: Config,
    heard: broadcast::Receiver<Arc<Event>>,
    asked: mpsc::Receiver<oneshot::Sender<()>>,
    queue: Queue,
    backoff: Backoff,
    /// Who waits, each for the event of that number and all before.
    waiting: Vec<(u64, oneshot::Sender<()>)>,
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Asks a [`Teller`] whether it has told everything.
#[derive(Clone, Debug)]
pub struct Told(mpsc::Sender<oneshot::Sender<()>>);

impl Told {
    /// Waits until what has happened so far is told, or given up, or the teller has ended; not longer than `patience`. A function of Lambda
    /// sleeps between two calls, so it waits before it answers.
    pub async fn all(&self, patience: Duration) {
        let (sender, told) = oneshot::channel();
        let asked = async {
            if self.0.send(sender).await.is_ok() {
                // The teller lets go of it when it has told all, or ends.
                drop(told.await);
            }
        };
        // What is not told by then is told later.
        drop(timeout(patience, asked).await);
    }
}

/// What became of a batch.
struct Outcome {
    /// What is to be told again.
    again: Vec<Entry>,
    /// What nobody wants.
    refused: u64,
    /// Why, if not all was taken.
    reason: Option<String>,
}

impl Teller {
    /// A teller of everything that happens from now on.
    pub fn new(sdk: &SdkConfig, config: Config, events: &Events) -> (Self, Told) {
        let (ask, asked) = mpsc::channel(ASKED);
        let mut delays = backoff::Config::default();
        delays.longest_delay = LONGEST_PAUSE;
        let teller = Self {
            client: Client::new(sdk),
            config,
            heard: events.subscribe(),
            asked,
            queue: Queue::default(),
            backoff: Backoff::new(delays, u64::from(std::process::id())),
            waiting: Vec::new(),
        };
        (teller, Told(ask))
    }

    /// Tells until `stop`, and for at most five seconds more what has happened by then.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut next = Instant::now();
        let mut sending: Option<BoxFuture<'static, Outcome>> = None;
        loop {
            let is_due = sending.is_none() && !self.queue.is_empty();
            tokio::select! {
                () = sleep_until(next), if is_due => {
                    let (client, bus) = (self.client.clone(), self.config.bus.clone());
                    let batch = self.queue.batch();
                    sending = Some(Box::pin(async move { put(&client, &bus, batch).await }));
                }
                outcome = of(&mut sending) => {
                    sending = None;
                    next = self.settle(outcome);
                }
                // While a batch is on its way, the rest waits in the queue.
                heard = self.heard.recv() => match heard {
                    Ok(event) => self.queue.push(&event, &self.config.node),
                    Err(RecvError::Lagged(lost)) => self.queue.lose(lost),
                    Err(RecvError::Closed) => break,
                },
                Some(asker) = self.asked.recv() => {
                    hear(&mut self.heard, &mut self.queue, &self.config.node);
                    self.waiting.push((self.queue.last(), asker));
                    self.queue.answer(&mut self.waiting);
                }
                () = &mut stop => break,
            }
        }
        drop(sending);
        self.finish().await;
    }

    /// Takes note of what became of a batch, and answers when the next may go.
    fn settle(&mut self, outcome: Outcome) -> Instant {
        let failed = !outcome.again.is_empty();
        self.queue.settle(outcome.again, outcome.refused);
        let mut next = Instant::now();
        if let Some(reason) = outcome.reason {
            tracing::warn!(
                bus = self.config.bus,
                reason,
                waiting = self.queue.len(),
                "the event bus did not take all that happened"
            );
        }
        if failed {
            next += self.backoff.fail(Duration::ZERO);
        } else {
            self.backoff.note(STABLE);
        }
        self.queue.report(&self.config.bus);
        self.queue.answer(&mut self.waiting);
        next
    }

    /// Tells what is left, within [`LAST`].
    async fn finish(mut self) {
        hear(&mut self.heard, &mut self.queue, &self.config.node);
        let until = Instant::now() + LAST;
        // What was on its way may have arrived; it is told again.
        self.queue.take_back();
        while !self.queue.is_empty() {
            let batch = self.queue.batch();
            let told = put(&self.client, &self.config.bus, batch);
            let Ok(outcome) = tokio::time::timeout_at(until, told).await else {
                self.queue.take_back();
                break;
            };
            let next = self.settle(outcome);
            if next >= until {
                break;
            }
            sleep_until(next).await;
        }
        let left = self.queue.len();
        if left > 0 {
            self.queue.lose(left as u64);
        }
        self.queue.report(&self.config.bus);
    }
}

impl Outcome {
    fn nothing() -> Self {
        Self {
            again: Vec::new(),
            refused: 0,
            reason: None,
        }
    }
}

/// What becomes of the batch that is on its way; without one, this never ends.
async fn of(sending: &mut Option<BoxFuture<'static, Outcome>>) -> Outcome {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}

/// Hears everything that has happened by now.
fn hear(heard: &mut broadcast::Receiver<Arc<Event>>, queue: &mut Queue, node: &str) {
    loop {
        match heard.try_recv() {
            Ok(event) => queue.push(&event, node),
            Err(TryRecvError::Lagged(lost)) => queue.lose(lost),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return,
        }
    }
}

/// Tells a batch once; the SDK tries a few times by itself.
async fn put(client: &Client, bus: &str, batch: Vec<Entry>) -> Outcome {
    let entries = batch.iter().map(|entry| {
        PutEventsRequestEntry::builder()
            .event_bus_name(bus)
            .source(SOURCE)
            .detail_type(entry.kind)
            .time(DateTime::from_millis(
                i64::try_from(entry.at.unix_millis()).unwrap_or(i64::MAX),
            ))
            .detail(&entry.detail)
            .build()
    });
    let entries = entries.collect();
    let answer = client.put_events().set_entries(Some(entries)).send().await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let error = failed("the event bus", &error);
            let reason = Some(error.to_string());
            return match error {
                // The same would be refused again; it must not hold up what comes after it.
                Error::Invalid(_) => Outcome {
                    again: Vec::new(),
                    refused: batch.len() as u64,
                    reason,
                },
                _ => Outcome {
                    again: batch,
                    refused: 0,
                    reason,
                },
            };
        }
    };
    let mut outcome = Outcome::nothing();
    let results = answer.entries.unwrap_or_default();
    for (index, entry) in batch.into_iter().enumerate() {
        let Some(code) = results.get(index).and_then(|result| result.error_code()) else {
            continue;
        };
        outcome.reason = Some(code.to_owned());
        match code {
            "ThrottlingException"
            | "InternalFailure"
            | "InternalException"
            | "ServiceUnavailable" => {
                outcome.again.push(entry);
            }
            _ => outcome.refused += 1,
        }
    }
    outcome
}

/// An event as it stands on the bus.
fn detail(event: &Event, node: &str) -> Option<String> {
    let mut detail = serde_json::to_value(event).ok()?;
    detail
        .as_object_mut()?
        .insert("node".to_owned(), Value::from(node));
    Some(detail.to_string())
}

const SOURCE: &str = "lsv";

/// How many may ask at once; more wait.
const ASKED: usize = 16;

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A batch that was taken makes up for all failures before.
const STABLE: Duration = Duration::from_secs(60);

/// How long a node that ends tells what is left.
const LAST: Duration = Duration::from_secs(5);
