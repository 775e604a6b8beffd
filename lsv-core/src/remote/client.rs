//! One question to one node.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue};
use hyper::http::uri::{Authority, InvalidUri, PathAndQuery, Scheme};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use lsv_auth::Secret;
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::ports::{Error, Result};

/// A node to ask, over connections that are kept.
#[derive(Clone)]
pub(super) struct Node {
    scheme: Scheme,
    authority: Authority,
    authorization: HeaderValue,
    http: Http,
    time: Duration,
}

/// Connections to all nodes.
pub(super) type Http = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client of HTTP and HTTPS.
pub(super) fn http(tls: Arc<ClientConfig>) -> Http {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIME));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(Arc::unwrap_or_clone(tls))
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build(connector)
}

impl Node {
    pub(super) fn new(
        base: &str,
        token: &Secret,
        http: Http,
        time: Duration,
    ) -> Result<Self, InvalidBase> {
        let uri: Uri = base.parse().map_err(|_: InvalidUri| InvalidBase)?;
        let parts = uri.into_parts();
        let bare = parts.path_and_query.is_none_or(|path| path == "/");
        let (Some(scheme), Some(authority), true) = (parts.scheme, parts.authority, bare) else {
            return Err(InvalidBase);
        };
        let known = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
        if !known || authority.as_str().contains('@') {
            return Err(InvalidBase);
        }
        let bearer = [b"Bearer ", token.expose()].concat();
        let mut authorization = HeaderValue::from_bytes(&bearer).map_err(|_| InvalidBase)?;
        authorization.set_sensitive(true);
        Ok(Self {
            scheme,
            authority,
            authorization,
            http,
            time,
        })
    }

    /// Host without port, in brackets where it is an IPv6 address.
    pub(super) fn host(&self) -> &str {
        self.authority.host()
    }

    /// The answer to a GET; `None` where the node says that there is no such thing.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        let asked = Asked::new(Method::GET, path.to_owned());
        let answered = timeout(self.time, self.ask(&asked, MAX_BYTES)).await;
        let answered = answered.map_err(|_| self.silent(self.time))??;
        match answered.status {
            StatusCode::OK => Ok(Some(answered.bytes)),
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(strangers(self)),
            status => Err(Error::unavailable(format_args!("{self}: {status}"))),
        }
    }

    /// The answer to a request, of at most so many bytes. It gets time for what it sends, and its answer comes in for as
    /// long as it does not pause.
    pub(super) async fn ask(&self, asked: &Asked, most: usize) -> Result<Answered> {
        let failed = |error: &dyn fmt::Display| Error::unavailable(format_args!("{self}: {error}"));
        let request = self.request(asked)?;
        let sending = u32::try_from(asked.body.len() / BYTES_A_SECOND).unwrap_or(u32::MAX);
        let time = self.time + Duration::from_secs(1) * sending;
        let response = timeout(time, self.http.request(request)).await;
        let response = response.map_err(|_| self.silent(time))?;
        let (parts, mut body) = response.map_err(|error| failed(&error))?.into_parts();
        let mut bytes = BytesMut::new();
        loop {
            let frame = timeout(self.time, body.frame()).await;
            let Some(frame) = frame.map_err(|_| self.silent(self.time))? else {
                break;
            };
            let frame = frame.map_err(|error| failed(&error))?;
            if let Ok(data) = frame.into_data() {
                if data.len() > most.saturating_sub(bytes.len()) {
                    return Err(failed(&format_args!("it says more than {most} bytes")));
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(Answered {
            status: parts.status,
            headers: parts.headers,
            bytes: bytes.freeze(),
        })
    }

    /// The answer to a GET that has no end, once it begins.
    pub(super) async fn open(&self, path: &str) -> Result<Incoming> {
        let request = self.request(&Asked::new(Method::GET, path.to_owned()))?;
        let response = timeout(self.time, self.http.request(request)).await;
        let response = response
            .map_err(|_| self.silent(self.time))?
            .map_err(|error| Error::unavailable(format_args!("{self}: {error}")))?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(strangers(self)),
            status => Err(Error::unavailable(format_args!("{self}: {status}"))),
        }
    }

    fn request(&self, asked: &Asked) -> Result<Request<Full<Bytes>>> {
        let path = PathAndQuery::try_from(asked.path.as_str())
            .map_err(|error| Error::Invalid(error.to_string()))?;
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build();
        let mut request = Request::new(Full::new(asked.body.clone()));
        *request.uri_mut() = uri.map_err(|error| Error::Invalid(error.to_string()))?;
        request.method_mut().clone_from(&asked.method);
        request.headers_mut().clone_from(&asked.headers);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        // Where a body is empty, this says so too.
        headers.insert(CONTENT_LENGTH, asked.body.len().into());
        Ok(request)
    }

    fn silent(&self, time: Duration) -> Error {
        Error::unavailable(format_args!("{self} did not answer within {time:?}"))
    }
}

/// What a node is asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Most bytes that it may answer.
    pub(super) most: usize,
}

impl Asked {
    pub(super) fn new(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            most: MAX_BYTES,
        }
    }
}

/// What a node answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
}

/// A node that takes this one for a stranger.
pub(super) fn strangers(node: &Node) -> Error {
    Error::Denied(format!(
        "{node} does not take this node's token; all nodes need the same"
    ))
}

/// A node whose answer makes no sense.
pub(super) fn damaged(node: &Node, error: impl fmt::Display) -> Error {
    Error::Damaged {
        what: format!("the answer of {node}"),
        detail: error.to_string(),
        advice: "run the same release on all nodes".to_owned(),
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not the address of a node, or not a token that HTTP can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node's address is http:// or https:// with a host and a port, and no path")]
pub struct InvalidBase;

/// Largest answer: a channel record with every text at its longest, several times over.
const MAX_BYTES: usize = 256 << 10;
/// How long a connection may take to come about; less than the whole answer, so that there is time for another address.
const CONNECT_TIME: Duration = Duration::from_secs(1);
/// A connection that is slower than that, in bytes, counts as broken.
const BYTES_A_SECOND: usize = 512 << 10;
const IDLE: Duration = Duration::from_secs(60);
const IDLE_CONNECTIONS: usize = 32;
