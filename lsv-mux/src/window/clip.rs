//! A stretch of a stream by the wall clock, as `start` and `end` in the address of a playlist ask for it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What of a stream is asked for: the whole segments that have something from `start` on, up to `end`.
///
/// A clip whose end is there is a recording; one that has no end, or whose end is yet to come, goes on until it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clip {
    start: Option<SystemTime>,
    end: Option<SystemTime>,
}

/// Why a query does not name a clip: answer 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidClip {
    /// Not a time.
    #[error(
        "start and end are times such as 2026-11-22T20:00:00Z, 2026-11-22T20:00:00.5+01:00 or 1795377600.5 (Unix seconds)"
    )]
    NotATime,
    /// Given twice.
    #[error("start and end are given once each at most")]
    Twice,
    /// There is nothing in between.
    #[error("end has to be later than start")]
    Reversed,
}

impl Clip {
    /// From `start`, or the oldest there is, to `end`, or without one.
    ///
    /// # Errors
    /// [`InvalidClip::Reversed`] if nothing lies in between.
    pub fn new(start: Option<SystemTime>, end: Option<SystemTime>) -> Result<Self, InvalidClip> {
        match (start, end) {
            (Some(start), Some(end)) if end <= start => Err(InvalidClip::Reversed),
            _ => Ok(Self { start, end }),
        }
    }

    /// Reads `start` and `end` out of the query of an address; neither is no clip.
    ///
    /// # Errors
    /// [`InvalidClip`] if they make no sense.
    pub fn of_query(query: &str) -> Result<Option<Self>, InvalidClip> {
        let (mut start, mut end) = (None, None);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let time = match name {
                "start" => &mut start,
                "end" => &mut end,
                _ => continue,
            };
            if time.is_some() {
                return Err(InvalidClip::Twice);
            }
            *time = Some(read(value).ok_or(InvalidClip::NotATime)?);
        }
        match (start, end) {
            (None, None) => Ok(None),
            _ => Self::new(start, end).map(Some),
        }
    }

    /// Where it begins, unless with the oldest there is.
    pub fn start(&self) -> Option<SystemTime> {
        self.start
    }

    /// Where it ends, if it does.
    pub fn end(&self) -> Option<SystemTime> {
        self.end
    }
}

impl fmt::Display for Clip {
    /// As the query that asks for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = [("start", self.start), ("end", self.end)];
        let given = times
            .iter()
            .filter_map(|(name, time)| Some((name, (*time)?)));
        for (index, (name, time)) in given.enumerate() {
            let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            let (seconds, nanos) = (since_1970.as_secs(), since_1970.subsec_nanos());
            let and = if index > 0 { "&" } else { "" };
            match nanos {
                0 => write!(f, "{and}{name}={seconds}")?,
                _ => write!(f, "{and}{name}={seconds}.{nanos:09}")?,
            }
        }
        Ok(())
    }
}

fn read(value: &str) -> Option<SystemTime> {
    if value.len() > MAX_BYTES {
        return None;
    }
    let text = decoded(value)?;
    let since_1970 = match text.contains([':', 'T', 't']) {
        false => unix_seconds(&text)?,
        true => {
            let time = OffsetDateTime::parse(&text, &Rfc3339).ok()?;
            let nanos = u64::try_from(time.unix_timestamp_nanos()).ok()?;
            Duration::from_nanos(nanos)
        }
    };
    UNIX_EPOCH.checked_add(since_1970)
}

/// Plain decimal digits, with a fraction or not.
fn unix_seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str, most: usize| {
        (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(whole, MAX_DIGITS) || !is_number(fraction, 9) {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9}").parse().ok()?;
    Some(Duration::new(whole.parse().ok()?, nanos))
}

/// A value of a query without its percent-encoding. A plus stays one: it is the sign of an offset.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = value.bytes();
    let mut text = String::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            plain => plain,
        };
        text.push(char::from(byte));
    }
    Some(text)
}

/// The longest time, with all of it percent-encoded.
const MAX_BYTES: usize = 120;

/// Of Unix seconds: up to the year 5138.
const MAX_DIGITS: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Option<SystemTime> {
        Some(UNIX_EPOCH + Duration::from_millis(millis))
    }

    #[test]
    fn times_are_unix_seconds_or_dates() {
        for (text, millis) in [
            ("1795377600", 1_795_377_600_000),
            ("1795377600.5", 1_795_377_600_500),
            ("1795377600.050000000", 1_795_377_600_050),
            ("0", 0),
            ("2026-11-22T20:00:00Z", 1_795_377_600_000),
            ("2026-11-22t20:00:00z", 1_795_377_600_000),
            ("2026-11-22T20:00:00.25Z", 1_795_377_600_250),
            ("2026-11-22T21:00:00+01:00", 1_795_377_600_000),
            ("2026-11-22T21%3a00%3A00%2B01%3A00", 1_795_377_600_000),
        ] {
            let clip = Clip::of_query(&format!("token=x&start={text}")).unwrap();
            assert_eq!(clip.unwrap().start(), at(millis), "{text}");
            let again = Clip::of_query(&clip.unwrap().to_string());
            assert_eq!(again, Ok(clip), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let long = "1".repeat(MAX_BYTES + 1);
        for text in [
            "",
            "x",
            "-1",
            "+1",
            "1.",
            ".5",
            "1e9",
            "1.0000000000",
            " 1",
            "123456789012",
            "%",
            "%3",
            "%zz",
            "%FF",
            "2026-11-22",
            "2026-11-22T20:00:00",
            "2026-13-22T20:00:00Z",
            "1969-12-31T23:59:59Z",
            "NaN",
            "T",
            &long,
        ] {
            let refused = Clip::of_query(&format!("end={text}"));
            assert_eq!(refused, Err(InvalidClip::NotATime), "{text:?}");
        }
        assert_eq!(Clip::of_query("start"), Err(InvalidClip::NotATime));
        assert_eq!(Clip::of_query("start=1&start=1"), Err(InvalidClip::Twice));
        for query in ["start=2&end=1", "start=2&end=2"] {
            assert_eq!(Clip::of_query(query), Err(InvalidClip::Reversed));
        }
        assert_eq!(Clip::of_query(""), Ok(None));
        assert_eq!(Clip::of_query("starts=1&_HLS_msn=2&weekend=3"), Ok(None));
    }

    #[test]
    fn it_is_written_as_it_is_asked_for() {
        let clip = Clip::new(at(1_500), at(3_000)).unwrap();
        assert_eq!(clip.to_string(), "start=1.500000000&end=3");
        assert_eq!(Clip::new(None, at(3_000)).unwrap().to_string(), "end=3");
    }
}
