//! What is in a file or stream, packet by packet with exact times, as ffmpeg reads and decodes it.

use std::path::Path;

use crate::{Process, input::Input, peers};

/// The packets of each stream, video before audio.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// Each stream.
    pub streams: Vec<Vec<Sent>>,
}

/// A packet.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Decoding time in milliseconds.
    pub dts: f64,
    /// Presentation time in milliseconds.
    pub pts: f64,
    /// MD5 of the payload, without what containers may move.
    pub hash: String,
}

impl Trace {
    /// Reads `file`, which carries what `input` describes, and decodes all of it, stopping at the first error.
    ///
    /// # Errors
    /// What ffmpeg complains about.
    pub async fn of(file: &Path, input: &Input) -> Result<Self, String> {
        let all: Vec<usize> = (0..input.tracks()).collect();
        Self::of_tracks(file, input, &all).await
    }

    /// As [`Trace::of`], of a file that carries only those `tracks`, numbered with pictures first.
    ///
    /// # Errors
    /// What ffmpeg complains about, or how many streams there are else.
    pub async fn of_tracks(file: &Path, input: &Input, tracks: &[usize]) -> Result<Self, String> {
        let (video, audio) = input.with_only(tracks);
        let hashes = file.with_extension("trace");
        let mut line = vec![
            "-hide_banner",
            "-nostdin",
            "-loglevel",
            "error",
            "-xerror",
            "-y",
        ];
        line.push("-copyts");
        if file.extension().is_some_and(|name| name == "m3u8") {
            line.extend(["-allowed_extensions", "ALL", "-extension_picky", "0"]);
        }
        line.extend(["-i", file.to_str().expect("a path in UTF-8")]);
        let maps = ["-map", "0:v?", "-map", "0:a?"];
        line.extend(maps);
        line.extend(["-fps_mode", "passthrough", "-enc_time_base", "demux"]);
        line.extend(["-f", "null", "-"]);
        line.extend(maps);
        line.extend(["-c", "copy"]);
        let mut filters = Vec::new();
        if let Some(pictures) = video {
            filters.extend([
                "-bsf:v".to_owned(),
                pictures.codec.same_everywhere().to_owned(),
            ]);
        }
        for (track, sound) in audio.iter().enumerate() {
            filters.extend([
                format!("-bsf:a:{track}"),
                sound.same_everywhere().to_owned(),
            ]);
        }
        line.extend(filters.iter().map(String::as_str));
        line.extend(["-f", "framehash", "-hash", "md5"]);
        line.push(hashes.to_str().expect("a path in UTF-8"));
        let mut reader = Process::start(peers::newest_ffmpeg(), &line);
        let status = reader.ended().await;
        let said = reader.stderr();
        if !status.success() || !said.is_empty() {
            return Err(format!(
                "{}: ffmpeg ended with {status}: {said}",
                file.display()
            ));
        }
        let text = std::fs::read_to_string(&hashes).map_err(|error| error.to_string())?;
        let trace = Self::read(&text);
        match trace.streams.len() == tracks.len() {
            true => Ok(trace),
            false => Err(format!(
                "{} streams, {} were sent",
                trace.streams.len(),
                tracks.len()
            )),
        }
    }

    fn read(text: &str) -> Self {
        let mut bases: Vec<f64> = Vec::new();
        let mut streams: Vec<Vec<Sent>> = Vec::new();
        for line in text.lines() {
            if let Some(base) = line.strip_prefix("#tb ") {
                let (_, base) = base.split_once(": ").expect("a time base");
                let (seconds, ticks) = base.split_once('/').expect("a fraction");
                bases.push(1000.0 * number(seconds) / number(ticks));
                streams.push(Vec::new());
            }
            if line.starts_with('#') {
                continue;
            }
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let &[stream, dts, pts, _, size, hash, ..] = fields.as_slice() else {
                panic!("not a line of framehash: {line}");
            };
            // What ffmpeg makes of a `MultichannelConfig` in FLV that has no pictures.
            if size == "0" {
                continue;
            }
            let stream: usize = stream.parse().expect("a stream's index");
            streams[stream].push(Sent {
                dts: number(dts) * bases[stream],
                pts: number(pts) * bases[stream],
                hash: hash.to_owned(),
            });
        }
        Self { streams }
    }
}

fn number(text: &str) -> f64 {
    text.parse().expect("a number")
}
