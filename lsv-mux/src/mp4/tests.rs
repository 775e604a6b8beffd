use std::io::Cursor;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{fuzzing, testing};

/// The boxes of `bytes` as (type, content), which must end where the bytes end.
fn boxes(mut bytes: &[u8]) -> Vec<(String, &[u8])> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let size = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        let kind = String::from_utf8(bytes[4..8].to_vec()).unwrap();
        found.push((kind, &bytes[8..size]));
        bytes = &bytes[size..];
    }
    found
}

fn child<'a>(bytes: &'a [u8], path: &[&str]) -> &'a [u8] {
    path.iter().fold(bytes, |bytes, kind| {
        let found = boxes(bytes).into_iter().find(|(name, _)| name == kind);
        found.unwrap_or_else(|| panic!("no {kind}")).1
    })
}

fn sample(duration: u32, composition: i32, key: bool, payload: &'static [u8]) -> Sample {
    Sample {
        duration,
        composition,
        key,
        payload: Bytes::from_static(payload),
    }
}

#[test]
fn headers_have_the_boxes_of_cmaf() {
    let video = init(&testing::video()).unwrap();
    let names: Vec<_> = boxes(&video).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["ftyp", "moov"]);
    let stsd = child(&video, &["moov", "trak", "mdia", "minf", "stbl", "stsd"]);
    let avc1 = child(&stsd[8..], &["avc1"]);
    assert_eq!(child(&avc1[78..], &["avcC"]), testing::AVC_RECORD);

    let audio = init(&testing::audio()).unwrap();
    let stsd = child(&audio, &["moov", "trak", "mdia", "minf", "stbl", "stsd"]);
    let mp4a = child(&stsd[8..], &["mp4a"]);
    let esds = child(&mp4a[28..], &["esds"]);
    assert_eq!(
        esds,
        [
            &[0, 0, 0, 0, 3, 0x80, 0x80, 0x80, 0x22, 0, 0, 0][..],
            &[4, 0x80, 0x80, 0x80, 0x14, 0x40, 0x15],
            &[0; 11],
            &[5, 0x80, 0x80, 0x80, 2, 0x12, 0x10],
            &[6, 0x80, 0x80, 0x80, 1, 2],
        ]
        .concat()
    );
}

/// As `mp4-atom` reads it.
#[test]
fn opus_needs_what_was_before_it() {
    use mp4_atom::{AnySampleGroupEntry, DecodeMaybe as _, Ftyp, Moov};
    for track in fuzzing::sounds() {
        let header = init(&track).unwrap();
        let mut bytes = &header[..];
        Ftyp::decode_maybe(&mut bytes).unwrap();
        let movie = Moov::decode_maybe(&mut bytes).unwrap().unwrap();
        let groups = &movie.trak[0].mdia.minf.stbl.sgpd;
        if track.codec.rfc6381() != "Opus" {
            assert!(groups.is_empty(), "{track:?}");
            continue;
        }
        assert_eq!(groups[0].default_group_description_index, Some(1));
        // 80 ms of packets of 2.5 ms.
        let distance = (-32_i16).to_be_bytes().to_vec();
        let roll = AnySampleGroupEntry::UnknownGroupingType(b"roll".into(), distance);
        assert_eq!(groups[0].entries[0].entry, roll);
    }
}

