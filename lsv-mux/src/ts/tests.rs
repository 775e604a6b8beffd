use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use lsv_core::codec::nal_units;
use lsv_core::media::{Codec, Kind, MediaFrame, Track, Tracks};
use lsv_core::time::Timestamp;
use mpeg2ts::pes::{PesPacket, PesPacketReader, ReadPesPacket};
use mpeg2ts::ts::{ReadTsPacket, TsPacket, TsPacketReader, TsPayload};
use proptest::prelude::*;

use super::*;
use crate::fuzzing;
use crate::testing::{access_unit, audio, frame, other, tracks, video};

const KEY: &[&[u8]] = &[&[0x06, 5, 1], &[0x65, 1, 2, 3]];
const INTER: &[&[u8]] = &[&[0x41, 9]];

fn muxed(tracks: &Tracks, frames: &[MediaFrame]) -> BytesMut {
    let mut muxer = Muxer::new();
    let mut out = BytesMut::new();
    muxer.start_segment(tracks, &mut out);
    for frame in frames {
        muxer.push(frame, &mut out).unwrap();
    }
    muxer.finish_segment(&mut out);
    out
}

fn packets(bytes: &[u8]) -> Vec<TsPacket> {
    assert_eq!(bytes.len() % 188, 0);
    let mut reader = TsPacketReader::new(bytes);
    std::iter::from_fn(|| reader.read_ts_packet().unwrap()).collect()
}

fn pes_packets(bytes: &[u8]) -> Vec<PesPacket<Vec<u8>>> {
    let mut reader = PesPacketReader::new(TsPacketReader::new(bytes));
    std::iter::from_fn(|| reader.read_pes_packet().unwrap()).collect()
}

/// The clock references in (PID, ticks of 27 MHz).
fn clocks(bytes: &[u8]) -> Vec<(u16, u64)> {
    let clock = |packet: TsPacket| {
        let clock = packet.adaptation_field?.pcr?;
        Some((packet.header.pid.as_u16(), clock.as_u64()))
    };
    packets(bytes).into_iter().filter_map(clock).collect()
}

fn stream(video: &Arc<Track>, audio: &Arc<Track>) -> Vec<MediaFrame> {
    let mut frames = Vec::new();
    for n in 0..10 {
        let units = if n == 0 { KEY } else { INTER };
        frames.push(frame(video, n * 40, n == 0, access_unit(units)));
        // 1,024 samples at 44.1 kHz, in the milliseconds of RTMP.
        let sound = Bytes::from(vec![n as u8; 400]);
        frames.push(frame(audio, 3 + n * 10_240 / 441, false, sound));
    }
    frames
}

#[test]
fn access_units_come_out_as_they_went_in() {
    let (video, audio) = (video(), audio());
    let Codec::Avc(config) = &video.codec else {
        unreachable!()
    };
    let frames = stream(&video, &audio);
    let bytes = muxed(&tracks(Some(&video), Some(&audio)), &frames);
    let units = pes_packets(&bytes);
    let (pictures, sounds): (Vec<_>, Vec<_>) = units
        .into_iter()
        .partition(|unit| unit.header.stream_id.is_video());
    // One frame of sound, then three times as many as are shorter than 90 ms.
    assert_eq!((pictures.len(), sounds.len()), (10, 4));
    let start = |unit: &[u8]| [&[0, 0, 0, 1], unit].concat();
    let expected = [
        start(&[9, 0xF0]),
        start(&config.sps[0]),
        start(&config.pps[0]),
        start(KEY[0]),
        start(KEY[1]),
    ];
    assert_eq!(pictures[0].data, expected.concat());
    assert_eq!(
        pictures[1].data,
        [start(&[9, 0xF0]), start(INTER[0])].concat()
    );
    let second = pictures[1].header.pts.unwrap().as_u64();
    assert_eq!(second, 126_000 + 3600);
    let (first, second) = (&sounds[0], &sounds[1]);
    assert_eq!(first.data[..2], [0xFF, 0xF1]);
    assert_eq!(first.data[7..], [0; 400]);
    assert_eq!(second.data.len(), 3 * 407);
    for (n, unit) in second.data.chunks(407).enumerate() {
        assert_eq!(unit[7..], [n as u8 + 1; 400]);
    }
    // The times are exact, though those of the frames were rounded down.
    let times = sounds.iter().map(|unit| unit.header.pts.unwrap().as_u64());
    let samples = [0, 1024, 4 * 1024, 7 * 1024]
        .map(|n| (132.3f64.trunc() as u64 + n) * 90_000 / 44_100 + 126_000);
    for (time, expected) in times.zip(samples) {
        assert!(time.abs_diff(expected) <= 1, "{time} {expected}");
    }
}

