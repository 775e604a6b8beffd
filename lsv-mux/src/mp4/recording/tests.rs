use std::io::Cursor;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::segmenter::synthetic::Source;
use crate::testing;
use lsv_core::media::{Kind, MediaFrame};
use lsv_core::time::Timestamp;

/// A recording in both its forms, and what was remembered of it.
struct Recorded {
    grown: Vec<u8>,
    index: Index,
    /// Where each fragment ends in the file.
    ends: Vec<usize>,
}

impl Recorded {
    fn of(frames: &[MediaFrame], tracks: &[Arc<Track>], leave_out: impl Fn(usize) -> bool) -> Self {
        let mut fragmenter = Fragmenter::new(tracks, Options::default()).unwrap();
        let mut index = Index::new(fragmenter.header());
        let mut grown = fragmenter.header().init().to_vec();
        let mut ends = vec![grown.len()];
        let mut fragments: Vec<Fragment> = frames
            .iter()
            .filter_map(|frame| fragmenter.push(frame).unwrap())
            .collect();
        fragments.extend(fragmenter.finish(None));
        assert!(fragmenter.finish(None).is_none());
        for (number, fragment) in fragments.iter().enumerate() {
            if !leave_out(number) {
                grown.extend_from_slice(fragment.bytes());
                index.add(fragment);
                ends.push(grown.len());
            }
        }
        Self { grown, index, ends }
    }

    fn source(source: &Source, millis: i64) -> Self {
        let tracks: Vec<_> = source.video.iter().chain(&source.audio).cloned().collect();
        Self::of(&source.frames(millis), &tracks, |_| false)
    }

    fn flat(&self) -> Vec<u8> {
        flat(&self.index, &self.grown)
    }
}

fn flat(index: &Index, grown: &[u8]) -> Vec<u8> {
    let flat = index.flatten();
    let media = &grown[flat.media.start as usize..flat.media.end as usize];
    [&flat.header[..], media].concat()
}

fn scan(file: &[u8]) -> Result<Option<Index>, Damaged> {
    let mut scan = Scan::new(file.len() as u64);
    while let Some(wanted) = scan.wants() {
        scan.push(&file[wanted.start as usize..wanted.end as usize])?;
    }
    Ok(scan.index())
}

type Reader = mp4::Mp4Reader<Cursor<Vec<u8>>>;

fn read(bytes: Vec<u8>) -> Reader {
    let size = bytes.len() as u64;
    mp4::Mp4Reader::read_header(Cursor::new(bytes), size).unwrap()
}

/// (start, duration, composition, key, payload) of every sample of a track in ticks.
fn samples(reader: &mut Reader, track: u32) -> Vec<(u64, u32, i32, bool, Bytes)> {
    let count = reader.sample_count(track).unwrap();
    (1..=count)
        .map(|id| {
            let sample = reader.read_sample(track, id).unwrap().unwrap();
            let (start, offset) = (sample.start_time, sample.rendering_offset);
            (start, sample.duration, offset, sample.is_sync, sample.bytes)
        })
        .collect()
}

/// The `mp4` crate, written by others, finds every payload through the tables.
#[test]
fn tables_lead_to_every_frame() {
    let source = Source {
        b_frames: true,
        ..Source::default()
    };
    let recorded = Recorded::source(&source, 10_000);
    let mut reader = read(recorded.flat());
    let sent = source.frames(10_000);
    for (id, kind) in [(1, Kind::Video), (2, Kind::Audio)] {
        let sent: Vec<_> = sent.iter().filter(|frame| frame.kind() == kind).collect();
        let got = samples(&mut reader, id);
        assert_eq!(got.len(), sent.len());
        let scale = i64::from(reader.tracks()[&id].timescale());
        let mut end = 0;
        for ((start, duration, composition, key, payload), frame) in got.iter().zip(&sent) {
            assert_eq!((*start, payload), (end, &frame.payload));
            assert_eq!(*key, frame.key || kind == Kind::Audio);
            let off = *start as i64 * 1000 / scale - frame.dts.as_millis();
            assert!((-1..=1).contains(&off), "{off} ms at {start}");
            let shown = i64::from(*composition) * 1000 / scale;
            assert!((shown - frame.composition.as_millis()).abs() <= 1);
            end = start + u64::from(*duration);
        }
        let seconds = end as f64 / scale as f64;
        assert!((9.97..10.03).contains(&seconds), "{kind:?} {seconds}");
    }
    assert_eq!(reader.tracks()[&2].sample_count(), 431);
    let shown = recorded.index.duration().as_secs_f64();
    // The last picture to be shown is decoded 100 ms earlier.
    assert!((10.09..10.11).contains(&shown), "{shown}");
}

