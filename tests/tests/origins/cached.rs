//! What origins fetch from their nodes and keep: once, however many ask.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use lsv_tests::{Http2, Picture, Server, eventually, stream_key};
use reqwest::header::HeaderMap;
use serde_json::json;

use crate::{CHANNEL, metric};

/// A gateway with a recording of a channel, an origin of it, and an origin of that.
struct Tiers {
    gateway: Server,
    origin: Server,
    edge: Server,
    /// The folder of the recording, as it is asked for.
    recording: String,
}

impl Tiers {
    async fn start(edge: &[&str]) -> Self {
        let gateway = Server::start(&["--reconnect-window", "1s"]).await;
        let channel =
            json!({ "id": CHANNEL, "isOnDemand": true, "ondemand_time": 2, "isVideo": true });
        let channel = gateway.api().create(&channel).await;
        let publisher = Picture::default().push(&gateway.rtmp(&stream_key(&channel)));
        eventually("a few segments", async || {
            let text = gateway
                .api()
                .read(&Self::playlist(&gateway).await?)
                .await
                .text;
            (text.matches("#EXTINF").count() >= 3).then_some(())
        })
        .await;
        drop(publisher);
        let origin = Server::start_origin(&[gateway.base()], &[]).await;
        let edge = Server::start_origin(&[origin.base()], edge).await;
        let recording = eventually("the recording is whole", async || {
            let playlist = Self::playlist(&gateway).await?;
            let text = gateway.api().read(&playlist).await.text;
            let folder = playlist.strip_suffix("index.m3u8")?.to_owned();
            text.contains("#EXT-X-ENDLIST").then_some(folder)
        })
        .await;
        Self {
            gateway,
            origin,
            edge,
            recording,
        }
    }

    async fn playlist(gateway: &Server) -> Option<String> {
        let listing = gateway.api().read("/cam/vod/").await.json();
        let mut recordings = listing["recordings"].as_array()?.iter();
        recordings.find_map(|recording| {
            let url = recording["url"].as_str()?;
            url.ends_with("index.m3u8")
                .then(|| format!("/cam/vod/{url}"))
        })
    }

    /// A segment of the recording that nobody has asked for yet.
    async fn cold_segment(&self) -> String {
        let playlist = text(&self.edge, &format!("{}index.m3u8", self.recording)).await;
        let segment = playlist.lines().find(|line| line.ends_with(".m4s"));
        format!("{}{}", self.recording, segment.expect("a segment"))
    }
}

/// Ten thousand requests at once over HTTP/2, forty connections of as many streams as one may have, and some hundreds
/// on connections of their own.
#[tokio::test(flavor = "multi_thread")]
async fn viewers_of_a_cold_segment_are_one_fetch_at_each_tier() {
    let tiers = Tiers::start(&[]).await;
    let path = tiers.cold_segment().await;
    let expected = get(&tiers.gateway, &path).await.1;
    let before = [fetches(&tiers.origin).await, fetches(&tiers.edge).await];
    let address = tiers.edge.http_address();
    let connections = join_all((0..CONNECTIONS).map(|_| Http2::plain(address))).await;
    let (path, expected) = (Arc::<str>::from(path), Arc::new(expected));
    let mut viewers = Vec::new();
    for connection in connections.into_iter().map(Arc::new) {
        for _ in 0..STREAMS {
            let (connection, path) = (Arc::clone(&connection), Arc::clone(&path));
            let expected = Arc::clone(&expected);
            viewers.push(tokio::spawn(async move {
                assert!(connection.bytes(&path).await == *expected);
            }));
        }
    }
    for _ in 0..SOCKETS {
        let (url, expected) = (tiers.edge.http(&path), Arc::clone(&expected));
        viewers.push(tokio::spawn(async move {
            let answer = reqwest::get(url).await.expect("an answer");
            assert!(answer.bytes().await.expect("a body") == *expected);
        }));
    }
    for viewer in join_all(viewers).await {
        viewer.expect("the very bytes");
    }
    let after = [fetches(&tiers.origin).await, fetches(&tiers.edge).await];
    assert_eq!(after, before.map(|count| count + 1.0));
    let (fields, _) = get(&tiers.edge, &path).await;
    assert_eq!(fields["x-cache"], "HIT");
    assert!(fields["via"].to_str().expect("text").starts_with("1.1 "));
}

/// A range of a file costs its chunks and no more; the gateway may go, and what is kept stays to be had.
#[tokio::test(flavor = "multi_thread")]
async fn recordings_are_had_through_tiers_and_from_disk() {
    let mut tiers = Tiers::start(&["--cache-disk", "64M", "--cache-memory", "64k"]).await;
    let listing = text(&tiers.edge, "/cam/vod/").await;
    assert!(listing.contains("mp4/"), "{listing}");
    let path = tiers.cold_segment().await;
    let (_, segment) = get(&tiers.edge, &path).await;
    assert_eq!(segment, get(&tiers.gateway, &path).await.1);
    let answer = reqwest::Client::new()
        .get(tiers.edge.http(&path))
        .header("range", "bytes=10-19");
    let answer = answer.send().await.expect("an answer");
    assert_eq!(answer.status(), 206);
    assert_eq!(answer.bytes().await.expect("a body"), segment.slice(10..20));
    eventually("the segment is on disk", async || {
        (disk_bytes(&tiers.edge).await as usize >= segment.len()).then_some(())
    })
    .await;
    tiers.gateway.kill().await;
    tiers.origin.kill().await;
    let (fields, again) = get(&tiers.edge, &path).await;
    assert_eq!(again, segment, "{fields:?}");
}

async fn get(server: &Server, path: &str) -> (HeaderMap, Bytes) {
    let answer = reqwest::get(server.http(path)).await.expect("an answer");
    assert_eq!(answer.status(), 200, "{path}");
    let fields = answer.headers().clone();
    (fields, answer.bytes().await.expect("a body"))
}

async fn text(server: &Server, path: &str) -> String {
    String::from_utf8(get(server, path).await.1.into()).expect("UTF-8")
}

/// What a server has asked of others.
async fn fetches(server: &Server) -> f64 {
    metric(server, "lsv_edge_upstream_fetches_total").await
}

async fn disk_bytes(server: &Server) -> f64 {
    let text = text(server, "/metrics").await;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("lsv_edge_held_bytes{tier=\"disk\"} "));
    line.and_then(|bytes| bytes.parse().ok())
        .unwrap_or_default()
}

const CONNECTIONS: usize = 40;
const STREAMS: usize = 250;
const SOCKETS: usize = 300;
