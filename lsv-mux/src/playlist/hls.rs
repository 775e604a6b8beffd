//! HLS with MPEG-TS segments (RFC 8216).

use std::fmt::Write;

use super::{put, put_date, put_head};
use crate::window::snapshot::Snapshot;

/// `live.m3u8`.
pub(crate) fn render(window: &Snapshot) -> Option<String> {
    let listed = window.listed_ts();
    let first = listed.first()?;
    let mut out = String::with_capacity(256 + listed.len() * 128);
    put!(
        out,
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{}\n",
        window.target_duration
    );
    put_head(&mut out, Some(first), window.next_sequence);
    if listed
        .iter()
        .all(|segment| segment.ts.as_ref().is_some_and(|ts| ts.independent))
    {
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    for segment in listed {
        if segment.discontinuity {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        put_date(&mut out, segment.wall());
        let seconds = segment.duration.as_secs_f64();
        put!(out, "#EXTINF:{seconds:.5},\nts/{}.ts\n", segment.sequence);
    }
    if window.ended {
        out.push_str("#EXT-X-ENDLIST\n");
    }
    Some(out)
}