/// Each sample entry's name, what stands for channels and rate, and its box, as FFmpeg 9 writes it of the same sound.
#[test]
fn sample_entries_of_sound() {
    let found = fuzzing::sounds().into_iter().map(|track| {
        let header = init(&track).unwrap();
        let stsd = child(&header, &["moov", "trak", "mdia", "minf", "stbl", "stsd"]);
        let (name, entry) = boxes(&stsd[8..]).remove(0);
        let (inner, content) = boxes(&entry[28..]).remove(0);
        (
            name,
            entry[17],
            entry[24..26].to_vec(),
            inner,
            content.to_vec(),
        )
    });
    let found: Vec<_> = found.skip(1).collect();
    let flac = b"\0\0\0\0\x80\0\0\x22\x12\0\x12\0\0\0\0\0\0\0\x0B\xB8\x02\xF0\0\0\0\0";
    let mp3 = b"\0\0\0\0\x03\x80\x80\x80\x1B\0\0\0\x04\x80\x80\x80\x0D\x6B\x15";
    let expected: [(&str, u8, &str, &[u8]); 5] = [
        ("Opus", 2, "dOps", b"\0\x02\x01\x38\0\0\xBB\x80\0\0\0"),
        ("fLaC", 2, "dfLa", flac),
        ("ac-3", 2, "dac3", b"\x10\x10\xC0"),
        ("ec-3", 6, "dec3", b"\x06\0\x20\x0F\0"),
        ("mp4a", 2, "esds", mp3),
    ];
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let (name, channels, rate, inner, content) = found;
        assert_eq!(
            (name.as_str(), *channels, inner.as_str()),
            (expected.0, expected.1, expected.2)
        );
        assert_eq!(rate[..], 48_000u16.to_be_bytes());
        assert!(content.starts_with(expected.3), "{name}: {content:x?}");
    }
}

#[test]
fn other_codecs_are_refused() {
    let refused = init(&testing::other());
    assert!(matches!(refused, Err(crate::Error::Unsupported { .. })));
}

#[test]
fn fragment_vector() {
    let samples = [
        sample(3000, 6000, true, b"key"),
        sample(3000, -1, false, b"p"),
    ];
    let expected: &[&[u8]] = &[
        b"\0\0\0\x74moof",
        b"\0\0\0\x10mfhd\0\0\0\0\0\0\0\x07",
        b"\0\0\0\x5Ctraf",
        b"\0\0\0\x18tfhd\0\x02\0\x28\0\0\0\x01\0\0\x0B\xB8\x01\x01\0\0",
        b"\0\0\0\x14tfdt\x01\0\0\0\0\0\0\x01\0\0\0\0",
        b"\0\0\0\x28trun\x01\0\x0A\x05\0\0\0\x02\0\0\0\x7C\x02\0\0\0",
        b"\0\0\0\x03\0\0\x17\x70\0\0\0\x01\xFF\xFF\xFF\xFF",
        b"\0\0\0\x0Cmdatkeyp",
    ];
    assert_eq!(fragment(7, 1 << 32, &samples), expected.concat());
}

#[test]
fn an_empty_fragment_is_well_formed() {
    let bytes = fragment(1, 0, &[]);
    let names: Vec<_> = boxes(&bytes).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["moof", "mdat"]);
}

fn read(bytes: Vec<u8>) -> mp4::Mp4Reader<Cursor<Vec<u8>>> {
    let size = bytes.len() as u64;
    mp4::Mp4Reader::read_header(Cursor::new(bytes), size).unwrap()
}

/// The `mp4` crate, written by others, reads the header and what is in the fragment.
#[test]
fn an_independent_reader_understands() {
    let samples = [
        sample(3000, 6000, true, b"key frame"),
        sample(2999, 0, false, b"p"),
    ];
    let header = init(&testing::video()).unwrap();
    let reader = read([&header[..], &fragment(1, 90_000, &samples)].concat());
    let track = &reader.tracks()[&TRACK_ID];
    assert_eq!((track.width(), track.height()), (640, 360));
    assert_eq!(track.timescale(), 90_000);
    assert_eq!(track.media_type().unwrap(), mp4::MediaType::H264);
    assert_eq!(track.sequence_parameter_set().unwrap()[0], 0x67);
    let traf = &reader.moofs[0].trafs[0];
    assert_eq!(traf.tfdt.as_ref().unwrap().base_media_decode_time, 90_000);
    let trun = traf.trun.as_ref().unwrap();
    assert_eq!(trun.sample_sizes, [9, 1]);
    assert_eq!(trun.sample_durations, [3000, 2999]);
    assert_eq!(trun.sample_cts, [6000, 0]);
    assert_eq!(trun.first_sample_flags, Some(0x0200_0000));

    let reader = read(init(&testing::audio()).unwrap().to_vec());
    let track = &reader.tracks()[&TRACK_ID];
    assert_eq!(track.media_type().unwrap(), mp4::MediaType::AAC);
    assert_eq!(track.sample_freq_index().unwrap().freq(), 44_100);
    assert_eq!(track.timescale(), 44_100);
}

