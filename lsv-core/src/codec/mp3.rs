//! MP3: the frame header, which says all there is to say (ISO/IEC 11172-3 §2.4.1.3, 13818-3 §2.4.2.3).

use super::InvalidConfig;
use crate::wire::{Reader, Truncated};

/// What a frame header says of the sound. Bit rates may change from frame to frame and are no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Samples a second of each channel.
    pub sample_rate: u32,
    /// 1 or 2.
    pub channels: u8,
    /// Samples of each channel in a frame: 1,152 in MPEG-1, 576 at the lower rates of MPEG-2 and 2.5.
    pub samples_per_frame: u32,
}

impl Config {
    /// Reads the header of the frame that `frame` starts with.
    ///
    /// # Errors
    /// [`InvalidConfig`] where it is not one of layer III.
    pub fn of_frame(frame: &[u8]) -> Result<Self, InvalidConfig> {
        Header::parse(frame).map(|header| header.config)
    }

    /// It is MPEG-1 audio, not that of MPEG-2 or 2.5 with their lower rates.
    pub fn is_mpeg1(&self) -> bool {
        self.samples_per_frame == MPEG_1_SAMPLES
    }

    /// The codec string by the object types of MPEG-1 and MPEG-2 audio, which sample entries have too (RFC 6381 §3.3).
    pub fn rfc6381(&self) -> String {
        let string = if self.is_mpeg1() {
            "mp4a.6B"
        } else {
            "mp4a.69"
        };
        string.to_owned()
    }

    /// The samples of each channel in the frames of `payload`, of which a tag may hold several; `None` where it does not
    /// start with one.
    pub fn samples(&self, payload: &[u8]) -> Option<u32> {
        let mut rest = payload;
        let mut samples = 0u32;
        while let Ok(header) = Header::parse(rest) {
            samples = samples.saturating_add(header.config.samples_per_frame);
            match header.length.and_then(|length| rest.get(length..)) {
                Some(behind) => rest = behind,
                None => break,
            }
        }
        (samples > 0).then_some(samples)
    }
}

struct Header {
    config: Config,
    /// The bytes of the frame, which a free bit rate does not tell.
    length: Option<usize>,
}

impl Header {
    fn parse(frame: &[u8]) -> Result<Self, InvalidConfig> {
        let header = Reader::new(frame)
            .u32()
            .map_err(|Truncated { .. }| InvalidConfig::Truncated)?;
        let field = |shift: u32, bits: u32| header >> shift & ((1 << bits) - 1);
        if field(21, 11) != 0x7FF {
            return Err(InvalidConfig::Field("frame header"));
        }
        // 1,152 samples at full rates, 576 at half and quarter of them.
        let (shift, half) = match field(19, 2) {
            3 => (0, 0),
            2 => (1, 1),
            0 => (2, 1),
            _ => return Err(InvalidConfig::Field("MPEG version")),
        };
        if field(17, 2) != LAYER_III {
            return Err(InvalidConfig::Field("layer"));
        }
        let rate = SAMPLE_RATES.get(field(10, 2) as usize);
        let sample_rate = rate.ok_or(InvalidConfig::Field("sampling frequency"))? >> shift;
        let bit_rates = if half == 0 { BIT_RATES } else { LOW_BIT_RATES };
        let bit_rate = bit_rates.get(field(12, 4) as usize);
        let bit_rate = u32::from(*bit_rate.ok_or(InvalidConfig::Field("bit rate"))?);
        let samples_per_frame = MPEG_1_SAMPLES >> half;
        let length = samples_per_frame / 8 * bit_rate * 1000 / sample_rate + field(9, 1);
        Ok(Self {
            config: Config {
                sample_rate,
                channels: if field(6, 2) == MONO { 1 } else { 2 },
                samples_per_frame,
            },
            length: (bit_rate > 0).then_some(length as usize),
        })
    }
}

/// Of each channel, in a frame at the full rates.
const MPEG_1_SAMPLES: u32 = 1152;
const LAYER_III: u32 = 1;
const MONO: u32 = 3;
/// Of MPEG-1; MPEG-2 has half of them, 2.5 a quarter.
const SAMPLE_RATES: [u32; 3] = [44_100, 48_000, 32_000];
/// Kilobits a second of MPEG-1 layer III; the first is a free one.
const BIT_RATES: [u16; 15] = [
    0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
];
/// Of MPEG-2 and 2.5.
const LOW_BIT_RATES: [u16; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn config(sample_rate: u32, channels: u8, samples_per_frame: u32) -> Config {
        Config {
            sample_rate,
            channels,
            samples_per_frame,
        }
    }

    #[test]
    fn headers_of_each_version() {
        for (header, expected, length) in [
            ([0xFF, 0xFB, 0x90, 0x64], config(44_100, 2, 1152), Some(417)),
            ([0xFF, 0xFB, 0x92, 0x64], config(44_100, 2, 1152), Some(418)),
            ([0xFF, 0xFA, 0x94, 0xC4], config(48_000, 1, 1152), Some(384)),
            ([0xFF, 0xF3, 0x80, 0xC4], config(22_050, 1, 576), Some(208)),
            ([0xFF, 0xE3, 0x48, 0xC4], config(8000, 1, 576), Some(288)),
            ([0xFF, 0xFB, 0x00, 0x64], config(44_100, 2, 1152), None),
        ] {
            let found = Header::parse(&header).unwrap();
            assert_eq!((found.config, found.length), (expected, length));
        }
        assert_eq!(config(44_100, 2, 1152).rfc6381(), "mp4a.6B");
        assert_eq!(config(22_050, 2, 576).rfc6381(), "mp4a.69");
    }

    #[test]
    fn what_is_no_frame_of_layer_iii() {
        for (header, field) in [
            ([0xFF, 0xDB, 0x90, 0], "frame header"),
            ([0xFF, 0xEB, 0x90, 0], "MPEG version"),
            // Layer II, and ADTS.
            ([0xFF, 0xFD, 0x90, 0], "layer"),
            ([0xFF, 0xF1, 0x50, 0x80], "layer"),
            ([0xFF, 0xFB, 0x9C, 0], "sampling frequency"),
            ([0xFF, 0xFB, 0xF0, 0], "bit rate"),
        ] {
            assert_eq!(
                Config::of_frame(&header),
                Err(InvalidConfig::Field(field)),
                "{header:x?}"
            );
        }
        assert_eq!(
            Config::of_frame(&[0xFF, 0xFB, 0x90]),
            Err(InvalidConfig::Truncated)
        );
    }

    #[test]
    fn a_payload_may_hold_several_frames() {
        let mut frame = vec![0; 417];
        frame[..4].copy_from_slice(&[0xFF, 0xFB, 0x90, 0x64]);
        let config = Config::of_frame(&frame).unwrap();
        assert_eq!(config.samples(&frame), Some(1152));
        assert_eq!(config.samples(&frame.repeat(3)), Some(3 * 1152));
        assert_eq!(config.samples(&frame[..100]), Some(1152));
        assert_eq!(config.samples(b"ID3\x04"), None);
    }

    proptest! {
        #[test]
        fn noise_is_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let bytes = [&[0xFF, 0xFB][..], &bytes].concat();
            if let Ok(config) = Config::of_frame(&bytes) {
                prop_assert!((8000..=48_000).contains(&config.sample_rate));
                prop_assert!(config.samples(&bytes).is_some());
            }
        }
    }
}
