//! Processors that gateways know by their addresses, and what is between the two.

use lsv_tests::{
    Api, Certificate, FlvWatcher, HlsWatcher, Server, Signal, eventually, push_file_and_return,
    stream_key,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::clip;
use crate::pieces::{Platform, Store};
use crate::suite::CHANNEL;

/// One that hangs for a while is taken for dead; when it goes on, two do the same for a moment.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_processors_of_a_channel_one_goes_on() {
    let (_folder, clip) = clip(24).await;
    let mut platform = Platform::start(Store::Remote).await;
    let channel = json!({
        "id": CHANNEL, "outdate": "2090-01-01", "isCodec": true, "ld": true, "codecSize": "small"
    });
    let key = stream_key(&platform.api().create(&channel).await);
    let _encoder = push_file_and_return(&clip, &platform.push(&key));
    let origin = &platform.origins[0];
    let flv = FlvWatcher::open(&origin.http("/cam/live.flv")).await;
    let rendition = HlsWatcher::open(&origin.http("/cam/360p/live.m3u8"));
    rendition.goes_on(Instant::now(), 2).await;
    let works = async |server: &Server| !tasks(server).await.is_empty();
    let first = usize::from(!works(&platform.processors[0]).await);
    let other = 1 - first;
    assert!(works(&platform.processors[first]).await);
    assert!(!works(&platform.processors[other]).await);

    platform.processors[first].process().signal(Signal::STOP);
    eventually("the other processor works", async || {
        works(&platform.processors[other]).await.then_some(())
    })
    .await;
    rendition.goes_on(Instant::now(), 1).await;
    platform.processors[first].process().signal(Signal::CONT);
    // It hears that the other has announced the channel later, or is told to stop.
    eventually("the first has let go", async || {
        (!works(&platform.processors[first]).await).then_some(())
    })
    .await;
    assert!(works(&platform.processors[other]).await);
    let since = Instant::now();
    flv.shows(since, 3_000).await;
    rendition.goes_on(since, 3).await;
    assert!(works(&platform.processors[other]).await, "it stays");
    assert!(!works(&platform.processors[first]).await);
}

/// A channel that says so crosses the network between gateway and processor over TLS alone.
#[tokio::test(flavor = "multi_thread")]
async fn processors_pull_over_rtmps_where_a_channel_says_so() {
    let (folder, clip) = clip(24).await;
    let certificate = Certificate::make(folder.path(), &["127.0.0.1"]).await;
    let trusting = [("SSL_CERT_FILE", certificate.chain.display().to_string())];
    let keeper = Server::start_role("lsv-api", &[], &[]).await;
    let store = ["--store", "remote", "--store-node", keeper.base()];
    let processor = Server::start_role("lsv-processor", &trusting, &store).await;
    let encoding = [&store[..], &["--processors", processor.base()]].concat();
    let secured = [&encoding[..], &certificate.flags()].concat();
    let gateway = Server::start_role("lsv-gateway", &[], &secured).await;
    let channel = json!({
        "id": CHANNEL, "outdate": "2090-01-01", "isCodec": true, "ld": true, "codecSize": "small", "isRtmps": true
    });
    let key = stream_key(&keeper.api().create(&channel).await);
    let encoder = push_file_and_return(&clip, &gateway.rtmp(&key));
    let rendition = processor.http("/cam/360p/live.m3u8");
    HlsWatcher::open(&rendition)
        .goes_on(Instant::now(), 1)
        .await;
    let pulled = processor.logged(&["pulling", "address="]).await;
    let address = format!("rtmps://{}", gateway.rtmps_address());
    assert!(pulled.contains(&address), "{pulled}");
    assert!(
        !processor.log().contains("address=rtmp://"),
        "never otherwise"
    );

    // The same without a certificate: nothing is pulled, and the task says why.
    drop(encoder);
    let plain = Server::start_role("lsv-gateway", &[], &encoding).await;
    let _encoder = push_file_and_return(&clip, &plain.rtmp(&key));
    let problem = problem(&plain.api(), "RTMPS").await;
    assert!(problem.contains("has no certificate"), "{problem}");
    FlvWatcher::open(&plain.http("/cam/live.flv"))
        .await
        .shows(Instant::now(), 1_000)
        .await;
    assert!(
        !processor.log().contains("address=rtmp://"),
        "not even then"
    );
}

/// Gateways whose certificate nobody here trusts.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_not_trusted_gives_processors_nothing() {
    let (folder, clip) = clip(12).await;
    let certificate = Certificate::make(folder.path(), &["127.0.0.1"]).await;
    let other = TempDir::new().expect("a temporary folder");
    let trusted = Certificate::make(other.path(), &["127.0.0.1"]).await;
    let trusting = [("SSL_CERT_FILE", trusted.chain.display().to_string())];
    let keeper = Server::start_role("lsv-api", &[], &[]).await;
    let store = ["--store", "remote", "--store-node", keeper.base()];
    let processor = Server::start_role("lsv-processor", &trusting, &store).await;
    let arguments = [
        &store[..],
        &["--processors", processor.base()],
        &certificate.flags(),
    ]
    .concat();
    let gateway = Server::start_role("lsv-gateway", &[], &arguments).await;
    let channel = json!({
        "id": CHANNEL, "outdate": "2090-01-01", "isCodec": true, "ld": true, "codecSize": "small", "isRtmps": true
    });
    let key = stream_key(&keeper.api().create(&channel).await);
    let _encoder = push_file_and_return(&clip, &gateway.rtmp(&key));
    let problem = problem(&gateway.api(), "certificate").await;
    assert!(problem.contains("do not give the stream"), "{problem}");
}

/// What the task of the channel says is wrong, once it has this in it.
async fn problem(api: &Api, part: &str) -> String {
    eventually(&format!("the task says {part}"), async || {
        let task = api.task(CHANNEL, "process").await?;
        let problem = task["problem"].as_str()?.to_owned();
        problem.contains(part).then_some(problem)
    })
    .await
}

/// What a processor works on.
async fn tasks(server: &Server) -> Vec<Value> {
    let answer = server.api().read("/node/tasks").await;
    answer.json().as_array().cloned().expect("a list")
}
