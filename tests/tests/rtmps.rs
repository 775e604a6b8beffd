//! RTMPS with a real encoder: certificates by name, and replaced while somebody publishes.

use std::{fs, net::SocketAddr, path::Path};

use lsv_tests::{Certificate, PATIENCE, Picture, Server, Signal, Viewer, eventually, served};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

#[tokio::test]
async fn a_certificate_is_replaced_under_a_live_session() {
    let folder = TempDir::new().unwrap();
    let old = Certificate::make(folder.path(), &["old.example"]).await;
    let new = Certificate::make(folder.path(), &["new.example"]).await;
    let (old_pem, new_pem) = (old.pem(), new.pem());
    let server = start(&[&old], &[]).await;
    let key = server.api().channel("vault").await;
    let mut publisher = Picture::default().push(&server.rtmps(&key));
    let viewer = Viewer::open(&server.http("/vault/live.flv")).await;
    viewer.goes_on(1).await;
    let session = async || server.api().read("/videostream/vault/session").await.json();
    let before = session().await;
    assert_eq!(served(server.rtmps_address(), None).await, old_pem);

    new.replace(&old);
    let since = Instant::now();
    eventually("the new certificate is served", async || {
        let shown = served(server.rtmps_address(), None).await;
        assert!(shown == old_pem || shown == new_pem, "{shown}");
        (shown == new_pem).then_some(())
    })
    .await;
    println!("served after {:?}", since.elapsed());
    viewer.goes_on(64 * 1024).await;
    assert!(publisher.runs(), "{}", publisher.stderr());
    let after = session().await;
    for field in ["since", "peer"] {
        assert!(before[field].is_string(), "no {field} in {before}");
        assert_eq!(before[field], after[field], "{field}");
    }

    let other = server.api().channel("other").await;
    let _newcomer = Picture::default().push(&server.rtmps(&other));
    let newcomer = Viewer::open(&server.http("/other/live.flv")).await;
    newcomer.goes_on(16 * 1024).await;
    assert!(publisher.runs(), "{}", publisher.stderr());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_leaves_the_old_one_in_force() {
    let folder = TempDir::new().unwrap();
    let certificate = Certificate::make(folder.path(), &["old.example"]).await;
    let pem = certificate.pem();
    let server = start(&[&certificate], &[]).await;
    fs::write(&certificate.chain, "half a certif").unwrap();
    let chain = certificate.chain.to_str().unwrap();
    server.logged(&["the old certificates stay", chain]).await;
    assert_eq!(served(server.rtmps_address(), None).await, pem);
}

#[tokio::test]
async fn each_server_name_gets_its_certificate() {
    let folder = TempDir::new().unwrap();
    let first = Certificate::make(folder.path(), &["one.example"]).await;
    let second = Certificate::make(folder.path(), &["two.example", "zwei.example"]).await;
    let any = Certificate::make(folder.path(), &["*.live.example"]).await;
    let config = folder.path().join("lsv.toml");
    write_config(&config, &[&first, &second, &any]);
    let mut server = Server::start(&["--config", config.to_str().unwrap()]).await;
    for (name, expected) in [
        (Some("one.example"), &first),
        (Some("two.example"), &second),
        (Some("ZWEI.example"), &second),
        (Some("cam.live.example"), &any),
        (Some("a.cam.live.example"), &first),
        (Some("elsewhere.example"), &first),
        (None, &first),
    ] {
        let shown = served(server.rtmps_address(), name).await;
        assert_eq!(shown, expected.pem(), "{name:?}");
    }

    // Another order and one fewer, by the configuration rather than by the files.
    write_config(&config, &[&second, &any]);
    server.process().signal(Signal::HUP);
    eventually("the second certificate becomes the default", async || {
        let shown = served(server.rtmps_address(), Some("one.example")).await;
        (shown == second.pem()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_load_balancers_header_comes_before_tls_and_names_the_client() {
    let folder = TempDir::new().unwrap();
    let certificate = Certificate::make(folder.path(), &["gate.example"]).await;
    let trusted = ["--proxy-protocol", "192.0.2.0/24,127.0.0.1"];
    let server = start(&[&certificate], &trusted).await;
    for (id, address, rtmps) in [
        ("plain", server.rtmp_address(), false),
        ("secure", server.rtmps_address(), true),
    ] {
        let header = "PROXY TCP4 198.51.100.7 203.0.113.1 4242 1935\r\n";
        let balancer = behind_a_header(header, address.to_owned()).await;
        let key = server.api().channel(id).await;
        let scheme = if rtmps { "rtmps" } else { "rtmp" };
        let url = format!("{scheme}://{balancer}/stream/{key}");
        let mut publisher = Picture::default().push(&url);
        let viewer = Viewer::open(&server.http(&format!("/{id}/live.flv"))).await;
        viewer.goes_on(64 * 1024).await;
        let path = format!("/videostream/{id}/session");
        let session = server.api().read(&path).await.json();
        assert_eq!(session["peer"], "198.51.100.7:4242", "{session}");
        assert!(publisher.runs(), "{}", publisher.stderr());
        server.logged(&["publishing", "198.51.100.7:4242"]).await;
    }
    // A client that comes directly from where only load balancers are to be.
    let key = server.api().channel("direct").await;
    let mut refused = Picture::default().push(&server.rtmp(&key));
    assert!(!refused.ended().await.success());
}

#[tokio::test]
async fn who_dawdles_in_the_handshake_of_tls_is_closed() {
    let folder = TempDir::new().unwrap();
    let certificate = Certificate::make(folder.path(), &["slow.example"]).await;
    let server = start(&[&certificate], &[]).await;
    let closes = async |said: &[u8]| {
        let mut tcp = TcpStream::connect(server.rtmps_address()).await.unwrap();
        tcp.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end too.
        let end = timeout(PATIENCE, tcp.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "still open after {PATIENCE:?}: {said:?}");
    };
    // Nothing at all; the head of a ClientHello; RTMP without TLS.
    tokio::join!(
        closes(&[]),
        closes(&[22, 3, 1, 2, 0, 1, 0, 1]),
        closes(&[3, 0, 0, 0, 0])
    );
    let shown = served(server.rtmps_address(), None).await;
    assert_eq!(shown, certificate.pem());
}

/// A load balancer that writes `header` in front of each connection to `server`; answers where it listens.
async fn behind_a_header(header: &'static str, server: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut upstream = TcpStream::connect(&server).await.expect("a server");
            // In one piece with what the client says first, which the server must not lose.
            let mut first = header.as_bytes().to_vec();
            client.read_buf(&mut first).await.expect("a client");
            upstream.write_all(&first).await.expect("a server");
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut upstream).await });
        }
    });
    address
}

async fn start(certificates: &[&Certificate], more: &[&str]) -> Server {
    let chains = list(certificates.iter().map(|certificate| &*certificate.chain));
    let keys = list(certificates.iter().map(|certificate| &*certificate.key));
    let tls = [
        "--rtmps",
        "127.0.0.1:0",
        "--tls-cert",
        &chains,
        "--tls-key",
        &keys,
    ];
    Server::start(&[&tls[..], more].concat()).await
}

fn write_config(file: &Path, certificates: &[&Certificate]) {
    let chains = list(certificates.iter().map(|certificate| &*certificate.chain));
    let keys = list(certificates.iter().map(|certificate| &*certificate.key));
    let files = format!("tls-cert = \"{chains}\"\ntls-key = \"{keys}\"\n");
    let text = format!("https = \"127.0.0.1:0\"\nrtmps = \"127.0.0.1:0\"\n{files}");
    fs::write(file, text).expect("a file to write");
}

fn list<'a>(files: impl Iterator<Item = &'a Path>) -> String {
    let files: Vec<&str> = files
        .map(|file| file.to_str().expect("a path in UTF-8"))
        .collect();
    files.join(",")
}
