//! Relays on a network in memory, where an hour takes no time and nothing depends on the machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lsv_core::channel::{Channel, Moment, TaskSize};
use lsv_core::hub::{self, Closed, Delivery, Hub, Limits, Offer, OnBusy, Publisher, Stream};
use lsv_core::media::{MediaFrame, Track};
use lsv_core::path::{ChannelId, StreamPath};
use lsv_core::ports::{
    TaskControl, TaskKind, TaskOutput, TaskReport, TaskRunner as _, TaskSpec, TaskState,
    TaskSteering,
};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::*;
use crate::net::client::Fault;
use crate::net::socket::now;
use crate::net::testing::{
    AUDIO_HEADER, Host, METADATA, Network, Peer, VIDEO_HEADER, audio, audio_track, video,
    video_body, video_track,
};
use crate::session::{Capabilities, Event, Media, Reject, ServerConfig};

/// A stream with a publisher whose clock goes with that of the test.
struct Source {
    hub: Hub,
    publisher: Option<Publisher>,
    picture: Arc<Track>,
    sound: Arc<Track>,
    start: Instant,
    frames: u64,
}

impl Source {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let hub = Hub::new(limits);
        let mut source = Self {
            publisher: None,
            hub,
            picture: video_track(),
            sound: audio_track(),
            start: now(),
            frames: 0,
        };
        source.publish();
        source
    }

    /// Publishes, again with a key frame first.
    fn publish(&mut self) {
        self.frames = self.frames.next_multiple_of(25);
        let offer = Offer::new("a test");
        let publisher = self.hub.publish(&path(), offer, now()).unwrap();
        publisher.set_metadata(METADATA);
        publisher.announce(&self.picture);
        publisher.announce(&self.sound);
        self.publisher = Some(publisher);
    }

    fn stream(&self) -> Arc<Stream> {
        self.hub.find(&path()).unwrap()
    }

    /// Publishes in real time, 25 pictures and as many sounds a second, a key frame each second, for so long.
    async fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * 25 {
            self.frame(100);
            sleep(Duration::from_millis(40)).await;
        }
    }

    /// Publishes a picture of `size` bytes that says its number, and a sound.
    fn frame(&mut self, size: usize) {
        let millis = (now() - self.start).as_millis() as i64;
        let mut payload = vec![0xC3; size];
        payload[..8].copy_from_slice(&self.frames.to_be_bytes());
        let key = self.frames.is_multiple_of(25);
        let publisher = self.publisher.as_ref().unwrap();
        publisher
            .push(video(&self.picture, millis, key, &payload))
            .unwrap();
        publisher
            .push(audio(&self.sound, millis, &payload[..8]))
            .unwrap();
        self.frames += 1;
    }
}

fn path() -> StreamPath {
    StreamPath::source(ChannelId::parse("cam").unwrap())
}

fn config() -> Config {
    Config {
        seed: Some(1),
        ..Config::default()
    }
}

/// What a target got, with the times at which it did.
#[derive(Default)]
struct Got {
    media: Vec<(Instant, Media)>,
    ended: bool,
}

impl Got {
    /// The numbers of the pictures.
    fn pictures(&self) -> Vec<u64> {
        let pictures = self.media.iter().filter_map(|(_, media)| number(media));
        pictures.collect()
    }

    fn longest_gap(&self) -> Duration {
        let gaps = self.media.windows(2).map(|pair| pair[1].0 - pair[0].0);
        gaps.max().unwrap_or_default()
    }
}

fn number(media: &Media) -> Option<u64> {
    match media {
        Media::Video { payload, .. } if payload[0] & 0x0F == 1 => {
            Some(u64::from_be_bytes(*payload[8..].first_chunk().unwrap()))
        }
        _ => None,
    }
}

/// Takes all that comes, until the connection ends.
fn take(mut peer: Peer) -> watch::Receiver<Got> {
    let (sender, got) = watch::channel(Got::default());
    tokio::spawn(async move {
        while let Some(event) = peer.event().await {
            sender.send_modify(|got| match event {
                Event::Media(media) => got.media.push((now(), media)),
                Event::Unpublished => got.ended = true,
                _ => {}
            });
        }
    });
    got
}

async fn reach(status: &mut watch::Receiver<Status>, wanted: impl Fn(&Status) -> bool) -> Status {
    let reached = timeout(Duration::from_secs(3600), status.wait_for(wanted)).await;
    reached.unwrap().unwrap().clone()
}

