//! What happens in a stream besides its media: breaks and cue points out of script data, as EXT-X-DATERANGE tells them.
//!
//! SCTE-35 sections are found wherever a message has one as text. Of other messages only `onCuePoint` is told: text that
//! comes many times a second is no business of playlists.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use lsv_core::script::{Message, Value};

use crate::scte35::{Role, Splice};
use crate::segmenter::{Event, Segment};

/// A stretch of time that playlists tell of (RFC 8216bis §4.4.5.1).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DateRange {
    /// Never comes again.
    pub(crate) id: String,
    /// CLASS: the name of the message, where it is not of SCTE-35.
    pub(crate) class: Option<String>,
    pub(crate) start: SystemTime,
    /// END-DATE, once that is told.
    pub(crate) end: Option<SystemTime>,
    /// PLANNED-DURATION.
    pub(crate) planned: Option<Duration>,
    /// Sections, each at most once for each role.
    pub(crate) sections: Vec<(Role, Vec<u8>)>,
    /// Client-defined attributes: names with their `X-`, values that are text or number.
    pub(crate) attributes: Vec<(String, Value)>,
    /// It lasts until it is told to end; else it is a moment.
    is_break: bool,
    /// The SCTE-35 event that it is about.
    event: Option<u32>,
}

/// The date ranges of one stream that playlists still tell.
#[derive(Debug, Default)]
pub(super) struct DateRanges {
    ranges: VecDeque<DateRange>,
    read: Read,
}

/// How far the events are read.
#[derive(Debug, Default)]
struct Read {
    /// The run and the media sequence number of the newest segment.
    run: u64,
    sequence: u64,
    /// How many of its events are read.
    events: usize,
    /// How many came before under its number: the next run takes the number of a segment that was let go of.
    before: usize,
}

impl DateRanges {
    /// Reads the events of `segment` that are new, closed or growing, where playlists go back over `window`. Says whether there
    /// is anything new to tell.
    pub(super) fn read(&mut self, segment: &Segment, window: Option<Duration>) -> bool {
        self.read.follow(segment);
        let Read { events, before, .. } = self.read;
        let mut news = false;
        for (index, event) in segment.events.iter().enumerate().skip(events) {
            news |= self.read_event(segment, event, before + index);
        }
        self.read.events = segment.events.len();
        if news {
            self.bound(most(window));
        }
        news
    }

    /// Drops the oldest beyond `most`, cue points first. A break that goes on is the last: its end is still to be told.
    fn bound(&mut self, most: usize) {
        let mut bytes: usize = self.ranges.iter().map(DateRange::size).sum();
        while self.ranges.len() > most || bytes > MAX_BYTES {
            let first = |is_it: fn(&DateRange) -> bool| self.ranges.iter().position(is_it);
            let cue_point = first(|range| range.class.is_some());
            let ended = cue_point.or_else(|| first(|range| !range.is_open()));
            let Some(dropped) = self.ranges.remove(ended.unwrap_or(0)) else {
                return;
            };
            bytes -= dropped.size();
        }
    }

    /// Forgets what was over before `oldest`, where playlists begin.
    pub(super) fn forget(&mut self, oldest: SystemTime) {
        self.ranges
            .retain(|range| range.over().is_none_or(|over| over >= oldest));
    }

    /// Those there are, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &DateRange> {
        self.ranges.iter()
    }

    fn read_event(&mut self, segment: &Segment, event: &Event, index: usize) -> bool {
        let Ok(message) = Message::parse(&event.body) else {
            return false;
        };
        let start = segment.run.wall(event.at);
        let id = format!("{}-{index}", segment.sequence);
        match message.values.iter().find_map(splice) {
            Some(splice) => self.splice(splice, id, start),
            None if message.name == CUE_POINT => {
                self.ranges.push_back(cue_point(message, id, start));
                true
            }
            None => false,
        }
    }

    /// A break begins, or ends, or something else is told. Encoders say things more than once.
    fn splice(&mut self, splice: Splice, id: String, start: SystemTime) -> bool {
        let Splice {
            role,
            event,
            duration,
            section,
        } = splice;
        let mut of_event = self.ranges.iter_mut().rev();
        let known = of_event.find(|range| range.event.is_some() && range.event == event);
        match (known, role) {
            (Some(open), Role::Out) if open.is_told_again(start, &section) => return false,
            (Some(open), Role::Out) if open.over().is_none_or(|over| over > start) => {
                open.end = Some(start.max(open.start));
            }
            (Some(open), Role::In) if open.is_open() => {
                open.end = Some(start.max(open.start));
                open.sections.push((role, section));
                return true;
            }
            (Some(ended), Role::In) if ended.has(Role::In) => return false,
            _ => {}
        }
        self.ranges.push_back(DateRange {
            id,
            class: None,
            start,
            end: None,
            planned: duration,
            sections: vec![(role, section)],
            attributes: Vec::new(),
            is_break: role == Role::Out,
            event,
        });
        true
    }
}

