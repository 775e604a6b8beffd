//! A processor between a publisher and the packagers: what becomes of segments as it comes and goes.

use std::collections::VecDeque;

use futures::FutureExt;
use lsv_core::codec::avc;
use lsv_core::hub::{Insert, Stage};
use lsv_core::media::{Codec, Track};

use super::*;
use crate::testing::video;

/// How a processor leaves.
#[derive(Clone, Copy, PartialEq)]
enum Leave {
    Released,
    Dropped,
}

/// The publisher's video under another configuration, as an encoder has it.
fn encoded() -> Arc<Track> {
    let mut record = video().codec.config_record().to_vec();
    // The level (ISO/IEC 14496-15 §5.3.3.1.2).
    record[3] = 0x28;
    let config = avc::Config::parse(record.into()).unwrap();
    Arc::new(Track::new(Kind::Video, Codec::Avc(config)))
}

/// Ten seconds of a stream in which a processor makes the pictures from 2 s to about 6 s, half a second late.
async fn process(publisher: &Publisher, made: &Arc<Track>, leave: Leave) {
    let mut insert = publisher.stream().insert();
    let mut source = insert.as_ref().map(Insert::subscribe).unwrap();
    let mut under_way = VecDeque::new();
    for frame in Source::default().frames(10_000) {
        let at = frame.dts;
        publisher.push(frame).unwrap();
        while let Some(Some(Delivery::Item(mut frame))) = source.next().now_or_never() {
            if frame.kind() == Kind::Video {
                frame.track = Arc::clone(made);
            }
            under_way.push_back(frame);
        }
        let is_made = |frame: &MediaFrame| at.since(frame.dts) >= DELAY;
        while let (Some(insert), Some(true)) = (&insert, under_way.front().map(is_made)) {
            under_way.pop_front().map(|frame| insert.push(frame));
        }
        match at.as_millis() {
            1_500 => insert.as_ref().unwrap().engage(),
            5_500 if leave == Leave::Released => insert.as_ref().unwrap().release(),
            5_700 if leave == Leave::Dropped => insert = None,
            7_000 if leave == Leave::Released => {
                assert_eq!(insert.take().unwrap().stage(), Stage::Source);
            }
            _ => {}
        }
        tokio::task::yield_now().await;
    }
    settle().await;
}

/// The length of all segments of a playlist, in seconds, and how many breaks there are.
async fn summary(packagers: &Packagers, name: &str) -> (f64, usize) {
    let text = playlist(packagers, name).await;
    let lengths = text
        .lines()
        .filter_map(|line| line.strip_prefix("#EXTINF:"));
    let lengths = lengths.map(|line| line.trim_end_matches(',').parse::<f64>().unwrap());
    (
        lengths.sum(),
        text.matches("#EXT-X-DISCONTINUITY\n").count(),
    )
}

async fn outcome(made: &Arc<Track>, leave: Leave) -> Vec<(f64, usize)> {
    let (hub, packagers) = packaged_hub();
    let mut offer = offer();
    offer.settings.list_size = 20;
    let publisher = hub.publish(&path(), offer, Instant::now()).unwrap();
    settle().await;
    process(&publisher, made, leave).await;
    assert_eq!(publisher.stream().warnings(), []);
    publisher.finish();
    settle().await;
    let mut outcome = Vec::new();
    for name in ["live.m3u8", "cmaf/video.m3u8", "cmaf/audio.m3u8"] {
        outcome.push(summary(&packagers, name).await);
    }
    outcome
}

#[tokio::test(start_paused = true)]
async fn a_processor_that_keeps_the_configuration_leaves_no_trace() {
    for (length, breaks) in outcome(&video(), Leave::Released).await {
        assert!((length - 10.0).abs() < 0.05, "{length}");
        assert_eq!(breaks, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_processor_comes_and_goes_with_a_break_each_and_no_gap() {
    for (length, breaks) in outcome(&encoded(), Leave::Released).await {
        assert!((length - 10.0).abs() < 0.05, "{length}");
        assert_eq!(breaks, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_dies_costs_no_more_than_a_group_of_pictures() {
    for (length, breaks) in outcome(&encoded(), Leave::Dropped).await {
        assert!((8.9..10.05).contains(&length), "{length}");
        assert_eq!(breaks, 2);
    }
}

const DELAY: Duration = Duration::from_millis(500);
