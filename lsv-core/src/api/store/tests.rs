//! What other nodes could send that makes no sense, or too much of it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::channel::{Channel, Moment};
use crate::embedded::{Channels, Objects, Sessions, Tasks};
use crate::events::Events;
use crate::path::ChannelId;
use crate::ports::{PageRequest, Session, TaskControl, TaskRunner, TaskSpec};

#[derive(Debug)]
struct Runner;

#[async_trait::async_trait]
impl TaskRunner for Runner {
    async fn run(&self, _: &TaskSpec, control: TaskControl) -> Result<(), String> {
        control.stopped().await;
        Ok(())
    }
}

struct Node {
    router: Router,
    stores: Stores,
    _folder: tempfile::TempDir,
}

impl Node {
    fn new(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let channels = Channels::open(folder.path().join("channels.redb")).unwrap();
        let stores = Stores {
            channels: Arc::new(channels),
            objects: Arc::new(Objects::open(folder.path().join("objects")).unwrap()),
            sessions: Arc::new(Sessions::default()),
        };
        let router = router(Serve {
            stores: Some(stores.clone()),
            tasks: Some(Arc::new(Tasks::new(Arc::new(Runner), Events::new()))),
            token: Secret::new("token").unwrap(),
            limits,
        });
        Self {
            router,
            stores,
            _folder: folder,
        }
    }

    async fn answer(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response: Response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn call(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Value {
        let request = request(method, path, fields).header(header::CONTENT_LENGTH, body.len());
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let (status, document) = self.answer(request).await;
        assert!(!status.is_success(), "{method} {path}: {document}");
        let told = json!(status.as_u16());
        assert_eq!(document["status"], told, "{method} {path}: {document}");
        document["error"]["kind"].clone()
    }

    async fn has_nothing(&self) -> bool {
        let first = PageRequest::default();
        let channels = self.stores.channels.list(&first).await.unwrap();
        let objects = self.stores.objects.list("", &first).await.unwrap();
        let live = self.stores.sessions.list().await.unwrap();
        channels.items.is_empty() && objects.items.is_empty() && live.is_empty()
    }
}

fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> axum::http::request::Builder {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::AUTHORIZATION, "Bearer token");
    fields.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    })
}

/// Method, path, headers and body.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

