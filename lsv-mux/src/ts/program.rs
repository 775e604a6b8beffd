//! The program association and program map tables (ISO/IEC 13818-1 §2.4.4).

use bytes::{BufMut, BytesMut};
use lsv_core::media::{Kind, Track, TrackName, Tracks};

use super::form::{Form, METADATA_POINTER};
use super::packet::{self, Counter, FIRST_PID, PROGRAM_MAP_PID};

/// What the one program consists of, and the state of its tables.
#[derive(Debug, Default)]
pub(super) struct Program {
    /// Video first, then the default sound.
    streams: Vec<Stream>,
    slots: Slots,
    metadata: bool,
    /// Of each PID from the first on, whatever streams come and go.
    counters: [Counter; MAX_STREAMS],
    version: u8,
    written: bool,
    association: Counter,
    map: Counter,
}

/// An elementary stream.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stream {
    name: TrackName,
    slot: usize,
    form: Form,
}

/// Where packets of a stream go.
#[derive(Debug)]
pub(super) struct Lane<'a> {
    pub(super) pid: u16,
    pub(super) stream_id: u8,
    pub(super) counter: &'a mut Counter,
}

impl Program {
    /// Makes the program that of `tracks`: the default video track and all audio tracks, the default one first. What the
    /// transport stream does not carry is left out, and so is what there is no PID for.
    pub(super) fn set(&mut self, tracks: &Tracks) {
        let sounds = tracks.iter().filter(|track| track.kind == Kind::Audio);
        let mut streams = Vec::new();
        for track in tracks.video.iter().chain(sounds) {
            let Some(form) = Form::of(track) else {
                continue;
            };
            let name = track.name();
            let slot = self.slots.of(name, &streams);
            streams.extend(slot.map(|slot| Stream { name, slot, form }));
        }
        if streams != self.streams {
            self.streams = streams;
            self.change();
        }
    }

    /// Says that `track` is part of the program, as it is; true when that is new. `None` where it cannot be.
    pub(super) fn announce(&mut self, track: &Track) -> Option<bool> {
        let (name, form) = (track.name(), Form::of(track)?);
        let known = self.streams.iter().position(|stream| stream.name == name);
        let slot = match known.and_then(|index| self.streams.get(index)) {
            Some(stream) => stream.slot,
            None => self.slots.of(name, &self.streams)?,
        };
        let stream = Stream { name, slot, form };
        match known.and_then(|index| self.streams.get_mut(index)) {
            Some(known) if *known == stream => return Some(false),
            Some(known) => *known = stream,
            None if track.kind == Kind::Video => self.streams.insert(0, stream),
            None => self.streams.push(stream),
        }
        self.change();
        Some(true)
    }

    /// Says that there is timed metadata; true when that is new.
    pub(super) fn announce_metadata(&mut self) -> bool {
        if self.metadata {
            return false;
        }
        self.metadata = true;
        self.change();
        true
    }

    /// Where packets of the track `name` go.
    pub(super) fn lane(&mut self, name: TrackName) -> Option<Lane<'_>> {
        let stream = self.streams.iter().find(|stream| stream.name == name)?;
        Some(Lane {
            pid: stream.pid(),
            stream_id: stream.form.stream_id,
            counter: self.counters.get_mut(stream.slot)?,
        })
    }

    /// Where packets of metadata go.
    pub(super) fn metadata_lane(&mut self) -> Option<Lane<'_>> {
        Some(Lane {
            pid: pid(METADATA),
            stream_id: Form::metadata().stream_id,
            counter: self.counters.get_mut(METADATA)?,
        })
    }

    /// The track that carries the clock: video, or else the first of sound.
    pub(super) fn clock_track(&self) -> Option<TrackName> {
        self.streams.first().map(|stream| stream.name)
    }

    /// Appends both tables.
    pub(super) fn write(&mut self, out: &mut BytesMut) {
        self.written = true;
        let association = section(PROGRAM_ASSOCIATION, TRANSPORT_STREAM_ID, 0, |out| {
            out.put_u16(PROGRAM_NUMBER);
            out.put_u16(RESERVED_3 | PROGRAM_MAP_PID);
        });
        packet::write_section(out, 0, &mut self.association, &association);
        let clock_pid = self.streams.first().map_or(NO_PID, Stream::pid);
        let map = section(PROGRAM_MAP, PROGRAM_NUMBER, self.version, |out| {
            out.put_u16(RESERVED_3 | clock_pid);
            put_descriptors(out, if self.metadata { METADATA_POINTER } else { &[] });
            for stream in &self.streams {
                put_stream(out, stream.pid(), &stream.form);
            }
            if self.metadata {
                put_stream(out, pid(METADATA), &Form::metadata());
            }
        });
        packet::write_section(out, PROGRAM_MAP_PID, &mut self.map, &map);
    }

    /// The next tables differ from those before.
    fn change(&mut self) {
        if self.written {
            self.version = (self.version + 1) & 0x1F;
            self.written = false;
        }
    }
}

/// Which track each PID was last given to, the first one apart, which is for video: a track that comes again gets its own.
#[derive(Debug, Default)]
struct Slots([Option<TrackName>; METADATA - FIRST_SOUND]);

impl Slots {
    /// The place among the PIDs for the track `name`, beside `streams`: the one that it had, or else one that nobody had,
    /// or that nobody has.
    fn of(&mut self, name: TrackName, streams: &[Stream]) -> Option<usize> {
        if name.kind == Kind::Video {
            return Some(VIDEO);
        }
        let is_free = |slot: usize| streams.iter().all(|stream| stream.slot != slot);
        let free = (FIRST_SOUND..)
            .zip(&mut self.0)
            .filter(|(slot, _)| is_free(*slot));
        let best = free.min_by_key(|(_, had)| match had {
            Some(known) if *known == name => 0,
            None => 1,
            Some(_) => 2,
        });
        let (slot, had) = best?;
        *had = Some(name);
        Some(slot)
    }
}

