//! What a client comes through before it is served: another load balancer's header, the bounds of its address, TLS.

use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::{Error, Shared};
use crate::net::{Io, Place, Plain, Security, keep_alive, read_header};
use crate::proxy_protocol::Header;

/// What stands between TCP and what is carried.
#[derive(Clone, Debug)]
pub(super) enum Door {
    Plain,
    #[cfg(feature = "tls")]
    Tls(std::sync::Arc<rustls::ServerConfig>),
}

/// A connection as its listener has it.
pub(super) struct Arrival {
    pub(super) tcp: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) slot: OwnedSemaphorePermit,
}

/// A client that is in.
pub(super) struct Guest {
    pub(super) io: Box<dyn Io>,
    /// What it has sent already.
    pub(super) input: BytesMut,
    /// Who it is, as back ends are told.
    pub(super) header: Header,
    /// Held for as long as it stays.
    pub(super) place: Place,
}

impl Door {
    pub(super) async fn enter(&self, arrival: Arrival, shared: &Shared) -> Result<Guest, Error> {
        let patience = shared.config.handshake_timeout;
        let entered = timeout(patience, self.identify(arrival, shared)).await;
        entered.map_err(|_| Error::Stalled(patience))?
    }

    async fn identify(&self, arrival: Arrival, shared: &Shared) -> Result<Guest, Error> {
        let Arrival {
            mut tcp,
            peer,
            slot,
        } = arrival;
        tcp.set_nodelay(true)?;
        keep_alive(&tcp, &shared.config.keep_alive)?;
        let mut input = BytesMut::new();
        let own = (peer, tcp.local_addr()?);
        let ip = peer.ip().to_canonical();
        let load_balancers = &shared.config.accept_proxy_protocol_from;
        let (source, destination) = if load_balancers.iter().any(|network| network.contains(&ip)) {
            match read_header::<Error>(&mut tcp, &mut input).await? {
                Header::Proxied {
                    source,
                    destination,
                } => (source, destination),
                Header::Local | Header::Unknown => own,
            }
        } else {
            own
        };
        let place = shared.peers.place(source.ip(), slot);
        let place = place.ok_or(Error::TooManyFrom(source))?;
        let (io, input) = self.secure(tcp, input).await?;
        Ok(Guest {
            io,
            input,
            header: Header::Proxied {
                source,
                destination,
            },
            place,
        })
    }

    async fn secure(&self, tcp: TcpStream, input: BytesMut) -> io::Result<(Box<dyn Io>, BytesMut)> {
        match self {
            Self::Plain => Plain.secure(tcp, input).await,
            #[cfg(feature = "tls")]
            Self::Tls(config) => config.secure(tcp, input).await,
        }
    }
}
