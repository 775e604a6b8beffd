//! The DASH manifest: live profile, a Period for each run, low latency (ISO/IEC 23009-1; DASH-IF CR-Low-Latency-Live).
//!
//! Segments follow key frames, so they are listed one by one, and by time. The one that grows is listed as soon as it
//! has a part; players fetch it at once (`availabilityTimeOffset`) and get its chunks as they are made. Its length is an
//! estimate until it is closed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use lsv_core::path::Rendition;
use lsv_core::time::Timestamp;

use super::rung::Rung;
use super::{between, date, put};
use crate::segmenter::Segment;
use crate::window::body::Text;
use crate::window::snapshot::Snapshot;

mod adaptation;

pub(crate) use self::adaptation::presented;
use self::adaptation::{Period, id};

/// `manifest.mpd`, once it is known how long segments get.
pub(crate) fn render(window: &Snapshot) -> Option<Text> {
    let alone = Rung::alone(window);
    is_ready(window).then(|| render_all(&[alone], &|_, _| Some(alone.rendition)))
}

/// It is known how long segments get, and there is something to play.
pub(crate) fn is_ready(window: &Snapshot) -> bool {
    let listed = window.listed_dash();
    let mut segments = listed.iter();
    !window.older_dash().is_empty() || segments.any(|segment| !segment.renditions.is_empty())
}

/// Chooses, for a run, whose sound is played: the number of the run, and what bit rate each has.
pub(crate) type Choose<'a> = &'a dyn Fn(u64, &[(Rendition, u64)]) -> Option<Rendition>;

/// The manifest over `rungs`, all of them ready.
pub(crate) fn render_all(rungs: &[Rung<'_>], choose: Choose<'_>) -> Text {
    let shown: Vec<Shown<'_>> = rungs.iter().map(|rung| Shown::of(*rung)).collect();
    let mut runs: BTreeMap<u64, Vec<Period<'_>>> = BTreeMap::new();
    for period in shown.iter().flat_map(Shown::periods) {
        runs.entry(period.run.number).or_default().push(period);
    }
    let listed: usize = shown.iter().map(|shown| shown.listed.len()).sum();
    let mut text = Text::with_capacity(4096 + listed * 128);
    let beginning = put_opening(text.written(), &shown);
    for (number, periods) in &runs {
        // They agree on it.
        let start = periods.first().map(Period::wall).unwrap_or(beginning);
        put!(
            text.written(),
            "  <Period id=\"{number}\" start=\"{}\">\n",
            period(between(beginning, start))
        );
        adaptation::put(&mut text, periods, choose);
        text.written().push_str("  </Period>\n");
    }
    let out = text.written();
    if shown.iter().any(|shown| !shown.rung.window.ended) {
        // The player's clock may be wrong, and segments are found by the clock.
        out.push_str(
            "  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"time\"/>\n",
        );
    }
    out.push_str("</MPD>\n");
    text
}

/// A rung with what is listed of it.
struct Shown<'a> {
    rung: Rung<'a>,
    /// The numbers of those that have left memory, and those that follow them.
    older: Range<u64>,
    listed: Vec<&'a Segment>,
}

impl<'a> Shown<'a> {
    fn of(rung: Rung<'a>) -> Self {
        Self {
            older: rung.window.older_dash(),
            listed: rung.window.listed_dash(),
            rung,
        }
    }

    fn periods(&self) -> Vec<Period<'_>> {
        periods(self.rung, &self.older, &self.listed)
    }
}

/// The runs of the older segments of the numbers `older`, and of those `listed` that follow them.
fn periods<'a>(rung: Rung<'a>, older: &Range<u64>, listed: &'a [&'a Segment]) -> Vec<Period<'a>> {
    let window = rung.window;
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
                    rung,
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

