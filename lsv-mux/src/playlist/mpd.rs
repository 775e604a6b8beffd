//! The DASH manifest: live profile, a Period for each run (ISO/IEC 23009-1).

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use lsv_core::media::TrackName;

use super::measure::{bandwidth, frame_rate};
use super::{between, date, put};
use crate::segmenter::{Init, Segment};
use crate::window::snapshot::Snapshot;

/// `manifest.mpd`, once there is a segment.
pub(crate) fn render(window: &Snapshot) -> Option<String> {
    let listed = window.listed_cmaf();
    if listed.iter().all(|segment| segment.renditions.is_empty()) {
        return None;
    }
    let mut out = String::with_capacity(2048 + listed.len() * 128);
    put_opening(&mut out, window, listed);
    for run in listed.chunk_by(|one, other| one.run.number == other.run.number) {
        put_period(&mut out, window, run);
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

fn put_opening(out: &mut String, window: &Snapshot, listed: &[Arc<Segment>]) {
    let longest = listed
        .iter()
        .map(|segment| segment.duration)
        .max()
        .unwrap_or(window.target);
    let depth: Duration = listed.iter().map(|segment| segment.duration).sum();
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"");
    out.push_str(
        " profiles=\"urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019\"",
    );
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
            let depth = match window.is_shortened() {
                true => depth,
                false => depth.max(segment.saturating_mul(list_size)),
            };
            put!(
                out,
                " type=\"dynamic\" availabilityStartTime=\"{}\"",
                date(window.started)
            );
            put!(out, " publishTime=\"{}\"", date(window.updated));
            put!(out, " minimumUpdatePeriod=\"{}\"", period(window.target));
            put!(out, " timeShiftBufferDepth=\"{}\"", period(depth));
            let delay = segment.saturating_mul(DELAY_SEGMENTS).min(depth);
            put!(out, " suggestedPresentationDelay=\"{}\"", period(delay));
        }
    }
    put!(out, " maxSegmentDuration=\"{}\"", period(longest));
    put!(out, " minBufferTime=\"{}\">\n", period(longest));
}

fn put_period(out: &mut String, window: &Snapshot, segments: &[Arc<Segment>]) {
    let Some(run) = segments.first().map(|segment| &segment.run) else {
        return;
    };
    let start = between(window.started, run.start);
    put!(
        out,
        "  <Period id=\"{}\" start=\"{}\">\n",
        run.number,
        period(start)
    );
    for (id, init) in run.inits.iter().enumerate() {
        let name = init.track.name();
        let mut renditions = segments.iter().map(|segment| segment.rendition(name));
        if renditions.any(|rendition| rendition.is_some()) {
            put_adaptation_set(out, window, segments, (id, init));
        }
    }
    out.push_str("  </Period>\n");
}

fn put_adaptation_set(
    out: &mut String,
    window: &Snapshot,
    segments: &[Arc<Segment>],
    (id, init): (usize, &Init),
) {
    let name = init.track.name();
    let word = TrackName { id: 0, ..name };
    put!(
        out,
        "    <AdaptationSet id=\"{id}\" contentType=\"{word}\" mimeType=\"{word}/mp4\" segmentAlignment=\"true\""
    );
    let independent = segments
        .iter()
        .filter_map(|segment| segment.rendition(name))
        .all(|rendition| rendition.independent);
    out.push_str(if independent {
        " startWithSAP=\"1\">\n"
    } else {
        ">\n"
    });
    let rate = bandwidth(window, &[name]).peak;
    let codecs = init.track.codec.rfc6381();
    put!(
        out,
        "      <Representation id=\"{name}\" codecs=\"{codecs}\" bandwidth=\"{rate}\""
    );
    if let Some(picture) = init.track.codec.picture() {
        let (width, height) = (picture.width, picture.height);
        put!(out, " width=\"{width}\" height=\"{height}\"");
        if let Some(rate) = frame_rate(window) {
            put!(out, " frameRate=\"{}\"", fraction(rate));
        }
    }
    match init.track.codec.sound() {
        Some(sound) => {
            put!(out, " audioSamplingRate=\"{}\">\n", sound.sample_rate);
            out.push_str("        <AudioChannelConfiguration schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\"");
            put!(out, " value=\"{}\"/>\n", sound.channels);
        }
        None => out.push_str(">\n"),
    }
    put_template(out, segments, init);
    out.push_str("      </Representation>\n    </AdaptationSet>\n");
}

fn put_template(out: &mut String, segments: &[Arc<Segment>], init: &Init) {
    let name = init.track.name();
    let present = segments
        .iter()
        .filter_map(|segment| Some((segment, segment.rendition(name)?)));
    let Some(first) = segments.first() else {
        return;
    };
    put!(
        out,
        "        <SegmentTemplate timescale=\"{}\"",
        init.timescale
    );
    put!(
        out,
        " presentationTimeOffset=\"{}\"",
        first.run.origin.to_scale(init.timescale).max(0)
    );
    put!(
        out,
        " initialization=\"cmaf/{name}-init-{}.mp4\"",
        init.number
    );
    // By time, not by number: numbers count on over a segment in which the track is silent, and ffmpeg 5.1 counts the
    // entries of a timeline from 0 whatever `startNumber` says.
    put!(out, " media=\"cmaf/{name}-{}-$Time$.m4s\">\n", init.number);
    out.push_str("          <SegmentTimeline>\n");
    let mut end = None;
    for (_, rendition) in present {
        let (start, duration) = (rendition.first_time(), rendition.duration);
        match end == Some(start) {
            true => put!(out, "            <S d=\"{duration}\"/>\n"),
            false => put!(out, "            <S t=\"{start}\" d=\"{duration}\"/>\n"),
        }
        end = Some(start.saturating_add(duration));
    }
    out.push_str("          </SegmentTimeline>\n        </SegmentTemplate>\n");
}

/// An XML Schema duration.
fn period(length: Duration) -> String {
    format!("PT{:.3}S", length.as_secs_f64())
}

/// A frame rate as DASH has it: whole, or a fraction over 1,001 or 1,000.
fn fraction(rate: f64) -> String {
    let whole = rate.round();
    if (rate - whole).abs() < 0.005 {
        return format!("{whole}");
    }
    let ntsc = (rate * 1.001).round();
    match (ntsc / 1.001 - rate).abs() < 0.005 {
        true => format!("{}/1001", ntsc * 1000.0),
        false => format!("{}/1000", (rate * 1000.0).round()),
    }
}

/// Segments between the live edge and the player: one that plays, and one that is made meanwhile.
const DELAY_SEGMENTS: u32 = 2;
