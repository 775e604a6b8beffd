//! Players that keep what they get.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tokio::process::Command;

use super::{collecting::Collecting, installed, new_ffmpeg, rml, there};
use crate::{Process, Recording, Signal, Viewer, eventually, flv, recording::RECORDED};

/// A client that plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Player {
    /// HTTP-FLV as it comes, without any player.
    HttpFlv,
    /// The system's ffmpeg.
    Ffmpeg,
    /// An ffmpeg that speaks Enhanced RTMP.
    NewFfmpeg,
    /// librtmp's own program.
    Rtmpdump,
    /// GStreamer's own client.
    Rtmp2Src,
    /// librtmp by way of GStreamer.
    Librtmp,
    /// VLC, which brings a client of its own.
    Vlc,
    /// The crate rml_rtmp.
    Rml,
    /// A client of the tests' own, the only one that announces Enhanced RTMP v2.
    Announcing,
}

impl Player {
    /// All that other people wrote, and plain HTTP.
    pub const ALL: [Self; 8] = [
        Self::HttpFlv,
        Self::Ffmpeg,
        Self::NewFfmpeg,
        Self::Rtmpdump,
        Self::Rtmp2Src,
        Self::Librtmp,
        Self::Vlc,
        Self::Rml,
    ];

    /// Those that play any codec: they know Enhanced RTMP, or never look into the tags.
    pub const CODEC_BLIND: [Self; 6] = [
        Self::HttpFlv,
        Self::NewFfmpeg,
        Self::Rtmpdump,
        Self::Rtmp2Src,
        Self::Librtmp,
        Self::Rml,
    ];

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HttpFlv => "HTTP-FLV",
            Self::Ffmpeg => "ffmpeg",
            Self::NewFfmpeg => "new ffmpeg",
            Self::Rtmpdump => "rtmpdump",
            Self::Rtmp2Src => "GStreamer rtmp2src",
            Self::Librtmp => "librtmp (GStreamer rtmpsrc)",
            Self::Vlc => "VLC",
            Self::Rml => "rml_rtmp",
            Self::Announcing => "a player that announces E-RTMP v2",
        }
    }

    /// Whether it is installed; see [`there`].
    #[must_use]
    pub fn there(self) -> bool {
        let found = match self {
            Self::HttpFlv | Self::Rml | Self::Announcing => true,
            Self::Ffmpeg => installed("ffmpeg"),
            Self::NewFfmpeg => new_ffmpeg().is_some(),
            Self::Rtmpdump => installed("rtmpdump"),
            Self::Rtmp2Src | Self::Librtmp => installed("gst-launch-1.0"),
            Self::Vlc => installed("cvlc"),
        };
        there(self.name(), found)
    }

    /// Plays a stream until it has brought `packets` packets of video and as many of audio.
    ///
    /// # Panics
    /// If it does not.
    pub async fn record(self, stream: &Addresses, packets: usize) -> Recording {
        let folder = TempDir::new().expect("a temporary folder");
        let mut playing = self.play(stream, folder.path()).await;
        eventually(self.name(), async || {
            playing.assert_runs(self.name());
            (playing.packets() >= packets).then_some(())
        })
        .await;
        playing.end(&folder.path().join("kept")).await
    }

    async fn play(self, stream: &Addresses, folder: &Path) -> Playing {
        let path = folder.join("got");
        let file = path.to_str().expect("a path in UTF-8");
        let url = stream.rtmp.as_str();
        let process = match self {
            Self::HttpFlv => return Playing::Http(Viewer::open(&stream.http_flv).await),
            Self::Rml => return Playing::Tags(rml::play(url)),
            Self::Announcing => return Playing::Tags(Collecting::announcing(url)),
            Self::Ffmpeg => return Playing::Hashes(ffmpeg(Path::new("ffmpeg"), url, file), path),
            Self::NewFfmpeg => {
                let program = new_ffmpeg().expect("an ffmpeg that speaks Enhanced RTMP");
                return Playing::Hashes(ffmpeg(program, url, file), path);
            }
            Self::Rtmpdump => Process::start("rtmpdump", ["--live", "-q", "-r", url, "-o", file]),
            Self::Rtmp2Src => gstreamer("rtmp2src", url, file),
            Self::Librtmp => gstreamer("rtmpsrc", &format!("{url} live=1"), file),
            Self::Vlc => {
                let dump = ["--demux=dump", "--demuxdump-file", file, url];
                vlc(folder, ["--no-video", "--no-audio"].into_iter().chain(dump))
            }
        };
        Playing::File(process, path)
    }
}

