use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::*;
use crate::ports::conformance::Unreachable;
use crate::ports::{Page, PageRequest, Precondition, StreamDns, VersionedChannel};

const NOW: Moment = Moment::from_unix(1_700_000_000);

/// Knows `cam` alone, counts how often it is asked, and answers as it is permitted to.
#[derive(Debug)]
struct Counting {
    asked: AtomicUsize,
    permits: Semaphore,
    is_away: AtomicBool,
}

impl Counting {
    fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self {
            asked: AtomicUsize::new(0),
            permits: Semaphore::new(permits),
            is_away: AtomicBool::new(false),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn records(self: &Arc<Self>) -> Records {
        Records::new(Arc::clone(self) as Arc<dyn ChannelStore>)
    }
}

#[async_trait]
impl ChannelStore for Counting {
    async fn get(&self, id: &ChannelId) -> Result<VersionedChannel> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let permit = self.permits.acquire().await;
        permit.map_err(Error::unavailable)?.forget();
        if self.is_away.load(Ordering::Relaxed) {
            return Err(Error::unavailable("made to fail"));
        }
        match id.as_str() {
            "cam" => Ok(VersionedChannel {
                channel: Arc::new(Channel::new(id.clone(), NOW)),
                version: 1,
            }),
            _ => Err(Error::NotFound(id.to_string())),
        }
    }

    async fn put(&self, channel: &Channel, condition: Precondition) -> Result<u64> {
        Unreachable.put(channel, condition).await
    }

    async fn delete(&self, id: &ChannelId) -> Result<()> {
        Unreachable.delete(id).await
    }

    async fn list(&self, page: &PageRequest) -> Result<Page<Channel>> {
        Unreachable.list(page).await
    }

    async fn stream_dns(&self) -> Result<StreamDns> {
        Unreachable.stream_dns().await
    }

    async fn put_stream_dns(&self, dns: &StreamDns) -> Result<()> {
        Unreachable.put_stream_dns(dns).await
    }
}

fn id(text: &str) -> ChannelId {
    ChannelId::parse(text).unwrap()
}

fn later(millis: u64) -> Moment {
    NOW.plus(Duration::from_millis(millis))
}

#[tokio::test]
async fn a_segment_costs_no_call() {
    let store = Counting::new(10);
    let records = store.records();
    for at in (0..2_000).step_by(100) {
        assert!(records.get(&id("cam"), later(at)).await.is_ok());
    }
    assert_eq!(store.asked(), 1);
    records.get(&id("cam"), later(2_000)).await.unwrap();
    assert_eq!(store.asked(), 2, "a record is never older than two seconds");
    records.get(&id("cam"), later(3_999)).await.unwrap();
    assert_eq!(store.asked(), 2);
    records.get(&id("cam"), NOW).await.unwrap();
    assert_eq!(store.asked(), 3, "nor is it from the future");
    records.fresh(&id("cam")).await.unwrap();
    assert_eq!(store.asked(), 4);
}

#[tokio::test]
async fn many_at_once_ask_once() {
    let store = Counting::new(0);
    let records = store.records();
    let cam = id("cam");
    let all = futures::future::join_all((0..1_000).map(|_| records.get(&cam, NOW)));
    let (answers, ()) = tokio::join!(all, async { store.permits.add_permits(1) });
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(store.asked(), 1);
}

#[tokio::test]
async fn whoever_asks_first_may_leave() {
    let store = Counting::new(0);
    let records = store.records();
    let cam = id("cam");
    let mut first = Box::pin(records.get(&cam, NOW));
    assert!(futures::poll!(&mut first).is_pending());
    drop(first);
    store.permits.add_permits(1);
    assert!(records.get(&cam, NOW).await.is_ok());
    assert_eq!(store.asked(), 1);
}