const ID: &str = "6f3c2a9e-0d1b-4c55-9a57-0a3f6a1f8e11";

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let node = Node::new(Limits::default());
    let other = Channel::new(ChannelId::parse("other").unwrap(), Moment::EPOCH);
    let other = String::from_utf8(other.encode()).unwrap();
    let writer = format!("/node/writers/{ID}");
    let lease = format!("/node/leases/{ID}");
    let huge = json!({"name": "a", "class": "hot", "length": u64::MAX}).to_string();
    let outside = json!({"name": "../a", "class": "hot", "length": null}).to_string();
    let cases: &[Case<'_>] = &[
        ("PUT", "/node/channels/cam", &[], "{}"),
        ("PUT", "/node/channels/cam", &[], "not JSON"),
        ("PUT", "/node/channels/cam", &[], &other),
        ("PUT", "/node/channels/ca%20m", &[], &other),
        ("PUT", "/node/channels/other", &[("if-match", "7")], &other),
        (
            "PUT",
            "/node/channels/other",
            &[("if-match", "\"1\""), ("if-none-match", "*")],
            &other,
        ),
        (
            "PUT",
            "/node/channels/other",
            &[("if-none-match", "\"1\"")],
            &other,
        ),
        (
            "PUT",
            "/node/channels/other",
            &[("lsv-call", "one")],
            &other,
        ),
        ("GET", "/node/channels?limit=-1", &[], ""),
        ("GET", "/node/channels?cursor=what", &[], ""),
        ("PUT", "/node/streamdns", &[], "{\"push\":\"no host\"}"),
        ("PUT", "/node/objects/..%2Fa", &[], "bytes"),
        ("PUT", "/node/objects/a%00", &[], "bytes"),
        ("PUT", "/node/objects/a?class=frozen", &[], "bytes"),
        ("PUT", "/node/objects/a", &[("if-none-match", "x")], "bytes"),
        ("GET", "/node/objects/a?from=x", &[], ""),
        ("POST", "/node/composed/a", &[], "no pieces"),
        ("POST", "/node/composed/a", &[], "[{\"bytes\":99}]\nx"),
        ("PUT", "/node/writers/me", &[], &huge),
        ("PUT", &writer, &[], &outside),
        ("PATCH", &writer, &[], "no offset"),
        ("PATCH", &writer, &[("lsv-offset", "-1")], "bytes"),
        ("PUT", "/node/leases/me", &[], "{}"),
        ("PUT", &lease, &[], "{\"session\":{},\"announced\":1}"),
        ("GET", "/node/sessions/cam?form=both", &[], ""),
        ("POST", "/node/tasks", &[], "{\"kind\":\"everything\"}"),
        ("GET", "/node/calls/me", &[], ""),
    ];
    for (method, path, fields, body) in cases {
        let kind = node.call(method, path, fields, body).await;
        assert_eq!(kind, "invalid", "{method} {path} {body}");
    }
    for (method, path, fields, body) in [
        ("GET", "/node/channels/cam", &[][..], ""),
        ("GET", "/node/objects/a?from=0&to=1", &[], ""),
        ("PUT", &writer, &[], &huge),
        ("PATCH", &writer, &[("lsv-offset", "0")], "bytes"),
        ("POST", &writer, &[], ""),
        ("GET", &format!("/node/calls/{ID}"), &[], ""),
        ("DELETE", "/node/tasks/process-1", &[], ""),
    ] {
        let kind = node.call(method, path, fields, body).await;
        assert_eq!(kind, "not-found", "{method} {path} {body}");
    }
    assert!(node.has_nothing().await);
}

