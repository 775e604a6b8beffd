//! The CMAF header: `ftyp` and `moov` of one track (ISO/IEC 23000-19 §7.3.1).

use bytes::{BufMut, Bytes, BytesMut};
use lsv_core::media::{Kind, Track};

use super::boxes::{full, plain};
use super::{TRACK_ID, entry, timescale};
use crate::Error;

/// The CMAF header of `track`, which a player loads before the track's first fragment.
///
/// # Errors
/// [`Error::Unsupported`] for script data, and for a codec that has no sample entry here.
pub fn init(track: &Track) -> Result<Bytes, Error> {
    let entry = entry::sample_entry(track)?;
    let mut out = BytesMut::with_capacity(640 + entry.len());
    plain(&mut out, b"ftyp", |out| {
        out.put_slice(b"cmfc");
        out.put_u32(0);
        out.put_slice(b"cmfciso6isommp41");
    });
    plain(&mut out, b"moov", |out| {
        movie_header(out, timescale(track));
        plain(out, b"trak", |out| {
            track_header(out, track);
            media(out, track, &entry);
        });
        plain(out, b"mvex", track_extends);
    });
    Ok(out.freeze())
}

/// ISO/IEC 14496-12 §8.2.2. The duration is zero: all media is in fragments.
fn movie_header(out: &mut BytesMut, timescale: u32) {
    full(out, b"mvhd", (0, 0), |out| {
        out.put_bytes(0, 8);
        out.put_u32(timescale);
        out.put_u32(0);
        out.put_u32(0x0001_0000);
        out.put_u16(0x0100);
        out.put_bytes(0, 10);
        unity_matrix(out);
        out.put_bytes(0, 24);
        out.put_u32(TRACK_ID + 1);
    });
}

/// ISO/IEC 14496-12 §8.3.2. Enabled, in the movie and in its preview.
fn track_header(out: &mut BytesMut, track: &Track) {
    let picture = track.codec.picture();
    let (width, height) = picture.map_or((0, 0), |picture| (picture.width, picture.height));
    let volume = match track.kind {
        Kind::Audio => 0x0100,
        _ => 0,
    };
    full(out, b"tkhd", (0, 7), |out| {
        out.put_bytes(0, 8);
        out.put_u32(TRACK_ID);
        out.put_bytes(0, 4 + 4 + 8);
        out.put_u16(0);
        out.put_u16(0);
        out.put_u16(volume);
        out.put_u16(0);
        unity_matrix(out);
        // 16.16 fixed point; a picture side has at most 15 bits.
        out.put_u32(width << 16);
        out.put_u32(height << 16);
    });
}

fn media(out: &mut BytesMut, track: &Track, entry: &[u8]) {
    let (handler, name): (_, &[u8]) = match track.kind {
        Kind::Audio => (b"soun", b"Audio\0"),
        _ => (b"vide", b"Video\0"),
    };
    plain(out, b"mdia", |out| {
        full(out, b"mdhd", (0, 0), |out| {
            out.put_bytes(0, 8);
            out.put_u32(timescale(track));
            out.put_u32(0);
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
            match track.kind {
                Kind::Audio => full(out, b"smhd", (0, 0), |out| out.put_bytes(0, 4)),
                _ => full(out, b"vmhd", (0, 1), |out| out.put_bytes(0, 8)),
            }
            data_information(out);
            sample_table(out, entry);
        });
    });
}

/// ISO/IEC 14496-12 §8.7.1: the media is in this very file.
fn data_information(out: &mut BytesMut) {
    plain(out, b"dinf", |out| {
        full(out, b"dref", (0, 0), |out| {
            out.put_u32(1);
            full(out, b"url ", (0, 1), |_| {});
        });
    });
}

/// ISO/IEC 14496-12 §8.5.1: a sample entry, and tables that are empty because all samples are in fragments.
fn sample_table(out: &mut BytesMut, entry: &[u8]) {
    plain(out, b"stbl", |out| {
        full(out, b"stsd", (0, 0), |out| {
            out.put_u32(1);
            out.put_slice(entry);
        });
        full(out, b"stts", (0, 0), |out| out.put_u32(0));
        full(out, b"stsc", (0, 0), |out| out.put_u32(0));
        full(out, b"stsz", (0, 0), |out| out.put_bytes(0, 8));
        full(out, b"stco", (0, 0), |out| out.put_u32(0));
    });
}

/// ISO/IEC 14496-12 §8.8.3. Fragments bring their own defaults.
fn track_extends(out: &mut BytesMut) {
    full(out, b"trex", (0, 0), |out| {
        out.put_u32(TRACK_ID);
        out.put_u32(1);
        out.put_bytes(0, 12);
    });
}

fn unity_matrix(out: &mut BytesMut) {
    for value in [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000] {
        out.put_u32(value);
    }
}

/// `und` in three groups of five bits (ISO 639-2/T).
const LANGUAGE_UNDETERMINED: u16 = 0x55C4;
