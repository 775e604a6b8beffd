//! RTMPS: TLS in front of RTMP, with certificates by server name that can be replaced while sessions go on.

use std::fmt;
use std::io::Cursor;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::BytesMut;
use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt, join};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::negotiate::Security;
use super::socket::Io;

/// The certificates of a server. Clones share them.
///
/// A client gets the first that holds for the server name it asks for (SNI, RFC 6066 §3), names with a `*` included, and
/// the very first where none does or it asks for none. What is replaced counts for handshakes from then on; sessions
/// that stand keep theirs.
///
/// ```no_run
/// use std::sync::Arc;
/// use lsv_rtmp::net::{Config, Error, Server, tls::Certificates};
/// use rustls::{ServerConfig, sign::CertifiedKey};
///
/// # async fn run(first: CertifiedKey, second: CertifiedKey, renewed: CertifiedKey) -> Result<(), Error> {
/// let certificates = Certificates::new(first, vec![second]);
/// // With the provider of the process; `builder_with_provider` takes another.
/// let tls = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(certificates.clone()));
/// let server = Server::bind_tls(([0, 0, 0, 0], 1938).into(), Config::default(), Arc::new(tls)).await?;
/// // Some weeks later:
/// certificates.replace(renewed, Vec::new());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Certificates {
    shared: Arc<RwLock<Keys>>,
}

struct Keys {
    default: Arc<CertifiedKey>,
    others: Vec<Arc<CertifiedKey>>,
}

impl Certificates {
    /// `default` for whoever asks for no name that one of `others` has.
    pub fn new(default: CertifiedKey, others: Vec<CertifiedKey>) -> Self {
        Self {
            shared: Arc::new(RwLock::new(Keys::new(default, others))),
        }
    }

    /// Uses these from now on, and all at once.
    pub fn replace(&self, default: CertifiedKey, others: Vec<CertifiedKey>) {
        let new = Keys::new(default, others);
        *self.shared.write().unwrap_or_else(PoisonError::into_inner) = new;
    }

    /// What a client gets that asks for `server_name`.
    fn of(&self, server_name: Option<&str>) -> Arc<CertifiedKey> {
        let keys = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        let name = server_name.and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| {
            let mut all = std::iter::once(&keys.default).chain(&keys.others);
            all.find(|key| holds_for(key, &name))
        });
        Arc::clone(named.unwrap_or(&keys.default))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.of(hello.server_name()))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl Security for Arc<ServerConfig> {
    async fn secure(
        &self,
        tcp: TcpStream,
        input: BytesMut,
    ) -> std::io::Result<(Box<dyn Io>, BytesMut)> {
        let acceptor = TlsAcceptor::from(Self::clone(self));
        let io: Box<dyn Io> = if input.is_empty() {
            Box::new(acceptor.accept(tcp).await?)
        } else {
            let (read, write) = tcp.into_split();
            let read = Cursor::new(input).chain(read);
            Box::new(acceptor.accept(join(read, write)).await?)
        };
        Ok((io, BytesMut::new()))
    }
}

/// The client's end: `tcp` secured as one to `host`, a name or an IP address, which the server's certificate must have.
pub(super) async fn connect(
    config: Arc<ClientConfig>,
    host: &str,
    tcp: TcpStream,
) -> std::io::Result<Box<dyn Io>> {
    let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
    let tls = TlsConnector::from(config).connect(name, tcp).await?;
    Ok(Box::new(tls))
}

impl Keys {
    fn new(default: CertifiedKey, others: Vec<CertifiedKey>) -> Self {
        Self {
            default: Arc::new(default),
            others: others.into_iter().map(Arc::new).collect(),
        }
    }
}

fn holds_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let certificate = key.end_entity_cert();
    let parsed = certificate.and_then(ParsedCertificate::try_from);
    parsed.is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
}