impl Stream {
    fn pid(&self) -> u16 {
        pid(self.slot)
    }
}

fn pid(slot: usize) -> u16 {
    FIRST_PID + slot as u16
}

fn put_stream(out: &mut BytesMut, pid: u16, form: &Form) {
    out.put_u8(form.stream_type);
    out.put_u16(RESERVED_3 | pid);
    put_descriptors(out, &form.descriptors);
}

fn put_descriptors(out: &mut BytesMut, descriptors: &[u8]) {
    out.put_u16(RESERVED_4 | descriptors.len() as u16);
    out.put_slice(descriptors);
}

/// A section in its long form, with its checksum (§2.4.4.10).
fn section(
    table_id: u8,
    table_id_extension: u16,
    version: u8,
    content: impl FnOnce(&mut BytesMut),
) -> BytesMut {
    let mut body = BytesMut::with_capacity(64);
    content(&mut body);
    let mut out = BytesMut::with_capacity(64);
    out.put_u8(table_id);
    out.put_u16(SECTION_SYNTAX | (body.len() + 9) as u16);
    out.put_u16(table_id_extension);
    // Two reserved bits, the version, and: applicable now.
    out.put_slice(&[0xC1 | version << 1, 0, 0]);
    out.put_slice(&body);
    let crc = crc32(&out);
    out.put_u32(crc);
    out
}

/// The checksum of ISO/IEC 13818-1 annex A, computed bit by bit: tables are short and rare.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            let carry = crc >> 31 == 1;
            crc << 1 ^ if carry { 0x04C1_1DB7 } else { 0 }
        })
    })
}

const PROGRAM_ASSOCIATION: u8 = 0;
const PROGRAM_MAP: u8 = 2;
const TRANSPORT_STREAM_ID: u16 = 1;
const PROGRAM_NUMBER: u16 = 1;
/// `PCR_PID` of a program without a clock.
const NO_PID: u16 = 0x1FFF;
/// `section_syntax_indicator` and the reserved bits before the length.
const SECTION_SYNTAX: u16 = 0xB000;
/// Three reserved bits before a PID.
const RESERVED_3: u16 = 0xE000;
/// Four reserved bits before the length of descriptors.
const RESERVED_4: u16 = 0xF000;
/// One of video, all that a publisher may have of sound twice over, and metadata.
const MAX_STREAMS: usize = 18;
/// Places among the PIDs.
const VIDEO: usize = 0;
const FIRST_SOUND: usize = 1;
const METADATA: usize = MAX_STREAMS - 1;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{fuzzing, testing};

    #[test]
    fn checksum_of_the_check_string() {
        assert_eq!(crc32(b"123456789"), 0x0376_E6E7);
    }

    #[test]
    fn tables_vector() {
        let mut program = Program::default();
        program.set(&fuzzing::tracks());
        let mut out = BytesMut::new();
        program.write(&mut out);
        let (association, map) = out.split_at(188);
        // As ffmpeg 5.1 writes the same program.
        let expected = [
            0x47, 0x40, 0x00, 0x10, 0x00, 0x00, 0xB0, 0x0D, 0x00, 0x01, 0xC1, 0x00, 0x00, 0x00,
            0x01, 0xF0, 0x00, 0x2A, 0xB1, 0x04, 0xB2, 0xFF,
        ];
        assert_eq!(association[..22], expected);
        let expected = [
            0x47, 0x50, 0x00, 0x10, 0x00, 0x02, 0xB0, 0x17, 0x00, 0x01, 0xC1, 0x00, 0x00, 0xE1,
            0x00, 0xF0, 0x00, 0x1B, 0xE1, 0x00, 0xF0, 0x00, 0x0F, 0xE1, 0x01, 0xF0, 0x00, 0x2F,
            0x44, 0xB9, 0x9B, 0xFF,
        ];
        assert_eq!(map[..32], expected);
    }

    #[test]
    fn the_version_counts_changes() {
        let mut program = Program::default();
        let both = fuzzing::tracks();
        let video = testing::tracks(both.video.as_ref(), None);
        let mut version = |tracks| {
            program.set(tracks);
            let mut out = BytesMut::new();
            program.write(&mut out);
            (out[188 + 10] >> 1) & 0x1F
        };
        assert_eq!([version(&both), version(&both), version(&video)], [0, 0, 1]);
    }

    #[test]
    fn tables_longer_than_a_packet() {
        let mut tracks = fuzzing::tracks();
        let opus = fuzzing::sounds().remove(1);
        for id in 1..12 {
            tracks.set(&Arc::new(Track::clone(&opus).with_id(id)));
        }
        let mut program = Program::default();
        program.announce_metadata();
        program.set(&tracks);
        let mut out = BytesMut::new();
        program.write(&mut out);
        assert_eq!(out.len(), 3 * 188);
        let (first, second) = (&out[188..376], &out[376..]);
        assert_eq!((first[1] & 0x40, second[1] & 0x40), (0x40, 0));
        assert_eq!((first[3], second[3]), (0x10, 0x11));
        let length = usize::from(u16::from_be_bytes([first[6], first[7]]) & 0xFFF);
        let section = [&first[5..], &second[4..]].concat();
        assert_eq!(crc32(&section[..length + 3]), 0);
        assert!(section[length + 3..].iter().all(|byte| *byte == 0xFF));
    }
}
