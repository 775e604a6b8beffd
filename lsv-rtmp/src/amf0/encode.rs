//! Values to bytes; never fails.

use bytes::{BufMut, BytesMut};

use super::{Object, Value, marker};
use crate::amf3;

/// Appends `values`, one after another.
pub fn encode_all<'a>(values: impl IntoIterator<Item = &'a Value>, out: &mut BytesMut) {
    for value in values {
        encode(value, out);
    }
}

/// Appends one value.
///
/// A property or class name longer than 65,535 bytes is cut at a letter: the wire has no longer ones (AMF0 §1.3.1). So is a
/// byte array after 256 MiB.
pub fn encode(value: &Value, out: &mut BytesMut) {
    let mut open: Vec<Rest<'_>> = Vec::new();
    let mut next = Some(value);
    loop {
        if let Some(value) = next {
            open.extend(begin(value, out));
        }
        next = match open.last_mut() {
            None => return,
            Some(Rest::Properties(properties)) => match properties.next() {
                Some((name, value)) => {
                    put_short(name, out);
                    Some(value)
                }
                None => {
                    out.put_slice(&[0, 0, marker::OBJECT_END]);
                    open.pop();
                    None
                }
            },
            Some(Rest::Elements(elements)) => {
                let element = elements.next();
                if element.is_none() {
                    open.pop();
                }
                element
            }
        };
    }
}

/// What is still to be written of an object or array.
enum Rest<'a> {
    Properties(std::slice::Iter<'a, (String, Value)>),
    Elements(std::slice::Iter<'a, Value>),
}

fn begin<'a>(value: &'a Value, out: &mut BytesMut) -> Option<Rest<'a>> {
    match value {
        Value::Number(number) => {
            out.put_u8(marker::NUMBER);
            out.put_f64(*number);
        }
        Value::Boolean(value) => out.put_slice(&[marker::BOOLEAN, u8::from(*value)]),
        Value::String(text) if text.len() <= SHORT => {
            out.put_u8(marker::STRING);
            put_short(text, out);
        }
        Value::String(text) => put_long(marker::LONG_STRING, text, out),
        Value::XmlDocument(text) => put_long(marker::XML_DOCUMENT, text, out),
        Value::Null => out.put_u8(marker::NULL),
        Value::Undefined => out.put_u8(marker::UNDEFINED),
        Value::Unsupported => out.put_u8(marker::UNSUPPORTED),
        Value::Reference(index) => {
            out.put_u8(marker::REFERENCE);
            out.put_u16(*index);
        }
        Value::ByteArray(bytes) => put_byte_array(bytes, out),
        Value::Date {
            unix_millis,
            time_zone,
        } => {
            out.put_u8(marker::DATE);
            out.put_f64(*unix_millis);
            out.put_i16(*time_zone);
        }
        Value::Object(object) => {
            out.put_u8(marker::OBJECT);
            return Some(properties(object));
        }
        Value::EcmaArray(object) => {
            out.put_u8(marker::ECMA_ARRAY);
            out.put_u32(count(object.0.len()));
            return Some(properties(object));
        }
        Value::StrictArray(elements) => {
            out.put_u8(marker::STRICT_ARRAY);
            out.put_u32(count(elements.len()));
            return Some(Rest::Elements(elements.iter()));
        }
        Value::TypedObject { class_name, object } => {
            out.put_u8(marker::TYPED_OBJECT);
            put_short(class_name, out);
            return Some(properties(object));
        }
    }
    None
}

fn properties(object: &Object) -> Rest<'_> {
    Rest::Properties(object.0.iter())
}

fn put_short(text: &str, out: &mut BytesMut) {
    let mut end = text.len().min(SHORT);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let bytes = text.as_bytes().get(..end).unwrap_or_default();
    out.put_u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    out.put_slice(bytes);
}

fn put_long(marker: u8, text: &str, out: &mut BytesMut) {
    out.put_u8(marker);
    out.put_u32(count(text.len()));
    out.put_slice(text.as_bytes());
}

/// AMF3 §3.14, with the length as a number of 29 bits whose lowest says that the bytes follow (§1.3.1).
fn put_byte_array(bytes: &[u8], out: &mut BytesMut) {
    let bytes = bytes.get(..MAX_BYTE_ARRAY).unwrap_or(bytes);
    let header = count(bytes.len()) << 1 | 1;
    out.put_slice(&[marker::AVM_PLUS, amf3::marker::BYTE_ARRAY]);
    let low_seven = |shift: u32| (header >> shift & 0x7F) as u8;
    match header {
        ..0x80 => out.put_u8(low_seven(0)),
        0x80..0x4000 => out.put_slice(&[0x80 | low_seven(7), low_seven(0)]),
        0x4000..0x20_0000 => {
            out.put_slice(&[0x80 | low_seven(14), 0x80 | low_seven(7), low_seven(0)]);
        }
        _ => {
            out.put_slice(&[22, 15, 8].map(|shift| 0x80 | low_seven(shift)));
            out.put_u8((header & 0xFF) as u8);
        }
    }
    out.put_slice(bytes);
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Longest byte array: its length has 28 bits (AMF3 §3.14).
const MAX_BYTE_ARRAY: usize = 0x0FFF_FFFF;

/// Longest string of the short form, in bytes (AMF0 §2.4).
const SHORT: usize = 0xFFFF;
