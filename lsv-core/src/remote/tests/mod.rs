use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lsv_auth::Secret;
use rustls::ClientConfig;
use tokio::net::TcpListener;

use super::{Config, Nodes};
use crate::api::nodes;
use crate::channel::{Channel, Moment};
use crate::embedded::{Channels, Sessions};
use crate::path::ChannelId;
use crate::ports::{
    ChannelStore, Directory, Error, Form, Lease, Local, Precondition, Session, SessionRegistry,
};
use crate::via::{NodeName, Via};

#[cfg(feature = "conformance")]
mod keeper;
mod mirror;
#[cfg(feature = "conformance")]
mod stores;
#[cfg(feature = "conformance")]
mod tasks;

/// A node in this process, with the API that others ask.
struct Node {
    base: String,
    serving: tokio::task::JoinHandle<()>,
    channels: Arc<Channels>,
    sessions: Arc<Sessions>,
    _folder: tempfile::TempDir,
}

impl Node {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let channels = Arc::new(Channels::open(folder.path().join("channels.redb")).unwrap());
        let sessions = Arc::new(Sessions::default());
        let router = nodes::router(nodes::Nodes {
            directory: Arc::new(Local {
                channels: channels.clone(),
                sessions: sessions.clone(),
                form: Form::Processed,
            }),
            token: token(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async { drop(axum::serve(listener, router).await) });
        Self {
            base,
            serving,
            channels,
            sessions,
            _folder: folder,
        }
    }

    async fn has(&self, name: &str, address: &str, since: u64) -> Lease {
        let session = Session::new(cam(), name, address, Moment::from_unix(since));
        self.sessions.announce(session).await.unwrap()
    }
}

fn own() -> NodeName {
    NodeName::parse("asking").unwrap()
}

fn token() -> Secret {
    Secret::new("token").unwrap()
}

fn cam() -> ChannelId {
    ChannelId::parse("cam").unwrap()
}

fn tls() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let roots = rustls::RootCertStore::empty();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn all(bases: &[&str], token: &Secret) -> Nodes {
    let bases: Vec<String> = bases.iter().map(|&base| base.to_owned()).collect();
    let config = Config {
        time: Duration::from_millis(500),
        ..Config::default()
    };
    Nodes::new(own(), &bases, token, tls(), &config).unwrap()
}

async fn located(nodes: &Nodes) -> Option<(String, String)> {
    let found = nodes.locate(&cam(), &Via::default()).await.unwrap();
    found.map(|session| (session.node, session.address))
}

/// A port that takes connections and never answers.
async fn mute() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    (listener, base)
}

#[tokio::test]
async fn the_node_whose_publisher_came_last_counts() {
    let (one, other) = tokio::join!(Node::start(), Node::start());
    let nodes = all(&[&one.base, &other.base], &token());
    assert_eq!(located(&nodes).await, None);
    let _older = one.has("one", "rtmp://10.0.0.1:1935", 1_000).await;
    let newer = other.has("other", "rtmp://0.0.0.0:1936", 2_000).await;
    // Where it listens everywhere, it is reached where it was asked.
    let reached = Some(("other".to_owned(), "rtmp://127.0.0.1:1936".to_owned()));
    assert_eq!(located(&nodes).await, reached);
    drop(newer);
    let first = Some(("one".to_owned(), "rtmp://10.0.0.1:1935".to_owned()));
    assert_eq!(located(&nodes).await, first);
}

#[tokio::test]
async fn all_who_ask_the_same_nodes_choose_the_same() {
    let (one, other) = tokio::join!(Node::start(), Node::start());
    let _leases = (
        one.has("one", "rtmp://10.0.0.1:1935", 1).await,
        other.has("other", "rtmp://10.0.0.2:1935", 1).await,
    );
    let (left, right) = (
        all(&[&one.base, &other.base], &token()),
        all(&[&other.base, &one.base], &token()),
    );
    let mut chosen = BTreeSet::new();
    for nodes in [left, right] {
        chosen.extend(located(&nodes).await);
    }
    assert_eq!(chosen.len(), 1, "{chosen:?}");
}

#[tokio::test]
async fn a_node_that_is_gone_is_out_at_once_and_one_that_hangs_soon() {
    let node = Node::start().await;
    let (_hangs, mute) = mute().await;
    // Nothing listens on port 1 of this machine.
    let nodes = all(&["http://127.0.0.1:1", &mute, &node.base], &token());
    let asked = Instant::now();
    assert_eq!(located(&nodes).await, None);
    assert!(asked.elapsed() < Duration::from_secs(10));
    let _lease = node.has("node", "rtmp://10.0.0.1:1935", 1).await;
    assert!(located(&nodes).await.is_some());
    let alone = all(&["http://127.0.0.1:1"], &token());
    let unknown = alone.locate(&cam(), &Via::default()).await;
    assert!(
        matches!(unknown, Err(Error::Unavailable { .. })),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn records_come_without_keys_and_the_newest_counts() {
    let (one, other) = tokio::join!(Node::start(), Node::start());
    let nodes = all(&[&one.base, &other.base], &token());
    let missing = nodes.get(&cam()).await;
    assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
    for (node, name, at) in [(&one, "old", 1), (&other, "new", 2)] {
        let mut channel = Channel::new(cam(), Moment::from_unix(at));
        channel.settings.videoname = name.to_owned();
        node.channels
            .put(&channel, Precondition::Any)
            .await
            .unwrap();
    }
    let found = nodes.get(&cam()).await.unwrap().channel;
    assert_eq!(found.settings.videoname, "new");
    // A record that may be on a node that does not answer is not missing.
    let gone = all(&["http://127.0.0.1:1", &one.base], &token());
    let other = ChannelId::parse("other").unwrap();
    let unknown = gone.get(&other).await;
    assert!(
        matches!(unknown, Err(Error::Unavailable { .. })),
        "{unknown:?}"
    );
    let refused = nodes.delete(&cam()).await;
    assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
}

#[tokio::test]
async fn what_was_said_last_holds_while_nobody_answers() {
    let node = Node::start().await;
    let nodes = all(&[&node.base], &token());
    let channel = Channel::new(cam(), Moment::from_unix(1));
    node.channels
        .put(&channel, Precondition::Any)
        .await
        .unwrap();
    assert!(nodes.get(&cam()).await.is_ok());
    node.serving.abort();
    // Connections that are kept end with their server's next answer at the latest.
    let mut asked = 0;
    while nodes.record(&cam(), &Via::default()).await.is_ok() {
        asked += 1;
        assert!(asked < 100, "the node still answers");
    }
    assert_eq!(nodes.get(&cam()).await.unwrap().channel.id, cam());
    let other = ChannelId::parse("other").unwrap();
    let unknown = nodes.get(&other).await;
    assert!(
        matches!(unknown, Err(Error::Unavailable { .. })),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn strangers_are_told_nothing() {
    let node = Node::start().await;
    let _lease = node.has("node", "rtmp://10.0.0.1:1935", 1).await;
    let nodes = all(&[&node.base], &Secret::new("guessed").unwrap());
    let refused = nodes.locate(&cam(), &Via::default()).await;
    assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
    let refused = nodes.get(&cam()).await;
    assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
}

#[test]
fn only_bases_are_taken() {
    for base in [
        "",
        "10.0.0.1:8080",
        "ftp://host",
        "http://",
        "http://host/path",
        "http://host/?x",
        "http://me@host",
        "http://ho st",
    ] {
        let bases = [base.to_owned()];
        let made = Nodes::new(own(), &bases, &token(), tls(), &Config::default());
        assert!(made.is_err(), "{base}");
    }
}
