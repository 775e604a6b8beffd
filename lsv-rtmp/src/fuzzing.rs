//! Bodies of the fuzz targets, here so that ordinary tests run them too.
//!
//! Each takes any bytes and panics where an invariant does not hold. The first bytes say how the
//! rest is cut into pieces: however bytes arrive, the outcome must be the same.

use std::{fmt::Debug, time::Instant};

use bytes::BytesMut;

use crate::{
    Limits,
    amf0::{self, Decoder},
    amf3, chunk,
    error::Error,
    handshake,
    message::Message,
    session::{Client, ClientConfig, Event, Purpose, Server, ServerConfig},
};

/// Any bytes as chunks: the same messages however they are cut, within the limits, and the same
/// again after encoding.
pub fn chunk(data: &[u8]) {
    let limits = small_limits();
    let decode = |pieces: Pieces<'_>| {
        let mut decoder = chunk::Decoder::new(&limits);
        feed(pieces, |input| {
            let message = decoder.next(input);
            assert!(decoder.partial_bytes() <= limits.partial_bytes);
            message
        })
    };
    let (messages, _) = alike(data, decode);
    let mut encoder = chunk::Encoder::new();
    let mut wire = BytesMut::new();
    for message in &messages {
        encoder
            .write(message, &mut wire)
            .unwrap_or_else(|error| panic!("{message:?}: {error}"));
    }
    let roomy = Limits {
        chunk_streams: usize::MAX,
        ..Limits::default()
    };
    let mut decoder = chunk::Decoder::new(&roomy);
    let again: Vec<Message> =
        std::iter::from_fn(|| decoder.next(&mut wire).ok().flatten()).collect();
    assert_eq!(again, messages);
}

/// Any bytes as AMF0: values that are written and read back the same, or an error.
pub fn amf0(data: &[u8]) {
    let mut limits = Limits::default();
    let Ok(values) = amf0::decode_all(data, &limits) else {
        return;
    };
    let mut written = BytesMut::new();
    amf0::encode_all(&values, &mut written);
    // Bytes that are not UTF-8 become longer, and may need the long form.
    limits.amf_string_bytes = usize::MAX;
    let mut decoder = Decoder::new(&written, &limits);
    for value in &values {
        let again = decoder.next();
        // By their text, because NaN is not equal to itself.
        assert_eq!(
            format!("{again:?}"),
            format!("{:?}", Ok::<_, Error>(Some(value)))
        );
    }
    assert!(decoder.rest().is_empty());
}

/// Any bytes as AMF3: values within the limits that AMF0 can carry, or an error.
pub fn amf3(data: &[u8]) {
    let mut limits = Limits::default();
    let Ok(values) = amf3::decode_all(data, &limits) else {
        return;
    };
    let mut written = BytesMut::new();
    amf0::encode_all(&values, &mut written);
    // References do not multiply: a value takes 40 bytes at most beside its text and bytes, and those are counted.
    let most = 40 * limits.amf_values + 8 * (data.len() + limits.amf_string_bytes);
    assert!(written.len() <= most, "{} bytes", written.len());
    limits.amf_string_bytes = usize::MAX;
    let again = amf0::decode_all(&written, &limits);
    assert_eq!(
        format!("{again:?}"),
        format!("{:?}", Ok::<_, Error>(values))
    );
}

/// Any bytes as the other side of a handshake, for both ends.
pub fn handshake(data: &[u8]) {
    let serve = |pieces: Pieces<'_>| {
        let mut server = handshake::Server::new([0; 32]);
        let mut output = BytesMut::new();
        let outcome = feed_once(pieces, |input| server.next(input, &mut output));
        (outcome, output)
    };
    let (_, output) = alike(data, serve);
    assert!(output.is_empty() || output.len() == 3073);
    let greet = |pieces: Pieces<'_>| {
        let mut client = handshake::Client::new([0; 32]);
        let mut output = BytesMut::new();
        let outcome = feed_once(pieces, |input| client.next(input, &mut output));
        (outcome, output)
    };
    let (_, output) = alike(data, greet);
    assert!(output.len() <= 3073);
}

/// Any bytes as what a client sends after its handshake, every request accepted: the same events
/// however they are cut, and memory within the limits. A client session reads them too.
pub fn server_session(data: &[u8]) {
    let now = Instant::now();
    let serve = |pieces: Pieces<'_>| {
        let mut config = ServerConfig::new([0; 32]);
        config.limits = small_limits();
        let mut server = Server::new(config, now);
        let mut hello = BytesMut::from(&[3][..]);
        hello.resize(1 + 2 * 1536, 0);
        assert_eq!(server.next(&mut hello, now), Ok(None));
        feed(pieces, |input| {
            let event = server.next(input, now);
            match &event {
                Ok(Some(Event::Publish(_))) => server.accept_publish(now)?,
                Ok(Some(Event::Play(_))) => server.accept_play()?,
                _ => {}
            }
            assert!(server.take_output().len() <= small_limits().output_bytes + 4096);
            event
        })
    };
    alike(data, serve);
    for purpose in [Purpose::Publish, Purpose::Play] {
        let read = |pieces: Pieces<'_>| {
            let mut client = Client::new(ClientConfig::new(purpose, "h", "a", "n", [0; 32]), now);
            let mut hello = BytesMut::from(&[3][..]);
            hello.resize(1 + 2 * 1536, 0);
            assert_eq!(client.next(&mut hello, now), Ok(None));
            feed(pieces, |input| {
                let event = client.next(input, now);
                drop(client.take_output());
                event
            })
        };
        alike(data, read);
    }
}

/// Bytes in the order of arrival, cut by a pattern.
struct Pieces<'a> {
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
fn alike<T: Debug + PartialEq>(data: &[u8], mut decode: impl FnMut(Pieces<'_>) -> T) -> T {
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
fn feed<T>(
    pieces: Pieces<'_>,
    mut next: impl FnMut(&mut BytesMut) -> Result<Option<T>, Error>,
) -> (Vec<T>, Option<Error>) {
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
fn small_limits() -> Limits {
    Limits {
        message_bytes: 4096,
        partial_bytes: 8192,
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
            handshake(&data);
            server_session(&data);
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

    #[test]
    fn recorded_handshakes() {
        for recording in RECORDINGS {
            for cut in [[0; 4], [255; 4], [1, 50, 3, 200]] {
                handshake(&[&cut[..], &recording[..3073]].concat());
            }
        }
    }

    const RECORDINGS: [&[u8]; 4] = [
        include_bytes!("../tests/vectors/ffmpeg-publish.bin"),
        include_bytes!("../tests/vectors/ffmpeg-play.bin"),
        include_bytes!("../tests/vectors/librtmp-publish.bin"),
        include_bytes!("../tests/vectors/librtmp-play.bin"),
    ];
}
