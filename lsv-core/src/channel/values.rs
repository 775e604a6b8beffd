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

pub(super) use words;

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
        value_of(&lower).is_some().then_some(Self(lower))
    }

    /// Its red, green and blue.
    pub fn rgb(&self) -> [u8; 3] {
        let [_, rgb @ ..] = value_of(&self.0).unwrap_or_default().to_be_bytes();
        rgb
    }

    /// The colour as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A colour in lower case as 0xRRGGBB.
fn value_of(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('#');
    let plain =
        |digits: &&str| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match digits {
        Some(digits) => Some(digits)
            .filter(plain)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok()),
        None => {
            let at = COLORS.binary_search_by_key(&text, |(name, _)| name).ok()?;
            COLORS.get(at).map(|(_, value)| *value)
        }
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

/// The colours of ffmpeg (`ffmpeg -colors`) as 0xRRGGBB, sorted by name.
const COLORS: &[(&str, u32)] = &[
    ("aliceblue", 0xF0F8FF),
    ("antiquewhite", 0xFAEBD7),
    ("aqua", 0x00FFFF),
    ("aquamarine", 0x7FFFD4),
    ("azure", 0xF0FFFF),
    ("beige", 0xF5F5DC),
    ("bisque", 0xFFE4C4),
    ("black", 0x000000),
    ("blanchedalmond", 0xFFEBCD),
    ("blue", 0x0000FF),
    ("blueviolet", 0x8A2BE2),
    ("brown", 0xA52A2A),
    ("burlywood", 0xDEB887),
    ("cadetblue", 0x5F9EA0),
    ("chartreuse", 0x7FFF00),
    ("chocolate", 0xD2691E),
    ("coral", 0xFF7F50),
    ("cornflowerblue", 0x6495ED),
    ("cornsilk", 0xFFF8DC),
    ("crimson", 0xDC143C),
    ("cyan", 0x00FFFF),
    ("darkblue", 0x00008B),
    ("darkcyan", 0x008B8B),
    ("darkgoldenrod", 0xB8860B),
    ("darkgray", 0xA9A9A9),
    ("darkgreen", 0x006400),
    ("darkkhaki", 0xBDB76B),
    ("darkmagenta", 0x8B008B),
    ("darkolivegreen", 0x556B2F),
    ("darkorange", 0xFF8C00),
    ("darkorchid", 0x9932CC),
    ("darkred", 0x8B0000),
    ("darksalmon", 0xE9967A),
    ("darkseagreen", 0x8FBC8F),
    ("darkslateblue", 0x483D8B),
    ("darkslategray", 0x2F4F4F),
    ("darkturquoise", 0x00CED1),
    ("darkviolet", 0x9400D3),
    ("deeppink", 0xFF1493),
    ("deepskyblue", 0x00BFFF),
    ("dimgray", 0x696969),
    ("dodgerblue", 0x1E90FF),
    ("firebrick", 0xB22222),
    ("floralwhite", 0xFFFAF0),
    ("forestgreen", 0x228B22),
    ("fuchsia", 0xFF00FF),
    ("gainsboro", 0xDCDCDC),
    ("ghostwhite", 0xF8F8FF),
    ("gold", 0xFFD700),
    ("goldenrod", 0xDAA520),
    ("gray", 0x808080),
    ("green", 0x008000),
    ("greenyellow", 0xADFF2F),
    ("honeydew", 0xF0FFF0),
    ("hotpink", 0xFF69B4),
    ("indianred", 0xCD5C5C),
    ("indigo", 0x4B0082),
    ("ivory", 0xFFFFF0),
    ("khaki", 0xF0E68C),
    ("lavender", 0xE6E6FA),
    ("lavenderblush", 0xFFF0F5),
    ("lawngreen", 0x7CFC00),
    ("lemonchiffon", 0xFFFACD),
    ("lightblue", 0xADD8E6),
    ("lightcoral", 0xF08080),
    ("lightcyan", 0xE0FFFF),
    ("lightgoldenrodyellow", 0xFAFAD2),
    ("lightgreen", 0x90EE90),
    ("lightgrey", 0xD3D3D3),
    ("lightpink", 0xFFB6C1),
    ("lightsalmon", 0xFFA07A),
    ("lightseagreen", 0x20B2AA),
    ("lightskyblue", 0x87CEFA),
    ("lightslategray", 0x778899),
    ("lightsteelblue", 0xB0C4DE),
    ("lightyellow", 0xFFFFE0),
    ("lime", 0x00FF00),
    ("limegreen", 0x32CD32),
    ("linen", 0xFAF0E6),
    ("magenta", 0xFF00FF),
    ("maroon", 0x800000),
    ("mediumaquamarine", 0x66CDAA),
    ("mediumblue", 0x0000CD),
    ("mediumorchid", 0xBA55D3),
    ("mediumpurple", 0x9370D8),
    ("mediumseagreen", 0x3CB371),
    ("mediumslateblue", 0x7B68EE),
    ("mediumspringgreen", 0x00FA9A),
    ("mediumturquoise", 0x48D1CC),
    ("mediumvioletred", 0xC71585),
    ("midnightblue", 0x191970),
    ("mintcream", 0xF5FFFA),
    ("mistyrose", 0xFFE4E1),
    ("moccasin", 0xFFE4B5),
    ("navajowhite", 0xFFDEAD),
    ("navy", 0x000080),
    ("oldlace", 0xFDF5E6),
    ("olive", 0x808000),
    ("olivedrab", 0x6B8E23),
    ("orange", 0xFFA500),
    ("orangered", 0xFF4500),
    ("orchid", 0xDA70D6),
    ("palegoldenrod", 0xEEE8AA),
    ("palegreen", 0x98FB98),
    ("paleturquoise", 0xAFEEEE),
    ("palevioletred", 0xD87093),
    ("papayawhip", 0xFFEFD5),
    ("peachpuff", 0xFFDAB9),
    ("peru", 0xCD853F),
    ("pink", 0xFFC0CB),
    ("plum", 0xDDA0DD),
    ("powderblue", 0xB0E0E6),
    ("purple", 0x800080),
    ("red", 0xFF0000),
    ("rosybrown", 0xBC8F8F),
    ("royalblue", 0x4169E1),
    ("saddlebrown", 0x8B4513),
    ("salmon", 0xFA8072),
    ("sandybrown", 0xF4A460),
    ("seagreen", 0x2E8B57),
    ("seashell", 0xFFF5EE),
    ("sienna", 0xA0522D),
    ("silver", 0xC0C0C0),
    ("skyblue", 0x87CEEB),
    ("slateblue", 0x6A5ACD),
    ("slategray", 0x708090),
    ("snow", 0xFFFAFA),
    ("springgreen", 0x00FF7F),
    ("steelblue", 0x4682B4),
    ("tan", 0xD2B48C),
    ("teal", 0x008080),
    ("thistle", 0xD8BFD8),
    ("tomato", 0xFF6347),
    ("turquoise", 0x40E0D0),
    ("violet", 0xEE82EE),
    ("wheat", 0xF5DEB3),
    ("white", 0xFFFFFF),
    ("whitesmoke", 0xF5F5F5),
    ("yellow", 0xFFFF00),
    ("yellowgreen", 0x9ACD32),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_names_or_hex() {
        assert!(COLORS.is_sorted());
        for (name, _) in COLORS {
            assert!(Color::parse(name).is_some(), "{name}");
        }
        assert_eq!(Color::parse("Red").unwrap().as_str(), "red");
        assert_eq!(Color::parse("#FF00aa").unwrap().as_str(), "#ff00aa");
        assert_eq!(Color::parse("#FF00aa").unwrap().rgb(), [0xFF, 0, 0xAA]);
        assert_eq!(Color::parse("GoldenRod").unwrap().rgb(), [218, 165, 32]);
        assert_eq!(Color::red().rgb(), [255, 0, 0]);
        for text in [
            "",
            "#",
            "#fff",
            "#gg0000",
            "#ff00aa0",
            "reddish",
            "red@0.5",
            "red:x=1",
            "red:enable=0",
            "0xff0000",
            "#+1+1+1",
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
