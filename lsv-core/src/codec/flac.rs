//! FLAC: the stream information and the block size of frames (RFC 9639 §8.2, §9.1).

use bytes::Bytes;

use super::{InvalidConfig, MAX_RECORD_BYTES};
use crate::wire::{BitReader, Reader, Truncated, subslice};

/// A parsed header as Enhanced RTMP carries it: the signature `fLaC`, then metadata blocks of which the first is
/// STREAMINFO. FFmpeg 9 sends that block's content alone, which is taken as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The record as it came.
    pub record: Bytes,
    /// The 34 bytes of STREAMINFO.
    pub stream_info: Bytes,
    /// Samples a second of each channel.
    pub sample_rate: u32,
    /// The number of channels, 1 to 8.
    pub channels: u8,
    /// Bits in a sample, 4 to 32.
    pub bits_per_sample: u8,
    /// The most samples of each channel that a frame has.
    pub max_block_size: u16,
}

impl Config {
    /// Parses `record`; STREAMINFO shares its memory.
    ///
    /// # Errors
    /// [`InvalidConfig`] where the signature or STREAMINFO is missing, or what it says is out of bounds.
    pub fn parse(record: Bytes) -> Result<Self, InvalidConfig> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(InvalidConfig::TooLong(record.len()));
        }
        let stream_info = match record.len() {
            STREAM_INFO_BYTES => &record[..],
            _ => first_block(&record)?,
        };
        let mut bits = BitReader::new(stream_info);
        bits.skip(16)?;
        let max_block_size = bits.bits(16)? as u16;
        // The sizes of the smallest and the greatest frame.
        bits.skip(24 + 24)?;
        let sample_rate = bits.bits(20)?;
        let channels = bits.bits(3)? as u8 + 1;
        let bits_per_sample = bits.bits(5)? as u8 + 1;
        if sample_rate == 0 || sample_rate > MAX_SAMPLE_RATE {
            return Err(InvalidConfig::Field("sampling frequency"));
        }
        if max_block_size < MIN_BLOCK_SIZE {
            return Err(InvalidConfig::Field("block size"));
        }
        if bits_per_sample < 4 {
            return Err(InvalidConfig::Field("sample size"));
        }
        let stream_info = subslice(&record, stream_info);
        Ok(Self {
            stream_info,
            sample_rate,
            channels,
            bits_per_sample,
            max_block_size,
            record,
        })
    }

    /// Whether a decoder that was set up for `other` goes on with this one. FFmpeg sends the header again when it stops,
    /// with sizes and a checksum of all there was.
    pub fn decodes_like(&self, other: &Self) -> bool {
        let sound = |config: &Self| {
            let samples = (config.bits_per_sample, config.max_block_size);
            (config.sample_rate, config.channels, samples)
        };
        sound(self) == sound(other)
    }

    /// The codec string, as the sample entry is named.
    pub fn rfc6381(&self) -> String {
        "fLaC".to_owned()
    }
}

fn first_block(record: &[u8]) -> Result<&[u8], InvalidConfig> {
    let mut reader = Reader::new(record);
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(InvalidConfig::Field("signature"));
    }
    let (block_type, length) = (reader.u8()? & 0x7F, reader.u24()?);
    match (block_type, length as usize) {
        (STREAM_INFO, STREAM_INFO_BYTES) => Ok(reader.take(STREAM_INFO_BYTES)?),
        _ => Err(InvalidConfig::Field("first metadata block")),
    }
}

/// The samples of each channel in `frame`, by its header (RFC 9639 §9.1); `None` where there is none.
pub fn samples(frame: &[u8]) -> Option<u32> {
    block_size(frame).ok().flatten()
}

fn block_size(frame: &[u8]) -> Result<Option<u32>, Truncated> {
    let mut reader = Reader::new(frame);
    if reader.u16()? & 0xFFFE != SYNC {
        return Ok(None);
    }
    let code = reader.u8()? >> 4;
    // Channels, sample size.
    reader.u8()?;
    Ok(match code {
        1 => Some(192),
        2..=5 => Some(576 << (code - 2)),
        6 | 7 => {
            let lead = reader.u8()?;
            // The frame's or sample's number in an extended UTF-8: as many bytes as the first has leading ones.
            match lead.leading_ones() {
                0 => {}
                n @ 2..=7 => {
                    reader.take(n as usize - 1)?;
                }
                _ => return Ok(None),
            }
            Some(match code {
                6 => u32::from(reader.u8()?) + 1,
                _ => u32::from(reader.u16()?) + 1,
            })
        }
        8..=15 => Some(256 << (code - 8)),
        _ => None,
    })
}

