use std::{collections::HashMap, io::Cursor};

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use rml_amf0::Amf0Value;

use super::*;
use crate::{
    Limits,
    error::{Error, InvalidMessage, Limit, Unsupported},
};

fn decode(bytes: &[u8]) -> Result<Vec<Value>, Error> {
    decode_all(bytes, &Limits::default())
}

fn encoded(value: &Value) -> BytesMut {
    let mut out = BytesMut::new();
    encode(value, &mut out);
    out
}

/// Encoded forms and their values; each is written back to the same bytes.
fn vectors() -> Vec<(&'static [u8], Value)> {
    vec![
        (b"\x00\x3f\xf0\0\0\0\0\0\0", Value::Number(1.0)),
        (b"\x01\x01", Value::Boolean(true)),
        (b"\x01\x00", Value::Boolean(false)),
        (b"\x02\x00\x03abc", Value::from("abc")),
        (b"\x02\x00\x00", Value::from("")),
        (b"\x05", Value::Null),
        (b"\x06", Value::Undefined),
        (b"\x0d", Value::Unsupported),
        (b"\x07\x01\x02", Value::Reference(258)),
        (
            b"\x0a\0\0\0\x02\x03\0\0\x09\x07\0\x01",
            Value::StrictArray(vec![Object::new().into(), Value::Reference(1)]),
        ),
        (
            b"\x11\x0c\x05ab",
            Value::ByteArray(Bytes::from_static(b"ab")),
        ),
        (b"\x03\0\0\x09", Value::Object(Object::new())),
        (
            b"\x03\0\x01b\x05\0\x01a\x01\x01\0\x01b\x06\0\0\x09",
            Value::Object(
                Object::new()
                    .with("b", Value::Null)
                    .with("a", true)
                    .with("b", Value::Undefined),
            ),
        ),
        (
            b"\x03\0\0\x05\0\0\x09",
            Value::Object(Object::new().with("", Value::Null)),
        ),
        (
            b"\x08\0\0\0\x01\0\x01k\x03\0\0\x09\0\0\x09",
            Value::EcmaArray(Object::new().with("k", Object::new())),
        ),
        (b"\x0a\0\0\0\0", Value::StrictArray(vec![])),
        (
            b"\x0a\0\0\0\x02\x05\x0a\0\0\0\x01\x06",
            Value::StrictArray(vec![
                Value::Null,
                Value::StrictArray(vec![Value::Undefined]),
            ]),
        ),
        (
            b"\x0b\x42\x77\x38\x1c\x2d\x30\x00\x00\x00\x00",
            Value::Date {
                unix_millis: f64::from_bits(0x4277_381C_2D30_0000),
                time_zone: 0,
            },
        ),
        (b"\x0f\0\0\0\x04<a/>", Value::XmlDocument("<a/>".to_owned())),
        (
            b"\x10\0\x01C\0\x01x\x05\0\0\x09",
            Value::TypedObject {
                class_name: "C".to_owned(),
                object: Object::new().with("x", Value::Null),
            },
        ),
    ]
}

#[test]
fn vectors_decode_and_encode() {
    for (bytes, value) in vectors() {
        assert_eq!(decode(bytes), Ok(vec![value.clone()]), "{bytes:02x?}");
        assert_eq!(encoded(&value), bytes, "{value:?}");
    }
}

#[test]
fn vectors_cut_at_each_byte_are_errors() {
    for (bytes, value) in vectors() {
        for end in 1..bytes.len() {
            let result = decode(&bytes[..end]);
            assert!(
                matches!(
                    result,
                    Err(Error::InvalidMessage(InvalidMessage::AmfTruncated { .. }))
                ),
                "{value:?} cut at {end}: {result:?}"
            );
        }
    }
}

#[test]
fn long_strings_read_as_strings_and_are_written_long_only_where_needed() {
    assert_eq!(decode(b"\x0c\0\0\0\x02hi"), Ok(vec![Value::from("hi")]));
    let long = Value::String("x".repeat(0x1_0000));
    let bytes = encoded(&long);
    assert_eq!(&bytes[..5], b"\x0c\0\x01\0\0");
    let mut limits = Limits::default();
    assert_eq!(
        decode_all(&bytes, &limits),
        Err(Limit::AmfStringBytes(0xFFFF).into())
    );
    limits.amf_string_bytes = 1 << 20;
    assert_eq!(decode_all(&bytes, &limits), Ok(vec![long]));
}

