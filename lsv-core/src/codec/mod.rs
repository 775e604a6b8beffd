//! Codec configurations, parsed as far as an output needs them; frames themselves are never decoded.

use std::fmt;

pub mod aac;
pub mod ac3;
pub mod av1;
pub mod avc;
pub mod flac;
pub mod hevc;
pub mod mp3;
mod nal;
pub mod opus;
mod picture;
pub mod vp9;

pub use nal::nal_units;
pub use picture::{Colour, Picture};

/// A four-character code, as Enhanced RTMP and ISO BMFF name codecs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

impl FourCc {
    /// H.264 / AVC.
    pub const AVC1: Self = Self(*b"avc1");
    /// H.265 / HEVC.
    pub const HVC1: Self = Self(*b"hvc1");
    /// AV1.
    pub const AV01: Self = Self(*b"av01");
    /// H.266 / VVC.
    pub const VVC1: Self = Self(*b"vvc1");
    /// VP9.
    pub const VP09: Self = Self(*b"vp09");
    /// VP8.
    pub const VP08: Self = Self(*b"vp08");
    /// AAC.
    pub const MP4A: Self = Self(*b"mp4a");
    /// Opus.
    pub const OPUS: Self = Self(*b"Opus");
    /// FLAC.
    pub const FLAC: Self = Self(*b"fLaC");
    /// AC-3.
    pub const AC3: Self = Self(*b"ac-3");
    /// E-AC-3.
    pub const EC3: Self = Self(*b"ec-3");
    /// MP3.
    pub const MP3: Self = Self(*b".mp3");

    /// The video codecs of E-RTMP v2.
    pub const VIDEO: [Self; 6] = [
        Self::AVC1,
        Self::HVC1,
        Self::VVC1,
        Self::AV01,
        Self::VP09,
        Self::VP08,
    ];
    /// The audio codecs of E-RTMP v2.
    pub const AUDIO: [Self; 6] = [
        Self::MP4A,
        Self::OPUS,
        Self::FLAC,
        Self::AC3,
        Self::EC3,
        Self::MP3,
    ];
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A codec configuration that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConfig {
    /// The record ended early.
    #[error("the codec configuration record is cut short")]
    Truncated,
    /// A field has a value that the standard does not allow.
    #[error("the codec configuration record has an unusable {0}")]
    Field(&'static str),
    /// The record is longer than any real one.
    #[error(
        "the codec configuration record is {0} bytes long; at most {MAX_RECORD_BYTES} are taken"
    )]
    TooLong(usize),
}

impl From<crate::wire::Truncated> for InvalidConfig {
    fn from(_: crate::wire::Truncated) -> Self {
        Self::Truncated
    }
}

/// The longest configuration record taken: real ones have under 200 bytes, and each late joiner gets it.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sound_holds_on_noise(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            crate::fuzzing::sound(&bytes);
        }
    }
}
