//! HTTPS and HTTP/2 over real sockets: all that a low-latency player asks for at once on one connection, readers that
//! stand still, certificates that change and how they are come by.

use std::fs;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{StatusCode, body::Incoming};
use lsv_tests::{
    Certificate, Http2, PATIENCE, Picture, Process, Server, Signal, TOKEN, Viewer, eventually,
    served, stream_key, tls,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

#[tokio::test]
async fn one_connection_has_all_that_low_latency_needs_at_once() {
    let live = Live::set().await;
    live.is_long().await;
    for connection in [live.secure().await, live.plain().await] {
        // Never ends, and everything else goes on beside it.
        let mut flv = connection.get("/cam/live.flv", &[]).await.into_body();
        let playlist = connection.text("/cam/cmaf/video.m3u8").await;
        let (segment, part) = hinted(&playlist);
        let next = format!("/cam/cmaf/video.m3u8?_HLS_msn={segment}&_HLS_part={part}");
        let delta = format!("{next}&_HLS_skip=YES");
        let hint = format!("/cam/cmaf/video-{segment}.{part}.m4s");
        let (reloaded, skipped, hint, mpd, master, first) = tokio::join!(
            connection.text(&next),
            connection.text(&delta),
            connection.bytes(&hint),
            connection.text("/cam/manifest.mpd"),
            connection.text("/cam/master.m3u8"),
            piece(&mut flv),
        );
        let name = format!("video-{segment}.{part}.m4s");
        for text in [&reloaded, &skipped] {
            assert!(text.contains(&format!("URI=\"{name}\"")), "{text}");
        }
        assert!(
            skipped.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS="),
            "{skipped}"
        );
        assert!(skipped.len() < reloaded.len(), "{skipped}");
        assert_eq!(fragments(&hint), 1);
        assert!(mpd.contains("availabilityTimeOffset"), "{mpd}");
        assert!(master.contains("CODECS="), "{master}");
        assert!(first.starts_with(b"FLV\x01"), "{first:?}");
        assert!(!piece(&mut flv).await.is_empty());
    }
}

#[tokio::test]
async fn a_dash_segment_comes_as_it_grows() {
    let live = Live::set().await;
    let connection = live.secure().await;
    // What begins next is asked for before it does, and comes in chunks as they are made.
    let pieces = eventually("a segment that grows", async || {
        let path = live.newest_of_dash(&connection).await?;
        let response = connection.get(&path, &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let grows = !response.headers().contains_key("content-length");
        let mut body = response.into_body();
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            pieces.extend(frame.expect("a whole body").into_data());
        }
        (grows && pieces.len() > 1).then_some(pieces)
    })
    .await;
    assert!(fragments(&pieces.concat()) > 1, "{} pieces", pieces.len());
}

#[tokio::test]
async fn who_does_not_read_a_stream_disturbs_no_other() {
    let live = Live::set().await;
    let (connection, other) = (live.secure().await, live.secure().await);
    // Streams that nobody reads, on a connection whose other streams somebody does.
    let mut unread = Vec::new();
    for _ in 0..4 {
        let response = connection.get("/cam/live.flv", &[]).await;
        assert_eq!(response.status(), StatusCode::OK);
        unread.push(response.into_body());
    }
    // And a whole connection that nobody reads: its window is taken up, then that of TCP.
    let deaf = live.deaf().await;
    let reading = async |connection: &Http2| {
        for _ in 0..10 {
            let playlist = connection.text("/cam/cmaf/video.m3u8").await;
            let (segment, part) = hinted(&playlist);
            let next = format!("/cam/cmaf/video.m3u8?_HLS_msn={segment}&_HLS_part={part}");
            assert!(connection.text(&next).await.contains("#EXT-X-PART:"));
        }
    };
    tokio::join!(reading(&connection), reading(&other));
    // What is not read is let go of, and a connection with streams that are stays.
    eventually("nobody is left who does not read", async || {
        let session = live.server.api().read("/videostream/cam/session").await;
        (session.json()["viewers"]["flv"] == 0).then_some(())
    })
    .await;
    for body in unread {
        let end = timeout(PATIENCE, body.collect()).await.expect("an end");
        end.expect_err("it cannot have come whole");
    }
    reading(&connection).await;
    drop(deaf);
}

#[tokio::test]
async fn who_asks_over_https_is_told_https_addresses() {
    let live = Live::set().await;
    let address = live
        .server
        .https_address()
        .replace("127.0.0.1", "localhost");
    let urls = async |connection: &Http2| -> Value {
        let text = connection.authorized("/videostream/cam/urls", TOKEN).await;
        serde_json::from_str(&text).expect("JSON")
    };
    let play = &urls(&live.secure().await).await["play"];
    assert_eq!(
        play["cmaf"],
        json!(format!("https://{address}/cam/master.m3u8"))
    );
    assert_eq!(
        play["wsflv"],
        json!(format!("wss://{address}/cam/live.flv"))
    );
    let play = &urls(&live.plain().await).await["play"];
    assert_eq!(play["cmaf"], json!(live.server.http("/cam/master.m3u8")));
}

#[tokio::test]
async fn http_1_is_spoken_over_tls_with_who_asks_for_it() {
    let live = Live::set().await;
    for protocols in [&["http/1.1"][..], &[]] {
        let mut tls = tls(live.server.https_address(), &live.certificate, protocols).await;
        let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        tls.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tls.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn a_new_certificate_counts_from_the_next_connection_on() {
    let live = Live::set().await;
    let connection = live.secure().await;
    let mut flv = connection.get("/cam/live.flv", &[]).await.into_body();
    let folder = TempDir::new().unwrap();
    let new = Certificate::make(folder.path(), &["localhost"]).await;
    let pem = new.pem();
    new.replace(&live.certificate);
    eventually("the new certificate is served", async || {
        (served(live.server.https_address(), None).await == pem).then_some(())
    })
    .await;
    assert!(!piece(&mut flv).await.is_empty());
    live.secure().await.text("/cam/master.m3u8").await;
}

#[tokio::test]
async fn who_dawdles_in_the_handshake_is_closed() {
    let folder = TempDir::new().unwrap();
    let certificate = Certificate::make(folder.path(), &["localhost"]).await;
    let server = Server::start(&certificate.flags()).await;
    let closes = async |said: &[u8]| {
        let mut tcp = TcpStream::connect(server.https_address()).await.unwrap();
        tcp.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end too.
        let end = timeout(PATIENCE, tcp.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "still open after {PATIENCE:?}: {said:?}");
    };
    let silent = async {
        let mut tls = tls(server.https_address(), &certificate, &["h2"]).await;
        let end = timeout(PATIENCE, tls.read_to_end(&mut Vec::new())).await;
        assert!(end.is_ok(), "still open after {PATIENCE:?}");
    };
    // Nothing at all; the head of a ClientHello; HTTP without TLS; TLS and then nothing.
    tokio::join!(
        closes(&[]),
        closes(&[22, 3, 1, 2, 0, 1, 0, 1]),
        closes(b"GET / HTTP/1.1\r\n\r\n"),
        silent
    );
}

/// An authority that asks before there is a certificate that is good is not sent to HTTPS, as all others are.
#[tokio::test]
async fn challenges_of_acme_are_answered_where_all_else_leads_to_https() {
    let folder = TempDir::new().unwrap();
    let certificate = Certificate::make(folder.path(), &["localhost"]).await;
    let challenges = folder.path().join(".well-known/acme-challenge");
    fs::create_dir_all(&challenges).unwrap();
    let webroot = folder.path().to_str().unwrap();
    let more = ["--https-redirect", "--acme-webroot", webroot];
    let server = Server::start(&[&certificate.flags()[..], &more].concat()).await;
    fs::write(challenges.join("t0ken"), "t0ken.thumbprint").unwrap();

    let direct = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let direct = direct.build().unwrap();
    let ask = async |path: &str| direct.get(server.http(path)).send().await.unwrap();
    let answer = ask("/.well-known/acme-challenge/t0ken").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.text().await.unwrap(), "t0ken.thumbprint");
    let answer = ask("/.well-known/acme-challenge/none").await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let answer = ask("/live/live.m3u8").await;
    assert_eq!(answer.status(), StatusCode::PERMANENT_REDIRECT);
    let secured = server.https("/live/live.m3u8");
    assert_eq!(answer.headers()["location"], secured);
}

#[tokio::test]
async fn a_flood_of_streams_that_are_reset_ends_the_connection() {
    let live = Live::set().await;
    let mut tls = tls(live.server.https_address(), &live.certificate, &["h2"]).await;
    let mut said = PREFACE.to_vec();
    for stream in (1..20_000_u32).step_by(2) {
        // GET / (RFC 7541 §6.1), and RST_STREAM with CANCEL.
        said.extend_from_slice(&[0, 0, 6, 1, 5]);
        said.extend_from_slice(&stream.to_be_bytes());
        said.extend_from_slice(b"\x82\x86\x84\x41\x01x");
        said.extend_from_slice(&[0, 0, 4, 3, 0]);
        said.extend_from_slice(&stream.to_be_bytes());
        said.extend_from_slice(&[0, 0, 0, 8]);
    }
    let (mut read, mut write) = tokio::io::split(&mut tls);
    let mut answer = Vec::new();
    let flood = async {
        // Fails once the server has had enough.
        drop(write.write_all(&said).await);
        drop(write.flush().await);
    };
    let end = timeout(PATIENCE, async {
        tokio::join!(flood, read.read_to_end(&mut answer))
    });
    // A reset is an end too.
    end.await.expect("an end").1.ok();
    let calm = [0, 0, 0, 11];
    assert!(answer.windows(4).any(|code| code == calm), "{answer:?}");
    live.secure().await.text("/cam/master.m3u8").await;
}

#[tokio::test]
async fn a_stop_lets_streams_end_and_then_the_connection() {
    let mut live = Live::set().await;
    let connection = live.secure().await;
    let flv = connection.get("/cam/live.flv", &[]).await.into_body();
    live.server.process().signal(Signal::TERM);
    let body = timeout(PATIENCE, flv.collect()).await.expect("an end");
    assert!(
        body.expect("an end in order")
            .to_bytes()
            .starts_with(b"FLV")
    );
    let status = live.server.process().ended().await;
    assert!(status.success(), "{status}: {}", live.server.log());
    connection.ended().await.expect("an end in order");
}

/// A live channel on a server with HTTPS.
struct Live {
    server: Server,
    certificate: Certificate,
    _publisher: Process,
    _folder: TempDir,
}

impl Live {
    async fn set() -> Self {
        let folder = TempDir::new().expect("a folder");
        let certificate = Certificate::make(folder.path(), &["localhost"]).await;
        let server = Server::start(&certificate.flags()).await;
        let channel = json!({ "id": "cam", "isCMAF": true, "hls_time": 1, "hls_list_size": 20 });
        let key = stream_key(&server.api().create(&channel).await);
        let live = Self {
            _publisher: Picture::default().push(&server.rtmp(&key)),
            server,
            certificate,
            _folder: folder,
        };
        let http = live.server.http("/cam/live.flv");
        Viewer::open(&http).await.goes_on(1).await;
        live
    }

    /// Waits until delta updates are worth while.
    async fn is_long(&self) {
        eventually("a playlist with something to skip", async || {
            let path = "/cam/cmaf/video.m3u8";
            let playlist = self.server.api().read(path).await.text;
            let segments = playlist.matches("#EXTINF").count();
            (segments > SKIPPABLE).then_some(())
        })
        .await;
    }

    async fn secure(&self) -> Http2 {
        Http2::secure(self.server.https_address(), &self.certificate).await
    }

    async fn plain(&self) -> Http2 {
        Http2::plain(self.server.http_address()).await
    }

    /// A connection that asks for the stream with a window as large as there is, and never reads.
    async fn deaf(&self) -> TcpStream {
        let mut tcp = TcpStream::connect(self.server.http_address())
            .await
            .expect("a server");
        let mut said = PREFACE.to_vec();
        said.extend_from_slice(&[0, 0, 6, 4, 0, 0, 0, 0, 0]);
        // SETTINGS_INITIAL_WINDOW_SIZE, and the same for the connection.
        said.extend_from_slice(&[0, 4, 0x7F, 0xFF, 0xFF, 0xFF]);
        said.extend_from_slice(&[0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7F, 0, 0, 0]);
        said.extend_from_slice(b"\0\0\x14\x01\x05\0\0\0\x01\x82\x86\x04\x0D/cam/live.flv\x41\x01x");
        tcp.write_all(&said).await.expect("a server that reads");
        tcp
    }

    /// The address of the newest video segment that the manifest lists.
    async fn newest_of_dash(&self, connection: &Http2) -> Option<String> {
        let mpd = connection.text("/cam/manifest.mpd").await;
        let media = lsv_tests::mpd::newest(&mpd)?;
        Some(format!("/cam/{media}"))
    }
}

/// Media sequence number and index of the part that a playlist hints.
fn hinted(playlist: &str) -> (u64, u32) {
    let hint = playlist.split("#EXT-X-PRELOAD-HINT:").nth(1);
    let name = hint.and_then(|hint| hint.split('"').nth(1));
    let name = name.unwrap_or_else(|| panic!("no hint in {playlist}"));
    let numbers = name.trim_start_matches("video-").trim_end_matches(".m4s");
    let (segment, part) = numbers.split_once('.').expect("two numbers");
    (
        segment.parse().expect("a number"),
        part.parse().expect("a number"),
    )
}

fn fragments(media: &[u8]) -> usize {
    media.windows(4).filter(|at| at == b"moof").count()
}

/// The next bytes of a body.
async fn piece(body: &mut Incoming) -> Bytes {
    loop {
        let frame = timeout(PATIENCE, body.frame()).await.expect("a frame");
        let frame = frame.expect("more to come").expect("a body that goes on");
        if let Ok(data) = frame.into_data() {
            return data;
        }
    }
}

/// The client's preface with empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Segments of a second behind which there is something to skip: six target durations stay.
const SKIPPABLE: usize = 8;
