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
use crate::ports::{TaskControl, TaskKind, TaskRunner, TaskSpec, TaskState};
use crate::time::Timestamp;

struct Node {
    hub: Hub,
    lifecycle: Lifecycle,
    registry: Sessions,
    events: broadcast::Receiver<Arc<crate::events::Event>>,
    path: StreamPath,
}

fn node() -> Node {
    let hub = Hub::default();
    let events = Events::new();
    let registry = Sessions::default();
    let config = Config {
        node: "one".to_owned(),
        address: "rtmp://one:1935".to_owned(),
        http: None,
        reconnect_window: Duration::from_secs(15),
    };
    let lifecycle = Lifecycle::new(
        hub.clone(),
        events.clone(),
        Arc::new(registry.clone()),
        config,
    );
    let listener = events.subscribe();
    tokio::spawn(lifecycle.clone().run());
    Node {
        hub,
        lifecycle,
        registry,
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
    tokio::spawn(node.lifecycle.clone().show_tasks(Arc::new(tasks.clone())));
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
