//! How a node with publishers stops.

use std::sync::Arc;
use std::time::Duration;

use lsv_core::hub::{Closed, Hub, State, Stream};
use lsv_core::path::Rendition;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::platform::Platform;
use crate::sockets::Until;

/// The order in which a node stops.
pub(super) struct Stop {
    pub(super) ready: watch::Sender<bool>,
    pub(super) until: Until,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            ready: watch::Sender::new(true),
            until: Until::default(),
        }
    }
}

impl Stop {
    /// Not ready any more, no new publishers; those that can go elsewhere have time to; streams end; their players learn
    /// it, and their recordings become whole, and their tasks are done; then HTTP goes too.
    pub(super) async fn drain(&self, platform: &Platform, servers: &TaskTracker, grace: Duration) {
        let hub = &platform.hub;
        self.ready.send_replace(false);
        // Before they are asked to: where they come to, who is there already may be in nobody's way.
        platform.lifecycle.leave();
        let has_streams = !hub.streams().is_empty();
        self.until.accepting.cancel();
        let time_to_leave = grace - LAST_WORDS.min(grace / 2);
        if tokio::time::timeout(time_to_leave, publishers_gone(hub))
            .await
            .is_err()
        {
            tracing::info!("publishers that were asked to connect again are still there");
        }
        // Renditions end with their sources.
        let sources = hub.streams().into_iter();
        for stream in sources.filter(|stream| stream.path().rendition == Rendition::Source) {
            stream.close(Closed::Draining);
        }
        let playlists = async {
            if has_streams {
                tokio::time::sleep(LAST_PLAYLIST.min(grace / 4)).await;
            }
        };
        tokio::join!(playlists, platform.workshop.close());
        self.until.serving.cancel();
        servers.wait().await;
    }
}

/// Waits until no stream has a publisher.
async fn publishers_gone(hub: &Hub) {
    let mut events = hub.events();
    let is_live = |stream: &Arc<Stream>| stream.state() == State::Live;
    while hub.streams().iter().any(is_live) {
        // Whatever it says, and also where some were missed: what is left is looked at again.
        drop(events.recv().await);
    }
}

/// How long players have, after their stream has ended, to fetch a playlist that says so.
pub(crate) const LAST_PLAYLIST: Duration = Duration::from_secs(2);

/// The end of the grace that publishers do not get: for [`LAST_PLAYLIST`], and for sessions to say goodbye.
const LAST_WORDS: Duration = Duration::from_secs(3);
