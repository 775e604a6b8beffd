//! The DASH manifest: live profile, a Period for each run, low latency (ISO/IEC 23009-1; DASH-IF CR-Low-Latency-Live).
//!
//! Segments follow key frames, so they are listed one by one, and by time. The one that grows is listed as soon as it
//! has a part; players fetch it at once (`availabilityTimeOffset`) and get its chunks as they are made. Its length is an
//! estimate until it is closed.

use std::fmt::Write;
use std::time::Duration;

use super::{between, date, put};
use crate::segmenter::Segment;
use crate::window::snapshot::Snapshot;

mod adaptation;

use self::adaptation::{Period, id};

/// `manifest.mpd`, once it is known how long segments get.
pub(crate) fn render(window: &Snapshot) -> Option<String> {
    let listed = window.listed_dash();
    if listed.iter().all(|segment| segment.renditions.is_empty()) {
        return None;
    }
    let periods = periods(window, &listed);
    let mut out = String::with_capacity(4096 + listed.len() * 128);
    put_opening(&mut out, window, &listed, &periods);
    for each in &periods {
        put!(
            out,
            "  <Period id=\"{}\" start=\"{}\">\n",
            each.run.number,
            period(between(window.started, each.run.start))
        );
        each.put(&mut out);
        out.push_str("  </Period>\n");
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

fn periods<'a>(window: &'a Snapshot, listed: &'a [&'a Segment]) -> Vec<Period<'a>> {
    let runs = listed.chunk_by(|one, other| one.run.number == other.run.number);
    let mut periods: Vec<Period<'_>> = Vec::new();
    for segments in runs {
        if let Some(first) = segments.first() {
            periods.push(Period {
                window,
                run: &first.run,
                segments,
                before: periods.last().map(|last| last.run),
            });
        }
    }
    periods
}

fn put_opening(out: &mut String, window: &Snapshot, listed: &[&Segment], periods: &[Period<'_>]) {
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
    // Sound goes on a little beyond the pictures.
    let longest = periods
        .iter()
        .map(Period::longest)
        .fold(longest, Duration::max);
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
    let millis = length.as_nanos().div_ceil(1_000_000);
    format!("PT{}.{:03}S", millis / 1000, millis % 1000)
}

const PROFILES: &str = "urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019,\
                        http://www.dashif.org/guidelines/low-latency-live-v5";

/// For players that fetch whole segments: segments between the live edge and the player, one that plays, one that is
/// there, and the one that grows, which VLC takes for whole.
const DELAY_SEGMENTS: u32 = 3;

/// For players that fetch segments as they grow: room for a look at the manifest, which tells them of the next segment,
/// and for the jitter of a network.
const LATENCY: Duration = Duration::from_millis(2500);
const LATENCY_LEAST: Duration = Duration::from_millis(1500);
const LATENCY_MOST: Duration = Duration::from_millis(8000);

/// How often a player looks at the manifest at least.
const UPDATE_PERIOD: Duration = Duration::from_secs(1);
