//! Reading tag bodies, with the state that the format spreads over messages: the configuration in force.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    CODEC_AVC, COMMAND_FRAME, EX_VIDEO, KEY_FRAME, PACKET_CONFIG, PACKET_MEDIA, SOUND_AAC,
    SOUND_EX, TagError, ex,
};
use crate::codec::{FourCc, InvalidConfig, MAX_RECORD_BYTES, aac, avc};
use crate::media::{Codec, Kind, MediaFrame, Track};
use crate::time::Timestamp;
use crate::wire::{Reader, subslice};

/// Parses the tag bodies of one publisher, or of one FLV file, in their order.
///
/// Payloads of the frames that come out share the memory of the bodies that went in.
#[derive(Debug, Clone, Default)]
pub struct Parser {
    video: Option<Arc<Track>>,
    audio: Option<Arc<Track>>,
    data: Option<Arc<Track>>,
}

impl Parser {
    /// Parses a video body whose message carried the timestamp `at`.
    ///
    /// `None` when the body held no frame: a sequence header, an end of sequence, a command frame.
    pub fn video(&mut self, body: &Bytes, at: Timestamp) -> Result<Option<MediaFrame>, TagError> {
        let mut reader = Reader::new(body);
        let first = reader.u8()?;
        if first & EX_VIDEO != 0 {
            return self.enhanced_video(body, reader, first, at);
        }
        let frame_type = first >> 4;
        if frame_type == COMMAND_FRAME {
            return Ok(None);
        }
        let codec = first & 0x0F;
        if codec != CODEC_AVC {
            return Err(TagError::UnsupportedCodec(format!(
                "FLV video codec {codec}"
            )));
        }
        let packet = reader.u8()?;
        let composition = reader.i24()?;
        match packet {
            PACKET_CONFIG => {
                let record = subslice(body, reader.rest());
                self.configure_video(FourCc::AVC1, record)?;
                Ok(None)
            }
            PACKET_MEDIA => {
                let key = frame_type == KEY_FRAME;
                self.video_frame(body, reader.rest(), at, composition, key)
            }
            _ => Ok(None),
        }
    }

    /// Parses an audio body whose message carried the timestamp `at`; `None` when it held no frame.
    pub fn audio(&mut self, body: &Bytes, at: Timestamp) -> Result<Option<MediaFrame>, TagError> {
        let mut reader = Reader::new(body);
        let first = reader.u8()?;
        match first >> 4 {
            SOUND_EX => self.enhanced_audio(body, reader, first & 0x0F, at),
            SOUND_AAC => match reader.u8()? {
                PACKET_CONFIG => {
                    let record = subslice(body, reader.rest());
                    self.configure_audio(FourCc::MP4A, record)?;
                    Ok(None)
                }
                PACKET_MEDIA => self.audio_frame(body, reader.rest(), at),
                _ => Ok(None),
            },
            format => Err(TagError::UnsupportedCodec(format!(
                "FLV sound format {format}"
            ))),
        }
    }

    /// The tracks whose sequence headers have come, video first.
    pub fn tracks(&self) -> impl Iterator<Item = &Arc<Track>> {
        self.video.iter().chain(&self.audio)
    }

    /// Wraps a script data body: AMF0 name and value, as in an FLV script tag.
    pub fn data(&mut self, body: Bytes, at: Timestamp) -> MediaFrame {
        let track = self
            .data
            .get_or_insert_with(|| Arc::new(Track::new(Kind::Data, Codec::Data)));
        frame(track, at, Timestamp::ZERO, false, body)
    }

    fn enhanced_video(
        &mut self,
        body: &Bytes,
        mut reader: Reader<'_>,
        first: u8,
        at: Timestamp,
    ) -> Result<Option<MediaFrame>, TagError> {
        let frame_type = (first >> 4) & 7;
        let (packet, at) = mod_ex(&mut reader, first & 0x0F, at)?;
        if frame_type == COMMAND_FRAME && packet != ex::SIDE_DATA {
            return Ok(None);
        }
        let fourcc = four_cc(&mut reader)?;
        match packet {
            ex::SEQUENCE_START => {
                let record = subslice(body, reader.rest());
                self.configure_video(fourcc, record)?;
                Ok(None)
            }
            ex::CODED_FRAMES | ex::CODED_FRAMES_X => {
                let has_composition =
                    packet == ex::CODED_FRAMES && matches!(fourcc, FourCc::AVC1 | FourCc::HVC1);
                let composition = if has_composition { reader.i24()? } else { 0 };
                let key = frame_type == KEY_FRAME;
                self.video_frame(body, reader.rest(), at, composition, key)
            }
            ex::SEQUENCE_END | ex::SIDE_DATA => Ok(None),
            other => Err(TagError::UnsupportedPacket(other)),
        }
    }

    fn enhanced_audio(
        &mut self,
        body: &Bytes,
        mut reader: Reader<'_>,
        packet: u8,
        at: Timestamp,
    ) -> Result<Option<MediaFrame>, TagError> {
        let (packet, at) = mod_ex(&mut reader, packet, at)?;
        let fourcc = four_cc(&mut reader)?;
        match packet {
            ex::SEQUENCE_START => {
                let record = subslice(body, reader.rest());
                self.configure_audio(fourcc, record)?;
                Ok(None)
            }
            ex::CODED_FRAMES => self.audio_frame(body, reader.rest(), at),
            ex::SEQUENCE_END | ex::SIDE_DATA => Ok(None),
            other => Err(TagError::UnsupportedPacket(other)),
        }
    }

