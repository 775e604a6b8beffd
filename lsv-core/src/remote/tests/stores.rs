//! Stores that another node keeps: over real connections, some of which lose answers, and across its restarts.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lsv_auth::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::keeper::{Keeper, Way, config};
use super::{cam, mute, tls, token};
use crate::api::store::{self, Limits, Serve};
use crate::channel::{Channel, Moment};
use crate::ports::{
    ChannelStore, Error, Form, ObjectName, ObjectStore, Piece, Precondition, Session,
    SessionRegistry, StorageClass, conformance,
};
use crate::remote::{Config, Stores};

fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

fn session(node: &str, since: u64) -> Session {
    Session {
        http: Some(format!("http://{node}:8080")),
        ..Session::new(
            cam(),
            node,
            format!("rtmp://{node}:1935"),
            Moment::from_unix(since),
        )
    }
}

async fn located(registry: &dyn SessionRegistry) -> Option<String> {
    let found = registry.locate(&cam(), Form::Source).await.unwrap();
    found.map(|session| session.node)
}

async fn is_at(registry: &dyn SessionRegistry, node: Option<&str>) {
    let there = async {
        while located(registry).await.as_deref() != node {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let there = timeout(Duration::from_secs(60), there).await;
    assert!(there.is_ok(), "it is not at {node:?}");
}

#[tokio::test]
async fn the_stores_conform() {
    let keeper = Keeper::start(Limits::default()).await;
    let stores = keeper.stores();
    conformance::channel_store(&stores.channels).await;
    conformance::object_store(&stores.objects).await;
    conformance::object_resumption(&stores.objects).await;
    conformance::object_claims(&stores.objects).await;
    conformance::session_registry(&stores.sessions).await;
    conformance::session_leases(&stores.sessions).await;
}

#[tokio::test]
async fn they_conform_while_every_third_answer_gets_lost() {
    let keeper = Keeper::start(Limits::default()).await;
    let way = Way::to(&keeper, |number| number % 3 == 2, |_| ()).await;
    let stores = way.stores();
    conformance::channel_store(&stores.channels).await;
    conformance::object_resumption(&stores.objects).await;
    conformance::session_registry(&stores.sessions).await;
    conformance::session_leases(&stores.sessions).await;
    conformance::object_store(&stores.objects).await;
    assert!(way.answers.load(Ordering::SeqCst) > 300);
}

#[tokio::test]
async fn objects_conform_while_the_node_is_started_anew_with_every_fifth_answer() {
    let keeper = Keeper::start(Limits::default()).await;
    let way = Way::to(&keeper, |number| number % 5 == 4, Keeper::restart).await;
    conformance::object_store(&way.stores().objects).await;
    conformance::object_resumption(&way.stores().objects).await;
}

#[tokio::test]
async fn a_call_that_takes_long_is_waited_for() {
    let limits = Limits {
        // Everything takes longer.
        patience: Duration::ZERO,
        ..Limits::default()
    };
    let keeper = Keeper::start(limits).await;
    conformance::channel_store(&keeper.stores().channels).await;
}

#[tokio::test]
async fn a_record_is_not_in_conflict_with_itself() {
    for anew in [false, true] {
        let keeper = Keeper::start(Limits::default()).await;
        let way = Way::losing(&keeper, 0..1, anew).await;
        let channels = way.stores().channels;
        let mut channel = Channel::new(cam(), Moment::from_unix(1));
        let version = channels
            .put(&channel, Precondition::IfAbsent)
            .await
            .unwrap();
        let way = Way::losing(&keeper, 0..1, anew).await;
        let channels = way.stores().channels;
        channel.settings.videoname = "changed".to_owned();
        let version = channels
            .put(&channel, Precondition::IfVersion(version))
            .await;
        let found = channels.get(&cam()).await.unwrap();
        assert_eq!((version, &*found.channel), (Ok(found.version), &channel));
        // With another's it is.
        let way = Way::losing(&keeper, 0..1, anew).await;
        channel.settings.videoname = "of another".to_owned();
        let refused = way
            .stores()
            .channels
            .put(&channel, Precondition::IfAbsent)
            .await;
        assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
        let way = Way::losing(&keeper, 0..1, anew).await;
        assert_eq!(way.stores().channels.delete(&cam()).await, Ok(()));
    }
}

#[tokio::test]
async fn an_object_is_composed_of_itself_once() {
    for anew in [false, true] {
        let keeper = Keeper::start(Limits::default()).await;
        let name = name("record/cam/a.mp4");
        let bytes = Bytes::from_static(b"media");
        keeper.stores.objects.put(&name, bytes).await.unwrap();
        // The first answer tells how it is.
        let way = Way::losing(&keeper, 1..2, anew).await;
        let pieces = [
            Piece::Bytes(Bytes::from_static(b"tables")),
            Piece::Of(name.clone(), 0..5),
        ];
        let info = way.stores().objects.compose(&name, &pieces).await.unwrap();
        assert_eq!(info.size, 11);
        let object = keeper.stores.objects.get(&name, None).await.unwrap();
        assert_eq!(object.bytes.as_ref(), b"tablesmedia");
    }
}

#[tokio::test]
async fn what_grows_goes_on_when_the_node_was_away() {
    let keeper = Keeper::start(Limits::default()).await;
    let objects = keeper.stores().objects;
    let name = name("record/cam/a.mp4");
    let mut writer = objects.create(&name).await.unwrap();
    for (number, part) in ["one ", "two ", "three ", "four"].into_iter().enumerate() {
        if number > 0 {
            keeper.restart();
        }
        writer
            .append(Bytes::from_static(part.as_bytes()))
            .await
            .unwrap();
    }
    keeper.restart();
    assert_eq!(writer.finish().await.unwrap().size, 18);
    assert_eq!(writer.finish().await.unwrap().size, 18);
    let object = objects.get(&name, None).await.unwrap();
    assert_eq!(object.bytes.as_ref(), b"one two three four");
    // It is not taken for one's own that was made by somebody else.
    let mut late = objects.create(&self::name("b")).await.unwrap();
    keeper.restart();
    objects
        .put(&self::name("b"), Bytes::from_static(b"!"))
        .await
        .unwrap();
    let refused = late.append(Bytes::from_static(b"?")).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
}

#[tokio::test]
async fn what_was_made_whole_by_others_is_left_alone() {
    let keeper = Keeper::start(Limits::default()).await;
    let objects = keeper.stores().objects;
    let name = name("record/cam/a.mp4");
    let mut writer = objects.create(&name).await.unwrap();
    writer.append(Bytes::from_static(b"media")).await.unwrap();
    // Whoever was killed has left it; the node does not know that until it is told.
    objects.settle(&name).await.unwrap();
    let pieces = [
        Piece::Bytes(Bytes::from_static(b"tables")),
        Piece::Of(name.clone(), 0..5),
    ];
    objects.compose(&name, &pieces).await.unwrap();
    // It was not killed after all.
    let refused = writer.append(Bytes::from_static(b"more")).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    let object = objects.get(&name, None).await.unwrap();
    assert_eq!(object.bytes.as_ref(), b"tablesmedia");
}

#[tokio::test]
async fn what_was_not_acknowledged_is_no_part_of_an_object() {
    let keeper = Keeper::start(Limits::default()).await;
    // The first three answers come through: it is opened, and two parts are appended.
    let way = Way::losing(&keeper, 3..4, false).await;
    let config = Config {
        patience: Duration::ZERO,
        ..config()
    };
    let stores = Stores::new(&way.base, &token(), tls(), &config).unwrap();
    let name = name("record/cam/a.mp4");
    let mut writer = stores.objects.create(&name).await.unwrap();
    for part in ["one ", "two "] {
        writer
            .append(Bytes::from_static(part.as_bytes()))
            .await
            .unwrap();
    }
    let lost = writer
        .append(Bytes::from_static(b"lost, but written"))
        .await;
    assert!(matches!(lost, Err(Error::Unavailable { .. })), "{lost:?}");
    writer.append(Bytes::from_static(b"three")).await.unwrap();
    writer.finish().await.unwrap();
    let object = keeper.stores.objects.get(&name, None).await.unwrap();
    assert_eq!(object.bytes.as_ref(), b"one two three");
}

#[tokio::test]
async fn idle_writers_are_given_up_and_go_on() {
    let limits = Limits {
        writers: 1,
        writer_idle: Duration::from_millis(100),
        ..Limits::default()
    };
    let keeper = Keeper::start(limits).await;
    let objects = keeper.stores().objects;
    let mut one = objects.create(&name("one")).await.unwrap();
    one.append(Bytes::from_static(b"1")).await.unwrap();
    // There is no room for another until the first one is given up.
    let mut refused = 0;
    let mut other = loop {
        match objects.create(&name("other")).await {
            Ok(other) => break other,
            Err(Error::Unavailable { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
        sleep(Duration::from_millis(5)).await;
    };
    assert!(refused > 0);
    other.append(Bytes::from_static(b"2")).await.unwrap();
    while let Err(error) = one.append(Bytes::from_static(b"1")).await {
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        sleep(Duration::from_millis(5)).await;
    }
    let object = objects.get(&name("one"), None).await.unwrap();
    assert_eq!(object.bytes.as_ref(), b"11");
}

#[tokio::test]
async fn long_objects_go_both_ways() {
    let keeper = Keeper::start(Limits::default()).await;
    let objects = keeper.stores().objects;
    let name = name("long");
    let bytes: Vec<u8> = (0..20_000_003_u32).map(|n| (n * 7 % 251) as u8).collect();
    let bytes = Bytes::from(bytes);
    objects.put(&name, bytes.clone()).await.unwrap();
    let read = objects.get(&name, None).await.unwrap();
    assert_eq!(read.info.size, 20_000_003);
    assert!(read.bytes == bytes);
    let part = objects.get(&name, Some(1_000..18_000_000)).await.unwrap();
    assert_eq!(part.start, 1_000);
    assert!(part.bytes == bytes.slice(1_000..18_000_000));
    let cold = objects.in_class(StorageClass::Cold);
    cold.put(&self::name("cold"), Bytes::new()).await.unwrap();
    let class = cold.stat(&self::name("cold")).await.unwrap().class;
    let expected = keeper
        .stores
        .objects
        .stat(&self::name("cold"))
        .await
        .unwrap();
    assert_eq!(class, expected.class);
}

#[tokio::test]
async fn too_much_at_once_is_refused() {
    let limits = Limits {
        body_bytes: 10,
        ..Limits::default()
    };
    let keeper = Keeper::start(limits).await;
    let objects = keeper.stores().objects;
    let refused = objects
        .put(&name("a"), Bytes::from_static(b"0123456789a"))
        .await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    let taken = objects
        .put(&name("a"), Bytes::from_static(b"0123456789"))
        .await;
    assert_eq!(taken, Ok(()));
}

#[tokio::test]
async fn announcements_outlive_the_node_that_knows_them() {
    let keeper = Keeper::start(Limits::default()).await;
    let sessions = keeper.stores().sessions;
    let older = sessions.announce(session("a", 1)).await.unwrap();
    let newer = sessions.announce(session("b", 2)).await.unwrap();
    is_at(&sessions, Some("b")).await;
    // Whoever comes first after a restart, the order is the same.
    for _ in 0..3 {
        keeper.restart();
        is_at(&sessions, Some("b")).await;
    }
    timeout(Duration::from_secs(60), older.lost())
        .await
        .unwrap();
    drop(older);
    keeper.go_away();
    let away = sessions.list().await;
    assert!(matches!(away, Err(Error::Unavailable { .. })), "{away:?}");
    keeper.restart();
    is_at(&sessions, Some("b")).await;
    drop(newer);
    is_at(&sessions, None).await;
}

#[tokio::test]
async fn a_change_counts_whichever_answers_get_lost() {
    let keeper = Keeper::start(Limits::default()).await;
    let way = Way::to(&keeper, |number| number % 2 == 1, Keeper::restart).await;
    let lease = way.stores().sessions.announce(session("a", 1)).await;
    let lease = lease.unwrap();
    let seen = keeper.stores().sessions;
    for number in 0..6 {
        let mut changed = session("a", 1);
        changed.waiting = number % 2 == 0;
        assert_eq!(lease.change(changed.clone()).await, Ok(()));
        // Neither a renewal that was under way nor a restart takes it back.
        let renewals = way.answers.load(Ordering::SeqCst);
        while way.answers.load(Ordering::SeqCst) < renewals + 4 {
            sleep(Duration::from_millis(5)).await;
        }
        is_at(&seen, Some("a")).await;
        let found = seen.locate(&cam(), Form::Source).await;
        assert!(found == Ok(Some(changed)) || found == Ok(None), "{found:?}");
    }
    let newer = seen.announce(session("b", 2)).await.unwrap();
    // A node that was just started has heard of neither; of both, the later to begin counts.
    let late = lease.change(session("a", 1)).await;
    assert!(matches!(late, Ok(()) | Err(Error::Conflict(_))), "{late:?}");
    let lost = timeout(Duration::from_secs(60), lease.lost()).await;
    assert!(lost.is_ok(), "it is not told that the place is lost");
    is_at(&seen, Some("b")).await;
    drop(lease);
    is_at(&seen, Some("b")).await;
    drop(newer);
}

#[tokio::test]
async fn who_does_not_renew_is_forgotten() {
    let limits = Limits {
        lease: Duration::from_secs(1),
        ..Limits::default()
    };
    let keeper = Keeper::start(limits).await;
    let way = Way::to(&keeper, |_| false, |_| ()).await;
    let lease = way.stores().sessions.announce(session("a", 1)).await;
    let lease = lease.unwrap();
    is_at(&keeper.stores().sessions, Some("a")).await;
    // As if it was killed.
    std::mem::forget(lease);
    let renewals = way.answers.load(Ordering::SeqCst);
    while way.answers.load(Ordering::SeqCst) < renewals + 3 {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        located(&keeper.stores().sessions).await.as_deref(),
        Some("a")
    );
    let keeper = Keeper::start(keeper.limits.clone()).await;
    let once = format!("{}/node/leases/{}", keeper.base, uuid::Uuid::new_v4());
    put_once(&once, &session("a", 1)).await;
    is_at(&keeper.stores().sessions, Some("a")).await;
    is_at(&keeper.stores().sessions, None).await;
}

/// Announces once, over a connection of its own.
async fn put_once(url: &str, session: &Session) {
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let body = serde_json::json!({"session": session, "change": 0}).to_string();
    let request = format!(
        "PUT /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer token\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_node_that_is_away_is_unavailable_soon() {
    let (_hangs, mute) = mute().await;
    let config = Config {
        call_time: Duration::from_millis(200),
        patience: Duration::from_millis(500),
        ..config()
    };
    for base in ["http://127.0.0.1:1", mute.as_str()] {
        let stores = Stores::new(base, &token(), tls(), &config).unwrap();
        let asked = Instant::now();
        let answers = [
            stores.channels.get(&cam()).await.map(drop),
            stores.objects.put(&name("a"), Bytes::new()).await,
            stores.objects.create(&name("a")).await.map(drop),
            stores.sessions.list().await.map(drop),
            stores.sessions.announce(session("a", 1)).await.map(drop),
        ];
        for answer in answers {
            assert!(
                matches!(answer, Err(Error::Unavailable { .. })),
                "{answer:?}"
            );
        }
        // Many times what it may take.
        assert!(asked.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test]
async fn who_is_known_to_be_away_is_tried_once() {
    let keeper = Keeper::start(Limits::default()).await;
    let way = Way::to(&keeper, |_| false, |_| ()).await;
    let config = Config {
        patience: Duration::from_secs(3),
        ..config()
    };
    let stores = Stores::new(&way.base, &token(), tls(), &config).unwrap();
    let tries = async || {
        let before = way.answers.load(Ordering::SeqCst);
        let answer = stores.channels.stream_dns().await;
        (way.answers.load(Ordering::SeqCst) - before, answer.is_ok())
    };
    assert_eq!(tries().await, (1, true));
    keeper.go_away();
    let (first, is_there) = tries().await;
    assert!(first > 1 && !is_there, "{first} tries");
    assert_eq!(tries().await, (1, false));
    keeper.restart();
    assert_eq!(tries().await, (1, true));
    keeper.go_away();
    let (first, _) = tries().await;
    assert!(first > 1, "{first} tries");
}

#[tokio::test]
async fn errors_of_the_stores_arrive_as_they_are() {
    let keeper = Keeper::start(Limits::default()).await;
    let stores = keeper.stores();
    let missing = keeper.stores.channels.get(&cam()).await.map(drop);
    assert_eq!(stores.channels.get(&cam()).await.map(drop), missing);
    let object = name("a");
    keeper
        .stores
        .objects
        .put(&object, Bytes::from_static(b"12"))
        .await
        .unwrap();
    let range = Some(5..7);
    let outside = keeper
        .stores
        .objects
        .get(&object, range.clone())
        .await
        .map(drop);
    assert_eq!(stores.objects.get(&object, range).await.map(drop), outside);
    // A file in place of a directory.
    let inside = name("a/b");
    let refused = keeper.stores.objects.put(&inside, Bytes::new()).await;
    assert!(refused.is_err());
    assert_eq!(stores.objects.put(&inside, Bytes::new()).await, refused);
    assert!(keeper.folder.path().exists());
}

#[tokio::test]
async fn strangers_get_nothing() {
    let keeper = Keeper::start(Limits::default()).await;
    let guessed = Secret::new("guessed").unwrap();
    let stores = Stores::new(&keeper.base, &guessed, tls(), &config()).unwrap();
    let channel = Channel::new(cam(), Moment::from_unix(1));
    let answers = [
        stores.channels.get(&cam()).await.map(drop),
        stores
            .channels
            .put(&channel, Precondition::Any)
            .await
            .map(drop),
        stores.objects.put(&name("a"), Bytes::new()).await,
        stores.sessions.announce(session("a", 1)).await.map(drop),
        stores.sessions.list().await.map(drop),
    ];
    for answer in answers {
        assert!(matches!(answer, Err(Error::Denied(_))), "{answer:?}");
    }
    let missing = keeper.stores.channels.get(&cam()).await;
    assert!(matches!(missing, Err(Error::NotFound(_))));
    // A node that keeps nothing says nothing that makes sense.
    let serve = Serve {
        stores: None,
        tasks: None,
        token: token(),
        limits: Limits::default(),
    };
    drop(keeper.router.lock().unwrap().replace(store::router(serve)));
    let wrong = keeper.stores().channels.get(&cam()).await.map(drop);
    assert!(matches!(wrong, Err(Error::Denied(_))), "{wrong:?}");
}
