//! The DASH manifest: live profile, a Period for each run, low latency (ISO/IEC 23009-1; DASH-IF CR-Low-Latency-Live).
//!
//! Segments follow key frames, so they are listed one by one, and by time. The one that grows is listed as soon as it
//! has a part; players fetch it at once (`availabilityTimeOffset`) and get its chunks as they are made. Its length is an
//! estimate until it is closed.

use std::fmt::Write;
use std::time::Duration;

use super::{between, date, put};
use crate::segmenter::{Run, Segment};
use crate::window::snapshot::Snapshot;

mod adaptation;

use self::adaptation::{Period, id};

/// `manifest.mpd`, once it is known how long segments get.
pub(crate) fn render(window: &Snapshot) -> Option<String> {
    let listed = window.listed_dash();
    if listed.iter().all(|segment| segment.renditions.is_empty()) {
        return None;
    }
    let mut out = String::with_capacity(4096 + listed.len() * 128);
    put_opening(&mut out, window, &listed);
    let mut before: Option<&Run> = None;
    for segments in listed.chunk_by(|one, other| one.run.number == other.run.number) {
        let Some(run) = segments.first().map(|segment| segment.run.as_ref()) else {
            continue;
        };
        let start = between(window.started, run.start);
        put!(
            out,
            "  <Period id=\"{}\" start=\"{}\">\n",
            run.number,
            period(start)
        );
        let period = Period {
            window,
            run,
            segments,
            before,
        };
        period.put(&mut out);
        out.push_str("  </Period>\n");
        before = Some(run);
    }
    if !window.ended {
        // The player's clock may be wrong, and segments are found by the clock.
        out.push_str(
            "  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"time\"/>\n",
        );
    }
    out.push_str("</MPD>\n");
    Some(out)
}

fn put_opening(out: &mut String, window: &Snapshot, listed: &[&Segment]) {
    let lengths = listed.iter().map(|segment| segment.duration);
    // With the segment that grows, listed or not yet.
    let expected = (!window.ended).then_some(window.expected);
    let longest = lengths.chain(expected).max().unwrap_or(window.target);
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"");
    put!(out, " profiles=\"{PROFILES}\"");
    match window.ended {
        true => {
            let end = listed
                .last()
                .map_or(window.started, |last| last.wall() + last.duration);
            let length = between(window.started, end);
            put!(
                out,
                " type=\"static\" mediaPresentationDuration=\"{}\"",
                period(length)
            );
        }
        false => {
            let segment = longest.max(window.target);
            // A whole list of such segments at least: the depth must not wander with each one.
            let list_size = u32::try_from(window.list_size).unwrap_or(u32::MAX);
            let closed = window.listed_cmaf().iter();
            let depth = closed.map(|segment| segment.duration).sum();
            let depth = match window.is_shortened() {
                true => depth,
                false => segment.saturating_mul(list_size).max(depth),
            };
            put!(
                out,
                " type=\"dynamic\" availabilityStartTime=\"{}\"",
                date(window.started)
            );
            put!(out, " publishTime=\"{}\"", date(window.updated));
            let update = window.target.min(UPDATE_PERIOD);
            put!(out, " minimumUpdatePeriod=\"{}\"", period(update));
            put!(out, " timeShiftBufferDepth=\"{}\"", period(depth));
            let delay = segment.saturating_mul(DELAY_SEGMENTS).min(depth);
            put!(out, " suggestedPresentationDelay=\"{}\"", period(delay));
        }
    }
    put!(out, " maxSegmentDuration=\"{}\"", period(longest));
    put!(out, " minBufferTime=\"{}\">\n", period(longest));
    let leader = listed.last().and_then(|last| last.run.inits.first());
    if let Some(leader) = leader.filter(|_| !window.ended) {
        put_service(out, id(leader.track.name()));
    }
}

/// How far behind live a player should stay, by the clock of the adaptation set `leader`, and how fast it may play to
/// get there.
fn put_service(out: &mut String, leader: u32) {
    out.push_str("  <ServiceDescription id=\"0\">\n");
    put!(
        out,
        "    <Latency referenceId=\"{leader}\" target=\"{}\" min=\"{}\" max=\"{}\"/>\n",
        LATENCY.as_millis(),
        LATENCY_LEAST.as_millis(),
        LATENCY_MOST.as_millis()
    );
    out.push_str("    <PlaybackRate min=\"0.96\" max=\"1.1\"/>\n  </ServiceDescription>\n");
}

/// An XML Schema duration.
fn period(length: Duration) -> String {
    format!("PT{:.3}S", length.as_secs_f64())
}

const PROFILES: &str = "urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019,\
                        http://www.dashif.org/guidelines/low-latency-live-v5";

/// For players that fetch whole segments: segments between the live edge and the player, one that plays, and one that is
/// made meanwhile.
const DELAY_SEGMENTS: u32 = 2;

/// For players that fetch segments as they grow: room for a look at the manifest, which tells them of the next segment,
/// and for the jitter of a network.
const LATENCY: Duration = Duration::from_millis(2500);
const LATENCY_LEAST: Duration = Duration::from_millis(1500);
const LATENCY_MOST: Duration = Duration::from_millis(8000);

/// How often a player looks at the manifest at least.
const UPDATE_PERIOD: Duration = Duration::from_secs(1);
