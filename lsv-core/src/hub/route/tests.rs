use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::codec::FourCc;
use crate::media::{Codec, Track};

/// A frame: `V` a key frame, `v` another one, `O` and `o` of another track, `a` sound, `A` sound at which readers may start, `d` script data.
fn frame(letter: char, millis: i64) -> MediaFrame {
    let kind = match letter {
        'V' | 'v' | 'O' | 'o' => Kind::Video,
        'A' | 'a' => Kind::Audio,
        _ => Kind::Data,
    };
    let codec = Codec::Other {
        fourcc: FourCc::HVC1,
        config: Bytes::new(),
    };
    let is_other = letter.eq_ignore_ascii_case(&'o');
    let track = Arc::new(Track::new(kind, codec).with_id(u8::from(is_other)));
    let mut frame = MediaFrame::new(&track, Timestamp::from_millis(millis), Bytes::new());
    frame.key = letter.is_uppercase();
    frame.is_default = !is_other;
    frame
}

/// Plays a script and says what readers got, and where it ends.
///
/// `V0 a10` are frames of the source, `(V0 a10` those that are pushed; `engage`, `release` and `fail` do what they say.
/// What readers got of the source while it is taken up is in braces.
fn play(script: &str) -> (String, Stage) {
    let (mut route, mut log, mut got) = (Route::new(), Vec::new(), Vec::new());
    for word in script.split_whitespace() {
        let (is_pushed, text) = match word.strip_prefix('(') {
            Some(text) => (true, text),
            None => (false, word),
        };
        let verdict = match text {
            "engage" => {
                route.engage();
                continue;
            }
            "release" => {
                route.release();
                continue;
            }
            "fail" => {
                route.fail();
                match route.stage() {
                    Stage::Returning => Verdict::Return,
                    _ => continue,
                }
            }
            _ => {
                let (letter, millis) = text.split_at(1);
                let mut frame = frame(letter.chars().next().unwrap(), millis.parse().unwrap());
                if is_pushed {
                    route.of_insert(&mut frame)
                } else {
                    log.push(frame.clone());
                    route.of_source(&mut frame)
                }
            }
        };
        match verdict {
            Verdict::Show => got.push(word.to_owned()),
            Verdict::Leave => {}
            Verdict::Wait => got.push(format!("later:{word}")),
            Verdict::Return => {
                let taken = route.take_up(log.clone()).into_iter().flatten();
                let words = taken.map(|frame| {
                    let letter = match (frame.kind(), frame.is_default, frame.key) {
                        (Kind::Video, true, true) => 'V',
                        (Kind::Video, true, false) => 'v',
                        (Kind::Video, false, true) => 'O',
                        (Kind::Video, false, false) => 'o',
                        _ => 'a',
                    };
                    format!("{letter}{}", frame.dts.as_millis())
                });
                got.push(format!("{{{}}}", words.collect::<Vec<_>>().join(" ")));
            }
        }
    }
    (got.join(" "), route.stage())
}

fn from(millis: i64) -> Stage {
    Stage::Processed {
        from: Timestamp::from_millis(millis),
    }
}

fn releasing(from: i64, until: Option<i64>) -> Stage {
    Stage::Releasing {
        from: Timestamp::from_millis(from),
        until: until.map(Timestamp::from_millis),
    }
}