/// Writes what holds for all periods, and gives the wall clock where the presentation begins.
fn put_opening(out: &mut String, shown: &[Shown<'_>]) -> SystemTime {
    let timings: Vec<Timing> = shown.iter().map(Timing::of).collect();
    let all = timings.into_iter().reduce(Timing::together);
    let all = all.unwrap_or_default();
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"");
    put!(out, " profiles=\"{PROFILES}\"");
    match all.end {
        Some(end) => put!(
            out,
            " type=\"static\" mediaPresentationDuration=\"{}\"",
            period(between(all.beginning, end))
        ),
        None => {
            put!(
                out,
                " type=\"dynamic\" availabilityStartTime=\"{}\"",
                date(all.beginning + all.delay)
            );
            put!(out, " publishTime=\"{}\"", date(all.updated));
            let update = all.target.min(UPDATE_PERIOD);
            put!(out, " minimumUpdatePeriod=\"{}\"", period(update));
            put!(out, " timeShiftBufferDepth=\"{}\"", period(all.depth));
            let delay = all.segment.saturating_mul(DELAY_SEGMENTS).min(all.depth);
            put!(out, " suggestedPresentationDelay=\"{}\"", period(delay));
        }
    }
    put!(out, " maxSegmentDuration=\"{}\"", period(all.longest));
    put!(out, " minBufferTime=\"{}\">\n", period(all.longest));
    let leader = shown.iter().find_map(|shown| {
        let last = shown.listed.last()?;
        last.run.inits.first()
    });
    if let Some(leader) = leader.filter(|_| all.end.is_none()) {
        put_service(out, id(leader.track.name()), all.delay);
    }
    all.beginning
}

/// When a rung is, or all of them together.
#[derive(Debug, Clone, Copy)]
struct Timing {
    /// The wall clock where the presentation begins: with its stream, or with a clip that is whole.
    beginning: SystemTime,
    /// Where it ends, once it has.
    end: Option<SystemTime>,
    updated: SystemTime,
    target: Duration,
    /// How long segments get, with the one that grows, listed or not yet.
    segment: Duration,
    depth: Duration,
    /// Everything is available later by that than its date: what is transcoded has the dates of its source.
    delay: Duration,
    /// The longest that any is listed as: sound goes on a little beyond the pictures.
    longest: Duration,
}

impl Timing {
    fn of(shown: &Shown<'_>) -> Self {
        let (window, listed) = (shown.rung.window, &shown.listed);
        let periods = shown.periods();
        let lengths = listed.iter().map(|segment| segment.duration);
        let expected = (!window.ended).then_some(window.expected);
        let longest = lengths.chain(expected).max().unwrap_or(window.target);
        let segment = longest.max(window.target);
        let is_clip = window.cut.is_some() && window.ended;
        let first = periods.first().filter(|_| is_clip);
        let older = window.past.entry(shown.older.end.wrapping_sub(1));
        let older = older.map(|last| last.wall() + last.duration);
        let newer = listed.last().map(|last| last.wall() + last.duration);
        let end = newer.or(older).unwrap_or(window.started);
        let listed_as = periods.iter().map(Period::longest);
        Self {
            beginning: first.map_or(window.started, Period::wall),
            end: window.ended.then_some(end),
            updated: window.updated,
            target: window.target,
            segment,
            depth: depth(window, listed, segment),
            delay: match window.ended {
                true => Duration::ZERO,
                false => window.delay(),
            },
            longest: listed_as.fold(longest, Duration::max),
        }
    }

    fn together(self, other: Self) -> Self {
        Self {
            beginning: self.beginning.min(other.beginning),
            end: self.end.zip(other.end).map(|(one, other)| one.max(other)),
            updated: self.updated.max(other.updated),
            target: self.target.max(other.target),
            segment: self.segment.max(other.segment),
            depth: self.depth.max(other.depth),
            delay: self.delay.max(other.delay),
            longest: self.longest.max(other.longest),
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        let (now, none) = (SystemTime::UNIX_EPOCH, Duration::ZERO);
        Self {
            beginning: now,
            end: None,
            updated: now,
            target: none,
            segment: none,
            depth: none,
            delay: none,
            longest: none,
        }
    }
}

/// How far behind live a player should stay, by the clock of the adaptation set `leader`, and how fast it may play to
/// get there. What comes later by `delay` than its date cannot be played earlier.
fn put_service(out: &mut String, leader: u32, delay: Duration) {
    out.push_str("  <ServiceDescription id=\"0\">\n");
    put!(
        out,
        "    <Latency referenceId=\"{leader}\" target=\"{}\" min=\"{}\" max=\"{}\"/>\n",
        (LATENCY + delay).as_millis(),
        (LATENCY_LEAST + delay).as_millis(),
        (LATENCY_MOST + delay).as_millis()
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
