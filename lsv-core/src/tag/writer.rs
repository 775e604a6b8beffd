//! Writing tag bodies, each in the oldest form that can say it.

use bytes::{BufMut, BytesMut};

use super::{
    CODEC_AVC, COMMAND_FRAME, EX_VIDEO, INTER_FRAME, KEY_FRAME, PACKET_CONFIG, PACKET_MEDIA,
    SOUND_EX, SOUND_MP3, ex, has_composition, is_self_describing,
};
use crate::codec::{FourCc, mp3};
use crate::media::{Codec, Kind, MediaFrame, Track};
use crate::wire::put_i24;

/// What the reader of tag bodies understands beyond codecs by their FourCC. Without it, as [`Default`] has it, bodies
/// say what they can: a track without its number, a time in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Features {
    /// Bodies of tracks other than 0.
    pub multitrack: bool,
    /// `ModEx` with the nanoseconds of a frame's time. A frame that has some is then written with a FourCC, whatever its
    /// codec.
    pub nanoseconds: bool,
    /// Video metadata and speaker layouts.
    pub side_data: bool,
}

impl Features {
    /// All of Enhanced RTMP v2.
    pub const ALL: Self = Self {
        multitrack: true,
        nanoseconds: true,
        side_data: true,
    };
}

/// Appends what stands in front of the payload of `frame` in its tag body; script data has nothing there.
pub fn put_frame_header(out: &mut BytesMut, frame: &MediaFrame, features: Features) {
    let track = &*frame.track;
    let nanos = match features.nanoseconds {
        true => frame.dts.submilli_nanos(),
        false => 0,
    };
    let id = id(track, features);
    let frame_type = if frame.key { KEY_FRAME } else { INTER_FRAME };
    let composition = frame.composition.as_millis();
    let composition = composition.clamp(MIN_COMPOSITION_MS, MAX_COMPOSITION_MS) as i32;
    match &track.codec {
        Codec::Avc(_) if id == 0 && nanos == 0 => {
            out.put_slice(&[(frame_type << 4) | CODEC_AVC, PACKET_MEDIA]);
            put_i24(out, composition);
        }
        Codec::Aac(_) if id == 0 && nanos == 0 => {
            out.put_slice(&[AAC_44K_16BIT_STEREO, PACKET_MEDIA]);
        }
        Codec::Mp3(config) if id == 0 && nanos == 0 => out.put_u8(mp3_header(config)),
        codec => {
            let Some(fourcc) = codec.fourcc() else {
                return;
            };
            let header = Enhanced {
                kind: track.kind,
                frame_type,
                packet: ex::CODED_FRAMES,
                nanos,
                fourcc,
                id,
            };
            header.put(out);
            if has_composition(fourcc) {
                put_i24(out, composition);
            }
        }
    }
}

/// Appends the body of the sequence header of `track`: nothing for script data, and for codecs that do without one.
pub fn put_config(out: &mut BytesMut, track: &Track, features: Features) {
    let id = id(track, features);
    let record = track.codec.config_record();
    match (&track.codec, track.codec.fourcc()) {
        (Codec::Avc(_), _) if id == 0 => {
            out.put_slice(&[(KEY_FRAME << 4) | CODEC_AVC, PACKET_CONFIG, 0, 0, 0]);
        }
        (Codec::Aac(_), _) if id == 0 => out.put_slice(&[AAC_44K_16BIT_STEREO, PACKET_CONFIG]),
        (_, Some(fourcc)) if !record.is_empty() || !is_self_describing(fourcc) => {
            Enhanced::beside_frames(track, ex::SEQUENCE_START, fourcc, id).put(out);
        }
        _ => return,
    }
    out.put_slice(record);
}

/// Appends the body of what is said of `track` beside its codec: nothing where there is nothing, or the reader would not
/// understand it. It goes between the sequence header and the first frame: in front of the header FFmpeg 9 trips over it.
pub fn put_side_data(out: &mut BytesMut, track: &Track, features: Features) {
    let Some(fourcc) = track.codec.fourcc().filter(|_| features.side_data) else {
        return;
    };
    let header = Enhanced::beside_frames(track, ex::SIDE_DATA, fourcc, id(track, features));
    match (track.kind, &track.metadata, &track.channels) {
        (Kind::Video, Some(metadata), _) => {
            header.put(out);
            out.put_slice(metadata);
        }
        (Kind::Audio, _, Some(channels)) => {
            header.put(out);
            channels.put(out);
        }
        _ => {}
    }
}

/// The number that a track is written with; 0 needs none.
fn id(track: &Track, features: Features) -> u8 {
    match features.multitrack {
        true => track.id,
        false => 0,
    }
}

/// An extended header (E-RTMP v2 "Enhanced Video", "Enhanced Audio").
struct Enhanced {
    kind: Kind,
    frame_type: u8,
    packet: u8,
    nanos: u32,
    fourcc: FourCc,
    id: u8,
}

impl Enhanced {
    fn beside_frames(track: &Track, packet: u8, fourcc: FourCc, id: u8) -> Self {
        let frame_type = match (packet, id) {
            // To be ignored here; FFmpeg 9 sends this one, and takes the metadata for a frame where it is another.
            (ex::SIDE_DATA, 0) => COMMAND_FRAME,
            _ => KEY_FRAME,
        };
        Self {
            kind: track.kind,
            frame_type,
            packet,
            nanos: 0,
            fourcc,
            id,
        }
    }

    fn put(&self, out: &mut BytesMut) {
        let lead = match self.kind {
            Kind::Video => EX_VIDEO | (self.frame_type << 4),
            _ => SOUND_EX << 4,
        };
        let packet = match self.id {
            0 => self.packet,
            _ => ex::multitrack(self.kind),
        };
        if self.nanos > 0 {
            let [_, offset @ ..] = self.nanos.to_be_bytes();
            out.put_slice(&[lead | ex::MOD_EX, offset.len() as u8 - 1]);
            out.put_slice(&offset);
            out.put_u8((ex::TIMESTAMP_OFFSET_NANO << 4) | packet);
        } else {
            out.put_u8(lead | packet);
        }
        if self.id > 0 {
            out.put_u8((ex::ONE_TRACK << 4) | self.packet);
        }
        out.put_slice(&self.fourcc.0);
        if self.id > 0 {
            out.put_u8(self.id);
        }
    }
}

/// The legacy header of an MP3 frame, with the sound rate and type that are nearest to the real ones: players look there
/// first.
fn mp3_header(config: &mp3::Config) -> u8 {
    const SIXTEEN_BIT: u8 = 1 << 1;
    let rate = match config.sample_rate {
        ..16_000 => RATE_11K,
        16_000..32_000 => RATE_22K,
        _ => RATE_44K,
    };
    (SOUND_MP3 << 4) | (rate << 2) | SIXTEEN_BIT | u8::from(config.channels > 1)
}

const RATE_44K: u8 = 3;
const RATE_22K: u8 = 2;
const RATE_11K: u8 = 1;
/// FLV fixes these rate, size and type bits for AAC, whatever the real ones.
const AAC_44K_16BIT_STEREO: u8 = 0xAF;
const MAX_COMPOSITION_MS: i64 = (1 << 23) - 1;
const MIN_COMPOSITION_MS: i64 = -(1 << 23);
