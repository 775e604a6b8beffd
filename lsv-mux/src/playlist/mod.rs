//! Writers of playlists: HLS with MPEG-TS, low-latency HLS with CMAF, their master, and DASH.
//!
//! Each is a function from the window at one moment to text, or to nothing while there is nothing to play.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::macros::format_description;

use self::past::State;
use crate::segmenter::Segment;
use crate::window::Skip;
use crate::window::body::Text;
use crate::window::listing::{First, Listing};
use crate::window::snapshot::Snapshot;

mod date_range;
pub(crate) mod hls;
mod key;
pub(crate) mod low_latency;
pub(crate) mod master;
pub(crate) mod measure;
pub(crate) mod mpd;
pub(crate) mod past;
pub(crate) mod rung;

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

/// EXTM3U, the version and the target duration. The version is the least that allows what the playlist has, as clients
/// are to refuse what they do not know (RFC 8216bis §8): 6 rounds the target duration and has EXT-X-MAP, 9 has EXT-X-SKIP.
fn put_opening(out: &mut String, window: &Snapshot, skip: Skip) {
    let version = match skip {
        Skip::Nothing => 6,
        Skip::Segments => 9,
    };
    put!(
        out,
        "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{}\n",
        window.target_duration
    );
}

/// Players are to begin with a clip, and not where it grows. It has no EXT-X-PLAYLIST-TYPE: one that is whole may have been
/// told before as it grew, and nothing but its end may be added then (RFC 8216bis §6.2.1).
fn put_clip(out: &mut String, window: &Snapshot) {
    if window.cut.is_some() {
        out.push_str("#EXT-X-START:TIME-OFFSET=0,PRECISE=YES\n");
    }
}

/// What the server can do for a client (RFC 8216bis §4.4.3.8). Blocking reloads need no parts: with them a player learns
/// of a segment when it is there, not up to a target duration later.
fn put_server_control(out: &mut String, window: &Snapshot, part_hold_back: Option<f64>) {
    out.push_str("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES");
    if let Some(boundary) = window.skip_boundary() {
        put!(out, ",CAN-SKIP-UNTIL={boundary}");
    }
    if let Some(seconds) = part_hold_back {
        put!(out, ",PART-HOLD-BACK={seconds:.3}");
    }
    put!(out, ",HOLD-BACK={}\n", window.target_duration * 3);
}

/// Lists the segments that are not in memory, or replaces them and what else is old by how many they are in a delta update.
/// Gives what is in force then, and those in memory that remain to be listed.
fn put_skip<'a>(
    text: &mut Text,
    window: &Snapshot,
    listed: &Listing<'a>,
    skip: Skip,
) -> (State, &'a [Arc<Segment>]) {
    let older = listed.older();
    let mut state = older.as_ref().map(|older| older.after).unwrap_or_default();
    let count = match skip {
        Skip::Nothing => 0,
        Skip::Segments => window.skippable(listed),
    };
    if count == 0 {
        if let Some(older) = older {
            text.push_ready(&older.text);
        }
        return (state, listed.newer);
    }
    put!(text.written(), "#EXT-X-SKIP:SKIPPED-SEGMENTS={count}\n");
    let of_newer = count.saturating_sub(listed.older_count());
    let (skipped, remaining) = listed
        .newer
        .split_at_checked(of_newer)
        .unwrap_or((&[], listed.newer));
    for segment in skipped {
        state.pass(segment, listed.list);
    }
    (state, remaining)
}

/// Where a media playlist begins: its first media sequence number and the count of discontinuities before it.
fn put_head(out: &mut String, first: Option<First>, next_sequence: u64) {
    let sequence = first.map_or(next_sequence, |first| first.sequence);
    put!(out, "#EXT-X-MEDIA-SEQUENCE:{sequence}\n");
    // The count includes the discontinuity in front of the first segment only once its tag has left the playlist.
    let discontinuities = first.map_or(0, |first| first.run - u64::from(first.discontinuity));
    if discontinuities > 0 {
        put!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}\n");
    }
}

fn put_date(out: &mut String, wall: SystemTime) {
    put!(out, "#EXT-X-PROGRAM-DATE-TIME:{}\n", date(wall));
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn date(wall: SystemTime) -> String {
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