impl Read {
    /// Goes on to `segment`, of which nothing is read unless it is the one that was read last.
    fn follow(&mut self, segment: &Segment) {
        let (run, sequence) = (segment.run.number, segment.sequence);
        if (self.run, self.sequence) == (run, sequence) {
            return;
        }
        let before = match self.sequence == sequence {
            true => self.before + self.events,
            false => 0,
        };
        *self = Self {
            run,
            sequence,
            events: 0,
            before,
        };
    }
}

impl DateRange {
    /// When it is over, as far as that is known.
    fn over(&self) -> Option<SystemTime> {
        let planned = self
            .planned
            .and_then(|planned| self.start.checked_add(planned));
        let longest = self.start.checked_add(LONGEST_BREAK);
        match self.is_break {
            true => self.end.or(planned).or(longest),
            false => Some(self.start),
        }
    }

    /// Whether `section`, which says at `moment` that a break of this number begins, says it once more of this one. Numbers
    /// come again, for another break: when this one is over, or long after it began.
    fn is_told_again(&self, moment: SystemTime, section: &[u8]) -> bool {
        let goes_on = match self.planned {
            Some(_) => self.over(),
            None => self.start.checked_add(REPEATED),
        };
        let is_same = self.planned.is_none() && self.sections.iter().any(|(_, of)| of == section);
        self.is_open() && (is_same || goes_on.is_none_or(|until| moment < until))
    }

    /// About how many bytes it takes in a playlist.
    fn size(&self) -> usize {
        let sections = self.sections.iter().map(|(_, section)| 2 * section.len());
        let attributes = self.attributes.iter().map(|(name, value)| match value {
            Value::Text(text) => name.len() + text.len(),
            _ => name.len(),
        });
        TAG_BYTES + sections.chain(attributes).sum::<usize>()
    }

    fn is_open(&self) -> bool {
        self.is_break && self.end.is_none()
    }

    fn has(&self, role: Role) -> bool {
        self.sections.iter().any(|(known, _)| *known == role)
    }
}

/// How many date ranges playlists have that go back over `window`: more than any schedule of breaks has at once, and one a
/// minute.
fn most(window: Option<Duration>) -> usize {
    let minutes = window.unwrap_or_default().as_secs() / 60;
    let minutes = usize::try_from(minutes).unwrap_or(usize::MAX);
    minutes.saturating_add(LEAST_RANGES).min(MAX_RANGES)
}

/// The first SCTE-35 section in a value.
fn splice(value: &Value) -> Option<Splice> {
    match value {
        Value::Text(text) => Splice::of_text(text),
        Value::Object(properties) => properties.iter().find_map(|(_, value)| splice(value)),
        Value::List(values) => values.iter().find_map(splice),
        _ => None,
    }
}

fn cue_point(message: Message, id: String, start: SystemTime) -> DateRange {
    let mut attributes = Vec::new();
    for value in &message.values {
        collect(value, &mut attributes);
    }
    DateRange {
        id,
        class: Some(message.name),
        start,
        end: None,
        planned: None,
        sections: Vec::new(),
        attributes,
        is_break: false,
        event: None,
    }
}

/// The properties of an object that an attribute can have as its value, those of its `parameters` with them.
fn collect(value: &Value, attributes: &mut Vec<(String, Value)>) {
    let Value::Object(properties) = value else {
        return;
    };
    for (name, value) in properties {
        match value {
            Value::Text(_) | Value::Number(_) | Value::Boolean(_) => {
                let Some(name) = attribute_name(name) else {
                    continue;
                };
                let is_new = attributes.iter().all(|(known, _)| *known != name);
                if is_new && attributes.len() < MAX_ATTRIBUTES {
                    attributes.push((name, value.clone()));
                }
            }
            Value::Object(_) if name == "parameters" => collect(value, attributes),
            _ => {}
        }
    }
}

