//! AES-128 encryption of live HLS: what players of other people make of it, and who gets the keys.

use lsv_tests::peers::vlc;
use lsv_tests::{Picture, Process, SECRET, Server, eventually, play, probe, stream_key, watch};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tempfile::TempDir;

/// An encrypted channel that is live, with segments in all playlists.
struct Live {
    server: Server,
    _publisher: Process,
}

/// Playlists, and the folder of each.
const PLAYLISTS: [(&str, &str); 3] = [
    ("/cam/live.m3u8", "/cam/"),
    ("/cam/cmaf/video.m3u8", "/cam/cmaf/"),
    ("/cam/cmaf/audio.m3u8", "/cam/cmaf/"),
];

#[tokio::test]
async fn players_decrypt_while_keys_change() {
    let live = Live::set(2).await;
    // Long enough for three keys.
    for playlist in ["/cam/live.m3u8", "/cam/master.m3u8"] {
        let url = live.server.http(playlist);
        let watched = watch(playlist, &url, 10).await;
        assert_eq!(watched.complaints, "", "{playlist}");
        let kinds: Vec<_> = probe(&url)
            .await
            .iter()
            .map(|stream| stream["codec_name"].as_str().unwrap_or("?").to_owned())
            .collect();
        assert!(kinds.contains(&"h264".to_owned()) && kinds.contains(&"aac".to_owned()));
    }
    for page in ["hls.html", "hls.html?src=cmaf", ""] {
        let seen = play(&live.server.http(&format!("/cam/{page}")), 10, None).await;
        println!(
            "{page:?}: {:?} started after {:?} s, {:?} s behind live, {} stalls",
            seen.source, seen.startup, seen.latency_p50, seen.stalls
        );
        assert!(seen.ok, "{page}: {seen:?}");
    }
}

#[tokio::test]
async fn vlc_decrypts_while_keys_change() {
    let live = Live::set(2).await;
    let folder = TempDir::new().unwrap();
    for (playlist, _) in [PLAYLISTS[0], PLAYLISTS[1]] {
        let kept = folder.path().join("kept.ts");
        let to = format!(
            ":sout=#std{{access=file,mux=ts,dst={}}}",
            kept.to_str().unwrap()
        );
        let url = live.server.http(playlist);
        let mut vlc = vlc(folder.path(), ["--run-time=12", &url, &to, "vlc://quit"]);
        vlc.ended().await;
        let streams = probe(kept.to_str().unwrap()).await;
        assert!(
            streams.iter().any(|stream| stream["codec_name"] == "h264"),
            "{playlist}: {streams:?}\n{}",
            vlc.stderr()
        );
        lsv_tests::watch_file(&kept).await;
    }
}

/// A segment by hand, with nothing but what the playlist says and OpenSSL.
#[tokio::test]
async fn openssl_decrypts_a_segment() {
    let live = Live::set(2).await;
    for (playlist, folder) in PLAYLISTS {
        let text = live.text(playlist).await;
        let first = text
            .lines()
            .find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
        let sequence: u64 = first.unwrap().parse().unwrap();
        let uri = text.lines().find(|line| !line.starts_with('#')).unwrap();
        let key = between(&text, "#EXT-X-KEY:METHOD=AES-128,URI=\"", "\"").unwrap();
        let key = match key.strip_prefix("../") {
            Some(above) => format!("/cam/{above}"),
            None => format!("/cam/{key}"),
        };
        let key: String = (live.bytes(&key).await.iter())
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let sealed = live.bytes(&format!("{folder}{uri}")).await;
        let opened = openssl(&sealed, &key, &format!("{sequence:032x}")).await;
        match uri.ends_with(".ts") {
            true => {
                assert_eq!(opened.len() % 188, 0);
                assert!(opened.chunks(188).all(|packet| packet[0] == 0x47));
            }
            false => assert!(opened.windows(4).any(|word| word == b"moof")),
        }
        assert!(!sealed.windows(4).any(|word| word == b"moof"));
    }
}