#[test]
fn the_file_that_grows_is_read_by_others_too() {
    let recorded = Recorded::source(&Source::default(), 5_000);
    let reader = read(recorded.grown.clone());
    assert_eq!(reader.moofs.len(), recorded.ends.len() - 1);
    assert_eq!(reader.moofs.len(), 5);
    let samples = |id: u32| -> usize {
        let trafs = reader.moofs.iter().flat_map(|moof| &moof.trafs);
        let of_track = trafs.filter(|traf| traf.tfhd.track_id == id);
        of_track
            .map(|traf| traf.trun.as_ref().unwrap().sample_count as usize)
            .sum()
    };
    assert_eq!((samples(1), samples(2)), (150, 216));
}

/// `edts`: the picture begins with the sound though it is decoded earlier than shown; what begins later is late.
#[test]
fn tracks_lie_in_time_as_they_were_sent() {
    let edits = |recorded: &Recorded, id: u32| {
        let reader = read(recorded.flat());
        let edts = reader.tracks()[&id].trak.edts.clone();
        let entries = edts.and_then(|edts| edts.elst).map(|elst| elst.entries);
        let entries = entries.unwrap_or_default();
        let pairs = entries
            .iter()
            .map(|entry| (entry.segment_duration, entry.media_time as i64));
        pairs.collect::<Vec<_>>()
    };
    let plain = Recorded::source(&Source::default(), 2_000);
    // The last frame of sound ends behind the last picture, and is left where that vanishes.
    assert_eq!(edits(&plain, 1), []);
    assert_eq!(edits(&plain, 2), [(180_000, 0)]);
    assert_eq!(plain.index.duration(), Duration::from_secs(2));

    let reordered = Source {
        b_frames: true,
        ..Source::default()
    };
    let reordered = Recorded::source(&reordered, 2_000);
    // Two frames of a thirtieth of a second: the sound comes first, and then the picture.
    let [(delay, -1), (_, 6_000)] = edits(&reordered, 1)[..] else {
        panic!("{:?}", edits(&reordered, 1));
    };
    assert_eq!(delay, 6_000);
    assert_eq!(edits(&reordered, 2), []);

    let source = Source::default();
    let mut frames = source.frames(2_000);
    frames.retain(|frame| frame.kind() == Kind::Video || frame.dts.as_millis() >= 500);
    let tracks = [testing::video(), testing::audio()];
    let late = Recorded::of(&frames, &tracks, |_| false);
    assert_eq!(edits(&late, 1), []);
    let [(delay, -1), (_, 0)] = edits(&late, 2)[..] else {
        panic!("{:?}", edits(&late, 2));
    };
    assert!((45_000..48_000).contains(&delay), "{delay}");

    // Of a frame of sound that began 13 ms before the first picture, what is heard with that.
    frames = source.frames(2_000);
    for frame in &mut frames {
        let later = if frame.kind() == Kind::Video { 20 } else { 7 };
        frame.dts = frame.dts + Duration::from_millis(later);
    }
    let early = Recorded::of(&frames, &tracks, |_| false);
    assert_eq!(edits(&early, 1), []);
    assert_eq!(edits(&early, 2), [(180_000, 573)]);
}

