//! What goes in as frames, and what is in the store then.

use bytes::Bytes;
use lsv_core::events::Happening;
use lsv_core::hub::Offer;
use lsv_core::path::ChannelId;
use lsv_core::ports::{ObjectName, StorageClass};
use lsv_core::recording::Kind;

use super::*;
use crate::segmenter::synthetic::Source;
use store::Kept;

mod journal;
mod sessions;
mod store;

pub(crate) use store::Store;

fn offer() -> Offer {
    let mut offer = Offer::new("test");
    offer.settings.recording.files = Some(Duration::from_secs(5));
    offer.settings.recording.on_demand = Some(hub::OnDemand {
        segment: Duration::from_secs(2),
        list_size: 0,
    });
    offer
}

/// Lets everybody else do what they can at this moment.
async fn settle() {
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

async fn push(publisher: &hub::Publisher, frames: &[MediaFrame]) {
    for frame in frames {
        publisher.push(frame.clone()).expect("live");
        tokio::task::yield_now().await;
    }
}

/// A publisher, whom the recorders know of.
async fn publish(hub: &Hub, offer: Offer) -> hub::Publisher {
    let publisher = hub.publish(&path(), offer, std::time::Instant::now());
    settle().await;
    publisher.expect("free")
}

fn path() -> StreamPath {
    StreamPath::source(ChannelId::parse("cam").expect("is an id"))
}

fn started(store: &Store, config: Config) -> (Hub, Events, Recorders) {
    let (hub, events) = (Hub::default(), Events::new());
    let recorders = Recorders::new(Arc::new(store.clone()), events.clone(), config);
    tokio::spawn(recorders.clone().run(hub.clone()));
    (hub, events, recorders)
}

/// A short outage is ridden out without loss; one that the spill does not hold costs whole fragments, and is told.
#[tokio::test(start_paused = true)]
async fn an_outage_costs_what_does_not_fit() {
    let fits = Config::default();
    let spills = Config {
        spill_bytes: 60_000,
        ..Config::default()
    };
    for (config, is_lossy) in [(fits, false), (spills, true)] {
        let store = Store::default();
        let (hub, events, recorders) = started(&store, config);
        settle().await;
        let mut told = events.subscribe();
        let publisher = publish(&hub, offer()).await;
        let frames = Source::default().frames(30_000);
        push(&publisher, &frames[..300]).await;
        settle().await;
        store.set_away(true);
        push(&publisher, &frames[300..1_500]).await;
        settle().await;
        store.set_away(false);
        tokio::time::sleep(Duration::from_secs(30)).await;
        push(&publisher, &frames[1_500..]).await;
        publisher.finish();
        recorders.settled().await;

        let mut lost = 0;
        while let Ok(event) = told.try_recv() {
            if let Happening::RecordingGap { millis, .. } = &event.happened {
                lost += millis;
            }
        }
        assert_eq!(lost > 0, is_lossy, "{lost} ms");
        let mut samples = 0;
        for name in store.names() {
            assert!(name.starts_with("record/cam/"), "{name}");
            if name.contains("/mp4/") {
                let bytes = store.read(&name);
                let size = bytes.len() as u64;
                let reader = mp4::Mp4Reader::read_header(std::io::Cursor::new(bytes), size);
                let reader = reader.expect("a file");
                assert!(reader.moofs.is_empty(), "{name} has its tables");
                samples += reader
                    .tracks()
                    .values()
                    .map(mp4::Mp4Track::sample_count)
                    .sum::<u32>();
            }
        }
        match is_lossy {
            true => assert!(
                (600..frames.len()).contains(&(samples as usize)),
                "{samples}"
            ),
            false => assert_eq!(samples as usize, frames.len()),
        }
        let playlist = store
            .names()
            .into_iter()
            .find(|name| name.ends_with("index.m3u8"));
        let text = String::from_utf8(store.read(&playlist.expect("a playlist"))).expect("text");
        assert!(text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
        assert_eq!(text.contains("#EXT-X-DISCONTINUITY\n"), is_lossy, "{text}");
    }
}

/// What a process left that was killed: a file and a session with a torn fragment each.
#[tokio::test(start_paused = true)]
async fn what_was_left_is_made_whole() {
    let store = Store::default();
    let (hub, _, recorders) = started(&store, Config::default());
    let publisher = publish(&hub, offer()).await;
    push(&publisher, &Source::default().frames(9_500)).await;
    settle().await;
    let mut left = Kept::default();
    for name in store.names() {
        let mut bytes = store.read(&name);
        let grows = store.names().contains(&format!("unfinished/{name}"));
        if grows && name.ends_with(".mp4") || name.ends_with("segment-4.m4s") {
            bytes.extend_from_slice(b"\0\0\x01\0moof torn");
        }
        left.objects.insert(name, bytes);
    }
    assert!(
        left.objects
            .keys()
            .any(|name| name.ends_with("segment-4.m4s")),
        "{:?}",
        left.objects.keys()
    );
    publisher.finish();
    recorders.settled().await;

    let again = Store::of(left);
    started(&again, Config::default());
    settle().await;
    let names = again.names();
    assert!(
        names.iter().all(|name| !name.starts_with("unfinished")),
        "{names:?}"
    );
    for name in names.iter().filter(|name| name.contains("/mp4/")) {
        let bytes = again.read(name);
        let size = bytes.len() as u64;
        let reader = mp4::Mp4Reader::read_header(std::io::Cursor::new(bytes), size);
        assert!(reader.expect("a file").moofs.is_empty(), "{name}");
    }
    let playlist = names.iter().find(|name| name.ends_with("index.m3u8"));
    let text = String::from_utf8(again.read(playlist.expect("a playlist"))).expect("text");
    assert!(text.contains("segment-4.m4s\n#EXT-X-ENDLIST\n"), "{text}");
    let torn = names.iter().find(|name| name.ends_with("segment-4.m4s"));
    assert!(!again.read(torn.expect("a segment")).ends_with(b"torn"));
}

fn files_only() -> Offer {
    let mut offer = offer();
    offer.settings.recording.on_demand = None;
    offer
}

fn written(store: &Store) -> usize {
    let names = store.names();
    let files = names
        .iter()
        .filter(|name| name.starts_with("record/cam/mp4/"));
    files.map(|name| store.read(name).len()).sum()
}

/// A store without room for a second copy gets all media all the same, in files of fragments which the journal knows.
#[tokio::test(start_paused = true)]
async fn files_that_cannot_get_their_tables_keep_no_other_waiting() {
    let store = Store::default();
    store.0.lock().expect("no call panicked").is_nearly_full = true;
    let (hub, events, recorders) = started(&store, Config::default());
    let mut told = events.subscribe();
    let publisher = publish(&hub, files_only()).await;
    push(&publisher, &Source::default().frames(14_000)).await;
    settle().await;
    let before = written(&store);
    assert_eq!(
        store
            .names()
            .iter()
            .filter(|name| name.starts_with("record/"))
            .count(),
        3
    );
    publisher.finish();
    recorders.settled().await;
    assert!(written(&store) >= before);
    let names = store.names();
    assert_eq!(
        names
            .iter()
            .filter(|name| name.starts_with("unfinished/"))
            .count(),
        3
    );
    while let Ok(event) = told.try_recv() {
        assert!(!matches!(event.happened, Happening::RecordingGap { .. }));
    }
}

/// What is whole is in the class of its kind; what grows or is written again is hot.
#[tokio::test(start_paused = true)]
async fn each_kind_has_its_class_of_storage() {
    let mut config = Config::default();
    for kind in [Kind::File, Kind::OnDemand] {
        config.classes.set(kind, StorageClass::Cold);
    }
    let store = Store::default();
    let (hub, _events, recorders) = started(&store, config);
    let publisher = publish(&hub, offer()).await;
    push(&publisher, &Source::default().frames(8_000)).await;
    settle().await;
    let (hot, cold) = store.by_class();
    let count = |names: &[String], ending: &str| {
        let named = names.iter().filter(|name| name.ends_with(ending));
        named.filter(|name| name.starts_with("record/")).count()
    };
    assert_eq!(
        (count(&hot, ".mp4"), count(&hot, ".m3u8")),
        (1, 1),
        "{hot:?}"
    );
    assert_eq!(count(&hot, ".m4s"), 0, "{hot:?}");
    assert!(count(&cold, ".m4s") >= 3, "{cold:?}");
    // A file that is whole, and what all segments need.
    assert_eq!(
        (count(&cold, ".mp4"), count(&cold, ".m3u8")),
        (2, 0),
        "{cold:?}"
    );
    publisher.finish();
    recorders.settled().await;
    let (hot, cold) = store.by_class();
    assert_eq!(count(&hot, ""), 0, "{hot:?}");
    assert_eq!(
        (count(&cold, ".mp4"), count(&cold, ".m3u8")),
        (3, 1),
        "{cold:?}"
    );
}

/// A write that is refused costs a fragment, which is told, and not the rest of the file.
#[tokio::test(start_paused = true)]
async fn a_file_that_fails_is_followed_by_another() {
    let store = Store::default();
    let (hub, events, recorders) = started(&store, Config::default());
    let mut told = events.subscribe();
    let mut offer = files_only();
    offer.settings.recording.files = Some(Duration::from_secs(60));
    let publisher = publish(&hub, offer).await;
    let frames = Source::default().frames(20_000);
    push(&publisher, &frames[..frames.len() / 2]).await;
    settle().await;
    store.0.lock().expect("no call panicked").refusals = 1;
    push(&publisher, &frames[frames.len() / 2..]).await;
    publisher.finish();
    recorders.settled().await;
    let mut lost = 0;
    while let Ok(event) = told.try_recv() {
        if let Happening::RecordingGap { millis, .. } = &event.happened {
            lost += millis;
        }
    }
    assert!((1..5_000).contains(&lost), "{lost} ms");
    let names = store.names();
    assert_eq!(
        names
            .iter()
            .filter(|name| name.starts_with("record/"))
            .count(),
        2
    );
}
