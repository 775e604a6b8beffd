//! Pulls between nodes on a network in memory, under a registry that tests write.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use lsv_core::channel::Moment;
use lsv_core::hub::{Delivery, Protocol, State, Stream, Subscriber};
use lsv_core::media::MediaFrame;
use lsv_core::ports::Form;

use super::*;
use crate::net::relay::tests::play;
use crate::net::testing::{Host, Network, Peer};
use crate::session::Event;

/// What the nodes know, as a test writes it.
#[derive(Debug)]
struct World {
    session: Mutex<Option<Session>>,
    /// Where its publisher is.
    source: Mutex<Option<Session>>,
    channel: Mutex<Option<Arc<Channel>>>,
    /// Nobody answers anything, and that only after a while.
    is_away: AtomicBool,
    asked: AtomicUsize,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            session: Mutex::default(),
            source: Mutex::default(),
            channel: Mutex::new(Some(Arc::new(record()))),
            is_away: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
        })
    }

    /// Its publisher comes, to that node.
    fn is_live_at(&self, node: &str) {
        self.comes_to(session(node));
    }

    /// Its publisher comes to a node from which another has it.
    fn is_had_at(&self, node: &str, publishers: &str) {
        let through = publishers.parse().unwrap();
        self.comes_to(Session {
            through,
            ..session(node)
        });
    }

    fn comes_to(&self, session: Session) {
        let mut known = self.session.lock().unwrap();
        let before = known.as_ref().map_or(0, |known| known.since.unix());
        let since = Moment::from_unix(before + 1);
        *known = Some(Session { since, ..session });
        self.source.lock().unwrap().clone_from(&known);
    }

    /// A node begins to process it, whose publisher stays where it is.
    fn is_processed_at(&self, node: &str) {
        let mut known = self.session.lock().unwrap();
        let since = known.as_ref().map_or(Moment::EPOCH, |known| known.since);
        *known = Some(Session {
            since,
            form: Form::Processed,
            ..session(node)
        });
    }

    fn is_live_nowhere(&self) {
        *self.session.lock().unwrap() = None;
    }

    fn is(&self, channel: Option<Channel>) {
        *self.channel.lock().unwrap() = channel.map(Arc::new);
    }

    async fn answers(&self) -> ports::Result<()> {
        if self.is_away.load(Ordering::Relaxed) {
            sleep(Duration::from_secs(5)).await;
            return Err(ports::Error::unavailable("nobody is there"));
        }
        Ok(())
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Directory for World {
    async fn locate(&self, _: &ChannelId, _: &Via) -> ports::Result<Option<Session>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.answers().await?;
        sleep(Duration::from_millis(5)).await;
        Ok(self.session.lock().unwrap().clone())
    }

    async fn source(&self, _: &ChannelId, _: &Via) -> ports::Result<Option<Session>> {
        Ok(self.source.lock().unwrap().clone())
    }

    async fn record(&self, channel: &ChannelId, _: &Via) -> ports::Result<Arc<Channel>> {
        self.answers().await?;
        let found = self.channel.lock().unwrap().clone();
        found.ok_or_else(|| ports::Error::NotFound(channel.to_string()))
    }
}

fn cam() -> ChannelId {
    ChannelId::parse("cam").unwrap()
}

fn source() -> StreamPath {
    StreamPath::source(cam())
}

fn smallest() -> StreamPath {
    StreamPath {
        channel: cam(),
        rendition: Rendition::P360,
    }
}

fn record() -> Channel {
    Channel::new(cam(), Moment::EPOCH)
}

fn session(node: &str) -> Session {
    Session::new(cam(), node, format!("rtmp://{node}"), Moment::from_unix(1))
}

fn node(name: &str) -> NodeName {
    NodeName::parse(name).unwrap()
}

fn pulls(network: &Network, hub: &Hub, world: &Arc<World>) -> Pulls {
    let config = Config::new(node("here"), "rtmp://here");
    Pulls::new(hub.clone(), network.client(), world.clone(), config)
}

/// A viewer's wish, until it is fulfilled.
async fn brought(pulls: &Pulls, path: &StreamPath) {
    pulls.bring(path, &Via::default()).await.unwrap();
}

async fn refused(pulls: &Pulls, via: &Via) -> Reason {
    pulls.bring(&source(), via).await.unwrap_err().reason
}

/// Plays for ever, on a clock that began 70 s ago.
fn plays(peer: Peer) -> AbortOnDropHandle<()> {
    plays_until(peer, Arc::default())
}

