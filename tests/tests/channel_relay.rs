//! Relays that channel records ask for, with real processes: states in the API, a target that dies and comes back, switches
//! on a live channel, and targets in private networks.

use std::{net::TcpListener, path::Path};

use lsv_tests::{
    Api, Certificate, Picture, Process, Server, Signal, Viewer, eventually, watch_file,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

#[tokio::test]
async fn a_live_channel_is_relayed_as_its_record_says() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&["--allow-private-targets", "--log-level", "debug"]).await;
    let api = server.api();
    let sink = Server::start(&[]).await;
    let sink_key = sink.api().channel(CHANNEL).await;
    let port = free_port();
    let mut ffmpeg = listen(port, &folder.path().join("first.flv"));

    let key = api.channel(CHANNEL).await;
    let targets = format!(
        "{}, rtmp://127.0.0.1:{port}/live/a-stream-key",
        sink.rtmp(&sink_key)
    );
    let mut push = Picture::default().push(&server.rtmp(&key));
    eventually("the channel is live", async || session(&api).await).await;
    change(&api, &json!({ "relayURL": targets, "isRelay": true })).await;
    let both = outputs(&api, |outputs| states(outputs) == ["running", "running"]).await;
    println!("{both:?}");
    let viewer = Viewer::open(&sink.http("/cam/live.flv")).await;
    viewer.goes_on(1).await;

    ffmpeg.signal(Signal::KILL);
    ffmpeg.ended().await;
    let one = outputs(&api, |outputs| states(outputs) == ["running", "waiting"]).await;
    println!("{one:?}");
    assert!(one[1]["problem"].is_string());
    viewer.goes_on(64 * 1024).await;
    let file = folder.path().join("second.flv");
    let mut ffmpeg = listen(port, &file);
    let back = outputs(&api, |outputs| states(outputs) == ["running", "running"]).await;
    assert_eq!(back[1]["problem"], Value::Null);
    let text = api.read("/metrics").await.text;
    assert!(
        text.contains("lsv_tasks{kind=\"relay\",state=\"running\"} 1"),
        "{text}"
    );
    eventually("the restart is counted", async || {
        let text = api.read("/metrics").await.text;
        let line = text
            .lines()
            .find(|line| line.starts_with("lsv_task_restarts_total{kind=\"relay\"}"))?;
        (!line.ends_with(" 0")).then_some(())
    })
    .await;

    let since = session(&api).await.expect("live")["since"].clone();
    change(&api, &json!({ "isRelay": false })).await;
    eventually("the viewer's end", async || viewer.got().ended)
        .await
        .expect("a clean end");
    assert!(ffmpeg.ended().await.success(), "{}", ffmpeg.stderr());
    watch_file(&file).await;
    eventually("no task any more", async || {
        tasks(&session(&api).await?).is_empty().then_some(())
    })
    .await;
    change(
        &api,
        &json!({ "isRelay": true, "relayURL": sink.rtmp(&sink_key) }),
    )
    .await;
    outputs(&api, |outputs| states(outputs) == ["running"]).await;
    let viewer = Viewer::open(&sink.http("/cam/live.flv")).await;
    viewer.goes_on(16 * 1024).await;
    // Nothing of it touched the publisher.
    let live = session(&api).await.expect("live");
    assert!(push.runs());
    assert!(
        began(&live).abs_diff(began(&json!({ "since": since }))) < 2,
        "{live}"
    );

    let told = format!("{both:?} {one:?} {back:?} {live}");
    let (_, sign) = sink_key.split_once('=').unwrap();
    for secret in [sign, "a-stream-key"] {
        assert!(!told.contains(secret), "{told}");
        let log = server.log();
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }

    push.signal(Signal::INT);
    push.ended().await;
    eventually("the viewer's end", async || viewer.got().ended)
        .await
        .expect("a clean end");
}

#[tokio::test]
async fn a_stop_ends_relays_in_order() {
    let mut server = Server::start(&["--allow-private-targets"]).await;
    let sink = Server::start(&[]).await;
    let sink_key = sink.api().channel(CHANNEL).await;
    let api = server.api();
    let key = api.channel(CHANNEL).await;
    change(
        &api,
        &json!({ "relayURL": sink.rtmp(&sink_key), "isRelay": true }),
    )
    .await;
    let _push = Picture::default().push(&server.rtmp(&key));
    outputs(&api, |outputs| states(outputs) == ["running"]).await;
    let viewer = Viewer::open(&sink.http("/cam/live.flv")).await;
    viewer.goes_on(1).await;
    assert!(server.stop().await.success());
    // Not a lost publisher whom the sink waits for.
    eventually("the viewer's end", async || viewer.got().ended)
        .await
        .expect("a clean end");
}

