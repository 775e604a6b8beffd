//! Pictures of watermarks over real HTTP: hosts of all kinds, and what the API says of them.

use std::{
    io::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::SystemTime,
};

use lsv_auth::{Secret, cidr::Networks, push::Algorithm};
use lsv_core::{
    access::ChannelAuthorizer,
    api::{self, Listeners},
    channel::Signer,
    embedded::{Channels, Objects, Sessions},
    events::Events,
    hub::{Hub, Watermark, WatermarkPicture},
    lifecycle::{self, Lifecycle},
    ports::{ChannelStore, Watermarks},
    reach::Reach,
};
use lsv_mux::process::overlay::{Config, Overlays};
use lsv_tests::{Api, Certificate, Process, SECRET, Server, TOKEN};
use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// A host of pictures, and of what is none; gone when dropped.
struct Host {
    address: SocketAddr,
    written: Arc<AtomicU64>,
    asked: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Host {
    async fn start(pictures: Vec<(&'static str, Vec<u8>)>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (written, asked) = <(Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let (counts, pictures) = ((written.clone(), asked.clone()), Arc::new(pictures));
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                counts.1.fetch_add(1, SeqCst);
                let (written, pictures, tls) = (counts.0.clone(), pictures.clone(), tls.clone());
                // A client who goes away in the midst ends only its own connection.
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => answer(tls.accept(tcp).await?, &pictures, &written).await,
                        None => answer(tcp, &pictures, &written).await,
                    }
                });
            }
        });
        Self {
            address,
            written,
            asked,
            task,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    pictures: &[(&str, Vec<u8>)],
    written: &AtomicU64,
) -> std::io::Result<()> {
    let mut request = vec![0; 4_096];
    let read = io.read(&mut request).await?;
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let head = |status: &str, headers: &str| format!("HTTP/1.1 {status}\r\n{headers}\r\n");
    let (head, body, times) = match path {
        "/huge.png" => (
            head("200 OK", "Content-Length: 2147483648\r\n"),
            vec![0; 1 << 16],
            1 << 15,
        ),
        "/endless.png" => (head("200 OK", ""), vec![0; 1 << 16], 1 << 15),
        "/circle.png" => (
            head(
                "302 Found",
                "Location: /circle.png\r\nContent-Length: 0\r\n",
            ),
            Vec::new(),
            1,
        ),
        "/file.png" => (
            head(
                "302 Found",
                "Location: file:///etc/passwd\r\nContent-Length: 0\r\n",
            ),
            Vec::new(),
            1,
        ),
        _ => match (
            path.strip_prefix("/to/"),
            pictures.iter().find(|(known, _)| *known == path),
        ) {
            (Some(location), _) => (
                head(
                    "302 Found",
                    &format!("Location: {location}\r\nContent-Length: 0\r\n"),
                ),
                Vec::new(),
                1,
            ),
            (None, Some((_, body))) => (
                head("200 OK", &format!("Content-Length: {}\r\n", body.len())),
                body.clone(),
                1,
            ),
            (None, None) => (
                head("404 Not Found", "Content-Length: 0\r\n"),
                Vec::new(),
                1,
            ),
        },
    };
    io.write_all(head.as_bytes()).await?;
    for _ in 0..times {
        io.write_all(&body).await?;
        written.fetch_add(body.len() as u64, SeqCst);
    }
    io.shutdown().await
}

/// A picture of 64 x 48 pixels in one of the formats that ffmpeg writes.
async fn picture(encoder: &str, muxer: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("picture");
    let line = [
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc=s=64x48",
        "-frames:v",
        "1",
        "-c:v",
        encoder,
        "-f",
        muxer,
    ];
    let mut ffmpeg = Process::start(
        "ffmpeg",
        line.into_iter()
            .chain([file.to_str().expect("a path in UTF-8")]),
    );
    assert!(ffmpeg.ended().await.success(), "{}", ffmpeg.stderr());
    std::fs::read(file).expect("a picture")
}

/// A PNG of 30,000 x 30,000 pixels of one colour, which its 110 KB become 112 MB of, or 3.6 GB in RGBA.
fn bomb() -> Vec<u8> {
    let mut rows = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let row = vec![0; 1 + 30_000 / 8];
    for _ in 0..30_000 {
        rows.write_all(&row).expect("memory");
    }
    let side = 30_000_u32.to_be_bytes();
    let header = [&side[..], &side, &[1, 0, 0, 0, 0]].concat();
    let chunks = [
        (b"IHDR", header),
        (b"IDAT", rows.finish().expect("memory")),
        (b"IEND", Vec::new()),
    ];
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in chunks {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(&data);
        png.extend((data.len() as u32).to_be_bytes());
        png.extend([&kind[..], &data, &crc.sum().to_be_bytes()].concat());
    }
    png
}

