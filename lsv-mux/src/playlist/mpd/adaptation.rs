//! The tracks of a period: an adaptation set each, of a representation for each rendition of the channel.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lsv_core::media::{Codec, Kind, TrackName};
use lsv_core::time::Timestamp;

use super::super::measure::{Measured, with_newest};
use super::super::past::{State, put_time};
use super::super::rung::Rung;
use super::super::{date, put};
use super::Choose;
use crate::segmenter::{Init, Rendition, Run, Segment};
use crate::window::body::Text;
use crate::window::past::{List, Older};

/// Writes the adaptation sets of the same stretch of all rungs: one of all pictures, and those of the sounds of the one that
/// `choose` names.
pub(super) fn put(text: &mut Text, periods: &[Period<'_>], choose: Choose<'_>) {
    let pictures = periods.iter().filter_map(|period| {
        let video = period.run.video()?;
        period.member(video)
    });
    put_set(text, &pictures.collect::<Vec<_>>());
    let offered = periods.iter().filter_map(|period| {
        let sound = period.run.audio().find_map(|init| period.member(init))?;
        let rate = sound.measured().bandwidth().average;
        Some((period.rung.rendition, rate))
    });
    let offered: Vec<_> = offered.collect();
    let Some(run) = periods.first().map(|period| period.run.number) else {
        return;
    };
    let chosen = choose(run, &offered);
    let mut periods = periods.iter();
    let Some(chosen) = periods.find(|period| Some(period.rung.rendition) == chosen) else {
        return;
    };
    for init in chosen.run.audio() {
        put_set(text, &Vec::from_iter(chosen.member(init)));
    }
}

/// A track of a rung.
struct Member<'a> {
    period: &'a Period<'a>,
    init: &'a Init,
    older: Arc<Older>,
}

/// Writes an adaptation set: what may be played instead of each other.
fn put_set(text: &mut Text, members: &[Member<'_>]) {
    let Some(first) = members.first() else {
        return;
    };
    let out = text.written();
    let name = first.init.track.name();
    let (id, word) = (id(name), TrackName { id: 0, ..name });
    put!(
        out,
        "    <AdaptationSet id=\"{id}\" contentType=\"{word}\" mimeType=\"{word}/mp4\" segmentAlignment=\"true\""
    );
    out.push_str(match members.iter().all(Member::is_independent) {
        true => " startWithSAP=\"1\">\n",
        false => ">\n",
    });
    first.period.put_descriptors(out, first.init);
    for member in members {
        member.put(text);
    }
    text.written().push_str("    </AdaptationSet>\n");
}

impl Member<'_> {
    fn is_independent(&self) -> bool {
        let name = self.init.track.name();
        let mut renditions = self.period.renditions(name);
        self.older.independent && renditions.all(|rendition| rendition.independent)
    }

    fn measured(&self) -> Measured {
        let Period {
            rung, run, older, ..
        } = self.period;
        let name = self.init.track.name();
        let older = rung.window.past.measured(name, older, None);
        with_newest(rung.window, older, Some(run), &[name])
    }

    /// Writes the representation.
    fn put(&self, text: &mut Text) {
        let (init, out) = (self.init, text.written());
        let name = init.track.name();
        let measured = self.measured();
        let rate = measured.bandwidth().peak;
        let codecs = init.track.codec.rfc6381();
        let of = self.period.rung.rendition.segment();
        let of = of.map(|segment| format!("{segment}-")).unwrap_or_default();
        put!(
            out,
            "      <Representation id=\"{of}{name}\" codecs=\"{codecs}\" bandwidth=\"{rate}\""
        );
        if let Some(picture) = init.track.codec.picture() {
            let (width, height) = (picture.width, picture.height);
            put!(out, " width=\"{width}\" height=\"{height}\"");
            if let Some(rate) = measured.frame_rate(init) {
                put!(out, " frameRate=\"{}\"", fraction(rate));
            }
        }
        match init.track.codec.sound() {
            Some(sound) => {
                put!(out, " audioSamplingRate=\"{}\">\n", sound.sample_rate);
                put_channels(out, &init.track.codec, sound.channels);
            }
            None => out.push_str(">\n"),
        }
        self.period.put_template(text, init, &self.older);
        text.written().push_str("      </Representation>\n");
    }
}

/// A stretch without discontinuity.
pub(super) struct Period<'a> {
    pub(super) rung: Rung<'a>,
    pub(super) run: &'a Run,
    /// The numbers of those that are listed of the run and have left memory.
    pub(super) older: Range<u64>,
    /// Where it begins on the stream's timeline: with its run, or, where the stream has ended and nothing comes between any
    /// more, with the first segment that is left.
    pub(super) origin: Timestamp,
    /// Those that are listed of the run.
    pub(super) segments: &'a [&'a Segment],
    /// The run of the period before it.
    pub(super) before: Option<&'a Run>,
}

