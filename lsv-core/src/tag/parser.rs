//! Reading tag bodies, with the state that the format spreads over messages: the configurations in force.

use std::sync::Arc;

use bytes::Bytes;

use super::body::{Content, Part, Parts};
use super::{Packet, TagError, is_self_describing};
use crate::codec::{FourCc, InvalidConfig, MAX_RECORD_BYTES, aac, av1, avc, flac, hevc, opus, vp9};
use crate::media::{ChannelLayout, Codec, Kind, MediaFrame, Track};
use crate::time::Timestamp;
use crate::wire::subslice;

/// What a [`Parser`] takes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Take FLV video codec 12 for HEVC, as encoders sent it that are older than Enhanced RTMP. Off: the number was never
    /// assigned.
    pub legacy_hevc: bool,
    /// Tracks of one kind, 8: each keeps up to 128 KiB of configuration and side data.
    pub tracks: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            legacy_hevc: false,
            tracks: 8,
        }
    }
}

/// Parses the tag bodies of one publisher, or of one FLV file, in their order.
///
/// Payloads of the frames that come out share the memory of the bodies that went in. One that is the lesser part of
/// its body is copied, so that a frame keeps no more than about twice its own length in memory.
#[derive(Debug, Clone, Default)]
pub struct Parser {
    options: Options,
    slots: Vec<Slot>,
    data: Option<Arc<Track>>,
}

/// A track as far as it is known.
#[derive(Debug, Clone)]
struct Slot {
    kind: Kind,
    id: u8,
    side_data: Option<SideData>,
    /// The last sequence header: of the track, unless a key frame brought another configuration since.
    header: Bytes,
    track: Option<Arc<Track>>,
}

/// What was last said beside a codec. It may come before the codec's own configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SideData {
    fourcc: FourCc,
    metadata: Option<Bytes>,
    channels: Option<ChannelLayout>,
}

impl Parser {
    /// A parser that has seen nothing yet.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// Parses a video body whose message carried the timestamp `at`. Take all packets out: only so is all of it seen.
    pub fn video<'a>(&'a mut self, body: &'a Bytes, at: Timestamp) -> Packets<'a> {
        let parts = Parts::video(body, at, &self.options);
        Packets::new(self, Kind::Video, body, parts)
    }

    /// Parses an audio body whose message carried the timestamp `at`. Take all packets out: only so is all of it seen.
    pub fn audio<'a>(&'a mut self, body: &'a Bytes, at: Timestamp) -> Packets<'a> {
        let parts = Parts::audio(body, at);
        Packets::new(self, Kind::Audio, body, parts)
    }

    /// Wraps a script data body: AMF0 name and value, as in an FLV script tag.
    pub fn data(&mut self, body: Bytes, at: Timestamp) -> MediaFrame {
        let track = self
            .data
            .get_or_insert_with(|| Arc::new(Track::new(Kind::Data, Codec::Data)));
        MediaFrame::new(track, at, body)
    }

    /// The tracks whose configurations are known, in the order in which they came.
    pub fn tracks(&self) -> impl Iterator<Item = &Arc<Track>> {
        self.slots.iter().filter_map(|slot| slot.track.as_ref())
    }

    fn take(
        &mut self,
        kind: Kind,
        body: &Bytes,
        part: &Part<'_>,
    ) -> Result<Option<Packet>, TagError> {
        match part.content {
            Content::Start => self.configure(kind, part),
            Content::Frame | Content::FrameX => self.frame(kind, body, part),
            Content::End => {
                let track = self
                    .known(kind, part.id)
                    .and_then(|slot| slot.track.clone());
                Ok(track.map(Packet::End))
            }
            Content::SideData => self.set_side_data(kind, part),
        }
    }

    /// Encoders repeat their sequence headers, many at each key frame: only a changed one makes a new track. Where frames
    /// describe themselves none is needed, and what it would say is in no standard.
    fn configure(&mut self, kind: Kind, part: &Part<'_>) -> Result<Option<Packet>, TagError> {
        check_carried(kind, part.fourcc)?;
        let known = self.known(kind, part.id);
        if known.is_some_and(|slot| slot.has(part)) || Codec::of_frame(part.fourcc, &[]).is_some() {
            return Ok(None);
        }
        let codec = codec(part.fourcc, part.payload)?;
        let slot = self.slot(kind, part.id)?;
        slot.header.clone_from(codec.config_record());
        Ok(Some(Packet::Track(slot.renew(codec))))
    }

