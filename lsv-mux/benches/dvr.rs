//! What a time-shift window of a day costs: memory for each old segment, and the time that its playlists take.
//!
//! A day of pictures and sound in segments of two seconds goes through a packager first, with a store that takes everything and keeps
//! nothing. `cargo bench -p lsv-mux --all-features --bench dvr`

use std::alloc::System;
use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use futures::FutureExt as _;
use lsv_core::hub::Settings;
use lsv_core::media::{MediaFrame, Track};
use lsv_core::path::{ChannelId, StreamPath};
use lsv_core::ports::{
    Error, Object, ObjectInfo, ObjectName, ObjectStore, ObjectWriter, Page, PageRequest, Piece,
    Result, StorageClass,
};
use lsv_core::time::Timestamp;
use lsv_mux::dvr::{self, Dvr};
use lsv_mux::fuzzing;
use lsv_mux::packager::{Config, Packager};
use lsv_mux::window::{File, Reload, Skip};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Takes everything and keeps nothing.
#[derive(Debug)]
struct Nowhere;

#[async_trait]
impl ObjectStore for Nowhere {
    fn in_class(&self, _: StorageClass) -> Arc<dyn ObjectStore> {
        Arc::new(Self)
    }

    async fn put(&self, _: &ObjectName, _: Bytes) -> Result<()> {
        Ok(())
    }

    async fn put_if_absent(&self, _: &ObjectName, _: Bytes) -> Result<()> {
        Ok(())
    }

    async fn replace(&self, name: &ObjectName, _: &Bytes, _: Bytes) -> Result<()> {
        Err(Error::NotFound(name.to_string()))
    }

    async fn create(&self, name: &ObjectName) -> Result<Box<dyn ObjectWriter>> {
        Err(Error::Denied(name.to_string()))
    }

    async fn compose(&self, name: &ObjectName, _: &[Piece]) -> Result<ObjectInfo> {
        Err(Error::Denied(name.to_string()))
    }

    async fn get(&self, name: &ObjectName, _: Option<Range<u64>>) -> Result<Object> {
        Err(Error::NotFound(name.to_string()))
    }

    async fn stat(&self, name: &ObjectName) -> Result<ObjectInfo> {
        Err(Error::NotFound(name.to_string()))
    }

    async fn list(&self, _: &str, _: &PageRequest) -> Result<Page<ObjectInfo>> {
        Ok(Page {
            items: Vec::new(),
            next: None,
        })
    }

    async fn delete(&self, _: &ObjectName) -> Result<()> {
        Ok(())
    }
}

/// A stream of 25 pictures a second with sound.
struct Live {
    packager: Packager,
    video: Arc<Track>,
    audio: Arc<Track>,
    pictures: i64,
    sounds: i64,
}

impl Live {
    fn new(dvr: &Dvr) -> Option<Self> {
        let mut settings = Settings::default();
        settings.cmaf = true;
        settings.dvr_window = Some(DAY);
        let now = SystemTime::UNIX_EPOCH;
        let path = StreamPath::source(ChannelId::parse("cam").ok()?);
        let archive = dvr.open(&path, now);
        tokio::spawn(archive.clone().run());
        let packager = Packager::new(&Config::default(), &settings, 1_790_000_000, now);
        let tracks = fuzzing::tracks();
        Some(Self {
            packager: packager.with_archive(archive, now),
            video: tracks.video?,
            audio: tracks.audio?,
            pictures: 0,
            sounds: 0,
        })
    }

