//! What is to be made of a source: a pure function of what its channel wants and of what it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lsv_core::channel::{Codec, LogLevel, TaskSize};
use lsv_core::hub::{Motion, Processing, Stream, Watermark};
use lsv_core::media::{Kind, Orientation, Picture, Track, Tracks};
use lsv_core::path::Rendition;
use lsv_core::ports::TaskKind;

/// The renditions that a node can make, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    /// One for each rendition that channels can turn on.
    pub rungs: Vec<Rung>,
}

/// What a rendition is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// The rendition.
    pub rendition: Rendition,
    /// The width of the box that its picture is to fit; the height where the source is upright.
    pub width: u32,
    /// The height of that box; the width where the source is upright.
    pub height: u32,
    /// Kilobits a second of its pictures.
    pub video_kbit: u32,
    /// Kilobits a second of its sound.
    pub audio_kbit: u32,
}

impl Ladder {
    fn rung(&self, rendition: Rendition) -> Option<&Rung> {
        self.rungs.iter().find(|rung| rung.rendition == rendition)
    }
}

impl Default for Ladder {
    /// The four templates of the platform: 360p, 480p, 720p and 1080p with 400, 600, 1,000 and 2,000 kbit/s.
    fn default() -> Self {
        let rung = |rendition, (width, height), video_kbit, audio_kbit| Rung {
            rendition,
            width,
            height,
            video_kbit,
            audio_kbit,
        };
        Self {
            rungs: vec![
                rung(Rendition::P360, (640, 360), 400, 64),
                rung(Rendition::P480, (854, 480), 600, 64),
                rung(Rendition::P720, (1280, 720), 1_000, 128),
                rung(Rendition::P1080, (1920, 1080), 2_000, 128),
            ],
        }
    }
}

/// What is known of a source, beside its tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The longest time between key frames lately, once there were two.
    pub key_frame_interval: Option<Duration>,
    /// How long the channel's segments are to be.
    pub segment: Duration,
    /// How its pictures are to be turned.
    pub orientation: Orientation,
}

/// Everything that is to be made of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// What is encoded.
    pub encoding: Option<Encoding>,
    /// Snapshots, one each so often.
    pub snapshots: Option<Duration>,
    /// Clips of what moves.
    pub motion: Option<Motion>,
    /// Renditions that are wanted and not made, as they would be larger than the source.
    pub too_large: Vec<Rendition>,
    /// Something is wanted of the pictures of a source that has none.
    pub lacks_pictures: bool,
    /// The tasks that do it, with what they get of a machine.
    pub tasks: BTreeMap<TaskKind, TaskSize>,
}

/// What one encoder makes of a source. Two that are equal need no other encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encoding {
    /// The pictures that are decoded.
    pub video: Arc<Track>,
    /// The sound that is encoded for renditions.
    pub audio: Option<Arc<Track>>,
    /// The source's picture with a watermark, which everybody sees in place of the source's.
    pub program: Option<Program>,
    /// The renditions, the smallest first.
    pub renditions: Vec<Output>,
    /// The encoder of all pictures.
    pub codec: Codec,
    /// Where key frames are.
    pub key_frames: KeyFrames,
    /// Whether two fields become one picture where they are two.
    pub deinterlace: bool,
    /// How pictures are turned before all else, so that every output is upright.
    pub orientation: Orientation,
    /// How much of a machine it gets.
    pub size: TaskSize,
    /// How much it logs.
    pub log_level: LogLevel,
}

/// The source's own picture, encoded again with a watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What is drawn into it.
    pub watermark: Watermark,
    /// Its width in pixels: even.
    pub width: u32,
    /// Its height in pixels: even.
    pub height: u32,
}

/// One rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// Which one.
    pub rendition: Rendition,
    /// Its width in square pixels: even.
    pub width: u32,
    /// Its height in square pixels: even.
    pub height: u32,
    /// Kilobits a second of its pictures.
    pub video_kbit: u32,
    /// Kilobits a second of its sound.
    pub audio_kbit: u32,
}

/// Where an encoder puts key frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFrames {
    /// Where the source has them.
    Source,
    /// Every so often, as the source's come too rarely for segments.
    Every(Duration),
}

impl Plan {
    /// What is to be made of a live source, whose pictures are to be turned as `orientation` says.
    pub fn of(
        stream: &Stream,
        wanted: &Processing,
        orientation: Orientation,
        ladder: &Ladder,
    ) -> Self {
        let known = Known {
            key_frame_interval: stream.ingest().longest_key_frame_interval,
            segment: stream.settings().borrow().segment,
            orientation,
        };
        Self::new(wanted, &stream.source_tracks(), known, ladder)
    }

