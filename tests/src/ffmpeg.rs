//! ffmpeg as an encoder and as a player.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::sleep};

use crate::{PATIENCE, Packets, Process, packets::HASHED};

/// A moving test picture with a tone, encoded in real time.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Width and height as ffmpeg writes them.
    pub size: &'static str,
    /// Frames in a second.
    pub rate: u32,
    /// Frames from one key frame to the next.
    pub gop: u32,
    /// Video bits in a second; none lets the encoder decide.
    pub bit_rate: Option<&'static str>,
    /// The encoder's preset: `ultrafast` has no B-frames, `veryfast` has.
    pub preset: &'static str,
    /// Also keeps what is sent in this FLV file.
    pub copy: Option<PathBuf>,
    /// Has a clock that a page can read: a white block crosses a black strip at the top once in eight seconds of Unix
    /// time. What is on screen then tells how long ago it was drawn, through encoder, network and player.
    pub clock: bool,
}

impl Default for Picture {
    fn default() -> Self {
        Self {
            size: "320x180",
            rate: 25,
            gop: 25,
            bit_rate: None,
            preset: "ultrafast",
            copy: None,
            clock: false,
        }
    }
}

impl Picture {
    /// Encodes it in real time and pushes it to an RTMP address until the process ends.
    #[must_use]
    pub fn push(&self, url: &str) -> Process {
        let mut line = self.encoder(true);
        match &self.copy {
            None => line.extend(["-f", "flv", url].map(str::to_owned)),
            Some(file) => line.extend([
                "-f".to_owned(),
                "tee".to_owned(),
                format!("[f=flv]{url}|[f=flv]{}", file.display()),
            ]),
        }
        Process::start("ffmpeg", line)
    }

    /// Encodes some seconds of it into an FLV file, for [`push_file`].
    ///
    /// # Panics
    /// If ffmpeg fails.
    pub async fn encode(&self, seconds: u32, file: &Path) {
        let mut line = self.encoder(false);
        let file = file.to_str().expect("a path in UTF-8");
        line.extend(["-t", &seconds.to_string(), "-y", file].map(str::to_owned));
        let mut encoder = Process::start("ffmpeg", line);
        let status = encoder.ended().await;
        assert!(status.success(), "{file}: {}", encoder.stderr());
    }

    fn encoder(&self, real_time: bool) -> Vec<String> {
        let video = format!("testsrc2=size={}:rate={}", self.size, self.rate);
        let audio = "sine=frequency=440:beep_factor=3:sample_rate=48000";
        let gop = self.gop.to_string();
        let pace: &[&str] = if real_time { &["-re"] } else { &[] };
        let mut line = vec!["-hide_banner", "-nostdin", "-loglevel", "info", "-nostats"];
        for source in [video.as_str(), audio] {
            line.extend(pace);
            line.extend(["-f", "lavfi", "-i", source]);
        }
        match self.clock {
            false => line.extend(["-map", "0:v"]),
            true => line.extend(["-filter_complex", CLOCK, "-map", "[clock]"]),
        }
        line.extend(["-map", "1:a", "-pix_fmt", "yuv420p"]);
        line.extend(["-c:v", "libx264", "-preset", self.preset]);
        line.extend(["-g", &gop, "-keyint_min", &gop, "-sc_threshold", "0"]);
        if let Some(rate) = self.bit_rate {
            line.extend([
                "-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate,
            ]);
            line.extend(["-x264-params", "nal-hrd=cbr"]);
        }
        line.extend(["-c:a", "aac", "-b:a", "96k", "-flags", "+global_header"]);
        line.into_iter().map(str::to_owned).collect()
    }
}

/// Pushes a file to an RTMP address as it is, in real time, over and over.
#[must_use]
pub fn push_file(file: &Path, url: &str) -> Process {
    let file = file.to_str().expect("a path in UTF-8");
    let mut line = vec!["-hide_banner", "-nostdin", "-loglevel", "info", "-nostats"];
    line.extend([
        "-stream_loop",
        "-1",
        "-re",
        "-i",
        file,
        "-c",
        "copy",
        "-f",
        "flv",
        url,
    ]);
    Process::start("ffmpeg", line)
}

/// As [`push_file`], by an encoder that connects again whenever its connection is lost.
#[must_use]
pub fn push_file_and_return(file: &Path, url: &str) -> Process {
    let file = file.to_str().expect("a path in UTF-8");
    let mut line = vec!["-hide_banner", "-nostdin", "-loglevel", "info", "-nostats"];
    line.extend([
        "-stream_loop",
        "-1",
        "-re",
        "-i",
        file,
        "-map",
        "0",
        "-c",
        "copy",
    ]);
    line.extend([
        "-f",
        "fifo",
        "-fifo_format",
        "flv",
        "-drop_pkts_on_overflow",
        "1",
    ]);
    line.extend(["-attempt_recovery", "1", "-recover_any_error", "1"]);
    line.extend([
        "-recovery_wait_time",
        "0.2",
        "-restart_with_keyframe",
        "1",
        url,
    ]);
    Process::start("ffmpeg", line)
}

/// Pushes a file over and over, by an encoder that somebody starts again whenever it has ended; stops when dropped.
#[derive(Debug)]
pub struct Returning(JoinHandle<()>);

