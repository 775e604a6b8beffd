//! What an operator, an encoder and viewers see of a platform, from its first channel to its last recording: the same
//! whatever it is made of.

use std::path::Path;
use std::time::Duration;

use lsv_tests::{Api, Client, Packets, Process, Server, eventually, probe, read, stream_key};
use reqwest::Method;
use serde_json::{Value, json};

use crate::pieces::Platform;

/// Everything that is seen, as far as it must not depend on where things are.
pub(crate) async fn seen(platform: &Platform, clip: &Path) -> Value {
    let api = platform.api();
    let operator = operating(&api).await;
    let channel = json!({
        "id": CHANNEL, "outdate": "2090-01-01", "isCMAF": true,
        "isVideo": true, "isOnDemand": true, "ondemand_time": 5, "isCodec": true, "ld": true, "codecSize": "small"
    });
    let key = stream_key(&api.create(&channel).await);
    let refused = refused(platform).await;
    let mut encoder = push_once(clip, &platform.push(&key));
    let live = watching(platform).await;
    let status = encoder.ended_after(Duration::from_secs(60)).await;
    assert!(status.success(), "{}", encoder.stderr());
    let recorded = recorded(platform).await;
    let gone = gone(platform).await;
    json!({
        "operator": operator, "refused": refused, "live": live, "recorded": recorded, "gone": gone,
    })
}

/// What the API answers to an operator who makes, changes and removes channels.
async fn operating(api: &Api) -> Value {
    let mut answers = Vec::new();
    let mut said = async |method: Method, path: &str, body: Value| {
        let answer = api.send(method, path, body.to_string()).await;
        let mut json: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        forget_times(&mut json);
        answers.push(json!([answer.status.as_u16(), json]));
    };
    let plain = json!({ "id": "plain", "videoname": "Ärger \u{1f3a5}", "outdate": "2090-01-01" });
    said(Method::POST, "/videostream", plain.clone()).await;
    said(Method::POST, "/videostream", plain).await;
    said(
        Method::POST,
        "/videostream",
        json!({ "id": "wrong", "hls_time": 61 }),
    )
    .await;
    said(
        Method::PATCH,
        "/videostream/plain",
        json!({ "isFlv": "false" }),
    )
    .await;
    said(Method::GET, "/videostream/plain", json!(null)).await;
    said(Method::GET, "/videostream/plain/session", json!(null)).await;
    said(Method::GET, "/videostream/nobody", json!(null)).await;
    said(
        Method::PUT,
        "/streamdns",
        json!({ "push": "push.example.com", "pull": null }),
    )
    .await;
    said(Method::GET, "/streamdns", json!(null)).await;
    said(Method::GET, "/videostream?limit=10", json!(null)).await;
    said(Method::DELETE, "/videostream/plain", json!(null)).await;
    said(Method::GET, "/videostream", json!(null)).await;
    json!(answers)
}

/// Moments and what is made of them are different each time.
fn forget_times(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            for name in ["createdAt", "updatedAt"] {
                fields.remove(name);
            }
            fields.values_mut().for_each(forget_times);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_times),
        _ => {}
    }
}

/// What publishers are told who may not publish.
async fn refused(platform: &Platform) -> Value {
    let mut told = Vec::new();
    for key in ["cam", "cam?sign=4102444800-0", "nobody?sign=4102444800-0"] {
        let address = platform.push("");
        let (_, address) = address.split_once("://").expect("an address");
        let (address, _) = address.split_once('/').expect("an application");
        let mut client = Client::connect(address).await;
        let refusal = client.publish(key).await.expect_err("is refused");
        told.push(json!([refusal.code, refusal.description]));
    }
    json!(told)
}

/// Pushes a file once, as it is and in real time.
pub(crate) fn push_once(clip: &Path, url: &str) -> Process {
    let clip = clip.to_str().expect("a path in UTF-8");
    let line = [
        "-hide_banner",
        "-nostdin",
        "-loglevel",
        "error",
        "-re",
        "-i",
        clip,
        "-c",
        "copy",
        "-f",
        "flv",
        url,
    ];
    Process::start("ffmpeg", line)
}

