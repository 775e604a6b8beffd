//! CMAF tracks: the header that describes a track and the chunks that carry its samples; and [`demux`], which reads such
//! fragments back, of other writers too.
//!
//! The layout is fixed and every box has its final size when it is written, so a fragment costs one allocation and
//! one copy of each payload. ISO/IEC 14496-12 (boxes), 14496-14 and 14496-15 (sample entries), 23000-19 (CMAF).

use lsv_core::media::Track;

mod boxes;
pub mod demux;
mod entry;
mod fragment;
mod init;
mod movie;
pub mod recording;

#[cfg(test)]
mod tests;

pub use fragment::{Sample, fragment, timed_fragment};
pub use init::init;

/// Ticks a second in which `track` counts time: 90,000 for video, the sampling rate for audio.
pub fn timescale(track: &Track) -> u32 {
    track
        .codec
        .sound()
        .map_or(VIDEO_TIMESCALE, |sound| sound.sample_rate)
}

/// The clock of MPEG-2 systems, which CMAF and TS outputs then share.
const VIDEO_TIMESCALE: u32 = 90_000;

/// Each CMAF track file has one track, and this is its number.
const TRACK_ID: u32 = 1;
