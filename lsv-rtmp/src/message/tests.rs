use bytes::{BufMut, Bytes, BytesMut};

use super::*;
use crate::{
    Limits,
    amf0::{Object, Value},
    error::{Error, InvalidMessage},
};

fn message(type_id: MessageType, payload: &[u8]) -> Message {
    Message {
        chunk_stream_id: 3,
        timestamp: 0,
        type_id,
        stream_id: 0,
        payload: Bytes::copy_from_slice(payload),
    }
}

#[test]
fn control_messages_round_trip_and_short_ones_are_errors() {
    let all = [
        Control::SetChunkSize(4096),
        Control::Abort(6),
        Control::Acknowledgement(u32::MAX),
        Control::WindowAcknowledgementSize(2_500_000),
        Control::SetPeerBandwidth {
            window: 5_000_000,
            limit: BandwidthLimit::DYNAMIC,
        },
        Control::UserControl(UserControl::StreamBegin(1)),
        Control::UserControl(UserControl::StreamEof(1)),
        Control::UserControl(UserControl::StreamDry(1)),
        Control::UserControl(UserControl::SetBufferLength {
            stream_id: 1,
            millis: 3000,
        }),
        Control::UserControl(UserControl::StreamIsRecorded(1)),
        Control::UserControl(UserControl::PingRequest(77)),
        Control::UserControl(UserControl::PingResponse(77)),
        Control::UserControl(UserControl::Other(31)),
    ];
    for control in all {
        let encoded = control.encode();
        assert_eq!((encoded.chunk_stream_id, encoded.stream_id), (2, 0));
        assert_eq!(Control::decode(&encoded), Ok(Some(control)));
        let shortest = match control {
            Control::UserControl(UserControl::Other(_)) => 2,
            Control::SetPeerBandwidth { .. } => 4,
            _ => encoded.payload.len(),
        };
        for end in 0..shortest {
            let cut = Message {
                payload: encoded.payload.slice(..end),
                ..encoded.clone()
            };
            let expected = InvalidMessage::TooShort {
                message_type: encoded.type_id,
                length: end,
            };
            assert_eq!(Control::decode(&cut), Err(expected.into()));
        }
    }
    assert_eq!(Control::decode(&message(MessageType::AUDIO, b"")), Ok(None));
}

#[test]
fn commands_round_trip() {
    let command = Command::new("connect", 1.0)
        .object(Object::new().with("app", "stream"))
        .argument(Value::Null)
        .argument(2.0);
    let encoded = command.encode(0);
    let limits = Limits::default();
    assert_eq!(
        Command::decode(&encoded, &limits),
        Ok(Some(command.clone()))
    );
    // The AMF3 framing: a zero byte, then the same; and without it, as some clients write it.
    let amf3 = message(
        MessageType::COMMAND_AMF3,
        &[&[0][..], &encoded.payload].concat(),
    );
    assert_eq!(Command::decode(&amf3, &limits), Ok(Some(command.clone())));
    let bare = message(MessageType::COMMAND_AMF3, &encoded.payload);
    assert_eq!(Command::decode(&bare, &limits), Ok(Some(command)));
    assert_eq!(
        Command::decode(&message(MessageType::VIDEO, b""), &limits),
        Ok(None)
    );
}

#[test]
fn a_command_may_end_after_its_name() {
    let limits = Limits::default();
    let short = message(MessageType::COMMAND, b"\x02\0\x05close");
    assert_eq!(
        Command::decode(&short, &limits),
        Ok(Some(Command::new("close", 0.0)))
    );
    for nameless in [&b""[..], b"\x05", b"\0\0\0\0\0\0\0\0\0"] {
        let result = Command::decode(&message(MessageType::COMMAND, nameless), &limits);
        assert!(matches!(
            result,
            Err(Error::InvalidMessage(InvalidMessage::Command { .. }))
        ));
    }
}

#[test]
fn data_comes_without_its_wrappers() {
    let meta = b"\x02\0\x0aonMetaData\x08\0\0\0\0\0\0\x09";
    let wrapped = [b"\x02\0\x0d@setDataFrame", &meta[..]].concat();
    for (type_id, payload) in [
        (MessageType::DATA, meta.to_vec()),
        (MessageType::DATA, wrapped.clone()),
        (MessageType::DATA_AMF3, [&[0], &meta[..]].concat()),
        (MessageType::DATA_AMF3, [&[0], &wrapped[..]].concat()),
    ] {
        assert_eq!(body(&message(type_id, &payload)).unwrap(), meta[..]);
    }
    assert_eq!(
        body(&message(MessageType::DATA, b"\x02\0\x0f@clearDataFrame")),
        None
    );
    assert_eq!(body(&message(MessageType::VIDEO, meta)), None);
    assert_eq!(body(&message(MessageType::DATA, b"")).unwrap(), b""[..]);
}

