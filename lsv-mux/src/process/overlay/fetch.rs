//! Fetching a picture, in this process and with care: whoever may edit a channel chooses where to, and must not reach
//! what only this machine can.
//!
//! Each hop is looked up once, and what is connected to is an address that was judged. No proxy, no cookie, no
//! credential; little time and few bytes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use lsv_core::reach::Reach;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::target::Target;
use super::{Config, PictureError};

/// Fetches what is at an address.
pub(super) struct Fetcher {
    reach: Reach,
    tls: Option<TlsConnector>,
}

impl Fetcher {
    pub(super) fn new(config: &Config) -> Self {
        let tls = config.tls.as_deref().cloned().map(|mut tls| {
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            TlsConnector::from(Arc::new(tls))
        });
        Self {
            reach: config.reach.clone(),
            tls,
        }
    }

    /// The bytes at `url`, or at where the servers there lead to.
    pub(super) async fn fetch(&self, url: &str) -> Result<Bytes, PictureError> {
        let fetched = timeout(TIME, self.follow(Target::parse(url)?)).await;
        fetched.unwrap_or(Err(PictureError::TimedOut(TIME)))
    }

    async fn follow(&self, mut target: Target) -> Result<Bytes, PictureError> {
        for _ in 0..=MAX_REDIRECTS {
            match self.request(&target).await? {
                Answer::Body(bytes) => return Ok(bytes),
                Answer::Elsewhere(location) => target = target.resolve(&location)?,
            }
        }
        Err(PictureError::Redirects(MAX_REDIRECTS))
    }

    async fn request(&self, target: &Target) -> Result<Answer, PictureError> {
        let answer = |source| PictureError::Answer {
            host: target.host().to_owned(),
            source,
        };
        let io = TokioIo::new(self.connect(target).await?);
        let mut builder = http1::Builder::new();
        let (mut sender, connection) = builder
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(io)
            .await
            .map_err(answer)?;
        let exchange = async {
            let response = sender
                .send_request(request_for(target))
                .await
                .map_err(answer)?;
            read(response, target).await
        };
        // What ends the connection too early, the exchange meets as well, after all that came before.
        let connection = async {
            drop(connection.await);
            std::future::pending().await
        };
        tokio::select! {
            read = exchange => read,
            never = connection => never,
        }
    }

    async fn connect(&self, target: &Target) -> Result<Box<dyn Io>, PictureError> {
        let tcp = self.connect_tcp(target).await?;
        if !target.secure {
            return Ok(Box::new(tcp));
        }
        let tls = self.tls.as_ref().ok_or(PictureError::NoTls)?;
        let connect = |source| PictureError::Connect {
            host: target.host().to_owned(),
            source,
        };
        let name = ServerName::try_from(target.host().to_owned());
        let name = name.map_err(|error| connect(io::Error::other(error)))?;
        Ok(Box::new(tls.connect(name, tcp).await.map_err(connect)?))
    }

    /// Tries the first addresses of the host, those within reach, one after the other.
    async fn connect_tcp(&self, target: &Target) -> Result<TcpStream, PictureError> {
        let host = || target.host().to_owned();
        let found = lookup_host((target.host(), target.port())).await;
        let found: Vec<SocketAddr> = match found {
            Ok(found) => found.take(MAX_ADDRESSES).collect(),
            Err(source) => {
                return Err(PictureError::Lookup {
                    host: host(),
                    source,
                });
            }
        };
        let mut failed = PictureError::OutOfReach { host: host() };
        for address in found {
            if !self.reach.contains(address) {
                continue;
            }
            let connected = timeout(CONNECT_TIME, TcpStream::connect(address)).await;
            match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(tcp) => return Ok(tcp),
                Err(source) => {
                    failed = PictureError::Connect {
                        host: host(),
                        source,
                    }
                }
            }
        }
        Err(failed)
    }
}

enum Answer {
    Body(Bytes),
    Elsewhere(String),
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

fn request_for(target: &Target) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = target.path.clone().into();
    let headers = request.headers_mut();
    let host = header::HeaderValue::try_from(target.authority.to_string());
    // A host is made of letters, digits and punctuation.
    headers.extend(host.ok().map(|host| (header::HOST, host)));
    for (name, value) in [
        (
            header::ACCEPT,
            "image/png, image/webp, image/jpeg, image/gif",
        ),
        (header::ACCEPT_ENCODING, "identity"),
        (header::USER_AGENT, USER_AGENT),
        (header::CONNECTION, "close"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    request
}

async fn read(response: http::Response<Incoming>, target: &Target) -> Result<Answer, PictureError> {
    let (status, host) = (response.status(), || target.host().to_owned());
    let location = response.headers().get(header::LOCATION);
    let location = location.and_then(|location| location.to_str().ok());
    match (status, location) {
        (StatusCode::OK, _) => {}
        (status, Some(location)) if REDIRECTS.contains(&status) => {
            return Ok(Answer::Elsewhere(location.to_owned()));
        }
        (status, _) => {
            return Err(PictureError::Status {
                host: host(),
                status: status.as_u16(),
            });
        }
    }
    let mut body = response.into_body();
    let announced = body.size_hint().lower();
    if announced > MAX_BYTES as u64 {
        return Err(PictureError::Bytes(MAX_BYTES));
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|source| PictureError::Answer {
            host: host(),
            source,
        })?;
        let data = frame.into_data().unwrap_or_default();
        if bytes.len() + data.len() > MAX_BYTES {
            return Err(PictureError::Bytes(MAX_BYTES));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Answer::Body(bytes.freeze()))
}

/// What makes a client look elsewhere (RFC 9110 §15.4).
const REDIRECTS: [StatusCode; 5] = [
    StatusCode::MOVED_PERMANENTLY,
    StatusCode::FOUND,
    StatusCode::SEE_OTHER,
    StatusCode::TEMPORARY_REDIRECT,
    StatusCode::PERMANENT_REDIRECT,
];
const USER_AGENT: &str = concat!("lsv/", env!("CARGO_PKG_VERSION"));
/// All of it: lookups, connections, redirects and the body. Somebody waits for the API's answer.
const TIME: Duration = Duration::from_secs(10);
/// One address, so that another has its turn.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// How many servers may lead to the next.
const MAX_REDIRECTS: usize = 3;
/// How many addresses of a host are tried.
const MAX_ADDRESSES: usize = 4;
/// Largest head of an answer.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Largest picture, as it is sent.
const MAX_BYTES: usize = 8 << 20;

#[cfg(test)]
mod tests;
