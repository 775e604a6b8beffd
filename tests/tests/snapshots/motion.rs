//! Motion in real streams, found by the real ffmpeg: one clip and one event for each, with a picture that shows it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lsv_core::events::{Event, Happening};
use lsv_core::hub::{Motion, Settings, Stream};
use lsv_core::ports::{ObjectName, TaskControl, TaskSteering};
use lsv_mux::process::motion::Watch;
use lsv_mux::record::{self, Recorders};
use lsv_tests::{Signal, eventually, ffprobe_seconds, seconds, watch_file};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::camera;
use crate::studio::{Studio, children, ffmpeg};

struct Watching {
    stream: Arc<Stream>,
    told: broadcast::Receiver<Arc<Event>>,
    recorders: Recorders,
    task: JoinHandle<Result<(), String>>,
    steering: TaskSteering,
}

impl Watching {
    async fn start(studio: &Studio) -> (lsv_core::hub::Publisher, Self) {
        let mut settings = Settings::default();
        settings.processing.motion = Some(Motion {
            percent: 30,
            difference: 10,
            keep: Duration::from_secs(2),
            longest: Duration::from_secs(60),
        });
        let told = studio.events.subscribe();
        let publisher = camera::publish(&studio.hub, settings);
        let stream = studio.hub.find(&camera::path()).expect("it is live");
        let (store, events) = (studio.store.clone(), studio.events.clone());
        let recorders = Recorders::new(store, events, record::Config::default());
        let (control, steering) = TaskControl::new();
        let watch = Watch::new(ffmpeg().await, recorders.clone());
        let task = tokio::spawn(watch.run(Arc::clone(&stream), control));
        let watching = Self {
            stream,
            told,
            recorders,
            task,
            steering,
        };
        (publisher, watching)
    }

    /// Waits for its end, and gives the clips and pictures that events of motion told of, and all that was written.
    async fn end(mut self) -> (Vec<(ObjectName, ObjectName)>, Vec<ObjectName>) {
        self.task.await.expect("no panic").expect("it ends well");
        self.recorders.settled().await;
        drop((self.stream, self.steering));
        let (mut moved, mut written) = (Vec::new(), Vec::new());
        while let Ok(event) = self.told.try_recv() {
            match &event.happened {
                Happening::Motion { clip, snapshot, .. } => {
                    moved.push((clip.clone(), snapshot.clone()));
                }
                Happening::RecordingWritten { name, .. } => written.push(name.clone()),
                _ => {}
            }
        }
        written.sort();
        (moved, written)
    }
}

async fn saved(studio: &Studio, name: &ObjectName, file: &str) -> PathBuf {
    let folder = std::env::var_os("LSV_TEST_KEEP").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| studio.folder.path().to_owned());
    let path = folder.join(file);
    fs::write(&path, studio.read(name).await).expect("a file to write");
    path
}

/// A grey scene that turns bright at its middle: at eight seconds, or as far into it as `LSV_TEST_SECONDS` says.
#[tokio::test]
async fn a_scene_that_changes_makes_one_clip_and_one_event() {
    let studio = Studio::open().await;
    let length = seconds(16);
    let (change, speed) = (length / 2, if length > 60 { 1.0 } else { 2.0 });
    let video = format!(
        "color=0x303030:size=640x360:rate=25[a];color=0xd0d0d0:size=640x360:rate=25[b];\
         [a][b]overlay=enable='gte(t,{change})',noise=alls=4:allf=t[v]"
    );
    let frames = studio.encode(&video, length).await;
    let (publisher, watching) = Watching::start(&studio).await;
    camera::push(&publisher, &frames, 1, speed).await;
    publisher.finish();
    let (moved, written) = watching.end().await;

    assert_eq!(moved.len(), 1, "{moved:?}");
    let (clip, snapshot) = &moved[0];
    assert!(
        clip.as_str().starts_with("record/cam/motion/mp4/"),
        "{clip}"
    );
    assert!(
        snapshot.as_str().starts_with("record/cam/motion/images/"),
        "{snapshot}"
    );
    assert_eq!(
        written,
        [snapshot.clone(), clip.clone()],
        "each is written once"
    );
    assert_eq!(studio.names("record/").await, written);
    assert!(studio.names("unfinished/").await.is_empty());

    let (size, brightness) = studio.look(&studio.read(snapshot).await).await;
    assert_eq!(size, "640x360");
    assert!(brightness > 180, "the moment is shown: {brightness}");
    saved(&studio, snapshot, "motion.jpg").await;
    let file = saved(&studio, clip, "motion.mp4").await;
    watch_file(&file).await;
    let seconds = ffprobe_seconds(&file).await;
    // Five seconds and up to a group of pictures before, two after.
    assert!((6.9..8.5).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_watch_whose_decoder_is_killed_goes_on() {
    let studio = Studio::open().await;
    let video = "color=0x303030:size=320x180:rate=25[a];color=0xd0d0d0:size=320x180:rate=25[b];\
         [a][b]overlay=enable='between(mod(t,6),3,6)'[v]";
    let frames = studio.encode(video, 6).await;
    let (publisher, watching) = Watching::start(&studio).await;
    let mut told = studio.events.subscribe();
    let killing = async {
        for round in 1..=2 {
            let eyes = async || children(&["160:90"]).first().copied();
            let id = eventually("a decoder", eyes).await;
            eventually("motion", async || {
                let event = told.try_recv().ok()?;
                matches!(event.happened, Happening::Motion { .. }).then_some(())
            })
            .await;
            let pid = rustix::process::Pid::from_raw(id).expect("a process");
            rustix::process::kill_process(pid, Signal::KILL).expect("it runs");
            let report = async || (watching.steering.heard().1.restarts >= round).then_some(());
            eventually("the report", report).await;
        }
        eventually("motion again", async || {
            let event = told.try_recv().ok()?;
            matches!(event.happened, Happening::Motion { .. }).then_some(())
        })
        .await;
    };
    tokio::select! {
        () = killing => {}
        _ = camera::push(&publisher, &frames, 1_000, 1.0) => {}
    }
    publisher.finish();
    let (moved, written) = watching.end().await;
    assert!(moved.len() >= 3, "{moved:?}");
    for (clip, _) in &moved {
        assert!(written.contains(clip), "{clip} is whole");
        watch_file(&saved(&studio, clip, "clip.mp4").await).await;
    }
    eventually("no process stays", async || {
        children(&["160:90"]).is_empty().then_some(())
    })
    .await;
}
