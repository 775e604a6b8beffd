//! nginx as a cache in front of a node, by `examples/nginx.conf`: low-latency queries and tokens go through it, viewers share what it
//! keeps, and nobody gets by it what the node would refuse.

use std::collections::HashMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lsv_auth::{Secret, playback};
use lsv_tests::{PLAYBACK_SECRET, Picture, Process, Server, eventually, play, stream_key, watch};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn players_share_a_cache_with_tokens_and_low_latency() {
    let (server, _publisher) = live().await;
    let nginx = Nginx::start(&server).await;
    let token = token("/cam", HOUR);
    // Two who watch at low latency with the same token, in browsers, and one with ffmpeg.
    let page = nginx.http(&format!("/cam/hls.html?{token}"));
    let (one, other) = tokio::join!(play(&page, 10, None), play(&page, 10, None));
    for seen in [one, other] {
        assert!(seen.ok, "{:?}", seen.errors);
        assert!(seen.advanced > 5.0, "{} s of 10", seen.advanced);
    }
    let playlist = nginx.http(&format!("/cam/live.m3u8?{token}"));
    let watched = watch("through nginx", &playlist, 5).await;
    assert_eq!(watched.complaints, "");

    let mut reloads = 0;
    let mut shared = HashMap::from([("reloads", 0), ("media", 0)]);
    for (uri, asked) in nginx.asked() {
        let kind = match &uri {
            uri if uri.contains("_HLS_msn=") => "reloads",
            uri if uri.contains(".m4s?") || uri.contains(".ts?") => "media",
            _ => continue,
        };
        reloads += usize::from(kind == "reloads");
        let missed = asked.iter().filter(|how| *how == "MISS").count();
        assert!(missed <= 1, "{uri}: {asked:?}");
        *shared.entry(kind).or_default() += usize::from(asked.iter().any(|how| how == "HIT"));
    }
    assert!(reloads > 5, "{reloads} blocking reloads");
    assert!(shared.values().all(|count| *count > 0), "{shared:?}");
}

#[tokio::test]
async fn what_a_cache_keeps_is_for_the_token_that_it_was_kept_for() {
    let (server, _publisher) = live().await;
    let nginx = Nginx::start(&server).await;
    let good = token("/cam", HOUR);
    let playlist = eventually("a playlist through nginx", async || {
        let answer = reqwest::get(nginx.http(&format!("/cam/live.m3u8?{good}")))
            .await
            .ok()?;
        let text = answer.text().await.ok()?;
        text.contains(".ts").then_some(text)
    })
    .await;
    let segment = playlist
        .lines()
        .find(|line| !line.starts_with('#'))
        .expect("a segment");
    assert!(segment.ends_with(&good), "{segment} does not carry {good}");
    let (path, _) = segment.split_once('?').expect("a query");
    let status = async |query: &str| {
        let answer = reqwest::get(nginx.http(&format!("/cam/{path}{query}"))).await;
        answer.expect("an answer").status().as_u16()
    };
    assert_eq!(status(&format!("?{good}")).await, 200);
    assert_eq!(status(&format!("?{good}")).await, 200);
    let forged = good.replace(&good[good.len() - 4..], "0000");
    for (what, query) in [
        ("none", String::new()),
        ("forged", format!("?{forged}")),
        ("of another channel", format!("?{}", token("/dog", HOUR))),
        ("expired", format!("?{}", token("/cam", -10))),
        ("twice", format!("?{good}&{good}")),
    ] {
        // Twice: a refusal is not kept for anybody, nor is the other's answer given.
        assert_eq!(status(&query).await, 403, "{what}");
        assert_eq!(status(&query).await, 403, "{what}");
    }
    assert_eq!(status(&format!("?{good}")).await, 200);
}

/// A node whose channel `cam` is live and wants tokens.
async fn live() -> (Server, Process) {
    let server = Server::start(&["--play-token", "on", "--trusted-proxies", "127.0.0.0/8"]).await;
    let channel = json!({ "id": "cam", "isCMAF": true });
    let key = stream_key(&server.api().create(&channel).await);
    let publisher = Picture::default().push(&server.rtmp(&key));
    eventually("the channel is live", async || {
        let session = server.api().read("/videostream/cam/session").await;
        (session.status == 200).then_some(())
    })
    .await;
    (server, publisher)
}

/// A token that is good for so many seconds.
fn token(prefix: &str, seconds: i64) -> String {
    let secret = Secret::new(PLAYBACK_SECRET).expect("a secret");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock");
    let expires = now.as_secs().saturating_add_signed(seconds);
    playback::mint(&secret, prefix, expires, None)
}

/// Debian's nginx with the configuration that we show, but for ports, folders and a log.
struct Nginx {
    _process: Process,
    address: String,
    log: PathBuf,
    _folder: TempDir,
}

impl Nginx {
    async fn start(server: &Server) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        // It cannot say which port it got, so one is looked for.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = port.expect("a free port").to_string();
        let (path, log) = (folder.path().display(), folder.path().join("log"));
        let shown = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/nginx.conf");
        let mut config = fs::read_to_string(shown).expect("examples/nginx.conf");
        let own = format!(
            "http {{ log_format asked '$request_uri $upstream_cache_status'; access_log {} asked;
             client_body_temp_path {path}; proxy_temp_path {path}; fastcgi_temp_path {path}; uwsgi_temp_path {path};
             scgi_temp_path {path};",
            log.display()
        );
        for (shown, used) in [
            ("http {", own.as_str()),
            ("/var/cache/nginx/lsv", &format!("{path}/kept")),
            ("127.0.0.1:8080", server.http_address()),
            ("listen 80;", &format!("listen {address};")),
            ("worker_connections 16384", "worker_connections 512"),
        ] {
            assert!(config.contains(shown), "{shown} in examples/nginx.conf");
            config = config.replace(shown, used);
        }
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config).expect("a file to write");
        let user = if rustix::process::geteuid().is_root() {
            "user root;"
        } else {
            ""
        };
        let global = format!(
            "daemon off; master_process off; {user} pid {path}/pid; error_log {path}/error.log;"
        );
        let candidates = ["/usr/sbin/nginx", "nginx"].into_iter();
        let program = candidates
            .clone()
            .find(|program| Path::new(program).exists());
        let line = [
            "-p",
            &path.to_string(),
            "-c",
            file.to_str().expect("UTF-8"),
            "-g",
            &global,
        ]
        .map(str::to_owned);
        let process = Process::start(program.unwrap_or("nginx"), line);
        eventually("nginx listens", async || {
            TcpStream::connect(&address).await.ok()
        })
        .await;
        Self {
            _process: process,
            address,
            log,
            _folder: folder,
        }
    }

    fn http(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was asked for, and how each of the answers came about.
    fn asked(&self) -> HashMap<String, Vec<String>> {
        let mut asked: HashMap<String, Vec<String>> = HashMap::new();
        for line in fs::read_to_string(&self.log).expect("a log").lines() {
            let (uri, how) = line.split_once(' ').expect("two words");
            asked
                .entry(uri.to_owned())
                .or_default()
                .push(how.to_owned());
        }
        asked
    }
}

const HOUR: i64 = 3600;
