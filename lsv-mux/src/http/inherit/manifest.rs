//! Addresses in DASH manifests, byte by byte: as much of XML as their renderer writes.

use super::uri::{Name, Uri};
use super::{Scan, Separator};

/// Templates of segments, the clock, and the text of elements that are addresses.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    at: At,
    element: Name,
    attribute: Name,
}

#[derive(Debug, Default)]
enum At {
    /// Text that is no address.
    #[default]
    Text,
    /// Text that is an address.
    Address(Uri),
    /// The name of an element.
    Element,
    /// Between the attributes of an element, or in the name of one.
    Attributes,
    /// The value of an attribute, up to this quote; an address or not.
    Value(u8, Option<Uri>),
}

impl Scan for Manifest {
    fn before(&mut self, byte: u8) -> Option<Separator> {
        match &mut self.at {
            At::Text | At::Address(_) if byte == b'<' => {
                let separator = match &mut self.at {
                    At::Address(uri) => uri.end(),
                    _ => None,
                };
                self.element.clear();
                self.at = At::Element;
                return separator;
            }
            At::Text => {}
            At::Address(uri) => return uri.before(byte),
            At::Element | At::Attributes if byte == b'>' => {
                self.at = match ADDRESSES.contains(&self.element.as_bytes()) {
                    true => At::Address(Uri::new()),
                    false => At::Text,
                };
            }
            At::Element if byte.is_ascii_whitespace() => {
                self.attribute.clear();
                self.at = At::Attributes;
            }
            At::Element => self.element.push(byte),
            At::Attributes => match byte {
                b'"' | b'\'' => {
                    let is_address = self.is_address();
                    self.attribute.clear();
                    self.at = At::Value(byte, is_address.then_some(Uri::new()));
                }
                b'=' => {}
                byte if byte.is_ascii_whitespace() => self.attribute.clear(),
                byte => self.attribute.push(byte),
            },
            At::Value(quote, uri) if byte == *quote => {
                let separator = uri.as_mut().and_then(Uri::end);
                self.at = At::Attributes;
                return separator;
            }
            At::Value(_, uri) => return uri.as_mut()?.before(byte),
        }
        None
    }
}

impl Manifest {
    /// Whether the value of the attribute is an address.
    fn is_address(&self) -> bool {
        match self.attribute.as_bytes() {
            b"media" | b"initialization" | b"index" => {
                matches!(self.element.as_bytes(), b"SegmentTemplate" | b"SegmentURL")
            }
            b"sourceURL" => true,
            b"value" => self.element.as_bytes() == b"UTCTiming",
            _ => false,
        }
    }
}

/// Elements whose text is an address.
const ADDRESSES: [&[u8]; 2] = [b"BaseURL", b"Location"];
