//! Serving an axum router over HTTP and HTTPS, with the bounds that a public port needs: silent peers, slow heads, floods
//! of connections and streams, dead viewers, a clean stop.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::Request;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use lsv_core::api::Secured;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

mod challenges;
mod counted;
mod redirect;
mod stalls;
mod unread;

pub(crate) use challenges::challenges;
use counted::Counted;
pub(crate) use redirect::{ToHttps, to_https};
use stalls::{Streams, hand_on, until_stalled, watch};
use unread::Watched;

/// A listening socket for HTTP, plain or secured: with TLS a client chooses between HTTP/2 and HTTP/1.1 (ALPN), without it
/// by what it says first.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Listens on `address`, for HTTPS where there is `tls`.
    ///
    /// # Errors
    /// Names the address that cannot be had.
    pub async fn bind(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> anyhow::Result<Self> {
        let scheme = if tls.is_some() { "HTTPS" } else { "HTTP" };
        let tcp = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} for {scheme}"))?;
        let tls = tls.map(|tls| {
            let mut tls = Arc::unwrap_or_clone(tls);
            tls.alpn_protocols = PROTOCOLS.map(Vec::from).to_vec();
            TlsAcceptor::from(Arc::new(tls))
        });
        Ok(Self { tcp, tls })
    }

    /// The address that it really listens on.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Serves `router` until `shutdown`, then lets the requests under way end.
///
/// At most `connections` are open at once, WebSockets among them; more wait in the system's backlog.
pub async fn serve(
    listener: Listener,
    router: Router,
    connections: usize,
    shutdown: CancellationToken,
) {
    let builder = Builder::new();
    let slots = Arc::new(Semaphore::new(connections));
    let under_way = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener.tcp, &slots) => accepted,
            () = shutdown.cancelled() => break,
        };
        let (tcp, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = Connection {
            tcp,
            peer,
            tls: listener.tls.clone(),
            builder: builder.clone(),
            router: router.clone(),
            watcher: under_way.watcher(),
        };
        tokio::spawn(connection.run(shutdown.clone()));
    }
    drop(listener);
    under_way.shutdown().await;
}

/// A connection that was accepted.
struct Connection {
    tcp: Slotted,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    builder: Builder,
    router: Router,
    watcher: Watcher,
}

/// A socket with its place among all connections.
type Slotted = Counted<TcpStream, OwnedSemaphorePermit>;

/// What HTTP is spoken over.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Connection {
    async fn run(self, shutdown: CancellationToken) {
        let peer = self.peer;
        let asked = Arc::new(Notify::new());
        tokio::select! {
            ended = until_stalled(self.serve(Arc::clone(&asked), shutdown)) => match ended {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::debug!(%peer, %error, "an HTTP connection broke"),
                None => tracing::debug!(%peer, "a viewer stopped reading"),
            },
            () = silence(&asked) => tracing::debug!(%peer, "a connection made no request"),
        }
    }

    async fn serve(
        self,
        asked: Arc<Notify>,
        shutdown: CancellationToken,
    ) -> Result<(), axum::BoxError> {
        let service = service(self.router, self.peer, self.tls.is_some(), asked);
        let opened = async {
            match self.tls {
                None => open(self.tcp).await,
                Some(tls) => secure(self.tcp, tls).await,
            }
        };
        // Boxed, as it is long over while a viewer watches: the task would keep its size.
        let (io, version) = tokio::select! {
            opened = Box::pin(opened) => opened?,
            () = shutdown.cancelled() => return Ok(()),
        };
        let io = TokioIo::new(io);
        match version {
            Version::Http1 => {
                // Whoever stops waits for it.
                let _watcher = self.watcher;
                let connection = self.builder.http1.serve_connection(io, service);
                let mut connection = pin!(connection.with_upgrades());
                tokio::select! {
                    ended = &mut connection => return Ok(ended?),
                    () = shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
                }
                Ok(connection.await?)
            }
            Version::Open => {
                let builder = &self.builder.auto;
                let connection = builder.serve_connection_with_upgrades(io, service);
                Box::pin(self.watcher.watch(connection.into_owned())).await
            }
        }
    }
}

/// What a client speaks.
enum Version {
    Http1,
    /// It has not said enough to tell, or HTTP/2. Whoever finds that out reads the first bytes apart from the others: a head of
    /// HTTP/1 then no longer fits hyper's first buffer, and the connection keeps one of twice the size for as long as it lasts.
    Open,
}

