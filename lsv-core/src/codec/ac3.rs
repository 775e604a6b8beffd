//! AC-3 and Enhanced AC-3: what a syncframe says, and how ISO BMFF says it again (ETSI TS 102 366 §4.4, §E.1.3, annex F).
//!
//! Neither has a configuration record: a [`Config`] is what the frames of an access unit have in common.

use bytes::{BufMut, Bytes, BytesMut};

use super::InvalidConfig;
use crate::wire::BitReader;

/// What the frames say of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Samples a second of each channel.
    pub sample_rate: u32,
    /// The number of channels, with those of dependent substreams.
    pub channels: u8,
    /// The bit rate in kbit/s of the access unit that it was read from.
    pub bit_rate_kbps: u16,
    /// `fscod`, `bsid`, `bsmod`, `acmod`, `lfeon` of the (first) independent substream.
    stream: Substream,
    /// Dependent substreams that belong to it, and the speakers that they add (`chan_loc` of annex F).
    dependent: u8,
    locations: u16,
}

/// Fields of a bit stream that ISO BMFF repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Substream {
    rate_code: u8,
    id: u8,
    mode: u8,
    coding_mode: u8,
    low_frequency: bool,
}

impl Config {
    /// Reads the syncframes that `unit`, an AC-3 access unit, starts with.
    ///
    /// # Errors
    /// [`InvalidConfig`] where there is none, or one of Enhanced AC-3.
    pub fn of_ac3(unit: &[u8]) -> Result<Self, InvalidConfig> {
        let frame = Syncframe::parse(unit)?;
        match frame.stream.id <= MAX_AC3_ID {
            true => Ok(Self::of(&frame)),
            false => Err(InvalidConfig::Field("bit stream identification")),
        }
    }

    /// Reads the syncframes of `unit`, an Enhanced AC-3 access unit: an independent substream, and those that depend on it.
    ///
    /// # Errors
    /// [`InvalidConfig`] where it does not start with an independent syncframe.
    pub fn of_eac3(unit: &[u8]) -> Result<Self, InvalidConfig> {
        let first = Syncframe::parse(unit)?;
        if first.dependent || first.substream != 0 {
            return Err(InvalidConfig::Field("substream type"));
        }
        let mut config = Self::of(&first);
        let mut bytes = first.length;
        for frame in syncframes(unit).skip(1).take_while(|frame| frame.dependent) {
            config.dependent = (config.dependent + 1).min(MAX_DEPENDENT);
            config.locations |= frame.locations;
            bytes = bytes.saturating_add(frame.length);
        }
        config.channels = first.channels() + channels_at(config.locations);
        config.bit_rate_kbps = bit_rate_kbps(bytes, first.samples, first.sample_rate);
        Ok(config)
    }

    fn of(frame: &Syncframe) -> Self {
        Self {
            sample_rate: frame.sample_rate,
            channels: frame.channels(),
            bit_rate_kbps: bit_rate_kbps(frame.length, frame.samples, frame.sample_rate),
            stream: frame.stream,
            dependent: 0,
            locations: 0,
        }
    }

    /// Whether a decoder that was set up for `other` goes on with this one: only bit rates differ.
    pub fn decodes_like(&self, other: &Self) -> bool {
        let bit_rate_kbps = other.bit_rate_kbps;
        *other
            == Self {
                bit_rate_kbps,
                ..*self
            }
    }

    /// The content of the box `dac3` (annex F.4).
    pub fn dac3(&self) -> [u8; 3] {
        let stream = &self.stream;
        let known = |rate: &u16| *rate >= self.bit_rate_kbps;
        let rate = BIT_RATES.iter().position(known).unwrap_or(18) as u32;
        let [_, content @ ..] = (u32::from(stream.rate_code) << 22
            | u32::from(stream.id) << 17
            | u32::from(stream.mode) << 14
            | u32::from(stream.coding_mode) << 11
            | u32::from(stream.low_frequency) << 10
            | rate << 5)
            .to_be_bytes();
        content
    }

    /// The content of the box `dec3` (annex F.6).
    pub fn dec3(&self) -> Bytes {
        let stream = &self.stream;
        let mut out = BytesMut::with_capacity(6);
        // One independent substream, which is written as 0.
        out.put_u16(self.bit_rate_kbps.min(MAX_DATA_RATE) << 3);
        out.put_u8(stream.rate_code << 6 | stream.id << 1);
        out.put_u8(stream.mode << 4 | stream.coding_mode << 1 | u8::from(stream.low_frequency));
        // Three reserved bits, four of the number, and then nine of speakers or a reserved one.
        match self.dependent {
            0 => out.put_u8(0),
            n => out.put_u16(u16::from(n) << 9 | self.locations),
        }
        out.freeze()
    }

