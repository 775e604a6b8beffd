//! AAC: the `AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1).

use bytes::Bytes;

use super::{InvalidConfig, MAX_RECORD_BYTES};
use crate::wire::{BitReader, Truncated};

mod program;

/// Samples in one access unit of AAC LC and of the core of HE-AAC.
pub const SAMPLES_PER_FRAME: u32 = 1024;

/// A parsed `AudioSpecificConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The record as it came.
    pub record: Bytes,
    /// The audio object type that a decoder has to know for all of the sound: 2 is LC, 5 SBR (HE-AAC), 29 PS (HE-AAC
    /// v2). SBR that is not signalled cannot be told.
    pub object_type: u8,
    /// The audio object type of the core: 2 under SBR and PS.
    pub core_object_type: u8,
    /// The sampling rate of the core in Hz.
    pub sample_rate: u32,
    /// The sampling rate of what comes out in Hz: with SBR signalled usually twice that of the core.
    pub output_sample_rate: u32,
    /// The sampling frequency index for ADTS; 15 when the rate was given in full.
    pub frequency_index: u8,
    /// The channel configuration: 1 mono, 2 stereo, ... 7 is 7.1; 0 when the program configuration says it.
    pub channel_configuration: u8,
    /// Where the channel configuration is 0: the `program_config_element` as it stands in front of a raw data block.
    pub program: Option<Bytes>,
    /// Samples of the core in one access unit: 1,024, or 960 where the record says so; low-delay types have half.
    pub samples_per_frame: u32,
    channels: u8,
}

impl Config {
    /// Parses `record`.
    ///
    /// # Errors
    /// [`InvalidConfig`] where it is cut short, or has a value without meaning.
    pub fn parse(record: Bytes) -> Result<Self, InvalidConfig> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(InvalidConfig::TooLong(record.len()));
        }
        let mut bits = BitReader::new(&record);
        let first_type = object_type(&mut bits)?;
        let (frequency_index, sample_rate) = frequency(&mut bits)?;
        let channel_configuration = bits.bits(4)? as u8;
        let mut extension = Extension::none(sample_rate);
        let mut core_object_type = first_type;
        if matches!(first_type, SBR | PS) {
            let (_, output) = frequency(&mut bits)?;
            if !is_extended(sample_rate, output) {
                return Err(InvalidConfig::Field("extension sampling frequency"));
            }
            extension = Extension {
                object_type: Some(first_type),
                sample_rate: output,
            };
            core_object_type = object_type(&mut bits)?;
        }
        let mut core = Core::of(core_object_type);
        if core.is_general {
            core.read(&mut bits, channel_configuration)?;
            if extension.object_type.is_none() {
                extension.read(&mut bits);
            }
        }
        let channels = match core.program {
            Some(ref program) => program.channels,
            None => channels(channel_configuration)?,
        };
        let object_type = extension.object_type.unwrap_or(first_type);
        Ok(Self {
            object_type,
            core_object_type,
            sample_rate,
            output_sample_rate: extension.sample_rate,
            frequency_index,
            channel_configuration,
            samples_per_frame: core.samples(),
            // Parametric stereo makes two channels of one.
            channels: if object_type == PS {
                channels.max(2)
            } else {
                channels
            },
            program: core.program.map(|program| program.element),
            record,
        })
    }

    /// The number of channels that come out.
    pub fn channels(&self) -> u8 {
        self.channels
    }

    /// Samples of what comes out in one access unit, at [`Config::output_sample_rate`].
    pub fn output_samples(&self) -> u32 {
        let samples = u64::from(self.samples_per_frame) * u64::from(self.output_sample_rate);
        let samples = samples / u64::from(self.sample_rate.max(1));
        u32::try_from(samples).unwrap_or(u32::MAX)
    }

    /// The codec string of RFC 6381, such as `mp4a.40.2`.
    pub fn rfc6381(&self) -> String {
        format!("mp4a.40.{}", self.object_type)
    }

    /// The ADTS header of a raw access unit of `length` bytes (ISO/IEC 14496-3 §1.A.2.2), with the program
    /// configuration if there is one. `None` when ADTS cannot say it: object types above 4, a rate given in full, frames
    /// of other than 1,024 samples, more than the first seven channel configurations, or a unit of 8 KiB and more.
    pub fn adts_header(&self, length: usize) -> Option<[u8; 7]> {
        let profile = match self.core_object_type {
            // SBR is then signalled implicitly.
            core @ 1..=4 => core - 1,
            _ => return None,
        };
        let full = u16::try_from(length.checked_add(7)?)
            .ok()
            .filter(|n| *n < 1 << 13)?;
        let channels = self.channel_configuration;
        if self.frequency_index >= 13 || self.samples_per_frame != SAMPLES_PER_FRAME || channels > 7
        {
            return None;
        }
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

/// What is specific to the object type of the core.
struct Core {
    is_general: bool,
    object_type: u8,
    short: bool,
    program: Option<program::Program>,
}

impl Core {
    fn of(object_type: u8) -> Self {
        Self {
            is_general: matches!(object_type, 1..=4 | 6 | 7 | 17 | 19..=23),
            object_type,
            short: false,
            program: None,
        }
    }

    /// `GASpecificConfig` (§4.4.1). A record that ends right in front of it means frames of 1,024 samples.
    fn read(
        &mut self,
        bits: &mut BitReader<'_>,
        channel_configuration: u8,
    ) -> Result<(), InvalidConfig> {
        let tail = |bits: &mut BitReader<'_>| -> Result<bool, Truncated> {
            if bits.bit()? {
                // The delay of the core coder.
                bits.skip(14)?;
            }
            bits.bit()
        };
        self.short = bits.bit().unwrap_or(false);
        let extended = tail(bits);
        if channel_configuration == 0 {
            extended?;
            self.program = Some(program::Program::read(bits)?);
        }
        if matches!(self.object_type, 6 | 20) {
            bits.skip(3).ok();
        }
        if extended.unwrap_or(false) {
            let length = match self.object_type {
                22 => 5 + 11 + 1,
                17 | 19 | 20 | 23 => 3 + 1,
                _ => 1,
            };
            bits.skip(length).ok();
        }
        Ok(())
    }

    fn samples(&self) -> u32 {
        let full = if self.short { 960 } else { SAMPLES_PER_FRAME };
        match self.object_type {
            LOW_DELAY => full / 2,
            _ => full,
        }
    }
}