#[test]
fn a_fragment_left_out_is_a_gap_and_nothing_else() {
    let source = Source::default();
    let tracks = [testing::video(), testing::audio()];
    let recorded = Recorded::of(&source.frames(6_000), &tracks, |number| number == 2);
    let mut reader = read(recorded.flat());
    let video = samples(&mut reader, 1);
    assert_eq!(video.len(), 150);
    // The last picture before the gap stays for the second that is missing.
    let (start, duration, ..) = video[59];
    assert_eq!((start + u64::from(duration)) / 90, 3_000);
    assert!((1_033..=1_034).contains(&(duration / 90)), "{duration}");
    assert_eq!(video[60].0 / 90, 3_000);
    let scanned = scan(&recorded.grown).unwrap().unwrap();
    assert_eq!(flat(&scanned, &recorded.grown), recorded.flat());
}

#[test]
fn a_file_cut_off_anywhere_keeps_its_whole_fragments() {
    let recorded = Recorded::source(&Source::default(), 4_500);
    for length in 0..=recorded.grown.len() {
        let file = &recorded.grown[..length];
        let whole = recorded.ends.iter().rev().find(|end| **end <= length);
        match (scan(file), whole) {
            (Ok(Some(index)), Some(end)) => assert_eq!(index.length(), *end as u64),
            (Ok(None) | Err(_), None) => {}
            (found, whole) => panic!("{found:?} {whole:?}"),
        }
    }
    let whole = scan(&recorded.grown).unwrap().unwrap();
    assert_eq!(flat(&whole, &recorded.grown), recorded.flat());
}

#[test]
fn fragments_end_with_groups_or_without_them() {
    let count = |gop: u32| {
        let source = Source {
            gop,
            ..Source::video_only()
        };
        Recorded::source(&source, 20_000).ends.len() - 1
    };
    assert_eq!(count(30), 20);
    assert_eq!(count(60), 10);
    assert_eq!(count(6), 20);
    assert_eq!(count(10_000), 10);
    assert_eq!(
        Recorded::source(&Source::audio_only(), 20_000).ends.len() - 1,
        20
    );
}

#[test]
fn a_track_that_is_not_in_the_header_needs_another_file() {
    let mut fragmenter = Fragmenter::new(&[testing::video()], Options::default()).unwrap();
    let audio = testing::frame(&testing::audio(), 0, true, Bytes::from_static(b"x"));
    assert_eq!(fragmenter.push(&audio).err(), Some(Error::UnknownTrack));
    assert!(matches!(
        Fragmenter::new(&[testing::other()], Options::default()),
        Err(Error::Unsupported { .. })
    ));
    assert!(matches!(
        Fragmenter::new(&[], Options::default()),
        Err(Error::NoTracks)
    ));
}

/// Pictures whose decoding times are `millis`, shown with the fourth after them.
fn shown_later(millis: impl Iterator<Item = i64> + Clone) -> Vec<MediaFrame> {
    let shown = millis.clone().skip(4);
    let picture = |(at, shown): (i64, i64)| {
        let mut frame =
            testing::frame(&testing::video(), at, at == 0, Bytes::from_static(b"slice"));
        frame.composition = Timestamp::from_millis(shown - at);
        frame
    };
    millis.zip(shown).map(picture).collect()
}

/// The configuration says 30 frames a second, and two seconds of frames tell that it is 29.97.
#[test]
fn pictures_of_a_regular_rate_last_exactly_as_long() {
    let mut frames = shown_later((0..600).map(|n| n * 1001 / 30));
    let sounds = Source::audio_only().frames(19_000);
    frames.extend(sounds.iter().cloned());
    frames.sort_by_key(|frame| frame.dts);
    let recorded = Recorded::of(&frames, &[testing::video(), testing::audio()], |_| false);

    let mut reader = read(recorded.flat());
    let pictures = samples(&mut reader, 1);
    assert_eq!(pictures.len(), 596);
    for (_, duration, composition, ..) in &pictures[120..] {
        assert_eq!((*duration, *composition), (3_003, 4 * 3_003));
    }
    let alone = Recorded::of(&sounds, &[testing::audio()], |_| false);
    let timing = |reader: &mut Reader, track| {
        let samples = samples(reader, track).into_iter();
        let timing = samples.map(|(start, duration, ..)| (start, duration));
        timing.collect::<Vec<_>>()
    };
    assert_eq!(timing(&mut reader, 2), timing(&mut read(alone.flat()), 1));

    let grown = read(recorded.grown.clone());
    let trafs = grown.moofs.iter().flat_map(|moof| &moof.trafs);
    let video = trafs.filter(|traf| traf.tfhd.track_id == 1);
    let durations = video.flat_map(|traf| {
        let run = traf.trun.as_ref().unwrap();
        let one = traf.tfhd.default_sample_duration;
        match run.sample_durations.is_empty() {
            true => vec![one.unwrap(); run.sample_count as usize],
            false => run.sample_durations.clone(),
        }
    });
    let durations: Vec<u32> = durations.collect();
    let tables: Vec<u32> = pictures.iter().map(|sample| sample.1).collect();
    assert_eq!(durations, tables);
}

