//! The suite that every implementation of a port must pass: call the port's function from a test, with an
//! implementation that is empty.
//!
//! # Panics
//! Every function panics where the implementation does not do what the port promises.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use super::{
    ChannelStore, Cursor, Error, Form, ObjectName, ObjectStore, PageRequest, Piece, Precondition,
    Session, SessionRegistry, StreamDns,
};
use crate::channel::{Authority, Channel, Moment};
use crate::path::ChannelId;
use crate::via::Via;

/// Checks a [`ChannelStore`].
pub async fn channel_store(store: &dyn ChannelStore) {
    channel_round_trip(store).await;
    channel_preconditions(store).await;
    channel_versions_never_return(store).await;
    channel_listing(store).await;
    domain_names(store).await;
}

/// Checks an [`ObjectStore`].
pub async fn object_store(store: &dyn ObjectStore) {
    object_round_trip(store).await;
    object_ranges(store).await;
    object_preconditions(store).await;
    object_listing(store).await;
    object_growth(store).await;
    object_composition(store).await;
}

/// Checks a [`SessionRegistry`].
pub async fn session_registry(registry: &dyn SessionRegistry) {
    let cam = id("cam");
    assert_eq!(registry.locate(&cam, Form::Source).await, Ok(None));
    assert_eq!(registry.list().await, Ok(Vec::new()));

    let first = session("cam", "node-a");
    let older = registry.announce(first.clone()).await.expect("announces");
    is_at(registry, Form::Source, Some(&first)).await;

    let second = session("cam", "node-b");
    let newer = registry
        .announce(second.clone())
        .await
        .expect("announces again");
    is_at(registry, Form::Source, Some(&second)).await;
    drop(older);
    is_at(registry, Form::Source, Some(&second)).await;

    is_at(registry, Form::Processed, Some(&second)).await;
    let mut processed = session("cam", "node-c");
    processed.form = Form::Processed;
    let processing = registry
        .announce(processed.clone())
        .await
        .expect("announces another form");
    is_at(registry, Form::Source, Some(&second)).await;
    is_at(registry, Form::Processed, Some(&processed)).await;

    let other = session("aisle", "node-a");
    let lease = registry
        .announce(other.clone())
        .await
        .expect("announces another");
    let all = vec![other, second.clone(), processed];
    assert_eq!(registry.list().await, Ok(all));
    drop(processing);
    is_at(registry, Form::Processed, Some(&second)).await;
    drop(newer);
    is_at(registry, Form::Source, None).await;
    drop(lease);
    let gone = async || registry.list().await == Ok(Vec::new());
    soon("a dropped lease withdraws", gone).await;
}

/// Checks that `cam` is, or soon is, in `form` where `expected` says, and stays there: what was withdrawn late must not
/// take a newer announcement with it.
async fn is_at(registry: &dyn SessionRegistry, form: Form, expected: Option<&Session>) {
    let cam = id("cam");
    let is_there = async || registry.locate(&cam, form).await == Ok(expected.cloned());
    soon("an announcement counts", is_there).await;
    for _ in 0..LOOKS {
        assert!(is_there().await, "{form:?} is not at {expected:?} any more");
    }
}

/// Waits until `done` is true. What is withdrawn by dropping may take a moment where the backing is another machine.
async fn soon(what: &str, done: impl AsyncFn() -> bool) {
    let waited = async {
        while !done().await {
            sleep(MOMENT).await;
        }
    };
    let waited = timeout(PATIENCE, waited).await;
    assert!(waited.is_ok(), "{what}, within {PATIENCE:?}");
}

/// How long a backing may take for what it does by itself; no pass waits for it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const MOMENT: Duration = Duration::from_millis(20);
/// How often it is looked whether something stays.
const LOOKS: usize = 3;

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

