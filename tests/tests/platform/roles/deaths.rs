//! Pieces that are killed.

use lsv_tests::Client;
use serde_json::json;
use tokio::time::Instant;

use super::{Audience, Lost, adoption, places, publish};
use crate::clip;
use crate::pieces::{Platform, Store};

#[tokio::test(flavor = "multi_thread")]
async fn viewers_go_on_whichever_piece_dies() {
    let (_folder, clip) = clip(24).await;
    let mut platform = Platform::start(Store::Aws).await;
    let recorded =
        json!({ "isVideo": true, "video_time": 3600, "isOnDemand": true, "ondemand_time": 4 });
    let (key, _encoder) = publish(&platform, &clip, recorded).await;
    let (gateway, processor) = places(&platform).await;
    let mut audience = Audience::of(&platform.origins).await;
    audience
        .goes_on("nothing", Instant::now(), Lost::Other)
        .await;

    let since = Instant::now();
    platform.processors[processor].kill().await;
    audience.goes_on("the processor", since, Lost::Source).await;

    let since = Instant::now();
    platform.gateways[gateway].kill().await;
    audience.goes_on("the gateway", since, Lost::Source).await;

    let since = Instant::now();
    let address = platform.proxy_killed();
    platform.proxy = Some(platform.proxy_at(&address).await);
    audience.goes_on("the proxy", since, Lost::Other).await;

    let since = Instant::now();
    platform.pause_store(true);
    let refused = Client::connect(&address).await.publish(&key).await;
    let refusal = refused.expect_err("nobody may publish while it is not known who may");
    assert_eq!(refusal.code, "NetStream.Publish.Denied", "{refusal:?}");
    audience.goes_on("the store", since, Lost::Other).await;
    platform.pause_store(false);

    for (place, what) in ["an origin", "an origin of segments"].iter().enumerate() {
        let since = Instant::now();
        platform.origins[place].kill().await;
        audience.goes_on(what, since, Lost::Origin).await;
        platform.origins[place].start_again().await;
    }

    let since = Instant::now();
    platform.keeper.kill().await;
    audience.goes_on("the API", since, Lost::Other).await;
    audience.leaves();
    platform.keeper.start_again().await;
    adoption::is_whole(&platform, &clip).await;
}
