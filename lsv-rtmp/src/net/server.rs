//! The listening end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::Error;
use super::negotiate::{Arrival, Negotiator, Plain, Security};
use super::peers::Peers;
use super::request::Request;
use crate::media::Options;
use crate::session::Capabilities;
use crate::{Budget, Limits};

/// How a server treats its connections.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// What a session may take.
    pub limits: Limits,
    /// What all sessions together may hold in half-received messages. 256 MiB. Clones of one configuration share it.
    pub budget: Budget,
    /// What clients are told that the server can do. All that E-RTMP v2 has: media is passed on as it comes.
    pub capabilities: Capabilities,
    /// What a publisher may send where it [feeds a hub](super::Publishing::feed).
    pub media: Options,
    /// Connections at once; more wait in the system's backlog. 20,000.
    pub connections: usize,
    /// Connections at once from one address, or one /64 network of IPv6; more are closed. 10,000: one peer cannot keep
    /// all others out, and whole companies behind one address get in.
    pub connections_per_ip: usize,
    /// Where load balancers are that open each connection with a PROXY protocol header, version 1 or 2. Connections from
    /// there must have one, and [`PublishRequest::peer`](super::PublishRequest::peer) is what it says; all others must
    /// have none. Empty.
    pub proxy_protocol_from: Vec<IpNet>,
    /// How long a peer may take no data before it is let go. 10 s.
    pub write_timeout: Duration,
    /// When the system probes whether a silent peer is still there.
    pub keep_alive: KeepAlive,
}

/// Probes of TCP towards a peer that is silent. A peer is given up after [`idle`](Self::idle) and all probes without an
/// answer; on Linux also where it confirms nothing that was sent for as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAlive {
    /// Silence before the first probe. 30 s.
    pub idle: Duration,
    /// From one probe to the next. 10 s.
    pub interval: Duration,
    /// Probes without an answer. 3.
    pub probes: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            budget: Budget::default(),
            capabilities: Capabilities::forwarder(),
            media: Options::default(),
            connections: 20_000,
            connections_per_ip: 10_000,
            proxy_protocol_from: Vec::new(),
            write_timeout: Duration::from_secs(10),
            keep_alive: KeepAlive::default(),
        }
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30),
            interval: Duration::from_secs(10),
            probes: 3,
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

    /// Listens on `address` for RTMPS. For certificates that differ by name and are replaced while sessions go on,
    /// build `tls` with [`Certificates`](super::tls::Certificates).
    ///
    /// # Errors
    /// [`Error::Bind`] where the address is in use or may not be used.
    #[cfg(feature = "tls")]
    pub async fn bind_tls(
        address: SocketAddr,
        config: Config,
        tls: Arc<rustls::ServerConfig>,
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
        let most = config.connections.min(Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(most));
        let negotiator = Negotiator {
            peers: Peers::new(config.connections_per_ip),
            config,
            security,
        };
        let accepting = tokio::spawn(accept_all(listener, slots, negotiator, sender));
        Ok(Self {
            address,
            requests,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }
}

async fn accept_all(
    listener: TcpListener,
    slots: Arc<Semaphore>,
    negotiator: Negotiator<impl Security>,
    requests: mpsc::Sender<Request>,
) {
    let negotiator = Arc::new(negotiator);
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let (tcp, address) = accept(&listener).await;
        let arrival = Arrival { tcp, address, slot };
        let (negotiator, requests) = (Arc::clone(&negotiator), requests.clone());
        tokio::spawn(async move {
            match negotiator.negotiate(arrival).await {
                Ok(Some(request)) => drop(requests.send(request).await),
                Ok(None) => {
                    tracing::debug!(peer = %address, "the peer left before it asked for a stream");
                }
                Err(error) => error.log(address, false),
            }
        });
    }
}

/// The next connection, however long the system is out of what one takes, file descriptors mostly. Meanwhile they wait
/// in the backlog.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut pause = MIN_ACCEPT_PAUSE;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The peer was faster in leaving than this side in accepting.
            Err(error) if is_of_peer(&error) => {}
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                tokio::time::sleep(pause).await;
                pause = MAX_ACCEPT_PAUSE.min(pause * 2);
            }
        }
    }
}

fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionReset)
}

/// Requests that wait for the service; more wait in their connections.
const REQUEST_BACKLOG: usize = 64;

const MIN_ACCEPT_PAUSE: Duration = Duration::from_millis(10);

const MAX_ACCEPT_PAUSE: Duration = Duration::from_secs(1);
