//! Every piece is killed in turn while it works: what viewers see of it.

use lsv_tests::{
    Client, FlvWatcher, HlsWatcher, Server, eventually, push_file_and_return, stream_key,
};
use serde_json::json;
use tokio::time::Instant;

use crate::pieces::{Platform, Store};
use crate::{clip, suite::CHANNEL};

#[tokio::test(flavor = "multi_thread")]
async fn viewers_go_on_whichever_piece_dies() {
    let (_folder, clip) = clip(24).await;
    let mut platform = Platform::start(Store::Aws).await;
    let channel = json!({
        "id": CHANNEL, "outdate": "2090-01-01", "isCMAF": true, "isCodec": true, "ld": true, "codecSize": "small"
    });
    let key = stream_key(&platform.api().create(&channel).await);
    let _encoder = push_file_and_return(&clip, &platform.push(&key));
    let viewers = Viewers::of(&platform.origins[0]).await;
    viewers.go_on("at first").await;

    let (gateway, processor) = places(&platform).await;
    platform.processors[processor].kill().await;
    viewers.go_on("without the processor").await;

    platform.gateways[gateway].kill().await;
    viewers.go_on("without the gateway").await;

    let proxy = platform.proxy.take().expect("there is a proxy");
    let address = proxy.address().to_string();
    drop(proxy);
    platform.proxy = Some(platform.proxy_at(&address).await);
    viewers.go_on("with another proxy").await;

    let moto = platform.moto.as_ref().expect("there is moto");
    moto.pause(true);
    let refused = Client::connect(&address).await.publish(&key).await;
    let refusal = refused.expect_err("nobody may publish while it is not known who may");
    assert_eq!(refusal.code, "NetStream.Publish.Denied", "{refusal:?}");
    viewers.go_on("without the store").await;
    moto.pause(false);
    viewers.go_on("with the store again").await;

    platform.origins[1].kill().await;
    platform.keeper.kill().await;
    viewers.go_on("without the API and another origin").await;
}

/// One for each way that a stream comes.
struct Viewers {
    flv: FlvWatcher,
    ts: HlsWatcher,
    rendition: HlsWatcher,
}

impl Viewers {
    async fn of(server: &Server) -> Self {
        Self {
            ts: HlsWatcher::open(&server.http("/cam/live.m3u8")),
            rendition: HlsWatcher::open(&server.http("/cam/360p/live.m3u8")),
            flv: FlvWatcher::open(&server.http("/cam/live.flv")).await,
        }
    }

    /// All of them see more; prints how long they ever had to wait.
    async fn go_on(&self, when: &str) {
        let since = Instant::now();
        self.flv.shows(since, 3_000).await;
        tokio::join!(self.ts.goes_on(since, 2), self.rendition.goes_on(since, 2),);
        let pictures = self.flv.pictures();
        let gaps = pictures.windows(2).map(|pair| pair[1].came - pair[0].came);
        println!(
            "{when}: widest gap of FLV so far {:?}; stood still: HLS {:?}, 360p {:?}",
            gaps.max().unwrap_or_default(),
            self.ts.stalled(),
            self.rendition.stalled(),
        );
    }
}

/// The gateway and the processor that work for the channel, by their places among all.
async fn places(platform: &Platform) -> (usize, usize) {
    let api = platform.api();
    let path = format!("/videostream/{CHANNEL}/session");
    let session = eventually("the processor is shown", async || {
        let session = api.read(&path).await.json();
        let tasks = session["tasks"].as_array()?;
        tasks
            .iter()
            .any(|task| task["kind"] == "process")
            .then_some(session)
    })
    .await;
    let text = session.to_string();
    let place = |servers: &[Server], part: fn(&Server) -> String| {
        let mut places = servers.iter().enumerate();
        places
            .find(|(_, server)| text.contains(&part(server)))
            .map(|(place, _)| place)
    };
    let port = |server: &Server| {
        let (_, port) = server.rtmp_address().rsplit_once(':').expect("a port");
        format!("-{port}-")
    };
    let base = |server: &Server| server.base().to_owned();
    (
        place(&platform.gateways, port).expect("a gateway has it"),
        place(&platform.processors, base).expect("a processor works for it"),
    )
}
