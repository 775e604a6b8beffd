//! Segments, parts and playlists over HTTP/1.1 keep-alive, from `lsv` and from nginx, the same files and the same clients.
//!
//! `cargo bench -p lsv-tests --bench serve` runs it and prints a table: rounds of both servers in turn, of each the median.
//! Clients are tasks of this program, on the same cores as the servers, so what counts is the processor time that a server
//! takes; nginx has one worker. `LSV_BENCH_SECONDS` changes the length of a round.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use lsv_tests::{Picture, Process, Server, eventually, push_file, stream_key};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

#[tokio::main]
async fn main() {
    // `cargo test --benches` only wants to know that this starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = TempDir::new().expect("a temporary folder");
    let server = Server::start(&[]).await;
    let channel = json!({ "id": "cam", "isHls": true, "isCMAF": true, "hls_list_size": 100 });
    let key = stream_key(&server.api().create(&channel).await);
    let clip = folder.path().join("clip.flv");
    let picture = Picture {
        bit_rate: Some("4000k"),
        gop: 50,
        size: "640x360",
        ..Picture::default()
    };
    picture.encode(20, &clip).await;
    let _publisher = push_file(&clip, &server.rtmp(&key));
    let segment = eventually("a few segments", async || {
        let playlist = server.api().read("/cam/live.m3u8").await.text;
        let segments: Vec<&str> = playlist
            .lines()
            .filter(|line| line.ends_with(".ts"))
            .collect();
        (segments.len() >= 5).then(|| format!("/cam/{}", segments[2]))
    })
    .await;
    // Parts stay to be fetched for as long as their segment does.
    let part = eventually("a part", async || {
        let playlist = server.api().read("/cam/cmaf/video.m3u8").await.text;
        let name = playlist
            .split('"')
            .find(|word| word.ends_with(".0.m4s"))?
            .to_owned();
        Some(format!("/cam/cmaf/{name}"))
    })
    .await;
    let nginx = Nginx::start(folder.path()).await;
    println!(
        "{:32}{:>10}{:>14}{:>14}{:>16}{:>16}",
        "", "", "requests/s", "GB/s", "CPU s per GB", "CPU µs/request"
    );
    for (what, path) in [
        ("segment", segment.as_str()),
        ("part", part.as_str()),
        ("playlist", "/cam/live.m3u8"),
    ] {
        let body = reqwest::get(server.http(path)).await.expect("an answer");
        let body = body.bytes().await.expect("a body");
        nginx.keep(path, &body);
        let label = format!("{what} of {} kB", body.len() / 1000);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let before = server.processor_time();
            let round = load(&host(&server.http("")), path).await;
            ours.push(round.taking(server.processor_time() - before));
            let before = nginx.processor_time();
            let round = load(&nginx.address, path).await;
            theirs.push(round.taking(nginx.processor_time() - before));
        }
        row(&label, "lsv", median(ours));
        row("", "nginx", median(theirs));
    }
}

/// What one round brought.
#[derive(Debug, Clone, Copy)]
struct Round {
    requests: u64,
    bytes: u64,
    seconds: f64,
    processor: f64,
}

impl Round {
    fn taking(self, processor: Duration) -> Self {
        Self {
            processor: processor.as_secs_f64(),
            ..self
        }
    }
}

/// Asks for `path` over and over on many connections.
async fn load(address: &str, path: &str) -> Round {
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

struct Nginx {
    process: Process,
    address: String,
    root: std::path::PathBuf,
}

impl Nginx {
    async fn start(folder: &Path) -> Self {
        let root = folder.join("root");
        fs::create_dir_all(&root).expect("a folder");
        // It cannot say which port it got, so one is looked for.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a free port").port();
        let (path, address) = (folder.display(), format!("127.0.0.1:{port}"));
        let user = if rustix::process::geteuid().is_root() {
            "user root;"
        } else {
            ""
        };
        let config = format!(
            "{user} worker_processes 1; daemon off; pid {path}/nginx.pid; error_log {path}/error.log;
             events {{ worker_connections 1024; }}
             http {{
                access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=100;
                types {{ video/mp2t ts; application/vnd.apple.mpegurl m3u8; }}
                client_body_temp_path {path}; proxy_temp_path {path}; fastcgi_temp_path {path};
                uwsgi_temp_path {path}; scgi_temp_path {path};
                server {{ listen {address}; root {path}/root; }}
             }}"
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, config).expect("a file to write");
        let program = ["/usr/sbin/nginx", "nginx"]
            .into_iter()
            .find(|program| Path::new(program).exists());
        let line = [
            "-p",
            folder.to_str().expect("UTF-8"),
            "-c",
            file.to_str().expect("UTF-8"),
        ];
        let process = Process::start(program.unwrap_or("nginx"), line);
        eventually("nginx listens", async || {
            TcpStream::connect(&address).await.ok()
        })
        .await;
        Self {
            process,
            address,
            root,
        }
    }

    fn keep(&self, path: &str, body: &[u8]) {
        let file = self.root.join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, body).expect("a file to write");
    }

    /// Of the worker, which does all the work.
    fn processor_time(&self) -> Duration {
        let id = self.process.id();
        let children =
            fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("the process runs");
        children.split_whitespace().map(processor_time).sum()
    }
}

fn processor_time(id: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("the process runs");
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks
        .map(|ticks| ticks.parse::<u64>().expect("ticks"))
        .sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

fn host(url: &str) -> String {
    url.trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned()
}

/// The round in the middle by processor time for each byte.
fn median(mut rounds: Vec<Round>) -> Round {
    let cost = |round: &Round| round.processor / round.bytes.max(1) as f64;
    rounds.sort_by(|one, other| cost(one).total_cmp(&cost(other)));
    rounds[rounds.len() / 2]
}

fn row(what: &str, who: &str, round: Round) {
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

const ROUNDS: usize = 5;