/// A plain connection, once its client has said something.
async fn open(tcp: Slotted) -> std::io::Result<(Box<dyn Io>, Version)> {
    let mut said = [0; PREFACE.len()];
    let count = tcp.stream().peek(&mut said).await?;
    let version = match PREFACE.starts_with(said.get(..count).unwrap_or_default()) {
        true => Version::Open,
        false => Version::Http1,
    };
    Ok((Box::new(tcp), version))
}

/// A connection behind its handshake of TLS.
async fn secure(tcp: Slotted, tls: TlsAcceptor) -> std::io::Result<(Box<dyn Io>, Version)> {
    let secured = tls.accept(tcp).await?;
    let version = match secured.get_ref().1.alpn_protocol() {
        Some(HTTP_1) => Version::Http1,
        _ => Version::Open,
    };
    Ok((Box::new(secured), version))
}

/// How HTTP is spoken.
#[derive(Clone)]
struct Builder {
    http1: http1::Builder,
    auto: auto::Builder<Streams>,
}

impl Builder {
    fn new() -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES);
        let mut auto = auto::Builder::new(Streams);
        auto.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES);
        auto.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(HEAD_TIMEOUT)
            .keep_alive_timeout(STALL_TIMEOUT)
            .max_header_list_size(HEAD_BYTES as u32)
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(ERRORS);
        Self { http1, auto }
    }
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(Slotted, SocketAddr)> {
    let slot = Arc::clone(slots).acquire_owned().await;
    let slot = slot.map_err(std::io::Error::other)?;
    let (tcp, peer) = listener.accept().await?;
    if let Err(error) = prepare(&tcp) {
        tracing::debug!(%peer, %error, "the connection was gone before it was served");
    }
    Ok((Counted::new(tcp, slot), peer))
}

/// Frames go out at once, and a viewer that vanished or stopped reading is let go by the system.
fn prepare(tcp: &TcpStream) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    socket2::SockRef::from(tcp).set_tcp_user_timeout(Some(STALL_TIMEOUT))
}

/// `router` for the connection of `peer`, which tells `asked` of its requests.
fn service(
    router: Router,
    peer: SocketAddr,
    secured: bool,
    asked: Arc<Notify>,
) -> impl hyper::service::Service<
    Request<hyper::body::Incoming>,
    Response = axum::response::Response<Watched>,
    Error = Infallible,
    Future: Send,
> {
    hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        asked.notify_one();
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        if secured {
            request.extensions_mut().insert(Secured);
        }
        let router = router.clone();
        async move {
            // Here it is known which task answers: over HTTP/2 each stream has its own.
            hand_on(&mut request);
            router.oneshot(request).await.map(watch)
        }
    })
}

/// Returns when a connection has made no request in time. Until the first one hyper itself may wait for ever: it knows
/// no time-out before it knows the version of HTTP.
async fn silence(asked: &Notify) {
    if timeout(FIRST_REQUEST_TIMEOUT, asked.notified())
        .await
        .is_ok()
    {
        pending::<()>().await;
    }
}

/// Most connections at once where file descriptors are no tighter bound: keeps a flood from taking all memory.
pub const MAX_CONNECTIONS: usize = 20_000;

/// What is offered over TLS, the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", HTTP_1];
const HTTP_1: &[u8] = b"http/1.1";
/// What a client of HTTP/2 says first (RFC 9113 §3.4), up to where no request of HTTP/1 begins so.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// How long a client may take from connecting to the end of its first request's head, the handshake of TLS included.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take to send the head of a request, or keep a connection open without one. An HTTP/2 client
/// is asked this often whether it is there.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest head of a request.
const HEAD_BYTES: usize = 64 * 1024;

/// Requests at once on a connection of HTTP/2. A player has a handful; what asks for many viewers may have more.
const STREAMS: u32 = 256;

/// What a client may send on a stream of HTTP/2 before it is read: requests have bodies only where the API takes them.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;

/// The same of all streams of a connection together.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;

/// What a stream of HTTP/2 may hold that its client has not taken.
const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// Streams that a client has opened and reset before they were looked at; with more at once its connection is ended
/// (CVE-2023-44487).
const RESETS: usize = 32;

/// Streams that had to be reset for a client's errors; with more its connection is ended.
const ERRORS: usize = 256;

/// How long a viewer may take no data, or not answer whether it is there.
const STALL_TIMEOUT: Duration = Duration::from_secs(15);

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
