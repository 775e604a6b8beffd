//! Bodies of this crate's fuzz targets: each takes arbitrary bytes and panics only where an invariant is broken.

use bytes::{Bytes, BytesMut};

#[cfg(feature = "platform")]
use crate::channel::{Channel, Fields, Moment};
use crate::media::Kind;
#[cfg(feature = "platform")]
use crate::path::ChannelId;
use crate::tag;
use crate::time::Timestamp;

/// Whatever JSON asks for a channel: it is refused, or the channel survives its stored form unchanged.
///
/// # Panics
/// If an accepted channel reads back differently.
#[cfg(feature = "platform")]
pub fn channel(data: &[u8]) {
    let Ok(fields) = serde_json::from_slice::<Fields>(data) else {
        return;
    };
    let Ok(id) = ChannelId::parse("fuzz") else {
        return;
    };
    if let Ok(channel) = Channel::create(fields, || id, Moment::EPOCH) {
        assert_eq!(Channel::decode(&channel.encode()).as_ref(), Ok(&channel));
    }
}

/// Whatever tag bodies come: they parse or are refused, and a frame that
/// parses survives being written again.
///
/// # Panics
/// If a frame that was written reads back differently.
pub fn tag(data: &[u8]) {
    let mut parser = tag::Parser::default();
    let mut rest = data;
    // A byte in front of each body says its length, and in the top bit that it is audio: so one input holds headers
    // and the frames that need them.
    while let Some((&lead, tail)) = rest.split_first() {
        let (body, tail) = tail.split_at(tail.len().min(usize::from(lead & 0x7F)));
        rest = tail;
        let body = Bytes::copy_from_slice(body);
        let audio = lead & 0x80 != 0;
        let at = Timestamp::from_millis(1);
        let parse = |parser: &mut tag::Parser, body: &Bytes| match audio {
            true => parser.audio(body, at),
            false => parser.video(body, at),
        };
        let Ok(Some(frame)) = parse(&mut parser, &body) else {
            continue;
        };
        let mut written = BytesMut::new();
        tag::put_frame_header(&mut written, &frame);
        written.extend_from_slice(&frame.payload);
        let written = written.freeze();
        let again = match frame.kind() {
            Kind::Audio => parser.audio(&written, at),
            _ => parser.video(&written, at),
        };
        assert!(again.is_ok_and(|again| again.is_some_and(|again| again.payload == frame.payload)));
    }
}
