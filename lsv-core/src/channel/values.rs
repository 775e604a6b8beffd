//! The values of channel fields that are more than a flag, a number or a text.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::address::host_of;

/// Declares an enum whose values are words: parsing, printing and the list of words come from one place.
macro_rules! words {
    ($(#[$about:meta])+ $name:ident { $($(#[$word_about:meta])+ $word:ident = $text:literal,)+ }) => {
        $(#[$about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$word_about])+ #[serde(rename = $text)] $word,)+
        }

        impl $name {
            /// Every value as it is written.
            pub const WORDS: &'static [&'static str] = &[$($text),+];

            /// The value as it is written.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// The video encoder of transcoded renditions.
    Codec {
        /// H.264.
        X264 = "libx264",
        /// H.265.
        X265 = "libx265",
    }
}

words! {
    /// How much of a machine a task of the channel gets.
    TaskSize {
        /// A quarter of a processor, 512 MiB.
        Micro = "micro",
        /// Half a processor, 1 GiB.
        Small = "small",
        /// One processor, 2 GiB.
        Medium = "medium",
        /// Two processors, 4 GiB.
        Large = "large",
        /// Four processors, 8 GiB.
        Xlarge = "xlarge",
    }
}

impl TaskSize {
    /// Processor units, 1,024 of which are one processor.
    pub const fn cpu(self) -> u32 {
        match self {
            Self::Micro => 256,
            Self::Small => 512,
            Self::Medium => 1_024,
            Self::Large => 2_048,
            Self::Xlarge => 4_096,
        }
    }

    /// Memory in MiB.
    pub const fn memory_mib(self) -> u32 {
        self.cpu() * 2
    }
}

words! {
    /// How much an encoder process of the channel writes to its log, in ffmpeg's words.
    LogLevel {
        /// Nothing.
        Quiet = "quiet",
        /// Only what ends the process.
        Panic = "panic",
        /// What the process cannot go on from.
        Fatal = "fatal",
        /// What went wrong.
        Error = "error",
        /// What may be wrong.
        Warning = "warning",
        /// What is going on.
        Info = "info",
        /// More of it.
        Verbose = "verbose",
        /// For those who mend encoders.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

/// A colour: a name that ffmpeg knows, in lower case, or `#rrggbb`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Color(String);

impl Color {
    /// Red.
    pub fn red() -> Self {
        Self("red".to_owned())
    }

    /// Reads a name in any case, or `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let known = COLORS.binary_search(&lower.as_str()).is_ok();
        let hex = lower.strip_prefix('#').is_some_and(|digits| {
            digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        (known || hex).then_some(Self(lower))
    }

    /// The colour as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Color {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a colour")
    }
}

impl From<Color> for String {
    fn from(color: Color) -> Self {
        color.0
    }
}

/// Addresses that the source is pushed on to, as the operator wrote them: several by comma.
///
/// They often carry the stream keys of other platforms, so `Debug` tells how many there are and no more.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Targets(String);

impl Targets {
    /// Reads up to [`MAX_TARGETS`] addresses of one of `schemes`; an empty text is none at all.
    pub(super) fn parse(text: &str, schemes: &[&str]) -> Option<Self> {
        let targets = Self(text.to_owned());
        let bounded = targets.iter().count() <= MAX_TARGETS;
        let well_formed = targets
            .iter()
            .all(|target| host_of(target, schemes).is_some());
        (bounded && well_formed).then_some(targets)
    }

    /// Each address.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let whole = (!self.0.is_empty()).then_some(self.0.as_str());
        whole
            .into_iter()
            .flat_map(|text| text.split(','))
            .map(str::trim)
    }
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Targets({} hidden)", self.iter().count())
    }
}

/// Most addresses that one channel is relayed to: each costs the machine the channel's bit rate once more.
pub(super) const MAX_TARGETS: usize = 8;

/// The colour names of ffmpeg (`ffmpeg -colors`), sorted.
const COLORS: &[&str] = &[
    "aliceblue",
    "antiquewhite",
    "aqua",
    "aquamarine",
    "azure",
    "beige",
    "bisque",
    "black",
    "blanchedalmond",
    "blue",
    "blueviolet",
    "brown",
    "burlywood",
    "cadetblue",
    "chartreuse",
    "chocolate",
    "coral",
    "cornflowerblue",
    "cornsilk",
    "crimson",
    "cyan",
    "darkblue",
    "darkcyan",
    "darkgoldenrod",
    "darkgray",
    "darkgreen",
    "darkkhaki",
    "darkmagenta",
    "darkolivegreen",
    "darkorange",
    "darkorchid",
    "darkred",
    "darksalmon",
    "darkseagreen",
    "darkslateblue",
    "darkslategray",
    "darkturquoise",
    "darkviolet",
    "deeppink",
    "deepskyblue",
    "dimgray",
    "dodgerblue",
    "firebrick",
    "floralwhite",
    "forestgreen",
    "fuchsia",
    "gainsboro",
    "ghostwhite",
    "gold",
    "goldenrod",
    "gray",
    "green",
    "greenyellow",
    "honeydew",
    "hotpink",
    "indianred",
    "indigo",
    "ivory",
    "khaki",
    "lavender",
    "lavenderblush",
    "lawngreen",
    "lemonchiffon",
    "lightblue",
    "lightcoral",
    "lightcyan",
    "lightgoldenrodyellow",
    "lightgreen",
    "lightgrey",
    "lightpink",
    "lightsalmon",
    "lightseagreen",
    "lightskyblue",
    "lightslategray",
    "lightsteelblue",
    "lightyellow",
    "lime",
    "limegreen",
    "linen",
    "magenta",
    "maroon",
    "mediumaquamarine",
    "mediumblue",
    "mediumorchid",
    "mediumpurple",
    "mediumseagreen",
    "mediumslateblue",
    "mediumspringgreen",
    "mediumturquoise",
    "mediumvioletred",
    "midnightblue",
    "mintcream",
    "mistyrose",
    "moccasin",
    "navajowhite",
    "navy",
    "oldlace",
    "olive",
    "olivedrab",
    "orange",
    "orangered",
    "orchid",
    "palegoldenrod",
    "palegreen",
    "paleturquoise",
    "palevioletred",
    "papayawhip",
    "peachpuff",
    "peru",
    "pink",
    "plum",
    "powderblue",
    "purple",
    "red",
    "rosybrown",
    "royalblue",
    "saddlebrown",
    "salmon",
    "sandybrown",
    "seagreen",
    "seashell",
    "sienna",
    "silver",
    "skyblue",
    "slateblue",
    "slategray",
    "snow",
    "springgreen",
    "steelblue",
    "tan",
    "teal",
    "thistle",
    "tomato",
    "turquoise",
    "violet",
    "wheat",
    "white",
    "whitesmoke",
    "yellow",
    "yellowgreen",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_names_or_hex() {
        assert!(COLORS.is_sorted());
        for name in COLORS {
            assert!(Color::parse(name).is_some(), "{name}");
        }
        assert_eq!(Color::parse("Red").unwrap().as_str(), "red");
        assert_eq!(Color::parse("#FF00aa").unwrap().as_str(), "#ff00aa");
        for text in [
            "", "#", "#fff", "#gg0000", "#ff00aa0", "reddish", "red@0.5", "red:x=1", "0xff0000",
        ] {
            assert!(Color::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn targets_are_bounded_and_hidden() {
        let schemes = &["rtmp"];
        assert_eq!(Targets::parse("", schemes).unwrap().iter().count(), 0);
        let two = Targets::parse("rtmp://a/live/secret-key, rtmp://b/live/x", schemes).unwrap();
        assert_eq!(
            two.iter().collect::<Vec<_>>(),
            ["rtmp://a/live/secret-key", "rtmp://b/live/x"]
        );
        assert_eq!(format!("{two:?}"), "Targets(2 hidden)");
        assert!(Targets::parse("rtmp://a,", schemes).is_none());
        let nine = ["rtmp://a"; 9].join(",");
        assert!(Targets::parse(&nine, schemes).is_none());
    }

    #[test]
    fn sizes_double() {
        assert_eq!(
            (TaskSize::Micro.cpu(), TaskSize::Micro.memory_mib()),
            (256, 512)
        );
        assert_eq!(
            (TaskSize::Xlarge.cpu(), TaskSize::Xlarge.memory_mib()),
            (4_096, 8_192)
        );
    }
}