/// `X-` and the name in capital letters, digits and hyphens; `None` where nothing is left of it.
fn attribute_name(name: &str) -> Option<String> {
    let known = |byte: u8| match byte.to_ascii_uppercase() {
        byte @ (b'A'..=b'Z' | b'0'..=b'9') => char::from(byte),
        _ => '-',
    };
    let name: String = name.bytes().take(MAX_NAME_BYTES).map(known).collect();
    name.contains(|letter| letter != '-')
        .then(|| format!("X-{name}"))
}

const CUE_POINT: &str = "onCuePoint";

/// A break that is never told to end is not listed for longer.
const LONGEST_BREAK: Duration = Duration::from_secs(3600);

/// Encoders tell of a break before it and some times more; what comes so long after is another one.
const REPEATED: Duration = Duration::from_secs(60);

const LEAST_RANGES: usize = 32;
const MAX_RANGES: usize = 1024;

/// Of all date ranges in a playlist: every reload has them.
const MAX_BYTES: usize = 256 << 10;

/// Of a date range without sections and attributes of its own.
const TAG_BYTES: usize = 150;
const MAX_ATTRIBUTES: usize = 16;
const MAX_NAME_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use lsv_core::time::Timestamp;

    use super::*;
    use crate::packager::{self, Packager};
    use crate::playlist::{hls, low_latency};
    use crate::segmenter::synthetic::{Rig, Source, base};
    use crate::testing::VIDEO;
    use crate::window::{Reload, Skip};
    use bytes::Bytes;
    use futures::FutureExt;
    use lsv_core::hub::Settings;
    use lsv_core::media::{Codec, Kind, MediaFrame, Track};
    use std::sync::Arc;

    /// A stream of `millis`, with messages at some of its milliseconds.
    fn told(millis: i64, messages: &[(i64, Bytes)]) -> Rig {
        let mut rig = Rig::new();
        rig.push(&frames(millis, messages));
        rig
    }

    fn frames(millis: i64, messages: &[(i64, Bytes)]) -> Vec<MediaFrame> {
        let script = Arc::new(Track::new(Kind::Data, Codec::Data));
        let mut frames = Source::default().frames(millis);
        for (at, body) in messages {
            frames.push(MediaFrame::new(
                &script,
                Timestamp::from_millis(*at),
                body.clone(),
            ));
        }
        frames.sort_by_key(|frame| frame.dts);
        frames
    }

    /// A message in AMF0: its name, and an object of one text.
    fn message(name: &str, property: &str, value: &str) -> Bytes {
        let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
        let object = [&[3][..], &text(property), &[2], &text(value), &[0, 0, 9]].concat();
        [&[2][..], &text(name), &object].concat().into()
    }

    fn tags(rig: &Rig) -> Vec<String> {
        let texts = [
            hls::render(&rig.snapshot, Skip::Nothing).unwrap().joined(),
            low_latency::render(&rig.snapshot, VIDEO, Skip::Nothing)
                .unwrap()
                .joined(),
        ];
        let [ts, cmaf] = texts.map(|text| {
            let tags = text
                .lines()
                .filter(|line| line.starts_with("#EXT-X-DATERANGE:"));
            tags.map(str::to_owned).collect::<Vec<_>>()
        });
        assert_eq!(ts, cmaf);
        ts
    }

    /// The splice_insert that ends event 0x4800008F, in hexadecimal digits.
    fn end_of_break() -> String {
        let mut section = vec![
            0xFC, 0x30, 0x1B, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xF0, 0x0A, 0x05,
        ];
        section.extend([0x48, 0, 0, 0x8F, 0, 0x50, 0, 1, 0, 0, 0, 0]);
        let checksum = crate::ts::crc32(&section);
        section.extend(checksum.to_be_bytes());
        let digits = section.iter().map(|byte| format!("{byte:02x}"));
        format!("0x{}", digits.collect::<String>())
    }

    #[test]
    fn a_break_is_told_from_its_beginning_on_and_with_its_end() {
        let out = "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo=";
        let out = message("onSCTE35", "data", out);
        let end = message("onSCTE35", "data", &end_of_break());
        // Said twice, as encoders do.
        let messages = [(4_100, out.clone()), (4_500, out), (24_000, end)];
        let begins = "#EXT-X-DATERANGE:ID=\"1002-0\",START-DATE=\"2026-01-01T00:00:04.100Z\"";
        // The playlist has moved on, and the break has not ended.
        let of_20_seconds = tags(&told(20_500, &messages));
        assert_eq!(of_20_seconds.len(), 1, "{of_20_seconds:?}");
        let planned = format!("{begins},PLANNED-DURATION=60.294,SCTE35-OUT=0xFC302F");
        assert!(of_20_seconds[0].starts_with(&planned), "{of_20_seconds:?}");
        let of_28_seconds = tags(&told(28_500, &messages));
        assert_eq!(of_28_seconds.len(), 1, "{of_28_seconds:?}");
        let ended = format!(
            "{begins},END-DATE=\"2026-01-01T00:00:24.000Z\",PLANNED-DURATION=60.294,SCTE35-OUT=0xFC302F"
        );
        assert!(of_28_seconds[0].starts_with(&ended), "{of_28_seconds:?}");
        assert!(
            of_28_seconds[0].contains(",SCTE35-IN=0xFC301B"),
            "{of_28_seconds:?}"
        );
        assert_eq!(tags(&told(40_500, &messages)), [""; 0]);
    }

    #[test]
    fn cue_points_are_told_while_their_time_is_listed() {
        let cue = message("onCuePoint", "type", "com.\"example\"\n");
        let text = message("onTextData", "text", "hello");
        let tag = "#EXT-X-DATERANGE:ID=\"1001-1\",CLASS=\"onCuePoint\",START-DATE=\"2026-01-01T00:00:03.000Z\",X-TYPE=\"com.'example' \"";
        let messages = [(2_500, text), (3_000, cue)];
        assert_eq!(tags(&told(9_000, &messages)), [tag]);
        assert_eq!(tags(&told(20_500, &messages)), [""; 0]);
    }

    /// A splice_insert out of the network: event 1, for `seconds` if any.
    fn out(seconds: Option<u64>) -> Bytes {
        let mut command = vec![0, 0, 0, 1, 0];
        match seconds {
            Some(seconds) => {
                command.extend([0xF0, 0xFE]);
                command.extend(((seconds * 90_000) as u32).to_be_bytes());
            }
            None => command.push(0xD0),
        }
        command.extend([0, 1, 0, 0]);
        let mut section = vec![0xFC, 0x30, (command.len() + 17) as u8, 0];
        section.extend([0, 0, 0, 0, 0, 0, 0xFF, 0xF0, command.len() as u8, 5]);
        section.extend(&command);
        section.extend([0, 0]);
        let checksum = crate::ts::crc32(&section);
        section.extend(checksum.to_be_bytes());
        let digits = section.iter().map(|byte| format!("{byte:02x}"));
        message(
            "onSCTE35",
            "data",
            &format!("0x{}", digits.collect::<String>()),
        )
    }

    #[test]
    fn a_number_that_comes_again_when_its_break_is_over_is_another_break() {
        let messages = [
            (1_000, out(Some(4))),
            (3_000, out(Some(4))),
            (8_000, out(Some(4))),
        ];
        let tags = tags(&told(9_000, &messages));
        assert_eq!(tags.len(), 2, "{tags:?}");
        assert!(tags[1].contains("T00:00:08.000Z\""), "{tags:?}");
        assert!(!tags[0].contains("END-DATE"), "{tags:?}");
    }

    #[test]
    fn a_break_without_end_ends_with_the_next_of_its_number() {
        let messages = [
            (1_000, out(None)),
            (2_000, out(None)),
            (70_000, out(None)),
            (75_000, out(Some(30))),
        ];
        let tags = tags(&told(76_500, &messages));
        assert_eq!(tags.len(), 2, "{tags:?}");
        assert!(
            tags[0].contains("END-DATE=\"2026-01-01T00:01:15.000Z\""),
            "{tags:?}"
        );
        assert!(tags[1].contains("PLANNED-DURATION=30.000"), "{tags:?}");
    }

    #[test]
    fn a_break_that_is_never_told_to_end_is_not_listed_for_ever() {
        let range = |start| DateRange {
            id: String::new(),
            class: None,
            start,
            end: None,
            planned: None,
            sections: vec![(Role::Out, Vec::new())],
            attributes: Vec::new(),
            is_break: true,
            event: Some(1),
        };
        let start = SystemTime::UNIX_EPOCH;
        let mut ranges = DateRanges::default();
        ranges.ranges.push_back(range(start));
        ranges.forget(start + Duration::from_secs(3_600));
        assert_eq!(ranges.iter().count(), 1);
        ranges.forget(start + Duration::from_secs(3_601));
        assert_eq!(ranges.iter().count(), 0);
    }

    /// A publisher that vanishes right after a key frame leaves a picture with events that is let go of, and its number is
    /// that of the next run's first segment.
    #[test]
    fn what_is_told_right_after_a_reconnect_is_told_under_a_number_that_comes_again() {
        let cue = |text| message("onCuePoint", "type", text);
        let mut frames = Source::default().frames(4_000);
        let key = Source {
            start: 4_000,
            ..Source::video_only()
        };
        frames.extend(key.frames(1));
        let reconnected = Source {
            epoch: 1,
            start: 5_000,
            ..Source::default()
        };
        let mut rig = Rig::new();
        rig.push(&frames);
        let script = Arc::new(Track::new(Kind::Data, Codec::Data));
        let event =
            |millis, text| MediaFrame::new(&script, Timestamp::from_millis(millis), cue(text));
        rig.push(&[event(4_000, "before")]);
        // Changed settings show what there is so far.
        rig.configure(|_| {});
        let growing = rig.snapshot.open.as_ref().unwrap();
        assert_eq!((growing.sequence, growing.events.len()), (1002, 1));
        let mut frames = reconnected.frames(4_000);
        frames.insert(10, event(5_100, "after"));
        rig.push(&frames);
        assert_eq!(rig.closed[2].sequence, 1002);
        assert!(rig.closed[2].discontinuity);
        let tags = tags(&rig);
        let told = |id: &str, text: &str| {
            let of_event = |tag: &&String| tag.contains(&format!("X-TYPE=\"{text}\""));
            let tag = tags.iter().find(of_event).unwrap();
            assert!(tag.contains(&format!("ID=\"{id}\"")), "{tag}");
        };
        told("1002-0", "before");
        told("1002-1", "after");
    }

    #[test]
    fn cue_points_do_not_push_a_break_out() {
        let cue = message("onCuePoint", "type", "x");
        let mut messages = vec![(1_000, out(None))];
        messages.extend((0..40).map(|n| (1_100 + n, cue.clone())));
        let tags = tags(&told(5_000, &messages));
        assert_eq!(tags.len(), LEAST_RANGES, "{tags:?}");
        assert!(tags[0].contains("SCTE35-OUT"), "{tags:?}");
    }

    /// A stream whose playlists go back over 100 minutes: a cue point every half second, and breaks that ended before them.
    #[test]
    fn a_longer_window_has_more_and_keeps_its_breaks() {
        let mut settings = Settings::default();
        settings.list_size = 100;
        settings.dvr_window = Some(Duration::from_secs(6_000));
        let config = packager::Config::default();
        let mut packager = Packager::new(&config, &settings, 1000, base());
        let mut messages: Vec<_> = (0..3).map(|n| (1_000 + n * 3_000, out(Some(1)))).collect();
        let cue = message("onCuePoint", "type", "x");
        messages.extend((0..200).map(|n| (10_000 + n * 250, cue.clone())));
        for frame in frames(61_000, &messages) {
            packager.push(&frame, base());
        }
        let file = packager.outputs().file("live.m3u8", Reload::default());
        let body = file.now_or_never().unwrap().unwrap().body.to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let tags: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("#EXT-X-DATERANGE:"))
            .collect();
        assert_eq!(tags.len(), LEAST_RANGES + 100, "{tags:?}");
        let breaks = tags.iter().filter(|tag| tag.contains("SCTE35-OUT"));
        assert_eq!(breaks.count(), 3, "{tags:?}");
    }
}
