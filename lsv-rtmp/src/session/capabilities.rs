//! What the ends of a connection can do beyond RTMP 1.0, as they tell each other in `connect` and its answer (E-RTMP v2,
//! "Enhancing NetConnection connect Command").

use std::{fmt, ops::BitOr};

use lsv_core::codec::FourCc;

use crate::amf0::{Object, Value};

/// What every set of bits can do.
macro_rules! set_of_bits {
    ($name:ident) => {
        impl $name {
            /// Whether all bits of `other` are set.
            pub fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
        }

        impl BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:#04x})", stringify!($name), self.0)
            }
        }
    };
}

/// What one end of a connection says that it can do. The default is to say nothing, as clients without Enhanced RTMP do.
///
/// Only a hint: encoders send Enhanced media without a word of this, and FFmpeg is one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Codecs that it handles somehow, as FourCCs or [`ANY`](Self::ANY): `fourCcList`, the form of E-RTMP v1.
    pub four_cc_list: Vec<String>,
    /// What it can do with each video codec: `videoFourCcInfoMap`, in its order.
    pub video: Vec<(String, FourCcInfo)>,
    /// What it can do with each audio codec: `audioFourCcInfoMap`, in its order.
    pub audio: Vec<(String, FourCcInfo)>,
    /// What it can do whatever the codec: `capsEx`.
    pub caps_ex: CapsEx,
}

impl Capabilities {
    /// The name that stands for every codec.
    pub const ANY: &str = "*";

    /// Those of this library: it forwards each codec that E-RTMP v2 names, and understands all of its extensions.
    pub fn forwarder() -> Self {
        Self::new(
            VIDEO.map(|codec| (codec.to_string(), FourCcInfo::CAN_FORWARD)),
            AUDIO.map(|codec| (codec.to_string(), FourCcInfo::CAN_FORWARD)),
        )
    }

    /// Those of a middleman that passes on whatever comes.
    pub fn any() -> Self {
        let any = || [(Self::ANY.to_owned(), FourCcInfo::CAN_FORWARD)];
        Self::new(any(), any())
    }

    /// What it can do with a video codec, by its name and by [`ANY`](Self::ANY); nothing where it names neither.
    pub fn video(&self, codec: FourCc) -> FourCcInfo {
        info_of(&self.video, codec)
    }

    /// What it can do with an audio codec, by its name and by [`ANY`](Self::ANY); nothing where it names neither.
    pub fn audio(&self, codec: FourCc) -> FourCcInfo {
        info_of(&self.audio, codec)
    }

    /// Whether it names a codec anywhere, or all of them.
    pub fn names(&self, codec: FourCc) -> bool {
        let maps = self.video.iter().chain(&self.audio).map(|(name, _)| name);
        let mut names = self.four_cc_list.iter().chain(maps);
        names.any(|name| name == Self::ANY || name.as_bytes() == codec.0)
    }

    /// Reads them from the command object of `connect`, or from the answer.
    pub fn of(object: &Object) -> Self {
        let list = object
            .property(FOUR_CC_LIST)
            .and_then(Value::as_array)
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned);
        let caps_ex = object.property(CAPS_EX).and_then(Value::as_number);
        Self {
            four_cc_list: list.collect(),
            video: info_map(object, VIDEO_MAP),
            audio: info_map(object, AUDIO_MAP),
            caps_ex: CapsEx(bits(caps_ex.unwrap_or_default())),
        }
    }

    /// The properties that say so; what is empty is left out.
    pub fn properties(&self) -> Object {
        let mut object = Object::new();
        if !self.four_cc_list.is_empty() {
            let list = self.four_cc_list.iter().map(|name| name.as_str().into());
            object = object.with(FOUR_CC_LIST, Value::StrictArray(list.collect()));
        }
        for (name, map) in [(VIDEO_MAP, &self.video), (AUDIO_MAP, &self.audio)] {
            if !map.is_empty() {
                let entries = map
                    .iter()
                    .map(|(codec, info)| (codec.clone(), f64::from(info.0).into()));
                object = object.with(name, entries.collect::<Object>());
            }
        }
        if self.caps_ex != CapsEx::default() {
            object = object.with(CAPS_EX, f64::from(self.caps_ex.0));
        }
        object
    }

    fn new<const V: usize, const A: usize>(
        video: [(String, FourCcInfo); V],
        audio: [(String, FourCcInfo); A],
    ) -> Self {
        let mut four_cc_list: Vec<String> = Vec::new();
        for (name, _) in video.iter().chain(&audio) {
            if !four_cc_list.contains(name) {
                four_cc_list.push(name.clone());
            }
        }
        Self {
            four_cc_list,
            video: video.into(),
            audio: audio.into(),
            caps_ex: CapsEx::ALL,
        }
    }
}

/// What can be done with a codec, a set of bits (`FourCcInfoMask`); bits without a name are kept.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FourCcInfo(pub u32);

impl FourCcInfo {
    /// Show or sound it.
    pub const CAN_DECODE: Self = Self(0x01);
    /// Make it.
    pub const CAN_ENCODE: Self = Self(0x02);
    /// Pass it on.
    pub const CAN_FORWARD: Self = Self(0x04);
}

/// Extended capabilities, a set of bits (`CapsExMask`); bits without a name are kept.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CapsEx(pub u32);

impl CapsEx {
    /// Connects again when it is asked to, or asks for it.
    pub const RECONNECT: Self = Self(0x01);
    /// Several audio or video tracks in one stream.
    pub const MULTITRACK: Self = Self(0x02);
    /// Reads `ModEx` packets.
    pub const MOD_EX: Self = Self(0x04);
    /// Timestamps finer than a millisecond.
    pub const TIMESTAMP_NANO_OFFSET: Self = Self(0x08);
    /// All that have a name.
    pub const ALL: Self = Self(0x0F);
}

