use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use lsv_core::media::{Kind, MediaFrame, Track};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::segmenter::synthetic::{Rig, Source};
use crate::testing;

fn reload(msn: u64, part: Option<u32>) -> Reload {
    Reload {
        msn: Some(msn),
        part,
        ..Reload::default()
    }
}

/// A stream up to `millis`, its outputs, and the frames that follow.
fn live(millis: i64) -> (Rig, Arc<Outputs>, Vec<MediaFrame>) {
    let mut rig = Rig::new();
    let mut frames = Source::default().frames(30_000);
    let rest = frames.split_off(frames.partition_point(|frame| frame.dts.as_millis() < millis));
    rig.push(&frames);
    let outputs = Arc::new(Outputs::new(rig.snapshot.clone()));
    (rig, outputs, rest)
}

fn ask(
    outputs: &Arc<Outputs>,
    name: &'static str,
    reload: Reload,
) -> JoinHandle<Result<File, FileError>> {
    let outputs = Arc::clone(outputs);
    tokio::spawn(async move { outputs.file(name, reload).await })
}

async fn waits(outputs: &Outputs, name: &str, reload: Reload) -> bool {
    timeout(Duration::from_secs(3600), outputs.file(name, reload))
        .await
        .is_err()
}

fn text(file: &File) -> String {
    String::from_utf8(file.body.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_just_started_is_waited_for() {
    let (mut rig, outputs, rest) = live(0);
    let names = [
        "live.m3u8",
        "master.m3u8",
        "manifest.mpd",
        "cmaf/video.m3u8",
        "cmaf/audio.m3u8",
    ];
    let asked = names.map(|name| ask(&outputs, name, Reload::default()));
    for name in names {
        assert!(waits(&outputs, name, Reload::default()).await, "{name}");
    }
    rig.push(&rest[..200]);
    outputs.publish(rig.snapshot.clone());
    for answer in asked {
        assert!(!answer.await.unwrap().unwrap().body.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn every_listed_file_is_there_and_nothing_else() {
    let (_, outputs, _) = live(20_500);
    for (playlist, folder) in [
        ("live.m3u8", ""),
        ("cmaf/video.m3u8", "cmaf/"),
        ("cmaf/audio.m3u8", "cmaf/"),
    ] {
        let playlist = text(&outputs.file(playlist, Reload::default()).await.unwrap());
        let quoted = playlist
            .lines()
            .filter(|line| line.contains("MAP:") || line.contains("PART:"));
        let quoted = quoted.filter_map(|line| line.split('"').nth(1));
        let plain = playlist.lines().filter(|line| !line.starts_with('#'));
        for name in quoted
            .chain(plain)
            .filter(|name| !playlist.contains(&format!("PART,URI=\"{name}\"")))
        {
            let file = outputs
                .file(&format!("{folder}{name}"), Reload::default())
                .await
                .unwrap();
            assert!(
                !file.body.is_empty() && file.cache == Cache::Immutable && file.gzip().is_none(),
                "{name}"
            );
        }
    }
    for gone in [
        "ts/999.ts",
        "ts/1010.ts",
        "cmaf/video-1010.m4s",
        "cmaf/video-1010.7.m4s",
        "cmaf/video-init-1.mp4",
        "x",
    ] {
        assert_eq!(
            outputs.file(gone, Reload::default()).await.err(),
            Some(FileError::NotFound),
            "{gone}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_segment_that_left_the_playlist_stays_for_slow_viewers() {
    let (_, outputs, _) = live(60_000);
    let first = outputs.window.borrow().listed_ts().newer[0].sequence;
    assert!(
        outputs
            .file(&format!("ts/{}.ts", first - 7), Reload::default())
            .await
            .is_ok()
    );
    assert!(
        outputs
            .file(&format!("ts/{}.ts", first - 8), Reload::default())
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_blocking_reload_is_answered_with_its_part() {
    let (mut rig, outputs, rest) = live(20_500);
    let now = outputs
        .file("cmaf/video.m3u8", reload(1010, Some(1)))
        .await
        .unwrap();
    assert!(text(&now).contains("video-1010.1.m4s"));
    for later in [
        reload(1010, Some(2)),
        reload(1010, None),
        reload(1011, Some(0)),
        reload(1011, None),
    ] {
        assert!(waits(&outputs, "cmaf/video.m3u8", later).await, "{later:?}");
    }
    let part = ask(&outputs, "cmaf/video.m3u8", reload(1010, Some(2)));
    let hinted = ask(&outputs, "cmaf/video-1010.2.m4s", Reload::default());
    let past_end = ask(&outputs, "cmaf/video.m3u8", reload(1010, Some(10)));
    tokio::task::yield_now().await;
    for frame in rest {
        rig.push(&[frame]);
        outputs.publish(rig.snapshot.clone());
        tokio::task::yield_now().await;
    }
    assert!(text(&part.await.unwrap().unwrap()).contains("\"video-1010.3.m4s\"\n"));
    assert!(!hinted.await.unwrap().unwrap().body.is_empty());
    // There is no eleventh part: it is the first one of the next segment.
    assert!(text(&past_end.await.unwrap().unwrap()).contains("video-1011.0.m4s"));
}

#[tokio::test(start_paused = true)]
async fn a_blocking_reload_of_mpeg_ts_is_answered_with_its_segment() {
    let (mut rig, outputs, rest) = live(20_500);
    let there = outputs.file("live.m3u8", reload(1009, None)).await.unwrap();
    assert!(text(&there).ends_with("ts/1009.ts\n"));
    assert!(waits(&outputs, "live.m3u8", reload(1010, None)).await);
    let too_far = outputs.file("live.m3u8", reload(1012, None)).await;
    assert_eq!(too_far.err(), Some(FileError::BadReload));
    let asked = ask(&outputs, "live.m3u8", reload(1010, None));
    tokio::task::yield_now().await;
    for frame in rest {
        rig.push(&[frame]);
        outputs.publish(rig.snapshot.clone());
        tokio::task::yield_now().await;
    }
    assert!(text(&asked.await.unwrap().unwrap()).ends_with("ts/1010.ts\n"));
}

#[tokio::test(start_paused = true)]
async fn a_delta_update_is_rendered_once_and_only_where_it_leaves_something_out() {
    let delta = Reload {
        skip: Skip::Segments,
        ..Reload::default()
    };
    let (mut rig, outputs, _) = live(30_000);
    for name in ["live.m3u8", "cmaf/video.m3u8"] {
        let whole = outputs.file(name, Reload::default()).await.unwrap();
        let same = outputs.file(name, delta).await.unwrap();
        assert_eq!(
            whole.body.to_bytes().as_ptr(),
            same.body.to_bytes().as_ptr(),
            "{name}"
        );
    }
    rig.configure(|settings| settings.list_size = 12);
    outputs.publish(rig.snapshot.clone());
    for name in ["live.m3u8", "cmaf/video.m3u8"] {
        let whole = outputs.file(name, Reload::default()).await.unwrap();
        let one = outputs.file(name, delta).await.unwrap();
        let other = outputs.file(name, delta).await.unwrap();
        assert_eq!(
            one.body.to_bytes().as_ptr(),
            other.body.to_bytes().as_ptr(),
            "{name}"
        );
        assert!(text(&one).contains("#EXT-X-SKIP:"), "{name}");
        assert!(!text(&whole).contains("#EXT-X-SKIP:"), "{name}");
    }
    // What has ended is not reloaded any more.
    rig.end();
    outputs.publish(rig.snapshot.clone());
    let ended = outputs.file("live.m3u8", delta).await.unwrap();
    assert!(!text(&ended).contains("#EXT-X-SKIP:"));
}

#[tokio::test(start_paused = true)]
async fn dash_waits_for_the_segment_that_grows_and_for_no_other() {
    let (mut rig, outputs, rest) = live(4_500);
    // Two segments of two seconds at 90 kHz are there; the third is under way.
    let third = "cmaf/video-1000-360000.m4s";
    assert!(waits(&outputs, third, Reload::default()).await);
    for name in [
        "cmaf/video-1000-360001.m4s",
        "cmaf/video-1000-720000.m4s",
        "cmaf/video-1001-360000.m4s",
    ] {
        let answer = outputs.file(name, Reload::default()).await;
        assert_eq!(answer.err(), Some(FileError::NotFound), "{name}");
    }
    // What comes next, where it is going to begin, and where the manifest lets players guess that it might.
    let (next, guessed) = ("cmaf/video-1000-540000.m4s", "cmaf/video-1000-549000.m4s");
    assert!(waits(&outputs, next, Reload::default()).await);
    assert!(waits(&outputs, guessed, Reload::default()).await);
    let (next, guessed) = (
        ask(&outputs, next, Reload::default()),
        ask(&outputs, guessed, Reload::default()),
    );
    let asked = ask(&outputs, third, Reload::default());
    rig.push(&rest);
    outputs.publish(rig.snapshot.clone());
    let file = asked.await.unwrap().unwrap();
    let same = outputs.file("cmaf/video-1002.m4s", Reload::default()).await;
    assert_eq!(file.body, same.unwrap().body);
    assert!(next.await.unwrap().is_ok());
    assert_eq!(guessed.await.unwrap().err(), Some(FileError::NotFound));
}

#[tokio::test(start_paused = true)]
async fn a_growing_segment_is_read_part_by_part() {
    let (mut rig, outputs, rest) = live(4_500);
    let name = "cmaf/video-1000-360000.m4s";
    let Ok(Opened::Growing(mut segment)) = outputs.open(name, Reload::default()).await else {
        panic!("it does not grow");
    };
    assert_eq!(segment.content_type(), "video/mp4");
    let mut read = Vec::new();
    // What is there comes at once, the next part not before it is made.
    for _ in 0..2 {
        read.extend(segment.next().await.unwrap().unwrap());
    }
    let pause = Duration::from_secs(3600);
    assert!(timeout(pause, segment.next()).await.is_err());
    for frame in rest {
        rig.push(&[frame]);
        outputs.publish(rig.snapshot.clone());
        if rig.snapshot.next_sequence > 1002 {
            break;
        }
        if let Some(part) = segment.next().now_or_never() {
            read.extend(part.unwrap().unwrap());
        }
    }
    while let Some(part) = segment.next().await.unwrap() {
        read.extend(part);
    }
    let whole = outputs.file("cmaf/video-1002.m4s", Reload::default());
    assert_eq!(whole.await.unwrap().body, read[..]);
    // Under the same name it is a whole file from then on.
    let again = outputs.open(name, Reload::default()).await;
    assert!(matches!(again, Ok(Opened::Whole(file)) if file.body == read[..]));
}

#[tokio::test(start_paused = true)]
async fn a_growing_segment_ends_with_its_stream_and_fails_when_it_is_lost() {
    for lost in [false, true] {
        let (mut rig, outputs, _) = live(4_500);
        let name = "cmaf/audio-1000-177152.m4s";
        let Ok(Opened::Growing(mut segment)) = outputs.open(name, Reload::default()).await else {
            panic!("it does not grow");
        };
        rig.end();
        outputs.publish(rig.snapshot.clone());
        if lost {
            outputs.withdraw();
            assert_eq!(segment.next().await, Err(FileError::NotFound));
            continue;
        }
        let mut read = Vec::new();
        while let Some(part) = segment.next().await.unwrap() {
            read.extend(part);
        }
        let whole = outputs.file("cmaf/audio-1002.m4s", Reload::default());
        assert_eq!(whole.await.unwrap().body, read[..]);
    }
}

#[tokio::test(start_paused = true)]
async fn reloads_too_far_ahead_are_refused() {
    let (_, outputs, _) = live(20_500);
    let lone_part = Reload {
        part: Some(1),
        ..Reload::default()
    };
    for bad in [
        lone_part,
        reload(1012, None),
        reload(u64::MAX, Some(0)),
        reload(1010, Some(40)),
        reload(1010, Some(u32::MAX)),
    ] {
        assert_eq!(
            outputs.file("cmaf/video.m3u8", bad).await.err(),
            Some(FileError::BadReload),
            "{bad:?}"
        );
    }
    assert!(
        outputs
            .file("cmaf/video.m3u8", reload(3, Some(99)))
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_answers_all_who_wait() {
    let (mut rig, outputs, _) = live(20_500);
    let playlist = ask(&outputs, "cmaf/audio.m3u8", reload(1011, Some(0)));
    let part = ask(&outputs, "cmaf/video-1010.3.m4s", Reload::default());
    tokio::task::yield_now().await;
    rig.end();
    outputs.publish(rig.snapshot.clone());
    assert!(text(&playlist.await.unwrap().unwrap()).ends_with("#EXT-X-ENDLIST\n"));
    // The last part holds the frame that was held back.
    assert!(matches!(
        part.await.unwrap(),
        Ok(_) | Err(FileError::NotFound)
    ));
    assert_eq!(
        outputs
            .file("cmaf/video-1011.0.m4s", Reload::default())
            .await
            .err(),
        Some(FileError::Ended)
    );
}

#[tokio::test(start_paused = true)]
async fn formats_turned_off_are_told_apart() {
    let (mut rig, outputs, _) = live(8_500);
    rig.configure(|settings| settings.cmaf = false);
    outputs.publish(rig.snapshot.clone());
    assert_eq!(
        outputs.file("master.m3u8", Reload::default()).await.err(),
        Some(FileError::Disabled)
    );
    assert!(outputs.file("live.m3u8", Reload::default()).await.is_ok());
    rig.configure(|settings| settings.list_size = 3);
    outputs.publish(rig.snapshot.clone());
    let playlist = text(&outputs.file("live.m3u8", Reload::default()).await.unwrap());
    assert_eq!(playlist.matches("#EXTINF").count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_playlist_is_rendered_and_compressed_once() {
    let (_, outputs, _) = live(8_500);
    let one = outputs.file("live.m3u8", Reload::default()).await.unwrap();
    let other = outputs.file("live.m3u8", Reload::default()).await.unwrap();
    assert_eq!(one.body.to_bytes().as_ptr(), other.body.to_bytes().as_ptr());
    assert_eq!(one.gzip().unwrap().as_ptr(), other.gzip().unwrap().as_ptr());
    assert_eq!(one.etag, other.etag);
}

#[tokio::test(start_paused = true)]
async fn sound_without_pictures_has_no_video_playlist() {
    let mut rig = Rig::new();
    rig.push(&Source::audio_only().frames(5_000));
    let outputs = Outputs::new(rig.snapshot.clone());
    assert_eq!(
        outputs
            .file("cmaf/video.m3u8", Reload::default())
            .await
            .err(),
        Some(FileError::NotFound)
    );
    assert!(
        outputs
            .file("cmaf/audio.m3u8", Reload::default())
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn a_format_that_carries_nothing_of_the_stream_is_refused_at_once() {
    let flac = |track: &Arc<Track>| track.codec.rfc6381() == "fLaC";
    let flac = crate::fuzzing::sounds().into_iter().find(flac).unwrap();
    let source = Source {
        video: Some(testing::other()),
        audio: Some(Arc::new(Track::new(flac.kind, flac.codec.clone()))),
        ..Source::default()
    };
    let mut rig = Rig::new();
    let outputs = Arc::new(Outputs::new(rig.snapshot.clone()));
    let early = ask(&outputs, "live.m3u8", Reload::default());
    tokio::task::yield_now().await;
    rig.push(&source.frames(400));
    outputs.publish(rig.snapshot.clone());
    assert_eq!(early.await.unwrap().err(), Some(FileError::Uncarried));
    let again = outputs.file("live.m3u8", Reload::default()).await;
    assert_eq!(again.err(), Some(FileError::Uncarried));
    assert!(outputs.file("master.m3u8", Reload::default()).await.is_ok());
    assert!(waits(&outputs, "manifest.mpd", Reload::default()).await);
}

#[tokio::test(start_paused = true)]
async fn a_sound_that_falls_silent_or_never_speaks_keeps_its_playlist() {
    let commentary = Arc::new(Track::clone(&testing::audio()).with_id(1));
    let silent = Arc::new(Track::clone(&testing::audio()).with_id(2));
    let mut tracks = testing::tracks(Some(&testing::video()), Some(&testing::audio()));
    tracks.set(&commentary);
    tracks.set(&silent);
    let mut rig = Rig::new();
    rig.segmenter.announce(&tracks);
    let outputs = Arc::new(Outputs::new(rig.snapshot.clone()));
    let mut sequence = 0;
    for frame in Source::default().frames(40_000) {
        let speaks = frame.dts.as_millis() < 4_000;
        if frame.kind() == Kind::Audio && speaks {
            let mut beside = frame.clone();
            (beside.track, beside.is_default) = (Arc::clone(&commentary), false);
            rig.push(&[beside]);
        }
        rig.push(&[frame]);
        outputs.publish(rig.snapshot.clone());
        if rig.snapshot.next_sequence == sequence || rig.closed.is_empty() {
            continue;
        }
        sequence = rig.snapshot.next_sequence;
        let mut ends = Vec::new();
        for name in ["audio", "audio1", "audio2"] {
            let name = format!("cmaf/{name}.m3u8");
            let playlist = outputs.file(&name, Reload::default());
            let playlist = text(&playlist.now_or_never().unwrap().unwrap());
            let parsed = m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).unwrap();
            assert!(!parsed.segments.is_empty(), "{playlist}");
            ends.push(parsed.media_sequence + parsed.segments.len() as u64);
            let gaps = playlist.matches("#EXT-X-GAP\n").count();
            assert_eq!(playlist.matches("#EXT-X-MAP").count(), 1, "{playlist}");
            if name.contains("audio2") {
                assert_eq!(gaps, parsed.segments.len());
            }
        }
        assert_eq!(ends, [sequence; 3]);
        let master = outputs.file("master.m3u8", Reload::default());
        let master = text(&master.now_or_never().unwrap().unwrap());
        // It spoke in the first two segments.
        let is_listed = sequence - (rig.settings.list_size as u64) < 1002;
        assert_eq!(master.contains("audio1.m3u8"), is_listed, "{master}");
        assert!(!master.contains("audio2.m3u8"), "{master}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_sound_that_stops_was_to_send_next_is_not_waited_for() {
    let commentary = Arc::new(Track::clone(&testing::audio()).with_id(1));
    let mut rig = Rig::new();
    let outputs = Arc::new(Outputs::new(rig.snapshot.clone()));
    let mut waiting = None;
    for frame in Source::default().frames(5_900) {
        // It falls silent with the end of a segment.
        if frame.kind() == Kind::Audio && frame.dts.as_millis() < 4_000 {
            let mut beside = frame.clone();
            (beside.track, beside.is_default) = (Arc::clone(&commentary), false);
            rig.push(&[beside]);
        }
        rig.push(&[frame]);
        outputs.publish(rig.snapshot.clone());
        if rig.snapshot.next_sequence == 1002 && waiting.is_none() {
            waiting = Some(ask(&outputs, "cmaf/audio1-1002.0.m4s", Reload::default()));
            let playlist = outputs.file("cmaf/audio1.m3u8", Reload::default());
            let playlist = text(&playlist.now_or_never().unwrap().unwrap());
            assert!(playlist.contains("URI=\"audio1-1002.0.m4s\""), "{playlist}");
        }
        tokio::task::yield_now().await;
    }
    let answer = waiting.unwrap().now_or_never().unwrap().unwrap();
    assert_eq!(answer.err(), Some(FileError::NotFound));
    for (name, is_hinted) in [("audio1", false), ("audio", true), ("video", true)] {
        let name = format!("cmaf/{name}.m3u8");
        let playlist = text(&outputs.file(&name, Reload::default()).await.unwrap());
        assert_eq!(playlist.contains("PRELOAD-HINT"), is_hinted, "{playlist}");
    }
}
