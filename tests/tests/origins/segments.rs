//! Segments that origins keep as their nodes make them.

use futures::future::join_all;
use lsv_tests::{Server, eventually, hls};

use crate::{Platform, TOKEN, metric};

#[tokio::test(flavor = "multi_thread")]
async fn all_who_keep_the_segments_of_the_same_nodes_have_the_same() {
    let platform = Platform::start(1).await;
    let bases: Vec<&str> = platform.origins.iter().map(Server::base).collect();
    let keeping = [&TOKEN[..], &["--segments", "nodes"]].concat();
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

async fn text(url: &str) -> Option<String> {
    let answer = reqwest::get(url).await.ok()?.error_for_status().ok()?;
    answer.text().await.ok()
}

const FETCHES: &str = "lsv_edge_upstream_fetches_total";
const VIEWERS: usize = 200;