fn plays_until(mut peer: Peer, paused: Arc<AtomicBool>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        for second in 0.. {
            if paused.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            play(&mut peer, second * 25).await;
        }
    }))
}

/// Plays to the next who asks.
async fn next_plays(host: &mut Host) -> Source {
    let paused = Arc::<AtomicBool>::default();
    let peer = host.admit().await;
    Source {
        _task: plays_until(peer, Arc::clone(&paused)),
        paused,
    }
}

/// A source that plays until it is dropped.
struct Source {
    _task: AbortOnDropHandle<()>,
    paused: Arc<AtomicBool>,
}

impl Source {
    /// Sends nothing more, over a connection that stays.
    fn pause(&self) {
        self.paused.store(true, Ordering::Relaxed);
    }
}

fn stream(hub: &Hub) -> Arc<Stream> {
    hub.find(&source()).unwrap()
}

async fn frame(frames: &mut Subscriber<MediaFrame>) -> MediaFrame {
    match frames.next().await {
        Some(Delivery::Item(frame)) => frame,
        other => panic!("no frame but {other:?}"),
    }
}

async fn gone(hub: &Hub, path: &StreamPath) -> Duration {
    let since = Instant::now();
    while hub.find(path).is_some() {
        sleep(Duration::from_millis(10)).await;
    }
    since.elapsed()
}

#[tokio::test(start_paused = true)]
async fn any_number_who_want_it_are_one_connection() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let mut host = network.listen("a");
    world.is_live_at("a");
    let pulls = pulls(&network, &hub, &world);
    let path = source();
    let all = futures::future::join_all((0..500).map(|_| brought(&pulls, &path)));
    let comes = next_plays(&mut host);
    let (_, _playing) = tokio::join!(all, comes);
    assert_eq!(stream(&hub).state(), State::Live);
    assert_eq!(world.asked(), 1);
    brought(&pulls, &path).await;
    let again = timeout(Duration::from_secs(5), host.connect()).await;
    assert!(again.is_err(), "a second connection");
}