#[test]
fn counters_count_and_tables_come_first() {
    let (video, audio) = (video(), audio());
    let tracks = tracks(Some(&video), Some(&audio));
    let mut muxer = Muxer::new();
    let mut out = BytesMut::new();
    for _ in 0..20 {
        let segment = out.len();
        muxer.start_segment(&tracks, &mut out);
        for frame in stream(&video, &audio) {
            muxer.push(&frame, &mut out).unwrap();
        }
        let first = packets(&out[segment..segment + 376]);
        assert!(matches!(first[0].payload, Some(TsPayload::Pat(_))));
        let Some(TsPayload::Pmt(map)) = &first[1].payload else {
            panic!("no program map");
        };
        assert_eq!(map.pcr_pid.unwrap().as_u16(), 0x100);
        assert_eq!(map.es_info.len(), 2);
    }
    let mut counters: HashMap<u16, u8> = HashMap::new();
    for packet in out.chunks(188).filter(|packet| packet[3] & 0x10 != 0) {
        let pid = u16::from_be_bytes([packet[1] & 0x1F, packet[2]]);
        let expected = counters.entry(pid).or_default();
        assert_eq!(packet[3] & 0x0F, *expected);
        *expected = (*expected + 1) & 0x0F;
    }
}

#[test]
fn key_frames_are_random_access_points() {
    let video = video();
    let frames = [
        frame(&video, 0, true, access_unit(KEY)),
        frame(&video, 40, false, access_unit(INTER)),
    ];
    let bytes = muxed(&tracks(Some(&video), None), &frames);
    let random_access: Vec<bool> = packets(&bytes)
        .into_iter()
        .filter(|packet| matches!(packet.payload, Some(TsPayload::PesStart(_))))
        .map(|packet| packet.adaptation_field.unwrap().random_access_indicator)
        .collect();
    assert_eq!(random_access, [true, false]);
}

#[test]
fn the_clock_comes_every_100_ms() {
    let (video, audio) = (video(), audio());
    // One picture a second between audio frames of 23 ms.
    let mut frames = vec![frame(&video, 0, true, access_unit(KEY))];
    for n in 0..100 {
        if n == 43 {
            frames.push(frame(&video, 1000, false, access_unit(INTER)));
        }
        frames.push(frame(&audio, n * 23, false, Bytes::from_static(&[1; 300])));
    }
    let bytes = muxed(&tracks(Some(&video), Some(&audio)), &frames);
    let found = clocks(&bytes);
    assert_eq!(found[0], (0x100, 63_000 * 300));
    for pair in found.windows(2) {
        assert!(
            (0..2_700_000).contains(&(pair[1].1 - pair[0].1)),
            "{pair:?}"
        );
        assert_eq!(pair[1].0, 0x100);
    }
    assert!(found.last().unwrap().1 >= (63_000 + 2200 * 90) * 300);
}

#[test]
fn audio_alone_carries_the_clock() {
    let audio = audio();
    let frames: Vec<_> = (0..5)
        .map(|n| frame(&audio, n * 23, n == 0, Bytes::from_static(&[7; 10])))
        .collect();
    let bytes = muxed(&tracks(None, Some(&audio)), &frames);
    // One frame, three, and one.
    assert_eq!(clocks(&bytes).len(), 3);
    assert!(clocks(&bytes).iter().all(|(pid, _)| *pid == 0x101));
}

#[test]
fn a_new_epoch_is_a_clock_discontinuity() {
    let video = video();
    let mut frames: Vec<_> = (0..3)
        .map(|n| frame(&video, n * 40, true, access_unit(KEY)))
        .collect();
    frames[2].epoch = 1;
    let bytes = muxed(&tracks(Some(&video), None), &frames);
    let flags: Vec<bool> = packets(&bytes)
        .into_iter()
        .filter_map(|packet| packet.adaptation_field)
        .filter(|field| field.pcr.is_some())
        .map(|field| field.discontinuity_indicator)
        .collect();
    assert_eq!(flags, [false, false, true]);
}

