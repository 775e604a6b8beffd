use super::*;
use crate::window::Clip;

/// Asks for the stretch between two times of the stream in milliseconds.
fn clip(start: Option<u64>, end: Option<u64>) -> Reload {
    let at = |millis| base() + Duration::from_millis(millis);
    Reload {
        clip: Some(Clip::new(start.map(at), end.map(at)).expect("a clip")),
        ..Reload::default()
    }
}

fn answer(live: &Live, name: &str, reload: Reload) -> Result<String, FileError> {
    let file = live.packager.outputs().file(name, reload).now_or_never();
    let file = file.unwrap_or_else(|| panic!("{name} is waited for"))?;
    Ok(String::from_utf8(file.body.to_vec()).expect("text"))
}

/// The numbers of the segments that a playlist lists.
fn numbers(playlist: &str) -> Vec<u64> {
    let names = playlist.lines().filter(|line| !line.starts_with('#'));
    names
        .filter_map(|name| {
            let digits = name.rsplit(['/', '-']).next()?.split('.').next()?;
            digits.parse().ok()
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_clip_has_the_segments_that_overlap_it() {
    let mut live = Live::new(|_| {});
    live.push(&Source::default().frames(100_500)).await;
    // The window begins with segment 1020, at 40 s; memory with 1043, at 86 s; the newest one ends at 100 s.
    for (start, end, expected) in [
        (Some(50_000), Some(54_000), 1025..1027),
        (Some(51_000), Some(54_001), 1025..1028),
        (Some(80_000), Some(90_000), 1040..1045),
        (Some(92_500), Some(93_000), 1046..1047),
        (Some(10_000), Some(42_000), 1020..1021),
        (None, Some(44_000), 1020..1022),
        (Some(97_000), Some(100_000), 1048..1050),
    ] {
        for name in ["live.m3u8", "cmaf/video.m3u8", "cmaf/audio.m3u8"] {
            let text = answer(&live, name, clip(start, end)).unwrap();
            let expected: Vec<u64> = expected.clone().collect();
            assert_eq!(numbers(&text), expected, "{name} {start:?} {end:?}");
            assert!(!text.contains("PLAYLIST-TYPE") && text.ends_with("#EXT-X-ENDLIST\n"));
            assert!(
                !text.contains("PART") && !text.contains("RENDITION-REPORT"),
                "{text}"
            );
            assert!(text.contains(&format!("#EXT-X-MEDIA-SEQUENCE:{}\n", expected[0])));
            assert_eq!(text.contains("#EXT-X-MAP"), name != "live.m3u8");
        }
    }
    for (start, end) in [
        (None, Some(40_000)),
        (Some(1_000), Some(30_000)),
        (Some(200_000), None),
        (Some(200_000), Some(201_000)),
    ] {
        for name in [
            "live.m3u8",
            "master.m3u8",
            "cmaf/video.m3u8",
            "manifest.mpd",
        ] {
            let refused = answer(&live, name, clip(start, end)).err();
            assert_eq!(refused, Some(FileError::OutsideWindow), "{name} {start:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clip_that_has_no_end_yet_goes_on_until_it_has() {
    let mut live = Live::new(|_| {});
    let frames = Source::default().frames(130_000);
    let at = |seconds: i64| frames.partition_point(|frame| frame.dts.as_millis() < seconds * 1000);
    live.push(&frames[..at(101)]).await;
    let (open, ending) = (clip(Some(60_000), None), clip(Some(60_000), Some(105_000)));
    for reload in [open, ending] {
        for name in ["live.m3u8", "cmaf/video.m3u8"] {
            let text = answer(&live, name, reload).unwrap();
            assert_eq!(numbers(&text), (1030..1050).collect::<Vec<u64>>(), "{text}");
            assert!(
                text.contains("#EXT-X-START:TIME-OFFSET=0,PRECISE=YES\n"),
                "{text}"
            );
            assert!(
                !text.contains("ENDLIST")
                    && !text.contains("PLAYLIST-TYPE")
                    && !text.contains("PART")
            );
        }
    }
    let mpd = answer(&live, "manifest.mpd", ending).unwrap();
    assert!(
        mpd.contains("type=\"dynamic\"")
            && dash_names(&mpd).contains(&"cmaf/video-1000-5400000.m4s".to_owned()),
        "{mpd}"
    );
    assert!(!dash_names(&mpd).contains(&"cmaf/video-1000-5220000.m4s".to_owned()));
    let growing = answer(&live, "live.m3u8", ending).unwrap();
    live.push(&frames[at(101)..at(112)]).await;
    let text = answer(&live, "live.m3u8", open).unwrap();
    assert_eq!(numbers(&text).last(), Some(&1054));
    let text = answer(&live, "live.m3u8", ending).unwrap();
    assert_eq!(numbers(&text), (1030..1053).collect::<Vec<u64>>());
    // Whole, it is as it was, and what has come since.
    assert!(text.starts_with(&growing), "{growing}{text}");
    assert!(text.ends_with("#EXT-X-ENDLIST\n"));
    // What has left the window has left its clips.
    live.push(&frames[at(112)..]).await;
    let text = answer(&live, "live.m3u8", ending).unwrap();
    assert_eq!(numbers(&text).first(), Some(&1034));
    // A segment that grows is waited for.
    let soon = live
        .packager
        .outputs()
        .file("live.m3u8", clip(Some(129_000), None))
        .now_or_never();
    assert!(soon.is_none());
}

/// A clip of what the window is about to leave, watched from its first segment to its last as time goes.
#[tokio::test(start_paused = true)]
async fn a_clip_can_be_watched_to_its_end() {
    let mut live = Live::with(Config::default(), |_| {});
    let frames = Source::default().frames(145_000);
    let at = |seconds: i64| frames.partition_point(|frame| frame.dts.as_millis() < seconds * 1000);
    live.push(&frames[..at(101)]).await;
    let text = answer(&live, "live.m3u8", clip(None, Some(80_000))).unwrap();
    // What is only kept begins no clip.
    let gone = answer(&live, "live.m3u8", clip(Some(1_000), Some(30_000)));
    assert_eq!(gone, Err(FileError::OutsideWindow));
    let clip = numbers(&text);
    assert_eq!(clip, (1020..1040).collect::<Vec<u64>>());
    for (number, now) in clip.into_iter().zip((101..).step_by(2)) {
        live.push(&frames[at(now)..at(now + 2)]).await;
        for name in [
            format!("ts/{number}.ts"),
            format!("cmaf/video-{number}.m4s"),
        ] {
            assert!(fetch(&live.packager, &name).is_ok(), "{name} at {now}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_master_of_a_clip_leads_to_its_playlists() {
    let mut live = Live::new(|_| {});
    live.push(&Source::default().frames(100_500)).await;
    let master = answer(&live, "master.m3u8", clip(Some(50_000), Some(54_500))).unwrap();
    let query = "?start=1767225650&end=1767225654.500000000";
    assert!(
        master.ends_with(&format!("\ncmaf/video.m3u8{query}\n")),
        "{master}"
    );
    assert!(
        master.contains(&format!("URI=\"cmaf/audio.m3u8{query}\"")),
        "{master}"
    );
    assert!(
        !answer(&live, "master.m3u8", Reload::default())
            .unwrap()
            .contains('?')
    );
}

#[tokio::test(start_paused = true)]
async fn a_clip_as_dash_begins_at_zero_and_lasts_as_long_as_it_does() {
    let mut live = Live::new(|_| {});
    live.push(&Source::default().frames(61_000)).await;
    let source = Source {
        epoch: 1,
        start: 70_000,
        ..Source::default()
    };
    live.push(&source.frames(20_500)).await;
    let mpd = answer(&live, "manifest.mpd", clip(Some(50_000), Some(54_000))).unwrap();
    assert!(
        mpd.contains("type=\"static\" mediaPresentationDuration=\"PT4.000S\""),
        "{mpd}"
    );
    assert!(
        mpd.contains("<Period id=\"0\" start=\"PT0.000S\">"),
        "{mpd}"
    );
    assert!(mpd.contains("presentationTimeOffset=\"4500000\""), "{mpd}");
    assert!(
        !mpd.contains("availabilityTimeOffset") && !mpd.contains("UTCTiming"),
        "{mpd}"
    );
    for name in dash_names(&mpd) {
        assert!(fetch(&live.packager, &name).is_ok(), "{name}");
    }
    assert_eq!(mpd.matches("<S ").count(), 4, "{mpd}");
    // Over a break, whose time is kept.
    let mpd = answer(&live, "manifest.mpd", clip(Some(50_000), Some(76_000))).unwrap();
    assert!(
        mpd.contains("mediaPresentationDuration=\"PT26.000S\""),
        "{mpd}"
    );
    assert!(
        mpd.contains("<Period id=\"1\" start=\"PT20.000S\">"),
        "{mpd}"
    );
}

#[tokio::test(start_paused = true)]
async fn clips_need_no_time_shift_window() {
    let mut live = Live::new(|settings| settings.dvr_window = None);
    live.push(&Source::default().frames(20_500)).await;
    // Segments 1007 to 1009 are listed.
    let text = answer(&live, "live.m3u8", clip(Some(15_000), Some(17_000))).unwrap();
    assert_eq!(numbers(&text), [1007, 1008]);
    let refused = answer(&live, "live.m3u8", clip(Some(1_000), Some(2_000)));
    assert_eq!(refused, Err(FileError::OutsideWindow));
}

/// What a line says of bandwidth, and its frame rate.
fn rates(text: &str, line: &str) -> (u64, Option<String>) {
    let (_, rest) = text.split_once(line).expect("such a line");
    let line = rest.lines().next().expect("a line");
    let value = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| line.split_once(name));
        let (_, value) = found?;
        value.split(['"', ',']).next().map(str::to_owned)
    };
    let bandwidth = value([" bandwidth=\"", "BANDWIDTH="]).expect("a bandwidth");
    let rate = value([" frameRate=\"", "FRAME-RATE="]);
    (bandwidth.parse().expect("a number"), rate)
}

/// Pictures end, and only sound goes on; what was before is in the object store.
#[tokio::test(start_paused = true)]
async fn what_is_not_in_memory_is_told_with_its_own_bandwidth() {
    let mut live = Live::new(|_| {});
    live.push(&Source::default().frames(30_000)).await;
    let video = "<Representation id=\"video\"";
    let before = rates(&live.text("manifest.mpd"), video);
    let (variant, _) = rates(&live.text("master.m3u8"), "#EXT-X-STREAM-INF:");
    let source = Source {
        epoch: 1,
        start: 30_000,
        video: None,
        ..Source::default()
    };
    live.push(&source.frames(29_000)).await;
    let (bandwidth, rate) = rates(&live.text("manifest.mpd"), video);
    assert!(
        (before.0 * 9 / 10..=before.0 * 11 / 10).contains(&bandwidth),
        "{bandwidth} {before:?}"
    );
    assert_eq!(rate, before.1);
    let master = answer(&live, "master.m3u8", clip(Some(4_000), Some(20_000))).unwrap();
    let (of_clip, _) = rates(&master, "#EXT-X-STREAM-INF:");
    assert!(
        (variant * 9 / 10..=variant * 11 / 10).contains(&of_clip),
        "{of_clip} {variant}"
    );
    let mpd = answer(&live, "manifest.mpd", clip(Some(4_000), Some(20_000))).unwrap();
    let (of_clip, rate) = rates(&mpd, video);
    assert!((before.0 * 9 / 10..=before.0 * 11 / 10).contains(&of_clip));
    assert_eq!(rate, before.1);
}

#[tokio::test(start_paused = true)]
async fn each_period_has_its_own_frame_rate() {
    let mut live = Live::new(|_| {});
    for (epoch, fps_millis, gop) in [(0, 25_000, 50), (1, 50_000, 100)] {
        let source = Source {
            epoch,
            start: i64::from(epoch) * 30_000,
            fps_millis,
            gop,
            ..Source::default()
        };
        live.push(&source.frames(29_500)).await;
    }
    let mpd = live.text("manifest.mpd");
    let periods: Vec<&str> = mpd.split("<Period ").skip(1).collect();
    let of_period = |period: &str| rates(period, "<Representation id=\"video\"").1;
    let told: Vec<_> = periods.iter().map(|period| of_period(period)).collect();
    assert_eq!(
        told,
        [Some("25".to_owned()), Some("50".to_owned())],
        "{mpd}"
    );
    let master = answer(&live, "master.m3u8", clip(Some(4_000), Some(20_000))).unwrap();
    let (_, rate) = rates(&master, "#EXT-X-STREAM-INF:");
    assert_eq!(rate.as_deref(), Some("25.000"), "{master}");
}
