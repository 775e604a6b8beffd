//! Events of every form, and what becomes of them.

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request};
use axum::response::Sse;
use axum::routing::get;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::net::SocketAddr;

use super::*;

/// What a router saw of a request: the target, `name: value` lines in their order, the client, the body.
async fn mirror(request: Request) -> axum::Json<Value> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let lines = parts
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    axum::Json(json!({
        "method": parts.method.as_str(),
        "target": parts.uri.to_string(),
        "headers": lines.collect::<Vec<_>>(),
        "peer": peer.map(|ConnectInfo(peer)| peer.ip().to_string()),
        "body": String::from_utf8(body.to_vec()).unwrap(),
    }))
}

fn router() -> Router {
    Router::new()
        .route(
            "/binary",
            get(async || ([("content-type", "image/png")], vec![0x89, b'P', 0xff])),
        )
        .route("/large", get(async || "\"".repeat(MAX_ANSWER_BYTES / 2)))
        .route("/huge", get(async || "a".repeat(MAX_ANSWER_BYTES + 1)))
        .route("/slow", get(std::future::pending::<()>))
        .route(
            "/broken",
            get(async || {
                let pieces = [Ok(Bytes::from("a")), Err(std::io::Error::other("gone"))];
                axum::body::Body::from_stream(futures::stream::iter(pieces))
            }),
        )
        .route(
            "/events",
            get(async || {
                Sse::new(futures::stream::pending::<
                    Result<axum::response::sse::Event, std::convert::Infallible>,
                >())
            }),
        )
        .route(
            "/lines",
            get(async || {
                let lines = [
                    (
                        "link",
                        "</next>; rel=\"next\", <https://other/x>; rel=\"x\"",
                    ),
                    ("location", "/videostream/cam"),
                    ("set-cookie", "a=1"),
                    ("set-cookie", "b=2"),
                    ("vary", "a"),
                    ("vary", "b"),
                ];
                axum::response::AppendHeaders(lines)
            }),
        )
        .fallback(mirror)
}

/// What the function answers API Gateway, as JSON.
async fn invoke(event: Value) -> Result<Value, String> {
    let event = serde_json::from_value(event).map_err(|error| error.to_string())?;
    answer(router(), event, Duration::from_secs(60))
        .await
        .map(|answer| serde_json::to_value(answer).unwrap())
        .map_err(|error| error.error_message)
}