#[test]
fn pictures_of_no_regular_rate_stay_as_they_are() {
    let times = (0..200).scan(0, |at, n| {
        let now = *at;
        *at += [17, 90, 41, 250, 8][n % 5];
        Some(now)
    });
    let frames = shown_later(times);
    let recorded = Recorded::of(&frames, &[testing::video()], |_| false);
    let pictures = samples(&mut read(recorded.flat()), 1);
    for (frame, (start, _, composition, ..)) in frames.iter().zip(&pictures) {
        assert_eq!(*start as i64, frame.dts.to_scale(90_000));
        let shown = frame.composition.to_scale(90_000);
        assert_eq!(i64::from(*composition), shown);
    }
}

fn any_frame() -> impl Strategy<Value = (bool, i64, i64, bool, Vec<u8>)> {
    let millis = prop_oneof![0..5_000i64, -10..100_000_000_000i64];
    let later = prop_oneof![0..200i64, any::<i32>().prop_map(i64::from)];
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    (any::<bool>(), millis, later, any::<bool>(), payload)
}

proptest! {
    /// Whatever the times: all payloads are there in their order, and a scan finds what was remembered.
    #[test]
    fn nothing_is_lost(frames in prop::collection::vec(any_frame(), 1..60)) {
        let tracks = [testing::video(), testing::audio()];
        let frames: Vec<_> = frames
            .into_iter()
            .map(|(video, millis, later, key, payload)| {
                let track = &tracks[usize::from(!video)];
                let mut frame = testing::frame(track, millis, key, payload.into());
                frame.composition = Timestamp::from_millis(later);
                frame
            })
            .collect();
        let recorded = Recorded::of(&frames, &tracks, |_| false);
        let file = recorded.flat();
        for (kind, table) in [Kind::Video, Kind::Audio].iter().zip(recorded.index.places()) {
            let sent = frames.iter().filter(|frame| frame.kind() == *kind && !frame.payload.is_empty());
            let sent: Vec<_> = sent.map(|frame| frame.payload.clone()).collect();
            let moved = recorded.index.flatten().header.len() as i64 - recorded.index.header.init.len() as i64;
            let got: Vec<_> = table
                .into_iter()
                .map(|place| { let at = (place.start as i64 + moved) as usize; Bytes::copy_from_slice(&file[at..at + (place.end - place.start) as usize]) })
                .collect();
            prop_assert_eq!(got, sent);
        }
        let scanned = scan(&recorded.grown).unwrap().unwrap();
        prop_assert_eq!(flat(&scanned, &recorded.grown), file);
    }

    #[test]
    fn scans_survive_anything(
        at in any::<prop::sample::Index>(),
        junk in prop::collection::vec(any::<u8>(), 1..64),
    ) {
        let mut file = Recorded::source(&Source::default(), 3_000).grown;
        let at = at.index(file.len());
        let end = file.len().min(at + junk.len());
        file[at..end].copy_from_slice(&junk[..end - at]);
        if let Ok(Some(index)) = scan(&file) {
            prop_assert!(index.length() <= file.len() as u64);
            index.flatten();
        }
    }
}
