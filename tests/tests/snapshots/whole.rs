//! All pictures and recordings of one channel of the real server: there, right, listed, played and deleted.

use std::collections::BTreeMap;
use std::fs;

use lsv_tests::{Picture, Server, eventually, ffprobe_seconds, probe, stream_key, watch_file};
use reqwest::Method;
use serde_json::json;

use crate::studio::Studio;

#[tokio::test]
async fn all_kinds_of_one_channel() {
    let studio = Studio::open().await;
    let server = Server::start(&[]).await;
    let channel = json!({
        "id": "cam", "isImage": true, "image_time": 1, "isVideo": true, "video_time": 5, "isOnDemand": true,
        "ondemand_time": 2, "isMotion": true, "motion_percent": 1, "motion_diff": 5, "motion_duration": 1,
        "motion_timeout": 5,
    });
    let channel = server.api().create(&channel).await;
    let none = reqwest::get(server.http("/cam/poster.jpg"))
        .await
        .expect("an answer");
    assert_eq!(none.status(), 404, "not live, and never was");
    let mut encoder = Picture::default().push(&server.rtmp(&stream_key(&channel)));

    let poster = eventually("a poster", async || {
        let answer = reqwest::get(server.http("/cam/poster.jpg")).await.ok()?;
        (answer.status() == 200).then_some(answer)
    })
    .await;
    assert_eq!(poster.headers()["content-type"], "image/jpeg");
    let (size, _) = studio.look(&poster.bytes().await.expect("a body")).await;
    assert_eq!(size, "320x180");
    eventually("the tasks", async || {
        let session = server.api().read("/videostream/cam/session").await.json();
        let tasks = session["tasks"].to_string();
        (tasks.contains("snapshot") && tasks.contains("motion")).then_some(())
    })
    .await;

    let listed = async || {
        let listed = server
            .api()
            .read("/videostream/cam/recordings")
            .await
            .json();
        let mut kinds: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
        for recording in listed.as_array().expect("a list") {
            let kind = recording["kind"].as_str().expect("a kind").to_owned();
            kinds.entry(kind).or_default().push(recording.clone());
        }
        kinds
    };
    eventually("two clips, files and more", async || {
        let kinds = listed().await;
        let count = |kind: &str| kinds.get(kind).map_or(0, Vec::len);
        let is_enough = count("snapshot") >= 3 && count("file") >= 2 && count("motion-clip") >= 2;
        is_enough.then_some(())
    })
    .await;
    encoder.signal(lsv_tests::Signal::TERM);
    encoder.ended().await;
    let kinds = eventually("all of it whole", async || {
        let kinds = listed().await;
        let is_whole = |recording: &serde_json::Value| {
            let kind = recording["kind"].as_str().unwrap_or_default();
            kind.ends_with("snapshot") || recording["length"].as_f64().is_some_and(|it| it > 0.0)
        };
        let is_quiet = walk(&server.data().join("objects/unfinished")).is_empty();
        let all = kinds.values().flatten().all(is_whole);
        (is_quiet && all).then_some(kinds)
    })
    .await;

    for kind in [
        "snapshot",
        "file",
        "on-demand",
        "motion-clip",
        "motion-snapshot",
    ] {
        let recordings = kinds
            .get(kind)
            .unwrap_or_else(|| panic!("{kind} in {kinds:?}"));
        for recording in recordings {
            assert_eq!(recording["storageClass"], "hot");
            let url = recording["url"].as_str().expect("an address");
            let answer = reqwest::get(url).await.expect("an answer");
            assert_eq!(answer.status(), 200, "{url}");
            let bytes = answer.bytes().await.expect("a body");
            let file = studio.folder.path().join("got");
            fs::write(&file, &bytes).expect("a file to write");
            match kind {
                "snapshot" | "motion-snapshot" => {
                    assert_eq!(studio.look(&bytes).await.0, "320x180")
                }
                "on-demand" => {
                    assert_eq!(probe(url).await.len(), 2, "{url}");
                    let list = recording["thumbnails"].as_str().expect("small pictures");
                    let list = reqwest::get(list).await.expect("an answer");
                    assert_eq!(list.headers()["content-type"], "text/vtt; charset=utf-8");
                    let text = list.text().await.expect("text");
                    assert!(text.contains("#xywh=0,0,160,90"), "{text}");
                }
                _ => {
                    watch_file(&file).await;
                    let seconds = ffprobe_seconds(&file).await;
                    assert!((0.5..8.0).contains(&seconds), "{url}: {seconds}");
                }
            }
        }
    }
    // Not live any more: the last picture.
    let last = reqwest::get(server.http("/cam/poster.jpg"))
        .await
        .expect("an answer");
    assert_eq!(last.status(), 200);
    for recording in kinds.values().flatten() {
        let name = recording["name"].as_str().expect("a name");
        let path = format!("/videostream/cam/recordings/{name}");
        let answer = server.api().send(Method::DELETE, &path, "").await;
        assert_eq!(answer.status, 204, "{name}");
    }
    assert!(listed().await.is_empty());
    let left = server.data().join("objects/record/cam/vod");
    let files = walk(&left);
    assert!(files.is_empty(), "{files:?}");
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => files.extend(walk(&entry.path())),
            false => files.push(entry.path().display().to_string()),
        }
    }
    files
}
