//! Every call of the API and every refusal, over a store in a temporary directory.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use futures::StreamExt;
use http_body_util::BodyExt;
use lsv_auth::push::Algorithm;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::access::Protection;
use crate::channel::{Channel, TaskSize};
use crate::embedded::{Channels, Objects};
use crate::hub::Watermark;
use crate::path::ChannelId;
use crate::ports::{
    NoPreview, ObjectName, PageRequest, Preview, SessionInfo, Task, TaskFailure, TaskId, TaskKind,
    TaskOutput, TaskReport, TaskSpec, TaskState, Unusable, VideoInfo, WarningInfo,
};

mod calls;
mod events;
mod matching;
mod recordings;
mod refusals;
mod sessions;
mod watermark;

const TOKEN: &str = "the-token";
const PLAYBACK_SECRET: &str = "playback secret";
const SECRET: &str = "nodemedia2017privatekey";
const NOW: Moment = Moment::from_unix(1_700_000_000);

thread_local! {
    /// What the platform of a test takes for now: each test has its own thread, or one after the other.
    static CLOCK: Cell<Moment> = const { Cell::new(NOW) };
}

/// What the API asks of live sessions, written down.
#[derive(Debug, Default)]
struct Live {
    sessions: Mutex<BTreeMap<ChannelId, SessionInfo>>,
    applied: Mutex<Vec<Arc<Channel>>>,
}

impl LiveSessions for Live {
    fn list(&self) -> Vec<SessionInfo> {
        self.sessions.lock().unwrap().values().cloned().collect()
    }

    fn find(&self, channel: &ChannelId) -> Option<SessionInfo> {
        self.sessions.lock().unwrap().get(channel).cloned()
    }

    fn disconnect(&self, channel: &ChannelId) -> bool {
        self.sessions.lock().unwrap().remove(channel).is_some()
    }

    fn apply(&self, channel: &Arc<Channel>) {
        self.applied.lock().unwrap().push(Arc::clone(channel));
    }
}

