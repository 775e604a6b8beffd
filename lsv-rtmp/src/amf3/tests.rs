use std::collections::HashMap;

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::{
    amf0::{self, Object},
    error::{InvalidMessage, Limit, Unsupported},
};

fn decode(bytes: &[u8]) -> Result<Vec<Value>, Error> {
    decode_all(bytes, &Limits::default())
}

fn texts(texts: &[&str]) -> Value {
    Value::StrictArray(texts.iter().map(|text| Value::from(*text)).collect())
}

/// Written by hand from the paper, section by section.
fn vectors() -> Vec<(&'static [u8], Value)> {
    let point = |x: f64, y: f64| Value::TypedObject {
        class_name: "P".to_owned(),
        object: Object::new().with("x", x).with("y", y),
    };
    vec![
        (b"\x00", Value::Undefined),
        (b"\x01", Value::Null),
        (b"\x02", Value::Boolean(false)),
        (b"\x03", Value::Boolean(true)),
        // §1.3.1 at the edges of its lengths, §3.6 with its sign.
        (b"\x04\x00", Value::Number(0.0)),
        (b"\x04\x7f", Value::Number(127.0)),
        (b"\x04\x81\x00", Value::Number(128.0)),
        (b"\x04\xff\x7f", Value::Number(16383.0)),
        (b"\x04\x81\x80\x00", Value::Number(16384.0)),
        (b"\x04\xff\xff\x7f", Value::Number(2_097_151.0)),
        (b"\x04\x80\xc0\x80\x00", Value::Number(2_097_152.0)),
        (b"\x04\xbf\xff\xff\xff", Value::Number(268_435_455.0)),
        (b"\x04\xc0\x80\x80\x00", Value::Number(-268_435_456.0)),
        (b"\x04\xff\xff\xff\xff", Value::Number(-1.0)),
        (b"\x05\x3f\xf8\0\0\0\0\0\0", Value::Number(1.5)),
        (b"\x06\x01", Value::from("")),
        (b"\x06\x07abc", Value::from("abc")),
        (b"\x06\x05\xc3\xa9", Value::from("é")),
        (b"\x07\x09<a/>", Value::XmlDocument("<a/>".to_owned())),
        (b"\x0b\x09<b/>", Value::XmlDocument("<b/>".to_owned())),
        (
            b"\x08\x01\x42\x77\x38\x1c\x2d\x30\x00\x00",
            Value::Date {
                unix_millis: f64::from_bits(0x4277_381C_2D30_0000),
                time_zone: 0,
            },
        ),
        (b"\x09\x01\x01", Value::StrictArray(vec![])),
        (
            b"\x09\x05\x01\x04\x01\x01",
            Value::StrictArray(vec![1.0.into(), Value::Null]),
        ),
        // One named value and two without a name.
        (
            b"\x09\x05\x03k\x03\x01\x02\x01",
            Value::EcmaArray(
                Object::new()
                    .with("k", true)
                    .with("0", false)
                    .with("1", Value::Null),
            ),
        ),
        // Anonymous and dynamic; the name and the text are the same string.
        (
            b"\x0a\x0b\x01\x03k\x06\x00\x01",
            Value::Object(Object::new().with("k", "k")),
        ),
        // Two sealed members; the second object refers to the traits of the first.
        (
            b"\x09\x05\x01\x0a\x23\x03P\x03x\x03y\x04\x01\x04\x02\x0a\x01\x04\x03\x04\x04",
            Value::StrictArray(vec![point(1.0, 2.0), point(3.0, 4.0)]),
        ),
        // Sealed and dynamic members.
        (
            b"\x0a\x1b\x03C\x03s\x01\x03d\x02\x01",
            Value::TypedObject {
                class_name: "C".to_owned(),
                object: Object::new().with("s", Value::Null).with("d", false),
            },
        ),
        // The second element is the first object again.
        (
            b"\x09\x05\x01\x0a\x0b\x01\x03k\x03\x01\x0a\x02",
            Value::StrictArray(vec![
                Object::new().with("k", true).into(),
                Object::new().with("k", true).into(),
            ]),
        ),
        // Dates, XML and byte arrays are in the object table too.
        (
            b"\x09\x07\x01\x0b\x03x\x0c\x03\xff\x0b\x02",
            Value::StrictArray(vec![
                Value::XmlDocument("x".to_owned()),
                Value::ByteArray(bytes::Bytes::from_static(&[0xFF])),
                Value::XmlDocument("x".to_owned()),
            ]),
        ),
        (b"\x0c\x01", Value::ByteArray(bytes::Bytes::new())),
        (
            b"\x0d\x05\0\0\0\0\x01\xff\xff\xff\xff",
            Value::StrictArray(vec![1.0.into(), (-1.0).into()]),
        ),
        (
            b"\x0e\x03\x01\xff\xff\xff\xff",
            Value::StrictArray(vec![4_294_967_295.0.into()]),
        ),
        (
            b"\x0f\x03\0\x3f\xf8\0\0\0\0\0\0",
            Value::StrictArray(vec![1.5.into()]),
        ),
        (b"\x10\x05\0\x03*\x06\x03a\x06\x02", texts(&["a", "a"])),
        (
            b"\x11\x07\0\x06\x03a\x01\x04\x7f\x02\x05\x3f\xf8\0\0\0\0\0\0\x03",
            Value::EcmaArray(
                Object::new()
                    .with("a", Value::Null)
                    .with("127", false)
                    .with("1.5", true),
            ),
        ),
    ]
}