    /// `acmod`: 1 is mono, 2 stereo, 7 three in front and two behind (ETSI TS 102 366 table 4.3).
    pub fn coding_mode(&self) -> u8 {
        self.stream.coding_mode
    }

    /// `bsid` and `bsmod`.
    pub fn bit_stream(&self) -> (u8, u8) {
        (self.stream.id, self.stream.mode)
    }
}

/// The samples of each channel in `unit`, which may hold several syncframes; `None` where it does not start with one.
pub fn samples(unit: &[u8]) -> Option<u32> {
    let counted = syncframes(unit).filter(|frame| !frame.dependent && frame.substream == 0);
    let samples = counted.map(|frame| frame.samples).sum();
    (samples > 0).then_some(samples)
}

/// The syncframes at the start of `unit`, up to one that cannot be read.
fn syncframes(unit: &[u8]) -> impl Iterator<Item = Syncframe> {
    let mut rest = unit;
    std::iter::from_fn(move || {
        let frame = Syncframe::parse(rest).ok()?;
        rest = rest.get(frame.length..).unwrap_or_default();
        Some(frame)
    })
}

#[derive(Debug, Clone, Copy)]
struct Syncframe {
    /// In bytes, never 0.
    length: usize,
    sample_rate: u32,
    samples: u32,
    stream: Substream,
    /// Its number among those of its type.
    substream: u8,
    dependent: bool,
    locations: u16,
}

impl Syncframe {
    fn parse(frame: &[u8]) -> Result<Self, InvalidConfig> {
        let mut bits = BitReader::new(frame);
        if bits.bits(16)? != SYNC_WORD {
            return Err(InvalidConfig::Field("sync word"));
        }
        // `bsid` stands at the same place in both, and says how to read what is before and behind.
        let mut ahead = bits.clone();
        ahead.skip(24)?;
        match ahead.bits(5)? as u8 {
            id @ 0..=MAX_AC3_ID => Self::ac3(bits, id),
            id @ 11..=MAX_EAC3_ID => Self::eac3(bits, id),
            _ => Err(InvalidConfig::Field("bit stream identification")),
        }
    }

    /// ETSI TS 102 366 §4.4.1, §4.4.2, from behind the sync word.
    fn ac3(mut bits: BitReader<'_>, id: u8) -> Result<Self, InvalidConfig> {
        // A checksum.
        bits.skip(16)?;
        let (rate_code, size_code) = (bits.bits(2)? as u8, bits.bits(6)?);
        bits.skip(5)?;
        let (mode, coding_mode) = (bits.bits(3)? as u8, bits.bits(3)? as u8);
        // Mix levels of the centre and of the surround, and Dolby Surround.
        let has_centre = coding_mode & 1 != 0 && coding_mode != 1;
        let levels = [has_centre, coding_mode & 4 != 0, coding_mode == 2];
        bits.skip(2 * levels.into_iter().filter(|there| *there).count())?;
        let low_frequency = bits.bit()?;
        let full_rate = sample_rate(rate_code)?;
        let bit_rate = BIT_RATES.get(size_code as usize / 2);
        let bit_rate = u32::from(*bit_rate.ok_or(InvalidConfig::Field("frame size"))?);
        let mut words = bit_rate * 1000 * AC3_SAMPLES / 16 / full_rate;
        if full_rate == 44_100 {
            words += size_code & 1;
        }
        Ok(Self {
            length: words as usize * 2,
            // The identifications above 8 stand for half and a quarter of the rate.
            sample_rate: full_rate >> id.saturating_sub(8),
            samples: AC3_SAMPLES,
            stream: Substream {
                rate_code,
                id,
                mode,
                coding_mode,
                low_frequency,
            },
            substream: 0,
            dependent: false,
            locations: 0,
        })
    }

    /// ETSI TS 102 366 §E.1.2.1, §E.1.2.2, from behind the sync word.
    fn eac3(mut bits: BitReader<'_>, id: u8) -> Result<Self, InvalidConfig> {
        let (kind, substream) = (bits.bits(2)?, bits.bits(3)? as u8);
        if kind == 3 {
            return Err(InvalidConfig::Field("substream type"));
        }
        let words = bits.bits(11)? as usize + 1;
        let rate_code = bits.bits(2)? as u8;
        let (sample_rate, blocks) = match rate_code {
            3 => (sample_rate(bits.bits(2)? as u8)? / 2, 6),
            code => {
                let blocks = BLOCKS.get(bits.bits(2)? as usize);
                (sample_rate(code)?, *blocks.unwrap_or(&6))
            }
        };
        let coding_mode = bits.bits(3)? as u8;
        let low_frequency = bits.bit()?;
        // `bsid` once more.
        bits.skip(5)?;
        let dependent = kind == DEPENDENT;
        let mut frame = Self {
            length: words * 2,
            sample_rate,
            samples: blocks * 256,
            stream: Substream {
                rate_code,
                id,
                // It stands behind all of the mixing metadata; complete main is what there is.
                mode: 0,
                coding_mode,
                low_frequency,
            },
            substream,
            dependent,
            locations: 0,
        };
        if dependent {
            frame.locations = locations(bits, coding_mode)?;
        }
        Ok(frame)
    }

