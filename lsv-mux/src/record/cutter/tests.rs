use super::*;
use crate::mp4::recording::Index;
use crate::segmenter::synthetic::Source;
use crate::testing;

fn cutter(files: Files, seconds: u64) -> Cutter {
    Cutter::new(files, Duration::from_secs(seconds), Options::default())
}

fn at(millis: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis.unsigned_abs())
}

fn push_all(cutter: &mut Cutter, frames: &[MediaFrame]) {
    for frame in frames {
        cutter.push(frame, at(frame.dts.as_millis()));
    }
}

fn known(source: &Source) -> Arc<Tracks> {
    Arc::new(testing::tracks(
        source.video.as_ref(),
        source.audio.as_ref(),
    ))
}

/// The files of a recording: its start, its samples, and its length.
struct File {
    beginning: Beginning,
    samples: usize,
    independent: bool,
    millis: Option<u128>,
}

fn files(cuts: Vec<Cut>) -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    for cut in cuts {
        match cut {
            Cut::Begin(beginning) => {
                assert!(files.last().is_none_or(|file| file.millis.is_some()));
                files.push(File {
                    beginning,
                    samples: 0,
                    independent: false,
                    millis: None,
                });
            }
            Cut::Fragment(fragment) => {
                let file = files.last_mut().expect("a file");
                assert!(file.millis.is_none());
                file.independent |= file.samples == 0 && fragment.is_independent();
                file.samples += fragment.samples();
            }
            Cut::End { duration } => {
                files.last_mut().expect("a file").millis = Some(duration.as_millis());
            }
        }
    }
    assert!(files.last().is_none_or(|file| file.millis.is_some()));
    files
}

fn lengths(files: &[File]) -> Vec<u128> {
    files.iter().filter_map(|file| file.millis).collect()
}

fn samples(files: &[File]) -> usize {
    files.iter().map(|file| file.samples).sum()
}

#[test]
fn files_are_cut_at_key_frames_and_lose_nothing() {
    let source = Source::default();
    let frames = source.frames(17_000);
    for kind in [Files::Whole, Files::Segments] {
        let mut cutter = cutter(kind, 5);
        cutter.expect(&known(&source));
        push_all(&mut cutter, &frames);
        cutter.interrupt();
        let files = files(cutter.take());
        assert_eq!(lengths(&files)[..3], [5_000, 5_000, 5_000]);
        assert!((1_990..2_020).contains(&lengths(&files)[3]));
        assert_eq!(samples(&files), frames.len());
        assert!(files.iter().all(|file| file.independent));
        let fresh: Vec<_> = files.iter().map(|file| file.beginning.is_fresh).collect();
        assert_eq!(
            fresh,
            [
                true,
                kind == Files::Whole,
                kind == Files::Whole,
                kind == Files::Whole
            ]
        );
        let walls: Vec<_> = files.iter().map(|file| file.beginning.wall).collect();
        assert_eq!(walls, [0, 5_000, 10_000, 15_000].map(at));
    }
}

#[test]
fn no_file_is_longer_than_it_was_set_to_where_key_frames_allow() {
    let source = Source {
        gop: 90,
        ..Source::video_only()
    };
    let mut cutter = cutter(Files::Whole, 10);
    cutter.expect(&known(&source));
    push_all(&mut cutter, &source.frames(30_000));
    cutter.set_length(Duration::from_secs(2));
    push_all(&mut cutter, &source.frames(39_000)[900..]);
    cutter.interrupt();
    let files = files(cutter.take());
    assert_eq!(lengths(&files)[..5], [9_000, 9_000, 9_000, 3_000, 3_000]);
}

