//! The stream doctor: what real encoders do wrong is told while they do it, and of a file afterwards.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use lsv_tests::{Api, Process, Server, eventually, lsv_doctor};
use serde_json::Value;
use tempfile::TempDir;

#[tokio::test]
async fn a_session_warns_of_what_its_encoder_does() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&["--plan-bitrate", "1M"]).await;
    let api = server.api();
    let mut pushes = Vec::new();
    for patient in PATIENTS {
        let file = patient.file(folder.path()).await;
        let key = api.channel(patient.name).await;
        pushes.push(patient.push(&file, &server.rtmp(&key)));
    }
    for patient in PATIENTS {
        let Some(topic) = patient.topic else {
            continue;
        };
        let text = eventually(&format!("{} is told", patient.name), async || {
            let warnings = warnings(&api, patient.name).await?;
            let found = warnings.iter().find(|warning| warning["topic"] == topic)?;
            Some(found["text"].to_string())
        })
        .await;
        println!("{}: {text}", patient.name);
    }
    for patient in PATIENTS {
        let push = &mut pushes[0];
        assert!(push.runs(), "{}: {}", patient.name, push.stderr());
        // A machine with much else to do may keep any encoder waiting for a while.
        let expected: BTreeSet<&str> = patient.topic.into_iter().collect();
        eventually(
            &format!("{} is told and nothing else", patient.name),
            async || {
                let warnings = warnings(&api, patient.name).await?;
                let topics = warnings
                    .iter()
                    .map(|warning| warning["topic"].as_str().unwrap());
                (topics.collect::<BTreeSet<_>>() == expected).then_some(())
            },
        )
        .await;
        pushes.remove(0);
    }
}

#[tokio::test]
async fn a_file_is_warned_of_likewise() {
    let folder = TempDir::new().unwrap();
    for patient in PATIENTS {
        let file = match patient.push {
            [] => patient.file(folder.path()).await,
            // What its push changes is not in the file.
            [.., "-readrate", _] => continue,
            _ => {
                let whole = patient.file(folder.path()).await;
                let pushed = folder.path().join("pushed.flv");
                ffmpeg(&patient.pushing(&whole, false, pushed.to_str().unwrap())).await;
                pushed
            }
        };
        let (code, said) = doctor(&file, &["--plan-bitrate", "1M", "--json"]).await;
        let report: Value = serde_json::from_str(&said).unwrap();
        let warnings = report["warnings"].as_array().unwrap().iter();
        let topics: Vec<&str> = warnings
            .map(|found| found["topic"].as_str().unwrap())
            .collect();
        let expected: Vec<&str> = patient.topic.into_iter().collect();
        assert_eq!(topics, expected, "{}: {said}", patient.name);
        assert_eq!(
            code,
            if expected.is_empty() { 0 } else { 2 },
            "{}",
            patient.name
        );
        let (_, text) = doctor(&file, &["--plan-bitrate", "1M"]).await;
        println!("{text}");
        for topic in expected {
            assert!(text.contains(&format!("warning {topic} ")), "{text}");
        }
    }
}

#[tokio::test]
async fn what_is_no_flv_is_no_patient() {
    let folder = TempDir::new().unwrap();
    for (name, content, complaint) in [
        ("text.flv", &b"a letter"[..], "no FLV header"),
        ("empty.flv", b"", "neither pictures nor sound"),
        (
            "tag.flv",
            b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x09\xff\xff\xff\0\0\0\0\0\0\0",
            "a tag body of 16777215 bytes",
        ),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        let (code, said) = doctor(&file, &[]).await;
        assert_eq!(code, 1, "{name}: {said}");
        assert!(
            said.contains(complaint) && said.contains(name),
            "{name}: {said}"
        );
    }
    let (code, said) = doctor(&folder.path().join("none.flv"), &[]).await;
    assert_eq!(code, 1);
    assert!(said.contains("none.flv"), "{said}");
}

/// An encoder, and the one topic that it is to be warned of.
struct Patient {
    name: &'static str,
    rate: &'static str,
    /// In place of what a good encoder does, or beside it.
    encode: &'static [&'static str],
    audio: bool,
    push: &'static [&'static str],
    topic: Option<&'static str>,
}

impl Patient {
    const GOOD: Self = Self {
        name: "good",
        rate: "30",
        encode: &[],
        audio: true,
        push: &[],
        topic: None,
    };

