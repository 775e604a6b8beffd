//! What a gateway was recording that is gone for good.

use std::path::Path;

use lsv_tests::{Packets, eventually, read};
use serde_json::Value;

use crate::pieces::Platform;
use crate::suite::CHANNEL;

/// The first recording of each kind is whole, which the gateway began that was killed: it plays without a complaint, and
/// has what was sent without a gap.
pub(crate) async fn is_whole(platform: &Platform, clip: &Path) {
    let sent = Packets::of(clip).await.repeated(ROUNDS);
    for kind in ["file", "on-demand"] {
        let first = eventually(&format!("the first {kind} is whole"), async || {
            let path = format!("/videostream/{CHANNEL}/recordings");
            let listed = platform.api().read(&path).await.json();
            let mut listed: Vec<Value> = listed.as_array()?.clone();
            listed.retain(|recording| recording["kind"] == kind);
            listed.sort_by_key(|recording| recording["name"].to_string());
            let first = listed.first()?;
            first["length"].as_f64().is_some().then(|| first.clone())
        })
        .await;
        let url = first["url"].as_str().expect("where it plays");
        let (_, path) = url.split_once("/cam/vod/").expect("an address");
        let url = platform.viewing().http(&format!("/cam/vod/{path}"));
        let played = read(kind, &[], &url).await;
        assert_eq!(played.complaints, "", "{first}");
        played.packets.assert_part_of(&sent, LEAST, kind);
        println!(
            "{kind}: {} pictures of a gateway that is gone",
            played.packets.video.len()
        );
    }
}

/// How often an encoder sent the clip at most until then.
const ROUNDS: usize = 4;

/// Packets of eight seconds: the gateway died later.
const LEAST: usize = 200;
