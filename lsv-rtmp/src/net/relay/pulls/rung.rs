//! A rendition that is pulled beside its source: on the source's timeline, so that both begin and break together.

use std::sync::Arc;
use std::time::Duration;

use lsv_core::hub::{Clock, Offer, Publisher, State, Stream, Times};
use lsv_core::path::StreamPath;
use lsv_core::time::Timestamp;
use tokio::sync::watch;
use tokio::time::sleep;

use super::job::{Live, Stage};
use super::{Shared, node};
use crate::net::client::{Notice, Played};
use crate::net::socket::now;

pub(super) struct Rung {
    shared: Arc<Shared>,
    path: StreamPath,
    /// That of the source.
    stage: watch::Receiver<Stage>,
    /// Kept from one connection to the next: readers are to see the source's breaks and no others.
    publisher: Option<Publisher>,
    epochs: Epochs,
}

impl Rung {
    pub(super) fn new(
        shared: Arc<Shared>,
        path: StreamPath,
        stage: watch::Receiver<Stage>,
    ) -> Self {
        Self {
            shared,
            path,
            stage,
            publisher: None,
            epochs: Epochs::default(),
        }
    }

    /// Fills the rendition for as long as its source is pulled.
    pub(super) async fn run(mut self) {
        while let Some((live, source)) = self.source().await {
            let is_filled = source.state() == State::Live;
            if is_filled && live.renditions.contains(&self.path.rendition) {
                self.fill(&live, &source).await;
            }
            sleep(LOOK_AGAIN).await;
        }
        if let Some(publisher) = self.publisher.take() {
            publisher.finish();
        }
    }

    /// The source, once it is there; `None` when it is over.
    async fn source(&mut self) -> Option<(Live, Arc<Stream>)> {
        let stage = self
            .stage
            .wait_for(|stage| !matches!(stage, Stage::Searching));
        let live = match &*stage.await.ok()? {
            Stage::Live(live) => live.clone(),
            _ => return None,
        };
        let source = StreamPath::source(self.path.channel.clone());
        Some((live, self.shared.hub.find(&source)?))
    }

    async fn fill(&mut self, live: &Live, source: &Stream) {
        let secret = self.shared.config.secret.as_ref();
        let server = &live.session.address;
        let Ok(address) = node::address(server, &self.path, &self.shared.via(), secret) else {
            return;
        };
        // The times of this connection are those of the source's, as long as that comes from the same node.
        let session = source.session();
        let mut playing = match self.shared.client.play(&address).await {
            Ok(playing) => playing,
            Err(error) => return tracing::debug!(%error, "the node does not give the rendition"),
        };
        self.epochs.told = None;
        loop {
            let played = tokio::select! {
                played = playing.next() => played,
                // A node that hangs says nothing, and not that it is gone. Its source comes from elsewhere by now.
                () = sleep(self.shared.config.silence) => match source.session() == session {
                    true => continue,
                    false => return tracing::debug!("the rendition does not come any more"),
                },
                // Renditions of a source that has ended may still be sent.
                _ = self.stage.wait_for(|stage| matches!(stage, Stage::Absent(_))) => return,
            };
            let clock = source.clock().filter(|clock| clock.session == session);
            match (played, clock) {
                (Ok(Some(Played::Notice(Notice::Published { epoch }))), _) => {
                    self.epochs.tell(epoch);
                }
                (Ok(Some(played)), Some(clock)) => {
                    if !self.publish(played, clock, source) {
                        return;
                    }
                }
                (Ok(Some(Played::Frame(_))), None) if source.session() != session => return,
                (Ok(Some(_)), None) => {}
                (Ok(None), _) => return,
                (Err(error), _) => return tracing::debug!(%error, "the rendition broke off"),
            }
        }
    }

