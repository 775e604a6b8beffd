//! How pictures are to be turned before they are shown, as messages in H.264 and HEVC say: cameras that are held upright
//! send what their sensor sees.

use bytes::{Bytes, BytesMut};

use super::Codec;
use crate::wire::{BitReader, Truncated, offset};

/// How a decoded picture is to be turned: mirrored first, turned then. The default is as it is.
///
/// Players differ: many that are made for files do so, browsers do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Orientation {
    /// Left and right change places.
    pub mirrored: bool,
    /// Then it is turned anticlockwise by so many times 90 degrees; less than 4.
    pub quarter_turns: u8,
}

impl Orientation {
    /// Whether it changes width and height.
    pub fn is_sideways(self) -> bool {
        self.quarter_turns % 2 == 1
    }

    /// Of a display orientation message (ISO/IEC 14496-10 §D.1.27, ISO/IEC 23008-2 §D.2.17). A cancelled one is none.
    fn parse(message: &[u8]) -> Result<Self, Truncated> {
        let mut bits = BitReader::new(message);
        if bits.bit()? {
            return Ok(Self::default());
        }
        let (horizontal, vertical) = (bits.bit()?, bits.bit()?);
        let angle = bits.bits(16)?;
        let turns = (angle + QUARTER / 2) / QUARTER + 2 * u32::from(vertical);
        Ok(Self {
            mirrored: horizontal != vertical,
            quarter_turns: (turns % 4) as u8,
        })
    }
}

impl Codec {
    /// How the pictures from `key_frame` on are to be turned before they are shown.
    pub fn orientation(&self, key_frame: &[u8]) -> Orientation {
        let said = self.messages(key_frame).into_iter().find_map(Message::find);
        said.map(|message| message.orientation).unwrap_or_default()
    }

    /// An access unit that does not say how its picture is to be turned; the same memory where it does not anyway.
    pub fn without_orientation(&self, access_unit: &Bytes) -> Bytes {
        let messages = self.messages(access_unit).into_iter();
        let places = messages.filter_map(|content| {
            let within = Message::find(content)?.at;
            Some(offset(access_unit, content)? + within)
        });
        let mut cancelled: Option<BytesMut> = None;
        for place in places {
            let bytes = cancelled.get_or_insert_with(|| BytesMut::from(&access_unit[..]));
            if let Some(byte) = bytes.get_mut(place) {
                *byte |= CANCEL;
            }
        }
        cancelled.map_or_else(|| access_unit.clone(), BytesMut::freeze)
    }

    fn messages<'a>(&self, access_unit: &'a [u8]) -> Vec<&'a [u8]> {
        match self {
            Self::Avc(config) => config.messages(access_unit).collect(),
            Self::Hevc(config) => config.messages(access_unit).collect(),
            _ => Vec::new(),
        }
    }
}

/// A display orientation message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Message {
    /// Where its first byte is.
    at: usize,
    orientation: Orientation,
}

impl Message {
    /// The first one in supplemental enhancement information, that is in its NAL unit without the header
    /// (ISO/IEC 14496-10 §7.3.2.3, ISO/IEC 23008-2 §7.3.5).
    fn find(content: &[u8]) -> Option<Self> {
        let mut bytes = unescaped(content.get(..MOST_BYTES).unwrap_or(content));
        loop {
            let (kind, length) = (number(&mut bytes)?, number(&mut bytes)?);
            let mut message = bytes.by_ref().take(length);
            if kind == DISPLAY_ORIENTATION {
                let message: Vec<(usize, u8)> = message.take(MESSAGE_BYTES).collect();
                let (at, _) = *message.first()?;
                let message: Vec<u8> = message.into_iter().map(|(_, byte)| byte).collect();
                let orientation = Orientation::parse(&message).ok()?;
                return Some(Self { at, orientation });
            }
            message.by_ref().for_each(drop);
        }
    }
}

/// The bytes of a NAL unit with their places, without those that are there to prevent start codes.
fn unescaped(content: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    let mut zeros = 0;
    content
        .iter()
        .copied()
        .enumerate()
        .filter(move |(_, byte)| {
            let escapes = zeros >= 2 && *byte == 3;
            zeros = if *byte == 0 { zeros + 1 } else { 0 };
            !escapes
        })
}

/// A number of as many bytes as it takes: all but the last are 255.
fn number(bytes: &mut impl Iterator<Item = (usize, u8)>) -> Option<usize> {
    let mut sum = 0;
    loop {
        let (_, byte) = bytes.next()?;
        sum += usize::from(byte);
        if byte < u8::MAX {
            return Some(sum);
        }
    }
}

