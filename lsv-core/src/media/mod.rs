//! The media model: what a publisher sends, once parsed, and all that an output needs to see.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{FourCc, InvalidConfig, aac, ac3, av1, avc, flac, hevc, mp3, opus, vp9};
use crate::time::Timestamp;

mod channels;
mod orientation;
mod tracks;

pub use crate::codec::Picture;
pub use channels::ChannelLayout;
pub use orientation::Orientation;
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
    /// H.265, likewise.
    Hevc(hevc::Config),
    /// AV1: temporal units of low-overhead OBUs (AV1 in ISO BMFF).
    Av1(av1::Config),
    /// VP9: frames and superframes.
    Vp9(vp9::Config),
    /// AAC: raw access units without ADTS (ISO/IEC 14496-3).
    Aac(aac::Config),
    /// Opus: packets (RFC 6716), of several streams all but the last self-delimited.
    Opus(opus::Config),
    /// FLAC: frames (RFC 9639).
    Flac(flac::Config),
    /// AC-3: syncframes (ETSI TS 102 366).
    Ac3(ac3::Config),
    /// Enhanced AC-3: the syncframes of all substreams (ETSI TS 102 366 annex E).
    Eac3(ac3::Config),
    /// MP3: frames with their headers (ISO/IEC 11172-3, 13818-3).
    Mp3(mp3::Config),
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
    /// Reads from `frame` what a codec without sequence header is set to; `None` where the codec `fourcc` has one.
    ///
    /// # Errors
    /// [`InvalidConfig`] where `frame` does not start as frames of this codec do.
    pub fn of_frame(fourcc: FourCc, frame: &[u8]) -> Option<Result<Self, InvalidConfig>> {
        Some(match fourcc {
            FourCc::AC3 => ac3::Config::of_ac3(frame).map(Self::Ac3),
            FourCc::EC3 => ac3::Config::of_eac3(frame).map(Self::Eac3),
            FourCc::MP3 => mp3::Config::of_frame(frame).map(Self::Mp3),
            _ => return None,
        })
    }

    /// Whether a decoder that was set up for `other` goes on with this one: they are equal, or differ only in what may
    /// change from frame to frame.
    pub fn decodes_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ac3(one), Self::Ac3(other)) | (Self::Eac3(one), Self::Eac3(other)) => {
                one.decodes_like(other)
            }
            (Self::Flac(one), Self::Flac(other)) => one.decodes_like(other),
            _ => self == other,
        }
    }

    /// The configuration record, as it came: `AVCDecoderConfigurationRecord`, `AudioSpecificConfig`, ... Empty for
    /// codecs whose frames say it all.
    pub fn config_record(&self) -> &Bytes {
        static NONE: Bytes = Bytes::new();
        match self {
            Self::Avc(config) => &config.record,
            Self::Hevc(config) => &config.record,
            Self::Av1(config) => &config.record,
            Self::Vp9(config) => &config.record,
            Self::Aac(config) => &config.record,
            Self::Opus(config) => &config.record,
            Self::Flac(config) => &config.record,
            Self::Other { config, .. } => config,
            Self::Ac3(_) | Self::Eac3(_) | Self::Mp3(_) | Self::Data => &NONE,
        }
    }

    /// The FourCC by which Enhanced RTMP names it; script data has none.
    pub fn fourcc(&self) -> Option<FourCc> {
        match self {
            Self::Avc(_) => Some(FourCc::AVC1),
            Self::Hevc(_) => Some(FourCc::HVC1),
            Self::Av1(_) => Some(FourCc::AV01),
            Self::Vp9(_) => Some(FourCc::VP09),
            Self::Aac(_) => Some(FourCc::MP4A),
            Self::Opus(_) => Some(FourCc::OPUS),
            Self::Flac(_) => Some(FourCc::FLAC),
            Self::Ac3(_) => Some(FourCc::AC3),
            Self::Eac3(_) => Some(FourCc::EC3),
            Self::Mp3(_) => Some(FourCc::MP3),
            Self::Other { fourcc, .. } => Some(*fourcc),
            Self::Data => None,
        }
    }

    /// The picture that its configuration promises; sound has none. Of AV1 and VP9 it may be known from the first key
    /// frame on only.
    pub fn picture(&self) -> Option<Picture> {
        match self {
            Self::Avc(config) => Some(config.picture),
            Self::Hevc(config) => Some(config.picture),
            Self::Av1(config) => config.picture,
            Self::Vp9(config) => config.picture(),
            _ => None,
        }
    }

    /// The configuration that `key_frame` brings with it, where it is another one: parameter sets, a sequence header or a
    /// size in the stream itself are what decoders follow, whatever was said before.
    pub(crate) fn brought_by(&self, key_frame: &[u8]) -> Option<Self> {
        match self {
            Self::Avc(config) => config.brought_by(key_frame).map(Self::Avc),
            Self::Hevc(config) => config.brought_by(key_frame).map(Self::Hevc),
            Self::Av1(config) => config.brought_by(key_frame).map(Self::Av1),
            Self::Vp9(config) => config.brought_by(key_frame).map(Self::Vp9),
            _ => None,
        }
    }

    /// The sound that its configuration promises; pictures have none.
    pub fn sound(&self) -> Option<Sound> {
        let (sample_rate, channels) = match self {
            Self::Aac(config) => (config.output_sample_rate, config.channels()),
            Self::Opus(config) => (opus::SAMPLE_RATE, config.channels),
            Self::Flac(config) => (config.sample_rate, config.channels),
            Self::Ac3(config) | Self::Eac3(config) => (config.sample_rate, config.channels),
            Self::Mp3(config) => (config.sample_rate, config.channels),
            _ => return None,
        };
        Some(Sound {
            sample_rate,
            channels,
        })
    }

    /// How many samples of each channel the access unit `payload` plays for, at the rate of [`Codec::sound`]; `None`
    /// where neither the configuration nor the unit says so.
    pub fn samples(&self, payload: &[u8]) -> Option<u32> {
        match self {
            Self::Aac(config) if !payload.is_empty() => Some(config.output_samples()),
            Self::Opus(_) => opus::samples(payload),
            Self::Flac(_) => flac::samples(payload),
            Self::Ac3(_) | Self::Eac3(_) => ac3::samples(payload),
            Self::Mp3(config) => config.samples(payload),
            _ => None,
        }
    }

    /// The codec string of RFC 6381, as in the `CODECS` attribute of a playlist.
    pub fn rfc6381(&self) -> String {
        match self {
            Self::Avc(config) => config.rfc6381(),
            Self::Hevc(config) => config.rfc6381(),
            Self::Av1(config) => config.rfc6381(),
            Self::Vp9(config) => config.rfc6381(),
            Self::Aac(config) => config.rfc6381(),
            Self::Opus(config) => config.rfc6381(),
            Self::Flac(config) => config.rfc6381(),
            Self::Ac3(_) => "ac-3".to_owned(),
            Self::Eac3(_) => "ec-3".to_owned(),
            Self::Mp3(config) => config.rfc6381(),
            Self::Other { fourcc, .. } => fourcc.to_string(),
            Self::Data => String::new(),
        }
    }
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
