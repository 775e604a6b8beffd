//! The media model: what a publisher sends, once parsed, and all that an output needs to see.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{FourCc, aac, avc};
use crate::time::Timestamp;

mod channels;
mod tracks;

pub use channels::ChannelLayout;
pub use tracks::Tracks;

/// What a track carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Script data: AMF0 messages such as `onMetaData`, `onTextData`.
    Data,
}

/// Names a track within its stream: by what it carries, and by the publisher's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackName {
    /// What it carries.
    pub kind: Kind,
    /// Its number within its kind; see [`Track::id`].
    pub id: u8,
}

impl fmt::Display for TrackName {
    /// `video`, `audio`, and `audio2` for another than track 0, as in file names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Video => "video",
            Kind::Audio => "audio",
            Kind::Data => "data",
        })?;
        match self.id {
            0 => Ok(()),
            id => write!(f, "{id}"),
        }
    }
}

/// The codec of a track, with the configuration that a decoder needs before the first frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// H.264: access units as length-prefixed NAL units (ISO/IEC 14496-15).
    Avc(avc::Config),
    /// AAC: raw access units without ADTS (ISO/IEC 14496-3).
    Aac(aac::Config),
    /// Another codec, carried by its FourCC with its configuration record uninterpreted.
    Other {
        /// The FourCC of Enhanced RTMP, or of the sample entry.
        fourcc: FourCc,
        /// The configuration record as it came.
        config: Bytes,
    },
    /// Script data has no codec.
    Data,
}

impl Codec {
    /// The configuration record, as it came: `AVCDecoderConfigurationRecord`, `AudioSpecificConfig`, ...
    pub fn config_record(&self) -> &Bytes {
        static NONE: Bytes = Bytes::new();
        match self {
            Self::Avc(config) => &config.record,
            Self::Aac(config) => &config.record,
            Self::Other { config, .. } => config,
            Self::Data => &NONE,
        }
    }

    /// The FourCC by which Enhanced RTMP names it; script data has none.
    pub fn fourcc(&self) -> Option<FourCc> {
        match self {
            Self::Avc(_) => Some(FourCc::AVC1),
            Self::Aac(_) => Some(FourCc::MP4A),
            Self::Other { fourcc, .. } => Some(*fourcc),
            Self::Data => None,
        }
    }

    /// The picture that its configuration promises; sound has none.
    pub fn picture(&self) -> Option<Picture> {
        match self {
            Self::Avc(config) => Some(Picture {
                width: config.width,
                height: config.height,
                frame_rate_millis: config.frame_rate_millis,
            }),
            _ => None,
        }
    }

    /// The sound that its configuration promises; pictures have none.
    pub fn sound(&self) -> Option<Sound> {
        match self {
            Self::Aac(config) => Some(Sound {
                sample_rate: config.sample_rate,
                channels: config.channels(),
            }),
            _ => None,
        }
    }

    /// How many samples of each channel the access unit `payload` plays for, at the rate of [`Codec::sound`]; `None`
    /// where neither the configuration nor the unit says so.
    pub fn samples(&self, payload: &[u8]) -> Option<u32> {
        match self {
            Self::Aac(config) if !payload.is_empty() => Some(config.samples_per_frame),
            _ => None,
        }
    }

    /// The codec string of RFC 6381, as in the `CODECS` attribute of a playlist.
    pub fn rfc6381(&self) -> String {
        match self {
            Self::Avc(config) => config.rfc6381(),
            Self::Aac(config) => config.rfc6381(),
            Self::Other { fourcc, .. } => fourcc.to_string(),
            Self::Data => String::new(),
        }
    }
}

/// What a video codec's configuration says of its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Picture {
    /// Width in pixels after cropping.
    pub width: u32,
    /// Height in pixels after cropping.
    pub height: u32,
    /// Frames a second in thousandths, where the configuration gives it.
    pub frame_rate_millis: Option<u32>,
}

/// What an audio codec's configuration says of its sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sound {
    /// Samples a second of each channel, in which access units are counted.
    pub sample_rate: u32,
    /// The number of channels.
    pub channels: u8,
}

/// One track of a stream under one codec configuration.
///
/// A frame points to its track, so a changed configuration needs no event of its own: it is in force from the
/// first frame that points to another `Track`. Compare with [`Arc::ptr_eq`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Track {
    /// The track's number within its kind, 0 unless the publisher sends several (E-RTMP v2 "Multitrack Streaming").
    pub id: u8,
    /// What it carries.
    pub kind: Kind,
    /// How it is coded.
    pub codec: Codec,
    /// Video: what the publisher says of its colours beside the bit stream, as HDR needs it (E-RTMP v2 "Metadata
    /// Frame"): AMF0 names and values as they came, of which `colorInfo` is the one defined.
    pub metadata: Option<Bytes>,
    /// Audio: which channel belongs to which speaker, where the publisher says so beside the bit stream.
    pub channels: Option<ChannelLayout>,
}

impl Track {
    /// Track 0 of a kind, with nothing said beside its codec.
    pub fn new(kind: Kind, codec: Codec) -> Self {
        Self {
            id: 0,
            kind,
            codec,
            metadata: None,
            channels: None,
        }
    }

    /// The same under another number.
    #[must_use]
    pub fn with_id(self, id: u8) -> Self {
        Self { id, ..self }
    }

    /// The same with video metadata; see [`Track::metadata`].
    #[must_use]
    pub fn with_metadata(self, metadata: Option<Bytes>) -> Self {
        Self { metadata, ..self }
    }

    /// The same with a speaker layout; see [`Track::channels`].
    #[must_use]
    pub fn with_channels(self, channels: Option<ChannelLayout>) -> Self {
        Self { channels, ..self }
    }

    /// Its name within its stream.
    pub fn name(&self) -> TrackName {
        TrackName {
            kind: self.kind,
            id: self.id,
        }
    }

    /// Whether a decoder that was set up for `other` goes on with this one: only what is said beside the codec differs.
    pub fn decodes_like(&self, other: &Self) -> bool {
        self.name() == other.name() && self.codec == other.codec
    }
}

/// One access unit, or one script data message.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MediaFrame {
    /// The track under the configuration in force for this frame.
    pub track: Arc<Track>,
    /// When it is to be decoded. Never decreases within a stream, for any one track.
    pub dts: Timestamp,
    /// Presentation time less decoding time; may be negative in what some encoders send.
    pub composition: Timestamp,
    /// It decodes on its own: a key frame. In streams without video the hub sets it about once a second for audio.
    pub key: bool,
    /// Its track is the default one of its kind, as the hub sees it; true before that, and for script data. Outputs
    /// that know one track of each kind take no others. See [`Tracks`].
    pub is_default: bool,
    /// Counts the breaks of the timeline: frames of different epochs are not continuous.
    pub epoch: u32,
    /// The coded bytes in the codec's own form (see [`Codec`]).
    pub payload: Bytes,
}

impl MediaFrame {
    /// A frame of `track` that is presented when it is decoded, and is no key frame.
    pub fn new(track: &Arc<Track>, dts: Timestamp, payload: Bytes) -> Self {
        Self {
            track: Arc::clone(track),
            dts,
            composition: Timestamp::ZERO,
            key: false,
            is_default: true,
            epoch: 0,
            payload,
        }
    }

    /// When it is to be presented.
    pub fn pts(&self) -> Timestamp {
        self.dts + self.composition
    }

    /// What its track carries.
    pub fn kind(&self) -> Kind {
        self.track.kind
    }
}
