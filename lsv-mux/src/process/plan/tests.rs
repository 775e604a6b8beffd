use super::*;
use crate::fuzzing::tracks;
use lsv_core::channel::Color;
use lsv_core::hub::WatermarkText;

fn picture(width: u32, height: u32) -> Picture {
    let mut picture = tracks()
        .video
        .and_then(|track| track.codec.picture())
        .unwrap();
    (picture.width, picture.height) = (width, height);
    picture.pixel_aspect = None;
    picture
}

fn sizes(picture: Picture) -> Vec<(Rendition, u32, u32)> {
    let ladder = Ladder::default();
    let made = ladder.rungs.iter().filter_map(|rung| fit(&picture, rung));
    made.map(|output| (output.rendition, output.width, output.height))
        .collect()
}

/// A picture, the shape of its pixels, and its renditions.
type Size = (
    (u32, u32),
    Option<(u16, u16)>,
    &'static [(Rendition, u32, u32)],
);

#[test]
fn sizes_fit_their_box_and_never_grow() {
    use Rendition::{P360, P480, P720, P1080};
    let table: &[Size] = &[
        (
            (1920, 1080),
            None,
            &[
                (P360, 640, 360),
                (P480, 854, 480),
                (P720, 1280, 720),
                (P1080, 1920, 1080),
            ],
        ),
        (
            (1280, 720),
            None,
            &[(P360, 640, 360), (P480, 854, 480), (P720, 1280, 720)],
        ),
        // Upright: the box is turned.
        (
            (720, 1280),
            None,
            &[(P360, 360, 640), (P480, 480, 854), (P720, 720, 1280)],
        ),
        (
            (1080, 1920),
            None,
            &[
                (P360, 360, 640),
                (P480, 480, 854),
                (P720, 720, 1280),
                (P1080, 1080, 1920),
            ],
        ),
        // 4:3, in square pixels and in those of PAL.
        (
            (1024, 768),
            None,
            &[(P360, 480, 360), (P480, 640, 480), (P720, 960, 720)],
        ),
        (
            (720, 576),
            Some((16, 15)),
            &[(P360, 480, 360), (P480, 640, 480)],
        ),
        // Square, wide, odd.
        ((600, 600), None, &[(P360, 360, 360), (P480, 480, 480)]),
        (
            (2560, 1080),
            None,
            &[
                (P360, 640, 270),
                (P480, 854, 360),
                (P720, 1280, 540),
                (P1080, 1920, 810),
            ],
        ),
        (
            (1279, 719),
            None,
            &[(P360, 640, 360), (P480, 854, 480), (P720, 1280, 720)],
        ),
        // Nearly a box, and smaller than all.
        ((852, 480), None, &[(P360, 640, 360), (P480, 852, 480)]),
        ((320, 240), None, &[]),
        ((2, 2), None, &[]),
    ];
    for ((width, height), aspect, expected) in table {
        let mut source = picture(*width, *height);
        source.pixel_aspect = *aspect;
        assert_eq!(sizes(source), *expected, "{width}x{height} {aspect:?}");
    }
}

#[test]
fn pictures_that_lie_on_their_side_are_planned_upright() {
    let wanted = wanted(|wanted| {
        wanted.renditions = vec![Rendition::P360];
        wanted.watermark = watermark();
    });
    let sizes = |quarter_turns| {
        let mut known = known(None);
        known.orientation.quarter_turns = quarter_turns;
        let plan = Plan::new(&wanted, &tracks(), known, &Ladder::default());
        let encoding = plan.encoding.unwrap();
        let program = encoding.program.unwrap();
        let output = encoding.renditions[0];
        [
            (program.width, program.height),
            (output.width, output.height),
        ]
    };
    let lying = sizes(0);
    assert_eq!(sizes(1), lying.map(|(width, height)| (height, width)));
    assert_eq!(sizes(2), lying);
}

fn known(interval: Option<u64>) -> Known {
    Known {
        key_frame_interval: interval.map(Duration::from_millis),
        segment: Duration::from_secs(2),
        orientation: Orientation::default(),
    }
}

fn plan(wanted: &Processing, tracks: &Tracks) -> Plan {
    Plan::new(wanted, tracks, known(None), &Ladder::default())
}