const MAGIC: &[u8] = b"fLaC";
const STREAM_INFO: u8 = 0;
const STREAM_INFO_BYTES: usize = 34;
/// Fourteen bits, a reserved one, and the blocking strategy.
const SYNC: u16 = 0xFFF8;
/// What a frame header can say (RFC 9639 §9.1.2).
const MAX_SAMPLE_RATE: u32 = 655_350;
/// RFC 9639 §8.2.
const MIN_BLOCK_SIZE: u16 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 48 kHz, stereo, 16 bits, blocks of 4,608.
    const RECORD: &[u8] = b"fLaC\x80\0\0\x22\x12\0\x12\0\0\0\0\0\0\0\x0B\xB8\x02\xF0\0\0\0\0\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    fn altered(at: usize, byte: u8) -> Result<Config, InvalidConfig> {
        let mut record = RECORD.to_vec();
        record[at] = byte;
        Config::parse(record.into())
    }

    #[test]
    fn stream_information() {
        let config = Config::parse(Bytes::from_static(RECORD)).unwrap();
        assert_eq!((config.sample_rate, config.channels), (48_000, 2));
        assert_eq!((config.bits_per_sample, config.max_block_size), (16, 4608));
        assert_eq!(config.stream_info, RECORD[8..]);
        assert_eq!(config.rfc6381(), "fLaC");
        let alone = Config::parse(Bytes::from_static(&RECORD[8..])).unwrap();
        assert_eq!(alone.stream_info, config.stream_info);
        let (finished, mono) = (altered(41, 1).unwrap(), altered(20, 0xF0 & 0x01).unwrap());
        assert!(finished.decodes_like(&config) && finished != config);
        assert!(!mono.decodes_like(&config));
    }

    #[test]
    fn unusable_headers() {
        for (at, byte, field) in [
            (0, b'F', "signature"),
            (4, 0x84, "first metadata block"),
            (7, 33, "first metadata block"),
            (10, 0, "block size"),
        ] {
            assert_eq!(altered(at, byte), Err(InvalidConfig::Field(field)), "{at}");
        }
        for end in (0..RECORD.len()).filter(|end| *end != STREAM_INFO_BYTES) {
            let cut = Bytes::from_static(&RECORD[..end]);
            assert_eq!(Config::parse(cut), Err(InvalidConfig::Truncated), "{end}");
        }
    }

    #[test]
    fn frames_say_their_block_size() {
        for (frame, size) in [
            (&[0xFF, 0xF8, 0x1A, 0x18, 0][..], Some(192)),
            (&[0xFF, 0xF8, 0x5A, 0x18, 0], Some(4608)),
            (&[0xFF, 0xF9, 0xCA, 0x18, 0], Some(4096)),
            // One byte behind a number of one, two behind one of three.
            (&[0xFF, 0xF8, 0x6A, 0x18, 5, 99, 0], Some(100)),
            (
                &[0xFF, 0xF8, 0x7A, 0x18, 0xE0, 0x80, 0x80, 0x03, 0xE7],
                Some(1000),
            ),
            (&[0xFF, 0xF8, 0x7A, 0x18, 0xE0, 0x80], None),
            (&[0xFF, 0xF8, 0x7A, 0x18, 0x80, 0, 0], None),
            (&[0xFF, 0xF8, 0x0A, 0x18, 0], None),
            (&[0xFF, 0xFB, 0x90, 0x00], None),
            (&[], None),
        ] {
            assert_eq!(samples(frame), size, "{frame:x?}");
        }
    }

    proptest! {
        #[test]
        fn noise_is_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(config) = Config::parse([b"fLaC\0\0\0\x22", &bytes[..]].concat().into()) {
                prop_assert_eq!(config.stream_info.len(), 34);
                prop_assert!(config.sample_rate > 0 && (1..=8).contains(&config.channels));
            }
            prop_assert!(samples(&bytes).is_none_or(|n| (1..=65_536).contains(&n)));
        }
    }
}
