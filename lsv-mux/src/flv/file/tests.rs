use std::sync::Arc;

use lsv_core::media::Track;
use proptest::prelude::*;

use super::*;
use crate::flv::{Frames, TAG_VIDEO};
use crate::testing::{audio, frame, tracks, video};

/// A file as it grew, and finished.
struct Recorded {
    grown: BytesMut,
    finished: Vec<u8>,
}

impl Recorded {
    fn of(frames: &[MediaFrame], metadata: Option<&'static [u8]>) -> Self {
        let mut tracks = tracks(Some(&video()), None);
        tracks.metadata = metadata.map(Bytes::from_static);
        let mut grown = BytesMut::new();
        let mut recording = Recording::start(&tracks, &mut grown);
        frames
            .iter()
            .for_each(|frame| recording.push(frame, &mut grown));
        let Finished { header, tags } = recording.finish();
        let tags = &grown[tags.start as usize..tags.end as usize];
        let finished = [&header[..], tags].concat();
        Self { grown, finished }
    }

    fn metadata(&self) -> Value {
        let size = u32::from_be_bytes([0, self.finished[14], self.finished[15], self.finished[16]]);
        let body = &self.finished[24..24 + size as usize];
        let message = Message::parse(body).unwrap();
        assert_eq!(message.name, "onMetaData");
        let [value] = &message.values[..] else {
            panic!("{message:?}");
        };
        value.clone()
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.metadata().property(name).and_then(Value::as_number)
    }

    /// The times and places that are said to be those of key frames.
    fn keys(&self) -> Vec<(f64, usize)> {
        let metadata = self.metadata();
        let list = |name| {
            let keys = metadata.property("keyframes")?;
            let Some(Value::List(values)) = keys.property(name) else {
                panic!("{keys:?}");
            };
            Some(values.iter().map(|value| value.as_number().unwrap()))
        };
        let pairs = list("times").zip(list("filepositions"));
        let pairs = pairs.map(|(times, places)| {
            assert_eq!(times.len(), places.len());
            times.zip(places.map(|place| place as usize)).collect()
        });
        pairs.unwrap_or_default()
    }
}

/// (kind, milliseconds, payload) of all frames of a file but for its metadata.
fn read(file: &[u8]) -> Vec<(Kind, i64, Bytes)> {
    let mut frames = Frames::default();
    frames.push(file);
    let read = std::iter::from_fn(|| frames.next().unwrap());
    read.filter(|frame| !frame.payload.starts_with(ON_META_DATA))
        .map(|frame| (frame.kind(), frame.dts.as_millis(), frame.payload))
        .collect()
}

/// Where tags begin in a file in which every `PreviousTagSize` is right.
fn places(file: &[u8]) -> Vec<usize> {
    let mut places = Vec::new();
    let mut at = 9 + 4;
    while at < file.len() {
        places.push(at);
        let size = u32::from_be_bytes([0, file[at + 1], file[at + 2], file[at + 3]]);
        let end = at + 11 + size as usize;
        assert_eq!(file[end..end + 4], (size + 11).to_be_bytes());
        at = end + 4;
    }
    assert_eq!(at, file.len());
    places
}

fn picture(track: &Arc<Track>, millis: i64, key: bool) -> MediaFrame {
    frame(track, millis, key, Bytes::from_static(b"slice"))
}

#[test]
fn the_front_says_what_is_behind() {
    let sound = frame(&audio(), 5_010, true, Bytes::from_static(b"aac"));
    let pictures = (0..91).map(|n| picture(&video(), 5_000 + n * 100 / 3, n % 30 == 0));
    let mut frames: Vec<_> = pictures.collect();
    frames.insert(1, sound);
    let claims = b"\x02\0\x0AonMetaData\x03\0\x08duration\0\0\0\0\0\0\0\0\0\
        \0\x07encoder\x02\0\x03OBS\0\x05width\0\x40\x29\0\0\0\0\0\0\0\0\x09";
    let recorded = Recorded::of(&frames, Some(claims));

    let file = &recorded.finished;
    assert_eq!(file[..13], *b"FLV\x01\x05\0\0\0\x09\0\0\0\0");
    assert_eq!(file[24..42], *b"\x02\0\x0AonMetaData\x08\0\0\0\x15");
    let number = |name| recorded.number(name);
    assert_eq!(number("filesize"), Some(file.len() as f64));
    let duration = number("duration").unwrap();
    assert!((3.033..3.035).contains(&duration), "{duration}");
    let of_picture = ["width", "height", "framerate", "videocodecid"].map(number);
    assert_eq!(
        of_picture,
        [Some(640.0), Some(360.0), Some(30.0), Some(7.0)]
    );
    let of_sound = ["audiocodecid", "audiosamplerate", "audiochannels"].map(number);
    assert_eq!(of_sound, [Some(10.0), Some(44_100.0), Some(2.0)]);
    let metadata = recorded.metadata();
    let said = |name| metadata.property(name);
    assert_eq!(said("encoder").and_then(Value::as_text), Some("OBS"));
    assert_eq!(said("hasKeyframes"), Some(&Value::Boolean(true)));
    assert_eq!(said("canSeekToEnd"), Some(&Value::Boolean(true)));

    let keys = recorded.keys();
    let times: Vec<f64> = keys.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [0.0, 1.0, 2.0, 3.0]);
    // The file as it grew has the very same media, under the publisher's word.
    assert_eq!(read(&recorded.grown), read(file));
    assert_eq!(read(file).len(), 92);
    assert_eq!(recorded.grown[13 + 11..13 + 11 + claims.len()], claims[..]);
}

