//! The API as a Lambda function answers as it does over HTTP.
//!
//! The function is a process of its own, started as Lambda starts one; it asks a runtime API for events, which is of this test and on a
//! real socket, as is the API that it is compared with.

mod binary;
mod function;
mod gateway;

use std::{
    env,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::Router;
use lsv_auth::{Secret, cidr::Networks, push::Algorithm};
use lsv_core::{
    access::{ChannelAuthorizer, Protection},
    api::{Api, Listeners},
    channel::{Channel, Moment, Signer},
    embedded::{Channels, Objects},
    events::Events,
    path::ChannelId,
    ports::{ChannelStore, LiveSessions, SessionInfo},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

use function::Function;
use gateway::{Call, Gateway};

/// Calls, each with what is sent beside the token, and the status that HTTP answers.
#[rustfmt::skip]
fn calls() -> Vec<Call> {
    let call = |method: Method, target: &str, status: u16| Call::new(method, target, status);
    let make = |id: &str| call(Method::POST, "/videostream", 201).json(&json!({"id": id, "videoname": "Kamera ü 台"}));
    vec![
        make("cam-1"), make("cam-2"), make("cam-3"),
        call(Method::POST, "/videostream", 409).json(&json!({"id": "cam-2"})),
        call(Method::POST, "/videostream", 422).json(&json!({"id": "cam-4", "hls_time": 61})),
        call(Method::POST, "/videostream", 422).json(&json!({"id": "cam-4", "hls_tiem": 6})),
        call(Method::POST, "/videostream", 400).text("{\"id\": "),
        call(Method::POST, "/videostream", 415).json(&json!({})).header("content-type", "text/plain"),
        call(Method::POST, "/videostream", 413).text(&" ".repeat(2_000_000)),
        call(Method::GET, "/videostream?limit=2", 200),
        Call { follow: true, ..call(Method::GET, "", 200) },
        call(Method::GET, "/videostream?limit=1&limit=2", 400),
        call(Method::GET, "/videostream?cursor=%20%C3%BC%26", 400),
        call(Method::GET, "/videostream/cam-1", 200),
        call(Method::HEAD, "/videostream/cam-1", 200),
        call(Method::GET, "/videostream/cam-9", 404),
        call(Method::GET, "/videostream/not%20an%20id", 404),
        call(Method::PATCH, "/videostream/cam-1", 200).json(&json!({"isHls": "false", "description": "é\n\"<&>"})),
        call(Method::PATCH, "/videostream/cam-1", 422).json(&json!({"createdAt": "2020-01-01T00:00:00Z"})),
        call(Method::PATCH, "/videostream/cam-9", 404).json(&json!({"isHls": true})),
        call(Method::PUT, "/videostream/cam-1", 200).json(&json!({"video_time": "90"})),
        call(Method::POST, "/videostream/cam-1/key", 200),
        call(Method::GET, "/videostream/cam-1/urls", 200),
        call(Method::GET, "/videostream/online", 200),
        call(Method::GET, "/videostream/cam-1/session", 404),
        call(Method::GET, "/videostream/cam-1/recordings?from=2023-01-01T00:00:00Z", 200),
        call(Method::DELETE, "/videostream/cam-1/recordings/mp4/2023/01/01/a%2Fb.mp4", 404),
        call(Method::PUT, "/streamdns", 200).json(&json!({"push": "push.example.com", "pull": "pull.example.com:443"})),
        call(Method::GET, "/streamdns", 200),
        call(Method::GET, "/videostream/cam-1/urls", 200),
        call(Method::DELETE, "/videostream/cam-1", 204),
        call(Method::GET, "/videostream/cam-1", 404),
        call(Method::DELETE, "/videostream/cam-1", 404),
        call(Method::DELETE, "/videostream", 405),
        call(Method::GET, "/nothing/here", 404),
        call(Method::GET, "/healthz", 200), call(Method::GET, "/readyz", 200), call(Method::GET, "/openapi.json", 200),
        call(Method::GET, "/videostream", 401).without_token(),
        call(Method::GET, "/videostream", 401).without_token().header("authorization", "Bearer the-tokem"),
        // Who shows two tokens shows none, though one of them is right.
        call(Method::GET, "/videostream", 401).header("authorization", "Bearer another"),
        call(Method::GET, "/events", 401).without_token(),
    ]
}

#[tokio::test]
async fn the_answers_of_a_rest_api_are_those_of_http() {
    compare(Gateway::V1 { stage: "prod" }).await;
}

#[tokio::test]
async fn the_answers_of_an_http_api_are_those_of_http() {
    compare(Gateway::V2 { stage: "$default" }).await;
}

#[tokio::test]
async fn the_answers_of_a_stage_are_those_of_http() {
    compare(Gateway::V2 { stage: "live" }).await;
}

async fn compare(gateway: Gateway) {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let (_node, http) = serve(router(folders[0].path())).await;
    let function = Function::start(gateway, folders[1].path()).await;
    let mut next = String::new();
    for call in calls() {
        let mut call = call;
        if call.follow {
            call.target.clone_from(&next);
        }
        let expected = call.over_http(http).await;
        let given = function.invoke(&call).await;
        assert_eq!(expected.status, call.status, "{call:?} over HTTP");
        assert_eq!(given, expected, "{call:?} by {gateway:?}");
        if let Some(link) = expected.headers.get("link") {
            let (address, _) = link[0].split_once('>').expect("an address");
            next = address.trim_start_matches('<').to_owned();
        }
    }
    assert!(next.contains("cursor="), "{next}");
    // What has no end cannot be an answer there.
    let events = function
        .invoke(&Call::new(Method::GET, "/events", 501))
        .await;
    assert_eq!(events.status, 501);
    let problem: Value = serde_json::from_slice(&events.body).expect("a problem document");
    assert_eq!(problem["type"], "urn:lsv:problem:not-implemented");
    // Events of others are refused, and the function goes on.
    let refused = function.send(json!({"source": "aws.events"})).await;
    let refused = refused.expect_err("an event that is no call");
    let said = refused["errorMessage"].as_str().expect("words");
    assert!(said.contains("API Gateway"), "{said}");
    let health = function
        .invoke(&Call::new(Method::GET, "/healthz", 200))
        .await;
    assert_eq!(health.status, 200);
}

#[tokio::test]
async fn what_lambda_did_not_start_is_no_function() {
    let error = lsv_aws::lambda::serve(Router::new()).await;
    let said = error.expect_err("this is no function").to_string();
    assert!(said.contains("AWS_LAMBDA_RUNTIME_API"), "{said}");
}

/// The function, as its process runs it.
#[tokio::test]
#[ignore = "run by the tests above in a process of its own"]
async fn function() {
    let folder = env::var_os(FOLDER).expect("a folder for its stores");
    lsv_aws::lambda::serve(router(Path::new(&folder)))
        .await
        .expect("it serves");
}

/// The variable that names the folder of the function's stores.
const FOLDER: &str = "LSV_TEST_FOLDER";

/// The platform's API over embedded stores in a folder.
fn router(folder: &Path) -> Router {
    let channels = Channels::open(folder.join("channels.redb")).expect("a store");
    let channels: Arc<dyn ChannelStore> = Arc::new(channels);
    let secret = |text| Secret::new(text).expect("a secret");
    let protection = Protection::with_secret(secret("a secret for playback"));
    // Always ready.
    let (_, ready) = watch::channel(true);
    let any = |port| SocketAddr::from(([0, 0, 0, 0], port));
    lsv_core::api::router(Api {
        viewers: ChannelAuthorizer::of_viewers(Arc::clone(&channels)).protecting(protection),
        channels,
        objects: Arc::new(Objects::open(folder.join("objects")).expect("a store")),
        live: Arc::new(Nothing),
        events: Events::new(),
        signer: Signer::new(secret("a secret for pushing"), [Algorithm::HmacSha256]),
        trusted_proxies: Networks::default(),
        sign_in: lsv_core::api::SignIn::new(&secret("the-token"), None),
        token: secret("the-token"),
        allow_private_targets: false,
        watermarks: None,
        listeners: Listeners {
            http: any(8080),
            https: None,
            rtmp: any(1935),
            rtmps: None,
        },
        ready,
        metrics: Arc::new(String::new),
        clock,
    })
}

/// A clock of each run: the same calls are at the same times.
fn clock() -> Moment {
    thread_local! {
        static CALLS: AtomicU64 = const { AtomicU64::new(1_700_000_000) };
    }
    CALLS.with(|calls| Moment::from_unix(calls.fetch_add(1, Ordering::Relaxed)))
}

/// Nothing is live.
#[derive(Debug)]
struct Nothing;

impl LiveSessions for Nothing {
    fn list(&self) -> Vec<SessionInfo> {
        Vec::new()
    }

    fn find(&self, _: &ChannelId) -> Option<SessionInfo> {
        None
    }

    fn disconnect(&self, _: &ChannelId) -> bool {
        false
    }

    fn apply(&self, _: &Arc<Channel>) {}
}

/// A server of this test; ends with it.
struct Server(tokio::task::JoinHandle<()>);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn serve(router: Router) -> (Server, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = async move {
        axum::serve(listener, router).await.expect("it serves");
    };
    (Server(tokio::spawn(serving)), address)
}
