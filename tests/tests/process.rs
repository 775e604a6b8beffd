//! Child processes with a real ffmpeg.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    time::Duration,
};

use lsv_core::channel::{LogLevel, TaskSize};
use lsv_mux::process::{Child, Ffmpeg, Options, arguments::Arguments};
use lsv_tests::{PATIENCE, Process, Signal, eventually, is_there, peers, signal};
use tempfile::TempDir;

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

/// Children that never end by themselves: one waits for its feed and is stopped besides, others encode for pipes that
/// nobody reads. With setpriv and without.
#[tokio::test]
async fn children_die_with_a_node_that_is_killed() {
    let bare = TempDir::new().unwrap();
    let folders = env::var_os("PATH").unwrap();
    let ffmpeg = env::split_paths(&folders).map(|folder| folder.join("ffmpeg"));
    let ffmpeg = ffmpeg.into_iter().find(|path| path.is_file()).unwrap();
    symlink(ffmpeg, bare.path().join("ffmpeg")).unwrap();
    for path in [folders, bare.path().into()] {
        let (mut node, children) = node_with_children(&[("PATH", &path)]).await;
        assert_eq!(children.len(), 3);
        eventually("all children are ffmpegs", async || {
            children.iter().all(|id| is_ffmpeg(*id)).then_some(())
        })
        .await;
        signal(children[0], Signal::STOP);
        eventually("a child is stopped", async || {
            is_stopped(children[0]).then_some(())
        })
        .await;
        node.signal(Signal::KILL);
        node.ended().await;
        eventually("the children are gone", async || {
            (!children.iter().any(|id| is_there(*id))).then_some(())
        })
        .await;
    }
}

/// A child that neither reads nor writes, nor cares about signals that can be cared about.
#[tokio::test]
async fn a_child_that_hangs_dies_with_a_node_that_is_killed() {
    let folder = TempDir::new().unwrap();
    let hanging = folder.path().join("ffmpeg");
    let script = "#!/bin/sh\ncase $* in *-version*|*coders*) exec ffmpeg \"$@\" ;; esac\n\
                  trap '' HUP INT TERM\nexec sleep 1000\n";
    fs::write(&hanging, script).unwrap();
    fs::set_permissions(&hanging, fs::Permissions::from_mode(0o755)).unwrap();
    let (mut node, children) = node_with_children(&[(HANGING, hanging.as_os_str())]).await;
    assert_eq!(children.len(), 1);
    eventually("the child hangs", async || {
        let name = fs::read_to_string(format!("/proc/{}/comm", children[0])).ok()?;
        (name == "sleep\n").then_some(())
    })
    .await;
    node.signal(Signal::KILL);
    node.ended().await;
    eventually("the child is gone", async || {
        (!is_there(children[0])).then_some(())
    })
    .await;
}

/// A process that has children, in an environment with `variables`, and their ids.
async fn node_with_children(variables: &[(&str, &OsStr)]) -> (Process, Vec<u32>) {
    let mut command = tokio::process::Command::new(env::current_exe().expect("this test"));
    command.args(["--exact", "node", "--ignored", "--nocapture"]);
    command.envs(variables.iter().copied());
    let node = Process::run(command);
    let children = eventually("the node has its children", async || {
        let said = node.stdout();
        let (_, ids) = said.split_once("children")?;
        let (ids, _) = ids.split_once('\n')?;
        let ids = ids.split_whitespace().map(|id| id.parse().ok());
        ids.collect::<Option<Vec<u32>>>()
    })
    .await;
    (node, children)
}

/// The variable that names a program which is as little an ffmpeg as can be.
const HANGING: &str = "LSV_TEST_HANGING";

/// Starts children, and lives on until it is killed.
#[tokio::test]
#[ignore = "run by the tests above in a process of its own"]
async fn node() {
    let hanging = env::var_os(HANGING);
    let ffmpeg = Ffmpeg::find(hanging.as_deref().map(Path::new))
        .await
        .unwrap();
    let options = Options::new("encoder", TaskSize::Small);
    let mut waiting = Arguments::new(LogLevel::Info);
    waiting.feed().option("-c", "copy").fragments_to("pipe:1");
    let mut children = vec![Child::spawn(&ffmpeg, waiting.into_vec(), options).unwrap()];
    for _ in 0..if hanging.is_some() { 0 } else { 2 } {
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

fn is_stopped(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"));
    stat.is_ok_and(|stat| stat.contains(") T "))
}

fn is_ffmpeg(id: u32) -> bool {
    let exe = Path::new("/proc").join(id.to_string()).join("exe");
    exe.read_link().is_ok_and(|exe| exe.ends_with("ffmpeg"))
}
