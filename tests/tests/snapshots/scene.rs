//! A camera at the real server whose scene changes once: one clip, one picture, one event.

use std::path::Path;
use std::time::Duration;

use lsv_tests::{Process, Server, Told, eventually, seconds, stream_key, watch_file};
use serde_json::json;

use crate::archive::{Archive, track_seconds};
use crate::studio::Studio;

/// A scene that changes at second eight of fourteen; of as many as `LSV_TEST_SECONDS` says, two minutes before the end,
/// which is minute five of seven.
#[tokio::test]
async fn a_change_of_scene_is_one_clip_and_one_event() {
    let studio = Studio::open().await;
    let server = Server::start(&[]).await;
    let archive = Archive::of(&server);
    let told = Told::by(&server).await;
    let length = seconds(14);
    let change = if length > 240 { length - 120 } else { 8 };
    // As the defaults are: five seconds after the last motion.
    let channel = json!({ "id": "cam", "isMotion": true });
    let channel = server.api().create(&channel).await;

    let mut encoder = push(change, length, &server.rtmp(&stream_key(&channel)));
    let status = encoder.ended_after(Duration::from_secs(length)).await;
    assert!(status.success(), "{}", encoder.stderr());
    let kinds = eventually("a clip", async || {
        let kinds = archive.settled().await;
        kinds.contains_key("motion-clip").then_some(kinds)
    })
    .await;

    // A clip and a picture.
    told.hears("recording-written", 2).await;
    let moved = &told.hears("motion", 1).await[0];
    let recordings: Vec<_> = kinds.values().flatten().collect();
    let [clip, snapshot] = recordings[..] else {
        panic!("one clip and one picture: {kinds:?}");
    };
    for (recording, kind, field) in [
        (clip, "motion-clip", "clip"),
        (snapshot, "motion-snapshot", "snapshot"),
    ] {
        let name = format!("record/cam/{}", recording["name"].as_str().expect("a name"));
        assert_eq!(recording["kind"], kind);
        assert_eq!(moved[field], name, "the event names it");
    }

    let picture = archive
        .fetched(snapshot["url"].as_str().expect("an address"))
        .await;
    let picture = std::fs::read(picture).expect("a picture");
    let (size, brightness) = studio.look(&picture).await;
    assert_eq!(size, "640x360");
    assert!(brightness > 180, "the moment is shown: {brightness}");

    let file = archive
        .fetched(clip["url"].as_str().expect("an address"))
        .await;
    watch_file(&file).await;
    let (pictures, sound) = track_seconds(&file).await;
    let changed = first_bright(&file).await;
    println!("{pictures:.2} s with {sound:.2} s of sound, the change at {changed:.2} s");
    // Five seconds before, and up to a group of pictures more; five seconds after what moved last, judged five times a
    // second.
    assert!((5.0..6.1).contains(&changed), "{changed}");
    let after = pictures - changed;
    assert!((4.7..5.5).contains(&after), "{after} s after the change");
    assert!((sound - pictures).abs() < 0.1, "{sound} s of sound");
    archive.delete(&kinds).await;
}

/// Pushes a grey scene with noise that turns bright at `change`, until `length`.
fn push(change: u64, length: u64, url: &str) -> Process {
    let scene = format!(
        "color=0x303030:size=640x360:rate=25[a];color=0xd0d0d0:size=640x360:rate=25[b];\
         [a][b]overlay=enable='gte(t,{change})',noise=alls=4:allf=t,realtime[v]"
    );
    let length = length.to_string();
    let mut line = vec!["-hide_banner", "-nostdin", "-loglevel", "error"];
    line.extend([
        "-re",
        "-f",
        "lavfi",
        "-i",
        "sine=frequency=440:sample_rate=48000",
    ]);
    line.extend(["-filter_complex", &scene, "-map", "[v]", "-map", "0:a"]);
    line.extend(["-t", &length, "-pix_fmt", "yuv420p"]);
    line.extend(["-c:v", "libx264", "-preset", "veryfast", "-g", "25"]);
    line.extend(["-c:a", "aac", "-b:a", "64k", "-f", "flv", url]);
    Process::start("ffmpeg", line)
}

/// When a clip's first bright picture is shown, in seconds.
async fn first_bright(file: &Path) -> f64 {
    let file = file.to_str().expect("a path in UTF-8");
    let filter = "signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-";
    let line = [
        "-v", "error", "-i", file, "-vf", filter, "-an", "-f", "null", "-",
    ];
    let mut ffmpeg = Process::start("ffmpeg", line);
    assert!(ffmpeg.ended().await.success(), "{}", ffmpeg.stderr());
    let said = ffmpeg.stdout();
    let mut at = None;
    for line in said.lines() {
        if let Some((_, time)) = line.split_once("pts_time:") {
            at = time.trim().parse().ok();
        } else if let Some((_, level)) = line.split_once("YAVG=")
            && level.trim().parse::<f64>().is_ok_and(|level| level > 128.0)
        {
            return at.expect("a time");
        }
    }
    panic!("no bright picture: {said}");
}
