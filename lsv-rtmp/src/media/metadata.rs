//! `onMetaData`: what a publisher says of its stream (FLV 10.1 §E.5, E-RTMP v2 "Enhancing onMetaData").

use bytes::{Bytes, BytesMut};
use lsv_core::codec::FourCc;
use lsv_core::media::Kind;

use crate::Limits;
use crate::amf0::{Decoder, Object, Value, encode_all};
use crate::error::Error;

/// The properties of `onMetaData`, all of them and in their order, with typed views of the usual ones.
///
/// They are what the publisher claims. Codec and picture size in the tracks themselves are to be believed first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata {
    /// The properties as they came.
    pub properties: Object,
}

/// A codec as metadata names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecId {
    /// By its number in FLV: video 7 is H.264, sound 10 AAC, 2 MP3.
    Flv(u8),
    /// By its FourCC.
    FourCc(FourCc),
}

impl Metadata {
    /// Reads a data message: `None` where it is another one than `onMetaData`, or has no properties.
    ///
    /// # Errors
    /// What is wrong with the AMF0.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Option<Self>, Error> {
        let mut decoder = Decoder::new(body, limits);
        let name = decoder.next()?;
        if name.as_ref().and_then(Value::as_str) != Some(NAME) {
            return Ok(None);
        }
        Ok(match decoder.next()? {
            Some(Value::Object(properties) | Value::EcmaArray(properties)) => {
                Some(Self { properties })
            }
            _ => None,
        })
    }

    /// The data message that says this.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        let properties = Value::EcmaArray(self.properties.clone());
        encode_all(&[NAME.into(), properties], &mut out);
        out.freeze()
    }

    /// Width of the picture in pixels.
    pub fn width(&self) -> Option<f64> {
        self.number("width")
    }

    /// Height of the picture in pixels.
    pub fn height(&self) -> Option<f64> {
        self.number("height")
    }

    /// Frames a second.
    pub fn frame_rate(&self) -> Option<f64> {
        self.number("framerate")
    }

    /// The codec of the default video track.
    pub fn video_codec(&self) -> Option<CodecId> {
        CodecId::of(self.properties.property("videocodecid")?)
    }

    /// The codec of the default audio track.
    pub fn audio_codec(&self) -> Option<CodecId> {
        CodecId::of(self.properties.property("audiocodecid")?)
    }

    /// What is said of track `id` of a kind, other than the default one, where it differs from that one.
    pub fn track(&self, kind: Kind, id: u8) -> Option<&Object> {
        let map = match kind {
            Kind::Video => "videoTrackIdInfoMap",
            Kind::Audio => "audioTrackIdInfoMap",
            Kind::Data => return None,
        };
        let map = self.properties.property(map)?;
        map.property(&id.to_string())?.as_object()
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.properties.property(name)?.as_number()
    }
}

impl CodecId {
    /// Reads a `videocodecid` or `audiocodecid`: a number, or the four letters that some encoders send.
    pub fn of(value: &Value) -> Option<Self> {
        let fourcc = |bytes: [u8; 4]| Self::FourCc(FourCc(bytes));
        match value {
            Value::String(text) => text.as_bytes().try_into().ok().map(fourcc),
            Value::Number(number) if number.fract() == 0.0 && (0.0..=U32_MAX).contains(number) => {
                let number = *number as u32;
                Some(match u8::try_from(number) {
                    Ok(number) => Self::Flv(number),
                    Err(_) => fourcc(number.to_be_bytes()),
                })
            }
            _ => None,
        }
    }
}

const NAME: &str = "onMetaData";
const U32_MAX: f64 = u32::MAX as f64;