    /// Pushes the next frame. Says whether viewers see something new.
    fn push(&mut self) -> bool {
        let (picture, sound) = (self.pictures * 40, self.sounds * 1024 * 1000 / 44_100);
        let mut frame = match picture <= sound {
            true => {
                self.pictures += 1;
                let mut unit = BytesMut::new();
                unit.put_slice(&[0, 0, 0, 2, if picture % 2000 == 0 { 0x65 } else { 0x41 }, 1]);
                MediaFrame::new(&self.video, Timestamp::from_millis(picture), unit.freeze())
            }
            false => {
                self.sounds += 1;
                let at = Timestamp::from_millis(sound);
                MediaFrame::new(&self.audio, at, Bytes::from_static(&[0x21, 0x10, 4]))
            }
        };
        frame.key = picture <= sound && picture % 2000 == 0;
        let now = SystemTime::UNIX_EPOCH + frame.dts.since(Timestamp::ZERO);
        self.packager.push(&frame, now)
    }

    /// Until there is a new part, and the store has what it is to have.
    async fn next_part(&mut self) {
        while !self.push() {}
        tokio::task::yield_now().await;
    }

    fn fetch(&self, name: &str, skip: Skip) -> Option<File> {
        let reload = Reload {
            skip,
            ..Reload::default()
        };
        let file = self.packager.outputs().file(name, reload).now_or_never()?;
        file.ok()
    }
}

fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats
        .bytes_allocated
        .saturating_sub(stats.bytes_deallocated)
}

/// The time that `name` takes when it is asked for after each new part, on average.
async fn measure(live: &mut Live, name: &str, skip: Skip) {
    let (mut spent, mut bytes, mut pieces) = (Duration::ZERO, 0, 0);
    let before = ALLOCATOR.stats().bytes_allocated;
    let mut allocated = 0;
    for _ in 0..PARTS {
        live.next_part().await;
        let (since, allocations) = (Instant::now(), ALLOCATOR.stats().bytes_allocated);
        if let Some(file) = black_box(live.fetch(name, skip)) {
            (bytes, pieces) = (file.body.len(), file.body.pieces().len());
        }
        spent += since.elapsed();
        allocated += ALLOCATOR.stats().bytes_allocated - allocations;
    }
    debug_assert!(before <= ALLOCATOR.stats().bytes_allocated);
    println!(
        "{name:16} {skip:?}: {:7.1} us a part, {bytes} bytes in {pieces} pieces, {} bytes allocated a part",
        spent.as_secs_f64() * 1e6 / f64::from(PARTS),
        allocated / PARTS as usize
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dvr = Dvr::new(Arc::new(Nowhere), dvr::Config::default());
    let Some(mut live) = Live::new(&dvr) else {
        return;
    };
    let (mut at_first, mut spent) = (0, Duration::ZERO);
    while live.pictures * 40 < 87_000_000 {
        let since = Instant::now();
        while !live.push() {}
        spent += since.elapsed();
        tokio::task::yield_now().await;
        if at_first == 0 && live.pictures * 40 > 60_000 {
            at_first = held();
        }
    }
    let of_day = held() - at_first;
    println!(
        "a day of segments: {SEGMENTS} older ones hold {of_day} bytes, {} each; packaging took {:.1} s",
        of_day / SEGMENTS,
        spent.as_secs_f64()
    );
    for name in [
        "live.m3u8",
        "cmaf/video.m3u8",
        "cmaf/audio.m3u8",
        "manifest.mpd",
    ] {
        let before = held();
        let since = Instant::now();
        let file = live.fetch(name, Skip::Nothing);
        let length = file.map_or(0, |file| file.body.len());
        println!(
            "{name:16} first: {:.1} ms, {length} bytes, {} kept",
            since.elapsed().as_secs_f64() * 1e3,
            held().saturating_sub(before)
        );
    }
    for (name, skip) in [
        ("live.m3u8", Skip::Nothing),
        ("live.m3u8", Skip::Segments),
        ("cmaf/video.m3u8", Skip::Nothing),
        ("cmaf/video.m3u8", Skip::Segments),
        ("manifest.mpd", Skip::Nothing),
    ] {
        measure(&mut live, name, skip).await;
    }
}

const DAY: Duration = Duration::from_secs(86_400);
const SEGMENTS: usize = 43_200;
const PARTS: u32 = 200;
