//! An edge in front of upstreams on loopback, which count what they are asked for.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Mutex;

use async_trait::async_trait;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::Request;
use axum::response::IntoResponse;
use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt};
use http::{HeaderMap, StatusCode, Uri, header};
use lsv_core::hub::Hub;
use lsv_core::path::ChannelId;
use lsv_core::ports;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use super::super::tests::inherit::Tokens;
use super::super::tests::{Counters, body, field, get, state};
use super::super::{Stall, router};
use super::*;

mod circle;
mod hostile;
mod large;

/// A node that answers what a test says.
struct Node {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Parts>>>,
    server: AbortHandle,
}

type Reply = Box<dyn Fn(Parts) -> BoxFuture<'static, Response> + Send + Sync>;

impl Node {
    async fn start<F>(answer: impl Fn(Parts) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Parts>>>::default();
        let (seen, answer): (_, Reply) = (
            Arc::clone(&asked),
            Box::new(move |parts| answer(parts).boxed()),
        );
        let answer = Arc::new(answer);
        let service = axum::Router::new().fallback(move |request: Request| {
            let (parts, _) = request.into_parts();
            seen.lock().unwrap().push(parts.clone());
            let answer = Arc::clone(&answer);
            async move { answer(parts).await }
        });
        let server = tokio::spawn(async move { axum::serve(listener, service).await });
        Self {
            address,
            asked,
            server: server.abort_handle(),
        }
    }

    fn upstream(&self) -> Upstream {
        Upstream::new(base(self.address))
    }

