//! One question to one node.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::http::uri::{Authority, InvalidUri, PathAndQuery, Scheme};
use hyper::{Request, StatusCode, Uri};
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
pub(super) type Http = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

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
        let path =
            PathAndQuery::try_from(path).map_err(|error| Error::Invalid(error.to_string()))?;
        match timeout(self.time, self.ask(path)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::unavailable(format_args!(
                "{self} did not answer within {:?}",
                self.time
            ))),
        }
    }

    async fn ask(&self, path: PathAndQuery) -> Result<Option<Bytes>> {
        let failed = |error: &dyn fmt::Display| Error::unavailable(format_args!("{self}: {error}"));
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build();
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri.map_err(|error| Error::Invalid(error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        let response = self.http.request(request).await;
        let response = response.map_err(|error| failed(&error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(Error::Denied(format!(
                    "{self} does not take this node's token; all nodes need the same"
                )));
            }
            status => return Err(failed(&status)),
        }
        let body = Limited::new(response.into_body(), MAX_BYTES)
            .collect()
            .await;
        body.map(|body| Some(body.to_bytes()))
            .map_err(|error| failed(&error))
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
const IDLE: Duration = Duration::from_secs(60);
const IDLE_CONNECTIONS: usize = 4;