fn any_sample() -> impl Strategy<Value = Sample> {
    (
        prop_oneof![Just(1024u32), any::<u32>()],
        prop_oneof![Just(0i32), any::<i32>()],
        any::<bool>(),
        prop::collection::vec(any::<u8>(), 0..40),
    )
        .prop_map(|(duration, composition, key, payload)| Sample {
            duration,
            composition,
            key,
            payload: payload.into(),
        })
}

/// Reads a fragment back by the letter of ISO/IEC 14496-12 §8.8.
fn read_back(bytes: &[u8]) -> (u32, u64, Vec<Sample>) {
    let u32_at =
        |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let sequence = u32_at(child(bytes, &["moof", "mfhd"]), 4);
    let tfhd = child(bytes, &["moof", "traf", "tfhd"]);
    let (default_duration, default_flags) = (u32_at(tfhd, 8), u32_at(tfhd, 12));
    let tfdt = child(bytes, &["moof", "traf", "tfdt"]);
    let base = u64::from_be_bytes(tfdt[4..].try_into().unwrap());
    let trun = child(bytes, &["moof", "traf", "trun"]);
    let (present, count) = (u32_at(trun, 0) & 0xFF_FFFF, u32_at(trun, 4));
    let mut data = u32_at(trun, 8) as usize;
    let mut at = 12;
    let mut field = |flag: u32, default: u32| {
        if present & flag == 0 {
            return default;
        }
        at += 4;
        u32_at(trun, at - 4)
    };
    let first_flags = field(0x4, default_flags);
    let samples = (0..count)
        .map(|index| {
            let duration = field(0x100, default_duration);
            let size = field(0x200, 0) as usize;
            let fallback = if index == 0 {
                first_flags
            } else {
                default_flags
            };
            let flags = field(0x400, fallback);
            let composition = field(0x800, 0) as i32;
            data += size;
            Sample {
                duration,
                composition,
                key: flags & 0x0001_0000 == 0,
                payload: Bytes::copy_from_slice(&bytes[data - size..data]),
            }
        })
        .collect();
    assert_eq!(data, bytes.len());
    (sequence, base, samples)
}

proptest! {
    #[test]
    fn fragments_read_back(
        sequence: u32,
        base: u64,
        samples in prop::collection::vec(any_sample(), 0..12),
    ) {
        let bytes = fragment(sequence, base, &samples);
        prop_assert_eq!(read_back(&bytes), (sequence, base, samples));
    }
}

#[test]
fn a_timed_fragment_says_when_it_was_produced() {
    let samples = [Sample {
        duration: 3000,
        composition: 600,
        key: true,
        payload: Bytes::from_static(&[1, 2, 3]),
    }];
    // 2026-01-01T00:00:00.25Z is 3,976,214,400.25 s after 1900 began.
    let produced =
        std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_767_225_600_250);
    let timed = timed_fragment(7, 90_000, &samples, produced);
    let mut prft = b"\0\0\0\x20prft\x01\0\0\0\0\0\0\x01".to_vec();
    prft.extend(3_976_214_400u32.to_be_bytes());
    prft.extend(0x4000_0000u32.to_be_bytes());
    prft.extend(90_600u64.to_be_bytes());
    assert_eq!(&timed[..32], prft);
    assert_eq!(timed[32..], fragment(7, 90_000, &samples));
}
