//! Bodies of the fuzz targets, here so that ordinary tests run them too.
//!
//! Each takes any bytes and panics where an invariant does not hold. Where bytes arrive in pieces, the first ones say how
//! the rest is cut: however bytes arrive, the outcome must be the same.

mod client;
mod codecs;
mod script;
mod server;

use std::fmt::Debug;

use bytes::BytesMut;

pub use self::{
    client::{CLIENT_SCRIPT, client_session},
    codecs::{amf0, amf3, chunk, handshake, message},
    server::{SERVER_SCRIPT, server_session},
};
use crate::{Limits, error::Error};

/// Bytes in the order of arrival, cut by a pattern.
pub(crate) struct Pieces<'a> {
    rest: &'a [u8],
    /// Lengths of the pieces, over and over; empty for one piece.
    lengths: &'a [u8],
    next: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let length = match self
            .lengths
            .get(self.next.checked_rem(self.lengths.len()).unwrap_or(0))
        {
            Some(length) => usize::from(*length) + 1,
            None => self.rest.len(),
        };
        self.next += 1;
        let (piece, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        Some(piece)
    }
}

/// Runs `decode` over `data` whole and in pieces, which must make no difference.
pub(crate) fn alike<T: Debug + PartialEq>(
    data: &[u8],
    mut decode: impl FnMut(Pieces<'_>) -> T,
) -> T {
    let (lengths, rest) = data.split_at(data.len().min(4));
    let whole = decode(Pieces {
        rest,
        lengths: &[],
        next: 0,
    });
    let pieces = decode(Pieces {
        rest,
        lengths,
        next: 0,
    });
    // By their text, because NaN is not equal to itself.
    assert!(
        whole == pieces || format!("{whole:?}") == format!("{pieces:?}"),
        "{whole:?}\n{pieces:?}"
    );
    whole
}

/// All that `next` gives for the pieces, and the error that ended it.
pub(crate) fn feed<T, E>(
    pieces: Pieces<'_>,
    mut next: impl FnMut(&mut BytesMut) -> Result<Option<T>, E>,
) -> (Vec<T>, Option<E>) {
    let mut input = BytesMut::new();
    let mut got = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match next(&mut input) {
                Ok(Some(item)) => got.push(item),
                Ok(None) => break,
                Err(error) => return (got, Some(error)),
            }
        }
    }
    (got, None)
}

/// The outcome of a decoder that finishes once.
fn feed_once(
    pieces: Pieces<'_>,
    mut next: impl FnMut(&mut BytesMut) -> Result<bool, Error>,
) -> Result<bool, Error> {
    let mut input = BytesMut::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        if next(&mut input)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Limits low enough for short inputs to reach them.
pub(crate) fn small_limits() -> Limits {
    Limits {
        message_bytes: 4096,
        partial_bytes: 8192,
        bytes_before_publish: 2048,
        command_bytes: 1024,
        chunk_streams: 8,
        output_bytes: 64 << 10,
        ..Limits::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..600)) {
            chunk(&data);
            amf0(&data);
            amf3(&data);
            message(&data);
            handshake(&data);
            server_session(&data);
            client_session(&data);
        }

        /// Recordings with a few bytes changed get further than noise.
        #[test]
        fn damaged_recordings(
            which in 0_usize..4,
            cut in any::<[u8; 4]>(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let recording = RECORDINGS[which];
            let mut data = [&cut[..], &recording[3073..]].concat();
            for (at, byte) in damage {
                let at = at.index(data.len());
                data[at] = byte;
            }
            chunk(&data);
            server_session(&data);
        }
    }

    proptest! {
        /// Whole phrases of the scripts in any order, with noise between them.
        #[test]
        fn shuffled_scripts(
            phrases in prop::collection::vec((any::<prop::sample::Index>(), ".{0,2}"), 0..24),
        ) {
            let shuffled = |script: &[&[u8]]| {
                let mut data = Vec::new();
                for (which, noise) in &phrases {
                    data.extend_from_slice(script[which.index(script.len())]);
                    data.extend_from_slice(noise.as_bytes());
                }
                data
            };
            server_session(&shuffled(SERVER_SCRIPT));
            client_session(&shuffled(CLIENT_SCRIPT));
        }
    }

    #[test]
    fn recorded_handshakes() {
        for recording in RECORDINGS {
            for cut in [[0; 4], [255; 4], [1, 50, 3, 200]] {
                handshake(&[&cut[..], &recording[..3073]].concat());
            }
        }
    }

    const RECORDINGS: [&[u8]; 4] = [
        include_bytes!("../../tests/vectors/ffmpeg-publish.bin"),
        include_bytes!("../../tests/vectors/ffmpeg-play.bin"),
        include_bytes!("../../tests/vectors/librtmp-publish.bin"),
        include_bytes!("../../tests/vectors/librtmp-play.bin"),
    ];
}
