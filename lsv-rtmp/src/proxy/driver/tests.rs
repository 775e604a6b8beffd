use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;
use crate::net::now;
use crate::proxy::{Endpoint, Mode};
use crate::proxy_protocol::{self, Header};
use crate::session::{Client, ClientConfig, ClientEvent, Event, Purpose, Server, ServerConfig};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where clients come from that [`rtmp`] does not take.
const UNWELCOME: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 66));

/// A proxy on a free port that runs until this is dropped.
struct Running {
    address: SocketAddr,
    list: watch::Sender<BackEnds>,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(config: Config, back_ends: &[SocketAddr]) -> Running {
    let list = watch::Sender::new(listed(back_ends, None));
    let mut proxy = Proxy::new(config, list.subscribe());
    let shared = Arc::clone(&proxy.shared);
    let address = proxy.listen(free_port()).await.unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(proxy.run(shutdown.clone()));
    Running {
        address,
        list,
        shared,
        shutdown,
        task,
    }
}

fn listed(back_ends: &[SocketAddr], connections_each: Option<usize>) -> BackEnds {
    BackEnds {
        endpoints: back_ends.iter().copied().map(Endpoint::from).collect(),
        connections_each,
    }
}

fn free_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn config(mode: Mode) -> Config {
    Config {
        mode,
        check_interval: Duration::from_millis(200),
        ..Config::default()
    }
}

/// An address that nobody listens on.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind(free_port()).await.unwrap();
    listener.local_addr().unwrap()
}

/// A back end that tells its port, then sends back what it gets, until the client is done.
async fn echo(introduced: mpsc::UnboundedSender<Header>) -> SocketAddr {
    let listener = TcpListener::bind(free_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let introduced = introduced.clone();
            tokio::spawn(async move {
                let mut input = BytesMut::new();
                let header = loop {
                    if tcp.read_buf(&mut input).await.unwrap_or(0) == 0 {
                        return;
                    }
                    if let Some(header) = proxy_protocol::read(&mut input).unwrap() {
                        break header;
                    }
                };
                introduced.send(header).unwrap();
                tcp.write_all(&address.port().to_be_bytes()).await.unwrap();
                tcp.write_all(&input).await.unwrap();
                let (mut read, mut write) = tcp.split();
                drop(tokio::io::copy(&mut read, &mut write).await);
                drop(write.write_all(b" end").await);
            });
        }
    });
    address
}