#[test]
fn a_late_track_is_announced() {
    let (video, audio) = (video(), audio());
    let frames = [
        frame(&audio, 0, true, Bytes::from_static(&[7; 10])),
        frame(&video, 5, true, access_unit(KEY)),
    ];
    let bytes = muxed(&tracks(None, Some(&audio)), &frames);
    let maps = packets(&bytes)
        .into_iter()
        .filter_map(|packet| match packet.payload {
            Some(TsPayload::Pmt(map)) => Some((map.version_number.as_u8(), map.es_info.len())),
            _ => None,
        });
    assert_eq!(maps.collect::<Vec<_>>(), [(0, 1), (1, 2)]);
}

#[test]
fn timestamps_wrap_and_stay_in_order() {
    let video = video();
    // Just below 2^33 ticks less the offset, and a picture presented before it is decoded.
    let millis = ((1i64 << 33) - 126_000) / 90;
    let mut frames = [
        frame(&video, millis, true, access_unit(KEY)),
        frame(&video, millis + 40, false, access_unit(INTER)),
    ];
    frames[0].composition = Timestamp::from_millis(80);
    frames[1].composition = Timestamp::from_millis(-20);
    let units = pes_packets(&muxed(&tracks(Some(&video), None), &frames));
    let stamps = |unit: &PesPacket<_>| {
        let header = &unit.header;
        (
            header.pts.map(|t| t.as_u64()),
            header.dts.map(|t| t.as_u64()),
        )
    };
    let base = (millis * 90 + 126_000) as u64;
    assert_eq!(
        stamps(&units[0]),
        (Some(7200 + base - (1 << 33)), Some(base))
    );
    assert_eq!(stamps(&units[1]), (Some(1800 + base - (1 << 33)), None));
}

#[test]
fn what_cannot_be_carried_leaves_no_trace() {
    let (video, audio) = (video(), audio());
    let mut muxer = Muxer::new();
    let mut out = BytesMut::new();
    let mut push = |frame| (muxer.push(&frame, &mut out), out.len());
    let lying = Bytes::from_static(&[0, 0, 0, 2, 0x65, 1, 0, 0, 0, 9, 0x41]);
    let oversize = Bytes::from(vec![0; 8185]);
    assert_eq!(
        push(frame(&video, 0, true, lying)),
        (Err(Error::InvalidAccessUnit), 0)
    );
    let (result, length) = push(frame(&audio, 0, true, oversize));
    assert!(matches!(result, Err(Error::TooLarge { .. })) && length == 0);
    let (result, length) = push(frame(&other(), 0, true, Bytes::from_static(&[1])));
    assert!(matches!(result, Err(Error::Unsupported { .. })) && length == 0);
    let empty = [Bytes::new(), Bytes::from_static(&[0; 8])];
    for payload in empty {
        assert_eq!(push(frame(&video, 0, true, payload)), (Ok(()), 0));
    }
}

#[test]
fn no_sound_crosses_the_border_of_a_segment() {
    let audio = audio();
    let only = tracks(None, Some(&audio));
    let mut muxer = Muxer::new();
    let mut segments = Vec::new();
    for segment in 0..3 {
        let mut out = BytesMut::new();
        muxer.start_segment(&only, &mut out);
        for n in 0..10 {
            let at = (segment * 10 + n) * 10_240 / 441;
            let sound = Bytes::from(vec![segment as u8; 50]);
            muxer
                .push(&frame(&audio, at, true, sound), &mut out)
                .unwrap();
        }
        muxer.finish_segment(&mut out);
        muxer.finish_segment(&mut out);
        segments.push(out);
    }
    for (segment, bytes) in segments.iter().enumerate() {
        let units = pes_packets(bytes);
        let sound: Vec<u8> = units.into_iter().flat_map(|unit| unit.data).collect();
        assert_eq!(sound.len(), 10 * 57);
        assert!(
            sound
                .chunks(57)
                .all(|unit| unit[7..] == [segment as u8; 50])
        );
    }
}

