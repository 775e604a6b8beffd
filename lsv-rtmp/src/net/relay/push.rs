//! Pushing: a stream of the hub to any number of targets.

use std::sync::Arc;

use lsv_core::hub::Stream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::status::Report;
use super::target::Sender;
use super::{Config, State, Status};
use crate::net::{Address, Client};

/// Pushes one stream on to targets, which come and go while it does.
///
/// It ends with the stream. Dropped, it cuts all connections, which the targets take for a lost publisher;
/// [`Push::stop`] ends them in order.
#[derive(Debug)]
pub struct Push {
    stream: Arc<Stream>,
    client: Client,
    config: Config,
    targets: Vec<Target>,
    /// Those that were removed and take their leave.
    leaving: Vec<Target>,
}

/// A server that a stream is pushed to.
#[derive(Debug)]
pub struct Target {
    address: Arc<Address>,
    status: watch::Receiver<Status>,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Target {
    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Where it stands, with changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }
}

impl Push {
    /// Pushes `stream` with the connections of `client`, so far to nobody.
    pub fn new(stream: Arc<Stream>, client: Client, config: Config) -> Self {
        Self {
            stream,
            client,
            config,
            targets: Vec::new(),
            leaving: Vec::new(),
        }
    }

    /// Pushes to `address` too. An address that is there already is not added again.
    pub fn add(&mut self, address: &Address) -> &Target {
        let known = self.targets.iter();
        let index = match known
            .into_iter()
            .position(|target| *target.address == *address)
        {
            Some(index) => index,
            None => {
                let target = self.start(address);
                self.targets.push(target);
                self.targets.len() - 1
            }
        };
        // The index of what was found or pushed.
        #[expect(clippy::indexing_slicing, reason = "the index was just found")]
        &self.targets[index]
    }

    /// No longer pushes to `address`: the target is told in order. Says whether it was there.
    pub fn remove(&mut self, address: &Address) -> bool {
        let before = self.targets.len();
        self.retain(|known| known != address);
        self.targets.len() < before
    }

    /// Pushes to exactly these: what is new is added, what is missing removed, and the others are left alone.
    pub fn set(&mut self, addresses: &[Address]) {
        self.retain(|known| addresses.contains(known));
        for address in addresses {
            self.add(address);
        }
    }

    /// All targets.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Waits until the stream is over and every target knows. Safe to be cancelled: the targets stay.
    pub async fn finished(&mut self) {
        for target in self.leaving.iter_mut().chain(&mut self.targets) {
            // A task is not to be waited for again once it has said that it is over.
            if !target.task.is_finished() {
                // An error says that the task is gone, which is what is waited for.
                drop((&mut target.task).await);
            }
        }
    }

    /// Tells every target in order that it is over, and waits until they know.
    pub async fn stop(mut self) {
        for target in &self.targets {
            target.stop.cancel();
        }
        self.finished().await;
    }

    fn start(&self, address: &Address) -> Target {
        let address = Arc::new(address.clone());
        let (report, status) = Report::new();
        let stop = CancellationToken::new();
        let sender = Sender {
            stream: Arc::clone(&self.stream),
            client: self.client.clone(),
            address: Arc::clone(&address),
            config: self.config.clone(),
            stop: stop.clone(),
            report,
        };
        let path = self.stream.path();
        let span = tracing::info_span!("relay", path = %path, target = %address);
        Target {
            address,
            status,
            stop,
            task: AbortOnDropHandle::new(tokio::spawn(sender.run().instrument(span))),
        }
    }

    fn retain(&mut self, keep: impl Fn(&Address) -> bool) {
        let gone = |target: &Target| matches!(target.status.borrow().state, State::Stopped(_));
        self.leaving.retain(|target| !gone(target));
        for target in self.targets.extract_if(.., |target| !keep(&target.address)) {
            target.stop.cancel();
            self.leaving.push(target);
        }
    }
}
