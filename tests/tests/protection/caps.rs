//! How many may watch at once: the caps of the platform and of the channel, at a gateway and at an origin, by those for
//! whom there is room and those for whom there is none.

use lsv_tests::{Server, eventually};
use serde_json::json;

use crate::Live;
use crate::asking::{Asker, Told, Watching};
use crate::ways::{Form, Way, ways};

#[tokio::test]
async fn no_more_watch_than_may() {
    let most = COUNTED.len().to_string();
    let proxied = ["--trusted-proxies", "127.0.0.1", "--max-viewers", &most];
    let live = Live::start_with(&proxied).await;
    let origin = Server::start_origin(&[live.server.base()], &proxied).await;
    for (place, server) in [("gateway", &live.server), ("origin", &origin)] {
        let asker = Asker::new(server);
        change(&live, 0, 0).await;
        capped(&asker, &format!("{place}, platform's"), COUNTED.len()).await;
        // More than the platform lets in: a channel's own cap counts instead.
        change(&live, COUNTED.len() + 2, 0).await;
        capped(&asker, &format!("{place}, channel's"), COUNTED.len() + 2).await;
        change(&live, 0, 1).await;
        capped_by_address(&asker, place).await;
        let metrics = server.api().read("/metrics").await.text;
        for protocol in ["http", "rtmp"] {
            let is_counted = |line: &str| {
                let parts = [protocol, "reason=\"too-many-viewers\""];
                line.starts_with("lsv_refused_total")
                    && parts.iter().all(|part| line.contains(part))
            };
            assert!(metrics.lines().any(is_counted), "{place}, {protocol}");
        }
    }
}

async fn change(live: &Live, viewers: usize, viewers_per_ip: usize) {
    let caps = json!({ "maxViewers": viewers, "maxViewersPerIp": viewers_per_ip });
    live.server.api().change("cam", &caps).await;
}

/// Fills all seats, one viewer after the other on the ways that count, and looks who else is let in.
async fn capped(asker: &Asker, row: &str, most: usize) {
    let ways = ways(asker).await;
    let (counted, free): (Vec<_>, Vec<_>) = ways.iter().partition(|way| is_counted(way));
    assert_eq!(counted.len(), COUNTED.len(), "{row}");
    let newcomer = viewer(NEWCOMER);
    // The seats of an earlier row are given back, and the new cap is in force.
    let mut seated = eventually("all seats", async || {
        fill(asker, &counted, most, &newcomer).await
    })
    .await;
    let mut shown = Vec::new();
    for way in &counted {
        go_on(asker, &counted).await;
        let status = asker.watch(way, &newcomer).await.status();
        shown.push(format!("{} {status}", way.label));
        assert_eq!(status, 403, "{row}: one too many on {}", way.label);
    }
    for way in &free {
        let status = asker.watch(way, &newcomer).await.status();
        assert_eq!(status, way.allowed, "{row}: {} takes no seat", way.label);
    }
    println!("{:<12} {row:<34} {}", "caps", shown.join(", "));
    for (at, way) in counted
        .iter()
        .enumerate()
        .filter(|(_, way)| is_connected(way))
    {
        go_on(asker, &counted).await;
        seated[at] = None;
        eventually("room for one more", async || {
            let status = asker.watch(way, &newcomer).await.status();
            (status == way.allowed).then_some(())
        })
        .await;
        // Whoever leaves gives its seat back, and the next has it.
        seated[at] = eventually("a seat again", async || seat(asker, way, VIEWERS[at]).await)
            .await
            .into();
    }
    // Those who fetch have left some segments after their last request, whatever the others do.
    let fetches = counted.iter().find(|way| !is_connected(way));
    let way = fetches.expect("a way of fetching");
    eventually("room for one who fetches", async || {
        let status = asker.watch(way, &newcomer).await.status();
        (status == way.allowed).then_some(())
    })
    .await;
}

/// Who fetches and has a seat fetches on.
async fn go_on(asker: &Asker, counted: &[&Way]) {
    let viewers = VIEWERS.iter().zip(counted);
    for (address, way) in viewers.filter(|(_, way)| !is_connected(way)) {
        let status = asker.watch(way, &viewer(address)).await.status();
        assert_eq!(status, way.allowed, "{} goes on", way.label);
    }
}

/// Viewers on all seats; none where somebody else still has one of them, or the cap is not yet in force.
async fn fill(
    asker: &Asker,
    counted: &[&Way],
    most: usize,
    newcomer: &Told,
) -> Option<Vec<Option<Watching>>> {
    let mut seated = Vec::new();
    for (viewer, way) in VIEWERS[..most].iter().copied().zip(counted.iter().cycle()) {
        seated.push(Some(seat(asker, way, viewer).await?));
    }
    let is_full = asker.watch(counted[0], newcomer).await.status() == 403;
    is_full.then_some(seated)
}

async fn seat(asker: &Asker, way: &Way, address: &'static str) -> Option<Watching> {
    let watching = asker.watch(way, &viewer(address)).await;
    match watching.status() {
        403 => None,
        status => {
            assert_eq!(status, way.allowed, "{}", way.label);
            Some(watching)
        }
    }
}

/// One at each address: two programs at one are two viewers.
async fn capped_by_address(asker: &Asker, place: &str) {
    let ways = ways(asker).await;
    for way in ways.iter().filter(|way| is_counted(way)) {
        // Over RTMP all of them are on this machine.
        let neighbour = Told {
            agent: "another program",
            ..viewer(VIEWERS[0])
        };
        let held = eventually("a seat at an address", async || {
            let held = seat(asker, way, VIEWERS[0]).await?;
            let is_full = asker.watch(way, &neighbour).await.status() == 403;
            is_full.then_some(held)
        })
        .await;
        if !way.is_rtmp() {
            // The places of an earlier row may be taken a while longer.
            eventually("room at another address", async || {
                let status = asker.watch(way, &viewer(NEWCOMER)).await.status();
                (status == way.allowed).then_some(())
            })
            .await;
        }
        drop(held);
    }
    println!("{:<12} {place}, one at each address", "caps");
}

fn viewer(address: &'static str) -> Told {
    Told {
        forwarded_for: address,
        agent: "a program",
        ..Told::default()
    }
}

fn is_counted(way: &Way) -> bool {
    COUNTED.contains(&way.label)
}

fn is_connected(way: &Way) -> bool {
    way.is_rtmp() || way.form == Form::WebSocket || way.label == "FLV"
}

/// The ways out that give media of what is live.
const COUNTED: [&str; 13] = [
    "RTMP",
    "FLV",
    "WebSocket",
    "HLS",
    "index",
    "TS",
    "LL-HLS",
    "video",
    "init",
    "segment",
    "part",
    "DASH",
    "720p",
];
const VIEWERS: [&str; 15] = [
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.3",
    "192.0.2.4",
    "192.0.2.5",
    "192.0.2.6",
    "192.0.2.7",
    "192.0.2.8",
    "192.0.2.9",
    "192.0.2.10",
    "192.0.2.11",
    "192.0.2.12",
    "192.0.2.13",
    "192.0.2.14",
    "192.0.2.15",
];
const NEWCOMER: &str = "198.51.100.1";