#[tokio::test]
async fn offsets_that_leave_gaps_or_go_back_are_refused() {
    let node = Node::new(Limits::default());
    let writer = format!("/node/writers/{ID}");
    let opening = json!({"name": "a", "class": "hot", "length": null}).to_string();
    let put = |path: &str, method: &str, offset: u64, body: &str| {
        let offset = offset.to_string();
        request(method, path, &[("lsv-offset", &offset)])
            .header(header::CONTENT_LENGTH, body.len())
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    for (method, offset, body, expected) in [
        ("PUT", 0, opening.as_str(), Some(0)),
        ("PATCH", 1, "gap", None),
        ("PATCH", 0, "one", Some(3)),
        ("PATCH", 0, "one", Some(3)),
        ("PATCH", 3, "two", Some(6)),
        ("PATCH", 3, "two", Some(6)),
        ("PATCH", 0, "one", None),
        ("PATCH", 3, "twofold", None),
        ("PATCH", 4, "wo", None),
        ("PATCH", u64::MAX, "far", None),
        ("PATCH", 6, "!", Some(7)),
    ] {
        let (status, answer) = node.answer(put(&writer, method, offset, body)).await;
        match expected {
            Some(length) => assert_eq!(
                (status, answer),
                (StatusCode::OK, json!({"length": length}))
            ),
            None => assert!(
                status.is_client_error(),
                "{method} {offset} {body}: {answer}"
            ),
        }
    }
    let (status, info) = node.answer(put(&writer, "POST", 0, "")).await;
    assert_eq!((status, &info["size"]), (StatusCode::OK, &json!(7)));
    let (status, _) = node.answer(put(&writer, "PATCH", 7, "late")).await;
    assert_eq!(status, StatusCode::CONFLICT);
}

#[tokio::test(start_paused = true)]
async fn bodies_are_bounded_in_bytes_memory_and_time() {
    let limits = Limits {
        body_bytes: 1 << 20,
        memory_bytes: 1 << 20,
        ..Limits::default()
    };
    let node = Node::new(limits);
    let send = |length: Option<usize>, body: Body| {
        let request = request("PUT", "/node/objects/a", &[]);
        let request = match length {
            Some(length) => request.header(header::CONTENT_LENGTH, length),
            None => request,
        };
        node.answer(request.body(body).unwrap())
    };
    let never = || Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    // Without a length, with one that is too great, and one that nobody has.
    for length in [None, Some((1 << 20) + 1), Some(usize::MAX)] {
        let (status, refused) = send(length, never()).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    }
    // One that does not come holds the memory, but not for ever.
    let (waits, (status, refused)) = tokio::join!(send(Some(1 << 20), never()), async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        send(Some(5), Body::from("bytes")).await
    });
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{refused}");
    assert_eq!(waits.0, StatusCode::SERVICE_UNAVAILABLE);
    let short = send(Some(9), Body::from("bytes")).await;
    assert_eq!(short.0, StatusCode::SERVICE_UNAVAILABLE);
    assert!(node.has_nothing().await);
    let (status, _) = send(Some(5), Body::from("bytes")).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_call_that_is_made_twice_counts_once() {
    let node = Node::new(Limits::default());
    let channel = Channel::new(ChannelId::parse("cam").unwrap(), Moment::EPOCH);
    let record = String::from_utf8(channel.encode()).unwrap();
    let put = |call: &str| {
        let fields = [("lsv-call", call), ("if-none-match", "*")];
        request("PUT", "/node/channels/cam", &fields)
            .header(header::CONTENT_LENGTH, record.len())
            .body(Body::from(record.clone()))
            .unwrap()
    };
    let first = node.answer(put(ID)).await;
    assert_eq!(first, (StatusCode::OK, json!({"version": 1})));
    let response = node.router.clone().oneshot(put(ID)).await.unwrap();
    assert_eq!(response.headers()["lsv-remembered"], "true");
    assert_eq!(node.answer(put(ID)).await, first);
    let later = request("GET", &format!("/node/calls/{ID}"), &[]);
    assert_eq!(node.answer(later.body(Body::empty()).unwrap()).await, first);
    let (status, _) = node.answer(put(&uuid::Uuid::new_v4().to_string())).await;
    assert_eq!(status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn every_path_wants_the_token() {
    let node = Node::new(Limits::default());
    for path in [
        "/node/channels",
        "/node/channels/cam",
        "/node/streamdns",
        "/node/objects?prefix=",
        "/node/objects/a",
        "/node/stat/a",
        "/node/sessions",
        "/node/sessions/cam",
        "/node/tasks",
        &format!("/node/calls/{ID}"),
    ] {
        for token in [None, Some("Bearer guessed"), Some("token")] {
            let request = Request::builder().uri(path);
            let request = match token {
                Some(token) => request.header(header::AUTHORIZATION, token),
                None => request,
            };
            let (status, _) = node.answer(request.body(Body::empty()).unwrap()).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_to_be_gone_before_its_node_can_be_back() {
    let node = Node::new(Limits {
        settling: Duration::from_secs(4),
        ..Limits::default()
    });
    let locate = async || {
        let since = tokio::time::Instant::now();
        let ask = request("GET", "/node/sessions/cam?form=source", &[]);
        let (status, found) = node.answer(ask.body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::OK);
        (found["node"].clone(), since.elapsed().as_secs())
    };
    let session = Session::new(
        ChannelId::parse("cam").unwrap(),
        "gateway",
        "rtmp://gateway:1935",
        Moment::EPOCH,
    );
    let comes_back = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        node.stores.sessions.announce(session).await.unwrap()
    };
    let (found, lease) = tokio::join!(locate(), comes_back);
    assert_eq!(found, (json!("gateway"), 4));
    assert_eq!(locate().await, (json!("gateway"), 0));
    drop(lease);
    assert_eq!(locate().await, (Value::Null, 0));
}
