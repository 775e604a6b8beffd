//! Writers of playlists: HLS with MPEG-TS, low-latency HLS with CMAF, their master, and DASH.
//!
//! Each is a function from the window at one moment to text, or to nothing while there is nothing to play.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::macros::format_description;

use crate::segmenter::Segment;

pub(crate) mod hls;
pub(crate) mod low_latency;
pub(crate) mod master;
mod measure;
pub(crate) mod mpd;

#[cfg(test)]
mod tests;

/// Appends formatted text. Writing to a string cannot fail.
macro_rules! put {
    ($out:expr, $($format:tt)*) => {{
        let written = $out.write_fmt(format_args!($($format)*));
        debug_assert!(written.is_ok());
    }};
}
pub(crate) use put;

/// The tags that every media playlist opens with, after EXTM3U and EXT-X-VERSION.
fn put_head(out: &mut String, first: Option<&Segment>, next_sequence: u64) {
    let sequence = first.map_or(next_sequence, |segment| segment.sequence);
    put!(out, "#EXT-X-MEDIA-SEQUENCE:{sequence}\n");
    // The count includes the discontinuity in front of the first segment only once its tag has left the playlist.
    let discontinuities = first.map_or(0, |segment| {
        segment.run.number - u64::from(segment.discontinuity)
    });
    if discontinuities > 0 {
        put!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}\n");
    }
}

fn put_date(out: &mut String, wall: SystemTime) {
    put!(out, "#EXT-X-PROGRAM-DATE-TIME:{}\n", date(wall));
}

/// RFC 3339 in UTC with milliseconds.
fn date(wall: SystemTime) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from(wall)
        .format(format)
        .unwrap_or_default()
}

/// The time from `earlier` to `later`, zero when it lies behind.
fn between(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}
