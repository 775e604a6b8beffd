//! The grammar of media playlists (RFC 8216bis §4), without any forgiveness.

use std::collections::BTreeSet;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::attributes::{Attributes, float, integer};
use super::{MediaPlaylist, Part, Report, Segment, ServerControl};

impl MediaPlaylist {
    /// Reads a playlist.
    ///
    /// # Errors
    /// The first line that is not as it must be, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        if lines.next() != Some("#EXTM3U") {
            return Err("it does not open with #EXTM3U".to_owned());
        }
        if !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        let mut reader = Reader::default();
        for (number, line) in lines.enumerate() {
            let result = match line.strip_prefix('#') {
                Some(tag) => reader.tag(tag),
                None => reader.uri(line),
            };
            result.map_err(|why| format!("line {}: {why}: {line}", number + 2))?;
        }
        reader.finish()
    }
}

#[derive(Debug, Default)]
struct Reader {
    /// Tags that may come only once.
    once: BTreeSet<String>,
    version: u64,
    target_duration: Option<u64>,
    media_sequence: u64,
    discontinuity_sequence: u64,
    independent_segments: bool,
    playlist_type: Option<String>,
    server_control: Option<ServerControl>,
    part_target: Option<f64>,
    skipped: u64,
    segments: Vec<Segment>,
    /// The tags of the segment to come.
    next: Segment,
    has_duration: bool,
    discontinuities: u64,
    hint: Option<String>,
    reports: Vec<Report>,
    date_ranges: Vec<String>,
    ended: bool,
}

impl Reader {
    fn tag(&mut self, tag: &str) -> Result<(), String> {
        let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
        if ONCE.contains(&name) && !self.once.insert(name.to_owned()) {
            return Err("it comes twice".to_owned());
        }
        if BEFORE_SEGMENTS.contains(&name) && !self.is_at_start() {
            return Err("it comes behind a segment".to_owned());
        }
        match name {
            "EXT-X-VERSION" => self.version = integer(value)?,
            "EXT-X-TARGETDURATION" => self.target_duration = Some(integer(value)?),
            "EXT-X-MEDIA-SEQUENCE" => self.media_sequence = integer(value)?,
            "EXT-X-DISCONTINUITY-SEQUENCE" => self.discontinuity_sequence = integer(value)?,
            "EXT-X-PLAYLIST-TYPE" => match value {
                "EVENT" | "VOD" => self.playlist_type = Some(value.to_owned()),
                _ => return Err("neither EVENT nor VOD".to_owned()),
            },
            "EXT-X-SERVER-CONTROL" => self.server_control = Some(server_control(value)?),
            "EXT-X-PART-INF" => self.part_target = Some(only_float(value, "PART-TARGET")?),
            "EXT-X-SKIP" => self.skip(value)?,
            "EXT-X-MAP" => self.map(value)?,
            "EXT-X-KEY" => self.key(value)?,
            "EXT-X-PROGRAM-DATE-TIME" => self.date(value)?,
            "EXT-X-PART" => self.part(value)?,
            "EXTINF" => self.duration(value)?,
            "EXT-X-PRELOAD-HINT" => self.preload_hint(value)?,
            "EXT-X-RENDITION-REPORT" => self.reports.push(report(value)?),
            "EXT-X-DATERANGE" => self.date_range(value)?,
            flag if value.is_empty() => self.flag(flag)?,
            _ => return Err("it is not a tag of a media playlist".to_owned()),
        }
        Ok(())
    }

    fn flag(&mut self, name: &str) -> Result<(), String> {
        match name {
            "EXT-X-INDEPENDENT-SEGMENTS" => self.independent_segments = true,
            "EXT-X-ENDLIST" => self.ended = true,
            "EXT-X-GAP" => self.next.gap = true,
            "EXT-X-DISCONTINUITY" if self.next.parts.is_empty() && !self.next.discontinuity => {
                self.next.discontinuity = true;
                self.discontinuities += 1;
            }
            _ => return Err("it does not belong here".to_owned()),
        }
        Ok(())
    }

    fn is_at_start(&self) -> bool {
        self.segments.is_empty() && self.next.parts.is_empty() && !self.has_duration
    }

