//! From an address to a stream that has started: lookup, TCP, TLS, handshake and commands.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::Config;
use super::connection::Connection;
use super::error::{Error, Fault, Place};
use crate::net::negotiate::keep_alive;
use crate::net::socket::{Io, now};
use crate::net::{Address, Scheme};
use crate::session::{self, ClientConfig, ClientEvent, Purpose};

/// Opens a connection to `address`, or to where the server there sends it, and brings it as far as the start of the
/// stream.
pub(super) async fn dial(
    config: &Config,
    mut address: Arc<Address>,
    purpose: Purpose,
) -> Result<Box<Connection>, Error> {
    let mut moves = config.moves;
    loop {
        let mut place = Place {
            address: Arc::clone(&address),
            peer: None,
        };
        let opened = timeout(config.connect_timeout, open(config, &mut place)).await;
        let late = |_| Err(Fault::ConnectTimeout(config.connect_timeout));
        let io = opened
            .unwrap_or_else(late)
            .map_err(|fault| place.fault(fault))?;
        match start(config, io, place.clone(), purpose).await? {
            Start::Started(connection) => return Ok(connection),
            Start::Elsewhere(_) if moves == 0 => {
                return Err(place.fault(Fault::Moves(config.moves)));
            }
            Start::Elsewhere(next) => address = Arc::new(next),
        }
        moves -= 1;
    }
}

/// How a connection starts.
pub(super) enum Start {
    Started(Box<Connection>),
    /// The server asks to connect elsewhere first.
    Elsewhere(Address),
}

/// Brings a fresh connection as far as the start of the stream.
pub(super) async fn start(
    config: &Config,
    io: Box<dyn Io>,
    place: Place,
    purpose: Purpose,
) -> Result<Start, Error> {
    let mut settings = config.session.clone();
    if settings.purpose != purpose {
        let defaults = ClientConfig::new(purpose, "", "", "", [0; 32]);
        (settings.purpose, settings.request_arguments) = (purpose, defaults.request_arguments);
    }
    settings.app = place.address.app().to_owned();
    settings.stream_name = place.address.stream_name().to_owned();
    settings.tc_url = place.address.tc_url();
    if let Err(error) = getrandom::fill(&mut settings.seed) {
        return Err(place.fault(std::io::Error::other(error)));
    }
    let session = session::Client::new(settings, now());
    let mut connection = Box::new(Connection::new(io, place, session, config));
    loop {
        let event = connection.event().await?;
        let place = &connection.place;
        match event {
            ClientEvent::Started => return Ok(Start::Started(connection)),
            ClientEvent::ReconnectRequest { tc_url, .. } if config.moves > 0 => {
                let tc_url = tc_url.unwrap_or_default();
                let moved = place.address.moved_to(&tc_url);
                return moved
                    .map(Start::Elsewhere)
                    .map_err(|invalid| place.fault(invalid));
            }
            event => {
                if let Some(fault) = fault_of(&event, &place.address) {
                    return Err(place.fault(fault));
                }
            }
        }
    }
}

/// What is wrong where a server says `event` about a stream.
pub(super) fn fault_of(event: &ClientEvent, address: &Address) -> Option<Fault> {
    match event {
        ClientEvent::Refused { code, description } => Some(Fault::Refused {
            code: address.redact(code),
            description: address.redact(description),
        }),
        ClientEvent::Ended => Some(Fault::Ended),
        _ => None,
    }
}

async fn open(config: &Config, place: &mut Place) -> Result<Box<dyn Io>, Fault> {
    let address = Arc::clone(&place.address);
    #[cfg(test)]
    if let Some(network) = &config.network {
        return network.connect(&address).map_err(Fault::Connect);
    }
    let tcp = connect(config, &address).await?;
    place.peer = tcp.peer_addr().ok();
    tcp.set_nodelay(true)?;
    keep_alive(&tcp, &config.keep_alive)?;
    match address.scheme() {
        Scheme::Rtmp => Ok(Box::new(tcp)),
        Scheme::Rtmps => secure(config, &address, tcp).await,
    }
}

/// Tries the addresses of the host one after the other.
async fn connect(config: &Config, address: &Address) -> Result<TcpStream, Fault> {
    let found = lookup_host((address.host(), address.port())).await;
    let found: Vec<SocketAddr> = found.map_err(Fault::Lookup)?.collect();
    let mut fault = match found.is_empty() {
        true => Fault::Lookup(std::io::ErrorKind::NotFound.into()),
        false => Fault::OutOfReach,
    };
    for candidate in found {
        if !config.reach.contains(candidate) {
            continue;
        }
        match TcpStream::connect(candidate).await {
            Ok(tcp) => return Ok(tcp),
            Err(error) => fault = Fault::Connect(error),
        }
    }
    Err(fault)
}

#[cfg(feature = "tls")]
async fn secure(config: &Config, address: &Address, tcp: TcpStream) -> Result<Box<dyn Io>, Fault> {
    let tls = config.tls.as_ref().ok_or(Fault::NoTls)?;
    crate::net::tls::connect(Arc::clone(tls), address.host(), tcp)
        .await
        .map_err(Fault::Tls)
}

#[cfg(not(feature = "tls"))]
async fn secure(_: &Config, _: &Address, _: TcpStream) -> Result<Box<dyn Io>, Fault> {
    Err(Fault::NoTls)
}
