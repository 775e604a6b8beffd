//! AAC: the `AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1).

use bytes::Bytes;

use super::{InvalidConfig, MAX_RECORD_BYTES};
use crate::wire::{BitReader, Truncated};

/// Samples in one access unit of AAC LC and of the core of HE-AAC.
pub const SAMPLES_PER_FRAME: u32 = 1024;

/// A parsed `AudioSpecificConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The record as it came.
    pub record: Bytes,
    /// The audio object type: 2 is LC, 5 SBR (HE-AAC), 29 PS (HE-AAC v2).
    pub object_type: u8,
    /// The sampling rate of the core in Hz; with SBR signalled the output has twice as much.
    pub sample_rate: u32,
    /// The sampling frequency index for ADTS; 15 when the rate was given in full.
    pub frequency_index: u8,
    /// The channel configuration: 1 mono, 2 stereo, ... 7 is 7.1; 0 when it is given elsewhere.
    pub channel_configuration: u8,
    /// Samples in one access unit: 1,024, or 960 where the record says so.
    pub samples_per_frame: u32,
}

impl Config {
    /// Parses `record`.
    pub fn parse(record: Bytes) -> Result<Self, InvalidConfig> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(InvalidConfig::TooLong(record.len()));
        }
        let mut bits = BitReader::new(&record);
        let object_type = object_type(&mut bits)?;
        let (frequency_index, sample_rate) = frequency(&mut bits)?;
        let channel_configuration = bits.bits(4)? as u8;
        if channel_configuration > 7 {
            return Err(InvalidConfig::Field("channel configuration"));
        }
        let core_type = if matches!(object_type, 5 | 29) {
            frequency(&mut bits)?;
            self::object_type(&mut bits)?
        } else {
            object_type
        };
        // frameLengthFlag of GASpecificConfig; a record cut right before it means 1,024.
        let general_audio = matches!(core_type, 1..=4 | 6 | 7 | 17 | 19..=23);
        let short = general_audio && bits.bit().unwrap_or(false);
        Ok(Self {
            object_type,
            sample_rate,
            frequency_index,
            channel_configuration,
            samples_per_frame: if short { 960 } else { SAMPLES_PER_FRAME },
            record,
        })
    }

    /// The number of channels.
    pub fn channels(&self) -> u8 {
        match self.channel_configuration {
            0 => 2,
            7 => 8,
            n => n,
        }
    }

    /// The codec string of RFC 6381, such as `mp4a.40.2`.
    pub fn rfc6381(&self) -> String {
        format!("mp4a.40.{}", self.object_type)
    }

    /// The ADTS header of a raw access unit of `length` bytes (ISO/IEC 14496-3 §1.A.2.2), `None` when ADTS cannot
    /// say it: object types above 4 other than SBR and PS, a rate given in full, frames of 960 samples, or a unit of
    /// 8 KiB and more.
    pub fn adts_header(&self, length: usize) -> Option<[u8; 7]> {
        let profile = match self.object_type {
            1..=4 => self.object_type - 1,
            // The core of HE-AAC is LC; SBR is then signalled implicitly.
            5 | 29 => 1,
            _ => return None,
        };
        let full = u16::try_from(length.checked_add(7)?)
            .ok()
            .filter(|n| *n < 1 << 13)?;
        if self.frequency_index >= 13 || self.samples_per_frame != SAMPLES_PER_FRAME {
            return None;
        }
        let channels = self.channel_configuration;
        let [high, low] = full.to_be_bytes();
        Some([
            0xFF,
            0xF1,
            (profile << 6) | (self.frequency_index << 2) | (channels >> 2),
            ((channels & 3) << 6) | (high >> 3),
            (high << 5) | (low >> 3),
            (low << 5) | 0x1F,
            0xFC,
        ])
    }
}

fn object_type(bits: &mut BitReader<'_>) -> Result<u8, InvalidConfig> {
    let short = bits.bits(5)?;
    let object_type = if short == 31 {
        32 + bits.bits(6)?
    } else {
        short
    };
    match object_type as u8 {
        0 => Err(InvalidConfig::Field("audio object type")),
        known => Ok(known),
    }
}

fn frequency(bits: &mut BitReader<'_>) -> Result<(u8, u32), InvalidConfig> {
    let index = bits.bits(4)? as u8;
    let rate = match FREQUENCIES.get(usize::from(index)) {
        Some(rate) => *rate,
        None if index == 15 => bits
            .bits(24)
            .map_err(|Truncated { .. }| InvalidConfig::Truncated)?,
        None => return Err(InvalidConfig::Field("sampling frequency index")),
    };
    if rate == 0 || rate > MAX_SAMPLE_RATE {
        return Err(InvalidConfig::Field("sampling frequency"));
    }
    Ok((index, rate))
}

/// ISO/IEC 14496-3 table 1.18.
const FREQUENCIES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// Nothing records faster; more would only overflow time scales.
const MAX_SAMPLE_RATE: u32 = 192_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn config(record: &'static [u8]) -> Config {
        Config::parse(Bytes::from_static(record)).unwrap()
    }

    #[test]
    fn lc_stereo() {
        let lc = config(&[0x12, 0x10]);
        assert_eq!(
            (lc.object_type, lc.sample_rate, lc.channels()),
            (2, 44_100, 2)
        );
        assert_eq!(lc.rfc6381(), "mp4a.40.2");
        assert_eq!(lc.samples_per_frame, 1024);
        // As ffmpeg's ADTS muxer writes it for a unit of 371 bytes (378 with the header).
        assert_eq!(
            lc.adts_header(371),
            Some([0xFF, 0xF1, 0x50, 0x80, 0x2F, 0x5F, 0xFC])
        );
        assert_eq!(lc.adts_header(8192), None);
        let short_frames = config(&[0x12, 0x14]);
        assert_eq!(short_frames.samples_per_frame, 960);
        assert_eq!(short_frames.adts_header(371), None);
    }

    #[test]
    fn he_aac_signalled_explicitly() {
        // SBR, core 24 kHz, stereo, output 48 kHz, core LC.
        let he = config(&[0x2B, 0x11, 0x88, 0x00]);
        assert_eq!(
            (he.object_type, he.sample_rate, he.channels()),
            (5, 24_000, 2)
        );
        assert_eq!(he.rfc6381(), "mp4a.40.5");
    }

    #[test]
    fn unusable_records() {
        for record in [
            &[][..],
            &[0x12],
            &[0x00, 0x10],
            &[0x17, 0x00],
            &[0x16, 0xF0],
        ] {
            assert!(
                Config::parse(Bytes::copy_from_slice(record)).is_err(),
                "{record:x?}"
            );
        }
    }
}
