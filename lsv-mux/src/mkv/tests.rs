use lsv_core::time::Timestamp;

use super::*;
use crate::{fuzzing, testing};

/// The elements of `bytes` as (name, content).
fn elements(mut bytes: &[u8]) -> Vec<(u32, &[u8])> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (id, rest) = bytes.split_at(length(bytes));
        let (size, rest) = rest.split_at(length(rest));
        let unknown = u64::MAX >> 7;
        let size = match number(size) {
            size if size == unknown => rest.len(),
            size_with_marker => (size_with_marker ^ 1 << (7 * size.len())) as usize,
        };
        let (content, rest) = rest.split_at(size);
        found.push((number(id) as u32, content));
        bytes = rest;
    }
    found
}

/// Of the name or size at the start of `bytes`.
fn length(bytes: &[u8]) -> usize {
    bytes[0].leading_zeros() as usize + 1
}

fn child<'a>(bytes: &'a [u8], path: &[u32]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |bytes, id| {
        let found = elements(bytes).into_iter().find(|(name, _)| name == id);
        found.map(|(_, content)| content)
    })
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[test]
fn a_header_describes_its_tracks() {
    let tracks = [testing::video(), testing::audio()];
    let options = Options {
        frame_rate_millis: Some(29_970),
    };
    let header = Muxer::new(&tracks, options).unwrap().header();
    assert_eq!(child(&header, &[EBML, 0x4282]), Some(&b"matroska"[..]));
    let segment = child(&header, &[SEGMENT]).unwrap();
    assert_eq!(
        number(child(segment, &[INFO, TIMESTAMP_SCALE]).unwrap()),
        1_000
    );
    let entries = elements(child(segment, &[TRACKS]).unwrap());
    let (video, audio) = (entries[0].1, entries[1].1);
    assert_eq!(child(video, &[0x86]), Some(&b"V_MPEG4/ISO/AVC"[..]));
    assert_eq!(child(video, &[0x63A2]), Some(testing::AVC_RECORD));
    assert_eq!(number(child(video, &[0x23_E383]).unwrap()), 33_366_700);
    let side = |id| number(child(video, &[0xE0, id]).unwrap());
    assert_eq!((side(0xB0), side(0xBA)), (640, 360));
    assert_eq!(child(audio, &[0x86]), Some(&b"A_AAC"[..]));
    let rate = child(audio, &[0xE1, 0xB5]).unwrap();
    assert_eq!(f64::from_be_bytes(rate.try_into().unwrap()), 44_100.0);
}

#[test]
fn a_frame_is_a_cluster_whose_payload_is_passed_on() {
    let tracks = [testing::video(), testing::audio()];
    let muxer = Muxer::new(&tracks, Options::default()).unwrap();
    let payload = Bytes::from(vec![7; 1_000]);
    let mut frame = MediaFrame::new(&tracks[0], Timestamp::from_millis(3), payload.clone());
    (frame.composition, frame.key) = (Timestamp::from_nanos(33_333_333), true);
    let [head, body] = muxer.frame(&frame).unwrap();
    assert_eq!((body.as_ptr(), body.len()), (payload.as_ptr(), 1_000));
    assert_eq!(head.len(), FRAME_OVERHEAD);
    let whole = [head, body].concat();
    let cluster = child(&whole, &[CLUSTER]).unwrap();
    assert_eq!(number(child(cluster, &[TIMESTAMP.into()]).unwrap()), 36_333);
    let block = child(cluster, &[SIMPLE_BLOCK.into()]).unwrap();
    assert_eq!(block[..4], [0x81, 0, 0, 0x80]);
    assert_eq!(block[4..], payload);

    let sound = MediaFrame::new(&tracks[1], Timestamp::ZERO, Bytes::new());
    let [head, body] = muxer.frame(&sound).unwrap();
    assert!(head.ends_with(&[0x82, 0, 0, 0x80]) && body.is_empty());
}

#[test]
fn what_has_no_place_is_refused() {
    let refused = |track: Arc<Track>| Muxer::new(&[track], Options::default()).unwrap_err();
    assert!(matches!(
        refused(testing::other()),
        Error::Unsupported { .. }
    ));
    assert_eq!(
        Muxer::new(&[], Options::default()).unwrap_err(),
        Error::NoTracks
    );
    let muxer = Muxer::new(&[testing::video()], Options::default()).unwrap();
    let mut frame = MediaFrame::new(&testing::audio(), Timestamp::ZERO, Bytes::new());
    assert_eq!(muxer.frame(&frame).unwrap_err(), Error::UnknownTrack);
    // The same in another place of memory is the same track.
    frame.track = testing::video();
    assert!(muxer.describes(&frame.track) && muxer.frame(&frame).is_ok());
    frame.composition = Timestamp::from_millis(-1);
    assert_eq!(muxer.frame(&frame).unwrap_err(), Error::NegativeTime);
}

#[test]
fn every_sound_has_a_name() {
    let names = fuzzing::sounds().into_iter().map(|track| {
        let header = Muxer::new(&[track], Options::default()).unwrap().header();
        let entry = child(&header, &[SEGMENT, TRACKS, 0xAE]).unwrap();
        let name = child(entry, &[0x86]).unwrap().to_vec();
        let private = child(entry, &[0x63A2]).map_or(0, <[u8]>::len);
        (String::from_utf8(name).unwrap(), private)
    });
    let expected = [
        ("A_AAC", 2),
        ("A_OPUS", 19),
        ("A_FLAC", 42),
        ("A_AC3", 0),
        ("A_EAC3", 0),
        ("A_MPEG/L3", 0),
    ];
    assert_eq!(
        names.collect::<Vec<_>>(),
        expected.map(|(name, private)| (name.to_owned(), private))
    );
}
