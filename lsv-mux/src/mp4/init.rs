//! The CMAF header: `ftyp` and `moov` of one track (ISO/IEC 23000-19 §7.3.1).

use bytes::{BufMut, Bytes, BytesMut};
use lsv_core::codec::{aac, avc};
use lsv_core::media::{Codec, Track};
use lsv_core::wire::put_u24;

use super::boxes::{descriptor, full, plain};
use super::{TRACK_ID, timescale};
use crate::Error;

/// The CMAF header of `track`, which a player loads before the track's first fragment.
///
/// # Errors
/// [`Error::Unsupported`] for anything but H.264 and AAC.
pub fn init(track: &Track) -> Result<Bytes, Error> {
    let entry = Entry::of(track)?;
    let mut out = BytesMut::with_capacity(768 + track.codec.config_record().len());
    plain(&mut out, b"ftyp", |out| {
        out.put_slice(b"cmfc");
        out.put_u32(0);
        out.put_slice(b"cmfciso6isommp41");
    });
    plain(&mut out, b"moov", |out| {
        movie_header(out, timescale(track));
        plain(out, b"trak", |out| {
            track_header(out, entry);
            media(out, entry, timescale(track));
        });
        plain(out, b"mvex", track_extends);
    });
    Ok(out.freeze())
}

/// What the boxes differ in from codec to codec.
#[derive(Clone, Copy)]
enum Entry<'a> {
    Avc(&'a avc::Config),
    Aac(&'a aac::Config),
}

impl<'a> Entry<'a> {
    fn of(track: &'a Track) -> Result<Self, Error> {
        match &track.codec {
            Codec::Avc(config) => Ok(Self::Avc(config)),
            Codec::Aac(config) => Ok(Self::Aac(config)),
            other => Err(Error::unsupported("CMAF", other)),
        }
    }

    /// Width and height in pixels, zero for sound.
    fn picture(self) -> (u32, u32) {
        match self {
            Self::Avc(config) => (config.width, config.height),
            Self::Aac(_) => (0, 0),
        }
    }
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
fn track_header(out: &mut BytesMut, entry: Entry<'_>) {
    let (width, height) = entry.picture();
    let volume = match entry {
        Entry::Aac(_) => 0x0100,
        Entry::Avc(_) => 0,
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

fn media(out: &mut BytesMut, entry: Entry<'_>, timescale: u32) {
    let (handler, name): (_, &[u8]) = match entry {
        Entry::Avc(_) => (b"vide", b"Video\0"),
        Entry::Aac(_) => (b"soun", b"Audio\0"),
    };
    plain(out, b"mdia", |out| {
        full(out, b"mdhd", (0, 0), |out| {
            out.put_bytes(0, 8);
            out.put_u32(timescale);
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
            match entry {
                Entry::Avc(_) => full(out, b"vmhd", (0, 1), |out| out.put_bytes(0, 8)),
                Entry::Aac(_) => full(out, b"smhd", (0, 0), |out| out.put_bytes(0, 4)),
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
fn sample_table(out: &mut BytesMut, entry: Entry<'_>) {
    plain(out, b"stbl", |out| {
        full(out, b"stsd", (0, 0), |out| {
            out.put_u32(1);
            match entry {
                Entry::Avc(config) => avc1(out, config),
                Entry::Aac(config) => mp4a(out, config),
            }
        });
        full(out, b"stts", (0, 0), |out| out.put_u32(0));
        full(out, b"stsc", (0, 0), |out| out.put_u32(0));
        full(out, b"stsz", (0, 0), |out| out.put_bytes(0, 8));
        full(out, b"stco", (0, 0), |out| out.put_u32(0));
    });
}

/// ISO/IEC 14496-15 §5.4.2.1 in a `VisualSampleEntry` (14496-12 §12.1.3).
fn avc1(out: &mut BytesMut, config: &avc::Config) {
    plain(out, b"avc1", |out| {
        out.put_bytes(0, 6);
        out.put_u16(1);
        out.put_bytes(0, 16);
        out.put_u16(config.width as u16);
        out.put_u16(config.height as u16);
        out.put_u32(DPI_72);
        out.put_u32(DPI_72);
        out.put_u32(0);
        out.put_u16(1);
        out.put_bytes(0, 32);
        out.put_u16(24);
        out.put_u16(0xFFFF);
        plain(out, b"avcC", |out| out.put_slice(&config.record));
    });
}

/// ISO/IEC 14496-14 §5.6 in an `AudioSampleEntry` (14496-12 §12.2.3).
fn mp4a(out: &mut BytesMut, config: &aac::Config) {
    plain(out, b"mp4a", |out| {
        out.put_bytes(0, 6);
        out.put_u16(1);
        out.put_bytes(0, 8);
        out.put_u16(u16::from(config.channels()));
        out.put_u16(16);
        out.put_u32(0);
        // The field has 16 bits before the point; a higher rate is told by the AudioSpecificConfig alone.
        out.put_u16(u16::try_from(config.sample_rate).unwrap_or(0));
        out.put_u16(0);
        full(out, b"esds", (0, 0), |out| elementary_stream(out, config));
    });
}

/// ISO/IEC 14496-1 §7.2.6.5 and following.
fn elementary_stream(out: &mut BytesMut, config: &aac::Config) {
    descriptor(out, ES_DESCRIPTOR, |out| {
        out.put_u16(0);
        out.put_u8(0);
        descriptor(out, DECODER_CONFIG_DESCRIPTOR, |out| {
            out.put_u8(OBJECT_TYPE_AAC);
            out.put_u8(STREAM_TYPE_AUDIO << 2 | 1);
            // Buffer size and bit rates are not known of a live stream.
            put_u24(out, 0);
            out.put_u32(0);
            out.put_u32(0);
            descriptor(out, DECODER_SPECIFIC_INFO, |out| {
                out.put_slice(&config.record);
            });
        });
        descriptor(out, SL_CONFIG_DESCRIPTOR, |out| out.put_u8(2));
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

/// 72 dots an inch, 16.16: what the standard prescribes.
const DPI_72: u32 = 0x0048_0000;

const ES_DESCRIPTOR: u8 = 3;
const DECODER_CONFIG_DESCRIPTOR: u8 = 4;
const DECODER_SPECIFIC_INFO: u8 = 5;
const SL_CONFIG_DESCRIPTOR: u8 = 6;

/// Audio ISO/IEC 14496-3.
const OBJECT_TYPE_AAC: u8 = 0x40;
const STREAM_TYPE_AUDIO: u8 = 5;
