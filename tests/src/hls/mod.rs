//! A strict reader and judge of HLS media playlists (RFC 8216bis), so that the server's are not judged by the code that
//! writes them, nor by readers that forgive.
//!
//! [`MediaPlaylist::parse`] refuses what the grammar does not allow. A [`Judge`] follows one playlist through all its
//! versions, holds each to what the earlier ones promised, and keeps every segment ever listed; with the media at hand it
//! holds the playlist to that too.

mod attributes;
mod judge;
mod media;
mod parse;

pub use judge::{Judge, Listed};
pub use media::{Cmaf, Run, judge_cmaf, judge_ts};

/// A media playlist as it was served.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaPlaylist {
    /// EXT-X-VERSION.
    pub version: u64,
    /// EXT-X-TARGETDURATION, in seconds.
    pub target_duration: u64,
    /// EXT-X-MEDIA-SEQUENCE.
    pub media_sequence: u64,
    /// EXT-X-DISCONTINUITY-SEQUENCE.
    pub discontinuity_sequence: u64,
    /// EXT-X-INDEPENDENT-SEGMENTS.
    pub independent_segments: bool,
    /// EXT-X-PLAYLIST-TYPE.
    pub playlist_type: Option<String>,
    /// EXT-X-SERVER-CONTROL.
    pub server_control: Option<ServerControl>,
    /// PART-TARGET of EXT-X-PART-INF, in seconds.
    pub part_target: Option<f64>,
    /// SKIPPED-SEGMENTS of EXT-X-SKIP.
    pub skipped: u64,
    /// The listed segments.
    pub segments: Vec<Segment>,
    /// What is there of the segment that grows: the tags and parts behind the last segment.
    pub open: Segment,
    /// EXT-X-PRELOAD-HINT of a part.
    pub hint: Option<String>,
    /// EXT-X-RENDITION-REPORT.
    pub reports: Vec<Report>,
    /// The ids of EXT-X-DATERANGE, in their order.
    pub date_ranges: Vec<String>,
    /// EXT-X-ENDLIST.
    pub ended: bool,
}

/// EXT-X-SERVER-CONTROL; times in seconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServerControl {
    /// CAN-BLOCK-RELOAD.
    pub can_block_reload: bool,
    /// CAN-SKIP-UNTIL.
    pub can_skip_until: Option<f64>,
    /// HOLD-BACK.
    pub hold_back: Option<f64>,
    /// PART-HOLD-BACK.
    pub part_hold_back: Option<f64>,
}

/// A segment with the tags that apply to it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Segment {
    /// Its media sequence number.
    pub sequence: u64,
    /// Its discontinuity sequence number.
    pub discontinuity_sequence: u64,
    /// EXT-X-DISCONTINUITY stands in front of it.
    pub discontinuity: bool,
    /// The URI of the EXT-X-MAP in force.
    pub map: Option<String>,
    /// The attributes of the EXT-X-KEY in force, as written.
    pub key: Option<String>,
    /// EXT-X-PROGRAM-DATE-TIME in milliseconds since 1970.
    pub date: Option<i64>,
    /// EXT-X-GAP.
    pub gap: bool,
    /// EXTINF in seconds.
    pub duration: f64,
    /// Where it is, relative to the playlist; empty for a segment that grows.
    pub uri: String,
    /// Its parts.
    pub parts: Vec<Part>,
}

/// EXT-X-PART.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// In seconds.
    pub duration: f64,
    /// Where it is.
    pub uri: String,
    /// INDEPENDENT=YES.
    pub independent: bool,
    /// GAP=YES.
    pub gap: bool,
}

/// EXT-X-RENDITION-REPORT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The other playlist.
    pub uri: String,
    /// LAST-MSN.
    pub last_msn: u64,
    /// LAST-PART.
    pub last_part: Option<u64>,
}