fn marked(url: &str) -> String {
    json!({ "isImageWaterMark": true, "ImageURL": url }).to_string()
}

async fn refused(api: &Api, url: &str) -> String {
    let problem = api
        .send(Method::POST, "/videostream", marked(url))
        .await
        .refused(422);
    assert_eq!(problem["field"], "ImageURL", "{url}: {problem}");
    problem["detail"].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn pictures_are_looked_at_before_a_channel_gets_them() {
    let png = picture("png", "image2pipe").await;
    let half = png[..png.len() / 2].to_vec();
    let host = Host::start(
        vec![
            ("/logo.jpg", picture("mjpeg", "image2pipe").await),
            ("/logo.gif", picture("gif", "gif").await),
            ("/logo.webp", picture("libwebp", "webp").await),
            ("/logo.bmp", picture("bmp", "image2pipe").await),
            ("/logo.png", png),
            ("/half.png", half),
            ("/bomb.png", bomb()),
            (
                "/drawing.svg",
                b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"
                    .to_vec(),
            ),
            (
                "/page.html",
                b"<!DOCTYPE html><html><title>not found</title></html>".to_vec(),
            ),
            ("/empty.png", Vec::new()),
        ],
        None,
    )
    .await;
    let server = Server::start(&["--allow-private-targets"]).await;
    let api = server.api();
    let mut stored = api.count().await;
    for path in [
        "/logo.png",
        "/logo.jpg",
        "/logo.gif",
        "/logo.webp",
        "/to//logo.png",
    ] {
        let answer = api
            .send(Method::POST, "/videostream", marked(&host.url(path)))
            .await;
        assert_eq!(answer.status.as_u16(), 201, "{path}: {}", answer.text);
        stored += 1;
    }
    let before = server.resident_bytes();
    for (path, why) in [
        ("/bomb.png", "30000 x 30000"),
        ("/drawing.svg", "SVG"),
        ("/page.html", "HTML"),
        ("/logo.bmp", "PNG, JPEG, WebP or GIF"),
        ("/empty.png", "empty"),
        ("/half.png", "cannot be decoded"),
        ("/huge.png", "8388608 bytes"),
        ("/endless.png", "8388608 bytes"),
        ("/circle.png", "redirected more than 3 times"),
        ("/file.png", "http:// or https://"),
        ("/none.png", "status 404"),
        ("/to//none.png", "status 404"),
    ] {
        let detail = refused(&api, &host.url(path)).await;
        assert!(
            detail.starts_with("`ImageURL` ") && detail.contains(why),
            "{path}: {detail}"
        );
    }
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    assert!(
        refused(&api, &format!("http://{nobody}/logo.png"))
            .await
            .contains("connected")
    );
    assert!(
        refused(&api, "http://nobody.invalid/logo.png")
            .await
            .contains("looked up")
    );
    assert_eq!(api.count().await, stored, "what is refused is not stored");
    assert!(
        host.written.load(SeqCst) < 64 << 20,
        "of 4 GiB no more is read than a picture may have"
    );
    assert!(
        server.resident_bytes() < before + (128 << 20),
        "bombs are not decoded"
    );

    // A channel that has a picture keeps it where the new one is refused.
    let good = host.url("/logo.png");
    api.create(&json!({ "id": "cam", "isImageWaterMark": true, "ImageURL": good }))
        .await;
    let change = marked(&host.url("/bomb.png"));
    api.send(Method::PATCH, "/videostream/cam", change)
        .await
        .refused(422);
    assert_eq!(api.read("/videostream/cam").await.json()["ImageURL"], good);
}

#[tokio::test]
async fn nothing_private_is_asked_unless_the_operator_allows_it() {
    let host = Host::start(
        vec![("/logo.png", picture("png", "image2pipe").await)],
        None,
    )
    .await;
    let server = Server::start(&[]).await;
    let api = server.api();
    let port = host.address.port();
    for name in [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ] {
        let detail = refused(&api, &format!("http://{name}:{port}/logo.png")).await;
        assert!(detail.contains("allow-private-targets"), "{name}: {detail}");
    }
    // Names of this machine that are not written as such.
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let detail = refused(&api, &format!("http://{}:{port}/logo.png", hostname.trim())).await;
    assert!(
        ["allow-private-targets", "looked up"]
            .iter()
            .any(|why| detail.contains(why)),
        "{detail}"
    );
    assert_eq!(host.asked.load(SeqCst), 0);
}

/// The API of a node whose public Internet is one port of this machine.
async fn node_with(reach: Reach) -> (tempfile::TempDir, Api) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    let mut config = Config::default();
    config.reach = reach;
    let (hub, events) = (Hub::default(), Events::new());
    let about = lifecycle::Config {
        node: "node".to_owned(),
        address: String::new(),
        rtmps: None,
        http: None,
        form: lsv_core::ports::Form::Source,
        reconnect_window: std::time::Duration::ZERO,
    };
    let channels = Channels::open(folder.path().join("channels.redb")).expect("a store");
    let channels: Arc<dyn ChannelStore> = Arc::new(channels);
    let router = api::router(api::Api {
        viewers: ChannelAuthorizer::of_viewers(Arc::clone(&channels)),
        trusted_proxies: Networks::default(),
        channels,
        objects: Arc::new(Objects::open(folder.path().join("objects")).expect("a folder")),
        live: Arc::new(Lifecycle::new(
            hub,
            events.clone(),
            Arc::new(Sessions::default()),
            about,
        )),
        events,
        signer: Signer::new(
            Secret::new(SECRET).expect("a secret"),
            [Algorithm::HmacSha256],
        ),
        token: Secret::new(TOKEN).expect("a token"),
        sign_in: api::SignIn::new(&Secret::new(TOKEN).expect("a token"), None),
        allow_private_targets: true,
        watermarks: Some(Arc::new(Overlays::new(config))),
        listeners: Listeners {
            http: address,
            https: None,
            rtmp: address,
            rtmps: None,
        },
        ready: watch::channel(true).1,
        metrics: Arc::new(String::new),
        clock: || SystemTime::now().into(),
    });
    tokio::spawn(axum::serve(listener, router).into_future());
    (folder, Api::new(&format!("http://{address}"), Some(TOKEN)))
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    let png = picture("png", "image2pipe").await;
    let secret = Host::start(vec![("/logo.png", png.clone())], None).await;
    let public = Host::start(vec![("/logo.png", png)], None).await;
    let port = public.address.port();
    let (_folder, api) = node_with(Reach::only(move |address| address.port() == port)).await;
    let within = api
        .send(
            Method::POST,
            "/videostream",
            marked(&public.url("/to//logo.png")),
        )
        .await;
    assert_eq!(within.status.as_u16(), 201, "{}", within.text);
    for location in [
        secret.url("/logo.png"),
        format!("http://localhost:{}/logo.png", secret.address.port()),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let detail = refused(&api, &public.url(&format!("/to/{location}"))).await;
        assert!(
            detail.contains("allow-private-targets"),
            "{location}: {detail}"
        );
    }
    assert_eq!(secret.asked.load(SeqCst), 0);
    assert_eq!(api.count().await, 1);
}

