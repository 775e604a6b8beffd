use proptest::prelude::*;

use super::*;
use crate::fuzzing;
use crate::mp4::fragment::{TrackSamples, of_tracks};
use crate::mp4::{self, recording::Fragmenter};
use crate::testing;

type Read = (Vec<Arc<Track>>, Vec<(usize, MediaFrame)>);

/// All that comes of `stream`, pushed in pieces of `step` bytes.
fn read(stream: &[u8], step: usize) -> Result<Read, DemuxError> {
    let mut demuxer = Demuxer::default();
    let (mut known, mut frames) = (Vec::new(), Vec::new());
    for piece in stream.chunks(step) {
        demuxer.push(Bytes::copy_from_slice(piece));
        while let Some(event) = demuxer.next()? {
            match event {
                Event::Tracks(tracks) => known = tracks,
                Event::Frame { track, frame } => frames.push((track, frame)),
            }
        }
    }
    Ok((known, frames))
}

/// Of a file with several tracks.
fn header(tracks: &[Arc<Track>]) -> Bytes {
    let fragmenter = Fragmenter::new(tracks, Default::default()).unwrap();
    fragmenter.header().init().clone()
}

fn reason(stream: &[u8]) -> Reason {
    read(stream, usize::MAX).unwrap_err().reason
}

fn sample(size: usize) -> mp4::Sample {
    mp4::Sample {
        duration: 3_000,
        composition: 0,
        key: true,
        payload: vec![size as u8; size].into(),
    }
}

#[test]
fn every_codec_is_known_by_its_entry() {
    let sounds = fuzzing::sounds();
    let tracks: Vec<_> = [testing::video()].into_iter().chain(sounds).collect();
    let (known, _) = read(&header(&tracks), usize::MAX).unwrap();
    assert_eq!(known.len(), tracks.len());
    for (known, track) in known.iter().zip(&tracks) {
        let name = (known.name(), known.codec.fourcc());
        assert_eq!(name, (track.name(), track.codec.fourcc()));
        // What AC-3 is set to is in its frames.
        if !matches!(track.codec, Codec::Ac3(_) | Codec::Eac3(_)) {
            assert_eq!(known.codec, track.codec);
        }
    }
}

#[test]
fn sound_without_a_record_is_known_from_its_first_frame() {
    let described = |track: &&Arc<Track>| matches!(track.codec, Codec::Ac3(_));
    let sounds = fuzzing::sounds();
    let track = sounds.iter().find(described).unwrap();
    let frame = mp4::Sample {
        payload: Bytes::from_static(&[0x0B, 0x77, 0x38, 0x90, 0x0C, 0x40, 0x43, 0xE1]),
        ..sample(0)
    };
    let stream = [
        mp4::init(track).unwrap(),
        mp4::fragment(1, 0, &[frame.clone(), frame]),
    ]
    .concat();
    let (known, frames) = read(&stream, usize::MAX).unwrap();
    assert!(matches!(known[0].codec, Codec::Other { .. }));
    assert_eq!(frames[0].1.track.codec, track.codec);
    assert!(Arc::ptr_eq(&frames[0].1.track, &frames[1].1.track));
    let noise = [mp4::init(track).unwrap(), mp4::fragment(1, 0, &[sample(9)])].concat();
    assert!(matches!(reason(&noise), Reason::Config(_)));
}

#[test]
fn a_frame_is_there_with_its_last_byte_and_shares_memory() {
    let header = mp4::init(&testing::video()).unwrap();
    let fragment = mp4::fragment(1, 90_000, &[sample(500), sample(300)]);
    let mut demuxer = Demuxer::default();
    demuxer.push(header);
    assert!(matches!(demuxer.next(), Ok(Some(Event::Tracks(_)))));
    let first_end = fragment.len() - 300;
    demuxer.push(fragment.slice(..first_end - 1));
    assert!(demuxer.next().unwrap().is_none());
    demuxer.push(fragment.slice(first_end - 1..first_end));
    let Some(Event::Frame { frame, .. }) = demuxer.next().unwrap() else {
        panic!("no frame");
    };
    assert_eq!(
        (frame.dts, frame.payload.len()),
        (Timestamp::from_millis(1_000), 500)
    );
    let rest = fragment.slice(first_end..);
    demuxer.push(rest.clone());
    let Some(Event::Frame { frame, .. }) = demuxer.next().unwrap() else {
        panic!("no frame");
    };
    assert_eq!(frame.payload.as_ptr(), rest.as_ptr());
}

