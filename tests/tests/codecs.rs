//! HEVC, AV1 and VP9 from a real encoder through every format that carries them, over real sockets: each packet as it was
//! sent, each picture decoded, and codec strings as another muxer writes them.

use std::path::Path;

use lsv_tests::{
    Process, Server, eventually,
    peers::{Audio, Clip, Publisher, Video, newest_ffmpeg},
    stream_key,
};
use serde_json::json;
use tempfile::TempDir;

#[tokio::test]
async fn hevc_in_cmaf_and_mpeg_ts() {
    let Some(live) = Live::start(Video::Hevc).await else {
        return;
    };
    live.carries(Video::Hevc, "master.m3u8").await;
    live.carries(Video::Hevc, "manifest.mpd").await;
    live.carries(Video::Hevc, "live.m3u8").await;
    // FFmpeg's DASH muxer leaves the string empty; these are the profile and the level of the clip.
    let string = live.codec_string().await;
    assert!(string.starts_with("hvc1.1.6.L"), "{string}");
}

#[tokio::test]
async fn av1_in_cmaf() {
    cmaf_alone(Video::Av1).await;
}

#[tokio::test]
async fn vp9_in_cmaf() {
    cmaf_alone(Video::Vp9).await;
}

/// In MPEG-TS the sound goes on alone.
async fn cmaf_alone(video: Video) {
    let Some(live) = Live::start(video).await else {
        return;
    };
    live.carries(video, "master.m3u8").await;
    live.carries(video, "manifest.mpd").await;
    assert_eq!(live.codec_string().await, live.another_codec_string().await);
    let streams = lsv_tests::probe(&live.url("live.m3u8")).await;
    let kinds = streams.iter().map(|stream| stream["codec_type"].as_str());
    assert_eq!(kinds.collect::<Vec<_>>(), [Some("audio")]);
}

/// A stream under way, and the file that is published.
struct Live {
    server: Server,
    folder: TempDir,
    _publishing: lsv_tests::peers::Publishing,
}

impl Live {
    async fn start(video: Video) -> Option<Self> {
        if !Publisher::NewFfmpeg.there() {
            return None;
        }
        let folder = TempDir::new().expect("a temporary folder");
        let clip = Clip {
            video: &[video],
            audio: &[Audio::Aac],
        };
        let file = folder.path().join("clip.flv");
        clip.encode(SECONDS, &file).await;
        let server = Server::start(&[]).await;
        let channel = json!({ "id": "cam", "isHls": true, "isCMAF": true, "hls_time": 1 });
        let key = stream_key(&server.api().create(&channel).await);
        let sent = folder.path().join("sent.flv");
        let publishing = Publisher::NewFfmpeg.publish(&file, &sent, &server.rtmp(&key));
        let live = Self {
            server,
            folder,
            _publishing: publishing,
        };
        eventually("a playlist of several segments", async || {
            let playlist = live.text("cmaf/video.m3u8").await;
            (playlist.matches("#EXTINF").count() >= 3).then_some(())
        })
        .await;
        Some(live)
    }

    fn url(&self, name: &str) -> String {
        self.server.http(&format!("/cam/{name}"))
    }

    async fn text(&self, name: &str) -> String {
        self.server.api().read(&format!("/cam/{name}")).await.text
    }

    /// Reads an output and decodes it: packets in a row as they were published, and no complaint.
    async fn carries(&self, video: Video, name: &str) {
        let clip = self.folder.path().join("clip.flv");
        let sent = self
            .packets(video, clip.to_str().expect("a path in UTF-8"), None)
            .await;
        let got = self.packets(video, &self.url(name), Some(PACKETS)).await;
        assert_eq!(got.len(), PACKETS, "{name}");
        let found = sent.windows(PACKETS).any(|window| window == got);
        assert!(found, "{name}: packets differ from those sent");
    }

    /// The hashes of the pictures of `input` as they are stored, but that those of HEVC are in the form of MPEG-TS, without
    /// what a container may move: parameter sets, delimiters, and messages out of the configuration.
    async fn packets(&self, video: Video, input: &str, most: Option<usize>) -> Vec<String> {
        let hashes = self.folder.path().join("hashes");
        let most = most.unwrap_or(1_000_000).to_string();
        let mut line = vec![
            "-hide_banner",
            "-nostdin",
            "-loglevel",
            "error",
            "-xerror",
            "-y",
        ];
        line.extend([
            "-i",
            input,
            "-map",
            "0:v:0",
            "-c",
            "copy",
            "-frames:v",
            &most,
        ]);
        if video == Video::Hevc {
            line.extend([
                "-bsf:v",
                "hevc_mp4toannexb,filter_units=remove_types=32-35|39",
            ]);
        }
        line.extend(["-f", "framehash", "-hash", "md5"]);
        line.push(hashes.to_str().expect("a path in UTF-8"));
        line.extend(["-map", "0:v:0", "-frames:v", &most, "-f", "null", "-"]);
        run(&line).await;
        let text = std::fs::read_to_string(&hashes).expect("ffmpeg wrote the hashes");
        let packets = text.lines().filter(|line| !line.starts_with('#'));
        // Behind it comes what a container says beside a packet.
        let hash = |line: &str| line.split(',').nth(5).unwrap_or_default().trim().to_owned();
        packets.map(hash).collect()
    }

    /// Of the video in the master playlist.
    async fn codec_string(&self) -> String {
        let master = self.text("master.m3u8").await;
        let (_, codecs) = master.split_once("CODECS=\"").expect("codecs");
        let (first, _) = codecs.split_once(',').expect("video and audio");
        let manifest = self.text("manifest.mpd").await;
        assert!(
            manifest.contains(&format!("codecs=\"{first}\"")),
            "{manifest}"
        );
        first.to_owned()
    }

    /// What FFmpeg's DASH muxer calls the same video.
    async fn another_codec_string(&self) -> String {
        let [clip, manifest] =
            ["clip.flv", "another.mpd"].map(|name| self.folder.path().join(name));
        let path = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let (input, output) = (path(&clip), path(&manifest));
        let line = [
            "-loglevel",
            "error",
            "-i",
            &input,
            "-map",
            "0:v:0",
            "-c",
            "copy",
        ];
        run(&[&line[..], &["-f", "dash", &output]].concat()).await;
        let manifest = std::fs::read_to_string(&manifest).expect("ffmpeg wrote a manifest");
        let (_, codecs) = manifest.split_once("codecs=\"").expect("codecs");
        codecs.split('"').next().unwrap_or_default().to_owned()
    }
}

async fn run(line: &[&str]) {
    let mut ffmpeg = Process::start(newest_ffmpeg(), line);
    let status = ffmpeg.ended().await;
    let complaints = ffmpeg.stderr();
    assert!(
        status.success() && complaints.is_empty(),
        "{line:?}: {complaints}"
    );
}

/// Longer than all is read that a test reads.
const SECONDS: u32 = 60;

/// Pictures in a row: three seconds, over several segments.
const PACKETS: usize = 75;
