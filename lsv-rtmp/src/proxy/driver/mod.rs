//! The tokio driver: listeners, sessions, look-ups and checks around the parts that decide.

mod back_ends;
mod check;
mod dial;
mod door;
mod session;
mod splice;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::door::{Arrival, Door};
use super::{BackEndFault, BackEnds, Config, Pool, Refusal, SniffError};
use crate::net::Peers;
use crate::proxy_protocol;

/// Why a connection, or the whole proxy, did not come about or broke.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A socket failed.
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    /// The client broke RTMP, or a limit.
    #[error(transparent)]
    Client(#[from] SniffError),
    /// The back end did.
    #[error(transparent)]
    BackEnd(#[from] BackEndFault),
    /// The load balancer in front did not say who the client is.
    #[error(transparent)]
    ProxyProtocol(#[from] proxy_protocol::Error),
    /// No back end could take the client.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// The client's address has [`Config::connections_per_ip`] already.
    #[error("{0} has too many connections")]
    TooManyFrom(SocketAddr),
    /// One end was silent, or took no data, for too long.
    #[error("no progress for {0:?}")]
    Stalled(Duration),
    /// An address could not be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A proxy: make it, let it listen, run it.
///
/// The back ends that it is given are looked up and checked from the moment it runs. When the list is replaced, new
/// ones are used as soon as their first check is good; those that it lacks keep their sessions.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    back_ends: watch::Receiver<BackEnds>,
    listeners: Vec<(TcpListener, Door)>,
}

/// How a proxy does. Clones are of the same one.
#[derive(Clone, Debug)]
pub struct Status(Arc<Shared>);

impl Status {
    /// Back ends that work at the moment.
    pub fn healthy(&self) -> usize {
        self.0.pool().healthy()
    }

    /// Sessions on all back ends together.
    pub fn sessions(&self) -> usize {
        self.0.pool().all_sessions()
    }
}

/// What all sessions of a proxy share.
#[derive(Debug)]
struct Shared {
    config: Config,
    pool: Mutex<Pool>,
    slots: Arc<Semaphore>,
    peers: Peers,
}

impl Shared {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Proxy {
    /// A proxy that does not listen yet.
    pub fn new(config: Config, back_ends: watch::Receiver<BackEnds>) -> Self {
        let shared = Arc::new(Shared {
            pool: Mutex::new(Pool::new(&config)),
            slots: Arc::new(Semaphore::new(config.connections)),
            peers: Peers::new(config.connections_per_ip),
            config,
        });
        Self {
            shared,
            back_ends,
            listeners: Vec::new(),
        }
    }

    /// Listens on `address` for what is carried as it comes, and gives the real address.
    ///
    /// # Errors
    /// [`Error::Bind`] where the address is in use or may not be used.
    pub async fn listen(&mut self, address: SocketAddr) -> Result<SocketAddr, Error> {
        self.open(address, Door::Plain).await
    }

    /// Listens on `address` for TLS, which ends here: back ends get what is inside.
    ///
    /// # Errors
    /// [`Error::Bind`] where the address is in use or may not be used.
    #[cfg(feature = "tls")]
    pub async fn listen_tls(
        &mut self,
        address: SocketAddr,
        tls: Arc<rustls::ServerConfig>,
    ) -> Result<SocketAddr, Error> {
        self.open(address, Door::Tls(tls)).await
    }

    /// How the proxy does, also while it runs.
    pub fn status(&self) -> Status {
        Status(Arc::clone(&self.shared))
    }

    /// Serves clients until `shutdown`, then only those that are there, until the last has gone. Dropping the future
    /// cuts them off.
    pub async fn run(self, shutdown: CancellationToken) {
        describe();
        let following = back_ends::follow(Arc::clone(&self.shared), self.back_ends);
        let _following = AbortOnDropHandle::new(tokio::spawn(following));
        let mut serving = JoinSet::new();
        for (listener, door) in self.listeners {
            serving.spawn(serve(
                listener,
                door,
                Arc::clone(&self.shared),
                shutdown.clone(),
            ));
        }
        while serving.join_next().await.is_some() {}
    }

    async fn open(&mut self, address: SocketAddr, door: Door) -> Result<SocketAddr, Error> {
        let bind = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        self.listeners.push((listener, door));
        Ok(address)
    }
}

fn describe() {
    metrics::describe_gauge!(
        "lsv_proxy_back_end_up",
        "1: the back end works; 0: it does not; -1: it is gone from the list"
    );
}

async fn serve(
    listener: TcpListener,
    door: Door,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
) {
    let mut sessions = JoinSet::new();
    let accept = async || {
        let slot = Arc::clone(&shared.slots).acquire_owned().await;
        (slot, listener.accept().await)
    };
    loop {
        let accepted = tokio::select! {
            accepted = accept() => accepted,
            Some(_) = sessions.join_next() => continue,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            (Ok(slot), Ok((tcp, peer))) => {
                let (shared, door) = (Arc::clone(&shared), door.clone());
                let arrival = Arrival { tcp, peer, slot };
                sessions.spawn(async move { session::serve(&shared, arrival, &door).await });
            }
            (Ok(_), Err(error)) => {
                // Out of file descriptors, mostly; the connection waits in the backlog meanwhile.
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            (Err(_), _) => break,
        }
    }
    drop(listener);
    while sessions.join_next().await.is_some() {}
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
