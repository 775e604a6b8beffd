//! Peers that mean harm: they are turned away, memory stays bounded, and those who publish and watch notice nothing.

use std::time::Duration;

use lsv_tests::{Client, PATIENCE, Picture, Process, Server, Viewer, handshake, kind};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

/// A server on which all is well.
struct Scene {
    server: Server,
    publisher: Process,
    viewer: Viewer,
    key: String,
}

#[tokio::test]
async fn amf0_nested_100_000_deep_is_refused() {
    let mut scene = Scene::set().await;
    let (object, array): (&[u8], &[u8]) = (b"\x03\x00\x01a", b"\x0A\x00\x00\x00\x01");
    let ecma: &[u8] = b"\x08\x00\x00\x00\x01\x00\x01a";
    for level in [object, array, ecma] {
        let mut payload = b"\x02\x00\x07connect\x00\x3F\xF0\x00\x00\x00\x00\x00\x00".to_vec();
        payload.extend(level.repeat(100_000));
        let mut client = scene.client().await;
        // The server may close before it has read all of it.
        drop(client.send(kind::COMMAND, 0, &payload).await);
        client.closed().await;

        let mut publisher = scene.client().await;
        publisher
            .publish(&scene.key_of("deep").await)
            .await
            .unwrap();
        payload.splice(..19, *b"\x02\x00\x0AonMetaData");
        drop(publisher.send(kind::DATA, 1, &payload).await);
    }
    scene.is_undisturbed().await;
}

#[tokio::test]
async fn messages_announced_and_never_sent_take_no_memory() {
    let mut scene = Scene::set().await;
    let before = scene.server.resident_bytes();
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = scene.client().await;
        for kind in [kind::VIDEO, kind::AUDIO, kind::COMMAND] {
            drop(client.announce(kind, 1, (16 << 20) - 1).await);
            drop(client.send_bytes(&[0xAB; 64]).await);
        }
        clients.push(client);
    }
    let key = scene.key_of("greedy").await;
    let mut publisher = scene.client().await;
    publisher.publish(&key).await.unwrap();
    drop(publisher.announce(kind::VIDEO, 1, (16 << 20) - 1).await);
    drop(publisher.send_bytes(&[0xAB; 128]).await);
    scene.is_undisturbed().await;
    let grown = scene.server.resident_bytes().saturating_sub(before);
    println!("50 connections announced 2.3 GiB; the server grew by {grown} bytes");
    assert!(grown < 48 << 20, "{grown}");
}

#[tokio::test]
async fn chunk_streams_without_number_take_no_memory() {
    let mut scene = Scene::set().await;
    let before = scene.server.resident_bytes();
    let mut client = scene.client().await;
    for id in 0..=u16::MAX {
        let [low, high] = id.to_le_bytes();
        let head = [
            1,
            low,
            high,
            0,
            0,
            0,
            0,
            0xFF,
            0xFF,
            kind::VIDEO,
            1,
            0,
            0,
            0,
        ];
        let chunk = [&head[..], &[0; 128]].concat();
        if client.send_bytes(&chunk).await.is_err() {
            break;
        }
    }
    client.closed().await;
    scene.is_undisturbed().await;
    let grown = scene.server.resident_bytes().saturating_sub(before);
    assert!(grown < 48 << 20, "{grown}");
}

#[tokio::test]
async fn handshakes_cut_short_end_without_a_spin() {
    let mut scene = Scene::set().await;
    let mut whole = vec![0; 3073];
    whole[0] = 3;
    for length in [0, 1, 2, 9, 1536, 1537, 1538, 3072, 3073] {
        let mut socket = scene.socket().await;
        socket.write_all(&whole[..length]).await.unwrap();
        socket.shutdown().await.unwrap();
        ends(&mut socket, &format!("cut after {length} bytes")).await;
    }
    // A connection that spins takes a whole core; what goes on in the scene takes a little of one.
    let before = scene.server.processor_time();
    let watched = Duration::from_secs(2);
    sleep(watched).await;
    let used = scene.server.processor_time() - before;
    assert!(used < watched / 2, "{used:?} of {watched:?}");
    scene.is_undisturbed().await;
}

#[tokio::test]
async fn garbage_is_turned_away() {
    let mut scene = Scene::set().await;
    let noise = noise(64 * 1024);
    for (label, bytes) in [
        ("noise", noise.as_slice()),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03"),
        ("version 6", &[6; 1537]),
    ] {
        let mut socket = scene.socket().await;
        drop(socket.write_all(bytes).await);
        drop(socket.shutdown().await);
        ends(&mut socket, label).await;

        let mut socket = scene.socket().await;
        handshake(&mut socket).await.unwrap();
        drop(socket.write_all(bytes).await);
        drop(socket.shutdown().await);
        ends(&mut socket, &format!("{label} after the handshake")).await;
    }
    for bytes in [noise.as_slice(), &[0; 4096]] {
        let mut socket = scene.http_socket().await;
        drop(socket.write_all(bytes).await);
        ends(&mut socket, "noise to HTTP").await;
    }
    scene.is_undisturbed().await;
}