fn body(message: &Message) -> Option<Bytes> {
    data_body(message, &Limits::default()).unwrap()
}

#[test]
fn players_get_amf0_where_the_encoder_sends_amf3() {
    // `onMetaData` in AMF0, then { width: 640, name: "cam" } in AMF3.
    let amf3 =
        b"\0\x02\0\x0donMetaDataAMF\x11\x0a\x0b\x01\x0bwidth\x04\x85\0\x09name\x06\x07cam\x01";
    let expected = b"\x02\0\x0donMetaDataAMF\x03\0\x05width\0\x40\x84\0\0\0\0\0\0\0\x04name\x02\0\x03cam\0\0\x09";
    assert_eq!(
        body(&message(MessageType::DATA_AMF3, amf3)).unwrap(),
        expected[..]
    );
    let limits = Limits::default();
    let cut = message(MessageType::DATA_AMF3, &amf3[..amf3.len() - 1]);
    assert!(matches!(
        data_body(&cut, &limits),
        Err(Error::InvalidMessage(InvalidMessage::AmfTruncated { .. }))
    ));
    // Broken AMF0 is the player's to judge, as in type 18.
    let broken = message(MessageType::DATA_AMF3, b"\0\x02\0\x09short");
    assert_eq!(body(&broken).unwrap(), b"\x02\0\x09short"[..]);
}

#[test]
fn commands_may_hold_amf3() {
    let mut payload = vec![0];
    payload.extend_from_slice(b"\x02\0\x07connect\0\x3f\xf0\0\0\0\0\0\0");
    payload.extend_from_slice(b"\x11\x0a\x0b\x01\x07app\x06\x0dstream\x01\x05\x11\x06\x02");
    let command = Command::decode(
        &message(MessageType::COMMAND_AMF3, &payload),
        &Limits::default(),
    );
    // The last value refers to the second string of the message: tables hold for all of it.
    let expected = Command::new("connect", 1.0)
        .object(Object::new().with("app", "stream"))
        .argument(Value::Null)
        .argument("stream");
    assert_eq!(command, Ok(Some(expected)));
}

fn tag(kind: u8, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    let [t3, t2, t1, t0] = timestamp.to_be_bytes();
    out.put_u8(kind);
    out.put_uint(payload.len() as u64, 3);
    out.put_slice(&[t2, t1, t0, t3, 0, 0, 0]);
    out.put_slice(payload);
    out.put_u32(payload.len() as u32 + 11);
    out.to_vec()
}

fn split(payload: &[u8], timestamp: u32) -> Result<Vec<(u8, u32, Vec<u8>)>, Error> {
    let mut outer = message(MessageType::AGGREGATE, payload);
    outer.timestamp = timestamp;
    let mut aggregate = Aggregate::new(outer);
    let mut out = Vec::new();
    while let Some(message) = aggregate.next()? {
        out.push((
            message.type_id.0,
            message.timestamp,
            message.payload.to_vec(),
        ));
    }
    Ok(out)
}

#[test]
fn aggregates_come_apart_on_the_clock_of_the_whole() {
    let payload = [
        tag(8, 0x0500_0000, b"ab"),
        tag(9, 0x0500_0028, b""),
        tag(8, 0x04FF_FFFF, b"c"),
    ]
    .concat();
    let expected = vec![
        (8, 1000, b"ab".to_vec()),
        (9, 1040, vec![]),
        (8, 999, b"c".to_vec()),
    ];
    assert_eq!(split(&payload, 1000), Ok(expected.clone()));
    // Without the last back pointer.
    assert_eq!(split(&payload[..payload.len() - 4], 1000), Ok(expected));
    assert_eq!(split(b"", 0), Ok(vec![]));
}

#[test]
fn a_message_out_of_an_aggregate_does_not_keep_it_in_memory() {
    let outer = message(MessageType::AGGREGATE, &tag(8, 0, b"ab"));
    let whole = outer.payload.as_ptr_range();
    let inner = Aggregate::new(outer.clone()).next().unwrap().unwrap();
    assert!(!whole.contains(&inner.payload.as_ptr()));
}

#[test]
fn broken_aggregates_are_errors() {
    let payload = tag(8, 0, b"abcdef");
    for end in 1..payload.len() - 4 {
        let result = split(&payload[..end], 0);
        assert!(
            matches!(
                result,
                Err(Error::InvalidMessage(InvalidMessage::TooShort { .. }))
            ),
            "{end}"
        );
    }
    assert_eq!(
        split(&tag(22, 0, b""), 0),
        Err(InvalidMessage::NestedAggregate.into())
    );
}

#[test]
fn types_have_names() {
    assert_eq!(
        format!("{:?} {:?}", MessageType::VIDEO, MessageType(0x7F)),
        "Video MessageType(0x7f)"
    );
}
