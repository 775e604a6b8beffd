//! The vectors that the decoder was written to, each also cut at every byte.

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::{
    Budget, Limits,
    error::{Error, InvalidMessage, Limit, PeerMisbehaved},
    message::{Control, Message, MessageType},
};

/// What a vector gives: chunk stream, timestamp, payload.
type Got = (u32, u32, Vec<u8>);

/// Raw chunks, written by hand so that nothing of the encoder is trusted.
#[derive(Default)]
struct Raw(BytesMut);

impl Raw {
    fn new() -> Self {
        Self::default()
    }

    fn basic(mut self, format: u8, id: u8) -> Self {
        self.0.put_u8(format << 6 | id);
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.put_slice(bytes);
        self
    }

    fn u24(mut self, value: usize) -> Self {
        self.0.put_uint(u64::try_from(value).unwrap(), 3);
        self
    }

    fn u32(mut self, value: u32) -> Self {
        self.0.put_u32(value);
        self
    }

    /// A type-0 header on chunk stream `id`, for a video message on message stream 1.
    fn type0(self, id: u8, timestamp: u32, length: usize) -> Self {
        let field = timestamp.min(0xFF_FFFF);
        let raw = self
            .basic(0, id)
            .u24(usize::try_from(field).unwrap())
            .u24(length)
            .bytes(&[9, 1, 0, 0, 0]);
        if field == 0xFF_FFFF {
            raw.u32(timestamp)
        } else {
            raw
        }
    }

    fn type1(self, id: u8, delta: u32, length: usize) -> Self {
        let field = delta.min(0xFF_FFFF);
        let raw = self
            .basic(1, id)
            .u24(usize::try_from(field).unwrap())
            .u24(length)
            .bytes(&[9]);
        if field == 0xFF_FFFF {
            raw.u32(delta)
        } else {
            raw
        }
    }

    fn type2(self, id: u8, delta: u32) -> Self {
        let field = delta.min(0xFF_FFFF);
        let raw = self.basic(2, id).u24(usize::try_from(field).unwrap());
        if field == 0xFF_FFFF {
            raw.u32(delta)
        } else {
            raw
        }
    }

    fn type3(self, id: u8) -> Self {
        self.basic(3, id)
    }

    fn control(self, type_id: u8, value: u32) -> Self {
        self.basic(0, 2)
            .u24(0)
            .u24(4)
            .bytes(&[type_id, 0, 0, 0, 0])
            .u32(value)
    }
}

fn drain(decoder: &mut Decoder, input: &mut BytesMut, got: &mut Vec<Got>) -> Result<(), Error> {
    while let Some(message) = decoder.next(input)? {
        got.push((
            message.chunk_stream_id,
            message.timestamp,
            message.payload.to_vec(),
        ));
    }
    Ok(())
}

fn decode_with(limits: &Limits, pieces: &[&[u8]]) -> (Vec<Got>, Result<(), Error>) {
    let (got, result) = decode_to_position(limits, pieces);
    (got, result.map_err(|(error, _)| error))
}

/// The same, with where the error is.
fn decode_to_position(
    limits: &Limits,
    pieces: &[&[u8]],
) -> (Vec<Got>, Result<(), (Error, Position)>) {
    let mut decoder = Decoder::new(limits);
    let mut input = BytesMut::new();
    let mut got = Vec::new();
    let mut fed = 0;
    for piece in pieces {
        input.extend_from_slice(piece);
        fed += piece.len();
        let result = drain(&mut decoder, &mut input, &mut got);
        assert_eq!(
            decoder.bytes_received(),
            u64::try_from(fed - input.len()).unwrap()
        );
        if let Err(error) = result {
            return (got, Err((error, decoder.position())));
        }
    }
    (got, Ok(()))
}

/// Decodes whole, byte by byte and cut in two at each byte; all must agree.
#[track_caller]
fn decode(raw: &Raw) -> (Vec<Got>, Result<(), Error>) {
    let limits = Limits::default();
    let bytes = &raw.0[..];
    let whole = decode_to_position(&limits, &[bytes]);
    let single: Vec<_> = bytes.chunks(1).collect();
    assert_eq!(decode_to_position(&limits, &single), whole, "byte by byte");
    for at in 0..bytes.len() {
        let (head, tail) = bytes.split_at(at);
        let cut = decode_to_position(&limits, &[head, tail]);
        assert_eq!(cut, whole, "cut at {at}");
    }
    (whole.0, whole.1.map_err(|(error, _)| error))
}

