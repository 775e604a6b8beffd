//! Tag bodies taken apart: what is said of the whole, then the part of each track. No state, no codecs.

use super::{
    CODEC_AVC, CODEC_HEVC, COMMAND_FRAME, EX_VIDEO, KEY_FRAME, Options, PACKET_CONFIG, PACKET_END,
    PACKET_MEDIA, SOUND_AAC, SOUND_EX, SOUND_MP3, SOUND_MP3_8K, TagError, ex, has_composition,
};
use crate::codec::FourCc;
use crate::media::Kind;
use crate::time::Timestamp;
use crate::wire::Reader;

/// The parts of a body, one for each track in it.
#[derive(Debug, Clone)]
pub(super) struct Parts<'a> {
    content: Content,
    key: bool,
    at: Timestamp,
    tracks: Tracks,
    /// A bit for each track that came with its number.
    taken: [u64; 4],
    rest: Reader<'a>,
}

/// What a body says of one track.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    pub(super) id: u8,
    pub(super) fourcc: FourCc,
    pub(super) content: Content,
    pub(super) key: bool,
    pub(super) at: Timestamp,
    pub(super) composition: Timestamp,
    pub(super) payload: &'a [u8],
}

/// What the payload of a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// A codec configuration.
    Start,
    /// A frame, with a composition time in front where the codec has one.
    Frame,
    /// A frame without composition time.
    FrameX,
    /// Nothing: the track pauses or ends.
    End,
    /// Video metadata, or the speakers of a sound track.
    SideData,
}

/// How a body is divided among tracks.
#[derive(Debug, Clone, Copy)]
enum Tracks {
    /// Track 0 has all of it.
    Plain(FourCc),
    /// One track, which says its number, has all of it.
    One(FourCc),
    /// Each track says its number and length.
    Many(FourCc),
    /// Each track says its codec, number and length.
    ManyCodecs,
    /// There is nothing more.
    None,
}

impl<'a> Parts<'a> {
    /// Reads what stands in front of the parts of a video body.
    pub(super) fn video(
        body: &'a [u8],
        at: Timestamp,
        options: &Options,
    ) -> Result<Self, TagError> {
        let mut rest = Reader::new(body);
        let first = rest.u8()?;
        if first & EX_VIDEO != 0 {
            return Self::enhanced(Kind::Video, (first >> 4) & 7, first & 0x0F, rest, at);
        }
        let frame_type = first >> 4;
        if frame_type == COMMAND_FRAME {
            return Ok(Self::none(rest, at));
        }
        let fourcc = match first & 0x0F {
            CODEC_AVC => FourCc::AVC1,
            CODEC_HEVC if options.legacy_hevc => FourCc::HVC1,
            codec => return Err(unsupported("FLV video codec", codec)),
        };
        let content = match rest.u8()? {
            PACKET_CONFIG => {
                // A composition time without meaning.
                rest.i24()?;
                Content::Start
            }
            PACKET_MEDIA => Content::Frame,
            PACKET_END => Content::End,
            _ => return Ok(Self::none(rest, at)),
        };
        Ok(Self {
            content,
            key: frame_type == KEY_FRAME,
            at,
            tracks: Tracks::Plain(fourcc),
            taken: [0; 4],
            rest,
        })
    }

    /// Reads what stands in front of the parts of an audio body.
    pub(super) fn audio(body: &'a [u8], at: Timestamp) -> Result<Self, TagError> {
        let mut rest = Reader::new(body);
        let first = rest.u8()?;
        let (fourcc, content) = match first >> 4 {
            SOUND_EX => return Self::enhanced(Kind::Audio, 0, first & 0x0F, rest, at),
            SOUND_AAC => match rest.u8()? {
                PACKET_CONFIG => (FourCc::MP4A, Content::Start),
                PACKET_MEDIA => (FourCc::MP4A, Content::Frame),
                _ => return Ok(Self::none(rest, at)),
            },
            SOUND_MP3 | SOUND_MP3_8K => (FourCc::MP3, Content::Frame),
            format => return Err(unsupported("FLV sound format", format)),
        };
        Ok(Self {
            content,
            key: false,
            at,
            tracks: Tracks::Plain(fourcc),
            taken: [0; 4],
            rest,
        })
    }

