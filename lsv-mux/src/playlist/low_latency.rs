//! HLS with CMAF segments and parts (RFC 8216bis, low-latency profile of its appendix B).

use std::fmt::Write;
use std::sync::Arc;

use lsv_core::media::TrackName;

use super::date_range::put_date_ranges;
use super::key::KeyTag;
use super::past::Line;
use super::{put, put_clip, put_date, put_head, put_opening, put_server_control, put_skip};
use crate::segmenter::{Rendition, Report, Segment};
use crate::window::Skip;
use crate::window::body::Text;
use crate::window::listing::First;
use crate::window::snapshot::Snapshot;

/// `cmaf/video.m3u8` or `cmaf/audio.m3u8`. There are parts before it is known how long segments get, but a playlist
/// that shows them would have to change its target duration.
pub(crate) fn render(window: &Snapshot, track: TrackName, skip: Skip) -> Option<Text> {
    if !window.target_known {
        return None;
    }
    let listed = window.listed_media(track);
    let open = window.open_media(track);
    let open = open.filter(|_| window.cut.is_none());
    let first = listed
        .first()
        .or_else(|| open.map(|(segment, _)| First::of(segment)))?;
    let older = listed.older();
    let mut text = Text::with_capacity(1024 + listed.newer.len() * 1024);
    let out = text.written();
    put_opening(out, window, skip);
    put_clip(out, window);
    // A clip is for those who have time.
    let is_clip = window.cut.is_some();
    put_server_control(out, window, (!is_clip).then(|| part_hold_back(window)));
    if !is_clip {
        let part_target = window.part_target.as_secs_f64();
        put!(out, "#EXT-X-PART-INF:PART-TARGET={part_target:.3}\n");
    }
    put_head(out, Some(first), window.next_sequence);
    let newer = listed.newer.iter();
    let newer = newer.filter_map(|segment| segment.rendition(track));
    if older.is_none_or(|older| older.independent)
        && newer
            .chain(open.map(|(_, rendition)| rendition))
            .all(|rendition| rendition.independent)
    {
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    put_date_ranges(out, window);
    // A client has the map of what it is not told again.
    let (state, remaining) = put_skip(&mut text, window, &listed, skip);
    let out = text.written();
    let key = KeyTag::new(KEYS, skip, state.key);
    let mut media = Media::new(out, track, key, state.map);
    let with_parts = match is_clip {
        true => remaining.len(),
        false => parts_from(remaining, track, window.target_duration),
    };
    for (index, segment) in remaining.iter().enumerate() {
        media.line(&Line::of_track(segment, track), |media| {
            let rendition = segment.rendition(track);
            if let Some(rendition) = rendition.filter(|_| index >= with_parts) {
                media.parts(segment, rendition);
            }
        });
    }
    if let Some((segment, rendition)) = open {
        media.opening(&Line::of_track(segment, track));
        media.parts(segment, rendition);
    }
    match window.ended {
        true => out.push_str("#EXT-X-ENDLIST\n"),
        false if is_clip => {}
        false => {
            media.hint(window);
            put_reports(out, window, track);
        }
    }
    Some(text)
}

/// In seconds. Three parts are the least advised; less than a second leaves no room for one lost packet.
fn part_hold_back(window: &Snapshot) -> f64 {
    (window.part_target.as_secs_f64() * 3.0).max(LEAST_PART_HOLD_BACK)
}

/// Where the other tracks stand, and the other renditions of the channel with whose pictures or sound this may be played.
fn put_reports(out: &mut String, window: &Snapshot, track: TrackName) {
    let tracks = window.cmaf_tracks().filter(|other| *other != track);
    for report in tracks.filter_map(|other| window.newest_part(other)) {
        put_report(out, "", report);
    }
    let siblings = window.siblings.as_ref().zip(window.newest_run());
    let reports = siblings.map(|(siblings, run)| siblings.reports(run.number));
    for (rendition, report) in reports.into_iter().flatten() {
        if let Some(segment) = rendition.segment() {
            put_report(out, &format!("../../{segment}/cmaf/"), report);
        }
    }
}

fn put_report(out: &mut String, folder: &str, report: Report) {
    let Report {
        track,
        sequence,
        part,
    } = report;
    put!(
        out,
        "#EXT-X-RENDITION-REPORT:URI=\"{folder}{track}.m3u8\",LAST-MSN={sequence},LAST-PART={part}\n"
    );
}

/// The index of the part that comes next in the segment that grows, if one is sure to come: none while no publisher is
/// there, and none of a sound that is silent.
///
/// The hinted part is sent when all of it is there, and not while it grows: RFC 8216bis §6.2.6 wants each part at the
/// full speed of the link, so that clients can measure that speed.
fn next_part(window: &Snapshot, track: TrackName) -> Option<usize> {
    let open = window.open.as_ref()?;
    if window.has_stopped(track) {
        return None;
    }
    if let Some((_, rendition)) = window.open_media(track) {
        return Some(rendition.parts.len());
    }
    open.run.init(track)?;
    let last = window.listed_cmaf().last();
    let before = last.filter(|last| last.run.number == open.run.number);
    before
        .is_none_or(|last| last.rendition(track).is_some())
        .then_some(0)
}

/// The index of the first segment whose parts are still listed: parts are to be removed once they are more than
/// three target durations from the end (RFC 8216bis §4.4.4.9). That is by what the playlist says of the track: before a
/// discontinuity one track may be much shorter than another.
fn parts_from(listed: &[Arc<Segment>], track: TrackName, target_duration: u64) -> usize {
    let mut behind = 0.0;
    let newest = listed.iter().rev().take_while(|segment| {
        let near = behind < (target_duration * 3) as f64;
        behind += Line::of_track(segment, track).seconds;
        near
    });
    listed.len() - newest.count()
}

pub(super) struct Media<'a> {
    out: &'a mut String,
    track: TrackName,
    /// The EXT-X-MAP in force.
    pub(super) map: Option<u64>,
    pub(super) key: KeyTag,
}