#[tokio::test]
async fn media_that_is_garbage_hurts_only_its_own_channel() {
    let mut scene = Scene::set().await;
    let noise = noise(64 * 1024);
    for kind in [kind::VIDEO, kind::AUDIO, kind::DATA] {
        for length in [0, 1, 2, 5, 6, 11, 100, 10_000] {
            let key = scene.key_of(&format!("broken-{kind}-{length}")).await;
            let mut publisher = scene.client().await;
            publisher.publish(&key).await.unwrap();
            for head in [0x17, 0x27, 0xAF, 0x80, 0x90, 0x9D] {
                let body = [&[head], &noise[..length]].concat();
                if publisher.send(kind, 1, &body).await.is_err() {
                    break;
                }
            }
        }
    }
    scene.is_undisturbed().await;
}

#[tokio::test]
async fn those_who_dawdle_are_closed() {
    let mut scene = Scene::set().await;
    let key = scene.key_of("silent").await;
    let mut silent = scene.client().await;
    silent.publish(&key).await.unwrap();
    let mut idle = scene.client().await;
    let mut mute = scene.socket().await;
    let mut slow = scene.socket().await;
    let mut http = scene.http_socket().await;
    http.write_all(b"GET /live/live.flv HTTP/1.1\r\nHost: ex")
        .await
        .unwrap();
    let dripping = async {
        // One byte of the handshake at a time, until the server has had enough.
        slow.write_all(&[3]).await.unwrap();
        while slow.write_all(&[0]).await.is_ok() {
            sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::join!(
        silent.closed(),
        idle.closed(),
        ends(&mut mute, "says nothing"),
        ends(&mut http, "never finishes its request"),
        async {
            timeout(PATIENCE, dripping)
                .await
                .expect("a slow handshake is closed")
        },
    );
    scene.is_undisturbed().await;
}

#[tokio::test]
async fn the_log_says_in_one_line_who_did_what_and_where() {
    let mut scene = Scene::set().await;
    let key = scene.key_of("clumsy").await;
    let mut clumsy = scene.client().await;
    clumsy.publish(&key).await.unwrap();
    // A chunk on chunk stream 9 that refers to one before it.
    clumsy.send_bytes(&[0xC9, 0, 0, 0]).await.unwrap();
    clumsy.closed().await;
    let fields = [
        "code=\"rtmp.peer_misbehaved\"",
        "peer=127.0.0.1:",
        "chunk_stream=9",
    ];
    let line = scene.server.logged(&fields).await;
    println!("{line}");
    let offset = line.split("byte_offset=").nth(1).expect("an offset");
    let offset: u64 = offset.split(' ').next().unwrap().parse().unwrap();
    // After C0, C1 and C2 come connect, createStream and publish.
    assert!((3_100..4_000).contains(&offset), "{line}");
    assert!(line.contains("INFO"), "{line}");
    let log = scene.server.log();
    assert_eq!(log.matches("rtmp.peer_misbehaved").count(), 1, "{log}");
    scene.is_undisturbed().await;
}

impl Scene {
    async fn set() -> Self {
        let server = Server::start(&[]).await;
        let key = server.api().channel("calm").await;
        let publisher = Picture::default().push(&server.rtmp(&key));
        let viewer = Viewer::open(&server.http("/calm/live.flv")).await;
        viewer.goes_on(1).await;
        Self {
            server,
            publisher,
            viewer,
            key,
        }
    }

    async fn client(&self) -> Client {
        Client::connect(self.server.rtmp_address()).await
    }

    async fn socket(&self) -> TcpStream {
        let address = self.server.rtmp_address();
        TcpStream::connect(address).await.expect("a listener")
    }

    async fn http_socket(&self) -> TcpStream {
        let address = self.server.printed("HTTP").trim_start_matches("http://");
        TcpStream::connect(address).await.expect("a listener")
    }

    /// The stream key of another channel, made when first asked for.
    async fn key_of(&self, id: &str) -> String {
        let known = self.server.api().read(&format!("/videostream/{id}")).await;
        if known.status.is_success() {
            return lsv_tests::stream_key(&known.json());
        }
        self.server.api().channel(id).await
    }

    /// The publisher still publishes, the viewer still watches the same response, and a newcomer gets in.
    async fn is_undisturbed(&mut self) {
        assert!(self.publisher.runs(), "{}", self.publisher.stderr());
        self.viewer.goes_on(16 * 1024).await;
        let newcomer = Viewer::open(&self.server.http("/calm/live.flv")).await;
        newcomer.goes_on(1).await;
        assert!(
            !self.server.log().contains("panicked"),
            "{}",
            self.server.log()
        );
        let mut known = self.client().await;
        known.publish(&self.key).await.expect("a valid credential");
    }
}

async fn ends(socket: &mut TcpStream, label: &str) {
    let mut said = Vec::new();
    // A reset is an end too.
    let end = timeout(PATIENCE, socket.read_to_end(&mut said)).await;
    assert!(end.is_ok(), "{label}: still open after {PATIENCE:?}");
}

/// Bytes without a pattern, the same in every run.
fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}
