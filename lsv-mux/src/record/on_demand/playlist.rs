//! The playlist of a session: HLS for video on demand (RFC 8216bis §4.4), of segments with all tracks in one.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use crate::playlist::{date, put};

/// What is listed of a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Playlist {
    segments: VecDeque<Listed>,
    /// Segments that are listed at most; 0 for all.
    list_size: usize,
    /// The number of the first listed segment, and of discontinuities before it.
    sequence: u64,
    discontinuities: u64,
    /// Seconds; no segment is longer.
    target: u64,
    /// Some are gone: no longer the whole session from its start.
    slides: bool,
    /// The longest that it ever was.
    longest: Duration,
    /// It was read with its end.
    ended: bool,
}

/// A segment in a playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Names it, counted from 0 in the session.
    pub(crate) number: u64,
    /// The number of the first segment that needs the same header, which names that.
    pub(crate) init: u64,
    /// It does not go on from the one before.
    pub(crate) discontinuity: bool,
    /// When its first frame arrived, where that is known.
    pub(crate) wall: Option<SystemTime>,
    pub(crate) duration: Duration,
    /// It begins with a key frame.
    pub(crate) independent: bool,
}

impl Playlist {
    /// Tells how long segments are at most. Not to be changed once players know the playlist (RFC 8216 §6.2.1).
    pub(crate) fn set_target(&mut self, target: Duration) {
        self.target = target.as_secs().max(1);
    }

    pub(crate) fn set_list_size(&mut self, list_size: usize) {
        self.list_size = list_size;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Lists `segment` at the end. Gives those that are listed no longer.
    pub(crate) fn push(&mut self, segment: Listed) -> Vec<Listed> {
        self.target = self.target.max(rounded(segment.duration)).max(1);
        self.segments.push_back(segment);
        let mut gone = Vec::new();
        while self.list_size > 0 && self.segments.len() > self.list_size {
            let Some(first) = self.segments.pop_front() else {
                break;
            };
            self.sequence += 1;
            self.discontinuities += u64::from(first.discontinuity);
            self.slides = true;
            gone.push(first);
        }
        let lengths = self.segments.iter().map(|segment| segment.duration);
        self.longest = self.longest.max(lengths.sum());
        gone
    }

    /// How long a segment has to stay that is listed no longer: its own length, and that of the longest playlist in which
    /// it was (RFC 8216 §6.2.2).
    pub(crate) fn stays_needed(&self) -> Duration {
        Duration::from_secs(self.target + 1).saturating_add(self.longest)
    }

    /// Whether some listed segment needs header `init`.
    pub(crate) fn needs(&self, init: u64) -> bool {
        self.segments.iter().any(|segment| segment.init == init)
    }

    /// The text, while the session goes on or when it has ended.
    pub(crate) fn render(&self, ended: bool) -> String {
        let mut out = String::with_capacity(256 + self.segments.len() * 112);
        put!(
            out,
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{}\n",
            self.target
        );
        match (ended, self.slides || self.list_size > 0) {
            (true, _) => out.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n"),
            (false, false) => out.push_str("#EXT-X-PLAYLIST-TYPE:EVENT\n"),
            // Neither type may lose segments.
            (false, true) => {}
        }
        put!(out, "#EXT-X-MEDIA-SEQUENCE:{}\n", self.sequence);
        if self.discontinuities > 0 {
            put!(
                out,
                "#EXT-X-DISCONTINUITY-SEQUENCE:{}\n",
                self.discontinuities
            );
        }
        if self.segments.iter().all(|segment| segment.independent) {
            out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        }
        let mut init = None;
        for segment in &self.segments {
            if segment.discontinuity {
                out.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if init != Some(segment.init) {
                init = Some(segment.init);
                put!(out, "#EXT-X-MAP:URI=\"{}\"\n", init_name(segment.init));
            }
            if let Some(wall) = segment.wall {
                put!(out, "#EXT-X-PROGRAM-DATE-TIME:{}\n", date(wall));
            }
            let seconds = segment.duration.as_secs_f64();
            put!(
                out,
                "#EXTINF:{seconds:.5},\n{}\n",
                segment_name(segment.number)
            );
        }
        if ended {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
    }

    /// Reads back what [`Playlist::render`] wrote, as far as it goes on from there.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut playlist = Self::default();
        let mut lines = text.lines();
        if lines.next() != Some("#EXTM3U") {
            return None;
        }
        let (mut init, mut wall, mut duration, mut discontinuity) = (0, None, None, false);
        let independent = text.contains("#EXT-X-INDEPENDENT-SEGMENTS\n");
        for line in lines {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            match tag {
                "#EXT-X-TARGETDURATION" => playlist.target = value.parse().ok()?,
                "#EXT-X-MEDIA-SEQUENCE" => playlist.sequence = value.parse().ok()?,
                "#EXT-X-DISCONTINUITY-SEQUENCE" => playlist.discontinuities = value.parse().ok()?,
                "#EXT-X-DISCONTINUITY" => discontinuity = true,
                "#EXT-X-MAP" => init = number(value.strip_prefix("URI=\"init-")?, ".mp4\"")?,
                "#EXT-X-PROGRAM-DATE-TIME" => wall = read_date(value),
                "#EXT-X-ENDLIST" => playlist.ended = true,
                "#EXTINF" => duration = seconds(value.strip_suffix(',')?),
                _ if line.starts_with('#') => {}
                _ => {
                    let segment = Listed {
                        number: number(line.strip_prefix("segment-")?, ".m4s")?,
                        init,
                        discontinuity: std::mem::take(&mut discontinuity),
                        wall: wall.take(),
                        duration: duration.take()?,
                        independent,
                    };
                    playlist.segments.push_back(segment);
                }
            }
        }
        playlist.slides = playlist.sequence > 0;
        let lengths = playlist.segments.iter().map(|segment| segment.duration);
        playlist.longest = lengths.sum();
        Some(playlist)
    }

    /// Whether there were segments in front of the first listed one.
    pub(crate) fn slides(&self) -> bool {
        self.slides
    }

    /// Whether it was read as the playlist of a session that is over.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn first(&self) -> Option<&Listed> {
        self.segments.front()
    }

    pub(crate) fn last(&self) -> Option<&Listed> {
        self.segments.back()
    }
}

/// A file of a session beside its playlist, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum File {
    Segment(u64),
    Init(u64),
}

