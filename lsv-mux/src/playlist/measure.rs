//! Bit rates and frame rates as measured, for what playlists promise.

use lsv_core::media::TrackName;

use crate::segmenter::{Rendition, Segment};
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
}

/// The bandwidth of `tracks` together, over the newest segments, or over the first parts while there are none.
pub(super) fn bandwidth(window: &Snapshot, tracks: &[TrackName]) -> Bandwidth {
    let closed: Vec<&Segment> = window
        .segments
        .iter()
        .map(AsRef::as_ref)
        .filter(|segment| segment.cmaf)
        .collect();
    // A segment cut short says little: a key frame and hardly any time.
    let whole = |segment: &&&Segment| segment.duration >= window.target / 2;
    let mut measured: Vec<&Segment> = closed.iter().filter(whole).copied().collect();
    if measured.is_empty() {
        measured = closed;
    }
    if measured.is_empty() {
        measured.extend(&window.open);
    }
    let (mut peak, mut bits, mut seconds) = (0.0, 0.0, 0.0);
    for segment in measured {
        let renditions = || tracks.iter().filter_map(|track| segment.rendition(*track));
        let segment_bits = renditions()
            .map(|rendition| rendition.size() as f64 * 8.0)
            .sum::<f64>();
        let rate: f64 = renditions()
            .map(|rendition| rendition.size() as f64 * 8.0 / rendition.seconds().max(0.001))
            .sum();
        peak = f64::max(peak, rate);
        bits += segment_bits;
        seconds += renditions().map(Rendition::seconds).fold(0.0, f64::max);
    }
    let average = bits / f64::max(seconds, 0.001);
    Bandwidth {
        peak: f64::max(peak, average).ceil().max(1.0) as u64,
        average: average.ceil().max(1.0) as u64,
    }
}

/// Frames a second: what the encoder says if it is about what comes, else what comes.
pub(super) fn frame_rate(window: &Snapshot) -> Option<f64> {
    let closed = window.segments.iter().rev().map(AsRef::as_ref);
    let run = window.cmaf_run()?;
    let of_run = closed
        .chain(&window.open)
        .filter(|segment| segment.run.number == run.number);
    let (mut frames, mut seconds) = (0.0, 0.0);
    for rendition in of_run.filter_map(|segment| segment.video()) {
        frames += f64::from(rendition.samples);
        seconds += rendition.seconds();
    }
    let measured = (seconds > 0.0).then(|| frames / seconds);
    let picture = run.video().and_then(|init| init.track.codec.picture());
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

/// How far the measured frame rate may be from what the encoder says: RTMP's clock over a few parts.
const RATE_TOLERANCE: f64 = 0.03;
