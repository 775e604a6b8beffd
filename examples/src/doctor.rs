//! `lsv doctor`: what a live session would warn of, said of a recorded FLV file.
//!
//! The file goes through a hub as a publisher's media would, so the measurements and the advice are the very same. Only what
//! needs a clock beside the media, its speed, is not judged.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use lsv_core::hub::{Hub, Limits, Offer, Publisher, Stream, Warning};
use lsv_core::media::{Kind, MediaFrame, Track};
use lsv_core::path::{ChannelId, StreamPath};
use lsv_core::time::Timestamp;
use lsv_mux::flv::{Frames, FramesError};
use serde::Serialize;

use crate::config;

/// What `lsv doctor` is asked.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The FLV file
    pub file: PathBuf,
    /// Bits a second above which it warns
    #[arg(long, value_name = "RATE", default_value = "10M")]
    pub plan_bitrate: String,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// Examines a file and prints what it found: 0 for a clean one, 2 for one with warnings.
///
/// # Errors
/// What kept it from reading the file to its end, which is printed as far as it was understood.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let path = arguments.file.display();
    let advised = config::bit_rate("plan-bitrate", &arguments.plan_bitrate)?;
    let file = File::open(&arguments.file).with_context(|| format!("cannot open {path}"))?;
    let mut patient = Patient::new(advised)?;
    let read = patient.read(file);
    let report = patient.report(&arguments.file);
    if !report.tracks.is_empty() {
        match arguments.json {
            true => println!("{}", serde_json::to_string_pretty(&report)?),
            false => print!("{report}"),
        }
    }
    read.with_context(|| format!("cannot read {path}"))?;
    if report.tracks.is_empty() {
        bail!("{path} holds neither pictures nor sound");
    }
    Ok(match report.warnings.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_WARNINGS),
    })
}