impl File {
    /// What the file `name` is; `None` for anything else.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match (name.strip_prefix("segment-"), name.strip_prefix("init-")) {
            (Some(rest), _) => number(rest, ".m4s").map(Self::Segment),
            (_, Some(rest)) => number(rest, ".mp4").map(Self::Init),
            _ => None,
        }
    }
}

/// The name of segment `number` in its session's folder.
pub(crate) fn segment_name(number: u64) -> String {
    format!("segment-{number}.m4s")
}

/// The name of the header of segment `number` and those that follow it.
pub(crate) fn init_name(number: u64) -> String {
    format!("init-{number}.mp4")
}

fn number(text: &str, suffix: &str) -> Option<u64> {
    text.strip_suffix(suffix)?.parse().ok()
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

fn read_date(text: &str) -> Option<SystemTime> {
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(text, format)
        .ok()
        .map(SystemTime::from)
}

/// To the nearest second, as EXT-X-TARGETDURATION compares (RFC 8216bis §4.4.3.1).
pub(in crate::record) fn rounded(duration: Duration) -> u64 {
    (duration + Duration::from_millis(500)).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(number: u64, init: u64, millis: u64) -> Listed {
        Listed {
            number,
            init,
            discontinuity: number > 0 && number == init,
            wall: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(number * 60_000)),
            duration: Duration::from_millis(millis),
            independent: true,
        }
    }

    #[test]
    fn an_event_becomes_video_on_demand() {
        let mut playlist = Playlist::default();
        playlist.set_target(Duration::from_secs(61));
        for segment in [
            listed(0, 0, 60_000),
            listed(1, 0, 12_345),
            listed(2, 2, 61_499),
        ] {
            assert_eq!(playlist.push(segment), []);
        }
        let expected = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:61\n#EXT-X-PLAYLIST-TYPE:EVENT\n\
            #EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n\
            #EXT-X-MAP:URI=\"init-0.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z\n\
            #EXTINF:60.00000,\nsegment-0.m4s\n\
            #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:01:00.000Z\n#EXTINF:12.34500,\nsegment-1.m4s\n\
            #EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-2.mp4\"\n\
            #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:02:00.000Z\n#EXTINF:61.49900,\nsegment-2.m4s\n";
        assert_eq!(playlist.render(false), expected);
        let ended = expected.replace("EVENT", "VOD") + "#EXT-X-ENDLIST\n";
        assert_eq!(playlist.render(true), ended);
        let parsed = m3u8_rs::parse_media_playlist_res(ended.as_bytes()).unwrap();
        assert_eq!(parsed.segments.len(), 3);
        assert!(parsed.end_list);
        let again = Playlist::parse(expected).unwrap();
        assert_eq!(again.render(false), expected);
    }

    #[test]
    fn a_list_with_a_size_slides() {
        let mut playlist = Playlist::default();
        playlist.set_list_size(2);
        for number in 0..5 {
            let gone = playlist.push(listed(number, number / 2 * 2, 2_000));
            assert_eq!(gone.len(), usize::from(number >= 2));
        }
        assert!(!playlist.needs(0) && playlist.needs(2) && playlist.needs(4));
        let text = playlist.render(false);
        assert!(!text.contains("PLAYLIST-TYPE"), "{text}");
        assert!(
            text.contains("#EXT-X-MEDIA-SEQUENCE:3\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n"),
            "{text}"
        );
        assert!(text.contains("#EXT-X-MAP:URI=\"init-2.mp4\""), "{text}");
        assert!(text.ends_with("segment-4.m4s\n"));
    }

    #[test]
    fn what_is_no_playlist_of_ours_is_refused() {
        for text in [
            "",
            "x",
            "#EXTM3U\nother.ts\n",
            "#EXTM3U\n#EXT-X-MAP:URI=\"x\"\n",
            "#EXTM3U\nsegment-1.m4s\n",
        ] {
            assert!(Playlist::parse(text).is_none(), "{text:?}");
        }
    }
}