#[test]
fn what_comes_late_is_said_in_front() {
    let said = Bytes::from_static(b"\x02\0\x0AonMetaData\x08\0\0\0\x01\0\x01a\x01\x01\0\0\x09");
    let data = |payload| {
        frame(
            &Arc::new(Track::new(Kind::Data, Codec::Data)),
            40,
            false,
            payload,
        )
    };
    let text = data(Bytes::from_static(b"\x02\0\x0AonTextData\x05"));
    let frames = [picture(&video(), 0, true), data(said), text];
    let recorded = Recorded::of(&frames, None);
    let metadata = recorded.metadata();
    assert_eq!(metadata.property("a"), Some(&Value::Boolean(true)));
    let kinds: Vec<_> = read(&recorded.finished).iter().map(|it| it.0).collect();
    assert_eq!(kinds, [Kind::Video, Kind::Data]);
    assert_eq!(recorded.finished[4], 1);
}

#[test]
fn a_file_of_nothing() {
    let recorded = Recorded::of(&[], None);
    assert_eq!(recorded.number("duration"), Some(0.0));
    assert_eq!(recorded.number("videocodecid"), None);
    assert_eq!(recorded.keys(), []);
    assert_eq!(
        recorded.number("filesize"),
        Some(recorded.finished.len() as f64)
    );
}

#[test]
fn very_many_key_frames_are_thinned_out() {
    let frames: Vec<_> = (0..200_000)
        .map(|n| picture(&video(), n * 20, true))
        .collect();
    let file = Recorded::of(&frames, None).finished;
    let front = places(&file)[1];
    assert!(front < 2 << 20, "{front}");

    let mut keys = Keys::default();
    for n in 0..200_000 {
        keys.note(Timestamp::from_millis(n * 20), n as u64);
    }
    assert_eq!(keys.places.len(), 50_000);
    let evenly = |pair: &[(Timestamp, u64)]| pair[1].1 - pair[0].1 == 4;
    assert!(keys.places.windows(2).all(evenly));
}

#[test]
fn times_survive_readers_that_round_down() {
    for millis in 0..1_000_000 {
        let seconds = seconds(Timestamp::from_millis(millis));
        assert_eq!((seconds * 1000.0) as i64, millis);
    }
}

proptest! {
    #[test]
    fn places_are_those_of_key_frames(
        frames in prop::collection::vec((0..3_u8, 0..5_000_i64, any::<bool>(), 0..40_usize), 0..60),
    ) {
        let mut at = 0;
        let frames: Vec<_> = frames
            .into_iter()
            .map(|(kind, step, key, size)| {
                at += step;
                let track = match kind {
                    0 => audio(),
                    1 => video(),
                    // Another configuration, which has a sequence header of its own.
                    _ => Arc::new((*video()).clone().with_metadata(Some(Bytes::new()))),
                };
                frame(&track, at, key, vec![7; size].into())
            })
            .collect();
        let recorded = Recorded::of(&frames, None);
        let file = &recorded.finished;
        prop_assert_eq!(recorded.number("filesize"), Some(file.len() as f64));
        prop_assert_eq!(read(file), read(&recorded.grown));

        let sent: Vec<_> = frames.iter().filter(|frame| !frame.payload.is_empty()).collect();
        let origin = sent.first().map_or(Timestamp::ZERO, |first| first.dts);
        let expected: Vec<_> = sent
            .iter()
            .map(|frame| (frame.kind(), (frame.dts - origin).as_millis(), frame.payload.clone()))
            .collect();
        prop_assert_eq!(read(file), expected);

        let keys: Vec<_> = sent.iter().filter(|frame| frame.kind() == Kind::Video && frame.key).collect();
        let said = recorded.keys();
        prop_assert_eq!(said.len(), keys.len());
        places(&recorded.grown);
        let places = places(file);
        for ((seconds, place), key) in said.into_iter().zip(keys) {
            let millis = (key.dts - origin).as_millis();
            prop_assert_eq!((seconds * 1000.0) as i64, millis);
            prop_assert!(places.contains(&place));
            let [low @ .., high] = &file[place + 4..place + 8] else { panic!() };
            prop_assert_eq!([*high, low[0], low[1], low[2]], (millis as u32).to_be_bytes());
            // A key frame of H.264.
            prop_assert_eq!((file[place], file[place + 11]), (TAG_VIDEO, 0x17));
        }
    }
}
