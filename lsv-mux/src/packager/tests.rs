use std::time::Instant;

use lsv_core::hub::{Offer, Publisher, Times};
use lsv_core::path::ChannelId;

use super::*;
use crate::segmenter::synthetic::Source;
use crate::window::{File, FileError, Reload};

mod processed;

fn path() -> StreamPath {
    StreamPath::source(ChannelId::parse("cam").unwrap())
}

fn offer() -> Offer {
    let mut offer = Offer::new("test");
    offer.settings.cmaf = true;
    offer
}

/// A hub whose streams are packaged.
fn packaged_hub() -> (Hub, Packagers) {
    packaged_hub_with(Config::default())
}

fn packaged_hub_with(config: Config) -> (Hub, Packagers) {
    let hub = Hub::default();
    let packagers = Packagers::new(config);
    tokio::spawn(packagers.clone().run(hub.clone()));
    (hub, packagers)
}

async fn publish(hub: &Hub) -> Publisher {
    let publisher = hub.publish(&path(), offer(), Instant::now()).unwrap();
    settle().await;
    publisher
}

/// Pushes `seconds` of a stream, a frame at a time as a publisher does.
async fn push(publisher: &Publisher, seconds: i64) {
    for frame in Source::default().frames(seconds * 1000) {
        publisher.push(frame).unwrap();
        tokio::task::yield_now().await;
    }
    settle().await;
}

/// Lets the packagers do what they can.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

async fn fetch(packagers: &Packagers, name: &str) -> Result<File, FileError> {
    packagers
        .find(&path())
        .unwrap()
        .file(name, Reload::default())
        .await
}