impl Period<'_> {
    /// The wall clock at its start.
    pub(super) fn wall(&self) -> SystemTime {
        self.run.wall(self.origin)
    }

    fn older(&self, track: TrackName) -> Arc<Older> {
        let past = &self.rung.window.past;
        past.older(List::Dash(track), &self.older)
    }

    /// The longest that any segment is listed as.
    pub(super) fn longest(&self) -> Duration {
        let older = self.run.inits.iter();
        let older = older.map(|init| self.older(init.track.name()).longest);
        let mut longest = older.max().unwrap_or_default();
        for (index, segment) in self.segments.iter().enumerate() {
            for rendition in &segment.renditions {
                let nanos = u128::from(self.duration(rendition, index)) * 1_000_000_000;
                let nanos = nanos.div_ceil(u128::from(rendition.init.timescale.max(1)));
                let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
                longest = longest.max(Duration::from_nanos(nanos));
            }
        }
        longest
    }

    /// What it has of a track, where that is anything.
    fn member<'b>(&'b self, init: &'b Init) -> Option<Member<'b>> {
        let name = init.track.name();
        let older = self.older(name);
        let is_there = self.renditions(name).next().is_some() || older.after != State::default();
        is_there.then_some(Member {
            period: self,
            init,
            older,
        })
    }

    /// What is said of a set beside its representation.
    fn put_descriptors(&self, out: &mut String, init: &Init) {
        let name = init.track.name();
        let before = self
            .before
            .filter(|before| before.init(name).map(|init| init.number) == Some(init.number));
        if let Some(before) = before {
            // The same header: a player need not set up its decoder again.
            put!(
                out,
                "      <SupplementalProperty schemeIdUri=\"urn:mpeg:dash:period-connectivity:2015\" value=\"{}\"/>\n",
                before.number
            );
        }
        if !self.rung.window.ended {
            put!(
                out,
                "      <ProducerReferenceTime id=\"{}\" inband=\"true\" type=\"encoder\" wallClockTime=\"{}\" presentationTime=\"{}\">\n",
                id(name),
                date(self.run.start),
                self.offset(init)
            );
            out.push_str("        <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"time\"/>\n      </ProducerReferenceTime>\n");
        }
        let mut others = self.run.inits.iter().map(|init| init.track.name());
        let is_first = others.find(|other| other.kind == name.kind) == Some(name);
        let role = if is_first { "main" } else { "alternate" };
        put!(
            out,
            "      <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"{role}\"/>\n"
        );
    }

    fn put_template(&self, text: &mut Text, init: &Init, older: &Older) {
        let out = text.written();
        let name = init.track.name();
        put!(
            out,
            "        <SegmentTemplate timescale=\"{}\" presentationTimeOffset=\"{}\"",
            init.timescale,
            self.offset(init)
        );
        let (window, folder) = (self.rung.window, self.rung.folder);
        if !window.ended {
            // A segment may be asked for when its first chunk is there.
            let early = window.expected.saturating_sub(window.part_target);
            put!(
                out,
                " availabilityTimeOffset=\"{:.3}\" availabilityTimeComplete=\"false\"",
                early.as_secs_f64()
            );
        }
        put!(
            out,
            " initialization=\"{folder}cmaf/{name}-init-{}.mp4\"",
            init.number
        );
        // By time, not by number: numbers count on over a segment in which the track is silent, and ffmpeg 5.1 counts the
        // entries of a timeline from 0 whatever `startNumber` says.
        put!(
            out,
            " media=\"{folder}cmaf/{name}-{}-$Time$.m4s\">\n",
            init.number
        );
        out.push_str("          <SegmentTimeline>\n");
        text.push_ready(&older.text);
        let out = text.written();
        let mut end = older.after.end;
        for (index, segment) in self.segments.iter().enumerate() {
            if let Some(rendition) = segment.rendition(name) {
                let duration = self.duration(rendition, index);
                put_time(out, rendition.first_time(), duration, &mut end);
            }
        }
        out.push_str("          </SegmentTimeline>\n        </SegmentTemplate>\n");
    }

    /// How long the segment at `index` plays for, in ticks.
    fn duration(&self, rendition: &Rendition, index: usize) -> u64 {
        if rendition.is_open() {
            return rendition.duration.max(self.expected(rendition, index));
        }
        let next = self.segments.get(index + 1);
        let next = next.and_then(|next| next.rendition(rendition.init.track.name()));
        presented(rendition, next)
    }

    /// How long the segment at `index`, which grows, is going to play for, in ticks.
    ///
    /// Rather too short than too long: VLC and FFmpeg pass over what follows if it begins before the end that they were
    /// told; dash.js and Shaka fetch a segment again that turns out longer.
    fn expected(&self, rendition: &Rendition, index: usize) -> u64 {
        let name = rendition.init.track.name();
        let leader = self.segments.get(index).and_then(|segment| segment.video());
        if let Some(leader) = leader.filter(|_| name.kind == Kind::Audio) {
            let end = leader
                .base
                .saturating_add_unsigned(self.expected(leader, index));
            let whole = frames_until(rendition, leader, end, ROUNDING);
            // Whether sound comes in step with the pictures, the last segment tells.
            let before = index
                .checked_sub(1)
                .and_then(|index| self.segments.get(index));
            let before = before.and_then(|before| before.rendition(name));
            let in_step = before.is_some_and(|before| {
                let until = |early| frames_until(before, leader, leader.base, early);
                [until(Duration::ZERO), until(ROUNDING)].contains(&before.duration)
            });
            return match in_step {
                true => whole,
                false => whole.saturating_sub(frame(rendition)),
            };
        }
        let closed = self.renditions(name).filter(|other| !other.is_open());
        let shortest = closed.map(|closed| closed.duration).min();
        shortest.unwrap_or_else(|| ticks(self.rung.window.expected, rendition.init.timescale))
    }

    /// The time in the track at which the period begins, in ticks.
    fn offset(&self, init: &Init) -> i64 {
        self.origin.to_scale(init.timescale).max(0)
    }

    fn renditions(&self, name: TrackName) -> impl Iterator<Item = &Rendition> {
        self.segments
            .iter()
            .filter_map(move |segment| segment.rendition(name))
    }
}

