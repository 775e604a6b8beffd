//! Servers on loopback, with clients that are nothing but a socket and a session.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lsv_core::hub::{Closed, Hub, Offer, State, Stream};
use lsv_core::path::{ChannelId, StreamPath};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::peers::Peers;
use super::socket::{Socket, now};
use super::testing::{self, SOCKET_BYTES, video_track};
use super::*;
use crate::Budget;
use crate::amf0::Object;
use crate::chunk::Encoder;
use crate::message::{Control, UserControl};
use crate::proxy_protocol::Header;
use crate::session::{
    self, Capabilities, Client, ClientConfig, ClientEvent, Event, Media, Purpose, Reject,
    ServerConfig,
};

/// The other end of a connection under test.
struct Peer {
    tcp: TcpStream,
    session: Client,
    input: BytesMut,
    written: u64,
}

impl Peer {
    async fn connect(server: &Server, purpose: Purpose) -> Self {
        Self::over(socket(server).await, purpose)
    }

    fn over(tcp: TcpStream, purpose: Purpose) -> Self {
        Self::with(tcp, purpose, |_| {})
    }

    fn with(tcp: TcpStream, purpose: Purpose, configure: impl FnOnce(&mut ClientConfig)) -> Self {
        let mut config = ClientConfig::new(purpose, "localhost", "stream", "cam?sign=1-a", [7; 32]);
        configure(&mut config);
        Self {
            tcp,
            session: Client::new(config, now()),
            input: BytesMut::new(),
            written: 0,
        }
    }

    /// The next event; `None` once the server has closed.
    async fn event(&mut self) -> Option<ClientEvent> {
        loop {
            let event = self.session.next(&mut self.input, now()).unwrap();
            self.write().await;
            if event.is_some() {
                return event;
            }
            if let Ok(0) | Err(_) = self.tcp.read_buf(&mut self.input).await {
                return None;
            }
        }
    }

    async fn write(&mut self) {
        let output = self.session.take_output();
        self.written += output.len() as u64;
        // The server may have closed.
        drop(self.tcp.write_all(&output).await);
    }

    /// Sends all of a message but its end.
    async fn begin(&mut self, media: &Media) {
        self.session.send(media).unwrap();
        let output = self.session.take_output();
        self.tcp
            .write_all(&output[..output.len() - 1])
            .await
            .unwrap();
    }

    async fn send(&mut self, media: &Media) {
        self.session.send(media).unwrap();
        self.write().await;
    }
}

