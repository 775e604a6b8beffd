//! `moof`: where the samples of a fragment lie, and when they play (ISO/IEC 14496-12 §8.8.4 and following).

use lsv_core::wire::{Reader, Truncated};

use super::super::boxes::{child, children};
use super::super::fragment::{
    TRUN_COMPOSITION, TRUN_DATA_OFFSET, TRUN_DURATION, TRUN_FIRST_FLAGS, TRUN_FLAGS, TRUN_SIZE,
};
use super::movie::{Defaults, Movie, Place};
use super::{Limits, Reason};

/// A sample whose payload is still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    /// The place of its track among those announced.
    pub(super) lane: usize,
    /// The first byte of its payload, from the stream's start on.
    pub(super) place: u64,
    pub(super) size: u32,
    /// The decoding time in ticks.
    pub(super) time: i64,
    /// In ticks.
    pub(super) composition: i32,
    pub(super) key: bool,
}

/// The samples of the `moof` that starts at `start` of the stream, in the order in which they lie.
pub(super) fn read(
    content: &[u8],
    start: u64,
    movie: &mut Movie,
    limits: &Limits,
) -> Result<Vec<Sample>, Reason> {
    let mut reading = Reading {
        start,
        movie,
        limits,
        samples: Vec::new(),
        end: start,
    };
    for (_, traf) in children(content).filter(|(kind, _)| kind == b"traf") {
        reading.track(traf)?;
    }
    let mut samples = reading.samples;
    samples.sort_by_key(|sample| sample.place);
    Ok(samples)
}

struct Reading<'a> {
    start: u64,
    movie: &'a mut Movie,
    limits: &'a Limits,
    samples: Vec<Sample>,
    /// Where the data of the track before ended, which is where that of the next begins if nothing else is said.
    end: u64,
}

/// Of the run that is read next.
struct Run {
    lane: usize,
    defaults: Defaults,
    base: u64,
    place: u64,
    time: u64,
}

impl Reading<'_> {
    fn track(&mut self, traf: &[u8]) -> Result<(), Reason> {
        let header = TrackHeader::read(child(traf, &[b"tfhd"])?)?;
        let place = self.movie.place(header.track);
        let lane = match place.ok_or(Reason::UnknownTrack(header.track))? {
            Place::Lane(lane) => lane,
            Place::Nowhere => return Ok(()),
        };
        let known = self
            .movie
            .lane(lane)
            .ok_or(Reason::UnknownTrack(header.track))?;
        let defaults = header.over(known.defaults);
        if defaults.description > 1 {
            return Err(Reason::Field("sample description index: a track has one"));
        }
        let base = match header.base {
            Base::At(place) => place,
            Base::Fragment => self.start,
            Base::Behind => self.end,
        };
        let time = match child(traf, &[b"tfdt"]) {
            Ok(tfdt) => decode_time(tfdt).map_err(|_| Reason::Truncated(*b"tfdt"))?,
            Err(_) => known.next,
        };
        let mut run = Run {
            lane,
            defaults,
            base,
            place: base,
            time,
        };
        for (_, trun) in children(traf).filter(|(kind, _)| kind == b"trun") {
            self.run(trun, &mut run)?;
        }
        self.end = run.place;
        if let Some(known) = self.movie.lane(lane) {
            known.next = run.time;
        }
        Ok(())
    }

    fn run(&mut self, trun: &[u8], run: &mut Run) -> Result<(), Reason> {
        let cut = |_: Truncated| Reason::Truncated(*b"trun");
        let mut trun = Reader::new(trun);
        let present = trun.u32().map_err(cut)?;
        let count = trun.u32().map_err(cut)? as usize;
        if count > self.limits.max_samples.saturating_sub(self.samples.len()) {
            return Err(Reason::TooManySamples(self.limits.max_samples));
        }
        if present & TRUN_DATA_OFFSET != 0 {
            let offset = trun.u32().map_err(cut)?.cast_signed();
            let place = run.base.checked_add_signed(offset.into());
            run.place = place.ok_or(Reason::Place)?;
        }
        let mut field = |flag: u32, default: u32| match present & flag {
            0 => Ok(default),
            _ => trun.u32().map_err(cut),
        };
        let first_flags = field(TRUN_FIRST_FLAGS, run.defaults.flags)?;
        for number in 0..count {
            let duration = field(TRUN_DURATION, run.defaults.duration)?;
            let size = field(TRUN_SIZE, run.defaults.size)?;
            let default = if number == 0 {
                first_flags
            } else {
                run.defaults.flags
            };
            let flags = field(TRUN_FLAGS, default)?;
            // Unsigned in version 0; no writer has offsets that would tell the difference.
            let composition = field(TRUN_COMPOSITION, 0)?.cast_signed();
            if size as usize > self.limits.max_frame_bytes {
                let limit = self.limits.max_frame_bytes;
                return Err(Reason::FrameTooLong { size, limit });
            }
            self.samples.push(Sample {
                lane: run.lane,
                place: run.place,
                size,
                time: i64::try_from(run.time).map_err(|_| Reason::Time)?,
                composition,
                key: flags & NOT_SYNC == 0,
            });
            run.place = run.place.checked_add(size.into()).ok_or(Reason::Place)?;
            run.time = run.time.checked_add(duration.into()).ok_or(Reason::Time)?;
        }
        Ok(())
    }
}

