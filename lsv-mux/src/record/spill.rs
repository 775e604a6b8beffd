//! What waits for the store: bounded, and never waited for by media.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::cutter::Cut;
use crate::mp4::recording::Fragment;

/// A queue of cuts from a recording to its store.
///
/// When the store is out of reach for longer than the bytes last, whole fragments are left out, the oldest first, and
/// in their place stands how much is missing.
#[derive(Debug)]
pub(super) struct Spill {
    max_bytes: usize,
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Spilled>,
    bytes: usize,
    closed: bool,
}

/// What comes out of a [`Spill`].
#[derive(Debug)]
pub(super) enum Spilled {
    Cut(Cut),
    /// Media of that length is missing, perhaps with whole files.
    Lost(Duration),
}

impl Spill {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            queue: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(super) fn push(&self, cuts: impl IntoIterator<Item = Cut>) {
        let mut queue = self.queue();
        for cut in cuts {
            queue.bytes += size(&cut);
            queue.items.push_back(Spilled::Cut(cut));
            while queue.bytes > self.max_bytes && queue.leave_out_oldest() {}
            queue.forget_lost_file();
        }
        drop(queue);
        self.changed.notify_one();
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.queue().closed = true;
        self.changed.notify_one();
    }

    /// The next; `None` once it was closed and is empty. For one reader.
    pub(super) async fn next(&self) -> Option<Spilled> {
        loop {
            {
                let mut queue = self.queue();
                if let Some(item) = queue.items.pop_front() {
                    if let Spilled::Cut(cut) = &item {
                        queue.bytes -= size(cut);
                    }
                    return Some(item);
                }
                if queue.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Puts how much is missing in place of the oldest fragment; false when there is none.
    fn leave_out_oldest(&mut self) -> bool {
        let mut items = self.items.iter();
        let Some(place) = items.position(|item| matches!(item, Spilled::Cut(Cut::Fragment(_))))
        else {
            return false;
        };
        if let Some(Spilled::Cut(Cut::Fragment(fragment))) = self.items.get(place) {
            self.bytes -= fragment.size();
            let mut lost = length(fragment);
            let before = place
                .checked_sub(1)
                .and_then(|before| self.items.get(before));
            if let Some(Spilled::Lost(more)) = before {
                lost += *more;
                self.items.remove(place - 1);
                self.set(place - 1, Spilled::Lost(lost));
            } else {
                self.set(place, Spilled::Lost(lost));
            }
        }
        true
    }

    fn set(&mut self, place: usize, item: Spilled) {
        if let Some(slot) = self.items.get_mut(place) {
            *slot = item;
        }
    }

    /// A file of which nothing is left at the front of the queue is none: what is missing of it is added up. So the
    /// queue does not grow with the number of files.
    fn forget_lost_file(&mut self) {
        loop {
            let at = usize::from(matches!(self.items.front(), Some(Spilled::Lost(_))));
            let mut file = self.items.iter().skip(at);
            let (
                Some(Spilled::Cut(Cut::Begin(_))),
                Some(Spilled::Lost(_)),
                Some(Spilled::Cut(Cut::End { .. })),
            ) = (file.next(), file.next(), file.next())
            else {
                return;
            };
            let total = self
                .items
                .drain(..at + 3)
                .map(|item| match item {
                    Spilled::Lost(lost) => lost,
                    Spilled::Cut(_) => Duration::ZERO,
                })
                .sum();
            self.items.push_front(Spilled::Lost(total));
        }
    }
}

fn size(cut: &Cut) -> usize {
    match cut {
        Cut::Fragment(fragment) => fragment.size(),
        Cut::Begin(_) | Cut::End { .. } => 0,
    }
}

fn length(fragment: &Fragment) -> Duration {
    fragment.end().since(fragment.start())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::mp4::recording::Options;
    use crate::record::cutter::{Cutter, Files};
    use crate::segmenter::synthetic::Source;

    fn cuts(length: u64, millis: i64) -> Vec<Cut> {
        let length = Duration::from_secs(length);
        let mut cutter = Cutter::new(Files::Whole, length, Options::default());
        for frame in Source::default().frames(millis) {
            cutter.push(&frame, SystemTime::UNIX_EPOCH);
        }
        cutter.interrupt();
        cutter.take()
    }

    async fn drain(spill: &Spill) -> String {
        spill.close();
        let mut word = String::new();
        while let Some(item) = spill.next().await {
            word.push(match item {
                Spilled::Cut(Cut::Begin(_)) => '(',
                Spilled::Cut(Cut::Fragment(_)) => '.',
                Spilled::Cut(Cut::End { .. }) => ')',
                Spilled::Lost(lost) => {
                    char::from_digit(lost.as_secs_f64().round() as u32, 36).unwrap_or('z')
                }
            });
        }
        word
    }

    #[tokio::test]
    async fn what_fits_stays() {
        let spill = Spill::new(1 << 20);
        spill.push(cuts(5, 12_000));
        assert_eq!(drain(&spill).await, "(.....)(.....)(..)");
    }

    #[tokio::test]
    async fn the_oldest_fragments_go_and_leave_a_mark() {
        let one = cuts(5, 12_000).iter().map(size).max().unwrap();
        let spill = Spill::new(one * 4);
        spill.push(cuts(5, 12_000));
        // Seconds 0 to 5 with their file, and 3 more of the file that follows.
        let word = drain(&spill).await;
        assert!(
            ["5(3..)(..)", "5(2...)(..)"].contains(&word.as_str()),
            "{word}"
        );
    }

    #[tokio::test]
    async fn the_queue_does_not_grow_with_the_outage() {
        let spill = Spill::new(10_000);
        for _ in 0..20 {
            spill.push(cuts(1, 10_000));
            assert!(spill.queue().items.len() < 20);
            assert!(spill.queue().bytes <= 10_000);
        }
    }
}