#[tokio::test]
async fn a_publisher_by_hand_from_the_request_to_its_end() {
    let mut server = listen(|_| {}).await;
    let peer = Peer::connect(&server, Purpose::Publish).await;
    let (request, mut peer) = ask(&mut server, peer).await;
    let early = timeout(Duration::from_millis(100), peer.event()).await;
    assert!(early.is_err(), "not admitted and told {early:?}");
    let Request::Publish(request) = request else {
        panic!("{request:?}")
    };
    assert_eq!(request.info().target.name, "cam");
    assert_eq!(request.peer(), peer.tcp.local_addr().unwrap());

    let mut publishing = request.accept().await.unwrap();
    assert_eq!(peer.event().await, Some(ClientEvent::Started));
    for media in [video(1, 10), video(2, 300_000), video(3, 1)] {
        // More than the system holds is sent only while it is read.
        let ((), got) = tokio::join!(peer.send(&media), publishing.next());
        assert_eq!(got.unwrap(), Some(media.clone()));
    }
    peer.session.finish().unwrap();
    peer.write().await;
    assert_eq!(publishing.next().await.unwrap(), None);
    assert_eq!(publishing.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_publisher_that_is_cut_off_has_not_finished() {
    let mut server = listen(|_| {}).await;
    let (mut publishing, peer) = publishing(&mut server).await;
    drop(peer);
    match publishing.next().await {
        Err(Error::Io(error)) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn waiting_for_media_may_be_given_up_at_any_time() {
    let mut server = listen(|_| {}).await;
    let (mut publishing, mut peer) = publishing(&mut server).await;
    let expected: Vec<_> = (0..50).map(|at| video(at, 20_000)).collect();
    let sent = expected.clone();
    let sending = tokio::spawn(async move {
        for media in sent {
            peer.send(&media).await;
        }
        peer
    });
    let mut got = Vec::new();
    while got.len() < expected.len() {
        tokio::select! {
            biased;
            media = publishing.next() => got.extend(media.unwrap()),
            () = tokio::task::yield_now() => {}
        }
    }
    assert!(got == expected, "media differs");
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn a_publisher_learns_why_it_must_go() {
    let mut server = listen(|_| {}).await;
    let (publishing, mut peer) = publishing(&mut server).await;
    let (told, ()) = tokio::join!(
        async { (peer.event().await, drop(peer)).0 },
        publishing.close("the show is over")
    );
    assert!(
        matches!(&told, Some(ClientEvent::Refused { description, .. }) if description == "the show is over"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_publisher_that_was_asked_to_reconnect_goes_on_until_it_leaves() {
    let mut server = listen(|_| {}).await;
    let (mut publishing, mut peer) = publishing(&mut server).await;
    let elsewhere = "rtmp://other.example/stream";
    assert!(
        publishing
            .ask_to_reconnect(Some(elsewhere), "maintenance")
            .unwrap()
    );
    let sends = async {
        match peer.event().await {
            Some(ClientEvent::ReconnectRequest { tc_url, .. }) => {
                assert_eq!(tc_url.as_deref(), Some(elsewhere));
            }
            other => panic!("{other:?}"),
        }
        peer.send(&video(1, 10)).await;
        peer.session.finish().unwrap();
        peer.write().await;
    };
    let ((), got) = tokio::join!(sends, publishing.next());
    assert_eq!(got.unwrap(), Some(video(1, 10)));
    assert_eq!(publishing.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_publisher_that_understands_is_fed_from_beyond_the_shutdown() {
    let mut server = listen(|_| {}).await;
    let (publishing, mut peer) = publishing(&mut server).await;
    let (stream, shutdown, feeding) = feed(publishing);
    shutdown.cancel();
    let asked = peer.event().await;
    assert!(
        matches!(asked, Some(ClientEvent::ReconnectRequest { .. })),
        "{asked:?}"
    );
    peer.send(&sound(b"\xAF\x00\x12\x10")).await;
    peer.send(&sound(b"\xAF\x01sound")).await;
    while stream.ingest().bytes < 5 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stream.state(), State::Live);
    peer.session.finish().unwrap();
    peer.write().await;
    // What is said after the end in order would be a refusal.
    assert_eq!(timeout(PATIENCE, leaves(&mut peer)).await.unwrap(), None);
    drop(peer);
    assert!(matches!(feeding.await.unwrap(), Ok(End::Finished)));
    assert_eq!(stream.state(), State::Ended);
}

#[tokio::test]
async fn a_publisher_that_does_not_leave_goes_when_its_stream_is_closed() {
    let mut server = listen(|_| {}).await;
    let (publishing, mut peer) = publishing(&mut server).await;
    let (stream, shutdown, feeding) = feed(publishing);
    shutdown.cancel();
    let asked = peer.event().await;
    assert!(
        matches!(asked, Some(ClientEvent::ReconnectRequest { .. })),
        "{asked:?}"
    );
    stream.close(Closed::Draining);
    let told = timeout(PATIENCE, leaves(&mut peer)).await.unwrap();
    assert_eq!(told, Some(Closed::Draining.to_string()));
    drop(peer);
    let end = feeding.await.unwrap();
    assert!(matches!(end, Ok(End::Closed(Closed::Draining))), "{end:?}");
}

#[tokio::test]
async fn a_publisher_that_does_not_understand_must_go_at_the_shutdown() {
    let mut server = listen(|_| {}).await;
    let old = Peer::with(socket(&server).await, Purpose::Publish, |config| {
        config.all_properties = Some(Object::new().with("app", "stream"));
    });
    let (publishing, mut peer) = admit_publisher(&mut server, old).await;
    let (stream, shutdown, feeding) = feed(publishing);
    shutdown.cancel();
    let told = timeout(PATIENCE, leaves(&mut peer)).await.unwrap();
    assert_eq!(told, Some(Closed::Draining.to_string()));
    drop(peer);
    let end = feeding.await.unwrap();
    assert!(matches!(end, Ok(End::Closed(Closed::Draining))), "{end:?}");
    assert_eq!(stream.state(), State::Ended);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_takes_a_byte_at_a_time_can_be_kicked() {
    let (stream, feeding) = drip().await;
    let kicked = now();
    assert!(stream.close(Closed::Kicked));
    let end = timeout(PATIENCE, feeding).await.unwrap().unwrap();
    assert!(matches!(end, Ok(End::Closed(Closed::Kicked))), "{end:?}");
    assert!(now() - kicked < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_takes_a_byte_at_a_time_must_send_in_time() {
    let began = now();
    let (_stream, feeding) = drip().await;
    match timeout(PATIENCE, feeding).await.unwrap().unwrap() {
        Err(error) => assert_eq!(error.code(), "rtmp.timed_out"),
        other => panic!("{other:?}"),
    }
    assert!(now() - began < Duration::from_secs(15));
}

/// Feeds a stream from a publisher that sends nothing but pings and takes a byte of the answers every nine seconds, and
/// waits until the answers fill what the network holds.
async fn drip() -> (Arc<Stream>, JoinHandle<Result<End, Error>>) {
    let (near, mut far) = duplex(SOCKET_BYTES);
    let config = Config::default();
    let slot = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let mut connection = Connection::new(
        Socket::new(Box::new(near), BytesMut::new(), config.write_timeout),
        session::Server::new(ServerConfig::new([1; 32]), now()),
        address,
        config.media,
        Peers::new(1).place(address.ip(), slot).unwrap(),
    );
    tokio::spawn(async move {
        let config = ClientConfig::new(Purpose::Publish, "localhost", "stream", "cam", [7; 32]);
        let mut client = Client::new(config, now());
        let mut input = BytesMut::new();
        loop {
            let event = client.next(&mut input, now()).unwrap();
            far.write_all(&client.take_output()).await.unwrap();
            match event {
                Some(ClientEvent::Started) => break,
                Some(_) => {}
                None => drop(far.read_buf(&mut input).await.unwrap()),
            }
        }
        let (mut wire, mut encoder) = (BytesMut::new(), Encoder::new());
        for stamp in 0..50_000 {
            let ping = Control::UserControl(UserControl::PingRequest(stamp));
            encoder.write(&ping.encode(), &mut wire).unwrap();
        }
        let (mut read, mut write) = tokio::io::split(far);
        tokio::spawn(async move { drop(write.write_all(&wire).await) });
        while let Ok(1) = read.read(&mut [0]).await {
            tokio::time::sleep(Duration::from_secs(9)).await;
        }
    });
    let info = loop {
        match connection.event().await.unwrap() {
            Some(Event::Publish(info)) => break info,
            Some(_) => {}
            None => panic!("it left"),
        }
    };
    let request = PublishRequest { connection, info };
    let (stream, _, feeding) = feed(request.accept().await.unwrap());
    tokio::time::sleep(Duration::from_secs(5)).await;
    (stream, feeding)
}

/// Feeds a new stream until the token is cancelled.
fn feed(
    publishing: Publishing,
) -> (
    Arc<Stream>,
    CancellationToken,
    JoinHandle<Result<End, Error>>,
) {
    let path = StreamPath::source(ChannelId::parse("cam").unwrap());
    let hub = Hub::default();
    let publisher = hub.publish(&path, Offer::new("test"), now()).unwrap();
    let (stream, shutdown) = (Arc::clone(publisher.stream()), CancellationToken::new());
    let token = shutdown.clone();
    let feeding = async move { publishing.feed_until(publisher, &token).await };
    (stream, shutdown, tokio::spawn(feeding))
}

/// Why the server lets go of a publisher; `None` where it does without a word.
async fn leaves(peer: &mut Peer) -> Option<String> {
    while let Some(event) = peer.event().await {
        if let ClientEvent::Refused { description, .. } = event {
            return Some(description);
        }
    }
    None
}

#[tokio::test]
async fn a_request_that_is_forgotten_is_refused() {
    for (purpose, expected) in [
        (Purpose::Publish, "NetStream.Publish.Denied"),
        (Purpose::Play, "NetStream.Play.Failed"),
    ] {
        let mut server = listen(|_| {}).await;
        let peer = Peer::connect(&server, purpose).await;
        let (request, mut peer) = ask(&mut server, peer).await;
        drop(request);
        let told = peer.event().await;
        assert!(
            matches!(&told, Some(ClientEvent::Refused { code, .. }) if code == expected),
            "{told:?}"
        );
        let closed = peer.tcp.read_buf(&mut peer.input).await;
        assert_eq!(closed.unwrap(), 0);
    }
}

#[test]
fn a_request_may_be_forgotten_where_there_is_no_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (request, mut peer) = runtime.block_on(async {
        let mut server = listen(|_| {}).await;
        let peer = Peer::connect(&server, Purpose::Publish).await;
        ask(&mut server, peer).await
    });
    drop(request);
    let told = runtime.block_on(peer.event());
    assert!(
        matches!(told, Some(ClientEvent::Refused { .. })),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_rejected_request_is_told_why() {
    let mut server = listen(|_| {}).await;
    let mut peer = Peer::connect(&server, Purpose::Play).await;
    let answer = async {
        match server.accept().await {
            Some(Request::Play(request)) => request.reject(&Reject::not_found("no cam")).await,
            other => panic!("{other:?}"),
        }
    };
    let (told, ()) = tokio::join!(async { (peer.event().await, drop(peer)).0 }, answer);
    assert!(
        matches!(&told, Some(ClientEvent::Refused { description, .. }) if description == "no cam"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_player_by_hand_from_the_request_to_the_end() {
    let mut server = listen(|_| {}).await;
    let (mut playing, mut peer) = playing(&mut server).await;
    for media in [video(5, 10), video(0x0100_0000, 200_000)] {
        let (sent, got) = tokio::join!(playing.send(&media), peer.event());
        sent.unwrap();
        assert_eq!(got, Some(ClientEvent::Media(media)));
    }
    let still = timeout(Duration::from_millis(50), playing.stopped()).await;
    assert!(still.is_err(), "{still:?}");
    let (told, ()) = tokio::join!(
        async { (peer.event().await, drop(peer)).0 },
        playing.finish()
    );
    assert_eq!(told, Some(ClientEvent::Ended));
}

#[tokio::test]
async fn a_player_that_leaves_is_noticed() {
    let mut server = listen(|_| {}).await;
    let (mut playing_one, mut peer) = playing(&mut server).await;
    peer.session.finish().unwrap();
    peer.write().await;
    playing_one.stopped().await.unwrap();

    let (mut playing_two, peer) = playing(&mut server).await;
    drop(peer);
    let left = async {
        loop {
            if let Err(error) = playing_two.send(&video(0, 10)).await {
                return error;
            }
            tokio::task::yield_now().await;
        }
    };
    let left = timeout(PATIENCE, left).await.unwrap();
    assert!(matches!(left, Error::PlayerLeft | Error::Io(_)), "{left}");
}

#[tokio::test]
async fn a_player_that_reads_nothing_is_let_go() {
    let mut server = listen(|config| config.write_timeout = Duration::from_millis(200)).await;
    let (mut playing, _peer) = playing(&mut server).await;
    let stalled = async {
        loop {
            if let Err(error) = playing.send(&video(0, 1 << 20)).await {
                return error;
            }
        }
    };
    let stalled = timeout(PATIENCE, stalled).await.unwrap();
    assert!(matches!(stalled, Error::Stalled(_)), "{stalled}");
    assert_eq!(stalled.code(), "rtmp.stalled");
}

#[tokio::test]
async fn players_get_the_tracks_that_they_understand() {
    let mut server = listen(|config| config.media.legacy_hevc = true).await;
    let path = StreamPath::source(ChannelId::parse("cam").unwrap());
    let publisher = Hub::default()
        .publish(&path, Offer::new("test"), now())
        .unwrap();
    let stream = Arc::clone(publisher.stream());
    let (publishing, mut encoder) = publishing(&mut server).await;
    let feeding = tokio::spawn(publishing.feed(publisher));
    let record = lsv_core::fuzzing::vectors::HEVC_RECORD;
    let encoded = [
        [b"\x1C\0\0\0\0", record].concat(),
        b"\x96\0av01\x03\x81\x04\x0C\0".to_vec(),
        b"\x1C\x01\0\0\x07key".to_vec(),
        b"\x96\x01av01\x03key".to_vec(),
    ];
    for body in &encoded {
        let payload = Bytes::copy_from_slice(body);
        let timestamp = 0;
        encoder.send(&Media::Video { timestamp, payload }).await;
    }
    while stream.ingest().bytes < 6 {
        tokio::task::yield_now().await;
    }
    let mut players = Vec::new();
    for capabilities in [Capabilities::default(), Capabilities::forwarder()] {
        let peer = Peer::with(socket(&server).await, Purpose::Play, |config| {
            config.capabilities = capabilities;
        });
        let (playing, peer) = admit_player(&mut server, peer).await;
        let stream = Arc::clone(&stream);
        let player = tokio::spawn(async move { playing.play(&stream).await });
        players.push((peer, player));
    }
    encoder.session.finish().unwrap();
    encoder.write().await;
    assert!(matches!(feeding.await.unwrap(), Ok(End::Finished)));
    let mut got = Vec::new();
    for (mut peer, player) in players {
        let mut bodies = Vec::new();
        loop {
            match timeout(PATIENCE, peer.event()).await.unwrap() {
                Some(ClientEvent::Media(media)) => bodies.push(media.payload().clone()),
                Some(ClientEvent::PublishNotify { .. }) => {}
                _ => break,
            }
        }
        drop(peer);
        assert!(matches!(player.await.unwrap(), Ok(End::StreamEnded)));
        got.push(bodies);
    }
    let first = [b"\x90hvc1", record].concat();
    let first_key = b"\x91hvc1\0\0\x07key".to_vec();
    let [_, other, _, other_key] = encoded;
    assert_eq!(got[0], [&first[..], &first_key]);
    assert_eq!(got[1], [first, other, first_key, other_key]);
}

#[tokio::test]
async fn players_that_want_to_know_are_told_where_another_publisher_begins() {
    let mut server = listen(|_| {}).await;
    let path = StreamPath::source(ChannelId::parse("cam").unwrap());
    let hub = Hub::default();
    let track = video_track();
    let publish = |payload: &[u8]| {
        let publisher = hub.publish(&path, Offer::new("test"), now()).unwrap();
        publisher
            .push(testing::video(&track, 0, true, payload))
            .unwrap();
        publisher
    };
    // One comes in the first epoch, one in the second and one that does not ask.
    let first = publish(b"first");
    let stream = Arc::clone(first.stream());
    let mut players = Vec::new();
    for (number, asks) in [(0, true), (1, true), (2, false)] {
        if number == 1 {
            drop(publish(b"second"));
        }
        let peer = Peer::with(socket(&server).await, Purpose::Play, |config| {
            if !asks {
                config.all_properties = Some(Object::new().with("app", "stream"));
            }
        });
        let (playing, mut peer) = admit_player(&mut server, peer).await;
        let stream = Arc::clone(&stream);
        let player = tokio::spawn(async move { playing.play(&stream).await });
        // It has begun.
        let mut got = Vec::new();
        while got.len() < 3 - usize::from(!asks) {
            got.push(peer.event().await.unwrap());
        }
        players.push((peer, player, got));
    }
    publish(b"third").finish();
    let mut told = Vec::new();
    for (mut peer, player, mut got) in players {
        while let Some(event) = timeout(PATIENCE, peer.event()).await.unwrap() {
            got.push(event);
        }
        assert!(matches!(player.await.unwrap(), Ok(End::StreamEnded)));
        let seen = got.into_iter().filter_map(|event| match event {
            ClientEvent::PublishNotify { epoch } => Some(format!("{epoch:?}")),
            ClientEvent::Media(media) => {
                let body = media.payload().strip_prefix(b"\x91hvc1\0\0\x28")?;
                Some(String::from_utf8_lossy(body).into_owned())
            }
            _ => None,
        });
        told.push(seen.collect::<Vec<_>>());
    }
    let all = ["Some(0)", "first", "Some(1)", "second", "Some(2)", "third"];
    assert_eq!(told[0], all);
    assert_eq!(told[1], all[2..]);
    assert_eq!(told[2], ["second", "third"]);
}

#[tokio::test]
async fn a_publisher_that_sends_nothing_is_let_go() {
    let idle = Duration::from_millis(200);
    let mut server = listen(|config| config.limits.publish_idle = idle).await;
    let (mut publishing, peer) = publishing(&mut server).await;
    match timeout(PATIENCE, publishing.next()).await.unwrap() {
        Err(error @ Error::Session { peer: blamed, .. }) => {
            assert_eq!(blamed, peer.tcp.local_addr().unwrap());
            assert_eq!(error.code(), "rtmp.timed_out");
            assert_eq!(error.blame(), Blame::Peer);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_error_says_who_and_where() {
    let mut server = listen(|_| {}).await;
    let (mut publishing, mut peer) = publishing(&mut server).await;
    let before = peer.written;
    // A whole message on chunk stream 8, then a chunk that refers to none on chunk stream 9.
    let (good, bad) = ([8, 0, 0, 0, 0, 0, 1, 8, 1, 0, 0, 0, 0xAF], [0xC9]);
    peer.tcp
        .write_all(&[&good[..], &bad].concat())
        .await
        .unwrap();
    assert!(publishing.next().await.unwrap().is_some());
    match publishing.next().await {
        Err(error @ Error::Session { peer: blamed, .. }) => {
            assert_eq!(blamed, peer.tcp.local_addr().unwrap());
            let position = error.position().unwrap();
            assert_eq!(position.byte_offset, before + 13);
            assert_eq!(position.chunk_stream_id, Some(9));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn all_connections_together_stay_within_the_budget() {
    let budget = Budget::new(300_000);
    let mut server = listen(|config| config.budget = budget.clone()).await;
    let (mut first, mut first_peer) = publishing(&mut server).await;
    let (mut second, mut second_peer) = publishing(&mut server).await;
    first_peer.begin(&video(0, 200_000)).await;
    let taken = async {
        while budget.used() < 199_000 {
            let waited = timeout(Duration::from_millis(5), first.next()).await;
            assert!(waited.is_err(), "{waited:?}");
        }
    };
    timeout(PATIENCE, taken).await.unwrap();
    second_peer.begin(&video(0, 200_000)).await;
    let refused = second.next().await.unwrap_err();
    assert_eq!(refused.code(), "rtmp.limit_exceeded", "{refused}");
    drop((first, second));
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_closed() {
    let patience = Duration::from_millis(200);
    let load_balancer = |config: &mut Config| config.proxy_protocol_from = loopback();
    for configure in [|_: &mut Config| {}, load_balancer] {
        let server = listen(|config| {
            config.limits.handshake_timeout = patience;
            configure(config);
        });
        let mut tcp = socket(&server.await).await;
        closes(&mut tcp).await;
    }
}

#[tokio::test]
async fn behind_a_load_balancer_the_client_is_who_its_header_names() {
    let source = "198.51.100.7:4242".parse().unwrap();
    let destination = "203.0.113.1:1935".parse().unwrap();
    let client = Header::Proxied {
        source,
        destination,
    };
    for version in [Header::write_v1, Header::write_v2] {
        let mut server = listen(|config| config.proxy_protocol_from = loopback()).await;
        let mut header = BytesMut::new();
        version(&client, &mut header);
        let mut tcp = socket(&server).await;
        // In two pieces, the second of which holds the beginning of the handshake too.
        let (first, second) = header.split_at(9);
        tcp.write_all(first).await.unwrap();
        tokio::task::yield_now().await;
        let mut peer = Peer::over(tcp, Purpose::Publish);
        peer.session.next(&mut peer.input, now()).unwrap();
        let hello = [second, &peer.session.take_output()[..]].concat();
        peer.tcp.write_all(&hello).await.unwrap();
        let (request, peer) = ask(&mut server, peer).await;
        let Request::Publish(request) = request else {
            panic!("{request:?}")
        };
        assert_eq!(request.peer(), source);
        drop(peer);
    }
}

#[tokio::test]
async fn a_load_balancer_that_speaks_for_itself_is_the_client() {
    for header in [Header::Local, Header::Unknown] {
        let mut server = listen(|config| config.proxy_protocol_from = loopback()).await;
        let mut tcp = socket(&server).await;
        let mut bytes = BytesMut::new();
        header.write_v2(&mut bytes);
        tcp.write_all(&bytes).await.unwrap();
        let address = tcp.local_addr().unwrap();
        let (request, _peer) = ask(&mut server, Peer::over(tcp, Purpose::Publish)).await;
        let Request::Publish(request) = request else {
            panic!("{request:?}")
        };
        assert_eq!(request.peer(), address);
    }
}

#[tokio::test]
async fn headers_are_needed_from_load_balancers_and_refused_from_all_others() {
    let mut header = BytesMut::new();
    let source = "198.51.100.7:4242".parse().unwrap();
    let destination = "203.0.113.1:1935".parse().unwrap();
    let client = Header::Proxied {
        source,
        destination,
    };
    client.write_v1(&mut header);
    let mut handshake = vec![3];
    handshake.resize(1 + 1536, 0);
    let elsewhere: Vec<IpNet> = vec!["192.0.2.0/24".parse().unwrap()];
    for (trusted, bytes) in [
        (Vec::new(), &header[..]),
        (elsewhere, &header[..]),
        (loopback(), &handshake[..]),
        (loopback(), b"PROXY TCP4 nonsense\r\n"),
    ] {
        let server = listen(|config| config.proxy_protocol_from = trusted).await;
        let mut tcp = socket(&server).await;
        tcp.write_all(bytes).await.unwrap();
        closes(&mut tcp).await;
    }
}

#[tokio::test]
async fn connections_may_be_without_number() {
    let mut server = listen(|config| config.connections = usize::MAX).await;
    publishing(&mut server).await;
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let mut server = listen(|config| {
        config.proxy_protocol_from = loopback();
        config.connections_per_ip = 2;
    })
    .await;
    let from = async |server: &Server, last: u8| {
        let mut tcp = socket(server).await;
        let mut header = BytesMut::new();
        let source = (IpAddr::V4(Ipv4Addr::new(198, 51, 100, last)), 1).into();
        let destination = "203.0.113.1:1935".parse().unwrap();
        let client = Header::Proxied {
            source,
            destination,
        };
        client.write_v2(&mut header);
        tcp.write_all(&header).await.unwrap();
        tcp
    };
    let mut let_in = Vec::new();
    for last in [1, 1, 2] {
        let peer = Peer::over(from(&server, last).await, Purpose::Publish);
        let_in.push(ask(&mut server, peer).await);
    }
    closes(&mut from(&server, 1).await).await;
    let_in.remove(0);
    let again = Peer::over(from(&server, 1).await, Purpose::Publish);
    let_in.push(ask(&mut server, again).await);
}

#[tokio::test]
async fn a_whole_session_costs_little_memory() {
    let mut server = listen(|_| {}).await;
    let (mut publishing, mut peer) = publishing(&mut server).await;
    let taken = publishing.next();
    println!("waiting for media: {} bytes of future", size_of_val(&taken));
    assert!(size_of_val(&taken) < 1024);
    drop(taken);
    peer.send(&video(0, 100_000)).await;
    assert!(publishing.next().await.unwrap().is_some());
}

async fn listen(configure: impl FnOnce(&mut Config)) -> Server {
    let mut config = Config::default();
    // Only what a test sets itself may run out on a busy machine.
    let limits = &mut config.limits;
    for patience in [
        &mut limits.handshake_timeout,
        &mut limits.command_timeout,
        &mut limits.publish_idle,
    ] {
        *patience = PATIENCE;
    }
    config.write_timeout = PATIENCE;
    configure(&mut config);
    let any_port = (Ipv4Addr::LOCALHOST, 0).into();
    Server::bind(any_port, config).await.unwrap()
}

async fn socket(server: &Server) -> TcpStream {
    TcpStream::connect(server.address()).await.unwrap()
}

async fn ask(server: &mut Server, mut peer: Peer) -> (Request, Peer) {
    let request = timeout(PATIENCE, async {
        tokio::select! {
            request = server.accept() => request.unwrap(),
            event = peer.event() => panic!("{event:?}"),
        }
    });
    (request.await.unwrap(), peer)
}

async fn publishing(server: &mut Server) -> (Publishing, Peer) {
    let peer = Peer::connect(server, Purpose::Publish).await;
    admit_publisher(server, peer).await
}

async fn admit_publisher(server: &mut Server, peer: Peer) -> (Publishing, Peer) {
    let (request, mut peer) = ask(server, peer).await;
    let Request::Publish(request) = request else {
        panic!("{request:?}")
    };
    let publishing = request.accept().await.unwrap();
    assert_eq!(peer.event().await, Some(ClientEvent::Started));
    (publishing, peer)
}

async fn playing(server: &mut Server) -> (Playing, Peer) {
    let peer = Peer::connect(server, Purpose::Play).await;
    admit_player(server, peer).await
}

async fn admit_player(server: &mut Server, peer: Peer) -> (Playing, Peer) {
    let (request, mut peer) = ask(server, peer).await;
    let Request::Play(request) = request else {
        panic!("{request:?}")
    };
    let playing = request.accept().await.unwrap();
    assert_eq!(peer.event().await, Some(ClientEvent::Started));
    // `|RtmpSampleAccess`, which opens each stream.
    let access = peer.event().await;
    assert!(matches!(
        access,
        Some(ClientEvent::Media(Media::Data { .. }))
    ));
    (playing, peer)
}

/// Waits for the server to close, whatever it says before.
async fn closes(tcp: &mut TcpStream) {
    let mut said = Vec::new();
    // A reset closes as well.
    drop(timeout(PATIENCE, tcp.read_to_end(&mut said)).await.unwrap());
}

fn video(timestamp: u32, length: usize) -> Media {
    Media::Video {
        timestamp,
        payload: Bytes::from(vec![timestamp as u8; length]),
    }
}

fn sound(body: &'static [u8]) -> Media {
    let payload = Bytes::from_static(body);
    let timestamp = 0;
    Media::Audio { timestamp, payload }
}

fn loopback() -> Vec<IpNet> {
    vec!["127.0.0.0/8".parse().unwrap()]
}

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