fn watermark() -> Option<Watermark> {
    let text = WatermarkText {
        text: "lsv".to_owned(),
        size: 20,
        color: Color::red(),
    };
    Some(Watermark::new(Some(text), None, 10, 10))
}

fn wanted(change: impl FnOnce(&mut Processing)) -> Processing {
    let mut wanted = Processing::default();
    change(&mut wanted);
    wanted
}

/// A change of what is wanted, and what then is made.
type Row = (fn(&mut Processing), fn(&Plan) -> bool);

#[test]
fn tasks_are_what_is_wanted() {
    let kinds = |plan: &Plan| plan.tasks.keys().copied().collect::<Vec<_>>();
    let table: &[(Row, &[TaskKind])] = &[
        ((|_| (), |plan| *plan == Plan::default()), &[]),
        (
            (
                |wanted| wanted.renditions = vec![Rendition::P360, Rendition::P1080],
                |plan| plan.too_large == [Rendition::P1080],
            ),
            &[TaskKind::Transcode],
        ),
        (
            (
                |wanted| wanted.renditions = vec![Rendition::P1080],
                |plan| plan.encoding.is_none(),
            ),
            &[],
        ),
        (
            (
                |wanted| wanted.watermark = watermark(),
                |plan| {
                    plan.encoding
                        .as_ref()
                        .is_some_and(|it| it.program.is_some())
                },
            ),
            &[TaskKind::Transcode],
        ),
        (
            (
                |wanted| wanted.snapshots = Some(Duration::from_secs(5)),
                |plan| plan.snapshots == Some(Duration::from_secs(5)),
            ),
            &[TaskKind::Snapshot],
        ),
        (
            (
                |wanted| wanted.thumbnails = true,
                |plan| plan.snapshots.is_none(),
            ),
            &[TaskKind::Snapshot],
        ),
        (
            (
                |wanted| {
                    wanted.motion = Some(Motion {
                        percent: 30,
                        difference: 10,
                        keep: Duration::from_secs(5),
                        longest: Duration::from_secs(60),
                    });
                },
                |plan| plan.motion.is_some(),
            ),
            &[TaskKind::Motion],
        ),
    ];
    for (row, ((change, holds), tasks)) in table.iter().enumerate() {
        let mut wanted = Processing::default();
        change(&mut wanted);
        let plan = plan(&wanted, &tracks());
        assert_eq!(kinds(&plan), *tasks, "row {row}");
        assert!(holds(&plan), "row {row}: {plan:?}");
    }
}

#[test]
fn without_pictures_nothing_is_encoded() {
    let mut sound = Tracks::default();
    sound.audio = tracks().audio;
    let wanted = wanted(|wanted| {
        wanted.renditions = vec![Rendition::P360];
        wanted.watermark = watermark();
        wanted.snapshots = Some(Duration::from_secs(5));
    });
    let plan = plan(&wanted, &sound);
    assert!(plan.encoding.is_none() && plan.tasks.is_empty() && plan.lacks_pictures);
}

#[test]
fn a_sound_is_encoded_once_for_all_that_want_it() {
    let wanted = wanted(|wanted| wanted.renditions = vec![Rendition::P360, Rendition::P480]);
    let encoding = |tracks: &Tracks| plan(&wanted, tracks).encoding.unwrap();
    assert_eq!(encoding(&tracks()).sounds(), [64]);
    let mut silent = tracks();
    silent.audio = None;
    assert_eq!(encoding(&silent).sounds(), [0; 0]);
}

#[test]
fn key_frames_are_the_sources_unless_they_come_too_rarely() {
    let of = |interval| KeyFrames::of(known(interval));
    assert_eq!(of(None), KeyFrames::Source);
    assert_eq!(of(Some(2_040)), KeyFrames::Source);
    assert_eq!(of(Some(500)), KeyFrames::Source);
    assert_eq!(of(Some(8_000)), KeyFrames::Every(Duration::from_secs(2)));
}

#[test]
fn what_changes_nothing_needs_no_other_encoder() {
    let first = wanted(|wanted| wanted.watermark = watermark());
    let mut second = first.clone();
    second.snapshots = Some(Duration::from_secs(1));
    let of = |wanted: &Processing| plan(wanted, &tracks()).encoding;
    assert_eq!(of(&first), of(&second));
    second.watermark.as_mut().unwrap().left = 11;
    assert_ne!(of(&first), of(&second));
}