#[track_caller]
fn messages(raw: &Raw) -> Vec<Got> {
    let (got, result) = decode(raw);
    result.unwrap();
    got
}

#[track_caller]
fn timestamps(raw: &Raw) -> Vec<u32> {
    messages(raw)
        .into_iter()
        .map(|(_, timestamp, _)| timestamp)
        .collect()
}

#[track_caller]
fn error(raw: &Raw) -> Error {
    decode(raw).1.unwrap_err()
}

fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length)
        .map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed))
        .collect()
}

#[test]
fn vector_1_type_3_repeats_the_delta() {
    let raw = Raw::new()
        .type0(4, 1000, 2)
        .bytes(b"ab")
        .type1(4, 20, 2)
        .bytes(b"cd")
        .type3(4)
        .bytes(b"ef");
    assert_eq!(
        messages(&raw),
        [
            (4, 1000, b"ab".to_vec()),
            (4, 1020, b"cd".to_vec()),
            (4, 1040, b"ef".to_vec())
        ]
    );
}

/// The delta is the timestamp of the type-0 chunk, as RTMP 1.0 §5.3.1.2.4 says in so many words.
///
/// Those who send such chunks mean it so. FFmpeg `libavformat/rtmppkt.c` `ff_rtmp_packet_write`
/// compares the new delta with the last field written (`ts_field`), absolute or not: frames at 20
/// and 40 leave as type 0 and type 3. GStreamer `rtmp2sink` `gst/rtmp2/rtmp/rtmpchunkstream.c` sets
/// `ts_delta` to the absolute time with each type 0 and compares with that. Those who read it so:
/// FFmpeg, librtmp (and OBS with it), SRS. nginx-rtmp alone adds nothing (`st->dtime = 0`). librtmp
/// sends type 3 only for an equal timestamp and opens with type 0 only at 0, where all agree.
#[test]
fn vector_2_type_3_after_type_0_adds_its_timestamp() {
    let ffmpeg = Raw::new()
        .type0(4, 20, 1)
        .bytes(b"a")
        .type3(4)
        .bytes(b"b")
        .type3(4)
        .bytes(b"c");
    assert_eq!(timestamps(&ffmpeg), [20, 40, 60]);
    let librtmp = Raw::new().type0(4, 0, 1).bytes(b"a").type3(4).bytes(b"b");
    assert_eq!(timestamps(&librtmp), [0, 0]);
}

#[test]
fn vector_3_a_continuation_adds_no_delta() {
    let payload = pattern(300, 1);
    let raw = Raw::new()
        .type0(4, 1000, 1)
        .bytes(b"a")
        .type1(4, 20, 300)
        .bytes(&payload[..128])
        .type3(4)
        .bytes(&payload[128..256])
        .type3(4)
        .bytes(&payload[256..])
        .type2(4, 5)
        .bytes(&payload[..128])
        .type3(4)
        .bytes(&payload[128..256])
        .type3(4)
        .bytes(&payload[256..]);
    assert_eq!(
        messages(&raw),
        [
            (4, 1000, b"a".to_vec()),
            (4, 1020, payload.clone()),
            (4, 1025, payload)
        ]
    );
}

