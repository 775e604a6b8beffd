use super::*;
use proptest::prelude::*;

fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn timeline() -> Timeline {
    Timeline::new(Duration::from_secs(10))
}

#[test]
fn starts_at_zero_and_keeps_steps() {
    let mut timeline = timeline();
    assert_eq!(timeline.place(Kind::Video, 0, ms(5_000)), (ms(0), 0));
    assert_eq!(timeline.place(Kind::Audio, 0, ms(4_990)), (ms(0), 0));
    assert_eq!(timeline.place(Kind::Video, 0, ms(5_033)), (ms(33), 0));
    assert_eq!(timeline.place(Kind::Audio, 0, ms(5_013)), (ms(13), 0));
}

#[test]
fn a_new_publisher_goes_on_in_a_new_epoch() {
    let mut timeline = timeline();
    timeline.place(Kind::Video, 0, ms(0));
    timeline.place(Kind::Video, 0, ms(1_000));
    timeline.restart(Times::Own, true);
    assert_eq!(timeline.place(Kind::Audio, 0, ms(77)), (ms(1_040), 1));
    assert_eq!(timeline.place(Kind::Video, 0, ms(80)), (ms(1_043), 1));
}

#[test]
fn pictures_keep_step_over_a_seam() {
    // Sound is ahead of the pictures, by less than one of them and by more.
    for (sound, expected) in [(990, 1_000), (979, 1_000), (1_000, 1_040), (1_039, 1_040)] {
        let mut timeline = timeline();
        for n in 0..25 {
            timeline.place(Kind::Video, 0, ms(n * 40));
        }
        timeline.place(Kind::Audio, 0, ms(sound));
        timeline.restart(Times::Own, true);
        let placed = timeline.place(Kind::Video, 0, ms(7_000));
        assert_eq!(placed, (ms(expected), 1), "{sound}");
        assert_eq!(
            timeline.place(Kind::Audio, 0, ms(7_010)).0,
            ms(expected + 10)
        );
    }
}

#[test]
fn what_comes_in_no_step_tells_nothing_of_a_seam() {
    for steps in [
        [0, 40, 45],
        [0, 2, 4],
        [0, 200, 400],
        [0, 40, 40],
        [0, 40, 39],
    ] {
        let mut timeline = timeline();
        for at in steps {
            timeline.place(Kind::Video, 0, ms(at));
        }
        timeline.restart(Times::Own, true);
        let expected = steps[2].max(steps[1]) + 40;
        assert_eq!(
            timeline.place(Kind::Video, 0, ms(0)),
            (ms(expected), 1),
            "{steps:?}"
        );
    }
    // Nor does sound that comes first: pictures may lie before it.
    let mut timeline = timeline();
    for n in 0..50 {
        timeline.place(Kind::Video, 0, ms(n * 40));
        timeline.place(Kind::Audio, 0, ms(n * 40));
    }
    timeline.restart(Times::Own, true);
    assert_eq!(timeline.place(Kind::Audio, 0, ms(30)), (ms(2_000), 1));
    assert_eq!(timeline.place(Kind::Video, 0, ms(0)), (ms(1_970), 1));
}

#[test]
fn jumps_either_way_are_bridged_once() {
    let mut timeline = timeline();
    timeline.place(Kind::Video, 0, ms(0));
    timeline.place(Kind::Audio, 0, ms(10));
    assert_eq!(timeline.place(Kind::Video, 0, ms(3_600_000)), (ms(50), 1));
    assert_eq!(timeline.place(Kind::Audio, 0, ms(3_600_010)), (ms(60), 1));
    assert_eq!(timeline.place(Kind::Video, 0, ms(20)), (ms(100), 2));
    assert_eq!(timeline.place(Kind::Audio, 0, ms(30)), (ms(110), 2));
}

