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
            Cut::End { duration, .. } => {
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

/// What encoders with two B-frames send: pictures are shown 80 ms after they are decoded, and sound when it is.
fn shown_later(millis: i64) -> Vec<MediaFrame> {
    let mut frames = Source::default().frames(millis);
    for frame in frames.iter_mut().filter(|it| it.kind() == Kind::Video) {
        frame.composition = Timestamp::from_millis(80);
    }
    frames
}

/// How long each file plays.
fn played(cuts: &[Cut]) -> Vec<u128> {
    let mut files: Vec<Index> = Vec::new();
    for cut in cuts {
        match cut {
            Cut::Begin(beginning) => files.push(Index::new(&beginning.header)),
            Cut::Fragment(fragment) => files.last_mut().unwrap().add(fragment),
            Cut::End { .. } => {}
        }
    }
    let lengths = files.iter().map(|file| file.duration().as_millis());
    lengths.collect()
}

/// Each file is as long as its pictures, and its sound as well; also where the pictures get another configuration, as they do
/// with a watermark.
#[test]
fn files_play_one_after_the_other() {
    let mut frames = shown_later(17_000);
    for (change, lengths) in [
        // In front of the first picture of all is sound.
        (17_000, [5_080, 5_000, 5_000, 2_000]),
        (7_000, [5_080, 2_000, 5_000, 5_000]),
    ] {
        for frame in frames.iter_mut().filter(|it| it.kind() == Kind::Video) {
            if frame.dts.as_millis() >= change {
                frame.track = Arc::new(frame.track.as_ref().clone().with_id(1));
            }
        }
        let mut cutter = cutter(Files::Whole, 5);
        cutter.expect(&known(&Source::default()));
        push_all(&mut cutter, &frames);
        cutter.interrupt();
        let cuts = cutter.take();
        assert_eq!(played(&cuts), lengths);
        assert_eq!(samples(&files(cuts)), frames.len(), "nothing is lost");
    }
}

/// Where no key frames come, files are cut in front of others.
#[test]
fn files_without_key_frames_lose_nothing() {
    let mut frames = shown_later(80_000);
    for frame in frames.iter_mut().filter(|it| it.kind() == Kind::Video) {
        frame.key &= frame.dts == Timestamp::ZERO;
    }
    let mut cutter = cutter(Files::Whole, 5);
    cutter.expect(&known(&Source::default()));
    push_all(&mut cutter, &frames);
    cutter.interrupt();
    let files = files(cutter.take());
    assert_eq!(lengths(&files)[..2], [35_000, 35_000]);
    assert_eq!(samples(&files), frames.len());
}

/// A picture that is to be shown in an hour keeps no file open.
#[test]
fn a_file_does_not_wait_for_a_picture_from_the_future() {
    let mut frames = shown_later(12_000);
    let mut keys = frames
        .iter_mut()
        .filter(|frame| frame.kind() == Kind::Video);
    let key = keys.find(|frame| frame.key && frame.dts.as_millis() >= 5_000);
    key.unwrap().composition = Timestamp::from_millis(3_600_000);
    let mut cutter = cutter(Files::Whole, 5);
    cutter.expect(&known(&Source::default()));
    push_all(&mut cutter, &frames);
    let cuts = cutter.take();
    let ended = cuts.iter().filter(|cut| matches!(cut, Cut::End { .. }));
    assert_eq!(ended.count(), 2);
}

/// Sound that does not come is not waited for.
#[test]
fn a_file_does_not_wait_for_sound_for_long() {
    let mut frames = shown_later(12_000);
    frames.retain(|frame| frame.kind() == Kind::Video || frame.dts.as_millis() < 4_000);
    let mut cutter = cutter(Files::Whole, 5);
    cutter.expect(&known(&Source::default()));
    let ended = frames.iter().find(|frame| {
        push_all(&mut cutter, std::slice::from_ref(frame));
        let cuts = cutter.take();
        cuts.iter().any(|cut| matches!(cut, Cut::End { .. }))
    });
    let millis = ended.expect("a file ends").dts.as_millis();
    assert!((5_580..5_700).contains(&millis), "{millis}");
}

/// With three seconds between key frames: a file ends when it has its length, a segment before it would be too long.
#[test]
fn a_length_between_key_frames_is_told_by_the_kind_of_files() {
    let source = Source {
        gop: 90,
        ..Source::video_only()
    };
    for (kind, lengths_) in [
        (Files::Whole, [12_000, 12_000, 6_000, 3_000]),
        (Files::Segments, [9_000, 9_000, 9_000, 3_000]),
    ] {
        let mut cutter = cutter(kind, 10);
        cutter.expect(&known(&source));
        push_all(&mut cutter, &source.frames(30_000));
        cutter.set_length(Duration::from_secs(2));
        push_all(&mut cutter, &source.frames(39_000)[900..]);
        cutter.interrupt();
        assert_eq!(lengths(&files(cutter.take()))[..4], lengths_, "{kind:?}");
    }
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
    for (kind, seconds) in [
        (Files::Segments, 5),
        (Files::Whole, 5),
        (Files::Whole, 60),
        (Files::Segments, 60),
    ] {
        let mut cutter = cutter(kind, seconds);
        cutter.expect(&known(&source));
        let frames = source.frames(300_000);
        push_all(&mut cutter, &frames);
        cutter.interrupt();
        let files = files(cutter.take());
        assert_eq!(samples(&files), frames.len());
        let longest = u128::from(seconds) * 1_000 + PATIENCE.as_millis();
        let lengths = lengths(&files);
        assert!(
            lengths.iter().all(|millis| *millis <= longest + 400),
            "{kind:?}: {lengths:?}"
        );
        assert!(lengths.len() >= 3, "{kind:?}: {lengths:?}");
    }
}

/// What waits aside when a file has to end without a key frame is in the next.
#[test]
fn a_file_that_has_to_end_loses_nothing_that_waits_for_the_next() {
    let source = Source {
        gop: 1_000_000,
        ..Source::default()
    };
    let other = Arc::new((*testing::audio()).clone().with_id(1));
    let mut frames = source.frames(40_000);
    for frame in &mut frames {
        if frame.kind() == Kind::Audio && frame.dts.as_millis() >= 34_000 {
            frame.track = Arc::clone(&other);
            frame.is_default = false;
        }
    }
    let mut cutter = cutter(Files::Whole, 5);
    cutter.expect(&known(&source));
    push_all(&mut cutter, &frames);
    cutter.interrupt();
    assert_eq!(samples(&files(cutter.take())), frames.len());
}

/// Key frames in twenty seconds make files of that length, each of which begins with one.
#[test]
fn key_frames_that_come_late_are_waited_for() {
    let source = Source {
        gop: 600,
        ..Source::video_only()
    };
    for kind in [Files::Whole, Files::Segments] {
        let mut cutter = cutter(kind, 5);
        cutter.expect(&known(&source));
        push_all(&mut cutter, &source.frames(70_000));
        cutter.interrupt();
        let files = files(cutter.take());
        assert_eq!(lengths(&files)[..3], [20_000; 3], "{kind:?}");
        assert!(files.iter().all(|file| file.independent), "{kind:?}");
    }
}

/// Where a file had to end without one, the next key frame is where the one after begins.
#[test]
fn a_file_without_a_key_frame_ends_at_the_next() {
    let source = Source {
        gop: 1_200,
        ..Source::video_only()
    };
    let mut cutter = cutter(Files::Whole, 5);
    cutter.expect(&known(&source));
    push_all(&mut cutter, &source.frames(82_000));
    cutter.interrupt();
    let lengths = lengths(&files(cutter.take()));
    assert_eq!(lengths[..3], [35_000, 5_000, 35_000]);
}

fn targets(cuts: &[Cut]) -> Vec<(u64, u64)> {
    let ends = cuts.iter().filter_map(|cut| match cut {
        Cut::End { duration, target } => Some((rounded(*duration), target.unwrap().as_secs())),
        _ => None,
    });
    ends.collect()
}

/// What the first segment has told of the target duration holds for all, whatever comes (RFC 8216 §6.2.1).
#[test]
fn no_segment_breaks_the_target_duration() {
    let short = Source::video_only();
    let seconds = short.frames(9_900);
    let longer = Source {
        gop: 600,
        start: 9_900,
        ..Source::video_only()
    };
    let slow = Source {
        gop: 7,
        fps_millis: 1_000,
        start: 80_000,
        ..Source::video_only()
    };
    for length in [2, 60] {
        let mut cutter = cutter(Files::Segments, length);
        cutter.expect(&known(&short));
        push_all(&mut cutter, &seconds);
        push_all(&mut cutter, &longer.frames(60_100));
        cutter.set_length(Duration::from_secs(100));
        push_all(&mut cutter, &slow.frames(200_000));
        cutter.interrupt();
        let targets = targets(&cutter.take());
        assert!(targets.len() > 3, "{targets:?}");
        for (seconds, target) in targets.iter() {
            assert_eq!(*target, length, "{targets:?}");
            assert!(seconds <= target, "{targets:?}");
        }
    }
}

/// A session whose first encoder was lost at once promises what the next one may need.
#[test]
fn a_first_segment_that_was_cut_off_promises_no_less_than_key_frames_may_need() {
    let source = Source {
        gop: 300,
        ..Source::video_only()
    };
    let mut cutter = cutter(Files::Segments, 2);
    cutter.expect(&known(&source));
    push_all(&mut cutter, &source.frames(1_000));
    cutter.interrupt();
    push_all(&mut cutter, &source.frames(32_000));
    let targets = targets(&cutter.take());
    assert_eq!(targets, [(1, 10), (10, 10), (10, 10), (10, 10)]);
}

/// Where there is no video the hub marks one frame in a second; none is lost in front of it, and no length missed by it.
#[test]
fn sound_alone_begins_with_any_frame() {
    let first = Source::audio_only();
    let second = Source {
        epoch: 1,
        start: 3_040,
        ..Source::audio_only()
    };
    let mut runs = [first.frames(3_000), second.frames(12_000)];
    let mut last = i64::MIN / 2;
    for frame in runs.iter_mut().flatten() {
        frame.key = frame.dts.as_millis() - last >= 1_000;
        last = if frame.key {
            frame.dts.as_millis()
        } else {
            last
        };
    }
    let mut cutter = cutter(Files::Whole, 5);
    cutter.expect(&known(&first));
    push_all(&mut cutter, &runs[0]);
    push_all(&mut cutter, &runs[1]);
    cutter.interrupt();
    let files = files(cutter.take());
    assert_eq!(samples(&files), runs[0].len() + runs[1].len());
    assert_eq!(files[0].samples, runs[0].len());
    assert!(files.iter().all(|file| file.independent));
    assert!(
        lengths(&files)[1..3]
            .iter()
            .all(|it| (4_950..5_030).contains(it))
    );
}