/// Calls each picture whose address ends in `.png` good, and writes down what it was asked.
#[derive(Debug, Default)]
struct Drawer(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl Watermarks for Drawer {
    async fn check(&self, url: &str) -> Result<(), Unusable> {
        self.0.lock().unwrap().push(url.to_owned());
        match url.ends_with(".png") {
            true => Ok(()),
            false => Err(Unusable::new("leads to no picture")),
        }
    }

    /// Gives what it was asked for in the place of a PNG, and what the text asks for.
    async fn preview(
        &self,
        watermark: &Watermark,
        (width, height): (u32, u32),
    ) -> Result<Option<Preview>, NoPreview> {
        if let Some(picture) = &watermark.picture {
            self.check(&picture.url).await?;
        }
        let text = watermark.text.as_ref().map(|text| text.text.as_str());
        match text {
            Some("busy") => return Err(NoPreview::Busy),
            Some("no fonts") => return Err(NoPreview::NoFonts("install one".to_owned())),
            Some("large") => return Err(NoPreview::TooLarge("it is too large".to_owned())),
            Some("broken") => return Err(NoPreview::Failed("it broke".to_owned())),
            Some("outside") => return Ok(None),
            _ => {}
        }
        Ok(Some(Preview {
            png: format!("{text:?} {width}x{height}").into(),
            left: watermark.left,
            top: watermark.top,
        }))
    }
}

struct Platform {
    directory: tempfile::TempDir,
    router: Router,
    live: Arc<Live>,
    watermarks: Arc<Drawer>,
    objects: Arc<Objects>,
    events: Events,
    ready: watch::Sender<bool>,
}

/// An answer, read whole.
#[derive(Debug)]
struct Answered {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }

    /// Checks that this is a problem document of that kind, and gives it.
    fn problem(&self, kind: Kind) -> Value {
        assert_eq!(
            self.status,
            kind.status(),
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        assert_eq!(
            self.header(header::CONTENT_TYPE),
            "application/problem+json"
        );
        let problem = self.json();
        assert_eq!(problem["type"], json!(kind.uri()));
        assert_eq!(problem["status"], json!(kind.status().as_u16()));
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        problem
    }
}

impl Platform {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let channels = Channels::open(directory.path().join("channels.redb")).unwrap();
        Self::over(directory, Arc::new(channels))
    }

    fn over(directory: tempfile::TempDir, channels: Arc<dyn ChannelStore>) -> Self {
        Self::with(directory, channels, false)
    }

    fn with(
        directory: tempfile::TempDir,
        channels: Arc<dyn ChannelStore>,
        allow_private_targets: bool,
    ) -> Self {
        Self::signed_in_to(directory, channels, allow_private_targets, None)
    }

    fn signed_in_to(
        directory: tempfile::TempDir,
        channels: Arc<dyn ChannelStore>,
        allow_private_targets: bool,
        password: Option<Password>,
    ) -> Self {
        Self::built(directory, channels, allow_private_targets, password, true)
    }

    fn without_drawer() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let channels = Channels::open(directory.path().join("channels.redb")).unwrap();
        Self::built(directory, Arc::new(channels), false, None, false)
    }

    fn built(
        directory: tempfile::TempDir,
        channels: Arc<dyn ChannelStore>,
        allow_private_targets: bool,
        password: Option<Password>,
        has_drawer: bool,
    ) -> Self {
        CLOCK.set(NOW);
        let objects = Arc::new(Objects::open(directory.path().join("objects")).unwrap());
        let live = Arc::new(Live::default());
        let watermarks = Arc::new(Drawer::default());
        let events = Events::new();
        let (ready, is_ready) = watch::channel(true);
        let secret = Secret::new(PLAYBACK_SECRET).unwrap();
        let viewers = ChannelAuthorizer::of_viewers(Arc::clone(&channels))
            .protecting(Protection::with_secret(secret));
        let router = router(Api {
            viewers,
            trusted_proxies: "10.0.0.0/8".parse().unwrap(),
            channels,
            objects: Arc::clone(&objects) as Arc<dyn ObjectStore>,
            live: Arc::clone(&live) as Arc<dyn LiveSessions>,
            events: events.clone(),
            signer: Signer::new(Secret::new(SECRET).unwrap(), [Algorithm::HmacSha256]),
            sign_in: SignIn::new(&Secret::new(TOKEN).unwrap(), password),
            token: Secret::new(TOKEN).unwrap(),
            allow_private_targets,
            watermarks: has_drawer.then(|| Arc::clone(&watermarks) as Arc<dyn Watermarks>),
            listeners: Listeners {
                http: "0.0.0.0:8080".parse().unwrap(),
                https: Some("0.0.0.0:8443".parse().unwrap()),
                rtmp: "0.0.0.0:1935".parse().unwrap(),
                rtmps: None,
            },
            ready: is_ready,
            metrics: Arc::new(|| "lsv_up 1\n".to_owned()),
            clock: || CLOCK.get(),
        });
        Self {
            directory,
            router,
            live,
            watermarks,
            objects,
            events,
            ready,
        }
    }

    fn request(method: Method, path: &str) -> axum::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(header::HOST, "example.com:8080")
    }

    async fn send(&self, request: Request<Body>) -> Answered {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answered {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    async fn call(&self, method: Method, path: &str) -> Answered {
        self.send(Self::request(method, path).body(Body::empty()).unwrap())
            .await
    }

    async fn get(&self, path: &str) -> Answered {
        self.call(Method::GET, path).await
    }

    /// Rotates the push key of the channel `cam`.
    async fn new_key(&self) -> Answered {
        self.call(Method::POST, "/videostream/cam/key").await
    }

    async fn send_json(&self, method: Method, path: &str, body: Value) -> Answered {
        let request = Self::request(method, path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.to_string().into()).unwrap())
            .await
    }

    async fn post(&self, body: Value) -> Answered {
        self.send_json(Method::POST, "/videostream", body).await
    }

    /// Makes a channel of that id and gives its record.
    async fn channel(&self, id: &str) -> Value {
        let made = self.post(json!({"id": id})).await;
        assert_eq!(made.status, StatusCode::CREATED);
        made.json()
    }

    fn go_live(&self, id: &str) {
        let channel = ChannelId::parse(id).unwrap();
        let info = SessionInfo {
            channel: channel.clone(),
            since: NOW,
            peer: "192.0.2.1:50000".to_owned(),
            node: "node".to_owned(),
            video: Some(VideoInfo {
                codec: "avc1.64001f".to_owned(),
                width: 1280,
                height: 720,
                frame_rate: Some(30.0),
            }),
            audio: None,
            bitrate_in: 1_000_000,
            key_frame_interval: Some(2.0),
            viewers: BTreeMap::from([("flv".to_owned(), 3)]),
            bitrate_out: BTreeMap::new(),
            tasks: vec![relay(&channel)],
            warnings: vec![WarningInfo {
                topic: "bFrames".to_owned(),
                text: "the encoder sends B-frames".to_owned(),
            }],
        };
        self.live.sessions.lock().unwrap().insert(channel, info);
    }
}

/// A relay of `channel`, one of whose targets is away.
fn relay(channel: &ChannelId) -> Task {
    let output = |name: &str, state, bitrate, problem: Option<&str>| TaskOutput {
        name: name.to_owned(),
        state,
        bitrate,
        problem: problem.map(str::to_owned),
    };
    Task {
        id: TaskId("relay-1".to_owned()),
        spec: TaskSpec {
            kind: TaskKind::Relay,
            channel: channel.clone(),
            size: TaskSize::Micro,
        },
        state: TaskState::Running,
        since: NOW,
        report: TaskReport {
            restarts: 2,
            speed: Some(1.0),
            problem: None,
            last_failure: Some(TaskFailure {
                at: NOW,
                problem: "the connection broke".to_owned(),
                said: vec!["one".to_owned(), "two".to_owned()],
            }),
            outputs: vec![
                output(
                    "rtmps://one.example/live/..",
                    TaskState::Running,
                    1_000_000,
                    None,
                ),
                output(
                    "rtmp://two.example/live/..",
                    TaskState::Waiting,
                    0,
                    Some("cannot connect"),
                ),
            ],
        },
    }
}
