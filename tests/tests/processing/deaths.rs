//! Encoders that die or hang: what is watched goes on, and nothing is left behind.

use std::fs;
use std::path::Path;

use lsv_tests::{
    FlvWatcher, HlsWatcher, Picture, Process, Server, Signal, eventually, is_there, kill, signal,
    stream_key,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{restarts, transcoding};

/// Each of five times all encoders die at once. Then the server does.
#[tokio::test]
async fn killed_encoders_come_back_and_leave_nothing_behind() {
    let temporary = TempDir::new().unwrap();
    let mut server = Server::start_with("TMPDIR", temporary.path(), &[]).await;
    let api = server.api();
    let channel = json!({
        "id": "cam", "isHls": true, "isFlv": true,
        "isCodec": true, "ld": true, "sd": true, "isWaterMark": true, "WaterMarkText": "直播 lsv",
        "isImage": true, "image_time": 5,
    });
    let source = Picture {
        size: "854x480",
        rate: 10,
        gop: 20,
        ..Picture::default()
    };
    let _push = source.push(&server.rtmp(&stream_key(&api.create(&channel).await)));
    let names = ["/cam/", "/cam/360p/", "/cam/480p/"];
    let mut viewers = Vec::new();
    let mut playlists = Vec::new();
    for name in names {
        viewers.push(FlvWatcher::open(&server.http(&format!("{name}live.flv"))).await);
        playlists.push(HlsWatcher::open(&server.http(&format!("{name}live.m3u8"))));
    }
    let mut before: Option<Held> = None;
    for round in 0..KILLS {
        eventually("the encoder runs", async || {
            transcoding(&api)
                .await
                .filter(|task| task["state"] == "running")
        })
        .await;
        let now = eventually("everything that was begun", async || {
            Held::whole(server.process(), temporary.path())
        })
        .await;
        let before_it = transcoding(&api).await.map_or(0, |task| restarts(&task));
        println!("before kill {round}: {now:?}, {before_it} restarts");
        before.get_or_insert(now);

        let encoders = server.process().children("ffmpeg");
        let killed = Instant::now();
        encoders.iter().for_each(|&encoder| kill(encoder));
        // What a session shows is a little old, and then the problem may have gone; the failure stays.
        let failure = eventually("the death is told", async || {
            let task = transcoding(&api).await?;
            (restarts(&task) > before_it).then(|| task["lastFailure"].clone())
        })
        .await;
        println!("  {failure}");
        let problem = failure["problem"].as_str().unwrap_or_default();
        assert!(problem.contains("signal: 9"), "{failure}");
        for viewer in &viewers {
            viewer.shows(killed, 1_000).await;
        }
        for playlist in &playlists {
            playlist.goes_on(killed, 1).await;
        }
        println!("  all go on after {:?}", killed.elapsed());
    }
    eventually("no problem any more", async || {
        transcoding(&api)
            .await
            .filter(|task| task["problem"].is_null())
    })
    .await;
    let before = before.expect("a round");
    let after = eventually("as little as before", async || {
        let held = Held::whole(server.process(), temporary.path())?;
        let same = held.children <= before.children.max(OF_PICTURES + 1);
        (same && held.descriptors <= before.descriptors + SPARE).then_some(held)
    })
    .await;
    println!("in the end: {after:?}");
    assert!(
        after.resident < before.resident + (64 << 20),
        "{before:?} {after:?}"
    );
    for (name, playlist) in names.into_iter().zip(&playlists) {
        // The source has one where its watermark comes or goes, which a short absence may fall between.
        let least = match name {
            "/cam/" => 1,
            _ => usize::from(KILLS),
        };
        eventually("a discontinuity for each death", async || {
            let segments = playlist.segments();
            let breaks = segments.iter().filter(|segment| segment.discontinuity);
            (breaks.count() >= least).then_some(())
        })
        .await;
    }

    // Who watches the source never misses more than a group of pictures.
    let mut shown: Vec<_> = viewers[0].pictures().iter().map(|it| it.at).collect();
    shown.sort_unstable();
    let hole = shown.windows(2).map(|pair| pair[1] - pair[0]).max();
    println!("pictures of the source are {hole:?} ms apart at most");
    assert!(hole.is_some_and(|hole| hole <= GROUP_MS), "{hole:?}");

    let children = server.process().children("ffmpeg");
    assert!(!children.is_empty());
    // One that is stopped does not see that its pipes are closed.
    children
        .iter()
        .for_each(|&child| signal(child, Signal::STOP));
    server.kill().await;
    eventually("no orphans", async || {
        (!children.iter().any(|&child| is_there(child))).then_some(())
    })
    .await;
}

/// An encoder that takes nothing and gives nothing, though it lives: who watches would wait for it for ever.
#[tokio::test]
async fn an_encoder_that_hangs_is_replaced() {
    let mut server = Server::start(&[]).await;
    let api = server.api();
    let channel = json!({
        "id": "cam", "isHls": true, "hls_time": 2, "isFlv": true,
        "isCodec": true, "ld": true, "isWaterMark": true, "WaterMarkText": "lsv",
    });
    let url = server.rtmp(&stream_key(&api.create(&channel).await));
    let addresses = ["/cam/", "/cam/360p/"];
    let playlists = addresses.map(|at| HlsWatcher::open(&server.http(&format!("{at}live.m3u8"))));
    let source = Picture {
        size: "640x360",
        rate: 15,
        gop: 15,
        ..Picture::default()
    };
    let _push = source.push(&url);
    let mut viewers = Vec::new();
    for at in addresses {
        viewers.push(FlvWatcher::open(&server.http(&format!("{at}live.flv"))).await);
    }
    // The source is seen with its watermark behind a break.
    eventually("the watermark", async || {
        let segments = playlists[0].segments();
        let broken = segments.iter().any(|segment| segment.discontinuity);
        broken.then_some(())
    })
    .await;
    viewers[1].shows(Instant::now(), 1_000).await;
    let hung = eventually("one encoder", async || {
        match server.process().children("ffmpeg")[..] {
            [encoder] => Some(encoder),
            _ => None,
        }
    })
    .await;
    let begun = Instant::now();
    signal(hung, Signal::STOP);
    let failure = eventually("the failure is told", async || {
        transcoding(&api)
            .await
            .map(|task| task["lastFailure"].clone())
            .filter(|failure| failure.is_object())
    })
    .await;
    let problem = failure["problem"].as_str();
    assert_eq!(problem, Some("the encoder has given nothing in 5 s"));
    assert!(!is_there(hung));
    let told = Instant::now();
    for (viewer, playlist) in viewers.iter().zip(&playlists) {
        viewer.shows(told, 1_000).await;
        playlist.goes_on(told, 2).await;
    }
    println!("all go on after {:?}", begun.elapsed());
    assert_ne!(server.process().children("ffmpeg"), [0; 0]);
}

/// What watches for motion dies each time that it has found some. When it is not wanted any more nothing is left of it.
#[tokio::test]
async fn killed_watches_for_motion_come_back_and_leave_nothing_behind() {
    let temporary = TempDir::new().unwrap();
    let mut server = Server::start_with("TMPDIR", temporary.path(), &[]).await;
    let api = server.api();
    let channel = json!({
        "id": "cam", "isMotion": true, "motion_percent": 1, "motion_diff": 1,
        "motion_duration": 1, "motion_timeout": 2,
    });
    let source = Picture {
        rate: 10,
        gop: 10,
        ..Picture::default()
    };
    let without = server.process().descriptors();
    let _push = source.push(&server.rtmp(&stream_key(&api.create(&channel).await)));
    let clips = async || {
        let listed = api.read("/videostream/cam/recordings").await.json();
        let names = listed.as_array().into_iter().flatten();
        let names = names.filter_map(|it| it["name"].as_str());
        names.filter(|name| name.starts_with("motion/mp4/")).count()
    };
    for round in 0..=KILLS {
        eventually("somebody watches", async || {
            let task = api.task("cam", "motion").await?;
            (task["state"] == "running").then_some(())
        })
        .await;
        let known = clips().await;
        eventually("another clip", async || {
            (clips().await > known).then_some(())
        })
        .await;
        if round == KILLS {
            break;
        }
        let before = api.task("cam", "motion").await;
        let before = before.map_or(0, |task| restarts(&task));
        let watches = eventually("a watch", async || {
            let mut children = server.process().children("ffmpeg");
            children.retain(|&child| is_watch(child));
            (!children.is_empty()).then_some(children)
        })
        .await;
        assert_eq!(watches.len(), 1);
        kill(watches[0]);
        let failure = eventually("the death is told", async || {
            let task = api.task("cam", "motion").await?;
            (restarts(&task) > before).then(|| task["lastFailure"].clone())
        })
        .await;
        println!("{round}: {before} restarts, then {failure}");
    }
    api.change("cam", &json!({ "isMotion": false })).await;
    let left = eventually("nothing left", async || {
        let children = server.process().children("ffmpeg");
        let files = fs::read_dir(temporary.path()).expect("a folder").count();
        let descriptors = server.process().descriptors();
        let nothing = children.is_empty() && files == 0 && descriptors <= without + SPARE;
        nothing.then_some(descriptors)
    })
    .await;
    println!("{without} descriptors before, {left} after");
}

/// Others take the picture of a moment.
fn is_watch(child: u32) -> bool {
    let line = fs::read_to_string(format!("/proc/{child}/cmdline"));
    line.is_ok_and(|line| line.contains("scale=160:90"))
}

/// What a server and its children hold.
#[derive(Debug)]
struct Held {
    children: usize,
    descriptors: usize,
    resident: u64,
}

impl Held {
    /// Once there is an encoder, and it has read what it is to draw.
    fn whole(server: &Process, temporary: &Path) -> Option<Self> {
        let entries = fs::read_dir(temporary).expect("a folder").flatten();
        let overlays = entries
            .filter(|entry| {
                entry
                    .file_name()
                    .to_string_lossy()
                    .starts_with("lsv-overlay-")
            })
            .count();
        let held = Self {
            children: server.children("ffmpeg").len(),
            descriptors: server.descriptors(),
            resident: server.resident_bytes(),
        };
        (held.children >= 1 && overlays == 0).then_some(held)
    }
}

const KILLS: u8 = 5;

/// A group of the pictures that are sent while encoders die.
const GROUP_MS: i64 = 2_000;

/// Most children that take pictures, which come and go.
const OF_PICTURES: usize = 1;

/// Descriptors of such a child, and of connections that are kept for the next request. An encoder has more.
const SPARE: usize = 6;
