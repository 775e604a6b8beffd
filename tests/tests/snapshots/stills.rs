//! Snapshots and posters of real streams, made by the real ffmpeg and looked at.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lsv_core::events::Happening;
use lsv_core::hub::{OnDemand, Settings};
use lsv_core::media::Kind;
use lsv_core::ports::{ObjectName, TaskControl};
use lsv_mux::poster::{NoPoster, Posters};
use lsv_mux::process::stills::{Gallery, picture_at};
use lsv_mux::record::{self, Recorders};
use lsv_tests::{Signal, eventually};

use crate::camera;
use crate::studio::{Studio, children, style};

/// A moving picture whose colour tells the second: 0 is black, each second a little brighter.
const STAIRS: &str = "color=black:size=640x360:rate=25,format=yuv420p,\
    geq=lum='16+20*floor(T)':cb=128:cr=128[v]";

/// The words by which a running decoder is known.
const DECODER: [&str; 2] = ["mpjpeg", "select"];

fn wanting(every: Duration) -> Settings {
    let mut settings = Settings::default();
    settings.processing.snapshots = Some(every);
    settings
}

#[tokio::test]
async fn a_snapshot_each_so_often_and_a_fresh_poster() {
    let studio = Studio::open().await;
    let mut told = studio.events.subscribe();
    let frames = studio.encode(STAIRS, 9).await;
    let publisher = camera::publish(&studio.hub, wanting(Duration::from_secs(2)));
    let stream = studio.hub.find(&camera::path()).expect("it is live");
    assert_eq!(
        studio.gallery.poster(&stream).await,
        Err(NoPoster::NoPicture)
    );
    let (control, steering) = TaskControl::new();
    let task = tokio::spawn(studio.snapshots.clone().run(Arc::clone(&stream), control));
    let watching = async {
        let mut fresh = 0;
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            let poster = studio.gallery.poster(&stream).await.expect("a poster");
            assert!(poster.taken <= SystemTime::now());
            let (size, brightness) = studio.look(&poster.jpeg).await;
            assert_eq!(size, "640x360");
            fresh = fresh.max(brightness);
        }
        fresh
    };
    let (_, brightest) = tokio::join!(camera::push(&publisher, &frames, 1, 1.0), watching);
    assert!(brightest >= 80, "posters go with the stream: {brightest}");
    publisher.finish();
    task.await
        .expect("no panic")
        .expect("it ends with the stream");
    drop(steering);

    let names = studio.names("record/cam/images/").await;
    assert!((4..=6).contains(&names.len()), "{names:?}");
    let mut last = None;
    for name in &names {
        let (size, brightness) = studio.look(&studio.read(name).await).await;
        assert_eq!(size, "640x360", "{name}");
        assert!(
            last.is_none_or(|last| brightness > last),
            "{brightness} after {last:?}"
        );
        last = Some(brightness);
    }
    let mut written = Vec::new();
    while let Ok(event) = told.try_recv() {
        if let Happening::RecordingWritten { name, size, .. } = &event.happened {
            assert!(*size > 500, "{name}");
            written.push(name.clone());
        }
    }
    assert_eq!(written, names);
}

/// A camera that lies on its side and says so: what is on its right is at the top, in every picture.
#[tokio::test]
async fn pictures_of_a_source_that_lies_on_its_side_are_upright() {
    let studio = Studio::open().await;
    let file = studio.folder.path().join("source.flv");
    let video = "color=black:size=640x360:rate=25,drawbox=x=320:w=320:h=360:c=white:t=fill[v]";
    let says = [
        "-bsf:v",
        "h264_metadata=display_orientation=insert:rotate=90",
    ];
    let encoder = [&camera::H264[..], &says].concat();
    camera::encode(video, 5, &encoder, &file).await;
    let publisher = camera::publish(&studio.hub, wanting(Duration::from_secs(1)));
    let stream = studio.hub.find(&camera::path()).expect("it is live");
    let (control, _steering) = TaskControl::new();
    let task = tokio::spawn(studio.snapshots.clone().run(Arc::clone(&stream), control));
    let frames = camera::frames(&file);
    camera::push(&publisher, &frames, 1, 1.0).await;
    let poster = studio.gallery.poster(&stream).await.expect("a poster");
    publisher.finish();
    task.await.expect("no panic").expect("it ends well");

    let names = studio.names("record/cam/images/").await;
    assert!(names.len() >= 3, "{names:?}");
    let mut pictures = vec![poster.jpeg];
    for name in &names {
        pictures.push(studio.read(name).await);
    }
    // In the midst of a group of pictures.
    let shown: Vec<_> = frames
        .iter()
        .filter(|frame| frame.kind() == Kind::Video)
        .cloned()
        .collect();
    let moment = picture_at(
        &studio.snapshots.ffmpeg,
        &shown[..20],
        shown[15].pts(),
        style(),
    )
    .await;
    pictures.push(moment.expect("a picture"));
    for picture in pictures {
        // At its top left.
        let (size, brightness) = studio.look(&picture).await;
        assert_eq!(size, "360x640");
        assert!(brightness > 230, "{brightness}");
    }
}

