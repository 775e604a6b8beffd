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

fn of_node(node: &str) -> Config {
    Config {
        node: node.to_owned(),
        ..Config::default()
    }
}

fn set_nearly_full(store: &Store, is_nearly_full: bool) {
    store.0.lock().expect("no call panicked").is_nearly_full = is_nearly_full;
}

/// How often an object was put together.
fn composed(store: &Store) -> usize {
    let kept = store.0.lock().expect("no call panicked");
    let changes = kept.history.iter();
    let composed = changes.filter(|(_, _, change)| *change == Change::Composed);
    composed.count()
}

fn journal(store: &Store, node: &str) -> Journal {
    Journal::new(Arc::new(store.clone()), node, unfinished::STALE)
}

/// When the only entry is so old that its node is taken for gone.
async fn old(store: &Store) -> Moment {
    let entry = ObjectName::parse(&entries(store)[0]).expect("a name");
    let since = store.stat(&entry).await.expect("is there").modified;
    since.plus(unfinished::STALE * 2)
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
    let store = Store::default();
    let (hub, _, _) = started(&store, of_node("one"));
    settle().await;
    let publisher = publish(&hub, files_only()).await;
    push(&publisher, &Source::default().frames(4_000)).await;
    settle().await;
    let name = entries(&store).pop().expect("one");
    let name = name.strip_prefix("unfinished/").expect("an entry");
    let is_whole = |bytes: &[u8]| !bytes.windows(4).any(|it| it == b"mvex");

    started(&store, of_node("two"));
    started(&store, Config::default());
    settle().await;
    assert!(!is_whole(&store.read(name)));
    assert_eq!(entries(&store).len(), 1);

    // As it is after a crash of the first.
    let left = store.copy();
    started(&left, of_node("one"));
    settle().await;
    assert!(is_whole(&left.read(name)));
    assert_eq!(entries(&left), [""; 0]);
    drop(publisher);
}

/// What a node left that does not come back is made whole by one of those that share the store, and not before it is old.
#[tokio::test(start_paused = true)]
async fn nodes_make_whole_what_one_left_that_is_gone() {
    let store = Store::default();
    let (hub, _, _) = started(&store, of_node("gone"));
    settle().await;
    let publisher = publish(&hub, files_only()).await;
    push(&publisher, &Source::default().frames(4_000)).await;
    settle().await;
    let name = entries(&store).pop().expect("one");
    let name = name.strip_prefix("unfinished/").expect("an entry");
    // As it is after a crash.
    let left = store.copy();
    let (_, _, one) = started(&left, of_node("one"));
    let (_, _, other) = started(&left, of_node("other"));
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
    assert_eq!(composed(&left), 1);
    drop(publisher);
}

/// A store that was away for long has heard of nobody: what a node still writes stays its own.
#[tokio::test(start_paused = true)]
async fn nodes_that_could_not_say_that_they_are_there_keep_what_they_write() {
    let store = Store::default();
    let (hub, _, _) = started(&store, of_node("one"));
    let (_, _, other) = started(&store, of_node("other"));
    settle().await;
    let publisher = publish(&hub, files_only()).await;
    push(&publisher, &Source::default().frames(4_000)).await;
    settle().await;
    let name = entries(&store).pop().expect("one");
    let name = ObjectName::parse(&name).expect("a name");
    let since = store.stat(&name).await.expect("is there").modified;
    let old = since.plus(unfinished::STALE * 2);
    other.recover_abandoned(old).await;
    assert!(store.read(name.as_str()).starts_with(b"one\n"));
    drop(publisher);
}

/// What a node could not make whole, it makes whole when it can: its own, and what it has taken over.
#[tokio::test(start_paused = true)]
async fn what_could_not_be_made_whole_is_tried_again() {
    let store = Store::default();
    set_nearly_full(&store, true);
    let (hub, _, one) = started(&store, of_node("one"));
    settle().await;
    let publisher = publish(&hub, files_only()).await;
    push(&publisher, &Source::default().frames(4_000)).await;
    publisher.finish();
    one.settled().await;
    assert_eq!(entries(&store).len(), 1);
    let left = store.copy();

    set_nearly_full(&store, false);
    one.recover_abandoned(old(&store).await).await;
    assert_eq!((composed(&store), entries(&store).len()), (1, 0));

    set_nearly_full(&left, true);
    let (_, _, other) = started(&left, of_node("other"));
    settle().await;
    other.clone().recover_abandoned(old(&left).await).await;
    assert_eq!((composed(&left), entries(&left).len()), (0, 1));
    assert!(left.read(&entries(&left)[0]).starts_with(b"other\n"));
    set_nearly_full(&left, false);
    other.recover_abandoned(old(&left).await).await;
    assert_eq!((composed(&left), entries(&left).len()), (1, 0));
}

