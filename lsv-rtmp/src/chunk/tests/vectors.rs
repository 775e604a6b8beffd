//! The vectors that the decoder was written to. Each is decoded whole, byte by byte and cut in two at every byte.
//!
//! | | what comes | test |
//! | --: | --- | --- |
//! | 1 | a type-3 chunk that opens a message | [`vector_1_type_3_repeats_the_delta`] |
//! | 2 | the same right after a type-0 chunk | [`vector_2_type_3_after_type_0_adds_its_timestamp`] |
//! | 3 | a type-3 chunk that goes on with a message | [`vector_3_a_continuation_adds_no_delta`] |
//! | 4 | timestamps of 0xFFFFFF and more | `vector_4_..`, three tests |
//! | 5 | the clock's wrap | [`vector_5_the_clock_wraps`] |
//! | 6 | two messages woven together | [`vector_6_two_chunk_streams_interleaved`] |
//! | 7 | a header in the middle of a message | [`vector_7_a_header_inside_a_message`] |
//! | 8 | Abort | [`vector_8_abort`] |
//! | 9 | Set Chunk Size | `vector_9_..`, three tests |
//! | 10 | chunk stream ids | `vector_10_..`, two tests |
//! | 11 | message lengths | `vector_11_..`, two tests |
//! | 12 | cuts | all of these by way of [`decode`], and `vector_12_..`, two tests |
//! | 13 | input that ends early | `vector_13_input_that_ends_early` of the handshake and of the server session |
//! | 14 | acknowledgements | `vector_14_..` of the session's counter and of the server session |

use proptest::prelude::*;

use super::*;
use crate::{
    error::{InvalidMessage, Limit, PeerMisbehaved},
    message::MessageType,
};

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
    let by_type_2_and_3 = Raw::new()
        .type0(4, 0xFFFF_FF00, 1)
        .bytes(b"a")
        .type2(4, 0x90)
        .bytes(b"b")
        .type3(4)
        .bytes(b"c");
    assert_eq!(
        timestamps(&by_type_2_and_3),
        [0xFFFF_FF00, 0xFFFF_FF90, 0x20]
    );
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
fn vector_9_set_chunk_size_in_chunks_of_its_own() {
    let raw = Raw::new()
        .control(1, 1)
        .basic(0, 2)
        .u24(0)
        .u24(4)
        .bytes(&[1, 0, 0, 0, 0, 0])
        .type3(2)
        .bytes(&[0])
        .type3(2)
        .bytes(&[1])
        .type3(2)
        .bytes(&[0])
        .type0(4, 0, 256)
        .bytes(&pattern(256, 5));
    assert_eq!(messages(&raw), [(4, 0, pattern(256, 5))]);
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

    let payload = pattern(300, 8);
    for basic in [
        &[0x3F][..],
        &[0x00, 0],
        &[0x00, 255],
        &[0x01, 0x00, 0x01],
        &[0x01, 0xFF, 0xFF],
    ] {
        let type_3 = [&[basic[0] | 0xC0], &basic[1..]].concat();
        let raw = Raw::new()
            .bytes(basic)
            .bytes(&[0, 0, 9, 0, 1, 44, 9, 1, 0, 0, 0])
            .bytes(&payload[..128])
            .bytes(&type_3)
            .bytes(&payload[128..256])
            .bytes(&type_3)
            .bytes(&payload[256..]);
        assert_eq!(messages(&raw)[0].2, payload);
    }
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
    let (got, result) = decode(&raw);
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
    let expected = [(4, 7, payload)];
    // Cut where it is whole chunks, where memory grows, and before the last byte.
    let headers = 16 + 12;
    for place in [0, 16 << 10, 256 << 10, 4 << 20, 0xFF_FFFE] {
        let at = headers + place;
        let (head, tail) = raw.0.split_at(at);
        let (got, result) = decode_with(&limits, &[head, tail]);
        assert_eq!(result, Ok(()), "cut at {at}");
        assert!(got == expected, "cut at {at}");
    }
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

/// A publisher in small: all chunk types, two streams woven together, the chunk size changed on the way.
#[test]
fn vector_12_a_conversation_cut_in_three_anywhere() {
    let (video, audio) = (pattern(20, 1), pattern(9, 2));
    let raw = Raw::new()
        .control(1, 8)
        .type0(6, 0xFF_FFFF, 20)
        .bytes(&video[..8])
        .type0(4, 40, 9)
        .bytes(&audio[..8])
        .type3(6)
        .u32(0xFF_FFFF)
        .bytes(&video[8..16])
        .type3(4)
        .bytes(&audio[8..])
        .control(1, 64)
        .type3(6)
        .u32(0xFF_FFFF)
        .bytes(&video[16..])
        .type1(4, 23, 9)
        .bytes(&audio)
        .type2(4, 24)
        .bytes(&audio)
        .type3(4)
        .bytes(&audio);
    let whole = messages(&raw);
    let expected = [(4, 40), (6, 0xFF_FFFF), (4, 63), (4, 87), (4, 111)];
    let got: Vec<_> = whole.iter().map(|(id, at, _)| (*id, *at)).collect();
    assert_eq!(got, expected);
    let limits = Limits::default();
    for second in 1..raw.0.len() {
        let (head, tail) = raw.0.split_at(second);
        for first in 1..second {
            let (head, middle) = head.split_at(first);
            let got = decode_with(&limits, &[head, middle, tail]);
            assert_eq!(got, (whole.clone(), Ok(())), "cut at {first} and {second}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn vector_12_any_bytes_cut_anywhere_decode_alike(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..400) {
        let limits = Limits::default();
        let (head, tail) = bytes.split_at(at.min(bytes.len()));
        prop_assert_eq!(decode_with(&limits, &[head, tail]), decode_with(&limits, &[&bytes]));
    }
}
