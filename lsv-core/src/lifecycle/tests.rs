use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::*;
use crate::channel::TaskSize;
use crate::codec::FourCc;
use crate::embedded::{Sessions, Tasks};
use crate::hub::{Offer, Protocol, Publisher};
use crate::media::{Kind, MediaFrame, Track};
use crate::ports::{
    self, ChannelStore, Hold, Lease, Precondition, TaskControl, TaskKind, TaskRunner, TaskSpec,
    TaskState,
};
use crate::time::Timestamp;

struct Node {
    hub: Hub,
    lifecycle: Lifecycle,
    registry: Sessions,
    events: broadcast::Receiver<Arc<crate::events::Event>>,
    path: StreamPath,
}

fn node() -> Node {
    let registry = Sessions::default();
    Node {
        registry: registry.clone(),
        ..node_with(Arc::new(registry))
    }
}

fn node_with(registry: Arc<dyn SessionRegistry>) -> Node {
    let hub = Hub::default();
    let events = Events::new();
    let config = Config {
        node: "one".to_owned(),
        address: "rtmp://one:1935".to_owned(),
        rtmps: None,
        http: None,
        form: Form::Source,
        reconnect_window: Duration::from_secs(15),
    };
    let lifecycle = Lifecycle::new(hub.clone(), events.clone(), registry, config);
    let listener = events.subscribe();
    tokio::spawn(lifecycle.clone().run());
    Node {
        hub,
        lifecycle,
        registry: Sessions::default(),
        events: listener,
        path: StreamPath::source(ChannelId::parse("cam").expect("an id")),
    }
}

impl Node {
    async fn publish(&self) -> Publisher {
        // Lets the lifecycle begin to listen.
        tokio::task::yield_now().await;
        let now = tokio::time::Instant::now().into_std();
        self.hub
            .publish(&self.path, Offer::new("192.0.2.1:5000"), now)
            .expect("a free channel")
    }

