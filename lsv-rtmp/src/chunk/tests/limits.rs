//! What a peer can make the decoder hold, and where in its bytes an error is.

use super::*;
use crate::{Budget, error::Limit};

#[test]
fn announcing_bytes_costs_nothing() {
    let mut decoder = Decoder::new(&Limits::default());
    let mut input = Raw::new().control(1, 0x7FFF_FFFF).type0(4, 0, 8 << 20).0;
    assert_eq!(decoder.next(&mut input), Ok(None));
    assert_eq!(decoder.partial_bytes(), 0);
    input.extend_from_slice(&[1]);
    assert_eq!(decoder.next(&mut input), Ok(None));
    assert_eq!(decoder.partial_bytes(), 16 << 10);
    input.extend_from_slice(&[1; 16 << 10]);
    assert_eq!(decoder.next(&mut input), Ok(None));
    assert_eq!(decoder.partial_bytes(), 256 << 10);
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
        // Set Chunk Size, then three messages that are under way with twelve bytes of header each.
        byte_offset: 16 + 3 * (12 + 65_536),
        chunk_stream_id: Some(6),
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
    for length in [1, 1000, 16_384, 16_385, 262_145] {
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
