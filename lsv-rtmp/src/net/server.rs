//! The listening end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::Error;
use super::connection::{Connection, Io, now};
use super::request::{PlayRequest, PublishRequest, Request};
use crate::Limits;
use crate::session::{self, Event, ServerConfig};

/// How a server treats its connections.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// What a session may take.
    pub limits: Limits,
    /// Connections at once; more wait in the system's backlog. 20,000.
    pub connections: usize,
    /// How long a peer may take no data before it is let go. 10 s.
    pub write_timeout: Duration,
    /// Silence after which the system probes whether a peer is still there. 30 s.
    pub keep_alive: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            connections: 20_000,
            write_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(30),
        }
    }
}

/// Accepts RTMP connections and brings each as far as its request.
///
/// A peer that dawdles in its handshake delays nobody: each connection has a task of its own.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    requests: mpsc::Receiver<Request>,
    _accepting: AbortOnDropHandle<()>,
}

impl Server {
    /// Listens on `address` for RTMP.
    ///
    /// # Errors
    /// [`Error::Bind`] where the address is in use or may not be used.
    pub async fn bind(address: SocketAddr, config: Config) -> Result<Self, Error> {
        Self::listen(address, config, Plain).await
    }

    /// Listens on `address` for RTMPS, with the certificates of `tls`.
    ///
    /// # Errors
    /// [`Error::Bind`] where the address is in use or may not be used.
    #[cfg(feature = "tls")]
    pub async fn bind_tls(
        address: SocketAddr,
        config: Config,
        tls: super::tls::Acceptor,
    ) -> Result<Self, Error> {
        Self::listen(address, config, tls).await
    }

    /// The address that it really listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next peer that wants something.
    pub async fn accept(&mut self) -> Option<Request> {
        self.requests.recv().await
    }

    async fn listen(
        address: SocketAddr,
        config: Config,
        security: impl Security,
    ) -> Result<Self, Error> {
        let bind = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let (sender, requests) = mpsc::channel(REQUEST_BACKLOG);
        let accepting = tokio::spawn(accept_all(listener, Arc::new(config), security, sender));
        Ok(Self {
            address,
            requests,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }
}

/// What stands between TCP and RTMP.
pub(super) trait Security: Clone + Send + Sync + 'static {
    fn secure(&self, tcp: TcpStream) -> impl Future<Output = std::io::Result<Box<dyn Io>>> + Send;
}

#[derive(Clone)]
struct Plain;

impl Security for Plain {
    async fn secure(&self, tcp: TcpStream) -> std::io::Result<Box<dyn Io>> {
        Ok(Box::new(tcp))
    }
}

async fn accept_all(
    listener: TcpListener,
    config: Arc<Config>,
    security: impl Security,
    requests: mpsc::Sender<Request>,
) {
    let slots = Arc::new(Semaphore::new(config.connections));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let (tcp, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly; the connection waits in the backlog meanwhile.
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (config, security, requests) =
            (Arc::clone(&config), security.clone(), requests.clone());
        tokio::spawn(async move {
            match negotiate(tcp, peer, &config, security, slot).await {
                Ok(Some(request)) => drop(requests.send(request).await),
                Ok(None) => tracing::debug!(%peer, "the peer left before it asked for a stream"),
                Err(error) => tracing::debug!(%peer, %error, "no session came about"),
            }
        });
    }
}

async fn negotiate(
    tcp: TcpStream,
    peer: SocketAddr,
    config: &Config,
    security: impl Security,
    slot: OwnedSemaphorePermit,
) -> Result<Option<Request>, Error> {
    tcp.set_nodelay(true)?;
    let keep_alive = socket2::TcpKeepalive::new().with_time(config.keep_alive);
    socket2::SockRef::from(&tcp).set_tcp_keepalive(&keep_alive)?;
    let patience = config.limits.handshake_timeout;
    let secured = timeout(patience, security.secure(tcp)).await;
    let io = secured.map_err(|_| Error::Stalled(patience))??;

    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(std::io::Error::other)?;
    let mut settings = ServerConfig::new(seed);
    settings.limits = config.limits.clone();
    let session = session::Server::new(settings, now());
    let mut connection = Connection::new(io, peer, session, config.write_timeout, slot);
    let request = loop {
        match connection.event().await {
            Ok(Some(Event::Publish(info))) => {
                break Request::Publish(PublishRequest { connection, info });
            }
            Ok(Some(Event::Play(info))) => break Request::Play(PlayRequest { connection, info }),
            Ok(Some(_)) => {}
            Ok(None) => {
                connection.close().await;
                return Ok(None);
            }
            Err(error) => {
                connection.close().await;
                return Err(error);
            }
        }
    };
    Ok(Some(request))
}

/// Requests that wait for the service; more wait in their connections.
const REQUEST_BACKLOG: usize = 64;

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
