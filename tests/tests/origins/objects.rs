//! What an edge keeps is fetched once at each tier, whoever asks and how many.

use futures::future::join_all;
use lsv_tests::{Api, Server, Signal, TOKEN, eventually, hls};
use serde_json::json;

use crate::{CHANNEL, Platform, metric};

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_fetched_once_at_each_tier() {
    let platform = Platform::start(1).await;
    let gateway = &platform.gateways[0];
    let fields = json!({ "isOnDemand": true, "ondemand_time": 2 });
    gateway.api().change(CHANNEL, &fields).await;
    let mut publisher = platform.push(0);
    platform.viewers_at(0).await;
    let playlist = eventually("three segments are recorded", async || {
        let listed = recordings(gateway.base()).await?;
        let path = listed["url"].as_str()?.split_once("/cam/")?.1.to_owned();
        let text = text(&gateway.http(&format!("/cam/{path}"))).await?;
        (text.matches("#EXTINF").count() >= 3).then_some(path)
    })
    .await;
    publisher.signal(Signal::INT);
    publisher.ended().await;
    let url = platform.edge.http(&format!("/cam/{playlist}"));
    let whole = eventually("the recording is whole", async || {
        let text = text(&url).await?;
        text.contains("#EXT-X-ENDLIST").then_some(text)
    })
    .await;
    let segment = whole
        .lines()
        .find(|line| !line.starts_with('#'))
        .expect("a segment");
    let (folder, _) = url.rsplit_once('/').expect("an address");
    let address = format!("{folder}/{segment}");

    let before = fetches(&platform).await;
    let client = reqwest::Client::new();
    let bodies = join_all((0..VIEWERS).map(async |_| {
        let answer = client.get(&address).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.bytes().await.expect("a body")
    }))
    .await;
    let after = fetches(&platform).await;
    let at_gateway = path_of(&address)
        .map(|path| gateway.http(&path))
        .expect("a path");
    let original = reqwest::get(at_gateway).await.expect("an answer");
    let original = original.bytes().await.expect("a body");
    assert!(bodies.iter().all(|body| *body == original));
    let more: Vec<u64> = after
        .iter()
        .zip(before)
        .map(|(after, before)| after - before)
        .collect();
    println!("{VIEWERS} viewers of a segment: {more:?} fetches of the origins and the edge");
    // The edge fetched it from one of the two origins, and that one from the gateway.
    assert_eq!(more.iter().sum::<u64>(), 2);
    assert_eq!(more.last(), Some(&1));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_keep_the_segments_of_the_same_nodes_have_the_same() {
    let platform = Platform::start(1).await;
    let bases: Vec<&str> = platform.origins.iter().map(Server::base).collect();
    let keeping = ["--segments", "nodes"];
    let (one, other) = tokio::join!(
        Server::start_origin(&bases, &keeping),
        Server::start_origin(&bases, &keeping)
    );
    let _publisher = platform.push(0);
    platform.viewers_at(0).await;
    let media = eventually("a playlist with segments", async || {
        let text = text(&one.http("/cam/cmaf/video.m3u8")).await?;
        (text.matches("#EXTINF").count() >= 2).then_some(text)
    })
    .await;
    let listed = hls::MediaPlaylist::parse(&media).expect("a playlist");
    let segment = listed.segments.first().expect("a segment").uri.clone();
    let path = format!("/cam/cmaf/{segment}");
    let client = reqwest::Client::new();
    let get = async |server: &Server| {
        let answer = client
            .get(server.http(&path))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.bytes().await.expect("a body")
    };
    let before = metric(&one, FETCHES).await as u64;
    let bodies = join_all((0..VIEWERS).map(|_| get(&one))).await;
    let fetched = metric(&one, FETCHES).await as u64 - before;
    assert_eq!(fetched, 1, "fetches for {VIEWERS} viewers");
    let elsewhere = get(&other).await;
    assert!(
        bodies.iter().all(|body| *body == elsewhere),
        "the bytes differ"
    );
    // Blocking reloads of many are one wait at the node.
    let next = listed.media_sequence + listed.segments.len() as u64 + 1;
    let reload = format!("/cam/cmaf/video.m3u8?_HLS_msn={next}&_HLS_part=0");
    let before = metric(&one, FETCHES).await as u64;
    let reloads = join_all((0..VIEWERS).map(async |_| text(&one.http(&reload)).await)).await;
    let fetched = metric(&one, FETCHES).await as u64 - before;
    assert!(reloads.iter().all(Option::is_some));
    assert_eq!(fetched, 1, "fetches for {VIEWERS} reloads");
}

/// Fetches from upstream of the two origins and the edge.
async fn fetches(platform: &Platform) -> Vec<u64> {
    let servers = platform.origins.iter().chain([&platform.edge]);
    join_all(servers.map(async |server| metric(server, FETCHES).await as u64)).await
}

/// The recording on demand, as the API of a node lists it.
async fn recordings(base: &str) -> Option<serde_json::Value> {
    let api = Api::new(base, Some(TOKEN));
    let answer = api
        .read(&format!("/videostream/{CHANNEL}/recordings"))
        .await;
    let listed = answer.json();
    let mut recordings = listed.as_array()?.iter();
    recordings.find(|it| it["kind"] == "on-demand").cloned()
}

fn path_of(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    Some(rest[rest.find('/')?..].to_owned())
}

async fn text(url: &str) -> Option<String> {
    let answer = reqwest::get(url).await.ok()?.error_for_status().ok()?;
    answer.text().await.ok()
}

const FETCHES: &str = "lsv_edge_upstream_fetches_total";
const VIEWERS: usize = 200;
