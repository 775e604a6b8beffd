use axum::Extension;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures::stream;
use lsv_mux::http::Stall;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::*;

/// Connections at once, in these tests.
const CONNECTIONS: usize = 2;

async fn server() -> SocketAddr {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), None);
    let listener = listener.await.unwrap();
    let address = listener.address().unwrap();
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/stalled", get(stalled))
        .route("/whole", get(async || Body::from(large())))
        .route("/pieces", get(async || in_pieces(&large())));
    tokio::spawn(serve(
        listener,
        router,
        CONNECTIONS,
        CancellationToken::new(),
    ));
    address
}

/// An answer that never ends, of which the viewer takes nothing.
async fn stalled(Extension(stall): Extension<Stall>) {
    stall.report();
    pending().await
}

fn large() -> Bytes {
    Bytes::from(vec![7; LARGE_BYTES])
}

/// The same without an end that is known before.
fn in_pieces(body: &Bytes) -> Body {
    let pieces = [body.slice(..1000), body.slice(1000..)];
    Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>)))
}

/// A client that has sent `bytes`.
async fn client(server: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut client = TcpStream::connect(server).await.unwrap();
    // What the system holds back, the paused clock runs away from.
    client.set_nodelay(true).unwrap();
    client.write_all(bytes).await.unwrap();
    client
}

/// All that comes until the server hangs up, and when it did.
async fn until_hang_up(mut client: TcpStream) -> (String, Duration) {
    let start = Instant::now();
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    (String::from_utf8_lossy(&got).into_owned(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_is_let_go() {
    let server = server().await;
    for bytes in [
        &b""[..],
        b"PRI * HT",
        b"GET / HT",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let (_, after) = until_hang_up(client(server, bytes).await).await;
        assert!(after <= FIRST_REQUEST_TIMEOUT * 2, "{bytes:?}: {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_rest_between_requests_but_not_for_ever() {
    let server = server().await;
    let mut client = client(server, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut head = [0; 15];
    client.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    let (_, after) = until_hang_up(client).await;
    assert!(after > FIRST_REQUEST_TIMEOUT, "{after:?}");
    assert!(after <= HEAD_TIMEOUT * 2, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_silent_connections_delays_a_request_but_does_not_stop_it() {
    let server = server().await;
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS * 10 {
        silent.push(client(server, b"").await);
    }
    let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let (got, _) = until_hang_up(client(server, request).await).await;
    assert!(got.ends_with("hello"), "{got}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_http_1_ends_when_its_viewer_stops_reading() {
    let request = b"GET /stalled HTTP/1.1\r\nhost: a\r\n\r\n";
    let (_, after) = until_hang_up(client(server().await, request).await).await;
    assert!(after < HEAD_TIMEOUT, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_http_2_is_reset_when_its_viewer_stops_reading_and_the_connection_goes_on() {
    // The preface, empty settings, then GET / and GET /stalled in the literals of RFC 7541 §6.
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    bytes.extend_from_slice(b"\0\0\x0F\x01\x05\0\0\0\x01\x82\x86\x04\x08/stalled\x41\x01x");
    let mut client = client(server().await, &bytes).await;
    assert_eq!(frame(&mut client, RST_STREAM).await, [0, 0, 0, 8], "CANCEL");
    let other = b"\0\0\x06\x01\x05\0\0\0\x03\x82\x86\x84\x41\x01x";
    client.write_all(other).await.unwrap();
    assert_eq!(frame(&mut client, DATA).await, b"hello");
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_http_2_that_nobody_reads_is_reset_whatever_it_answers_with() {
    // What the client takes a little of is with h2 altogether, and is let go all the same.
    for (path, taken) in [
        ("/whole", 0),
        ("/whole", 9),
        ("/pieces", 0),
        ("/pieces", 1009),
    ] {
        let mut client = reader(server().await, path).await;
        client.write_all(&window(1, taken)).await.unwrap();
        let start = Instant::now();
        assert_eq!(frame(&mut client, RST_STREAM).await, [0, 0, 0, 8], "CANCEL");
        assert!(start.elapsed() <= STALL_TIMEOUT * 2, "{path} {taken}");
        let other = b"\0\0\x06\x01\x05\0\0\0\x03\x82\x86\x84\x41\x01x";
        client.write_all(other).await.unwrap();
        client.write_all(&window(3, 5)).await.unwrap();
        assert_eq!(frame(&mut client, DATA).await, b"hello");
    }
}

#[tokio::test(start_paused = true)]
async fn who_reads_a_stream_of_http_2_slowly_gets_it_whole() {
    for path in ["/whole", "/pieces"] {
        let mut client = reader(server().await, path).await;
        client.write_all(&window(0, LARGE_BYTES)).await.unwrap();
        let mut got = 0;
        for bytes in [1; 10].into_iter().chain([LARGE_BYTES - 10]) {
            tokio::time::sleep(STALL_TIMEOUT * 9 / 10).await;
            client.write_all(&window(1, bytes)).await.unwrap();
            let due = got + bytes;
            while got < due {
                got += frame(&mut client, DATA).await.len();
            }
        }
        assert_eq!(got, LARGE_BYTES);
        assert_eq!(frame(&mut client, DATA).await, b"", "the end");
    }
}

/// A client that asked for `path` over HTTP/2, and takes nothing of any stream before it says so.
async fn reader(server: SocketAddr, path: &str) -> TcpStream {
    // The preface, SETTINGS_INITIAL_WINDOW_SIZE 0, then the request in the literals of RFC 7541 §6.
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0".to_vec();
    bytes.extend_from_slice(b"\0\x04\0\0\0\0");
    let length = path.len() as u8;
    bytes.extend_from_slice(&[0, 0, 7 + length, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 4, length]);
    bytes.extend_from_slice(path.as_bytes());
    bytes.extend_from_slice(b"\x41\x01x");
    client(server, &bytes).await
}

/// Lets `stream`, or with 0 the connection, send so much more; nothing for 0 bytes.
fn window(stream: u8, bytes: usize) -> Vec<u8> {
    let increment = (bytes as u32).to_be_bytes();
    match bytes {
        0 => Vec::new(),
        _ => [&[0, 0, 4, 8, 0, 0, 0, 0, stream][..], &increment].concat(),
    }
}

/// The next frame of HTTP/2 of this type; pings before it are answered.
async fn frame(client: &mut TcpStream, wanted: u8) -> Vec<u8> {
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        client.read_exact(&mut payload).await.unwrap();
        if head[3] == wanted {
            return payload;
        }
        assert_ne!(head[3], RST_STREAM, "{payload:?}");
        if head[3..5] == [PING, 0] {
            head[4] = ACK;
            client
                .write_all(&[&head[..], &payload].concat())
                .await
                .unwrap();
        }
    }
}

/// More than a frame of HTTP/2, and less than sockets take: the paused clock would not wait for them.
const LARGE_BYTES: usize = 40_000;
const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
const PING: u8 = 6;
const ACK: u8 = 1;
