//! HLS with MPEG-TS segments (RFC 8216bis).

use std::fmt::Write;

use super::date_range::put_date_ranges;
use super::key::KeyTag;
use super::{put, put_date, put_head, put_opening, put_server_control, put_skip};
use crate::segmenter::Segment;
use crate::window::Skip;
use crate::window::snapshot::Snapshot;

/// `live.m3u8`.
pub(crate) fn render(window: &Snapshot, skip: Skip) -> Option<String> {
    let listed = window.listed_ts();
    let first = listed.first()?;
    let mut out = String::with_capacity(256 + listed.len() * 128);
    put_opening(&mut out, window, skip);
    put_server_control(&mut out, window, None);
    put_head(&mut out, Some(first), window.next_sequence);
    if listed
        .iter()
        .all(|segment| segment.ts.as_ref().is_some_and(|ts| ts.independent))
    {
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    put_date_ranges(&mut out, window);
    let (skipped, remaining) = put_skip(&mut out, window, listed, skip);
    let mut key = KeyTag::new("key/", skipped);
    for segment in remaining {
        put_segment(&mut out, &mut key, segment);
    }
    if window.ended {
        out.push_str("#EXT-X-ENDLIST\n");
    }
    Some(out)
}

fn put_segment(out: &mut String, key: &mut KeyTag, segment: &Segment) {
    if segment.discontinuity {
        out.push_str("#EXT-X-DISCONTINUITY\n");
    }
    key.put(out, segment.key);
    put_date(out, segment.wall());
    let seconds = segment.duration.as_secs_f64();
    put!(out, "#EXTINF:{seconds:.5},\nts/{}.ts\n", segment.sequence);
}
