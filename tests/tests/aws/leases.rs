//! Leases on live sessions while the table is away, and over what others do to it.

use std::time::Duration;

use futures::FutureExt as _;
use lsv_aws::dynamodb::{LeaseTimes, Sessions};
use lsv_core::channel::Moment;
use lsv_core::path::ChannelId;
use lsv_core::ports::{Error, Form, Session, SessionRegistry};
use lsv_tests::{Fault, Flaky, Moto, eventually};
use serde_json::json;

use super::reach;

fn cam() -> ChannelId {
    ChannelId::parse("cam").expect("is an id")
}

fn session(node: &str) -> Session {
    Session {
        http: Some(format!("http://{node}:8080")),
        waiting: true,
        ..Session::new(
            cam(),
            node,
            format!("rtmp://{node}:1935"),
            Moment::from_unix_millis(1_000_123),
        )
    }
}

/// Short, so that a test sees them end.
fn short() -> LeaseTimes {
    let mut times = LeaseTimes::default();
    times.lifetime = Duration::from_secs(2);
    times.renewal = Duration::from_millis(100);
    times.skew = Duration::ZERO;
    times
}

async fn is_at(registry: &Sessions, node: Option<&str>) {
    let what = format!("the channel is at {node:?}");
    eventually(&what, async || {
        let found = registry.locate(&cam(), Form::Source).await.ok()?;
        (found == node.map(session)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_lease_outlives_a_table_that_is_away() {
    let moto = Moto::start().await;
    let flaky = Flaky::start(moto.endpoint()).await;
    let ours = reach::sessions(&reach::sdk(flaky.endpoint()).await, short());
    let theirs = reach::sessions(&reach::sdk(moto.endpoint()).await, short());
    let lease = ours.announce(session("a")).await.expect("announces");
    let lost = lease.lost();
    tokio::pin!(lost);
    is_at(&theirs, Some("a")).await;
    for fault in [Fault::Refuse, Fault::Throttle] {
        flaky.fail("", u32::MAX, fault);
        // What is not renewed ends.
        is_at(&theirs, None).await;
        assert!(lost.as_mut().now_or_never().is_none(), "{fault:?}");
        flaky.mend();
        is_at(&theirs, Some("a")).await;
        assert!(lost.as_mut().now_or_never().is_none(), "{fault:?}");
    }

    // The table forgot it, as TTL does.
    let key = json!({"TableName": Moto::SESSIONS, "Key": {"UUID": {"S": "cam"}}});
    moto.dynamodb("DeleteItem", &key).await;
    is_at(&theirs, Some("a")).await;
    assert!(lost.as_mut().now_or_never().is_none());

    // Another node has the channel now: that is told, and stays.
    let other = theirs.announce(session("b")).await.expect("announces");
    lost.await;
    drop(lease);
    is_at(&theirs, Some("b")).await;
    drop(other);
    is_at(&theirs, None).await;
}

/// An announcement of a node that was killed ends by itself; items that others keep there are none.
#[tokio::test]
async fn what_nobody_renews_ends() {
    let moto = Moto::start().await;
    let flaky = Flaky::start(moto.endpoint()).await;
    let ours = reach::sessions(&reach::sdk(flaky.endpoint()).await, short());
    let theirs = reach::sessions(&reach::sdk(moto.endpoint()).await, short());
    let lease = ours.announce(session("a")).await.expect("announces");
    is_at(&theirs, Some("a")).await;
    let item = moto.item(Moto::SESSIONS, "UUID", "cam").await;
    assert!(item["expires"]["N"].is_string(), "{item}");
    flaky.fail("", u32::MAX, Fault::Refuse);
    // Its withdrawal is lost as well.
    drop(lease);
    is_at(&theirs, None).await;
    assert_eq!(theirs.list().await, Ok(Vec::new()));

    let older =
        json!({"UUID": {"S": "98724e64"}, "outdate": {"S": "2022-12-09"}, "isFlv": {"S": "true"}});
    let input = json!({"TableName": Moto::SESSIONS, "Item": older});
    moto.dynamodb("PutItem", &input).await;
    assert_eq!(theirs.list().await, Ok(Vec::new()));
    let id = ChannelId::parse("98724e64").expect("is an id");
    assert_eq!(theirs.locate(&id, Form::Processed).await, Ok(None));
}

/// What was written counts once, also where nobody says so; and what comes late takes nothing.
#[tokio::test]
async fn a_change_whose_answer_is_lost_counts_once() {
    let moto = Moto::start().await;
    let flaky = Flaky::start(moto.endpoint()).await;
    let mut times = LeaseTimes::default();
    times.renewal = Duration::from_millis(100);
    let ours = reach::sessions(&reach::sdk(flaky.endpoint()).await, times.clone());
    let theirs = reach::sessions(&reach::sdk(moto.endpoint()).await, times);
    flaky.fail("PutItem", 1, Fault::LoseAnswer);
    let lease = ours.announce(session("a")).await.expect("announces");
    let mut back = session("a");
    back.waiting = false;
    flaky.fail("PutItem", 1, Fault::LoseAnswer);
    assert_eq!(lease.change(back.clone()).await, Ok(()));
    assert_eq!(
        theirs.locate(&cam(), Form::Source).await,
        Ok(Some(back.clone()))
    );

    // The table forgot it, as TTL does: it is written by whichever comes first.
    let key = json!({"TableName": Moto::SESSIONS, "Key": {"UUID": {"S": "cam"}}});
    moto.dynamodb("DeleteItem", &key).await;
    assert_eq!(lease.change(back.clone()).await, Ok(()));
    assert_eq!(theirs.locate(&cam(), Form::Source).await, Ok(Some(back)));

    // While nothing can be changed, it is renewed and the loss of it noticed.
    flaky.fail("PutItem", u32::MAX, Fault::Throttle);
    let lost = lease.lost();
    let other = theirs.announce(session("b")).await.expect("announces");
    let (changed, ()) = tokio::join!(lease.change(session("a")), lost);
    assert!(changed.is_err(), "it was another's");
    flaky.mend();
    is_at(&theirs, Some("b")).await;
    let mut earlier = session("a");
    earlier.since = Moment::from_unix_millis(1_000_122);
    let late = ours.announce(earlier).await;
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
    drop(lease);
    is_at(&theirs, Some("b")).await;
    drop(other);
}