    fn frame(
        &mut self,
        kind: Kind,
        body: &Bytes,
        part: &Part<'_>,
    ) -> Result<Option<Packet>, TagError> {
        if part.payload.is_empty() {
            // Some encoders send empty messages to keep a connection busy; an empty access unit means nothing to a muxer.
            return Ok(None);
        }
        check_carried(kind, part.fourcc)?;
        let known = self
            .known(kind, part.id)
            .and_then(|slot| slot.track.as_ref());
        let known = known.filter(|track| track.codec.fourcc() == Some(part.fourcc));
        let described = Codec::of_frame(part.fourcc, part.payload);
        let track = match (known, described) {
            // Nobody could decode it.
            (_, Some(Err(_))) => return Err(TagError::NoConfig(kind)),
            (Some(track), Some(Ok(codec))) if codec.decodes_like(&track.codec) => Arc::clone(track),
            (_, Some(Ok(codec))) => self.slot(kind, part.id)?.renew(codec),
            (Some(track), None) => match part.key.then(|| track.codec.brought_by(part.payload)) {
                Some(Some(codec)) => self.slot(kind, part.id)?.renew(codec),
                _ => Arc::clone(track),
            },
            (None, None) if is_self_describing(part.fourcc) => {
                let codec = codec(part.fourcc, &[])?;
                let slot = self.slot(kind, part.id)?;
                slot.header = Bytes::new();
                slot.renew(codec)
            }
            (None, None) => return Err(TagError::NoConfig(kind)),
        };
        let mut frame = MediaFrame::new(&track, part.at, payload(body, part));
        (frame.composition, frame.key) = (part.composition, part.key);
        Ok(Some(Packet::Frame(frame)))
    }

    fn set_side_data(&mut self, kind: Kind, part: &Part<'_>) -> Result<Option<Packet>, TagError> {
        let mut said = SideData {
            fourcc: part.fourcc,
            metadata: None,
            channels: None,
        };
        match kind {
            Kind::Video => said.metadata = Some(detached(part.payload)?),
            // An order that is not defined says nothing.
            _ => said.channels = ChannelLayout::parse(part.payload)?,
        }
        let slot = self.slot(kind, part.id)?;
        if slot.side_data.as_ref() == Some(&said) {
            return Ok(None);
        }
        slot.side_data = Some(said);
        let codec = slot.track.as_ref().map(|track| track.codec.clone());
        // FFmpeg 9 says what belongs to another track of track 0; the codec tells, unless it is the same.
        let codec = codec.filter(|codec| codec.fourcc() == Some(part.fourcc));
        Ok(codec.map(|codec| Packet::Track(slot.renew(codec))))
    }

    fn known(&self, kind: Kind, id: u8) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.is(kind, id))
    }

    fn slot(&mut self, kind: Kind, id: u8) -> Result<&mut Slot, TagError> {
        let too_many = TagError::TooManyTracks(self.options.tracks);
        let position = match self.slots.iter().position(|slot| slot.is(kind, id)) {
            Some(position) => position,
            None => {
                let of_kind = self.slots.iter().filter(|slot| slot.kind == kind);
                if of_kind.count() >= self.options.tracks {
                    return Err(too_many);
                }
                self.slots.push(Slot::new(kind, id));
                self.slots.len() - 1
            }
        };
        self.slots.get_mut(position).ok_or(too_many)
    }
}

impl Slot {
    fn new(kind: Kind, id: u8) -> Self {
        Self {
            kind,
            id,
            side_data: None,
            header: Bytes::new(),
            track: None,
        }
    }

    fn is(&self, kind: Kind, id: u8) -> bool {
        (self.kind, self.id) == (kind, id)
    }

    /// Whether the sequence header of `part` is the last one again.
    fn has(&self, part: &Part<'_>) -> bool {
        let codec = self.track.as_ref().map(|track| &track.codec);
        codec.is_some_and(|codec| codec.fourcc() == Some(part.fourcc))
            && self.header == part.payload
    }

