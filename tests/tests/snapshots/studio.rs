//! A hub with a store, and who makes pictures of its streams.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use lsv_core::channel::{LogLevel, TaskSize};
use lsv_core::embedded::Objects;
use lsv_core::events::Events;
use lsv_core::hub::Hub;
use lsv_core::media::MediaFrame;
use lsv_core::ports::{ObjectName, ObjectStore, PageRequest};
use lsv_mux::process::Ffmpeg;
use lsv_mux::process::stills::{Gallery, Snapshots, Style, sheets};
use lsv_mux::record::thumbnails::Thumbnails;
use lsv_tests::Process;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::camera::{self, H264};

pub(crate) fn style() -> Style {
    Style::new(TaskSize::Small, LogLevel::Warning)
}

pub(crate) async fn ffmpeg() -> Ffmpeg {
    Ffmpeg::find(None).await.expect("ffmpeg is installed")
}

pub(crate) struct Studio {
    /// Tests look for the decoders that they started: one at a time.
    _alone: MutexGuard<'static, ()>,
    pub(crate) folder: TempDir,
    pub(crate) store: Arc<Objects>,
    pub(crate) hub: Hub,
    pub(crate) events: Events,
    pub(crate) gallery: Gallery,
    pub(crate) snapshots: Snapshots,
}

impl Studio {
    pub(crate) async fn open() -> Self {
        static ALONE: Mutex<()> = Mutex::const_new(());
        let folder = TempDir::new().expect("a temporary folder");
        let store = Arc::new(Objects::open(folder.path().join("objects")).expect("a store"));
        let (hub, events) = (Hub::default(), Events::new());
        let ffmpeg = ffmpeg().await;
        let gallery = Gallery::new(Some(ffmpeg.clone()), style());
        let thumbnails = Thumbnails::new(sheets::compose);
        let snapshots = Snapshots::new(
            ffmpeg,
            store.clone(),
            events.clone(),
            gallery.clone(),
            thumbnails,
        );
        Self {
            _alone: ALONE.lock().await,
            folder,
            store,
            hub,
            events,
            gallery,
            snapshots,
        }
    }

    /// The frames of `video`, which ends in `[v]`.
    pub(crate) async fn encode(&self, video: &str, seconds: u64) -> Vec<MediaFrame> {
        let file = self.folder.path().join("source.flv");
        camera::encode(video, seconds, &H264, &file).await;
        camera::frames(&file)
    }

    pub(crate) async fn names(&self, prefix: &str) -> Vec<ObjectName> {
        let page = self.store.list(prefix, &PageRequest::default()).await;
        page.expect("a listing")
            .items
            .into_iter()
            .map(|info| info.name)
            .collect()
    }

    pub(crate) async fn read(&self, name: &ObjectName) -> Bytes {
        self.store.get(name, None).await.expect("an object").bytes
    }

    /// Size and mean brightness of a picture, as ffmpeg decodes it.
    pub(crate) async fn look(&self, picture: &[u8]) -> (String, u32) {
        let file = self.folder.path().join("look.jpg");
        fs::write(&file, picture).expect("a file to write");
        (size(&file).await, brightness(&file).await)
    }
}

async fn size(file: &Path) -> String {
    let file = file.to_str().expect("a path in UTF-8");
    let line = [
        "-v",
        "error",
        "-show_entries",
        "stream=width,height",
        "-of",
        "csv=p=0:s=x",
        file,
    ];
    let mut probe = Process::start("ffprobe", line);
    assert!(probe.ended().await.success(), "{}", probe.stderr());
    probe.stdout().trim().to_owned()
}

/// The mean of the luma, from 0 to 255 as JPEG has it.
async fn brightness(file: &Path) -> u32 {
    let out = file.with_extension("grey");
    let (input, output) = (file.to_str().expect("UTF-8"), out.to_str().expect("UTF-8"));
    let line = [
        "-v",
        "error",
        "-y",
        "-i",
        input,
        "-vf",
        "scale=2:2:flags=area",
        "-pix_fmt",
        "yuvj420p",
    ];
    let mut ffmpeg = Process::start("ffmpeg", [&line[..], &["-f", "rawvideo", output]].concat());
    assert!(ffmpeg.ended().await.success(), "{}", ffmpeg.stderr());
    u32::from(fs::read(&out).expect("a pixel")[0])
}

/// The processes that this one has started with all of `words` in their command lines.
pub(crate) fn children(words: &[&str]) -> Vec<i32> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task").expect("/proc").flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(
            children
                .split_whitespace()
                .filter_map(|id| id.parse::<i32>().ok()),
        );
    }
    let has_words = |id: &i32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        words.iter().all(|word| line.contains(word))
    };
    found.retain(has_words);
    found
}
