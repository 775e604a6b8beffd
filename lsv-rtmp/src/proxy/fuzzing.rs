//! Bodies of the fuzz targets of the proxy, by the rules of [`crate::fuzzing`].

use std::time::Instant;

use bytes::BytesMut;

use super::{
    Config, Continuation, Sniffer,
    sniffer::{Promise, PromiseKind},
};
use crate::{
    Limits, chunk,
    fuzzing::{alike, feed, small_limits},
    handshake,
    proxy_protocol::{self, Header},
    session::Purpose,
};

/// Any bytes as PROXY protocol headers: the same however they are cut, within their bounds, and the same again after
/// writing.
pub fn protocol(data: &[u8]) {
    let (headers, _) = alike(data, |pieces| {
        feed(pieces, |input| {
            let header = proxy_protocol::read(input);
            assert!(header != Ok(None) || input.len() < proxy_protocol::MAX_V2_BYTES);
            header
        })
    });
    for header in headers {
        let (mut text, mut binary) = (BytesMut::new(), BytesMut::new());
        header.write_v1(&mut text);
        header.write_v2(&mut binary);
        assert!(text.len() <= proxy_protocol::MAX_V1_BYTES);
        let expected = match header {
            Header::Local => Header::Unknown,
            other => other,
        };
        assert_eq!(proxy_protocol::read(&mut text), Ok(Some(expected)));
        assert_eq!(proxy_protocol::read(&mut binary), Ok(Some(header)));
        assert!(text.is_empty() && binary.is_empty());
    }
}

/// Any bytes as what a client sends after its handshake: the same wish however they are cut, and all of it there to be
/// replayed, within the limit. The same bytes as what a back end sends to a client that was handed over: the same for
/// the client however they are cut, and never broken.
pub fn sniffer(data: &[u8]) {
    let now = Instant::now();
    let config = Config {
        limits: small_limits(),
        replay_bytes: 2048,
        ..Config::default()
    };
    let all = data.get(4..).unwrap_or_default();
    let sniffed = alike(data, |pieces| {
        let mut sniffer = greeted(&config, now);
        let mut input = BytesMut::new();
        let mut outcome = Ok(None);
        for piece in pieces {
            input.extend_from_slice(piece);
            if outcome == Ok(None) {
                outcome = sniffer.next(&mut input, now);
                assert!(sniffer.take_output().len() <= config.limits.output_bytes + 4096);
            }
        }
        if let Ok(handover) = sniffer.hand_over() {
            assert!(handover.replay.len() <= config.replay_bytes);
            assert_eq!([&handover.replay[..], &input].concat(), all);
        }
        outcome
    });
    // Whichever it is, it was the same.
    drop(sniffed);
    let (heard, _) = alike(data, |pieces| {
        let mut continuation = Continuation::new(Purpose::Publish, promises());
        let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
        let mut fault = None;
        for piece in pieces {
            input.extend_from_slice(piece);
            if fault.is_none() {
                fault = continuation.pass(&mut input, &mut output).err();
            }
        }
        (output, fault)
    });
    let roomy = Limits {
        chunk_streams: usize::MAX,
        message_bytes: usize::MAX,
        partial_bytes: usize::MAX,
        ..Limits::default()
    };
    let mut decoder = chunk::Decoder::new(&roomy);
    let mut heard = heard;
    while decoder.next(&mut heard).expect("whole messages").is_some() {}
    assert!(heard.is_empty() && decoder.partial_bytes() == 0);
}

/// A sniffer whose client has shaken hands.
fn greeted(config: &Config, now: Instant) -> Sniffer {
    let mut sniffer = Sniffer::new(config, [0; 32], now);
    let mut hello = BytesMut::from(&[3][..]);
    hello.resize(handshake::CLIENT_BYTES, 0);
    assert_eq!(sniffer.next(&mut hello, now), Ok(None));
    assert_eq!(sniffer.take_output().len(), handshake::SERVER_BYTES);
    sniffer
}

/// What FFmpeg is promised when it publishes.
fn promises() -> Vec<Promise> {
    let kinds = [
        PromiseKind::Connected,
        PromiseKind::Courtesy,
        PromiseKind::Courtesy,
        PromiseKind::Stream(1.0),
    ];
    let numbered = (1_u8..).zip(kinds);
    numbered
        .map(|(id, kind)| Promise {
            transaction_id: f64::from(id),
            kind,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..600)) {
            protocol(&data);
            sniffer(&data);
        }

        /// Recordings with a few bytes changed get further than noise.
        #[test]
        fn damaged_recordings(
            which in 0_usize..2,
            cut in any::<[u8; 4]>(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let recording = RECORDINGS[which];
            let end = recording.len().min(handshake::CLIENT_BYTES + 4096);
            let mut data = [&cut[..], &recording[handshake::CLIENT_BYTES..end]].concat();
            for (at, byte) in damage {
                let at = at.index(data.len());
                data[at] = byte;
            }
            sniffer(&data);
        }
    }

    const RECORDINGS: [&[u8]; 2] = [
        include_bytes!("../../tests/vectors/ffmpeg-publish.bin"),
        include_bytes!("../../tests/vectors/librtmp-play.bin"),
    ];
}
