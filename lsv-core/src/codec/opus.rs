//! Opus: the identification header (RFC 7845 §5.1) and the length of packets (RFC 6716 §3).

use bytes::Bytes;

use super::{InvalidConfig, MAX_RECORD_BYTES};
use crate::wire::{Reader, Truncated};

/// Opus is always counted at 48 kHz, whatever was recorded.
pub const SAMPLE_RATE: u32 = 48_000;

/// A parsed identification header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The record as it came; it may be empty (E-RTMP v2 "Enhanced Audio"), which says one stream of two channels.
    pub record: Bytes,
    /// The number of output channels.
    pub channels: u8,
    /// Samples at 48 kHz that a decoder drops from its first output.
    pub pre_skip: u16,
    /// The sampling rate of what was recorded, for information; 0 when unknown.
    pub input_sample_rate: u32,
    /// The gain that a decoder applies, in dB with 8 bits behind the point.
    pub output_gain: i16,
    /// The channel mapping family: 0 is mono or stereo, 1 the order of Vorbis for up to 8 channels.
    pub mapping_family: u8,
    /// How streams make channels; families other than 0 have it.
    pub mapping: Option<Mapping>,
}

/// A channel mapping table (RFC 7845 §5.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Streams in each packet, at least 1.
    pub streams: u8,
    /// How many of them have two channels.
    pub coupled: u8,
    /// For each output channel the decoded one that it plays; 255 is silence.
    pub table: Bytes,
}

impl Config {
    /// Parses `record`.
    ///
    /// # Errors
    /// [`InvalidConfig`] where it is not an identification header of version 0, or its mapping points nowhere.
    pub fn parse(record: Bytes) -> Result<Self, InvalidConfig> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(InvalidConfig::TooLong(record.len()));
        }
        if record.is_empty() {
            return Ok(Self::unsaid());
        }
        let mut reader = Reader::new(&record);
        if reader.take(MAGIC.len())? != MAGIC {
            return Err(InvalidConfig::Field("signature"));
        }
        if reader.u8()? >> 4 != 0 {
            return Err(InvalidConfig::Field("version"));
        }
        let channels = reader.u8()?;
        let pre_skip = reader.u16()?.swap_bytes();
        let input_sample_rate = reader.u32()?.swap_bytes();
        let output_gain = reader.u16()?.swap_bytes().cast_signed();
        let mapping_family = reader.u8()?;
        let most = match mapping_family {
            0 => 2,
            1 => 8,
            _ => u8::MAX,
        };
        if channels == 0 || channels > most {
            return Err(InvalidConfig::Field("number of channels"));
        }
        let mapping = match mapping_family {
            0 => None,
            _ => Some(Mapping::parse(&mut reader, channels)?),
        };
        Ok(Self {
            channels,
            pre_skip,
            input_sample_rate,
            output_gain,
            mapping_family,
            mapping,
            record,
        })
    }

    /// What an empty header stands for.
    fn unsaid() -> Self {
        Self {
            record: Bytes::new(),
            channels: 2,
            pre_skip: 0,
            input_sample_rate: 0,
            output_gain: 0,
            mapping_family: 0,
            mapping: None,
        }
    }

    /// The codec string, as the sample entry is named.
    pub fn rfc6381(&self) -> String {
        "Opus".to_owned()
    }
}

impl Mapping {
    fn parse(reader: &mut Reader<'_>, channels: u8) -> Result<Self, InvalidConfig> {
        let (streams, coupled) = (reader.u8()?, reader.u8()?);
        let table = reader.take(usize::from(channels))?;
        let decoded = u16::from(streams) + u16::from(coupled);
        if streams == 0 || coupled > streams || decoded > 255 {
            return Err(InvalidConfig::Field("number of streams"));
        }
        let is_there = |entry: &u8| *entry == SILENT || u16::from(*entry) < decoded;
        match table.iter().all(is_there) {
            true => Ok(Self {
                streams,
                coupled,
                table: Bytes::copy_from_slice(table),
            }),
            false => Err(InvalidConfig::Field("channel mapping")),
        }
    }
}