/// A client of [`echo`], and the port that it got to.
async fn visit(proxy: SocketAddr) -> Option<(TcpStream, u16)> {
    let mut tcp = TcpStream::connect(proxy).await.unwrap();
    let port = timeout(PATIENCE, tcp.read_u16())
        .await
        .expect("an answer or a refusal");
    port.ok().map(|port| (tcp, port))
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !is_so().await {
            sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

impl Running {
    async fn healthy(&self, count: usize) {
        eventually("back ends are up", async || {
            self.shared.pool().healthy() == count
        })
        .await;
    }
}

#[tokio::test]
async fn bytes_go_both_ways_and_each_half_closes_alone() {
    let (sender, mut introduced) = mpsc::unbounded_channel();
    let proxy = start(config(Mode::Tcp), &[echo(sender).await]).await;
    let (mut tcp, _) = visit(proxy.address).await.unwrap();
    let expected = Header::Proxied {
        source: tcp.local_addr().unwrap(),
        destination: proxy.address,
    };
    assert_eq!(introduced.recv().await, Some(expected));
    let sent = Bytes::from(
        (0..200_000_u32)
            .flat_map(u32::to_be_bytes)
            .collect::<Vec<_>>(),
    );
    let (mut read, mut write) = tcp.split();
    let mut got = Vec::new();
    let talk = async {
        let send = async {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        };
        tokio::join!(send, async { read.read_to_end(&mut got).await.unwrap() })
    };
    timeout(PATIENCE, talk).await.unwrap();
    assert!(got == [&sent[..], b" end"].concat());
    eventually("the session is given back", async || {
        proxy
            .shared
            .pool()
            .sessions(proxy.list.borrow().endpoints[0].address().unwrap())
            == 0
    })
    .await;
}

#[tokio::test]
async fn a_back_end_that_is_not_there_costs_nobody_anything() {
    let (sender, _introduced) = mpsc::unbounded_channel();
    let lives = echo(sender).await;
    let proxy = start(config(Mode::Tcp), &[nobody().await, nobody().await, lives]).await;
    // Before any check is done, and after.
    for round in 0..2 {
        for _ in 0..5 {
            assert_eq!(visit(proxy.address).await.unwrap().1, lives.port());
        }
        if round == 0 {
            proxy.healthy(1).await;
        }
    }
}

#[tokio::test]
async fn new_back_ends_are_used_soon_and_removed_ones_keep_their_sessions() {
    let (sender, _introduced) = mpsc::unbounded_channel();
    let [old, new] = [echo(sender.clone()).await, echo(sender).await];
    let proxy = start(config(Mode::Tcp), &[old]).await;
    let (mut stays, port) = visit(proxy.address).await.unwrap();
    assert_eq!(port, old.port());

    proxy.list.send_replace(listed(&[old, new], None));
    let mut others = Vec::new();
    eventually("the new back end is used", async || {
        let (tcp, port) = visit(proxy.address).await.unwrap();
        others.push(tcp);
        port == new.port()
    })
    .await;

    proxy.list.send_replace(listed(&[new], None));
    eventually("the old back end gets nobody", async || {
        proxy.shared.pool().sessions(old) == others.len()
            && visit(proxy.address).await.unwrap().1 == new.port()
    })
    .await;
    for _ in 0..5 {
        assert_eq!(visit(proxy.address).await.unwrap().1, new.port());
    }
    stays.write_all(b"still here").await.unwrap();
    let mut got = [0; 10];
    timeout(PATIENCE, stays.read_exact(&mut got))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&got, b"still here");
}

#[tokio::test]
async fn names_are_looked_up() {
    let (sender, _introduced) = mpsc::unbounded_channel();
    let lives = echo(sender).await;
    let proxy = start(config(Mode::Tcp), &[]).await;
    assert!(visit(proxy.address).await.is_none());
    let endpoint = format!("localhost:{}", lives.port()).parse().unwrap();
    let list = BackEnds {
        endpoints: vec![endpoint],
        connections_each: None,
    };
    proxy.list.send_replace(list);
    eventually("the name's back end is used", async || {
        visit(proxy.address).await.is_some()
    })
    .await;
}

#[tokio::test]
async fn caps_refuse_and_what_is_free_again_is_used() {
    let (sender, _introduced) = mpsc::unbounded_channel();
    let lives = echo(sender).await;
    let proxy = start(config(Mode::Tcp), &[lives]).await;
    proxy.list.send_replace(listed(&[lives], Some(2)));
    proxy.healthy(1).await;
    let first = visit(proxy.address).await.unwrap();
    let _second = visit(proxy.address).await.unwrap();
    assert!(visit(proxy.address).await.is_none());
    drop(first);
    eventually("one may come again", async || {
        visit(proxy.address).await.is_some()
    })
    .await;
}

#[tokio::test]
async fn the_address_in_front_is_passed_on() {
    let (sender, mut introduced) = mpsc::unbounded_channel();
    let config = Config {
        accept_proxy_protocol_from: vec!["127.0.0.0/8".parse().unwrap()],
        handshake_timeout: Duration::from_millis(300),
        ..config(Mode::Tcp)
    };
    let proxy = start(config, &[echo(sender).await]).await;
    let header = Header::Proxied {
        source: "198.51.100.7:50000".parse().unwrap(),
        destination: "203.0.113.1:1935".parse().unwrap(),
    };
    for write in [Header::write_v1, Header::write_v2] {
        let mut bytes = BytesMut::new();
        write(&header, &mut bytes);
        bytes.extend_from_slice(b"and more");
        // In one go, and so that the header comes in two.
        for cut in [bytes.len(), 9] {
            let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
            tcp.set_nodelay(true).unwrap();
            tcp.write_all(&bytes[..cut]).await.unwrap();
            // Usually makes two reads of it; right either way.
            sleep(Duration::from_millis(20)).await;
            tcp.write_all(&bytes[cut..]).await.unwrap();
            let mut got = [0; 10];
            timeout(PATIENCE, tcp.read_exact(&mut got))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(&got[2..], b"and more");
            assert_eq!(introduced.recv().await, Some(header));
        }
    }
    // No header, and half of one and silence.
    for bytes in [&b"\x03\0\0\0"[..], b"PROXY TC"] {
        let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
        tcp.write_all(bytes).await.unwrap();
        closed(&mut tcp).await;
    }
}

/// Waits until the proxy has closed, in order or not.
async fn closed(tcp: &mut TcpStream) {
    let mut rest = Vec::new();
    drop(
        timeout(PATIENCE, tcp.read_to_end(&mut rest))
            .await
            .expect("the proxy closes"),
    );
}

#[tokio::test]
async fn clients_that_dawdle_are_let_go() {
    let mut config = config(Mode::Rtmp);
    config.limits.handshake_timeout = Duration::from_millis(200);
    config.limits.command_timeout = Duration::from_millis(200);
    let proxy = start(config, &[]).await;
    let mut handshake = vec![3];
    handshake.resize(crate::handshake::CLIENT_BYTES, 0);
    for bytes in [&b""[..], b"\x03", &handshake, b"GET / HTTP/1.1\r\n\r\n"] {
        let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
        tcp.write_all(bytes).await.unwrap();
        closed(&mut tcp).await;
    }
    // One is held for the client that may come next.
    let slots = proxy.shared.config.connections - 1;
    eventually("all are gone", async || {
        proxy.shared.slots.available_permits() == slots
    })
    .await;
}

#[tokio::test]
async fn a_half_closed_connection_ends_when_nothing_moves() {
    // Never says a thing, and never closes.
    let listener = TcpListener::bind(free_port()).await.unwrap();
    let silent = listener.local_addr().unwrap();
    let config = Config {
        stall_timeout: Duration::from_millis(200),
        ..config(Mode::Tcp)
    };
    let proxy = start(config, &[silent]).await;
    let mut tcp = TcpStream::connect(proxy.address).await.unwrap();
    let mut kept = Vec::new();
    let keep = async {
        loop {
            kept.push(listener.accept().await.unwrap());
        }
    };
    tcp.shutdown().await.unwrap();
    tokio::select! {
        () = closed(&mut tcp) => {}
        () = keep => {}
    }
}

#[tokio::test]
async fn a_session_that_the_back_end_has_ended_counts_no_more() {
    let listener = TcpListener::bind(free_port()).await.unwrap();
    let curt = listener.local_addr().unwrap();
    // Longer than anybody waits here.
    let config = Config {
        stall_timeout: Duration::from_secs(3600),
        ..config(Mode::Tcp)
    };
    let proxy = start(config, &[curt]).await;
    proxy.list.send_replace(listed(&[curt], Some(1)));
    proxy.healthy(1).await;
    let serving = tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            drop(tcp.write_all(b"no").await);
        }
    });
    // Neither closes its half, as a player does that waits for its user.
    let mut kept = Vec::new();
    for _ in 0..2 {
        kept.push(visit(proxy.address).await.unwrap());
        eventually("it counts no more", async || {
            proxy.shared.pool().sessions(curt) == 0
        })
        .await;
    }
    // One is held for the client that may come next.
    let slots = proxy.shared.config.connections - 1;
    eventually("the proxy has hung up too", async || {
        proxy.shared.slots.available_permits() == slots
    })
    .await;
    serving.abort();
}