#[test]
fn what_cannot_be_is_refused() {
    let header = mp4::init(&testing::video()).unwrap();
    let fragment = mp4::fragment(1, 0, &[sample(4)]);
    let stream = [&header[..], &fragment].concat();
    assert!(read(&stream, 3).is_ok());
    let at = |name: &[u8]| stream.windows(4).position(|kind| kind == name).unwrap();
    let with = |place: usize, bytes: &[u8]| {
        let mut stream = stream.clone();
        stream[place..place + bytes.len()].copy_from_slice(bytes);
        reason(&stream)
    };
    assert_eq!(reason(b"FLV\x01\0\0\0\x09"), Reason::NotMp4);
    assert_eq!(with(at(b"mdat") - 4, &[0; 4]), Reason::BoxSize);
    assert_eq!(with(at(b"moof") - 4, &[0, 0, 0, 7]), Reason::BoxSize);
    assert!(matches!(
        with(at(b"moof") - 4, &[0xFF; 4]),
        Reason::HeaderTooLong { .. }
    ));
    assert_eq!(with(at(b"mvex"), b"free"), Reason::Missing(*b"mvex"));
    assert_eq!(with(at(b"avcC"), b"free"), Reason::Missing(*b"avcC"));
    assert_eq!(with(at(b"avc1"), b"mp4v"), Reason::Unsupported(*b"mp4v"));
    assert_eq!(
        with(at(b"tfhd") + 8, &[0, 0, 0, 9]),
        Reason::UnknownTrack(9)
    );
    let trun = at(b"trun");
    assert_eq!(with(trun + 8, &[0xFF; 4]), Reason::TooManySamples(65_536));
    assert_eq!(with(trun + 8, &[0, 0, 0, 2]), Reason::Truncated(*b"trun"));
    assert_eq!(with(trun + 12, &[0, 0, 0, 0]), Reason::Place);
    assert!(matches!(
        with(trun + 16, &[0xFF; 4]),
        Reason::FrameTooLong { .. }
    ));
    assert_eq!(with(trun + 16, &[0, 0, 0, 5]), Reason::Place);
    assert_eq!(with(at(b"tfdt") + 8, &[0xFF; 8]), Reason::Time);
    assert_eq!(with(at(b"tfdt") + 8, &[0x7F; 8]), Reason::Time);
    assert_eq!(reason(&[&header[..], &header].concat()[..]), Reason::Order);
    assert_eq!(
        reason(&[&header[..at(b"moov") - 4], &fragment].concat()),
        Reason::Order
    );
}

#[test]
fn an_error_is_the_end() {
    let mut demuxer = Demuxer::default();
    demuxer.push(Bytes::from_static(b"\0\0\0\x08junk"));
    let error = demuxer.next().unwrap_err();
    demuxer.push(mp4::init(&testing::video()).unwrap());
    assert_eq!(demuxer.next().unwrap_err(), error);
}

fn any_sample() -> impl Strategy<Value = mp4::Sample> {
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    let composition = prop_oneof![Just(0), -100_000..100_000_i32];
    (0..100_000_u32, composition, any::<bool>(), payload).prop_map(
        |(duration, composition, key, payload)| mp4::Sample {
            duration,
            composition,
            key,
            payload: payload.into(),
        },
    )
}

proptest! {
    /// What our own muxers write of several tracks comes back, however it is cut.
    #[test]
    fn fragments_read_back(
        base in 0..1_u64 << 40,
        fragments in prop::collection::vec(prop::collection::vec(prop::collection::vec(any_sample(), 0..6), 2), 0..5),
        step in 1..2_000_usize,
    ) {
        let tracks = [testing::video(), testing::audio()];
        let mut stream = header(&tracks).to_vec();
        let mut bases = [base; 2];
        let mut expected = Vec::new();
        for (sequence, fragment) in (1..).zip(&fragments) {
            let samples: Vec<_> = (fragment.iter().zip(bases).zip(1..))
                .map(|((samples, base), id)| TrackSamples { id, base, samples })
                .collect();
            stream.extend_from_slice(&of_tracks(sequence, &samples).0);
            for (track, samples) in fragment.iter().enumerate() {
                for sample in samples {
                    let at = |ticks: i64| Timestamp::of_scale(ticks, mp4::timescale(&tracks[track])).unwrap();
                    let time = bases[track] as i64;
                    let key = sample.key && track == 0;
                    expected.push((track, at(time), at(time + i64::from(sample.composition)), key, sample.payload.clone()));
                    bases[track] += u64::from(sample.duration);
                }
            }
        }
        let (known, frames) = read(&stream, step).unwrap();
        prop_assert_eq!(&known[..], &tracks[..]);
        let found: Vec<_> = frames
            .into_iter()
            .map(|(track, frame)| (track, frame.dts, frame.pts(), frame.key, frame.payload))
            .collect();
        prop_assert_eq!(found, expected);
    }
}
