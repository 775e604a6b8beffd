//! Checks of channel stores.

use std::sync::Arc;

use super::id;
use crate::channel::{Authority, Channel, Moment};
use crate::path::ChannelId;
use crate::ports::{
    self, ChannelStore, Cursor, Error, PageRequest, Precondition, StreamDns, VersionedChannel,
};

/// Checks a [`ChannelStore`].
pub async fn channel_store(store: &dyn ChannelStore) {
    channel_round_trip(store).await;
    channel_preconditions(store).await;
    channel_versions_never_return(store).await;
    channel_listing(store).await;
    domain_names(store).await;
}

async fn channel_round_trip(store: &dyn ChannelStore) {
    let cam = channel("cam", 1_000);
    assert!(matches!(store.get(&cam.id).await, Err(Error::NotFound(_))));
    assert!(matches!(
        store.delete(&cam.id).await,
        Err(Error::NotFound(_))
    ));

    let version = store.put(&cam, Precondition::Any).await.expect("writes");
    let read = store.get(&cam.id).await.expect("reads");
    assert_eq!((read.channel.as_ref(), read.version), (&cam, version));

    let mut changed = cam.clone();
    changed.settings.videoname = "Ärger \u{1f3a5} 'quoted'".to_owned();
    store
        .put(&changed, Precondition::Any)
        .await
        .expect("replaces");
    let read = store.get(&cam.id).await.expect("reads what was replaced");
    assert_eq!(read.channel.as_ref(), &changed);
    assert_ne!(read.version, version);

    store.delete(&cam.id).await.expect("removes");
    assert!(matches!(store.get(&cam.id).await, Err(Error::NotFound(_))));
}

async fn channel_preconditions(store: &dyn ChannelStore) {
    let cam = channel("cam", 1_000);
    let gone = store.put(&cam, Precondition::IfVersion(1)).await;
    assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");

    let version = store
        .put(&cam, Precondition::IfAbsent)
        .await
        .expect("makes");
    let again = store.put(&cam, Precondition::IfAbsent).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");

    let next = store
        .put(&cam, Precondition::IfVersion(version))
        .await
        .expect("changes the version it read");
    let stale = store.put(&cam, Precondition::IfVersion(version)).await;
    assert!(matches!(stale, Err(Error::Conflict(_))), "{stale:?}");
    assert_eq!(store.get(&cam.id).await.map(|read| read.version), Ok(next));
    store.delete(&cam.id).await.expect("removes");
}

async fn channel_versions_never_return(store: &dyn ChannelStore) {
    let cam = channel("cam", 1_000);
    let first = store
        .put(&cam, Precondition::IfAbsent)
        .await
        .expect("makes");
    store.delete(&cam.id).await.expect("removes");
    let second = store
        .put(&cam, Precondition::IfAbsent)
        .await
        .expect("makes again");
    assert_ne!(
        first, second,
        "a record that was made anew must not look like the old one"
    );
    store.delete(&cam.id).await.expect("removes again");
}

async fn channel_listing(store: &dyn ChannelStore) {
    let nothing = store
        .list(&PageRequest::default())
        .await
        .expect("lists nothing");
    assert!(nothing.items.is_empty() && nothing.next.is_none());

    let made = [
        ("b", 1_000),
        ("a", 3_000),
        ("d", 2_000),
        ("c", 2_000),
        ("e", 500),
    ];
    for (name, at) in made {
        store
            .put(&channel(name, at), Precondition::IfAbsent)
            .await
            .expect("makes");
    }
    let mut moved = channel("e", 4_000);
    moved.settings.videoname = "made anew".to_owned();
    store
        .put(&moved, Precondition::Any)
        .await
        .expect("replaces");

    let all = names(store, 1_000).await;
    assert_eq!(all.len(), made.len(), "{all:?}");
    assert_eq!(all.first().map(String::as_str), Some("e"), "newest first");
    assert_eq!(all.last().map(String::as_str), Some("b"), "oldest last");
    for limit in 1..=made.len() {
        assert_eq!(names(store, limit).await, all, "pages of {limit}");
    }

    let page = PageRequest {
        cursor: Some(Cursor::new("no cursor of this store")),
        limit: 1,
    };
    let foreign = store.list(&page).await;
    assert!(matches!(foreign, Err(Error::Invalid(_))), "{foreign:?}");
    for (name, _) in made {
        store.delete(&id(name)).await.expect("removes");
    }
    assert!(names(store, 1_000).await.is_empty());
}

async fn domain_names(store: &dyn ChannelStore) {
    assert_eq!(store.stream_dns().await, Ok(StreamDns::default()));
    let dns = StreamDns {
        push: Authority::parse("push.example.com"),
        pull: Authority::parse("play.example.com:8443"),
    };
    store.put_stream_dns(&dns).await.expect("sets the names");
    assert_eq!(store.stream_dns().await, Ok(dns));
    store
        .put_stream_dns(&StreamDns::default())
        .await
        .expect("takes the names away");
    assert_eq!(store.stream_dns().await, Ok(StreamDns::default()));
}

async fn names(store: &dyn ChannelStore, limit: usize) -> Vec<String> {
    let mut page = PageRequest::first(limit);
    let mut names = Vec::new();
    loop {
        let part = store.list(&page).await.expect("lists");
        assert!(part.items.len() <= limit);
        names.extend(part.items.iter().map(|channel| channel.id.to_string()));
        page.cursor = part.next;
        if page.cursor.is_none() {
            return names;
        }
    }
}

/// An authorizer's answers need a store; this one is out of reach, which must refuse everybody.
#[derive(Debug)]
pub struct Unreachable;

#[async_trait::async_trait]
impl ChannelStore for Unreachable {
    async fn get(&self, _: &ChannelId) -> ports::Result<VersionedChannel> {
        Err(Error::unavailable("made to fail"))
    }

    async fn put(&self, _: &Channel, _: Precondition) -> ports::Result<u64> {
        Err(Error::unavailable("made to fail"))
    }

    async fn delete(&self, _: &ChannelId) -> ports::Result<()> {
        Err(Error::unavailable("made to fail"))
    }

    async fn list(&self, _: &PageRequest) -> ports::Result<ports::Page<Channel>> {
        Err(Error::unavailable("made to fail"))
    }

    async fn stream_dns(&self) -> ports::Result<StreamDns> {
        Err(Error::unavailable("made to fail"))
    }

    async fn put_stream_dns(&self, _: &StreamDns) -> ports::Result<()> {
        Err(Error::unavailable("made to fail"))
    }
}

/// A store that is out of reach, as a port.
pub fn unreachable_store() -> Arc<dyn ChannelStore> {
    Arc::new(Unreachable)
}

fn channel(name: &str, at: u64) -> Channel {
    Channel::new(id(name), Moment::from_unix(at))
}
