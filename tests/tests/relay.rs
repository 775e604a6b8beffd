//! Relay with real processes: an encoder, a hub that pushes and pulls, and servers that are frozen, killed and started
//! again.

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use lsv_core::{
    hub::{Hub, Offer, Stream},
    path::{ChannelId, StreamPath},
};
use lsv_rtmp::net::{
    self, Address, Client, Request,
    client::Fault,
    relay::{Config, Pull, Push, State, Status, Stop},
};
use lsv_tests::{
    Certificate, Packets, Picture, Process, Server, Signal, Viewer, eventually, watch_file,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, time::timeout};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_target_costs_the_live_one_nothing_and_comes_back() {
    let folder = TempDir::new().unwrap();
    let (hub, node) = listen().await;
    let copy = folder.path().join("sent.flv");
    let picture = Picture {
        // Fills what the system holds for a target that is frozen.
        bit_rate: Some("4M"),
        copy: Some(copy.clone()),
        ..Picture::default()
    };
    let mut publisher = picture.push(&format!("rtmp://{node}/stream/{CHANNEL}"));
    let stream = live(&hub).await;

    let live_server = Server::start(&[]).await;
    let data = folder.path().join("data");
    let mut other_server = Server::start_in(&data, &[]).await;
    let other_port = other_server.rtmp_address().to_owned();
    let other_key = other_server.api().channel(CHANNEL).await;
    let client = Client::default().with(|config| config.write_timeout = Duration::from_secs(2));
    let mut push = Push::new(stream, client, Config::default());
    let key = live_server.api().channel(CHANNEL).await;
    let mut first = push.add(&address(&live_server.rtmp(&key))).status();
    let mut second = push.add(&address(&other_server.rtmp(&other_key))).status();
    reach(&mut first, is_live).await;
    reach(&mut second, is_live).await;
    let began = Instant::now();
    let viewer = Viewer::open(&live_server.http("/cam/live.flv")).await;
    viewer.goes_on(1).await;
    let watched_from = viewer.got().arrivals.len();

    other_server.process().signal(Signal::STOP);
    let frozen = reach(&mut second, |status| !is_live(status)).await;
    let error = frozen.last_error.unwrap();
    assert!(matches!(error.fault(), Fault::Stalled(_)), "{error}");
    println!(
        "{:?}: the frozen target is given up: {error}",
        began.elapsed()
    );
    other_server.process().signal(Signal::KILL);
    let attempts = frozen.attempts;
    let dead = reach(&mut second, |status| status.attempts >= attempts + 3).await;
    println!(
        "{:?}: {} attempts in vain",
        began.elapsed(),
        dead.attempts - 1
    );
    assert!(!is_live(&dead));

    drop(other_server);
    let other_server = Server::start_in(&data, &["--rtmp", &other_port]).await;
    reach(&mut second, is_live).await;
    println!("{:?}: the target is back", began.elapsed());
    let returned = Viewer::open(&other_server.http("/cam/live.flv")).await;
    returned.goes_on(512 * 1024).await;
    viewer.goes_on(64 * 1024).await;

    let arrivals = viewer.got().arrivals.split_off(watched_from);
    let gaps = arrivals.windows(2).map(|pair| pair[1] - pair[0]);
    let longest = gaps.max().unwrap();
    let status = first.borrow().clone();
    println!(
        "the live target's longest gap: {longest:?}; {} bit/s",
        status.bit_rate
    );
    // Connected once, and never moved to a newer key frame: nothing that happened to the other target held it up.
    assert_eq!((status.attempts, status.skipped), (1, 0));
    assert!(status.bit_rate > 0);

    publisher.signal(Signal::INT);
    publisher.ended().await;
    push.finished().await;
    for mut status in [first, second] {
        let state = reach(&mut status, |_| true).await.state;
        assert!(
            matches!(state, State::Stopped(Stop::StreamEnded)),
            "{state:?}"
        );
    }
    let sent = Packets::of(&copy).await;
    for (label, viewer) in [("live", viewer), ("back", returned)] {
        let file = folder.path().join(label).with_extension("flv");
        arrived(&viewer, &file)
            .await
            .assert_part_of(&sent, 25, label);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_pulled_and_pushed_over_tls() {
    let folder = TempDir::new().unwrap();
    let certificate = Certificate::make(folder.path(), &["localhost"]).await;
    let (source, sink) = tokio::join!(secure(&certificate), secure(&certificate));
    let key = source.api().channel(CHANNEL).await;
    let copy = folder.path().join("sent.flv");
    let picture = Picture {
        preset: "veryfast",
        copy: Some(copy.clone()),
        ..Picture::default()
    };
    let mut publisher = picture.push(&source.rtmp(&key));

    let hub = Hub::default();
    let from = address(&by_name(&source.rtmps(CHANNEL)));
    let client =
        Client::default().with(|config| config.tls = Some(Arc::new(certificate.trusted())));
    let offer = Offer::new("the source");
    let pull = Pull::start(&hub, path(), offer, from, &client, Config::default());
    let stream = live(&hub).await;
    let mut push = Push::new(stream, client, Config::default());
    let key = sink.api().channel(CHANNEL).await;
    let to = address(&by_name(&sink.rtmps(&key)));
    let mut status = push.add(&to).status();
    reach(&mut status, is_live).await;
    let viewer = Viewer::open(&sink.http("/cam/live.flv")).await;
    viewer.goes_on(256 * 1024).await;

    // The certificate is looked at: by another name it does not hold.
    let mut elsewhere = push.add(&address(&sink.rtmps(&key))).status();
    let refused = reach(&mut elsewhere, |status| status.last_error.is_some()).await;
    let error = refused.last_error.unwrap();
    assert!(matches!(error.fault(), Fault::Tls(_)), "{error}");

    publisher.signal(Signal::INT);
    publisher.ended().await;
    // The source ends in order, so the stream here ends, and so does that of the sink.
    push.finished().await;
    let ended = eventually("the viewer's end", async || viewer.got().ended).await;
    assert_eq!(ended, Ok(()));
    let mut status = pull.status();
    reach(&mut status, |status| {
        matches!(status.state, State::Waiting { .. })
    })
    .await;
    pull.stop().await;
    let sent = Packets::of(&copy).await;
    let file = folder.path().join("got.flv");
    arrived(&viewer, &file)
        .await
        .assert_part_of(&sent, 25, "the sink");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_killed_is_pulled_again() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let mut source = Server::start_in(&data, &[]).await;
    let port = source.rtmp_address().to_owned();
    let key = source.api().channel(CHANNEL).await;
    let hub = Hub::default();
    let from = address(&source.rtmp(CHANNEL));
    let offer = Offer::new("the source");
    let mut config = Config::default();
    // Failures before the kill delay the return; they are to stay well below what the sink bears of silence.
    config.longest_delay = Duration::from_secs(2);
    let pull = Pull::start(&hub, path(), offer, from, &Client::default(), config);
    let mut status = pull.status();
    // Nobody publishes yet: the source refuses its players.
    reach(&mut status, |status| status.last_error.is_some()).await;
    let publisher = Picture::default().push(&source.rtmp(&key));
    let sink = Server::start(&[]).await;
    let sink_key = sink.api().channel(CHANNEL).await;
    let mut push = Push::new(live(&hub).await, Client::default(), Config::default());
    let mut pushed = push.add(&address(&sink.rtmp(&sink_key))).status();
    reach(&mut pushed, is_live).await;
    let viewer = Viewer::open(&sink.http("/cam/live.flv")).await;
    viewer.goes_on(16 * 1024).await;

    source.process().signal(Signal::KILL);
    reach(&mut status, |status| !is_live(status)).await;
    drop((publisher, source));
    let source = Server::start_in(&data, &["--rtmp", &port]).await;
    let _publisher = Picture::default().push(&source.rtmp(&key));
    reach(&mut status, is_live).await;
    viewer.goes_on(64 * 1024).await;
    let pushed = pushed.borrow().clone();
    assert_eq!(pushed.attempts, 1, "the sink's publisher stayed");
    let got = viewer.got();
    assert_eq!(got.ended, None);
    let file = folder.path().join("seen.flv");
    std::fs::write(&file, &got.body).unwrap();
    watch_file(&file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_is_a_target() {
    let folder = TempDir::new().unwrap();
    let (hub, node) = listen().await;
    let copy = folder.path().join("sent.flv");
    let picture = Picture {
        preset: "veryfast",
        copy: Some(copy.clone()),
        ..Picture::default()
    };
    let mut publisher = picture.push(&format!("rtmp://{node}/stream/{CHANNEL}"));
    let stream = live(&hub).await;
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap().port()
    };
    let target = format!("rtmp://127.0.0.1:{port}/live/key");
    let file = folder.path().join("got.flv");
    let got = file.to_str().unwrap();
    let mut push = Push::new(stream, Client::default(), Config::default());
    let mut status = push.add(&address(&target)).status();
    // It comes later than the first attempts.
    reach(&mut status, |status| status.last_error.is_some()).await;
    let line = [
        "-loglevel",
        "error",
        "-nostdin",
        "-listen",
        "1",
        "-i",
        &target,
        "-c",
        "copy",
        "-y",
        got,
    ];
    let mut ffmpeg = Process::start("ffmpeg", line);
    reach(&mut status, is_live).await;
    reach(&mut status, |status| status.bytes > 300_000).await;
    push.stop().await;
    let ended = ffmpeg.ended().await;
    assert!(ended.success(), "{}", ffmpeg.stderr());
    publisher.signal(Signal::INT);
    publisher.ended().await;
    let sent = Packets::of(&copy).await;
    Packets::of(&file).await.assert_part_of(&sent, 50, "ffmpeg");
}

/// A hub with an RTMP server in front that lets everybody publish, and where it listens.
async fn listen() -> (Hub, SocketAddr) {
    let hub = Hub::default();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = net::Server::bind(any, net::Config::default())
        .await
        .expect("a free port");
    let (address, shared) = (server.address(), hub.clone());
    tokio::spawn(async move {
        while let Some(request) = server.accept().await {
            let Request::Publish(request) = request else {
                continue;
            };
            let offer = Offer::new(request.peer().to_string());
            let publisher = shared
                .publish(&path(), offer, Instant::now())
                .expect("a free name");
            let publishing = request.accept().await.expect("a publisher");
            tokio::spawn(publishing.feed(publisher));
        }
    });
    (hub, address)
}

/// The stream, once its codecs are known.
async fn live(hub: &Hub) -> Arc<Stream> {
    eventually("the stream", async || {
        let stream = hub.find(&path())?;
        stream.tracks().video.is_some().then_some(stream)
    })
    .await
}

async fn secure(certificate: &Certificate) -> Server {
    Server::start(&[&["--rtmps", "127.0.0.1:0"], &certificate.flags()[..]].concat()).await
}

fn by_name(url: &str) -> String {
    url.replace("127.0.0.1", "localhost")
}

async fn reach(status: &mut watch::Receiver<Status>, wanted: impl Fn(&Status) -> bool) -> Status {
    let reached = timeout(lsv_tests::PATIENCE, status.wait_for(wanted)).await;
    let Ok(reached) = reached.map(|reached| reached.expect("the relay is there").clone()) else {
        panic!("not reached: {:?}", status.borrow());
    };
    reached
}

fn is_live(status: &Status) -> bool {
    matches!(status.state, State::Live { .. })
}

/// The packets that a viewer got.
async fn arrived(viewer: &Viewer, file: &Path) -> Packets {
    std::fs::write(file, &viewer.got().body).expect("a place to write");
    Packets::of(file).await
}

fn address(url: &str) -> Address {
    url.parse().expect("an address")
}

fn path() -> StreamPath {
    StreamPath::source(ChannelId::parse(CHANNEL).expect("a channel id"))
}

const CHANNEL: &str = "cam";