async fn playlist(packagers: &Packagers, name: &str) -> String {
    String::from_utf8(fetch(packagers, name).await.unwrap().body.to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_packaged_from_its_start_to_its_end_and_a_while_longer() {
    let (hub, packagers) = packaged_hub();
    settle().await;
    assert!(packagers.find(&path()).is_none());
    let publisher = publish(&hub).await;
    push(&publisher, 7).await;
    let live = playlist(&packagers, "live.m3u8").await;
    assert_eq!(live.matches("#EXTINF").count(), 3);
    assert!(!live.contains("ENDLIST"));
    publisher.finish();
    settle().await;
    let ended = playlist(&packagers, "live.m3u8").await;
    assert_eq!(ended.matches("#EXTINF").count(), 4);
    assert!(ended.ends_with("#EXT-X-ENDLIST\n"));
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(packagers.find(&path()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_lost_publisher_that_returns_makes_one_discontinuity() {
    let (hub, packagers) = packaged_hub();
    let first = publish(&hub).await;
    push(&first, 5).await;
    let before = playlist(&packagers, "live.m3u8").await;
    drop(first);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(playlist(&packagers, "live.m3u8").await, before);
    let second = publish(&hub).await;
    push(&second, 5).await;
    for name in ["live.m3u8", "cmaf/video.m3u8", "cmaf/audio.m3u8"] {
        let after = playlist(&packagers, name).await;
        assert_eq!(
            after.matches("#EXT-X-DISCONTINUITY\n").count(),
            1,
            "{after}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_learns_of_tracks_that_outputs_do_not_carry() {
    let (hub, packagers) = packaged_hub();
    let publisher = publish(&hub).await;
    push(&publisher, 3).await;
    assert_eq!(publisher.stream().warnings(), []);
    let odd = Source {
        video: Some(crate::testing::other()),
        start: 3_000,
        ..Source::default()
    };
    for frame in odd.frames(3_000) {
        publisher.push(frame).unwrap();
        tokio::task::yield_now().await;
    }
    settle().await;
    let warnings = publisher.stream().warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0].topic, Warning::TRACKS);
    assert!(
        warnings[0].text.contains("output does not carry"),
        "{warnings:?}"
    );
    assert!(packagers.find(&path()).is_some());
}

/// Packagers of renditions start when they are scheduled, which must not show.
#[tokio::test(start_paused = true)]
async fn renditions_line_up_although_they_are_packaged_apart() {
    let (hub, packagers) = packaged_hub();
    let renditions = [Rendition::P360, Rendition::P480, Rendition::P720];
    let path = |rendition| StreamPath {
        rendition,
        ..path()
    };
    let publish = |rendition| {
        let mut offer = offer();
        offer.times = Times::Given;
        hub.publish(&path(rendition), offer, Instant::now())
            .unwrap()
    };
    let source = publish(Rendition::Source);
    let [low, middle, high] = renditions.map(publish);
    settle().await;
    for frame in Source::default().frames(11_500) {
        let publishers: &[&Publisher] = match frame.dts.as_millis() {
            ..3_500 => &[&source, &low, &middle],
            // One is switched on.
            _ => &[&source, &high, &middle, &low],
        };
        for publisher in publishers {
            publisher.push(frame.clone()).unwrap();
            tokio::task::yield_now().await;
        }
    }
    settle().await;
    let playlist = async |rendition, name| {
        let outputs = packagers.find(&path(rendition)).unwrap();
        let file = outputs.file(name, Reload::default()).await.unwrap();
        let text = String::from_utf8(file.body.to_vec()).unwrap();
        let without_reports = text.lines().filter(|line| !line.contains("-REPORT:"));
        without_reports.collect::<Vec<_>>().join("\n")
    };
    for name in ["live.m3u8", "cmaf/audio.m3u8"] {
        let of_low = playlist(Rendition::P360, name).await;
        assert_eq!(of_low.matches("#EXTINF").count(), 5, "{of_low}");
        assert_eq!(of_low, playlist(Rendition::P480, name).await);
    }
    // It begins with a segment of the others, of the same number and date.
    let of_low = playlist(Rendition::P360, "live.m3u8").await;
    let of_high = playlist(Rendition::P720, "live.m3u8").await;
    let segments = |text: &str| -> Vec<String> {
        let segments = text.split("#EXT-X-PROGRAM-DATE-TIME").skip(1);
        segments.map(str::to_owned).collect()
    };
    let (of_low, of_high) = (segments(&of_low), segments(&of_high));
    assert_eq!(of_high.len(), 3, "{of_high:#?}");
    assert!(of_low.ends_with(&of_high), "{of_low:#?} {of_high:#?}");
}

#[tokio::test(start_paused = true)]
async fn settings_are_followed_while_live() {
    let (hub, packagers) = packaged_hub();
    let publisher = publish(&hub).await;
    push(&publisher, 5).await;
    let mut settings = offer().settings;
    settings.hls = false;
    publisher.stream().set_settings(settings);
    settle().await;
    assert_eq!(
        fetch(&packagers, "live.m3u8").await.err(),
        Some(FileError::Disabled)
    );
    assert!(fetch(&packagers, "master.m3u8").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn numbers_go_on_from_a_stream_that_just_ended() {
    let (hub, packagers) = packaged_hub();
    let first = publish(&hub).await;
    push(&first, 20).await;
    first.finish();
    settle().await;
    let former = packagers.find(&path()).unwrap().next_sequence();
    let second = publish(&hub).await;
    push(&second, 3).await;
    assert!(packagers.find(&path()).unwrap().next_sequence() > former);
    // What the first one left does not take the second one away.
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(packagers.find(&path()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_followed_by_another_leaves_nothing() {
    let (hub, packagers) = packaged_hub();
    let first = publish(&hub).await;
    push(&first, 10).await;
    first.finish();
    settle().await;
    let former = Arc::downgrade(&packagers.find(&path()).unwrap());
    assert!(former.upgrade().is_some());
    let _second = publish(&hub).await;
    assert!(former.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_ended_streams_leave_is_bounded_together() {
    let (hub, packagers) = packaged_hub_with(Config {
        linger_bytes: 1 << 20,
        ..Config::default()
    });
    let paths: Vec<StreamPath> = ["one", "two", "three"]
        .map(|id| StreamPath::source(ChannelId::parse(id).unwrap()))
        .into();
    let playable = async |path: &StreamPath| {
        let outputs = packagers.find(path).unwrap();
        outputs.file("live.m3u8", Reload::default()).await.is_ok()
    };
    let mut left = 0;
    for path in &paths {
        let publisher = hub.publish(path, offer(), Instant::now()).unwrap();
        settle().await;
        push(&publisher, 20).await;
        publisher.finish();
        settle().await;
        assert!(playable(path).await);
        left = paths
            .iter()
            .filter_map(|path| packagers.find(path))
            .map(|outputs| outputs.size())
            .sum();
        assert!(left <= 1 << 20, "{left}");
    }
    assert!(left > 0);
    assert!(!playable(&paths[0]).await);
}
