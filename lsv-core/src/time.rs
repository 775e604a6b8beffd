//! Media time: one unit for every format, 32-bit clocks unwrapped at the door.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on a stream's own timeline, in nanoseconds since that timeline's zero.
///
/// Nanoseconds hold RTMP's milliseconds, the 90 kHz of MPEG-TS and the `ModEx` offsets of Enhanced RTMP
/// without loss that anyone could notice; 64 bits of them last 292 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The zero of the timeline.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// In nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// In whole milliseconds, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The nanoseconds beyond [`Timestamp::as_millis`], below a million.
    pub const fn submilli_nanos(self) -> u32 {
        self.0.rem_euclid(1_000_000) as u32
    }

    /// In seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// In ticks of `timescale` a second, rounded to the nearest.
    pub const fn to_scale(self, timescale: u32) -> i64 {
        let ticks = self.0 as i128 * timescale as i128 + 500_000_000;
        ticks.div_euclid(1_000_000_000) as i64
    }

    /// From ticks of `timescale` a second, to the nearest nanosecond; `None` beyond 292 years.
    pub const fn of_scale(ticks: i64, timescale: u32) -> Option<Self> {
        let scale = timescale as i128;
        if scale == 0 {
            return None;
        }
        let nanos = (ticks as i128 * 1_000_000_000 + scale / 2).div_euclid(scale);
        if nanos > i64::MAX as i128 || nanos < i64::MIN as i128 {
            return None;
        }
        Some(Self(nanos as i64))
    }

    /// The time from `earlier` to `self`, zero when it lies behind.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let nanos = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Add for Timestamp {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Timestamp {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// Turns the 32-bit millisecond clock of RTMP and FLV into a 64-bit one.
///
/// Of all the values that share the low 32 bits, the one nearest to the previous is taken, so both a wrap
/// (every 49.7 days) and a step backwards across it come out right.
#[derive(Debug, Clone, Default)]
pub struct Unwrapper {
    last: Option<i64>,
}

impl Unwrapper {
    /// The 64-bit milliseconds of the 32-bit `clock`.
    pub fn unwrap_millis(&mut self, clock: u32) -> i64 {
        let millis = match self.last {
            None => i64::from(clock),
            Some(last) => {
                let step = clock.wrapping_sub(last as u32) as i32;
                last.saturating_add(i64::from(step))
            }
        };
        self.last = Some(millis);
        millis
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_round_to_the_nearest() {
        assert_eq!(Timestamp::from_millis(33).to_scale(90_000), 2_970);
        assert_eq!(Timestamp::from_nanos(11_111).to_scale(90_000), 1);
        assert_eq!(Timestamp::from_nanos(-11_111).to_scale(90_000), -1);
        let thirtieth = Timestamp::of_scale(3_000, 90_000);
        assert_eq!(thirtieth, Some(Timestamp::from_nanos(33_333_333)));
        assert_eq!(
            Timestamp::of_scale(-1, 3),
            Some(Timestamp::from_nanos(-333_333_333))
        );
        assert_eq!(Timestamp::of_scale(1, 0), None);
        assert_eq!(Timestamp::of_scale(i64::MAX, 1), None);
    }

    #[test]
    fn milliseconds_and_the_rest() {
        for nanos in [
            0,
            1,
            999_999,
            40_500_000,
            -1,
            -1_000_000,
            i64::MIN,
            i64::MAX,
        ] {
            let at = Timestamp::from_nanos(nanos);
            let rest = i64::from(at.submilli_nanos());
            assert_eq!(
                i128::from(at.as_millis()) * 1_000_000 + i128::from(rest),
                nanos.into()
            );
        }
    }

    #[test]
    fn clocks_wrap_both_ways() {
        let mut clock = Unwrapper::default();
        assert_eq!(clock.unwrap_millis(u32::MAX - 10), 4_294_967_285);
        assert_eq!(clock.unwrap_millis(9), 4_294_967_305);
        assert_eq!(clock.unwrap_millis(u32::MAX), 4_294_967_295);
        assert_eq!(clock.unwrap_millis(20), 4_294_967_316);
    }
}
