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

/// Children that never end by themselves: one waits for its feed, others encode for pipes that nobody reads.
#[tokio::test]
async fn children_die_with_a_node_that_is_killed() {
    let mut node = Process::start(
        env::current_exe().unwrap(),
        ["--exact", "node", "--ignored", "--nocapture"],
    );
    let children = eventually("the node has its children", async || {
        let said = node.stdout();
        let (_, ids) = said.split_once("children")?;
        let (ids, _) = ids.split_once('\n')?;
        let ids = ids.split_whitespace().map(|id| id.parse().unwrap());
        Some(ids.collect::<Vec<u32>>())
    })
    .await;
    assert_eq!(children.len(), 3);
    assert!(children.iter().all(|id| is_ffmpeg(*id)));
    node.signal(Signal::KILL);
    node.ended().await;
    eventually("the children are gone", async || {
        (!children.iter().any(|id| is_ffmpeg(*id))).then_some(())
    })
    .await;
}

/// Starts children, and lives on until it is killed.
#[tokio::test]
#[ignore = "run by children_die_with_a_node_that_is_killed in a process of its own"]
async fn node() {
    let ffmpeg = Ffmpeg::find(None).await.unwrap();
    let options = Options::new("encoder", TaskSize::Small);
    let mut waiting = Arguments::new(LogLevel::Info);
    waiting.feed().option("-c", "copy").fragments_to("pipe:1");
    let mut children = vec![Child::spawn(&ffmpeg, waiting.into_vec(), options).unwrap()];
    for _ in 0..2 {
        let encode = |addresses: &[String]| {
            let mut line = Arguments::new(LogLevel::Info);
            line.option("-f", "lavfi")
                .option("-i", "testsrc2=size=320x180");
            for address in addresses {
                line.option("-map", "0:v").option("-c:v", "mjpeg");
                line.fragments_to(address);
            }
            line.into_vec()
        };
        children.push(Child::spawn_with(&ffmpeg, 2, encode, options).unwrap());
    }
    let mut held = Vec::new();
    // They are at work, and their pipes are full before long.
    for child in children.iter_mut().skip(1) {
        let mut outputs = child.take_outputs().unwrap();
        assert!(outputs.read().await.unwrap().is_some());
        held.push(outputs);
    }
    let ids: Vec<_> = children
        .iter()
        .map(|child| child.id().unwrap().to_string())
        .collect();
    println!("children {}", ids.join(" "));
    tokio::time::sleep(PATIENCE + Duration::from_secs(60)).await;
}

fn is_ffmpeg(id: u32) -> bool {
    let exe = Path::new("/proc").join(id.to_string()).join("exe");
    exe.read_link().is_ok_and(|exe| exe.ends_with("ffmpeg"))
}