/// Of two nodes that look at the same moment one takes an entry over.
#[tokio::test(start_paused = true)]
async fn one_of_two_nodes_takes_an_entry_over() {
    let store = Store::default();
    let [gone, one, two] = ["gone", "one", "two"].map(|node| journal(&store, node));
    let name = ObjectName::parse("record/cam/mp4/a.mp4").expect("a name");
    drop(gone.note(&name).await.expect("is noted"));
    let old = old(&store).await;
    let (one, two) = tokio::join!(one.adopt(old), two.adopt(old));
    let taken = [one, two].map(|taken| taken.expect("is listed").len());
    assert_eq!(taken.iter().sum::<usize>(), 1, "{taken:?}");
}

/// Where a store is slow, no recording of many is taken for one that nobody writes.
#[tokio::test(start_paused = true)]
async fn entries_of_many_recordings_stay_young_in_a_slow_store() {
    let store = Store::default();
    store.0.lock().expect("no call panicked").slow = Duration::from_secs(10);
    let journal = journal(&store, "one");
    let names: Vec<ObjectName> = (0..50)
        .map(|number| format!("record/cam-{number}/mp4/a.mp4"))
        .map(|name| ObjectName::parse(&name).expect("a name"))
        .collect();
    let noted = futures::future::join_all(names.iter().map(|name| journal.note(name))).await;
    assert!(noted.iter().all(Result::is_ok));
    let since = tokio::time::Instant::now();
    let keep = tokio::spawn(async move { journal.keep().await });
    tokio::time::sleep(unfinished::STALE * 2).await;
    keep.abort();
    let end = tokio::time::Instant::now();
    let history = store.0.lock().expect("no call panicked").history.clone();
    for name in &names {
        let entry = unfinished::entry(name).expect("a name");
        let of_entry = history.iter().filter(|(_, name, _)| name == entry.as_str());
        let times = of_entry.map(|(when, ..)| *when);
        let mut times: Vec<_> = times.chain([since, end]).collect();
        times.sort_unstable();
        for pair in times.windows(2) {
            assert!(pair[1] - pair[0] < unfinished::STALE / 2, "{name}");
        }
    }
}

/// However old an entry is and whoever it names, a process does not take over what it has in hand.
#[tokio::test(start_paused = true)]
async fn nobody_takes_over_what_it_writes_itself() {
    let store = Store::default();
    let taken = |taken: &[Noted]| -> Vec<String> {
        let names = taken.iter().map(|noted| noted.name().to_string());
        names.collect()
    };
    let name = "record/cam/mp4/a.mp4";
    let [one, two, again] = ["one", "two", "one"].map(|node| journal(&store, node));
    let noted = one.note(&ObjectName::parse(name).expect("a name")).await;
    let noted = noted.expect("is noted");
    let old = old(&store).await;
    assert!(one.note(noted.name()).await.is_err());
    for stage in [Noted::rest, |_: &Noted| {}] {
        assert_eq!(taken(&one.adopt(old).await.expect("is listed")), [""; 0]);
        assert_eq!(taken(&one.left().await.expect("is listed")), [""; 0]);
        stage(&noted);
    }
    drop(noted);
    // The same node after a restart knows its own at once, others do not.
    assert_eq!(taken(&two.left().await.expect("is listed")), [""; 0]);
    let left = again.left().await.expect("is listed");
    assert_eq!(taken(&left), [name]);
    drop(left);
    let adopted = two.adopt(old.plus(unfinished::STALE)).await;
    assert_eq!(taken(&adopted.expect("is listed")), [name]);
    // As releases noted it before entries told from one another.
    let entry = unfinished::entry(&ObjectName::parse(name).expect("a name"));
    let entry = entry.expect("a name");
    store.put(&entry, "one".into()).await.expect("is put");
    assert_eq!(taken(&again.left().await.expect("is listed")), [name]);
}
