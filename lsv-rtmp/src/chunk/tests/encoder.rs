//! The encoder, against expected bytes and against the decoder.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{
    error::Limit,
    message::{Control, Message, MessageType},
};

#[test]
fn encoder_writes_the_extended_timestamp_in_each_chunk() {
    let header = Header {
        chunk_stream_id: 6,
        timestamp: 0x0100_0000,
        type_id: MessageType::VIDEO,
        stream_id: 1,
    };
    let mut out = BytesMut::new();
    encode_message(&mut out, &header, &[b"abc", b"", b"defg"], 3).unwrap();
    let expected = Raw::new()
        .type0(6, 0x0100_0000, 7)
        .bytes(b"abc")
        .type3(6)
        .u32(0x0100_0000)
        .bytes(b"def")
        .type3(6)
        .u32(0x0100_0000)
        .bytes(b"g");
    assert_eq!(out, expected.0);
}

#[test]
fn encoder_refuses_what_the_wire_cannot_say() {
    let header = Header {
        chunk_stream_id: 6,
        timestamp: 0,
        type_id: MessageType::VIDEO,
        stream_id: 1,
    };
    let half = vec![0; 0x80_0000];
    let mut out = BytesMut::new();
    assert_eq!(
        encode_message(&mut out, &header, &[&half, &half], 128),
        Err(Limit::MessageBytes {
            announced: 0x100_0000,
            limit: 0xFF_FFFF
        }
        .into())
    );
    assert!(out.is_empty());
}

#[test]
fn encoder_obeys_the_chunk_size_that_it_announces() {
    let mut encoder = Encoder::new();
    let mut out = BytesMut::new();
    let message = Message {
        chunk_stream_id: 6,
        timestamp: 0,
        type_id: MessageType::VIDEO,
        stream_id: 1,
        payload: pattern(1000, 3).into(),
    };
    encoder.write(&message, &mut out).unwrap();
    encoder
        .write(&Control::SetChunkSize(400).encode(), &mut out)
        .unwrap();
    assert_eq!(encoder.chunk_size(), 400);
    encoder.write(&message, &mut out).unwrap();
    let (got, result) = decode_with(&Limits::default(), &[&out]);
    assert_eq!(result, Ok(()));
    assert_eq!(
        got,
        [
            (6, 0, message.payload.to_vec()),
            (6, 0, message.payload.to_vec())
        ]
    );
}

fn any_message() -> impl Strategy<Value = Message> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600),
        (1_usize..200_000, any::<u8>()).prop_map(|(length, seed)| pattern(length, seed)),
    ];
    let id = prop_oneof![2_u32..8, Just(64), Just(319), Just(320), Just(65599)];
    let timestamp = prop_oneof![any::<u32>(), 0xFF_FFF0_u32..0x100_0010, 0_u32..100];
    (id, timestamp, 8_u8..10, any::<u32>(), payload).prop_map(
        |(id, timestamp, type_id, stream_id, payload)| Message {
            chunk_stream_id: id,
            timestamp,
            type_id: MessageType(type_id),
            stream_id,
            payload: Bytes::from(payload),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_encoded_is_decoded(
        sent in prop::collection::vec(any_message(), 1..6),
        chunk_size in prop_oneof![1_u32..300, 4096_u32..70_000],
        piece in 1_usize..5000,
    ) {
        let mut encoder = Encoder::new();
        let mut wire = BytesMut::new();
        encoder.write(&Control::SetChunkSize(chunk_size).encode(), &mut wire).unwrap();
        for message in &sent {
            encoder.write(message, &mut wire).unwrap();
        }
        let mut decoder = Decoder::new(&Limits::default());
        let mut input = BytesMut::new();
        let mut got = Vec::new();
        for piece in wire.chunks(piece) {
            input.extend_from_slice(piece);
            while let Some(message) = decoder.next(&mut input).unwrap() {
                got.push(message);
            }
        }
        prop_assert_eq!(got, sent);
        prop_assert_eq!(decoder.partial_bytes(), 0);
        prop_assert!(input.is_empty());
    }
}
