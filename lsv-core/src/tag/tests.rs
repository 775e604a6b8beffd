use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::parser::codec;
use super::*;
use crate::codec::MAX_RECORD_BYTES;
use crate::fuzzing::{assert_frame, assert_track, vectors};
use crate::media::{ChannelLayout, Codec};
use crate::time::Timestamp;

const AVC_RECORD: &[u8] = &[
    0x01, 0x64, 0x00, 0x1e, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0,
    0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16,
    0x2d, 0x96, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];
const AAC_RECORD: &[u8] = &[0x12, 0x10];
const OPUS_RECORD: &[u8] = b"OpusHead\x01\x02\x38\x01\x80\xBB\0\0\0\0\0";
const FLAC_RECORD: &[u8] = b"fLaC\x80\0\0\x22\x12\0\x12\0\0\0\0\0\0\0\x0B\xB8\x02\xF0\0\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn body(parts: &[&[u8]]) -> Bytes {
    Bytes::from(parts.concat())
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A part of a body with many tracks: number, length, content.
fn sized(id: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let [_, length @ ..] = (content.len() as u32).to_be_bytes();
    [&[id][..], &length, &content].concat()
}

fn record(fourcc: FourCc) -> &'static [u8] {
    match fourcc {
        FourCc::AVC1 => AVC_RECORD,
        FourCc::HVC1 => vectors::HEVC_RECORD,
        FourCc::AV01 => vectors::AV1_RECORD,
        FourCc::VP09 => vectors::VP9_RECORD,
        FourCc::MP4A => AAC_RECORD,
        FourCc::OPUS => OPUS_RECORD,
        FourCc::FLAC => FLAC_RECORD,
        _ => b"record",
    }
}

/// The header that every frame of this codec has.
fn frame_header(fourcc: FourCc) -> &'static [u8] {
    match fourcc {
        FourCc::AC3 => &[0x0B, 0x77, 0x38, 0x90, 0x0C, 0x40, 0x43],
        FourCc::EC3 => &[0x0B, 0x77, 0x01, 0x7F, 0x3F, 0x87],
        FourCc::MP3 => &[0xFF, 0xFB, 0x90, 0x64],
        _ => &[],
    }
}

fn packets(parser: &mut Parser, kind: Kind, body: &Bytes) -> Result<Vec<Packet>, TagError> {
    match kind {
        Kind::Audio => parser.audio(body, at(40)).collect(),
        _ => parser.video(body, at(40)).collect(),
    }
}

fn video(parser: &mut Parser, parts: &[&[u8]]) -> Vec<Packet> {
    packets(parser, Kind::Video, &body(parts)).unwrap()
}

fn audio(parser: &mut Parser, parts: &[&[u8]]) -> Vec<Packet> {
    packets(parser, Kind::Audio, &body(parts)).unwrap()
}

fn the_track(packets: &[Packet]) -> &Arc<Track> {
    match packets {
        [Packet::Track(track)] => track,
        other => panic!("{other:?}"),
    }
}

fn the_frame(packets: &[Packet]) -> &MediaFrame {
    match packets {
        [Packet::Frame(frame)] => frame,
        other => panic!("{other:?}"),
    }
}

