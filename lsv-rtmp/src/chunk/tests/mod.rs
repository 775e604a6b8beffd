//! The chunk layer against bytes written by hand.

mod encoder;
mod limits;
mod vectors;

use bytes::{BufMut, BytesMut};

use super::*;
use crate::{Limits, error::Error};

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