    fn renew(&mut self, codec: Codec) -> Arc<Track> {
        let mut track = Track::new(self.kind, codec).with_id(self.id);
        let said = self.side_data.as_ref();
        if let Some(said) = said.filter(|said| track.codec.fourcc() == Some(said.fourcc)) {
            track.metadata.clone_from(&said.metadata);
            track.channels.clone_from(&said.channels);
        }
        Arc::clone(self.track.insert(Arc::new(track)))
    }
}

/// The packets of one tag body, in their order.
///
/// After [`TagError::NoConfig`] the packets of other tracks follow; any other error is the last item.
#[derive(Debug)]
pub struct Packets<'a> {
    parser: &'a mut Parser,
    kind: Kind,
    body: &'a Bytes,
    parts: Option<Result<Parts<'a>, TagError>>,
}

impl<'a> Packets<'a> {
    fn new(
        parser: &'a mut Parser,
        kind: Kind,
        body: &'a Bytes,
        parts: Result<Parts<'a>, TagError>,
    ) -> Self {
        Self {
            parser,
            kind,
            body,
            parts: Some(parts),
        }
    }

    fn advance(&mut self) -> Result<Option<Packet>, TagError> {
        let parts = match &mut self.parts {
            Some(Ok(parts)) => parts,
            Some(Err(error)) => return Err(error.clone()),
            None => return Ok(None),
        };
        while let Some(part) = parts.next()? {
            if let Some(packet) = self.parser.take(self.kind, self.body, &part)? {
                return Ok(Some(packet));
            }
        }
        Ok(None)
    }
}

impl Iterator for Packets<'_> {
    type Item = Result<Packet, TagError>;

    fn next(&mut self) -> Option<Self::Item> {
        let packet = self.advance().transpose();
        if !matches!(packet, Some(Ok(_) | Err(TagError::NoConfig(_)))) {
            self.parts = None;
        }
        packet
    }
}

/// The codec of a sequence header; of codecs without one, under an empty record.
pub(super) fn codec(fourcc: FourCc, record: &[u8]) -> Result<Codec, TagError> {
    let config = detached(record)?;
    Ok(match fourcc {
        FourCc::AVC1 => Codec::Avc(avc::Config::parse(config)?),
        FourCc::HVC1 => Codec::Hevc(hevc::Config::parse(config)?),
        FourCc::AV01 => Codec::Av1(av1::Config::parse(config)?),
        FourCc::VP09 => Codec::Vp9(vp9::Config::parse(config)?),
        FourCc::MP4A => Codec::Aac(aac::Config::parse(config)?),
        FourCc::OPUS => Codec::Opus(opus::Config::parse(config)?),
        FourCc::FLAC => Codec::Flac(flac::Config::parse(config)?),
        _ => Codec::Other { fourcc, config },
    })
}

fn check_carried(kind: Kind, fourcc: FourCc) -> Result<(), TagError> {
    let carried: &[FourCc] = match kind {
        Kind::Video => &FourCc::VIDEO,
        Kind::Audio => &FourCc::AUDIO,
        Kind::Data => &[],
    };
    match carried.contains(&fourcc) {
        true => Ok(()),
        false => Err(TagError::UnsupportedCodec(fourcc.to_string())),
    }
}

/// The payload of `part` in the memory of `body`, unless that would keep much more than itself: the other tracks of the
/// body, or long prefixes.
fn payload(body: &Bytes, part: &Part<'_>) -> Bytes {
    let besides = body.len().saturating_sub(part.payload.len());
    match besides > part.payload.len().max(MAX_HEADER_BYTES) {
        true => Bytes::copy_from_slice(part.payload),
        false => subslice(body, part.payload),
    }
}

/// A copy of its own, so that a configuration kept for hours does not keep its message's buffer.
fn detached(record: &[u8]) -> Result<Bytes, InvalidConfig> {
    if record.len() > MAX_RECORD_BYTES {
        return Err(InvalidConfig::TooLong(record.len()));
    }
    Ok(Bytes::copy_from_slice(record))
}

/// Above what stands in front of any honest payload, so that even the smallest sound frames are not copied.
const MAX_HEADER_BYTES: usize = 64;