/// What two seconds have told of the rate holds for all files that follow.
#[test]
fn pictures_keep_their_pace_from_file_to_file() {
    let source = Source {
        fps_millis: 29_970,
        ..Source::video_only()
    };
    let mut cutter = cutter(Files::Whole, 5);
    cutter.expect(&known(&source));
    push_all(&mut cutter, &source.frames(20_000));
    cutter.interrupt();
    let mut indices: Vec<Index> = Vec::new();
    for cut in cutter.take() {
        match (cut, indices.last_mut()) {
            (Cut::Begin(beginning), _) => indices.push(Index::new(&beginning.header)),
            (Cut::Fragment(fragment), Some(index)) => index.add(&fragment),
            _ => {}
        }
    }
    assert_eq!(indices.len(), 4);
    for index in &indices[1..] {
        let header = index.flatten().header;
        let name = header.windows(4).position(|name| name == b"stts").unwrap();
        // Version and flags, one run, and the length that all of its samples have.
        let [0, 0, 0, 0, 0, 0, 0, 1, _, _, _, _, duration @ ..] = &header[name + 4..name + 20]
        else {
            panic!("{:?}", &header[name..name + 40]);
        };
        assert_eq!(duration, 3_003_u32.to_be_bytes());
    }
}

#[test]
fn a_break_of_the_timeline_is_a_new_file() {
    let first = Source::default();
    let second = Source {
        epoch: 1,
        start: 3_040,
        ..Source::default()
    };
    let mut cutter = cutter(Files::Segments, 60);
    cutter.expect(&known(&first));
    push_all(&mut cutter, &first.frames(3_000));
    push_all(&mut cutter, &second.frames(2_000));
    cutter.interrupt();
    let files = files(cutter.take());
    assert_eq!(files.len(), 2);
    assert!(files[1].beginning.is_fresh);
    assert_eq!(
        samples(&files),
        first.frames(3_000).len() + second.frames(2_000).len()
    );
}

/// Sound under another configuration waits aside for the next key frame, and for no more than there is.
#[test]
fn another_configuration_is_a_new_file_and_loses_nothing() {
    let source = Source::default();
    let other = Arc::new((*testing::audio()).clone().with_id(1));
    let mut frames = source.frames(6_000);
    for frame in &mut frames {
        if frame.kind() == Kind::Audio && frame.dts.as_millis() >= 2_500 {
            frame.track = Arc::clone(&other);
            frame.is_default = false;
        }
    }
    for end in [
        frames.len(),
        frames.partition_point(|frame| frame.dts.as_millis() < 2_900),
    ] {
        let mut cutter = cutter(Files::Whole, 60);
        cutter.expect(&known(&source));
        push_all(&mut cutter, &frames[..end]);
        cutter.interrupt();
        let files = files(cutter.take());
        assert_eq!(samples(&files), end);
        assert_eq!(files.len(), 2);
    }
}

#[test]
fn sound_that_comes_a_little_later_is_waited_for() {
    let source = Source::default();
    let mut frames = source.frames(3_000);
    frames.retain(|frame| frame.kind() == Kind::Video || frame.dts.as_millis() >= 700);
    for expected in [known(&source), Arc::default()] {
        let mut cutter = cutter(Files::Whole, 60);
        cutter.expect(&expected);
        push_all(&mut cutter, &frames);
        cutter.interrupt();
        let files = files(cutter.take());
        assert_eq!((files.len(), samples(&files)), (1, frames.len()));
    }
}

#[test]
fn what_mp4_does_not_carry_is_left_out() {
    let source = Source::audio_only();
    let mut cutter = cutter(Files::Whole, 5);
    cutter.expect(&Arc::new(testing::tracks(
        Some(&testing::other()),
        source.audio.as_ref(),
    )));
    let other = testing::frame(&testing::other(), 0, true, bytes::Bytes::from_static(b"x"));
    push_all(&mut cutter, &[other]);
    let frames = source.frames(12_000);
    push_all(&mut cutter, &frames);
    cutter.interrupt();
    let files = files(cutter.take());
    assert_eq!(samples(&files), frames.len());
    assert!(files.len() >= 3, "{}", files.len());
}

#[test]
fn key_frames_that_never_come_are_not_waited_for() {
    let source = Source {
        gop: 1_000_000,
        ..Source::default()
    };
    let mut cutter = cutter(Files::Segments, 5);
    cutter.expect(&known(&source));
    let frames = source.frames(60_000);
    push_all(&mut cutter, &frames);
    cutter.interrupt();
    let files = files(cutter.take());
    assert_eq!(samples(&files), frames.len());
    assert!(lengths(&files).iter().all(|millis| *millis <= 24_100));
}
