//! Remembers channel records for a moment: a player asks for several files a second, a store need not be. While the store
//! is out of reach, those who watch go on by what it said last.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, Shared};
use tokio::time::timeout;

use super::MAX_AGE;
use crate::channel::{Channel, Moment};
use crate::path::ChannelId;
use crate::ports::{ChannelStore, Error, Result};

/// The records of a store. However many ask for one at once, the store is asked once.
pub(super) struct Records {
    store: Arc<dyn ChannelStore>,
    kept: Arc<Mutex<Kept>>,
}

/// Two generations: the older is dropped when the younger has come of age, so that nothing is ever searched.
#[derive(Default)]
struct Kept {
    young: HashMap<ChannelId, Asked>,
    old: HashMap<ChannelId, Asked>,
    since: Option<Moment>,
    /// What the store said last of channels that there are, and when.
    spare: HashMap<ChannelId, (Moment, Arc<Channel>)>,
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
            kept: Arc::default(),
        }
    }

    /// The record as it is.
    pub(super) async fn fresh(&self, id: &ChannelId) -> Result<Arc<Channel>> {
        self.store.get(id).await.map(|found| found.channel)
    }

    /// The record as it was [`MAX_AGE`] before `now` or later; where the store is out of reach, [`SPARE`].
    pub(super) async fn get(&self, id: &ChannelId, now: Moment) -> Result<Arc<Channel>> {
        let (asked, spare, is_own) = self.asked(id, now);
        let Some(spare) = spare else {
            return asked.answer.await;
        };
        if !is_own {
            return Ok(spare);
        }
        match timeout(PATIENCE, asked.answer).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error @ Error::NotFound(_))) => Err(error),
            Ok(Err(_)) | Err(_) => Ok(spare),
        }
    }

    /// The question for a record; what can be answered without it, as there is no answer for now; and whether nobody else
    /// has asked.
    fn asked(&self, id: &ChannelId, now: Moment) -> (Asked, Option<Arc<Channel>>, bool) {
        let mut kept = lock(&self.kept);
        kept.age(now);
        let spare = kept.spare(id, now);
        let known = kept.young.get(id).or_else(|| kept.old.get(id));
        if let Some(known) = known.filter(|known| known.holds(now, spare.is_some())) {
            let is_answered = matches!(known.answer.clone().now_or_never(), Some(Ok(_)));
            return (known.clone(), spare.filter(|_| !is_answered), false);
        }
        let (store, wanted) = (Arc::clone(&self.store), id.clone());
        let said = Arc::clone(&self.kept);
        // Goes on, and is kept, when whoever asked does not wait for it any more.
        let asking = tokio::spawn(async move {
            let found = store.get(&wanted).await.map(|found| found.channel);
            lock(&said).keep(&wanted, now, &found);
            found
        });
        let answer = async move { asking.await.map_err(Error::unavailable)? };
        let asked = Asked {
            at: now,
            answer: answer.boxed().shared(),
        };
        if kept.young.len() < MAX_YOUNG || kept.young.contains_key(id) {
            kept.young.insert(id.clone(), asked.clone());
        }
        (asked, spare, true)
    }
}

impl Kept {
    /// Begins a generation when it is time for one.
    fn age(&mut self, now: Moment) {
        let since = *self.since.get_or_insert(now);
        // A clock that is set back begins a generation as well.
        if now < since || now >= since.plus(MAX_AGE) {
            self.old = std::mem::take(&mut self.young);
            self.since = Some(now);
        }
    }

    /// Keeps what the store said of a channel when it was asked at `at`, for when it says nothing.
    fn keep(&mut self, id: &ChannelId, at: Moment, said: &Result<Arc<Channel>>) {
        let channel = match said {
            Ok(channel) => channel,
            Err(Error::NotFound(_)) => {
                self.spare.remove(id);
                return;
            }
            Err(_) => return,
        };
        if self.spare.len() >= MAX_YOUNG && !self.spare.contains_key(id) {
            self.spare
                .retain(|_, (said, _)| *said <= at && at < said.plus(SPARE));
            if self.spare.len() >= MAX_YOUNG {
                return;
            }
        }
        self.spare.insert(id.clone(), (at, Arc::clone(channel)));
    }

    fn spare(&self, id: &ChannelId, now: Moment) -> Option<Arc<Channel>> {
        let (said, channel) = self.spare.get(id)?;
        let holds = *said <= now && now < said.plus(SPARE);
        holds.then(|| Arc::clone(channel))
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    // No code that holds the lock can leave it half changed.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Records").field(&self.store).finish()
    }
}

impl Asked {
    /// Whether the answer is as good as a new one at `now`. That the store could not answer is no answer; where there is
    /// something to go on by, it is not asked again at once.
    fn holds(&self, now: Moment, has_spare: bool) -> bool {
        let age = match self.answer.peek() {
            None | Some(Ok(_)) => MAX_AGE,
            Some(Err(Error::NotFound(_))) => MAX_AGE_OF_NOTHING,
            Some(Err(_)) if has_spare => MAX_AGE,
            Some(Err(_)) => return false,
        };
        self.at <= now && now < self.at.plus(age)
    }
}

/// For so long a channel is not looked for again that was not there: whoever makes one plays it soon.
const MAX_AGE_OF_NOTHING: Duration = Duration::from_millis(500);
/// For so long those who watch go on by what the store said last, while it says nothing. Nobody begins to publish by that,
/// or gets a content key.
pub(super) const SPARE: Duration = Duration::from_secs(300);
/// A store that hangs keeps who watches for so long, once in [`MAX_AGE`].
const PATIENCE: Duration = Duration::from_millis(500);
/// Records remembered of one generation. Beyond it the store is asked each time: names that lead nowhere cost the
/// asker's time and no memory.
const MAX_YOUNG: usize = 50_000;

#[cfg(test)]
mod tests;
