//! The media model: what a publisher sends, once parsed, and all that an output needs to see.

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{self, aac, avc};
use crate::time::Timestamp;

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
        fourcc: codec::FourCc,
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

/// One track of a stream under one codec configuration.
///
/// A frame points to its track, so a changed configuration needs no event of its own: it is in force from the
/// first frame that points to another `Track`. Compare with [`Arc::ptr_eq`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// The track's number within its kind, 0 unless the publisher sends several (Enhanced RTMP multitrack).
    pub id: u8,
    /// What it carries.
    pub kind: Kind,
    /// How it is coded.
    pub codec: Codec,
}

/// One access unit, or one script data message.
#[derive(Debug, Clone)]
pub struct MediaFrame {
    /// The track under the configuration in force for this frame.
    pub track: Arc<Track>,
    /// When it is to be decoded. Never decreases within a stream, for any one track.
    pub dts: Timestamp,
    /// Presentation time less decoding time; may be negative in what some encoders send.
    pub composition: Timestamp,
    /// A reader may start here: a key frame, or for streams without video an audio frame about once a second.
    pub key: bool,
    /// Counts the breaks of the timeline: frames of different epochs are not continuous.
    pub epoch: u32,
    /// The coded bytes in the codec's own form (see [`Codec`]).
    pub payload: Bytes,
}

impl MediaFrame {
    /// When it is to be presented.
    pub fn pts(&self) -> Timestamp {
        self.dts + self.composition
    }

    /// What its track carries.
    pub fn kind(&self) -> Kind {
        self.track.kind
    }
}

/// The tracks of a stream as far as they are known, at most one of each kind for now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tracks {
    /// The video track.
    pub video: Option<Arc<Track>>,
    /// The audio track.
    pub audio: Option<Arc<Track>>,
    /// The publisher's last `onMetaData`, whole as in an FLV script tag: the AMF0 name, then the value.
    pub metadata: Option<Bytes>,
}

impl Tracks {
    /// The current track of a kind; script data has none.
    pub fn get(&self, kind: Kind) -> Option<&Arc<Track>> {
        match kind {
            Kind::Video => self.video.as_ref(),
            Kind::Audio => self.audio.as_ref(),
            Kind::Data => None,
        }
    }

    /// Remembers `track` as the current one of its kind.
    pub fn set(&mut self, track: &Arc<Track>) {
        match track.kind {
            Kind::Video => self.video = Some(Arc::clone(track)),
            Kind::Audio => self.audio = Some(Arc::clone(track)),
            Kind::Data => {}
        }
    }

    /// The codec strings of RFC 6381, video first, separated by commas.
    pub fn rfc6381(&self) -> String {
        let known = [&self.video, &self.audio];
        let strings: Vec<String> = known
            .into_iter()
            .flatten()
            .map(|track| track.codec.rfc6381())
            .collect();
        strings.join(",")
    }
}
