//! Bit rates and frame rates as measured, for what playlists promise.

use std::sync::Arc;

use lsv_core::media::TrackName;

use crate::segmenter::{Init, Rendition, Run, Segment};
use crate::window::snapshot::Snapshot;

/// Bits a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bandwidth {
    /// Of the segment with the highest rate.
    pub(super) peak: u64,
    /// Of all segments together.
    pub(super) average: u64,
}

impl Bandwidth {
    /// The larger of each.
    pub(super) fn most(self, other: Self) -> Self {
        Self {
            peak: self.peak.max(other.peak),
            average: self.average.max(other.average),
        }
    }

    /// Of both together, measured apart: the peaks may come at once (RFC 8216bis §4.4.6.2).
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            peak: self.peak.saturating_add(other.peak),
            average: self.average.saturating_add(other.average),
        }
    }
}

/// What was measured over some segments.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    /// A segment cut short says little: a key frame and hardly any time.
    whole: Sums,
    any: Sums,
}

/// What a track has in a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) bytes: usize,
    pub(crate) samples: u32,
    pub(crate) seconds: f64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    segments: u64,
    /// Bits a second in the segment that has most.
    peak: f64,
    bits: f64,
    seconds: f64,
    samples: f64,
}

impl Measured {
    /// Counts a segment with what it has of tracks that play together.
    pub(crate) fn add(&mut self, is_short: bool, pieces: impl IntoIterator<Item = Piece>) {
        let mut sums = Sums::default();
        for piece in pieces {
            let bits = piece.bytes as f64 * 8.0;
            sums.segments = 1;
            sums.bits += bits;
            sums.peak += bits / piece.seconds.max(0.001);
            sums.seconds = sums.seconds.max(piece.seconds);
            sums.samples += f64::from(piece.samples);
        }
        self.any.join(sums);
        if !is_short {
            self.whole.join(sums);
        }
    }

    /// With other segments of the same tracks.
    pub(crate) fn join(&mut self, other: Self) {
        self.whole.join(other.whole);
        self.any.join(other.any);
    }

    /// With another track of the same segments.
    fn together(self, other: Self) -> Self {
        Self {
            whole: self.whole.together(other.whole),
            any: self.any.together(other.any),
        }
    }

    pub(super) fn bandwidth(&self) -> Bandwidth {
        let sums = self.sums();
        let average = sums.bits / f64::max(sums.seconds, 0.001);
        Bandwidth {
            peak: f64::max(sums.peak, average).ceil().max(1.0) as u64,
            average: average.ceil().max(1.0) as u64,
        }
    }

    /// Frames a second of the pictures that `init` is the header of: what the encoder says if it is about what comes, else
    /// what comes.
    pub(super) fn frame_rate(&self, init: &Init) -> Option<f64> {
        let sums = self.sums();
        let measured = (sums.seconds > 0.0).then(|| sums.samples / sums.seconds);
        let picture = init.track.codec.picture();
        let said = picture
            .and_then(|picture| picture.frame_rate_millis)
            .map(|millis| f64::from(millis) / 1000.0);
        match (measured, said) {
            (Some(measured), Some(said)) if (measured - said).abs() > said * RATE_TOLERANCE => {
                Some(measured)
            }
            (measured, said) => said.or(measured),
        }
    }

    fn sums(&self) -> &Sums {
        match self.whole.segments {
            0 => &self.any,
            _ => &self.whole,
        }
    }
}

impl Sums {
    fn join(&mut self, other: Self) {
        self.segments += other.segments;
        self.peak = self.peak.max(other.peak);
        self.bits += other.bits;
        self.seconds += other.seconds;
        self.samples += other.samples;
    }

    fn together(self, other: Self) -> Self {
        Self {
            segments: self.segments.max(other.segments),
            peak: self.peak + other.peak,
            bits: self.bits + other.bits,
            seconds: self.seconds.max(other.seconds),
            samples: self.samples + other.samples,
        }
    }
}

impl From<&Rendition> for Piece {
    fn from(rendition: &Rendition) -> Self {
        Self {
            bytes: rendition.size(),
            samples: rendition.samples,
            seconds: rendition.seconds(),
        }
    }
}

/// What was measured of MPEG-TS: of a clip as far as it is in memory, or of all that is.
pub(super) fn of_ts(window: &Snapshot) -> Measured {
    let measure = |segments: &[Arc<Segment>]| {
        let mut measured = Measured::default();
        for segment in segments {
            let piece = segment.ts.as_ref().map(|ts| Piece {
                bytes: ts.bytes.len(),
                samples: ts.pictures,
                seconds: segment.duration.as_secs_f64(),
            });
            measured.add(segment.duration < window.target / 2, piece);
        }
        measured
    };
    let measured = measure(window.cut_segments(&window.segments));
    match measured.any.segments {
        0 => measure(&window.segments),
        _ => measured,
    }
}

/// The bandwidth of `tracks` together: of all of a clip, or over the newest segments, or over the first parts while there
/// are none.
pub(super) fn bandwidth(window: &Snapshot, tracks: &[TrackName]) -> Bandwidth {
    let older = tracks
        .iter()
        .map(|track| window.measured_of_clip(*track, None));
    let older = older.reduce(Measured::together).unwrap_or_default();
    with_newest(window, older, None, tracks).bandwidth()
}

/// The frame rate of the newest run, or of the last one of a clip.
pub(super) fn frame_rate(window: &Snapshot) -> Option<f64> {
    let run = window.cmaf_run()?;
    let video = run.video()?;
    let track = video.track.name();
    let older = window.measured_of_clip(track, Some(run));
    with_newest(window, older, Some(run), &[track]).frame_rate(video)
}

/// What was measured of `older` segments, and of `tracks` together in those in memory, of `run` or of all.
pub(super) fn with_newest(
    window: &Snapshot,
    older: Measured,
    run: Option<&Run>,
    tracks: &[TrackName],
) -> Measured {
    let is_of_run = |segment: &Segment| run.is_none_or(|run| run.number == segment.run.number);
    let mut measured = older;
    let mut add = |segment: &Segment| {
        let renditions = tracks.iter().filter_map(|track| segment.rendition(*track));
        let is_short = segment.duration < window.target / 2;
        measured.add(is_short, renditions.map(Piece::from));
        measured.any.segments
    };
    let closed = window.cut_segments(&window.segments).iter();
    let closed = closed.map(AsRef::as_ref);
    let closed = closed.filter(|segment| segment.cmaf && is_of_run(segment));
    let count = closed.map(&mut add).last();
    if count.unwrap_or(older.any.segments) == 0
        && let Some(open) = window.open.as_ref().filter(|open| is_of_run(open))
    {
        add(open);
    }
    measured
}

/// How far the measured frame rate may be from what the encoder says: RTMP's clock over a few parts.
const RATE_TOLERANCE: f64 = 0.03;
