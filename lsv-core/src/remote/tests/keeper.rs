//! A node that keeps the stores for others, and a way to it on which answers get lost.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use super::{tls, token};
use crate::api::store::{self, Limits, Serve};
use crate::embedded;
use crate::ports::TaskScheduler;
use crate::remote::{Config, Stores};

/// A node that keeps stores, and can be started anew.
pub(super) struct Keeper {
    pub(super) stores: store::Stores,
    pub(super) limits: Limits,
    pub(super) tasks: Option<Arc<dyn TaskScheduler>>,
    pub(super) router: Arc<Mutex<Option<Router>>>,
    pub(super) base: String,
    pub(super) folder: tempfile::TempDir,
}

impl Keeper {
    pub(super) async fn start(limits: Limits) -> Arc<Self> {
        Self::with_tasks(limits, None).await
    }

    pub(super) async fn with_tasks(
        limits: Limits,
        tasks: Option<Arc<dyn TaskScheduler>>,
    ) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let channels = embedded::Channels::open(folder.path().join("channels.redb")).unwrap();
        let stores = store::Stores {
            channels: Arc::new(channels),
            objects: Arc::new(embedded::Objects::open(folder.path().join("objects")).unwrap()),
            sessions: Arc::new(embedded::Sessions::default()),
        };
        let router = Arc::new(Mutex::new(None));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(current).with_state(router.clone());
        tokio::spawn(async { drop(axum::serve(listener, app).await) });
        let keeper = Self {
            stores,
            limits,
            tasks,
            router,
            base,
            folder,
        };
        keeper.restart();
        Arc::new(keeper)
    }

    /// Forgets all that is only in memory.
    pub(super) fn restart(&self) {
        let serve = Serve {
            stores: Some(self.stores.clone()),
            tasks: self.tasks.clone(),
            token: token(),
            limits: self.limits.clone(),
        };
        let router = store::router(serve);
        drop(self.router.lock().unwrap().replace(router));
    }

    /// Answers nothing that makes sense until it is restarted.
    pub(super) fn go_away(&self) {
        drop(self.router.lock().unwrap().take());
    }

    pub(super) fn stores(&self) -> Stores {
        stores(&self.base)
    }
}

async fn current(State(router): State<Arc<Mutex<Option<Router>>>>, request: Request) -> Response {
    let router = router.lock().unwrap().clone();
    match router {
        Some(router) => router.oneshot(request).await.unwrap(),
        None => {
            let mut away = Response::default();
            *away.status_mut() = axum::http::StatusCode::BAD_GATEWAY;
            away
        }
    }
}

pub(super) fn config() -> Config {
    Config {
        call_time: Duration::from_secs(5),
        patience: Duration::from_secs(20),
        renewal: Duration::from_millis(50),
        ..Config::default()
    }
}

pub(super) fn stores(base: &str) -> Stores {
    Stores::new(base, &token(), tls(), &config()).unwrap()
}

/// What happens on the way to a node.
pub(super) struct Way {
    pub(super) base: String,
    pub(super) answers: Arc<AtomicUsize>,
}

impl Way {
    /// A way on which each answer gets lost whose number is in `lost`, counted from the first one; `then` is called first.
    pub(super) async fn to(
        keeper: &Arc<Keeper>,
        lost: impl Fn(usize) -> bool + Clone + Send + Sync + 'static,
        then: impl Fn(&Keeper) + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(AtomicUsize::new(0));
        let (keeper, counted) = (keeper.clone(), answers.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (keeper, counted) = (keeper.clone(), counted.clone());
                let (lost, then) = (lost.clone(), then.clone());
                tokio::spawn(async move {
                    let node = keeper.base.strip_prefix("http://").unwrap();
                    let node = TcpStream::connect(node).await.unwrap();
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_node, mut to_node) = node.into_split();
                    let up = tokio::spawn(async move {
                        drop(tokio::io::copy(&mut from_client, &mut to_node).await);
                    });
                    let mut bytes = vec![0; 64 << 10];
                    while let Ok(read @ 1..) = from_node.read(&mut bytes).await {
                        // An answer begins with its status.
                        if bytes.starts_with(b"HTTP/1.1 ") {
                            let number = counted.fetch_add(1, Ordering::SeqCst);
                            if lost(number) {
                                then(&keeper);
                                break;
                            }
                        }
                        if to_client.write_all(&bytes[..read]).await.is_err() {
                            break;
                        }
                    }
                    up.abort();
                });
            }
        });
        Self { base, answers }
    }

    /// Where the answers of `numbers` get lost, and the node is started anew.
    pub(super) async fn losing(keeper: &Arc<Keeper>, numbers: Range<usize>, anew: bool) -> Self {
        let lost = move |number| numbers.contains(&number);
        let then = move |keeper: &Keeper| {
            if anew {
                keeper.restart();
            }
        };
        Self::to(keeper, lost, then).await
    }

    pub(super) fn stores(&self) -> Stores {
        stores(&self.base)
    }
}