    async fn happened(&mut self) -> Happening {
        let event = timeout(Duration::from_secs(60), self.events.recv()).await;
        let event = event.expect("an event in time").expect("a bus");
        event.happened.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_publisher_is_waited_for_and_then_given_up() {
    let mut node = node();
    let publisher = node.publish().await;
    assert!(
        matches!(node.happened().await, Happening::Published { peer, .. } if peer == "192.0.2.1:5000")
    );
    let located = node.registry.locate(&node.path.channel, Form::Source);
    let located = located.await.unwrap();
    assert_eq!(located.map(|session| session.node).as_deref(), Some("one"));

    drop(publisher);
    assert!(matches!(
        node.happened().await,
        Happening::Unpublished { .. }
    ));
    tokio::time::sleep(Duration::from_secs(14)).await;
    assert!(node.hub.find(&node.path).is_some());
    assert_eq!(node.lifecycle.list(), []);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(node.hub.find(&node.path).is_none());
    assert_eq!(node.registry.list().await.unwrap(), []);
    assert!(node.events.is_empty(), "told once");
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_comes_back_keeps_the_stream() {
    let node = node();
    drop(node.publish().await);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let _publisher = node.publish().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(node.lifecycle.list().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_shows_what_comes_in_and_goes_out() {
    let node = node();
    let publisher = node.publish().await;
    let codec = Codec::Other {
        fourcc: FourCc::HVC1,
        config: Bytes::new(),
    };
    let track = Arc::new(Track::new(Kind::Video, codec));
    for n in 0..51 {
        let payload = Bytes::from_static(&[0; 100]);
        let mut frame = MediaFrame::new(&track, Timestamp::from_millis(n * 40), payload);
        frame.key = n % 25 == 0;
        publisher.push(frame).unwrap();
    }
    let path = StreamPath {
        rendition: Rendition::P360,
        ..node.path.clone()
    };
    let offer = Offer::new("transcoder");
    let rendition = node.hub.publish(&path, offer, Instant::now()).unwrap();
    let viewer = publisher.stream().viewer(Protocol::Flv);
    let viewer_of_rendition = rendition.stream().viewer(Protocol::Flv);
    tokio::time::sleep(SAMPLE_INTERVAL).await;
    viewer.sent(600);
    viewer_of_rendition.sent(400);
    tokio::time::sleep(SAMPLE_INTERVAL).await;

    let session = node.lifecycle.find(&node.path.channel).unwrap();
    assert_eq!(session.peer, "192.0.2.1:5000");
    assert_eq!(session.bitrate_in, 20_000);
    assert_eq!(session.key_frame_interval, Some(1.0));
    let video = session.video.unwrap();
    assert_eq!(
        (video.codec.as_str(), video.frame_rate),
        ("hvc1", Some(25.0))
    );
    assert_eq!(session.viewers["flv"], 2);
    assert_eq!(session.bitrate_out["flv"], 4_000);
}

/// Sends pictures and sound from `from` to `to` seconds by the publisher's clock, with key frames `interval` seconds apart.
fn send(publisher: &Publisher, from: i64, to: i64, interval: i64) {
    let codec = Codec::Other {
        fourcc: FourCc::HVC1,
        config: Bytes::new(),
    };
    let track = Arc::new(Track::new(Kind::Video, codec.clone()));
    let sound = Arc::new(Track::new(Kind::Audio, codec));
    for tenth in from * 10..to * 10 {
        let at = Timestamp::from_millis(tenth * 100);
        let mut frame = MediaFrame::new(&track, at, Bytes::from_static(&[0]));
        frame.key = interval > 0 && (tenth - from * 10) % (interval * 10) == 0;
        publisher.push(frame).unwrap_or_default();
        let sound = MediaFrame::new(&sound, at, Bytes::from_static(&[0]));
        publisher.push(sound).unwrap_or_default();
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_is_warned_of_an_encoder_until_it_behaves() {
    let node = node();
    let publisher = node.publish().await;
    let warnings = || {
        let session = node.lifecycle.find(&node.path.channel).unwrap();
        let warnings = session.warnings.into_iter();
        warnings
            .map(|warning| (warning.topic, warning.text))
            .collect::<Vec<_>>()
    };
    let expect = |topic: &str, text: &str| {
        let found = warnings();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].0 == topic && found[0].1.contains(text),
            "{found:?}"
        );
    };
    send(&publisher, 0, 4, 0);
    assert_eq!(warnings(), []);
    send(&publisher, 4, 8, 0);
    expect("keyFrames", "no key frame has come in 8 s");
    send(&publisher, 8, 29, 10);
    expect("keyFrames", "key frames come every 10.0 s");
    expect("keyFrames", "set the encoder's key-frame interval to 2 s");
    send(&publisher, 29, 80, 100);
    expect("keyFrames", "the last key frame came 51 s ago");
    send(&publisher, 80, 85, 2);
    expect("keyFrames", "key frames come every 51.0 s");
    send(&publisher, 85, 91, 2);
    assert_eq!(warnings(), []);
    send(&publisher, 3_691, 3_693, 2);
    expect(
        "timestamps",
        "jumped by +3600.1 s within the last minute, once",
    );
    send(&publisher, 91, 93, 2);
    expect("timestamps", "2 times");
    send(&publisher, 93, 160, 2);
    assert_eq!(warnings(), []);
    publisher
        .stream()
        .warn(hub::Warning::TRACKS, Some("no place".to_owned()));
    expect("tracks", "no place");
    publisher.stream().warn(hub::Warning::TRACKS, None);
    assert_eq!(warnings(), []);
}

#[tokio::test]
async fn an_operator_ends_a_session_and_changes_its_outputs() {
    let node = node();
    let publisher = node.publish().await;
    let mut channel = Channel::new(node.path.channel.clone(), Moment::EPOCH);
    channel.settings.is_flv = false;
    channel.settings.hls_time = 7;
    node.lifecycle.apply(&Arc::new(channel));
    let settings = publisher.stream().settings().borrow().clone();
    assert_eq!(
        (settings.flv, settings.segment),
        (false, Duration::from_secs(7))
    );

    assert!(node.lifecycle.disconnect(&node.path.channel));
    assert!(!node.lifecycle.disconnect(&node.path.channel));
}

/// Works until it is told to stop, and has restarted what it runs twice.
#[derive(Debug)]
struct Worker;

#[async_trait::async_trait]
impl TaskRunner for Worker {
    async fn run(&self, _: &TaskSpec, control: TaskControl) -> Result<(), String> {
        control.set_state(TaskState::Running);
        control.report(|report| report.restarts = 2);
        control.stopped().await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_shows_the_tasks_that_work_for_it() {
    let node = node();
    let _publisher = node.publish().await;
    let tasks = Tasks::new(Arc::new(Worker), Events::new());
    tokio::spawn(
        node.lifecycle
            .clone()
            .show_tasks(vec![Arc::new(tasks.clone())]),
    );
    let mut started = Vec::new();
    for (kind, channel) in [(TaskKind::Relay, "cam"), (TaskKind::Snapshot, "other")] {
        let spec = TaskSpec {
            kind,
            channel: ChannelId::parse(channel).unwrap(),
            size: TaskSize::Small,
        };
        started.push(tasks.start(spec).await.unwrap());
    }
    let shown = || node.lifecycle.find(&node.path.channel).unwrap().tasks;
    tokio::time::sleep(SAMPLE_INTERVAL * 3 / 2).await;
    let [task] = &shown()[..] else {
        panic!("{:?}", shown());
    };
    assert_eq!(
        (&task.id, task.spec.kind, task.state, task.report.restarts),
        (&started[0], TaskKind::Relay, TaskState::Running, 2)
    );
    tasks.stop(&started[0]).await.unwrap();
    tokio::time::sleep(SAMPLE_INTERVAL * 3 / 2).await;
    assert_eq!(shown(), []);
}

/// A registry that is away when it is told to be; what is announced is held up all the same.
#[derive(Clone, Debug, Default)]
struct Flaky {
    is_away: Arc<AtomicBool>,
    sessions: Sessions,
}

struct FlakyHold {
    flaky: Flaky,
    lease: Lease,
}

impl Flaky {
    fn check(&self) -> ports::Result<()> {
        match self.is_away.load(Relaxed) {
            true => Err(ports::Error::unavailable("it is away")),
            false => Ok(()),
        }
    }

    async fn is_at(&self) -> Vec<(String, bool)> {
        let all = self.sessions.list().await.unwrap();
        let all = all.into_iter();
        all.map(|session| (session.node, session.waiting)).collect()
    }

    /// Another node announces `cam`.
    async fn announce_at(&self, node: &str, since: Moment) -> Lease {
        let session = Session::new(
            ChannelId::parse("cam").unwrap(),
            node,
            format!("rtmp://{node}:1935"),
            since,
        );
        self.sessions.announce(session).await.unwrap()
    }
}

#[async_trait::async_trait]
impl SessionRegistry for Flaky {
    async fn announce(&self, session: Session) -> ports::Result<Lease> {
        self.check()?;
        let lease = self.sessions.announce(session).await?;
        let (lost, hear) = watch::channel(false);
        let losing = lease.lost();
        tokio::spawn(async move {
            losing.await;
            lost.send_replace(true);
        });
        let flaky = self.clone();
        Ok(Lease::new(FlakyHold { flaky, lease }, hear))
    }

    async fn locate(&self, id: &ChannelId, form: Form) -> ports::Result<Option<Session>> {
        self.check()?;
        self.sessions.locate(id, form).await
    }

    async fn list(&self) -> ports::Result<Vec<Session>> {
        self.check()?;
        self.sessions.list().await
    }
}

#[async_trait::async_trait]
impl Hold for FlakyHold {
    async fn change(&self, session: Session) -> ports::Result<()> {
        self.flaky.check()?;
        self.lease.change(session).await
    }
}

fn here(waiting: bool) -> Vec<(String, bool)> {
    vec![("one".to_owned(), waiting)]
}

fn there() -> Vec<(String, bool)> {
    vec![("other".to_owned(), false)]
}

/// Long behind every retry.
async fn a_while() {
    tokio::time::sleep(Duration::from_secs(10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_away_is_told_later() {
    let flaky = Flaky::default();
    let node = node_with(Arc::new(flaky.clone()));
    flaky.is_away.store(true, Relaxed);
    let publisher = node.publish().await;
    a_while().await;
    assert_eq!(node.lifecycle.list().len(), 1, "what is live goes on");
    assert_eq!(flaky.is_at().await, []);
    flaky.is_away.store(false, Relaxed);
    a_while().await;
    assert_eq!(flaky.is_at().await, here(false));

    flaky.is_away.store(true, Relaxed);
    drop(publisher);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(flaky.is_at().await, here(false));
    flaky.is_away.store(false, Relaxed);
    a_while().await;
    assert_eq!(flaky.is_at().await, here(true));
    a_while().await;
    assert_eq!(flaky.is_at().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_ends_the_session_also_while_a_change_fails() {
    let flaky = Flaky::default();
    let node = node_with(Arc::new(flaky.clone()));
    drop(node.publish().await);
    a_while().await;
    assert_eq!(flaky.is_at().await, here(true));
    flaky.is_away.store(true, Relaxed);
    let mut publisher = node.publish().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Nobody here has heard of it.
    flaky.is_away.store(false, Relaxed);
    let _other = flaky.announce_at("other", Moment::MAX).await;
    flaky.is_away.store(true, Relaxed);
    let closed = timeout(Duration::from_millis(1), publisher.closed()).await;
    assert!(closed.is_err(), "the registry does not say who has it");
    flaky.is_away.store(false, Relaxed);
    assert_eq!(publisher.closed().await, hub::Closed::TakenOver);
    assert_eq!(flaky.is_at().await, there());
}

#[tokio::test(start_paused = true)]
async fn who_was_lost_and_is_back_elsewhere_is_not_announced_away_from_there() {
    let flaky = Flaky::default();
    let node = node_with(Arc::new(flaky.clone()));
    let publisher = node.publish().await;
    a_while().await;
    flaky.is_away.store(true, Relaxed);
    drop(publisher);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let soon = wall_clock().plus(Duration::from_millis(2));
    let _other = flaky.announce_at("other", soon).await;
    // Its lease tells, whatever else fails.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(flaky.is_at().await, there());
    assert!(node.hub.find(&node.path).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_announcement_that_comes_late_takes_nothing() {
    let flaky = Flaky::default();
    let node = node_with(Arc::new(flaky.clone()));
    flaky.is_away.store(true, Relaxed);
    let mut publisher = node.publish().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let later = wall_clock().plus(Duration::from_millis(1));
    let _other = flaky.announce_at("other", later).await;
    flaky.is_away.store(false, Relaxed);
    assert_eq!(publisher.closed().await, hub::Closed::TakenOver);
    assert_eq!(flaky.is_at().await, there());
}

#[tokio::test(start_paused = true)]
async fn who_was_lost_before_it_was_announced_takes_nothing() {
    let flaky = Flaky::default();
    let node = node_with(Arc::new(flaky.clone()));
    flaky.is_away.store(true, Relaxed);
    drop(node.publish().await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    // It began later, by a clock that is behind.
    let other = flaky.announce_at("other", Moment::EPOCH).await;
    flaky.is_away.store(false, Relaxed);
    a_while().await;
    assert_eq!(flaky.is_at().await, there());
    let lost = timeout(Duration::from_secs(60), other.lost()).await;
    assert!(lost.is_err());
    assert!(node.hub.find(&node.path).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_a_stopping_node_has_is_said_to_leave() {
    let flaky = Flaky::default();
    let node = node_with(Arc::new(flaky.clone()));
    let _before = node.publish().await;
    a_while().await;
    let announced = async || {
        let session = flaky.list().await.unwrap().remove(0);
        (session.leaving, session.waiting, session.since)
    };
    let (leaving, waiting, since) = announced().await;
    assert!(!leaving && !waiting);
    node.lifecycle.leave();
    a_while().await;
    assert_eq!(announced().await, (true, false, since));
    // Who was on the way in.
    drop(node.publish().await);
    a_while().await;
    let (leaving, waiting, _) = announced().await;
    assert!(leaving && waiting);
}

/// The newest publisher has the channel, whichever node it comes to, and however its clock is set.
#[tokio::test(start_paused = true)]
async fn who_comes_back_takes_the_place_back() {
    let flaky = Flaky::default();
    let node = node_with(Arc::new(flaky.clone()));
    drop(node.publish().await);
    a_while().await;
    let ahead = wall_clock().plus(Duration::from_secs(3_600));
    let other = flaky.announce_at("other", ahead).await;
    let mut offer = Offer::new("192.0.2.1:5001");
    offer.elsewhere = Some(hub::Elsewhere {
        since: ahead,
        is_free: false,
        take_overs: Vec::new(),
    });
    // Before the node has heard that it has lost the place.
    let now = tokio::time::Instant::now().into_std();
    let _publisher = node.hub.publish(&node.path, offer, now).unwrap();
    timeout(Duration::from_secs(10), other.lost())
        .await
        .unwrap();
    a_while().await;
    assert_eq!(flaky.is_at().await, here(false));
    let session = flaky.list().await.unwrap().remove(0);
    assert_eq!((session.since > ahead, session.take_overs.len()), (true, 1));
    assert_eq!(node.lifecycle.list().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_others_write_into_records_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let channels = crate::embedded::Channels::open(folder.path().join("channels.redb")).unwrap();
    let channels: Arc<dyn ChannelStore> = Arc::new(channels);
    let node = node();
    let id = node.path.channel.clone();
    let mut channel = Channel::new(id.clone(), Moment::from_unix(1));
    channels.put(&channel, Precondition::Any).await.unwrap();
    let mut publisher = node.publish().await;
    let following = node.lifecycle.clone().follow_records(channels.clone());
    let following = tokio::spawn(following);
    let mut settings = publisher.stream().settings();
    channel.settings.is_cmaf = true;
    channels.put(&channel, Precondition::Any).await.unwrap();
    // The store's threads have a clock of their own.
    let followed = settings.wait_for(|settings| settings.cmaf).await;
    assert!(followed.is_ok());
    drop(followed);
    channels.delete(&id).await.unwrap();
    assert_eq!(publisher.closed().await, hub::Closed::Kicked);
    following.abort();
}
