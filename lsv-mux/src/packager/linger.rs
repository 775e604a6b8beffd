//! What ended streams leave behind: their windows stay for a while, all of them together within bounds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::window::Outputs;

/// The windows of ended streams.
#[derive(Debug)]
pub(super) struct Lingering {
    max_bytes: usize,
    windows: Mutex<Windows>,
}

#[derive(Debug, Default)]
struct Windows {
    /// By ticket, so the oldest first, with what each holds in memory.
    held: BTreeMap<u64, (Arc<Outputs>, usize)>,
    bytes: usize,
    next_ticket: u64,
}

impl Lingering {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            windows: Mutex::default(),
        }
    }

    /// Counts `outputs`, whose stream has ended, until the stay is dropped. Where that is too much, the windows that
    /// have been here longest are withdrawn.
    pub(super) fn admit(self: &Arc<Self>, outputs: &Arc<Outputs>) -> Stay {
        let mut windows = self.windows();
        let ticket = windows.next_ticket;
        windows.next_ticket += 1;
        let bytes = outputs.size();
        windows.bytes += bytes;
        windows.held.insert(ticket, (Arc::clone(outputs), bytes));
        while windows.bytes > self.max_bytes {
            let Some((_, (oldest, bytes))) = windows.held.pop_first() else {
                break;
            };
            windows.bytes -= bytes;
            oldest.withdraw();
        }
        Stay {
            lingering: Arc::clone(self),
            ticket,
        }
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time that one window lingers.
#[derive(Debug)]
pub(super) struct Stay {
    lingering: Arc<Lingering>,
    ticket: u64,
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut windows = self.lingering.windows();
        if let Some((_, bytes)) = windows.held.remove(&self.ticket) {
            windows.bytes -= bytes;
        }
    }
}
