use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::tag::{put_config, put_frame_header};

const AVC_RECORD: &[u8] = &[
    0x01, 0x64, 0x00, 0x1e, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0,
    0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16,
    0x2d, 0x96, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];

fn body(parts: &[&[u8]]) -> Bytes {
    Bytes::from(parts.concat())
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn configured() -> Parser {
    let mut parser = Parser::default();
    let avc = body(&[&[0x17, 0, 0, 0, 0], AVC_RECORD]);
    assert!(parser.video(&avc, at(0)).unwrap().is_none());
    let aac = body(&[&[0xAF, 0, 0x12, 0x10]]);
    assert!(parser.audio(&aac, at(0)).unwrap().is_none());
    parser
}

#[test]
fn legacy_frames() {
    let mut parser = configured();
    let video = body(&[&[0x17, 1, 0, 0, 66, 0, 0, 0, 1, 0x65]]);
    let frame = parser.video(&video, at(40)).unwrap().unwrap();
    assert!(frame.key);
    assert_eq!((frame.dts, frame.pts()), (at(40), at(106)));
    assert_eq!(frame.payload, &video[5..]);
    assert_eq!(frame.payload.as_ptr(), video[5..].as_ptr());

    let audio = parser
        .audio(&body(&[&[0xAF, 1, 0x21, 0x10]]), at(46))
        .unwrap()
        .unwrap();
    assert_eq!(&audio.payload[..], [0x21, 0x10]);
}

#[test]
fn enhanced_frames_give_the_same_track() {
    let mut parser = configured();
    let legacy = parser
        .video(&body(&[&[0x27, 1, 0, 0, 0, 9]]), at(0))
        .unwrap()
        .unwrap();
    let start = body(&[&[0x90], b"avc1", AVC_RECORD]);
    assert!(parser.video(&start, at(0)).unwrap().is_none());
    let coded = body(&[&[0xA1], b"avc1", &[0xFF, 0xFF, 0xFF], &[1, 2, 3]]);
    let frame = parser.video(&coded, at(80)).unwrap().unwrap();
    assert!(Arc::ptr_eq(&legacy.track, &frame.track));
    assert_eq!((frame.key, frame.pts()), (false, at(79)));
    let without_offset = body(&[&[0x93], b"avc1", &[1, 2, 3]]);
    let frame = parser.video(&without_offset, at(120)).unwrap().unwrap();
    assert_eq!(
        (frame.key, frame.pts(), &frame.payload[..]),
        (true, at(120), &[1, 2, 3][..])
    );

    let aac = body(&[&[0x91], b"mp4a", &[7, 7]]);
    assert_eq!(
        &parser.audio(&aac, at(1)).unwrap().unwrap().payload[..],
        [7, 7]
    );
}

#[test]
fn mod_ex_moves_the_time() {
    let mut parser = configured();
    // ModEx, 3 bytes of data: 500,000 ns; then coded frames without composition time.
    let coded = body(&[&[0xA7, 2, 0x07, 0xA1, 0x20, 0x03], b"avc1", &[5]]);
    let frame = parser.video(&coded, at(10)).unwrap().unwrap();
    assert_eq!(frame.dts, Timestamp::from_nanos(10_500_000));
    let endless = body(&[&[0xA7], &[0u8, 0, 0x17].repeat(1000)]);
    assert_eq!(
        parser.video(&endless, at(0)).unwrap_err(),
        TagError::UnsupportedPacket(7)
    );
}

#[test]
fn refusals_name_the_reason() {
    let mut parser = Parser::default();
    let early = parser.video(&body(&[&[0x17, 1, 0, 0, 0, 1]]), at(0));
    assert_eq!(early.unwrap_err(), TagError::NoConfig(Kind::Video));
    let vp6 = parser.video(&body(&[&[0x14, 0, 0]]), at(0)).unwrap_err();
    assert!(vp6.to_string().contains("FLV video codec 4"), "{vp6}");
    let speex = parser.audio(&body(&[&[0xB2, 0]]), at(0)).unwrap_err();
    assert!(speex.to_string().contains("sound format 11"), "{speex}");
    assert_eq!(
        parser.audio(&Bytes::new(), at(0)).unwrap_err(),
        TagError::Truncated
    );
}

#[test]
fn a_changed_record_makes_a_new_track() {
    let mut parser = configured();
    let first = parser
        .audio(&body(&[&[0xAF, 1, 1]]), at(0))
        .unwrap()
        .unwrap();
    parser
        .audio(&body(&[&[0xAF, 0, 0x11, 0x90]]), at(0))
        .unwrap();
    let second = parser
        .audio(&body(&[&[0xAF, 1, 1]]), at(0))
        .unwrap()
        .unwrap();
    assert!(!Arc::ptr_eq(&first.track, &second.track));
}

#[test]
fn configs_round_trip() {
    for record in [
        body(&[&[0x17, 0, 0, 0, 0], AVC_RECORD]),
        body(&[&[0x90], b"hvc1", b"record"]),
    ] {
        let mut parser = Parser::default();
        parser.video(&record, at(0)).unwrap();
        let mut out = BytesMut::new();
        put_config(&mut out, parser.video.as_ref().unwrap());
        assert_eq!(out, record);
    }
}

proptest! {
    #[test]
    fn frames_round_trip(
        fourcc in prop::sample::select(vec![FourCc::AVC1, FourCc::HVC1, FourCc::AV01]),
        key: bool,
        composition in -5_000i64..5_000,
        payload in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        let record = if fourcc == FourCc::AVC1 { AVC_RECORD } else { b"record" };
        let mut parser = Parser::default();
        parser.video(&body(&[&[0x90], &fourcc.0, record]), at(0)).unwrap();
        let composition = if fourcc == FourCc::AV01 { 0 } else { composition };
        let sent = frame(parser.video.as_ref().unwrap(), at(7), at(composition), key, payload.into());
        let mut out = BytesMut::new();
        put_frame_header(&mut out, &sent);
        out.put_slice(&sent.payload);
        let got = parser.video(&out.freeze(), at(7)).unwrap().unwrap();
        prop_assert_eq!((got.key, got.dts, got.composition), (sent.key, sent.dts, sent.composition));
        prop_assert_eq!(got.payload, sent.payload);
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), audio: bool) {
        let mut parser = configured();
        let body = Bytes::from(bytes);
        let parsed = if audio { parser.audio(&body, at(0)) } else { parser.video(&body, at(0)) };
        if let Ok(Some(frame)) = parsed {
            prop_assert!(frame.payload.len() <= body.len());
        }
    }
}