/// What a file was found to be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    file: String,
    /// Seconds of media, the breaks of its clock bridged.
    seconds: f64,
    bytes: u64,
    bit_rate: u64,
    tracks: Vec<TrackReport>,
    warnings: Vec<Finding>,
    /// Tags that could not be taken.
    bad_tags: u64,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct TrackReport {
    name: String,
    codec: String,
    frames: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    video: Option<VideoReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio: Option<AudioReport>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VideoReport {
    width: u32,
    height: u32,
    frame_rate: f64,
    key_frames: u64,
    /// Seconds between key frames: on average, and at most.
    key_frame_interval: Option<f64>,
    longest_key_frame_interval: Option<f64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AudioReport {
    sample_rate: u32,
    channels: u8,
}

/// A warning, and where in the file it held: seconds by the file's own clock.
#[derive(Debug, Serialize)]
struct Finding {
    topic: &'static str,
    text: String,
    from: f64,
    to: f64,
}

/// A file while it is read.
struct Patient {
    publisher: Publisher,
    stream: Arc<Stream>,
    counts: HashMap<(Kind, u8), Count>,
    findings: Vec<Finding>,
    /// Where the stream was last asked, by the file's clock.
    asked: Option<Timestamp>,
    bytes: u64,
    bad_tags: u64,
}

/// The frames of a track.
#[derive(Debug, Default)]
struct Count {
    frames: u64,
    keys: u64,
    /// Pairs of key frames without a break between them.
    groups: u64,
    last: Option<Timestamp>,
    last_key: Option<Timestamp>,
    /// Steps from frame to frame and from key frame to key frame, but for breaks.
    span: Duration,
    key_span: Duration,
    longest: Duration,
}

impl Patient {
    fn new(advised_bit_rate: u64) -> anyhow::Result<Self> {
        let mut limits = Limits::default();
        limits.advised_bit_rate = advised_bit_rate;
        let path = StreamPath::source(ChannelId::parse("patient")?);
        let offer = Offer::new("a file");
        let publisher = Hub::new(limits).publish(&path, offer, Instant::now())?;
        Ok(Self {
            stream: Arc::clone(publisher.stream()),
            publisher,
            counts: HashMap::new(),
            findings: Vec::new(),
            asked: None,
            bytes: 0,
            bad_tags: 0,
        })
    }

    /// Reads `file` to its end, a piece at a time.
    fn read(&mut self, mut file: impl Read) -> anyhow::Result<()> {
        let mut frames = Frames::default();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = file.read(&mut piece)?;
            frames.push(piece.get(..read).unwrap_or_default());
            self.bytes += read as u64;
            loop {
                match frames.next() {
                    Ok(Some(frame)) => self.take(frame)?,
                    Ok(None) => break,
                    Err(FramesError::Tag(_)) => self.bad_tags += 1,
                    Err(error) => return Err(error.into()),
                }
            }
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn take(&mut self, frame: MediaFrame) -> anyhow::Result<()> {
        let at = frame.dts;
        if frame.kind() != Kind::Data {
            let name = (frame.kind(), frame.track.id);
            // Their number is bounded by the numbers that a tag can say.
            self.counts.entry(name).or_default().push(&frame);
        }
        self.publisher.push(frame)?;
        let moved = |asked: Timestamp| asked.since(at).max(at.since(asked));
        if self.asked.is_none_or(|asked| moved(asked) >= QUESTION) {
            self.asked = Some(at);
            self.ask(at);
        }
        Ok(())
    }

    fn ask(&mut self, at: Timestamp) {
        let at = at.as_secs_f64();
        for Warning { topic, text, .. } in self.stream.warnings() {
            match self.findings.iter_mut().find(|known| known.topic == topic) {
                Some(known) => (known.text, known.to) = (text, at),
                None => self.findings.push(Finding {
                    topic,
                    text,
                    from: at,
                    to: at,
                }),
            }
        }
    }

    fn report(&mut self, file: &Path) -> Report {
        if let Some(last) = self.counts.values().filter_map(|count| count.last).max() {
            self.ask(last);
        }
        let tracks = self.stream.tracks();
        let seconds = self.counts.values().map(|count| count.span).max();
        let seconds = seconds.unwrap_or_default().as_secs_f64();
        let bits = self.stream.ingest().bytes * 8;
        Report {
            file: file.display().to_string(),
            seconds,
            bytes: self.bytes,
            bit_rate: match seconds > 0.0 {
                true => (bits as f64 / seconds) as u64,
                false => 0,
            },
            tracks: tracks.iter().map(|track| self.track(track)).collect(),
            warnings: std::mem::take(&mut self.findings),
            bad_tags: self.bad_tags,
        }
    }

    fn track(&self, track: &Track) -> TrackReport {
        let nothing = Count::default();
        let count = self.counts.get(&(track.kind, track.id));
        let count = count.unwrap_or(&nothing);
        let sound = track.codec.sound();
        TrackReport {
            name: track.name().to_string(),
            codec: track.codec.rfc6381(),
            frames: count.frames,
            video: (track.kind == Kind::Video).then(|| count.video(track)),
            audio: sound.map(|sound| AudioReport {
                sample_rate: sound.sample_rate,
                channels: sound.channels,
            }),
        }
    }
}

impl Count {
    fn push(&mut self, frame: &MediaFrame) {
        let gap = Limits::default().max_gap;
        let since_last = self.last.map(|last| frame.dts.since(last));
        let is_break = |last: Timestamp| last > frame.dts || frame.dts.since(last) > gap;
        match self.last.replace(frame.dts).is_some_and(is_break) {
            true => self.last_key = None,
            false => self.span += since_last.unwrap_or_default(),
        }
        self.frames += 1;
        if !frame.key {
            return;
        }
        self.keys += 1;
        if let Some(last) = self.last_key.replace(frame.dts) {
            let interval = frame.dts.since(last);
            self.groups += 1;
            self.key_span += interval;
            self.longest = self.longest.max(interval);
        }
    }

    fn video(&self, track: &Track) -> VideoReport {
        let (width, height) = track
            .codec
            .picture()
            .map_or((0, 0), |picture| (picture.width, picture.height));
        let steps = self.frames.saturating_sub(1) as f64;
        let span = self.span.as_secs_f64();
        let interval = |span: Duration| (self.groups > 0).then(|| rounded(span.as_secs_f64()));
        VideoReport {
            width,
            height,
            frame_rate: if span > 0.0 {
                rounded(steps / span)
            } else {
                0.0
            },
            key_frames: self.keys,
            key_frame_interval: interval(self.key_span.div_f64(self.groups.max(1) as f64)),
            longest_key_frame_interval: interval(self.longest),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {:.1} s, {:.1} MB, {:.2} Mbit/s",
            self.file,
            self.seconds,
            self.bytes as f64 / 1e6,
            self.bit_rate as f64 / 1e6
        )?;
        for track in &self.tracks {
            writeln!(f, "  {track}")?;
        }
        if self.bad_tags > 0 {
            writeln!(f, "  {} tags could not be understood", self.bad_tags)?;
        }
        for finding in &self.warnings {
            writeln!(f, "  {finding}")?;
        }
        match self.warnings.is_empty() {
            true => writeln!(f, "nothing to warn of"),
            false => Ok(()),
        }
    }
}

impl fmt::Display for TrackReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, {} frames", self.name, self.codec, self.frames)?;
        if let Some(video) = &self.video {
            let VideoReport { width, height, .. } = video;
            write!(f, ", {width}x{height}, {} frames/s", video.frame_rate)?;
            if let Some(average) = video.key_frame_interval {
                let longest = video.longest_key_frame_interval.unwrap_or(average);
                write!(f, ", a key frame every {average} s, {longest} s at most")?;
            }
        }
        match &self.audio {
            Some(audio) => write!(f, ", {} Hz, {} channels", audio.sample_rate, audio.channels),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            topic, text, from, ..
        } = self;
        write!(
            f,
            "warning {topic} ({from:.0} s to {:.0} s): {text}",
            self.to
        )
    }
}

/// To thousandths: file clocks know no more.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The exit code of a file that was read and has warnings.
const EXIT_WARNINGS: u8 = 2;

/// Read at once. What is in memory beside it is one tag and what the hub keeps of a stream.
const PIECE_BYTES: usize = 64 * 1024;

/// How often the stream is asked, in media time.
const QUESTION: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> Vec<u8> {
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo.flv")).unwrap()
    }

    fn examined(bytes: &[u8], advised: u64) -> (anyhow::Result<()>, Report) {
        let mut patient = Patient::new(advised).unwrap();
        let read = patient.read(bytes);
        (read, patient.report(Path::new("clip.flv")))
    }

    #[test]
    fn a_file_is_what_it_says() {
        let bytes = demo();
        let (read, report) = examined(&bytes, 10_000_000);
        read.unwrap();
        let video = report.tracks[0].video.as_ref().unwrap();
        assert_eq!((video.width, video.height), (640, 360));
        let names: Vec<&str> = report
            .tracks
            .iter()
            .map(|track| track.name.as_str())
            .collect();
        assert_eq!((names, report.bad_tags), (vec!["video", "audio"], 0));
        assert_eq!(report.bytes, bytes.len() as u64);
        let text = report.to_string();
        assert!(text.starts_with("clip.flv: "), "{text}");
    }

    #[test]
    fn a_warning_says_where_it_holds() {
        let (_, report) = examined(&demo(), 10_000_000);
        let [finding] = &report.warnings[..] else {
            panic!("{report}");
        };
        assert_eq!(finding.topic, Warning::B_FRAMES);
        assert!(finding.from <= 1.0 && finding.to > 5.0, "{report}");
        assert!(!report.to_string().contains("nothing to warn of"));
    }

    #[test]
    fn what_is_no_flv_or_is_damaged_is_said() {
        let (read, report) = examined(b"RIFF....WAVE", 1);
        assert!(read.unwrap_err().to_string().contains("no FLV header"));
        assert!(report.tracks.is_empty());
        let mut bytes = demo();
        let middle = bytes.len() / 2;
        bytes[middle..].fill(0xff);
        let (read, report) = examined(&bytes, 10_000_000);
        assert!(read.unwrap_err().to_string().contains("at byte"));
        assert_eq!(report.tracks.len(), 2);
    }
}
