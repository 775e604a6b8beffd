//! What is kept for other nodes for as long as they use it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::ports::{Error, Result};

/// Things by ids that their users made up: bounded in number, and dropped when they are not used for a while.
#[derive(Debug)]
pub(super) struct Kept<T> {
    inner: Arc<Mutex<Inner<T>>>,
    most: usize,
    life: Duration,
}

#[derive(Debug)]
struct Inner<T> {
    things: HashMap<Uuid, Thing<T>>,
    is_swept: bool,
}

#[derive(Debug)]
struct Thing<T> {
    thing: Arc<T>,
    until: Instant,
}

impl<T: Send + Sync + 'static> Kept<T> {
    pub(super) fn new(most: usize, life: Duration) -> Self {
        let inner = Inner {
            things: HashMap::new(),
            is_swept: false,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            most,
            life,
        }
    }

    /// The thing of that id, which is used by that.
    pub(super) fn get(&self, id: Uuid) -> Option<Arc<T>> {
        let until = self.until();
        let mut inner = lock(&self.inner);
        let known = inner.things.get_mut(&id)?;
        known.until = until;
        Some(Arc::clone(&known.thing))
    }

    /// Keeps `thing` in place of what had that id.
    pub(super) fn put(&self, id: Uuid, thing: T) -> Result<Arc<T>> {
        let thing = Arc::new(thing);
        let kept = Thing {
            thing: Arc::clone(&thing),
            until: self.until(),
        };
        let mut inner = lock(&self.inner);
        if inner.things.len() >= self.most && !inner.things.contains_key(&id) {
            let most = self.most;
            let full = format_args!("other nodes have {most} things under way here, which is most");
            return Err(Error::unavailable(full));
        }
        let before = inner.things.insert(id, kept);
        if !std::mem::replace(&mut inner.is_swept, true) {
            let pause = (self.life / 8).max(SHORTEST_PAUSE);
            tokio::spawn(sweep(Arc::downgrade(&self.inner), pause));
        }
        drop(inner);
        // What its dropping does is done without the lock.
        drop(before);
        Ok(thing)
    }

    /// Whether there is a thing for which `is_it` is true.
    pub(super) fn any(&self, is_it: impl Fn(&T) -> bool) -> bool {
        let inner = lock(&self.inner);
        let mut things = inner.things.values();
        things.any(|kept| is_it(&kept.thing))
    }

    /// Forgets all for which `is_it` is true.
    pub(super) fn remove_all(&self, is_it: impl Fn(&T) -> bool) -> Vec<Arc<T>> {
        let mut inner = lock(&self.inner);
        let removed = inner.things.extract_if(|_, kept| is_it(&kept.thing));
        removed.map(|(_, kept)| kept.thing).collect()
    }

    fn until(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.life).unwrap_or(now)
    }
}

/// Drops what is not used any more, for as long as there is anything.
async fn sweep<T>(inner: Weak<Mutex<Inner<T>>>, pause: Duration) {
    loop {
        sleep(pause).await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        let mut inner = lock(&inner);
        let now = Instant::now();
        let is_over =
            |kept: &mut Thing<T>| kept.until <= now && Arc::strong_count(&kept.thing) == 1;
        let over: Vec<_> = inner.things.extract_if(|_, kept| is_over(kept)).collect();
        inner.is_swept = !inner.things.is_empty();
        let is_swept = inner.is_swept;
        drop(inner);
        drop(over);
        if !is_swept {
            return;
        }
    }
}

fn lock<T>(inner: &Mutex<Inner<T>>) -> MutexGuard<'_, Inner<T>> {
    // No code that holds the lock can leave the map half changed.
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Least time between two looks for what is over.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_used_stays_and_what_is_not_goes() {
        let kept = Kept::new(2, Duration::from_secs(8));
        let [one, other, more] = [1, 2, 3].map(Uuid::from_u128);
        drop(kept.put(one, "one").unwrap());
        drop(kept.put(other, "other").unwrap());
        assert!(kept.put(more, "more").is_err());
        assert_eq!(*kept.put(other, "anew").unwrap(), "anew");
        for _ in 0..3 {
            sleep(Duration::from_secs(4)).await;
            assert!(kept.get(one).is_some());
        }
        assert!(kept.get(other).is_none());
        assert!(kept.any(|thing| *thing == "one") && !kept.any(|thing| *thing == "anew"));
        // In use all the time, though nobody asks.
        let held = kept.get(one);
        sleep(Duration::from_secs(30)).await;
        assert!(kept.get(one).is_some());
        drop(held);
        sleep(Duration::from_secs(10)).await;
        assert!(kept.get(one).is_none());
        drop(kept.put(more, "is swept again").unwrap());
        sleep(Duration::from_secs(10)).await;
        assert!(!kept.any(|_| true));
        drop(kept.put(one, "one").unwrap());
        assert_eq!(kept.remove_all(|thing| *thing == "one").len(), 1);
        assert!(!kept.any(|_| true));
    }
}