#[tokio::test(start_paused = true)]
async fn what_is_live_nowhere_is_asked_for_once_a_second() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let pulls = pulls(&network, &hub, &world);
    for _ in 0..100 {
        let reason = refused(&pulls, &Via::default()).await;
        assert_eq!(reason, Reason::UnknownChannel);
    }
    assert_eq!(world.asked(), 1);
    sleep(Duration::from_secs(1)).await;
    refused(&pulls, &Via::default()).await;
    assert_eq!(world.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_watches_any_more_is_left_in_order() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let mut host = network.listen("a");
    world.is_live_at("a");
    let pulls = pulls(&network, &hub, &world);
    let path = source();
    let (_, mut peer) = tokio::join!(
        timeout(Duration::from_secs(2), brought(&pulls, &path)),
        async {
            let mut peer = host.admit().await;
            play(&mut peer, 0).await;
            peer
        }
    );
    let viewer = stream(&hub).viewer(Protocol::Flv);
    for second in 1..60 {
        play(&mut peer, second * 25).await;
    }
    assert_eq!(stream(&hub).state(), State::Live, "somebody watches");
    drop(viewer);
    let sends = async {
        for second in 60.. {
            play(&mut peer, second * 25).await;
        }
    };
    let stays = tokio::select! {
        stays = gone(&hub, &path) => stays,
        () = sends => unreachable!("it plays for ever"),
    };
    assert!((29..33).contains(&stays.as_secs()), "{stays:?}");
    assert_eq!(peer.event().await, Some(Event::PlayEnded));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_moves_is_found_and_goes_on() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let (mut a, mut b) = (network.listen("a"), network.listen("b"));
    world.is_live_at("a");
    let pulls = pulls(&network, &hub, &world);
    let path = source();
    let ((), mut silent) = tokio::join!(brought(&pulls, &path), async {
        let mut peer = a.admit().await;
        play(&mut peer, 0).await;
        peer
    });
    let stream = stream(&hub);
    let mut frames = stream.subscribe();
    // Its publisher was lost, and came back at another node: nothing more comes of the first.
    world.is_live_at("b");
    let moved = Instant::now();
    let playing = plays(b.admit().await);
    assert!(
        moved.elapsed() < Duration::from_secs(4),
        "{:?}",
        moved.elapsed()
    );
    assert_eq!(silent.event().await, None, "the first is left");
    let mut epochs = BTreeSet::new();
    let mut last = None;
    while epochs.len() < 2 {
        let frame = frame(&mut frames).await;
        assert!(Some(frame.dts) >= last, "time runs backwards");
        last = Some(frame.dts);
        epochs.insert(frame.epoch);
    }
    // A node that dies is found anew as well.
    drop(playing);
    world.is_live_at("a");
    let _playing = plays(a.admit().await);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(stream.state(), State::Live);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_comes_back_to_its_node_is_met_over_the_same_connection() {
    let ways = ["a", "b"].into_iter().cycle();
    for (away, way) in (1_500..3_500).step_by(100).zip(ways) {
        let (network, hub, world) = (Network::default(), Hub::default(), World::new());
        let (mut a, mut b) = (network.listen("a"), network.listen("b"));
        world.is_had_at("a", "gateway");
        let pulls = pulls(&network, &hub, &world);
        let path = source();
        let ((), peer) = tokio::join!(brought(&pulls, &path), async {
            let mut peer = a.admit().await;
            play(&mut peer, 0).await;
            peer
        });
        let _held = pulls.hold(&cam());
        sleep(Duration::from_millis(away)).await;
        world.is_had_at(way, "gateway");
        // What it sends first takes a moment.
        sleep(Duration::from_millis(300)).await;
        let _playing = plays(peer);
        let again = timeout(Duration::from_secs(20), async {
            tokio::select! {
                _ = a.connect() => {}
                _ = b.connect() => {}
            }
        });
        assert!(again.await.is_err(), "asked anew after {away} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn who_watches_gets_what_is_processed_once_somebody_does_it() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let (mut gateway, mut processor) = (network.listen("gateway"), network.listen("processor"));
    world.is_live_at("gateway");
    let pulls = pulls(&network, &hub, &world);
    let path = source();
    let ((), _playing) = tokio::join!(brought(&pulls, &path), next_plays(&mut gateway));
    let _viewer = stream(&hub).viewer(Protocol::Flv);
    world.is_processed_at("processor");
    let asked = timeout(Duration::from_secs(10), processor.connect()).await;
    assert!(asked.is_err(), "nothing of the channel is to be processed");

    let mut channel = record();
    (channel.settings.is_codec, channel.settings.ld) = (true, true);
    world.is(Some(channel));
    let processed = timeout(Duration::from_secs(10), next_plays(&mut processor)).await;
    assert!(processed.is_ok(), "the source is still pulled");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(stream(&hub).state(), State::Live);
}

#[tokio::test(start_paused = true)]
async fn who_watches_gets_the_source_while_a_dead_processor_is_announced() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let (mut gateway, mut dies) = (network.listen("gateway"), network.listen("dies"));
    let mut channel = record();
    (channel.settings.is_codec, channel.settings.ld) = (true, true);
    world.is(Some(channel));
    world.is_live_at("gateway");
    world.is_processed_at("dies");
    let pulls = pulls(&network, &hub, &world);
    let path = source();
    let ((), processed) = tokio::join!(brought(&pulls, &path), next_plays(&mut dies));
    let _viewer = stream(&hub).viewer(Protocol::Flv);
    sleep(Duration::from_secs(20)).await;
    drop((processed, dies));
    let since = Instant::now();
    let _source = next_plays(&mut gateway).await;
    let waited = since.elapsed().as_secs();
    assert!((7..12).contains(&waited), "{waited} s");

    let mut dead = network.listen("dies");
    let asked = timeout(Duration::from_secs(60), dead.connect()).await;
    assert!(asked.is_err(), "to try it costs a break");
    let mut other = network.listen("other");
    world.is_processed_at("other");
    let processed = timeout(Duration::from_secs(10), next_plays(&mut other)).await;
    assert!(processed.is_ok(), "another has taken its place");
}

#[tokio::test(start_paused = true)]
async fn what_is_held_needs_no_viewers_and_has_all_that_its_channel_wants() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let mut host = network.listen("a");
    world.is_live_at("a");
    let mut channel = record();
    channel.settings.is_video = true;
    world.is(Some(channel));
    let mut config = Config::new(node("here"), "rtmp://here");
    config.processes = true;
    let pulls = Pulls::new(hub.clone(), network.client(), world.clone(), config);
    let (held, other) = (pulls.hold(&cam()), pulls.hold(&cam()));
    let path = source();
    let ((), _playing) = tokio::join!(brought(&pulls, &path), next_plays(&mut host));
    assert!(stream(&hub).settings().borrow().recording.files.is_some());
    drop(other);
    sleep(Duration::from_secs(120)).await;
    assert_eq!(stream(&hub).state(), State::Live);
    drop(held);
    let stays = gone(&hub, &path).await;
    assert!((29..33).contains(&stays.as_secs()), "{stays:?}");
}

#[tokio::test(start_paused = true)]
async fn an_end_is_one_when_the_stream_comes_up_nowhere_else() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let (mut a, mut b) = (network.listen("a"), network.listen("b"));
    world.is_live_at("a");
    let pulls = pulls(&network, &hub, &world);
    let path = source();
    let ((), mut peer) = tokio::join!(brought(&pulls, &path), async {
        let mut peer = a.admit().await;
        play(&mut peer, 0).await;
        peer
    });
    world.is_live_at("b");
    peer.session.end_play(crate::net::socket::now()).unwrap();
    peer.flush().await;
    let mut peer = b.admit().await;
    play(&mut peer, 0).await;
    assert_eq!(stream(&hub).session(), 2);

    world.is_live_nowhere();
    peer.session.end_play(crate::net::socket::now()).unwrap();
    peer.flush().await;
    let stays = gone(&hub, &path).await;
    assert!((2..5).contains(&stays.as_secs()), "{stays:?}");
    assert_eq!(
        refused(&pulls, &Via::default()).await,
        Reason::UnknownChannel
    );
}

