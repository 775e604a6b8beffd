//! Requests to upstream: one connection pool, no redirects, no cookies, and a time limit for everything.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::failure::Failure;
use super::head::Head;
use super::range::ContentRange;
use super::upstream::Upstream;
use super::via::Way;
use super::wish::Wish;
use super::{Config, Limits};

/// Asks upstreams.
#[derive(Clone)]
pub(super) struct Client {
    hyper: legacy::Client<Connector, Empty<Bytes>>,
    idle: Duration,
    object: Duration,
}

/// What to ask for.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub(super) wish: &'a Wish,
    pub(super) way: &'a Way,
    /// The tag of what is there already.
    pub(super) known: Option<&'a str>,
    /// First and last byte that are wanted.
    pub(super) range: Option<(u64, u64)>,
}

/// What an upstream answered.
#[derive(Debug)]
pub(super) enum Reply {
    /// All of the object.
    Whole {
        head: Head,
        length: Option<u64>,
        rest: Rest,
    },
    /// A part of it.
    Part {
        head: Head,
        range: ContentRange,
        rest: Rest,
    },
    /// It is what it was.
    Unchanged(Head),
    /// There is none.
    Absent,
}

/// A body that is yet to be read.
#[derive(Debug)]
pub(super) struct Rest {
    body: Incoming,
    idle: Duration,
    until: Instant,
}

impl Client {
    pub(super) fn new(config: &Config, limits: &Limits) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(limits.connect));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let tls = config.tls.as_deref().cloned().map(|mut tls| {
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            TlsConnector::from(Arc::new(tls))
        });
        let connector = Connector {
            tcp,
            tls,
            handshake: limits.connect,
        };
        let hyper = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_TIME)
            .pool_max_idle_per_host(POOL_CONNECTIONS)
            .http1_max_buf_size(BUFFER_BYTES)
            .build(connector);
        Self {
            hyper,
            idle: limits.idle,
            object: limits.object,
        }
    }

    /// Asks `upstream`, and reads no more than the head of its answer, for which it has `patience`.
    pub(super) async fn ask(
        &self,
        upstream: &Upstream,
        ask: &Ask<'_>,
        patience: Duration,
    ) -> Result<Reply, Failure> {
        let request = request(upstream, ask)?;
        let answered = timeout(patience, self.hyper.request(request)).await;
        let response = answered.map_err(|_| Failure::TimedOut)?;
        let response = response.map_err(|error| unreachable(&error))?;
        self.read(response, ask)
    }

    fn read(&self, response: Response<Incoming>, ask: &Ask<'_>) -> Result<Reply, Failure> {
        let (parts, body) = response.into_parts();
        match parts.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
            StatusCode::NOT_MODIFIED if ask.known.is_some() => {
                return Ok(Reply::Unchanged(Head::read(&parts.headers)));
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(Reply::Absent),
            StatusCode::BAD_REQUEST => return Err(Failure::BadRequest),
            StatusCode::SERVICE_UNAVAILABLE => return Err(Failure::NotYet),
            StatusCode::LOOP_DETECTED => return Err(Failure::Loop),
            // Redirects among them: whoever could set one would choose what all viewers get.
            status => return Err(Failure::Status(status.as_u16())),
        }
        let coding = parts.headers.get(header::CONTENT_ENCODING);
        if coding.is_some_and(|coding| coding != "identity") {
            return Err(Failure::Unusable(
                "the answer is compressed, which was not asked for",
            ));
        }
        let head = Head::read(&parts.headers);
        let length = hyper::body::Body::size_hint(&body).exact();
        let rest = Rest {
            body,
            idle: self.idle,
            until: Instant::now() + self.object,
        };
        if parts.status == StatusCode::OK {
            return Ok(Reply::Whole { head, length, rest });
        }
        let range = parts.headers.get(header::CONTENT_RANGE);
        let range = range.and_then(|range| ContentRange::parse(range.to_str().ok()?));
        let range = range.filter(|range| length.is_none_or(|length| length == range.length()));
        match (range, ask.range) {
            (Some(range), Some((first, last))) if range.answers(first, last) => {
                Ok(Reply::Part { head, range, rest })
            }
            _ => Err(Failure::Unusable(
                "the answer is another range than was asked for",
            )),
        }
    }
}

