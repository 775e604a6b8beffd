//! RTMPS: TLS in front of RTMP, with a certificate that can be replaced while sessions go on.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::connection::Io;
use super::server::Security;

/// Accepts TLS connections with the configuration of the moment. Clones share it.
#[derive(Clone, Debug)]
pub struct Acceptor {
    config: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Acceptor {
    /// An acceptor with `config`.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self {
            config: Arc::new(RwLock::new(config)),
        }
    }

    /// Uses `config` for connections from now on; those that stand keep theirs.
    pub fn replace(&self, config: Arc<ServerConfig>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

impl Security for Acceptor {
    async fn secure(&self, tcp: TcpStream) -> std::io::Result<Box<dyn Io>> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        let tls = TlsAcceptor::from(config).accept(tcp).await?;
        Ok(Box::new(tls))
    }
}