#[test]
fn switches_keep_their_border() {
    for (what, script, got, stage) in [
        (
            "without an insert all is shown, pushed or not",
            "V0 a0 v40 a20 d40 (V0 (a0",
            "V0 a0 v40 a20 d40",
            Stage::Source,
        ),
        (
            "an engagement waits for a key frame",
            "V0 engage v40 (V0 (v40 a30",
            "V0 v40 a30",
            Stage::Engaging,
        ),
        (
            "and can be taken back",
            "V0 engage v40 release V80 engage fail V120",
            "V0 v40 V80 V120",
            Stage::Source,
        ),
        (
            "sound before the border is the source's, from it on what is pushed",
            "V0 a0 engage V40 a20 a40 v80 (a20 (V40 (a40 (v80 a39 (a60",
            "V0 a0 a20 (V40 (a40 (v80 (a60",
            from(40),
        ),
        (
            "sound that was ahead of the border is not doubled",
            "V0 a0 a20 a40 a60 engage V40 (V40 (a40 (a60 (a80",
            "V0 a0 a20 a40 a60 (V40 (a80",
            from(40),
        ),
        (
            "nor is another track, which begins at a key frame of its own",
            "V0 O0 O40 engage V40 o80 (V40 (O40 (o80 O120 (O120 (o160 fail O160 o200 V240 o240 O280",
            "V0 O0 O40 (V40 (O120 (o160 {} {V240} O280",
            Stage::Source,
        ),
        (
            "what is pushed begins at a key frame",
            "V0 engage V40 v80 V120 (v80 (V120 (v160",
            "V0 (V120 (v160",
            from(40),
        ),
        (
            "script data waits",
            "V0 d0 engage d20 V40 d40 fail",
            "V0 d0 d20 later:d40 {V40}",
            Stage::Source,
        ),
        (
            "a release ends at a key frame, without a gap",
            "V0 engage V40 (V40 release v80 (v80 V120 a130 (a110 v160 (V120 v200",
            "V0 (V40 (v80 (a110 {V120 a130 v160} v200",
            Stage::Source,
        ),
        (
            "sound goes on where it stood",
            "V0 a0 engage V40 a40 a60 a80 (V40 (a40 release V80 a100 (V80 a120",
            "V0 a0 (V40 (a40 {a60 a80 V80 a100} a120",
            Stage::Source,
        ),
        (
            "a release waits for a key frame, and for what is pushed to come so far",
            "V0 engage V40 (V40 release v80 V120 (a120 (v80",
            "V0 (V40 (v80",
            releasing(40, Some(120)),
        ),
        (
            "and can be taken back",
            "V0 engage V40 (V40 release V80 engage (V80 (v120",
            "V0 (V40 (V80 (v120",
            from(40),
        ),
        (
            "a failure goes on with the next key frame that is there",
            "V0 engage V40 v80 (V40 V120 v160 V200 fail v240",
            "V0 (V40 {V120 v160 V200} v240",
            Stage::Source,
        ),
        (
            "or waits for one",
            "V0 engage V40 (V40 v80 fail v120 a100 (v80",
            "V0 (V40 {}",
            Stage::Returning,
        ),
        (
            "with which sound comes too",
            "V0 engage V40 (V40 v80 fail v120 a100 V160 a140",
            "V0 (V40 {} {a100 V160} a140",
            Stage::Source,
        ),
        (
            "nothing is lost where nothing was pushed",
            "V0 a0 engage V40 v80 a60 fail",
            "V0 a0 {V40 v80 a60}",
            Stage::Source,
        ),
        (
            "who fails may come again, one key frame later",
            "V0 engage V40 (V40 fail engage v80 V120 v160 V200 (V200",
            "V0 (V40 {} {V120} v160 (V200",
            from(200),
        ),
        (
            "what is pushed never runs backwards, and is whole after it tried",
            "V0 engage V40 V480 (V40 (v80 (v40 (v120 (V160 (v200",
            "V0 (V40 (v80 (V160 (v200",
            from(40),
        ),
        (
            "nor ahead of the source",
            "V0 engage V40 (V40 (v1041 (v80 (V1040 (a1041",
            "V0 (V40 (V1040",
            from(40),
        ),
    ] {
        assert_eq!(play(script), (got.to_owned(), stage), "{what}");
    }
}

#[test]
fn streams_of_sound_switch_where_readers_may_start() {
    for (script, got) in [
        (
            "A0 a20 engage a40 A60 a80 (a40 (A60 (a80",
            "A0 a20 a40 (A60 (a80",
        ),
        (
            "A0 engage A60 (A60 a80 release A100 (a80 (A100",
            "A0 (A60 (a80 {a100}",
        ),
        (
            "A0 engage A60 (A60 a80 fail A100 a120",
            "A0 (A60 {} {a100} a120",
        ),
    ] {
        assert_eq!(play(script).0, got);
    }
}

#[test]
fn epochs_are_those_of_what_frames_were_made_of() {
    let mut route = Route::new();
    let source = |route: &mut Route, millis, epoch| {
        let mut frame = frame('V', millis);
        frame.epoch = epoch;
        route.of_source(&mut frame);
        frame.epoch
    };
    let push = |route: &mut Route, letter, millis, epoch| {
        let mut frame = frame(letter, millis);
        frame.epoch = epoch;
        let verdict = route.of_insert(&mut frame);
        (verdict == Verdict::Show).then_some(frame.epoch)
    };
    assert_eq!(source(&mut route, 0, 3), 3);
    route.engage();
    source(&mut route, 40, 3);
    assert_eq!(push(&mut route, 'V', 40, 3), Some(3));
    source(&mut route, 80, 4);
    assert_eq!(push(&mut route, 'V', 80, 4), Some(4));
    // Sound that is a little late does not go back, and nobody knows of what has not been.
    assert_eq!(push(&mut route, 'a', 60, 3), Some(4));
    assert_eq!(push(&mut route, 'V', 120, 5), None);
    assert_eq!(push(&mut route, 'V', 120, 4), Some(4));
}
