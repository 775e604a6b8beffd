//! Origins with real processes: gateways, two origins of them and a third behind those, as a platform has them on
//! several machines.

use std::time::Duration;

use lsv_tests::{Picture, Process, Server, eventually};
use serde_json::{Value, json};

mod cached;
mod failover;
mod fan_out;
mod seams;
mod segments;
mod viewers;

/// A platform: publishers push to gateways, viewers watch at the edge.
struct Platform {
    gateways: Vec<Server>,
    origins: Vec<Server>,
    /// Behind the origins.
    edge: Server,
    key: String,
}

impl Platform {
    /// So many gateways, two origins of them, and an origin of these.
    async fn start(gateways: usize) -> Self {
        let starting = (0..gateways).map(|_| Server::start(&TOKEN));
        let gateways = futures::future::join_all(starting).await;
        let bases: Vec<&str> = gateways.iter().map(Server::base).collect();
        let (one, other) = tokio::join!(
            Server::start_origin(&bases, &TOKEN),
            Server::start_origin(&bases, &TOKEN)
        );
        let edge = Server::start_origin(&[one.base(), other.base()], &TOKEN).await;
        let mut key = String::new();
        for gateway in &gateways {
            let channel = json!({ "id": CHANNEL, "isCMAF": true, "outdate": "2090-01-01" });
            let channel = gateway.api().create(&channel).await;
            key = lsv_tests::stream_key(&channel);
        }
        Self {
            gateways,
            origins: vec![one, other],
            edge,
            key,
        }
    }

    /// An encoder that pushes to a gateway.
    fn push(&self, gateway: usize) -> Process {
        Picture::default().push(&self.gateways[gateway].rtmp(&self.key))
    }

    /// The viewers of the channel at a gateway, by protocol, once it is live there.
    async fn viewers_at(&self, gateway: usize) -> Value {
        let api = self.gateways[gateway].api();
        eventually("the channel is live", async || {
            let answer = api.read(&format!("/videostream/{CHANNEL}/session")).await;
            let answer = (answer.status == 200).then(|| answer.json())?;
            Some(answer["viewers"].clone())
        })
        .await
    }
}

/// The sum of a metric over all its labels.
async fn metric(server: &Server, name: &str) -> f64 {
    let text = reqwest::get(server.http("/metrics")).await;
    let text = text.expect("metrics").text().await.expect("text");
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let is_whole = rest.starts_with(['{', ' ']);
        is_whole.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    });
    values.sum()
}

/// Nodes show each other another secret than programs show the API.
const TOKEN: [&str; 2] = ["--node-token", "between nodes"];
const CHANNEL: &str = "cam";

/// What a quiet machine shows well within, and a busy one too.
const GENEROUS: Duration = Duration::from_secs(14);