/// In the first byte of a message: nobody follows it.
const CANCEL: u8 = 0x80;

/// The payload type of a display orientation message.
const DISPLAY_ORIENTATION: usize = 47;

/// What `anticlockwise_rotation` says for 90 degrees.
const QUARTER: u32 = 1 << 14;

/// No message of the kind takes more.
const MESSAGE_BYTES: usize = 8;

/// Captions and what encoders say of themselves take less.
const MOST_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{avc, hevc};
    use crate::fuzzing::vectors;
    use proptest::prelude::*;

    /// A message: cancelled or not, flipped horizontally, vertically, turned.
    fn message(cancel: bool, horizontal: bool, vertical: bool, angle: u16) -> Vec<u8> {
        let flags =
            u32::from(cancel) << 31 | u32::from(horizontal) << 30 | u32::from(vertical) << 29;
        let bits = flags | u32::from(angle) << 13 | 1 << 12;
        let mut message = vec![47, 4];
        message.extend(bits.to_be_bytes());
        message
    }

    #[test]
    fn a_message_says_what_is_to_be_done() {
        let orientation = |mirrored, quarter_turns| Orientation {
            mirrored,
            quarter_turns,
        };
        for (message, expected) in [
            (message(false, false, false, 0), orientation(false, 0)),
            (message(false, false, false, 1 << 14), orientation(false, 1)),
            (message(false, false, false, 3 << 14), orientation(false, 3)),
            (message(false, true, false, 1 << 14), orientation(true, 1)),
            (message(false, false, true, 0), orientation(true, 2)),
            (message(false, true, true, 2 << 14), orientation(false, 0)),
            (
                message(false, false, false, u16::MAX),
                orientation(false, 0),
            ),
            (message(true, true, true, 1 << 14), orientation(false, 0)),
        ] {
            // Behind a message of 300 bytes, in which a zero is escaped.
            let mut content = vec![5, 255, 45];
            content.extend([0xA5; 298]);
            content.extend([0, 0, 3]);
            content.extend(&message);
            content.push(0x80);
            let found = Message::find(&content).unwrap();
            assert_eq!(found.orientation, expected, "{message:?}");
            assert_eq!(content[found.at], message[2]);
            content[found.at] |= CANCEL;
            let cancelled = Message::find(&content).unwrap().orientation;
            assert_eq!(cancelled, Orientation::default());
        }
    }

    fn access_unit(units: &[&[u8]]) -> Bytes {
        let length = |unit: &[u8]| (unit.len() as u32).to_be_bytes();
        let units = units.iter().map(|unit| [&length(unit), *unit].concat());
        units.collect::<Vec<_>>().concat().into()
    }

    #[test]
    fn a_key_frame_says_it_and_can_be_kept_from_saying_it() {
        let avc = Codec::Avc(avc::Config::parse(Bytes::from_static(vectors::AVC_RECORD)).unwrap());
        let hevc = hevc::Config::parse(Bytes::from_static(vectors::HEVC_RECORD)).unwrap();
        let hevc = Codec::Hevc(hevc);
        // What an encoder says of itself, shortened, and what `h264_metadata` of FFmpeg adds.
        let told = [5, 3, b'0', 0, 0, 0x2F, 3, 0x58, 0, 9, 0x80];
        let of_avc = [&[6][..], &told].concat();
        let of_hevc = [&[0x4E, 1][..], &told].concat();
        let turned = Orientation {
            mirrored: true,
            quarter_turns: 3,
        };
        for (codec, message, delimiter, idr) in [
            (&avc, &of_avc, &[9, 0x10][..], &[0x65, 0x88, 9][..]),
            (&hevc, &of_hevc, &[0x46, 1, 0x50], &[0x26, 1, 9]),
        ] {
            let plain = access_unit(&[delimiter, idr]);
            assert_eq!(codec.orientation(&plain), Orientation::default());
            assert_eq!(codec.without_orientation(&plain).as_ptr(), plain.as_ptr());
            for told in [[delimiter, message, idr], [delimiter, idr, message]] {
                let told = access_unit(&told);
                assert_eq!(codec.orientation(&told), turned);
                let quiet = codec.without_orientation(&told);
                assert_eq!(codec.orientation(&quiet), Orientation::default());
                let differ = quiet.iter().zip(&told).filter(|(one, other)| one != other);
                assert_eq!((differ.count(), quiet.len()), (1, told.len()));
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_within_its_bounds(content in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Some(message) = Message::find(&content) {
                prop_assert!(message.at < content.len() && message.orientation.quarter_turns < 4);
            }
        }
    }
}
