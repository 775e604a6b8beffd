//! Checks of session registries.

use std::time::Duration;

use tokio::time::timeout;

use super::{PATIENCE, id, soon};
use crate::channel::Moment;
use crate::ports::{Error, Form, Session, SessionRegistry};

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

/// Checks that the leases of a [`SessionRegistry`] tell who has lost the place, and nobody else, and change what is
/// announced for as long as they have it.
pub async fn session_leases(registry: &dyn SessionRegistry) {
    let announce = async |node: &str| {
        let announced = registry.announce(session("cam", node)).await;
        announced.expect("announces")
    };
    let first = announce("node-a").await;
    let mut waiting = session("cam", "node-a");
    waiting.waiting = true;
    assert_eq!(first.change(waiting.clone()).await, Ok(()));
    is_at(registry, Form::Source, Some(&waiting)).await;

    let other = announce("node-b").await;
    let second = session("cam", "node-b");
    let lost = timeout(PATIENCE, first.lost()).await;
    assert!(lost.is_ok(), "nobody said that another has the place");
    waiting.since = Moment::from_unix(2_000);
    let late = first.change(waiting).await;
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
    is_at(registry, Form::Source, Some(&second)).await;

    let again = announce("node-a").await;
    // It has not been told yet, or just now.
    let late = other.change(second).await;
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
    let lost = timeout(PATIENCE, other.lost()).await;
    assert!(lost.is_ok(), "nobody said so to who changed it");
    drop(first);
    drop(other);
    is_at(registry, Form::Source, Some(&session("cam", "node-a"))).await;
    let mut lost = std::pin::pin!(again.lost());
    let kept = timeout(SHORT, &mut lost).await;
    assert!(kept.is_err(), "who has the place was told to have lost it");

    let mut earlier = session("cam", "node-b");
    earlier.since = Moment::from_unix(999);
    let refused = registry.announce(earlier.clone()).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    is_at(registry, Form::Source, Some(&session("cam", "node-a"))).await;
    drop(again);
    is_at(registry, Form::Source, None).await;
    earlier.take_overs = vec![Moment::from_unix_millis(998_001), Moment::from_unix(999)];
    let alone = registry.announce(earlier.clone()).await;
    is_at(registry, Form::Source, Some(&earlier)).await;
    drop(alone);
    is_at(registry, Form::Source, None).await;
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

/// How often it is looked whether something stays.
const LOOKS: usize = 3;
/// How long something is given that must not come.
const SHORT: Duration = Duration::from_millis(100);

fn session(channel: &str, node: &str) -> Session {
    Session {
        rtmps: Some(format!("rtmps://{node}:1938")),
        ..Session::new(
            id(channel),
            node,
            format!("rtmp://{node}:1935"),
            Moment::from_unix(1_000),
        )
    }
}
