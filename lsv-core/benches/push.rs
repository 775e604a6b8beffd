//! What a publisher pays for each frame that it pushes into the hub: `time` is for one second of a stream, 25 pictures and
//! 50 sounds.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use lsv_core::codec::{FourCc, aac};
use lsv_core::hub::{Hub, Insert, Offer, Publisher};
use lsv_core::media::{Codec, Kind, MediaFrame, Track};
use lsv_core::path::{ChannelId, StreamPath};
use lsv_core::time::Timestamp;

fn push(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("push a second");
    group.bench_function("nobody reads", |bencher| {
        let mut source = Source::new();
        bencher.iter(|| source.second());
    });
    group.bench_function("a reader waits", |bencher| {
        let mut source = Source::new();
        let _reader = source.publisher.stream().subscribe();
        bencher.iter(|| source.second());
    });
    group.bench_function("an insert reads", |bencher| {
        let mut source = Source::new();
        let insert = source.publisher.stream().insert();
        let _reader = insert.as_ref().map(Insert::subscribe);
        bencher.iter(|| source.second());
    });
    group.finish();
}

struct Source {
    publisher: Publisher,
    video: Arc<Track>,
    audio: Arc<Track>,
    payload: Bytes,
    /// Where it stands, in ms.
    at: i64,
}

impl Source {
    fn new() -> Self {
        let path = StreamPath::source(ChannelId::parse("cam").expect("a channel"));
        let offer = Offer::new("a benchmark");
        let video = Codec::Other {
            fourcc: FourCc::HVC1,
            config: Bytes::from_static(b"hvcC"),
        };
        let sound = aac::Config::parse(Bytes::from_static(&[0x12, 0x10])).expect("a configuration");
        Self {
            publisher: Hub::default()
                .publish(&path, offer, Instant::now())
                .expect("a hub with room"),
            video: Arc::new(Track::new(Kind::Video, video)),
            audio: Arc::new(Track::new(Kind::Audio, Codec::Aac(sound))),
            payload: Bytes::from(vec![0; 4_000]),
            at: 0,
        }
    }

    fn second(&mut self) {
        for number in 0..50 {
            if number % 2 == 0 {
                let mut frame = self.frame(&self.video);
                frame.key = number == 0;
                self.send(frame);
            }
            self.send(self.frame(&self.audio));
            self.at += 20;
        }
    }

    fn frame(&self, track: &Arc<Track>) -> MediaFrame {
        let at = Timestamp::from_millis(self.at);
        MediaFrame::new(track, at, self.payload.clone())
    }

    fn send(&self, frame: MediaFrame) {
        let taken = self.publisher.push(black_box(frame));
        assert!(taken.is_ok(), "the publisher was thrown out");
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4));
    targets = push
}
criterion_main!(benches);