#[test]
fn vectors_decode() {
    for (bytes, value) in vectors() {
        assert_eq!(decode(bytes), Ok(vec![value.clone()]), "{bytes:02x?}");
        let in_amf0 = [&[0x11], bytes].concat();
        let decoded = amf0::decode_all(&in_amf0, &Limits::default());
        assert_eq!(decoded, Ok(vec![value]), "{bytes:02x?}");
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
fn what_is_left_out_is_refused_by_name() {
    for (bytes, error) in [
        (
            &b"\x12\0\0"[..],
            Unsupported::Amf3Marker {
                marker: 0x12,
                at: 0,
            },
        ),
        (
            b"\x0a\x07\x43flex.messaging.io.ArrayCollection",
            Unsupported::Externalizable { at: 2 },
        ),
        (
            b"\x11\x03\0\x0a\x0b\x01\x01\x01",
            Unsupported::DictionaryKey { at: 3 },
        ),
        // An array whose only element is itself.
        (b"\x09\x03\x01\x09\x00", Unsupported::AmfCycle),
    ] {
        assert_eq!(decode(bytes), Err(error.into()), "{bytes:02x?}");
    }
}

#[test]
fn references_to_nothing_are_errors() {
    for (bytes, at) in [
        (&b"\x06\x00"[..], 1),
        (b"\x09\x02", 1),
        (b"\x0a\x01", 2),
        (b"\x09\x01\x00", 2),
        (b"\x06\x03a\x06\x02", 4),
        // The empty string is in no table.
        (b"\x06\x01\x06\x00", 3),
    ] {
        assert_eq!(
            decode(bytes),
            Err(InvalidMessage::AmfReference { at }.into()),
            "{bytes:02x?}"
        );
    }
}

#[test]
fn depth_is_bounded_with_the_amf0_around_it() {
    let nested = |outer: usize, inner: usize| {
        let mut bytes = b"\x0a\0\0\0\x01".repeat(outer);
        bytes.push(0x11);
        bytes.extend_from_slice(&b"\x09\x03\x01".repeat(inner));
        bytes.push(1);
        amf0::decode_all(&bytes, &Limits::default())
    };
    assert!(nested(0, 32).is_ok());
    assert!(nested(20, 12).is_ok());
    assert_eq!(nested(20, 13), Err(Limit::AmfDepth(32).into()));
    assert_eq!(nested(0, 100_000), Err(Limit::AmfDepth(32).into()));
    for opening in [
        &b"\x0a\x0b\x01\x03a"[..],
        b"\x10\x03\0\x01",
        b"\x11\x03\0\x06\x03a",
    ] {
        assert_eq!(
            decode(&opening.repeat(100_000)),
            Err(Limit::AmfDepth(32).into())
        );
    }
}

/// Each array holds the one before twice: 30 of them would be 2^30 values.
#[test]
fn references_to_references_do_not_multiply() {
    let mut bytes = BytesMut::from(&b"\x09\x3d\x01\x09\x01\x01"[..]);
    for older in 1..30_u8 {
        bytes.put_slice(&[0x09, 0x05, 0x01, 0x09, older << 1, 0x09, older << 1]);
    }
    assert_eq!(decode(&bytes), Err(Limit::AmfValues(4096).into()));
}

/// One long text and thousands of references to it: in values, in names, in class names, as bytes.
#[test]
fn references_to_text_do_not_multiply() {
    let text = |bytes: &mut BytesMut| {
        bytes.put_slice(&[0x87, 0xFF, 0x7F]);
        bytes.put_bytes(b'x', 0xFFFF);
    };
    let mut values = BytesMut::from(&b"\x09\xbe\x43\x01\x06"[..]);
    text(&mut values);
    values.put_slice(&b"\x06\0".repeat(4000));
    let mut names = BytesMut::from(&b"\x0a\x0b\x01"[..]);
    text(&mut names);
    names.put_slice(&b"\x01\0".repeat(4000));
    names.put_slice(b"\x01\x01");
    let mut classes = BytesMut::from(&b"\x09\xbe\x43\x01\x0a\x03"[..]);
    text(&mut classes);
    classes.put_slice(&b"\x0a\x01".repeat(4000));
    let mut arrays = BytesMut::from(&b"\x09\xbe\x43\x01\x0c"[..]);
    text(&mut arrays);
    arrays.put_slice(&b"\x0c\x02".repeat(4000));
    for bytes in [values, names, classes, arrays] {
        let most = bytes.len() + 0xFFFF;
        assert_eq!(decode(&bytes), Err(Limit::AmfCopiedBytes(most).into()));
    }
}

#[test]
fn counts_are_not_trusted_and_values_are_bounded() {
    let too_many = Err(Limit::AmfValues(4096).into());
    // A dense array, references, an int vector and a class's names.
    for (opening, item) in [
        (&b"\x09\xff\xff\xff\xff\x01"[..], &b"\x01"[..]),
        (b"\x09\xff\xff\xff\xff\x01\x0c\x01", b"\x0c\x02"),
        (b"\x0d\xff\xff\xff\xff\0", b"\0\0\0\0"),
        (b"\x0a\xff\xff\xff\xf3\x01", b"\x03a"),
        (b"\x0a\xff\xff\xff\xf3\x01", b"\x01"),
    ] {
        let alone = decode(opening);
        assert!(
            matches!(
                alone,
                Err(Error::InvalidMessage(InvalidMessage::AmfTruncated { .. }))
            ),
            "{alone:?}"
        );
        let full = [opening, &item.repeat(5000)].concat();
        assert_eq!(decode(&full), too_many, "{opening:02x?}");
    }
}

/// Writes values as AMF3 the way Flash does: strings, traits and equal objects by reference where it can.
#[derive(Default)]
struct Writer {
    strings: HashMap<String, u32>,
    objects: Vec<Value>,
    out: BytesMut,
}

impl Writer {
    fn u29(&mut self, value: u32) {
        let seven = |shift: u32| (value >> shift) as u8 & 0x7F;
        match value {
            ..0x80 => self.out.put_u8(seven(0)),
            0x80..0x4000 => self.out.put_slice(&[0x80 | seven(7), seven(0)]),
            _ => self
                .out
                .put_slice(&[0x80 | seven(14), 0x80 | seven(7), seven(0)]),
        }
    }

    fn length(&mut self, length: usize) {
        self.u29(u32::try_from(length).unwrap() << 1 | 1);
    }

    fn string(&mut self, text: &str) {
        if let Some(index) = self.strings.get(text) {
            return self.u29(index << 1);
        }
        self.length(text.len());
        self.out.put_slice(text.as_bytes());
        if !text.is_empty() {
            let index = u32::try_from(self.strings.len()).unwrap();
            self.strings.insert(text.to_owned(), index);
        }
    }

    /// Whether a reference stands for it; else it is in the table from here on.
    fn is_reference(&mut self, value: &Value) -> bool {
        if let Some(index) = self.objects.iter().position(|known| known == value) {
            self.u29(u32::try_from(index).unwrap() << 1);
            return true;
        }
        self.objects.push(value.clone());
        false
    }

    fn members(&mut self, object: &Object) {
        for (name, value) in object.iter() {
            self.string(name);
            self.value(value);
        }
        self.string("");
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.out.put_u8(marker::NULL),
            Value::Boolean(false) => self.out.put_u8(marker::FALSE),
            Value::Boolean(true) => self.out.put_u8(marker::TRUE),
            Value::Number(number) => {
                self.out.put_u8(marker::DOUBLE);
                self.out.put_f64(*number);
            }
            Value::String(text) => {
                self.out.put_u8(marker::STRING);
                self.string(text);
            }
            Value::ByteArray(bytes) => {
                self.out.put_u8(marker::BYTE_ARRAY);
                if !self.is_reference(value) {
                    self.length(bytes.len());
                    self.out.put_slice(bytes);
                }
            }
            Value::StrictArray(elements) => {
                self.out.put_u8(marker::ARRAY);
                if !self.is_reference(value) {
                    self.length(elements.len());
                    self.string("");
                    elements.iter().for_each(|element| self.value(element));
                }
            }
            Value::EcmaArray(object) => {
                self.out.put_u8(marker::ARRAY);
                if !self.is_reference(value) {
                    self.length(0);
                    self.members(object);
                }
            }
            Value::Object(object) => {
                self.out.put_u8(marker::OBJECT);
                if !self.is_reference(value) {
                    self.u29(0b1011);
                    self.string("");
                    self.members(object);
                }
            }
            Value::TypedObject { class_name, object } => {
                self.out.put_u8(marker::OBJECT);
                if !self.is_reference(value) {
                    self.u29(u32::try_from(object.0.len()).unwrap() << 4 | 0b0011);
                    self.string(class_name);
                    object.iter().for_each(|(name, _)| self.string(name));
                    object.iter().for_each(|(_, value)| self.value(value));
                }
            }
            other => panic!("{other:?} is not written by this test"),
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let name = "[a-c]{1,2}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        (-1e9..1e9_f64).prop_map(Value::Number),
        "[a-c]{0,2}".prop_map(Value::String),
        prop::collection::vec(any::<u8>(), 0..80).prop_map(|bytes| Value::ByteArray(bytes.into())),
    ];
    leaf.prop_recursive(5, 48, 5, move |inner| {
        let object = prop::collection::vec((name, inner.clone()), 0..5).prop_map(Object);
        let named = prop::collection::vec((name, inner.clone()), 1..5).prop_map(Object);
        prop_oneof![
            object.clone().prop_map(Value::Object),
            named.prop_map(Value::EcmaArray),
            (name, object)
                .prop_map(|(class_name, object)| Value::TypedObject { class_name, object }),
            prop::collection::vec(inner, 0..5).prop_map(Value::StrictArray),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(values in prop::collection::vec(any_value(), 0..5)) {
        let mut writer = Writer::default();
        values.iter().for_each(|value| writer.value(value));
        prop_assert_eq!(decode(&writer.out), Ok(values));
    }

    #[test]
    fn any_bytes_are_values_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzzing::amf3(&bytes);
    }
}
