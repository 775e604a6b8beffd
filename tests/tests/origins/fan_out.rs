//! Any number of viewers are one pull, whatever they watch and wherever.

use lsv_tests::{Server, Viewer, eventually};

use crate::{CHANNEL, Platform, metric};

#[tokio::test(flavor = "multi_thread")]
async fn viewers_of_an_edge_are_one_connection_at_each_tier() {
    let platform = Platform::start(1).await;
    let _publisher = platform.push(0);
    platform.viewers_at(0).await;
    let url = platform.edge.http("/cam/live.flv");
    let viewers = futures::future::join_all((0..VIEWERS).map(|_| Viewer::open(&url))).await;
    for viewer in &viewers {
        viewer.goes_on(10_000).await;
    }
    eventually("all viewers are counted", async || {
        let counted = metric(&platform.edge, "lsv_viewers").await;
        (counted as usize == VIEWERS).then_some(())
    })
    .await;
    let at_gateway = platform.viewers_at(0).await;
    let counts = at_gateway.as_object().expect("viewers by protocol");
    let viewers: u64 = counts.values().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(
        (&at_gateway["rtmp"], viewers),
        (&1.into(), 1),
        "{at_gateway}"
    );
    let mut pulls = Vec::new();
    for server in platform.origins.iter().chain([&platform.edge]) {
        pulls.push(metric(server, "lsv_pulls_total").await as u64);
    }
    pulls.sort_unstable();
    // All who pull the channel agree on one of the two origins.
    assert_eq!(pulls, [0, 1, 1], "pulls of the origins and the edge");
}

#[tokio::test(flavor = "multi_thread")]
async fn origins_that_are_each_others_nodes_find_nothing_and_say_so() {
    let gateway = Server::start(&[]).await;
    gateway.api().channel(CHANNEL).await;
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = reserved.local_addr().expect("an address").to_string();
    drop(reserved);
    let one = Server::start_origin(&[gateway.base(), &format!("http://{port}")], &[]).await;
    let _other = Server::start_origin(&[one.base(), gateway.base()], &["--http", &port]).await;
    for path in ["/cam/live.flv", "/cam/live.m3u8", "/cam/master.m3u8"] {
        let answer = reqwest::get(one.http(path)).await.expect("an answer");
        assert_eq!(answer.status(), 404, "{path}");
    }
}

/// In a second each gets some 80 kB: what two cores carry beside other tests.
const VIEWERS: usize = 100;