/// What the router saw.
async fn seen(event: Value) -> Value {
    let answer = invoke(event).await.unwrap();
    assert_eq!(answer["statusCode"], 200);
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

fn v1(path: &str) -> Value {
    json!({"httpMethod": "GET", "path": path, "requestContext": {}})
}

fn v2(path: &str) -> Value {
    json!({
        "version": "2.0", "rawPath": path, "rawQueryString": "", "routeKey": "$default",
        "requestContext": {"stage": "$default", "http": {"method": "GET", "sourceIp": "192.0.2.7"}},
    })
}

#[tokio::test]
async fn stages_and_mappings_are_not_of_the_path() {
    let with = |path: &str, context: Value, resource: &str, proxy: &str| {
        let mut event = v1(path);
        event["requestContext"] = context;
        event["resource"] = json!(resource);
        event["pathParameters"] = json!({"proxy": proxy, "id": proxy});
        event
    };
    let v2_with = |path: &str, stage: &str, route: &str, proxy: &str| {
        let mut event = v2(path);
        event["requestContext"]["stage"] = json!(stage);
        event["routeKey"] = json!(route);
        event["pathParameters"] = json!({"proxy": proxy});
        event
    };
    let prod = |path: &str| json!({"stage": "prod", "path": path});
    for (event, path) in [
        // A REST API under its own address, and a stage that is called like a path.
        (
            with(
                "/videostream/cam",
                prod("/prod/videostream/cam"),
                "/{proxy+}",
                "videostream/cam",
            ),
            "/videostream/cam",
        ),
        (
            with(
                "/videostream/cam",
                json!({"stage": "videostream", "path": "/videostream/videostream/cam"}),
                "/{proxy+}",
                "x",
            ),
            "/videostream/cam",
        ),
        // Under a domain, mapped to `/live`.
        (
            with(
                "/live/videostream/cam",
                prod("/live/videostream/cam"),
                "/{proxy+}",
                "videostream/cam",
            ),
            "/videostream/cam",
        ),
        (
            with(
                "/live/videostream/cam",
                prod("/live/videostream/cam"),
                "/videostream/{id}",
                "cam",
            ),
            "/videostream/cam",
        ),
        (with("/", prod("/prod/"), "/", ""), "/"),
        // An HTTP API with format 1.0.
        (
            with("/prod/streamdns", prod("/prod/streamdns"), "$default", ""),
            "/streamdns",
        ),
        // HTTP APIs.
        (v2("/videostream"), "/videostream"),
        (
            v2_with("/prod/videostream", "prod", "$default", ""),
            "/videostream",
        ),
        (
            v2_with("/prod/videostream", "prod", "ANY /{proxy+}", "videostream"),
            "/videostream",
        ),
        (v2_with("/prod", "prod", "$default", ""), "/"),
        (v2_with("/product", "prod", "$default", ""), "/product"),
        (
            v2_with(
                "/videostream",
                "videostream",
                "ANY /{proxy+}",
                "videostream",
            ),
            "/videostream",
        ),
        // What is no path of an address by itself.
        (v1("/a b/ü/\"<%41"), "/a%20b/%C3%BC/%22%3C%41"),
    ] {
        assert_eq!(seen(event.clone()).await["target"], path, "{event}");
    }
}

#[tokio::test]
async fn queries_are_as_the_client_wrote_them() {
    let mut event = v1("/q");
    event["queryStringParameters"] = json!({"limit": "2", "a&b": "c=d +%"});
    assert_eq!(
        seen(event.clone()).await["target"],
        "/q?a%26b=c%3Dd%20%2B%25&limit=2"
    );
    event["multiValueQueryStringParameters"] = json!({"limit": ["1", "2"]});
    assert_eq!(seen(event.clone()).await["target"], "/q?limit=1&limit=2");
    event["multiValueQueryStringParameters"] = Value::Null;
    event["queryStringParameters"] = Value::Null;
    assert_eq!(seen(event).await["target"], "/q");
    let mut event = v2("/q");
    event["rawQueryString"] = json!("a=1&a=2&b=%20+ü");
    assert_eq!(seen(event).await["target"], "/q?a=1&a=2&b=%20+%C3%BC");
}

#[tokio::test]
async fn headers_that_come_twice_stay_two() {
    let mut event = v1("/h");
    event["headers"] = json!({"Authorization": "Bearer b", "X-One": "1", "Content-Length": "999"});
    event["multiValueHeaders"] = json!({"authorization": ["Bearer a", "Bearer b"]});
    event["requestContext"] = json!({"identity": {"sourceIp": "2001:db8::1"}});
    event["body"] = json!("text");
    let saw = seen(event).await;
    let lines = json!([
        "authorization: Bearer a",
        "authorization: Bearer b",
        "x-one: 1",
        "content-length: 4"
    ]);
    assert_eq!(saw["headers"], lines);
    assert_eq!(saw["peer"], "2001:db8::1");
    let mut event = v2("/h");
    event["headers"] = json!({"host": "a.example"});
    event["cookies"] = json!(["a=1", "b=2"]);
    event["body"] = json!("w7w=");
    event["isBase64Encoded"] = json!(true);
    let saw = seen(event).await;
    let lines = json!(["host: a.example", "cookie: a=1; b=2", "content-length: 2"]);
    assert_eq!(saw["headers"], lines);
    assert_eq!(
        (&saw["peer"], &saw["body"]),
        (&json!("192.0.2.7"), &json!("ü"))
    );
}

#[tokio::test]
async fn answers_are_of_the_events_form() {
    let binary = invoke(v1("/binary")).await.unwrap();
    assert_eq!(
        binary,
        json!({
            "statusCode": 200, "multiValueHeaders": {"content-type": ["image/png"]},
            "body": "iVD/", "isBase64Encoded": true,
        })
    );
    let mut event = v1("/lines");
    event["requestContext"] = json!({"stage": "prod", "path": "/prod/lines"});
    let lines = &invoke(event).await.unwrap()["multiValueHeaders"];
    assert_eq!(lines["vary"], json!(["a", "b"]));
    assert_eq!(lines["set-cookie"], json!(["a=1", "b=2"]));
    assert_eq!(lines["location"], json!(["/prod/videostream/cam"]));
    let link = "</prod/next>; rel=\"next\", <https://other/x>; rel=\"x\"";
    assert_eq!(lines["link"], json!([link]));
    let answer = invoke(v2("/lines")).await.unwrap();
    assert_eq!(answer["cookies"], json!(["a=1", "b=2"]));
    assert_eq!(answer["headers"]["vary"], "a, b");
    assert_eq!(answer["headers"]["location"], "/videostream/cam");
    assert!(
        answer["headers"].get("set-cookie").is_none() && answer.get("multiValueHeaders").is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_function_cannot_answer_is_a_problem_document() {
    for (path, status, kind) in [
        ("/events", 501, "not-implemented"),
        ("/large", 500, "internal"),
        ("/huge", 500, "internal"),
        ("/broken", 500, "internal"),
        ("/slow", 503, "unavailable"),
    ] {
        let answer = invoke(v2(path)).await.unwrap();
        assert_eq!(answer["statusCode"], status, "{path}");
        assert_eq!(
            answer["headers"]["content-type"],
            "application/problem+json"
        );
        let problem: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(problem["type"], format!("urn:lsv:problem:{kind}"));
    }
}

#[tokio::test]
async fn events_of_others_are_refused_in_words() {
    let refused = invoke(json!({"source": "aws.events", "detail": {}})).await;
    assert!(refused.unwrap_err().contains("API Gateway only"));
    let mut event = v1("/");
    event["isBase64Encoded"] = json!(true);
    event["body"] = json!("no base64!");
    assert_eq!(
        invoke(event).await.unwrap_err(),
        "the event's body is not what it may be"
    );
    let mut event = v1("/");
    event["headers"] = json!({"a": "b\nc"});
    assert_eq!(
        invoke(event).await.unwrap_err(),
        "the event's header is not what it may be"
    );
}

#[test]
fn a_call_has_time_for_a_refusal() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
    let left = |seconds| time_left(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), now);
    assert_eq!(left(110), Duration::from_millis(9_500));
    // A clock that is wrong.
    assert_eq!(left(3), SHORTEST);
}

proptest! {
    /// Whatever an event says, it becomes a request or an error, and a query keeps its values.
    #[test]
    fn no_event_breaks_the_function(
        path in any::<String>(), raw in proptest::option::of(any::<String>()), name in any::<String>(), value in any::<String>(),
        stage in any::<String>(), host in any::<String>(), resource in any::<String>(),
    ) {
        let event = json!({
            "httpMethod": "GET", "path": path, "rawPath": raw, "resource": resource,
            "pathParameters": {&name: &value}, "multiValueQueryStringParameters": {&name: [&value]},
            "headers": {"Host": host}, "requestContext": {"stage": stage, "path": path},
        });
        let call = Call::of(serde_json::from_value(event).unwrap());
        if let Ok(call) = call {
            let query = call.request.uri().query().unwrap();
            let pairs: Vec<(String, String)> = axum::extract::Query::try_from_uri(&format!("/?{query}").parse().unwrap()).unwrap().0;
            prop_assert_eq!(pairs, [(name, value)]);
        }
    }
}
