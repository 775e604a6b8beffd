//! `moov`: what a file says of its tracks, whether their samples are in fragments or in tables (ISO/IEC 14496-12 §8).

use bytes::{BufMut, Bytes, BytesMut};
use lsv_core::media::{Kind, Track};

use super::boxes::{full, plain};
use super::{entry, timescale};
use crate::Error;

/// A track as `trak` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Description {
    /// Its number in the file, from 1.
    pub(super) id: u32,
    /// Pictures or sound.
    pub(super) kind: Kind,
    /// Ticks a second.
    pub(super) timescale: u32,
    /// Width and height in square pixels, zero for sound.
    pub(super) size: (u32, u32),
    /// The sample entry: a whole box.
    pub(super) entry: Bytes,
    /// The place among tracks of which a player takes one; 0 for none such.
    pub(super) alternate_group: u16,
    /// A player takes it unless told otherwise.
    pub(super) enabled: bool,
}

impl Description {
    /// `track` as number `id` of a file.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for script data, and for a codec that has no sample entry here.
    pub(super) fn of(track: &Track, id: u32) -> Result<Self, Error> {
        let picture = track.codec.picture();
        Ok(Self {
            id,
            kind: track.kind,
            timescale: timescale(track),
            size: picture.map_or((0, 0), |picture| (picture.display_width(), picture.height)),
            entry: entry::sample_entry(track)?.freeze(),
            alternate_group: 0,
            enabled: true,
        })
    }

    /// §8.3.1, with the tables that `tables` appends. `length` is that of the media in the track's ticks, `shown` that
    /// of the track in the movie's; both are zero where all media is in fragments.
    pub(super) fn write(
        &self,
        out: &mut BytesMut,
        (length, shown): (u64, u64),
        edits: impl FnOnce(&mut BytesMut),
        tables: impl FnOnce(&mut BytesMut),
    ) {
        plain(out, b"trak", |out| {
            self.header(out, shown);
            edits(out);
            self.media(out, length, tables);
        });
    }

    /// §8.3.2. In the movie and in its preview.
    fn header(&self, out: &mut BytesMut, duration: u64) {
        let (width, height) = self.size;
        let volume = match self.kind {
            Kind::Audio => 0x0100,
            _ => 0,
        };
        let version = version(duration);
        full(
            out,
            b"tkhd",
            (version, 6 | u32::from(self.enabled)),
            |out| {
                put_times(out, version);
                out.put_u32(self.id);
                out.put_u32(0);
                put_duration(out, version, duration);
                out.put_bytes(0, 8);
                out.put_u16(0);
                out.put_u16(self.alternate_group);
                out.put_u16(volume);
                out.put_u16(0);
                unity_matrix(out);
                // 16.16 fixed point; a picture side has at most 16 bits.
                out.put_u32(width << 16);
                out.put_u32(height << 16);
            },
        );
    }

    fn media(&self, out: &mut BytesMut, duration: u64, tables: impl FnOnce(&mut BytesMut)) {
        let (handler, name): (_, &[u8]) = match self.kind {
            Kind::Audio => (b"soun", b"Audio\0"),
            _ => (b"vide", b"Video\0"),
        };
        plain(out, b"mdia", |out| {
            let version = version(duration);
            full(out, b"mdhd", (version, 0), |out| {
                put_times(out, version);
                out.put_u32(self.timescale);
                put_duration(out, version, duration);
                out.put_u16(LANGUAGE_UNDETERMINED);
                out.put_u16(0);
            });
            full(out, b"hdlr", (0, 0), |out| {
                out.put_u32(0);
                out.put_slice(handler);
                out.put_bytes(0, 12);
                out.put_slice(name);
            });
            plain(out, b"minf", |out| {
                match self.kind {
                    Kind::Audio => full(out, b"smhd", (0, 0), |out| out.put_bytes(0, 4)),
                    _ => full(out, b"vmhd", (0, 1), |out| out.put_bytes(0, 8)),
                }
                data_information(out);
                plain(out, b"stbl", |out| {
                    full(out, b"stsd", (0, 0), |out| {
                        out.put_u32(1);
                        out.put_slice(&self.entry);
                    });
                    tables(out);
                    if self.entry.get(4..8) == Some(b"Opus") {
                        roll_recovery(out, OPUS_ROLL);
                    }
                });
            });
        });
    }
}

/// §8.2.2. The duration, in `timescale`, is zero where all media is in fragments.
pub(super) fn header(out: &mut BytesMut, timescale: u32, duration: u64, tracks: u32) {
    let version = version(duration);
    full(out, b"mvhd", (version, 0), |out| {
        put_times(out, version);
        out.put_u32(timescale);
        put_duration(out, version, duration);
        out.put_u32(0x0001_0000);
        out.put_u16(0x0100);
        out.put_bytes(0, 10);
        unity_matrix(out);
        out.put_bytes(0, 24);
        out.put_u32(tracks + 1);
    });
}

/// §8.8.1, §8.8.3: samples are in fragments, which bring their own defaults.
pub(super) fn extends(out: &mut BytesMut, ids: impl IntoIterator<Item = u32>) {
    plain(out, b"mvex", |out| {
        for id in ids {
            full(out, b"trex", (0, 0), |out| {
                out.put_u32(id);
                out.put_u32(1);
                out.put_bytes(0, 12);
            });
        }
    });
}

/// §8.6, §8.7: tables that are empty because all samples are in fragments.
pub(super) fn no_samples(out: &mut BytesMut) {
    full(out, b"stts", (0, 0), |out| out.put_u32(0));
    full(out, b"stsc", (0, 0), |out| out.put_u32(0));
    full(out, b"stsz", (0, 0), |out| out.put_bytes(0, 8));
    full(out, b"stco", (0, 0), |out| out.put_u32(0));
}

/// §8.9.3, §10.1: samples, all of which are in this group, sound as they should when so many before them were decoded.
fn roll_recovery(out: &mut BytesMut, distance: i16) {
    full(out, b"sgpd", (2, 0), |out| {
        out.put_slice(b"roll");
        out.put_u32(2);
        out.put_u32(1);
        out.put_u32(1);
        out.put_i16(distance);
    });
}

/// §8.7.1: the media is in this very file.
fn data_information(out: &mut BytesMut) {
    plain(out, b"dinf", |out| {
        full(out, b"dref", (0, 0), |out| {
            out.put_u32(1);
            full(out, b"url ", (0, 1), |_| {});
        });
    });
}

/// Version 1 of the headers has 64 bits for times.
fn version(duration: u64) -> u8 {
    u8::from(duration >= u64::from(u32::MAX))
}

/// Creation and modification: not said.
fn put_times(out: &mut BytesMut, version: u8) {
    out.put_bytes(0, if version == 0 { 8 } else { 16 });
}

fn put_duration(out: &mut BytesMut, version: u8, duration: u64) {
    match version {
        0 => out.put_u32(duration as u32),
        _ => out.put_u64(duration),
    }
}

fn unity_matrix(out: &mut BytesMut) {
    for value in [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000] {
        out.put_u32(value);
    }
}

/// `und` in three groups of five bits (ISO 639-2/T).
const LANGUAGE_UNDETERMINED: u16 = 0x55C4;

/// A decoder of Opus needs 80 ms ("Encapsulation of Opus in ISO Base Media File Format" §4.3.6.2): so many packets of
/// 2.5 ms, the shortest there are, as their length may change within a track.
const OPUS_ROLL: i16 = -32;