/// The samples at 48 kHz of each channel that `packet` plays for, by its first bytes (RFC 6716 §3.1, §3.2); of several
/// streams in one packet all have the same. `None` for what is no packet: an empty one, or one of more than 120 ms.
pub fn samples(packet: &[u8]) -> Option<u32> {
    let read = || -> Result<u32, Truncated> {
        let mut reader = Reader::new(packet);
        let toc = reader.u8()?;
        let frame = frame_samples(toc >> 3);
        Ok(match toc & 3 {
            0 => frame,
            1 | 2 => frame * 2,
            _ => frame * u32::from(reader.u8()? & 0x3F),
        })
    };
    read().ok().filter(|n| (1..=MAX_PACKET_SAMPLES).contains(n))
}

/// RFC 6716 table 2.
fn frame_samples(configuration: u8) -> u32 {
    let size = u32::from(configuration & 3);
    match configuration {
        // SILK: 10, 20, 40, 60 ms.
        0..12 if size == 3 => 2880,
        0..12 => 480 << size,
        // Hybrid: 10, 20 ms.
        12..16 => 480 << (size & 1),
        // CELT: 2.5, 5, 10, 20 ms.
        _ => 120 << size,
    }
}

const MAGIC: &[u8] = b"OpusHead";
const SILENT: u8 = 255;
/// 120 ms.
const MAX_PACKET_SAMPLES: u32 = 5760;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As libopus in FFmpeg 9 sends it: stereo, 312 samples to drop.
    const STEREO: &[u8] = b"OpusHead\x01\x02\x38\x01\x80\xBB\0\0\0\0\0";
    /// The same in six channels.
    const SURROUND: &[u8] =
        b"OpusHead\x01\x06\x38\x01\x80\xBB\0\0\0\0\x01\x04\x02\0\x04\x01\x02\x03\x05";

    fn config(record: &'static [u8]) -> Result<Config, InvalidConfig> {
        Config::parse(Bytes::from_static(record))
    }

    #[test]
    fn identification_headers() {
        let stereo = config(STEREO).unwrap();
        assert_eq!(
            (stereo.channels, stereo.pre_skip, stereo.input_sample_rate),
            (2, 312, 48_000)
        );
        assert_eq!((stereo.mapping, stereo.output_gain), (None, 0));
        let surround = config(SURROUND).unwrap();
        let mapping = surround.mapping.unwrap();
        assert_eq!((mapping.streams, mapping.coupled), (4, 2));
        assert_eq!(mapping.table[..], [0, 4, 1, 2, 3, 5]);
        let unsaid = config(b"").unwrap();
        assert_eq!((unsaid.channels, unsaid.rfc6381().as_str()), (2, "Opus"));
    }

    #[test]
    fn unusable_headers() {
        for (at, byte, field) in [
            (0, b'o', "signature"),
            (8, 0x10, "version"),
            (9, 0, "number of channels"),
            (9, 9, "number of channels"),
            (19, 0, "number of streams"),
            (20, 5, "number of streams"),
            (26, 6, "channel mapping"),
        ] {
            let mut record = SURROUND.to_vec();
            record[at] = byte;
            assert_eq!(
                Config::parse(record.into()),
                Err(InvalidConfig::Field(field)),
                "{at}"
            );
        }
        for end in 1..SURROUND.len() {
            let cut = Bytes::from_static(&SURROUND[..end]);
            assert_eq!(Config::parse(cut), Err(InvalidConfig::Truncated), "{end}");
        }
    }

    #[test]
    fn packets_say_how_long_they_are() {
        for (packet, length) in [
            // SILK 60 ms; hybrid 20 ms; CELT 2.5 and 20 ms.
            (&[0x18][..], Some(2880)),
            (&[0x68], Some(960)),
            (&[0x80], Some(120)),
            (&[0xFC], Some(960)),
            // Two frames, then as many as are said.
            (&[0xF9], Some(1920)),
            (&[0xFB, 3], Some(2880)),
            (&[0xFB, 6 | 0xC0], Some(5760)),
            (&[0xFB, 7], None),
            (&[0xFB, 0], None),
            (&[0xFB], None),
            (&[], None),
        ] {
            assert_eq!(samples(packet), length, "{packet:x?}");
        }
    }

    proptest! {
        #[test]
        fn noise_is_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(config) = Config::parse([STEREO, &bytes].concat().into()) {
                prop_assert!(config.channels > 0);
            }
            prop_assert!(Config::parse(bytes.clone().into()).is_err() || bytes.is_empty());
            prop_assert!(samples(&bytes).is_none_or(|n| n <= MAX_PACKET_SAMPLES));
        }
    }
}
