//! What the store knows of recordings that are being written.

use lsv_core::ports::unfinished;

use super::store::Change;
use super::*;

fn entries(store: &Store) -> Vec<String> {
    let names = store.names().into_iter();
    names
        .filter(|name| name.starts_with("unfinished/"))
        .collect()
}

/// An entry is written again for as long as its recording goes on, and never behind its removal.
#[tokio::test(start_paused = true)]
async fn entries_stay_young_while_recordings_go_on() {
    let store = Store::default();
    let (hub, _, recorders) = started(&store, Config::default());
    settle().await;
    let mut offer = files_only();
    offer.settings.recording.files = Some(Duration::from_secs(10_000));
    let publisher = publish(&hub, offer).await;
    push(&publisher, &Source::default().frames(5_000)).await;
    tokio::time::sleep(unfinished::STALE * 2).await;
    let entry = entries(&store).pop().expect("one");
    publisher.finish();
    recorders.settled().await;
    tokio::time::sleep(unfinished::STALE * 2).await;
    assert_eq!(entries(&store), [""; 0]);

    let history = store.0.lock().expect("no call panicked").history.clone();
    let of_entry: Vec<_> = history
        .iter()
        .filter(|(_, name, _)| *name == entry)
        .collect();
    let (last, written) = of_entry.split_last().expect("some");
    assert_eq!(last.2, Change::Deleted);
    assert!(written.len() >= 10, "{}", written.len());
    for pair in of_entry.windows(2) {
        assert!(pair[1].0 - pair[0].0 < unfinished::STALE / 2, "{pair:?}");
    }
}

/// What could not be made whole is left to the next start, and gets old.
#[tokio::test(start_paused = true)]
async fn an_entry_of_what_nobody_writes_gets_old() {
    let store = Store::default();
    store.0.lock().expect("no call panicked").is_nearly_full = true;
    let (hub, _, recorders) = started(&store, Config::default());
    settle().await;
    let publisher = publish(&hub, files_only()).await;
    push(&publisher, &Source::default().frames(4_000)).await;
    publisher.finish();
    recorders.settled().await;
    let ended = tokio::time::Instant::now();
    tokio::time::sleep(unfinished::STALE).await;
    assert_eq!(entries(&store).len(), 1);
    let history = store.0.lock().expect("no call panicked").history.clone();
    let last = history.last().expect("some").0;
    assert!(last <= ended, "{:?} later", last - ended);
}

/// Nodes that share a store make whole what they left themselves, and do not touch what another one writes.
#[tokio::test(start_paused = true)]
async fn a_node_makes_whole_what_it_left_itself() {
    let config = |node: &str| Config {
        node: node.to_owned(),
        ..Config::default()
    };
    let store = Store::default();
    let (hub, _, _) = started(&store, config("one"));
    settle().await;
    let publisher = publish(&hub, files_only()).await;
    push(&publisher, &Source::default().frames(4_000)).await;
    settle().await;
    let name = entries(&store).pop().expect("one");
    let name = name.strip_prefix("unfinished/").expect("an entry");
    let is_whole = |bytes: &[u8]| !bytes.windows(4).any(|it| it == b"mvex");

    started(&store, config("two"));
    started(&store, Config::default());
    settle().await;
    assert!(!is_whole(&store.read(name)));
    assert_eq!(entries(&store).len(), 1);

    // As it is after a crash of the first.
    let left = store.copy();
    started(&left, config("one"));
    settle().await;
    assert!(is_whole(&left.read(name)));
    assert_eq!(entries(&left), [""; 0]);
    drop(publisher);
}

/// What a node left that does not come back is made whole by one of those that share the store, and not before it is old.
#[tokio::test(start_paused = true)]
async fn nodes_make_whole_what_one_left_that_is_gone() {
    let config = |node: &str| Config {
        node: node.to_owned(),
        ..Config::default()
    };
    let store = Store::default();
    let (hub, _, _) = started(&store, config("gone"));
    settle().await;
    let publisher = publish(&hub, files_only()).await;
    push(&publisher, &Source::default().frames(4_000)).await;
    settle().await;
    let name = entries(&store).pop().expect("one");
    let name = name.strip_prefix("unfinished/").expect("an entry");
    // As it is after a crash.
    let left = store.copy();
    let (_, events, one) = started(&left, config("one"));
    let (_, _, other) = started(&left, config("other"));
    let mut heard = events.subscribe();
    settle().await;
    let is_whole = |bytes: &[u8]| !bytes.windows(4).any(|it| it == b"mvex");
    let noted = entries(&left).pop().expect("one");
    let noted = ObjectName::parse(&noted).expect("a name");
    let since = left.stat(&noted).await.expect("is there").modified;

    let young = since.plus(unfinished::STALE / 2);
    one.clone().recover_abandoned(young).await;
    assert!(!is_whole(&left.read(name)));
    let old = since.plus(unfinished::STALE * 2);
    tokio::join!(one.recover_abandoned(old), other.recover_abandoned(old));
    assert!(is_whole(&left.read(name)));
    assert_eq!(entries(&left), [""; 0]);
    let told = std::iter::from_fn(|| heard.try_recv().ok());
    assert!(told.count() <= 1, "two made it whole");
    drop(publisher);
}

/// A store that was away for long has heard of nobody: what a node still writes stays its own.
#[tokio::test(start_paused = true)]
async fn nodes_that_could_not_say_that_they_are_there_keep_what_they_write() {
    let config = |node: &str| Config {
        node: node.to_owned(),
        ..Config::default()
    };
    let store = Store::default();
    let (hub, _, _) = started(&store, config("one"));
    let (_, _, other) = started(&store, config("other"));
    settle().await;
    let publisher = publish(&hub, files_only()).await;
    push(&publisher, &Source::default().frames(4_000)).await;
    settle().await;
    let name = entries(&store).pop().expect("one");
    let name = ObjectName::parse(&name).expect("a name");
    let since = store.stat(&name).await.expect("is there").modified;
    let old = since.plus(unfinished::STALE * 2);
    other.recover_abandoned(old).await;
    assert_eq!(store.read(name.as_str()), b"one"[..]);
    drop(publisher);
}
