//! Pulling: a stream of another server into the hub.

use std::sync::Arc;

use lsv_core::hub::{Hub, Offer};
use lsv_core::path::StreamPath;
use tokio::sync::watch;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::Config;
use super::backoff::Backoff;
use super::filler::{End, Filler};
use super::status::{Reason, Status, Stop};
use crate::net::socket::now;
use crate::net::{Address, Client};

/// Fills a stream of the hub from another server, and connects again after each failure.
///
/// The stream begins with the first media that comes. A connection that breaks leaves it lost, to go on within the hub's
/// reconnect window; one that the source ends in order ends it. It is over when [`Pull::stop`] says so, or when another
/// publisher takes the stream over. Dropped, it leaves the stream lost.
#[derive(Debug)]
pub struct Pull {
    address: Arc<Address>,
    status: watch::Receiver<Status>,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Pull {
    /// Pulls `source` into the stream `path` of `hub`, where it publishes with `offer`.
    ///
    /// A source that sends no media for [`play_idle`](crate::Limits::play_idle) of the client's limits, or half a minute
    /// where they have none, is connected to again.
    pub fn start(
        hub: &Hub,
        path: StreamPath,
        offer: Offer,
        source: Address,
        client: &Client,
        config: Config,
    ) -> Self {
        let address = Arc::new(source);
        let (filler, status) = Filler::new(hub, path.clone(), offer, client);
        let stop = filler.stop.clone();
        let span = tracing::info_span!("pull", path = %path, source = %address);
        let puller = Puller {
            filler,
            address: Arc::clone(&address),
            config,
        };
        Self {
            address,
            status,
            stop,
            task: AbortOnDropHandle::new(tokio::spawn(puller.run().instrument(span))),
        }
    }

    /// Where the stream comes from.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Where it stands, with changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Waits until it is over.
    pub async fn finished(self) {
        // An error says that the task is gone, which is what is waited for.
        drop(self.task.await);
    }

    /// Takes leave of the source and ends the stream.
    pub async fn stop(self) {
        self.stop.cancel();
        self.finished().await;
    }
}

struct Puller {
    filler: Filler,
    address: Arc<Address>,
    config: Config,
}

impl Puller {
    async fn run(mut self) {
        let mut backoff = Backoff::new(&self.config);
        let stop = loop {
            let (end, publisher) = self.filler.fill(&self.address).await;
            if let (End::SourceEnded | End::Stopped(Stop::Asked), Some(publisher)) =
                (&end, publisher)
            {
                publisher.finish();
            }
            let (refused, reason) = match end {
                End::Stopped(stop) => break stop,
                End::Failed(error) => (error.is_refusal(), Reason::Failed(Arc::new(error))),
                End::SourceEnded => (false, Reason::SourceEnded),
                End::Refused(error) => (true, Reason::Refused(error)),
            };
            let report = &mut self.filler.report;
            let delay = backoff.fail(report.lasted(), refused);
            tracing::warn!(?reason, ?delay, "the source gives no stream");
            let until = now() + delay;
            report.waiting(Some(until), reason);
            tokio::select! {
                () = sleep_until(until.into()) => {}
                () = self.filler.stop.cancelled() => break Stop::Asked,
            }
        };
        tracing::info!(?stop, "the relay is over");
        self.filler.report.stopped(stop);
    }
}
