//! Sample entries of pictures, as the `mp4-atom` crate reads them, which others wrote.

use bytes::Bytes;
use lsv_core::codec::{av1, avc, hevc, vp9};
use lsv_core::fuzzing::vectors;
use lsv_core::media::{Kind, Track};
use mp4_atom::{Any, Codec as Entry, Colr, DecodeMaybe as _, Moov, Pasp, Visual};

use super::*;
use crate::mp4::init;
use crate::testing::AVC_RECORD;

fn track(codec: Codec) -> Track {
    Track::new(Kind::Video, codec)
}

fn avc(record: &'static [u8]) -> Track {
    track(Codec::Avc(
        avc::Config::parse(Bytes::from_static(record)).unwrap(),
    ))
}

fn hevc(record: &'static [u8]) -> Track {
    track(Codec::Hevc(
        hevc::Config::parse(Bytes::from_static(record)).unwrap(),
    ))
}

fn av1(record: &'static [u8]) -> Track {
    track(Codec::Av1(
        av1::Config::parse(Bytes::from_static(record)).unwrap(),
    ))
}

fn vp9(record: &'static [u8], size: Option<(u16, u16)>) -> Track {
    let mut config = vp9::Config::parse(Bytes::from_static(record)).unwrap();
    config.size = size;
    track(Codec::Vp9(config))
}

/// The brands of the header, the size that its track shows, and its sample entry.
fn read(track: &Track) -> (Vec<String>, (u16, u16), Entry) {
    let header = init(track).unwrap();
    let mut bytes = &header[..];
    let Some(Any::Ftyp(types)) = Any::decode_maybe(&mut bytes).unwrap() else {
        panic!("no ftyp");
    };
    let brands = types.compatible_brands.iter().map(ToString::to_string);
    let moov = Moov::decode_maybe(&mut bytes).unwrap().unwrap();
    assert!(bytes.is_empty());
    let track = &moov.trak[0];
    let shown = (track.tkhd.width.integer(), track.tkhd.height.integer());
    let entry = track.mdia.minf.stbl.stsd.codecs[0].clone();
    (brands.collect(), shown, entry)
}

fn size(visual: &Visual) -> (u16, u16) {
    (visual.width, visual.height)
}

fn nclx(primaries: u16, transfer: u16, matrix: u16) -> Colr {
    Colr::Nclx {
        colour_primaries: primaries,
        transfer_characteristics: transfer,
        matrix_coefficients: matrix,
        full_range_flag: false,
    }
}

#[test]
fn h264() {
    let (brands, shown, entry) = read(&avc(AVC_RECORD));
    let Entry::Avc1(entry) = entry else {
        panic!("{entry:?}");
    };
    assert_eq!((size(&entry.visual), shown), ((640, 360), (640, 360)));
    assert_eq!((entry.colr, entry.pasp), (None, None));
    assert!(!brands.contains(&"av01".to_owned()));
}

#[test]
fn h265() {
    let (_, shown, entry) = read(&hevc(vectors::HEVC_HDR_RECORD));
    let Entry::Hvc1(entry) = entry else {
        panic!("{entry:?}");
    };
    assert_eq!((size(&entry.visual), shown), ((1280, 720), (1280, 720)));
    assert_eq!(entry.colr, Some(nclx(9, 16, 9)));
    assert_eq!(entry.pasp, None);
    assert_eq!(entry.hvcc.general_profile_idc, 2);
    let types = entry.hvcc.arrays.iter().map(|array| array.nal_unit_type);
    assert_eq!(types.collect::<Vec<_>>(), [32, 33, 34]);
    assert!(entry.hvcc.arrays.iter().all(|array| array.completeness));
}

#[test]
fn pixels_that_are_not_square() {
    let (_, shown, entry) = read(&hevc(vectors::HEVC_444_RECORD));
    let Entry::Hvc1(entry) = entry else {
        panic!("{entry:?}");
    };
    assert_eq!((size(&entry.visual), shown), ((638, 358), (850, 358)));
    let shape = Pasp {
        h_spacing: 4,
        v_spacing: 3,
    };
    assert_eq!(entry.pasp, Some(shape));
}

#[test]
fn av1_has_its_brand() {
    let (brands, shown, entry) = read(&av1(vectors::AV1_HDR_RECORD));
    let Entry::Av01(entry) = entry else {
        panic!("{entry:?}");
    };
    assert_eq!((size(&entry.visual), shown), ((640, 360), (640, 360)));
    assert_eq!(entry.colr, Some(nclx(2, 2, 9)));
    assert_eq!(entry.av1c.config_obus, vectors::AV1_HDR_RECORD[4..]);
    assert!(entry.av1c.high_bitdepth && !entry.av1c.monochrome);
    assert_eq!(brands.last().map(String::as_str), Some("av01"));
}

#[test]
fn vp9_with_or_without_version_in_its_record() {
    for record in [vectors::VP9_HDR_RECORD, &vectors::VP9_HDR_RECORD[4..]] {
        let (_, shown, entry) = read(&vp9(record, Some((640, 360))));
        let Entry::Vp09(entry) = entry else {
            panic!("{entry:?}");
        };
        assert_eq!((size(&entry.visual), shown), ((640, 360), (640, 360)));
        let said = entry.vpcc;
        assert_eq!((said.profile, said.level, said.bit_depth), (2, 21, 10));
        assert_eq!((said.chroma_subsampling, said.matrix_coefficients), (1, 9));
    }
}

#[test]
fn pictures_of_no_known_size_have_no_entry_yet() {
    let bare = av1(&vectors::AV1_RECORD[..4]);
    for track in [bare, vp9(vectors::VP9_RECORD, None)] {
        assert_eq!(init(&track), Err(Error::NoPicture));
    }
}

#[test]
fn sample_rates_beyond_the_field_are_divided() {
    for (rate, told) in [
        (48_000, 48_000),
        (88_200, 44_100),
        (96_000, 48_000),
        (192_000, 48_000),
        (384_000, 48_000),
        (65_536, 32_768),
        (96_001, 65_535),
        (0, 0),
    ] {
        assert_eq!(audio::expressible(rate), told, "{rate}");
    }
}
