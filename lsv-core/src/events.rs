//! What happens on the platform, as a stream that the API, metrics and logs follow.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::backoff;
use crate::channel::Moment;
use crate::path::ChannelId;
use crate::ports::{Access, ObjectName, Reason, TaskId, TaskKind};

/// Where everything that happens is told, and listened to. Cheap to clone; all clones are the same bus.
///
/// Telling never waits for a listener and never fails. A listener that is more than [`BACKLOG`] events behind loses the
/// oldest and learns how many. The newest [`REMEMBERED`] are kept for who comes later.
#[derive(Clone, Debug)]
pub struct Events {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    sender: broadcast::Sender<Arc<Event>>,
    /// Names this bus, so that no number of another, such as that of the process before, is taken for one of it.
    run: u64,
    told: Mutex<Told>,
}

/// What was told so far.
#[derive(Debug, Default)]
struct Told {
    /// How many events, which is the number of the newest.
    count: u64,
    /// The newest, in their order.
    newest: VecDeque<Arc<Event>>,
}

/// Which event of which bus; text is `<bus>-<number>`, both in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventId {
    run: u64,
    number: u64,
}

/// Where in what was told a listener begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// With so many of the newest, as far as they are remembered.
    Newest(usize),
    /// Behind this event; with all that is remembered where it is of another bus.
    Event(EventId),
}

/// What a listener gets: each event once, in its order.
#[derive(Debug)]
pub struct Following {
    /// What happened before, as far as it is wanted and remembered.
    pub past: Vec<Arc<Event>>,
    /// How many events between the one that was named and `past` are forgotten.
    pub forgotten: u64,
    /// Everything that happens from now on.
    pub future: broadcast::Receiver<Arc<Event>>,
}

impl Events {
    /// A bus that nobody listens to yet.
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                sender: broadcast::channel(BACKLOG).0,
                run: backoff::seed(),
                told: Mutex::default(),
            }),
        }
    }

    /// Tells everybody who listens what happened at `at`.
    pub fn publish(&self, at: Moment, happened: Happening) {
        self.with_told(|told| {
            told.count += 1;
            let number = told.count;
            let event = Arc::new(Event {
                at,
                happened,
                number,
            });
            if told.newest.len() == REMEMBERED {
                told.newest.pop_front();
            }
            told.newest.push_back(Arc::clone(&event));
            // Sent under the lock, which is short as sending waits for nobody: listeners hear events in the order of their
            // numbers, and who begins now finds each either in the past or in the future. One that nobody hears is none.
            drop(self.shared.sender.send(event));
        });
    }

    /// Everything that happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.shared.sender.subscribe()
    }

    /// Everything that happens from now on, and what of the past is wanted.
    pub fn follow(&self, since: Since) -> Following {
        self.with_told(|told| {
            let (count, remembered) = (told.count, told.newest.len() as u64);
            let (wanted, forgotten) = match since {
                Since::Newest(wanted) => (wanted as u64, 0),
                Since::Event(id) if id.run == self.shared.run => {
                    let missed = count.saturating_sub(id.number);
                    (missed, missed.saturating_sub(remembered))
                }
                Since::Event(_) => (remembered, 0),
            };
            // Whoever wants more than there is begins with the first.
            let skipped = remembered.saturating_sub(wanted) as usize;
            let past = told.newest.range(skipped..);
            Following {
                past: past.cloned().collect(),
                forgotten,
                future: self.shared.sender.subscribe(),
            }
        })
    }

    /// What names an event of this bus, for one who comes again.
    pub fn id(&self, event: &Event) -> EventId {
        EventId {
            run: self.shared.run,
            number: event.number,
        }
    }

    fn with_told<T>(&self, work: impl FnOnce(&mut Told) -> T) -> T {
        let told = self.shared.told.lock();
        work(&mut told.unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl EventId {
    /// What was written as an id; nothing where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (run, number) = text.split_once('-')?;
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        Some(Self {
            run: hex(run)?,
            number: hex(number)?,
        })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:x}", self.run, self.number)
    }
}

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Event {
    /// When it happened.
    pub at: Moment,
    /// What happened.
    #[serde(flatten)]
    pub happened: Happening,
    /// Which one it is on the bus that told it here, from 1; other nodes have numbers of their own.
    #[serde(skip)]
    number: u64,
}

