//! Remembers channel records for a moment: a player asks for several files a second, a store need not be.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, Shared};

use super::MAX_AGE;
use crate::channel::{Channel, Moment};
use crate::path::ChannelId;
use crate::ports::{ChannelStore, Error, Result};

/// The records of a store. However many ask for one at once, the store is asked once.
pub(super) struct Records {
    store: Arc<dyn ChannelStore>,
    kept: Mutex<Kept>,
}

/// Two generations: the older is dropped when the younger has come of age, so that nothing is ever searched.
#[derive(Default)]
struct Kept {
    young: HashMap<ChannelId, Asked>,
    old: HashMap<ChannelId, Asked>,
    since: Option<Moment>,
}

/// A question to the store, whether answered yet or not.
#[derive(Clone)]
struct Asked {
    at: Moment,
    answer: Shared<BoxFuture<'static, Result<Arc<Channel>>>>,
}

impl Records {
    pub(super) fn new(store: Arc<dyn ChannelStore>) -> Self {
        Self {
            store,
            kept: Mutex::default(),
        }
    }

    /// The record as it is.
    pub(super) async fn fresh(&self, id: &ChannelId) -> Result<Arc<Channel>> {
        self.store.get(id).await.map(|found| found.channel)
    }

    /// The record as it was [`MAX_AGE`] before `now` or later.
    pub(super) async fn get(&self, id: &ChannelId, now: Moment) -> Result<Arc<Channel>> {
        self.asked(id, now).answer.await
    }

    fn asked(&self, id: &ChannelId, now: Moment) -> Asked {
        let mut kept = self.kept(now);
        let known = kept.young.get(id).or_else(|| kept.old.get(id));
        if let Some(known) = known.filter(|known| known.holds(now)) {
            return known.clone();
        }
        let (store, wanted) = (Arc::clone(&self.store), id.clone());
        let answer = async move { store.get(&wanted).await.map(|found| found.channel) };
        let asked = Asked {
            at: now,
            answer: answer.boxed().shared(),
        };
        if kept.young.len() < MAX_YOUNG || kept.young.contains_key(id) {
            kept.young.insert(id.clone(), asked.clone());
        }
        asked
    }

    fn kept(&self, now: Moment) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *kept.since.get_or_insert(now);
        // A clock that is set back begins a generation as well.
        if now < since || now >= since.plus(MAX_AGE) {
            kept.old = std::mem::take(&mut kept.young);
            kept.since = Some(now);
        }
        kept
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Records").field(&self.store).finish()
    }
}

impl Asked {
    /// Whether the answer is as good as a new one at `now`. That the store could not answer is no answer.
    fn holds(&self, now: Moment) -> bool {
        let age = match self.answer.peek() {
            None | Some(Ok(_)) => MAX_AGE,
            Some(Err(Error::NotFound(_))) => MAX_AGE_OF_NOTHING,
            Some(Err(_)) => return false,
        };
        self.at <= now && now < self.at.plus(age)
    }
}

/// For so long a channel is not looked for again that was not there: whoever makes one plays it soon.
const MAX_AGE_OF_NOTHING: Duration = Duration::from_millis(500);
/// Records remembered of one generation. Beyond it the store is asked each time: names that lead nowhere cost the
/// asker's time and no memory.
const MAX_YOUNG: usize = 50_000;

#[cfg(test)]
mod tests;
