//! What is live on other nodes, over their real API.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::middleware::{Next, from_fn};
use lsv_auth::Secret;
use lsv_auth::cidr::Networks;
use lsv_auth::push::Algorithm;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{tls, token};
use crate::access::ChannelAuthorizer;
use crate::api::{Api, Listeners, SignIn, router};
use crate::channel::{Channel, Moment, Signer};
use crate::embedded::{Channels, Objects, Sessions};
use crate::events::{Events, Happening};
use crate::path::ChannelId;
use crate::ports::{
    ChannelStore, Error, Form, Lease, LiveSessions, Result, Session, SessionInfo, SessionRegistry,
};
use crate::remote::{Config, Mirror};

/// What a node has live, written down.
#[derive(Debug, Default)]
struct Live(Mutex<BTreeMap<ChannelId, SessionInfo>>);

impl LiveSessions for Live {
    fn list(&self) -> Vec<SessionInfo> {
        self.0.lock().unwrap().values().cloned().collect()
    }

    fn find(&self, channel: &ChannelId) -> Option<SessionInfo> {
        self.0.lock().unwrap().get(channel).cloned()
    }

    fn disconnect(&self, channel: &ChannelId) -> bool {
        self.0.lock().unwrap().remove(channel).is_some()
    }

    fn apply(&self, _: &Arc<Channel>) {}
}

