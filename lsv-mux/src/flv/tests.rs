use bytes::Bytes;
use lsv_core::hub::Package;
use lsv_core::media::MediaFrame;
use lsv_core::tag::{Packet, Parser};
use proptest::prelude::*;

use super::*;
use crate::fuzzing::flv_tags as demux;
use crate::testing::{AVC_RECORD, audio, frame, tracks, video};

fn fault(bytes: &[u8]) -> Option<(u64, Reason)> {
    demux(bytes, bytes.len())
        .1
        .map(|error| (error.offset, error.reason))
}

fn stream(frames: &[MediaFrame]) -> BytesMut {
    let mut package = FlvPackage::new();
    let mut out = BytesMut::from(&header(true, true)[..]);
    let mut tracks = tracks(Some(&video()), Some(&audio()));
    tracks.metadata = Some(Bytes::from_static(
        b"\x02\0\x0AonMetaData\x08\0\0\0\0\0\0\x09",
    ));
    out.extend_from_slice(&package.prelude(&tracks, Timestamp::from_millis(1)));
    for frame in frames {
        package.push(frame, &mut out);
    }
    out
}

#[test]
fn stream_vector() {
    let mut key = frame(&video(), 0x0102_0304, true, Bytes::from_static(b"idr"));
    key.composition = Timestamp::from_millis(-1);
    let sound = frame(&audio(), 5, false, Bytes::from_static(b"aac"));
    let expected: &[&[u8]] = &[
        b"FLV\x01\x05\0\0\0\x09\0\0\0\0",
        b"\x12\0\0\x15\0\0\0\0\0\0\0\x02\0\x0AonMetaData\x08\0\0\0\0\0\0\x09\0\0\0\x20",
        b"\x09\0\0\x34\0\0\x01\0\0\0\0\x17\0\0\0\0",
        AVC_RECORD,
        b"\0\0\0\x3F",
        b"\x08\0\0\x04\0\0\x01\0\0\0\0\xAF\0\x12\x10\0\0\0\x0F",
        b"\x09\0\0\x08\x02\x03\x04\x01\0\0\0\x17\x01\xFF\xFF\xFFidr\0\0\0\x13",
        b"\x08\0\0\x05\0\0\x05\0\0\0\0\xAF\x01aac\0\0\0\x10",
    ];
    assert_eq!(stream(&[key, sound]), expected.concat());
    assert_eq!(header(false, true)[4], 4);
    assert_eq!(header(true, false)[4], 1);
}

#[test]
fn bodies_that_do_not_fit_are_left_out() {
    let before = stream(&[]).len();
    let huge = Bytes::from(vec![0; MAX_BODY_BYTES]);
    assert_eq!(stream(&[frame(&video(), 0, true, huge)]).len(), before);
    assert_eq!(
        stream(&[frame(&video(), 0, true, Bytes::new())]).len(),
        before
    );
}

#[test]
fn what_was_packaged_is_read_back() {
    let frames = [
        frame(&video(), 20, true, Bytes::from_static(b"idr")),
        frame(&audio(), 23, false, Bytes::from_static(b"aac")),
        frame(&video(), 40, false, Bytes::from_static(b"p")),
    ];
    let (tags, error) = demux(&stream(&frames), usize::MAX);
    assert_eq!(error, None);
    let mut parser = Parser::default();
    let mut found = Vec::new();
    for tag in tags {
        let at = Timestamp::from_millis(i64::from(tag.timestamp));
        let packets = match tag.kind {
            Kind::Video => parser.video(&tag.body, at),
            Kind::Audio => parser.audio(&tag.body, at),
            Kind::Data => continue,
        };
        found.extend(packets.filter_map(|packet| match packet.unwrap() {
            Packet::Frame(frame) => Some(frame),
            _ => None,
        }));
    }
    assert_eq!(found.len(), frames.len());
    for (found, sent) in found.iter().zip(&frames) {
        assert_eq!(found.track, sent.track);
        assert_eq!((found.dts, found.key), (sent.dts, sent.key));
        assert_eq!(found.payload, sent.payload);
    }
}

#[test]
fn a_stream_cut_anywhere_waits_for_the_rest() {
    let frames = [frame(&video(), 20, true, Bytes::from_static(b"idr"))];
    let bytes = stream(&frames);
    let (whole, _) = demux(&bytes, usize::MAX);
    assert_eq!(whole.len(), 4);
    for end in 0..bytes.len() {
        let (tags, error) = demux(&bytes[..end], usize::MAX);
        assert_eq!(error, None);
        assert_eq!(tags[..], whole[..tags.len()]);
    }
    // The last tag needs no `PreviousTagSize` behind it.
    assert_eq!(demux(&bytes[..bytes.len() - 4], 1).0, whole);
}

