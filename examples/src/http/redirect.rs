//! From plain HTTP to HTTPS, for those who ask in the clear.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use lsv_auth::cidr::Networks;
use lsv_core::access::Secured;
use lsv_core::channel::Authority;

/// Where plain requests are sent.
#[derive(Debug, Clone)]
pub(crate) struct ToHttps {
    /// The port of HTTPS.
    pub(crate) port: u16,
    /// Proxies that may have ended TLS, whose word counts.
    pub(crate) trusted: Networks,
}

/// `router`, whose plain requests are sent to HTTPS (RFC 9110 §15.4.9), and whose secured answers say that it stays so
/// (RFC 6797). Health and readiness are answered either way: who checks them follows no redirect.
pub(crate) fn to_https(router: Router, to: ToHttps) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::new(to), lead))
}

async fn lead(State(to): State<Arc<ToHttps>>, request: Request, next: Next) -> Response {
    let secured = to.is_secured(&request);
    if secured || OPEN.contains(&request.uri().path()) {
        let mut response = next.run(request).await;
        if secured {
            let stays = HeaderValue::from_static(STAYS);
            let fields = response.headers_mut();
            fields.insert(header::STRICT_TRANSPORT_SECURITY, stays);
        }
        return response;
    }
    match to.location(&request) {
        Some(location) => {
            // It is made of what the client called this host, which is not for others.
            let no_store = HeaderValue::from_static("no-store");
            let fields = [
                (header::LOCATION, location),
                (header::CACHE_CONTROL, no_store),
            ];
            (StatusCode::PERMANENT_REDIRECT, fields).into_response()
        }
        None => (StatusCode::BAD_REQUEST, "the header Host is no host\n").into_response(),
    }
}

impl ToHttps {
    fn is_secured(&self, request: &Request) -> bool {
        let extensions = request.extensions();
        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        let trusts = |peer: IpAddr| self.trusted.contains(peer.to_canonical());
        extensions.get::<Secured>().is_some()
            || peer.is_some_and(|ConnectInfo(peer)| trusts(peer.ip()))
                && is_forwarded_secured(request.headers())
    }

    fn location(&self, request: &Request) -> Option<HeaderValue> {
        // HTTP/2 names the host in the address.
        let named = request.uri().authority().map(|named| named.as_str());
        let host = request.headers().get(header::HOST);
        let host = Authority::parse(named.or(host?.to_str().ok())?)?;
        let port = match self.port {
            443 => String::new(),
            port => format!(":{port}"),
        };
        let path = request.uri().path_and_query()?;
        HeaderValue::try_from(format!("https://{}{port}{path}", host.host())).ok()
    }
}

fn is_forwarded_secured(headers: &HeaderMap) -> bool {
    let scheme = headers.get("x-forwarded-proto");
    scheme.is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// What load balancers check.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// A year.
const STAYS: &str = "max-age=31536000";

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn ask(path: &str, change: impl FnOnce(&mut Request)) -> Response {
        let router = Router::new()
            .route("/cam/live.m3u8", get(async || "media"))
            .route("/healthz", get(async || "ok"));
        let to = ToHttps {
            port: 8443,
            trusted: "10.0.0.0/8".parse().unwrap(),
        };
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().unwrap();
        let host = HeaderValue::from_static("live.example:8080");
        request.headers_mut().insert(header::HOST, host);
        change(&mut request);
        to_https(router, to).oneshot(request).await.unwrap()
    }

    fn came_from(request: &mut Request, peer: &str) {
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let https = HeaderValue::from_static("https");
        request.headers_mut().insert("x-forwarded-proto", https);
    }

    #[tokio::test]
    async fn plain_requests_go_to_https_with_all_they_ask() {
        let answer = ask("/cam/live.m3u8?token=x&_HLS_msn=1", |_| ()).await;
        assert_eq!(answer.status(), 308);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(
            answer.headers()["location"],
            "https://live.example:8443/cam/live.m3u8?token=x&_HLS_msn=1"
        );
    }

    #[tokio::test]
    async fn secured_requests_are_answered_and_told_to_stay() {
        let secured = |request: &mut Request| _ = request.extensions_mut().insert(Secured);
        let answer = ask("/cam/live.m3u8", secured).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["strict-transport-security"], STAYS);
        let ended_before = |request: &mut Request| came_from(request, "10.1.2.3:4");
        assert_eq!(ask("/cam/live.m3u8", ended_before).await.status(), 200);
        let says_so = |request: &mut Request| came_from(request, "192.0.2.1:4");
        assert_eq!(ask("/cam/live.m3u8", says_so).await.status(), 308);
    }

    #[tokio::test]
    async fn health_is_open_and_hosts_are_hosts() {
        assert_eq!(ask("/healthz", |_| ()).await.status(), 200);
        let evil = |request: &mut Request| {
            let host = HeaderValue::from_static("evil.example/x?");
            request.headers_mut().insert(header::HOST, host);
        };
        assert_eq!(ask("/cam/live.m3u8", evil).await.status(), 400);
        let none = |request: &mut Request| drop(request.headers_mut().remove(header::HOST));
        assert_eq!(ask("/cam/live.m3u8", none).await.status(), 400);
    }
}
