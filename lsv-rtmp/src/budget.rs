//! What all connections of a process may hold together, where [`Limits`](crate::Limits) bounds each alone.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::error::Limit;

/// Bytes that the connections of a process may hold in half-received messages, all together; default 256 MiB.
///
/// Only publishers whose request is accepted draw on it, and client sessions that play: what others may hold is bounded
/// by [`Limits::bytes_before_publish`](crate::Limits::bytes_before_publish) and the number of connections.
///
/// A handle: clones draw on the same bytes, so a server makes one and gives a clone to each session. Stops many peers
/// that each stay within [`Limits::partial_bytes`](crate::Limits::partial_bytes) and together take all memory. The one
/// that asks when nothing is left gets [`Limit::Budget`]; sessions that hold bytes keep them.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    limit: usize,
    used: AtomicUsize,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(DEFAULT_BYTES)
    }
}

impl Budget {
    /// `limit` bytes, none of them in use.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Account {
            limit,
            used: AtomicUsize::new(0),
        }))
    }

    /// Bytes that may be in use at once.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Bytes in use, for metrics.
    pub fn used(&self) -> usize {
        self.0.used.load(Relaxed)
    }

    fn take(&self, bytes: usize) -> Result<(), Limit> {
        // The number is all that threads share, nothing is read on the strength of it: no ordering is needed.
        let within = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.0.limit);
        match self.0.used.fetch_update(Relaxed, Relaxed, within) {
            Ok(_) => Ok(()),
            Err(_) => Err(Limit::Budget(self.0.limit)),
        }
    }

    fn give_back(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Relaxed);
    }
}

/// What one holder has taken from a [`Budget`]; dropping it gives everything back.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Option<Budget>,
    bytes: usize,
}

impl Share {
    /// A share of no bytes; without a budget every size is granted.
    pub(crate) fn of(budget: Option<Budget>) -> Self {
        Self { budget, bytes: 0 }
    }

    /// Makes the share `bytes` large. Where that is refused it stays as it was.
    pub(crate) fn resize(&mut self, bytes: usize) -> Result<(), Limit> {
        if let Some(budget) = &self.budget {
            if let Some(more) = bytes.checked_sub(self.bytes) {
                budget.take(more)?;
            } else {
                budget.give_back(self.bytes.saturating_sub(bytes));
            }
        }
        self.bytes = bytes;
        Ok(())
    }

    /// The size in force.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.give_back(self.bytes);
        }
    }
}

/// A thousand publishers, each in the middle of a key frame of 256 KiB.
const DEFAULT_BYTES: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_draw_on_one_budget_and_give_back() {
        let budget = Budget::new(100);
        let mut first = Share::of(Some(budget.clone()));
        let mut second = Share::of(Some(budget.clone()));
        assert_eq!(first.resize(60), Ok(()));
        assert_eq!(second.resize(41), Err(Limit::Budget(100)));
        assert_eq!((second.bytes(), budget.used()), (0, 60));
        assert_eq!(second.resize(40), Ok(()));
        assert_eq!(second.resize(usize::MAX), Err(Limit::Budget(100)));
        assert_eq!(first.resize(10), Ok(()));
        assert_eq!(budget.used(), 50);
        drop(second);
        assert_eq!(budget.used(), 10);
        drop(first);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn without_a_budget_every_size_is_granted() {
        let mut share = Share::of(None);
        assert_eq!(share.resize(usize::MAX), Ok(()));
        assert_eq!(share.bytes(), usize::MAX);
    }

    #[test]
    fn threads_never_take_more_than_there_is() {
        let budget = Budget::new(1000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let budget = budget.clone();
                scope.spawn(move || {
                    let mut share = Share::of(Some(budget.clone()));
                    for n in 0..10_000_usize {
                        let wanted = n.wrapping_mul(37) % 700;
                        if share.resize(wanted).is_ok() {
                            assert!((wanted..=1000).contains(&budget.used()));
                        }
                    }
                });
            }
        });
        assert_eq!(budget.used(), 0);
    }
}
