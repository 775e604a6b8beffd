//! Audio and video tag bodies, which RTMP messages and FLV tags share: the native interchange form of the platform.
//!
//! | form | section |
//! | --- | --- |
//! | legacy video and audio bodies | FLV 10.1 §E.4.2, §E.4.3 |
//! | extended headers with FourCC, `ModEx` | E-RTMP v2 "Enhanced Video", "Enhanced Audio" |
//!
//! [`Parser`] reads both into [`MediaFrame`]s; [`put_frame_header`] and [`put_config`] write H.264 and AAC in the
//! legacy form, which every player knows, and all else in the Enhanced one.

use bytes::{BufMut, BytesMut};

use crate::codec::{FourCc, InvalidConfig};
use crate::media::{Codec, Kind, MediaFrame, Track};
use crate::wire::{Truncated, put_i24};

mod parser;

pub use parser::Parser;

/// A tag body that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TagError {
    /// The body ended inside a header.
    #[error("the tag body is cut short")]
    Truncated,
    /// A codec configuration that cannot be used.
    #[error("unusable sequence header: {0}")]
    Config(#[from] InvalidConfig),
    /// A frame came before the sequence header that it needs.
    #[error("a {0:?} frame came before its sequence header")]
    NoConfig(Kind),
    /// A codec that the platform does not carry.
    #[error("{0} is not carried; send H.264 and AAC, or a codec by its Enhanced RTMP FourCC")]
    UnsupportedCodec(String),
    /// A packet type of Enhanced RTMP that is not carried.
    #[error("the Enhanced RTMP packet type {0} is not carried")]
    UnsupportedPacket(u8),
}

impl From<Truncated> for TagError {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

/// Appends what stands in front of the payload of `frame` in its tag body; script data has nothing there.
pub fn put_frame_header(out: &mut BytesMut, frame: &MediaFrame) {
    let composition = frame.composition.as_millis();
    let composition = composition.clamp(-MAX_COMPOSITION_MS, MAX_COMPOSITION_MS) as i32;
    let frame_type = if frame.key { KEY_FRAME } else { INTER_FRAME };
    match (&frame.track.codec, frame.track.kind) {
        (Codec::Avc(_), _) => {
            out.put_slice(&[(frame_type << 4) | CODEC_AVC, PACKET_MEDIA]);
            put_i24(out, composition);
        }
        (Codec::Aac(_), _) => out.put_slice(&[AAC_44K_16BIT_STEREO, PACKET_MEDIA]),
        (Codec::Other { fourcc, .. }, Kind::Video) => {
            let packet = if *fourcc == FourCc::HVC1 {
                ex::CODED_FRAMES
            } else {
                ex::CODED_FRAMES_X
            };
            out.put_u8(EX_VIDEO | (frame_type << 4) | packet);
            out.put_slice(&fourcc.0);
            if packet == ex::CODED_FRAMES {
                put_i24(out, composition);
            }
        }
        (Codec::Other { fourcc, .. }, _) => {
            out.put_u8((SOUND_EX << 4) | ex::CODED_FRAMES);
            out.put_slice(&fourcc.0);
        }
        (Codec::Data, _) => {}
    }
}

/// Appends the body of the sequence header of `track`; script data has none.
pub fn put_config(out: &mut BytesMut, track: &Track) {
    match (&track.codec, track.kind) {
        (Codec::Avc(_), _) => {
            out.put_slice(&[(KEY_FRAME << 4) | CODEC_AVC, PACKET_CONFIG, 0, 0, 0]);
        }
        (Codec::Aac(_), _) => out.put_slice(&[AAC_44K_16BIT_STEREO, PACKET_CONFIG]),
        (Codec::Other { fourcc, .. }, kind) => {
            out.put_u8(match kind {
                Kind::Video => EX_VIDEO | (KEY_FRAME << 4) | ex::SEQUENCE_START,
                _ => (SOUND_EX << 4) | ex::SEQUENCE_START,
            });
            out.put_slice(&fourcc.0);
        }
        (Codec::Data, _) => return,
    }
    out.put_slice(track.codec.config_record());
}

const KEY_FRAME: u8 = 1;
const INTER_FRAME: u8 = 2;
/// Frame type 5: a command to the player, without a picture.
const COMMAND_FRAME: u8 = 5;
const CODEC_AVC: u8 = 7;
const SOUND_AAC: u8 = 10;
/// Sound format 9 announces an Enhanced audio header.
const SOUND_EX: u8 = 9;
/// FLV fixes these rate, size and type bits for AAC, whatever the real ones.
const AAC_44K_16BIT_STEREO: u8 = 0xAF;
/// The top bit announces an Enhanced video header.
const EX_VIDEO: u8 = 0x80;
const PACKET_CONFIG: u8 = 0;
const PACKET_MEDIA: u8 = 1;
const MAX_COMPOSITION_MS: i64 = (1 << 23) - 1;

/// Packet types of Enhanced RTMP; audio and video share these numbers where both have them.
mod ex {
    pub(super) const SEQUENCE_START: u8 = 0;
    pub(super) const CODED_FRAMES: u8 = 1;
    pub(super) const SEQUENCE_END: u8 = 2;
    /// Video only: coded frames whose composition time is zero.
    pub(super) const CODED_FRAMES_X: u8 = 3;
    /// Video: metadata; audio: multichannel configuration. Neither is needed to play.
    pub(super) const SIDE_DATA: u8 = 4;
    pub(super) const MOD_EX: u8 = 7;
}
