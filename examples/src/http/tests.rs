use axum::Extension;
use axum::routing::get;
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
        .route("/stalled", get(stalled));
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

/// A client that has sent `bytes`.
async fn client(server: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut client = TcpStream::connect(server).await.unwrap();
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

/// The next frame of HTTP/2 of this type.
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
    }
}

const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
