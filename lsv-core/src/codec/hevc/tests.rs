use super::*;
use crate::codec::Colour;
use crate::fuzzing::vectors::{HEVC_444_RECORD, HEVC_HDR_RECORD, HEVC_RECORD};

fn config(record: &[u8]) -> Config {
    Config::parse(Bytes::copy_from_slice(record)).unwrap()
}

/// NAL units with four-byte lengths.
fn access_unit(units: &[&[u8]]) -> Vec<u8> {
    let length = |unit: &[u8]| (unit.len() as u32).to_be_bytes();
    let units = units.iter().map(|unit| [&length(unit), *unit].concat());
    units.collect::<Vec<_>>().concat()
}

const IDR: &[u8] = &[0x28, 1, 0xAF];

#[test]
fn main_profile_from_x265() {
    let config = config(HEVC_RECORD);
    let picture = config.picture;
    assert_eq!((picture.width, picture.height), (640, 360));
    assert_eq!(picture.frame_rate_millis, Some(30_000));
    assert_eq!((picture.pixel_aspect, config.length_size), (None, 4));
    assert_eq!(config.rfc6381(), "hvc1.1.6.L63.90");
    let sets = [&config.vps, &config.sps, &config.pps, &config.sei];
    assert_eq!(sets.map(Vec::len), [1, 1, 1, 0]);
    let types = config.parameter_sets().map(|unit| nal::unit_type(unit));
    assert_eq!(types.collect::<Vec<_>>(), [nal::VPS, nal::SPS, nal::PPS]);
}

#[test]
fn ten_bits_of_bt_2020_from_x265() {
    let config = config(HEVC_HDR_RECORD);
    let picture = config.picture;
    assert_eq!((picture.width, picture.height), (1280, 720));
    assert_eq!(picture.frame_rate_millis, Some(29_970));
    assert_eq!(picture.colour, Some(Colour::new([9, 16, 9], false)));
    assert_eq!(config.rfc6381(), "hvc1.2.4.L93.90");
}

#[test]
fn full_chroma_in_wide_pixels_from_x265() {
    let config = config(HEVC_444_RECORD);
    let picture = config.picture;
    assert_eq!((picture.width, picture.height), (638, 358));
    assert_eq!(picture.pixel_aspect, Some((4, 3)));
    assert_eq!(picture.frame_rate_millis, Some(30_000));
    assert_eq!(config.rfc6381(), "hvc1.4.10.L63.9E.8");
}

/// ISO/IEC 14496-15 §E.3: an example of its own, and of every field.
#[test]
fn strings_say_every_field() {
    let mut config = config(HEVC_RECORD);
    config.constraints = [0xB0, 0, 0, 0, 0, 0];
    config.level = 93;
    assert_eq!(config.rfc6381(), "hvc1.1.6.L93.B0");
    config.profile = 0b1010_0100;
    config.compatibility = 0x0800_0000;
    config.constraints = [0xB0, 0, 0x23, 0, 0, 0];
    assert_eq!(config.rfc6381(), "hvc1.B4.10.H93.B0.0.23");
    config.constraints = [0; 6];
    assert_eq!(config.rfc6381(), "hvc1.B4.10.H93");
}

#[test]
fn every_cut_is_an_error() {
    for record in [HEVC_RECORD, HEVC_HDR_RECORD, HEVC_444_RECORD] {
        for end in 0..record.len() {
            let cut = Config::parse(Bytes::from_static(&record[..end]));
            assert!(cut.is_err(), "{end} bytes");
        }
    }
}