fn is_live(status: &Status) -> bool {
    matches!(status.state, State::Live { .. })
}

fn is_waiting(status: &Status) -> bool {
    matches!(status.state, State::Waiting { until: Some(_), .. })
}

fn stop_of(status: &Status) -> Option<Stop> {
    match status.state {
        State::Stopped(stop) => Some(stop),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_target_costs_the_live_one_nothing_and_comes_back() {
    let (network, mut source) = (Network::default(), Source::new());
    let mut live = network.listen("live");
    let dead: crate::net::Address = "rtmp://host/dead/key".parse().unwrap();
    let mut push = Push::new(source.stream(), network.client(), config());
    push.add(&live.address);
    let mut dead_status = push.add(&dead).status();
    source.frame(100);
    let at_live = take(live.admit().await);
    source.run(60).await;

    let status = dead_status.borrow_and_update().clone();
    assert!(is_waiting(&status), "{:?}", status.state);
    let error = status.last_error.unwrap();
    assert!(matches!(error.fault(), Fault::Connect(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("key"), "{error:?}");
    // Delays of 1, 2, 4, 8, 16 and 32 s, less up to half.
    assert!((6..=8).contains(&status.attempts), "{}", status.attempts);

    let mut alive = network.listen("dead");
    let comes = async {
        let peer = alive.admit().await;
        (now(), take(peer))
    };
    let (_, (came, at_dead)) = tokio::join!(source.run(60), comes);
    assert!(is_live(&dead_status.borrow()));
    {
        let got = at_dead.borrow();
        let media: Vec<_> = got
            .media
            .iter()
            .map(|(_, media)| media.payload())
            .take(3)
            .collect();
        assert_eq!(media, [&METADATA[..], VIDEO_HEADER, AUDIO_HEADER]);
        let pictures = got.pictures();
        assert_eq!(pictures[0] % 25, 0, "it starts at a key frame");
        assert!(pictures.windows(2).all(|pair| pair[1] == pair[0] + 1));
        assert_eq!(pictures.last(), Some(&(source.frames - 1)));
        assert!(got.media[0].0 - came < Duration::from_millis(1));
    }
    let got = at_live.borrow();
    assert!(got.pictures().iter().copied().eq(0..source.frames));
    assert!(
        got.longest_gap() <= Duration::from_millis(40),
        "{:?}",
        got.longest_gap()
    );
}

#[tokio::test(start_paused = true)]
async fn what_arrives_is_what_was_published() {
    let (network, mut source) = (Network::default(), Source::new());
    let mut host = network.listen("live");
    let mut push = Push::new(source.stream(), network.client(), config());
    let mut status = push.add(&host.address).status();
    source.frame(200_000);
    let got = take(host.admit().await);
    source.run(2).await;
    source.publisher.take().unwrap().finish();
    push.finished().await;
    assert_eq!(reach(&mut status, |_| true).await.attempts, 1);
    assert_eq!(stop_of(&status.borrow()), Some(Stop::StreamEnded));
    // The other end needs its turn to see the end.
    sleep(Duration::from_millis(1)).await;

    let got = got.borrow();
    assert!(got.ended, "the target was told in order");
    let large = [&0_u64.to_be_bytes()[..], &vec![0xC3; 199_992]].concat();
    assert_eq!(&got.media[3].1.payload()[..], video_body(true, &large));
    assert_eq!(&got.media[4].1.payload()[..], b"\xAF\x01\0\0\0\0\0\0\0\0");
    let times: Vec<u32> = got.media[3..]
        .iter()
        .map(|(_, media)| media.timestamp())
        .collect();
    let expected: Vec<u32> = [0].into_iter().chain((0..50).map(|n| n * 40)).collect();
    let expected: Vec<u32> = expected.iter().flat_map(|at| [*at, *at]).collect();
    assert_eq!(times, expected);
    let sent: usize = got
        .media
        .iter()
        .map(|(_, media)| media.payload().len())
        .sum();
    let bytes = status.borrow().bytes as usize;
    assert!(bytes > sent && bytes < sent + 10_000, "{bytes} of {sent}");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_end_may_be_given_up() {
    let (network, mut source) = (Network::default(), Source::new());
    let mut host = network.listen("live");
    let mut push = Push::new(source.stream(), network.client(), config());
    let status = push.add(&host.address).status();
    source.frame(100);
    let got = take(host.admit().await);
    let given_up = async { timeout(Duration::from_secs(1), push.finished()).await };
    let (given_up, ()) = tokio::join!(given_up, source.run(2));
    assert!(given_up.is_err());
    assert_eq!(push.targets().len(), 1);
    source.run(1).await;
    assert_eq!(got.borrow().pictures().last(), Some(&(source.frames - 1)));
    source.publisher.take().unwrap().finish();
    // Again, to find all of them over already.
    push.finished().await;
    push.finished().await;
    assert_eq!(stop_of(&status.borrow()), Some(Stop::StreamEnded));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_takes_nothing_is_left_and_tried_again() {
    let (network, mut source) = (Network::default(), Source::new());
    let (mut live, mut deaf) = (network.listen("live"), network.listen("deaf"));
    let mut push = Push::new(source.stream(), network.client(), config());
    push.set(&[live.address.clone(), deaf.address.clone()]);
    let mut status = push.targets()[1].status();
    source.frame(100);
    let at_live = take(live.admit().await);
    let not_read = deaf.admit().await;
    let start = now();
    // More than the network holds.
    let flood = async {
        for _ in 0..20 * 25 {
            source.frame(10_000);
            sleep(Duration::from_millis(40)).await;
        }
    };
    let comes_back = async {
        let status = reach(&mut status, is_waiting).await;
        let given_up = now();
        drop(not_read);
        (given_up, status, take(deaf.admit().await))
    };
    let ((given_up, status, again), ()) = tokio::join!(comes_back, flood);
    let error = status.last_error.unwrap();
    assert!(matches!(error.fault(), Fault::Stalled(_)), "{error}");
    let patience = (given_up - start).as_millis();
    assert!((10_000..12_000).contains(&patience), "{patience} ms");
    assert_eq!(again.borrow().pictures().last(), Some(&(source.frames - 1)));
    assert!(
        at_live
            .borrow()
            .pictures()
            .iter()
            .copied()
            .eq(0..source.frames)
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_target_jumps_to_key_frames() {
    let mut limits = Limits::default();
    limits.feed_bytes = 1 << 20;
    let (network, mut source) = (Network::default(), Source::with(limits));
    let mut slow = network.listen("slow");
    let mut push = Push::new(source.stream(), network.client(), config());
    let status = push.add(&slow.address).status();
    source.frame(100);
    let mut peer = slow.admit().await;
    let reads = async {
        let mut pictures = Vec::new();
        while pictures.last().is_none_or(|last| *last < 999) {
            let media = peer.media().await.unwrap();
            if let Some(number) = number(&media) {
                pictures.push(number);
                // Half as fast as they come.
                sleep(Duration::from_millis(80)).await;
            }
        }
        pictures
    };
    let sends = async {
        for _ in 1..1000 {
            source.frame(10_000);
            sleep(Duration::from_millis(40)).await;
        }
    };
    let (pictures, ()) = tokio::join!(reads, sends);
    let skipped = status.borrow().skipped;
    assert!(skipped > 0);
    let mut jumps = 0;
    for pair in pictures.windows(2) {
        if pair[1] != pair[0] + 1 {
            assert_eq!(pair[1] % 25, 0, "it goes on at a key frame");
            jumps += 1;
        }
    }
    assert!(
        jumps > 0 && pictures.len() < 900,
        "{jumps} jumps, {} pictures",
        pictures.len()
    );
    assert_eq!(status.borrow().attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_comes_back_goes_on_at_the_targets() {
    let (network, mut source) = (Network::default(), Source::new());
    let mut host = network.listen("live");
    let mut push = Push::new(source.stream(), network.client(), config());
    let status = push.add(&host.address).status();
    source.frame(100);
    let got = take(host.admit().await);
    source.run(3).await;
    source.publisher = None;
    sleep(Duration::from_secs(5)).await;
    source.publish();
    source.run(3).await;
    let got = got.borrow();
    assert!(got.pictures().iter().copied().eq((0..76).chain(100..175)));
    let times: Vec<u32> = got
        .media
        .iter()
        .map(|(_, media)| media.timestamp())
        .skip(3)
        .collect();
    assert!(times.is_sorted());
    // The timeline has a seam and no hole.
    assert!(*times.last().unwrap() < 6_200, "{times:?}");
    assert_eq!(status.borrow().attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_target_is_not_bothered_while_there_is_nothing_to_send() {
    let (network, mut source) = (Network::default(), Source::new());
    let mut host = network.listen("live");
    let mut push = Push::new(source.stream(), network.client(), config());
    let mut status = push.add(&host.address).status();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(status.borrow().attempts, 0);
    source.frame(100);
    let peer = host.admit().await;
    source.run(3).await;
    source.publisher = None;
    // It does not like its publishers silent.
    drop(peer);
    reach(&mut status, |status| {
        matches!(
            status.state,
            State::Waiting {
                until: None,
                reason: Reason::NoMedia
            }
        )
    })
    .await;
    sleep(Duration::from_secs(12)).await;
    assert_eq!(status.borrow().attempts, 1);
    source.publish();
    source.frame(100);
    let got = take(host.admit().await);
    source.run(1).await;
    assert!(!got.borrow().pictures().is_empty());
    assert_eq!(status.borrow().attempts, 2);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_refuses_is_asked_less_often() {
    let (network, mut source) = (Network::default(), Source::new());
    let mut host = network.listen("live");
    let mut push = Push::new(source.stream(), network.client(), config());
    let mut status = push.add(&host.address).status();
    let refuse = async {
        loop {
            let mut peer = host.accept().await;
            assert!(matches!(peer.event().await, Some(Event::Publish(_))));
            let taken = Reject::bad_name("taken");
            peer.session.reject_publish(&taken).unwrap();
            peer.flush().await;
        }
    };
    tokio::select! {
        () = source.run(600) => {}
        () = refuse => {}
    }
    // Delays of 30, 60, 120, 240 and 480 s, less up to half.
    let status = status.borrow_and_update().clone();
    assert!((4..=6).contains(&status.attempts), "{}", status.attempts);
    let error = status.last_error.unwrap();
    assert!(
        error.is_refusal() && error.to_string().contains("taken"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn targets_come_and_go() {
    let (network, mut source) = (Network::default(), Source::new());
    let (mut first, mut second) = (network.listen("first"), network.listen("second"));
    let mut push = Push::new(source.stream(), network.client(), config());
    push.add(&first.address);
    push.add(&first.address);
    assert_eq!(push.targets().len(), 1);
    source.frame(100);
    let at_first = take(first.admit().await);
    source.run(1).await;

    let mut status = push.targets()[0].status();
    push.set(std::slice::from_ref(&second.address));
    let at_second = take(second.admit().await);
    source.run(1).await;
    assert_eq!(stop_of(&status.borrow_and_update()), Some(Stop::Asked));
    assert!(at_first.borrow().ended, "it was told in order");
    assert!(!at_second.borrow().pictures().is_empty());
    assert!(!push.remove(&first.address) && push.targets().len() == 1);

    push.stop().await;
    sleep(Duration::from_millis(1)).await;
    assert!(at_second.borrow().ended);
    assert_eq!(source.stream().state(), hub::State::Live);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_asks_to_reconnect_is_followed() {
    let (network, mut source) = (Network::default(), Source::new());
    let (mut old, mut new) = (network.listen("old"), network.listen("new"));
    let mut push = Push::new(source.stream(), network.client(), config());
    let status = push.add(&old.address).status();
    source.frame(100);
    let mut before = old.admit().await;
    before.ask_to_reconnect(Some("/new")).await;
    let before = take(before);
    let (after, ()) = tokio::join!(async { take(new.admit().await) }, source.run(3));
    let (before, after) = (before.borrow(), after.borrow());
    assert!(before.ended);
    let pictures = [before.pictures(), after.pictures()].concat();
    assert!(
        pictures.iter().copied().eq(0..source.frames),
        "nothing twice, nothing lost"
    );
    assert_eq!(after.pictures()[0] % 25, 0);
    assert_eq!(status.borrow().attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn further_tracks_go_to_targets_that_know_them() {
    let (network, mut source) = (Network::default(), Source::new());
    let (mut new, mut old) = (network.listen("new"), network.listen("old"));
    let mut push = Push::new(source.stream(), network.client(), config());
    push.set(&[new.address.clone(), old.address.clone()]);
    let second = Arc::new(Track::clone(&source.sound).with_id(1));
    source.publisher.as_ref().unwrap().announce(&second);
    source.frame(100);
    let at_new = take(new.admit().await);
    let mut config = ServerConfig::new([1; 32]);
    config.capabilities = Capabilities::default();
    let mut peer = Peer::with(old.connect().await, config);
    peer.admit().await;
    let at_old = take(peer);
    let publisher = source.publisher.as_ref().unwrap();
    publisher.push(audio(&second, 5, b"second")).unwrap();
    source.run(1).await;
    let sounds = |got: &watch::Receiver<Got>| {
        let all = got.borrow();
        let payloads = all.media.iter().map(|(_, media)| media.payload().to_vec());
        let mut sounds: Vec<Vec<u8>> = payloads
            .filter(|payload| payload.ends_with(b"second"))
            .collect();
        sounds.pop()
    };
    // E-RTMP v2: multitrack of one track, coded frames, the codec, the track.
    let expected = b"\x95\x01mp4a\x01second".to_vec();
    assert_eq!(sounds(&at_new), Some(expected));
    assert_eq!(sounds(&at_old), None);
    assert!(at_old.borrow().pictures().len() > 1);
}

/// What a source sends in a second, from picture number `first` on, with a clock of its own.
pub(super) async fn play(peer: &mut Peer, first: u64) {
    for n in first..first + 25 {
        let millis = 70_000 + (n as u32) * 40;
        let payload = video_body(n.is_multiple_of(25), &n.to_be_bytes()).into();
        if n == first {
            let payload = bytes::Bytes::from_static(VIDEO_HEADER);
            peer.send(&Media::Video {
                timestamp: millis,
                payload,
            })
            .await;
        }
        peer.send(&Media::Video {
            timestamp: millis,
            payload,
        })
        .await;
        sleep(Duration::from_millis(40)).await;
    }
}

fn pull(network: &Network, hub: &Hub, host: &Host) -> Pull {
    let offer = Offer::new("a source");
    let address = host.address.clone();
    Pull::start(hub, path(), offer, address, &network.client(), config())
}

fn frames(hub: &Hub) -> impl Future<Output = Vec<MediaFrame>> + use<> {
    let mut frames = hub.find(&path()).unwrap().subscribe();
    async move {
        let mut all = Vec::new();
        while let Some(Delivery::Item(frame)) = frames.next().await {
            all.push(frame);
        }
        all
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_fills_the_hub_and_comes_back() {
    let (network, hub) = (Network::default(), Hub::default());
    let mut host = network.listen("source");
    let pull = pull(&network, &hub, &host);
    let mut status = pull.status();
    let mut peer = host.admit().await;
    sleep(Duration::from_secs(1)).await;
    assert!(hub.find(&path()).is_none(), "nothing came yet");
    play(&mut peer, 0).await;
    let got = tokio::spawn(frames(&hub));
    play(&mut peer, 25).await;
    assert!(is_live(&status.borrow()));

    drop(peer);
    let lost = reach(&mut status, is_waiting).await;
    assert!(matches!(lost.last_error.unwrap().fault(), Fault::Closed));
    assert_eq!(lost.bytes, 50 * 8);
    assert_eq!(hub.find(&path()).unwrap().state(), hub::State::Interrupted);
    let mut peer = host.admit().await;
    play(&mut peer, 0).await;
    assert_eq!(hub.find(&path()).unwrap().state(), hub::State::Live);
    pull.stop().await;
    assert_eq!(stop_of(&status.borrow()), Some(Stop::Asked));
    assert!(hub.find(&path()).is_none(), "the stream ended in order");
    assert_eq!(peer.event().await, Some(Event::PlayEnded));

    let got = got.await.unwrap();
    let numbers: Vec<u64> = got
        .iter()
        .map(|frame| u64::from_be_bytes(*frame.payload.first_chunk().unwrap()))
        .collect();
    assert!(numbers.iter().copied().eq((0..50).chain(0..25)));
    assert!(got.is_sorted_by_key(|frame| frame.dts));
    let epochs: Vec<u32> = got.iter().map(|frame| frame.epoch).collect();
    assert_eq!((epochs[49], epochs[50]), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_break_at_the_source_is_one_here_and_its_times_go_on() {
    let (network, hub) = (Network::default(), Hub::default());
    let mut host = network.listen("source");
    let pull = pull(&network, &hub, &host);
    let mut peer = host.admit().await;
    // First what its epoch is called, then twice another one, and then that something was left out.
    peer.notify_publish(4).await;
    play(&mut peer, 0).await;
    let got = tokio::spawn(frames(&hub));
    let stream = hub.find(&path()).unwrap();
    for (first, epoch) in [(25, 5), (75, 9), (100, 9)] {
        peer.notify_publish(epoch).await;
        play(&mut peer, first).await;
    }
    let clock = stream.clock().unwrap();
    assert_eq!((clock.session, clock.epoch, clock.number), (1, 3, Some(9)));
    pull.stop().await;
    let got = got.await.unwrap();
    let seen: Vec<(u32, i64)> = got
        .iter()
        .map(|frame| (frame.epoch, frame.dts.as_millis()))
        .collect();
    let groups = [(0, 0), (1, 25), (2, 75), (3, 100)];
    let expected = groups.into_iter().flat_map(|(epoch, first)| {
        let numbers = first..first + 25;
        numbers.map(move |number| (epoch, number * 40))
    });
    assert_eq!(seen, expected.collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_ends_its_stream_ends_it_here_and_is_asked_again() {
    let (network, hub) = (Network::default(), Hub::default());
    let mut host = network.listen("source");
    let pull = pull(&network, &hub, &host);
    let mut status = pull.status();
    let mut peer = host.admit().await;
    play(&mut peer, 0).await;
    peer.session.end_play(now()).unwrap();
    peer.flush().await;
    let waiting = reach(&mut status, is_waiting).await;
    assert!(matches!(
        waiting.state,
        State::Waiting {
            reason: Reason::SourceEnded,
            ..
        }
    ));
    assert!(hub.find(&path()).is_none());
    let mut peer = host.admit().await;
    play(&mut peer, 0).await;
    assert!(hub.find(&path()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_falls_silent_is_asked_again() {
    let (network, hub) = (Network::default(), Hub::default());
    let mut host = network.listen("source");
    let pull = pull(&network, &hub, &host);
    let mut status = pull.status();
    let mut silent = host.admit().await;
    play(&mut silent, 0).await;
    let began = now();
    reach(&mut status, is_waiting).await;
    assert_eq!((now() - began).as_secs(), 29);
    host.admit().await;
}

#[tokio::test(start_paused = true)]
async fn a_publisher_takes_over_from_a_source_for_good() {
    let (network, hub) = (Network::default(), Hub::default());
    let mut host = network.listen("source");
    let pull = pull(&network, &hub, &host);
    let mut status = pull.status();
    let mut peer = host.admit().await;
    play(&mut peer, 0).await;
    let _publisher = hub
        .publish(&path(), Offer::new("an encoder"), now())
        .unwrap();
    let stopped = reach(&mut status, |status| stop_of(status).is_some()).await;
    assert_eq!(stop_of(&stopped), Some(Stop::Closed(Closed::TakenOver)));
    assert_eq!(hub.find(&path()).unwrap().state(), hub::State::Live);
    assert_eq!(peer.event().await, Some(Event::PlayEnded));
}

#[tokio::test(start_paused = true)]
async fn a_source_without_the_stream_is_asked_again_soon() {
    let (network, hub) = (Network::default(), Hub::default());
    let mut host = network.listen("source");
    let (began, pull) = (Instant::now(), pull(&network, &hub, &host));
    for _ in 0..3 {
        let mut peer = host.accept().await;
        assert!(matches!(peer.event().await, Some(Event::Play(_))));
        peer.session
            .reject_play(&Reject::not_found("nobody publishes it"))
            .unwrap();
        peer.flush().await;
    }
    let mut peer = host.admit().await;
    play(&mut peer, 0).await;
    let status = pull.status().borrow().clone();
    assert!(
        is_live(&status) && status.last_error.is_some(),
        "{status:?}"
    );
    // Delays of 1, 2 and 4 s, less up to half.
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_waits_where_it_may_not_take_over() {
    let (network, hub) = (Network::default(), Hub::default());
    let publisher = hub
        .publish(&path(), Offer::new("an encoder"), now())
        .unwrap();
    let mut host = network.listen("source");
    let mut offer = Offer::new("a source");
    offer.on_busy = OnBusy::Reject;
    let address = host.address.clone();
    let pull = Pull::start(&hub, path(), offer, address, &network.client(), config());
    let mut status = pull.status();
    let mut peer = host.admit().await;
    play(&mut peer, 0).await;
    let waiting = reach(&mut status, is_waiting).await;
    assert!(matches!(
        waiting.state,
        State::Waiting {
            reason: Reason::Refused(_),
            ..
        }
    ));
    publisher.finish();
    let mut peer = host.admit().await;
    play(&mut peer, 0).await;
    assert!(is_live(&status.borrow()));
}

/// A channel's record with these targets.
fn relaying(targets: &str) -> hub::Settings {
    let fields = serde_json::json!({ "isRelay": true, "relayURL": targets });
    let fields = serde_json::from_value(fields).unwrap();
    let channel = Channel::create(fields, || path().channel, Moment::EPOCH).unwrap();
    hub::Settings::from(&channel)
}

fn relay_task() -> TaskSpec {
    TaskSpec {
        kind: TaskKind::Relay,
        channel: path().channel,
        size: TaskSize::Small,
    }
}

async fn hear(
    steering: &mut TaskSteering,
    wanted: impl Fn(&[TaskOutput]) -> bool,
) -> (TaskState, TaskReport) {
    loop {
        let heard = steering.heard();
        if wanted(&heard.1.outputs) {
            return heard;
        }
        let changed = timeout(Duration::from_secs(3600), steering.changed()).await;
        assert!(changed.expect("news in time"), "the task is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_follows_the_targets_of_its_channel() {
    let (network, mut source) = (Network::default(), Source::new());
    let (mut first, mut second) = (network.listen("first"), network.listen("second"));
    let stream = source.stream();
    let both = format!(
        "{}, rtmp://host/second/key?sign=x, rtmp://host/no-name",
        "rtmp://host/first/key"
    );
    stream.set_settings(relaying(&both));
    let relays = Relays::new(source.hub.clone(), network.client(), config());
    let (control, mut steering) = TaskControl::new();
    let spec = relay_task();
    let task = tokio::spawn(async move { relays.run(&spec, control).await });
    source.frame(100);
    let at_first = take(first.admit().await);
    let at_second = take(second.admit().await);
    source.run(7).await;
    let live = |outputs: &[TaskOutput]| {
        let live = outputs
            .iter()
            .filter(|it| it.state == TaskState::Running && it.bitrate > 0);
        live.count() == 2
    };
    let (state, report) = hear(&mut steering, live).await;
    assert_eq!(state, TaskState::Running);
    let names: Vec<&str> = report
        .outputs
        .iter()
        .map(|output| output.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["target 3", "rtmp://host/first/..", "rtmp://host/second/.."]
    );
    assert!(
        report.outputs[0]
            .problem
            .as_ref()
            .unwrap()
            .contains("APP/NAME")
    );
    assert!(!format!("{report:?}").contains("key"));

    stream.set_settings(relaying("rtmp://host/second/key?sign=x"));
    source.run(2).await;
    assert!(at_first.borrow().ended);
    let (_, report) = hear(&mut steering, |outputs| outputs.len() == 1).await;
    assert_eq!(report.restarts, 0);
    steering.stop();
    assert_eq!(task.await.unwrap(), Ok(()));
    sleep(Duration::from_millis(1)).await;
    assert!(at_second.borrow().ended);
    assert_eq!(stream.state(), hub::State::Live);
}

#[tokio::test(start_paused = true)]
async fn a_task_says_what_is_wrong_and_ends_with_its_stream() {
    let (network, mut source) = (Network::default(), Source::new());
    source
        .stream()
        .set_settings(relaying("rtmp://host/dead/key"));
    let relays = Relays::new(source.hub.clone(), network.client(), config());
    let (control, mut steering) = TaskControl::new();
    let spec = relay_task();
    let task = tokio::spawn(async move { relays.run(&spec, control).await });
    source.run(10).await;
    let failed = |outputs: &[TaskOutput]| outputs.iter().any(|output| output.problem.is_some());
    let (state, report) = hear(&mut steering, failed).await;
    assert_eq!(state, TaskState::Waiting);
    assert!(report.restarts > 0);
    let problem = report.outputs[0].problem.as_ref().unwrap();
    assert!(
        problem.contains("cannot connect") && !problem.contains("key"),
        "{problem}"
    );

    let mut alive = network.listen("dead");
    let (_, peer) = tokio::join!(source.run(20), alive.admit());
    let got = take(peer);
    source.run(2).await;
    let mended = |outputs: &[TaskOutput]| outputs[0].state == TaskState::Running;
    let (_, report) = hear(&mut steering, mended).await;
    assert_eq!(report.outputs[0].problem, None);
    source.publisher.take().unwrap().finish();
    assert_eq!(task.await.unwrap(), Ok(()));
    assert!(got.borrow().ended);
}