/// Track number, codec and payload of each frame.
fn frames(packets: &[Packet]) -> Vec<(u8, FourCc, &[u8])> {
    packets
        .iter()
        .map(|packet| match packet {
            Packet::Frame(frame) => {
                let fourcc = frame.track.codec.fourcc().unwrap();
                (frame.track.id, fourcc, &frame.payload[..])
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

fn configured() -> Parser {
    let mut parser = Parser::default();
    the_track(&video(&mut parser, &[&[0x17, 0, 0, 0, 0], AVC_RECORD]));
    the_track(&audio(&mut parser, &[&[0xAF, 0], AAC_RECORD]));
    parser
}

#[test]
fn legacy_frames() {
    let mut parser = configured();
    let sent = body(&[&[0x17, 1, 0, 0, 66, 0, 0, 0, 1, 0x65]]);
    let found = packets(&mut parser, Kind::Video, &sent).unwrap();
    let frame = the_frame(&found);
    assert!(frame.key);
    assert_eq!((frame.dts, frame.pts()), (at(40), at(106)));
    assert_eq!(frame.payload, &sent[5..]);
    assert_eq!(frame.payload.as_ptr(), sent[5..].as_ptr());
    let found = audio(&mut parser, &[&[0xAF, 1, 0x21, 0x10]]);
    assert_eq!(the_frame(&found).payload[..], [0x21, 0x10]);
    let found = video(&mut parser, &[&[0x17, 2, 0, 0, 0]]);
    assert!(matches!(&found[..], [Packet::End(track)] if track.kind == Kind::Video));
    assert!(video(&mut parser, &[&[0x57, 0]]).is_empty(), "a command");
}

#[test]
fn enhanced_frames_give_the_same_track() {
    let mut parser = configured();
    let legacy = the_frame(&video(&mut parser, &[&[0x27, 1, 0, 0, 0, 9]])).clone();
    assert!(video(&mut parser, &[b"\x90avc1", AVC_RECORD]).is_empty());
    let found = video(&mut parser, &[b"\xA1avc1\xFF\xFF\xFF", &[1, 2, 3]]);
    let frame = the_frame(&found);
    assert!(Arc::ptr_eq(&legacy.track, &frame.track));
    assert_eq!((frame.key, frame.pts()), (false, at(39)));
    let found = video(&mut parser, &[b"\x93avc1", &[1, 2, 3]]);
    let frame = the_frame(&found);
    assert_eq!((frame.key, frame.pts()), (true, at(40)));
    assert_eq!(frame.payload[..], [1, 2, 3]);
    let found = audio(&mut parser, &[b"\x91mp4a", &[7, 7]]);
    assert_eq!(the_frame(&found).payload[..], [7, 7]);
    assert!(video(&mut parser, &[b"\xD1\0"]).is_empty(), "a command");
}

#[test]
fn mod_ex_moves_the_time() {
    let mut parser = configured();
    // ModEx, 3 bytes of data: 500,000 ns; then coded frames without composition time.
    let found = video(
        &mut parser,
        &[&[0xA7, 2, 0x07, 0xA1, 0x20, 0x03], b"avc1", &[5]],
    );
    let frame = the_frame(&found);
    assert_eq!(frame.dts, Timestamp::from_nanos(40_500_000));
    let mut written = BytesMut::new();
    put_frame_header(&mut written, frame, Features::ALL);
    assert_eq!(
        written[..],
        body(&[&[0xA7, 2, 0x07, 0xA1, 0x20, 0x01], b"avc1\0\0\0"])
    );
    // 260 bytes of data of a kind that is not known, then an offset that is too great, before a track of its own.
    let unknown = [&[0x97, 255, 1, 3][..], &[0; 260], &[0x17]].concat();
    let found = audio(
        &mut parser,
        &[&unknown, &[2, 0xFF, 0xFF, 0xFF, 0x05], b"\x00Opus\x07"],
    );
    assert_eq!(the_track(&found).id, 7);
    let coded = b"\x97\x02\xFF\xFF\xFF\x05\x01Opus\x07x";
    let found = audio(&mut parser, &[coded]);
    assert_eq!(the_frame(&found).dts, Timestamp::from_nanos(40_999_999));
    let endless = body(&[&[0xA7], &[0u8, 0, 0x17].repeat(1000)]);
    let error = packets(&mut parser, Kind::Video, &endless).unwrap_err();
    assert_eq!(error, TagError::UnsupportedPacket(7));
}

#[test]
fn one_body_holds_many_tracks() {
    let mut parser = Parser::default();
    let starts = [
        &b"\x96\x10vvc1"[..],
        &sized(0, &[b"zero"]),
        &sized(1, &[b"one"]),
    ];
    let found = video(&mut parser, &starts);
    let ids: Vec<_> = found
        .iter()
        .map(|packet| match packet {
            Packet::Track(track) => (track.id, track.codec.config_record().clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, [(0, "zero".into()), (1, "one".into())]);

    let coded = [
        &b"\xA6\x11vvc1"[..],
        &sized(1, &[&[0, 0, 7], b"b"]),
        &sized(0, &[&[0, 0, 0], b"a"]),
    ];
    let found = video(&mut parser, &coded);
    assert_eq!(
        frames(&found),
        [(1, FourCc::VVC1, &b"b"[..]), (0, FourCc::VVC1, b"a")]
    );
    assert!(matches!(&found[0], Packet::Frame(frame) if frame.pts() == at(47) && !frame.key));

    let found = video(&mut parser, &[b"\x96\x01vvc1\x01\0\0\x09", b"c"]);
    assert_eq!(frames(&found), [(1, FourCc::VVC1, &b"c"[..])]);
    assert!(the_frame(&found).key);
}

#[test]
fn one_body_holds_many_codecs() {
    let mut parser = Parser::default();
    let starts = [
        &b"\x95\x20mp4a"[..],
        &sized(0, &[AAC_RECORD]),
        b"Opus",
        &sized(3, &[OPUS_RECORD]),
        b"ac-3",
        &sized(4, &[]),
    ];
    assert_eq!(audio(&mut parser, &starts).len(), 2, "AC-3 needs none");
    let three = frame_header(FourCc::AC3);
    let coded = [
        &b"\x95\x21ac-3"[..],
        &sized(4, &[three]),
        b"mp4a",
        &sized(0, &[b"one"]),
        b"Opus",
        &sized(3, &[b"two"]),
    ];
    let found = audio(&mut parser, &coded);
    let expected: [(u8, FourCc, &[u8]); 3] = [
        (4, FourCc::AC3, three),
        (0, FourCc::MP4A, b"one"),
        (3, FourCc::OPUS, b"two"),
    ];
    assert_eq!(frames(&found), expected);
}

#[test]
fn a_track_without_its_header_does_not_hold_up_the_others() {
    let mut parser = configured();
    let coded = body(&[
        b"\x95\x11mp4a",
        &sized(1, &[b"unknown"]),
        &sized(0, &[b"known"]),
    ]);
    let found: Vec<_> = parser.audio(&coded, at(0)).collect();
    assert_eq!(
        found[0].as_ref().unwrap_err(),
        &TagError::NoConfig(Kind::Audio)
    );
    assert!(matches!(&found[1], Ok(Packet::Frame(frame)) if &frame.payload[..] == b"known"));
    assert_eq!(found.len(), 2);
    // What follows a part that cannot be taken cannot be trusted.
    let coded = body(&[b"\x95\x11xxxx", &sized(1, &[b"?"]), &sized(0, &[b"?"])]);
    assert_eq!(parser.audio(&coded, at(0)).count(), 1);
}

#[test]
fn codecs_that_describe_themselves_need_no_sequence_header() {
    for (kind, head, fourcc) in [
        (Kind::Audio, &b"\x91ac-3"[..], FourCc::AC3),
        (Kind::Audio, b"\x91ec-3", FourCc::EC3),
        (Kind::Audio, b"\x91.mp3", FourCc::MP3),
        (Kind::Audio, b"\x2F", FourCc::MP3),
        (Kind::Audio, b"\xEE", FourCc::MP3),
        (Kind::Video, b"\x91vp08", FourCc::VP08),
    ] {
        let mut parser = Parser::default();
        let coded = body(&[head, frame_header(fourcc), b"x"]);
        let found = packets(&mut parser, kind, &coded).unwrap();
        let frame = the_frame(&found);
        assert_eq!(frame.payload, coded[head.len()..]);
        assert_eq!(frame.track.codec.fourcc(), Some(fourcc));
        assert!(frame.track.codec.config_record().is_empty());
        let again = packets(&mut parser, kind, &coded).unwrap();
        assert!(Arc::ptr_eq(&frame.track, &the_frame(&again).track));
        let mut config = BytesMut::new();
        put_config(&mut config, &frame.track, Features::ALL);
        assert!(config.is_empty());
    }
    for coded in [&b"\x91ac-3x"[..], b"\x91ec-3x", b"\x91.mp3x", b"\x2Fx"] {
        let error = packets(&mut configured(), Kind::Audio, &body(&[coded])).unwrap_err();
        assert_eq!(error, TagError::NoConfig(Kind::Audio));
    }
    for coded in [&b"\x91vp09x"[..], b"\x91av01x", b"\x91hvc1\0\0\0x"] {
        let error = packets(&mut configured(), Kind::Video, &body(&[coded])).unwrap_err();
        assert_eq!(error, TagError::NoConfig(Kind::Video));
    }
}

#[test]
fn a_changed_frame_header_makes_a_new_track() {
    let mut parser = Parser::default();
    let mut track = |payload: &[u8]| {
        let found = audio(&mut parser, &[b"\x91.mp3", payload]);
        Arc::clone(&the_frame(&found).track)
    };
    let first = track(&[0xFF, 0xFB, 0x90, 0x64]);
    // Another bit rate, and joint stereo.
    assert!(Arc::ptr_eq(&first, &track(&[0xFF, 0xFB, 0x52, 0x00])));
    let mono = track(&[0xFF, 0xFB, 0x90, 0xC4]);
    assert!(!Arc::ptr_eq(&first, &mono));
    assert_eq!(mono.codec.sound().unwrap().channels, 1);
    let slower = track(&[0xFF, 0xF3, 0x90, 0xC4]);
    assert_eq!(slower.codec.sound().unwrap().sample_rate, 22_050);
}

#[test]
fn mp3_goes_to_old_players_as_they_know_it() {
    // MPEG-1 44.1 kHz stereo, MPEG-2 22.05 kHz mono, MPEG-2.5 8 kHz mono.
    for (payload, header) in [
        (&[0xFF, 0xFB, 0x90, 0x00][..], 0x2F),
        (&[0xFF, 0xF3, 0x90, 0xC0], 0x2A),
        (&[0xFF, 0xE3, 0x98, 0xC0], 0x26),
    ] {
        let mut parser = Parser::default();
        let found = audio(&mut parser, &[b"\x91.mp3", payload]);
        let mut written = BytesMut::new();
        put_frame_header(&mut written, the_frame(&found), Features::default());
        assert_eq!(written[..], [header]);
    }
}

#[test]
fn what_is_said_beside_a_codec_makes_a_new_track() {
    let mut parser = Parser::default();
    let hdr = &b"\x94vvc1\x02\0\x09colorInfo\x03\0\0\x09"[..];
    assert!(video(&mut parser, &[hdr]).is_empty(), "no codec yet");
    let found = video(&mut parser, &[b"\x90vvc1record"]);
    let first = Arc::clone(the_track(&found));
    assert_eq!(first.metadata.as_deref(), Some(&hdr[5..]));
    assert!(video(&mut parser, &[hdr]).is_empty(), "said again");
    // The frame type in front of metadata is to be ignored, even that of a command.
    let reset = b"\xD4vvc1\x02\0\x09colorInfo\x06";
    let found = video(&mut parser, &[reset]);
    let second = the_track(&found);
    assert_eq!(second.metadata.as_deref(), Some(&reset[5..]));
    assert!(second.decodes_like(&first) && second != &first);

    // What is said of another codec does not concern this one, until it comes.
    assert!(video(&mut parser, &[b"\x94av01colours"]).is_empty());
    let found = video(&mut parser, &[b"\x90av01", vectors::AV1_RECORD]);
    assert_eq!(the_track(&found).metadata.as_deref(), Some(&b"colours"[..]));

    audio(&mut parser, &[b"\x90Opus"]);
    let found = audio(&mut parser, &[b"\x94Opus\x01\x06\0\0\0\x3F"]);
    let (channels, flags) = (6, 0x3F);
    let surround = ChannelLayout::Native { channels, flags };
    assert_eq!(the_track(&found).channels, Some(surround));
    let found = audio(&mut parser, &[b"\x94Opus\x09\x06"]);
    assert_eq!(the_track(&found).channels, None, "an order without meaning");
    let long = body(&[b"\x94hvc1", &vec![0; MAX_RECORD_BYTES + 1]]);
    let error = packets(&mut parser, Kind::Video, &long).unwrap_err();
    assert!(matches!(error, TagError::Config(_)));
}

#[test]
fn legacy_hevc_is_taken_where_it_is_wanted() {
    let start = body(&[&[0x1C, 0, 0, 0, 0], vectors::HEVC_RECORD]);
    let refused = packets(&mut Parser::default(), Kind::Video, &start).unwrap_err();
    assert!(refused.to_string().contains("FLV video codec 12"));
    let mut parser = Parser::new(Options {
        legacy_hevc: true,
        ..Options::default()
    });
    let found = packets(&mut parser, Kind::Video, &start).unwrap();
    assert_eq!(the_track(&found).codec.fourcc(), Some(FourCc::HVC1));
    let found = video(&mut parser, &[&[0x1C, 1, 0, 0, 9], b"key"]);
    let frame = the_frame(&found);
    assert_eq!((frame.pts(), &frame.payload[..]), (at(49), &b"key"[..]));
    let mut written = BytesMut::new();
    put_frame_header(&mut written, frame, Features::default());
    assert_eq!(&written[..], b"\x91hvc1\0\0\x09");
}

#[test]
fn refusals_name_the_reason() {
    let refused = |kind, body: &'static [u8]| {
        let body = Bytes::from_static(body);
        packets(&mut Parser::default(), kind, &body).unwrap_err()
    };
    let early = refused(Kind::Video, &[0x17, 1, 0, 0, 0, 1]);
    assert_eq!(early, TagError::NoConfig(Kind::Video));
    for (kind, body, words) in [
        (Kind::Video, &[0x14, 0, 0][..], "FLV video codec 4"),
        (Kind::Audio, &[0xB2, 0], "FLV sound format 11"),
        (Kind::Video, b"\x90xyz1", "xyz1 is not carried"),
        (Kind::Audio, b"\x90avc1", "avc1 is not carried"),
        (Kind::Video, b"\x95av01\x80\x04", "packet type 5"),
        (Kind::Video, b"\x96\x06hvc1\0", "packet type 6"),
        (Kind::Video, b"\x96\x30hvc1\0", "multitrack type 3"),
        (Kind::Audio, b"\x93Opus", "packet type 3"),
        (Kind::Audio, b"", "cut short"),
        (Kind::Audio, b"\x95\x10Opus", "cut short"),
    ] {
        let error = refused(kind, body);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn tracks_are_bounded() {
    let mut parser = Parser::default();
    for id in 0..8 {
        the_track(&audio(&mut parser, &[&[0x95, 0x00], b"Opus", &[id]]));
    }
    for one_more in [
        body(&[b"\x95\x00Opus\x08"]),
        body(&[b"\x95\x04Opus\x08\0\0"]),
        body(&[b"\x95\x01ac-3\x08", frame_header(FourCc::AC3)]),
    ] {
        let error = packets(&mut parser, Kind::Audio, &one_more).unwrap_err();
        assert_eq!(error, TagError::TooManyTracks(8));
    }
    the_track(&video(&mut parser, &[b"\x90vvc1"]));
}

#[test]
fn a_track_is_in_a_body_once() {
    let mut parser = Parser::default();
    for id in [0, 64, 255] {
        the_track(&audio(&mut parser, &[b"\x95\x00Opus", &[id]]));
    }
    let distinct = [0, 64, 255].map(|id| sized(id, &[b"x"])).concat();
    let repeated = sized(64, &[b"x"]).repeat(256);
    let crowd = body(&[b"\x95\x11Opus", &distinct, &repeated]);
    let found: Vec<_> = parser.audio(&crowd, at(0)).collect();
    assert_eq!(found.len(), 4);
    assert!(found[..3].iter().all(Result::is_ok));
    assert_eq!(found[3].as_ref().unwrap_err(), &TagError::RepeatedTrack(64));
    // All there can be, most of them without a header.
    let all: Vec<u8> = (0..=255).flat_map(|id| sized(id, &[b"x"])).collect();
    let all = body(&[b"\x95\x11Opus", &all]);
    let found: Vec<_> = parser.audio(&all, at(0)).collect();
    let taken = found.iter().filter(|packet| packet.is_ok()).count();
    assert_eq!((found.len(), taken), (256, 3));
    // In the next body they come again.
    let next = audio(&mut parser, &[b"\x95\x11Opus", &distinct]);
    assert_eq!(frames(&next).len(), 3);
}

/// Whether `part` lies in the memory of `whole`.
fn shares(whole: &Bytes, part: &Bytes) -> bool {
    whole.as_ptr_range().contains(&part.as_ptr())
}

#[test]
fn a_small_frame_does_not_keep_a_large_body() {
    let mut parser = Parser::default();
    audio(&mut parser, &[b"\x90Opus"]);
    let beside = |id, length| sized(id, &[&vec![7; length]]);
    // Beside a track that is not known, and behind prefixes without meaning.
    let unknown = body(&[b"\x95\x11Opus", &sized(0, &[b"small"]), &beside(1, 1 << 20)]);
    let prefix = [&[255, 0xFF, 0xFF][..], &vec![0; 1 << 16], &[0x17]].concat();
    let prefixes = body(&[&[0x97], &prefix.repeat(15), &[0, 0, 0x11], b"Opussmall"]);
    for sent in [unknown, prefixes] {
        let found: Vec<_> = parser.audio(&sent, at(0)).flatten().collect();
        assert_eq!(frames(&found), [(0, FourCc::OPUS, &b"small"[..])]);
        assert!(!shares(&sent, &the_frame(&found).payload));
    }
    // Neither of two tracks keeps the other, unless it is the lesser one.
    the_track(&audio(&mut parser, &[b"\x95\x00Opus\x01"]));
    let both = body(&[b"\x95\x11Opus", &beside(0, 400), &beside(1, 500)]);
    let found = packets(&mut parser, Kind::Audio, &both).unwrap();
    let shared = found.iter().map(|packet| match packet {
        Packet::Frame(frame) => shares(&both, &frame.payload),
        other => panic!("{other:?}"),
    });
    assert_eq!(shared.collect::<Vec<_>>(), [false, true]);
    // A frame alone is not copied, small as it may be.
    let alone = body(&[b"\x97\x02\0\0\x01\x05\x01Opus\x00x"]);
    let found = packets(&mut parser, Kind::Audio, &alone).unwrap();
    assert!(shares(&alone, &the_frame(&found).payload));
}

#[test]
fn a_changed_record_makes_a_new_track() {
    let mut parser = configured();
    let first = the_frame(&audio(&mut parser, &[&[0xAF, 1, 1]])).clone();
    the_track(&audio(&mut parser, &[&[0xAF, 0, 0x11, 0x90]]));
    let second = the_frame(&audio(&mut parser, &[&[0xAF, 1, 1]])).clone();
    assert!(!Arc::ptr_eq(&first.track, &second.track));
}

#[test]
fn configs_are_written_as_they_came() {
    for (kind, sent) in [
        (Kind::Video, body(&[&[0x17, 0, 0, 0, 0], AVC_RECORD])),
        (Kind::Video, body(&[b"\x90vvc1record"])),
        (Kind::Video, body(&[b"\x96\x00avc1\x05", AVC_RECORD])),
        (Kind::Audio, body(&[&[0xAF, 0], AAC_RECORD])),
        (Kind::Audio, body(&[b"\x90Opus"])),
        (Kind::Audio, body(&[b"\x95\x00fLaC\x01", FLAC_RECORD])),
    ] {
        let mut parser = Parser::default();
        let found = packets(&mut parser, kind, &sent).unwrap();
        let mut out = BytesMut::new();
        put_config(&mut out, the_track(&found), Features::ALL);
        assert_eq!(out, sent);
    }
}

/// A track of any codec, with anything said beside it.
fn tracks() -> impl Strategy<Value = Arc<Track>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    let layout = prop_oneof![
        any::<u8>().prop_map(|channels| ChannelLayout::Unspecified { channels }),
        any::<(u8, u32)>().prop_map(|(channels, flags)| ChannelLayout::Native { channels, flags }),
        bytes().prop_map(ChannelLayout::Custom),
    ];
    let side_data = (prop::option::of(bytes()), prop::option::of(layout));
    let fourcc = prop::sample::select([FourCc::VIDEO, FourCc::AUDIO].concat());
    (any::<u8>(), fourcc, side_data, any::<bool>()).prop_map(|(id, fourcc, side_data, bare)| {
        let record = match bare && is_self_describing(fourcc) {
            true => &[],
            false => record(fourcc),
        };
        let kind = match FourCc::VIDEO.contains(&fourcc) {
            true => Kind::Video,
            false => Kind::Audio,
        };
        let described = Codec::of_frame(fourcc, frame_header(fourcc))
            .transpose()
            .unwrap();
        let codec = described.unwrap_or_else(|| codec(fourcc, record).unwrap());
        let (metadata, channels) = side_data;
        let track = Track::new(kind, codec).with_id(id);
        Arc::new(match kind {
            Kind::Video => track.with_metadata(metadata),
            _ => track.with_channels(channels),
        })
    })
}

fn any_frame() -> impl Strategy<Value = MediaFrame> {
    let payload = prop::collection::vec(any::<u8>(), 8..100);
    let times = (0..i64::from(u32::MAX) * 1_000_000, -(1i64 << 23)..1 << 23);
    (tracks(), times, any::<bool>(), payload).prop_map(
        |(track, (dts, composition), key, mut payload)| {
            let dts = Timestamp::from_nanos(dts);
            if let Some(fourcc) = track.codec.fourcc() {
                let header = frame_header(fourcc);
                payload[..header.len()].copy_from_slice(header);
            }
            let mut frame = MediaFrame::new(&track, dts, payload.into());
            if track.kind == Kind::Video {
                frame.key = key;
            }
            if track.codec.fourcc().is_some_and(has_composition) {
                frame.composition = at(composition);
            }
            frame
        },
    )
}

proptest! {
    #[test]
    fn tracks_and_frames_round_trip(frame in any_frame()) {
        assert_track(&frame.track);
        assert_frame(&frame);
    }

    #[test]
    fn headers_cut_anywhere_are_errors_or_shorter(frame in any_frame()) {
        let (kind, fourcc) = (frame.kind(), frame.track.codec.fourcc().unwrap());
        let mut headers = BytesMut::new();
        put_frame_header(&mut headers, &frame, Features::ALL);
        let header = headers.len();
        headers.put_slice(&frame.payload);
        let whole = headers.freeze();
        for end in 0..whole.len() {
            let mut parser = Parser::default();
            let mut config = BytesMut::new();
            put_config(&mut config, &frame.track, Features::ALL);
            if !config.is_empty() {
                packets(&mut parser, kind, &config.freeze()).unwrap();
            }
            let found = packets(&mut parser, kind, &whole.slice(..end));
            match end < header {
                true => prop_assert_eq!(found.unwrap_err(), TagError::Truncated),
                // Without the header that describes it.
                false if end > header && end < header + frame_header(fourcc).len() => {
                    prop_assert_eq!(found.unwrap_err(), TagError::NoConfig(kind));
                }
                false => {
                    let found = found.unwrap();
                    let payload = &whole[header..end];
                    let right = match &found[..] {
                        [] => payload.is_empty(),
                        [Packet::Frame(frame)] => frame.payload == payload,
                        _ => false,
                    };
                    prop_assert!(right, "{:?}", found);
                }
            }
        }
    }

    #[test]
    fn bodies_of_many_tracks_cut_anywhere_never_make_one_up(cut in 0usize..60) {
        let mut parser = configured();
        let whole = body(&[b"\x95\x21mp4a", &sized(0, &[b"one"]), b"ac-3", &sized(1, &[frame_header(FourCc::AC3)])]);
        let cut = whole.slice(..cut.min(whole.len()));
        let found: Vec<_> = parser.audio(&cut, at(0)).collect();
        let whole_parts = found.iter().filter(|packet| packet.is_ok()).count();
        prop_assert_eq!(whole_parts, usize::from(cut.len() >= 13) + usize::from(cut.len() >= 28));
    }

    #[test]
    fn garbage_is_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzzing::tag(&bytes);
    }
}