#[test]
fn vector_4_extended_timestamps_with_and_without_the_field_in_type_3() {
    let payload = pattern(200, 7);
    for timestamp in [0xFF_FFFF, 0x100_0000, 0xFFFF_FF00] {
        let with = Raw::new()
            .type0(4, timestamp, 200)
            .bytes(&payload[..128])
            .type3(4)
            .u32(timestamp)
            .bytes(&payload[128..]);
        let without = Raw::new()
            .type0(4, timestamp, 200)
            .bytes(&payload[..128])
            .type3(4)
            .bytes(&payload[128..]);
        assert_eq!(messages(&with), [(4, timestamp, payload.clone())]);
        assert_eq!(messages(&without), [(4, timestamp, payload.clone())]);

        let with = Raw::new()
            .type0(4, 10, 1)
            .bytes(b"a")
            .type1(4, timestamp, 200)
            .bytes(&payload[..128])
            .type3(4)
            .u32(timestamp)
            .bytes(&payload[128..]);
        let without = Raw::new()
            .type0(4, 10, 1)
            .bytes(b"a")
            .type1(4, timestamp, 200)
            .bytes(&payload[..128])
            .type3(4)
            .bytes(&payload[128..]);
        let expected = [
            (4, 10, b"a".to_vec()),
            (4, 10_u32.wrapping_add(timestamp), payload.clone()),
        ];
        assert_eq!(messages(&with), expected);
        assert_eq!(messages(&without), expected);
    }
}

#[test]
fn vector_4_a_short_rest_without_the_field_does_not_wait_for_more() {
    let payload = pattern(130, 7);
    let raw = Raw::new()
        .type0(4, 0x0100_0000, 130)
        .bytes(&payload[..128])
        .type3(4)
        .bytes(&payload[128..]);
    assert_eq!(messages(&raw), [(4, 0x0100_0000, payload)]);
}

#[test]
fn vector_4_an_extended_delta_holds_for_type_3_that_opens_a_message() {
    let raw = Raw::new()
        .type0(4, 0, 1)
        .bytes(b"a")
        .type2(4, 0x0100_0000)
        .bytes(b"b")
        .type3(4)
        .u32(0x0100_0000)
        .bytes(b"c")
        .type2(4, 1)
        .bytes(b"d")
        .type3(4)
        .bytes(b"e");
    assert_eq!(
        timestamps(&raw),
        [0, 0x0100_0000, 0x0200_0000, 0x0200_0001, 0x0200_0002]
    );
}

#[test]
fn vector_5_the_clock_wraps() {
    let by_delta = Raw::new()
        .type0(4, 0xFFFF_FFF0, 1)
        .bytes(b"a")
        .type1(4, 0x20, 1)
        .bytes(b"b")
        .type3(4)
        .bytes(b"c");
    assert_eq!(timestamps(&by_delta), [0xFFFF_FFF0, 0x10, 0x30]);
    let by_absolute = Raw::new()
        .type0(4, 0xFFFF_FFF0, 1)
        .bytes(b"a")
        .type0(4, 0x10, 1)
        .bytes(b"b");
    assert_eq!(timestamps(&by_absolute), [0xFFFF_FFF0, 0x10]);
    let all_at_once = Raw::new()
        .type0(4, 5, 1)
        .bytes(b"a")
        .type1(4, u32::MAX, 1)
        .bytes(b"b");
    assert_eq!(timestamps(&all_at_once), [5, 4]);
}

#[test]
fn vector_6_two_chunk_streams_interleaved() {
    let (audio, video) = (pattern(200, 3), pattern(300, 9));
    let raw = Raw::new()
        .type0(4, 10, 200)
        .bytes(&audio[..128])
        .type0(6, 20, 300)
        .bytes(&video[..128])
        .type3(4)
        .bytes(&audio[128..])
        .type3(6)
        .bytes(&video[128..256])
        .type1(4, 5, 1)
        .bytes(b"x")
        .type3(6)
        .bytes(&video[256..]);
    assert_eq!(
        messages(&raw),
        [(4, 10, audio), (4, 15, b"x".to_vec()), (6, 20, video)]
    );
}

/// An error: to restart would lose a message without a word, and to go on would mix two. SRS refuses
/// it as well, and none of OBS, FFmpeg, librtmp and GStreamer does it.
#[test]
fn vector_7_a_header_inside_a_message() {
    let open = || Raw::new().type0(4, 10, 200).bytes(&pattern(128, 0));
    for (format, raw) in [
        (0, open().type0(4, 20, 10).bytes(&pattern(10, 1))),
        (1, open().type1(4, 20, 10).bytes(&pattern(10, 1))),
        (2, open().type2(4, 20).bytes(&pattern(72, 1))),
    ] {
        assert_eq!(decode(&raw).0, []);
        assert_eq!(
            error(&raw),
            PeerMisbehaved::HeaderInsideMessage {
                chunk_stream_id: 4,
                format,
                received: 128,
                length: 200
            }
            .into()
        );
    }
}

