//! Playing: a stream as RTMP messages, chunked once for all players that understand the same.
//!
//! Every message opens with a type 0 chunk on a fixed chunk stream, so its bytes depend on nothing that was sent
//! before and any number of players can share them (RTMP 1.0 §5.3.1). What it takes: one chunk size
//! ([`CHUNK_SIZE`]) and one message stream id ([`STREAM_ID`]) for all players.

use bytes::{Bytes, BytesMut};
use lsv_core::hub::{Chunk, Package, Stream, Subscriber};
use lsv_core::media::{Kind, MediaFrame, Tracks};
use lsv_core::time::Timestamp;

use crate::chunk::{self, Header, encode_message};
use crate::media::{Features, Message, Muxer};
use crate::session::ServerConfig;

/// The chunk size that a session must have announced before it sends what [`PlayPackage`] makes: the default.
pub const CHUNK_SIZE: u32 = ServerConfig::CHUNK_SIZE;

/// The message stream on which media goes out: the first that `createStream` gives.
pub const STREAM_ID: u32 = 1;

/// Reads `stream` for a player that understands `features`, from the newest key frame on.
pub fn subscribe(stream: &Stream, features: Features) -> Subscriber<Chunk> {
    // One packaging for each set of features that players come with.
    match (
        features.multitrack,
        features.nanoseconds,
        features.side_data,
    ) {
        (false, false, false) => stream.packaged::<PlayPackage>(),
        (false, false, true) => stream.packaged::<PlayMessages<false, false, true>>(),
        (false, true, _) => stream.packaged::<PlayMessages<false, true, true>>(),
        (true, false, _) => stream.packaged::<MultitrackPlayPackage>(),
        (true, true, _) => stream.packaged::<PlayMessages<true, true, true>>(),
    }
}

/// Packages the default tracks of a stream as RTMP messages that players of any age understand.
pub type PlayPackage = PlayMessages<false, false, false>;

/// Packages all tracks of a stream, and what is said beside their codecs, for players of E-RTMP v2.
pub type MultitrackPlayPackage = PlayMessages<true, false, true>;

/// Packages a stream as RTMP messages, with the [`Features`] that its name lists.
#[derive(Debug)]
pub struct PlayMessages<const MULTITRACK: bool, const NANOSECONDS: bool, const SIDE_DATA: bool> {
    muxer: Muxer,
}

impl<const MULTITRACK: bool, const NANOSECONDS: bool, const SIDE_DATA: bool> Package
    for PlayMessages<MULTITRACK, NANOSECONDS, SIDE_DATA>
{
    const ALL_TRACKS: bool = MULTITRACK;

    fn new() -> Self {
        let mut features = Features::default();
        features.multitrack = MULTITRACK;
        features.nanoseconds = NANOSECONDS;
        features.side_data = SIDE_DATA;
        Self {
            muxer: Muxer::new(features),
        }
    }

    fn prelude(&mut self, tracks: &Tracks, at: Timestamp) -> Bytes {
        let mut out = BytesMut::new();
        for message in self.muxer.open(tracks, at) {
            put_message(&mut out, &message);
        }
        out.freeze()
    }

    fn push(&mut self, frame: &MediaFrame, out: &mut BytesMut) {
        for message in self.muxer.push(frame) {
            put_message(out, &message);
        }
    }
}

fn put_message(out: &mut BytesMut, message: &Message) {
    let header = Header {
        chunk_stream_id: match message.kind {
            Kind::Video => chunk::id::VIDEO,
            Kind::Audio | Kind::Data => chunk::id::AUDIO,
        },
        timestamp: message.timestamp,
        type_id: message.message_type(),
        stream_id: STREAM_ID,
    };
    let before = out.len();
    if encode_message(out, &header, &message.parts(), CHUNK_SIZE).is_err() {
        // Longer than the 16 MiB that a message can say. Its parts came in as one message, so only a wider tag
        // header gets here; without the message the player misses one frame.
        out.truncate(before);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use lsv_core::codec::{FourCc, aac};
    use lsv_core::hub::{Hub, Offer};
    use lsv_core::media::{Codec, Track};
    use lsv_core::path::{ChannelId, StreamPath};

    use super::*;
    use crate::Limits;
    use crate::chunk::Decoder;
    use crate::message::MessageType;

    fn track(kind: Kind, codec: Codec) -> Arc<Track> {
        Arc::new(Track::new(kind, codec))
    }

    fn decode(mut wire: BytesMut) -> Vec<(MessageType, u32, Bytes)> {
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
        messages
    }

    #[test]
    fn each_player_gets_what_it_understands() {
        let hub = Hub::default();
        let path = StreamPath::source(ChannelId::parse("cam").unwrap());
        let publisher = hub
            .publish(&path, Offer::new("test"), Instant::now())
            .unwrap();
        let config = Bytes::from_static(b"record");
        let fourcc = FourCc::AV01;
        let first = Track::new(Kind::Video, Codec::Other { fourcc, config })
            .with_metadata(Some(Bytes::from_static(b"hdr")));
        let (first, second) = (Arc::new(first.clone()), Arc::new(first.with_id(1)));
        let stream = Arc::clone(publisher.stream());
        let features = |bits: u8| {
            let mut features = Features::default();
            features.multitrack = bits & 1 != 0;
            features.nanoseconds = bits & 2 != 0;
            features.side_data = bits & 4 != 0;
            features
        };
        let mut players: Vec<_> = (0..8)
            .map(|bits| subscribe(&stream, features(bits)))
            .collect();
        for track in [&first, &second] {
            publisher.announce(track);
        }
        for track in [&first, &second] {
            let at = Timestamp::from_nanos(5_000_000);
            let mut frame = MediaFrame::new(track, at, Bytes::from_static(b"x"));
            frame.key = true;
            publisher.push(frame.clone()).unwrap();
            frame.dts = Timestamp::from_nanos(45_000_007);
            publisher.push(frame).unwrap();
        }
        publisher.finish();

        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut read = |bits: usize| {
            let mut chunks = Vec::new();
            while runtime
                .block_on(players[bits].batch(usize::MAX, &mut chunks))
                .is_some()
            {}
            let messages = decode(BytesMut::from(&chunks.concat()[..]));
            let body = |(_, _, body): (_, _, Bytes)| body.escape_ascii().to_string();
            messages.into_iter().map(body).collect::<Vec<_>>()
        };
        let (config, hdr) = ("\\x90av01record", "\\xd4av01hdr");
        let (frame, fine) = ("\\x91av01x", "\\x97\\x02\\x00\\x00\\x07\\x01av01x");
        let other = ["\\x96\\x00av01\\x01record", "\\x96\\x04av01\\x01hdr"];
        let others = "\\x96\\x01av01\\x01x";
        let other_fine = "\\x97\\x02\\x00\\x00\\x07\\x06\\x01av01\\x01x";
        assert_eq!(read(0), [config, frame, frame]);
        assert_eq!(read(4), [config, hdr, frame, frame]);
        for bits in [2, 6] {
            assert_eq!(read(bits), [config, hdr, frame, fine]);
        }
        for (bits, last, other_last) in [
            (1, frame, others),
            (5, frame, others),
            (3, fine, other_fine),
            (7, fine, other_fine),
        ] {
            let opening = [config, hdr, other[0], other[1], frame, last];
            assert_eq!(read(bits), [&opening[..], &[others, other_last]].concat());
        }
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

        let messages = decode(wire);
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