impl<'a> Media<'a> {
    /// Writes a playlist of `track` where `key` and the header number `map` are in force.
    pub(super) fn new(
        out: &'a mut String,
        track: TrackName,
        key: KeyTag,
        map: Option<u64>,
    ) -> Self {
        Self {
            out,
            track,
            map,
            key,
        }
    }

    /// A closed segment; `parts` writes those of its parts that are listed.
    pub(super) fn line(&mut self, line: &Line, parts: impl FnOnce(&mut Self)) {
        self.opening(line);
        match line.is_gap {
            true => self.out.push_str("#EXT-X-GAP\n"),
            false => parts(self),
        }
        let (seconds, track, sequence) = (line.seconds, self.track, line.sequence);
        put!(self.out, "#EXTINF:{seconds:.5},\n{track}-{sequence}.m4s\n");
    }

    fn opening(&mut self, line: &Line) {
        if line.discontinuity {
            self.out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        self.map(line.init);
        if !line.is_gap {
            self.key.put(self.out, line.key);
        }
        put_date(self.out, line.wall);
    }

    /// The part that comes next, with the key that it is going to be encrypted with.
    fn hint(&mut self, window: &Snapshot) {
        let (track, sequence) = (self.track, window.next_sequence);
        if let Some(part) = next_part(window, track) {
            self.key.put(self.out, window.next_key);
            put!(
                self.out,
                "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{track}-{sequence}.{part}.m4s\"\n"
            );
        }
    }

    fn map(&mut self, init: Option<u64>) {
        let Some(number) = init.filter(|_| init != self.map) else {
            return;
        };
        self.map = init;
        // It would hold for the map too, which is not encrypted.
        self.key.put(self.out, None);
        let track = self.track;
        put!(self.out, "#EXT-X-MAP:URI=\"{track}-init-{number}.mp4\"\n");
    }

    fn parts(&mut self, segment: &Segment, rendition: &Rendition) {
        let track = self.track;
        let timescale = f64::from(rendition.init.timescale);
        for (index, part) in rendition.parts.iter().enumerate() {
            let seconds = part.duration as f64 / timescale;
            let sequence = segment.sequence;
            put!(
                self.out,
                "#EXT-X-PART:DURATION={seconds:.5},URI=\"{track}-{sequence}.{index}.m4s\""
            );
            self.out.push_str(if part.independent {
                ",INDEPENDENT=YES\n"
            } else {
                "\n"
            });
        }
    }
}

/// Where keys are, seen from the playlist.
pub(super) const KEYS: &str = "../key/";

/// In seconds.
const LEAST_PART_HOLD_BACK: f64 = 1.0;
