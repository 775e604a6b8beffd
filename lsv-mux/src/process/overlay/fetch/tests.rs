//! Fetching from servers of all kinds, on this machine.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// A server that answers every connection the same.
struct Server {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    written: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(answer: impl AsRef<[u8]>) -> Self {
        Self::repeating(answer, 1).await
    }

    /// Writes `answer` once, then its last piece of 64 KiB again and again.
    async fn repeating(answer: impl AsRef<[u8]>, times: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, written) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let (answer, counts) = (answer.as_ref().to_vec(), (asked.clone(), written.clone()));
        let task = tokio::spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                counts.0.fetch_add(1, SeqCst);
                drop(tcp.read(&mut [0; 4_096]).await);
                let tail = &answer[answer.len().saturating_sub(64 << 10)..];
                let pieces =
                    std::iter::once(&answer[..]).chain(std::iter::repeat_n(tail, times - 1));
                for piece in pieces {
                    if tcp.write_all(piece).await.is_err() {
                        break;
                    }
                    counts.1.fetch_add(piece.len(), SeqCst);
                }
                drop(tcp.shutdown().await);
            }
        });
        Self {
            address,
            asked,
            written,
            task,
        }
    }

    fn url(&self) -> String {
        format!("http://{}/logo.png?token=secret", self.address)
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn with_reach(reach: Reach) -> Fetcher {
    Fetcher::new(&Config {
        reach,
        ..Config::default()
    })
}

fn anywhere() -> Fetcher {
    with_reach(Reach::anywhere())
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn moved(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn a_body_with_and_without_a_length() {
    for answer in [
        ok("picture"),
        "HTTP/1.1 200 OK\r\n\r\npicture".to_owned(),
        "HTTP/1.0 200 OK\r\n\r\npicture".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\npic\r\n4\r\nture\r\n0\r\n\r\n"
            .to_owned(),
    ] {
        let server = Server::start(&answer).await;
        assert_eq!(
            anywhere().fetch(&server.url()).await.unwrap(),
            "picture",
            "{answer}"
        );
    }
}

#[tokio::test]
async fn this_machine_is_out_of_reach_however_it_is_written() {
    let server = Server::start(ok("internal")).await;
    let port = server.address.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "0",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
        "169.254.169.254",
        "10.0.0.1",
        "[fd00::1]",
        "[fe80::1]",
    ] {
        let refused = with_reach(Reach::public())
            .fetch(&format!("http://{host}:{port}/"))
            .await;
        let refused = refused.unwrap_err();
        // Some resolvers know only some of these.
        let harmless = matches!(
            refused,
            PictureError::OutOfReach { .. } | PictureError::Lookup { .. }
        );
        assert!(harmless, "{host}: {refused}");
    }
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        let refused = with_reach(Reach::public())
            .fetch(&format!("http://{host}:{port}/"))
            .await;
        assert!(
            matches!(refused, Err(PictureError::OutOfReach { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(server.asked(), 0);
}

#[tokio::test]
async fn a_redirect_leads_no_further_than_an_address() {
    let secret = Server::start(ok("internal")).await;
    for location in [
        secret.url(),
        format!("//{}/", secret.address),
        format!("http://localhost:{}/", secret.address.port()),
    ] {
        let public = Server::start(moved(&location)).await;
        let port = public.address.port();
        let reach = Reach::only(move |address| address.port() == port);
        let refused = with_reach(reach).fetch(&public.url()).await.unwrap_err();
        assert!(
            matches!(refused, PictureError::OutOfReach { .. }),
            "{location}: {refused}"
        );
        assert_eq!(public.asked(), 1);
    }
    assert_eq!(secret.asked(), 0);
    for location in [
        "file:///etc/passwd",
        "ftp://a.example/",
        "gopher://a.example/",
    ] {
        let public = Server::start(moved(location)).await;
        let refused = anywhere().fetch(&public.url()).await.unwrap_err();
        assert!(
            matches!(refused, PictureError::Address),
            "{location}: {refused}"
        );
    }
}

#[tokio::test]
async fn some_redirects_are_followed() {
    let mut servers = vec![Server::start(ok("picture")).await];
    for _ in 0..MAX_REDIRECTS {
        let last = servers.last().unwrap().url();
        servers.push(Server::start(moved(&last)).await);
    }
    let first = servers.last().unwrap().url();
    assert_eq!(anywhere().fetch(&first).await.unwrap(), "picture");
    let too_many = Server::start(moved(&first)).await;
    let refused = anywhere().fetch(&too_many.url()).await.unwrap_err();
    assert!(matches!(refused, PictureError::Redirects(3)), "{refused}");
    let circle = Server::start(moved("/logo.png")).await;
    let refused = anywhere().fetch(&circle.url()).await.unwrap_err();
    assert!(matches!(refused, PictureError::Redirects(3)), "{refused}");
    assert_eq!(circle.asked(), 1 + MAX_REDIRECTS);
}

#[tokio::test]
async fn two_gigabytes_are_not_read() {
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n".to_owned();
    let unannounced = "HTTP/1.1 200 OK\r\n\r\n".to_owned();
    for (head, most) in [(announced, 0), (unannounced, MAX_BYTES)] {
        let answer = head + &"x".repeat(64 << 10);
        let server = Server::repeating(answer, 32 << 10).await;
        let refused = anywhere().fetch(&server.url()).await.unwrap_err();
        assert!(
            matches!(refused, PictureError::Bytes(MAX_BYTES)),
            "{refused}"
        );
        // What lies in the buffers of both sockets was written as well.
        assert!(server.written.load(SeqCst) < most + (16 << 20));
    }
}

#[tokio::test]
async fn answers_that_are_none() {
    for answer in [
        "",
        "picture",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npicture",
        "HTTP/1.1 999",
    ] {
        let server = Server::start(answer).await;
        let refused = anywhere().fetch(&server.url()).await.unwrap_err();
        assert!(
            matches!(refused, PictureError::Answer { .. }),
            "{answer:?}: {refused}"
        );
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
    let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let server = Server::start(head).await;
    let refused = anywhere().fetch(&server.url()).await.unwrap_err();
    assert!(matches!(refused, PictureError::Answer { .. }), "{refused}");
    for (status, location) in [
        ("404 Not Found", ""),
        ("204 No Content", ""),
        ("302 Found", ""),
        ("206 Partial Content", "Location: /\r\n"),
    ] {
        let server = Server::start(format!(
            "HTTP/1.1 {status}\r\n{location}Content-Length: 0\r\n\r\n"
        ))
        .await;
        let refused = anywhere().fetch(&server.url()).await.unwrap_err();
        assert!(
            matches!(refused, PictureError::Status { .. }),
            "{status}: {refused}"
        );
    }
}

#[tokio::test]
async fn nobody_there_and_nobody_known() {
    let gone = Server::start("").await;
    let url = gone.url();
    drop(gone);
    // The listener goes with its task, a moment later.
    tokio::task::yield_now().await;
    let refused = anywhere().fetch(&url).await.unwrap_err();
    assert!(matches!(refused, PictureError::Connect { .. }), "{refused}");
    let refused = anywhere()
        .fetch("http://nobody.invalid/a.png")
        .await
        .unwrap_err();
    assert!(matches!(refused, PictureError::Lookup { .. }), "{refused}");
    let refused = anywhere()
        .fetch("https://127.0.0.1:1/a.png")
        .await
        .unwrap_err();
    assert!(
        matches!(refused, PictureError::NoTls | PictureError::Connect { .. }),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let refused = anywhere().fetch(&url).await.unwrap_err();
    assert!(matches!(refused, PictureError::TimedOut(TIME)), "{refused}");
}