/// Where a stream is played.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// By RTMP.
    pub rtmp: String,
    /// By HTTP-FLV.
    pub http_flv: String,
}

/// A player at work; ends when dropped.
#[derive(Debug)]
enum Playing {
    /// ffmpeg, writing hashes of packets.
    Hashes(Process, PathBuf),
    /// Writing the stream as FLV.
    File(Process, PathBuf),
    Http(Viewer),
    Tags(Collecting),
}

impl Playing {
    fn assert_runs(&mut self, name: &str) {
        if let Self::Hashes(process, _) | Self::File(process, _) = self {
            assert!(process.runs(), "{name}: {}", process.stderr());
        }
    }

    /// Packets that are there, of audio or of video, whichever has fewer.
    fn packets(&self) -> usize {
        if let Self::Hashes(_, file) = self {
            let text = fs::read_to_string(file).unwrap_or_default();
            return Recording::read(&text).shortest();
        }
        flv::packets(&flv::tags(&self.flv()))
    }

    fn flv(&self) -> Vec<u8> {
        match self {
            Self::Hashes(..) => Vec::new(),
            Self::File(_, file) => fs::read(file).unwrap_or_default(),
            Self::Http(viewer) => viewer.got().body,
            Self::Tags(collecting) => flv::file(&collecting.tags()),
        }
    }

    /// Ends it as its user would, and reads what it left; FLV goes through `file`.
    async fn end(mut self, file: &Path) -> Recording {
        if let Self::Hashes(process, _) | Self::File(process, _) = &mut self {
            process.signal(Signal::INT);
            process.ended().await;
        }
        if let Self::Hashes(_, hashes) = &self {
            let text = fs::read_to_string(hashes).expect("ffmpeg wrote the hashes");
            return Recording::read(&text);
        }
        fs::write(file, self.flv()).expect("a file to write");
        Recording::of(file).await
    }
}

fn ffmpeg(program: &Path, url: &str, file: &str) -> Process {
    let mut line = vec!["-hide_banner", "-nostdin", "-loglevel", "warning", "-y"];
    line.extend(["-i", url]);
    line.extend(RECORDED);
    line.push(file);
    Process::start(program, line)
}

fn gstreamer(source: &str, url: &str, file: &str) -> Process {
    let (from, to) = (format!("location={url}"), format!("location={file}"));
    let line = ["--quiet", "--no-fault", source, &from, "!"];
    let line = line
        .into_iter()
        .chain(["filesink", "buffer-mode=unbuffered", &to]);
    Process::start("gst-launch-1.0", line)
}

/// VLC without a picture, at home in `folder`. It does not run as root; there it runs as nobody, who may then write into
/// the folder.
///
/// # Panics
/// If it cannot be started.
pub fn vlc<'a>(folder: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Process {
    let root = rustix::process::geteuid().is_root();
    let mut command = Command::new(if root { "setpriv" } else { "cvlc" });
    if root {
        let everybody = fs::Permissions::from_mode(0o777);
        fs::set_permissions(folder, everybody).expect("the owner of the folder");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "cvlc"]);
    }
    command.args(["--intf=dummy", "--quiet"]).args(arguments);
    command.env("HOME", folder).env_remove("XDG_RUNTIME_DIR");
    Process::run(command)
}