    /// Encodes 40 seconds, as fast as it goes.
    async fn file(&self, folder: &Path) -> PathBuf {
        let file = folder.join(self.name).with_extension("flv");
        let picture = format!("testsrc2=size=320x180:rate={}", self.rate);
        let mut line = vec!["-f", "lavfi", "-i", &picture];
        if self.audio {
            line.extend(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
            line.extend(["-c:a", "aac", "-b:a", "96k"]);
        }
        line.extend(["-t", "40", "-pix_fmt", "yuv420p", "-c:v", "libx264"]);
        line.extend(["-preset", "veryfast", "-tune", "zerolatency"]);
        line.extend([
            "-b:v", "300k", "-minrate", "300k", "-maxrate", "300k", "-bufsize", "300k",
        ]);
        line.extend([
            "-force_key_frames",
            "expr:gte(t,n_forced*2)",
            "-g",
            "600",
            "-sc_threshold",
            "0",
        ]);
        line.extend(self.encode);
        line.push(file.to_str().expect("a path in UTF-8"));
        ffmpeg(&line.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()).await;
        file
    }

    fn push(&self, file: &Path, url: &str) -> Process {
        Process::start("ffmpeg", self.pushing(file, true, url))
    }

    fn pushing(&self, file: &Path, in_real_time: bool, to: &str) -> Vec<String> {
        let mut line = vec!["-hide_banner", "-nostdin", "-loglevel", "error", "-y"];
        if in_real_time {
            line.extend(["-stream_loop", "-1"]);
        }
        match self.push {
            [.., "-readrate", rate] => line.extend(["-readrate", rate]),
            _ if in_real_time => line.extend(["-re"]),
            _ => {}
        }
        line.extend(["-i", file.to_str().expect("a path in UTF-8"), "-c", "copy"]);
        if !self.push.contains(&"-readrate") {
            line.extend(self.push);
        }
        line.extend(["-f", "flv", to]);
        line.into_iter().map(str::to_owned).collect()
    }
}

const PATIENTS: &[Patient] = &[
    Patient::GOOD,
    Patient {
        name: "pal",
        rate: "25",
        ..Patient::GOOD
    },
    Patient {
        name: "ntsc",
        rate: "30000/1001",
        ..Patient::GOOD
    },
    Patient {
        name: "long-groups",
        encode: &["-force_key_frames", "expr:gte(t,n_forced*6)"],
        topic: Some("keyFrames"),
        ..Patient::GOOD
    },
    Patient {
        name: "mute",
        audio: false,
        topic: Some("audio"),
        ..Patient::GOOD
    },
    Patient {
        name: "b-frames",
        encode: &["-tune", "animation", "-bf", "2"],
        topic: Some("bFrames"),
        ..Patient::GOOD
    },
    Patient {
        name: "uneven",
        encode: &["-vf", "select='mod(n,3)'", "-fps_mode", "vfr"],
        topic: Some("frameRate"),
        ..Patient::GOOD
    },
    Patient {
        name: "fat",
        encode: &[
            "-b:v",
            "2M",
            "-minrate",
            "2M",
            "-maxrate",
            "2M",
            "-bufsize",
            "1M",
            "-x264-params",
            "nal-hrd=cbr",
        ],
        topic: Some("bitRate"),
        ..Patient::GOOD
    },
    Patient {
        name: "slow",
        push: &["-readrate", "0.7"],
        topic: Some("speed"),
        ..Patient::GOOD
    },
    Patient {
        name: "jumping",
        push: &[
            "-bsf:v",
            "setts=pts=PTS+gte(PTS*TB\\,8)*60/TB:dts=DTS+gte(DTS*TB\\,8)*60/TB",
            "-bsf:a",
            "setts=pts=PTS+gte(PTS*TB\\,8)*60/TB:dts=DTS+gte(DTS*TB\\,8)*60/TB",
        ],
        topic: Some("timestamps"),
        ..Patient::GOOD
    },
];

async fn warnings(api: &Api, channel: &str) -> Option<Vec<Value>> {
    let session = api.read(&format!("/videostream/{channel}/session")).await;
    let is_live = session.status.is_success();
    is_live.then(|| {
        session.json()["warnings"]
            .as_array()
            .expect("an array")
            .clone()
    })
}

async fn ffmpeg(line: &[String]) {
    let standard = ["-hide_banner", "-nostdin", "-loglevel", "error", "-y"];
    let line = standard.into_iter().chain(line.iter().map(String::as_str));
    let mut ffmpeg = Process::start("ffmpeg", line);
    let status = ffmpeg.ended().await;
    assert!(status.success(), "{}", ffmpeg.stderr());
}

/// The exit code of `lsv doctor`, and what it said on either stream.
async fn doctor(file: &Path, options: &[&str]) -> (i32, String) {
    let (status, said) = lsv_doctor(file, options).await;
    (status.code().expect("an exit code"), said)
}
