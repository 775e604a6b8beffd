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
    kept: Mutex<Kept>,
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
            kept: Mutex::default(),
        }
    }

    /// The record as it is.
    pub(super) async fn fresh(&self, id: &ChannelId) -> Result<Arc<Channel>> {
        self.store.get(id).await.map(|found| found.channel)
    }

    /// The record as it was [`MAX_AGE`] before `now` or later; where the store is out of reach, [`SPARE`].
    pub(super) async fn get(&self, id: &ChannelId, now: Moment) -> Result<Arc<Channel>> {
        let (asked, spare, is_own) = self.asked(id, now);
        let at = asked.at;
        let answer = match spare {
            None => asked.answer.await,
            Some(spare) if !is_own => return Ok(spare),
            Some(spare) => match timeout(PATIENCE, asked.answer).await {
                Ok(answer) => answer,
                Err(_) => return Ok(spare),
            },
        };
        match answer {
            Ok(channel) => {
                self.kept(now).keep(id, at, &channel);
                Ok(channel)
            }
            Err(error) => {
                let mut kept = self.kept(now);
                if matches!(error, Error::NotFound(_)) {
                    kept.spare.remove(id);
                }
                kept.spare(id, now).ok_or(error)
            }
        }
    }

    /// The question for a record; what can be answered without it, as there is no answer for now; and whether nobody else
    /// has asked.
    fn asked(&self, id: &ChannelId, now: Moment) -> (Asked, Option<Arc<Channel>>, bool) {
        let mut kept = self.kept(now);
        let spare = kept.spare(id, now);
        let known = kept.young.get(id).or_else(|| kept.old.get(id));
        if let Some(known) = known.filter(|known| known.holds(now, spare.is_some())) {
            let is_answered = matches!(known.answer.clone().now_or_never(), Some(Ok(_)));
            return (known.clone(), spare.filter(|_| !is_answered), false);
        }
        let (store, wanted) = (Arc::clone(&self.store), id.clone());
        // Goes on when whoever asked does not wait for it any more.
        let asking = tokio::spawn(async move { store.get(&wanted).await });
        let answer = async move {
            let found = asking.await.map_err(Error::unavailable)??;
            Ok(found.channel)
        };
        let asked = Asked {
            at: now,
            answer: answer.boxed().shared(),
        };
        if kept.young.len() < MAX_YOUNG || kept.young.contains_key(id) {
            kept.young.insert(id.clone(), asked.clone());
        }
        (asked, spare, true)
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

impl Kept {
    /// Keeps what the store said of a channel, for when it says nothing.
    fn keep(&mut self, id: &ChannelId, at: Moment, channel: &Arc<Channel>) {
        if self.spare.get(id).is_some_and(|(said, _)| *said == at) {
            return;
        }
        if self.spare.len() >= MAX_YOUNG && !self.spare.contains_key(id) {
            self.spare
                .retain(|_, (said, _)| *said <= at && at < said.plus(SPARE));
            if self.spare.len() >= MAX_YOUNG {
                return;
            }
        }
        let said = (at, Arc::clone(channel));
        self.spare.insert(id.clone(), said);
    }

    fn spare(&self, id: &ChannelId, now: Moment) -> Option<Arc<Channel>> {
        let (said, channel) = self.spare.get(id)?;
        let holds = *said <= now && now < said.plus(SPARE);
        holds.then(|| Arc::clone(channel))
    }
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
