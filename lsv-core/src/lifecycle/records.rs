//! Live streams follow their channels' records where others change those: the API of another node, or of the cloud.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::MissedTickBehavior;

use super::Lifecycle;
use crate::hub::{Closed, Settings, State, Stream};
use crate::path::Rendition;
use crate::ports::{ChannelStore, Error};

impl Lifecycle {
    /// Looks every two seconds at the records in `channels` of what is live: changed settings are applied, and the stream of
    /// a channel that is gone is closed. While the store is out of reach, what was set last holds. Never returns.
    pub async fn follow_records(self, channels: Arc<dyn ChannelStore>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let mut streams = self.shared.hub.streams();
            streams.retain(|stream| {
                stream.path().rendition == Rendition::Source && stream.state() != State::Ended
            });
            let mut looks = FuturesUnordered::new();
            for stream in &streams {
                looks.push(look(&channels, stream));
                if looks.len() >= AT_ONCE {
                    looks.next().await;
                }
            }
            while looks.next().await.is_some() {}
        }
    }
}

async fn look(channels: &Arc<dyn ChannelStore>, stream: &Stream) {
    match channels.get(&stream.path().channel).await {
        Ok(found) => {
            let settings = Settings::from(&*found.channel);
            if *stream.settings().borrow() != settings {
                stream.set_settings(settings);
            }
        }
        Err(Error::NotFound(_)) => {
            stream.close(Closed::Kicked);
        }
        Err(error) => {
            tracing::debug!(path = %stream.path(), %error, "the channel's record cannot be read for now");
        }
    }
}

/// Changed settings are to be in force within five seconds.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Records that are asked for at the same time.
const AT_ONCE: usize = 16;