/// One picture is made of a key frame, however many ask for it at once.
#[tokio::test]
async fn posters_without_snapshots_are_made_when_somebody_asks() {
    let studio = Studio::open().await;
    let frames = studio.encode(STAIRS, 3).await;
    let publisher = camera::publish(&studio.hub, Settings::default());
    let stream = studio.hub.find(&camera::path()).expect("it is live");
    camera::push(&publisher, &frames, 1, 50.0).await;
    let asked = (0..20).map(|_| studio.gallery.poster(&stream));
    let posters: Vec<_> = futures::future::join_all(asked).await;
    let first = posters[0].clone().expect("a poster");
    let (size, brightness) = studio.look(&first.jpeg).await;
    assert_eq!(size, "640x360");
    // The third second: 40 above black, of a full range.
    assert!((40..=55).contains(&brightness), "{brightness}");
    for poster in posters {
        assert_eq!(poster.expect("a poster"), first);
    }
    let poor = Gallery::new(None, style());
    let none = poor.poster(&stream).await.expect_err("no ffmpeg");
    assert!(matches!(none, NoPoster::Impossible(_)), "{none:?}");
}

#[tokio::test]
async fn a_decoder_that_is_killed_is_started_again() {
    let studio = Studio::open().await;
    let frames = studio.encode(STAIRS, 2).await;
    let publisher = camera::publish(&studio.hub, wanting(Duration::from_millis(500)));
    let stream = studio.hub.find(&camera::path()).expect("it is live");
    let (control, steering) = TaskControl::new();
    let task = tokio::spawn(studio.snapshots.clone().run(Arc::clone(&stream), control));
    let killing = async {
        let mut before = 0;
        for round in 1..=3 {
            let id = eventually("a decoder", async || children(&DECODER).first().copied()).await;
            let count = async || Some(studio.names("record/cam/images/").await.len());
            before = eventually("a picture", async || count().await.filter(|n| *n > before)).await;
            let pid = rustix::process::Pid::from_raw(id).expect("a process");
            rustix::process::kill_process(pid, Signal::KILL).expect("it runs");
            eventually("it is gone", async || {
                (!children(&DECODER).contains(&id)).then_some(())
            })
            .await;
            let restarts = async || {
                let (_, report) = steering.heard();
                (report.restarts >= round).then_some(())
            };
            eventually("the report", restarts).await;
        }
        eventually("another picture", async || {
            let count = studio.names("record/cam/images/").await.len();
            (count > before).then_some(())
        })
        .await;
        let healthy = async || steering.heard().1.problem.is_none().then_some(());
        eventually("a healthy report", healthy).await;
    };
    tokio::select! {
        () = killing => {}
        _ = camera::push(&publisher, &frames, 1_000, 1.0) => {}
    }
    steering.stop();
    task.await.expect("no panic").expect("it is stopped");
    eventually("no process stays", async || {
        children(&DECODER).is_empty().then_some(())
    })
    .await;
}

/// A recording for video on demand has its small pictures, which show what they say.
#[tokio::test]
async fn small_pictures_lie_beside_a_recording_on_demand() {
    let mut studio = Studio::open().await;
    studio.snapshots.thumbnail_distance = Duration::from_secs(1);
    let frames = studio.encode(STAIRS, 8).await;
    let recorders = Recorders::new(
        studio.store.clone(),
        studio.events.clone(),
        record::Config::default(),
    )
    .with_thumbnails(studio.snapshots.thumbnails.clone());
    let recording = tokio::spawn(recorders.clone().run(studio.hub.clone()));
    let mut settings = Settings::default();
    settings.recording.on_demand = Some(OnDemand {
        segment: Duration::from_secs(2),
        list_size: 0,
    });
    let publisher = camera::publish(&studio.hub, settings);
    let stream = studio.hub.find(&camera::path()).expect("it is live");
    let (control, _steering) = TaskControl::new();
    let task = tokio::spawn(studio.snapshots.clone().run(Arc::clone(&stream), control));
    camera::push(&publisher, &frames, 1, 1.0).await;
    publisher.finish();
    task.await
        .expect("no panic")
        .expect("it ends with the stream");
    recorders.settled().await;
    recording.abort();

    let names = studio.names("record/cam/vod/").await;
    let list = names
        .iter()
        .find(|name| name.as_str().ends_with("/thumbnails.vtt"));
    let list = list.unwrap_or_else(|| panic!("small pictures among {names:?}"));
    let text = String::from_utf8(studio.read(list).await.to_vec()).expect("text");
    assert!(
        text.starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:0"),
        "{text}"
    );
    let cues: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("#xywh="))
        .collect();
    // A busy machine may be late with the last ones.
    assert!((4..=8).contains(&cues.len()), "{text}");
    assert_eq!(cues[1], "thumbnails-0.jpg#xywh=160,0,160,90", "{text}");
    let sheet = list.as_str().replace("thumbnails.vtt", "thumbnails-0.jpg");
    let sheet = ObjectName::parse(&sheet).expect("a name");
    let bytes = studio.read(&sheet).await;
    let (size, brightness) = studio.look(&bytes).await;
    assert_eq!(size, format!("{}x90", cues.len() * 160));
    // Of its left half.
    assert!(brightness > 10, "{brightness}");
    if let Ok(folder) = std::env::var("LSV_TEST_KEEP") {
        fs::write(Path::new(&folder).join("sheet.jpg"), &bytes).expect("a folder");
    }
}
