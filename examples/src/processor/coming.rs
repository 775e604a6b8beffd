//! Renditions that are just coming: the source is live here, and its encoder has given nothing yet. Viewers who come from a
//! processor that is gone are to wait for them, and not to hear that there are none.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lsv_core::hub::{Hub, Stream};
use lsv_core::path::{ChannelId, Rendition, StreamPath};
use lsv_core::ports::{Denied, Reason, Upstream};
use lsv_core::via::Via;
use tokio::time::{sleep, timeout};

/// Waits for what is encoded here.
#[derive(Debug)]
pub(super) struct Coming {
    pub(super) hub: Hub,
}

#[async_trait]
impl Upstream for Coming {
    async fn bring(&self, path: &StreamPath, _: &Via) -> Result<(), Denied> {
        let there = async {
            while self.hub.find(path).is_none() {
                let source = self.source(&path.channel)?;
                if !are_coming(&source).contains(&path.rendition) {
                    return Err(not_live());
                }
                sleep(LOOK_AGAIN).await;
            }
            Ok(())
        };
        let late = || Denied::new(Reason::Unavailable, "the rendition is not there yet");
        timeout(PATIENCE, there).await.map_err(|_| late())?
    }

    async fn bring_all(&self, channel: &ChannelId, _: &Via) -> Result<bool, Denied> {
        let source = self.source(channel)?;
        let is_there = |rendition: &Rendition| {
            let path = StreamPath {
                channel: channel.clone(),
                rendition: *rendition,
            };
            self.hub.find(&path).is_some()
        };
        Ok(!are_coming(&source).iter().all(is_there))
    }
}

impl Coming {
    fn source(&self, channel: &ChannelId) -> Result<Arc<Stream>, Denied> {
        let source = StreamPath::source(channel.clone());
        self.hub.find(&source).ok_or_else(not_live)
    }
}

/// The renditions that `source` may be about to have.
fn are_coming(source: &Stream) -> Vec<Rendition> {
    let is_young = source.since().is_some_and(|since| since.elapsed() < COMING);
    match is_young {
        true => source.settings().borrow().processing.renditions.clone(),
        false => Vec::new(),
    }
}

fn not_live() -> Denied {
    Denied::new(Reason::UnknownChannel, "the channel is not live")
}

/// How long a viewer waits for a rendition, at most.
const PATIENCE: Duration = Duration::from_secs(2);
/// What is not there so long after its source is not made: that is too small for it, or nothing encodes.
const COMING: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use lsv_core::hub::{Offer, Publisher};

    use super::*;

    fn path(rendition: Rendition) -> StreamPath {
        StreamPath {
            channel: "cam".parse().expect("a channel"),
            rendition,
        }
    }

    /// Somebody who publishes, to a channel that is set to have the smallest rendition.
    fn publishes(hub: &Hub, rendition: Rendition) -> Publisher {
        let mut offer = Offer::new("a publisher");
        offer.settings.processing.renditions = vec![Rendition::P360];
        hub.publish(&path(rendition), offer, std::time::Instant::now())
            .expect("it is free")
    }

    async fn brought(coming: &Coming, rendition: Rendition) -> Result<(), Reason> {
        let brought = coming.bring(&path(rendition), &Via::default()).await;
        brought.map_err(|denied| denied.reason)
    }

    #[tokio::test(start_paused = true)]
    async fn a_rendition_that_is_set_is_waited_for() {
        let hub = Hub::default();
        let coming = Coming { hub: hub.clone() };
        let absent = Err(Reason::UnknownChannel);
        assert_eq!(brought(&coming, Rendition::P360).await, absent);
        let _source = publishes(&hub, Rendition::Source);
        assert_eq!(brought(&coming, Rendition::Source).await, Ok(()));
        assert_eq!(brought(&coming, Rendition::P720).await, absent);
        let late = Err(Reason::Unavailable);
        assert_eq!(brought(&coming, Rendition::P360).await, late);
        let all = async || {
            coming
                .bring_all(&path(Rendition::Source).channel, &Via::default())
                .await
        };
        assert!(matches!(all().await, Ok(true)));
        let (brought, _rendition) = tokio::join!(brought(&coming, Rendition::P360), async {
            sleep(PATIENCE / 2).await;
            publishes(&hub, Rendition::P360)
        });
        assert_eq!(brought, Ok(()));
        assert!(matches!(all().await, Ok(false)));
    }
}
