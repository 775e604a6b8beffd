//! What is to be told, bounded, and what was lost of it.

use std::collections::VecDeque;

use lsv_core::channel::Moment;
use lsv_core::events::Event;
use tokio::sync::oneshot;

use super::detail;

/// An event that is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    number: u64,
    pub(super) at: Moment,
    pub(super) kind: &'static str,
    pub(super) detail: String,
}

/// Events in their order. Those of the batch that is on its way are kept until it is settled.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    sent: Vec<Entry>,
    last: u64,
    lost: u64,
}

impl Queue {
    /// Adds an event. Where there is no room the oldest goes: what happens now matters more.
    pub(super) fn push(&mut self, event: &Event, node: &str) {
        self.last += 1;
        let Some(detail) = detail(event, node).filter(|detail| detail.len() <= MAX_DETAIL_BYTES)
        else {
            return self.lose(1);
        };
        if self.entries.len() >= MAX_EVENTS {
            self.entries.pop_front();
            self.lose(1);
        }
        self.entries.push_back(Entry {
            number: self.last,
            at: event.at,
            kind: event.happened.name(),
            detail,
        });
    }

    /// The next batch, which is on its way from here on.
    pub(super) fn batch(&mut self) -> Vec<Entry> {
        let mut bytes = 0;
        while self.sent.len() < MAX_BATCH {
            let Some(entry) = self.entries.front() else {
                break;
            };
            bytes += entry.detail.len() + ENVELOPE_BYTES;
            if bytes > MAX_BATCH_BYTES && !self.sent.is_empty() {
                break;
            }
            self.sent.extend(self.entries.pop_front());
        }
        self.sent.clone()
    }

    /// The batch is settled but for what is to be told again.
    pub(super) fn settle(&mut self, again: Vec<Entry>, refused: u64) {
        self.sent.clear();
        for entry in again.into_iter().rev() {
            self.entries.push_front(entry);
        }
        self.lose(refused);
    }

    /// What became of the batch is not known: it is told again.
    pub(super) fn take_back(&mut self) {
        let sent = std::mem::take(&mut self.sent);
        self.settle(sent, 0);
    }

    /// Counts what is never told.
    pub(super) fn lose(&mut self, count: u64) {
        if count > 0 {
            self.lost = self.lost.saturating_add(count);
            metrics::counter!("lsv_event_bus_lost_total").increment(count);
        }
    }

    /// Says what was lost since the last time.
    pub(super) fn report(&mut self, bus: &str) {
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            tracing::error!(bus, lost, "events did not reach the event bus");
        }
    }

    /// The number of the newest event.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none wait.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Lets those go who wait for what is settled.
    pub(super) fn answer(&self, waiting: &mut Vec<(u64, oneshot::Sender<()>)>) {
        let first = self
            .sent
            .iter()
            .chain(&self.entries)
            .map(|entry| entry.number)
            .min();
        let settled = |number: &u64| first.is_none_or(|first| *number < first);
        waiting.retain(|(number, _)| !settled(number));
    }
}

/// Most events that wait.
const MAX_EVENTS: usize = 10_000;

/// As many as EventBridge takes at once.
const MAX_BATCH: usize = 10;

/// As much as EventBridge takes at once, less a reserve.
const MAX_BATCH_BYTES: usize = 240 * 1_024;

/// The longest event that is told.
const MAX_DETAIL_BYTES: usize = 200 * 1_024;

/// What an entry has beside its detail, generously.
const ENVELOPE_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use lsv_core::events::Happening;
    use lsv_core::path::ChannelId;
    use tokio::sync::oneshot::error::TryRecvError;

    fn event(channel: &str, peer: &str) -> Event {
        let happened = Happening::Published {
            channel: ChannelId::parse(channel).unwrap(),
            peer: peer.to_owned(),
        };
        Event::new(Moment::from_unix(1), happened)
    }

    fn numbers(entries: &[Entry]) -> Vec<u64> {
        entries.iter().map(|entry| entry.number).collect()
    }

    #[test]
    fn batches_are_ten_and_go_again_in_their_order() {
        let mut queue = Queue::default();
        for _ in 0..25 {
            queue.push(&event("cam", "x"), "node");
        }
        let first = queue.batch();
        assert_eq!(numbers(&first), (1..=10).collect::<Vec<_>>());
        assert_eq!((queue.sent.len(), queue.len()), (10, 15));
        queue.settle(vec![first[2].clone(), first[7].clone()], 0);
        assert_eq!(
            numbers(&queue.batch()),
            [3, 8, 11, 12, 13, 14, 15, 16, 17, 18]
        );
        queue.take_back();
        assert_eq!(queue.len(), 17);
    }

    #[test]
    fn batches_are_bounded_in_bytes() {
        let mut queue = Queue::default();
        let long = "x".repeat(100 * 1_024);
        for _ in 0..3 {
            queue.push(&event("cam", &long), "node");
        }
        queue.push(&event("cam", &"x".repeat(MAX_DETAIL_BYTES)), "node");
        assert_eq!((queue.len(), queue.lost), (3, 1));
        assert_eq!(queue.batch().len(), 2);
    }

    #[test]
    fn a_full_queue_loses_its_oldest() {
        let mut queue = Queue::default();
        for _ in 0..MAX_EVENTS + 3 {
            queue.push(&event("cam", "x"), "node");
        }
        assert_eq!((queue.len(), queue.lost), (MAX_EVENTS, 3));
        assert_eq!(queue.batch()[0].number, 4);
    }

    #[test]
    fn who_waits_hears_when_all_before_is_settled() {
        let mut queue = Queue::default();
        queue.push(&event("cam", "x"), "node");
        let (sender, mut told) = oneshot::channel();
        let mut waiting = vec![(queue.last(), sender)];
        queue.batch();
        queue.push(&event("cam", "x"), "node");
        queue.answer(&mut waiting);
        assert_eq!(told.try_recv(), Err(TryRecvError::Empty));
        queue.settle(Vec::new(), 0);
        queue.answer(&mut waiting);
        assert_eq!(told.try_recv(), Err(TryRecvError::Closed));
    }

    #[test]
    fn a_detail_is_what_the_api_tells_and_the_node() {
        let detail = detail(&event("cam", "192.0.2.1:5"), "gateway-1").unwrap();
        let detail: serde_json::Value = serde_json::from_str(&detail).unwrap();
        let expected = serde_json::json!({
            "at": "1970-01-01T00:00:01Z", "event": "published", "channel": "cam", "peer": "192.0.2.1:5", "node": "gateway-1",
        });
        assert_eq!(detail, expected);
    }
}
