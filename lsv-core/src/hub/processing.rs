//! What is made of a channel's source beyond remuxing, in words that need no store and no encoder.

use std::time::Duration;

use crate::channel::{Codec, Color, LogLevel, Targets, TaskSize};
use crate::path::Rendition;

/// What is made of a source: renditions, a picture with a watermark, snapshots, motion clips, copies on other servers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Processing {
    /// The transcoded renditions that are wanted, the smallest first.
    pub renditions: Vec<Rendition>,
    /// The encoder of everything that is encoded.
    pub codec: Codec,
    /// What is drawn into the picture, for all viewers and recordings.
    pub watermark: Option<Watermark>,
    /// Snapshots that are kept, one each so often.
    pub snapshots: Option<Duration>,
    /// Small pictures beside recordings for video on demand.
    pub thumbnails: bool,
    /// Clips of what moves.
    pub motion: Option<Motion>,
    /// Where the source is pushed on to.
    pub relay: Targets,
    /// How much of a machine encoding gets.
    pub codec_size: TaskSize,
    /// How much of a machine snapshots and motion get.
    pub record_size: TaskSize,
    /// How much encoder processes log.
    pub log_level: LogLevel,
    /// Nodes that process it get it over RTMPS alone.
    pub over_rtmps: bool,
}

impl Default for Processing {
    /// Nothing, as in a new channel record.
    fn default() -> Self {
        Self {
            renditions: Vec::new(),
            codec: Codec::X264,
            watermark: None,
            snapshots: None,
            thumbnails: false,
            motion: None,
            relay: Targets::default(),
            codec_size: TaskSize::Large,
            record_size: TaskSize::Small,
            log_level: LogLevel::Warning,
            over_rtmps: false,
        }
    }
}

/// What is drawn into the picture. Lengths are in pixels of the source's picture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watermark {
    /// A text.
    pub text: Option<WatermarkText>,
    /// A picture.
    pub picture: Option<WatermarkPicture>,
    /// From the top of the source's picture to that of both.
    pub top: u32,
    /// From the left of the source's picture to that of both.
    pub left: u32,
}

impl Watermark {
    /// A text and a picture at `left` and `top`; none of both draws nothing.
    pub fn new(
        text: Option<WatermarkText>,
        picture: Option<WatermarkPicture>,
        left: u32,
        top: u32,
    ) -> Self {
        Self {
            text,
            picture,
            top,
            left,
        }
    }
}

/// A text in the picture, drawn as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatermarkText {
    /// What is written; any Unicode, line breaks included.
    pub text: String,
    /// The size of the font.
    pub size: u32,
    /// The colour of the letters.
    pub color: Color,
}

/// A picture in the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatermarkPicture {
    /// Where it is fetched from: `http` or `https`.
    pub url: String,
    /// How wide it is drawn.
    pub width: u32,
    /// How high it is drawn.
    pub height: u32,
}

/// When a clip is made of what moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Motion {
    /// The share of the picture that must change, in percent.
    pub percent: u32,
    /// How much a pixel must change to count, of 255.
    pub difference: u32,
    /// What is kept after the last motion.
    pub keep: Duration,
    /// The longest clip.
    pub longest: Duration,
}
