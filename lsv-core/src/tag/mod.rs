//! Audio and video tag bodies, which RTMP messages and FLV tags share: the native interchange form of the platform.
//!
//! | form | section |
//! | --- | --- |
//! | legacy video and audio bodies: H.264, AAC, MP3 | FLV 10.1 §E.4.2, §E.4.3 |
//! | extended headers with FourCC, multitrack, `ModEx`, side data | E-RTMP v2 "Enhanced Video", "Enhanced Audio" |
//! | HEVC as FLV codec 12, where [`Options::legacy_hevc`] is set | none: a habit of encoders older than E-RTMP |
//!
//! [`Parser`] reads them all into [`Packet`]s, several from one body where it carries several tracks.
//! [`put_frame_header`], [`put_config`] and [`put_side_data`] write H.264, AAC and MP3 in the legacy form, which every
//! player knows, and all else in the Enhanced one; what a player must understand for more than that is in [`Features`].
//!
//! Codecs that are not in E-RTMP v2 are refused: whether a composition time precedes their frames is not known, so
//! they could not be timed. So is `MPEG2TSSequenceStart`: frames as in a transport stream are of no use to any output.

use std::sync::Arc;

use crate::codec::{FourCc, InvalidConfig};
use crate::media::{Kind, MediaFrame, Track};
use crate::wire::Truncated;

mod body;
mod parser;
mod writer;

pub use parser::{Options, Packets, Parser};
pub use writer::{Features, put_config, put_frame_header, put_side_data};

/// What a tag body says of one track.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Packet {
    /// The track is new, or has a new configuration or side data.
    Track(Arc<Track>),
    /// A frame.
    Frame(MediaFrame),
    /// The track pauses or ends. It may go on under the same configuration.
    End(Arc<Track>),
}

/// A tag body that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TagError {
    /// The body ended inside a header.
    #[error("the tag body is cut short")]
    Truncated,
    /// A codec configuration, or what is said beside it, that cannot be used.
    #[error("unusable sequence header: {0}")]
    Config(#[from] InvalidConfig),
    /// A frame came before the sequence header that it needs, or without the header that every frame of its codec has.
    /// Encoders that start in mid-stream send it soon.
    #[error("a {0:?} frame came before its sequence header, or without its own")]
    NoConfig(Kind),
    /// A codec that the platform does not carry.
    #[error("{0} is not carried; send H.264 and AAC, or a codec by its Enhanced RTMP FourCC")]
    UnsupportedCodec(String),
    /// A packet type of Enhanced RTMP that is not carried.
    #[error("the Enhanced RTMP packet type {0} is not carried")]
    UnsupportedPacket(u8),
    /// An arrangement of tracks that Enhanced RTMP does not define.
    #[error("the Enhanced RTMP multitrack type {0} is not defined")]
    UnsupportedMultitrack(u8),
    /// More tracks than are taken.
    #[error("more than {0} tracks of one kind; send fewer")]
    TooManyTracks(usize),
    /// A track that comes more than once in one body.
    #[error(
        "track {0} comes twice in one Enhanced RTMP multitrack body; send its next frame in another"
    )]
    RepeatedTrack(u8),
}

impl From<Truncated> for TagError {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

/// Whether frames of this codec have a composition time in front where the packet is `CodedFrames`.
fn has_composition(fourcc: FourCc) -> bool {
    matches!(fourcc, FourCc::AVC1 | FourCc::HVC1 | FourCc::VVC1)
}

/// Whether this codec does without a sequence header: each of its frames says all that a decoder needs.
fn is_self_describing(fourcc: FourCc) -> bool {
    matches!(
        fourcc,
        FourCc::AC3 | FourCc::EC3 | FourCc::MP3 | FourCc::VP08
    )
}

const KEY_FRAME: u8 = 1;
const INTER_FRAME: u8 = 2;
/// Frame type 5: a command to the player, without a picture.
const COMMAND_FRAME: u8 = 5;
const CODEC_AVC: u8 = 7;
/// Never assigned; encoders used it for HEVC before there was a FourCC for it.
const CODEC_HEVC: u8 = 12;
const SOUND_MP3: u8 = 2;
/// Sound format 9 announces an Enhanced audio header.
const SOUND_EX: u8 = 9;
const SOUND_AAC: u8 = 10;
const SOUND_MP3_8K: u8 = 14;
/// The top bit announces an Enhanced video header.
const EX_VIDEO: u8 = 0x80;
const PACKET_CONFIG: u8 = 0;
const PACKET_MEDIA: u8 = 1;
const PACKET_END: u8 = 2;

/// Packet types of Enhanced RTMP; audio and video share these numbers where both have them.
mod ex {
    use crate::media::Kind;

    pub(super) const SEQUENCE_START: u8 = 0;
    pub(super) const CODED_FRAMES: u8 = 1;
    pub(super) const SEQUENCE_END: u8 = 2;
    /// Video only: coded frames whose composition time is zero.
    pub(super) const CODED_FRAMES_X: u8 = 3;
    /// Video: `Metadata`; audio: `MultichannelConfig`.
    pub(super) const SIDE_DATA: u8 = 4;
    pub(super) const MOD_EX: u8 = 7;

    /// `Multitrack`, which is the one that differs.
    pub(super) const fn multitrack(kind: Kind) -> u8 {
        match kind {
            Kind::Audio => 5,
            _ => 6,
        }
    }

    /// `AvMultitrackType`.
    pub(super) const ONE_TRACK: u8 = 0;
    pub(super) const MANY_TRACKS: u8 = 1;
    pub(super) const MANY_TRACKS_MANY_CODECS: u8 = 2;

    /// `VideoPacketModExType` and `AudioPacketModExType`.
    pub(super) const TIMESTAMP_OFFSET_NANO: u8 = 0;
}

#[cfg(test)]
mod tests;
