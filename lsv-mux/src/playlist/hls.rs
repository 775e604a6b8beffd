//! HLS with MPEG-TS segments (RFC 8216bis).

use std::fmt::Write;

use super::date_range::put_date_ranges;
use super::key::KeyTag;
use super::past::Line;
use super::{put, put_clip, put_date, put_head, put_opening, put_server_control, put_skip};
use crate::window::Skip;
use crate::window::body::Text;
use crate::window::snapshot::Snapshot;

/// `live.m3u8`.
pub(crate) fn render(window: &Snapshot, skip: Skip) -> Option<Text> {
    let listed = window.listed_ts();
    let first = listed.first()?;
    let older = listed.older();
    let mut text = Text::with_capacity(256 + listed.newer.len() * 128);
    let out = text.written();
    put_opening(out, window, skip);
    put_clip(out, window);
    put_server_control(out, window, None);
    put_head(out, Some(first), window.next_sequence);
    let mut newer = listed.newer.iter();
    if older.as_ref().is_none_or(|older| older.independent)
        && newer.all(|segment| segment.ts.as_ref().is_some_and(|ts| ts.independent))
    {
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    put_date_ranges(out, window);
    let (state, remaining) = put_skip(&mut text, window, &listed, skip);
    let mut key = KeyTag::new(KEYS, skip, state.key);
    for segment in remaining {
        put_line(text.written(), &mut key, &Line::of_ts(segment));
    }
    if window.ended {
        text.written().push_str("#EXT-X-ENDLIST\n");
    }
    Some(text)
}

pub(super) fn put_line(out: &mut String, key: &mut KeyTag, line: &Line) {
    if line.discontinuity {
        out.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if !line.is_gap {
        key.put(out, line.key);
    }
    put_date(out, line.wall);
    if line.is_gap {
        out.push_str("#EXT-X-GAP\n");
    }
    let (seconds, sequence) = (line.seconds, line.sequence);
    put!(out, "#EXTINF:{seconds:.5},\nts/{sequence}.ts\n");
}

/// Where keys are, seen from the playlist.
pub(super) const KEYS: &str = "key/";