#[test]
fn a_name_that_is_too_long_is_cut_at_a_letter() {
    let name = format!("{}é", "x".repeat(0xFFFE));
    let bytes = encoded(&Value::Object(Object::new().with(&name, Value::Null)));
    let values = decode(&bytes).unwrap();
    assert_eq!(values[0].property(&"x".repeat(0xFFFE)), Some(&Value::Null));
}

#[test]
fn what_is_not_utf_8_is_replaced() {
    assert_eq!(
        decode(b"\x02\0\x03a\xe9b"),
        Ok(vec![Value::from("a\u{FFFD}b")])
    );
}

#[test]
fn the_count_of_an_associative_array_is_not_trusted() {
    let expected = Value::EcmaArray(Object::new().with("k", Value::Null));
    for count in [0, 1, 7, u32::MAX] {
        let mut bytes = BytesMut::from(&b"\x08"[..]);
        bytes.put_u32(count);
        bytes.put_slice(b"\0\x01k\x05\0\0\x09");
        assert_eq!(decode(&bytes), Ok(vec![expected.clone()]));
    }
}

#[test]
fn a_huge_dense_array_is_not_allocated() {
    assert_eq!(
        decode(b"\x0a\xff\xff\xff\xff\x05"),
        Err(InvalidMessage::AmfTruncated { at: 6 }.into())
    );
}

#[test]
fn depth_is_bounded() {
    for opening in [
        &b"\x03\0\x01a"[..],
        b"\x08\0\0\0\0\0\x01a",
        b"\x0a\0\0\0\x01",
        b"\x10\0\x01C\0\x01a",
    ] {
        let nested = opening.repeat(100_000);
        assert_eq!(decode(&nested), Err(Limit::AmfDepth(32).into()));
    }
    let mut fits = b"\x0a\0\0\0\x01".repeat(32);
    fits.push(5);
    assert_eq!(decode(&fits).unwrap().len(), 1);
    let mut too_deep = b"\x0a\0\0\0\x01".repeat(33);
    too_deep.push(5);
    assert_eq!(decode(&too_deep), Err(Limit::AmfDepth(32).into()));
}

#[test]
fn the_number_of_values_is_bounded() {
    assert_eq!(decode(&[5; 4096]).unwrap().len(), 4096);
    assert_eq!(decode(&[5; 4097]), Err(Limit::AmfValues(4096).into()));
    let mut array = BytesMut::from(&b"\x0a\0\0\x20\0"[..]);
    array.put_bytes(5, 0x2000);
    assert_eq!(decode(&array), Err(Limit::AmfValues(4096).into()));
}

#[test]
fn movie_clips_and_record_sets_are_not_supported() {
    for marker in [0x04, 0x0E, 0x12, 0xFF] {
        assert_eq!(
            decode(&[5, marker, 0, 0]),
            Err(Unsupported::AmfMarker { marker, at: 1 }.into())
        );
    }
    assert_eq!(
        decode(&[5, 9]),
        Err(InvalidMessage::AmfObjectEnd { at: 1 }.into())
    );
}

#[test]
fn byte_arrays_of_every_length_class_are_read_back() {
    let limits = Limits::default();
    for length in [0, 63, 64, 8191, 8192, 0x0F_FFFF, 0x10_0000, 5 << 20] {
        let value = Value::ByteArray(Bytes::from(vec![7; length]));
        let bytes = encoded(&value);
        assert_eq!(decode_all(&bytes, &limits), Ok(vec![value]), "{length}");
    }
}

#[test]
fn a_decoder_knows_what_is_left() {
    let limits = Limits::default();
    let mut decoder = Decoder::new(b"\x02\0\x01a\x05rest", &limits);
    assert_eq!(decoder.next(), Ok(Some(Value::from("a"))));
    assert_eq!(decoder.rest(), b"\x05rest");
}

