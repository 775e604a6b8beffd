//! Pieces that are told to stop, and come back, as it is when they are replaced by newer ones.

use std::time::Duration;

use lsv_tests::{Server, Signal, eventually, files_below};
use serde_json::json;
use tokio::time::Instant;

use super::{Audience, Lost, keeper, name, places, publish};
use crate::clip;
use crate::pieces::{GRACE, Platform, Store};

#[tokio::test(flavor = "multi_thread")]
async fn viewers_go_on_whichever_piece_stops() {
    let (_folder, clip) = clip(24).await;
    let mut platform = Platform::start(Store::Remote).await;
    let kept = json!({
        "isVideo": true, "video_time": 3600, "hls_time": 2, "hls_list_size": 3, "dvr_window": 600,
    });
    let (_key, encoder) = publish(&platform, &clip, kept).await;
    let (gateway, processor) = places(&platform).await;
    let mut audience = Audience::of(&platform.origins).await;

    let since = Instant::now();
    let stopping = &mut platform.processors[processor];
    stops(stopping).await;
    let log = stopping.log();
    let (_, after) = log.split_once("stopping").expect("it says that it stops");
    assert!(!after.contains("pulling"), "{after}");
    audience.goes_on("the processor", since, Lost::Source).await;
    assert_ne!(places(&platform).await.1, processor);
    platform.processors[processor].start_again().await;

    let windows = platform.keeper.data().join("objects/dvr");
    let since = Instant::now();
    stops(&mut platform.gateways[gateway]).await;
    audience.goes_on("the gateway", since, Lost::Source).await;
    let other = places(&platform).await.0;
    assert_ne!(other, gateway);
    let of_other = windows.join(name(&platform.gateways[other]));
    eventually("old segments are kept", async || {
        (!files_below(&of_other, "").is_empty()).then_some(())
    })
    .await;
    let before = files_below(&of_other, "");
    platform.gateways[gateway].start_again().await;
    eventually("what the gateway kept before is gone", async || {
        let own = windows.join(name(&platform.gateways[gateway]));
        files_below(&own, "").is_empty().then_some(())
    })
    .await;
    let after = files_below(&of_other, "");
    assert!(
        before.iter().all(|file| after.contains(file)),
        "{before:?} {after:?}"
    );

    for (place, what) in ["an origin", "an origin of segments"].iter().enumerate() {
        let since = Instant::now();
        stops(&mut platform.origins[place]).await;
        audience.goes_on(what, since, Lost::Origin).await;
        platform.origins[place].start_again().await;
    }

    let since = Instant::now();
    let mut proxy = platform.proxy.take().expect("there is a proxy");
    let address = proxy.address().to_string();
    proxy.signal(Signal::TERM);
    eventually("the address is free", async || {
        std::net::TcpListener::bind(&address).is_ok().then_some(())
    })
    .await;
    platform.proxy = Some(platform.proxy_at(&address).await);
    assert!(proxy.ended().await.success(), "{}", proxy.log());
    in_time(since);
    audience.goes_on("the proxy", since, Lost::Other).await;

    let since = Instant::now();
    stops(&mut platform.keeper).await;
    audience.goes_on("the API", since, Lost::Other).await;
    let since = Instant::now();
    platform.keeper.start_again().await;
    places(&platform).await;
    audience
        .goes_on("anything: the API is back", since, Lost::Other)
        .await;

    keeper::dies_and_comes_back(&mut platform, &mut audience).await;
    audience.leaves();
    keeper::has_it_all(&mut platform, &clip, encoder).await;
}

/// Tells it to stop: it ends in order, and in time.
async fn stops(server: &mut Server) {
    let since = Instant::now();
    let status = server.stop().await;
    assert!(status.success(), "{} ended with {status}", server.name());
    in_time(since);
}

/// A busy machine may take as long again.
fn in_time(since: Instant) {
    let took = since.elapsed();
    assert!(took < GRACE + SPARE, "{took:?}");
}

const SPARE: Duration = Duration::from_secs(6);