    /// What is to be made of a source with these `tracks`.
    pub fn new(wanted: &Processing, tracks: &Tracks, known: Known, ladder: &Ladder) -> Self {
        let mut plan = Self::default();
        if wanted.relay.iter().next().is_some() {
            plan.tasks.insert(TaskKind::Relay, TaskSize::Micro);
        }
        let video = tracks.default_of(Kind::Video);
        let Some((video, picture)) = video.and_then(|video| Some((video, video.codec.picture()?)))
        else {
            let of_pictures = !wanted.renditions.is_empty()
                || wanted.watermark.is_some()
                || wanted.snapshots.is_some()
                || wanted.motion.is_some();
            plan.lacks_pictures = of_pictures && tracks.iter().next().is_some();
            return plan;
        };
        plan.snapshots = wanted.snapshots;
        if wanted.snapshots.is_some() || wanted.thumbnails {
            plan.tasks.insert(TaskKind::Snapshot, wanted.record_size);
        }
        if let Some(motion) = &wanted.motion {
            plan.motion = Some(motion.clone());
            plan.tasks.insert(TaskKind::Motion, wanted.record_size);
        }
        let picture = turned(picture, known.orientation);
        let rungs = wanted.renditions.iter();
        let mut renditions = Vec::new();
        for rung in rungs.filter_map(|rendition| ladder.rung(*rendition)) {
            match fit(&picture, rung) {
                Some(output) => renditions.push(output),
                None => plan.too_large.push(rung.rendition),
            }
        }
        let program = wanted.watermark.clone().map(|watermark| Program {
            watermark,
            width: even(f64::from(picture.width)),
            height: even(f64::from(picture.height)),
        });
        if program.is_none() && renditions.is_empty() {
            return plan;
        }
        plan.tasks.insert(TaskKind::Transcode, wanted.codec_size);
        plan.encoding = Some(Encoding {
            video: Arc::clone(video),
            audio: tracks.default_of(Kind::Audio).cloned(),
            program,
            renditions,
            codec: wanted.codec,
            key_frames: KeyFrames::of(known),
            deinterlace: picture.may_be_interlaced,
            orientation: known.orientation,
            size: wanted.codec_size,
            log_level: wanted.log_level,
        });
        plan
    }
}

impl Encoding {
    /// The different bit rates of sound that its renditions need, each encoded once.
    pub fn sounds(&self) -> Vec<u32> {
        let mut sounds: Vec<u32> = Vec::new();
        if self.audio.is_some() {
            sounds.extend(self.renditions.iter().map(|output| output.audio_kbit));
            sounds.sort_unstable();
            sounds.dedup();
        }
        sounds
    }
}

impl KeyFrames {
    /// The source's own are best, as switching to and from the source is then easy; segments that would be much longer than
    /// wanted are worse.
    fn of(known: Known) -> Self {
        match known.key_frame_interval {
            Some(interval) if interval > known.segment.mul_f64(TOLERATED) => {
                Self::Every(known.segment)
            }
            _ => Self::Source,
        }
    }
}

/// A picture as it is once it has been turned.
fn turned(mut picture: Picture, orientation: Orientation) -> Picture {
    if orientation.is_sideways() {
        (picture.width, picture.height) = (picture.height, picture.width);
        picture.pixel_aspect = picture.pixel_aspect.map(|(width, height)| (height, width));
    }
    picture
}

/// The rendition of a picture: as large as its box allows, the box turned where the picture is upright. None where that
/// is larger than the source.
fn fit(picture: &Picture, rung: &Rung) -> Option<Output> {
    let (width, height) = (picture.display_width(), picture.height);
    let (box_width, box_height) = match width < height {
        true => (rung.height, rung.width),
        false => (rung.width, rung.height),
    };
    let (width, height) = (f64::from(width), f64::from(height));
    let scale = (f64::from(box_width) / width).min(f64::from(box_height) / height);
    // Boxes are rounded: a source of 852x480 is no less than 854x480 should be.
    (scale <= UPSCALING).then(|| {
        let scale = scale.min(1.0);
        Output {
            rendition: rung.rendition,
            width: even(width * scale),
            height: even(height * scale),
            video_kbit: rung.video_kbit,
            audio_kbit: rung.audio_kbit,
        }
    })
}

/// The nearest even number of pixels: chroma has half of them.
fn even(pixels: f64) -> u32 {
    ((pixels / 2.0).round().clamp(1.0, f64::from(u16::MAX)) as u32) * 2
}

/// How much longer than a segment the source's groups of pictures may be.
const TOLERATED: f64 = 1.25;

/// How much larger than the source a rendition may be before it is left out.
const UPSCALING: f64 = 1.01;

#[cfg(test)]
mod tests;