#[tokio::test]
async fn a_drain_waits_for_sessions_and_takes_none() {
    let (sender, _introduced) = mpsc::unbounded_channel();
    let proxy = start(config(Mode::Tcp), &[echo(sender).await]).await;
    let (mut tcp, _) = visit(proxy.address).await.unwrap();
    proxy.shutdown.cancel();
    eventually("nobody is let in", async || {
        TcpStream::connect(proxy.address).await.is_err()
    })
    .await;
    tcp.write_all(b"on").await.unwrap();
    let mut got = [0; 2];
    timeout(PATIENCE, tcp.read_exact(&mut got))
        .await
        .unwrap()
        .unwrap();
    assert!(!proxy.task.is_finished());
    drop(tcp);
    timeout(PATIENCE, proxy.task).await.unwrap().unwrap();
}

/// A back end that lets everybody in, and tells what it hears. With its task it dies, and all its sessions.
async fn rtmp(heard: mpsc::UnboundedSender<(u16, Header, Event)>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(free_port()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut sessions = JoinSet::new();
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let heard = heard.clone();
            sessions.spawn(async move {
                drop(
                    rtmp_session(tcp, |header, event| {
                        drop(heard.send((address.port(), header, event)))
                    })
                    .await,
                );
            });
        }
    });
    (address, task)
}

