//! HLS with CMAF segments and parts (RFC 8216bis, low-latency profile of its appendix B).

use std::fmt::Write;
use std::sync::Arc;

use lsv_core::media::TrackName;

use super::date_range::put_date_ranges;
use super::key::KeyTag;
use super::{put, put_date, put_head, put_opening, put_server_control, put_skip};
use crate::segmenter::{Init, Rendition, Segment};
use crate::window::Skip;
use crate::window::snapshot::Snapshot;

/// `cmaf/video.m3u8` or `cmaf/audio.m3u8`. There are parts before it is known how long segments get, but a playlist
/// that shows them would have to change its target duration.
pub(crate) fn render(window: &Snapshot, track: TrackName, skip: Skip) -> Option<String> {
    if !window.target_known {
        return None;
    }
    let listed = window.listed_media(track);
    let open = window.open_media(track);
    let first = listed
        .first()
        .map(AsRef::as_ref)
        .or_else(|| open.map(|(segment, _)| segment))?;
    let mut out = String::with_capacity(1024 + listed.len() * 1024);
    put_opening(&mut out, window, skip);
    put_server_control(&mut out, window, Some(part_hold_back(window)));
    let part_target = window.part_target.as_secs_f64();
    put!(out, "#EXT-X-PART-INF:PART-TARGET={part_target:.3}\n");
    put_head(&mut out, Some(first), window.next_sequence);
    let renditions = listed.iter().filter_map(|segment| segment.rendition(track));
    if renditions
        .chain(open.map(|(_, rendition)| rendition))
        .all(|rendition| rendition.independent)
    {
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    put_date_ranges(&mut out, window);
    let (skipped, remaining) = put_skip(&mut out, window, listed, skip);
    let mut media = Media {
        out: &mut out,
        track,
        // A client has the map of what it is not told again.
        map: skipped
            .iter()
            .rev()
            .find_map(|segment| Some(segment.run.init(track)?.number)),
        key: KeyTag::new("../key/", skipped),
    };
    let with_parts = parts_from(remaining, window.target_duration);
    for (index, segment) in remaining.iter().enumerate() {
        media.segment(segment, index >= with_parts);
    }
    if let Some((segment, rendition)) = open {
        media.opening(segment, rendition);
        media.parts(segment, rendition);
    }
    match window.ended {
        true => out.push_str("#EXT-X-ENDLIST\n"),
        false => {
            media.hint(window);
            put_reports(&mut out, window, track);
        }
    }
    Some(out)
}

/// In seconds. Three parts are the least advised; less than a second leaves no room for one lost packet.
fn part_hold_back(window: &Snapshot) -> f64 {
    (window.part_target.as_secs_f64() * 3.0).max(LEAST_PART_HOLD_BACK)
}

/// Where the other renditions stand.
fn put_reports(out: &mut String, window: &Snapshot, track: TrackName) {
    for other in window.cmaf_tracks().filter(|other| *other != track) {
        if let Some((segment, rendition)) = newest(window, other) {
            put!(
                out,
                "#EXT-X-RENDITION-REPORT:URI=\"{other}.m3u8\",LAST-MSN={},LAST-PART={}\n",
                segment.sequence,
                rendition.parts.len().saturating_sub(1)
            );
        }
    }
}

/// The index of the part that comes next in the segment that grows, if one is sure to come: none while no publisher is
/// there, and none of a sound that is silent.
///
/// The hinted part is sent when all of it is there, and not while it grows: RFC 8216bis §6.2.6 wants each part at the
/// full speed of the link, so that clients can measure that speed.
fn next_part(window: &Snapshot, track: TrackName) -> Option<usize> {
    let open = window.open.as_ref()?;
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

/// The newest segment that has something of `track`, growing or closed.
fn newest(window: &Snapshot, track: TrackName) -> Option<(&Segment, &Rendition)> {
    let closed = window.listed_media(track).iter().rev().map(AsRef::as_ref);
    let closed = closed.filter_map(|segment| Some((segment, segment.rendition(track)?)));
    window.open_media(track).into_iter().chain(closed).next()
}

/// The index of the first segment whose parts are still listed: parts are to be removed once they are more than
/// three target durations from the end (RFC 8216bis §4.4.4.9).
fn parts_from(listed: &[Arc<Segment>], target_duration: u64) -> usize {
    let mut behind = 0.0;
    let newest = listed.iter().rev().take_while(|segment| {
        let near = behind < (target_duration * 3) as f64;
        behind += segment.duration.as_secs_f64();
        near
    });
    listed.len() - newest.count()
}

struct Media<'a> {
    out: &'a mut String,
    track: TrackName,
    /// The EXT-X-MAP in force.
    map: Option<u64>,
    key: KeyTag,
}

impl Media<'_> {
    fn segment(&mut self, segment: &Segment, with_parts: bool) {
        let track = self.track;
        let sequence = segment.sequence;
        let Some(rendition) = segment.rendition(self.track) else {
            // The numbers of all renditions go together, so one that has nothing here says so.
            self.discontinuity(segment);
            if let Some(init) = segment.run.init(track) {
                self.map(init);
            }
            put_date(self.out, segment.wall());
            let seconds = segment.duration.as_secs_f64();
            put!(
                self.out,
                "#EXT-X-GAP\n#EXTINF:{seconds:.5},\n{track}-{sequence}.m4s\n"
            );
            return;
        };
        self.opening(segment, rendition);
        if with_parts {
            self.parts(segment, rendition);
        }
        put!(
            self.out,
            "#EXTINF:{:.5},\n{track}-{sequence}.m4s\n",
            rendition.seconds()
        );
    }

    fn opening(&mut self, segment: &Segment, rendition: &Rendition) {
        self.discontinuity(segment);
        self.map(&rendition.init);
        self.key.put(self.out, segment.key);
        let run = &segment.run;
        put_date(self.out, run.wall(rendition.steady_start(run)));
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

    fn discontinuity(&mut self, segment: &Segment) {
        if segment.discontinuity {
            self.out.push_str("#EXT-X-DISCONTINUITY\n");
        }
    }

    fn map(&mut self, init: &Init) {
        if self.map.replace(init.number) != Some(init.number) {
            let track = self.track;
            // It would hold for the map too, which is not encrypted.
            self.key.put(self.out, None);
            put!(
                self.out,
                "#EXT-X-MAP:URI=\"{track}-init-{}.mp4\"\n",
                init.number
            );
        }
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

/// In seconds.
const LEAST_PART_HOLD_BACK: f64 = 1.0;
