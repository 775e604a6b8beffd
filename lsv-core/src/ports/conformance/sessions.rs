//! Checks of session registries.

use std::time::Duration;

use tokio::time::timeout;

use super::{PATIENCE, id, soon};
use crate::channel::Moment;
use crate::ports::{Form, Session, SessionRegistry};
use crate::via::Via;

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

/// Checks that the leases of a [`SessionRegistry`] tell who has lost the place to another node, and nobody else.
pub async fn session_leases(registry: &dyn SessionRegistry) {
    let announce = async |node: &str| {
        let announced = registry.announce(session("cam", node)).await;
        announced.expect("announces")
    };
    let first = announce("node-a").await;
    let again = announce("node-a").await;
    let other = announce("node-b").await;
    let lost = timeout(PATIENCE, again.lost()).await;
    assert!(lost.is_ok(), "nobody said that another node has the place");
    drop(again);
    drop(first);
    let second = session("cam", "node-b");
    is_at(registry, Form::Source, Some(&second)).await;
    let mut lost = std::pin::pin!(other.lost());
    let kept = timeout(SHORT, &mut lost).await;
    assert!(kept.is_err(), "who has the place was told to have lost it");
    drop(other);
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
        channel: id(channel),
        node: node.to_owned(),
        address: format!("rtmp://{node}:1935"),
        rtmps: Some(format!("rtmps://{node}:1938")),
        since: Moment::from_unix(1_000),
        http: None,
        form: Form::Source,
        waiting: false,
        through: Via::default(),
    }
}