async fn object_round_trip(store: &dyn ObjectStore) {
    let name = name("record/cam/a.mp4");
    assert!(matches!(
        store.get(&name, None).await,
        Err(Error::NotFound(_))
    ));
    assert!(matches!(store.stat(&name).await, Err(Error::NotFound(_))));
    assert!(matches!(store.delete(&name).await, Err(Error::NotFound(_))));

    store
        .put(&name, Bytes::from_static(b"first"))
        .await
        .expect("writes");
    store
        .put(&name, Bytes::from_static(b"second"))
        .await
        .expect("replaces");
    let object = store.get(&name, None).await.expect("reads");
    assert_eq!(
        (object.start, object.bytes.as_ref()),
        (0, b"second".as_ref())
    );
    assert_eq!(object.info, store.stat(&name).await.expect("knows"));
    assert_eq!(
        (object.info.name.clone(), object.info.size),
        (name.clone(), 6)
    );

    store
        .put(&name, Bytes::new())
        .await
        .expect("writes nothing");
    assert!(
        store
            .get(&name, None)
            .await
            .expect("reads nothing")
            .bytes
            .is_empty()
    );
    store.delete(&name).await.expect("removes");
    assert!(matches!(store.stat(&name).await, Err(Error::NotFound(_))));
}

async fn object_ranges(store: &dyn ObjectStore) {
    let name = name("range");
    store
        .put(&name, Bytes::from_static(b"0123456789"))
        .await
        .expect("writes");
    for (range, expected) in [
        (0..1, "0"),
        (0..10, "0123456789"),
        (9..10, "9"),
        (5..100, "56789"),
        (3..u64::MAX, "3456789"),
    ] {
        let object = store
            .get(&name, Some(range.clone()))
            .await
            .expect("reads a part");
        assert_eq!(
            (object.start, object.bytes.as_ref()),
            (range.start, expected.as_bytes())
        );
        assert_eq!(object.info.size, 10);
    }
    for range in [10..11, 5..5, u64::MAX - 1..u64::MAX] {
        let outside = store.get(&name, Some(range.clone())).await;
        assert!(
            matches!(outside, Err(Error::Invalid(_))),
            "{range:?}: {outside:?}"
        );
    }
    store.delete(&name).await.expect("removes");
}

async fn object_preconditions(store: &dyn ObjectStore) {
    let name = name("once");
    store
        .put_if_absent(&name, Bytes::from_static(b"1"))
        .await
        .expect("makes");
    let again = store.put_if_absent(&name, Bytes::from_static(b"2")).await;
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    assert_eq!(
        store.get(&name, None).await.expect("reads").bytes.as_ref(),
        b"1"
    );
    store.delete(&name).await.expect("removes");
}

async fn object_listing(store: &dyn ObjectStore) {
    let made = [
        "a",
        "record/cam-2/x",
        "record/cam/1",
        "record/cam/2/b",
        "record/cam/2/a",
        "record/cam/2.b",
        "record/camera",
    ];
    for text in made {
        store
            .put(&name(text), Bytes::from_static(b"x"))
            .await
            .expect("writes");
    }
    let mut sorted = made.to_vec();
    sorted.sort_unstable();
    let wanted = |prefix: &str| -> Vec<String> {
        sorted
            .iter()
            .filter(|text| text.starts_with(prefix))
            .map(ToString::to_string)
            .collect()
    };
    for prefix in [
        "",
        "a",
        "record/",
        "record/cam",
        "record/cam/",
        "record/cam/2",
        "record/cam/2/",
        "nothing",
        "../",
        "/",
    ] {
        for limit in [1, 2, 1_000] {
            assert_eq!(
                objects(store, prefix, limit).await,
                wanted(prefix),
                "{prefix:?} by {limit}"
            );
        }
    }
    for text in made {
        store.delete(&name(text)).await.expect("removes");
    }
    assert!(objects(store, "", 1_000).await.is_empty());
}

async fn object_growth(store: &dyn ObjectStore) {
    let name = name("record/grows");
    let mut writer = store.create(&name).await.expect("begins");
    for part in ["one ", "", "two ", "three"] {
        let part = Bytes::from_static(part.as_bytes());
        writer.append(part).await.expect("appends");
        if let Ok(so_far) = store.get(&name, None).await {
            assert!(b"one two three".starts_with(&so_far.bytes));
        }
    }
    let info = writer.finish().await.expect("finishes");
    assert_eq!((&info.name, info.size), (&name, 13));
    drop(writer);
    let object = store.get(&name, None).await.expect("reads");
    assert_eq!(object.bytes.as_ref(), b"one two three");

    let taken = match store.create(&name).await {
        Err(error) => Err(error),
        // A store may find out only at the end.
        Ok(mut writer) => writer.finish().await.map(drop),
    };
    assert!(matches!(taken, Err(Error::Conflict(_))), "{taken:?}");
    let object = store.get(&name, None).await.expect("is as it was");
    assert_eq!(object.bytes.as_ref(), b"one two three");
    store.delete(&name).await.expect("removes");

    let mut writer = store.create(&name).await.expect("begins again");
    let part = Bytes::from_static(b"of no use");
    writer.append(part).await.expect("appends");
    writer.abort().await.expect("aborts");
    assert!(matches!(store.stat(&name).await, Err(Error::NotFound(_))));
}

