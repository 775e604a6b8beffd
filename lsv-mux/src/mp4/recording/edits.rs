//! How the tracks of a file lie on its time (ISO/IEC 14496-12 §8.6.6). Pure.

use bytes::{BufMut, BytesMut};
use lsv_core::media::Kind;

use super::MOVIE_TIMESCALE;
use crate::mp4::boxes::{full, plain};

/// When a track is shown, in its own ticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) kind: Kind,
    /// Ticks a second.
    pub(super) timescale: u32,
    /// When its first sample is shown, on a time that all tracks share.
    pub(super) at: i64,
    /// How much later that is than it is decoded.
    pub(super) composition: u64,
    /// From its first sample's to the last one's end.
    pub(super) length: u64,
    /// How long the first sample lasts, and the last in the order of decoding.
    pub(super) first: u32,
    pub(super) last: u32,
}

/// How a track lies on the movie's time, in ticks of the movie but for `from`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edits {
    /// Nothing of it is there so long.
    delay: u64,
    /// Where in its own time, and ticks, it begins: what the first picture is later shown than decoded, and what is left out
    /// of sound.
    from: u64,
    length: u64,
    /// It ends before its last sample does.
    is_cut: bool,
}

/// Lays `tracks` on the movie's time, which begins with the earliest of what they show.
///
/// Frames of sound do not begin and end where pictures do. What of the first and the last one is heard without a picture is
/// left out, so that a recording in several files is as long as all of them.
pub(super) fn lay(tracks: &[Shown]) -> Vec<Edits> {
    let mut spans: Vec<Span> = tracks.iter().map(Span::of).collect();
    let of_kind = |kind| move |track: &Shown| track.kind == kind;
    let picture = tracks.iter().position(of_kind(Kind::Video));
    if let Some(picture) = picture.and_then(|place| spans.get(place).copied()) {
        let sounds = spans.iter_mut().zip(tracks);
        for (span, track) in sounds.filter(|(_, track)| track.kind == Kind::Audio) {
            span.trim(&picture, track);
        }
    }
    let earliest = spans.iter().map(|span| span.start).min().unwrap_or(0);
    let edits = spans.iter().zip(tracks).map(|(span, track)| Edits {
        delay: u64::try_from(span.start - earliest).unwrap_or(0),
        from: track.composition.saturating_add(span.skipped),
        length: u64::try_from(span.end - span.start).unwrap_or(0),
        is_cut: span.is_cut,
    });
    edits.collect()
}

impl Edits {
    /// From the start of the movie to the track's end.
    pub(super) fn shown(&self) -> u64 {
        self.delay.saturating_add(self.length)
    }

    /// Nothing where the track begins with the movie and with its own time, and is shown to its end.
    pub(super) fn write(&self, out: &mut BytesMut) {
        if self.delay == 0 && self.from == 0 && !self.is_cut {
            return;
        }
        plain(out, b"edts", |out| {
            full(out, b"elst", (1, 0), |out| {
                out.put_u32(1 + u32::from(self.delay > 0));
                if self.delay > 0 {
                    out.put_u64(self.delay);
                    out.put_i64(-1);
                    out.put_u32(0x0001_0000);
                }
                out.put_u64(self.length);
                out.put_i64(i64::try_from(self.from).unwrap_or(i64::MAX));
                out.put_u32(0x0001_0000);
            });
        });
    }
}

/// When a track is shown, in ticks of the movie.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: i64,
    end: i64,
    /// How much of its beginning is not shown, in its own ticks, and whether its end is not.
    skipped: u64,
    is_cut: bool,
}

impl Span {
    fn of(track: &Shown) -> Self {
        let start = to_movie(track.at, track.timescale);
        // No picture is cut short by rounding.
        let length = u128::from(track.length) * u128::from(MOVIE_TIMESCALE);
        let length = length.div_ceil(u128::from(track.timescale.max(1)));
        Self {
            start,
            end: start.saturating_add_unsigned(u64::try_from(length).unwrap_or(u64::MAX)),
            skipped: 0,
            is_cut: false,
        }
    }

    fn trim(&mut self, picture: &Self, track: &Shown) {
        let early = picture.start - self.start;
        let is_part_of = |ticks: i64, sample: u32| {
            let sample = to_movie(i64::from(sample), track.timescale);
            (1..sample).contains(&ticks)
        };
        if is_part_of(early, track.first) && picture.start < self.end {
            let ticks = i128::from(early) * i128::from(track.timescale);
            self.start = picture.start;
            self.skipped = u64::try_from(ticks / i128::from(MOVIE_TIMESCALE)).unwrap_or(0);
        }
        if is_part_of(self.end - picture.end, track.last) && self.start < picture.end {
            self.end = picture.end;
            self.is_cut = true;
        }
    }
}

/// Ticks of the movie, rounded down.
fn to_movie(ticks: i64, timescale: u32) -> i64 {
    let movie = i128::from(ticks) * i128::from(MOVIE_TIMESCALE) / i128::from(timescale.max(1));
    i64::try_from(movie).unwrap_or(i64::MAX)
}
