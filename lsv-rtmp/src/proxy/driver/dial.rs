//! Connecting a client to a back end that takes it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Error, Shared};
use crate::handshake;
use crate::net::{keep_alive, now};
use crate::proxy::{Lease, Mode, Pool, Refusal, Wish};
use crate::proxy_protocol::Header;

/// A connection to a back end, which counts there for as long as this lives.
pub(super) struct BackEnd {
    pub(super) tcp: TcpStream,
    /// What came behind its handshake.
    pub(super) input: BytesMut,
    pub(super) counted: Counted,
}

/// A session of a back end; given back when dropped.
pub(super) struct Counted {
    shared: Arc<Shared>,
    lease: Option<Lease>,
    address: SocketAddr,
}

/// Connects to the back end that is to have the client, and to the next best where that fails.
pub(super) async fn open(
    shared: &Arc<Shared>,
    wish: Option<&Wish>,
    header: Header,
) -> Result<BackEnd, Error> {
    let mut tried = Vec::new();
    while tried.len() < MOST_ATTEMPTS {
        let counted = Counted::lease(shared, wish, &tried)?;
        let address = counted.address;
        let error = match connect(shared, address).await {
            Ok(tcp) => match prepare(shared, tcp, header).await {
                Ok((tcp, input)) => {
                    return Ok(BackEnd {
                        tcp,
                        input,
                        counted,
                    });
                }
                // It may be for the sake of this client; whether it is for all, the checks find out.
                Err(error) => error,
            },
            Err(Error::Io(error)) if is_own_fault(&error) => {
                tracing::error!(%error, "no connection to any back end can be made");
                break;
            }
            Err(error) => {
                if shared.pool().failed(address) {
                    metrics::gauge!("lsv_proxy_back_end_up", "back_end" => address.to_string())
                        .set(0);
                }
                error
            }
        };
        tracing::warn!(back_end = %address, %error, "the back end did not take the client");
        metrics::counter!("lsv_proxy_connect_failures_total", "back_end" => address.to_string())
            .increment(1);
        counted.abandon();
        tried.push(address);
    }
    Err(Refusal::NoneHealthy.into())
}

async fn connect(shared: &Shared, address: SocketAddr) -> Result<TcpStream, Error> {
    let patience = shared.config.connect_timeout;
    let connecting = timeout(patience, TcpStream::connect(address)).await;
    Ok(connecting.map_err(|_| Error::Stalled(patience))??)
}

/// Makes a connection ready to carry what the client says.
async fn prepare(
    shared: &Shared,
    mut tcp: TcpStream,
    header: Header,
) -> Result<(TcpStream, BytesMut), Error> {
    let config = &shared.config;
    let patience = config.connect_timeout;
    tcp.set_nodelay(true)?;
    keep_alive(&tcp, &config.back_end_keep_alive)?;
    if config.proxy_protocol {
        introduce(&mut tcp, header).await?;
    }
    let input = match config.mode {
        Mode::Tcp => BytesMut::new(),
        Mode::Rtmp => {
            let shaken = timeout(patience, shake_hands(&mut tcp)).await;
            shaken.map_err(|_| Error::Stalled(patience))??
        }
    };
    Ok((tcp, input))
}

/// Tells a back end who the client is.
pub(super) async fn introduce(tcp: &mut TcpStream, header: Header) -> io::Result<()> {
    let mut bytes = BytesMut::new();
    header.write_v2(&mut bytes);
    // Fits into the empty buffer of a socket that has just been opened.
    tcp.write_all(&bytes).await
}

/// Performs the client's part of the handshake, and gives what came behind it.
pub(super) async fn shake_hands(tcp: &mut TcpStream) -> Result<BytesMut, Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let mut handshake = handshake::Client::new(seed);
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    loop {
        let done = handshake
            .next(&mut input, &mut output)
            .map_err(crate::proxy::BackEndFault::from)?;
        tcp.write_all_buf(&mut output).await?;
        if done {
            return Ok(input);
        }
        if tcp.read_buf(&mut input).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

/// Whether this machine, and not the back end, is why no connection comes about.
pub(super) fn is_own_fault(error: &io::Error) -> bool {
    const TOO_MANY_FILES: [i32; 2] = [23, 24];
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error
            .raw_os_error()
            .is_some_and(|code| TOO_MANY_FILES.contains(&code))
}

impl Counted {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    fn lease(
        shared: &Arc<Shared>,
        wish: Option<&Wish>,
        tried: &[SocketAddr],
    ) -> Result<Self, Refusal> {
        let mut pool = shared.pool();
        let lease = match wish {
            None => pool.lease(tried),
            Some(wish) => pool.lease_home(&wish.channel(), wish.purpose, tried, now()),
        }?;
        drop(pool);
        let address = lease.address();
        sessions(address).increment(1);
        Ok(Self {
            shared: Arc::clone(shared),
            lease: Some(lease),
            address,
        })
    }

    /// For a session that the back end did not take.
    fn abandon(mut self) {
        self.give_back(Pool::abandon);
    }

    fn give_back(&mut self, how: impl FnOnce(&mut Pool, Lease, Instant)) {
        if let Some(lease) = self.lease.take() {
            how(&mut self.shared.pool(), lease, now());
            sessions(self.address).decrement(1);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.give_back(Pool::release);
    }
}

fn sessions(back_end: SocketAddr) -> metrics::Gauge {
    metrics::gauge!("lsv_proxy_sessions", "back_end" => back_end.to_string())
}

/// Back ends tried for one client; checks find those that do not work soon enough.
const MOST_ATTEMPTS: usize = 5;