impl Event {
    /// An event that is not told yet.
    pub const fn new(at: Moment, happened: Happening) -> Self {
        Self {
            at,
            happened,
            number: 0,
        }
    }
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
/// Events that are kept for who comes later: more than a page shows, in some hundred kilobytes.
pub const REMEMBERED: usize = 256;

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
        let event = Event::new(Moment::from_unix(0), happened);
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

    fn tell(events: &Events, count: u64) {
        for _ in 0..count {
            let channel = ChannelId::parse("cam").unwrap();
            events.publish(Moment::EPOCH, Happening::Unpublished { channel });
        }
    }

    /// The numbers of what `since` brings of the past, and how many are forgotten.
    fn past(events: &Events, since: Since) -> (Vec<u64>, u64) {
        let following = events.follow(since);
        let past = following.past.iter().map(|event| event.number);
        (past.collect(), following.forgotten)
    }

    #[test]
    fn the_newest_are_remembered() {
        let events = Events::new();
        assert_eq!(past(&events, Since::Newest(5)), (vec![], 0));
        tell(&events, 3);
        assert_eq!(past(&events, Since::Newest(0)), (vec![], 0));
        assert_eq!(past(&events, Since::Newest(2)), (vec![2, 3], 0));
        assert_eq!(past(&events, Since::Newest(9)), (vec![1, 2, 3], 0));
        tell(&events, REMEMBERED as u64);
        let (all, _) = past(&events, Since::Newest(usize::MAX));
        assert_eq!(all, Vec::from_iter(4..=REMEMBERED as u64 + 3));
    }

    #[test]
    fn a_listener_goes_on_behind_what_it_heard() {
        let events = Events::new();
        let behind = |number| {
            let run = events.shared.run;
            past(&events, Since::Event(EventId { run, number }))
        };
        tell(&events, 10);
        assert_eq!(behind(7), (vec![8, 9, 10], 0));
        assert_eq!(behind(10), (vec![], 0));
        assert_eq!(behind(u64::MAX), (vec![], 0), "one that was never told");
        tell(&events, REMEMBERED as u64);
        let (rest, forgotten) = behind(7);
        assert_eq!((rest[0], rest.len(), forgotten), (11, REMEMBERED, 3));

        let other = EventId {
            run: !events.shared.run,
            number: 266,
        };
        let (all, forgotten) = past(&events, Since::Event(other));
        assert_eq!((all.len(), forgotten), (REMEMBERED, 0));
    }

    #[test]
    fn ids_are_read_as_they_are_written_and_others_are_none() {
        let (events, again) = (Events::new(), Events::new());
        tell(&events, 20);
        tell(&again, 20);
        let event = &events.follow(Since::Newest(1)).past[0];
        let id = events.id(event);
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
        assert!(id.to_string().ends_with("-14"), "{id}");
        assert_ne!(id, again.id(event), "another process has other ids");
        for text in [
            "",
            "-",
            "7",
            "x-1",
            "1-x",
            "1-",
            "-1",
            "1-2-3",
            "12345678901234567-1",
        ] {
            assert_eq!(EventId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn who_comes_while_much_happens_gets_each_event_once() {
        const TELLERS: u64 = 4;
        const EACH: u64 = 50;
        let events = Events::new();
        std::thread::scope(|scope| {
            for _ in 0..TELLERS {
                scope.spawn(|| tell(&events, EACH));
            }
            for _ in 0..TELLERS {
                scope.spawn(|| {
                    let mut following = events.follow(Since::Newest(REMEMBERED));
                    let mut heard: Vec<_> = following.past.iter().map(|it| it.number).collect();
                    while (heard.len() as u64) < TELLERS * EACH {
                        heard.push(following.future.blocking_recv().unwrap().number);
                    }
                    assert_eq!(heard, Vec::from_iter(1..=TELLERS * EACH));
                    assert!(following.future.try_recv().is_err());
                });
            }
        });
    }
}
