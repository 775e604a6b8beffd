//! A recorder whose store another node keeps, which is killed under it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lsv_auth::Secret;
use lsv_core::api::store::{self, Serve};
use lsv_core::embedded::{Channels, Objects, Sessions};
use lsv_core::events::{Events, Happening};
use lsv_core::hub::{Hub, Offer, OnDemand, Publisher};
use lsv_core::media::MediaFrame;
use lsv_core::path::{ChannelId, StreamPath};
use lsv_core::ports::{ObjectStore, PageRequest};
use lsv_core::remote;
use lsv_mux::record::{Config, Recorders};
use lsv_tests::{Packets, Picture, eventually, files_below, frames_of};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::time::sleep;

/// A node that keeps objects in `folder`, with a runtime of its own: dropped, all that it does breaks off.
struct Keeper {
    folder: PathBuf,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Keeper {
    fn start(folder: &Path) -> Self {
        let mut keeper = Self {
            folder: folder.to_owned(),
            address: ([127, 0, 0, 1], 0).into(),
            runtime: None,
        };
        keeper.start_again();
        keeper
    }

    /// Where it was before, with what is in the folder.
    fn start_again(&mut self) {
        let runtime = Runtime::new().expect("a runtime");
        let objects = Objects::open(self.folder.join("objects")).expect("a folder");
        let channels = self.folder.join("channels.redb");
        let stores = store::Stores {
            channels: Arc::new(Channels::open(channels).expect("a file")),
            objects: Arc::new(objects),
            sessions: Arc::new(Sessions::default()),
        };
        let listener = std::net::TcpListener::bind(self.address).expect("a port");
        listener.set_nonblocking(true).expect("does not block");
        self.address = listener.local_addr().expect("an address");
        let router = store::router(Serve {
            stores: Some(stores),
            tasks: None,
            token: token(),
            limits: store::Limits::default(),
        });
        runtime.spawn(async {
            let listener = TcpListener::from_std(listener).expect("a listener");
            drop(axum::serve(listener, router).await);
        });
        self.runtime = Some(runtime);
    }

    async fn kill(&mut self) {
        let runtime = self.runtime.take().expect("runs");
        let killed = tokio::task::spawn_blocking(move || {
            runtime.shutdown_timeout(Duration::from_secs(60));
        });
        killed.await.expect("is gone");
    }

    fn stores(&self) -> remote::Stores {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let base = format!("http://{}", self.address);
        let config = remote::Config::default();
        remote::Stores::new(&base, &token(), Arc::new(tls), &config).expect("an address")
    }

    /// The files of recordings whose names end like this.
    fn files(&self, end: &str) -> Vec<PathBuf> {
        files_below(&self.folder.join("objects/record"), end)
    }

    /// Waits until the recording has more than `bytes`.
    async fn has(&self, bytes: u64) -> u64 {
        eventually("the recording grows", async || {
            let files = self.files(".mp4").into_iter();
            let lengths = files.map(|file| fs::metadata(file).map_or(0, |it| it.len()));
            let length: u64 = lengths.sum();
            (length > bytes).then_some(length)
        })
        .await
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn token() -> Secret {
    Secret::new("what nodes show each other").expect("a secret")
}

/// What was sent is recorded, all of it, though the node that keeps it is killed twice: in the middle, and at the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_recording_outlives_the_node_that_keeps_it() {
    let folder = TempDir::new().unwrap();
    let clip = folder.path().join("clip.flv");
    let picture = Picture {
        preset: "veryfast",
        ..Picture::default()
    };
    picture.encode(20, &clip).await;
    let frames = frames_of(&clip);
    let mut keeper = Keeper::start(folder.path());
    let (hub, events) = (Hub::default(), Events::new());
    let mut told = events.subscribe();
    let store = Arc::new(keeper.stores().objects);
    let recorders = Recorders::new(store, events, Config::default());
    let recording = tokio::spawn(recorders.clone().run(hub.clone()));

    let mut offer = Offer::new("test");
    offer.settings.recording.files = Some(Duration::from_secs(3_600));
    offer.settings.recording.on_demand = Some(OnDemand {
        segment: Duration::from_secs(4),
        list_size: 0,
    });
    let path = StreamPath::source(ChannelId::parse("cam").unwrap());
    let publisher = hub.publish(&path, offer, Instant::now()).unwrap();
    let (first, rest) = frames.split_at(frames.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    push(&publisher, first).await;
    let length = keeper.has(0).await;

    keeper.kill().await;
    push(&publisher, second).await;
    sleep(OUTAGE).await;
    keeper.start_again();
    let length = keeper.has(length).await;
    push(&publisher, third).await;
    keeper.has(length).await;

    keeper.kill().await;
    publisher.finish();
    sleep(OUTAGE).await;
    keeper.start_again();
    recorders.settled().await;
    recording.abort();

    let sent = Packets::of(&clip).await;
    for end in ["Z.mp4", ".m3u8"] {
        let [recording] = &keeper.files(end)[..] else {
            panic!("{:?}", keeper.files(""));
        };
        sent.assert_recorded(recording).await;
    }
    while let Ok(event) = told.try_recv() {
        let is_gap = matches!(event.happened, Happening::RecordingGap { .. });
        assert!(!is_gap, "{event:?}");
    }
    let objects = keeper.stores().objects;
    let noted = objects.list("unfinished/", &PageRequest::default()).await;
    assert_eq!(noted.unwrap().items, []);
}

async fn push(publisher: &Publisher, frames: &[MediaFrame]) {
    for frame in frames {
        publisher.push(frame.clone()).expect("live");
        sleep(Duration::from_millis(1)).await;
    }
}

/// How long the node is away, at least.
const OUTAGE: Duration = Duration::from_millis(300);