/// How long a closed rendition plays for in ticks, if `next` follows it in its run.
pub(crate) fn presented(rendition: &Rendition, next: Option<&Rendition>) -> u64 {
    // Samples have their durations in the order of decoding, the timeline is one of presentation: the first of two
    // segments may end a little before or after the second begins.
    let to_next = next.and_then(|next| next.first_time().checked_sub(rendition.first_time()));
    let near = ticks(REORDERING, rendition.init.timescale);
    to_next
        .filter(|to_next| *to_next > 0 && to_next.abs_diff(rendition.duration) <= near)
        .unwrap_or(rendition.duration)
}

/// The number of a track's adaptation set, the same in every period.
pub(super) fn id(name: TrackName) -> u32 {
    2 * u32::from(name.id) + u32::from(name.kind == Kind::Audio)
}

fn put_channels(out: &mut String, codec: &Codec, channels: u8) {
    let codec = codec.rfc6381();
    let (scheme, value) = match codec.starts_with("ac-3") || codec.starts_with("ec-3") {
        true => (DOLBY, format!("{:04X}", speakers(channels))),
        false => (CICP, layout(channels).to_string()),
    };
    put!(
        out,
        "        <AudioChannelConfiguration schemeIdUri=\"{scheme}\" value=\"{value}\"/>\n"
    );
}

/// The usual layout of so many channels by its number in ISO/IEC 23091-3 table 5.
fn layout(channels: u8) -> u8 {
    match channels {
        7 => 11,
        8 => 12,
        24 => 13,
        1..=6 => channels,
        _ => 0,
    }
}

/// The usual speakers of so many channels as bits, left first (ETSI TS 102 366 table E.1.4).
fn speakers(channels: u8) -> u16 {
    match channels {
        1 => 0x4000,
        2 => 0xA000,
        3 => 0xE000,
        4 => 0xB800,
        5 => 0xF800,
        6 => 0xF801,
        7 => 0xF901,
        8 => 0xFA01,
        _ => 0,
    }
}

/// The ticks of a sample of `sound`, on average.
fn frame(sound: &Rendition) -> u64 {
    sound.duration / u64::from(sound.samples.max(1))
}

/// How long `sound` plays for if it ends with the first frame that reaches `end` on the clock of `leader`, or comes as
/// near as `early`, in ticks.
fn frames_until(sound: &Rendition, leader: &Rendition, end: i64, early: Duration) -> u64 {
    let timescale = sound.init.timescale;
    let end = i128::from(end) * i128::from(timescale) / i128::from(leader.init.timescale.max(1));
    let length = end - i128::from(sound.base) - i128::from(ticks(early, timescale));
    let length = u64::try_from(length).unwrap_or(0);
    let frame = frame(sound).max(1);
    length.div_ceil(frame).saturating_mul(frame)
}

fn ticks(length: Duration, timescale: u32) -> u64 {
    let ticks = length.as_nanos() * u128::from(timescale) / 1_000_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
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

const CICP: &str = "urn:mpeg:mpegB:cicp:ChannelConfiguration";
const DOLBY: &str = "tag:dolby.com,2014:dash:audio_channel_configuration:2011";

/// RTMP's clock may show a frame so much late.
const ROUNDING: Duration = Duration::from_millis(1);

/// By how much the order of pictures may move the seam of two segments; more is a gap.
const REORDERING: Duration = Duration::from_millis(250);