    /// What it was asked for, path and query.
    fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|parts| parts.uri.to_string()).collect()
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn last(&self) -> HeaderMap {
        let asked = self.asked.lock().unwrap();
        asked.last().unwrap().headers.clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn base(address: SocketAddr) -> Uri {
    format!("http://{address}").parse().unwrap()
}

/// The same upstreams for every channel but `unknown...`, until it is told that they cannot be found out.
#[derive(Debug, Default)]
struct Known {
    upstreams: Mutex<Vec<Upstream>>,
}

#[async_trait]
impl Upstreams for Known {
    async fn of(&self, channel: &ChannelId) -> ports::Result<Vec<Upstream>> {
        match channel.as_str() {
            unknown if unknown.starts_with("unknown") => Ok(Vec::new()),
            "nobody-knows" => Err(ports::Error::unavailable("the registry is down")),
            _ => Ok(self.upstreams.lock().unwrap().clone()),
        }
    }
}

/// An edge that answers everything, and the router before it.
struct Front {
    edge: Edge,
    known: Arc<Known>,
    router: axum::Router,
}

impl Front {
    fn of(upstreams: Vec<Upstream>) -> Self {
        Self::with(upstreams, |_, _| {})
    }

    fn with(upstreams: Vec<Upstream>, change: impl FnOnce(&mut Config, &mut Limits)) -> Self {
        let mut config = Config::new(NodeName::parse("edge-1").unwrap());
        config.scope = Scope::Everything;
        let mut limits = Limits::default();
        change(&mut config, &mut limits);
        let known = Arc::new(Known {
            upstreams: Mutex::new(upstreams),
        });
        let upstreams: Arc<dyn Upstreams> = Arc::clone(&known) as _;
        let edge = Edge::new(config, limits, upstreams).unwrap();
        let state = state(&Hub::default()).with_edge(edge.clone());
        Self {
            edge,
            known,
            router: router(state),
        }
    }

    async fn get(&self, path: &str) -> Response {
        get(&self.router, path, &[]).await
    }

    async fn ask(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        get(&self.router, path, fields).await
    }
}

const SEGMENT: &str = "/cam/ts/1700000000.ts";
const IMMUTABLE: &str = "public, max-age=3600, immutable";

/// Media that never changes.
fn media(bytes: Bytes) -> Response {
    let fields = [
        (header::CONTENT_TYPE, "video/mp2t"),
        (header::CACHE_CONTROL, IMMUTABLE),
        (header::ETAG, "\"m-1\""),
    ];
    (fields, bytes).into_response()
}

fn playlist(text: &'static str, tag: &str, cache: &str) -> Response {
    let fields = [
        (header::CONTENT_TYPE, "application/vnd.apple.mpegurl"),
        (header::CACHE_CONTROL, cache),
        (header::ETAG, tag),
    ];
    (fields, text).into_response()
}

/// Bytes that tell where they are.
fn counted(length: usize) -> Bytes {
    (0..length)
        .map(|index| (index / 7 + index / 1024) as u8)
        .collect::<Vec<u8>>()
        .into()
}

#[tokio::test]
async fn what_was_fetched_once_is_kept() {
    let bytes = counted(300_000);
    let answer = bytes.clone();
    let node = Node::start(move |_| std::future::ready(media(answer.clone()))).await;
    let front = Front::of(vec![node.upstream().with_credential("node=17-secret")]);
    let fields = [
        ("cookie", "CloudFront-Signature=s"),
        ("authorization", "Bearer b"),
        ("referer", "http://page"),
        ("accept-encoding", "gzip"),
    ];
    let first = front
        .ask(&format!("{SEGMENT}?exp=9&token=viewer"), &fields)
        .await;
    assert_eq!(
        (first.status(), field(&first, "x-cache")),
        (StatusCode::OK, "MISS")
    );
    assert_eq!(body(first).await, bytes);
    // Nothing of the viewer's went on, and what lets this node in did.
    assert_eq!(node.asked(), [format!("{SEGMENT}?node=17-secret")]);
    let sent = node.last();
    for name in ["cookie", "authorization", "referer", "x-forwarded-for"] {
        assert!(!sent.contains_key(name), "{name}");
    }
    assert_eq!(sent[header::VIA], "1.1 edge-1");
    assert_eq!(sent[header::ACCEPT_ENCODING], "identity");

    let second = front
        .ask(&format!("{SEGMENT}?exp=8&token=other"), &[])
        .await;
    for (name, value) in [
        ("x-cache", "HIT"),
        ("age", "0"),
        ("via", "1.1 edge-1"),
        ("etag", "\"m-1\""),
        ("cache-control", IMMUTABLE),
        ("content-type", "video/mp2t"),
        ("content-length", "300000"),
        ("accept-ranges", "bytes"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(field(&second, name), value, "{name}");
    }
    assert_eq!(body(second).await, bytes);

    let part = front.ask(SEGMENT, &[("range", "bytes=299990-")]).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(field(&part, "content-range"), "bytes 299990-299999/300000");
    assert_eq!(body(part).await, bytes.slice(299_990..));
    let beyond = front.ask(SEGMENT, &[("range", "bytes=300000-")]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let known = front.ask(SEGMENT, &[("if-none-match", "\"m-1\"")]).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    let other = [("range", "bytes=0-1"), ("if-range", "\"m-0\"")];
    assert_eq!(front.ask(SEGMENT, &other).await.status(), StatusCode::OK);
    let head = Request::head(SEGMENT).body(HttpBody::empty()).unwrap();
    let head = super::super::tests::ask(&front.router, head).await;
    assert_eq!(field(&head, "content-length"), "300000");
    assert!(body(head).await.is_empty());
    assert_eq!(node.count(), 1);
}

/// The upstream's own count says one, and so do the metrics.
#[tokio::test]
async fn ten_thousand_who_want_a_cold_segment_cost_one_fetch() {
    const VIEWERS: usize = 10_000;
    let bytes = counted(1 << 20);
    let (answer, go) = (bytes.clone(), Arc::new(Notify::new()));
    let gate = Arc::clone(&go);
    let node = Node::start(move |_| {
        let (answer, gate) = (answer.clone(), Arc::clone(&gate));
        async move {
            gate.notified().await;
            media(answer)
        }
    })
    .await;
    let front = Front::of(vec![node.upstream()]);
    let path = "/cam/vod/20261123T000000Z/segment-1.m4s";
    let counters = Counters::default();
    let guard = metrics::set_default_local_recorder(&counters);
    let viewers = (0..VIEWERS).map(|viewer| {
        let (router, expected) = (front.router.clone(), bytes.clone());
        tokio::spawn(async move {
            let response = get(&router, &format!("{path}?exp=9&token={viewer}"), &[]).await;
            let how = field(&response, "x-cache").to_owned();
            assert_eq!(body(response).await, expected);
            how
        })
    });
    let viewers: Vec<_> = viewers.collect();
    while front.edge.held().waiting < VIEWERS - 1 {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    let mut how = HashMap::new();
    for viewer in join_all(viewers).await {
        *how.entry(viewer.unwrap()).or_insert(0) += 1;
    }
    drop(guard);
    assert_eq!(
        how,
        HashMap::from([("MISS".into(), 1), ("COALESCED".into(), VIEWERS - 1)])
    );
    assert_eq!(node.count(), 1);
    assert_eq!(
        counters.of("lsv_edge_upstream_fetches_total kind=recorded outcome=whole"),
        1
    );
    assert_eq!(
        counters.of("lsv_edge_requests_total kind=recorded result=miss"),
        1
    );
    let coalesced = counters.of("lsv_edge_requests_total kind=recorded result=coalesced");
    assert_eq!(coalesced, VIEWERS as u64 - 1);
    assert_eq!(
        (front.edge.held().waiting, front.edge.held().fetches),
        (0, 0)
    );
}

#[tokio::test]
async fn playlists_are_kept_for_their_own_pace_and_reloads_are_coalesced() {
    let node = Node::start(async |parts: Parts| {
        let query = parts.uri.query().unwrap_or_default();
        match (query, parts.headers.get(header::IF_NONE_MATCH)) {
            ("", Some(tag)) if tag == "\"p\"" => {
                let fields = [(header::CACHE_CONTROL, "no-cache"), (header::ETAG, "\"p\"")];
                (StatusCode::NOT_MODIFIED, fields).into_response()
            }
            ("", _) => playlist("#EXTM3U\n# now\n", "\"p\"", "no-cache"),
            _ => playlist("#EXTM3U\n# then\n", "\"q\"", "public, max-age=6"),
        }
    })
    .await;
    let front = Front::of(vec![node.upstream()]);
    // Without an age it is asked for each time, and comes once as long as it is the same.
    for expected in ["MISS", "MISS"] {
        let response = front.get("/cam/master.m3u8").await;
        assert_eq!(field(&response, "x-cache"), expected);
        assert_eq!(body(response).await, "#EXTM3U\n# now\n");
    }
    assert_eq!(node.last()[header::IF_NONE_MATCH], "\"p\"");
    // However it is written, and whoever writes it.
    for (query, expected) in [
        ("_HLS_msn=7&_HLS_part=2", "MISS"),
        ("token=a&_HLS_part=2&exp=1&_HLS_msn=7", "HIT"),
        ("_HLS_msn=007&_HLS_part=2&x=%2e%2e", "HIT"),
        ("_HLS_msn=7&_HLS_part=2&_HLS_skip=YES", "MISS"),
        ("_HLS_msn=7&_HLS_part=2&_HLS_skip=v2", "HIT"),
        ("start=2026-11-22T20:00:00Z&end=1795377700", "MISS"),
        ("end=2026-11-22T20:01:40Z&start=1795377600", "HIT"),
    ] {
        let response = front.get(&format!("/cam/master.m3u8?{query}")).await;
        assert_eq!(field(&response, "x-cache"), expected, "{query}");
    }
    assert_eq!(node.asked()[2], "/cam/master.m3u8?_HLS_msn=7&_HLS_part=2");
    assert_eq!(node.count(), 5);
    let gzip = front.ask(
        "/cam/master.m3u8?_HLS_msn=7&_HLS_part=2",
        &[("accept-encoding", "gzip")],
    );
    let gzip = gzip.await;
    assert_eq!(field(&gzip, "content-encoding"), "gzip");
    assert_eq!(
        (field(&gzip, "etag"), field(&gzip, "vary")),
        ("\"q-gz\"", "Accept-Encoding")
    );
    let known = [("accept-encoding", "gzip"), ("if-none-match", "\"q-gz\"")];
    let known = front
        .ask("/cam/master.m3u8?_HLS_msn=7&_HLS_part=2", &known)
        .await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(
        front.get("/cam/master.m3u8?_HLS_part=1").await.status(),
        400
    );
}

#[tokio::test]
async fn a_segment_that_grows_goes_on_as_it_comes() {
    let (pieces, arriving) = mpsc::channel::<Bytes>(1);
    let arriving = Mutex::new(Some(arriving));
    let node = Node::start(move |_| {
        let mut arriving = arriving.lock().unwrap().take().unwrap();
        let body = futures::stream::poll_fn(move |context| arriving.poll_recv(context));
        let body = HttpBody::from_stream(body.map(Ok::<_, Infallible>));
        let fields = [
            (header::CONTENT_TYPE, "video/mp4"),
            (header::CACHE_CONTROL, IMMUTABLE),
        ];
        std::future::ready((fields, body).into_response())
    })
    .await;
    let front = Front::of(vec![node.upstream()]);
    let path = "/cam/cmaf/video-7.m4s";
    pieces.send(Bytes::from("one ")).await.unwrap();
    let mut early = front.get(path).await.into_body().into_data_stream();
    assert_eq!(early.next().await.unwrap().unwrap(), "one ");
    let late = front.get(path).await;
    assert_eq!(field(&late, "content-length"), "");
    let mut late = late.into_body().into_data_stream();
    assert_eq!(late.next().await.unwrap().unwrap(), "one ");
    pieces.send(Bytes::from("two")).await.unwrap();
    assert_eq!(early.next().await.unwrap().unwrap(), "two");
    assert_eq!(late.next().await.unwrap().unwrap(), "two");
    let part = front.ask(path, &[("range", "bytes=4-")]);
    let (part, ()) = tokio::join!(part, async { drop(pieces) });
    assert_eq!(field(&part, "content-range"), "bytes 4-6/7");
    assert_eq!(body(part).await, "two");
    assert!(early.next().await.is_none() && late.next().await.is_none());
    let whole = front.get(path).await;
    assert_eq!(
        (field(&whole, "x-cache"), field(&whole, "content-length")),
        ("HIT", "7")
    );
    assert_eq!(node.count(), 1);
}

#[tokio::test]
async fn another_upstream_takes_over_and_what_is_old_stands_in_for_none() {
    let nodes = [
        Node::start(async |_| playlist("#EXTM3U\n# a\n", "\"a\"", "max-age=0")).await,
        Node::start(async |_| playlist("#EXTM3U\n# b\n", "\"b\"", "max-age=0")).await,
    ];
    let front = Front::of(nodes.iter().map(Node::upstream).collect());
    let get = async || {
        let response = front.get("/cam/live.m3u8").await;
        let how = field(&response, "x-cache").to_owned();
        (response.status().as_u16(), how, body(response).await)
    };
    let miss = |text: &'static str| (200, "MISS".to_owned(), Bytes::from(text));
    assert_eq!(get().await, miss("#EXTM3U\n# a\n"));
    let [first, second] = nodes;
    drop(first);
    // A connection that is open may end in the middle of this.
    assert_eq!(get().await, miss("#EXTM3U\n# b\n"));
    assert_eq!(get().await, miss("#EXTM3U\n# b\n"));
    drop(second);
    let stale = (200, "STALE".to_owned(), Bytes::from("#EXTM3U\n# b\n"));
    assert_eq!(get().await, stale);
    assert_eq!(get().await, stale);
    // One that comes back, elsewhere.
    let third = Node::start(async |_| playlist("#EXTM3U\n# c\n", "\"c\"", "max-age=0")).await;
    *front.known.upstreams.lock().unwrap() = vec![third.upstream()];
    tokio::time::sleep(Limits::default().pause).await;
    assert_eq!(get().await, miss("#EXTM3U\n# c\n"));
    let cold = front.get("/nobody-knows/live.m3u8").await;
    assert_eq!(cold.status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn what_is_for_one_alone_is_not_kept() {
    let node = Node::start(async |parts: Parts| {
        let cache = match parts.uri.path() {
            // As if the node had forgotten to say it.
            "/cam/key/1" => "max-age=60",
            _ => "private, max-age=60",
        };
        playlist("16 bytes of a key", "\"k\"", cache)
    })
    .await;
    let front = Front::of(vec![node.upstream()]);
    for path in ["/cam/key/1", "/cam/live.m3u8"] {
        for _ in 0..2 {
            let response = front.get(path).await;
            assert_eq!(field(&response, "x-cache"), "MISS", "{path}");
        }
    }
    assert_eq!((node.count(), front.edge.held().values), (4, 0));
}

#[tokio::test]
async fn what_is_recorded_is_all_that_an_edge_answers_unless_told_otherwise() {
    let node = Node::start(async |_| playlist("{}", "\"l\"", "no-cache")).await;
    let front = Front::with(vec![node.upstream()], |config, _| {
        config.scope = Scope::Recorded
    });
    for (path, accept, status) in [
        ("/cam/vod/", "*/*", 200),
        ("/cam/vod/?cursor=vod/a.m3u8", "*/*", 200),
        ("/cam/vod/?cursor=../x", "*/*", 400),
        ("/cam/vod/x/index.m3u8", "*/*", 200),
        ("/cam/poster.jpg", "*/*", 200),
        // These are this node's own.
        ("/cam/vod/", "text/html", 200),
        ("/cam/live.m3u8", "*/*", 404),
        ("/cam/live.flv", "*/*", 404),
        ("/cam/time", "*/*", 200),
    ] {
        let response = front.ask(path, &[("accept", accept)]).await;
        assert_eq!(response.status(), status, "{path}");
    }
    assert_eq!(
        node.asked(),
        [
            "/cam/vod/",
            "/cam/vod/?cursor=vod/a.m3u8",
            "/cam/vod/x/index.m3u8",
            "/cam/poster.jpg",
        ]
    );
}

#[tokio::test]
async fn each_viewer_gets_the_kept_playlist_with_the_own_token() {
    let node = Node::start(async |_| {
        playlist(
            "#EXTM3U\n#EXT-X-KEY:URI=\"key/7\"\nts/1.ts\n",
            "\"p\"",
            "public, max-age=3600",
        )
    })
    .await;
    let front = Front::of(vec![node.upstream()]);
    let mut state = state(&Hub::default()).with_edge(front.edge.clone());
    state.authorizer = Arc::new(Tokens);
    let router = router(state);
    for (token, expected) in [("a", "MISS"), ("b", "HIT")] {
        let path = format!("/cam/live.m3u8?token={token}");
        for (encoding, tag) in [("identity", "\"p\""), ("gzip", "\"p-gz\"")] {
            let response = get(&router, &path, &[("accept-encoding", encoding)]).await;
            assert_eq!(response.status(), 200);
            if encoding == "identity" {
                assert_eq!(field(&response, "x-cache"), expected);
            }
            assert_eq!(field(&response, "etag"), tag);
            assert!(field(&response, "cache-control").starts_with("public, max-age="));
            assert_ne!(field(&response, "cache-control"), "public, max-age=3600");
        }
        let text =
            format!("#EXTM3U\n#EXT-X-KEY:URI=\"key/7?token={token}\"\nts/1.ts?token={token}\n");
        assert_eq!(body(get(&router, &path, &[]).await).await, text);
    }
    assert_eq!(get(&router, "/cam/live.m3u8", &[]).await.status(), 403);
    assert_eq!(node.asked(), ["/cam/live.m3u8"]);
}
