//! Script data read: the messages such as `onTextData` and `onCuePoint` that go along with media (AMF0; FLV 10.1 §E.4.4.1).
//!
//! This is for outputs that carry such messages on in another form. Sessions have commands of their own, and values that
//! are to be written again byte for byte.

use std::fmt::{self, Write};

use crate::wire::{Reader, Truncated};

/// A script data message.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// What it is: `onTextData`, `onCuePoint`, ...
    pub name: String,
    /// What it says; most have one value.
    pub values: Vec<Value>,
}

/// A value, as far as a message to viewers can have a use for it. [`fmt::Display`] writes it in JSON (RFC 8259).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A number.
    Number(f64),
    /// A boolean.
    Boolean(bool),
    /// A string, or an XML document; what is not UTF-8 is replaced.
    Text(String),
    /// Milliseconds since 1970-01-01 00:00 UTC.
    Date(f64),
    /// Null, undefined, unsupported, or a reference to another value.
    Null,
    /// An object of any kind: names and values in their order.
    Object(Vec<(String, Self)>),
    /// A list.
    List(Vec<Self>),
}

/// A script data message that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidScript {
    /// It ended inside a value.
    #[error("the script data is cut short")]
    Truncated,
    /// It does not begin with a name.
    #[error("the script data does not begin with the name of a message")]
    NoName,
    /// A kind of value that is not AMF0, or not for files.
    #[error("script data with AMF0 marker {0:#04x} is not read")]
    Marker(u8),
    /// It is longer, deeper or has more values than any honest one.
    #[error(
        "the script data is too large; at most {MAX_BYTES} bytes, {MAX_DEPTH} levels and {MAX_VALUES} values are read"
    )]
    TooLarge,
}

impl From<Truncated> for InvalidScript {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

impl Message {
    /// Reads the body of a script data message, as in a frame of [`Kind::Data`](crate::media::Kind::Data).
    ///
    /// # Errors
    /// [`InvalidScript`]; time and memory are bounded by the length of `body`.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidScript> {
        if body.len() > MAX_BYTES {
            return Err(InvalidScript::TooLarge);
        }
        let mut parser = Parser {
            reader: Reader::new(body),
            values: 0,
        };
        let Value::Text(name) = parser.value()? else {
            return Err(InvalidScript::NoName);
        };
        let mut values = Vec::new();
        while !parser.reader.is_empty() {
            values.push(parser.value()?);
        }
        Ok(Self { name, values })
    }
}

impl Value {
    /// The value under `name` in an object; of several the first.
    pub fn property(&self, name: &str) -> Option<&Self> {
        let Self::Object(properties) = self else {
            return None;
        };
        let found = properties.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    /// The text, of a value that is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, of a value that is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) | Self::Date(number) => Some(*number),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // JSON has no infinities.
            Self::Number(number) | Self::Date(number) if number.is_finite() => {
                write!(f, "{number}")
            }
            Self::Number(_) | Self::Date(_) | Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Text(text) => put_string(f, text),
            Self::Object(properties) => {
                f.write_char('{')?;
                for (index, (name, value)) in properties.iter().enumerate() {
                    put_separator(f, index)?;
                    put_string(f, name)?;
                    write!(f, ":{value}")?;
                }
                f.write_char('}')
            }
            Self::List(values) => {
                f.write_char('[')?;
                for (index, value) in values.iter().enumerate() {
                    put_separator(f, index)?;
                    write!(f, "{value}")?;
                }
                f.write_char(']')
            }
        }
    }
}

fn put_separator(f: &mut fmt::Formatter<'_>, index: usize) -> fmt::Result {
    match index {
        0 => Ok(()),
        _ => f.write_char(','),
    }
}

fn put_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(f, "\\{letter}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            control if control < ' ' => write!(f, "\\u{:04x}", u32::from(control))?,
            letter => f.write_char(letter)?,
        }
    }
    f.write_char('"')
}

struct Parser<'a> {
    reader: Reader<'a>,
    /// How many there were.
    values: usize,
}