#[tokio::test]
async fn pictures_over_https_from_hosts_that_are_trusted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let certificate = Certificate::make(folder.path(), &["localhost"]).await;
    let host = Host::start(
        vec![("/logo.png", picture("png", "image2pipe").await)],
        Some(acceptor(&certificate)),
    )
    .await;
    let url = format!("https://localhost:{}/logo.png", host.address.port());
    let mut config = Config::default();
    config.reach = Reach::anywhere();
    let refused = Overlays::new(config.clone()).check(&url).await.unwrap_err();
    assert!(refused.to_string().contains("no TLS"), "{refused}");

    config.tls = Some(Arc::new(certificate.trusted()));
    let trusting = Overlays::new(config.clone());
    let picture = WatermarkPicture {
        url: url.clone(),
        width: 32,
        height: 24,
    };
    let watermark = Watermark::new(None, Some(picture), 10, 10);
    let overlay = trusting.render(&watermark, (640, 360)).await.unwrap();
    assert_eq!(
        (overlay.width, overlay.height, overlay.failed.is_none()),
        (32, 24, true)
    );
    let by_address = url.replace("localhost", "127.0.0.1");
    let refused = trusting.check(&by_address).await.unwrap_err();
    assert!(
        refused.to_string().contains("cannot be connected to"),
        "{refused}"
    );

    let server = Server::start_trusting(&certificate, &["--allow-private-targets"]).await;
    server
        .api()
        .create(&json!({ "isImageWaterMark": true, "ImageURL": url }))
        .await;

    let other = Certificate::make(folder.path(), &["other.example"]).await;
    config.tls = Some(Arc::new(other.trusted()));
    let refused = Overlays::new(config).check(&url).await.unwrap_err();
    assert!(
        refused.to_string().contains("cannot be connected to"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_watermark_is_seen_before_a_channel_has_it() {
    let host = Host::start(
        vec![
            ("/logo.png", picture("png", "image2pipe").await),
            ("/page.html", b"<!DOCTYPE html>".to_vec()),
        ],
        None,
    )
    .await;
    let server = Server::start(&["--allow-private-targets"]).await;
    let api = server.api();
    api.create(&json!({ "id": "seen" })).await;
    let record = api.read("/videostream/seen").await.json();
    let client = reqwest::Client::new();
    let preview = async |query: &str, fields: serde_json::Value| {
        let address = server.http(&format!("/videostream/seen/watermark{query}"));
        let request = client.post(address).bearer_auth(TOKEN).json(&fields);
        request.send().await.expect("the API answers")
    };

    let text = json!({
        "isWaterMark": true, "WaterMarkText": "现场 Live", "WaterMarkFontColor": "#00ff00",
        "WaterMarkFontSize": 40, "WaterMarkLeft": 100, "WaterMarkTop": 60,
    });
    let drawn = preview("?width=640&height=360", text).await;
    assert_eq!(drawn.status().as_u16(), 200);
    let place = |name: &str| -> usize {
        let value = drawn.headers()[name].to_str().expect("text");
        value.parse().expect("a number")
    };
    let (left, top) = (place("x-watermark-left"), place("x-watermark-top"));
    assert!(
        (98..110).contains(&left) && (58..90).contains(&top),
        "{left} {top}"
    );
    let pixels = rgba(&drawn.bytes().await.expect("a picture")).await;
    let full = pixels.iter().filter(|it| **it == [0, 255, 0, 255]).count();
    assert!(full > 200, "{full} of {}", pixels.len());
    assert!(
        pixels.iter().any(|pixel| pixel[3] == 0),
        "it lets the picture through"
    );

    let logo = json!({
        "isImageWaterMark": true, "ImageURL": host.url("/logo.png"),
        "ImageWidth": 64, "ImageHeight": 48, "WaterMarkLeft": 20, "WaterMarkTop": 40,
    });
    let drawn = preview("", logo).await;
    assert_eq!(drawn.headers()["x-watermark-left"], "20");
    let pixels = rgba(&drawn.bytes().await.expect("a picture")).await;
    assert_eq!(pixels.len(), 64 * 48);

    let nothing = json!({ "isWaterMark": true, "WaterMarkText": "" });
    assert_eq!(preview("", nothing).await.status().as_u16(), 204);
    for path in ["/page.html", "/none.png"] {
        let bad = json!({ "isImageWaterMark": true, "ImageURL": host.url(path) });
        let refused = preview("", bad).await;
        assert_eq!(refused.status().as_u16(), 422, "{path}");
        let problem: serde_json::Value = refused.json().await.expect("a problem");
        assert_eq!(problem["field"], "ImageURL", "{problem}");
    }
    let after = api.read("/videostream/seen").await.json();
    assert_eq!(after, record, "nothing is stored");
}

/// The pixels of a PNG, as ffmpeg reads it.
async fn rgba(png: &[u8]) -> Vec<[u8; 4]> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("a.png"), png).expect("a file");
    let (from, to) = (path("a.png"), path("a.raw"));
    let line = [
        "-v", "error", "-f", "png_pipe", "-i", &from, "-f", "rawvideo", "-pix_fmt", "rgba", &to,
    ];
    let mut ffmpeg = Process::start("ffmpeg", line);
    assert!(ffmpeg.ended().await.success(), "{}", ffmpeg.stderr());
    let raw = std::fs::read(to).expect("pixels");
    raw.as_chunks().0.to_vec()
}

fn acceptor(certificate: &Certificate) -> TlsAcceptor {
    use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

    let chain = CertificateDer::pem_file_iter(&certificate.chain).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(&certificate.key).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(chain.flatten().collect(), key)
        .expect("a certificate of that key");
    TlsAcceptor::from(Arc::new(config))
}