/// What is live while it is.
async fn watching(platform: &Platform) -> Value {
    let api = platform.api();
    let session = eventually("the session is listed with its pictures", async || {
        let answer = api.read(&format!("/videostream/{CHANNEL}/session")).await;
        let session = (answer.status == 200).then(|| answer.json())?;
        (!session["video"].is_null() && !session["audio"].is_null()).then_some(session)
    })
    .await;
    let viewing = platform.viewing();
    let flv = streams(&viewing.http("/cam/live.flv")).await;
    let (hls, cmaf, dash) = tokio::join!(
        variants(viewing, "/cam/index.m3u8"),
        variants(viewing, "/cam/master.m3u8"),
        heights(viewing),
    );
    let ts = streams(&viewing.http("/cam/live.m3u8")).await;
    json!({
        "video": [session["video"]["codec"], session["video"]["width"], session["video"]["height"]],
        "audio": session["audio"], "flv": flv, "ts": ts, "hls": hls, "cmaf": cmaf, "dash": dash,
    })
}

/// Codecs and sizes of what an address plays.
async fn streams(url: &str) -> Value {
    let streams = probe(url).await.into_iter().map(|stream| {
        json!([
            stream["codec_name"],
            stream["width"],
            stream["height"],
            stream["sample_rate"]
        ])
    });
    streams.collect()
}

/// The variants of a master playlist once the rendition is among them: everything but what is measured.
async fn variants(server: &Server, path: &str) -> Value {
    let text = text_with(server, path, "640x360").await;
    let lines = text.lines().map(|line| {
        let kept = line
            .split(',')
            .filter(|part| !part.contains("BANDWIDTH") && !part.contains("FRAME-RATE"));
        kept.collect::<Vec<_>>().join(",")
    });
    lines.collect()
}

/// The heights of the pictures in the manifest of DASH.
async fn heights(server: &Server) -> Value {
    let text = text_with(server, "/cam/manifest.mpd", "height=\"360\"").await;
    let heights = text.split(" height=\"").skip(1);
    let mut heights: Vec<&str> = heights.filter_map(|rest| rest.split('"').next()).collect();
    heights.sort_unstable();
    json!(heights)
}

/// What is at a path, once it holds `part`.
async fn text_with(server: &Server, path: &str, part: &str) -> String {
    eventually(&format!("{path} with {part}"), async || {
        let answer = reqwest::get(server.http(path)).await.ok()?;
        let text = answer.text().await.ok()?;
        text.contains(part).then_some(text)
    })
    .await
}

/// What was recorded, as it plays.
async fn recorded(platform: &Platform) -> Value {
    let api = platform.api();
    let listed = eventually("both recordings are listed, whole", async || {
        let listed = api
            .read(&format!("/videostream/{CHANNEL}/recordings"))
            .await
            .json();
        let items = listed.as_array()?.clone();
        let whole = items
            .iter()
            .filter(|item| item["length"].as_f64().is_some());
        (whole.count() == 2).then_some(items)
    })
    .await;
    let mut kinds = Vec::new();
    for item in &listed {
        let url = item["url"].as_str().expect("where it plays");
        let (_, path) = url.split_once("/cam/vod/").expect("an address");
        let url = platform.viewing().http(&format!("/cam/vod/{path}"));
        let played = read("recording", &[], &url).await.packets;
        let Packets { video, audio } = &played;
        kinds.push(json!([item["kind"], item["storageClass"], video, audio]));
    }
    kinds.sort_by_key(Value::to_string);
    json!(kinds)
}

/// What is left of a channel that is removed: nothing, wherever it was watched.
async fn gone(platform: &Platform) -> Value {
    let api = platform.api();
    let removed = api
        .send(Method::DELETE, &format!("/videostream/{CHANNEL}"), "")
        .await;
    let mut left = vec![json!(removed.status.as_u16())];
    for path in ["/cam/live.m3u8", "/cam/live.flv", "/cam/vod/"] {
        let url = platform.viewing().http(path);
        let what = format!("{path} is gone");
        let status = eventually(&what, async || {
            let answer = reqwest::get(&url).await.ok()?;
            (answer.status() == 404).then(|| answer.status().as_u16())
        });
        left.push(json!(status.await));
    }
    json!(left)
}

pub(crate) const CHANNEL: &str = "cam";