async fn rtmp_session(mut tcp: TcpStream, tell: impl Fn(Header, Event)) -> std::io::Result<()> {
    let mut input = BytesMut::new();
    let header = loop {
        if tcp.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
        if let Some(header) = proxy_protocol::read(&mut input).unwrap() {
            break header;
        }
    };
    if matches!(header, Header::Proxied { source, .. } if source.ip() == UNWELCOME) {
        return Ok(());
    }
    let mut session = Server::new(ServerConfig::new([5; 32]), now());
    loop {
        while let Some(event) = session.next(&mut input, now()).unwrap() {
            match &event {
                Event::Publish(_) => session.accept_publish(now()).unwrap(),
                Event::Play(_) => session.accept_play().unwrap(),
                _ => {}
            }
            tell(header, event);
        }
        tcp.write_all(&session.take_output()).await?;
        if tcp.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}

/// An RTMP client whose wish was granted or refused.
async fn ask(proxy: SocketAddr, purpose: Purpose, name: &str) -> (TcpStream, Client, ClientEvent) {
    let tcp = TcpStream::connect(proxy).await.unwrap();
    ask_over(tcp, purpose, name).await
}

async fn ask_over(
    mut tcp: TcpStream,
    purpose: Purpose,
    name: &str,
) -> (TcpStream, Client, ClientEvent) {
    let mut client = Client::new(
        ClientConfig::new(purpose, "host", "stream", name, [3; 32]),
        now(),
    );
    let mut input = BytesMut::new();
    let talk = async {
        loop {
            let event = client.next(&mut input, now()).unwrap();
            tcp.write_all(&client.take_output()).await.unwrap();
            if let Some(event) = event {
                return event;
            }
            let read = tcp.read_buf(&mut input).await.unwrap();
            assert!(read > 0, "closed without a word");
        }
    };
    let event = timeout(PATIENCE, talk).await.expect("an answer");
    (tcp, client, event)
}

#[tokio::test]
async fn all_sessions_of_a_channel_reach_the_node_that_has_it() {
    let (sender, mut heard) = mpsc::unbounded_channel();
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(rtmp(sender.clone()).await);
    }
    let addresses: Vec<SocketAddr> = nodes.iter().map(|(address, _)| *address).collect();
    let config = Config {
        check: crate::proxy::Check::Rtmp,
        ..config(Mode::Rtmp)
    };
    let proxy = start(config, &addresses).await;
    proxy.healthy(4).await;
    let mut used = HashSet::new();
    for channel in 0..12 {
        let mut ports = HashSet::new();
        let mut kept = Vec::new();
        for (purpose, query) in [
            (Purpose::Publish, "?sign=1-a"),
            (Purpose::Play, ""),
            (Purpose::Play, "?token=x"),
        ] {
            let name = format!("channel-{channel}{query}");
            let (mut tcp, mut client, event) = ask(proxy.address, purpose, &name).await;
            assert_eq!(event, ClientEvent::Started);
            let (port, header, event) = heard.recv().await.unwrap();
            ports.insert(port);
            let Header::Proxied { source, .. } = header else {
                panic!("{header:?}")
            };
            assert_eq!(source, tcp.local_addr().unwrap());
            let target = match event {
                Event::Publish(request) => request.target,
                Event::Play(request) => request.target,
                other => panic!("{other:?}"),
            };
            // The credential reaches the back end.
            assert_eq!(target, crate::session::Target::new("stream", &name));
            if purpose == Purpose::Publish {
                client.send_video(40, &[b"\x17\x01picture"]).unwrap();
                tcp.write_all(&client.take_output()).await.unwrap();
                let (_, _, event) = heard.recv().await.unwrap();
                assert!(format!("{event:?}").contains("picture"));
            }
            kept.push(tcp);
        }
        assert_eq!(ports.len(), 1);
        used.extend(ports);
    }
    assert!(used.len() > 1, "all on one node");
}

