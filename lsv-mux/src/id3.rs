//! Script data messages as ID3 tags, which is how HLS carries timed metadata (ID3v2.4; "Timed Metadata for HTTP Live
//! Streaming").
//!
//! Of the messages that encoders send, `onTextData` and `onCuePoint` are for viewers. Each becomes a tag with one frame
//! `TXXX`: its description is the name of the message, its value what the message says, in JSON (RFC 8259); a message
//! that is text alone stands there as it is. In hls.js it is found in `Hls.Events.FRAG_PARSING_METADATA`, in AVPlayer in
//! `AVPlayerItemMetadataOutput`.

use bytes::{BufMut, Bytes, BytesMut};
use lsv_core::script::{InvalidScript, Message, Value};

use crate::Error;

/// The tag for the script data message `body`; `None` for one that is not for viewers.
///
/// # Errors
/// [`Error::InvalidScript`] for what is not script data, [`Error::TooLarge`] for what is longer than 16 KiB in JSON.
pub fn tag(body: &[u8]) -> Result<Option<Bytes>, Error> {
    if !FOR_VIEWERS.iter().any(|name| is_named(body, name)) {
        return Ok(None);
    }
    let message = Message::parse(body)?;
    let text = match &message.values[..] {
        [] => return Ok(None),
        [Value::Text(text)] => text.clone(),
        [value] => value.to_string(),
        _ => Value::List(message.values).to_string(),
    };
    if text.len() > MAX_TEXT {
        return Err(Error::TooLarge {
            format: "ID3",
            length: text.len(),
            limit: MAX_TEXT,
        });
    }
    Ok(Some(text_frame(&message.name, &text)))
}

/// Whether the AMF0 string that `body` begins with is `name`.
fn is_named(body: &[u8], name: &str) -> bool {
    let rest = body.strip_prefix(&[2, 0, name.len() as u8]);
    rest.is_some_and(|rest| rest.starts_with(name.as_bytes()))
}

/// A tag with one `TXXX` (ID3v2.4 §4.2.6 of the frames).
fn text_frame(description: &str, value: &str) -> Bytes {
    // The encoding, and the end of the description.
    let frame = description.len() + value.len() + 2;
    let mut out = BytesMut::with_capacity(frame + 20);
    out.put_slice(b"ID3\x04\0\0");
    out.put_u32(synchsafe(frame + 10));
    out.put_slice(b"TXXX");
    out.put_u32(synchsafe(frame));
    out.put_slice(&[0, 0, UTF_8]);
    out.put_slice(description.as_bytes());
    out.put_u8(0);
    out.put_slice(value.as_bytes());
    out.freeze()
}

/// Seven bits in each byte (ID3v2.4 §6.2).
fn synchsafe(length: usize) -> u32 {
    let group = |shift: u32| ((length >> (7 * shift)) as u32 & 0x7F) << (8 * shift);
    group(3) | group(2) | group(1) | group(0)
}

const FOR_VIEWERS: [&str; 2] = ["onTextData", "onCuePoint"];
const UTF_8: u8 = 3;
/// Longer ones are no captions and no cues.
const MAX_TEXT: usize = 16 << 10;

impl From<InvalidScript> for Error {
    fn from(error: InvalidScript) -> Self {
        Self::InvalidScript(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_for_viewers() {
        let text = b"\x02\0\x0AonTextData\x03\0\x04text\x02\0\x05hello\0\0\x09";
        let expected =
            b"ID3\x04\0\0\0\0\0\x26TXXX\0\0\0\x1C\0\0\x03onTextData\0{\"text\":\"hello\"}";
        assert_eq!(tag(text).unwrap().unwrap(), expected[..]);
        let plain = b"\x02\0\x0AonTextData\x02\0\x05hello";
        assert!(tag(plain).unwrap().unwrap().ends_with(b"onTextData\0hello"));
        let two = b"\x02\0\x0AonCuePoint\x01\x01\x05";
        assert!(
            tag(two)
                .unwrap()
                .unwrap()
                .ends_with(b"onCuePoint\0[true,null]")
        );
    }

    #[test]
    fn others_stay_behind() {
        for silent in [
            &b"\x02\0\x04onFI\x03\0\0\x09"[..],
            b"\x02\0\x0AonTextData",
            b"",
        ] {
            assert_eq!(tag(silent), Ok(None));
        }
        let cut = b"\x02\0\x0AonTextData\x03\0\x04text";
        assert!(matches!(tag(cut), Err(Error::InvalidScript(_))));
        let long = [&b"\x02\0\x0AonTextData\x02\x40\x01"[..], &[b'a'; 0x4001]].concat();
        assert!(matches!(tag(&long), Err(Error::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn sizes_are_true(text in "[ -~]{1,400}") {
            let length = text.len() as u16;
            let body = [b"\x02\0\x0AonTextData\x02", &length.to_be_bytes()[..], text.as_bytes()].concat();
            let tag = tag(&body).unwrap().unwrap();
            let size = |at: usize| tag[at..at + 4].iter().fold(0, |all, byte| all << 7 | usize::from(*byte));
            prop_assert_eq!(size(6) + 10, tag.len());
            prop_assert_eq!(size(14) + 20, tag.len());
        }
    }
}