/// A short frame of each codec, whole.
fn sound_of(track: &Track) -> Bytes {
    let header: (&[u8], usize) = match &track.codec {
        Codec::Opus(_) => (&[0xFC, 7, 7], 300),
        Codec::Ac3(_) => (&[0x0B, 0x77, 0x38, 0x90, 0x0C, 0x40, 0x43, 0xE1], 384),
        Codec::Eac3(_) => (&[0x0B, 0x77, 0x01, 0x7F, 0x3F, 0x87, 0xC0], 768),
        Codec::Mp3(_) => (&[0xFF, 0xFB, 0x94, 0x64], 384),
        _ => (&[1, 2, 3], 100),
    };
    let mut frame = header.0.to_vec();
    frame.resize(header.1, 9);
    frame.into()
}

#[test]
fn each_sound_has_a_pid_and_its_own_form() {
    let sounds = fuzzing::sounds();
    let mut tracks = Tracks::default();
    sounds.iter().for_each(|sound| tracks.set(sound));
    let mut muxer = Muxer::new();
    let mut out = BytesMut::new();
    muxer.start_segment(&tracks, &mut out);
    let packet = &out[188..];
    let map_length = usize::from(u16::from_be_bytes([packet[6], packet[7]]) & 0xFFF) + 3;
    let map = packet[5 + 12..5 + map_length - 4].to_vec();
    let expected: [&[u8]; 5] = [
        b"\x0F\xE1\x01\xF0\0",
        b"\x06\xE1\x02\xF0\x0A\x05\x04Opus\x7F\x02\x80\x02",
        b"\x81\xE1\x03\xF0\x09\x05\x04AC-3\x6A\x01\0",
        b"\x87\xE1\x04\xF0\x09\x05\x04EAC3\x7A\x01\0",
        b"\x03\xE1\x05\xF0\0",
    ];
    // FLAC has none.
    assert_eq!(map, expected.concat(), "{map:x?}");
    for sound in &sounds {
        let sent = frame(sound, 0, true, sound_of(sound));
        let result = muxer.push(&sent, &mut out);
        assert_eq!(result.is_err(), matches!(sound.codec, Codec::Flac(_)));
    }
    muxer.finish_segment(&mut out);
    let units = pes_packets(&out);
    let found = |id, bytes: &[u8]| {
        let alike = units.iter().filter(|unit| unit.data == bytes);
        alike
            .filter(|unit| unit.header.stream_id.as_u8() == id)
            .count()
    };
    // Opus has a control header: 300 bytes, as 255 and 45.
    let opus = [&[0x7F, 0xE0, 255, 45][..], &sound_of(&sounds[1])].concat();
    assert_eq!(found(0xBD, &opus), 1);
    for (sound, id) in [(3, 0xBD), (4, 0xBD), (5, 0xC0)] {
        assert_eq!(found(id, &sound_of(&sounds[sound])), 1);
    }
    assert_eq!(units.len(), 5);
}

#[test]
fn a_program_configuration_opens_each_segment() {
    let record = b"\x11\x80\x04\xC4\x04\0\x21\x10\x0DLavc59.37.100\x56\xE5\0";
    let config = lsv_core::codec::aac::Config::parse(Bytes::from_static(record)).unwrap();
    let program = config.program.clone().unwrap();
    let quad = Arc::new(Track::new(Kind::Audio, Codec::Aac(config)));
    let only = tracks(None, Some(&quad));
    let mut muxer = Muxer::new();
    for segment in 0..2 {
        let mut out = BytesMut::new();
        muxer.start_segment(&only, &mut out);
        for n in 0..2 {
            let at = (segment * 2 + n) * 64 / 3;
            let sent = frame(&quad, at, true, Bytes::from_static(&[0x21; 20]));
            muxer.push(&sent, &mut out).unwrap();
        }
        muxer.finish_segment(&mut out);
        let units = pes_packets(&out);
        assert_eq!(units[0].data[7..], [&program[..], &[0x21; 20]].concat());
        let length = usize::from(units[0].data[4]) << 3 | usize::from(units[0].data[5] >> 5);
        assert_eq!(length, 7 + program.len() + 20);
        assert_eq!(units[1].data[7..], [0x21; 20]);
    }
}