#[test]
fn vector_8_abort() {
    let raw = Raw::new()
        .type0(4, 10, 200)
        .bytes(&pattern(128, 0))
        .control(2, 4)
        .type1(4, 5, 3)
        .bytes(b"abc")
        .control(2, 77)
        .control(2, 4)
        .type3(4)
        .bytes(b"def");
    assert_eq!(
        messages(&raw),
        [(4, 15, b"abc".to_vec()), (4, 20, b"def".to_vec())]
    );

    let mut decoder = Decoder::new(&Limits::default());
    let mut input = Raw::new().type0(4, 10, 200).bytes(&pattern(128, 0)).0;
    assert_eq!(decoder.next(&mut input), Ok(None));
    assert_eq!(decoder.partial_bytes(), 200);
    input.extend_from_slice(&Raw::new().control(2, 4).0);
    assert_eq!(decoder.next(&mut input), Ok(None));
    assert_eq!(decoder.partial_bytes(), 0);
}

#[test]
fn vector_9_set_chunk_size() {
    let payload = pattern(300, 5);
    let raw = Raw::new()
        .control(1, 65536)
        .type0(4, 0, 300)
        .bytes(&payload);
    assert_eq!(messages(&raw), [(4, 0, payload.clone())]);
    let raw = Raw::new()
        .control(1, 0x7FFF_FFFF)
        .type0(4, 0, 300)
        .bytes(&payload);
    assert_eq!(messages(&raw), [(4, 0, payload.clone())]);
    let raw = Raw::new()
        .control(1, 1)
        .type0(4, 0, 2)
        .bytes(b"a")
        .type3(4)
        .bytes(b"b");
    assert_eq!(messages(&raw), [(4, 0, b"ab".to_vec())]);
    let raw = Raw::new()
        .control(1, 128)
        .type0(4, 0, 130)
        .bytes(&payload[..128])
        .type3(4)
        .bytes(&payload[128..130]);
    assert_eq!(messages(&raw), [(4, 0, payload[..130].to_vec())]);
    for wrong in [0, 0x8000_0000, u32::MAX] {
        assert_eq!(
            error(&Raw::new().control(1, wrong)),
            PeerMisbehaved::ChunkSize(wrong).into()
        );
    }
    let short = Raw::new()
        .basic(0, 2)
        .u24(0)
        .u24(3)
        .bytes(&[1, 0, 0, 0, 0])
        .bytes(&[0, 1, 0]);
    assert_eq!(
        error(&short),
        InvalidMessage::TooShort {
            message_type: MessageType::SET_CHUNK_SIZE,
            length: 3
        }
        .into()
    );
}

#[test]
fn vector_9_set_chunk_size_in_the_middle_of_another_message() {
    let payload = pattern(400, 5);
    let raw = Raw::new()
        .type0(4, 0, 400)
        .bytes(&payload[..128])
        .control(1, 200)
        .type3(4)
        .bytes(&payload[128..328])
        .type3(4)
        .bytes(&payload[328..]);
    assert_eq!(messages(&raw), [(4, 0, payload)]);
}

#[test]
fn vector_10_chunk_stream_ids() {
    let raw = Raw::new()
        .type0(2, 1, 1)
        .bytes(b"a")
        .type0(63, 2, 1)
        .bytes(b"b")
        .bytes(&[0x00, 0])
        .bytes(&[0, 0, 3, 0, 0, 1, 9, 1, 0, 0, 0, b'c'])
        .bytes(&[0x00, 255])
        .bytes(&[0, 0, 4, 0, 0, 1, 9, 1, 0, 0, 0, b'd'])
        .bytes(&[0x01, 0x00, 0x01])
        .bytes(&[0, 0, 5, 0, 0, 1, 9, 1, 0, 0, 0, b'e'])
        .bytes(&[0x01, 0xFF, 0xFF])
        .bytes(&[0, 0, 6, 0, 0, 1, 9, 1, 0, 0, 0, b'f'])
        // The same stream in the longer form.
        .bytes(&[0xC1, 0x00, 0x00, b'g']);
    let ids: Vec<_> = messages(&raw).into_iter().map(|(id, _, _)| id).collect();
    assert_eq!(ids, [2, 63, 64, 319, 320, 65599, 64]);
}