#[test]
fn lying_records_are_refused() {
    let refused = |change: fn(&mut Vec<u8>)| {
        let mut record = HEVC_RECORD.to_vec();
        change(&mut record);
        Config::parse(record.into()).unwrap_err()
    };
    let field = InvalidConfig::Field;
    assert_eq!(refused(|record| record[0] = 2), field("version"));
    let lengths = refused(|record| record[21] = 0x0E);
    assert_eq!(lengths, field("NAL unit length size"));
    assert_eq!(refused(|record| record[22] = 0), field("number of SPS"));
    let count = field("number of parameter sets");
    assert_eq!(refused(|record| record[24] = 0xFF), count);
    assert_eq!(
        refused(|record| record[27] = 0xFF),
        InvalidConfig::Truncated
    );
    let empty = refused(|record| record[27] = 0);
    assert_eq!(empty, field("empty parameter set"));
    let many = refused(|record| {
        record[22] = 200;
        let units = [&[0xA7, 0, 64][..], &[0, 1, 0x4E].repeat(64)].concat();
        record.extend(units.repeat(197));
    });
    assert_eq!(many, count);
    let long = refused(|record| record.resize(MAX_RECORD_BYTES + 1, 0));
    assert_eq!(long, InvalidConfig::TooLong(MAX_RECORD_BYTES + 1));
}

#[test]
fn a_key_frame_with_other_parameter_sets_brings_a_configuration() {
    let (old, new) = (config(HEVC_RECORD), config(HEVC_HDR_RECORD));
    let [vps, sps, pps] = [&new.vps[0][..], &new.sps[0], &new.pps[0]];
    let brought = old
        .brought_by(&access_unit(&[&[0x46, 1, 0x50], vps, sps, pps, IDR]))
        .unwrap();
    // What FFmpeg made of the same parameter sets, but that no array is complete there.
    let mut record = HEVC_HDR_RECORD.to_vec();
    for at in [23, 23 + 29, 23 + 29 + 49] {
        record[at] |= ARRAY_COMPLETE;
    }
    assert_eq!(brought.record, record);
    assert_eq!(new.complete_record(), record);
    assert_eq!(brought.picture, new.picture);
    assert_eq!(brought.rfc6381(), new.rfc6381());
    let again = access_unit(&[vps, sps, pps, IDR]);
    assert_eq!(brought.brought_by(&again), None);
    // Without a VPS and a PPS those of before stay.
    let brought = old.brought_by(&access_unit(&[sps, IDR])).unwrap();
    assert_eq!((&brought.vps, &brought.pps), (&old.vps, &old.pps));
}

#[test]
fn other_video_and_picture_parameter_sets_make_a_configuration() {
    let config = config(HEVC_RECORD);
    let (vps, pps) = (&config.vps[0], &config.pps[0]);
    let (other_vps, other_pps) = ([vps, &[1][..]].concat(), [pps, &[1][..]].concat());
    // Number 1 instead of 0.
    let second_pps = [0x44, 1, 0x40, 0x80];
    for (units, all_vps, all_pps) in [
        ([&other_vps[..], IDR], vec![&other_vps[..]], vec![&pps[..]]),
        ([&other_pps, IDR], vec![vps], vec![&other_pps]),
        ([&second_pps, IDR], vec![vps], vec![pps, &second_pps]),
    ] {
        let key = access_unit(&units);
        let brought = config.brought_by(&key).unwrap();
        assert_eq!(brought.vps, all_vps);
        assert_eq!(brought.pps, all_pps);
        assert_eq!((&brought.sps, &brought.sei), (&config.sps, &config.sei));
        assert_eq!(brought.brought_by(&key), None);
    }
}

#[test]
fn a_key_frame_that_brings_nothing_new_changes_nothing() {
    let config = config(HEVC_RECORD);
    let [vps, sps, pps] = [&config.vps[0][..], &config.sps[0], &config.pps[0]];
    for units in [
        &[IDR][..],
        &[vps, sps, pps, IDR],
        // Behind the picture, cut short, empty.
        &[IDR, &[0x42, 1, 1]],
        &[&[0x42, 1, 1], IDR],
        &[&[], &[], IDR],
        &[],
    ] {
        assert_eq!(config.brought_by(&access_unit(units)), None, "{units:x?}");
    }
    assert_eq!(config.brought_by(&[0xFF; 40]), None);
}
