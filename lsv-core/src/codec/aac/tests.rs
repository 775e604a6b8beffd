use proptest::prelude::*;

use super::*;

fn config(record: &[u8]) -> Config {
    Config::parse(Bytes::copy_from_slice(record)).unwrap()
}

#[test]
fn lc_stereo() {
    let lc = config(&[0x12, 0x10]);
    assert_eq!(
        (lc.object_type, lc.sample_rate, lc.channels()),
        (2, 44_100, 2)
    );
    assert_eq!(lc.rfc6381(), "mp4a.40.2");
    assert_eq!((lc.samples_per_frame, lc.output_samples()), (1024, 1024));
    // As ffmpeg's ADTS muxer writes it for a unit of 371 bytes (378 with the header).
    assert_eq!(
        lc.adts_header(371),
        Some([0xFF, 0xF1, 0x50, 0x80, 0x2F, 0x5F, 0xFC])
    );
    assert_eq!(lc.adts_header(8192), None);
    let short_frames = config(&[0x12, 0x14]);
    assert_eq!(short_frames.samples_per_frame, 960);
    assert_eq!(short_frames.adts_header(371), None);
}

#[test]
fn mono_to_seven_one() {
    for (configuration, channels) in [(1, 1), (2, 2), (3, 3), (6, 6), (7, 8), (11, 7), (12, 8)] {
        let found = config(&[0x11, 0x80 | configuration << 3]);
        assert_eq!(found.channels(), channels);
        assert_eq!(found.adts_header(100).is_some(), configuration < 8);
    }
}

#[test]
fn he_aac_signalled_in_front() {
    // SBR, core 24 kHz, stereo, output 48 kHz, core LC.
    let he = config(&[0x2B, 0x11, 0x88, 0x00]);
    assert_eq!(
        (he.object_type, he.core_object_type, he.channels()),
        (5, 2, 2)
    );
    assert_eq!((he.sample_rate, he.output_sample_rate), (24_000, 48_000));
    assert_eq!((he.samples_per_frame, he.output_samples()), (1024, 2048));
    assert_eq!(he.rfc6381(), "mp4a.40.5");
    assert_eq!(he.adts_header(93).unwrap()[..4], [0xFF, 0xF1, 0x58, 0x80]);
    // PS: one channel of the core becomes two.
    let he2 = config(&[0xEB, 0x09, 0x88, 0x00]);
    assert_eq!((he2.channels(), he2.rfc6381().as_str()), (2, "mp4a.40.29"));
    assert_eq!(he2.adts_header(93).unwrap()[3] >> 6, 1);
    // The same rate on both sides: SBR that only adds quality.
    let same_rate = config(&[0x29, 0x91, 0x88, 0x00]);
    assert_eq!(same_rate.output_samples(), 1024);
}

/// SBR doubles a rate, and no more: what claims to is refused, and passed over behind a core that is whole.
#[test]
fn no_extension_makes_a_frame_longer_than_twice_its_core() {
    // A core of 24 kHz, and 96 kHz of it.
    let explicit = Config::parse(Bytes::from_static(&[0x2B, 0x10, 0x08, 0x00]));
    assert_eq!(
        explicit.unwrap_err(),
        InvalidConfig::Field("extension sampling frequency")
    );
    // A core of 22.05 kHz, and 96 kHz of it behind.
    let behind = config(&[0x13, 0x88, 0x56, 0xE5, 0x85, 0x48, 0x80]);
    assert_eq!(behind.output_samples(), behind.samples_per_frame);
}

#[test]
fn he_aac_signalled_behind() {
    // LC at 22.05 kHz in stereo, then 0x2B7, SBR at 44.1 kHz.
    let he = config(&[0x13, 0x90, 0x56, 0xE5, 0xA0]);
    assert_eq!((he.object_type, he.core_object_type), (5, 2));
    assert_eq!((he.sample_rate, he.output_sample_rate), (22_050, 44_100));
    assert_eq!(he.rfc6381(), "mp4a.40.5");
    // Mono, and 0x548: PS as well.
    let he2 = config(&[0x13, 0x88, 0x56, 0xE5, 0xA5, 0x48, 0x80]);
    assert_eq!((he2.object_type, he2.channels()), (29, 2));
    // SBR that is said to be absent, and noise.
    for tail in [[0x56, 0xE5, 0x00], [0x12, 0x34, 0x56]] {
        let lc = config(&[&[0x13, 0x90][..], &tail].concat());
        assert_eq!((lc.object_type, lc.output_sample_rate), (2, 22_050));
    }
}

#[test]
fn low_delay_frames_are_half_as_long() {
    // ER AAC LD at 48 kHz in stereo.
    let low_delay = config(&[0xB9, 0x90]);
    assert_eq!(low_delay.samples_per_frame, 512);
    assert_eq!(low_delay.adts_header(100), None);
}

/// As FFmpeg writes it for quadraphonic sound at 48 kHz: two pairs, and a comment.
const QUAD: &[u8] = b"\x11\x80\x04\xC4\x04\0\x21\x10\x0DLavc59.37.100\x56\xE5\0";

#[test]
fn the_program_configuration_says_the_channels() {
    let quad = config(QUAD);
    assert_eq!((quad.channel_configuration, quad.channels()), (0, 4));
    assert_eq!(quad.object_type, 2);
    let element = quad.program.as_ref().unwrap();
    assert_eq!(element[0] >> 5, 5, "the element's identification");
    let [.., last] = element[..] else {
        panic!("an empty element");
    };
    assert_eq!(last, 0, "no comment");
    let header = quad.adts_header(100).unwrap();
    assert_eq!((header[2] & 1, header[3] >> 6), (0, 0));
    for end in 2..QUAD.len() - 3 {
        let cut = Bytes::from_static(&QUAD[..end]);
        assert_eq!(Config::parse(cut), Err(InvalidConfig::Truncated), "{end}");
    }
}

#[test]
fn unusable_records() {
    for record in [
        &[][..],
        &[0x12],
        &[0x00, 0x10],
        &[0x17, 0x00],
        &[0x16, 0xF0],
        // Channel configuration 8, and 0 without a program configuration.
        &[0x11, 0xC0],
        &[0x11, 0x80],
        // A program without channels.
        &[0x11, 0x80, 0x04, 0xC0, 0x00, 0x00, 0x00, 0x00, 0x00],
    ] {
        assert!(
            Config::parse(Bytes::copy_from_slice(record)).is_err(),
            "{record:x?}"
        );
    }
}

proptest! {
    #[test]
    fn noise_is_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80), program: bool) {
        let record = match program {
            true => [&[0x11, 0x80][..], &bytes].concat(),
            false => bytes,
        };
        if let Ok(config) = Config::parse(record.into()) {
            prop_assert!(config.channels() > 0 && config.output_sample_rate > 0);
            prop_assert!(config.output_samples() <= 2 * 1024);
            prop_assert!(config.channel_configuration == 0 || config.program.is_none());
        }
    }
}
