//! Playing: a stream as RTMP messages, chunked once for all players.
//!
//! Every message opens with a type 0 chunk on a fixed chunk stream, so its bytes depend on nothing that was sent
//! before and any number of players can share them (RTMP 1.0 §5.3.1). What it takes: one chunk size
//! ([`CHUNK_SIZE`]) and one message stream id ([`STREAM_ID`]) for all players.

use bytes::{Bytes, BytesMut};
use lsv_core::hub::Package;
use lsv_core::media::{Kind, MediaFrame, Track, Tracks};
use lsv_core::tag;
use lsv_core::time::Timestamp;

use crate::chunk::{self, Header, encode_message};
use crate::message::MessageType;
use crate::session::ServerConfig;

/// The chunk size that a session must have announced before it sends what [`PlayPackage`] makes: the default.
pub const CHUNK_SIZE: u32 = ServerConfig::CHUNK_SIZE;

/// The message stream on which media goes out: the first that `createStream` gives.
pub const STREAM_ID: u32 = 1;

/// Packages a stream as RTMP messages.
#[derive(Debug)]
pub struct PlayPackage {
    tag_header: BytesMut,
}

impl Package for PlayPackage {
    fn new() -> Self {
        Self {
            tag_header: BytesMut::new(),
        }
    }

    fn prelude(&mut self, tracks: &Tracks, at: Timestamp) -> Bytes {
        let mut out = BytesMut::new();
        if let Some(metadata) = &tracks.metadata {
            // Metadata describes the whole: at any other time FFmpeg takes it for the start of a subtitle track.
            put_message(&mut out, Kind::Data, Timestamp::ZERO, &[metadata]);
        }
        for track in tracks.defaults() {
            self.put_config(&mut out, track, at);
        }
        out.freeze()
    }

    fn push(&mut self, frame: &MediaFrame, out: &mut BytesMut) {
        self.tag_header.clear();
        tag::put_frame_header(&mut self.tag_header, frame);
        let parts: [&[u8]; 2] = [&self.tag_header, &frame.payload];
        put_message(out, frame.kind(), frame.dts, &parts);
    }
}

impl PlayPackage {
    fn put_config(&mut self, out: &mut BytesMut, track: &Track, at: Timestamp) {
        self.tag_header.clear();
        tag::put_config(&mut self.tag_header, track);
        put_message(out, track.kind, at, &[&self.tag_header]);
    }
}

fn put_message(out: &mut BytesMut, kind: Kind, at: Timestamp, parts: &[&[u8]]) {
    let (chunk_stream_id, type_id) = match kind {
        Kind::Video => (chunk::id::VIDEO, MessageType::VIDEO),
        Kind::Audio => (chunk::id::AUDIO, MessageType::AUDIO),
        Kind::Data => (chunk::id::AUDIO, MessageType::DATA),
    };
    let header = Header {
        chunk_stream_id,
        // RTMP's clock has 32 bits and wraps.
        timestamp: at.as_millis() as u32,
        type_id,
        stream_id: STREAM_ID,
    };
    let before = out.len();
    if encode_message(out, &header, parts, CHUNK_SIZE).is_err() {
        // Longer than the 16 MiB that a message can say. Its parts came in as one message, so only a wider tag
        // header gets here; without the message the player misses one frame.
        out.truncate(before);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lsv_core::codec::{FourCc, aac};
    use lsv_core::media::Codec;

    use super::*;
    use crate::Limits;
    use crate::chunk::Decoder;

    fn track(kind: Kind, codec: Codec) -> Arc<Track> {
        Arc::new(Track::new(kind, codec))
    }

    #[test]
    fn a_player_reads_what_was_packaged() {
        let config = aac::Config::parse(Bytes::from_static(&[0x12, 0x10])).unwrap();
        let audio = track(Kind::Audio, Codec::Aac(config));
        let hevc = Codec::Other {
            fourcc: FourCc::HVC1,
            config: Bytes::from_static(b"hvcC"),
        };
        let video = track(Kind::Video, hevc);
        let mut tracks = Tracks::default();
        tracks.set(&video);
        tracks.set(&audio);
        tracks.metadata = Some(Bytes::from_static(b"\x02\x00\x0aonMetaData\x05"));
        let mut package = PlayPackage::new();
        let mut wire = BytesMut::from(&package.prelude(&tracks, Timestamp::from_millis(20))[..]);
        // Needs the extended timestamp field, in every chunk.
        let at = Timestamp::from_millis(0x0100_0000);
        let mut frame = MediaFrame::new(&video, at, Bytes::from(vec![0xC3; 200_000]));
        (frame.composition, frame.key) = (Timestamp::from_millis(3), true);
        package.push(&frame, &mut wire);

        let mut decoder = Decoder::new(&Limits::default());
        let announce = [
            &[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0],
            &CHUNK_SIZE.to_be_bytes()[..],
        ]
        .concat();
        decoder.next(&mut BytesMut::from(&announce[..])).unwrap();
        let mut messages = Vec::new();
        while let Some(message) = decoder.next(&mut wire).unwrap() {
            messages.push((message.type_id, message.timestamp, message.payload));
        }
        let types: Vec<_> = messages.iter().map(|(kind, at, _)| (*kind, *at)).collect();
        let expected = [
            (MessageType::DATA, 0),
            (MessageType::VIDEO, 20),
            (MessageType::AUDIO, 20),
            (MessageType::VIDEO, 0x0100_0000),
        ];
        assert_eq!(types, expected);
        assert_eq!(&messages[1].2[..], b"\x90hvc1hvcC");
        assert_eq!(&messages[2].2[..], b"\xAF\x00\x12\x10");
        assert_eq!(&messages[3].2[..8], b"\x91hvc1\x00\x00\x03");
        assert_eq!(messages[3].2.len(), 8 + frame.payload.len());
    }
}
