//! Serving an axum router, with the bounds that a public port needs: silent peers, slow heads, floods of connections,
//! dead viewers, a clean stop.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::Request;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

mod counted;
mod stalls;

use counted::Counted;
use stalls::{Streams, hand_on, until_stalled};

/// Listens on `address`.
///
/// # Errors
/// Names the address that cannot be had.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} for HTTP"))
}

/// Serves `router` until `shutdown`, then lets the requests under way end.
///
/// At most `connections` are open at once, WebSockets among them; more wait in the system's backlog.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections: usize,
    shutdown: CancellationToken,
) {
    let builder = builder();
    let slots = Arc::new(Semaphore::new(connections));
    let under_way = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
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
        let asked = Arc::new(Notify::new());
        let service = service(router.clone(), peer, Arc::clone(&asked));
        let connection = builder
            .serve_connection_with_upgrades(TokioIo::new(tcp), service)
            .into_owned();
        let connection = under_way.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                ended = until_stalled(connection) => match ended {
                    Some(Ok(())) => {}
                    Some(Err(error)) => tracing::debug!(%peer, %error, "an HTTP connection broke"),
                    None => tracing::debug!(%peer, "a viewer stopped reading"),
                },
                () = silence(&asked) => tracing::debug!(%peer, "a connection made no request"),
            }
        });
    }
    drop(listener);
    under_way.shutdown().await;
}

fn builder() -> Builder<Streams> {
    let mut builder = Builder::new(Streams);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD_TIMEOUT)
        .keep_alive_timeout(STALL_TIMEOUT)
        .max_concurrent_streams(256);
    builder
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(Counted<TcpStream, OwnedSemaphorePermit>, SocketAddr)> {
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
    asked: Arc<Notify>,
) -> impl hyper::service::Service<
    Request<hyper::body::Incoming>,
    Response = axum::response::Response,
    Error = Infallible,
    Future: Send,
> {
    hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        asked.notify_one();
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        async move {
            // Here it is known which task answers: over HTTP/2 each stream has its own.
            hand_on(&mut request);
            router.oneshot(request).await
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

/// How long a client may take from connecting to the end of its first request's head.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take to send the head of a request, or keep a connection open without one. An HTTP/2 client
/// is asked this often whether it is there.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest head of a request.
const HEAD_BYTES: usize = 64 * 1024;

/// How long a viewer may take no data, or not answer whether it is there.
const STALL_TIMEOUT: Duration = Duration::from_secs(15);

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