#[test]
fn script_data_for_viewers_is_timed_metadata() {
    let video = video();
    let data = Arc::new(Track::new(Kind::Data, Codec::Data));
    let text = Bytes::from_static(b"\x02\0\x0AonTextData\x02\0\x05hello");
    let frames = [
        frame(&video, 0, true, access_unit(KEY)),
        frame(&data, 10, false, Bytes::from_static(b"\x02\0\x04onFI\x05")),
        frame(&data, 20, false, text.clone()),
        frame(&data, 30, false, text),
    ];
    let bytes = muxed(&tracks(Some(&video), None), &frames);
    let maps = packets(&bytes)
        .into_iter()
        .filter_map(|packet| match packet.payload {
            Some(TsPayload::Pmt(map)) => Some((map.program_info.len(), map.es_info.len())),
            _ => None,
        });
    assert_eq!(maps.collect::<Vec<_>>(), [(0, 1), (1, 2)]);
    let pointer = b"\xF0\x11\x25\x0F\xFF\xFFID3 \xFFID3 \0\x1F\0\x01";
    let descriptor = b"\x15\xE1\x11\xF0\x0F\x26\x0D\xFF\xFFID3 \xFFID3 \0\x0F";
    for wanted in [&pointer[..], descriptor] {
        assert!(bytes.windows(wanted.len()).any(|window| window == wanted));
    }
    let tags: Vec<_> = pes_packets(&bytes)
        .into_iter()
        .filter(|unit| unit.header.stream_id.as_u8() == 0xBD)
        .map(|unit| (unit.header.pts.unwrap().as_u64(), unit.data))
        .collect();
    assert_eq!(tags.len(), 2);
    assert_eq!(tags[0].0, 126_000 + 1800);
    assert!(tags[0].1.starts_with(b"ID3\x04") && tags[0].1.ends_with(b"onTextData\0hello"));
}

#[test]
fn decoding_times_rise_whatever_comes() {
    let video = video();
    let frames: Vec<_> = [(0, 80), (40, -30), (80, -75), (80, 0), (120, 0)]
        .into_iter()
        .map(|(at, composition)| {
            let mut frame = frame(&video, at, at == 0, access_unit(INTER));
            frame.composition = Timestamp::from_millis(composition);
            frame
        })
        .collect();
    let units = pes_packets(&muxed(&tracks(Some(&video), None), &frames));
    let stamps: Vec<_> = units
        .iter()
        .map(|unit| {
            let pts = unit.header.pts.unwrap().as_u64();
            (unit.header.dts.map_or(pts, |dts| dts.as_u64()), pts)
        })
        .collect();
    assert!(
        stamps.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "{stamps:?}"
    );
    assert!(stamps.iter().all(|(dts, pts)| dts <= pts), "{stamps:?}");
}

proptest! {
    /// Every size lands in whole packets, and an independent reader gives back every byte.
    #[test]
    fn payloads_of_every_size(sizes in prop::collection::vec(1usize..2000, 1..8), key: bool) {
        let video = video();
        let Codec::Avc(config) = &video.codec else { unreachable!() };
        let frames: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(n, size)| {
                let unit = vec![0x41; *size];
                frame(&video, n as i64 * 40, key, access_unit(&[&unit]))
            })
            .collect();
        let bytes = muxed(&tracks(Some(&video), None), &frames);
        for (unit, frame) in pes_packets(&bytes).iter().zip(&frames) {
            let sent: Vec<_> = nal_units(&frame.payload, config.length_size)
                .map(Result::unwrap)
                .collect();
            prop_assert!(unit.data.ends_with(&sent.concat()));
        }
        prop_assert_eq!(pes_packets(&bytes).len(), sizes.len());
    }

    #[test]
    fn any_frame_gives_whole_packets(
        payload in prop::collection::vec(any::<u8>(), 0..300),
        dts: i64,
        composition: i64,
        key: bool,
        sound: bool,
    ) {
        let track = if sound { audio() } else { video() };
        let mut hostile = frame(&track, 0, key, payload.into());
        hostile.dts = Timestamp::from_nanos(dts);
        hostile.composition = Timestamp::from_nanos(composition);
        let mut out = BytesMut::new();
        let mut muxer = Muxer::new();
        let result = muxer.push(&hostile, &mut out);
        prop_assert!(result.is_ok() || out.is_empty());
        muxer.finish_segment(&mut out);
        prop_assert_eq!(out.len() % 188, 0);
    }
}
