//! What publishers are given: short clips of one codec each for picture and sound.

use std::path::Path;

use super::newest_ffmpeg;
use crate::Process;

/// A moving picture with a tone, encoded once and published as it is.
#[derive(Debug, Clone, Copy)]
pub struct Clip<'a> {
    /// The tracks of video, the first with track id 0.
    pub video: &'a [Video],
    /// The tracks of audio, the first with track id 0.
    pub audio: &'a [Audio],
}

/// A codec of video, and who encodes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Video {
    /// H.264 by x264, with B-frames.
    H264,
    /// HEVC by x265, with B-frames.
    Hevc,
    /// AV1 by SVT-AV1.
    Av1,
    /// VP9 by libvpx.
    Vp9,
}

/// A codec of audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audio {
    /// AAC-LC.
    Aac,
    /// MP3.
    Mp3,
    /// Opus.
    Opus,
    /// FLAC.
    Flac,
    /// AC-3.
    Ac3,
    /// E-AC-3.
    Eac3,
    /// AAC in six channels.
    AacSurround,
    /// Opus in six channels.
    OpusSurround,
}

impl Clip<'_> {
    /// H.264 and AAC, which every client knows.
    pub const PLAIN: Clip<'static> = Clip {
        video: &[Video::H264],
        audio: &[Audio::Aac],
    };

    /// Encodes it into an FLV file.
    ///
    /// # Panics
    /// If ffmpeg fails.
    pub async fn encode(&self, seconds: u32, file: &Path) {
        let seconds = seconds.to_string();
        let mut line = vec!["-hide_banner", "-nostdin", "-loglevel", "error", "-y"];
        // Tracks of a kind must differ, else one could stand for the other.
        let pictures = ["testsrc2", "mandelbrot=maxiter=64", "rgbtestsrc"];
        let pictures: Vec<String> = (self.video.iter().zip(pictures))
            .map(|(_, picture)| format!("{picture}{}size=160x90:rate=25", separator(picture)))
            .collect();
        let tones: Vec<String> = (1..=self.audio.len())
            .map(|track| {
                format!(
                    "sine=frequency={}:beep_factor=3:sample_rate=48000",
                    220 * track
                )
            })
            .collect();
        for source in pictures.iter().chain(&tones) {
            line.extend(["-f", "lavfi", "-i", source]);
        }
        let inputs: Vec<String> = (0..pictures.len() + tones.len())
            .map(|input| input.to_string())
            .collect();
        line.extend(inputs.iter().flat_map(|input| ["-map", input.as_str()]));
        line.extend([
            "-pix_fmt",
            "yuv420p",
            "-g",
            "25",
            "-flags",
            "+global_header",
        ]);
        let mut options = Vec::new();
        for (track, video) in self.video.iter().enumerate() {
            options.extend(with_track(video.options(), 'v', track));
        }
        for (track, audio) in self.audio.iter().enumerate() {
            options.extend(with_track(audio.options(), 'a', track));
        }
        line.extend(options.iter().map(String::as_str));
        line.extend(["-t", &seconds, "-f", "flv"]);
        line.push(file.to_str().expect("a path in UTF-8"));
        let mut encoder = Process::start(newest_ffmpeg(), line);
        let status = encoder.ended().await;
        assert!(status.success(), "{self:?}: {}", encoder.stderr());
    }
}

impl Video {
    fn options(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::H264 => &[("c", "libx264"), ("preset", "ultrafast"), ("bf", "2")],
            Self::Hevc => &[
                ("c", "libx265"),
                ("preset", "ultrafast"),
                ("x265-params", "log-level=error:bframes=2:keyint=25"),
            ],
            Self::Av1 => &[
                ("c", "libsvtav1"),
                ("preset", "11"),
                ("svtav1-params", "pred-struct=1"),
            ],
            Self::Vp9 => &[
                ("c", "libvpx-vp9"),
                ("deadline", "realtime"),
                ("cpu-used", "8"),
            ],
        }
    }
}

impl Audio {
    fn options(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Aac => &[("c", "aac"), ("b", "48k")],
            Self::Mp3 => &[("c", "libmp3lame"), ("b", "48k")],
            Self::Opus => &[("c", "libopus"), ("b", "48k")],
            Self::Flac => &[("c", "flac")],
            Self::Ac3 => &[("c", "ac3"), ("b", "96k")],
            Self::Eac3 => &[("c", "eac3"), ("b", "96k")],
            Self::AacSurround => &[("c", "aac"), ("b", "192k"), ("ac", "6")],
            Self::OpusSurround => &[("c", "libopus"), ("b", "192k"), ("ac", "6")],
        }
    }
}

fn separator(source: &str) -> char {
    if source.contains('=') { ':' } else { '=' }
}

fn with_track(options: &[(&str, &str)], kind: char, track: usize) -> Vec<String> {
    let named =
        |&(name, value): &(&str, &str)| [format!("-{name}:{kind}:{track}"), value.to_owned()];
    options.iter().flat_map(named).collect()
}