#[tokio::test]
async fn when_a_node_dies_its_publishers_land_on_another() {
    let (sender, mut heard) = mpsc::unbounded_channel();
    let nodes = [rtmp(sender.clone()).await, rtmp(sender).await];
    let proxy = start(config(Mode::Rtmp), &[nodes[0].0, nodes[1].0]).await;
    let (mut tcp, ..) = ask(proxy.address, Purpose::Publish, "cam").await;
    let (first, ..) = heard.recv().await.unwrap();
    let [dies, other] = if first == nodes[0].0.port() {
        [0, 1]
    } else {
        [1, 0]
    };
    nodes[dies].1.abort();
    closed(&mut tcp).await;
    let (_tcp, _, event) = ask(proxy.address, Purpose::Publish, "cam").await;
    assert_eq!(event, ClientEvent::Started);
    assert_eq!(heard.recv().await.unwrap().0, nodes[other].0.port());
    let (_player, _, event) = ask(proxy.address, Purpose::Play, "cam").await;
    assert_eq!(event, ClientEvent::Started);
    assert_eq!(heard.recv().await.unwrap().0, nodes[other].0.port());
}

#[tokio::test]
async fn a_client_that_nodes_do_not_take_changes_nothing_for_others() {
    let (sender, mut heard) = mpsc::unbounded_channel();
    let nodes = [rtmp(sender.clone()).await, rtmp(sender).await];
    let proxy = start(config(Mode::Rtmp), &[nodes[0].0, nodes[1].0]).await;
    proxy.healthy(2).await;
    let (_publisher, ..) = ask(proxy.address, Purpose::Publish, "cam").await;
    let (home, ..) = heard.recv().await.unwrap();
    for (name, refusal) in [
        ("cam", Refusal::HomeUnavailable),
        ("other", Refusal::NoneHealthy),
    ] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(UNWELCOME, 0)).unwrap();
        let tcp = socket.connect(proxy.address).await.unwrap();
        let (_tcp, _, event) = ask_over(tcp, Purpose::Play, name).await;
        let ClientEvent::Refused { description, .. } = event else {
            panic!("{event:?}")
        };
        assert_eq!(description, refusal.to_string());
        assert_eq!(proxy.shared.pool().healthy(), 2);
        let (_player, _, event) = ask(proxy.address, Purpose::Play, "cam").await;
        assert_eq!(event, ClientEvent::Started);
        assert_eq!(heard.recv().await.unwrap().0, home);
    }
}

#[tokio::test]
async fn a_node_that_hangs_is_passed_over_for_the_same_client() {
    // Accepts connections, as the system does for a program that hangs, and says nothing.
    let hangs = TcpListener::bind(free_port()).await.unwrap();
    let (sender, mut heard) = mpsc::unbounded_channel();
    let (lives, _task) = rtmp(sender).await;
    let config = Config {
        connect_timeout: Duration::from_millis(300),
        ..config(Mode::Rtmp)
    };
    let proxy = start(config, &[hangs.local_addr().unwrap(), lives]).await;
    for number in 0..4 {
        let (_tcp, _, event) = ask(proxy.address, Purpose::Publish, &format!("cam-{number}")).await;
        assert_eq!(event, ClientEvent::Started);
        assert_eq!(heard.recv().await.unwrap().0, lives.port());
    }
}

#[tokio::test]
async fn without_a_back_end_the_client_is_told_why() {
    let proxy = start(config(Mode::Rtmp), &[nobody().await]).await;
    for purpose in [Purpose::Publish, Purpose::Play] {
        let (mut tcp, _, event) = ask(proxy.address, purpose, "cam").await;
        let ClientEvent::Refused { description, .. } = event else {
            panic!("{event:?}")
        };
        assert_eq!(description, Refusal::NoneHealthy.to_string());
        closed(&mut tcp).await;
    }
}
