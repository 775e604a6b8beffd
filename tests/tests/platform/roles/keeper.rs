//! The node that keeps everything for all others dies, and comes back.

use std::path::Path;

use lsv_tests::{
    Client, Packets, Picture, Returning, eventually, files_below, stream_key, watch_file,
};
use serde_json::json;
use tokio::time::Instant;

use super::{Audience, Lost};
use crate::pieces::Platform;

/// Viewers go on, nobody begins to publish meanwhile, and anybody may afterwards.
pub(crate) async fn dies_and_comes_back(platform: &mut Platform, audience: &mut Audience) {
    let other = json!({ "id": "other", "outdate": "2090-01-01" });
    let key = stream_key(&platform.api().create(&other).await);
    let address = platform.proxy.as_ref().expect("there is a proxy").address();
    let address = address.to_string();

    let since = Instant::now();
    platform.keeper.kill().await;
    let refused = Client::connect(&address).await.publish(&key).await;
    let refusal = refused.expect_err("nobody may publish while it is not known who may");
    assert_eq!(refusal.code, "NetStream.Publish.Denied", "{refusal:?}");
    audience
        .goes_on("the node that keeps all", since, Lost::Other)
        .await;

    platform.keeper.start_again().await;
    let _encoder = eventually("anybody may publish again", async || {
        let mut client = Client::connect(&address).await;
        client.publish(&key).await.ok().map(|()| client)
    })
    .await;
    let _picture = Picture::default().push(&platform.push(&key));
    eventually("the other channel is live", async || {
        let session = platform.api().read("/videostream/other/session").await;
        (session.status == 200).then_some(())
    })
    .await;
}

/// When the gateways have stopped, everything that was recorded is whole: what was going on while the node was away, too.
pub(crate) async fn has_it_all(platform: &mut Platform, clip: &Path, encoder: Returning) {
    drop(encoder);
    for gateway in &mut platform.gateways {
        assert!(gateway.stop().await.success());
    }
    let objects = platform.keeper.data().join("objects");
    eventually("nothing is being written", async || {
        files_below(&objects.join("unfinished"), "")
            .is_empty()
            .then_some(())
    })
    .await;
    let sent = Packets::of(clip).await.repeated(ROUNDS);
    let files = files_below(&objects.join("record/cam"), ".mp4");
    assert!(!files.is_empty());
    for file in &files {
        watch_file(file).await;
        let got = Packets::of(file).await;
        let label = file.display().to_string();
        println!("{label}: {} pictures", got.video.len());
        got.assert_part_of(&sent, 1, &label);
    }
}

/// How often an encoder sent the clip at most until then.
const ROUNDS: usize = 8;
