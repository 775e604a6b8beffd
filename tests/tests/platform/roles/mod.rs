//! Each piece is lost in turn while it works: killed, as by a power cut, and stopped, as by an operator.

use lsv_tests::{Returning, Server, eventually, stream_key};
use serde_json::{Value, json};
use std::path::Path;

use crate::pieces::Platform;
use crate::suite::CHANNEL;

mod adoption;
mod audience;
mod deaths;
mod keeper;
mod stops;

use audience::{Audience, Lost};

/// Makes a channel with a rendition and publishes to it, by an encoder that comes back.
async fn publish(platform: &Platform, clip: &Path, settings: Value) -> (String, Returning) {
    let mut channel = json!({
        "id": CHANNEL, "outdate": "2090-01-01", "isCMAF": true, "isCodec": true, "ld": true, "codecSize": "small"
    });
    if let (Some(channel), Some(settings)) = (channel.as_object_mut(), settings.as_object()) {
        channel.extend(settings.clone());
    }
    let key = stream_key(&platform.api().create(&channel).await);
    let encoder = Returning::push_file(clip, &platform.push(&key));
    (key, encoder)
}

/// The gateway and the processor that work for the channel, by their places among all.
async fn places(platform: &Platform) -> (usize, usize) {
    let api = platform.api();
    let path = format!("/videostream/{CHANNEL}/session");
    eventually("a gateway and a processor are shown", async || {
        let session = api.read(&path).await.json();
        let tasks = session["tasks"].as_array()?;
        let task = tasks.iter().find(|task| task["kind"] == "process")?;
        let place =
            |servers: &[Server], has: &dyn Fn(&Server) -> bool| servers.iter().position(has);
        let gateway = place(&platform.gateways, &|server| {
            session["node"] == name(server)
        });
        let task = task.to_string();
        let processor = place(&platform.processors, &|server| task.contains(server.base()));
        Some((gateway?, processor?))
    })
    .await
}

/// What a node is called among others: after its host, its port and its data folder.
fn name(server: &Server) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a host name");
    let host: String = host.trim().chars().take(48).collect();
    let (_, port) = server.rtmp_address().rsplit_once(':').expect("a port");
    let id = std::fs::read_to_string(server.data().join("node-id")).expect("an id");
    format!("{host}-{port}-{}", id.trim())
}