    fn enhanced(
        kind: Kind,
        frame_type: u8,
        packet: u8,
        mut rest: Reader<'a>,
        at: Timestamp,
    ) -> Result<Self, TagError> {
        let (mut packet, at) = mod_ex(&mut rest, packet, at)?;
        if frame_type == COMMAND_FRAME && packet != ex::SIDE_DATA {
            return Ok(Self::none(rest, at));
        }
        let tracks = if packet == ex::multitrack(kind) {
            let byte = rest.u8()?;
            packet = byte & 0x0F;
            match byte >> 4 {
                ex::ONE_TRACK => Tracks::One(four_cc(&mut rest)?),
                ex::MANY_TRACKS => Tracks::Many(four_cc(&mut rest)?),
                ex::MANY_TRACKS_MANY_CODECS => Tracks::ManyCodecs,
                other => return Err(TagError::UnsupportedMultitrack(other)),
            }
        } else {
            Tracks::Plain(four_cc(&mut rest)?)
        };
        Ok(Self {
            content: Content::of(kind, packet)?,
            key: frame_type == KEY_FRAME,
            at,
            tracks,
            taken: [0; 4],
            rest,
        })
    }

    fn none(rest: Reader<'a>, at: Timestamp) -> Self {
        Self {
            content: Content::End,
            key: false,
            at,
            tracks: Tracks::None,
            taken: [0; 4],
            rest,
        }
    }

    /// The part of the next track.
    pub(super) fn next(&mut self) -> Result<Option<Part<'a>>, TagError> {
        let (fourcc, id, payload) = match self.tracks {
            Tracks::None => return Ok(None),
            Tracks::Plain(fourcc) => (fourcc, 0, self.take_rest()),
            Tracks::One(fourcc) => (fourcc, self.rest.u8()?, self.take_rest()),
            Tracks::Many(_) | Tracks::ManyCodecs
                if self.rest.is_empty() && self.taken != [0; 4] =>
            {
                return Ok(None);
            }
            Tracks::Many(fourcc) => self.take_sized(Some(fourcc))?,
            Tracks::ManyCodecs => self.take_sized(None)?,
        };
        let mut payload = Reader::new(payload);
        let composition = match self.content == Content::Frame && has_composition(fourcc) {
            true => payload.i24()?,
            false => 0,
        };
        Ok(Some(Part {
            id,
            fourcc,
            content: self.content,
            key: self.key,
            at: self.at,
            composition: Timestamp::from_millis(i64::from(composition)),
            payload: payload.rest(),
        }))
    }

    /// All that is left, for a body with one track.
    fn take_rest(&mut self) -> &'a [u8] {
        self.tracks = Tracks::None;
        self.rest.rest()
    }

    fn take_sized(&mut self, fourcc: Option<FourCc>) -> Result<(FourCc, u8, &'a [u8]), TagError> {
        let rest = &mut self.rest;
        let fourcc = match fourcc {
            Some(fourcc) => fourcc,
            None => four_cc(rest)?,
        };
        let id = rest.u8()?;
        let size = rest.u24()? as usize;
        let payload = rest.take(size)?;
        self.mark_taken(id)?;
        Ok((fourcc, id, payload))
    }

    /// Each track is in a body once, so that a message of a few bytes a part does not become any number of frames.
    fn mark_taken(&mut self, id: u8) -> Result<(), TagError> {
        let bit = 1 << (id % 64);
        match self.taken.get_mut(usize::from(id / 64)) {
            Some(word) if *word & bit == 0 => {
                *word |= bit;
                Ok(())
            }
            _ => Err(TagError::RepeatedTrack(id)),
        }
    }
}

impl Content {
    fn of(kind: Kind, packet: u8) -> Result<Self, TagError> {
        Ok(match packet {
            ex::SEQUENCE_START => Self::Start,
            ex::CODED_FRAMES => Self::Frame,
            ex::CODED_FRAMES_X if kind == Kind::Video => Self::FrameX,
            ex::SEQUENCE_END => Self::End,
            ex::SIDE_DATA => Self::SideData,
            other => return Err(TagError::UnsupportedPacket(other)),
        })
    }
}

fn unsupported(what: &str, number: u8) -> TagError {
    TagError::UnsupportedCodec(format!("{what} {number}"))
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
        if next >> 4 == ex::TIMESTAMP_OFFSET_NANO {
            let nanos = data.u24()?.min(MAX_NANO_OFFSET);
            at = at + Timestamp::from_nanos(i64::from(nanos));
        }
        packet = next & 0x0F;
    }
    Ok((packet, at))
}

/// One kind of `ModEx` is defined; a body with many is meant to cost time.
const MAX_MOD_EX: u32 = 16;

/// Whole milliseconds are in the timestamp of the message.
const MAX_NANO_OFFSET: u32 = 999_999;
