//! A platform of processes: which there are, and how they find each other.

use std::time::Duration;

use lsv_tests::{Api, Moto, Proxy, Server};
use reqwest::Method;

/// Where the nodes of a platform keep things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// One process has everything.
    Local,
    /// One node keeps it for all others.
    Remote,
    /// AWS does.
    Aws,
}

/// A platform: encoders push to a proxy or to the one node, viewers watch at origins or there.
pub(crate) struct Platform {
    /// The one process, or the API.
    pub(crate) keeper: Server,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) gateways: Vec<Server>,
    pub(crate) processors: Vec<Server>,
    pub(crate) origins: Vec<Server>,
    /// What stands for AWS, where that keeps things.
    pub(crate) moto: Option<Moto>,
}

/// How a piece finds what all share.
#[derive(Debug, Clone, Default)]
struct Shared {
    environment: Vec<(&'static str, String)>,
    arguments: Vec<String>,
}

impl Shared {
    async fn start(&self, binary: &'static str, arguments: &[&str]) -> Server {
        let shared = self.arguments.iter().map(String::as_str);
        let all: Vec<&str> = shared
            .chain(arguments.iter().copied())
            .chain(SOON)
            .collect();
        Server::start_role(binary, &self.environment, &all).await
    }
}

impl Platform {
    pub(crate) async fn start(store: Store) -> Self {
        match store {
            Store::Local => Self::alone().await,
            Store::Remote => {
                let keeper = Server::start_role("lsv-api", &[], &SOON).await;
                let arguments = ["--store", "remote", "--store-node", keeper.base()];
                let shared = Shared {
                    environment: Vec::new(),
                    arguments: arguments.map(str::to_owned).to_vec(),
                };
                Self::around(keeper, shared, None).await
            }
            Store::Aws => {
                let moto = Moto::start().await;
                let arguments = ["--store", "aws", "--aws-bucket", Moto::BUCKET];
                let shared = Shared {
                    environment: moto.environment(),
                    arguments: arguments.map(str::to_owned).to_vec(),
                };
                let keeper = shared.start("lsv-api", &[]).await;
                Self::around(keeper, shared, Some(moto)).await
            }
        }
    }

    async fn alone() -> Self {
        let keeper = Server::start(&[]).await;
        // It welcomes its operator with a channel.
        let welcome = keeper
            .api()
            .send(Method::DELETE, "/videostream/live", "")
            .await;
        assert!(welcome.status.is_success(), "{}", welcome.text);
        Self {
            keeper,
            proxy: None,
            gateways: Vec::new(),
            processors: Vec::new(),
            origins: Vec::new(),
            moto: None,
        }
    }

    /// A proxy, two gateways, two processors and two origins.
    async fn around(keeper: Server, shared: Shared, moto: Option<Moto>) -> Self {
        let processor = || shared.start("lsv-processor", &[]);
        let processors = [processor().await, processor().await];
        let bases = processors.each_ref().map(Server::base).join(",");
        let encoding = ["--processors", bases.as_str()];
        let gateway = || shared.start("lsv-gateway", &encoding);
        let gateways = [gateway().await, gateway().await];
        // The first makes segments itself, the second keeps those of the nodes.
        let origins = [
            shared.start("lsv-origin", &[]).await,
            shared.start("lsv-origin", &["--segments", "nodes"]).await,
        ];
        let mut platform = Self {
            keeper,
            proxy: None,
            gateways: gateways.into(),
            processors: processors.into(),
            origins: origins.into(),
            moto,
        };
        let proxy = platform.proxy_at("127.0.0.1:0").await;
        proxy.healthy(2).await;
        platform.proxy = Some(proxy);
        platform
    }

    /// A proxy in front of all gateways.
    pub(crate) async fn proxy_at(&self, address: &str) -> Proxy {
        let gateways = self.gateways.iter().map(Server::rtmp_address);
        let gateways = gateways.collect::<Vec<_>>().join(",");
        Proxy::start(&[
            "--rtmp",
            address,
            "--mode",
            "rtmp",
            "--proxy-protocol",
            "off",
            "--backends",
            &gateways,
            SOON[0],
            SOON[1],
        ])
        .await
    }

    /// Kills the proxy, and answers where it was.
    pub(crate) fn proxy_killed(&mut self) -> String {
        let proxy = self.proxy.take().expect("there is a proxy");
        proxy.address().to_string()
    }

    /// Lets nobody reach what AWS keeps, or lets them again.
    pub(crate) fn pause_store(&self, pause: bool) {
        self.moto.as_ref().expect("there is moto").pause(pause);
    }

    pub(crate) fn api(&self) -> Api {
        self.keeper.api()
    }

    /// Where an encoder pushes with a stream key.
    pub(crate) fn push(&self, key: &str) -> String {
        match &self.proxy {
            Some(proxy) => proxy.rtmp(key),
            None => self.keeper.rtmp(key),
        }
    }

    /// Where viewers watch.
    pub(crate) fn viewing(&self) -> &Server {
        self.origins.first().unwrap_or(&self.keeper)
    }

    pub(crate) fn everyone(&self) -> impl Iterator<Item = &Server> {
        let pieces = [&self.gateways, &self.processors, &self.origins];
        std::iter::once(&self.keeper).chain(pieces.into_iter().flatten())
    }
}

/// A test that fails tells what every piece said last.
impl Drop for Platform {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for server in self.everyone() {
                let log = server.log();
                let last = log.lines().rev().take(LAST).collect::<Vec<_>>();
                let last: Vec<&str> = last.into_iter().rev().collect();
                println!(
                    "=== {}\n{}\n{}",
                    server.name(),
                    server.banner(),
                    last.join("\n")
                );
            }
        }
    }
}

/// Lines of each log.
const LAST: usize = 12;

/// How long a stop may take.
pub(crate) const GRACE: Duration = Duration::from_secs(6);

/// Pieces stop within [`GRACE`], and what one left that is gone for good is made whole as soon.
const SOON: [&str; 4] = ["--grace", "6s", "--adopt-after", "5s"];