#[test]
fn faults_say_where() {
    assert_eq!(fault(b"FLX"), Some((0, Reason::NotFlv)));
    assert_eq!(fault(b"FLV\x02"), Some((0, Reason::NotFlv)));
    for length in [8, 1025, u32::MAX] {
        let header = [&b"FLV\x01\x05"[..], &length.to_be_bytes()].concat();
        assert_eq!(fault(&header), Some((0, Reason::HeaderLength(length))));
    }
    let after_header = |tag: &[u8]| fault(&[&header(true, true), tag].concat());
    assert_eq!(
        after_header(b"\x0A\0\0\x01\0\0\0\0\0\0\0"),
        Some((13, Reason::TagType(0x0A)))
    );
    assert_eq!(
        after_header(b"\x29\0\0\x01\0\0\0\0\0\0\0"),
        Some((13, Reason::Encrypted))
    );
    let (size, limit) = (0xFF_FFFF, 8 * 1024 * 1024);
    assert_eq!(
        after_header(b"\x09\xFF\xFF\xFF\0\0\0\0\0\0\0"),
        Some((13, Reason::TagTooLong { size, limit }))
    );
}

#[test]
fn an_error_comes_again() {
    let mut demuxer = Demuxer::new(Limits::default());
    let mut input = BytesMut::from(&b"not FLV"[..]);
    let first = demuxer.next(&mut input).unwrap_err();
    assert_eq!(demuxer.next(&mut input), Err(first));
    assert_eq!(
        first.to_string(),
        "FLV stream at byte 0: no FLV header of version 1"
    );
}

fn any_tag() -> impl Strategy<Value = Tag> {
    let kind = prop_oneof![Just(Kind::Video), Just(Kind::Audio), Just(Kind::Data)];
    let body = prop::collection::vec(any::<u8>(), 1..80);
    (kind, any::<u32>(), body).prop_map(|(kind, timestamp, body)| Tag {
        kind,
        timestamp,
        body: body.into(),
    })
}

proptest! {
    #[test]
    fn tags_round_trip(tags in prop::collection::vec(any_tag(), 0..8), step in 1usize..100) {
        let mut bytes = BytesMut::from(&header(true, true)[..]);
        for tag in &tags {
            let at = Timestamp::from_millis(i64::from(tag.timestamp));
            put_tag(&mut bytes, tag.kind, at, |out| out.put_slice(&tag.body));
        }
        prop_assert_eq!(demux(&bytes, step), (tags, None));
    }

    #[test]
    fn pieces_make_no_difference(noise in prop::collection::vec(any::<u8>(), 0..200), step in 1usize..20) {
        let bytes = [&header(true, true)[..], &noise].concat();
        prop_assert_eq!(demux(&bytes, step), demux(&bytes, usize::MAX));
    }
}

#[test]
fn what_a_muxer_writes_is_read_back() {
    let mut out = BytesMut::new();
    let mut muxer = Muxer::start(&tracks(Some(&video()), None), &mut out);
    let mut key = frame(&video(), 40, true, Bytes::from_static(b"\0\0\0\x01\x65"));
    key.composition = Timestamp::from_millis(80);
    let sound = frame(&audio(), 45, true, Bytes::from_static(b"aac"));
    let mut aside = sound.clone();
    aside.is_default = false;
    for frame in [&key, &sound, &aside, &sound] {
        muxer.push(frame, &mut out);
    }
    let mut frames = Frames::default();
    let mut read = Vec::new();
    for byte in &out {
        frames.push(&[*byte]);
        read.extend(frames.next().unwrap());
    }
    let seen: Vec<_> = read
        .iter()
        .map(|frame| (frame.kind(), frame.dts, frame.pts(), frame.key))
        .collect();
    let at = Timestamp::from_millis;
    let sound = (Kind::Audio, at(45), at(45), false);
    assert_eq!(seen, [(Kind::Video, at(40), at(120), true), sound, sound]);
    assert_eq!(frames.tracks().count(), 2);
    assert_eq!(read[0].track, video());
    // The sequence header of the sound, which the muxer was not told of, is written once.
    assert_eq!(demux(&out, out.len()).0.len(), 1 + 1 + 3);
}

#[test]
fn a_tag_that_cannot_be_taken_is_passed_over() {
    let mut out = BytesMut::from(&header(true, false)[..]);
    put_tag(&mut out, Kind::Video, Timestamp::ZERO, |out| {
        out.put_slice(b"\x17\x01\0\0\0early")
    });
    put_tag(&mut out, Kind::Data, Timestamp::ZERO, |out| {
        out.put_slice(b"text")
    });
    let mut frames = Frames::default();
    frames.push(&out);
    assert!(matches!(frames.next(), Err(FramesError::Tag(_))));
    assert_eq!(frames.next().unwrap().unwrap().kind(), Kind::Data);
    assert!(frames.next().unwrap().is_none());
    frames.push(b"more, and no FLV");
    assert!(matches!(frames.next(), Err(FramesError::Stream(_))));
}