impl Rest {
    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let until = self.until.min(Instant::now() + self.idle);
            let frame = timeout_at(until, self.body.frame()).await;
            match frame.map_err(|_| Failure::TimedOut)? {
                None => return Ok(None),
                Some(Err(error)) => return Err(unreachable(&error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

fn request(upstream: &Upstream, ask: &Ask<'_>) -> Result<Request<Empty<Bytes>>, Failure> {
    let wish = ask.wish;
    let base = upstream.base.path().trim_end_matches('/');
    let pairs = [Some(wish.query.as_str()), upstream.credential.as_deref()];
    let pairs: Vec<&str> = pairs
        .into_iter()
        .flatten()
        .filter(|pair| !pair.is_empty())
        .collect();
    let mut target = format!("{base}{}", wish.path);
    if !pairs.is_empty() {
        target = format!("{target}?{}", pairs.join("&"));
    }
    let bad = |_| Failure::Unusable("the upstream's address makes no request");
    let target = PathAndQuery::try_from(target).map_err(|error| bad(http::Error::from(error)))?;
    let mut uri = upstream.base.clone().into_parts();
    uri.path_and_query = Some(target);
    let uri = Uri::from_parts(uri).map_err(|error| bad(error.into()))?;
    let mut request = Request::get(uri)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .header(header::ACCEPT_ENCODING, "identity");
    if let Some(way) = ask.way.field() {
        request = request.header(header::VIA, way);
    }
    if let Some(tag) = ask.known {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    if let Some((first, last)) = ask.range {
        request = request.header(header::RANGE, format!("bytes={first}-{last}"));
    }
    request.body(Empty::new()).map_err(bad)
}

/// With what is behind the error, and no address: that one may hold a credential.
fn unreachable(error: &dyn std::error::Error) -> Failure {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        text = format!("{text}: {error}");
        behind = error.source();
    }
    Failure::Unreachable(text)
}

/// Connects to upstreams, with TLS where the address says so.
#[derive(Clone)]
struct Connector {
    tcp: HttpConnector,
    tls: Option<TlsConnector>,
    handshake: Duration,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Wire>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let secured = uri.scheme() == Some(&Scheme::HTTPS);
        let (tls, handshake) = (self.tls.clone().filter(|_| secured), self.handshake);
        let connecting = self.tcp.call(uri.clone());
        Box::pin(async move {
            let tcp = connecting.await?.into_inner();
            let Some(tls) = tls else {
                return match secured {
                    true => Err("upstreams at https addresses need certificates to trust".into()),
                    false => Ok(TokioIo::new(Wire(Box::new(tcp)))),
                };
            };
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
            let name = ServerName::try_from(host.to_owned())?;
            let secured = timeout(handshake, tls.connect(name, tcp)).await??;
            Ok(TokioIo::new(Wire(Box::new(secured))))
        })
    }
}

/// A connection to an upstream.
struct Wire(Box<dyn Io>);

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl Io for TcpStream {}

impl Io for tokio_rustls::client::TlsStream<TcpStream> {}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

const USER_AGENT: &str = concat!("lsv/", env!("CARGO_PKG_VERSION"));
/// A connection that is not used for as long is closed. Servers of our own wait for 30 s.
const POOL_TIME: Duration = Duration::from_secs(20);
/// Connections to an upstream that are kept without a request.
const POOL_CONNECTIONS: usize = 64;
/// The longest head of an answer, and what is read of a body at once.
const BUFFER_BYTES: usize = 64 << 10;
