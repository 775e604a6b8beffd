//! Pulling: a stream of another server into the hub.

use std::sync::Arc;
use std::time::Duration;

use lsv_core::hub::{Closed, Hub, Offer, PublishError, Publisher};
use lsv_core::path::StreamPath;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::Config;
use super::backoff::Backoff;
use super::status::{Reason, Report, Status, Stop};
use crate::net::client::{self, Notice, Played, Playing};
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
        let (report, status) = Report::new();
        let stop = CancellationToken::new();
        let span = tracing::info_span!("pull", path = %path, source = %address);
        let puller = Puller {
            hub: hub.clone(),
            path,
            offer,
            address: Arc::clone(&address),
            client: client.with(|config| {
                config.session.limits.play_idle.get_or_insert(IDLE);
            }),
            config,
            stop: stop.clone(),
            report,
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
    hub: Hub,
    path: StreamPath,
    offer: Offer,
    address: Arc<Address>,
    client: Client,
    config: Config,
    stop: CancellationToken,
    report: Report,
}

/// The stream of the hub while it is filled over one connection, or over those that a server leads it to.
#[derive(Default)]
struct Filling {
    publisher: Option<Publisher>,
    bytes: u64,
}

/// How a connection came to its end.
enum End {
    Failed(client::Error),
    SourceEnded,
    Refused(PublishError),
    Stopped(Stop),
}

impl Puller {
    async fn run(mut self) {
        let mut backoff = Backoff::new(&self.config);
        let stop = loop {
            let end = self.connect_and_play().await;
            let (refused, reason) = match end {
                End::Stopped(stop) => break stop,
                End::Failed(error) => (error.is_refusal(), Reason::Failed(Arc::new(error))),
                End::SourceEnded => (false, Reason::SourceEnded),
                End::Refused(error) => (true, Reason::Refused(error)),
            };
            let delay = backoff.fail(self.report.lasted(), refused);
            tracing::warn!(?reason, ?delay, "the source gives no stream");
            let until = now() + delay;
            self.report.waiting(Some(until), reason);
            tokio::select! {
                () = sleep_until(until.into()) => {}
                () = self.stop.cancelled() => break Stop::Asked,
            }
        };
        tracing::info!(?stop, "the relay is over");
        self.report.stopped(stop);
    }

    async fn connect_and_play(&mut self) -> End {
        self.report.connecting();
        let connected = tokio::select! {
            connected = self.client.play(&self.address) => connected,
            () = self.stop.cancelled() => return End::Stopped(Stop::Asked),
        };
        let mut playing = match connected {
            Ok(playing) => playing,
            Err(error) => return End::Failed(error),
        };
        let mut filling = Filling::default();
        let end = self.play(&mut playing, &mut filling).await;
        self.report.carried(filling.bytes);
        if let End::SourceEnded | End::Stopped(Stop::Asked) = end
            && let Some(publisher) = filling.publisher
        {
            publisher.finish();
        }
        if let End::Stopped(_) | End::Refused(_) = end {
            // It is gone anyway.
            drop(playing.finish().await);
        }
        end
    }

    async fn play(&mut self, playing: &mut Playing, filling: &mut Filling) -> End {
        let mut second = interval(SECOND);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let played = tokio::select! {
                played = playing.next() => played,
                closed = closed(&mut filling.publisher) => return End::Stopped(Stop::Closed(closed)),
                () = self.stop.cancelled() => return End::Stopped(Stop::Asked),
                _ = second.tick() => {
                    self.report.carried(filling.bytes);
                    continue;
                }
            };
            let played = match played {
                Ok(Some(Played::Notice(notice))) => {
                    self.note(notice, filling);
                    continue;
                }
                Ok(Some(played)) => played,
                Ok(None) => return End::SourceEnded,
                Err(error) => return End::Failed(error),
            };
            let publisher = match &mut filling.publisher {
                Some(publisher) => publisher,
                None => match self.hub.publish(&self.path, self.offer.clone(), now()) {
                    Ok(new) => {
                        tracing::info!(peer = ?playing.peer(), "the source gives the stream");
                        self.report.live();
                        filling.publisher.insert(new)
                    }
                    Err(error) => return End::Refused(error),
                },
            };
            match played {
                Played::Track(track) => publisher.announce(&track),
                Played::Metadata(metadata) => publisher.set_metadata(metadata),
                Played::Frame(frame) => {
                    filling.bytes += frame.payload.len() as u64;
                    if let Err(closed) = publisher.push(frame) {
                        return End::Stopped(Stop::Closed(closed));
                    }
                }
                Played::Notice(_) => {}
            }
        }
    }

    fn note(&mut self, notice: Notice, filling: &mut Filling) {
        match notice {
            Notice::ReconnectRequested { description } => {
                tracing::info!(%description, "the source asks to connect again");
            }
            Notice::Moved { address } => {
                tracing::info!(%address, "the stream goes on over a new connection");
                // A new clock and new headers: for the hub it is another publisher.
                filling.publisher = None;
            }
            Notice::Stayed(error) => {
                tracing::warn!(%error, "the stream stays where it is");
                self.report.failed(error);
            }
        }
    }
}

async fn closed(publisher: &mut Option<Publisher>) -> Closed {
    match publisher {
        Some(publisher) => publisher.closed().await,
        None => std::future::pending().await,
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// Longest silence of a source. A server may keep its players while its own publisher is away: 15 s here by default.
const IDLE: Duration = Duration::from_secs(30);