#[tokio::test]
async fn keys_are_kept_by_nobody_and_found_nowhere_else() {
    let live = Live::set(2).await;
    let text = live.text("/cam/live.m3u8").await;
    let name = between(&text, "METHOD=AES-128,URI=\"", "\"").unwrap();
    let path = format!("/cam/{name}");
    let client = reqwest::Client::new();
    let answer = client.get(live.server.http(&path)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let key = answer.bytes().await.unwrap();
    assert_eq!(key.len(), 16);
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();

    let number: u64 = name.rsplit('/').next().unwrap().parse().unwrap();
    for wrong in [
        "/cam/key/0".to_owned(),
        "/cam/key/".to_owned(),
        format!("/cam/key/{}", number + 1),
        format!("/cam/key/{}", number + 1000),
        format!("/cam/key/0{number}"),
        format!("/cam/360p/key/{number}"),
        format!("/other/key/{number}"),
    ] {
        let answer = client.get(live.server.http(&wrong)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{wrong}");
    }
    // A channel that was deleted gives out nothing, though this viewer was let in a moment ago.
    let api = live.server.api();
    let deleted = api.send(Method::DELETE, "/videostream/cam", "").await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    let answer = client.get(live.server.http(&path)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let log = live.server.log();
    assert!(!log.contains(&hex) && !log.contains(SECRET), "{log}");
}

#[tokio::test]
async fn dash_is_refused_in_words_and_comes_back_with_the_clear() {
    let live = Live::set(2).await;
    let client = reqwest::Client::new();
    let mpd = live.server.http("/cam/manifest.mpd");
    let refused = client.get(&mpd).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    assert!(refused.text().await.unwrap().contains("AES-128"));

    // Followed while live: what is new is in the clear, what was before stays as it is.
    let change = json!({ "isEncrypted": false }).to_string();
    let api = live.server.api();
    let changed = api.send(Method::PATCH, "/videostream/cam", change).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let playlist = "/cam/cmaf/video.m3u8";
    let mixed = eventually("clear segments", async || {
        let text = live.text(playlist).await;
        text.contains("METHOD=NONE").then_some(text)
    })
    .await;
    assert!(mixed.contains("METHOD=AES-128"), "{mixed}");
    let watched = watch("mixed", &live.server.http("/cam/live.m3u8"), 3).await;
    assert_eq!(watched.complaints, "");
    eventually("DASH", async || {
        let answer = client.get(&mpd).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_fields_are_checked() {
    let server = Server::start(&[]).await;
    let api = server.api();
    for (field, value) in [
        ("key_rotation", json!(0)),
        ("key_rotation", json!(3601)),
        ("isEncrypted", json!("perhaps")),
    ] {
        let body = json!({ "id": "cam", field: value }).to_string();
        let answer = api.send(Method::POST, "/videostream", body).await;
        assert!(
            answer.refused(422).to_string().contains(field),
            "{}",
            answer.text
        );
    }
}

impl Live {
    async fn set(rotation: u32) -> Self {
        let server = Server::start(&[]).await;
        let channel = json!({
            "id": "cam", "isCMAF": true, "hls_time": 1, "isEncrypted": true, "key_rotation": rotation,
        });
        let key = stream_key(&server.api().create(&channel).await);
        let publisher = Picture::default().push(&server.rtmp(&key));
        let live = Self {
            server,
            _publisher: publisher,
        };
        for (playlist, _) in PLAYLISTS {
            eventually(playlist, async || {
                let text = live.text(playlist).await;
                text.contains("#EXTINF").then_some(())
            })
            .await;
        }
        live
    }

    async fn bytes(&self, path: &str) -> Vec<u8> {
        let answer = reqwest::get(self.server.http(path))
            .await
            .expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.bytes().await.expect("bytes").to_vec()
    }

    async fn text(&self, path: &str) -> String {
        let answer = reqwest::get(self.server.http(path))
            .await
            .expect("an answer");
        answer.text().await.expect("text")
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

async fn openssl(sealed: &[u8], key: &str, vector: &str) -> Vec<u8> {
    let folder = TempDir::new().expect("a temporary folder");
    let (from, to) = (folder.path().join("sealed"), folder.path().join("opened"));
    std::fs::write(&from, sealed).expect("a written file");
    let line = ["enc", "-d", "-aes-128-cbc", "-K", key, "-iv", vector];
    let files = [
        "-in",
        from.to_str().expect("a path in UTF-8"),
        "-out",
        to.to_str().expect("a path in UTF-8"),
    ];
    let mut openssl = Process::start("openssl", line.into_iter().chain(files));
    let status = openssl.ended().await;
    assert!(status.success(), "{}", openssl.stderr());
    std::fs::read(to).expect("what openssl wrote")
}