#[tokio::test(start_paused = true)]
async fn changed_settings_are_followed_and_a_deleted_channel_ends() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let mut host = network.listen("a");
    world.is_live_at("a");
    let pulls = pulls(&network, &hub, &world);
    let path = source();
    let ((), _playing) = tokio::join!(brought(&pulls, &path), next_plays(&mut host));
    let stream = stream(&hub);
    assert!(!stream.settings().borrow().cmaf);
    let mut changed = record();
    (changed.settings.is_cmaf, changed.settings.is_video) = (true, true);
    world.is(Some(changed));
    sleep(Duration::from_secs(5)).await;
    let settings = stream.settings().borrow().clone();
    assert!(settings.cmaf);
    assert_eq!(
        settings.recording.files, None,
        "recorded where it is published"
    );
    world.is(None);
    assert!(gone(&hub, &path).await < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_from_where_it_was_while_nobody_says_where_it_is() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let mut a = network.listen("a");
    world.is_live_at("a");
    let pulls = pulls(&network, &hub, &world);
    let path = source();
    let ((), playing) = tokio::join!(brought(&pulls, &path), next_plays(&mut a));
    let _held = pulls.hold(&cam());
    let mut frames = stream(&hub).subscribe();
    world.is_away.store(true, Ordering::Relaxed);
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(60) {
        assert_eq!(frame(&mut frames).await.epoch, 0, "{:?}", since.elapsed());
    }
    drop(playing);
    let _playing = next_plays(&mut a).await;
    while frame(&mut frames).await.epoch == 0 {}
}

#[tokio::test(start_paused = true)]
async fn nodes_in_a_circle_are_refused() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let mut host = network.listen("there");
    let pulls = pulls(&network, &hub, &world);
    let through_here = Via::default().then(&node("here")).unwrap();
    assert_eq!(refused(&pulls, &through_here).await, Reason::Loop);
    assert_eq!(pulls.locate(&cam(), &through_here).await, Ok(None));

    world.is_live_at("there");
    let path = source();
    let ((), _playing) = tokio::join!(brought(&pulls, &path), next_plays(&mut host));
    let told = pulls
        .locate(&cam(), &Via::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (told.node.as_str(), told.address.as_str()),
        ("here", "rtmp://here")
    );
    assert_eq!(told.through.to_string(), "there");
    // The node that it comes from asks for it: it must not get its own stream back.
    let there = Via::default().then(&node("there")).unwrap();
    assert_eq!(pulls.locate(&cam(), &there).await, Ok(None));
    assert_eq!(refused(&pulls, &there).await, Reason::Loop);
}

