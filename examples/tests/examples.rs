//! Runs the examples that need no server of ours, and looks at what they make.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use lsv_core::media::{Kind, MediaFrame};
use lsv_mux::flv::Frames;

const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo.flv");

/// An example of this build. Built here, because cargo builds none for a single test.
fn example(name: &str) -> Command {
    static PROFILE: OnceLock<PathBuf> = OnceLock::new();
    let profile = PROFILE.get_or_init(|| {
        // <target>/<profile>/deps/<test>-<hash>
        let test = std::env::current_exe().expect("a program");
        let profile = test
            .ancestors()
            .nth(2)
            .expect("the profile's folder")
            .to_owned();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--examples", "--target-dir"]);
        cargo.arg(profile.parent().expect("the target folder"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status();
        assert!(status.expect("a program that runs").success());
        profile
    });
    Command::new(profile.join("examples").join(name))
}

fn run(name: &str, to: &Path) {
    let status = example(name).arg(CLIP).arg(to).status();
    assert!(status.expect("a program that runs").success(), "{name}");
}

fn frames(file: impl AsRef<Path>) -> Vec<(Kind, i64, Vec<u8>)> {
    let mut frames = Frames::default();
    frames.push(&fs::read(file).expect("an FLV file"));
    let next = || frames.next().expect("FLV");
    let seen = |frame: MediaFrame| (frame.kind(), frame.dts.as_millis(), frame.payload.to_vec());
    std::iter::from_fn(next)
        .map(seen)
        .filter(|(kind, ..)| *kind != Kind::Data)
        .collect()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("out");
    (folder, path)
}

/// The names of the boxes of an MP4 file, and the bytes of media in it.
fn boxes(file: &[u8]) -> (Vec<String>, usize) {
    let (mut rest, mut boxes, mut media) = (file, Vec::new(), 0);
    while let [a, b, c, d, name @ ..] = rest {
        let (size, head) = match u32::from_be_bytes([*a, *b, *c, *d]) {
            1 => {
                let size = rest[8..16].try_into().expect("eight bytes");
                (u64::from_be_bytes(size), 16)
            }
            size => (size.into(), 8),
        };
        if name.starts_with(b"mdat") {
            media += size as usize - head;
        }
        boxes.push(String::from_utf8_lossy(&name[..4]).into_owned());
        rest = &rest[size as usize..];
    }
    (boxes, media)
}

#[test]
fn flv_is_written_as_it_was_read() {
    let (_folder, out) = folder();
    run("mux_flv", &out);
    assert_eq!(frames(CLIP).len(), 192 + 375 + 1);
    assert_eq!(frames(&out), frames(CLIP));
}

#[test]
fn ts_is_whole_packets() {
    let (_folder, out) = folder();
    run("mux_ts", &out);
    let packets = fs::read(&out).unwrap();
    assert_eq!(packets.len() % 188, 0);
    assert!(packets.chunks(188).all(|packet| packet[0] == 0x47));
    let payload: usize = frames(CLIP).iter().map(|(.., payload)| payload.len()).sum();
    assert!(packets.len() > payload, "{} of {payload}", packets.len());
}

#[test]
fn cmaf_has_all_of_the_media() {
    let (_folder, out) = folder();
    run("mux_cmaf", &out);
    let file = fs::read(&out).unwrap();
    assert_eq!(&file[4..8], b"ftyp");
    let (boxes, media) = boxes(&file);
    let payload: usize = frames(CLIP).iter().map(|(.., payload)| payload.len()).sum();
    assert_eq!(media, payload);
    assert!(
        boxes.iter().filter(|name| *name == "moof").count() > 2,
        "{boxes:?}"
    );
}

#[test]
fn a_recording_ends_as_a_file_with_its_tables_in_front() {
    let (_folder, out) = folder();
    run("record", &out);
    let (boxes, media) = boxes(&fs::read(&out).unwrap());
    assert_eq!(boxes, ["ftyp", "moov", "mdat"]);
    let payload: usize = frames(CLIP).iter().map(|(.., payload)| payload.len()).sum();
    assert!(media > payload, "{media} of {payload}");
    // The file that grew is gone, and no other is there.
    assert_eq!(fs::read_dir(out.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn hls_is_packaged_without_a_network() {
    let (_folder, out) = folder();
    run("package_hls", &out);
    let playlist = fs::read_to_string(out.join("live.m3u8")).unwrap();
    assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    for uri in playlist.lines().filter(|line| !line.starts_with('#')) {
        assert!(fs::metadata(out.join(uri)).unwrap().len() > 1000, "{uri}");
    }
    assert!(fs::read_dir(out.join("cmaf")).unwrap().count() > 10);
    assert!(out.join("manifest.mpd").exists());
}

#[test]
fn hls_lives_in_another_application() {
    let mut command = example("hls_in_axum");
    let command = command.args([CLIP, "127.0.0.1:0"]).stdout(Stdio::piped());
    let mut server = Stopped(command.spawn().unwrap());
    let mut line = String::new();
    let stdout = server.0.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("http://").unwrap();
    assert!(get(address, "/", "").contains("/tv/cam/live.m3u8"));
    let playlist = "/tv/cam/live.m3u8";
    assert!(get(address, playlist, "").starts_with("HTTP/1.1 401"));
    let word = "Authorization: Bearer open sesame\r\n";
    let since = Instant::now();
    loop {
        let answer = get(address, playlist, word);
        if answer.starts_with("HTTP/1.1 200") && answer.contains("#EXTINF") {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A process that stops with the test.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn get(address: &str, path: &str, fields: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("a server");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{fields}\r\n");
    socket
        .write_all(request.as_bytes())
        .expect("a server that listens");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer");
    answer
}