async fn object_composition(store: &dyn ObjectStore) {
    let (one, two, made) = (name("one"), name("two"), name("made/of/both"));
    for (name, bytes) in [(&one, "0123456789"), (&two, "abcdef")] {
        let bytes = Bytes::from_static(bytes.as_bytes());
        store.put(name, bytes).await.expect("writes");
    }
    let bytes = |text: &'static str| Piece::Bytes(Bytes::from_static(text.as_bytes()));
    let of = |name: &ObjectName, range| Piece::Of(name.clone(), range);
    let pieces = [bytes("<"), of(&two, 1..3), bytes("|"), of(&one, 0..10)];
    let info = store.compose(&made, &pieces).await.expect("composes");
    assert_eq!((&info.name, info.size), (&made, 14));
    // Of itself, in place of itself.
    let pieces = [of(&made, 4..9), bytes("!"), of(&made, 4..4)];
    let info = store.compose(&made, &pieces).await.expect("replaces");
    assert_eq!(info.size, 6);
    let object = store.get(&made, None).await.expect("reads");
    assert_eq!(object.bytes.as_ref(), b"01234!");

    for outside in [5..11, 11..12, u64::MAX - 1..u64::MAX] {
        let refused = store.compose(&made, &[of(&one, outside)]).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    let pieces = [bytes("x"), of(&name("absent"), 0..1)];
    let refused = store.compose(&made, &pieces).await;
    assert!(matches!(refused, Err(Error::NotFound(_))), "{refused:?}");
    let object = store.get(&made, None).await.expect("is as it was");
    assert_eq!(object.bytes.as_ref(), b"01234!");
    assert_eq!(store.compose(&made, &[]).await.expect("is empty").size, 0);
    for name in [one, two, made] {
        store.delete(&name).await.expect("removes");
    }
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

async fn objects(store: &dyn ObjectStore, prefix: &str, limit: usize) -> Vec<String> {
    let mut page = PageRequest::first(limit);
    let mut names = Vec::new();
    loop {
        let part = store.list(prefix, &page).await.expect("lists");
        assert!(part.items.len() <= limit);
        names.extend(part.items.iter().map(|info| info.name.to_string()));
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
    async fn get(&self, _: &ChannelId) -> super::Result<super::VersionedChannel> {
        Err(Error::unavailable("made to fail"))
    }

    async fn put(&self, _: &Channel, _: Precondition) -> super::Result<u64> {
        Err(Error::unavailable("made to fail"))
    }

    async fn delete(&self, _: &ChannelId) -> super::Result<()> {
        Err(Error::unavailable("made to fail"))
    }

    async fn list(&self, _: &PageRequest) -> super::Result<super::Page<Channel>> {
        Err(Error::unavailable("made to fail"))
    }

    async fn stream_dns(&self) -> super::Result<StreamDns> {
        Err(Error::unavailable("made to fail"))
    }

    async fn put_stream_dns(&self, _: &StreamDns) -> super::Result<()> {
        Err(Error::unavailable("made to fail"))
    }
}

/// A store that is out of reach, as a port.
pub fn unreachable_store() -> Arc<dyn ChannelStore> {
    Arc::new(Unreachable)
}

fn id(text: &str) -> ChannelId {
    ChannelId::parse(text).expect("is an id")
}

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).expect("is a name")
}

fn channel(name: &str, at: u64) -> Channel {
    Channel::new(id(name), Moment::from_unix(at))
}

fn session(channel: &str, node: &str) -> Session {
    Session {
        channel: id(channel),
        node: node.to_owned(),
        address: format!("rtmp://{node}:1935"),
        since: Moment::from_unix(1_000),
        http: None,
        form: Form::Source,
        waiting: false,
        through: Via::default(),
    }
}