#[tokio::test(start_paused = true)]
async fn renditions_lie_on_the_timeline_of_their_source() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let mut host = network.listen("a");
    world.is_live_at("a");
    let mut ladder = record();
    (ladder.settings.is_codec, ladder.settings.ld) = (true, true);
    world.is(Some(ladder));
    let pulls = pulls(&network, &hub, &world);
    let path = source();
    let ((), playing) = tokio::join!(brought(&pulls, &path), next_plays(&mut host));
    let smallest = smallest();
    let ((), rung) = tokio::join!(brought(&pulls, &smallest), next_plays(&mut host));
    assert!(pulls.bring_all(&cam(), &Via::default()).await.unwrap());
    let rendition = hub.find(&smallest).unwrap();
    let mut sources = stream(&hub).subscribe();
    let mut renditions = rendition.subscribe();
    sleep(Duration::from_secs(2)).await;
    // Both connections break, and both are made anew; the rendition's first.
    drop((playing, rung));
    let _source = plays(host.admit().await);
    let _rung = plays(host.admit().await);
    let mut times = BTreeSet::new();
    while times.len() < 130 {
        let frame = frame(&mut sources).await;
        times.insert((frame.epoch, frame.dts));
    }
    let mut epochs = BTreeSet::new();
    for _ in 0..70 {
        let frame = frame(&mut renditions).await;
        epochs.insert(frame.epoch);
        assert!(times.contains(&(frame.epoch, frame.dts)), "{:?}", frame.dts);
    }
    let breaks: Vec<u32> = epochs.into_iter().collect();
    assert_eq!(breaks, [0, 1], "the break of the source and no other");
    sleep(Duration::from_secs(10)).await;
    assert!(!pulls.bring_all(&cam(), &Via::default()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn renditions_break_where_their_node_says_though_they_come_later() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let mut host = network.listen("a");
    world.is_live_at("a");
    let mut ladder = record();
    (ladder.settings.is_codec, ladder.settings.ld) = (true, true);
    world.is(Some(ladder));
    let pulls = pulls(&network, &hub, &world);
    let path = source();
    let ((), mut of_source) = tokio::join!(brought(&pulls, &path), async {
        let mut peer = host.admit().await;
        peer.notify_publish(4).await;
        play(&mut peer, 0).await;
        peer
    });
    // It had an encoder less once: its numbers are other ones.
    let smallest = smallest();
    let ((), mut of_rendition) = tokio::join!(brought(&pulls, &smallest), async {
        let mut peer = host.admit().await;
        peer.notify_publish(5).await;
        play(&mut peer, 0).await;
        peer
    });
    let rendition = hub.find(&smallest).unwrap();
    let mut renditions = rendition.subscribe();
    // The source is ahead by what the encoder takes.
    of_source.notify_publish(5).await;
    play(&mut of_source, 25).await;
    play(&mut of_rendition, 25).await;
    of_rendition.notify_publish(6).await;
    play(&mut of_source, 50).await;
    play(&mut of_rendition, 50).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let key = frame(&mut renditions).await;
        seen.push((key.epoch, key.dts.as_millis()));
        for _ in 1..25 {
            assert_eq!(frame(&mut renditions).await.epoch, key.epoch);
        }
    }
    assert_eq!(seen, [(0, 0), (0, 1_000), (1, 2_000)]);
    // Its own connection breaks in the same epoch: no break. Then something is left out of it: one.
    drop(of_rendition);
    let mut of_rendition = host.admit().await;
    of_rendition.notify_publish(6).await;
    play(&mut of_rendition, 75).await;
    of_rendition.notify_publish(6).await;
    play(&mut of_rendition, 100).await;
    let mut last = Vec::new();
    for _ in 0..50 {
        last.push(frame(&mut renditions).await.epoch);
    }
    assert_eq!(last, [[1; 25], [2; 25]].concat());
}

#[tokio::test(start_paused = true)]
async fn renditions_leave_a_node_that_hangs_as_their_source_does() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let (mut hangs, mut other) = (network.listen("a"), network.listen("b"));
    world.is_live_at("a");
    let mut ladder = record();
    (ladder.settings.is_codec, ladder.settings.ld) = (true, true);
    world.is(Some(ladder));
    let pulls = pulls(&network, &hub, &world);
    let (path, smallest) = (source(), smallest());
    let ((), playing) = tokio::join!(brought(&pulls, &path), next_plays(&mut hangs));
    let ((), rung) = tokio::join!(brought(&pulls, &smallest), next_plays(&mut hangs));
    let mut renditions = hub.find(&smallest).unwrap().subscribe();
    playing.pause();
    rung.pause();
    world.is_live_at("b");
    let _source = next_plays(&mut other).await;
    let _rung = next_plays(&mut other).await;
    while frame(&mut renditions).await.epoch == 0 {}
}

