//! `moov`: the tracks of a file, and what their fragments do not say again (ISO/IEC 14496-12 §8.3 and following).

use std::sync::Arc;

use lsv_core::media::{Kind, Track};
use lsv_core::wire::Reader;

use super::super::boxes::{child, children};
use super::{Limits, Reason, entry};

/// The tracks of a file.
#[derive(Debug)]
pub(super) struct Movie {
    /// Of pictures and sound, in the order of the file.
    lanes: Vec<Lane>,
    /// Tracks of anything else, whose fragments are passed over.
    others: Vec<u32>,
}

/// A track and how its fragments are read.
#[derive(Debug)]
pub(super) struct Lane {
    /// Its number in the file.
    number: u32,
    pub(super) track: Arc<Track>,
    /// Ticks a second.
    pub(super) timescale: u32,
    pub(super) defaults: Defaults,
    /// The decoding time of the sample that follows, for fragments that do not say theirs.
    pub(super) next: u64,
}

/// What holds for samples of which nothing else is said (§8.8.3).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Defaults {
    pub(super) description: u32,
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

/// Where the fragments of a track go.
pub(super) enum Place {
    Lane(usize),
    Nowhere,
}

impl Movie {
    pub(super) fn read(content: &[u8], limits: &Limits) -> Result<Self, Reason> {
        let mut movie = Self {
            lanes: Vec::new(),
            others: Vec::new(),
        };
        let extends = child(content, &[b"mvex"])?;
        for (_, trak) in children(content).filter(|(kind, _)| kind == b"trak") {
            if movie.lanes.len() + movie.others.len() >= limits.max_tracks {
                return Err(Reason::TooManyTracks(limits.max_tracks));
            }
            movie.add(trak, extends)?;
        }
        match movie.lanes.is_empty() {
            true => Err(Reason::Missing(*b"trak")),
            false => Ok(movie),
        }
    }

    pub(super) fn tracks(&self) -> Vec<Arc<Track>> {
        self.lanes
            .iter()
            .map(|lane| Arc::clone(&lane.track))
            .collect()
    }

    pub(super) fn lane(&mut self, index: usize) -> Option<&mut Lane> {
        self.lanes.get_mut(index)
    }

    /// Where the fragments of the track with this number in the file go.
    pub(super) fn place(&self, number: u32) -> Option<Place> {
        let lane = self.lanes.iter().position(|lane| lane.number == number);
        let other = || self.others.contains(&number).then_some(Place::Nowhere);
        lane.map(Place::Lane).or_else(other)
    }

    fn add(&mut self, trak: &[u8], extends: &[u8]) -> Result<(), Reason> {
        let number = track_number(trak)?;
        if self.place(number).is_some() {
            return Err(Reason::Field("track number"));
        }
        let kind = match handler(trak)? {
            b"vide" => Kind::Video,
            b"soun" => Kind::Audio,
            _ => {
                self.others.push(number);
                return Ok(());
            }
        };
        let entries = child(trak, &[b"mdia", b"minf", b"stbl", b"stsd"])?;
        let codec = entry::codec(entries, kind)?;
        let before = self.lanes.iter().filter(|lane| lane.track.kind == kind);
        let id = u8::try_from(before.count()).unwrap_or(u8::MAX);
        self.lanes.push(Lane {
            number,
            track: Arc::new(Track::new(kind, codec).with_id(id)),
            timescale: timescale(trak)?,
            defaults: defaults(extends, number)?,
            next: 0,
        });
        Ok(())
    }
}

fn track_number(trak: &[u8]) -> Result<u32, Reason> {
    let read = |mut tkhd: Reader<'_>| {
        let times = times_length(tkhd.u32()?);
        tkhd.take(times)?;
        tkhd.u32()
    };
    read(Reader::new(child(trak, &[b"tkhd"])?)).map_err(|_| Reason::Truncated(*b"tkhd"))
}

fn timescale(trak: &[u8]) -> Result<u32, Reason> {
    let read = |mut mdhd: Reader<'_>| {
        let times = times_length(mdhd.u32()?);
        mdhd.take(times)?;
        mdhd.u32()
    };
    let mdhd = Reader::new(child(trak, &[b"mdia", b"mdhd"])?);
    match read(mdhd).map_err(|_| Reason::Truncated(*b"mdhd"))? {
        0 => Err(Reason::Field("timescale")),
        timescale => Ok(timescale),
    }
}

/// Creation and modification, in 64 bits from version 1 on.
fn times_length(version_and_flags: u32) -> usize {
    match version_and_flags >> 24 {
        0 => 8,
        _ => 16,
    }
}

fn handler(trak: &[u8]) -> Result<&[u8], Reason> {
    let hdlr = child(trak, &[b"mdia", b"hdlr"])?;
    hdlr.get(8..12).ok_or(Reason::Truncated(*b"hdlr"))
}

fn defaults(extends: &[u8], number: u32) -> Result<Defaults, Reason> {
    for (_, trex) in children(extends).filter(|(kind, _)| kind == b"trex") {
        let read = |mut trex: Reader<'_>| {
            trex.u32()?;
            let track = trex.u32()?;
            let defaults = Defaults {
                description: trex.u32()?,
                duration: trex.u32()?,
                size: trex.u32()?,
                flags: trex.u32()?,
            };
            Ok((track, defaults))
        };
        let read = read(Reader::new(trex));
        let (track, defaults) =
            read.map_err(|_: lsv_core::wire::Truncated| Reason::Truncated(*b"trex"))?;
        if track == number {
            return Ok(defaults);
        }
    }
    Err(Reason::Missing(*b"trex"))
}
