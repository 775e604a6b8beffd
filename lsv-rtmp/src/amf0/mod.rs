//! AMF0, the notation of RTMP commands and metadata (Adobe AMF0, December 2007).
//!
//! Own code because commands come from anybody: decoding walks with a stack of its own, so nesting cannot overflow the
//! thread's, and depth, number of values and string lengths are bounded by [`Limits`](crate::Limits). Property order
//! and repeated names are kept, since metadata is passed on to players as it came.
//!
//! References (§2.9) stay what they are, numbers: writing out what they stand for would let a few bytes become any
//! amount of memory, and no encoder or player sends them.

mod decode;
mod encode;
mod input;

use bytes::Bytes;

pub use decode::{Decoder, decode_all};
pub use encode::{encode, encode_all};
pub(crate) use input::Input;

/// One AMF0 value (AMF0 §2.1).
///
/// `LongString` (§2.14) has no variant: it decodes to [`Value::String`], and a string too long for the short form is
/// written in the long one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A double (§2.2).
    Number(f64),
    /// A truth value (§2.3).
    Boolean(bool),
    /// Text (§2.4, §2.14). Bytes that are not UTF-8 were replaced by U+FFFD.
    String(String),
    /// An anonymous object (§2.5).
    Object(Object),
    /// Null (§2.7).
    Null,
    /// Undefined (§2.8).
    Undefined,
    /// An associative array (§2.10); on the wire an object with a count that nobody trusts.
    EcmaArray(Object),
    /// A dense array (§2.12).
    StrictArray(Vec<Self>),
    /// A point in time (§2.13).
    Date {
        /// Milliseconds since 1970-01-01T00:00:00Z.
        unix_millis: f64,
        /// Reserved, 0 on the wire of those who follow the standard.
        time_zone: i16,
    },
    /// An XML document as text (§2.17).
    XmlDocument(String),
    /// An object of a named class (§2.18).
    TypedObject {
        /// Name of its class.
        class_name: String,
        /// Its properties.
        object: Object,
    },
    /// What the sender could not write (§2.15).
    Unsupported,
    /// The complex value of that number, counted from 0 in the order in which objects and arrays begin in a message
    /// (§2.9).
    Reference(u16),
    /// Bytes. AMF0 has no form for them: they come from [`amf3`](crate::amf3) and are written in it (AMF3 §3.14).
    ByteArray(Bytes),
}

impl Value {
    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a number.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The properties of an object, an associative array or a typed object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) | Self::EcmaArray(object) | Self::TypedObject { object, .. } => {
                Some(object)
            }
            _ => None,
        }
    }

    /// The elements of a dense array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::StrictArray(elements) => Some(elements),
            _ => None,
        }
    }

    /// The property `name`, where this value has properties.
    pub fn property(&self, name: &str) -> Option<&Self> {
        self.as_object()?.property(name)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

/// Named values in the order of the wire; a name may repeat.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(pub Vec<(String, Value)>);

impl Object {
    /// An object without properties.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The same object with one more property at its end.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// The same object with the properties of `further` at its end.
    #[must_use]
    pub fn and(mut self, further: &Self) -> Self {
        self.0.extend_from_slice(&further.0);
        self
    }

    /// The first property called `name`.
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.iter()
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The properties in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl FromIterator<(String, Value)> for Object {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(properties: I) -> Self {
        Self(properties.into_iter().collect())
    }
}

/// Type markers (AMF0 §2.1).
mod marker {
    pub(super) const NUMBER: u8 = 0x00;
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const STRING: u8 = 0x02;
    pub(super) const OBJECT: u8 = 0x03;
    pub(super) const NULL: u8 = 0x05;
    pub(super) const UNDEFINED: u8 = 0x06;
    pub(super) const REFERENCE: u8 = 0x07;
    pub(super) const ECMA_ARRAY: u8 = 0x08;
    pub(super) const OBJECT_END: u8 = 0x09;
    pub(super) const STRICT_ARRAY: u8 = 0x0A;
    pub(super) const DATE: u8 = 0x0B;
    pub(super) const LONG_STRING: u8 = 0x0C;
    pub(super) const UNSUPPORTED: u8 = 0x0D;
    pub(super) const XML_DOCUMENT: u8 = 0x0F;
    pub(super) const TYPED_OBJECT: u8 = 0x10;
    /// One value in AMF3 follows (§3.1).
    pub(super) const AVM_PLUS: u8 = 0x11;
}

#[cfg(test)]
mod tests;
