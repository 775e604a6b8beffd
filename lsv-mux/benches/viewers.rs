//! What viewers cost a node's packager: a playlist from ready bytes, and 2,000 low-latency viewers who wait for the same
//! part, answered with one rendering.
//!
//! Time from the frame that completes the part to the last of the answers, on one thread. That the playlist is rendered
//! once is held to by where its bytes are: all answers share them.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::FutureExt as _;
use futures::future::join_all;
use lsv_core::hub::Settings;
use lsv_core::media::{MediaFrame, Track};
use lsv_core::time::Timestamp;
use lsv_mux::fuzzing;
use lsv_mux::packager::{Config, Packager};
use lsv_mux::window::{Outputs, Reload};

/// A packager in the middle of a stream of 30 pictures a second, with a key frame every two seconds.
struct Live {
    packager: Packager,
    video: Arc<Track>,
    next: i64,
}

impl Live {
    fn new() -> Self {
        let mut settings = Settings::default();
        settings.cmaf = true;
        let video = fuzzing::tracks().video;
        let mut live = Self {
            packager: Packager::new(&Config::default(), &settings, 0, SystemTime::UNIX_EPOCH),
            video: video
                .unwrap_or_else(|| unreachable!("the stream that benchmarks use has pictures")),
            next: 0,
        };
        for _ in 0..900 {
            live.push();
        }
        live
    }

    /// Pushes the next picture. Says whether viewers see something new.
    fn push(&mut self) -> bool {
        let key = self.next % 60 == 0;
        let at = Timestamp::from_millis(self.next * 1000 / 30);
        let mut frame = MediaFrame::new(
            &self.video,
            at,
            access_unit(if key { 40_000 } else { 4_000 }, key),
        );
        frame.key = key;
        self.next += 1;
        let now = SystemTime::UNIX_EPOCH + at.since(Timestamp::ZERO);
        self.packager.push(&frame, now)
    }

    /// The reload that the next part answers.
    fn next_reload(&self) -> Reload {
        let playlist = fetch(self.packager.outputs(), Reload::default()).unwrap_or_default();
        let text = String::from_utf8_lossy(&playlist);
        let hint = text
            .lines()
            .find_map(|line| line.strip_prefix("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"video-"));
        let (msn, part) = hint
            .and_then(|hint| hint.split_once('.'))
            .unwrap_or_default();
        let part = part.split('.').next().unwrap_or_default();
        Reload {
            msn: msn.parse().ok(),
            part: part.parse().ok(),
            ..Reload::default()
        }
    }
}

fn access_unit(size: usize, key: bool) -> Bytes {
    let mut out = BytesMut::with_capacity(size + 4);
    out.put_u32(size as u32);
    out.put_u8(if key { 0x65 } else { 0x41 });
    out.put_bytes(0xA5, size - 1);
    out.freeze()
}

fn fetch(outputs: &Outputs, reload: Reload) -> Option<Bytes> {
    let file = outputs.file("cmaf/video.m3u8", reload).now_or_never()?;
    file.ok().map(|file| file.body.to_bytes())
}

fn viewers(criterion: &mut Criterion) {
    let mut live = Live::new();
    criterion.bench_function("a playlist from ready bytes", |bench| {
        let outputs = Arc::clone(live.packager.outputs());
        bench.iter(|| black_box(fetch(&outputs, Reload::default())));
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let Ok(runtime) = runtime else {
        return;
    };
    let mut group = criterion.benchmark_group("blocking reloads");
    group.throughput(Throughput::Elements(VIEWERS as u64));
    group.bench_function(format!("{VIEWERS} viewers, one part"), |bench| {
        bench.iter_custom(|rounds| {
            let mut total = Duration::ZERO;
            for _ in 0..rounds {
                total += runtime.block_on(round(&mut live));
            }
            total
        });
    });
    group.finish();
}

/// Lets all viewers wait for the next part, makes it, and answers how long it took until the last had its answer.
async fn round(live: &mut Live) -> Duration {
    let reload = live.next_reload();
    let waiting: Vec<_> = (0..VIEWERS)
        .map(|_| {
            let outputs = Arc::clone(live.packager.outputs());
            tokio::spawn(async move { outputs.file("cmaf/video.m3u8", reload).await })
        })
        .collect();
    tokio::task::yield_now().await;
    while fetch(live.packager.outputs(), reload).is_none() {
        let since = Instant::now();
        if live.push() {
            let answers = join_all(waiting).await;
            let took = since.elapsed();
            let bodies = answers
                .into_iter()
                .filter_map(|answer| Some(answer.ok()?.ok()?.body.to_bytes()));
            let mut places: Vec<*const u8> = bodies.map(|body| body.as_ptr()).collect();
            assert_eq!(places.len(), VIEWERS, "a viewer got no playlist");
            places.dedup();
            assert_eq!(places.len(), 1, "the playlist was rendered more than once");
            return took;
        }
    }
    unreachable!("a part that was waited for was there before")
}

const VIEWERS: usize = 2_000;

criterion_group!(benches, viewers);
criterion_main!(benches);
