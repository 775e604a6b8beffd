//! The DASH manifest: live profile, a Period for each run, low latency (ISO/IEC 23009-1; DASH-IF CR-Low-Latency-Live).
//!
//! Segments follow key frames, so they are listed one by one, and by time. The one that grows is listed as soon as it
//! has a part; players fetch it at once (`availabilityTimeOffset`) and get its chunks as they are made. Its length is an
//! estimate until it is closed.

use std::fmt::Write;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use lsv_core::time::Timestamp;

use super::{between, date, put};
use crate::segmenter::Segment;
use crate::window::body::Text;
use crate::window::snapshot::Snapshot;

mod adaptation;

pub(crate) use self::adaptation::presented;
use self::adaptation::{Period, id};

/// `manifest.mpd`, once it is known how long segments get.
pub(crate) fn render(window: &Snapshot) -> Option<Text> {
    let listed = window.listed_dash();
    let older = window.older_dash();
    if older.is_empty() && listed.iter().all(|segment| segment.renditions.is_empty()) {
        return None;
    }
    let periods = periods(window, &older, &listed);
    let mut text = Text::with_capacity(4096 + listed.len() * 128);
    put_opening(text.written(), window, &listed, &periods);
    for each in &periods {
        put!(
            text.written(),
            "  <Period id=\"{}\" start=\"{}\">\n",
            each.run.number,
            period(between(beginning(window, &periods), each.wall()))
        );
        each.put(&mut text);
        text.written().push_str("  </Period>\n");
    }
    let out = text.written();
    if !window.ended {
        // The player's clock may be wrong, and segments are found by the clock.
        out.push_str(
            "  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"time\"/>\n",
        );
    }
    out.push_str("</MPD>\n");
    Some(text)
}

/// The runs of the older segments of the numbers `older`, and of those `listed` that follow them.
fn periods<'a>(
    window: &'a Snapshot,
    older: &Range<u64>,
    listed: &'a [&'a Segment],
) -> Vec<Period<'a>> {
    let stretches = window.past.stretches(older);
    let stretches = stretches.map(|(run, numbers)| (run, numbers, &[][..]));
    let runs = listed.chunk_by(|one, other| one.run.number == other.run.number);
    let runs = runs.filter_map(|segments| Some((&segments.first()?.run, 0..0, segments)));
    let mut periods: Vec<Period<'_>> = Vec::new();
    for (run, older, segments) in stretches.chain(runs) {
        match periods.last_mut() {
            Some(last) if last.run.number == run.number => {
                if !older.is_empty() {
                    last.older.end = older.end;
                }
                last.segments = segments;
            }
            last => {
                let before = last.map(|last| last.run);
                let is_cut = window.ended && before.is_none();
                let left = is_cut.then(|| first_start(window, &older, segments));
                periods.push(Period {
                    window,
                    run,
                    origin: left.flatten().unwrap_or(run.origin),
                    older,
                    segments,
                    before,
                });
            }
        }
    }
    periods
}

/// Where the first of the older segments and those `listed` starts.
fn first_start(window: &Snapshot, older: &Range<u64>, listed: &[&Segment]) -> Option<Timestamp> {
    let oldest = window.past.entry(older.start).filter(|_| !older.is_empty());
    let first = listed.first().map(|first| first.start);
    oldest.map(|oldest| oldest.start).or(first)
}

/// The wall clock where the presentation begins: with its stream, or with a clip that is whole.
fn beginning(window: &Snapshot, periods: &[Period<'_>]) -> SystemTime {
    let is_clip = window.cut.is_some() && window.ended;
    let first = periods.first().filter(|_| is_clip);
    first.map_or(window.started, Period::wall)
}

/// How far back players can go.
fn depth(window: &Snapshot, listed: &[&Segment], longest: Duration) -> Duration {
    let closed = window.listed_cmaf().iter();
    let closed = closed.map(|segment| segment.duration).sum();
    if let Some(wanted) = window.dvr_window {
        // What is listed is longer by a part of a segment, and by the time without a publisher.
        let wanted = wanted.saturating_add(Duration::from_secs(window.target_duration));
        let oldest = window.past.entry(window.older_dash().start);
        let oldest = oldest.map(|oldest| oldest.wall());
        let first = oldest.or_else(|| listed.first().map(|first| first.wall()));
        let end = listed.last().map(|last| last.wall() + last.duration);
        let there = first.zip(end).map(|(first, end)| between(first, end));
        return wanted.max(there.unwrap_or_default());
    }
    // A whole list of such segments at least: the depth must not wander with each one.
    let list_size = u32::try_from(window.list_size).unwrap_or(u32::MAX);
    match window.is_shortened() {
        true => closed,
        false => longest.saturating_mul(list_size).max(closed),
    }
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
            let older = window.past.entry(window.older_dash().end.wrapping_sub(1));
            let older = older.map(|last| last.wall() + last.duration);
            let newer = listed.last().map(|last| last.wall() + last.duration);
            let end = newer.or(older).unwrap_or(window.started);
            let length = between(beginning(window, periods), end);
            put!(
                out,
                " type=\"static\" mediaPresentationDuration=\"{}\"",
                period(length)
            );
        }
        false => {
            let segment = longest.max(window.target);
            let depth = depth(window, listed, segment);
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
const LATENCY: Duration = Duration::from_millis(2000);
const LATENCY_LEAST: Duration = Duration::from_millis(1000);
const LATENCY_MOST: Duration = Duration::from_millis(8000);

/// How often a player looks at the manifest at least.
const UPDATE_PERIOD: Duration = Duration::from_secs(1);
