//! The harness itself: what it compares is the same in every container, and a difference is noticed.

use std::path::Path;

use lsv_tests::{Packets, Process};
use tempfile::TempDir;

#[tokio::test]
async fn hashes_do_not_depend_on_the_container() {
    let folder = TempDir::new().unwrap();
    let original = folder.path().join("original.flv");
    let pictures = "testsrc2=size=64x64:rate=25:duration=4";
    let tone = "sine=frequency=440:sample_rate=48000:duration=4";
    let mut line = vec!["-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", tone];
    line.extend(["-c:v", "libx264", "-g", "25", "-c:a", "aac"]);
    ffmpeg(&line, &original).await;
    let sent = Packets::of(&original).await;
    assert_eq!(sent.video.len(), 100);

    for name in ["copy.ts", "copy.mp4"] {
        let copy = folder.path().join(name);
        ffmpeg(&["-i", original.to_str().unwrap(), "-c", "copy"], &copy).await;
        let got = Packets::of(&copy).await;
        assert_eq!(got.video, sent.video, "{name}");
        got.assert_part_of(&sent, 100, name);
    }
}

#[test]
#[should_panic(expected = "from packet 1 of 4 on 2 of 3 are the same")]
fn a_changed_packet_is_noticed() {
    let sent = packets(["a", "b", "c", "d"].as_slice());
    packets(["b", "c", "x"].as_slice()).assert_part_of(&sent, 1, "changed");
}

#[test]
#[should_panic(expected = "differ")]
fn a_missing_packet_is_noticed() {
    let sent = packets(["a", "b", "c", "d"].as_slice());
    packets(["b", "d"].as_slice()).assert_part_of(&sent, 1, "missing");
}

fn packets(names: &[&str]) -> Packets {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    Packets {
        video: names.clone(),
        audio: names,
    }
}

async fn ffmpeg(arguments: &[&str], output: &Path) {
    let output = output.to_str().expect("a path in UTF-8");
    let line = ["-nostdin", "-loglevel", "error"].iter();
    let mut process = Process::start("ffmpeg", line.chain(arguments).chain([&output]));
    let status = process.ended().await;
    assert!(status.success(), "{}", process.stderr());
}
