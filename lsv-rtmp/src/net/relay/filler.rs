//! A stream of the hub, filled over one connection after another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lsv_core::hub::{Closed, Hub, Offer, PublishError, Publisher};
use lsv_core::path::StreamPath;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::status::{Report, Status, Stop};
use crate::net::client::{self, Notice, Played, Playing};
use crate::net::socket::now;
use crate::net::{Address, Client};

/// Plays streams of other servers into one of the hub.
pub(super) struct Filler {
    hub: Hub,
    path: StreamPath,
    pub(super) offer: Offer,
    client: Client,
    /// Ends the connection in order.
    pub(super) stop: CancellationToken,
    pub(super) report: Report,
    /// Counts the frames as they come, which the report tells of once a second.
    pub(super) frames: Arc<AtomicU64>,
}

/// How a connection came to its end.
#[derive(Debug)]
pub(super) enum End {
    Failed(client::Error),
    SourceEnded,
    Refused(PublishError),
    Stopped(Stop),
}

/// The stream of the hub while it is filled over one connection, or over those that a server leads it to.
#[derive(Default)]
struct Filling {
    publisher: Option<Publisher>,
    bytes: u64,
    /// How the source numbers what it sends, if it says so.
    epoch: Option<u32>,
}

impl Filler {
    /// Fills the stream `path` of `hub`, where it publishes with `offer`; beside it what it says of itself.
    pub(super) fn new(
        hub: &Hub,
        path: StreamPath,
        offer: Offer,
        client: &Client,
    ) -> (Self, watch::Receiver<Status>) {
        let (report, status) = Report::new();
        let filler = Self {
            hub: hub.clone(),
            path,
            offer,
            client: client.with(|config| {
                config.session.limits.play_idle.get_or_insert(IDLE);
            }),
            stop: CancellationToken::new(),
            report,
            frames: Arc::default(),
        };
        (filler, status)
    }

    /// Plays what is at `address` until one of the two ends, and gives the publisher back where there is one still: to
    /// be finished, or dropped and thereby lost.
    pub(super) async fn fill(&mut self, address: &Address) -> (End, Option<Publisher>) {
        self.report.connecting();
        let connected = tokio::select! {
            connected = self.client.play(address) => connected,
            () = self.stop.cancelled() => return (End::Stopped(Stop::Asked), None),
        };
        let mut playing = match connected {
            Ok(playing) => playing,
            Err(error) => return (End::Failed(error), None),
        };
        let mut filling = Filling::default();
        let end = self.play(&mut playing, &mut filling).await;
        self.report.carried(filling.bytes);
        if let End::Stopped(_) | End::Refused(_) = end {
            // It is gone anyway.
            drop(playing.finish().await);
        }
        (end, filling.publisher)
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
                        new.begin_epoch(filling.epoch);
                        filling.publisher.insert(new)
                    }
                    Err(error) => return End::Refused(error),
                },
            };
            match played {
                Played::Track(track) => publisher.announce(&track),
                Played::Metadata(metadata) => publisher.set_metadata(metadata),
                Played::Frame(frame) => {
                    self.frames.fetch_add(1, Ordering::Relaxed);
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
                (filling.publisher, filling.epoch) = (None, None);
            }
            Notice::Published { epoch } => {
                filling.epoch = epoch;
                if let Some(publisher) = &filling.publisher {
                    tracing::info!(?epoch, "the source goes on behind a break");
                    publisher.begin_epoch(epoch);
                }
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
