//! From an accepted connection to what its client asks for: PROXY protocol, TLS, RTMP, in this order.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::BytesMut;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;

use super::connection::Connection;
use super::peers::Peers;
use super::request::{PlayRequest, PublishRequest, Request};
use super::socket::{Io, Socket, now};
use super::{Config, Error, KeepAlive};
use crate::chunk::Position;
use crate::error::Waiting;
use crate::proxy_protocol::{self, Header};
use crate::session::{self, Event, ServerConfig};

/// What all connections of one listener have in common.
pub(super) struct Negotiator<S> {
    pub(super) config: Config,
    pub(super) security: S,
    pub(super) peers: Peers,
}

/// A connection as the listener has it.
pub(super) struct Arrival {
    pub(super) tcp: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) slot: OwnedSemaphorePermit,
}

/// What stands between TCP and RTMP.
pub(crate) trait Security: Send + Sync + 'static {
    /// Secures `tcp`, of which `input` was read already; gives what of RTMP was read.
    fn secure(
        &self,
        tcp: TcpStream,
        input: BytesMut,
    ) -> impl Future<Output = std::io::Result<(Box<dyn Io>, BytesMut)>> + Send;
}

/// Nothing does.
pub(crate) struct Plain;

impl Security for Plain {
    async fn secure(
        &self,
        tcp: TcpStream,
        input: BytesMut,
    ) -> std::io::Result<(Box<dyn Io>, BytesMut)> {
        Ok((Box::new(tcp), input))
    }
}

impl<S: Security> Negotiator<S> {
    /// Talks to a client until it asks for something; `None` where it leaves before.
    pub(super) async fn negotiate(&self, arrival: Arrival) -> Result<Option<Request>, Error> {
        let mut connection = self.connect(arrival).await?;
        loop {
            match connection.event().await {
                Ok(Some(Event::Publish(info))) => {
                    return Ok(Some(Request::Publish(PublishRequest { connection, info })));
                }
                Ok(Some(Event::Play(info))) => {
                    return Ok(Some(Request::Play(PlayRequest { connection, info })));
                }
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
        }
    }

    async fn connect(&self, arrival: Arrival) -> Result<Box<Connection>, Error> {
        let Arrival { tcp, address, slot } = arrival;
        let config = &self.config;
        tcp.set_nodelay(true)?;
        keep_alive(&tcp, &config.keep_alive)?;

        let accepted = now();
        let deadline = accepted + config.limits.handshake_timeout;
        let secured = timeout_at(deadline.into(), async {
            let (tcp, peer, input) = self.identify(tcp, address).await?;
            let place = self.peers.place(peer.ip(), slot);
            let place = place.ok_or(Error::TooManyFrom(peer))?;
            let (io, input) = self.security.secure(tcp, input).await?;
            Ok((io, input, peer, place))
        });
        let (io, input, peer, place) = secured.await.unwrap_or_else(|_| Err(too_slow(address)))?;
        let socket = Socket::new(io, input, config.write_timeout);
        Ok(Connection::new(
            socket,
            self.session(accepted)?,
            peer,
            config.media.clone(),
            place,
        ))
    }

    /// Where the client is, and what was read to learn it beyond that.
    async fn identify(
        &self,
        mut tcp: TcpStream,
        address: SocketAddr,
    ) -> Result<(TcpStream, SocketAddr, BytesMut), Error> {
        let mut input = BytesMut::new();
        let ip = address.ip().to_canonical();
        let trusted = &self.config.proxy_protocol_from;
        if !trusted.iter().any(|network| network.contains(&ip)) {
            return Ok((tcp, address, input));
        }
        let peer = match read_header::<Error>(&mut tcp, &mut input).await? {
            Header::Proxied { source, .. } => source,
            Header::Local | Header::Unknown => address,
        };
        Ok((tcp, peer, input))
    }

    fn session(&self, accepted: Instant) -> Result<session::Server, Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(std::io::Error::other)?;
        let mut settings = ServerConfig::new(seed);
        settings.limits = self.config.limits.clone();
        settings.budget = Some(self.config.budget.clone());
        settings.capabilities = self.config.capabilities.clone();
        Ok(session::Server::new(settings, accepted))
    }
}

fn too_slow(peer: SocketAddr) -> Error {
    Error::Session {
        peer,
        position: Position::default(),
        source: Waiting::Handshake.into(),
    }
}

/// Reads the header that a connection begins with; what comes behind it is left in `input`.
pub(crate) async fn read_header<E>(tcp: &mut TcpStream, input: &mut BytesMut) -> Result<Header, E>
where
    E: From<std::io::Error> + From<proxy_protocol::Error>,
{
    loop {
        input.reserve(proxy_protocol::MAX_V1_BYTES);
        if tcp.read_buf(input).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(header) = proxy_protocol::read(input)? {
            return Ok(header);
        }
    }
}

/// Has the system look whether a silent peer is still there.
pub(crate) fn keep_alive(tcp: &TcpStream, config: &KeepAlive) -> std::io::Result<()> {
    let probes = TcpKeepalive::new()
        .with_time(config.idle)
        .with_interval(config.interval)
        .with_retries(config.probes);
    let socket = SockRef::from(tcp);
    socket.set_tcp_keepalive(&probes)?;
    // Probes stand back while something unconfirmed is under way; this is for then (RFC 5482).
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(config.idle + config.interval * config.probes))?;
    Ok(())
}
