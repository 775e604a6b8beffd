//! The pieces of an object to compose, as one body: what they are in a line of JSON, then the bytes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ports::{ObjectName, Piece};

/// A piece as the first line tells it.
#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Bytes { bytes: u64 },
    Of { of: ObjectName, from: u64, to: u64 },
}

/// Writes `pieces`.
pub fn encode(pieces: &[Piece]) -> Bytes {
    let lines = pieces.iter().map(|piece| match piece {
        Piece::Bytes(bytes) => Line::Bytes {
            bytes: bytes.len() as u64,
        },
        Piece::Of(name, range) => Line::Of {
            of: name.clone(),
            from: range.start,
            to: range.end,
        },
    });
    let lines: Vec<Line> = lines.collect();
    let mut body = serde_json::json!(lines).to_string().into_bytes();
    body.push(b'\n');
    for piece in pieces {
        if let Piece::Bytes(bytes) = piece {
            body.extend_from_slice(bytes);
        }
    }
    body.into()
}

/// Reads what [`encode`] wrote; the bytes stay where they are in `body`.
///
/// # Errors
/// [`Malformed`] for everything else.
pub fn decode(mut body: Bytes) -> Result<Vec<Piece>, Malformed> {
    let feed = body.iter().position(|&byte| byte == b'\n');
    let line = body.split_to(feed.ok_or(Malformed)?);
    drop(body.split_to(1));
    let lines: Vec<Line> = serde_json::from_slice(&line).map_err(|_| Malformed)?;
    let mut pieces = Vec::with_capacity(lines.len());
    for line in lines {
        pieces.push(match line {
            Line::Of { of, from, to } => Piece::Of(of, from..to),
            Line::Bytes { bytes } => {
                let length = usize::try_from(bytes).map_err(|_| Malformed)?;
                if length > body.len() {
                    return Err(Malformed);
                }
                Piece::Bytes(body.split_to(length))
            }
        });
    }
    match body.is_empty() {
        true => Ok(pieces),
        false => Err(Malformed),
    }
}

/// Not the pieces of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pieces are a line of JSON and the bytes that it tells of, no more and no fewer")]
pub struct Malformed;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece() -> impl Strategy<Value = Piece> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Piece::Bytes(bytes.into())),
            ("[a-z]{1,5}(/[a-z]{1,5}){0,2}", any::<u64>(), any::<u64>()).prop_map(
                |(name, from, to)| Piece::Of(ObjectName::parse(&name).unwrap(), from..to)
            ),
        ]
    }

    proptest! {
        #[test]
        fn pieces_arrive_as_they_were(pieces in prop::collection::vec(piece(), 0..8)) {
            prop_assert_eq!(decode(encode(&pieces)), Ok(pieces));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for body in [
            "",
            "\n",
            "[]",
            "[]\nx",
            "[{\"bytes\":2}]\nx",
            "[{\"bytes\":18446744073709551615}]\nx",
            "[{\"bytes\":-1}]\n",
            "[{\"of\":\"../x\",\"from\":0,\"to\":1}]\n",
            "[{\"of\":\"x\",\"from\":0}]\n",
            "[{\"of\":\"x\",\"from\":0,\"to\":1,\"bytes\":0}]\n",
        ] {
            assert_eq!(decode(Bytes::from(body)), Err(Malformed), "{body}");
        }
        assert_eq!(decode(Bytes::from("[]\n")), Ok(Vec::new()));
    }
}