#[test]
fn vector_10_the_number_of_chunk_streams_is_capped() {
    let mut raw = Raw::new();
    for id in 0..64 {
        raw = raw
            .bytes(&[0x00, id])
            .bytes(&[0, 0, 0, 0, 0, 1, 9, 1, 0, 0, 0, id]);
    }
    assert_eq!(messages(&raw).len(), 64);
    let raw = raw
        .bytes(&[0x00, 64])
        .bytes(&[0, 0, 0, 0, 0, 1, 9, 1, 0, 0, 0, 1]);
    let (got, result) = decode_with(&Limits::default(), &[&raw.0]);
    assert_eq!(got.len(), 64);
    assert_eq!(result, Err(Limit::ChunkStreams(64).into()));
}

#[test]
fn vector_11_message_lengths() {
    let empty = Raw::new().type0(4, 7, 0).type3(4).type1(4, 1, 0);
    assert_eq!(
        messages(&empty),
        [(4, 7, vec![]), (4, 14, vec![]), (4, 15, vec![])]
    );

    let limit = Limits::default().message_bytes;
    for announced in [limit + 1, 0xFF_FFFF] {
        let raw = Raw::new().type0(4, 7, announced);
        assert_eq!(error(&raw), Limit::MessageBytes { announced, limit }.into());
    }
}

#[test]
fn vector_11_the_longest_message() {
    let limits = Limits {
        message_bytes: usize::MAX,
        ..Limits::default()
    };
    let payload = pattern(0xFF_FFFF, 1);
    let raw = Raw::new()
        .control(1, 0x7FFF_FFFF)
        .type0(4, 7, payload.len())
        .bytes(&payload);
    let (got, result) = decode_with(&limits, &[&raw.0]);
    assert_eq!(result, Ok(()));
    assert!(got == [(4, 7, payload)]);
}

#[test]
fn announcing_bytes_costs_nothing() {
    let mut decoder = Decoder::new(&Limits::default());
    let mut input = Raw::new().control(1, 0x7FFF_FFFF).type0(4, 0, 8 << 20).0;
    assert_eq!(decoder.next(&mut input), Ok(None));
    assert_eq!(decoder.partial_bytes(), 0);
    input.extend_from_slice(&[1]);
    assert_eq!(decoder.next(&mut input), Ok(None));
    assert_eq!(decoder.partial_bytes(), 64 << 10);
    input.extend_from_slice(&[1; 70_000]);
    assert_eq!(decoder.next(&mut input), Ok(None));
    assert_eq!(decoder.partial_bytes(), 128 << 10);
    assert!(input.is_empty());
}

#[test]
fn unfinished_messages_are_bounded_together() {
    let limits = Limits {
        partial_bytes: 300_000,
        ..Limits::default()
    };
    let mut raw = Raw::new().control(1, 65_536);
    for id in 3..10 {
        raw = raw.type0(id, 0, 100_000).bytes(&[0; 65_536]);
    }
    let whole = decode_to_position(&limits, &[&raw.0]);
    let place = Position {
        // Set Chunk Size, then four messages that are under way with twelve bytes of header each.
        byte_offset: 16 + 4 * (12 + 65_536),
        chunk_stream_id: Some(7),
    };
    let error = Limit::PartialBytes(300_000).into();
    assert_eq!(whole, (vec![], Err((error, place))));
    for piece in [1, 1000, 65_536, 100_000] {
        let pieces: Vec<_> = raw.0.chunks(piece).collect();
        assert_eq!(decode_to_position(&limits, &pieces), whole);
    }
}

#[test]
fn a_payload_is_an_allocation_of_its_own_and_exact() {
    for length in [1, 1000, 65_536, 65_537, 200_000] {
        let mut decoder = Decoder::new(&Limits::default());
        let mut input = Raw::new().control(1, 4096).type0(4, 0, length).0;
        let payload = pattern(length, 0);
        for (n, chunk) in payload.chunks(4096).enumerate() {
            if n > 0 {
                input.extend_from_slice(&[0xC4]);
            }
            input.extend_from_slice(chunk);
        }
        let message = decoder.next(&mut input).unwrap().unwrap();
        assert!(input.is_empty());
        assert_eq!(message.payload, payload);
        assert_eq!(message.payload.try_into_mut().unwrap().capacity(), length);
    }
}