/// `tfhd` (§8.8.7).
struct TrackHeader {
    track: u32,
    base: Base,
    description: Option<u32>,
    duration: Option<u32>,
    size: Option<u32>,
    flags: Option<u32>,
}

/// What the places of samples are counted from.
enum Base {
    /// A place of the stream.
    At(u64),
    /// The start of the `moof`.
    Fragment,
    /// The end of the data of the track before, or for the first the start of the `moof`.
    Behind,
}

impl TrackHeader {
    fn read(tfhd: &[u8]) -> Result<Self, Reason> {
        Self::fields(Reader::new(tfhd)).map_err(|_| Reason::Truncated(*b"tfhd"))
    }

    fn fields(mut tfhd: Reader<'_>) -> Result<Self, Truncated> {
        let present = tfhd.u32()?;
        let track = tfhd.u32()?;
        let base = match present {
            flags if flags & TFHD_BASE != 0 => Base::At(tfhd.u64()?),
            flags if flags & TFHD_BASE_IS_MOOF != 0 => Base::Fragment,
            _ => Base::Behind,
        };
        let mut field = |flag: u32| match present & flag {
            0 => Ok(None),
            _ => tfhd.u32().map(Some),
        };
        Ok(Self {
            track,
            base,
            description: field(TFHD_DESCRIPTION)?,
            duration: field(TFHD_DURATION)?,
            size: field(TFHD_SIZE)?,
            flags: field(TFHD_FLAGS)?,
        })
    }

    fn over(&self, defaults: Defaults) -> Defaults {
        Defaults {
            description: self.description.unwrap_or(defaults.description),
            duration: self.duration.unwrap_or(defaults.duration),
            size: self.size.unwrap_or(defaults.size),
            flags: self.flags.unwrap_or(defaults.flags),
        }
    }
}

/// `tfdt` (§8.8.12).
fn decode_time(tfdt: &[u8]) -> Result<u64, Truncated> {
    let mut tfdt = Reader::new(tfdt);
    match tfdt.u32()? >> 24 {
        0 => tfdt.u32().map(u64::from),
        _ => tfdt.u64(),
    }
}

const TFHD_BASE: u32 = 0x1;
const TFHD_DESCRIPTION: u32 = 0x2;
const TFHD_DURATION: u32 = 0x8;
const TFHD_SIZE: u32 = 0x10;
const TFHD_FLAGS: u32 = 0x20;
const TFHD_BASE_IS_MOOF: u32 = 0x2_0000;

/// In the flags of a sample: decoding cannot start here.
const NOT_SYNC: u32 = 0x1_0000;