#[tokio::test(start_paused = true)]
async fn who_processes_pulls_over_tls_alone_where_the_channel_says_so() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    let mut host = network.listen("a");
    world.is_live_at("a");
    let mut secured = record();
    secured.settings.is_rtmps = true;
    world.is(Some(secured));
    let mut config = Config::new(node("here"), "rtmp://here");
    config.processes = true;
    let pulls = Pulls::new(hub.clone(), network.client(), world.clone(), config);
    let denied = pulls.bring(&source(), &Via::default()).await.unwrap_err();
    assert_eq!(denied.reason, Reason::Unavailable);
    assert!(denied.message.contains("isRtmps"), "{}", denied.message);
    let asked = timeout(Duration::from_secs(5), host.connect()).await;
    assert!(asked.is_err(), "the node was asked without TLS");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_give_what_it_has_is_given_up() {
    let (network, hub, world) = (Network::default(), Hub::default(), World::new());
    world.is_live_at("nobody-listens-there");
    let pulls = pulls(&network, &hub, &world);
    let began = Instant::now();
    assert_eq!(refused(&pulls, &Via::default()).await, Reason::Unavailable);
    assert!(
        began.elapsed() <= Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    sleep(Duration::from_secs(5)).await;
    let asked = world.asked();
    assert!(asked < 20, "asked {asked} times");
    sleep(Duration::from_secs(600)).await;
    assert_eq!(world.asked(), asked, "nobody wants it any more");
}

/// What a node knows whose only other node is one that relays.
#[derive(Debug)]
struct Sibling {
    world: Arc<World>,
    other: std::sync::OnceLock<Pulls>,
}

#[async_trait]
impl Directory for Sibling {
    async fn locate(&self, channel: &ChannelId, via: &Via) -> ports::Result<Option<Session>> {
        let here = self.world.locate(channel, via).await?;
        let there = match self.other.get() {
            Some(other) => other.locate(channel, via).await?,
            None => None,
        };
        Ok(here.or(there))
    }

    async fn record(&self, channel: &ChannelId, via: &Via) -> ports::Result<Arc<Channel>> {
        self.world.record(channel, via).await
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_that_lose_the_same_source_do_not_take_each_other_for_it() {
    let (network, world) = (Network::default(), World::new());
    let mut gateway = network.listen("gateway");
    world.is_live_at("gateway");
    let mut nodes = Vec::new();
    for name in ["one", "other"] {
        let directory = Arc::new(Sibling {
            world: Arc::clone(&world),
            other: std::sync::OnceLock::new(),
        });
        let config = Config::new(node(name), format!("rtmp://{name}"));
        let hub = Hub::default();
        let pulls = Pulls::new(hub.clone(), network.client(), directory.clone(), config);
        nodes.push((hub, pulls, directory, network.listen(name)));
    }
    let relayed = [nodes[1].1.clone(), nodes[0].1.clone()];
    for ((_, _, directory, _), other) in nodes.iter().zip(relayed) {
        directory.other.set(other).unwrap();
    }
    let path = source();
    let mut playing = Vec::new();
    for (_, pulls, ..) in &nodes {
        let ((), source) = tokio::join!(brought(pulls, &path), next_plays(&mut gateway));
        playing.push(source);
        // Their seconds begin at different times.
        sleep(Duration::from_millis(300)).await;
    }
    sleep(Duration::from_secs(3)).await;
    let known = nodes[0]
        .1
        .locate(&cam(), &Via::default())
        .await
        .unwrap()
        .unwrap();
    assert!(!known.waiting);

    // The gateway hangs: its connections stay, nothing comes, and it does not answer.
    world.is_live_nowhere();
    for source in &playing {
        source.pause();
    }
    for (_, _, _, host) in &mut nodes {
        let asked = timeout(Duration::from_secs(12), host.connect()).await;
        assert!(asked.is_err(), "one took the other for the source");
    }
    for (hub, pulls, ..) in &nodes {
        let told = pulls.locate(&cam(), &Via::default()).await.unwrap();
        assert!(told.is_none_or(|told| told.waiting), "it is live nowhere");
        assert_eq!(stream(hub).state(), State::Interrupted);
    }
    world.is_live_at("gateway");
    let _playing = (
        next_plays(&mut gateway).await,
        next_plays(&mut gateway).await,
    );
    sleep(Duration::from_secs(2)).await;
    for (hub, ..) in &nodes {
        assert_eq!(stream(hub).state(), State::Live);
    }
}
