//! One target: connects, sends the stream, and does so again after each failure.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lsv_core::hub::{self, Delivery, Stream, Subscriber};
use lsv_core::media::MediaFrame;
use tokio::time::{MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Config;
use super::backoff::Backoff;
use super::status::{Reason, Report, Stop};
use crate::net::client::{Error, Notice, Publishing};
use crate::net::socket::now;
use crate::net::{Address, Client};

/// Sends a stream to a target.
pub(super) struct Sender {
    pub(super) stream: Arc<Stream>,
    pub(super) client: Client,
    pub(super) address: Arc<Address>,
    pub(super) config: Config,
    pub(super) stop: CancellationToken,
    pub(super) report: Report,
}

impl Sender {
    /// Sends until the stream is over, or somebody says stop.
    pub(super) async fn run(mut self) {
        let stop = self.stop_of_all().await;
        tracing::info!(?stop, "the relay is over");
        self.report.stopped(stop);
    }

    async fn stop_of_all(&mut self) -> Stop {
        let mut backoff = Backoff::new(&self.config);
        let stop = self.stop.clone();
        loop {
            if self.stream.state() != hub::State::Live {
                self.report.waiting(None, Reason::NoMedia);
            }
            tokio::select! {
                live = is_live(&self.stream) => match live {
                    true => {}
                    false => return Stop::StreamEnded,
                },
                () = stop.cancelled() => return Stop::Asked,
            }
            let error = match self.connect_and_send().await {
                Ok(stop) => return stop,
                Err(error) => error,
            };
            let delay = backoff.fail(self.report.lasted(), error.is_refusal());
            tracing::warn!(%error, ?delay, "the target does not get the stream");
            let until = now() + delay;
            let reason = Reason::Failed(Arc::new(error));
            self.report.waiting(Some(until), reason);
            tokio::select! {
                () = sleep_until(until.into()) => {}
                () = stop.cancelled() => return Stop::Asked,
                () = ended(&self.stream) => return Stop::StreamEnded,
            }
        }
    }

    async fn connect_and_send(&mut self) -> Result<Stop, Error> {
        self.report.connecting();
        let publishing = tokio::select! {
            connected = self.client.publish(&self.address) => connected?,
            () = self.stop.cancelled() => return Ok(Stop::Asked),
        };
        tracing::info!(peer = ?publishing.peer(), "the target takes the stream");
        self.report.live();
        let mut sending = Sending {
            frames: self.stream.subscribe(),
            publishing,
            metadata: None,
            opened: false,
        };
        let sent = self.send(&mut sending).await;
        self.report.carried(sending.publishing.written());
        match sent {
            Ok(stop) => sending.publishing.finish().await.map(|()| stop),
            Err(error) => Err(error),
        }
    }

    async fn send(&mut self, sending: &mut Sending) -> Result<Stop, Error> {
        let mut second = interval(SECOND);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let full = sending.publishing.unwritten() >= UNWRITTEN_BYTES;
            // In this order: what is there is queued as long as there is room, then it is written at once.
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(Stop::Asked),
                _ = second.tick() => self.report.carried(sending.publishing.written()),
                delivery = sending.frames.next(), if !full => match delivery {
                    Some(Delivery::Item(frame)) => sending.queue(&frame, &self.stream)?,
                    Some(Delivery::Skipped(frames)) => {
                        tracing::debug!(frames, "the target is too slow and was moved to the newest key frame");
                        self.report.skipped(frames);
                    }
                    None => return Ok(Stop::StreamEnded),
                },
                notice = sending.publishing.wait(full) => if let Some(notice) = notice? {
                    self.note(notice, sending);
                },
            }
        }
    }

    fn note(&mut self, notice: Notice, sending: &mut Sending) {
        match notice {
            Notice::ReconnectRequested { description } => {
                tracing::info!(%description, "the target asks to connect again");
            }
            Notice::Moved { address } => {
                tracing::info!(%address, "the stream goes on over a new connection");
                if sending.publishing.waits_for_start() {
                    sending.frames = self.stream.subscribe();
                }
            }
            // That is for players.
            Notice::Published { .. } => {}
            Notice::Stayed(error) => {
                tracing::warn!(%error, "the stream stays where it is");
                self.report.failed(error);
            }
        }
    }
}

/// A stream on its way over one connection, or over those that a server leads it to.
struct Sending {
    frames: Subscriber<MediaFrame>,
    publishing: Publishing,
    /// What was sent of it.
    metadata: Option<Bytes>,
    /// The headers are out.
    opened: bool,
}

impl Sending {
    fn queue(&mut self, frame: &MediaFrame, stream: &Stream) -> Result<(), Error> {
        if frame.key || !self.opened {
            self.queue_tracks(frame, stream)?;
        }
        self.publishing.queue(frame)
    }

    /// All that is known of the stream goes first; later what has changed of the metadata, while frames bring what has
    /// changed of their tracks.
    fn queue_tracks(&mut self, frame: &MediaFrame, stream: &Stream) -> Result<(), Error> {
        let tracks = stream.tracks();
        let known = std::mem::replace(&mut self.metadata, tracks.metadata.clone());
        if !std::mem::replace(&mut self.opened, true) {
            return self.publishing.queue_tracks(&tracks, frame.dts);
        }
        match &tracks.metadata {
            Some(metadata) if known.as_ref() != Some(metadata) => {
                self.publishing.queue_metadata(metadata.clone())
            }
            _ => Ok(()),
        }
    }
}

/// Waits until `stream` has a publisher who sends. Says no once it is over.
async fn is_live(stream: &Stream) -> bool {
    let mut frames = stream.subscribe();
    // While there is no publisher, what is left of the last one runs out, and the next frame is of the next one.
    while frames.next().await.is_some() {
        if stream.state() == hub::State::Live {
            return true;
        }
    }
    false
}

/// Waits until `stream` is over.
async fn ended(stream: &Stream) {
    let mut frames = stream.subscribe();
    while frames.next().await.is_some() {}
}

/// Bytes that wait for a target before it gets no more: enough to fill a connection, little enough to be lost with it.
const UNWRITTEN_BYTES: usize = 256 * 1024;

const SECOND: Duration = Duration::from_secs(1);