fn any_value() -> impl Strategy<Value = Value> {
    let name = "[a-z]{0,6}";
    let leaf = prop_oneof![
        any::<f64>()
            .prop_filter("NaN is not equal to itself", |n| !n.is_nan())
            .prop_map(Value::Number),
        any::<bool>().prop_map(Value::Boolean),
        ".{0,12}".prop_map(Value::String),
        ".{0,12}".prop_map(Value::XmlDocument),
        Just(Value::Null),
        Just(Value::Undefined),
        Just(Value::Unsupported),
        any::<u16>().prop_map(Value::Reference),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Value::ByteArray(bytes.into())),
        (-1e15..1e15_f64, any::<i16>()).prop_map(|(unix_millis, time_zone)| Value::Date {
            unix_millis,
            time_zone
        }),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let object = prop::collection::vec((name, inner.clone()), 0..6).prop_map(Object);
        prop_oneof![
            object.clone().prop_map(Value::Object),
            object.clone().prop_map(Value::EcmaArray),
            (name, object)
                .prop_map(|(class_name, object)| Value::TypedObject { class_name, object }),
            prop::collection::vec(inner, 0..6).prop_map(Value::StrictArray),
        ]
    })
}

/// The subset that `rml_amf0` writes: no repeated names, no empty ones.
fn any_plain() -> impl Strategy<Value = Amf0Value> {
    let leaf = prop_oneof![
        (-1e9..1e9_f64).prop_map(Amf0Value::Number),
        any::<bool>().prop_map(Amf0Value::Boolean),
        ".{0,12}".prop_map(Amf0Value::Utf8String),
        Just(Amf0Value::Null),
        Just(Amf0Value::Undefined),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::hash_map("[a-z]{1,6}", inner.clone(), 0..5)
                .prop_map(Amf0Value::Object),
            prop::collection::vec(inner, 0..5).prop_map(Amf0Value::StrictArray),
        ]
    })
}

fn to_plain(value: &Value) -> Amf0Value {
    match value {
        Value::Number(number) => Amf0Value::Number(*number),
        Value::Boolean(value) => Amf0Value::Boolean(*value),
        Value::String(text) => Amf0Value::Utf8String(text.clone()),
        Value::Undefined => Amf0Value::Undefined,
        Value::StrictArray(elements) => {
            Amf0Value::StrictArray(elements.iter().map(to_plain).collect())
        }
        Value::Object(object) => {
            let properties: HashMap<_, _> = object
                .iter()
                .map(|(name, value)| (name.to_owned(), to_plain(value)))
                .collect();
            Amf0Value::Object(properties)
        }
        _ => Amf0Value::Null,
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(values in prop::collection::vec(any_value(), 0..5)) {
        let mut out = BytesMut::new();
        encode_all(&values, &mut out);
        prop_assert_eq!(decode(&out), Ok(values));
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(values) = decode(&bytes) {
            let mut out = BytesMut::new();
            encode_all(&values, &mut out);
            let limits = Limits { amf_string_bytes: usize::MAX, ..Limits::default() };
            // Debug, because NaN is not equal to itself.
            prop_assert_eq!(format!("{:?}", decode_all(&out, &limits)), format!("{:?}", Ok::<_, Error>(values)));
        }
    }

    #[test]
    fn the_oracle_writes_what_we_read(values in prop::collection::vec(any_plain(), 0..4)) {
        let bytes = rml_amf0::serialize(&values).unwrap();
        let ours = decode(&bytes).unwrap();
        prop_assert_eq!(ours.iter().map(to_plain).collect::<Vec<_>>(), values);
    }

    #[test]
    fn the_oracle_reads_what_we_write(values in prop::collection::vec(any_plain(), 0..4)) {
        let ours = decode(&rml_amf0::serialize(&values).unwrap()).unwrap();
        let mut out = BytesMut::new();
        encode_all(&ours, &mut out);
        prop_assert_eq!(rml_amf0::deserialize(&mut Cursor::new(&out[..])).unwrap(), values);
    }
}
