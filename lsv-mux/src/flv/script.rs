//! Writing script data (AMF0 §2).

use bytes::{BufMut, BytesMut};
use lsv_core::script::Value;

/// Appends a message with one value: names and values as an ECMA array, as `onMetaData` has them.
pub(super) fn put_message(out: &mut BytesMut, name: &str, properties: &[(String, Value)]) {
    put_value(out, &Value::Text(name.to_owned()));
    out.put_u8(ECMA_ARRAY);
    let count = properties.iter().filter(|(name, _)| is_writable(name));
    out.put_u32(count.count() as u32);
    put_properties(out, properties);
}

fn put_value(out: &mut BytesMut, value: &Value) {
    match value {
        Value::Number(number) => {
            out.put_u8(NUMBER);
            out.put_f64(*number);
        }
        Value::Boolean(value) => out.put_slice(&[BOOLEAN, u8::from(*value)]),
        Value::Text(text) => match u16::try_from(text.len()) {
            Ok(length) => {
                out.put_u8(STRING);
                out.put_u16(length);
                out.put_slice(text.as_bytes());
            }
            Err(_) => {
                out.put_u8(LONG_STRING);
                out.put_u32(text.len() as u32);
                out.put_slice(text.as_bytes());
            }
        },
        Value::Date(millis) => {
            out.put_u8(DATE);
            out.put_f64(*millis);
            // A time zone that is always zero.
            out.put_u16(0);
        }
        Value::Object(properties) => {
            out.put_u8(OBJECT);
            put_properties(out, properties);
        }
        Value::List(values) => {
            out.put_u8(STRICT_ARRAY);
            out.put_u32(values.len() as u32);
            values.iter().for_each(|value| put_value(out, value));
        }
        _ => out.put_u8(NULL),
    }
}

/// Appends the properties that can have their name, and their end.
fn put_properties(out: &mut BytesMut, properties: &[(String, Value)]) {
    for (name, value) in properties.iter().filter(|(name, _)| is_writable(name)) {
        out.put_u16(name.len() as u16);
        out.put_slice(name.as_bytes());
        put_value(out, value);
    }
    out.put_u16(0);
    out.put_u8(OBJECT_END);
}

/// Names have 16 bits of length, and an empty one is the end to many readers.
fn is_writable(name: &str) -> bool {
    (1..=usize::from(u16::MAX)).contains(&name.len())
}

const NUMBER: u8 = 0x00;
const BOOLEAN: u8 = 0x01;
const STRING: u8 = 0x02;
const OBJECT: u8 = 0x03;
const NULL: u8 = 0x05;
const ECMA_ARRAY: u8 = 0x08;
const OBJECT_END: u8 = 0x09;
const STRICT_ARRAY: u8 = 0x0A;
const DATE: u8 = 0x0B;
const LONG_STRING: u8 = 0x0C;

#[cfg(test)]
mod tests {
    use super::*;
    use lsv_core::script::Message;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(|number| Value::Number(f64::from(number) / 8.0)),
            any::<bool>().prop_map(Value::Boolean),
            ".{0,8}".prop_map(Value::Text),
            any::<u32>().prop_map(|millis| Value::Date(f64::from(millis))),
            Just(Value::Null),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let named = prop::collection::vec((".{1,4}", inner.clone()), 0..4);
            let list = prop::collection::vec(inner, 0..4);
            prop_oneof![named.prop_map(Value::Object), list.prop_map(Value::List)]
        })
    }

    #[test]
    fn message_vector() {
        let mut out = BytesMut::new();
        let properties = [
            ("duration".to_owned(), Value::Number(12.5)),
            (String::new(), Value::Null),
            ("stereo".to_owned(), Value::Boolean(true)),
            ("none".to_owned(), Value::List(vec![Value::Null])),
        ];
        put_message(&mut out, "onMetaData", &properties);
        let expected = b"\x02\0\x0AonMetaData\x08\0\0\0\x03\
            \0\x08duration\0\x40\x29\0\0\0\0\0\0\
            \0\x06stereo\x01\x01\
            \0\x04none\x0A\0\0\0\x01\x05\
            \0\0\x09";
        assert_eq!(out, expected[..]);
    }

    #[test]
    fn text_may_be_long() {
        for (length, head) in [
            (0xFFFF, &[STRING, 0xFF, 0xFF][..]),
            (0x1_0000, &[LONG_STRING, 0, 1, 0, 0]),
        ] {
            let mut out = BytesMut::new();
            put_value(&mut out, &Value::Text("x".repeat(length)));
            assert!(out.starts_with(head));
            assert_eq!(out.len(), head.len() + length);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(properties in prop::collection::vec((".{1,4}", any_value()), 0..6)) {
            let mut out = BytesMut::new();
            put_message(&mut out, "x", &properties);
            let read = Message::parse(&out).unwrap();
            prop_assert_eq!(read.values, vec![Value::Object(properties)]);
        }
    }
}
