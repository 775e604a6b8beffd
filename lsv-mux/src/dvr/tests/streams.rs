use std::time::Instant;

use lsv_core::hub::{Hub, Offer, Publisher};
use lsv_core::path::StreamPath;

use super::*;
use crate::packager::Packagers;

fn path() -> StreamPath {
    StreamPath::source(ChannelId::parse("cam").expect("an id"))
}

async fn publish(hub: &Hub, seconds: i64) -> Publisher {
    let mut offer = Offer::new("test");
    offer.settings.dvr_window = Some(Duration::from_secs(600));
    offer.settings.list_size = 3;
    let publisher = hub
        .publish(&path(), offer, Instant::now())
        .expect("a publisher");
    settle().await;
    for frame in Source::default().frames(seconds * 1000) {
        publisher.push(frame).expect("a hub that takes frames");
        tokio::task::yield_now().await;
    }
    settle().await;
    publisher
}

async fn playlist(packagers: &Packagers) -> Option<String> {
    let outputs = packagers.find(&path())?;
    let file = outputs.file("live.m3u8", Reload::default()).await.ok()?;
    String::from_utf8(file.body.to_vec()).ok()
}

/// Those that came before the process, and those of streams that are over, are deleted; those of the stream that is there stay.
#[tokio::test(start_paused = true)]
async fn a_window_lives_as_long_as_its_stream_and_a_while_longer() {
    let store = Store::default();
    let left = ObjectName::parse("dvr/cam/17-ts-1.ts").unwrap();
    store.put(&left, Bytes::new()).await.unwrap();
    let hub = Hub::default();
    let dvr = Dvr::new(Arc::new(store.clone()), Config::default());
    let packagers = Packagers::new(packager::Config::default()).with_dvr(dvr);
    tokio::spawn(packagers.clone().run(hub.clone()));
    settle().await;
    assert_eq!(store.names(), [""; 0]);

    let first = publish(&hub, 60).await;
    let kept = store.names().len();
    assert!((28..=30).contains(&kept), "{kept}");
    first.finish();
    settle().await;
    let ended = playlist(&packagers).await.unwrap();
    assert_eq!(segments(&ended), 30);
    assert!(ended.ends_with("#EXT-X-ENDLIST\n"));
    tokio::time::sleep(Duration::from_secs(59)).await;
    let outputs = packagers.find(&path()).unwrap();
    for name in media(&ended) {
        let file = outputs.file(name, Reload::default()).await;
        assert!(file.is_ok_and(|file| file.body.len() > 188), "{name}");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(packagers.find(&path()).is_none());
    assert_eq!(store.names(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_follows_another_begins_with_an_empty_window() {
    let store = Store::default();
    let hub = Hub::default();
    let dvr = Dvr::new(Arc::new(store.clone()), Config::default());
    let packagers = Packagers::new(packager::Config::default()).with_dvr(dvr);
    tokio::spawn(packagers.clone().run(hub.clone()));
    publish(&hub, 60).await.finish();
    let second = publish(&hub, 20).await;
    assert_eq!(segments(&playlist(&packagers).await.unwrap()), 9);
    assert!(store.names().len() <= 10, "{:?}", store.names());
    // A publisher that is lost and returns goes on in the same window.
    drop(second);
    let _third = publish(&hub, 10).await;
    let resumed = playlist(&packagers).await.unwrap();
    assert!((13..=15).contains(&segments(&resumed)), "{resumed}");
    assert_eq!(resumed.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
}

/// The first stream's task is told to stop before it has run at all.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_followed_at_once_leaves_no_archive_open() {
    let hub = Hub::default();
    let dvr = Dvr::new(Arc::new(Store::default()), Config::default());
    let packagers = Packagers::new(packager::Config::default()).with_dvr(dvr.clone());
    tokio::spawn(packagers.run(hub.clone()));
    settle().await;
    let publish = || {
        let offer = Offer::new("test");
        let publisher = hub.publish(&path(), offer, Instant::now());
        publisher.expect("a publisher")
    };
    publish().finish();
    let _second = publish();
    settle().await;
    assert_eq!(dvr.opened().len(), 1);
}