    fn skip(&mut self, value: &str) -> Result<(), String> {
        let mut attributes = Attributes::parse(value)?;
        let skipped = attributes.integer("SKIPPED-SEGMENTS")?;
        attributes.quoted("RECENTLY-REMOVED-DATERANGES")?;
        attributes.end()?;
        self.skipped = skipped.ok_or("no SKIPPED-SEGMENTS")?;
        Ok(())
    }

    fn map(&mut self, value: &str) -> Result<(), String> {
        if !self.next.parts.is_empty() {
            return Err("it comes behind a part of its segment".to_owned());
        }
        let mut attributes = Attributes::parse(value)?;
        let map = relative(attributes.quoted("URI")?)?;
        attributes.end()?;
        if self.next.map.as_ref() == Some(&map) {
            return Err("it is in force already".to_owned());
        }
        self.next.map = Some(map);
        Ok(())
    }

    fn key(&mut self, value: &str) -> Result<(), String> {
        let mut attributes = Attributes::parse(value)?;
        let (method, uri) = (attributes.bare("METHOD")?, attributes.quoted("URI")?);
        let vector = attributes.bare("IV")?;
        for name in ["KEYFORMAT", "KEYFORMATVERSIONS"] {
            attributes.quoted(name)?;
        }
        attributes.end()?;
        match (method, uri) {
            (Some("NONE"), None) => self.next.key = None,
            (Some("AES-128"), Some(_)) => self.next.key = Some(value.to_owned()),
            _ => return Err("no method with its key".to_owned()),
        }
        let hexadecimal = |iv: &str| {
            let digits = iv.strip_prefix("0x");
            digits.is_some_and(|digits| {
                digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
            })
        };
        match vector.is_none_or(hexadecimal) {
            true => Ok(()),
            false => Err("an IV that is not 128 bits".to_owned()),
        }
    }

    fn date(&mut self, value: &str) -> Result<(), String> {
        let date = OffsetDateTime::parse(value, &Rfc3339).map_err(|error| error.to_string())?;
        let nanos = date.unix_timestamp_nanos();
        if self.next.date.is_some() || !self.next.parts.is_empty() || nanos % 1_000_000 != 0 {
            return Err("a second one, or too fine, or behind a part".to_owned());
        }
        self.next.date = i64::try_from(nanos / 1_000_000).ok();
        Ok(())
    }

    fn part(&mut self, value: &str) -> Result<(), String> {
        let mut attributes = Attributes::parse(value)?;
        let part = Part {
            duration: attributes.float("DURATION")?.ok_or("no DURATION")?,
            uri: relative(attributes.quoted("URI")?)?,
            independent: attributes.yes("INDEPENDENT")?,
            gap: attributes.yes("GAP")?,
        };
        attributes.end()?;
        if self.has_duration {
            return Err("it comes behind the EXTINF of its segment".to_owned());
        }
        self.next.parts.push(part);
        Ok(())
    }

    fn duration(&mut self, value: &str) -> Result<(), String> {
        let (seconds, title) = value
            .split_once(',')
            .ok_or("no comma behind the duration")?;
        if !title.is_empty() || self.has_duration {
            return Err("a title, or a second duration".to_owned());
        }
        self.next.duration = float(seconds)?;
        self.has_duration = true;
        Ok(())
    }

    fn preload_hint(&mut self, value: &str) -> Result<(), String> {
        let mut attributes = Attributes::parse(value)?;
        let (kind, uri) = (
            attributes.bare("TYPE")?,
            relative(attributes.quoted("URI")?)?,
        );
        attributes.end()?;
        match (kind, &self.hint) {
            (Some("PART"), None) => self.hint = Some(uri),
            (Some("MAP"), _) => {}
            _ => return Err("neither PART nor MAP, or a second one".to_owned()),
        }
        Ok(())
    }

    fn date_range(&mut self, value: &str) -> Result<(), String> {
        let id = value
            .split("ID=\"")
            .nth(1)
            .and_then(|id| id.split('"').next());
        Attributes::parse(value)?;
        let dated = value.contains("START-DATE=\"");
        self.date_ranges.push(
            id.filter(|_| dated)
                .ok_or("no ID or no START-DATE")?
                .to_owned(),
        );
        Ok(())
    }

