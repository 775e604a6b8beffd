//! Child processes with a real ffmpeg.

use std::{env, path::Path, time::Duration};

use lsv_core::channel::{LogLevel, TaskSize};
use lsv_mux::process::{Child, Ffmpeg, Options, arguments::Arguments};
use lsv_tests::{PATIENCE, Process, Signal, eventually, peers};

#[tokio::test]
async fn ffmpegs_old_and_new_say_what_they_can() {
    let mut found = vec![Ffmpeg::find(None).await.unwrap()];
    if peers::there("a new ffmpeg", peers::new_ffmpeg().is_some()) {
        found.push(Ffmpeg::find(peers::new_ffmpeg()).await.unwrap());
    }
    for ffmpeg in found {
        assert!(
            ffmpeg.version().number >= Some((5, 1)),
            "{}",
            ffmpeg.version()
        );
        assert!(ffmpeg.path().is_absolute());
        for name in ["libx264", "libx265", "aac", "mjpeg"] {
            assert!(ffmpeg.has_encoder(name), "{name} {}", ffmpeg.version());
        }
        assert!(ffmpeg.has_decoder("h264") && !ffmpeg.has_decoder("libx264"));
        let known = ffmpeg.first_encoder(&["h264_nothing", "libx264"]);
        assert_eq!(known, Some("libx264"));
    }
}

/// A child that never ends by itself, with what it is fed, and what a node that is killed leaves behind.
#[tokio::test]
async fn children_die_with_a_node_that_is_killed() {
    let mut node = Process::start(
        env::current_exe().unwrap(),
        ["--exact", "node", "--ignored", "--nocapture"],
    );
    let named = |text: &str| -> Option<u32> {
        let (_, id) = text.split_once("child ")?;
        id.split_once('\n')?.0.parse().ok()
    };
    let child = eventually("the node has a child", async || named(&node.stdout())).await;
    assert!(is_ffmpeg(child));
    node.signal(Signal::KILL);
    node.ended().await;
    eventually("the child is gone", async || {
        (!is_ffmpeg(child)).then_some(())
    })
    .await;
}

/// Starts an ffmpeg that waits for a feed, and lives on until it is killed.
#[tokio::test]
#[ignore = "run by children_die_with_a_node_that_is_killed in a process of its own"]
async fn node() {
    let ffmpeg = Ffmpeg::find(None).await.unwrap();
    let mut line = Arguments::new(LogLevel::Info);
    line.feed().option("-c", "copy").fragments_to("pipe:1");
    let options = Options::new("encoder", TaskSize::Small);
    let child = Child::spawn(&ffmpeg, line.into_vec(), options).unwrap();
    println!("child {}", child.id().unwrap());
    tokio::time::sleep(PATIENCE + Duration::from_secs(60)).await;
}

fn is_ffmpeg(id: u32) -> bool {
    let exe = Path::new("/proc").join(id.to_string()).join("exe");
    exe.read_link().is_ok_and(|exe| exe.ends_with("ffmpeg"))
}