    fn channels(&self) -> u8 {
        let mode = usize::from(self.stream.coding_mode);
        let main = CHANNELS.get(mode).copied().unwrap_or(2);
        main + u8::from(self.stream.low_frequency)
    }
}

/// The speakers that a dependent substream adds: `chanmap`, behind the levels of dialogue, as `chan_loc`.
fn locations(mut bits: BitReader<'_>, coding_mode: u8) -> Result<u16, InvalidConfig> {
    // Two independent channels have levels of their own.
    for _ in 0..=u8::from(coding_mode == 0) {
        bits.skip(5)?;
        if bits.bit()? {
            bits.skip(8)?;
        }
    }
    if !bits.bit()? {
        return Ok(0);
    }
    let map = bits.bits(16)?;
    // Bit 0 of the map is the one sent first.
    let is_mapped = |location: u32| map >> (15 - location) & 1;
    let pairs = (0..8).fold(0, |all, n| all | is_mapped(5 + n) << n);
    Ok((pairs | is_mapped(14) << 8) as u16)
}

/// The channels of `chan_loc`: Lc/Rc, Lrs/Rrs, Cs, Ts, Lsd/Rsd, Lw/Rw, Lvh/Rvh, Cvh, LFE2, the first in bit 0.
fn channels_at(locations: u16) -> u8 {
    const PAIRS: u16 = 0b0_0111_0011;
    (locations.count_ones() + (locations & PAIRS).count_ones()) as u8
}

fn sample_rate(code: u8) -> Result<u32, InvalidConfig> {
    let rate = SAMPLE_RATES.get(usize::from(code)).copied();
    rate.ok_or(InvalidConfig::Field("sampling frequency"))
}

fn bit_rate_kbps(bytes: usize, samples: u32, sample_rate: u32) -> u16 {
    let bits = bytes as u64 * 8 * u64::from(sample_rate);
    let rate = bits / (u64::from(samples.max(1)) * 1000);
    u16::try_from(rate).unwrap_or(u16::MAX)
}