#[test]
fn a_jump_is_one_break_however_the_tracks_meet_it() {
    for by in [3_600_000, -3_600_000] {
        for stragglers in 0..4 {
            let mut timeline = timeline();
            let start = 7_200_000;
            for n in 0..10 {
                timeline.place(Kind::Video, 0, ms(start + n * 40));
                timeline.place(Kind::Audio, 0, ms(start + n * 40));
            }
            let after = start + by + 400;
            assert_eq!(timeline.place(Kind::Video, 0, ms(after)), (ms(400), 1));
            for n in 0..stragglers {
                let (late, epoch) = timeline.place(Kind::Audio, 0, ms(start + 400 + n * 20));
                assert_eq!((late, epoch), (ms(400 + n * 20), 1));
            }
            for n in 1..10 {
                let placed = timeline.place(Kind::Audio, 0, ms(after + 80 + n * 40));
                assert_eq!(placed, (ms(480 + n * 40), 1));
                let placed = timeline.place(Kind::Video, 0, ms(after + 80 + n * 40));
                assert_eq!(placed, (ms(480 + n * 40), 1));
            }
            let jumps = timeline.jumps();
            assert_eq!((jumps.count, jumps.age), (1, Duration::from_millis(440)));
            assert_eq!(jumps.by, ms(by + 40));
        }
    }
}

#[test]
fn composition_offsets_that_cannot_be_are_none() {
    let timeline = timeline();
    for true_one in [ms(0), ms(120), ms(-80), ms(10_000)] {
        assert_eq!(timeline.composition(true_one), true_one);
    }
    for lie in [
        ms(i64::from(i32::MAX)),
        ms(i64::from(i32::MIN)),
        ms(-10_001),
        ms(i64::MIN),
    ] {
        assert_eq!(timeline.composition(lie), ms(0));
    }
}

#[test]
fn clocks_far_apart_keep_their_own_pace() {
    let mut timeline = timeline();
    for n in 0..100 {
        let (audio, _) = timeline.place(Kind::Audio, 0, ms(n * 40));
        let (video, epoch) = timeline.place(Kind::Video, 0, ms(12_000 + n * 40));
        assert_eq!((audio, video, epoch), (ms(n * 40), ms(n * 40), 0));
    }
}

#[test]
fn every_track_has_a_clock() {
    let mut timeline = timeline();
    for n in 0..3 {
        for id in 0..3 {
            let late = i64::from(id) * 7;
            let placed = timeline.place(Kind::Video, id, ms(n * 40 + late));
            assert_eq!(placed, (ms(n * 40 + late), 0));
        }
    }
    // One that jumps takes the others along.
    assert_eq!(timeline.place(Kind::Video, 1, ms(60_000)), (ms(127), 1));
    assert_eq!(timeline.place(Kind::Video, 0, ms(60_007)), (ms(134), 1));
}

#[test]
fn rare_script_data_breaks_nothing() {
    let mut timeline = timeline();
    timeline.place(Kind::Data, 0, ms(0));
    for n in 0..3_000 {
        assert_eq!(timeline.place(Kind::Video, 0, ms(n * 40)), (ms(n * 40), 0));
    }
    assert_eq!(timeline.place(Kind::Data, 0, ms(120_000)), (ms(120_000), 0));
    assert_eq!(timeline.place(Kind::Data, 0, ms(5)), (ms(120_000), 0));
    assert_eq!(
        timeline.place(Kind::Video, 0, ms(120_000)),
        (ms(120_000), 0)
    );
}

#[test]
fn script_data_never_moves_pictures() {
    for odd in [ms(0), ms(8_000), ms(3_600_000), ms(i64::from(u32::MAX))] {
        let mut timeline = timeline();
        // As the first frame, as one in the middle, and between two publishers.
        assert_eq!(timeline.place(Kind::Data, 0, odd), (ms(0), 0));
        assert_eq!(timeline.place(Kind::Video, 0, ms(5_000)), (ms(0), 0));
        timeline.place(Kind::Data, 0, odd);
        assert_eq!(timeline.place(Kind::Video, 0, ms(5_040)), (ms(40), 0));
        assert_eq!(timeline.place(Kind::Audio, 0, ms(5_040)), (ms(40), 0));
        timeline.restart(Times::Own, true);
        let (data, epoch) = timeline.place(Kind::Data, 0, odd);
        assert!((ms(40)..=ms(3_000)).contains(&data), "{data:?}");
        assert_eq!(epoch, 0);
        assert_eq!(timeline.place(Kind::Video, 0, ms(700)), (ms(80), 1));
        assert_eq!(timeline.place(Kind::Audio, 0, ms(720)), (ms(100), 1));
    }
}

