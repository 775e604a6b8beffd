//! What happens on the platform, as a stream that the API, metrics and logs follow.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::channel::Moment;
use crate::path::ChannelId;
use crate::ports::{Access, ObjectName, Reason, TaskId, TaskKind};

/// Where everything that happens is told, and listened to. Cheap to clone; all clones are the same bus.
///
/// Telling never waits and never fails. A listener that is more than [`BACKLOG`] events behind loses the oldest and
/// learns how many.
#[derive(Clone, Debug)]
pub struct Events {
    sender: broadcast::Sender<Arc<Event>>,
}

impl Events {
    /// A bus that nobody listens to yet.
    pub fn new() -> Self {
        Self {
            sender: broadcast::channel(BACKLOG).0,
        }
    }

    /// Tells everybody who listens what happened at `at`.
    pub fn publish(&self, at: Moment, happened: Happening) {
        // An event that nobody listens to is none.
        drop(self.sender.send(Arc::new(Event { at, happened })));
    }

    /// Everything that happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.sender.subscribe()
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened.
    pub at: Moment,
    /// What happened.
    #[serde(flatten)]
    pub happened: Happening,
}

/// What can happen. No variant carries a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "event",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
#[non_exhaustive]
pub enum Happening {
    /// A channel went live.
    Published {
        /// The channel.
        channel: ChannelId,
        /// Where the publisher comes from.
        peer: String,
    },
    /// A channel is no longer live.
    Unpublished {
        /// The channel.
        channel: ChannelId,
    },
    /// A publisher or a viewer was refused.
    Rejected {
        /// The channel that was asked for.
        channel: ChannelId,
        /// What was wanted of it.
        access: Access,
        /// Why it was refused.
        reason: Reason,
        /// Where the peer comes from.
        peer: String,
    },
    /// A recording or picture is complete.
    RecordingWritten {
        /// The channel.
        channel: ChannelId,
        /// The object.
        name: ObjectName,
        /// Its length in bytes.
        size: u64,
    },
    /// The store of recordings was out of reach for so long that a part of one is missing.
    RecordingGap {
        /// The channel.
        channel: ChannelId,
        /// The object.
        name: ObjectName,
        /// Milliseconds of media that are missing there.
        millis: u64,
    },
    /// A task works.
    TaskStarted {
        /// The channel.
        channel: ChannelId,
        /// The task.
        task: TaskId,
        /// What it does.
        kind: TaskKind,
    },
    /// A task has ended as it should.
    TaskStopped {
        /// The channel.
        channel: ChannelId,
        /// The task.
        task: TaskId,
        /// What it did.
        kind: TaskKind,
    },
    /// A task has ended as it should not.
    TaskFailed {
        /// The channel.
        channel: ChannelId,
        /// The task.
        task: TaskId,
        /// What it did.
        kind: TaskKind,
        /// What went wrong.
        message: String,
    },
    /// Something moves in the picture. Told once for each clip, when it begins.
    Motion {
        /// The channel.
        channel: ChannelId,
        /// The clip, which is there when it is told to be written.
        clip: ObjectName,
        /// The picture of the moment, likewise.
        snapshot: ObjectName,
    },
    /// A channel's record was made.
    ChannelCreated {
        /// The channel.
        channel: ChannelId,
    },
    /// A channel's record was changed.
    ChannelChanged {
        /// The channel.
        channel: ChannelId,
    },
    /// A channel's record was removed.
    ChannelDeleted {
        /// The channel.
        channel: ChannelId,
    },
}

impl Happening {
    /// The word that names the kind of event in streams and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Published { .. } => "published",
            Self::Unpublished { .. } => "unpublished",
            Self::Rejected { .. } => "rejected",
            Self::RecordingWritten { .. } => "recording-written",
            Self::RecordingGap { .. } => "recording-gap",
            Self::TaskStarted { .. } => "task-started",
            Self::TaskStopped { .. } => "task-stopped",
            Self::TaskFailed { .. } => "task-failed",
            Self::Motion { .. } => "motion",
            Self::ChannelCreated { .. } => "channel-created",
            Self::ChannelChanged { .. } => "channel-changed",
            Self::ChannelDeleted { .. } => "channel-deleted",
        }
    }
}

/// Events that a listener may be behind: what a busy platform tells in some seconds, in less than a megabyte.
pub const BACKLOG: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_flat_json() {
        let channel = ChannelId::parse("cam").unwrap();
        let happened = Happening::Rejected {
            channel,
            access: Access::Publish,
            reason: Reason::UnknownChannel,
            peer: "192.0.2.1:5".to_owned(),
        };
        assert_eq!(happened.name(), "rejected");
        let event = Event {
            at: Moment::from_unix(0),
            happened,
        };
        assert_eq!(
            serde_json::to_value(&event).unwrap(),
            serde_json::json!({
                "at": "1970-01-01T00:00:00Z", "event": "rejected", "channel": "cam", "access": "publish",
                "reason": "unknown-channel", "peer": "192.0.2.1:5",
            })
        );
    }

    #[tokio::test]
    async fn a_slow_listener_learns_what_it_lost() {
        let events = Events::new();
        let mut listener = events.subscribe();
        for _ in 0..BACKLOG + 3 {
            let channel = ChannelId::parse("cam").unwrap();
            events.publish(Moment::EPOCH, Happening::Unpublished { channel });
        }
        assert_eq!(
            listener.recv().await,
            Err(broadcast::error::RecvError::Lagged(3))
        );
        assert!(listener.recv().await.is_ok());
    }
}