#[tokio::test]
async fn what_is_not_there_is_remembered_for_less() {
    let store = Counting::new(10);
    let records = store.records();
    for at in [0, 499, 500] {
        let missing = records.get(&id("nobody"), later(at)).await;
        assert!(matches!(missing, Err(Error::NotFound(_))));
    }
    assert_eq!(store.asked(), 2);
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let store = Counting::new(0);
    let records = store.records();
    store.permits.close();
    for _ in 0..2 {
        let failed = records.get(&id("cam"), NOW).await;
        assert!(matches!(failed, Err(Error::Unavailable { .. })));
    }
    assert_eq!(store.asked(), 2);
}

#[tokio::test]
async fn those_who_watch_go_on_while_the_store_is_away() {
    let store = Counting::new(1_000);
    let records = store.records();
    let cam = id("cam");
    records.get(&cam, NOW).await.unwrap();
    store.is_away.store(true, Ordering::Relaxed);
    let last = SPARE.as_millis() as u64 - 1;
    for at in (2_000..last).step_by(500).chain([last]) {
        assert!(records.get(&cam, later(at)).await.is_ok(), "{at} ms");
    }
    let asked = store.asked();
    assert!((140..=160).contains(&asked), "asked {asked} times");
    // Nothing is known of others, nor is it for ever; and nobody begins to publish by it.
    assert!(records.get(&id("other"), later(last)).await.is_err());
    assert!(records.fresh(&cam).await.is_err());
    assert!(records.get(&cam, later(last + 1)).await.is_err());
    store.is_away.store(false, Ordering::Relaxed);
    assert!(records.get(&cam, later(last + 2)).await.is_ok());
}

#[tokio::test]
async fn nobody_but_the_first_waits_for_a_store_that_hangs() {
    let store = Counting::new(1);
    let records = store.records();
    let cam = id("cam");
    records.get(&cam, NOW).await.unwrap();
    let mut first = Box::pin(records.get(&cam, later(2_000)));
    assert!(futures::poll!(&mut first).is_pending());
    tokio::task::yield_now().await;
    assert!(records.get(&cam, later(2_100)).await.is_ok());
    assert_eq!(store.asked(), 2);
    store.is_away.store(true, Ordering::Relaxed);
    store.permits.add_permits(1);
    assert!(first.await.is_ok());
    assert!(records.get(&cam, later(2_200)).await.is_ok());
    assert_eq!(store.asked(), 2);
}

#[tokio::test]
async fn what_was_removed_does_not_come_back() {
    let store = Counting::new(10);
    let records = store.records();
    let gone = id("gone");
    let channel = Arc::new(Channel::new(gone.clone(), NOW));
    lock(&records.kept).keep(&gone, NOW, &Ok(channel));
    let removed = records.get(&gone, later(1)).await;
    assert!(matches!(removed, Err(Error::NotFound(_))), "{removed:?}");
    store.is_away.store(true, Ordering::Relaxed);
    assert!(records.get(&gone, later(1_000)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn who_watches_waits_for_a_store_that_hangs_for_a_moment_alone() {
    let store = Counting::new(1);
    let records = store.records();
    let cam = id("cam");
    records.get(&cam, NOW).await.unwrap();
    let asked = tokio::time::Instant::now();
    assert!(records.get(&cam, later(2_000)).await.is_ok());
    assert_eq!(asked.elapsed(), PATIENCE);
    // Nothing is known of others.
    let other = id("other");
    let waited = timeout(PATIENCE * 10, records.get(&other, later(2_000)));
    assert!(waited.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_slow_is_heard_all_the_same() {
    let store = Counting::new(1);
    let records = store.records();
    let cam = id("cam");
    let before = records.get(&cam, NOW).await.unwrap();
    let waited = records.get(&cam, later(2_000)).await.unwrap();
    assert!(Arc::ptr_eq(&waited, &before), "what it said last");
    // It answers when nobody waits any more.
    store.permits.add_permits(1);
    tokio::time::sleep(PATIENCE).await;
    let after = records.get(&cam, later(2_600)).await.unwrap();
    assert!(!Arc::ptr_eq(&after, &before), "its answer counts");
    assert_eq!(store.asked(), 2);
}
