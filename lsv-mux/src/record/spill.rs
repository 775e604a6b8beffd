//! What waits for the store: bounded, and never waited for by media.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::cutter::Cut;

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
            queue.push(cut);
            while queue.bytes > self.max_bytes && queue.leave_out_oldest() {}
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
    fn push(&mut self, cut: Cut) {
        let is_end = matches!(cut, Cut::End { .. });
        self.bytes += size(&cut);
        self.items.push_back(Spilled::Cut(cut));
        if is_end {
            self.forget_lost_file(self.items.len() - 1);
        }
    }

    /// Puts how much is missing in place of the oldest fragment; false when there is none.
    ///
    /// Few items lie in front of it, as what is missing there is added up.
    fn leave_out_oldest(&mut self) -> bool {
        let mut items = self.items.iter().enumerate();
        let oldest = items.find_map(|(place, item)| match item {
            Spilled::Cut(Cut::Fragment(fragment)) => {
                Some((place, fragment.size(), fragment.length()))
            }
            _ => None,
        });
        let Some((mut place, size, lost)) = oldest else {
            return false;
        };
        self.bytes -= size;
        self.set(place, Spilled::Lost(lost));
        if self.add_up(place) {
            place -= 1;
        }
        self.forget_lost_file(place + 1);
        true
    }

    /// A file of which nothing is left is none: if one ends at `end`, only what is missing of it stays. So the queue
    /// does not grow with the number of files, wherever in a file its reader is.
    fn forget_lost_file(&mut self, end: usize) {
        if !matches!(self.items.get(end), Some(Spilled::Cut(Cut::End { .. }))) {
            return;
        }
        let lost = end.saturating_sub(1);
        let is_lost = matches!(self.items.get(lost), Some(Spilled::Lost(_)));
        let begin = lost.saturating_sub(usize::from(is_lost));
        if !matches!(self.items.get(begin), Some(Spilled::Cut(Cut::Begin(_)))) {
            return;
        }
        for place in [end, begin] {
            if let Some(Spilled::Cut(cut)) = self.items.remove(place) {
                self.bytes -= size(&cut);
            }
        }
        self.add_up(begin);
    }

    /// Adds what is missing at `place` to what is missing in front of it; false if something lies between.
    fn add_up(&mut self, place: usize) -> bool {
        let Some(before) = place.checked_sub(1) else {
            return false;
        };
        let (Some(Spilled::Lost(earlier)), Some(Spilled::Lost(lost))) =
            (self.items.get(before), self.items.get(place))
        else {
            return false;
        };
        let total = earlier.saturating_add(*lost);
        self.items.remove(place);
        self.set(before, Spilled::Lost(total));
        true
    }

    fn set(&mut self, place: usize, item: Spilled) {
        if let Some(slot) = self.items.get_mut(place) {
            *slot = item;
        }
    }
}

fn size(cut: &Cut) -> usize {
    match cut {
        Cut::Fragment(fragment) => fragment.size(),
        Cut::Begin(beginning) => beginning.header.init().len(),
        Cut::End { .. } => 0,
    }
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
        let begin = cuts(5, 1_000).first().map(size).unwrap();
        let spill = Spill::new(one * 4 + begin * 2);
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
        for taken in 0..5 {
            let mut spill = Spill::new(usize::MAX);
            spill.push(cuts(1, 10_000).into_iter().take(taken));
            for _ in 0..taken {
                assert!(spill.next().await.is_some());
            }
            spill.max_bytes = 10_000;
            spill.push(cuts(1, 10_000).into_iter().skip(taken));
            for _ in 0..50 {
                spill.push(cuts(1, 3_000));
                assert!(spill.queue().items.len() < 20, "{taken} taken");
                assert!(spill.queue().bytes <= 10_000);
            }
            spill.close();
            while spill.next().await.is_some() {}
            assert_eq!(spill.queue().bytes, 0);
        }
    }
}
