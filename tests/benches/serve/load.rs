//! Clients that ask for the same over and over, and what that costs a server.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// What one round brought.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    requests: u64,
    bytes: u64,
    seconds: f64,
    processor: f64,
}

impl Round {
    /// The same with what it cost the server.
    pub(crate) fn taking(self, processor: Duration) -> Self {
        Self {
            processor: processor.as_secs_f64(),
            ..self
        }
    }
}

/// Asks for `path` over and over on many connections.
pub(crate) async fn ask(address: &str, path: &str) -> Round {
    let since = Instant::now();
    let until = since + Duration::from_secs(seconds());
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let clients =
        (0..CONNECTIONS).map(|_| tokio::spawn(client(address.to_owned(), request.clone(), until)));
    let mut round = Round {
        requests: 0,
        bytes: 0,
        seconds: 0.0,
        processor: 0.0,
    };
    for counts in join_all(clients).await {
        let (requests, bytes) = counts.expect("a client that does not panic");
        round.requests += requests;
        round.bytes += bytes;
    }
    round.seconds = since.elapsed().as_secs_f64();
    round
}

/// One connection: how many answers came whole, and their bytes.
async fn client(address: String, request: String, until: Instant) -> (u64, u64) {
    let mut socket = TcpStream::connect(&address).await.expect("a server");
    socket.set_nodelay(true).expect("a socket");
    let (mut requests, mut bytes) = (0, 0);
    let mut buffer = vec![0; 256 << 10];
    while let Ok(length) = timeout_at(until, answer(&mut socket, &request, &mut buffer)).await {
        requests += 1;
        bytes += length;
    }
    (requests, bytes)
}

/// Sends a request and reads its answer to the end; answers the length of the body.
async fn answer(socket: &mut TcpStream, request: &str, buffer: &mut [u8]) -> u64 {
    socket
        .write_all(request.as_bytes())
        .await
        .expect("a server that reads");
    let mut filled = 0;
    let (head, length) = loop {
        let read = socket.read(&mut buffer[filled..]).await.expect("an answer");
        assert!(read > 0, "the server closed the connection");
        filled += read;
        if let Some(head) = buffer[..filled]
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
        {
            break (head + 4, content_length(&buffer[..head]));
        }
    };
    let mut left = length - (filled - head) as u64;
    while left > 0 {
        let read = socket.read(buffer).await.expect("a body");
        assert!(read > 0, "the server closed the connection");
        left -= read as u64;
    }
    length
}

fn content_length(head: &[u8]) -> u64 {
    let head = String::from_utf8_lossy(head).to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let field = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    field
        .and_then(|length| length.trim().parse().ok())
        .expect("a length")
}

/// Host and port of an address.
pub(crate) fn host(url: &str) -> String {
    url.trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned()
}

/// The round in the middle by processor time for each byte.
pub(crate) fn median(mut rounds: Vec<Round>) -> Round {
    let cost = |round: &Round| round.processor / round.bytes.max(1) as f64;
    rounds.sort_by(|one, other| cost(one).total_cmp(&cost(other)));
    rounds[rounds.len() / 2]
}

/// Prints a line of the table.
pub(crate) fn row(what: &str, who: &str, round: Round) {
    let (requests, gigabytes) = (round.requests as f64, round.bytes as f64 / 1e9);
    println!(
        "{what:32}{who:>10}{:>14.0}{:>14.2}{:>16.3}{:>16.1}",
        requests / round.seconds,
        gigabytes / round.seconds,
        round.processor / gigabytes,
        round.processor * 1e6 / requests
    );
}

fn seconds() -> u64 {
    std::env::var("LSV_BENCH_SECONDS").map_or(5, |text| text.parse().expect("a number"))
}

const CONNECTIONS: usize = 32;