impl Returning {
    /// Begins at once.
    #[must_use]
    pub fn push_file(file: &Path, url: &str) -> Self {
        let (file, url) = (file.to_owned(), url.to_owned());
        Self(tokio::spawn(async move {
            loop {
                let mut encoder = push_file(&file, &url);
                encoder.ended_after(FOR_EVER).await;
                sleep(BEFORE_ANOTHER_PUSH).await;
            }
        }))
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a player got.
#[derive(Debug)]
pub struct Watched {
    /// The packets as they came.
    pub packets: Packets,
    /// What the player complained about; empty when all was well.
    pub complaints: String,
}

/// Reads an address as fast as it comes, with options of ffmpeg in front of it, decoding every frame and stopping at the first error,
/// and hashes the packets on the way.
///
/// # Panics
/// If the player fails; `label` says which.
pub async fn read(label: &str, options: &[&str], url: &str) -> Watched {
    let mut line = options.to_vec();
    line.extend(["-i", url]);
    hashed(label, &line).await
}

/// Plays an address in real time for some seconds of media, decoding every frame and stopping at the first error, and hashes the
/// packets on the way.
///
/// # Panics
/// If the player fails; `label` says which.
pub async fn watch(label: &str, url: &str, seconds: u64) -> Watched {
    hashed(label, &["-re", "-t", &seconds.to_string(), "-i", url]).await
}

async fn hashed(label: &str, input: &[&str]) -> Watched {
    let folder = TempDir::new().expect("a temporary folder");
    let hashes = folder.path().join("packets");
    let mut line = vec![
        "-hide_banner",
        "-nostdin",
        "-loglevel",
        "error",
        "-nostats",
        "-xerror",
    ];
    line.extend(input);
    line.extend(["-map", "0:v:0", "-map", "0:a:0", "-f", "null", "-"]);
    line.extend(HASHED);
    line.push(hashes.to_str().expect("a path in UTF-8"));
    let mut player = Process::start("ffmpeg", line);
    let status = player.ended().await;
    let complaints = player.stderr();
    assert!(
        status.success(),
        "{label}: ffmpeg ended with {status}: {complaints}"
    );
    Watched {
        packets: Packets::read(&hashes),
        complaints,
    }
}

impl Packets {
    /// The packets of a file.
    ///
    /// # Panics
    /// If ffmpeg cannot read it.
    pub async fn of(file: &Path) -> Self {
        let hashes = file.with_extension("packets");
        let mut line = vec!["-hide_banner", "-nostdin", "-loglevel", "error", "-i"];
        line.push(file.to_str().expect("a path in UTF-8"));
        line.extend(HASHED);
        line.push(hashes.to_str().expect("a path in UTF-8"));
        let mut reader = Process::start("ffmpeg", line);
        let status = reader.ended().await;
        assert!(status.success(), "{}: {}", file.display(), reader.stderr());
        Self::read(&hashes)
    }
}

/// What ffprobe says about the streams of an address.
///
/// # Panics
/// If it fails or says nothing within [`PATIENCE`].
pub async fn probe(url: &str) -> Vec<Value> {
    let line = ["-v", "error", "-of", "json", "-show_streams", url];
    let mut ffprobe = Process::start("ffprobe", line);
    let status = ffprobe.ended().await;
    assert!(
        status.success(),
        "ffprobe {url} in {PATIENCE:?}: {}",
        ffprobe.stderr()
    );
    let said: Value = serde_json::from_str(&ffprobe.stdout()).expect("JSON");
    said["streams"].as_array().cloned().unwrap_or_default()
}

/// Decodes every frame of a file.
///
/// # Panics
/// At the first that is not right.
pub async fn watch_file(file: &Path) {
    let file = file.to_str().expect("a path in UTF-8");
    let line = [
        "-nostdin",
        "-loglevel",
        "error",
        "-xerror",
        "-i",
        file,
        "-f",
        "null",
        "-",
    ];
    let mut player = Process::start("ffmpeg", line);
    let status = player.ended().await;
    assert!(status.success(), "{file}: {status}: {}", player.stderr());
    assert_eq!(player.stderr(), "", "{file}");
}

/// How long a file plays, in seconds, as ffprobe says.
///
/// # Panics
/// If it cannot read it, or complains.
pub async fn ffprobe_seconds(file: &Path) -> f64 {
    let file = file.to_str().expect("a path in UTF-8");
    let entries = ["-v", "error", "-show_entries", "format=duration"];
    let line = [&entries[..], &["-of", "csv=p=0", file]].concat();
    let mut ffprobe = Process::start("ffprobe", line);
    let status = ffprobe.ended().await;
    assert!(status.success(), "{file}: {status}: {}", ffprobe.stderr());
    assert_eq!(ffprobe.stderr(), "", "{file}");
    let seconds = ffprobe.stdout();
    seconds
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{file}: {seconds:?}"))
}

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(24 * 3_600);

const BEFORE_ANOTHER_PUSH: Duration = Duration::from_millis(200);

/// As `tests/browser/play.mjs` reads it.
const CLOCK: &str = "[0:v]drawbox=w=iw:h=32:color=black:t=fill[dark];color=white:size=16x32[block];\
    [dark][block]overlay=x='mod(time(0),8)/8*(W-w)':eval=frame:shortest=1[clock]";