impl Parser<'_> {
    /// The next value with all that is in it; a stack of its own bounds the depth.
    fn value(&mut self) -> Result<Value, InvalidScript> {
        let mut open: Vec<Container> = Vec::new();
        loop {
            let ends = match open.last_mut() {
                Some(container) => self.is_done(container)?,
                None => false,
            };
            let value = match open.pop_if(|_| ends) {
                Some(container) => container.close(),
                None => match self.begin()? {
                    Begun::Value(value) => value,
                    Begun::Container(container) if open.len() < MAX_DEPTH => {
                        open.push(container);
                        continue;
                    }
                    Begun::Container(_) => return Err(InvalidScript::TooLarge),
                },
            };
            match open.last_mut() {
                Some(Container::Object { name, properties }) => {
                    properties.push((std::mem::take(name), value));
                }
                Some(Container::List { values, .. }) => values.push(value),
                None => return Ok(value),
            }
        }
    }

    /// Whether the container ends here; of an object that goes on, the name of the next property is read.
    fn is_done(&mut self, container: &mut Container) -> Result<bool, InvalidScript> {
        match container {
            Container::List { left: 0, .. } => Ok(true),
            Container::List { left, .. } => {
                *left -= 1;
                Ok(false)
            }
            Container::Object { name, .. } => {
                *name = self.text()?;
                // An empty name is the end only together with its marker.
                let ends = name.is_empty() && self.reader.rest().first() == Some(&OBJECT_END);
                if ends {
                    self.reader.u8()?;
                }
                Ok(ends)
            }
        }
    }

    fn begin(&mut self) -> Result<Begun, InvalidScript> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(InvalidScript::TooLarge);
        }
        Ok(Begun::Value(match self.reader.u8()? {
            NUMBER => Value::Number(self.number()?),
            BOOLEAN => Value::Boolean(self.reader.u8()? != 0),
            STRING => Value::Text(self.text()?),
            LONG_STRING | XML_DOCUMENT => Value::Text(self.long_text()?),
            NULL | UNDEFINED | UNSUPPORTED => Value::Null,
            REFERENCE => {
                self.reader.u16()?;
                Value::Null
            }
            DATE => {
                let millis = self.number()?;
                // A time zone that is always zero.
                self.reader.u16()?;
                Value::Date(millis)
            }
            OBJECT => return Ok(Begun::Container(Container::object())),
            ECMA_ARRAY => {
                // A number of properties that is not to be trusted, and not needed.
                self.reader.u32()?;
                return Ok(Begun::Container(Container::object()));
            }
            TYPED_OBJECT => {
                self.text()?;
                return Ok(Begun::Container(Container::object()));
            }
            STRICT_ARRAY => {
                let (left, values) = (self.reader.u32()?, Vec::new());
                return Ok(Begun::Container(Container::List { left, values }));
            }
            marker => return Err(InvalidScript::Marker(marker)),
        }))
    }

    fn number(&mut self) -> Result<f64, Truncated> {
        self.reader.u64().map(f64::from_bits)
    }

    fn text(&mut self) -> Result<String, Truncated> {
        let length = self.reader.u16()?;
        self.take_text(usize::from(length))
    }

    fn long_text(&mut self) -> Result<String, Truncated> {
        let length = self.reader.u32()?;
        self.take_text(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn take_text(&mut self, length: usize) -> Result<String, Truncated> {
        let bytes = self.reader.take(length)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

enum Begun {
    Value(Value),
    Container(Container),
}

/// An object or a list whose end has not been read.
enum Container {
    Object {
        /// Of the property whose value comes next.
        name: String,
        properties: Vec<(String, Value)>,
    },
    List {
        left: u32,
        values: Vec<Value>,
    },
}

impl Container {
    fn object() -> Self {
        Self::Object {
            name: String::new(),
            properties: Vec::new(),
        }
    }

    fn close(self) -> Value {
        match self {
            Self::Object { properties, .. } => Value::Object(properties),
            Self::List { values, .. } => Value::List(values),
        }
    }
}

/// The longest message that is read.
const MAX_BYTES: usize = 64 * 1024;
/// How deep objects may lie in each other.
const MAX_DEPTH: usize = 16;
/// How many values a message may have in all.
const MAX_VALUES: usize = 4096;

/// AMF0 §2.1.
const NUMBER: u8 = 0x00;
const BOOLEAN: u8 = 0x01;
const STRING: u8 = 0x02;
const OBJECT: u8 = 0x03;
const NULL: u8 = 0x05;
const UNDEFINED: u8 = 0x06;
const REFERENCE: u8 = 0x07;
const ECMA_ARRAY: u8 = 0x08;
const OBJECT_END: u8 = 0x09;
const STRICT_ARRAY: u8 = 0x0A;
const DATE: u8 = 0x0B;
const LONG_STRING: u8 = 0x0C;
const UNSUPPORTED: u8 = 0x0D;
const XML_DOCUMENT: u8 = 0x0F;
const TYPED_OBJECT: u8 = 0x10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CUE: &[u8] = b"\x02\0\x0AonCuePoint\x08\0\0\0\x04\
        \0\x04name\x02\0\x03\"a\"\
        \0\x04time\0\x40\x29\0\0\0\0\0\0\
        \0\x0Aparameters\x03\0\x02on\x01\x01\0\0\x09\
        \0\x04list\x0A\0\0\0\x02\x05\0\x3F\xE0\0\0\0\0\0\0\
        \0\0\x09";

    #[test]
    fn a_cue_point() {
        let message = Message::parse(CUE).unwrap();
        assert_eq!(message.name, "onCuePoint");
        let [value] = &message.values[..] else {
            panic!("{message:?}");
        };
        assert_eq!(
            value.property("name").and_then(Value::as_text),
            Some("\"a\"")
        );
        assert_eq!(
            value.property("time").and_then(Value::as_number),
            Some(12.5)
        );
        assert_eq!(value.property("none"), None);
        let json = r#"{"name":"\"a\"","time":12.5,"parameters":{"on":true},"list":[null,0.5]}"#;
        assert_eq!(value.to_string(), json);
        for end in 0..CUE.len() {
            let expected = match end {
                13 => Ok(Message {
                    name: "onCuePoint".to_owned(),
                    values: Vec::new(),
                }),
                _ => Err(InvalidScript::Truncated),
            };
            assert_eq!(Message::parse(&CUE[..end]), expected, "{end}");
        }
    }

    #[test]
    fn json_is_escaped() {
        let text = Value::Text("a\n\u{1}\\é".to_owned());
        assert_eq!(text.to_string(), "\"a\\n\\u0001\\\\é\"");
        assert_eq!(Value::Number(f64::NAN).to_string(), "null");
        assert_eq!(Value::Number(3.0).to_string(), "3");
    }

    #[test]
    fn what_is_not_read() {
        let named = |tail: &[u8]| Message::parse(&[b"\x02\0\x01x", tail].concat());
        assert_eq!(Message::parse(&[5]), Err(InvalidScript::NoName));
        assert_eq!(named(&[0x11, 1]), Err(InvalidScript::Marker(0x11)));
        assert_eq!(named(&[9]), Err(InvalidScript::Marker(9)));
        let deep = b"\x03\0\x01x".repeat(17);
        assert_eq!(named(&deep), Err(InvalidScript::TooLarge));
        assert_eq!(named(&[5; 4096]), Err(InvalidScript::TooLarge));
        assert_eq!(named(&[5; 70_000]), Err(InvalidScript::TooLarge));
        assert_eq!(
            named(b"\x0A\xFF\xFF\xFF\xFF\x05"),
            Err(InvalidScript::Truncated)
        );
    }

    proptest! {
        #[test]
        fn noise_is_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            crate::fuzzing::script(&bytes);
            crate::fuzzing::script(&[b"\x02\0\x01x\x03\0\x01y", &bytes[..]].concat());
        }
    }
}