#[tokio::test]
async fn private_targets_are_refused_again_where_they_are_connected_to() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let mut server = Server::start_in(&data, &["--allow-private-targets"]).await;
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("rtmp://{}/live/a-stream-key", target.local_addr().unwrap());
    let key = server.api().channel(CHANNEL).await;
    change(
        &server.api(),
        &json!({ "relayURL": address, "isRelay": true }),
    )
    .await;
    server.stop().await;
    drop(server);

    let server = Server::start_in(&data, &[]).await;
    let api = server.api();
    let _push = Picture::default().push(&server.rtmp(&key));
    let refused = outputs(&api, |outputs| {
        outputs.iter().any(|it| it["problem"].is_string())
    })
    .await;
    let problem = refused[0]["problem"].as_str().unwrap();
    assert!(
        problem.contains("allow-private-targets") && !problem.contains("a-stream-key"),
        "{problem}"
    );
    target.set_nonblocking(true).unwrap();
    assert!(target.accept().is_err(), "nobody connected");
    for url in [
        "rtmp://127.0.0.1/live/x",
        "rtmp://localhost/live/x",
        "rtmp://[::1]/live/x",
        "file:///etc/passwd",
        "rtmp://10.1/live/x",
    ] {
        let body = json!({ "relayURL": url }).to_string();
        let problem = api
            .send(Method::PATCH, "/videostream/cam", body)
            .await
            .refused(422);
        assert!(problem.to_string().contains("relayURL"), "{problem}");
    }
}

#[tokio::test]
async fn targets_over_tls_need_an_authority_that_the_system_trusts() {
    let folder = TempDir::new().unwrap();
    let certificate = Certificate::make(folder.path(), &["localhost"]).await;
    let secured = [&["--rtmps", "127.0.0.1:0"], &certificate.flags()[..]].concat();
    let sink = Server::start(&secured).await;
    let sink_key = sink.api().channel(CHANNEL).await;
    let by_name = sink.rtmps(&sink_key).replace("127.0.0.1", "localhost");
    let targets = format!("{by_name}, {}", sink.rtmps(&sink_key));
    let server = Server::start_trusting(&certificate, &["--allow-private-targets"]).await;
    let api = server.api();
    let key = api.channel(CHANNEL).await;
    change(&api, &json!({ "relayURL": targets, "isRelay": true })).await;
    let _push = Picture::default().push(&server.rtmp(&key));
    let told = outputs(&api, |outputs| states(outputs) == ["running", "waiting"]).await;
    // The certificate is for the name, not for the address.
    let problem = told[1]["problem"].as_str().unwrap();
    assert!(problem.contains("TLS failed"), "{problem}");
    let viewer = Viewer::open(&sink.http("/cam/live.flv")).await;
    viewer.goes_on(16 * 1024).await;
}

/// A server that takes one connection and keeps what comes.
fn listen(port: u16, file: &Path) -> Process {
    let url = format!("rtmp://127.0.0.1:{port}/live/a-stream-key");
    let file = file.to_str().expect("a path in UTF-8");
    let standard = ["-hide_banner", "-nostdin", "-loglevel", "error", "-y"];
    let line = ["-listen", "1", "-i", &url, "-c", "copy", file];
    Process::start("ffmpeg", standard.into_iter().chain(line))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

async fn change(api: &Api, fields: &Value) {
    let answer = api
        .send(Method::PATCH, "/videostream/cam", fields.to_string())
        .await;
    assert!(answer.status.is_success(), "{}", answer.text);
}

async fn session(api: &Api) -> Option<Value> {
    let answer = api.read("/videostream/cam/session").await;
    answer.status.is_success().then(|| answer.json())
}

fn tasks(session: &Value) -> Vec<Value> {
    session["tasks"].as_array().expect("an array").clone()
}

/// The targets of the relay, once they are as `wanted`.
async fn outputs(api: &Api, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually("the targets are as they should be", async || {
        let tasks = tasks(&session(api).await?);
        let relay = tasks.iter().find(|task| task["kind"] == "relay")?;
        let outputs = relay["outputs"].as_array()?.clone();
        wanted(&outputs).then_some(outputs)
    })
    .await
}

fn states(outputs: &[Value]) -> Vec<&str> {
    let states = outputs.iter().map(|output| output["state"].as_str());
    states.map(|state| state.expect("a state")).collect()
}

/// The second of the day when a session began.
fn began(session: &Value) -> u64 {
    let since = session["since"].as_str().expect("a time");
    let (_, time) = since.split_once('T').expect("RFC 3339");
    let numbers = time.split([':', '.', 'Z']).take(3);
    numbers.fold(0, |sum, number| {
        sum * 60 + number.parse::<u64>().expect("a number")
    })
}

const CHANNEL: &str = "cam";