/// SBR and PS, which double the rate or the channels of the core.
struct Extension {
    object_type: Option<u8>,
    sample_rate: u32,
}

impl Extension {
    fn none(sample_rate: u32) -> Self {
        Self {
            object_type: None,
            sample_rate,
        }
    }

    /// The backward-compatible signalling at the end of the record (§1.6.2.1, §1.6.6.2); without it there is none.
    fn read(&mut self, bits: &mut BitReader<'_>) {
        let mut read = || -> Result<(), InvalidConfig> {
            if bits.bits(11)? != SBR_SYNC || object_type(bits)? != SBR || !bits.bit()? {
                return Ok(());
            }
            let (_, output) = frequency(bits)?;
            if !is_extended(self.sample_rate, output) {
                return Ok(());
            }
            self.sample_rate = output;
            self.object_type = Some(SBR);
            if bits.bits(11)? == PS_SYNC && bits.bit()? {
                self.object_type = Some(PS);
            }
            Ok(())
        };
        // What follows a core that is whole may be anything.
        read().ok();
    }
}

/// Whether SBR can make sound at the rate `output` of a core at `core`: it doubles the rate, or leaves it (§4.6.18.2).
/// Encoders round.
fn is_extended(core: u32, output: u32) -> bool {
    (core..=core * 2).contains(&output)
}

/// ISO/IEC 14496-3 table 1.19.
fn channels(configuration: u8) -> Result<u8, InvalidConfig> {
    match configuration {
        0 => Ok(2),
        n @ 1..=6 => Ok(n),
        11 => Ok(7),
        7 | 12 | 14 => Ok(8),
        13 => Ok(24),
        _ => Err(InvalidConfig::Field("channel configuration")),
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
        None if index == 15 => bits.bits(24)?,
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

const SBR: u8 = 5;
const PS: u8 = 29;
/// ER AAC LD.
const LOW_DELAY: u8 = 23;
/// `syncExtensionType` in front of SBR and of PS.
const SBR_SYNC: u32 = 0x2B7;
const PS_SYNC: u32 = 0x548;

#[cfg(test)]
mod tests;