    fn video_frame(
        &self,
        body: &Bytes,
        payload: &[u8],
        at: Timestamp,
        composition_ms: i32,
        key: bool,
    ) -> Result<Option<MediaFrame>, TagError> {
        let track = self.video.as_ref().ok_or(TagError::NoConfig(Kind::Video))?;
        let composition = Timestamp::from_millis(i64::from(composition_ms));
        Ok(non_empty(frame(
            track,
            at,
            composition,
            key,
            subslice(body, payload),
        )))
    }

    fn audio_frame(
        &self,
        body: &Bytes,
        payload: &[u8],
        at: Timestamp,
    ) -> Result<Option<MediaFrame>, TagError> {
        let track = self.audio.as_ref().ok_or(TagError::NoConfig(Kind::Audio))?;
        Ok(non_empty(frame(
            track,
            at,
            Timestamp::ZERO,
            false,
            subslice(body, payload),
        )))
    }

    fn configure_video(&mut self, fourcc: FourCc, record: Bytes) -> Result<(), TagError> {
        let codec = match fourcc {
            FourCc::AVC1 => Codec::Avc(avc::Config::parse(detached(&record)?)?),
            FourCc::HVC1 | FourCc::AV01 | FourCc::VP09 | FourCc::VP08 => other(fourcc, &record)?,
            unknown => return Err(TagError::UnsupportedCodec(unknown.to_string())),
        };
        set(&mut self.video, Kind::Video, codec);
        Ok(())
    }

    fn configure_audio(&mut self, fourcc: FourCc, record: Bytes) -> Result<(), TagError> {
        let codec = match fourcc {
            FourCc::MP4A => Codec::Aac(aac::Config::parse(detached(&record)?)?),
            FourCc::OPUS | FourCc::FLAC | FourCc::AC3 | FourCc::EC3 | FourCc::MP3 => {
                other(fourcc, &record)?
            }
            unknown => return Err(TagError::UnsupportedCodec(unknown.to_string())),
        };
        set(&mut self.audio, Kind::Audio, codec);
        Ok(())
    }
}

/// Replaces the track in `slot` unless the encoder merely repeated its sequence header, as many do at key frames.
fn set(slot: &mut Option<Arc<Track>>, kind: Kind, codec: Codec) {
    if slot.as_ref().is_none_or(|known| known.codec != codec) {
        *slot = Some(Arc::new(Track::new(kind, codec)));
    }
}

fn other(fourcc: FourCc, record: &Bytes) -> Result<Codec, InvalidConfig> {
    Ok(Codec::Other {
        fourcc,
        config: detached(record)?,
    })
}

/// A copy of its own, so that a configuration kept for hours does not keep its message's buffer.
fn detached(record: &Bytes) -> Result<Bytes, InvalidConfig> {
    if record.len() > MAX_RECORD_BYTES {
        return Err(InvalidConfig::TooLong(record.len()));
    }
    Ok(Bytes::copy_from_slice(record))
}

fn frame(
    track: &Arc<Track>,
    dts: Timestamp,
    composition: Timestamp,
    key: bool,
    payload: Bytes,
) -> MediaFrame {
    let mut frame = MediaFrame::new(track, dts, payload);
    (frame.composition, frame.key) = (composition, key);
    frame
}

/// Some encoders send empty messages to keep a connection busy; an empty access unit means nothing to a muxer.
fn non_empty(frame: MediaFrame) -> Option<MediaFrame> {
    (!frame.payload.is_empty()).then_some(frame)
}

fn four_cc(reader: &mut Reader<'_>) -> Result<FourCc, TagError> {
    let bytes = reader.take(4)?;
    bytes
        .try_into()
        .map(FourCc)
        .map_err(|_| TagError::Truncated)
}

/// Reads the `ModEx` prefixes in front of a packet: its real packet type, and the time with the nanosecond offset.
fn mod_ex(
    reader: &mut Reader<'_>,
    mut packet: u8,
    mut at: Timestamp,
) -> Result<(u8, Timestamp), TagError> {
    const NANOSECOND_OFFSET: u8 = 0;
    let mut prefixes = 0;
    while packet == ex::MOD_EX {
        prefixes += 1;
        if prefixes > MAX_MOD_EX {
            return Err(TagError::UnsupportedPacket(ex::MOD_EX));
        }
        let mut size = usize::from(reader.u8()?) + 1;
        if size == 256 {
            size = usize::from(reader.u16()?) + 1;
        }
        let mut data = Reader::new(reader.take(size)?);
        let next = reader.u8()?;
        if next >> 4 == NANOSECOND_OFFSET {
            at = at + Timestamp::from_nanos(i64::from(data.u24()?));
        }
        packet = next & 0x0F;
    }
    Ok((packet, at))
}

/// One kind of `ModEx` is defined; a body with many is meant to cost time.
const MAX_MOD_EX: u32 = 16;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
