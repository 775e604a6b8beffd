//! The program association and program map tables (ISO/IEC 13818-1 §2.4.4).

use bytes::{BufMut, BytesMut};
use lsv_core::media::{Codec, Kind, Track};

use super::packet::{self, AUDIO_PID, Counter, PROGRAM_MAP_PID, VIDEO_PID};

/// `stream_type` of a track (§2.4.4.9 table 2-34), `None` where the transport stream does not carry its codec.
pub(super) fn stream_type(track: impl AsRef<Track>) -> Option<u8> {
    match &track.as_ref().codec {
        Codec::Avc(_) => Some(0x1B),
        Codec::Hevc(_) => Some(0x24),
        // ADTS, as far as it can express the configuration.
        Codec::Aac(config) => config.adts_header(0).map(|_| 0x0F),
        _ => None,
    }
}

/// What the one program consists of, and the state of its tables.
#[derive(Debug, Default)]
pub(super) struct Program {
    video: Option<u8>,
    audio: Option<u8>,
    version: u8,
    written: bool,
    association: Counter,
    map: Counter,
}

impl Program {
    /// Says that the program has a stream of `kind` with this type, or has none; true when that is new.
    pub(super) fn announce(&mut self, kind: Kind, stream_type: Option<u8>) -> bool {
        let slot = match kind {
            Kind::Video => &mut self.video,
            Kind::Audio => &mut self.audio,
            Kind::Data => return false,
        };
        if *slot == stream_type {
            return false;
        }
        *slot = stream_type;
        if self.written {
            self.version = (self.version + 1) & 0x1F;
            self.written = false;
        }
        true
    }

    /// The stream that carries the clock.
    pub(super) fn clock_kind(&self) -> Kind {
        if self.video.is_some() || self.audio.is_none() {
            Kind::Video
        } else {
            Kind::Audio
        }
    }

    /// Appends both tables.
    pub(super) fn write(&mut self, out: &mut BytesMut) {
        self.written = true;
        let association = section(PROGRAM_ASSOCIATION, TRANSPORT_STREAM_ID, 0, |out| {
            out.put_u16(PROGRAM_NUMBER);
            out.put_u16(RESERVED_3 | PROGRAM_MAP_PID);
        });
        packet::write_section(out, 0, &mut self.association, &association);
        let clock_pid = match (self.clock_kind(), self.video) {
            (Kind::Audio, _) => AUDIO_PID,
            (_, Some(_)) => VIDEO_PID,
            _ => NO_PID,
        };
        let map = section(PROGRAM_MAP, PROGRAM_NUMBER, self.version, |out| {
            out.put_u16(RESERVED_3 | clock_pid);
            out.put_u16(RESERVED_4);
            let streams = [(self.video, VIDEO_PID), (self.audio, AUDIO_PID)];
            for (stream_type, pid) in streams {
                if let Some(stream_type) = stream_type {
                    out.put_u8(stream_type);
                    out.put_u16(RESERVED_3 | pid);
                    out.put_u16(RESERVED_4);
                }
            }
        });
        packet::write_section(out, PROGRAM_MAP_PID, &mut self.map, &map);
    }
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
/// Four reserved bits before the length of descriptors, which is 0.
const RESERVED_4: u16 = 0xF000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_the_check_string() {
        assert_eq!(crc32(b"123456789"), 0x0376_E6E7);
    }

    #[test]
    fn tables_vector() {
        let mut program = Program::default();
        program.announce(Kind::Video, Some(0x1B));
        program.announce(Kind::Audio, Some(0x0F));
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
        let mut version = |video| {
            program.announce(Kind::Video, video);
            let mut out = BytesMut::new();
            program.write(&mut out);
            (out[188 + 10] >> 1) & 0x1F
        };
        assert_eq!(
            [version(Some(0x1B)), version(Some(0x1B)), version(None)],
            [0, 0, 1]
        );
    }
}