    fn uri(&mut self, line: &str) -> Result<(), String> {
        if !std::mem::take(&mut self.has_duration) {
            return Err("a segment without EXTINF".to_owned());
        }
        if self.hint.is_some() || !self.reports.is_empty() || self.ended {
            return Err("a segment behind the end".to_owned());
        }
        self.place();
        self.next.uri = relative(Some(line))?;
        let next = Segment {
            map: self.next.map.clone(),
            key: self.next.key.clone(),
            ..Segment::default()
        };
        self.segments.push(std::mem::replace(&mut self.next, next));
        Ok(())
    }

    /// Numbers the segment to come.
    fn place(&mut self) {
        let before = self.skipped + self.segments.len() as u64;
        self.next.sequence = self.media_sequence + before;
        self.next.discontinuity_sequence = self.discontinuity_sequence + self.discontinuities;
    }

    fn finish(mut self) -> Result<MediaPlaylist, String> {
        if self.has_duration {
            return Err("an EXTINF without its segment".to_owned());
        }
        self.place();
        let parts = self
            .segments
            .iter()
            .any(|segment| !segment.parts.is_empty())
            || !self.next.parts.is_empty();
        if parts && self.part_target.is_none() {
            return Err("parts without EXT-X-PART-INF".to_owned());
        }
        let maps = self.segments.iter().any(|segment| segment.map.is_some());
        let least = match (self.skipped > 0, maps) {
            (true, _) => 9,
            (false, true) => 6,
            (false, false) => 3,
        };
        if self.version < least {
            return Err(format!("EXT-X-VERSION {} is below {least}", self.version));
        }
        Ok(MediaPlaylist {
            version: self.version,
            target_duration: self.target_duration.ok_or("no EXT-X-TARGETDURATION")?,
            media_sequence: self.media_sequence,
            discontinuity_sequence: self.discontinuity_sequence,
            independent_segments: self.independent_segments,
            playlist_type: self.playlist_type,
            server_control: self.server_control,
            part_target: self.part_target,
            skipped: self.skipped,
            segments: self.segments,
            open: self.next,
            hint: self.hint,
            reports: self.reports,
            date_ranges: self.date_ranges,
            ended: self.ended,
        })
    }
}

fn server_control(value: &str) -> Result<ServerControl, String> {
    let mut attributes = Attributes::parse(value)?;
    let control = ServerControl {
        can_block_reload: attributes.yes("CAN-BLOCK-RELOAD")?,
        can_skip_until: attributes.float("CAN-SKIP-UNTIL")?,
        hold_back: attributes.float("HOLD-BACK")?,
        part_hold_back: attributes.float("PART-HOLD-BACK")?,
    };
    attributes.yes("CAN-SKIP-DATERANGES")?;
    attributes.end()?;
    Ok(control)
}

fn report(value: &str) -> Result<Report, String> {
    let mut attributes = Attributes::parse(value)?;
    let report = Report {
        uri: relative(attributes.quoted("URI")?)?,
        last_msn: attributes.integer("LAST-MSN")?.ok_or("no LAST-MSN")?,
        last_part: attributes.integer("LAST-PART")?,
    };
    attributes.end()?;
    Ok(report)
}

fn only_float(value: &str, name: &str) -> Result<f64, String> {
    let mut attributes = Attributes::parse(value)?;
    let number = attributes.float(name)?;
    attributes.end()?;
    number.ok_or_else(|| format!("no {name}"))
}

/// An address below the playlist's own folder, or beside it.
fn relative(uri: Option<&str>) -> Result<String, String> {
    let uri = uri.ok_or("no URI")?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '"';
    match uri.is_empty() || uri.contains(odd) || uri.contains("://") || uri.starts_with('/') {
        true => Err(format!("not a relative URI: {uri:?}")),
        false => Ok(uri.to_owned()),
    }
}

const ONCE: [&str; 10] = [
    "EXT-X-VERSION",
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-SERVER-CONTROL",
    "EXT-X-PART-INF",
    "EXT-X-SKIP",
    "EXT-X-INDEPENDENT-SEGMENTS",
    "EXT-X-ENDLIST",
];

/// §4.4.3: these must come before the first segment.
const BEFORE_SEGMENTS: [&str; 3] = [
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-SKIP",
];