#[test]
fn memory_of_finished_messages_is_given_back() {
    let mut decoder = Decoder::new(&Limits::default());
    for _ in 0..100 {
        let mut input = Raw::new()
            .control(1, 0x7FFF_FFFF)
            .type0(4, 0, 1 << 20)
            .bytes(&vec![0; 1 << 20])
            .0;
        assert_eq!(
            decoder.next(&mut input).unwrap().unwrap().payload.len(),
            1 << 20
        );
        assert_eq!(decoder.partial_bytes(), 0);
    }
}

#[test]
fn connections_share_a_budget() {
    let budget = Budget::new(250_000);
    let open = || {
        let decoder = Decoder::with_budget(&Limits::default(), budget.clone());
        let half = Raw::new()
            .control(1, 99_999)
            .type0(4, 0, 100_000)
            .bytes(&[7; 99_999]);
        (decoder, half.0)
    };
    let (mut first, mut half) = open();
    assert_eq!(first.next(&mut half), Ok(None));
    let (mut second, mut half) = open();
    assert_eq!(second.next(&mut half), Ok(None));
    assert_eq!(budget.used(), 200_000);
    let (mut third, mut half) = open();
    assert_eq!(third.next(&mut half), Err(Limit::Budget(250_000).into()));
    assert_eq!(budget.used(), 200_000);

    // The others go on, and what they finish is free for the next.
    let mut rest = Raw::new().type3(4).bytes(&[7]).0;
    assert_eq!(
        first.next(&mut rest).unwrap().unwrap().payload,
        [7; 100_000][..]
    );
    assert_eq!(budget.used(), 100_000);
    let (mut fourth, mut half) = open();
    assert_eq!(fourth.next(&mut half), Ok(None));
    assert_eq!(budget.used(), 200_000);
    let mut abort = Raw::new().control(2, 4).0;
    assert_eq!(fourth.next(&mut abort), Ok(None));
    assert_eq!(budget.used(), 100_000);
    drop(second);
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_position_is_that_of_the_chunk() {
    let mut decoder = Decoder::new(&Limits::default());
    assert_eq!(decoder.position(), Position::default());
    let mut input = Raw::new()
        .type0(4, 0, 200)
        .bytes(&pattern(128, 0))
        .type0(6, 0, 1)
        .bytes(b"v")
        .type3(4)
        .bytes(&pattern(72, 0))
        .type3(9)
        .0;
    let mut place = || {
        let outcome = decoder.next(&mut input).map(|message| message.is_some());
        let position = decoder.position();
        (outcome.ok(), position.byte_offset, position.chunk_stream_id)
    };
    assert_eq!(place(), (Some(true), 140, Some(6)));
    assert_eq!(place(), (Some(true), 153, Some(4)));
    assert_eq!(place(), (None, 226, Some(9)));
    assert_eq!(decoder.bytes_received(), 226);
}

#[test]
fn a_fresh_chunk_stream_may_open_with_type_1_only() {
    // librtmp answers a ping so: 0x42, type 1 on chunk stream 2.
    let ping = Raw::new().type1(2, 0, 6).bytes(&[0, 7, 0, 0, 0, 1]);
    assert_eq!(messages(&ping).len(), 1);
    assert_eq!(
        error(&Raw::new().type2(4, 1)),
        PeerMisbehaved::NoEarlierHeader {
            chunk_stream_id: 4,
            format: 2
        }
        .into()
    );
    assert_eq!(
        error(&Raw::new().type3(4)),
        PeerMisbehaved::NoEarlierHeader {
            chunk_stream_id: 4,
            format: 3
        }
        .into()
    );
}

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

    #[test]
    fn any_bytes_cut_anywhere_decode_alike(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..400) {
        let limits = Limits::default();
        let (head, tail) = bytes.split_at(at.min(bytes.len()));
        prop_assert_eq!(decode_with(&limits, &[head, tail]), decode_with(&limits, &[&bytes]));
    }
}