/// A node with the whole API.
struct Node {
    name: &'static str,
    base: String,
    live: Arc<Live>,
    events: Events,
    hangs: Arc<AtomicBool>,
    // Without it the node shuts down.
    _ready: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Node {
    async fn start(name: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (live, events) = (Arc::new(Live::default()), Events::new());
        let channels = Channels::open(folder.path().join("channels.redb")).unwrap();
        let channels: Arc<dyn ChannelStore> = Arc::new(channels);
        let ready = watch::Sender::new(true);
        let any = "0.0.0.0:0".parse().unwrap();
        let secret = Secret::new("nodemedia2017privatekey").unwrap();
        let app = router(Api {
            viewers: ChannelAuthorizer::of_viewers(Arc::clone(&channels)),
            trusted_proxies: Networks::default(),
            channels,
            objects: Arc::new(Objects::open(folder.path().join("objects")).unwrap()),
            live: Arc::clone(&live) as Arc<dyn LiveSessions>,
            events: events.clone(),
            signer: Signer::new(secret, [Algorithm::HmacSha256]),
            sign_in: SignIn::new(&token(), None),
            token: token(),
            allow_private_targets: false,
            watermarks: None,
            listeners: Listeners {
                http: any,
                https: None,
                rtmp: any,
                rtmps: None,
            },
            ready: ready.subscribe(),
            metrics: Arc::new(String::new),
            clock: || Moment::EPOCH,
        });
        let hangs = Arc::new(AtomicBool::new(false));
        let (hanging, never) = (Arc::clone(&hangs), std::future::pending::<()>);
        let app = app.layer(from_fn(move |request, next: Next| {
            let hanging = Arc::clone(&hanging);
            async move {
                if hanging.load(Ordering::SeqCst) {
                    never().await;
                }
                next.run(request).await
            }
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { drop(axum::serve(listener, app).await) });
        Self {
            name,
            base,
            live,
            events,
            hangs,
            _ready: ready,
            _folder: folder,
        }
    }

    /// Takes `channel` in and announces it.
    async fn takes(&self, channel: &str, registry: &Sessions) -> Lease {
        let session = Session {
            http: Some(self.base.clone()),
            ..Session::new(
                ChannelId::parse(channel).unwrap(),
                self.name,
                "rtmp://127.0.0.1:1935",
                Moment::from_unix(1_000),
            )
        };
        let info = SessionInfo {
            channel: session.channel.clone(),
            since: session.since,
            peer: "192.0.2.7:5000".to_owned(),
            node: self.name.to_owned(),
            video: None,
            audio: None,
            bitrate_in: 1_000_000,
            key_frame_interval: Some(2.0),
            viewers: BTreeMap::from([("flv".to_owned(), 3)]),
            bitrate_out: BTreeMap::new(),
            tasks: Vec::new(),
            warnings: Vec::new(),
        };
        let channel = session.channel.clone();
        drop(self.live.0.lock().unwrap().insert(channel, info));
        registry.announce(session).await.unwrap()
    }
}

fn mirror(registry: Arc<dyn SessionRegistry>, token: &Secret) -> Mirror {
    let config = Config {
        look: Duration::ZERO,
        time: Duration::from_millis(500),
        patience: Duration::from_millis(500),
        ..Config::default()
    };
    Mirror::new(registry, token, tls(), &config)
}

fn shown(mirror: &Mirror) -> Vec<(String, String, u64)> {
    let shown = mirror.list().into_iter();
    shown
        .map(|info| (info.channel.to_string(), info.node, info.bitrate_in))
        .collect()
}

fn line(channel: &str, node: &str, bits: u64) -> (String, String, u64) {
    (channel.to_owned(), node.to_owned(), bits)
}

#[tokio::test]
async fn everything_that_is_live_anywhere_is_shown_and_ended() {
    let (one, other) = tokio::join!(Node::start("one"), Node::start("other"));
    let registry = Sessions::default();
    let mirror = mirror(Arc::new(registry.clone()), &token());
    assert_eq!(shown(&mirror), []);
    let _leases = (
        one.takes("cam", &registry).await,
        other.takes("aisle", &registry).await,
        other.takes("gate", &registry).await,
    );
    let looking = tokio::spawn(mirror.clone().run());
    let all = [
        line("aisle", "other", 1_000_000),
        line("cam", "one", 1_000_000),
        line("gate", "other", 1_000_000),
    ];
    let complete = async {
        while shown(&mirror) != all {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(60), complete).await.unwrap();
    looking.abort();
    drop(looking.await);

    let cam = ChannelId::parse("cam").unwrap();
    let info = mirror.find(&cam).unwrap();
    assert_eq!(Some(info), one.live.find(&cam));
    assert!(mirror.disconnect(&cam) && !mirror.disconnect(&cam));
    mirror.settled().await;
    assert_eq!(one.live.list(), []);
    assert_eq!(other.live.list().len(), 2);
    // It is still announced.
    mirror.refresh().await;
    assert_eq!(mirror.find(&cam), None);
    let nobody = ChannelId::parse("nobody").unwrap();
    assert!(!mirror.disconnect(&nobody));
}

#[tokio::test]
async fn a_node_that_does_not_answer_shows_what_it_showed_last() {
    let node = Node::start("one").await;
    let registry = Sessions::default();
    let mirror = mirror(Arc::new(registry.clone()), &token());
    let lease = node.takes("cam", &registry).await;
    mirror.refresh().await;
    let before = shown(&mirror);
    assert_eq!(before, [line("cam", "one", 1_000_000)]);
    node.hangs.store(true, Ordering::SeqCst);
    mirror.refresh().await;
    assert_eq!(shown(&mirror), before);
    drop(lease);
    mirror.refresh().await;
    assert_eq!(shown(&mirror), []);
}

#[tokio::test]
async fn a_node_without_an_answer_is_shown_as_it_is_announced() {
    let registry = Sessions::default();
    let node = Node::start("one").await;
    // Nobody there takes this token.
    let stranger = Secret::new("guessed").unwrap();
    let mirror = mirror(Arc::new(registry.clone()), &stranger);
    let _lease = node.takes("cam", &registry).await;
    mirror.refresh().await;
    assert_eq!(shown(&mirror), [line("cam", "one", 0)]);
    // It cannot be ended either, and that is not waited for.
    assert!(mirror.disconnect(&ChannelId::parse("cam").unwrap()));
    mirror.settled().await;
    assert_eq!(node.live.list().len(), 1);
}

/// A registry that is out of reach at times.
#[derive(Debug)]
struct Flaky(Sessions, Mutex<bool>);

#[async_trait::async_trait]
impl SessionRegistry for Flaky {
    async fn announce(&self, session: Session) -> Result<Lease> {
        self.0.announce(session).await
    }

    async fn locate(&self, channel: &ChannelId, form: Form) -> Result<Option<Session>> {
        self.0.locate(channel, form).await
    }

    async fn list(&self) -> Result<Vec<Session>> {
        let is_away = *self.1.lock().unwrap();
        match is_away {
            true => Err(Error::unavailable("made to fail")),
            false => self.0.list().await,
        }
    }
}

#[tokio::test]
async fn what_is_known_is_followed_while_the_registry_is_away() {
    let node = Node::start("one").await;
    let registry = Arc::new(Flaky(Sessions::default(), Mutex::new(false)));
    let mirror = mirror(registry.clone(), &token());
    let _leases = (
        node.takes("cam", &registry.0).await,
        node.takes("aisle", &registry.0).await,
    );
    mirror.refresh().await;
    *registry.1.lock().unwrap() = true;
    assert!(node.live.disconnect(&ChannelId::parse("aisle").unwrap()));
    mirror.refresh().await;
    assert_eq!(shown(&mirror), [line("cam", "one", 1_000_000)]);
}

#[tokio::test]
async fn what_happens_on_nodes_is_told_here() {
    let registry = Sessions::default();
    let (one, other) = (Node::start("one").await, Node::start("other").await);
    let _old = one.takes("old", &registry).await;
    let events = Events::new();
    let mut heard = events.subscribe();
    let mirror = mirror(Arc::new(registry.clone()), &token());
    let following = tokio::spawn(mirror.follow_events(events));
    let channel = |name: &str| ChannelId::parse(name).unwrap();
    let over = Happening::Unpublished {
        channel: channel("old"),
    };
    // Until somebody listens there. What was live before is no news.
    loop {
        one.events.publish(Moment::EPOCH, over.clone());
        if let Ok(event) = timeout(Duration::from_millis(50), heard.recv()).await {
            assert_eq!(event.unwrap().happened, over);
            break;
        }
    }
    // A node that was not known: that its channel is live is news.
    let _new = other.takes("new", &registry).await;
    let expected = Happening::Published {
        channel: channel("new"),
        peer: "192.0.2.7:5000".to_owned(),
    };
    loop {
        let event = timeout(Duration::from_secs(30), heard.recv()).await;
        let event = event.unwrap().unwrap();
        if event.happened != over {
            assert_eq!(
                (event.at, &event.happened),
                (Moment::from_unix(1_000), &expected)
            );
            break;
        }
    }
    following.abort();
}