#[test]
fn a_seam_that_is_told_opens_an_epoch_and_moves_nothing() {
    let mut timeline = timeline();
    // Ahead of everything it only has a number.
    timeline.begin_epoch(Some(7));
    assert_eq!(timeline.place(Kind::Video, 0, ms(70_000)), (ms(0), 0));
    assert_eq!(timeline.place(Kind::Audio, 0, ms(70_010)), (ms(10), 0));
    assert_eq!(timeline.offset(), Some((ms(-70_000), 0, Some(7))));
    timeline.begin_epoch(Some(8));
    // It is in force once something is behind it, which script data is not.
    assert_eq!(timeline.place(Kind::Data, 0, ms(70_040)), (ms(40), 0));
    assert_eq!(timeline.offset(), Some((ms(-70_000), 0, Some(7))));
    // Sound comes a second before the pictures; nothing comes before what was before the seam.
    assert_eq!(timeline.place(Kind::Audio, 0, ms(70_005)), (ms(10), 1));
    assert_eq!(timeline.place(Kind::Audio, 0, ms(70_050)), (ms(50), 1));
    assert_eq!(timeline.place(Kind::Video, 0, ms(71_000)), (ms(1_000), 1));
    assert_eq!(timeline.offset(), Some((ms(-70_000), 1, Some(8))));
    // Another publisher here has numbers of its own, or none.
    timeline.restart(Times::Own, true);
    timeline.place(Kind::Video, 0, ms(0));
    timeline.begin_epoch(None);
    assert_eq!(timeline.place(Kind::Video, 0, ms(40)), (ms(1_080), 3));
    assert_eq!(timeline.offset(), Some((ms(1_040), 3, None)));
    assert_eq!(timeline.jumps().count, 0);
}

#[test]
fn a_seam_at_which_the_clock_jumps_is_one_break() {
    let mut timeline = timeline();
    timeline.place(Kind::Video, 0, ms(90_000));
    timeline.place(Kind::Audio, 0, ms(90_010));
    timeline.begin_epoch(None);
    assert_eq!(timeline.place(Kind::Video, 0, ms(0)), (ms(50), 1));
    assert_eq!(timeline.place(Kind::Audio, 0, ms(5)), (ms(55), 1));
    assert_eq!(timeline.place(Kind::Video, 0, ms(40)), (ms(90), 1));
}

proptest! {
    #[test]
    fn never_runs_backwards(times in prop::collection::vec((any::<u32>(), 0..3_usize), 1..100)) {
        let mut timeline = timeline();
        let mut last = [Timestamp::ZERO; 3];
        for (at, kind) in times {
            let kinds = [Kind::Video, Kind::Audio, Kind::Data];
            let (dts, _) = timeline.place(kinds[kind], 0, ms(i64::from(at)));
            prop_assert!(dts >= last[kind]);
            last[kind] = dts;
        }
    }

    #[test]
    fn never_leaps(times in prop::collection::vec((any::<i64>(), 0..3_usize, 0..3_u8), 1..200)) {
        let mut timeline = timeline();
        let mut latest = Timestamp::ZERO;
        for (at, kind, id) in times {
            let kinds = [Kind::Video, Kind::Audio, Kind::Data];
            let (dts, _) = timeline.place(kinds[kind], id, Timestamp::from_nanos(at));
            prop_assert!(dts.since(latest) <= Duration::from_secs(10), "{latest:?} to {dts:?}");
            latest = latest.max(dts);
        }
    }
}
