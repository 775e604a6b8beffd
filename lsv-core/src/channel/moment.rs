//! Wall-clock time as the channel record and the API write it.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, Time};

/// A point in wall-clock time, in milliseconds since 1970-01-01 UTC; never beyond the year 9999.
///
/// Its text is RFC 3339 in UTC, with a fraction only where there is one: `2032-12-09T23:59:59Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The start of 1970, UTC.
    pub const EPOCH: Self = Self(0);
    /// The last millisecond of the year 9999, beyond which RFC 3339 has no text.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// From Unix seconds; [`Moment::MAX`] if that is too late.
    pub const fn from_unix(seconds: u64) -> Self {
        Self::from_unix_millis(seconds.saturating_mul(1_000))
    }

    /// From Unix milliseconds; [`Moment::MAX`] if that is too late.
    pub const fn from_unix_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Whole seconds since 1970.
    pub const fn unix(self) -> u64 {
        self.0 / 1_000
    }

    /// Milliseconds since 1970.
    pub const fn unix_millis(self) -> u64 {
        self.0
    }

    /// This moment without its fraction of a second.
    pub const fn whole_seconds(self) -> Self {
        Self::from_unix(self.unix())
    }

    /// This moment and `later` added, at most [`Moment::MAX`].
    pub fn plus(self, later: Duration) -> Self {
        let millis = u64::try_from(later.as_millis()).unwrap_or(u64::MAX);
        Self::from_unix_millis(self.0.saturating_add(millis))
    }

    /// Reads `YYYY-MM-DD`, `YYYY/M/D` (both mean the last second of that day, UTC) or an RFC 3339 time.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(date) = date(text) {
            let end = Time::from_hms(23, 59, 59).ok()?;
            return Self::of(OffsetDateTime::new_utc(date, end));
        }
        Self::of(OffsetDateTime::parse(text, &Rfc3339).ok()?)
    }

    fn of(time: OffsetDateTime) -> Option<Self> {
        let millis = u64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
        (millis <= Self::MAX.0).then_some(Self(millis))
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        Self::EPOCH.plus(
            time.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
        )
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000_000;
        let text = OffsetDateTime::from_unix_timestamp_nanos(nanos)
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok())
            .ok_or(fmt::Error)?;
        f.write_str(&text)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not a time"))
    }
}

/// `YYYY-MM-DD` with two-digit month and day, or `YYYY/M/D` with one or two.
fn date(text: &str) -> Option<Date> {
    let (separator, shortest) = if text.contains('/') {
        ('/', 1)
    } else {
        ('-', 2)
    };
    let mut parts = text.split(separator);
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, shortest)?;
    let day = digits(parts.next()?, shortest)?;
    if parts.next().is_some() {
        return None;
    }
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()
}

/// A number written with at least `shortest` digits and no more than that or two.
fn digits(text: &str, shortest: usize) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let length = shortest..=shortest.max(2);
    (plain && length.contains(&text.len()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_end_with_their_day() {
        for text in [
            "2032-12-09",
            "2032/12/9",
            "2032/12/09",
            "2032-12-09T23:59:59Z",
            "2032-12-10T01:59:59+02:00",
        ] {
            let moment = Moment::parse(text).unwrap();
            assert_eq!(moment.to_string(), "2032-12-09T23:59:59Z", "{text}");
            assert_eq!(moment.unix(), 1_986_249_599);
        }
        assert_eq!(
            Moment::parse("2032/1/9").unwrap().to_string(),
            "2032-01-09T23:59:59Z"
        );
        assert_eq!(
            Moment::parse("9999-12-31").unwrap().unix(),
            Moment::MAX.unix()
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "-",
            "/",
            "tomorrow",
            "2032",
            "2032-13-01",
            "2032-02-30",
            "2032-1-1",
            "2032/001/1",
            "32-12-09",
            "+2032-12-09",
            "2032-12-09-01",
            "2032-12-09T23:59",
            "1969-12-31",
            "9999-12-31T23:59:59-01:00",
            "10000-01-01",
            "2032-12-09 ",
        ] {
            assert_eq!(Moment::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn text_reads_back() {
        for moment in [
            Moment::EPOCH,
            Moment::MAX,
            Moment::from_unix_millis(1_986_249_599_120),
        ] {
            assert_eq!(Moment::parse(&moment.to_string()), Some(moment));
        }
    }
}