/// What a client can do with pictures, a set of bits (`videoFunction`); bits without a name are kept.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct VideoFunction(pub u32);

impl VideoFunction {
    /// Seeks to a frame, and not only to a key frame (`SUPPORT_VID_CLIENT_SEEK`).
    pub const SEEK: Self = Self(0x01);
    /// Shows or passes on HDR, and reads the `colorInfo` of it (`SUPPORT_VID_CLIENT_HDR`).
    pub const HDR: Self = Self(0x02);
    /// Reads `VideoPacketType.Metadata` (`SUPPORT_VID_CLIENT_VIDEO_PACKET_TYPE_METADATA`).
    pub const PACKET_TYPE_METADATA: Self = Self(0x04);
    /// Decodes one tile of a picture alone (`SUPPORT_VID_CLIENT_LARGE_SCALE_TILE`).
    pub const LARGE_SCALE_TILE: Self = Self(0x08);

    /// Reads it from the command object of `connect`.
    pub fn of(object: &Object) -> Self {
        let number = object.property("videoFunction").and_then(Value::as_number);
        Self(bits(number.unwrap_or_default()))
    }
}

set_of_bits!(FourCcInfo);
set_of_bits!(CapsEx);
set_of_bits!(VideoFunction);

fn info_of(map: &[(String, FourCcInfo)], codec: FourCc) -> FourCcInfo {
    let about = map
        .iter()
        .filter(|(name, _)| name == Capabilities::ANY || name.as_bytes() == codec.0);
    about.fold(FourCcInfo::default(), |all, (_, info)| all | *info)
}

fn info_map(object: &Object, name: &str) -> Vec<(String, FourCcInfo)> {
    let entries = object
        .property(name)
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Object::iter);
    let info = |value: &Value| FourCcInfo(bits(value.as_number().unwrap_or_default()));
    entries
        .map(|(codec, value)| (codec.to_owned(), info(value)))
        .collect()
}

/// A set of bits that was sent as a double; what is out of range goes to the nearest in range.
fn bits(number: f64) -> u32 {
    number as u32
}

const FOUR_CC_LIST: &str = "fourCcList";
const VIDEO_MAP: &str = "videoFourCcInfoMap";
const AUDIO_MAP: &str = "audioFourCcInfoMap";
const CAPS_EX: &str = "capsEx";

/// The video codecs of E-RTMP v2.
const VIDEO: [FourCc; 5] = [
    FourCc::AVC1,
    FourCc::HVC1,
    FourCc::AV01,
    FourCc::VP09,
    FourCc::VP08,
];

/// The audio codecs of E-RTMP v2.
const AUDIO: [FourCc; 6] = [
    FourCc::MP4A,
    FourCc::OPUS,
    FourCc::FLAC,
    FourCc::AC3,
    FourCc::EC3,
    FourCc::MP3,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_back() {
        for all in [
            Capabilities::default(),
            Capabilities::any(),
            Capabilities::forwarder(),
        ] {
            assert_eq!(Capabilities::of(&all.properties()), all);
        }
        assert_eq!(Capabilities::default().properties(), Object::new());
        let names: Vec<_> = Capabilities::forwarder().four_cc_list;
        let expected = "avc1 hvc1 av01 vp09 vp08 mp4a Opus fLaC ac-3 ec-3 .mp3";
        assert_eq!(names.join(" "), expected);
        assert_eq!(Capabilities::any().four_cc_list, ["*"]);
    }

    #[test]
    fn what_is_said_of_all_codecs_holds_beside_what_is_said_of_one() {
        let object = Object::new()
            .with("fourCcList", Value::StrictArray(vec!["Opus".into()]))
            .with(
                "videoFourCcInfoMap",
                Object::new().with("vp09", 3.0).with("*", 4.0),
            )
            .with("capsEx", 37.0);
        let all = Capabilities::of(&object);
        assert_eq!(all.video(FourCc::VP09), FourCcInfo(7));
        assert_eq!(all.video(FourCc::AV01), FourCcInfo::CAN_FORWARD);
        assert_eq!(all.audio(FourCc::OPUS), FourCcInfo::default());
        assert!(all.names(FourCc::OPUS));
        assert!(all.caps_ex.contains(CapsEx::RECONNECT | CapsEx::MOD_EX));
        assert!(!all.caps_ex.contains(CapsEx::MULTITRACK));
        // A bit that has no name yet.
        assert_eq!(all.properties(), object);
    }

    #[test]
    fn nonsense_counts_for_nothing() {
        let object = Object::new()
            .with("fourCcList", "hvc1")
            .with("videoFourCcInfoMap", Object::new().with("hvc1", "yes"))
            .with("capsEx", f64::NAN);
        let all = Capabilities::of(&object);
        assert_eq!(all.four_cc_list, [""; 0]);
        assert_eq!(all.video, [("hvc1".to_owned(), FourCcInfo(0))]);
        assert_eq!(all.caps_ex, CapsEx(0));
        for (number, expected) in [(-1.0, 0), (1e300, u32::MAX), (5.9, 5)] {
            let object = Object::new().with("capsEx", number);
            assert_eq!(Capabilities::of(&object).caps_ex, CapsEx(expected));
            let object = Object::new().with("videoFunction", number);
            assert_eq!(VideoFunction::of(&object), VideoFunction(expected));
        }
    }
}