const SYNC_WORD: u32 = 0x0B77;
/// Frames of an AC-3 access unit have 1,536 samples.
const AC3_SAMPLES: u32 = 1536;
/// 8 is the standard's; 9 and 10 are lower rates of it.
const MAX_AC3_ID: u8 = 10;
const MAX_EAC3_ID: u8 = 16;
const DEPENDENT: u32 = 1;
/// `num_dep_sub` has four bits, and there are no more.
const MAX_DEPENDENT: u8 = 8;
/// `data_rate` has 13 bits.
const MAX_DATA_RATE: u16 = 0x1FFF;
const SAMPLE_RATES: [u32; 3] = [48_000, 44_100, 32_000];
/// Audio blocks of 256 samples by `numblkscod`.
const BLOCKS: [u32; 4] = [1, 2, 3, 6];
/// Full channels by `acmod`.
const CHANNELS: [u8; 8] = [2, 1, 2, 3, 3, 4, 4, 5];
/// In kbit/s by half of `frmsizecod` (table 4.13).
const BIT_RATES: [u16; 19] = [
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The beginnings of frames as FFmpeg 9 encodes them: 48 kHz, stereo at 96 kbit/s and 5.1 at 448 kbit/s.
    const STEREO: &[u8] = &[0x0B, 0x77, 0x38, 0x90, 0x0C, 0x40, 0x43, 0xE1];
    const SURROUND: &[u8] = &[0x0B, 0x77, 0xB5, 0x0B, 0x1E, 0x40, 0xEB, 0xF8];
    /// 5.1 in Enhanced AC-3 at 192 kbit/s: 768 bytes.
    const ENHANCED: &[u8] = &[0x0B, 0x77, 0x01, 0x7F, 0x3F, 0x87, 0xC0];

    /// A dependent substream with the speakers `map`, 4 bytes longer than its header.
    fn dependent(map: u16) -> Vec<u8> {
        let fields: [(u32, u32); 12] = [
            (0x0B77, 16),
            (1, 2),
            (0, 3),
            (7, 11),
            (0, 2),
            (3, 2),
            (2, 3),
            (0, 1),
            (16, 5),
            (27, 5),
            (0, 1),
            (1, 1),
        ];
        let all = fields.into_iter().chain([(u32::from(map), 16), (0, 60)]);
        let bits: Vec<u8> = all
            .flat_map(|(value, size)| {
                (0..size)
                    .rev()
                    .map(move |n| (value.checked_shr(n).unwrap_or(0) & 1) as u8)
            })
            .collect();
        let bytes = bits
            .chunks(8)
            .map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit));
        bytes.collect()
    }

    fn whole(header: &[u8], length: usize) -> Vec<u8> {
        let mut frame = header.to_vec();
        frame.resize(length, 0);
        frame
    }

    #[test]
    fn ac3_frames() {
        let stereo = Config::of_ac3(STEREO).unwrap();
        assert_eq!((stereo.sample_rate, stereo.channels), (48_000, 2));
        assert_eq!(stereo.bit_rate_kbps, 96);
        // 00 01000 000 010 0 00110 00000
        assert_eq!(stereo.dac3(), [0x10, 0x10, 0xC0]);
        let surround = Config::of_ac3(SURROUND).unwrap();
        assert_eq!((surround.channels, surround.bit_rate_kbps), (6, 448));
        assert_eq!(surround.dac3(), [0x10, 0x3D, 0xE0]);
        assert_eq!((surround.coding_mode(), surround.bit_stream()), (7, (8, 0)));
        assert!(!surround.decodes_like(&stereo));
        // 44.1 kHz: frames of 69 and 70 words are the same stream.
        let frame = |size_code: u8| {
            let mut frame = STEREO.to_vec();
            frame[4] = 1 << 6 | size_code;
            frame
        };
        let (short, long) = (Syncframe::parse(&frame(0)), Syncframe::parse(&frame(1)));
        assert_eq!((short.unwrap().length, long.unwrap().length), (138, 140));
        let one = Config::of_ac3(&frame(0)).unwrap();
        assert!(one.decodes_like(&Config::of_ac3(&frame(1)).unwrap()));
        assert_eq!(one.dac3()[2] >> 5 | one.dac3()[1] << 3 & 0x18, 0);
    }

    #[test]
    fn enhanced_frames() {
        let config = Config::of_eac3(ENHANCED).unwrap();
        assert_eq!((config.sample_rate, config.channels), (48_000, 6));
        assert_eq!(config.bit_rate_kbps, 192);
        assert_eq!(config.dec3()[..], [0x06, 0x00, 0x20, 0x0F, 0x00]);
        // Rear surrounds in a dependent substream.
        let unit = [whole(ENHANCED, 768), dependent(1 << (15 - 6))].concat();
        let wide = Config::of_eac3(&unit).unwrap();
        assert_eq!(wide.channels, 8);
        assert_eq!(wide.dec3()[4..], [0x02, 0x02]);
        assert_eq!(samples(&unit), Some(1536));
        assert!(!wide.decodes_like(&config));
        assert!(Config::of_eac3(&dependent(0)).is_err());
        assert!(Config::of_ac3(ENHANCED).is_err());
    }

    #[test]
    fn units_of_several_frames() {
        let two = whole(STEREO, 384).repeat(2);
        assert_eq!(samples(&two), Some(3072));
        assert_eq!(samples(&two[..200]), Some(1536));
        assert_eq!(samples(b"noise"), None);
        // Six frames of a block each.
        let mut block = whole(ENHANCED, 768);
        block[4] &= 0xCF;
        assert_eq!(samples(&block.repeat(6)), Some(1536));
    }

    #[test]
    fn what_is_no_frame() {
        for (at, byte) in [(0, 0x0C), (4, 0xCC), (4, 0x3F), (5, 0xFF)] {
            let mut frame = STEREO.to_vec();
            frame[at] = byte;
            assert!(Config::of_ac3(&frame).is_err(), "{at}");
        }
        for end in 0..7 {
            assert_eq!(
                Config::of_ac3(&STEREO[..end]),
                Err(InvalidConfig::Truncated)
            );
        }
    }

    proptest! {
        #[test]
        fn noise_is_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let unit = [&[0x0B, 0x77][..], &bytes].concat();
            for config in [Config::of_ac3(&unit), Config::of_eac3(&unit)].into_iter().flatten() {
                prop_assert!(config.sample_rate >= 8000 && (1..=20).contains(&config.channels));
                prop_assert!(samples(&unit).is_some_and(|n| n <= 1536 * 150));
                prop_assert_eq!(config.dac3().len() + config.dec3().len() / 5, 4);
            }
        }
    }
}