    /// Hands on what came; false where it is not taken.
    fn publish(&mut self, played: Played, clock: Clock, source: &Stream) -> bool {
        match (played, &self.publisher) {
            (Played::Track(track), Some(publisher)) => publisher.announce(&track),
            (Played::Metadata(metadata), Some(publisher)) => publisher.set_metadata(metadata),
            (Played::Frame(mut frame), _) => {
                frame.dts = frame.dts + clock.offset;
                frame.epoch = self.epochs.at(&clock);
                // What lies before the source's first frame here has no place on its timeline.
                if frame.dts < Timestamp::ZERO {
                    return true;
                }
                let Some(publisher) = self.publisher(source) else {
                    return false;
                };
                if frame.key {
                    let settings = source.settings().borrow().clone();
                    publisher.stream().set_settings(settings);
                }
                return publisher.push(frame).is_ok();
            }
            _ => {}
        }
        true
    }

    fn publisher(&mut self, source: &Stream) -> Option<&Publisher> {
        if self.publisher.is_none() {
            let mut offer = Offer::new(source.peer());
            offer.settings = source.settings().borrow().clone();
            offer.times = Times::Given;
            match self.shared.hub.publish(&self.path, offer, now()) {
                Ok(publisher) => self.publisher = Some(publisher),
                Err(error) => tracing::warn!(%error, "the rendition cannot be published here"),
            }
        }
        self.publisher.as_ref()
    }
}

/// Numbers the epochs of a rendition: one begins where the node says so of the rendition, which may be later than of the
/// source by what encoders take, and where the source begins one here of which the node knows nothing.
#[derive(Debug, Default)]
struct Epochs {
    /// The node's number for what comes now.
    told: Option<u32>,
    /// The epoch of the source here that goes with the last frame, of which of its publishers, as each has its own offset;
    /// and the number that it got.
    last: Option<(u64, u32)>,
    number: Option<u32>,
}

impl Epochs {
    fn tell(&mut self, epoch: Option<u32>) {
        if std::mem::replace(&mut self.told, epoch) == epoch {
            // Something was left out.
            self.last = None;
        }
    }

    /// The epoch of a frame that comes while the source's times are those of `clock`.
    fn at(&mut self, clock: &Clock) -> u32 {
        let ahead = self.told.zip(clock.number);
        let ahead = ahead.map_or(0, |(told, of_source)| told.wrapping_sub(of_source));
        let with = (clock.session, clock.epoch.wrapping_add(ahead));
        let goes_on = self.last.replace(with) == Some(with);
        let number = match self.number {
            None => clock.epoch,
            Some(number) if goes_on => number,
            Some(number) => number.wrapping_add(1),
        };
        *self.number.insert(number)
    }
}

/// How soon a rendition that is not given is asked for again, or its source looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendition_breaks_where_it_is_told_and_with_each_publisher_of_its_source() {
        let clock = |session, epoch, number| Clock {
            session,
            offset: Timestamp::ZERO,
            epoch,
            number,
        };
        let mut epochs = Epochs::default();
        epochs.tell(Some(5));
        assert_eq!(epochs.at(&clock(1, 0, Some(4))), 0);
        // The source is ahead.
        assert_eq!(epochs.at(&clock(1, 1, Some(5))), 0);
        epochs.tell(Some(6));
        assert_eq!(epochs.at(&clock(1, 1, Some(5))), 1);
        assert_eq!(epochs.at(&clock(1, 2, Some(6))), 1);
        // Another connection of the source has another offset, though the rendition is as far behind it as it was ahead.
        epochs.told = None;
        epochs.tell(Some(6));
        assert_eq!(epochs.at(&clock(2, 3, Some(7))), 2);
        epochs.tell(Some(7));
        assert_eq!(epochs.at(&clock(2, 3, Some(7))), 3);
        // Something was left out.
        epochs.tell(Some(7));
        assert_eq!(epochs.at(&clock(2, 3, Some(7))), 4);
        // A node that tells nothing.
        epochs.told = None;
        assert_eq!(epochs.at(&clock(3, 4, None)), 5);
        assert_eq!(epochs.at(&clock(3, 4, None)), 5);
    }
}
